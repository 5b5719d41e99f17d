# ruff: noqa: A002 - `id` is the story's word for an event id
"""Whole incidents in builder words: one `Story` writes CloudTrail records, saved task states and saved role states.

Times are clock times of one day, 2026-03-02 UTC (`"10:00"`, `"10:00:05"`). Event ids are chosen by the story, so that
an expectation reads like a sentence. Shapes: the field notes of the project (real shapes of each API with the
documented identity of Amazon ECS).
"""

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from story_answer import Answer
from story_documents import TRUSTS_ECS, Document

import ecs_trail

DAY = "2026-03-02"
ROLE = "ecsInfra"
MANAGED = "service-role/AmazonECSInfrastructureRolePolicyForVolumes"
SESSION = "ECSTaskVolumesForEBS"
MANAGEMENT_ACCOUNT = "999999999999"
OTHER_ACCOUNT = "444455556666"

IDENTITY = "because no identity-based policy allows the {action} action"
BOUNDARY = "because no permissions boundary allows the {action} action"
SCP_DENY = "with an explicit deny in a service control policy"
SCP_NO_ALLOW = "because no service control policy allows the {action} action"
RCP_DENY = "with an explicit deny in a resource control policy"

VOLUME_IN_USE = ("Client.VolumeInUse", "Volume is currently attached to an instance")
INCORRECT_STATE = ("Client.IncorrectState", "The volume is not in the right state.")
THROTTLED = ("Client.RequestLimitExceeded", "Request limit exceeded.")
NOT_FOUND = ("Client.InvalidVolume.NotFound", "The volume does not exist.")
KEY_REVOKED = (
    "Client.CustomerKeyHasBeenRevoked",
    "Volume cannot be attached. The encrypted volume was unable to access the KMS key.",
)
ACCESS_DENIED = ("AccessDenied", "User is not authorized to perform this action.")

Failure = tuple[str, str] | None


def moment(at: str) -> str:
    """A clock time of the day of the story, or a full time, as CloudTrail writes it."""
    if "T" in at:
        return at
    return f"{DAY}T{at}Z" if at.count(":") == 2 else f"{DAY}T{at}:00Z"


def _digits(*words: str, length: int) -> str:
    return hashlib.sha256("/".join(words).encode()).hexdigest()[:length]


