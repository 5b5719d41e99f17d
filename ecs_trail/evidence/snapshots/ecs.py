"""ECS at one moment: tasks in every state, services, and which tasks of volumes are no longer known.

*Amazon ECS API Reference*, ListTasks (`desiredStatus`), DescribeTasks (100 a call), DescribeServices (10 a call),
DescribeCapacityProviders (10 a page; the members of `managedInstancesProvider` from botocore's model of the service),
read on 2026-11-24. A task in DEPROVISIONING is wanted STOPPED and has no `stoppedAt`: nothing is filtered by that.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ecs_trail.arns import parse_arn, task_cluster
from ecs_trail.evidence.snapshots.asking import Asker, chunks, plain

_WANTED: Final = ("RUNNING", "PENDING", "STOPPED")
_TASKS_A_CALL: Final = 100
_SERVICES_A_CALL: Final = 10
_ROLES: Final = frozenset({"roleArn", "infrastructureRoleArn"})
#: What stands in the place of values that a person may have passed to a container as secrets.
WITHHELD: Final = "withheld by ecs-trail"


@dataclass
class EcsState:
    """What ECS said of one Region: answers as plain JSON values."""

    clusters: list[str] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    services: list[dict[str, Any]] = field(default_factory=list)
    service_failures: list[dict[str, Any]] = field(default_factory=list)
    providers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def account(self) -> str | None:
        """The account, from the first ARN seen."""
        listed = [*self.clusters, *(str(task.get("taskArn")) for task in self.tasks)]
        return next((arn.account for arn in map(parse_arn, listed) if arn is not None), None)

    @property
    def volume_ids(self) -> list[str]:
        """The volumes that tasks name."""
        return [one for one in self._details("volumeId") if one.startswith("vol-")]

    def _details(self, name: str) -> Iterator[str]:
        for task in self.tasks:
            for attachment in task.get("attachments", ()):
                yield from (str(one.get("value")) for one in attachment.get("details", ()) if one.get("name") == name)

    @property
    def role_arns(self) -> list[str]:
        """The infrastructure roles that tasks, services and capacity providers name, sorted."""
        found = set(self._details("roleArn"))
        for service in self.services:
            # a service's own roleArn is the service-linked role of its load balancer
            found.update(_named_roles({key: value for key, value in service.items() if key != "roleArn"}))
        found.update(_named_roles(self.providers))
        return sorted(arn for arn in found if parse_arn(arn) is not None)


def read_ecs(asker: Asker, clusters: Iterable[str]) -> EcsState:
    """The state of the named clusters, or of every cluster of the Region where none is named."""
    named = list(clusters)
    state = EcsState(named or asker.list_all("ListClusters", "clusterArns"))
    for cluster in state.clusters:
        listed = [
            arn
            for wanted in _WANTED
            for arn in asker.list_all("ListTasks", "taskArns", cluster=cluster, desiredStatus=wanted)
        ]
        _describe_tasks(asker, state, cluster, list(dict.fromkeys(listed)))
        services = asker.list_all("ListServices", "serviceArns", cluster=cluster)
        for some in chunks(services, _SERVICES_A_CALL):
            answer = plain(asker.ask("DescribeServices", cluster=cluster, services=some, include=["TAGS"]) or {})
            state.services += answer.get("services", ())
            state.service_failures += answer.get("failures", ())
        _describe_providers(asker, state, cluster)
    return state


def _describe_providers(asker: Asker, state: EcsState, cluster: str) -> None:
    """The capacity providers of a cluster: those of Managed Instances are shown only where the cluster is named."""
    known = {one.get("capacityProviderArn") for one in state.providers}
    for answer in asker.pages("DescribeCapacityProviders", cluster=cluster):
        found = plain(answer).get("capacityProviders", ())
        state.providers += [one for one in found if one.get("capacityProviderArn") not in known]


def ask_for(asker: Asker, state: EcsState, task_arns: Iterable[str]) -> None:
    """Ask for tasks by ARN that no list showed: a volume still names them. ECS answers MISSING when they are gone."""
    known = {task.get("taskArn") for task in state.tasks}
    by_cluster: dict[str, list[str]] = defaultdict(list)
    for arn in sorted(set(task_arns) - known):
        by_cluster[task_cluster(arn) or "default"].append(arn)
    for cluster, arns in sorted(by_cluster.items()):
        _describe_tasks(asker, state, cluster, arns)


def _describe_tasks(asker: Asker, state: EcsState, cluster: str, arns: list[str]) -> None:
    for some in chunks(arns, _TASKS_A_CALL):
        refused = len(asker.refused)
        answer = asker.ask("DescribeTasks", cluster=cluster, tasks=some, include=["TAGS"])
        if answer is None and len(asker.refused) == refused:
            # The cluster itself is gone, and with it its tasks.
            words = {"reason": "MISSING", "detail": "ClusterNotFoundException"}
            state.failures += [{"arn": arn, **words} for arn in some]
            continue
        said = plain(answer or {})
        state.tasks += [_without_secrets(task) for task in said.get("tasks", ())]
        state.failures += said.get("failures", ())


def _without_secrets(task: dict[str, Any]) -> dict[str, Any]:
    """A task without the values of environment variables that were passed to `RunTask`."""
    overrides = task.get("overrides")
    if not isinstance(overrides, dict):
        return task
    kept = [
        {**one, "environment": [{**pair, "value": WITHHELD} for pair in one.get("environment", ())]}
        if one.get("environment")
        else one
        for one in overrides.get("containerOverrides", ())
    ]
    return {**task, "overrides": {**overrides, "containerOverrides": kept}}


def _named_roles(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _ROLES and isinstance(inner, str):
                yield inner
            else:
                yield from _named_roles(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_roles(inner)
