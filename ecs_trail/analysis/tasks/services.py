"""Service writes over time: which role a service gives its tasks, and when it told them all to stop.

*Amazon ECS API Reference*, CreateService, UpdateService, DeleteService, read on 2026-11-24. Tasks that a service
launches leave no `RunTask` record, so the service's writes are the only ones that speak of them.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ecs_trail.arns import last_part, parse_arn
from ecs_trail.frames import Sheet, rows
from ecs_trail.payloads import Object, at, integer, json_object, objects, text

ServiceKey = tuple[str, str, str, str]
COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_name",
    "aws_region",
    "account_id",
    "error_code",
    "request_parameters",
    "response_elements",
)


@dataclass(slots=True)
class Service:
    """One service: when it was there, its infrastructure role for volumes over time, and its stops."""

    name: str
    cluster: str
    first_at: datetime
    roles: list[tuple[datetime, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    stops: list[tuple[datetime, str]] = field(default_factory=list)
    with_volumes: bool = False

    def role_at(self, moment: datetime) -> str | None:
        """The role of the last configuration before a moment."""
        earlier = [role for since, role in self.roles if since <= moment]
        return earlier[-1] if earlier else self.roles[0][1] if self.roles else None

    def stop_after(self, moment: datetime) -> tuple[datetime, str] | None:
        """The first time at or after a moment at which all tasks of the service had to stop, with its event id."""
        return next((stop for stop in self.stops if stop[0] >= moment), None)


def services(events: Sheet) -> dict[ServiceKey, Service]:
    """The services the events speak of, by (account, Region, cluster, name). Refused writes change nothing."""
    names = ("CreateService", "UpdateService", "DeleteService")
    mine = events.where(event_source="ecs.amazonaws.com", event_name=names, error_code=None)
    found: dict[ServiceKey, Service] = {}
    for row in rows(mine, COLUMNS):
        request, response = json_object(row["request_parameters"]), json_object(row["response_elements"])
        name = _name(request, response)
        if name is None:
            continue
        cluster = _cluster(request, response)
        key = (row["account_id"] or "", row["aws_region"] or "", cluster, name)
        service = found.setdefault(key, Service(name, cluster, row["event_time"]))
        _take(service, row, request)
    return found


def service_of_cluster(found: Mapping[ServiceKey, Service]) -> dict[tuple[str, str, str], list[Service]]:
    """The services with managed volumes by (account, Region, cluster)."""
    grouped: dict[tuple[str, str, str], list[Service]] = defaultdict(list)
    for key, service in found.items():
        if service.with_volumes:
            grouped[key[:3]].append(service)
    return grouped


def _take(service: Service, row: Mapping[str, Any], request: Object) -> None:
    for item in objects(request.get("volumeConfigurations")):
        managed = at(item, "managedEBSVolume")
        if role := text(at(managed, "roleArn")):
            service.roles.append((row["event_time"], role))
            service.with_volumes = True
        if key := text(at(managed, "kmsKeyId")):
            service.keys.append(key)
    ends = row["event_name"] == "DeleteService" or integer(request.get("desiredCount")) == 0
    if ends:
        service.stops.append((row["event_time"], row["event_id"]))


def _name(request: Object, response: Object) -> str | None:
    told = (
        text(request.get("service")) or text(request.get("serviceName")) or text(at(response, "service", "serviceName"))
    )
    return last_part(told) if told and parse_arn(told) else told


def _cluster(request: Object, response: Object) -> str:
    """The cluster's name; ECS uses `default` where none is given (CreateService)."""
    return last_part(text(request.get("cluster")) or text(at(response, "service", "clusterArn"))) or "default"
