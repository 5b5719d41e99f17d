"""Lanes of tasks, volumes and TLS secrets, and the whole picture of a case: the scene every overview draws."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import pandas as pd

from ecs_trail.frames import Row, rows
from ecs_trail.views import words
from ecs_trail.views.palette import state_word, urgency
from ecs_trail.views.role_lanes import Frames, denied_lanes, role_lanes
from ecs_trail.views.scene import (
    LEAST,
    TASKS,
    TLS,
    VOLUMES,
    Lane,
    Mark,
    Scene,
    Span,
    from_to,
    moment_words,
    thinned,
)
from ecs_trail.views.text import clean, count

# -- the whole picture ------------------------------------------------------------------------------------------


def overview(frames: Frames, as_of: datetime, denied: Iterable[Row] = (), *, most: int = 12) -> Scene:
    """Roles, denied calls, tasks, volumes and TLS of a case as one scene.

    `frames` by name (`roles`, `role_states`, `changes`, `outages`, `tasks`, `volumes`, `tls`, `volume_calls`; a missing
    one counts as empty), `denied` from `views.denials`; at most `most` lanes of each group stand alone.
    """
    start, end = reach(frames, as_of)
    lanes = (
        *role_lanes(frames, start, end, most=most),
        *denied_lanes(denied, start, end, most=most),
        *task_lanes(frames, start, end, most=most),
        *volume_lanes(frames, start, end, most=most),
        *tls_lanes(frames, start, end, most=most),
    )
    return Scene(start, end, lanes)


_FIRST_COLUMNS: Final = (
    ("changes", "event_time"),
    ("role_changes", "event_time"),
    ("outages", "start"),
    ("tasks", "launched_at"),
    ("tasks", "stop_started_at"),
    ("volumes", "created_at"),
    ("tls", "issued_at"),
)


def reach(frames: Frames, as_of: datetime) -> tuple[datetime, datetime]:
    """From the first moment of the frames to `as_of`, at least five minutes."""
    firsts = [_first(frames.get(name), column) for name, column in _FIRST_COLUMNS]
    start = min((one for one in firsts if one is not None), default=as_of)
    return min(start, as_of - LEAST), as_of


def _first(frame: pd.DataFrame | None, column: str) -> datetime | None:
    if frame is None or frame.empty or column not in frame.columns:
        return None
    least = frame[column].min()
    return None if pd.isna(least) else least.to_pydatetime().astimezone(UTC)


#: States that make an incident.
_HURT: Final = frozenset({"broken", "lost", "stuck", "blocked"})


def incident_window(scene: Scene) -> tuple[datetime, datetime]:
    """The stretch in which the outages lie, with a sixth of it before; the whole scene where there was none."""
    hurt = [span for lane in scene.lanes for span in lane.spans if span.state in _HURT]
    if not hurt:
        return scene.start, scene.end
    first, last = min(span.start for span in hurt), max(span.end for span in hurt)
    pad = max((last - first) / 6, LEAST)
    return max(first - pad, scene.start), min(last + pad, scene.end)


# -- tasks, volumes, secrets ----------------------------------------------------------------------------------------


def task_lanes(frames: Frames, start: datetime, end: datetime, *, most: int = 12) -> tuple[Lane, ...]:
    """Tasks: running, stopping, stuck, recovered; the most urgent first."""
    return _lanes_of(frames, "tasks", _task_lane, (start, end, most), ("task", TASKS))


def volume_lanes(frames: Frames, start: datetime, end: datetime, *, most: int = 12) -> tuple[Lane, ...]:
    """Volumes: created, attached, detached, blocked, with each denied attempt as a mark."""
    return _lanes_of(frames, "volumes", _volume_lane, (start, end, most), ("volume", VOLUMES))


def tls_lanes(frames: Frames, start: datetime, end: datetime, *, most: int = 12) -> tuple[Lane, ...]:
    """Service Connect secrets: issue, rotation, deletion, and what blocked them."""
    return _lanes_of(frames, "tls", _tls_lane, (start, end, most), ("secret", TLS))


LaneMaker = Callable[[Row, list[Mark], datetime, datetime], Lane]


def _lanes_of(
    frames: Frames,
    name: str,
    make: LaneMaker,
    bounds: tuple[datetime, datetime, int],
    called: tuple[str, str],
) -> tuple[Lane, ...]:
    frame = frames.get(name)
    if frame is None or frame.empty:
        return ()
    start, end, most = bounds
    noun, group = called
    place = [urgency(state) for state in _states(frame)]
    ordered = frame.iloc[pd.Series(place).sort_values(kind="stable").index.to_numpy()]
    # One lane too many is drawn rather than gathered: "1 more" tells less than the lane itself.
    shown = most if len(frame) > most + 1 else len(frame)
    alone = rows(ordered.iloc[:shown])
    attempts = _attempts(frames, {row["volume_id"] for row in alone} if name == "volumes" else ())
    since = _since(frames, name, alone)
    lanes = [
        make(row | {"since": moment}, attempts.get(row.get("volume_id") or "", []), start, end)
        for row, moment in zip(alone, since, strict=True)
    ]
    return (*lanes, *_rest(ordered.iloc[shown:], name, noun, group, (start, end)))


def _since(frames: Frames, name: str, alone: Sequence[Row]) -> list[datetime | None]:
    """What only another frame tells: since when a running task is at risk, or a blocked volume's task hangs."""
    if name == "volumes":
        tasks = _wanted(frames.get("tasks"), "task_arn", {row["task_arn"] for row in alone if row["task_arn"]})
        hung = {row["task_arn"]: row["blocked_since"] for row in tasks}
        return [hung.get(row["task_arn"]) if row["state"] == "blocked" else None for row in alone]
    if name == "tasks":
        roles = {row["role_arn"] for row in alone if row["at_risk"] and row["role_arn"]}
        open_since: dict[str, datetime] = {}
        for row in _wanted(frames.get("outages"), "role_arn", roles):
            if row["end"] is None and row["phase"] == "teardown":
                open_since.setdefault(row["role_arn"], row["start"])
        return [open_since.get(row["role_arn"] or "") if row["at_risk"] else None for row in alone]
    return [None] * len(alone)


