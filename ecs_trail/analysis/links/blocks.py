"""What blocked a task: refused calls and silence, held against the losses of its role and the tags of its volumes.

The rules are the contract's, "Words with one meaning": a refused cleanup call blocks at once; an outage of
`sts:AssumeRole` blocks in silence; a session ECS still held may finish; a change is a cause only while the task still
needed the action it took.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.calls import Outcome, PolicyType
from ecs_trail.frames import Row
from ecs_trail.vocabulary import ASSUME_ROLE, RESERVED_TAGS, Phase

_TEARDOWN_CALLS: Final = frozenset({"DetachVolume", "DeleteVolume", "DescribeVolumes"})


@dataclass(frozen=True, slots=True)
class Case:
    """One task with all that is held against it."""

    life: Row
    volumes: Sequence[Row]
    calls: Sequence[Row]
    losses: Sequence[Row]
    tag_needs: Sequence[Row]
    as_of: datetime
    stuck_after: timedelta
    grace: timedelta


@dataclass(slots=True)
class Block:
    """What stood in a task's way: since when, by which losses or tag changes, shown by which refused calls."""

    since: datetime
    losses: list[Row] = field(default_factory=list)
    outage_id: str | None = None
    tag_event_ids: list[str] = field(default_factory=list)
    tags_needed: bool = False
    denied: list[Row] = field(default_factory=list)
    explained: list[tuple[Row, Row]] = field(default_factory=list)
    by_status: bool = False


def fits(loss: Row, life: Row) -> bool:
    """Whether a loss holds where the task runs."""
    return loss["region"] in {None, life["region"]} and loss["cluster"] in {None, life["cluster"]}


def resolved_at(case: Case) -> datetime | None:
    """When the task was cleaned up: every volume gone, or detached where it is kept; else when ECS said it stopped.

    A task that ECS gave up is not cleaned up: calls were refused, and the state that says STOPPED still shows a volume.
    """
    done: list[datetime | None] = [
        volume["gone_at"] or (volume["detached_at"] if case.life["kept_by_design"] else None) for volume in case.volumes
    ]
    times = [moment for moment in done if moment is not None]
    if done and len(times) == len(done):
        return max(times)
    if case.life["saved_volume_left"] and denied_cleanup(case, case.life["stop_started_at"]):
        return None
    stopped: datetime | None = case.life["saved_stopped_at"]
    return stopped


def by_hand(case: Case) -> str | None:
    """Who finished the cleanup where it was not ECS; None where it was ECS or nobody knows."""
    for volume in case.volumes:
        if volume["deleted_at"] is not None and not volume["deleted_by_ecs"]:
            actor: str = volume["deleted_by"]
            return actor
    return None


def cleanup_began(case: Case) -> bool:
    """Whether ECS was seen to detach a volume of the task."""
    return any(volume["detached_at"] is not None and volume["gone_at"] is None for volume in case.volumes)


def needs(case: Case, resolved: datetime | None) -> dict[str, datetime | None]:
    """The actions the task's teardown needs, each until when (None: still needed)."""
    wanted: dict[str, datetime | None] = {ASSUME_ROLE: resolved, "ec2:DescribeVolumes": resolved}
    detached = [volume["detached_at"] for volume in case.volumes]
    if not detached:
        wanted["ec2:DetachVolume"] = resolved
    else:
        wanted["ec2:DetachVolume"] = None if None in detached else max(detached)
    if not case.life["kept_by_design"]:
        wanted["ec2:DeleteVolume"] = resolved
    if _detached_unseen(case):
        del wanted["ec2:DetachVolume"]
    return wanted


def _detached_unseen(case: Case) -> bool:
    """Whether ECS was past detaching without a record of it: it tried to delete, and no refused detach is on record."""
    if not case.volumes or any(volume["detached_by"] is not None for volume in case.volumes):
        return False
    own = [call["event_name"] for call in case.calls if call["by_ecs"] and call["outcome"] == Outcome.DENIED]
    return "DeleteVolume" in own and "DetachVolume" not in own


