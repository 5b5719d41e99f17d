"""Volume calls and volume lifecycles: every create, attach, detach, delete, attempt and failure, and by whom.

Record shapes: *Amazon EC2 API Reference*, CreateVolume, AttachVolume, DetachVolume, DeleteVolume, DescribeVolumes,
CreateTags, DeleteTags; reserved tags: *Amazon ECS Developer Guide*, "Use Amazon EBS volumes with Amazon ECS", both read
on 2026-11-24. One task has at most one managed volume, but nothing here depends on it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, count, repeat
from typing import Final, NamedTuple

from ecs_trail.arns import is_task
from ecs_trail.calls import Outcome, action_of, actor, made_by_ecs, outcome, refusal
from ecs_trail.event_names import VOLUME_EVENTS
from ecs_trail.frames import COUNT, FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, each, grouped, is_known, rows
from ecs_trail.payloads import Object, integer, json_object, objects, text
from ecs_trail.vocabulary import (
    RESERVED_TAGS,
    SESSION_PURPOSES,
    TAG_CLUSTER,
    TAG_CREATED,
    TAG_MANAGED,
    TAG_SERVICE,
    Purpose,
    VolumeState,
)

VOLUME_CALLS: Final = FrameSpec(
    name="volume_calls",
    doc="One row per call and ECS-managed volume (or task, where the call was refused before a volume existed).",
    key=("event_id", "volume_id", "task_arn"),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_name": TEXT,
        "action": TEXT,
        "volume_id": TEXT,
        "task_arn": TEXT,
        "role_arn": TEXT,
        "account": TEXT,
        "region": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "by_ecs": FLAG,
        "actor": TEXT,
        "source_ip": TEXT,
        "user_agent": TEXT,
        "outcome": TEXT,
        "error_code": TEXT,
        "error_message": TEXT,
        "policy_type": TEXT,
        "policy_arn": TEXT,
        "size_gib": COUNT,
        "kms_key_id": TEXT,
        "tags_lost": TEXTS,
        "tags_set": TEXTS,
    },
)
VOLUMES: Final = FrameSpec(
    name="volumes",
    doc="One row per ECS-managed EBS volume: its lifecycle, attempts and failures of ECS.",
    key=("volume_id", "account", "region"),
    columns={
        "volume_id": TEXT,
        "task_arn": TEXT,
        "role_arn": TEXT,
        "account": TEXT,
        "region": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "size_gib": COUNT,
        "kms_key_id": TEXT,
        "created_at": TIME,
        "attached_at": TIME,
        "detached_at": TIME,
        "deleted_at": TIME,
        "detached_by": TEXT,
        "deleted_by": TEXT,
        "deleted_by_ecs": FLAG,
        "gone_at": TIME,
        "delete_on_termination": FLAG,
        "state": TEXT,
        "attempts": COUNT,
        "failures": COUNT,
        "last_error": TEXT,
        "evidence": TEXTS,
    },
)

_OWNED: Final = ("task_arn", "role_arn", "cluster", "service")
#: What of an event says who called and how it ended, and what says on which volumes; most events are alike in both.
_CALL: Final = (
    *("event_source", "event_name", "aws_region", "account_id", "error_code", "error_message", "session_name"),
    *("session_issuer_arn", "invoked_by", "source_ip_address", "user_agent", "identity_arn", "principal_id"),
    "user_name",
)
_CALLED_ON: Final = ("event_name", "request_parameters", "response_elements")
_SUBJECT: Final = (*("volume_id", "task_arn", "cluster", "service", "size_gib", "kms_key_id", "tags_lost", "tags_set"),)
_SUBJECT_KINDS: Final = {name: VOLUME_CALLS.columns[name] for name in _SUBJECT} | {"is_tagged": FLAG}
_CALL_KINDS: Final = {
    name: kind for name, kind in VOLUME_CALLS.columns.items() if name not in {*_SUBJECT, "event_id", "event_time"}
} | {"session_name": TEXT}


def volume_calls(events: Sheet, task_states: Sheet) -> Sheet:
    """All calls on ECS-managed volumes, as `VOLUME_CALLS`, in the order of the events.

    A volume is ECS-managed when ECS created it with the reserved tags, when ECS's volume session touched it, or when a
    saved task state names it. Calls of others count once the volume is known.
    """
    calls = _calls(events.where(event_source="ec2.amazonaws.com", event_name=VOLUME_EVENTS))
    owners = _owners(calls, task_states)
    # ECS's work on a volume shows that it is managed for a task.
    shown = ({"is_tagged": bool}, {"session_name": _VOLUME_SESSIONS})
    managed = calls.where(by_ecs=bool, volume_id=is_known).where_any(*shown).different("volume_id") | owners.keys()
    kept = calls.where_any({"volume_id": managed}, {"volume_id": None, "by_ecs": bool})

    def owned(call: Row) -> Row:
        owner = owners.get(call["volume_id"])
        return call if owner is None else {name: call[name] or owner[name] for name in _OWNED}

    filled = kept.derived(("volume_id", *_OWNED), owned, dict.fromkeys(_OWNED, TEXT))
    return kept.beside(filled).only(VOLUME_CALLS.columns)


_VOLUME_SESSIONS: Final = frozenset(name for name, one in SESSION_PURPOSES.items() if one is Purpose.VOLUMES)


_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OK: Final = Outcome.OK.value


class _Call(NamedTuple):
    """What the lifecycle of a volume asks of a call: a tuple, as most of a large case are such calls."""

    volume_id: str
    event_time: datetime
    event_name: str
    by_ecs: bool
    actor: str
    outcome: str
    error_code: str | None
    task_arn: str | None
    role_arn: str | None
    account: str | None
    region: str | None
    cluster: str | None
    service: str | None
    size_gib: int | None
    kms_key_id: str | None


#: What a call may tell of its volume.
_TOLD: Final = _Call._fields[7:]


def volumes(calls: Sheet, task_states: Sheet) -> Sheet:
    """Lifecycles of ECS-managed volumes, as `VOLUMES`, ordered by volume id.

    `state` is what the calls alone show; `analysis.links` refines it once tasks are known. Times are UTC.
    """
    states = sorted(rows(task_states), key=_newness)
    saved = {row["volume_id"]: row for row in states if row["volume_id"]}
    looks = _mere_looks(calls)
    found = {
        volume_id: _lifecycle(volume_id, [_Call(*call) for call in mine], saved.get(volume_id))
        for volume_id, mine in grouped(calls.without(looks), _Call._fields)
    }
    found |= {volume_id: _lifecycle(volume_id, [], saved[volume_id]) for volume_id in saved.keys() - found.keys()}
    evidence = calls.listed("volume_id", "event_id")
    for volume_id, looked in Counter(looks.column("volume_id")).items():
        found[volume_id]["attempts"] += looked
    return VOLUMES.sheet(found[volume_id] | {"evidence": evidence.get(volume_id)} for volume_id in sorted(found))


def _mere_looks(calls: Sheet) -> Sheet:
    """ECS's looks at volumes that went well and told nothing new: most of a large case. They count as attempts.

    Where a volume was not found at any time, each of them tells that it was there.
    """
    missed = calls.where(outcome=Outcome.NOT_FOUND.value).different("volume_id")
    looks = calls.where(event_name="DescribeVolumes", outcome=_OK, by_ecs=bool, volume_id=is_known)
    return looks.where(volume_id=lambda volume_id: volume_id not in missed).repeats(("volume_id", *_TOLD))


_TAGGING: Final = frozenset({"CreateVolume", "CreateTags", "DeleteTags"})


def _calls(events: Sheet) -> Sheet:
    """One row per event and volume it was called on."""
    asked, kinds = events.kinds(_CALLED_ON)
    subjects: list[Row] = []
    spans: list[range] = []
    for event in each(asked, _CALLED_ON):
        start = len(subjects)
        subjects += _subjects(event)
        spans.append(range(start, len(subjects)))
    told = [spans[kind] for kind in kinds]
    called = events.beside(events.derived(_CALL, _call, _CALL_KINDS)).only(("event_id", "event_time", *_CALL_KINDS))
    on = Sheet.of_rows(subjects, _SUBJECT_KINDS)
    times = chain.from_iterable(map(repeat, count(), map(len, told)))
    return called.taken(times).beside(on.taken(chain.from_iterable(told)))


def _call(event: Row) -> Row:
    """What an event says of the caller and of the end of the call."""
    said = refusal(event["error_message"])
    by_ecs = made_by_ecs(event["invoked_by"], event["source_ip_address"], event["session_name"])
    return event | {
        "action": said.action or action_of(event["event_source"], event["event_name"]),
        # the role behind a person's session is not the volume's infrastructure role
        "role_arn": event["session_issuer_arn"] if by_ecs else None,
        "account": event["account_id"],
        "region": event["aws_region"],
        "by_ecs": by_ecs,
        "actor": actor(event["identity_arn"], event["invoked_by"], event["principal_id"], event["user_name"]),
        "source_ip": event["source_ip_address"],
        "outcome": outcome(event["error_code"]).value,
        "policy_type": said.policy_type.value,
        "policy_arn": said.policy_arn,
    }


def _subjects(event: Row) -> list[Row]:
    """What an event says of each volume it was called on."""
    name = event["event_name"]
    request, response = json_object(event["request_parameters"]), json_object(event["response_elements"])
    row: Row = {}
    if name in _TAGGING:
        tags = _tags(name, request)
        task = tags.get(TAG_CREATED)
        row = {
            "task_arn": task if is_task(task) else None,
            "cluster": tags.get(TAG_CLUSTER),
            "service": tags.get(TAG_SERVICE),
            "is_tagged": TAG_CREATED in tags or TAG_MANAGED in tags,
            "tags_lost": _tags_lost(name, tags),
            "tags_set": sorted(RESERVED_TAGS & tags.keys()) if name == "CreateTags" else [],
        }
    if name not in {"DescribeVolumes", "DetachVolume", "DeleteVolume"}:  # these tell nothing of what a volume is
        row["size_gib"] = integer(response.get("size")) or integer(request.get("size"))
        told = (response.get("kmsKeyId"), request.get("kmsKeyId"), request.get("masterEncryptionKeyId"))
        row["kms_key_id"] = next(filter(None, map(text, told)), None)
    return [row | {"volume_id": volume_id} for volume_id in _volume_ids(name, request, response)]


def _volume_ids(name: str, request: Object, response: Object) -> Sequence[str | None]:
    if name == "CreateVolume":
        return (text(response.get("volumeId")),)
    if name in {"CreateTags", "DeleteTags"}:
        found = [text(item.get("resourceId")) for item in objects(request.get("resourcesSet"))]
        return [one for one in found if one and one.startswith("vol-")]
    if name == "DescribeVolumes":
        asked = [one for item in objects(request.get("volumeSet")) if (one := text(item.get("volumeId")))]
        return asked or (None,)  # a poll by filter says nothing of one volume, but still whether it was allowed
    return (text(request.get("volumeId")) or text(response.get("volumeId")),)


def _tags(name: str, request: Object) -> dict[str, str]:
    if name == "CreateVolume":
        sets = [item.get("tags") for item in objects(request.get("tagSpecificationSet"))]
    else:
        sets = [request.get("tagSet")]
    return {
        key: text(tag.get("value")) or ""
        for tags in sets
        for tag in objects(tags if isinstance(tags, dict) else {"items": tags})
        if (key := text(tag.get("key")))
    }


def _tags_lost(name: str, tags: Mapping[str, str]) -> list[str]:
    """Reserved tags that a call takes away or overwrites with a value ECS's policy does not accept."""
    if name == "DeleteTags":
        # DeleteTags without a tag set removes every user-defined tag (EC2 API Reference, DeleteTags).
        return sorted(RESERVED_TAGS & tags.keys()) if tags else sorted(RESERVED_TAGS)
    if name != "CreateTags":
        return []
    wrong = {TAG_MANAGED} if tags.get(TAG_MANAGED, "true") != "true" else set()
    if TAG_CREATED in tags and not is_task(tags[TAG_CREATED]):
        wrong.add(TAG_CREATED)
    return sorted(wrong)


