"""The investigation as a Chrome trace (JSON), so that ui.perfetto.dev and its like open an incident.

Lanes are threads (`tid`) of a process per subject (`pid`): roles, tasks, volumes, TLS, denied calls. States that last
are complete slices (`ph: X`), changes and denials are instants (`ph: i`). Times are microseconds since 1970, UTC.

Slices of one thread must nest or lie apart ("Trace Event Format", and Perfetto's guide "Visualizing external trace
formats", both read on 2026-11-24), so a lane takes a second thread where two spans would cross. Thread ids are unique
in the whole file: a reader that keys threads by `tid` alone must not mix two processes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from ecs_trail.frames import Row, rows
from ecs_trail.times import format_time
from ecs_trail.views.plain import Document, dumped, micros
from ecs_trail.views.text import clean
from ecs_trail.views.words import actor, tail, task_name, tool
from ecs_trail.vocabulary import DENIED_CODES

ROLES, TASKS, VOLUMES, TLS, DENIED, FINDINGS, TRAILS = 1, 2, 3, 4, 5, 6, 7
_PROCESSES: Final = {
    FINDINGS: "Findings",
    ROLES: "Roles: outages and changes",
    TASKS: "Tasks",
    VOLUMES: "Volumes",
    TLS: "Service Connect TLS",
    DENIED: "Denied calls",
    TRAILS: "Trails: what was not recorded",
}
_FIRST_THREAD: Final = 100
_NAME: Final = 120


@dataclass
class _Lanes:
    """Threads by process and name, in order of first use, and what happens on them."""

    threads: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)

    def slice(self, pid: int, lane: str, name: str, times: tuple[int, int], args: Mapping[str, Any]) -> None:
        """A span on the first thread of its lane that is free by then. Spans of one lane come in order of start."""
        start, end = times[0], max(times)
        threads = self.threads.setdefault((pid, lane), [])
        tid = next((one for one in threads if self.ends.get(one, start) <= start), None) or self._thread(threads)
        self.ends[tid] = end
        self._add("X", name, start, {"dur": end - start, "pid": pid, "tid": tid, "cat": _category(pid)}, args)

    def instant(self, pid: int, lane: str, name: str, time: int, args: Mapping[str, Any]) -> None:
        """A mark on the first thread of its lane."""
        threads = self.threads.setdefault((pid, lane), [])
        tid = threads[0] if threads else self._thread(threads)
        self._add("i", name, time, {"s": "t", "pid": pid, "tid": tid, "cat": _category(pid)}, args)

    def _thread(self, threads: list[int]) -> int:
        threads.append(_FIRST_THREAD + sum(map(len, self.threads.values())))
        return threads[-1]

    def _add(self, phase: str, name: str, time: int, more: Mapping[str, Any], args: Mapping[str, Any]) -> None:
        shown = {key: value for key, value in args.items() if value not in (None, [], "")}
        self.events.append({"ph": phase, "name": clean(name, _NAME) or "?", "ts": time, **more, "args": shown})


def trace(document: Document, frames: Mapping[str, pd.DataFrame] | None = None) -> bytes:
    """The trace as JSON. `frames["volume_calls"]` and `frames["events"]`, where given, add each denied call.

    Events stand in time order after the names of the lanes; the same evidence gives the same bytes.
    """
    lanes = _Lanes()
    as_of = micros(document.get("as_of")) or 0
    _findings(lanes, document, as_of)
    _roles(lanes, document, as_of)
    _tasks(lanes, document, as_of)
    _volumes(lanes, document, as_of)
    _tls(lanes, document, as_of)
    _trails(lanes, document, as_of)
    _denials(lanes, document, frames or {})
    lanes.events.sort(key=lambda event: (event["ts"], event["pid"], event["tid"], -event.get("dur", 0), event["name"]))
    made = {
        "displayTimeUnit": "ms",
        "otherData": {
            "tool": "ecs-trail",
            "as_of": str(document.get("as_of")),
            "clock": "microseconds since 1970, UTC",
        },
        "traceEvents": [*_names(lanes), *lanes.events],
    }
    return f"{dumped(made)}\n".encode("ascii")


def _names(lanes: _Lanes) -> Iterator[Row]:
    used = {pid for pid, _ in lanes.threads}
    for place, (pid, name) in enumerate((pid, name) for pid, name in _PROCESSES.items() if pid in used):
        yield _meta("process_name", pid, 0, {"name": name})
        yield _meta("process_sort_index", pid, 0, {"sort_index": place})
    for (pid, name), threads in lanes.threads.items():
        for number, tid in enumerate(threads):
            yield _meta("thread_name", pid, tid, {"name": clean(name, _NAME) + (f" ({number + 1})" if number else "")})
            yield _meta("thread_sort_index", pid, tid, {"sort_index": tid})


def _meta(name: str, pid: int, tid: int, args: Row) -> Row:
    return {"ph": "M", "name": name, "ts": 0, "pid": pid, "tid": tid, "args": args}


def _category(pid: int) -> str:
    return _PROCESSES[pid].split(":", maxsplit=1)[0].lower()


def _in_order(listed: Sequence[Mapping[str, Any]], *columns: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Rows that have a first time, by that time, then as the document has them."""
    found = [
        (min((t for t in (micros(row.get(name)) for name in columns) if t is not None), default=None), row)
        for row in listed
    ]
    return sorted(((start, row) for start, row in found if start is not None), key=lambda pair: pair[0])