def _wanted(frame: pd.DataFrame | None, column: str, values: set[str]) -> list[Row]:
    return [] if frame is None or frame.empty or not values else rows(frame[frame[column].isin(sorted(values))])


def _states(frame: pd.DataFrame) -> list[str]:
    risk = frame["at_risk"].fillna(value=False) if "at_risk" in frame.columns else [False] * len(frame)
    return ["at_risk" if one else state or "unknown" for one, state in zip(risk, frame["state"], strict=True)]


_SPAN_COLUMNS: Final = {
    "tasks": ("launched_at", "resolved_at", "cleaned_up_at"),
    "volumes": ("created_at", "deleted_at", "gone_at"),
    "tls": ("issued_at", "resolved_at", "deleted_at"),
}


def _rest(frame: pd.DataFrame, name: str, noun: str, group: str, bounds: tuple[datetime, datetime]) -> tuple[Lane, ...]:
    """What has no lane of its own, one lane for each state, from the first start to the last known end."""
    if frame.empty:
        return ()
    begins, *ends = _SPAN_COLUMNS[name]
    lanes = []
    for state, part in frame.groupby(_states(frame), sort=False):
        first = _first(part, begins) or bounds[0]
        known = [part[column].max() for column in ends]
        over = all(part[ends].notna().any(axis=1))
        last = max((one.to_pydatetime() for one in known if not pd.isna(one)), default=bounds[1]) if over else bounds[1]
        told = f"{count(len(part), f'more {noun}')}: {state_word(str(state))}"
        left, right = max(first, bounds[0]), min(max(last, first), bounds[1])
        span = Span(left, right, _bar(str(state)), (told, from_to(left, right)))
        lanes.append(Lane(group, told, "", (span,), (), number=len(part)))
    return tuple(lanes)


def _bar(state: str) -> str:
    """The colour of a bar that stands for whole lives: what is over and went well is grey."""
    return {"at_risk": "running", "recovered": "stopped", "deleted": "stopped"}.get(state, state)


def _attempts(frames: Frames, wanted: Iterable[str]) -> dict[str, list[Mark]]:
    calls, ids = frames.get("volume_calls"), set(wanted)
    if calls is None or calls.empty or not ids:
        return {}
    found: dict[str, list[Mark]] = defaultdict(list)
    denied = calls[(calls["outcome"] == "denied").fillna(value=False)]
    for row in rows(denied[denied["volume_id"].isin(sorted(ids))]):
        told = (f"{clean(row['event_name'])} denied at {moment_words(row['event_time'])}", clean(row["error_code"]))
        found[row["volume_id"]].append(Mark(row["event_time"], "denied", told, row["event_id"] or ""))
    return found