class Story:
    """One account's incident, told event by event. `where` are defaults every word can override."""

    def __init__(
        self, folder: Path, *, partition: str = "aws", region: str = "eu-west-1", home: str = "us-east-1"
    ) -> None:
        self.folder = folder
        self.partition = partition
        self.region = region
        self.home = home
        self.account = "111122223333"
        self.records: list[dict[str, Any]] = []
        self._tasks: dict[str, dict[str, Any]] = {}
        self._roles: dict[str, str] = {}
        self._count = 0
        self._files = 0

    # -- names ------------------------------------------------------------------------------------------------

    def role_arn(self, role: str = ROLE, account: str | None = None) -> str:
        return f"arn:{self.partition}:iam::{account or self.account}:role/{role}"

    def policy_arn(self, policy: str = MANAGED) -> str:
        """ARN of an AWS managed policy (a name that starts with AmazonECS or service-role/) or of a customer's."""
        if policy.startswith("arn:"):
            return policy
        owner = "aws" if policy.startswith(("AmazonECS", "service-role/")) else self.account
        return f"arn:{self.partition}:iam::{owner}:policy/{policy}"

    def task(self, name: str) -> str:
        """The ARN of a task of the story."""
        known = self._tasks.get(name, {})
        region, cluster = known.get("region", self.region), known.get("cluster", "prod")
        return f"arn:{self.partition}:ecs:{region}:{self.account}:task/{cluster}/{_digits('task', name, length=32)}"

    def volume(self, name: str) -> str:
        """The volume of a task."""
        return f"vol-0{_digits('volume', name, length=16)}"

    # -- the record -------------------------------------------------------------------------------------------

    def tell(
        self,
        at: str,
        event: str,
        request: Any,
        response: Any = None,
        *,
        id: str | None = None,
        who: dict[str, Any] | str = "admin",
        region: str | None = None,
        account: str | None = None,
        failure: Failure = None,
        read_only: bool = False,
        **more: Any,
    ) -> str:
        """One record; `event` is `service:EventName`. Gives the event id back."""
        self._count += 1
        service, name = event.split(":")
        identity = self.person(who, account) if isinstance(who, str) else who
        by = identity.get("invokedBy")
        record: dict[str, Any] = {
            "eventVersion": "1.10",
            "userIdentity": identity,
            "eventTime": moment(at),
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "awsRegion": region or self.region,
            "sourceIPAddress": by or "198.51.100.7",
            "userAgent": by or "aws-cli/2.15.0",
            "requestParameters": request,
            "responseElements": None if failure else response,
            "requestID": f"request-{self._count}",
            "eventID": id or f"{name}-{at}-{self._count}",
            "readOnly": read_only,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account or self.account,
            "eventCategory": "Management",
            **more,
        }
        if failure:
            record["errorCode"], record["errorMessage"] = failure
        self.records.append(record)
        return str(record["eventID"])

    def person(self, name: str = "admin", account: str | None = None) -> dict[str, Any]:
        number = account or self.account
        return {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": f"arn:{self.partition}:iam::{number}:user/{name}",
            "accountId": number,
            "accessKeyId": "AKIAEXAMPLE",
            "userName": name,
        }

    def session(self, role: str = ROLE, *, by_ecs: bool = True, name: str = SESSION) -> dict[str, Any]:
        """The infrastructure role's session: of ECS, or of a person who copied the session name."""
        unique = self._roles.get(role, "AROAOLDER")
        identity: dict[str, Any] = {
            "type": "AssumedRole",
            "principalId": f"{unique}:{name}",
            "arn": f"arn:{self.partition}:sts::{self.account}:assumed-role/{role.rsplit('/', maxsplit=1)[-1]}/{name}",
            "accountId": self.account,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": unique,
                    "arn": self.role_arn(role),
                    "accountId": self.account,
                    "userName": role.rsplit("/", maxsplit=1)[-1],
                },
                "attributes": {"creationDate": f"{DAY}T00:00:00Z", "mfaAuthenticated": "false"},
            },
        }
        if by_ecs:
            identity["invokedBy"] = "ecs.amazonaws.com"
        else:
            identity["accessKeyId"] = "ASIAEXAMPLE"
        return identity

    # -- IAM --------------------------------------------------------------------------------------------------

    def iam(self, at: str, name: str, request: Any, response: Any = None, **more: Any) -> str:
        return self.tell(at, f"iam:{name}", request, response, **{"region": self.home, **more})

    def create_role(self, at: str, *, id: str, role: str = ROLE, trust: Document = TRUSTS_ECS, **more: Any) -> str:
        boundary = more.pop("boundary", None)
        unique = "AROA" + _digits(role, id, length=16).upper()
        if not more.get("failure") and more.get("account") in (None, self.account):
            self._roles[role] = unique
        request: dict[str, Any] = {"roleName": role, "assumeRolePolicyDocument": json.dumps(trust)}
        if boundary:
            request["permissionsBoundary"] = self.policy_arn(boundary)
        made = {
            "path": "/",
            "roleName": role,
            "roleId": unique,
            "arn": self.role_arn(role, more.get("account")),
            "createDate": "Mar 2, 2026 8:00:00 AM",
            "assumeRolePolicyDocument": quote(json.dumps(trust)),
        }
        return self.iam(at, "CreateRole", request, {"role": made}, id=id, **more)

    def delete_role(self, at: str, *, id: str, role: str = ROLE, **more: Any) -> str:
        return self.iam(at, "DeleteRole", {"roleName": role}, id=id, **more)

    def attach(self, at: str, *, id: str, policy: str = MANAGED, role: str = ROLE, **more: Any) -> str:
        request = {"roleName": role, "policyArn": self.policy_arn(policy)}
        return self.iam(at, "AttachRolePolicy", request, id=id, **more)

    def detach(self, at: str, *, id: str, policy: str = MANAGED, role: str = ROLE, **more: Any) -> str:
        request = {"roleName": role, "policyArn": self.policy_arn(policy)}
        return self.iam(at, "DetachRolePolicy", request, id=id, **more)

    def put_inline(
        self, at: str, text: Document, *, id: str, name: str = "volumes", role: str = ROLE, **more: Any
    ) -> str:
        request = {"roleName": role, "policyName": name, "policyDocument": json.dumps(text)}
        return self.iam(at, "PutRolePolicy", request, id=id, **more)

    def delete_inline(self, at: str, *, id: str, name: str = "volumes", role: str = ROLE, **more: Any) -> str:
        return self.iam(at, "DeleteRolePolicy", {"roleName": role, "policyName": name}, id=id, **more)

    def set_trust(self, at: str, text: Document, *, id: str, role: str = ROLE, **more: Any) -> str:
        request = {"roleName": role, "policyDocument": json.dumps(text)}
        return self.iam(at, "UpdateAssumeRolePolicy", request, id=id, **more)

    def create_policy(self, at: str, policy: str, text: Document, *, id: str | None = None, **more: Any) -> str:
        made = {"policyName": policy, "arn": self.policy_arn(policy), "defaultVersionId": "v1", "attachmentCount": 0}
        request = {"policyName": policy, "policyDocument": json.dumps(text)}
        return self.iam(at, "CreatePolicy", request, {"policy": made}, id=id, **more)

    def new_version(self, at: str, policy: str, text: Document, *, id: str, version: str = "v2", **more: Any) -> str:
        default = more.pop("default", True)
        request = {"policyArn": self.policy_arn(policy), "policyDocument": json.dumps(text), "setAsDefault": default}
        made = {"versionId": version, "isDefaultVersion": default, "createDate": "Mar 2, 2026 8:00:00 AM"}
        return self.iam(at, "CreatePolicyVersion", request, {"policyVersion": made}, id=id, **more)

    def set_default(self, at: str, policy: str, version: str, *, id: str, **more: Any) -> str:
        request = {"policyArn": self.policy_arn(policy), "versionId": version}
        return self.iam(at, "SetDefaultPolicyVersion", request, id=id, **more)

    def delete_version(self, at: str, policy: str, version: str, *, id: str, **more: Any) -> str:
        request = {"policyArn": self.policy_arn(policy), "versionId": version}
        return self.iam(at, "DeletePolicyVersion", request, id=id, **more)

    def delete_policy(self, at: str, policy: str, *, id: str, **more: Any) -> str:
        return self.iam(at, "DeletePolicy", {"policyArn": self.policy_arn(policy)}, id=id, **more)

    def put_boundary(self, at: str, policy: str, *, id: str, role: str = ROLE, **more: Any) -> str:
        request = {"roleName": role, "permissionsBoundary": self.policy_arn(policy)}
        return self.iam(at, "PutRolePermissionsBoundary", request, id=id, **more)

    def remove_boundary(self, at: str, *, id: str, role: str = ROLE, **more: Any) -> str:
        return self.iam(at, "DeleteRolePermissionsBoundary", {"roleName": role}, id=id, **more)

    # -- Organizations and KMS --------------------------------------------------------------------------------

    def organizations(self, at: str, name: str, request: Any, response: Any = None, *, id: str | None = None) -> str:
        return self.tell(
            at, f"organizations:{name}", request, response, id=id, region=self.home, account=MANAGEMENT_ACCOUNT
        )

    def create_scp(self, at: str, policy: str, text: Document, *, kind: str = "SERVICE_CONTROL_POLICY") -> str:
        made = {"policy": {"policySummary": {"id": policy, "name": policy, "type": kind, "awsManaged": False}}}
        request = {"name": policy, "description": "", "type": kind, "content": json.dumps(text)}
        return self.organizations(at, "CreatePolicy", request, made)

    def attach_scp(self, at: str, policy: str, target: str, *, id: str) -> str:
        return self.organizations(at, "AttachPolicy", {"policyId": policy, "targetId": target}, id=id)

    def key(self, at: str, name: str, *, id: str, **request: Any) -> str:
        resources = [{"accountId": self.account, "type": "AWS::KMS::Key", "ARN": self.key_arn}]
        return self.tell(at, f"kms:{name}", {"keyId": self.key_arn, **request}, id=id, resources=resources)

    @property
    def key_arn(self) -> str:
        return f"arn:{self.partition}:kms:{self.region}:{self.account}:key/11112222-3333-4444-5555-666677778888"

    # -- ECS: launching and stopping --------------------------------------------------------------------------

    def launch(
        self, at: str, name: str, *, keep: bool = False, role: str = ROLE, id: str | None = None, **more: Any
    ) -> str:
        """A standalone task: RunTask by a person. Its volume is asked for separately (`create_volume`)."""
        self._know(name, role=role, **more)
        ebs = {
            "roleArn": self.role_arn(role),
            "sizeInGiB": 10,
            "terminationPolicy": {"deleteOnTermination": not keep},
        }
        request = {
            "cluster": self._tasks[name]["cluster"],
            "taskDefinition": "job:1",
            "volumeConfigurations": [{"name": "data", "managedEBSVolume": ebs}],
        }
        made = {"taskArn": self.task(name), "lastStatus": "PROVISIONING", "attachments": []}
        response = {"tasks": [made], "failures": []}
        return self.tell(at, "ecs:RunTask", request, response, id=id, region=self._tasks[name]["region"])

    def create_service(self, at: str, service: str, *, role: str = ROLE, cluster: str = "prod", **more: Any) -> str:
        ebs = {"roleArn": self.role_arn(role), "sizeInGiB": 10}
        request = {
            "cluster": cluster,
            "serviceName": service,
            "desiredCount": 1,
            "volumeConfigurations": [{"name": "data", "managedEBSVolume": ebs}],
        }
        arn = f"arn:{self.partition}:ecs:{self.region}:{self.account}:service/{cluster}/{service}"
        return self.tell(at, "ecs:CreateService", request, {"service": {"serviceArn": arn}}, **more)

    def delete_service(self, at: str, service: str, *, id: str, cluster: str = "prod", **more: Any) -> str:
        return self.tell(
            at, "ecs:DeleteService", {"cluster": cluster, "service": service, "force": True}, id=id, **more
        )

    def scale(self, at: str, service: str, count: int, *, id: str, cluster: str = "prod", **more: Any) -> str:
        request = {"cluster": cluster, "service": service, "desiredCount": count}
        return self.tell(at, "ecs:UpdateService", request, id=id, **more)

    def stop(self, at: str, name: str, *, id: str | None = None, **more: Any) -> str:
        known = self._tasks[name]
        request = {"cluster": known["cluster"], "task": self.task(name), "reason": "deploy"}
        response = {"task": {"taskArn": self.task(name), "desiredStatus": "STOPPED"}}
        return self.tell(at, "ecs:StopTask", request, response, id=id, **{"region": known["region"], **more})

    def _know(self, name: str, **facts: Any) -> None:
        known = {"role": ROLE, "cluster": "prod", "region": self.region, "service": None, **self._tasks.get(name, {})}
        self._tasks[name] = {**known, **facts}

    # -- ECS: work on volumes ---------------------------------------------------------------------------------

    def assume(
        self, at: str, *, role: str = ROLE, id: str | None = None, denied: bool = False, region: str | None = None
    ) -> str:
        """ECS takes the role's session, or is refused it."""
        arn = self.role_arn(role)
        failure = None
        if denied:
            text = "User: ecs.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: "
            failure = ("AccessDenied", text + arn)
        unique = self._roles.get(role, "AROAOLDER")
        taken = {"assumedRoleId": f"{unique}:{SESSION}", "arn": self.session(role)["arn"]}
        return self.tell(
            at,
            "sts:AssumeRole",
            {"roleArn": arn, "roleSessionName": SESSION, "durationSeconds": 900},
            {"credentials": {"accessKeyId": "ASIAEXAMPLE"}, "assumedRoleUser": taken},
            id=id,
            who={"type": "AWSService", "invokedBy": "ecs.amazonaws.com"},
            region=region,
            failure=failure,
            read_only=True,
            sharedEventID=f"shared-{self._count}",
            resources=[{"accountId": self.account, "type": "AWS::IAM::Role", "ARN": arn}],
        )

    def create_volume(self, at: str, name: str, **more: Any) -> str:
        known = self._tasks[name]
        tags = [
            {"key": "AmazonECSCreated", "value": self.task(name)},
            {"key": "AmazonECSManaged", "value": "true"},
        ]
        if known["service"]:
            tags.append({"key": "aws:ecs:clusterName", "value": known["cluster"]})
            tags.append({"key": "aws:ecs:serviceName", "value": known["service"]})
        request: dict[str, Any] = {
            "size": "10",
            "zone": f"{known['region']}a",
            "volumeType": "gp3",
            "encrypted": "kms" in more,
            "tagSpecificationSet": {"items": [{"resourceType": "volume", "tags": tags}]},
        }
        if more.pop("kms", False):
            request["kmsKeyId"] = self.key_arn
        made = {
            "volumeId": self.volume(name),
            "size": "10",
            "status": "creating",
            "createTime": 1772442000000,
            "tagSet": {"items": tags},
        }
        return self._volume_call(at, "CreateVolume", name, request, made, **more)

    def attach_volume(self, at: str, name: str, **more: Any) -> str:
        request = {"volumeId": self.volume(name), "instanceId": "i-0aaaabbbbccccdddd", "device": "/dev/sdf"}
        return self._volume_call(at, "AttachVolume", name, request, {**request, "status": "attaching"}, **more)

    def detach_volume(self, at: str, name: str, **more: Any) -> str:
        request = {"volumeId": self.volume(name), "force": False}
        return self._volume_call(at, "DetachVolume", name, request, {**request, "status": "detaching"}, **more)

    def delete_volume(self, at: str, name: str, **more: Any) -> str:
        return self._volume_call(at, "DeleteVolume", name, {"volumeId": self.volume(name)}, {"_return": True}, **more)

    def describe_volume(self, at: str, name: str, **more: Any) -> str:
        request = {"volumeSet": {"items": [{"volumeId": self.volume(name)}]}, "filterSet": {}}
        return self._volume_call(at, "DescribeVolumes", name, request, None, read_only=True, **more)

    def retag(self, at: str, name: str, event: str, tags: Sequence[tuple[str, str]], *, id: str, **more: Any) -> str:
        """CreateTags or DeleteTags on the volume of a task, by a person."""
        items = [{"key": key, "value": value} for key, value in tags]
        request = {"resourcesSet": {"items": [{"resourceId": self.volume(name)}]}, "tagSet": {"items": items}}
        return self.tell(
            at, f"ec2:{event}", request, {"_return": True}, id=id, region=self._tasks[name]["region"], **more
        )

    def _volume_call(self, at: str, event: str, name: str, request: Any, response: Any, **more: Any) -> str:
        known = self._tasks[name]
        who = more.pop("who", None) or self.session(known["role"])
        denied, old = more.pop("denied", None), more.pop("old_wording", False)
        if denied is not None:
            more["failure"] = self.denial(
                f"ec2:{event}", known["role"], IDENTITY if denied is True else denied, old=old
            )
        return self.tell(at, f"ec2:{event}", request, response, who=who, **{"region": known["region"], **more})

    def denial(self, action: str, role: str, why: str, *, old: bool = False) -> tuple[str, str]:
        start, end = "You are not authorized to perform this operation.", "Encoded authorization failure message: AbCd"
        user = self.session(role)["arn"]
        full = f" User: {user} is not authorized to perform: {action} on resource: * {why.format(action=action)}."
        return "Client.UnauthorizedOperation", f"{start}{'' if old else full} {end}"

    # -- whole sentences --------------------------------------------------------------------------------------

    def healthy_role(self, *, role: str = ROLE, policy: str = MANAGED) -> "Story":
        """A role made in the evidence, trusted and granted at 08:00."""
        self.create_role("08:00:00", id=f"made-{role}", role=role)
        self.attach("08:00:05", id=f"granted-{role}", role=role, policy=policy)
        return self

    def inline_role(self, text: Document, *, role: str = ROLE) -> "Story":
        """A role made in the evidence whose only policy is the inline policy `volumes`."""
        self.create_role("08:00:00", id=f"made-{role}", role=role)
        self.put_inline("08:00:05", text, id=f"granted-{role}", role=role)
        return self

    def customer_role(self, text: Document, *, policy: str = "volumes", role: str = ROLE) -> "Story":
        """A role made in the evidence whose only policy is a customer managed one, version v1."""
        self.create_policy("07:59:00", policy, text)
        return self.healthy_role(role=role, policy=policy)

    def running(self, *names: str, at: str = "09:00", launched: bool = True, **facts: Any) -> "Story":
        """Tasks that ECS provisioned without trouble: launched, volume created and attached within the minute."""
        for name in names:
            if launched and not facts.get("service"):
                self.launch(at, name, **facts)
            self._know(name, **{k: v for k, v in facts.items() if k != "keep"})
            known = self._tasks[name]
            self.assume(f"{at}:10", role=known["role"], region=known["region"])
            self.create_volume(f"{at}:11", name)
            self.attach_volume(f"{at}:20", name)
        return self

    def cleaned(self, name: str, at: str, *, held_session: bool = False) -> "Story":
        """ECS detaches and deletes the volume within the minute `at`."""
        known = self._tasks[name]
        if not held_session:
            self.assume(f"{at}:01", role=known["role"], region=known["region"])
        self.detach_volume(f"{at}:02", name)
        self.delete_volume(f"{at}:30", name, id=f"deleted-{name}")
        return self

    def refused(self, name: str, at: str, *, call: str = "DetachVolume", why: Any = True, **more: Any) -> "Story":
        """ECS takes its session and its cleanup call is denied, within the minute `at`."""
        known = self._tasks[name]
        self.assume(f"{at}:01", role=known["role"], region=known["region"])
        words = {
            "DetachVolume": self.detach_volume,
            "DeleteVolume": self.delete_volume,
            "DescribeVolumes": self.describe_volume,
        }
        words[call](f"{at}:02", name, denied=why, id=more.pop("id", f"denied-{name}-{at}"), **more)
        return self

    # -- saved states -----------------------------------------------------------------------------------------

    def task_state(self, name: str, **facts: Any) -> dict[str, Any]:
        """One task as DescribeTasks gives it; clock times in `facts` are times of the story.

        `attachment` is the status of its volume's attachment, `reason` why it failed; `volume=False`: none was made.
        """
        known = self._tasks[name]
        volume = facts.pop("attachment", "ATTACHED")
        reason = facts.pop("reason", None)
        made = facts.pop("volume", True)
        details = [
            {"name": "roleArn", "value": self.role_arn(known["role"])},
            *([{"name": "volumeId", "value": self.volume(name)}] if made else []),
            {"name": "deleteOnTermination", "value": "true"},
            *([{"name": "statusReason", "value": reason}] if reason else []),
        ]
        times = {key: moment(value) for key, value in facts.items() if key.endswith("At")}
        others = {key: value for key, value in facts.items() if not key.endswith("At")}
        attachment = {"id": "a-1", "type": "AmazonElasticBlockStorage", "status": volume, "details": details}
        return {
            "taskArn": self.task(name),
            "clusterArn": f"arn:{self.partition}:ecs:{known['region']}:{self.account}:cluster/{known['cluster']}",
            "group": f"service:{known['service']}" if known["service"] else "family:job",
            "createdAt": moment("09:00"),
            **({"startedAt": moment("09:00:40")} if made else {}),
            "lastStatus": "RUNNING",
            "desiredStatus": "RUNNING",
            "attachments": [attachment],
            **times,
            **others,
        }

    def save_tasks(self, *states: dict[str, Any], name: str = "tasks.json") -> Path:
        """A file of saved DescribeTasks output, beside the evidence."""
        path = self.folder.parent / f"{self.folder.name}-{name}"
        path.write_text(json.dumps({"tasks": list(states), "failures": []}))
        return path

    def save_role(
        self,
        at: str,
        *,
        attached: Sequence[str] = (),
        inline: dict[str, Document] | None = None,
        trust: Document = TRUSTS_ECS,
        versions: dict[str, Document] | None = None,
    ) -> Path:
        """A saved IAM state of the role at one moment."""
        state = {
            "CapturedAt": moment(at),
            "Role": {
                "RoleName": ROLE,
                "Arn": self.role_arn(),
                "RoleId": "AROAOLDER",
                "Path": "/",
                "CreateDate": "2025-01-01T00:00:00Z",
                "AssumeRolePolicyDocument": trust,
            },
            "AttachedPolicies": [
                {"PolicyArn": self.policy_arn(one), "PolicyName": one.rsplit("/")[-1]} for one in attached
            ],
            "RolePolicies": [
                {"RoleName": ROLE, "PolicyName": name, "PolicyDocument": text} for name, text in (inline or {}).items()
            ],
            "PolicyVersions": [
                {"PolicyArn": self.policy_arn(one), "VersionId": "v1", "IsDefaultVersion": True, "Document": text}
                for one, text in (versions or {}).items()
            ],
        }
        path = self.folder.parent / f"{self.folder.name}-role-state.json"
        path.write_text(json.dumps(state))
        return path

    # -- the question -----------------------------------------------------------------------------------------

    def write(self, records: Sequence[dict[str, Any]] | None = None, *, name: str | None = None) -> None:
        """Write the evidence: NDJSON, or a `Records` file when `name` ends in json.gz."""
        self.folder.mkdir(parents=True, exist_ok=True)
        chosen = self.records if records is None else records
        self._files += 1
        path = self.folder / (name or f"evidence-{self._files}.ndjson")
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(json.dumps({"Records": list(chosen)}).encode()))
        else:
            path.write_text("".join(json.dumps(record) + "\n" for record in chosen))

    def ask(self, as_of: str | None = "12:00", **options: Any) -> Answer:
        """Investigate, judged at a clock time; writes the evidence unless the story has written it itself."""
        if not self._files:
            self.write()
        case = ecs_trail.investigate(self.folder, as_of=moment(as_of) if as_of else None, **options)
        return Answer(case.document, self)
