"""The investigation as one document: the public JSON of the contract, section 2, in its order of keys."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from ecs_trail.frames import Frame, Sheet, as_sheet
from ecs_trail.payloads import json_object
from ecs_trail.times import format_time

SCHEMA: Final = "ecs-trail/investigation/1"

#: Section -> the columns the contract names, in its order; every further column of the frame follows.
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "roles": ("role_arn", "role_name", "purposes", "exists", "trust", "policies", "known"),
    "changes": (
        *("event_id", "event_time", "event_name", "role_arns", "actor", "source_ip", "user_agent", "applied"),
        *("error_code", "effect", "purposes", "lost", "gained"),
    ),
    "outages": (
        *("id", "role_arn", "purpose", "phase", "start", "end", "actions", "basis"),
        *("cause_event_ids", "restore_event_ids"),
    ),
    "tasks": (
        *("task_arn", "cluster", "service", "role_arn", "volume_ids", "state", "at_risk", "stop_started_at"),
        *("blocked_since", "resolved_at", "outage_id", "cause_event_ids", "confidence", "evidence"),
    ),
    "volumes": (
        *("volume_id", "task_arn", "role_arn", "account", "region", "size_gib", "created_at", "attached_at"),
        *("detached_at", "deleted_at", "deleted_by", "delete_on_termination", "state", "attempts", "failures"),
        *("last_error", "evidence"),
    ),
    "tls": (
        *("secret_arn", "secret_name", "service_arn", "certificate_authority_arn", "role_arn", "issued_at"),
        *("last_rotation_at", "deleted_at", "state", "failures", "last_error", "outage_id", "cause_event_ids"),
        "evidence",
    ),
    "leaks": (
        *("volume_id", "account", "region", "task_arn", "role_arn", "size_gib", "created_at", "age_days"),
        *("monthly_cost_usd", "state", "confidence", "why", "evidence"),
    ),
    "pass_role_denials": (
        *("event_id", "event_time", "event_name", "principal_arn", "role_arn", "cluster", "service"),
        "error_message",
    ),
    "findings": (
        *("id", "kind", "severity", "status", "title", "role_arn", "outage_id", "cause_event_ids", "task_arns"),
        *("volume_ids", "secret_arns", "started_at", "ended_at", "confidence", "basis", "explanation", "evidence"),
        "repair",
        "rivals",
    ),
    "contradictions": ("event_id", "event_time", "role_arn", "action", "replayed", "observed", "policy_type"),
    "blocked_work": ("role_arn", "purpose", "phase", "session_name", "action", "resource", "started_at", "resolved_at"),
    "actors": ("actor", "principal", "chain", "via", "stack", "source_ip", "changes", "refused", "breaking"),
    "impersonations": ("role_arn", "session_name", "principal", "source_ip", "signs", "calls", "refused"),
    "secret_reads": ("principal", "secret", "secret_arn", "reads", "refused"),
    "logging_gaps": ("account", "region", "trail", "start", "end", "how", "hides", "actor", "event_id"),
}
#: Credentials by name, even without their secret, stay in the frames: a document is handed on.
_LEFT_OUT: Final = frozenset({"access_key_id"})
#: Columns that hold JSON text and become objects; `policies` is a list of such texts.
_JSON_COLUMNS: Final = frozenset({"trust", "known"})


def investigation(frames: Mapping[str, Frame], evidence: Mapping[str, Any], as_of: datetime) -> dict[str, Any]:
    """The document of a case. `frames` by name; `evidence` is the contract's object of that name; `as_of` is UTC."""
    document: dict[str, Any] = {"schema": SCHEMA, "as_of": format_time(as_of), "evidence": dict(evidence)}
    for section, first in _SECTIONS.items():
        document[section] = _entries(as_sheet(frames[section]), first)
    # The contract has one row per secret: certificates refused before any secret was made stand apart.
    secrets = document["tls"]
    document["tls"] = [row for row in secrets if row["secret_arn"] or row["secret_name"]]
    document["tls_never_issued"] = [row for row in secrets if not (row["secret_arn"] or row["secret_name"])]
    return document


def _entries(sheet: Sheet, first: tuple[str, ...]) -> list[dict[str, Any]]:
    names = [*first, *(name for name in sheet.columns if name not in first and name not in _LEFT_OUT)]
    known = set(sheet.columns)
    columns = [_shown(name, sheet.column(name)) if name in known else [None] * len(sheet) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _shown(name: str, values: Iterable[Any]) -> list[Any]:
    """The values of a column as the document has them."""
    if name == "policies":
        return [texts and [_json(text) for text in texts] for texts in values]
    if name == "rivals":
        return [
            rivals and [{inner: _plain(one) for inner, one in rival.items()} for rival in rivals] for rivals in values
        ]
    if name in _JSON_COLUMNS:
        return [text and _json(text) for text in values]
    return list(map(_plain, values))


def _plain(value: Any) -> Any:
    return format_time(value) if isinstance(value, datetime) else value


def _json(text: str) -> Any:
    """A JSON text as what it holds; a broken document stays text, as it was received."""
    return json_object(text) or text
