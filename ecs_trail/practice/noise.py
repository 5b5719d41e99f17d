"""Daily life around the incident: reads, deployments, other roles, other volumes, look-alike names."""

from collections.abc import Callable
from typing import Any, TypeAlias

from ecs_trail.practice.dice import Dice, clock_text
from ecs_trail.practice.people import People
from ecs_trail.practice.records import Call, Caller, Json, done
from ecs_trail.practice.world import World

Maker: TypeAlias = Callable[[int], None]


class Noise:
    """Writes records that have nothing to do with the incident, at times the caller chooses."""

    def __init__(self, world: World, account: str, region: str, since: int) -> None:
        """One noise maker per account and Region; its cast of principals stays the same."""
        self.world = world
        self.dice: Dice = world.dice
        self.account = account
        self.region = region
        people = People(world.dice, world.partition, account, since)
        self.monitor = people.workload("datadog-integration", "DatadogAWSIntegration")
        self.app = people.workload("orders-api-task", world.dice.hex(32))
        self.person = people.person()
        self.deploy = people.terraform()
        self.calls: tuple[Maker, ...] = (
            self.describe, self.describe, self.list_buckets, self.lambda_session, self.other_volume, self.other_role,
            self.lookups, self.ecs_reads, self.secret_read, self.tags, self.key_use,
        )  # fmt: skip

    def one(self, at: int) -> None:
        """A random record at a time (seconds UTC)."""
        self.dice.choice(self.calls)(at)

    def describe(self, at: int) -> None:
        """Somebody looks at instances or volumes of the Region."""
        options: tuple[tuple[str, Json], ...] = (
            ("DescribeInstances", {"instancesSet": {}, "filterSet": {}}),
            ("DescribeVolumes", {"volumeSet": {}, "filterSet": {}}),
            ("DescribeNetworkInterfaces", {"networkInterfaceIdSet": {}, "filterSet": {}}),
            ("DescribeSecurityGroups", {"securityGroupSet": {}, "filterSet": {}}),
        )
        name, sets = self.dice.choice(options)
        self._write(at, self.dice.choice((self.monitor, self.person)), "ec2", name, request=sets, read_only=True)

    def list_buckets(self, at: int) -> None:
        """S3 management reads."""
        name = self.dice.choice(("ListBuckets", "GetBucketAcl", "GetBucketEncryption"))
        request = {"Host": f"s3.{self.region}.amazonaws.com"}
        if name != "ListBuckets":
            request["bucketName"] = "prod-data-lake"
        self._write(at, self.monitor, "s3", name, request=request, read_only=True)

    def lambda_session(self, at: int) -> None:
        """Lambda assumes the role of a function."""
        dice, host = self.dice, "lambda.amazonaws.com"
        name, session = dice.choice(("resize-images", "nightly-cleanup", "notify")), dice.hex(12)
        role = f"arn:{self.world.partition}:iam::{self.account}:role/{name}"
        assumed = f"arn:{self.world.partition}:sts::{self.account}:assumed-role/{name}/{session}"
        response: Json = {
            "credentials": {
                "accessKeyId": dice.unique_id("ASIA")[:20],
                "sessionToken": self.world.blob[:64],
                "expiration": clock_text(at + 3600, comma=True),
            },
            "assumedRoleUser": {"assumedRoleId": f"{dice.unique_id('AROA')}:{session}", "arn": assumed},
        }
        service = Caller({"type": "AWSService", "invokedBy": host}, host, host, tls=False)
        call = Call(
            "sts", "AssumeRole", self.account, self.region, {"roleArn": role, "roleSessionName": session}, response,
            read_only=True, resources=({"accountId": self.account, "type": "AWS::IAM::Role", "ARN": role},),
            extra={"sharedEventID": dice.uuid()},
        )  # fmt: skip
        self.world.ledger.write(at, service, call)

    def other_volume(self, at: int) -> None:
        """Volumes of virtual machines and backups: none of them is managed by ECS."""
        dice = self.dice
        volume = f"vol-0{dice.hex(16)}"
        tags = [{"key": "Name", "value": dice.choice(("jenkins-cache", "ecs-scratch", "AmazonECSManaged-test"))}]
        if dice.chance(0.5):
            request: Json = {"size": "100", "zone": f"{self.region}a", "volumeType": "gp3"}
            request["tagSpecificationSet"] = {"items": [{"resourceType": "volume", "tags": tags}]}
            response = {"requestId": dice.uuid(), "volumeId": volume, "size": "100", "zone": f"{self.region}a"}
            self._write(
                at,
                self.deploy,
                "ec2",
                "CreateVolume",
                request=request,
                response={**response, "tagSet": {"items": tags}},
            )
        else:
            self._write(at, self.person, "ec2", "DeleteVolume", request={"volumeId": volume}, response=done(dice))

    def other_role(self, at: int) -> None:
        """IAM writes on roles that ECS never uses as infrastructure roles."""
        dice = self.dice
        name = dice.choice(("orders-api-task", "ecsTaskExecutionRole", "ci-runner", "ecsInstanceRole"))
        policy = dice.choice(("CloudWatchAgentServerPolicy", "AmazonS3ReadOnlyAccess", "AmazonSSMManagedInstanceCore"))
        event = dice.choice(("AttachRolePolicy", "TagRole", "UpdateRoleDescription"))
        request: Json = {"roleName": name}
        if event == "AttachRolePolicy":
            request["policyArn"] = f"arn:{self.world.partition}:iam::aws:policy/{policy}"
        elif event == "TagRole":
            request["tags"] = [{"key": "team", "value": dice.choice(("payments", "search"))}]
        else:
            request["description"] = "Reviewed"
        call = Call("iam", event, self.account, self.world.iam_region, request)
        self.world.ledger.write(at, self.deploy, call)

    def lookups(self, at: int) -> None:
        """Terraform refreshes its state."""
        name = self.dice.choice(("GetRole", "ListAttachedRolePolicies", "ListRolePolicies"))
        call = Call("iam", name, self.account, self.world.iam_region, {"roleName": "ci-runner"}, read_only=True)
        self.world.ledger.write(at, self.deploy, call)

    def ecs_reads(self, at: int) -> None:
        """Somebody looks at a cluster."""
        name, request = self.dice.choice(
            (
                ("DescribeServices", {"cluster": "prod", "services": ["web"]}),
                ("ListTasks", {"cluster": "prod"}),
                ("DescribeClusters", {"clusters": ["prod"]}),
            )
        )
        self._write(at, self.dice.choice((self.person, self.monitor)), "ecs", name, request=request, read_only=True)

    def secret_read(self, at: int) -> None:
        """An application reads its own secret."""
        self._write(
            at, self.app, "secretsmanager", "GetSecretValue", request={"secretId": "prod/orders/db"}, read_only=True
        )

    def tags(self, at: int) -> None:
        """Tags on something that is no volume of ECS."""
        request: Json = {
            "resourcesSet": {"items": [{"resourceId": f"i-0{self.dice.hex(16)}"}]},
            "tagSet": {"items": [{"key": "owner", "value": "platform"}]},
        }
        self._write(at, self.deploy, "ec2", "CreateTags", request=request, response=done(self.dice))

    def key_use(self, at: int) -> None:
        """An application decrypts with the key of another service."""
        key = f"arn:{self.world.partition}:kms:{self.region}:{self.account}:key/{self.dice.uuid()}"
        resources = ({"accountId": self.account, "type": "AWS::KMS::Key", "ARN": key},)
        request = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {"aws:s3:arn": "arn:aws:s3:::prod"}}
        call = Call("kms", "Decrypt", self.account, self.region, request, read_only=True, resources=resources)
        self.world.ledger.write(at, self.app, call)

    def _write(
        self,
        at: int,
        caller: Caller,
        source: str,
        name: str,
        *,
        request: dict[str, Any],
        response: Json | None = None,
        read_only: bool = False,
    ) -> None:
        call = Call(source, name, self.account, self.region, request, response, read_only=read_only)
        self.world.ledger.write(at, caller, call)