def denied_cleanup(case: Case, start: datetime | None) -> list[Row]:
    """ECS's refused cleanup calls for the task's volumes, oldest first."""
    if case.life["failed_at"] is not None:
        return []
    return [
        call
        for call in case.calls
        if call["by_ecs"]
        and call["outcome"] == Outcome.DENIED
        and call["event_name"] in _TEARDOWN_CALLS
        and (start is None or call["event_time"] >= start)
    ]


def block_of(case: Case) -> Block | None:
    """What blocked the task's teardown, or None when nothing did or nobody can say."""
    start = case.life["stop_started_at"]
    if start is None or case.life["failed_at"] is not None:
        return None
    resolved = resolved_at(case)
    wanted = needs(case, resolved)
    denied = denied_cleanup(case, start)
    tagged = _tag_block(case, denied, resolved)
    if tagged is not None:
        return tagged
    mine = [loss for loss in case.losses if loss["phase"] == Phase.TEARDOWN and fits(loss, case.life)]
    mine = [loss for loss in mine if loss["action"] in wanted]
    # Where refusals are on record, they tell which action was gone; silence speaks of the role alone.
    mute = [loss for loss in mine if not denied or loss["action"] == ASSUME_ROLE]
    silent = [loss for loss in mute if _silent(case, loss, start, resolved, wanted)]
    refused_role = _status_says_refused(case)
    if not denied and not silent and not refused_role:
        return None
    block = Block(
        since=min(
            [*(call["event_time"] for call in denied), *(max(start, one["lost_at"]) for one in silent), *refused_role]
        ),
        denied=denied,
        by_status=bool(refused_role),
    )
    block.explained = [
        (call, loss) for call in denied for loss in mine if _explains(case, loss, call["event_time"], call)
    ]
    if refused_role:
        silent += [loss for loss in mine if loss["action"] == ASSUME_ROLE and loss not in silent and _open(case, loss)]
    _link(block, case, mine, silent, wanted)
    return block


def _link(
    block: Block, case: Case, mine: Sequence[Row], silent: Sequence[Row], wanted: dict[str, datetime | None]
) -> None:
    """Choose the outage that blocked first, and every loss that took what the task still needed."""
    start: datetime = case.life["stop_started_at"]
    first = [(call["event_time"], loss) for call, loss in block.explained]
    first += [(max(start, loss["lost_at"]), loss) for loss in silent]
    if not first:
        return
    earliest = min(first, key=lambda one: (one[0], one[1]["lost_at"]))
    block.outage_id = earliest[1]["outage_id"]
    linked = {loss["outage_id"] for _, loss in first}
    direct = [loss for _, loss in first]
    firm = any(loss["certainty"] != "possible" for loss in direct)
    for loss in mine:
        if firm and loss["certainty"] == "possible" and loss not in direct:
            continue  # a firm claim must not carry a guess: no refused call speaks for this one
        until = wanted[loss["action"]] or case.as_of
        open_then = loss["regained_at"] is None or loss["regained_at"] > start
        later = loss["lost_at"] >= block.since and open_then
        if loss in direct or (loss["lost_at"] < until and (loss["outage_id"] in linked or later)):
            block.losses.append(loss)


def _explains(case: Case, loss: Row, moment: datetime, call: Row) -> bool:
    """Whether a loss explains a refused call: same action, in force or just repaired, no other policy type named."""
    if loss["action"].lower() != call["action"].lower() or loss["lost_at"] > moment:
        return False
    if loss["regained_at"] is not None and moment >= loss["regained_at"] + case.grace:
        return False
    kind = call["policy_type"]
    if kind in {PolicyType.SESSION, PolicyType.ENDPOINT, PolicyType.RESOURCE}:
        return False
    return kind in {PolicyType.NONE, PolicyType.TRUST} or bool(kind in loss["policy_types"])