def _owners(calls: Sheet, task_states: Sheet) -> dict[str, Row]:
    """Volume id -> the task, role, cluster and service it belongs to."""
    owners: dict[str, Row] = {}
    for state in rows(task_states):
        if state["volume_id"]:
            owners[state["volume_id"]] = {name: state[name] for name in _OWNED}
    known = calls.where(volume_id=is_known)
    own = known.where(by_ecs=bool)
    telling = known.without(own.repeats(("volume_id", *_OWNED)))
    for volume_id, by_ecs, *told in telling.tuples(("volume_id", "by_ecs", *_OWNED)):
        if by_ecs or volume_id in owners:
            owner = owners.setdefault(volume_id, dict.fromkeys(_OWNED))
            for name, value in zip(_OWNED, told, strict=True):
                owner[name] = owner[name] or value
    return {volume: owner for volume, owner in owners.items() if owner["task_arn"] or owner["role_arn"]}


def _lifecycle(volume_id: str, calls: list[_Call], saved: Row | None) -> Row:
    done = [call for call in calls if call.outcome == _OK]
    created, attached = _first(done, "CreateVolume"), _first(done, "AttachVolume")
    deleted = _last(done, "DeleteVolume")
    detached = _last(done, "DetachVolume")
    gone = _gone(calls, deleted)
    own = [call for call in calls if call.by_ecs and call.event_name not in {"CreateTags", "DeleteTags"}]
    failed = [call for call in own if call.outcome != _OK and call is not gone]
    ended = deleted or gone
    ended_at = ended.event_time if ended else _saved_at(saved, "DELETED")
    detached_at = detached.event_time if detached else ended_at or _saved_at(saved, "DETACHED", "DELETED")
    row: Row = {
        name: next((told for call in calls if (told := getattr(call, name)) is not None), None) for name in _TOLD
    }
    if saved is not None:
        for name in ("task_arn", "role_arn", "cluster", "service"):
            row[name] = row[name] or saved[name]
        row["account"] = row["account"] or at_arn(saved["task_arn"], 4)
        row["region"] = row["region"] or at_arn(saved["task_arn"], 3)
    return {
        **row,
        "volume_id": volume_id,
        "created_at": created and created.event_time,
        "attached_at": attached and attached.event_time,
        "detached_at": detached_at,
        "deleted_at": deleted and deleted.event_time,
        "detached_by": detached and detached.actor,
        "deleted_by": deleted and deleted.actor,
        "deleted_by_ecs": deleted and deleted.by_ecs,
        "gone_at": ended_at,
        "delete_on_termination": saved["delete_on_termination"] if saved else None,
        "state": _state(created, attached, detached_at, ended_at),
        "attempts": len(own),
        "failures": len(failed),
        "last_error": failed[-1].error_code if failed else None,
    }