def _spans(cuts: Sequence[tuple[datetime | None, str]], name: str, start: datetime, end: datetime) -> tuple[Span, ...]:
    """Consecutive states from their known beginnings; an empty state ends what came before."""
    known = [(max(at, start), state) for at, state in cuts if at is not None and at <= end]
    spans = []
    for place, (at, state) in enumerate(known):
        until = known[place + 1][0] if place + 1 < len(known) else end
        if state and until > at:
            spans.append(Span(at, until, state, (f"{name}: {state_word(state)}", from_to(at, until))))
    return tuple(spans)


def _task_lane(row: Row, _attempts: list[Mark], start: datetime, end: datetime) -> Lane:
    name, stop, blocked = words.task_name(row["task_arn"]), row.get("stop_started_at"), row.get("blocked_since")
    done = row.get("resolved_at") or row.get("cleaned_up_at")
    failed = row["state"] == "failed_to_start"
    born = row.get("launched_at") or (start if stop or blocked or row["state"] == "running" else None)
    # What began to stop before the block is stopping up to it; a stop in the second of the block has no such span.
    stops = stop if stop and (blocked is None or stop < blocked) and (done is None or stop < done) else None
    cuts = [
        (born, "" if failed else "running"),
        (row.get("since"), "at_risk"),
        (stops, "stopping"),
        (None if failed else blocked, "stuck"),
        (done, ""),
    ]
    marks = []
    if failed:
        told = (f"{name}: failed to start", clean(row.get("failed_error"), 200))
        marks.append(Mark(min(max(blocked or born or end, start), end), "failed_to_start", told))
    elif row.get("resolved_at"):
        marks.append(
            Mark(row["resolved_at"], "recovered", (f"{name}: recovered at {moment_words(row['resolved_at'])}",))
        )
    note = words.tail(row.get("service")) or clean(row.get("cluster"))
    marks = [mark for mark in marks if start <= mark.at <= end]
    return Lane(TASKS, name, note, _spans(cuts, name, start, end), tuple(marks), key=row["task_arn"] or "")


def _volume_lane(row: Row, attempts: list[Mark], start: datetime, end: datetime) -> Lane:
    name = clean(row["volume_id"])
    born, attached = row.get("created_at"), row.get("attached_at")
    detached, gone = row.get("detached_at"), row.get("gone_at") or row.get("deleted_at")
    refused = min((mark.at for mark in attempts if born is None or mark.at >= (attached or born)), default=None)
    blocked = (refused or row.get("since")) if attached else None
    blocked = None if blocked and gone and blocked >= gone else blocked
    kept = "kept" if row["state"] == "kept" else "leaked" if row["state"] == "leaked" else "detached"
    cuts = [
        (born or start, "created"),
        (attached, "attached"),
        (blocked if detached is None or (blocked and blocked < detached) else None, "blocked"),
        (detached, kept),
        (blocked if detached and blocked and blocked >= detached else None, "blocked"),
        (gone, ""),
    ]
    marks = [mark for mark in attempts if start <= mark.at <= end]
    if gone and start <= gone <= end:
        told = (f"{name}: deleted at {moment_words(gone)}", f"by {words.actor(row.get('deleted_by'))}")
        marks.append(Mark(gone, "deleted", told))
    size = f"{row['size_gib']:g} GiB" if row.get("size_gib") else ""
    return Lane(VOLUMES, name, size, _spans(cuts, name, start, end), thinned(marks, start, end), key=name)


def _tls_lane(row: Row, _attempts: list[Mark], start: datetime, end: datetime) -> Lane:
    arn = row.get("secret_arn") or row.get("secret_name") or ""
    name = clean(arn.rpartition(":secret:")[2], 60)
    issued, rotated, gone = row.get("issued_at"), row.get("last_rotation_at"), row.get("deleted_at")
    ended = {"healthy": "healthy", "rotation_overdue": "rotation_overdue"}.get(row["state"], "healthy")
    cuts = [
        (issued or start, "healthy"),
        (row.get("blocked_since"), "blocked"),
        (row.get("resolved_at"), ended),
        (gone, ""),
    ]
    moments = (("issued", issued), ("rotated", rotated), ("deleted", gone))
    marks = [
        Mark(at, kind, (f"{name}: {kind} at {moment_words(at)}",)) for kind, at in moments if at and start <= at <= end
    ]
    return Lane(TLS, name, words.tail(row.get("service_arn")), _spans(cuts, name, start, end), tuple(marks), key=arn)
