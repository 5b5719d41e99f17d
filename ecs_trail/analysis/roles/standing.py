"""How a role stood over time, for each purpose it serves: able, broken, unknown, not set up, or not there."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.roles.abilities import Place, ability
from ecs_trail.analysis.roles.changes import RoleKey
from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.losses import Observation, moment_at
from ecs_trail.analysis.roles.replay import Material
from ecs_trail.frames import FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet
from ecs_trail.vocabulary import REQUIRED_ACTIONS, Basis, Purpose

ROLE_ABILITIES: Final = FrameSpec(
    name="role_abilities",
    doc="One row per role, purpose and span of one state: `able` (every action of at least one phase is allowed), "
    "`broken` (inside an outage), `unable` (there, but never set up for it), `unknown`, or `absent` (no such role). "
    "`open_start`: the evidence does not reach back to the beginning of the state. `basis` is empty for `unknown`, and "
    "for an ability only seen at work.",
    key=("role_arn", "purpose", "start"),
    columns={
        "role_arn": TEXT,
        "purpose": TEXT,
        "start": TIME,
        "end": TIME,
        "open_start": FLAG,
        "state": TEXT,
        "basis": TEXTS,
        "outage_ids": TEXTS,
    },
)
_ABLE: Final = "able"
_BROKEN: Final = "broken"
_UNABLE: Final = "unable"
_UNKNOWN: Final = "unknown"
_ABSENT: Final = "absent"
_WORST_FIRST: Final = (Verdict.DENIED, Verdict.UNKNOWN, Verdict.ALLOWED)


def role_abilities(history: RoleHistory, outages: Sequence[Row], since: datetime, as_of: datetime) -> Sheet:
    """The state of every role and purpose from `since` (the first moment seen) to `as_of`, as `ROLE_ABILITIES`.

    `outages` are the rows of the outages frame. Outages have the last word; where replay cannot judge, a call of ECS
    that worked, with none denied beside it, is taken for ability (with an empty basis, since nothing was replayed).
    """
    return ROLE_ABILITIES.sheet(_rows(history, outages, since, as_of))


def _rows(history: RoleHistory, outages: Sequence[Row], since: datetime, as_of: datetime) -> Iterator[Row]:
    for key, arn in history.arns.items():
        for purpose in history.purposes[key]:
            mine = [row for row in outages if (row["role_arn"], row["purpose"]) == (arn, purpose.value)]
            for row in _joined(_spans(history, key, purpose, mine, (since, as_of))):
                yield {"role_arn": arn, "purpose": purpose.value, **row}


def _spans(
    history: RoleHistory, key: RoleKey, purpose: Purpose, outages: Sequence[Row], reach: tuple[datetime, datetime]
) -> Iterator[Row]:
    since, as_of = reach
    moments = history.moments[key]
    begun = {one.since for one in moments if one.since is not None}
    edges = {since, as_of} | begun
    edges |= {moment for row in outages for moment in (row["start"], row["end"]) if moment is not None}
    cuts = sorted(edge for edge in edges if since <= edge <= as_of)
    seen = [one for action in _needed(purpose) for one in history.observed.get(key, {}).get(action, ())]
    for start, end in pairwise(cuts):
        under = [row for row in outages if row["start"] <= start and (row["end"] is None or end <= row["end"])]
        material = moment_at(moments, start).material
        if under:
            state, basis = _BROKEN, sorted({one for row in under for one in row["basis"]})
        else:
            state, basis = _judged(history, key, purpose, material)
            if state == _UNKNOWN and _worked(seen, start, end):
                state, basis = _ABLE, []
        yield {
            "start": start,
            "end": end,
            "open_start": start == since and state != _ABSENT and start not in begun,
            "state": state,
            "basis": basis,
            "outage_ids": [row["id"] for row in under],
        }


def _needed(purpose: Purpose) -> list[str]:
    return sorted({action for (one, _), needed in REQUIRED_ACTIONS.items() if one is purpose for action in needed})


def _judged(history: RoleHistory, key: RoleKey, purpose: Purpose, material: Material) -> tuple[str, list[str]]:
    """By replay: able when one whole phase is allowed in every place, unable when each phase lacks something."""
    if not material.state.exists:
        return _ABSENT, []
    places = history.places[key].get(purpose) or (Place(key[0]),)
    worst: list[Verdict] = []
    for (served, _), needed in REQUIRED_ACTIONS.items():
        if served is purpose:
            verdicts = {
                ability(material, history.arns[key], purpose, action, place).verdict
                for action in needed
                for place in places
            }
            worst.append(min(verdicts, key=_WORST_FIRST.index))
    if Verdict.ALLOWED in worst:
        return _ABLE, [Basis.POLICY_REPLAY.value]
    return (_UNKNOWN, []) if Verdict.UNKNOWN in worst else (_UNABLE, [Basis.POLICY_REPLAY.value])


def _worked(seen: Iterable[Observation], start: datetime, end: datetime) -> bool:
    inside = [one.allowed for one in seen if start <= one.event_time <= end]
    return bool(inside) and all(inside)


def _joined(spans: Iterable[Row]) -> Iterator[Row]:
    """Neighbours of one state as one span."""
    last: Row | None = None
    for span in spans:
        if last is not None and last["state"] == span["state"] and last["outage_ids"] == span["outage_ids"]:
            last = last | {"end": span["end"], "basis": sorted({*last["basis"], *span["basis"]})}
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
