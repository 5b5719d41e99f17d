"""Encryption keys that could not be used for a while: disabled, scheduled for deletion, or closed by their policy.

*AWS KMS Developer Guide*, "Key states" and "Key policies"; *Amazon EBS User Guide*, "Amazon EBS encryption" (a role
needs `kms:CreateGrant` and `kms:GenerateDataKeyWithoutPlaintext` on a customer key), read on 2026-11-24.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from ecs_trail.analysis.policies import Request, Verdict, parse_policy, resource_verdict
from ecs_trail.arns import last_part
from ecs_trail.frames import TEXT, TIME, FrameSpec, Row, Sheet, rows
from ecs_trail.payloads import json_list, json_object, objects, text

KEY_OUTAGES: Final = FrameSpec(
    name="key_outages",
    doc="One row per key, role and span in which the role could not use the key; role null for every role.",
    key=("key_id", "role_arn", "start"),
    columns={"key_id": TEXT, "role_arn": TEXT, "start": TIME, "end": TIME, "cause_event_id": TEXT},
)

_BREAKS: Final = frozenset({"DisableKey", "ScheduleKeyDeletion"})
#: A key whose deletion is cancelled stays disabled until it is enabled (KMS API Reference, CancelKeyDeletion).
_MENDS: Final = {"EnableKey": "DisableKey", "CancelKeyDeletion": "ScheduleKeyDeletion"}
_ACTIONS: Final = ("kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext")


def key_outages(events: Sheet, role_arns: list[str]) -> Sheet:
    """The spans in which keys were out of use, as `KEY_OUTAGES`, oldest first."""
    names = [*_BREAKS, *_MENDS, "PutKeyPolicy"]
    mine = events.where(event_source="kms.amazonaws.com", event_name=names, error_code=None)
    columns = ("event_id", "event_time", "event_name", "request_parameters", "resources")
    open_spans: dict[tuple[str, str, str | None], Row] = {}
    found: list[Row] = []
    for row in rows(mine, columns):
        request = json_object(row["request_parameters"])
        for key in _keys(row, request):
            for kind, role, broken in _effects(row, request, role_arns):
                span = open_spans.pop((key, kind, role), None) if not broken else None
                if span is not None:
                    span["end"] = row["event_time"]
                elif broken and (key, kind, role) not in open_spans:
                    open_spans[key, kind, role] = _span(key, role, row["event_time"], row["event_id"])
                    found.append(open_spans[key, kind, role])
    return KEY_OUTAGES.sheet(found)


def _span(key: str, role: str | None, start: datetime, event_id: str) -> Row:
    return {"key_id": key, "role_arn": role, "start": start, "end": None, "cause_event_id": event_id}


def _effects(
    row: Mapping[str, Any], request: Mapping[str, Any], role_arns: list[str]
) -> Iterator[tuple[str, str | None, bool]]:
    """What a write did: the kind of lock, the role it holds for (None: all), and whether it closed or opened it."""
    name = row["event_name"]
    if name in _BREAKS:
        yield name, None, True
    elif name in _MENDS:
        yield _MENDS[name], None, False
        if name == "EnableKey":
            return
    else:
        policy = parse_policy(text(request.get("policy")) or "{}", "key policy")
        for arn in role_arns:
            asked = [Request(action, "*", principal_arn=arn) for action in _ACTIONS]
            closed = any(resource_verdict(one, policy).verdict is Verdict.DENIED for one in asked)
            yield "PutKeyPolicy", arn, closed


def _keys(row: Mapping[str, Any], request: Mapping[str, Any]) -> set[str]:
    """Key ids a write names, without the ARN around them."""
    told = [text(request.get("keyId"))]
    told += [text(item.get("ARN")) or text(item.get("arn")) for item in objects(json_list(row["resources"]))]
    return {last_part(one) for one in told if one}
