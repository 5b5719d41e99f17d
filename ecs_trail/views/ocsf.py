"""Findings as OCSF Detection Findings: class 2004 of the Open Cybersecurity Schema Framework, version 1.8.0.

Attributes, enumerations and requirements are those of the published schema (ocsf/ocsf-schema, release 1.8.0 of
2026-03-16, read on 2026-11-24): class `detection_finding`, profile `cloud`, objects `finding_info`, `evidences`,
`resource_details`, `remediation`. What OCSF has no place for stands in `unmapped`.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ecs_trail.arns import last_part, parse_arn
from ecs_trail.frames import Row
from ecs_trail.identity import finding_identity
from ecs_trail.views.plain import Document, by_key, dumped, micros

VERSION: Final = "1.8.0"
CATEGORY: Final = 2
CLASS: Final = 2004
_CREATE, _CLOSE = 1, 3
_SEVERITIES: Final = {"low": (2, "Low"), "medium": (3, "Medium"), "high": (4, "High"), "critical": (5, "Critical")}
_CONFIDENCES: Final = {"possible": (1, "Low"), "likely": (2, "Medium"), "certain": (3, "High")}
_UNKNOWN: Final = (0, "Unknown")
_AFFECTED: Final = (3, "Affected")


def detection_findings(document: Document) -> list[Row]:
    """One Detection Finding per finding of the document, in its order; `finding_info.uid` is stable between runs."""
    changes = by_key(list(document["changes"]), "event_id")
    return [_detection(document, finding, changes) for finding in document["findings"]]


def ocsf_json(document: Document) -> bytes:
    """The findings as one JSON array."""
    return f"{dumped(detection_findings(document), indent=2)}\n".encode("ascii")


def ocsf_lines(document: Document) -> bytes:
    """The findings as JSON lines, one each, as collectors read them."""
    return "".join(f"{dumped(one)}\n" for one in detection_findings(document)).encode("ascii")


def _detection(document: Document, finding: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> Row:
    closed = finding.get("status") == "resolved"
    activity = (_CLOSE, "Close") if closed else (_CREATE, "Create")
    severity = _SEVERITIES.get(finding.get("severity") or "", _UNKNOWN)
    confidence = _CONFIDENCES.get(finding.get("confidence") or "", _UNKNOWN)
    status = (4, "Resolved") if closed else (1, "New")
    judged, uid = _millis(document.get("as_of")), finding_identity(finding)
    found = {
        "activity_id": activity[0],
        "activity_name": activity[1],
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity[0],
        "type_name": f"Detection Finding: {activity[1]}",
        "severity_id": severity[0],
        "severity": severity[1],
        "status_id": status[0],
        "status": status[1],
        "confidence_id": confidence[0],
        "confidence": confidence[1],
        "is_alert": not closed,
        "time": judged or 0,
        "start_time": _millis(finding.get("started_at")),
        "end_time": _millis(finding.get("ended_at")),
        "message": finding.get("title"),
        "metadata": _metadata(uid, finding),
        "cloud": _cloud(document, finding),
        "finding_info": _info(finding, uid, judged),
        "evidences": list(_evidences(finding, changes)),
        "resources": list(_resources(document, finding)),
        "remediation": _remediation(finding),
        "unmapped": {
            "ecs_trail_id": finding.get("id"),
            "basis": finding.get("basis"),
            "cause_event_ids": finding.get("cause_event_ids"),
            "outage_id": finding.get("outage_id"),
        },
    }
    return {key: _without_null(value) for key, value in found.items() if value is not None}


def _metadata(uid: str, finding: Mapping[str, Any]) -> Row:
    return {
        "version": VERSION,
        "product": {"name": "ecs-trail", "vendor_name": "ecs-trail", "feature": {"name": finding.get("kind")}},
        "profiles": ["cloud"],
        "uid": f"{uid}-{finding.get('status')}",
        "correlation_uid": uid,
        "log_name": "AWS CloudTrail",
    }


def _info(finding: Mapping[str, Any], uid: str, judged: int | None) -> Row:
    events = list(dict.fromkeys([*finding.get("cause_event_ids", ()), *finding.get("evidence", ())]))
    began = _millis(finding.get("started_at"))
    return {
        "uid": uid,
        "title": finding.get("title"),
        "desc": finding.get("explanation"),
        "types": [finding.get("kind")],
        "analytic": {"name": finding.get("kind"), "uid": finding.get("kind"), "type_id": 1, "type": "Rule"},
        "data_sources": ["AWS CloudTrail"],
        "first_seen_time": began,
        "last_seen_time": _millis(finding.get("ended_at")) or judged,
        "created_time": began or judged,
        "related_events": [{"uid": event, "type": "AWS CloudTrail event"} for event in events],
        "related_events_count": len(events),
    }


def _evidences(finding: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The events a finding stands on; the changes among them with caller, call and place."""
    for event_id in dict.fromkeys([*finding.get("cause_event_ids", ()), *finding.get("evidence", ())]):
        change = changes.get(event_id)
        if change is None:
            yield {"uid": event_id, "data": {"event_id": event_id}}
            continue
        name, address = change.get("event_name"), change.get("source_ip")
        yield {
            "uid": event_id,
            "name": name,
            "api": {"operation": name or "unknown", "request": {"uid": event_id}},
            "actor": {"user": {"uid": change["actor"], "name": last_part(change["actor"])}}
            if change.get("actor")
            else None,
            "src_endpoint": _endpoint(address),
            "http_request": {"user_agent": change["user_agent"]} if change.get("user_agent") else None,
            "data": {
                key: change.get(key) for key in ("event_id", "event_time", "effect", "lost", "gained", "role_arns")
            },
        }


