"""Services with Service Connect TLS: which role, certificate authority and key each was given, and when it ended.

*Amazon ECS API Reference*, CreateService, UpdateService, DeleteService, ServiceConnectTlsConfiguration, read on
2026-11-24.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from ecs_trail.arns import last_part, partition_of_region
from ecs_trail.frames import Row, Sheet, rows
from ecs_trail.payloads import Object, at, json_object, objects, text

Ended: TypeAlias = Mapping[str, list[datetime]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One service write that turns TLS on: role, certificate authority and key it names."""

    service_arn: str
    since: datetime
    created: bool
    role_arn: str
    authority: str | None
    kms_key_id: str | None
    account: str | None
    region: str | None


def settings(events: Sheet) -> list[Setting]:
    """Every service write that turns TLS on, oldest first. Refused writes turn on nothing."""
    return sorted(
        (
            Setting(
                arn,
                row["event_time"],
                row["event_name"] == "CreateService",
                role,
                text(at(tls, "issuerCertificateAuthority", "awsPcaAuthorityArn")),
                text(at(tls, "kmsKey")),
                row["account_id"],
                row["aws_region"],
            )
            for arn, row, request in _service_writes(events, ("CreateService", "UpdateService"))
            for item in objects(at(request, "serviceConnectConfiguration", "services"))
            for tls in (item.get("tls"),)
            if (role := text(at(tls, "roleArn"))) is not None
        ),
        key=lambda one: one.since,
    )


def ended_services(events: Sheet) -> Ended:
    """When services were deleted, by ARN."""
    ended: dict[str, list[datetime]] = defaultdict(list)
    for arn, row, _ in _service_writes(events, ("DeleteService",)):
        ended[arn].append(row["event_time"])
    return ended


def _service_writes(events: Sheet, names: Collection[str]) -> Iterator[tuple[str, Row, Object]]:
    """Successful service writes with the service's ARN."""
    mine = events.where(event_source="ecs.amazonaws.com", event_name=names, error_code=None)
    columns = ("event_time", "event_name", "aws_region", "account_id", "request_parameters", "response_elements")
    for row in rows(mine, columns):
        request, response = json_object(row["request_parameters"]), json_object(row["response_elements"])
        arn = _service_arn(row, request, response)
        if arn is not None:
            yield arn, row, request


def _service_arn(row: Row, request: Object, response: Object) -> str | None:
    told = text(at(response, "service", "serviceArn"))
    asked = text(request.get("service")) or text(request.get("serviceName"))
    if told or asked is None:
        return told
    cluster = last_part(text(request.get("cluster"))) or "default"
    region = row["aws_region"] or ""
    place = f"arn:{partition_of_region(region)}:ecs:{region}:{row['account_id'] or ''}"
    return f"{place}:service/{cluster}/{last_part(asked)}"
