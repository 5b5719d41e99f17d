"""The investigation as Timesketch JSON lines, importable without a mapping.

Each line has `message`, `datetime` (ISO 8601 with zone), `timestamp` (microseconds since 1970) and `timestamp_desc`
(*Timesketch user guide*, "Import from JSON/CSV", read on 2026-11-24). Other fields keep the column names of the
document; a field has one type in all lines, since OpenSearch indexes it by the first it sees, and none of the names
that Timesketch removes.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from ecs_trail.frames import Row, rows
from ecs_trail.times import format_time
from ecs_trail.views.plain import Document, dumped, micros, sections
from ecs_trail.views.text import clean
from ecs_trail.views.words import actor, task_name, tool

#: Section -> column with a time -> what that moment is.
_MOMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "changes": {"event_time": "Role change"},
    "outages": {"start": "Outage start", "end": "Outage end"},
    "tasks": {
        "launched_at": "Task launch",
        "stop_started_at": "Task stop",
        "blocked_since": "Task cleanup blocked",
        "resolved_at": "Task cleanup resolved",
    },
    "volumes": {
        "created_at": "Volume created",
        "attached_at": "Volume attached",
        "detached_at": "Volume detached",
        "deleted_at": "Volume deleted",
    },
    "tls": {
        "issued_at": "Certificate issued",
        "last_rotation_at": "Certificate rotated",
        "blocked_since": "Certificate blocked",
        "resolved_at": "Certificate unblocked",
        "deleted_at": "Secret deleted",
    },
    "pass_role_denials": {"event_time": "Launch refused"},
    "findings": {"started_at": "Finding start", "ended_at": "Finding end"},
    "contradictions": {"event_time": "Contradiction"},
    "blocked_work": {"started_at": "Work of ECS blocked", "resolved_at": "Work of ECS unblocked"},
    "impersonations": {"first_at": "Session name of ECS used by somebody else", "last_at": "Last call of that session"},
    "secret_reads": {"first_at": "TLS secret read by somebody else", "last_at": "Last such read"},
    "logging_gaps": {"start": "Trail recorded less", "end": "Trail recorded again"},
    "leaks": {},  # volumes that stand here already
    "actors": {},  # a summary of changes that stand here one by one
}
#: Columns of the events that go along.
_EVENT_COLUMNS: Final = (
    *("event_id", "event_source", "event_name", "aws_region", "account_id", "error_code", "error_message"),
    *("session_name", "requested_session_name", "identity_arn", "target_role_arn", "invoked_by"),
    *("source_ip_address", "user_agent", "request_parameters"),
)
#: A column that would clash with a field of Timesketch, of plaso, or of another section under another type.
_RENAMED: Final = {"id": "row_id", "source": "evidence_source", "known": "known_state", "message": "text"}
_NUMBERS: Final = frozenset({"size_gib"})


def timesketch(document: Document, frames: Mapping[str, pd.DataFrame] | None = None) -> bytes:
    """The lines, in time order; the same evidence gives the same bytes. `frames["events"]`, if given, goes along."""
    lines = [*_moments(document), *_events((frames or {}).get("events"))]
    lines.sort(key=lambda line: (line["timestamp"], line["timestamp_desc"], line["message"]))
    return "".join(f"{dumped(line)}\n" for line in lines).encode("ascii")


def _moments(document: Document) -> Iterator[Row]:
    """One line per row and moment; a section without words of its own gives a line for each time it holds."""
    for name, listed in sections(document):
        known = _MOMENTS.get(name)
        for row in listed:
            times = {column: f"{name} {column}".replace("_", " ") for column in row} if known is None else known
            for column, what in times.items():
                stamp = micros(row.get(column))
                if stamp is not None:
                    yield _line(stamp, what, _told(name, column, row), name) | _fields(row, column)


def _line(stamp: int, what: str, message: str, kind: str) -> Row:
    moment = datetime.fromtimestamp(stamp // 1_000_000, tz=UTC)
    return {
        "message": message,
        "datetime": f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}+00:00",
        "timestamp": stamp,
        "timestamp_desc": what,
        "data_type": f"ecs_trail:{kind}",
    }


def _fields(row: Mapping[str, Any], used: str) -> Row:
    """The row flat: texts, lists of texts, numbers and flags; anything nested as JSON text. Nulls are left out."""
    found: Row = {}
    for name, value in row.items():
        if value is None or value == [] or name == used:
            continue
        found[_RENAMED.get(name, name)] = _flat(name, value)
    return found


def _flat(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [one if isinstance(one, str) else dumped(one) for one in value]
    if isinstance(value, Mapping):
        return dumped(value)
    return float(value) if name in _NUMBERS and not isinstance(value, str) else value


def _told(section: str, column: str, row: Mapping[str, Any]) -> str:
    return clean(_sentence(section, row) if section in _MOMENTS else f"{section} {column}", 400)


def _sentence(section: str, row: Mapping[str, Any]) -> str:
    match section:
        case "changes":
            failed = "" if row.get("applied") else f" failed ({row.get('error_code')})"
            return f"{row.get('event_name')}{failed} by {actor(row.get('actor'))} with {tool(row.get('user_agent'))}"
        case "outages":
            return f"{row.get('role_arn')}: {row.get('purpose')} {row.get('phase')} outage ({row.get('id')})"
        case "tasks":
            return f"Task {task_name(row.get('task_arn'))} ({row.get('service') or 'no service'}): {row.get('state')}"
        case "volumes":
            return f"Volume {row.get('volume_id')} of {task_name(row.get('task_arn'))}: {row.get('state')}"
        case "tls":
            return f"Secret {row.get('secret_name') or row.get('secret_arn')}: {row.get('state')}"
        case "pass_role_denials":
            return f"{row.get('event_name')} refused: {row.get('principal_arn')} may not pass {row.get('role_arn')}"
        case "findings":
            return f"{row.get('severity')} {row.get('status')}: {row.get('title')}"
        case "contradictions":
            return f"{row.get('action')}: replay says {row.get('replayed')}, seen was {row.get('observed')}"
        case "logging_gaps":
            return f"Trail {row.get('trail')}: {row.get('how')} by {actor(row.get('actor'))}"
        case "blocked_work":
            return f"{row.get('action')} refused for {row.get('resource')} ({row.get('role_arn')})"
        case _:
            return f"{row.get('principal')}: {row.get('session_name') or row.get('secret')}"


def _events(events: pd.DataFrame | None) -> Iterator[Row]:
    if events is None:
        return
    columns = [name for name in _EVENT_COLUMNS if name in events.columns]
    for row in rows(events, [*columns, "event_time"]):
        stamp = micros(format_time(row["event_time"])) if row["event_time"] is not None else None
        if stamp is None:
            continue
        failed = f" refused: {row.get('error_code')}" if row.get("error_code") else ""
        who = actor(row.get("identity_arn") or row.get("invoked_by"))
        yield _line(stamp, "CloudTrail event", clean(f"{row.get('event_name')}{failed} by {who}", 400), "event") | {
            name: row[name] for name in columns if row[name] is not None
        }
