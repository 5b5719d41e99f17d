"""An ECS of our own on the loopback, for what the common mock server lacks: EBS attachments, tasks in every state.

It keeps AWS's limits: 100 tasks and 10 services a call, pages with tokens, one `desiredStatus` a list (RUNNING when
none is given), and it counts what it saw.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import JsonHandler, serve

Json = dict[str, Any]
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRole"


def task_arn(number: int, cluster: str = "prod", region: str = "eu-west-1") -> str:
    """The ARN of a task."""
    return f"arn:aws:ecs:{region}:{ACCOUNT}:task/{cluster}/{number:032x}"


def task(number: int, last: str = "RUNNING", desired: str = "RUNNING", **more: Any) -> Json:
    """A task with one managed volume, as DescribeTasks gives it: times are numbers on the wire."""
    details = {"roleArn": ROLE, "volumeId": f"vol-{number:017x}", "deleteOnTermination": "true", "volumeName": "data"}
    made = {
        "taskArn": task_arn(number),
        "clusterArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod",
        "lastStatus": last,
        "desiredStatus": desired,
        "createdAt": 1772438400.0,
        "version": 5,
        "group": "service:web",
        "attachments": [
            {
                "id": f"a-{number}",
                "type": "AmazonElasticBlockStorage",
                "status": "ATTACHED",
                "details": [{"name": name, "value": value} for name, value in details.items()],
            }
        ],
    }
    return made | more


def service(number: int, **more: Any) -> Json:
    """A service whose deployment names roles for volumes and for Service Connect TLS."""
    deployment = {
        "id": f"ecs-svc/{number}",
        "status": "PRIMARY",
        "volumeConfigurations": [{"name": "data", "managedEBSVolume": {"roleArn": ROLE, "sizeInGiB": 10}}],
        "serviceConnectConfiguration": {
            "enabled": True,
            "services": [{"portName": "web", "tls": {"roleArn": f"{ROLE}Tls", "issuerCertificateAuthority": {}}}],
        },
    }
    return {
        "serviceArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/prod/web-{number}",
        "serviceName": f"web-{number}",
        "clusterArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod",
        "status": "ACTIVE",
        "desiredCount": 1,
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        "deployments": [deployment],
    } | more


def provider(number: int, **more: Any) -> Json:
    """A capacity provider of Managed Instances, which names an infrastructure role."""
    return {
        "capacityProviderArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:capacity-provider/managed-{number}",
        "name": f"managed-{number}",
        "cluster": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod",
        "status": "ACTIVE",
        "type": "MANAGED_INSTANCES",
        "managedInstancesProvider": {
            "infrastructureRoleArn": f"{ROLE}Instances",
            "instanceLaunchTemplate": {"ec2InstanceProfileArn": f"arn:aws:iam::{ACCOUNT}:instance-profile/x"},
        },
    } | more


class RefusedError(Exception):
    """An answer with an error code."""


@dataclass
class Cluster:
    """What the server holds and what it saw. `denied` are calls it refuses."""

    tasks: list[Json] = field(default_factory=list)
    services: list[Json] = field(default_factory=list)
    providers: list[Json] = field(default_factory=list)
    clusters: list[str] = field(default_factory=lambda: ["prod"])
    denied: set[str] = field(default_factory=set)
    page: int = 40
    seen: list[tuple[str, Json]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, call: str, asked: Json) -> Json:
        """One request; raises `RefusedError`."""
        with self._lock:
            self.seen.append((call, asked))
        if call in self.denied:
            raise RefusedError("AccessDeniedException")
        if asked.get("cluster") and asked["cluster"].rpartition("/")[2] not in self.clusters:
            raise RefusedError("ClusterNotFoundException")
        return getattr(self, f"_{call}")(asked)

    def _ListClusters(self, asked: Json) -> Json:
        arns = [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/{name}" for name in self.clusters]
        return self._paged(asked, "clusterArns", arns)

    def _ListTasks(self, asked: Json) -> Json:
        wanted = asked.get("desiredStatus", "RUNNING")
        mine = [one for one in self.tasks if one["desiredStatus"] == wanted and self._in(one, asked)]
        return self._paged(asked, "taskArns", [one["taskArn"] for one in mine])

    def _ListServices(self, asked: Json) -> Json:
        mine = [one["serviceArn"] for one in self.services if self._in(one, asked)]
        return self._paged(asked, "serviceArns", mine, 10)

    def _DescribeTasks(self, asked: Json) -> Json:
        if len(asked["tasks"]) > 100:
            raise RefusedError("InvalidParameterException")
        known = {one["taskArn"]: one for one in self.tasks}
        gone = [arn for arn in asked["tasks"] if arn not in known]
        return {
            "tasks": [known[arn] for arn in asked["tasks"] if arn in known],
            "failures": [{"arn": arn, "reason": "MISSING"} for arn in gone],
        }

    def _DescribeServices(self, asked: Json) -> Json:
        if len(asked["services"]) > 10:
            raise RefusedError("InvalidParameterException")
        return {"services": [one for one in self.services if one["serviceArn"] in asked["services"]], "failures": []}

    def _DescribeCapacityProviders(self, asked: Json) -> Json:
        """Those of Managed Instances only where their cluster is named; ten a page."""
        named = asked.get("cluster", "").rpartition("/")[2]
        mine = [one for one in self.providers if one.get("cluster", "").rpartition("/")[2] in {named, ""}]
        arns = [one["capacityProviderArn"] for one in mine]
        page = self._paged(asked, "capacityProviders", arns, 10)
        return page | {
            "capacityProviders": [one for one in mine if one["capacityProviderArn"] in page["capacityProviders"]]
        }

    @staticmethod
    def _in(one: Json, asked: Json) -> bool:
        return one["clusterArn"].rpartition("/")[2] == asked.get("cluster", "default").rpartition("/")[2]

    def _paged(self, asked: Json, name: str, listed: list[str], page: int | None = None) -> Json:
        start = int(asked.get("nextToken", 0))
        end = start + min(page or self.page, self.page)
        more = {"nextToken": str(end)} if end < len(listed) else {}
        return {name: listed[start:end]} | more


class _Handler(JsonHandler):
    cluster: Cluster

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        call = self.headers["X-Amz-Target"].rpartition(".")[2]
        try:
            self._send(200, self.cluster.answer(call, asked))
        except RefusedError as error:
            words = f"User: arn:aws:iam::{ACCOUNT}:user/me is not authorized to perform: ecs:{call}"
            self._send(400, {"__type": str(error), "message": words})


@contextmanager
def serving_cluster(cluster: Cluster) -> Iterator[str]:
    """Run the server; gives its address."""
    with serve(_Handler, cluster=cluster) as address:
        yield address