def _findings(lanes: _Lanes, document: Document, as_of: int) -> None:
    for start, row in _in_order(document["findings"], "started_at"):
        span = (start, micros(row.get("ended_at")) or as_of)
        lanes.slice(FINDINGS, str(row.get("kind")), f"{row.get('severity')}: {row.get('title')}", span, _plain(row))


def _roles(lanes: _Lanes, document: Document, as_of: int) -> None:
    for start, row in _in_order(document["outages"], "start"):
        lane = f"{tail(row.get('role_arn'))}: {row.get('purpose')} {row.get('phase')}"
        name = f"broken: {', '.join(map(str, row.get('actions') or ()))}"
        lanes.slice(ROLES, lane, name, (start, micros(row.get("end")) or as_of), _plain(row))
    for start, row in _in_order(document["changes"], "event_time"):
        failed = "" if row.get("applied") else f" failed: {row.get('error_code')}"
        name = f"{row.get('event_name')}{failed} ({row.get('effect')})"
        said = _plain(row) | {"by": actor(row.get("actor")), "with": tool(row.get("user_agent"))}
        for role in row.get("role_arns") or ["no role"]:
            lanes.instant(ROLES, f"{tail(role)}: changes", name, start, said)


def _trails(lanes: _Lanes, document: Document, as_of: int) -> None:
    for start, row in _in_order(document.get("logging_gaps") or (), "start"):
        name = f"{row.get('how')}: {', '.join(map(str, row.get('hides') or ()))}"
        lanes.slice(TRAILS, str(row.get("trail")), name, (start, micros(row.get("end")) or as_of), _plain(row))


def _tasks(lanes: _Lanes, document: Document, as_of: int) -> None:
    """A task's life: running, stopping, blocked, each to the next moment that is known."""
    order = ("launched_at", "stop_started_at", "blocked_since")
    for _, row in _in_order(document["tasks"], *order):
        ended = micros(row.get("cleaned_up_at")) or micros(row.get("resolved_at"))
        names = {"launched_at": "running", "stop_started_at": "stopping", "blocked_since": "blocked"}
        _life(lanes, (TASKS, _task_lane(row)), row, names, ended if ended is not None else as_of)


def _volumes(lanes: _Lanes, document: Document, as_of: int) -> None:
    names = {"created_at": "created", "attached_at": "attached", "detached_at": "detached"}
    for _, row in _in_order(document["volumes"], *names):
        ended = micros(row.get("deleted_at")) or micros(row.get("gone_at"))
        _life(lanes, (VOLUMES, str(row.get("volume_id"))), row, names, ended if ended is not None else as_of)


def _tls(lanes: _Lanes, document: Document, as_of: int) -> None:
    names = {"issued_at": "issued", "last_rotation_at": "rotated", "blocked_since": "blocked", "resolved_at": "healthy"}
    for _, row in _in_order(document["tls"], *names):
        lane = str(row.get("secret_name") or row.get("secret_arn"))
        _life(lanes, (TLS, lane), row, names, micros(row.get("deleted_at")) or as_of)


def _life(lanes: _Lanes, lane: tuple[int, str], row: Mapping[str, Any], names: Mapping[str, str], end: int) -> None:
    """States one after the other: each lasts to the next moment known, the last to the end."""
    known = [(micros(row.get(column)), name) for column, name in names.items()]
    moments = sorted(((time, name) for time, name in known if time is not None), key=lambda one: one[0])
    if not moments:
        return
    untils = [*(time for time, _ in moments[1:]), max(end, moments[-1][0])]
    for at, ((start, name), until) in enumerate(zip(moments, untils, strict=True), start=1):
        if start == until and at < len(moments):
            continue  # the next state began in the same second
        lanes.slice(*lane, f"{name} ({row.get('state')})", (start, until), _plain(row))


def _denials(lanes: _Lanes, document: Document, frames: Mapping[str, pd.DataFrame]) -> None:
    for start, row in _in_order(document["pass_role_denials"], "event_time"):
        lanes.instant(DENIED, "iam:PassRole", f"{row.get('event_name')} refused", start, _plain(row))
    calls = frames.get("volume_calls")
    seen: set[str] = set()
    for row in [] if calls is None else rows(calls):
        if row["error_code"] in DENIED_CODES and row["volume_id"] and row["event_time"] is not None:
            seen.add(row["event_id"])
            _denied(lanes, (VOLUMES, row["volume_id"]), row, ("event_id", "action", "role_arn", "error_code"))
    events = frames.get("events")
    wanted = ("event_id", "event_time", "event_name", "error_code", "session_name", "identity_arn")
    for row in [] if events is None else rows(events, wanted):
        if row["error_code"] in DENIED_CODES and row["event_time"] is not None and row["event_id"] not in seen:
            lane = str(row["session_name"] or "no session")
            _denied(lanes, (DENIED, lane), row, ("event_id", "error_code", "identity_arn"))


def _denied(lanes: _Lanes, lane: tuple[int, str], row: Mapping[str, Any], columns: Sequence[str]) -> None:
    time = micros(format_time(row["event_time"]))
    if time is not None:
        lanes.instant(*lane, f"{row['event_name']} denied", time, {name: row[name] for name in columns})


def _task_lane(row: Mapping[str, Any]) -> str:
    service = tail(row.get("service"))
    return f"{task_name(row.get('task_arn'))}{f' ({service})' if service else ''}"


def _plain(row: Mapping[str, Any]) -> Row:
    """A row as arguments of an event: flat, since viewers show nested ones badly."""
    return {
        name: dumped(value) if isinstance(value, (dict, list)) else value
        for name, value in row.items()
        if value not in (None, [])
    }