def _silent(
    case: Case, loss: Row, start: datetime, resolved: datetime | None, wanted: dict[str, datetime | None]
) -> bool:
    """Whether a loss blocked the task without a refused call on record."""
    until = wanted[loss["action"]] or case.as_of
    lost, regained = loss["lost_at"], loss["regained_at"]
    if lost >= until or (regained is not None and regained <= start):
        return False
    if lost - start >= case.stuck_after:
        return False  # by then a cleanup is done: a missing record is likelier than a task that waited for the loss
    by_role = loss["action"] == ASSUME_ROLE
    if resolved is None:
        # A refusal of AssumeRole itself is on record at times; then nobody needs to wait.
        refused = by_role and loss["last_denied_at"] is not None and loss["last_denied_at"] >= start
        if not by_role and cleanup_began(case):
            return False  # ECS was at work and met no refusal: the rest of its calls is missing
        return bool(refused or case.as_of - max(start, lost) >= case.stuck_after)
    inside = regained is None or resolved < regained
    if inside:
        # ECS finished inside the outage with a session it held, or before the change had spread.
        return by_hand(case) is not None
    if by_role:
        return True
    return bool(resolved - start >= case.stuck_after)


def _open(case: Case, loss: Row) -> bool:
    still = loss["regained_at"] is None or loss["regained_at"] > case.life["stop_started_at"]
    return bool(loss["lost_at"] <= case.as_of and still)


def _status_says_refused(case: Case) -> list[datetime]:
    """The moment a saved task state says that ECS cannot assume the role; nothing where it does not."""
    reason = case.life["saved_reason"] or ""
    if "unable to assume" not in reason or case.life["saved_status"] in {"RUNNING", "PENDING"}:
        return []
    moment: datetime = case.life["stop_started_at"]
    return [moment]


def _tag_block(case: Case, denied: Sequence[Row], resolved: datetime | None) -> Block | None:
    """A block by reserved tags that somebody took from a volume of the task."""
    for lost_at, back_at, event_id, volume_id in _tag_gaps(case.calls):
        needed = [need for need in case.tag_needs if _needed_then(need, lost_at, case)]
        refused = [
            call
            for call in denied
            if call["volume_id"] == volume_id
            and call["event_time"] >= lost_at
            and (back_at is None or call["event_time"] < back_at + case.grace)
            and call["event_name"] != "DescribeVolumes"
        ]
        earlier = [call for call in denied if call["event_time"] < lost_at]
        if refused and not earlier and (needed or not case.tag_needs):
            return Block(refused[0]["event_time"], tag_event_ids=[event_id], denied=refused, tags_needed=bool(needed))
        start: datetime = case.life["stop_started_at"]
        waited = case.as_of - max(start, lost_at) >= case.stuck_after
        if needed and not denied and resolved is None and back_at is None and waited:
            return Block(max(start, lost_at), tag_event_ids=[event_id], tags_needed=True)
    return None


def _needed_then(need: Row, moment: datetime, case: Case) -> bool:
    """Whether the role needed the tags at any time from a moment on."""
    here = need["region"] in {None, case.life["region"]}
    return bool(here and (need["until"] is None or need["until"] > moment))


def _tag_gaps(calls: Sequence[Row]) -> Iterator[tuple[datetime, datetime | None, str, str]]:
    """Spans in which a volume lacked a reserved tag: from, until, the event that took it, the volume."""
    gaps: dict[str, tuple[datetime, str, set[str]]] = {}
    for call in calls:
        if call["outcome"] != Outcome.OK or call["volume_id"] is None:
            continue
        volume = call["volume_id"]
        if call["tags_lost"] and volume not in gaps:
            gaps[volume] = (call["event_time"], call["event_id"], set(call["tags_lost"]))
        elif volume in gaps and set(call["tags_set"]) & RESERVED_TAGS and not call["tags_lost"]:
            since, event_id, missing = gaps[volume]
            missing -= set(call["tags_set"])
            if not missing:
                del gaps[volume]
                yield since, call["event_time"], event_id, volume
    for volume, (since, event_id, _) in gaps.items():
        yield since, None, event_id, volume
