"""Lanes of tasks, volumes, TLS secrets and callers, from the frames of a case."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.arns import last_part
from ecs_trail.calls import Outcome
from ecs_trail.frames import rows
from ecs_trail.views import words
from ecs_trail.views.text import clean
from ecs_trail.views.timeline.codes import mark_of
from ecs_trail.views.timeline.parts import Events, Frames, Lane, Mark, Row
from ecs_trail.vocabulary import Phase, Purpose, TaskState, TlsState, VolumeState

#: A rotation is due within this time (contract, `rotation_overdue`).
_ROTATION: Final = timedelta(days=7)
_CLEANUP: Final = frozenset({"DetachVolume", "DeleteVolume", "DescribeVolumes"})
_CALL_COLUMNS: Final = ("event_id", "event_time", "event_name", "volume_id", "task_arn", "outcome")


def task_lanes(frames: Frames, events: Events, as_of: datetime) -> Iterator[Lane]:
    """One lane for each task that depends on an infrastructure role."""
    broken = _teardown_outages(frames)
    made = {row["volume_id"]: row["created_at"] for row in rows(frames["volumes"], ("volume_id", "created_at"))}
    for row in rows(frames["tasks"]):
        lane = Lane(
            "task",
            row["task_arn"],
            words.task_name(row["task_arn"]),
            words.tail(row["service"]),
            "at_risk" if row["at_risk"] else row["state"],
            role_arn=row["role_arn"],
            cluster=row["cluster"],
            service=row["service"],
            account=row["account"],
            region=row["region"],
            outage_id=row["outage_id"],
            related=tuple(row["volume_ids"]),
        )
        lane.rest_on(events, [*row["evidence"], *row["cause_event_ids"], *row["denied_event_ids"]])
        created = [made[one] for one in row["volume_ids"] if made.get(one)]
        risks = broken.get(row["role_arn"] or "", []) if row["at_risk"] else []
        begun = min((moment for moment in (row["launched_at"], *created) if moment), default=None)
        _task_spans(lane, row, begun, max(risks, default=None), as_of)
        if row["cause_event_ids"]:
            lane.blame(events.places(row["cause_event_ids"]))
        lane.marks = sorted(_task_marks(row, events), key=lambda mark: mark.time)
        yield lane


def _task_spans(lane: Lane, row: Row, begun: datetime | None, risk: datetime | None, as_of: datetime) -> None:
    """`begun`: launch or first volume, where seen. `risk`: since when it would get stuck if it stopped."""
    stop, blocked, resolved, cleaned = (
        row[name] for name in ("stop_started_at", "blocked_since", "resolved_at", "cleaned_up_at")
    )
    start = begun or min((moment for moment in (stop, *lane.seen) if moment), default=None)
    ended = min((moment for moment in (stop, blocked) if moment), default=None)
    if row["state"] == TaskState.FAILED_TO_START:
        lane.add(start, max([*lane.seen, *([start] if start else [])], default=as_of), "failed_to_start")
        return
    if row["state"] == TaskState.UNKNOWN:
        lane.add(start, ended or as_of, "unknown", open_start=not begun, open_end=True)
        return
    if start != stop:
        known = risk or ended or cleaned
        lane.add(start, known or as_of, "running", open_start=not begun, open_end=not known)
    lane.add(risk, as_of, "at_risk", open_end=True)
    lane.add(stop, blocked or cleaned or as_of, "stopping", open_end=not (blocked or cleaned))
    lane.add(blocked, resolved or as_of, "stuck", open_end=not resolved)
    if resolved and cleaned and cleaned > resolved:
        lane.add(resolved, cleaned, "recovered")


def _task_marks(row: Row, events: Events) -> Iterator[Mark]:
    denied = set(row["denied_event_ids"])
    for place in events.places([*row["evidence"], *row["stop_event_ids"], *row["denied_event_ids"]]):
        kind = mark_of(events.names[place], events.outcomes[place])
        if kind in {"denied", "launch"} or events.ids[place] in denied:
            yield Mark(events.times[place], kind, place)
    for event_id in row["stop_event_ids"]:
        if event_id in events.place:
            yield Mark(events.times[events.place[event_id]], "stop", events.place[event_id])
    if row["resolved_at"]:
        ended = [one for one in events.places(row["evidence"]) if events.times[one] >= row["resolved_at"]]
        if ended:
            yield Mark(events.times[ended[0]], "recovered", ended[0])


def _teardown_outages(frames: Frames) -> dict[str, list[datetime]]:
    """Role -> the starts of its outages of volume teardown that are still open."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for row in rows(frames["outages"]):
        if row["end"] is None and row["purpose"] == Purpose.VOLUMES and row["phase"] == Phase.TEARDOWN:
            found[row["role_arn"]].append(row["start"])
    return found


