"""Saved `DescribeServices` answers -> rows of `SERVICE_STATES`: which configuration a service gave its tasks.

Capacity providers (`DescribeCapacityProviders`) give rows as well: one of Managed Instances has an infrastructure role.
*Amazon ECS API Reference*, "Service" and "Deployment", read on 2026-11-24. A deployment has the members of the request
that made it (`volumeConfigurations`, `serviceConnectConfiguration`, …), so it is kept as JSON text and read like one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ecs_trail.arns import last_part
from ecs_trail.evidence.ledger import Problem, TaskText
from ecs_trail.evidence.moments import moment_of
from ecs_trail.evidence.tasks import state_rows
from ecs_trail.frames import TEXT, TIME, FrameSpec, Row

SERVICE_STATES: Final = FrameSpec(
    name="service_states",
    doc="saved states of services and capacity providers, one row per service, deployment and moment; `service_arn` is "
    "the ARN of either, `settings` JSON text",
    key=("service_arn", "settings", "seen_at"),
    columns={"service_arn": TEXT, "cluster": TEXT, "settings": TEXT, "seen_at": TIME, "source": TEXT},
)
_SETTINGS: Final = (
    "volumeConfigurations",
    "serviceConnectConfiguration",
    "vpcLatticeConfigurations",
    "loadBalancers",
)


def service_rows(texts: Sequence[TaskText]) -> tuple[list[Row], list[Problem]]:
    """Rows of `SERVICE_STATES` from saved states, and what could not be read of them."""
    return state_rows(texts, "service state", _rows_of)


def _rows_of(value: Any, source: str) -> Iterator[Row]:
    answer = value if isinstance(value, dict) else {"services": value, "capacityProviders": value}
    seen = moment_of(answer.get("capturedAt"))
    given = answer.get("capacityProviders")
    yield from _providers(given if isinstance(given, list) else [answer], seen, source)
    listed = answer["services"] if isinstance(answer.get("services"), list) else [answer]
    for service in (one for one in listed if isinstance(one, dict) and isinstance(one.get("serviceArn"), str)):
        made = [one for name in ("deployments", "taskSets") for one in service.get(name) or () if isinstance(one, dict)]
        # load balancers stand at the service itself, the rest at its deployments
        for settings in dict.fromkeys(filter(None, (_settings(one) for one in (service, *made)))):
            yield {
                "service_arn": service["serviceArn"],
                "cluster": last_part(str(service.get("clusterArn", ""))) or None,
                "settings": settings,
                "seen_at": seen,
                "source": source,
            }


def _providers(given: Sequence[Any], seen: datetime | None, source: str) -> Iterator[Row]:
    for one in (one for one in given if isinstance(one, dict) and isinstance(one.get("capacityProviderArn"), str)):
        managed = one.get("managedInstancesProvider")
        if isinstance(managed, dict) and managed.get("infrastructureRoleArn"):
            kept = {"managedInstancesProvider": {"infrastructureRoleArn": managed["infrastructureRoleArn"]}}
            yield {
                "service_arn": one["capacityProviderArn"],
                "cluster": last_part(str(one.get("cluster") or "")) or None,
                "settings": json.dumps(kept, separators=(",", ":")),
                "seen_at": seen,
                "source": source,
            }


def _settings(holder: Mapping[str, Any]) -> str:
    kept = {name: holder[name] for name in _SETTINGS if holder.get(name)}
    return json.dumps(kept, separators=(",", ":"), sort_keys=True) if kept else ""
