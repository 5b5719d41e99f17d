"""Where ECS's calls contradict the replay: something acts on the role that the evidence does not hold.

A refusal although every replayed policy allows points to an organization policy, a session policy or a change nobody
recorded; a success although the replay forbids points to a grant nobody recorded. Both are told, never explained away.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.roles.abilities import ability
from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.losses import Observation, Question, fitting, shares
from ecs_trail.analysis.roles.replay import Moment
from ecs_trail.frames import TEXT, TIME, FrameSpec, Row, Sheet
from ecs_trail.vocabulary import ASSUME_ROLE

CONTRADICTIONS: Final = FrameSpec(
    name="contradictions",
    doc="One row per call of ECS that ended otherwise than the replayed policies say.",
    key=("event_id", "action"),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "role_arn": TEXT,
        "action": TEXT,
        "region": TEXT,
        "replayed": TEXT,
        "observed": TEXT,
        "policy_type": TEXT,
    },
)


def contradictions(history: RoleHistory, grace: timedelta) -> Sheet:
    """All such calls, as `CONTRADICTIONS`, oldest first; calls within the grace after a change are none."""
    found: dict[tuple[str, str], Row] = {}
    for key, moments in history.moments.items():
        for question in history.questions(key):
            seen = history.observed.get(key, {}).get(question.action, ())
            for row in _against(moments, question, fitting(seen, question.place), grace):
                found.setdefault((row["event_id"], row["action"]), row)
    return CONTRADICTIONS.sheet(sorted(found.values(), key=_order))


def _order(row: Mapping[str, Any]) -> tuple[datetime, str, str]:
    return row["event_time"], row["event_id"], row["action"]


def _against(
    moments: Sequence[Moment], question: Question, observed: Sequence[Observation], grace: timedelta
) -> Iterator[Row]:
    starts = [moment.since for moment in moments]
    for moment, (_, settled) in zip(moments, shares(observed, starts, grace), strict=True):
        if not settled:
            continue
        asked = (question.role_arn, question.purpose, question.action, question.place)
        verdict = ability(moment.material, *asked).verdict
        if verdict is Verdict.UNKNOWN:
            continue
        if verdict is Verdict.DENIED and (question.action == ASSUME_ROLE or not moment.material.state.exists):
            continue  # a session held since before the loss may work on; actions other than assuming are judged anew
        for one in settled:
            if one.allowed is (verdict is Verdict.ALLOWED):
                continue
            yield {
                "event_id": one.event_id,
                "event_time": one.event_time,
                "role_arn": question.role_arn,
                "action": question.action,
                "region": one.region,
                "replayed": verdict.value,
                "observed": "allowed" if one.allowed else "denied",
                "policy_type": one.policy_type,
            }