def volume_lanes(frames: Frames, events: Events, as_of: datetime) -> Iterator[Lane]:
    """One lane for each ECS-managed volume, every call on it a mark."""
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in rows(frames["volume_calls"], _CALL_COLUMNS):
        calls[call["volume_id"] or ""].append(call)
    tasks = {row["task_arn"]: row for row in rows(frames["tasks"], ("task_arn", "blocked_since", "cause_event_ids"))}
    for row in rows(frames["volumes"]):
        mine = calls.get(row["volume_id"], [])
        task = tasks.get(row["task_arn"], {})
        lane = Lane(
            "volume",
            row["volume_id"],
            clean(row["volume_id"]),
            f"{row['size_gib']:g} GiB" if row["size_gib"] else "",
            row["state"],
            role_arn=row["role_arn"],
            cluster=row["cluster"],
            service=row["service"],
            account=row["account"],
            region=row["region"],
            related=(row["task_arn"],) if row["task_arn"] else (),
        )
        lane.rest_on(events, [*row["evidence"], *(call["event_id"] for call in mine)])
        _volume_spans(lane, row, _blocked_from(row, mine, task.get("blocked_since")), as_of)
        lane.blame(events.places(task.get("cause_event_ids", ())))
        lane.marks = [
            Mark(call["event_time"], mark_of(call["event_name"], call["outcome"]), events.place[call["event_id"]])
            for call in mine
            if call["event_id"] in events.place
        ]
        lane.marks.sort(key=lambda mark: mark.time)
        yield lane


def _blocked_from(row: Row, calls: Sequence[Row], silent: datetime | None) -> datetime | None:
    """When the cleanup of a volume was first refused; where ECS fell silent, when its task got stuck."""
    refused: list[datetime] = [
        call["event_time"] for call in calls if call["outcome"] == Outcome.DENIED and call["event_name"] in _CLEANUP
    ]
    if row["created_at"] is not None:
        refused = [moment for moment in refused if row["attached_at"] is None or moment > row["attached_at"]]
    if refused:
        return min(refused)
    known = row["state"] in {VolumeState.BLOCKED, VolumeState.LEAKED}
    return silent if known else None


def _volume_spans(lane: Lane, row: Row, blocked: datetime | None, as_of: datetime) -> None:
    created, attached, detached = row["created_at"], row["attached_at"], row["detached_at"]
    end = row["deleted_at"] or row["gone_at"]
    gone = end or as_of
    lane.add(created, attached or blocked or gone, "created", open_end=not (attached or end))
    lane.add(attached, min(blocked or gone, detached or gone), "attached", open_end=not (blocked or detached or end))
    last = "kept" if row["state"] == VolumeState.KEPT else "leaked" if row["state"] == VolumeState.LEAKED else ""
    if blocked is not None and (detached is None or blocked <= detached):
        lane.add(blocked, detached or gone, "blocked", open_end=not (detached or end))
        lane.add(detached, gone, last or "detached", open_end=not end)
    elif blocked is not None:
        lane.add(detached, blocked, "detached")
        lane.add(blocked, gone, last or "blocked", open_end=not end)
    else:
        lane.add(detached, gone, last or "detached", open_end=not end)
    if not lane.spans and end is not None and lane.evidence:
        lane.add(end, end, "deleted", open_start=True)


def tls_lanes(frames: Frames, events: Events, as_of: datetime) -> Iterator[Lane]:
    """One lane for each Service Connect secret: issue, rotations, deletion, and what blocked them."""
    for row in rows(frames["tls"]):
        cluster = words.tail((row["service_arn"] or "").rpartition("/")[0]) if row["service_arn"] else None
        name = row["secret_name"] or last_part((row["secret_arn"] or "").replace(":", "/"))
        lane = Lane(
            "tls",
            row["secret_arn"] or name,
            clean(name),
            words.tail(row["service_arn"]),
            row["state"],
            role_arn=row["role_arn"],
            cluster=cluster or None,
            service=last_part(row["service_arn"]) or None,
            account=row["account"],
            region=row["region"],
            outage_id=row["outage_id"],
        )
        lane.rest_on(events, [*row["evidence"], *row["cause_event_ids"], *row["denied_event_ids"]])
        _tls_spans(lane, row, as_of)
        lane.blame(events.places(row["cause_event_ids"]))
        mine = events.places([*row["evidence"], *row["denied_event_ids"]])
        lane.marks = [Mark(events.times[one], mark_of(events.names[one], events.outcomes[one]), one) for one in mine]
        lane.marks.sort(key=lambda mark: mark.time)
        yield lane


def _tls_spans(lane: Lane, row: Row, as_of: datetime) -> None:
    start = row["issued_at"] or min(lane.seen, default=None)
    end, blocked, resolved = row["deleted_at"], row["blocked_since"], row["resolved_at"]
    gone = end or as_of
    known = not row["issued_at"]
    if blocked is not None:
        lane.add(start, blocked, "healthy", open_start=known)
        lane.add(blocked, resolved or gone, "blocked", open_end=not (resolved or end))
        lane.add(resolved, gone, "healthy", open_end=not end)
        return
    last = row["last_rotation_at"] or start
    due = last + _ROTATION if last is not None and row["state"] == TlsState.ROTATION_OVERDUE else None
    state = "unknown" if row["state"] == TlsState.UNKNOWN else "healthy"
    lane.add(start, due or gone, state, open_start=known, open_end=not (due or end))
    lane.add(due, as_of, "rotation_overdue", open_end=True)


def caller_lanes(events: Events) -> Iterator[Lane]:
    """One lane for each caller: from the first call to the last, every call a mark."""
    calls: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(events.actors):
        calls[name].append(place)
    for name, places in calls.items():
        marks = [Mark(events.times[one], mark_of(events.names[one], events.outcomes[one]), one) for one in places]
        marks.sort(key=lambda mark: mark.time)
        refused = sum(mark.kind == "denied" for mark in marks)
        detail = f"{len(marks):,} calls" + (f", {refused:,} denied" if refused else "")
        lane = Lane("caller", name, words.actor(name), detail, "active", marks=marks, evidence=tuple(places))
        lane.add(marks[0].time, marks[-1].time, "active")
        yield lane
