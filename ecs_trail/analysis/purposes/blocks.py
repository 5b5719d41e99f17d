"""What ECS could not do for a purpose other than volumes and TLS: refused calls held against the losses of the role.

A refusal that no change in the evidence explains stays without a cause: a role that never had an action is not in an
outage for it (contract, "What an outage is made of").
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.arns import role_key
from ecs_trail.calls import Outcome, PolicyType
from ecs_trail.frames import COUNT, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, rows
from ecs_trail.vocabulary import Basis, Confidence

BLOCKED_WORK: Final = FrameSpec(
    name="blocked_work",
    doc="One row per action that ECS was refused, or that failed in part, for targets, listeners or Managed Instances.",
    key=("role_arn", "session_name", "action", "region", "resource", "started_at"),
    columns={
        "role_arn": TEXT,
        "purpose": TEXT,
        "phase": TEXT,
        "session_name": TEXT,
        "action": TEXT,
        "account": TEXT,
        "region": TEXT,
        "resource": TEXT,
        "started_at": TIME,
        "last_at": TIME,
        "resolved_at": TIME,
        "failures": COUNT,
        "targets_failed": COUNT,
        "error_code": TEXT,
        "error_message": TEXT,
        "outage_id": TEXT,
        "cause_event_ids": TEXTS,
        "confidence": TEXT,
        "basis": TEXTS,
        "denied_event_ids": TEXTS,
    },
)
_Key = tuple[Any, ...]


def blocked_work(calls: Sheet, losses: Sheet, *, as_of: datetime, grace: timedelta) -> Sheet:
    """What was blocked, as `BLOCKED_WORK`, oldest first. `calls` of `PURPOSE_CALLS`, `losses` of `LOSSES`.

    A block ends with the first success of the same action on the same resource; one row holds the refusals until then.
    `as_of` is aware UTC; `grace` is how long IAM may take to spread a change.
    """
    lost: dict[_Key, list[Row]] = defaultdict(list)
    for loss in rows(losses):
        lost[role_key(loss["role_arn"]), loss["purpose"], loss["action"].lower()].append(loss)
    grouped: dict[_Key, list[Row]] = defaultdict(list)
    for call in rows(calls):
        if call["event_time"] <= as_of:
            grouped[_place(call)].append(call)
    found = [
        _row(failed, healed, lost[role_key(failed[0]["role_arn"]), failed[0]["purpose"], key[3]], grace)
        for key, listed in grouped.items()
        for failed, healed in _runs(listed)
    ]
    return BLOCKED_WORK.sheet(sorted(found, key=lambda row: (row["started_at"], row["denied_event_ids"][0])))


def _place(call: Mapping[str, Any]) -> _Key:
    role = role_key(call["role_arn"])
    return role, call["session_name"], call["region"], call["action"].lower(), call["resource"]


def _failed(call: Mapping[str, Any]) -> bool:
    return call["outcome"] == Outcome.DENIED or bool(call["targets_failed"])


def _runs(calls: Sequence[Row]) -> Iterator[tuple[list[Row], datetime | None]]:
    """Failures up to the next success, with the time of that success; other errors pass by themselves."""
    run: list[Row] = []
    for call in calls:
        if _failed(call):
            run.append(call)
        elif run and call["outcome"] == Outcome.OK:
            yield run, call["event_time"]
            run = []
    if run:
        yield run, None


def _row(failed: Sequence[Row], healed: datetime | None, losses: Sequence[Row], grace: timedelta) -> Row:
    first = failed[0]
    mine = [loss for loss in losses if any(_explains(loss, call, grace) for call in failed)]
    mine.sort(key=lambda loss: (loss["lost_at"], loss["outage_id"]))
    causes = dict.fromkeys(
        event_id
        for loss in mine
        for event_id, moment in zip(loss["cause_event_ids"], loss["cause_times"], strict=True)
        if moment <= failed[-1]["event_time"]
    )
    sure = any(loss["certainty"] == "replayed" for loss in mine)
    denied = [call for call in failed if call["outcome"] == Outcome.DENIED]
    stands_on = {one for loss in mine for one in loss["basis"]} | ({Basis.DENIED_CALLS.value} if denied else set())
    if any(call["policy_type"] for call in denied):
        stands_on.add(Basis.POLICY_TYPE_IN_ERROR.value)
    return {
        **{name: first[name] for name in ("role_arn", "purpose", "phase", "session_name", "action", "account")},
        **{name: first[name] for name in ("region", "resource", "error_code", "error_message")},
        "started_at": first["event_time"],
        "last_at": failed[-1]["event_time"],
        "resolved_at": healed,
        "failures": len(failed),
        "targets_failed": sum(call["targets_failed"] for call in failed),
        "outage_id": mine[0]["outage_id"] if mine else None,
        "cause_event_ids": list(causes),
        "confidence": (Confidence.CERTAIN if sure and denied else Confidence.LIKELY).value,
        "basis": [one.value for one in Basis if one.value in stands_on],
        "denied_event_ids": [call["event_id"] for call in failed],
    }


def _explains(loss: Row, call: Row, grace: timedelta) -> bool:
    """Whether a loss explains a refused call: in force or just repaired, there, and no other policy type named."""
    moment, kind = call["event_time"], call["policy_type"]
    if call["outcome"] != Outcome.DENIED or loss["lost_at"] > moment or loss["region"] not in {None, call["region"]}:
        return False
    if loss["regained_at"] is not None and moment >= loss["regained_at"] + grace:
        return False
    if kind in {PolicyType.SESSION, PolicyType.ENDPOINT, PolicyType.RESOURCE}:
        return False
    return kind in {PolicyType.NONE, PolicyType.TRUST} or bool(kind in loss["policy_types"])