def at_arn(arn: str | None, part: int) -> str | None:
    """One colon-separated part of an ARN, or None."""
    parts = (arn or "").split(":")
    return parts[part] if len(parts) > part else None


def _gone(calls: list[_Call], deleted: _Call | None) -> _Call | None:
    """ECS's own "not found" that no later success contradicts: the volume is gone, and no deletion is in the evidence.

    EC2 is eventually consistent, so a "not found" right after creation counts only when nothing works afterwards.
    """
    if deleted is not None:
        return None
    last_ok = max((at for at, call in enumerate(calls) if call.outcome == _OK), default=-1)
    later = calls[last_ok + 1 :]
    return next((call for call in later if call.outcome == Outcome.NOT_FOUND and call.by_ecs), None)


def _newness(state: Row) -> tuple[int, datetime]:
    """ECS counts a task's state changes in `version`; without it the time it was seen decides."""
    return state["version"] or 0, state["seen_at"] or state["created_at"] or _LONG_AGO


def _saved_at(saved: Row | None, *statuses: str) -> datetime | None:
    """When a saved task state shows the volume's attachment in one of these statuses; None where it does not."""
    if saved is None or saved["attachment_status"] not in statuses:
        return None
    moment: datetime | None = saved["stopped_at"] or saved["seen_at"]
    return moment


def _state(
    created: _Call | None, attached: _Call | None, detached_at: datetime | None, ended_at: datetime | None
) -> str:
    if ended_at is not None:
        return VolumeState.DELETED
    if detached_at is not None:
        return VolumeState.DETACHED
    if attached is not None:
        return VolumeState.ATTACHED
    return VolumeState.CREATED if created is not None else VolumeState.UNKNOWN


def _first(calls: list[_Call], name: str) -> _Call | None:
    return next((call for call in calls if call.event_name == name), None)


def _last(calls: list[_Call], name: str) -> _Call | None:
    return next((call for call in reversed(calls) if call.event_name == name), None)