def _endpoint(address: str | None) -> Row | None:
    """A caller's address; the host name of a service where AWS gives that instead."""
    if not address:
        return None
    try:
        return {"ip": str(ipaddress.ip_address(address))}
    except ValueError:
        return {"svc_name": address}


def _resources(document: Document, finding: Mapping[str, Any]) -> Iterator[Row]:
    volumes = by_key(list(document["volumes"]), "volume_id")
    if finding.get("role_arn"):
        yield _resource(finding["role_arn"], "AWS::IAM::Role", {})
    yield from (_resource(arn, "AWS::ECS::Task", {}) for arn in finding.get("task_arns", ()))
    yield from (_resource(one, "AWS::EC2::Volume", volumes.get(one, {})) for one in finding.get("volume_ids", ()))
    yield from (_resource(one, "AWS::SecretsManager::Secret", {}) for one in finding.get("secret_arns", ()))


def _resource(uid: str, kind: str, row: Mapping[str, Any]) -> Row:
    arn = parse_arn(uid)
    account = arn.account if arn else row.get("account")
    return {
        "uid": uid,
        "name": last_part(uid),
        "type": kind,
        "role_id": _AFFECTED[0],
        "role": _AFFECTED[1],
        "region": (arn.region if arn else row.get("region")) or None,
        "cloud_partition": arn.partition if arn else None,
        "owner": {"account": {"uid": account}} if account else None,
    }


def _cloud(document: Document, finding: Mapping[str, Any]) -> Row:
    """The place of a finding: what it hangs on names it, or the first account the evidence covers."""
    named = [finding.get("role_arn"), *finding.get("task_arns", ()), *finding.get("secret_arns", ())]
    arns = [arn for arn in map(parse_arn, named) if arn is not None]
    volumes = set(finding.get("volume_ids", ()))
    rows = [row for row in document["volumes"] if row.get("volume_id") in volumes]
    accounts = [arn.account for arn in arns if arn.account] + [row["account"] for row in rows if row.get("account")]
    regions = [arn.region for arn in arns if arn.region] + [row["region"] for row in rows if row.get("region")]
    covered = [row["account"] for row in document["evidence"]["coverage"] if row.get("account")]
    account = next(iter([*accounts, *covered]), None)
    return {
        "provider": "AWS",
        "account": {"uid": account, "type_id": 10, "type": "AWS Account"} if account else None,
        "region": next(iter(regions), None),
    }


def _remediation(finding: Mapping[str, Any]) -> Row | None:
    steps = finding.get("repair") or ()
    lines = [line for step in steps for line in (str(step.get("title") or ""), *(step.get("commands") or ()))]
    return {"desc": "\n".join(lines)} if lines else None


def _millis(time: object) -> int | None:
    stamp = micros(time)
    return None if stamp is None else stamp // 1000


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(inner) for key, inner in value.items() if inner is not None}
    return [_without_null(inner) for inner in value if inner is not None] if isinstance(value, list) else value
