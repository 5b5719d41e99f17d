"""Live snapshots: real boto3 over loopback, against the common mock server (EC2, IAM) and an ECS of our own."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError
from cluster import ACCOUNT, ROLE, Cluster, provider, service, serving_cluster, task, task_arn

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.cli.permissions import policy
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.snapshots.asking import Asker
from ecs_trail.evidence.snapshots.role_states import read_role_state
from ecs_trail.evidence.snapshots.taking import take_snapshot
from ecs_trail.evidence.tasks import read_task_states

REGION = "eu-west-1"
NOW = datetime(2026, 3, 10, 10, 0, tzinfo=UTC)
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"},
         "Action": "sts:AssumeRole"}]}  # fmt: skip
GRANT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}


#: One session, as a session parses the large model of EC2 only once.
SESSION = boto3.session.Session(aws_access_key_id="AKIAEXAMPLE000000001", aws_secret_access_key="example")


class Aws:
    """The clients of an account with a role, and the calls this process made since."""

    def __init__(self) -> None:
        self.ec2 = SESSION.client("ec2", region_name=REGION)
        self.iam = SESSION.client("iam", region_name=REGION)
        self.calls: Counter[str] = Counter()
        self.denied: set[str] = set()
        self.made: list[Any] = []

    def client(self, service_name: str, region: str) -> Any:
        client = SESSION.client(service_name, region_name=region)
        self.made.append(client)

        def look(model: Any, **_: Any) -> None:
            self.calls[f"{service_name}:{model.name}"] += 1
            if f"{service_name}:{model.name}" in self.denied:
                code = "UnauthorizedOperation" if service_name == "ec2" else "AccessDenied"
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, model.name)

        client.meta.events.register("before-call", look)
        return client

    def volume(self, number: int, **tags: str) -> str:
        """A free volume of a task, by its reserved tags."""
        marks = {"AmazonECSManaged": "true", "AmazonECSCreated": task_arn(number)} | tags
        made = self.ec2.create_volume(
            AvailabilityZone=f"{REGION}a",
            Size=10 + number,
            VolumeType="gp3",
            TagSpecifications=[
                {"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in marks.items()]}
            ],
        )
        return str(made["VolumeId"])

    def close(self) -> None:
        for one in (self.ec2, self.iam, *self.made):
            one.close()


@contextmanager
def account(server: str, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[Aws]:
    urlopen(Request(f"{server}/moto-api/reset", method="POST")).close()
    for name in ("EC2", "IAM"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", server)
    with serving_cluster(cluster) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", address)
        aws = Aws()
        try:
            yield aws
        finally:
            aws.close()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def aws(s3_server: str, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[Aws]:
    with account(s3_server, monkeypatch, cluster) as made:
        yield made


def with_role(aws: Aws) -> None:
    """A role with a customer policy of two versions, an inline policy and a boundary."""
    iam = aws.iam
    mine = iam.create_policy(PolicyName="volumes", PolicyDocument=json.dumps({**GRANT, "Id": "first"}))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=mine, PolicyDocument=json.dumps({**GRANT, "Id": "second"}), SetAsDefault=True)
    edge = iam.create_policy(PolicyName="edge", PolicyDocument=json.dumps(GRANT))["Policy"]["Arn"]
    iam.create_role(
        RoleName="ecsInfrastructureRole", AssumeRolePolicyDocument=json.dumps(TRUST), PermissionsBoundary=edge
    )
    iam.attach_role_policy(RoleName="ecsInfrastructureRole", PolicyArn=mine)
    iam.put_role_policy(
        RoleName="ecsInfrastructureRole", PolicyName="inline", PolicyDocument=json.dumps({**GRANT, "Id": "inline"})
    )


def take(folder: Path, aws: Aws, **how: Any) -> dict[str, Path]:
    """A snapshot; its files by what they are."""
    taken = take_snapshot(folder, [REGION], client=aws.client, now=lambda: NOW, **how)
    return {one.kind: one.path for one in taken.files}


def test_every_task_in_every_state_whatever_the_pages(aws, cluster, tmp_path):
    cluster.tasks = [task(number) for number in range(130)]
    cluster.tasks += [task(200, "DEPROVISIONING", "STOPPED", stoppingAt=1772439000.5), task(201, "STOPPED", "STOPPED")]
    cluster.services = [service(number) for number in range(23)]
    cluster.page = 7
    paths = take(tmp_path, aws)
    rows, problems = read_task_states([paths["task_state"]])
    assert problems == []
    assert {row["task_arn"] for row in rows} == {one["taskArn"] for one in cluster.tasks}
    stuck = next(row for row in rows if row["task_arn"] == task_arn(200))
    assert (stuck["last_status"], stuck["stopped_at"]) == ("DEPROVISIONING", None)
    assert (stuck["volume_id"], stuck["role_arn"]) == (f"vol-{200:017x}", ROLE)
    assert {row["seen_at"] for row in rows} == {NOW}
    saved = json.loads(paths["service_state"].read_text())
    assert len(saved["services"]) == 23
    assert saved["services"][0]["deployments"][0]["volumeConfigurations"][0]["managedEBSVolume"]["roleArn"] == ROLE
    assert max(len(asked["tasks"]) for call, asked in cluster.seen if call == "DescribeTasks") == 100
    assert {asked["desiredStatus"] for call, asked in cluster.seen if call == "ListTasks"} == {
        "RUNNING",
        "PENDING",
        "STOPPED",
    }


def test_a_page_that_is_not_followed_is_seen(aws, cluster, tmp_path, monkeypatch):
    """The fault that the test above must catch."""
    cluster.tasks = [task(number) for number in range(9)]
    cluster.page = 4
    whole = Asker.list_all
    monkeypatch.setattr(Asker, "list_all", lambda self, *given, **how: whole(self, *given, **how)[:4])
    rows, _ = read_task_states([take(tmp_path, aws)["task_state"]])
    assert len({row["task_arn"] for row in rows}) < 9


def test_the_role_of_the_tasks_is_saved_as_it_is(aws, cluster, tmp_path):
    with_role(aws)
    cluster.tasks = [task(1)]
    state = read_role_state(take(tmp_path, aws)["role_state"])
    assert state.role_arn == ROLE
    assert state.complete
    assert state.captured_at == NOW
    assert json.loads(state.trust_document) == TRUST
    assert [arn.rpartition("/")[2] for arn in state.attached] == ["volumes"]
    assert state.boundary == f"arn:aws:iam::{ACCOUNT}:policy/edge"
    assert {name: json.loads(text)["Id"] for name, text in state.inline if text} == {"inline": "inline"}
    documents = {arn.rpartition("/")[2]: (version, json.loads(text).get("Id"), is_default)
                 for arn, version, text, is_default in state.policy_documents}  # fmt: skip
    assert documents == {"volumes": ("v2", "second", True), "edge": ("v1", None, True)}


def test_a_role_that_could_not_be_read_in_full_lacks_nothing_for_certain(aws, cluster, tmp_path):
    with_role(aws)
    cluster.tasks = [task(1)]
    aws.denied = {"iam:ListAttachedRolePolicies", "iam:GetRolePolicy"}
    taken = take_snapshot(tmp_path, [REGION], client=aws.client, now=lambda: NOW)
    assert taken.is_partial
    assert {"iam:ListAttachedRolePolicies", "iam:GetRolePolicy"} <= {
        word for one in taken.problems for word in one.detail.split()
    }
    state = read_role_state(next(one.path for one in taken.files if one.kind == "role_state"))
    assert not state.complete
    assert state.inline == (("inline", None),)
    (tmp_path / "empty").mkdir()
    case = et.investigate(tmp_path)
    assert case.allowed("ec2:DeleteVolume", at=NOW).verdict.value == "unknown"
    aws.denied = set()
    whole = et.investigate([take(tmp_path / "whole", aws)["role_state"].parent])
    assert whole.allowed("ec2:DeleteVolume", at=NOW).verdict.value == "allowed"


def test_the_roles_of_saved_services_are_known(aws, cluster, tmp_path):
    cluster.services = [service(1)]
    take(tmp_path, aws)
    uses = et.investigate(tmp_path).role_uses
    assert {(row["role_arn"], row["purpose"], row["cluster"]) for row in uses.to_dict("records")} == {
        (ROLE, "volumes", "prod"),
        (f"{ROLE}Tls", "tls", "prod"),
    }


def test_the_role_of_managed_instances_is_found_saved_and_known_offline(aws, cluster, tmp_path):
    other = {"infrastructureRoleArn": f"{ROLE}Other"}
    cluster.providers = [provider(number) for number in range(11)]
    cluster.providers += [provider(11, managedInstancesProvider=other)]  # on the second page
    cluster.providers += [{"capacityProviderArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:capacity-provider/FARGATE"}]
    for name in ("ecsInfrastructureRoleInstances", "ecsInfrastructureRoleOther"):
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    made = take(tmp_path / "all", aws)
    assert aws.calls["ecs:DescribeCapacityProviders"] == 2
    case = et.investigate(tmp_path / "all")
    wanted = {(f"{ROLE}Instances", "managed_instances", "prod"), (f"{ROLE}Other", "managed_instances", "prod")}
    uses = [row for row in case.role_uses.to_dict("records") if row["kind"] == "service_state"]
    assert {(row["role_arn"], row["purpose"], row["cluster"]) for row in uses} == wanted
    assert {row["region"] for row in uses} == {REGION}
    assert case.receipt.problems == []
    assert "role_state" in made  # the state of a role that only a provider names is saved as well
    assert {one.role_arn for one in case.evidence.role_states} == {one for one, _, _ in wanted}
    # as the AWS CLI gives it, whole and by --query
    for name, text in (("answer", {"capacityProviders": cluster.providers}), ("list", cluster.providers[:2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cli.json").write_text(json.dumps(text))
        assert not et.investigate(tmp_path / name).role_uses.empty


def test_volumes_whose_task_is_gone_are_leaks(aws, cluster, tmp_path):
    cluster.tasks = [task(1), task(2, "STOPPED", "STOPPED")]
    made = {number: aws.volume(number) for number in (1, 2, 3)}
    of_service = aws.volume(4, **{"aws:ecs:serviceName": "web"})
    lost_cluster = aws.volume(5, AmazonECSCreated=task_arn(5, "torn-down"))
    aws.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1, VolumeType="gp3")
    for number, volume_id in made.items():
        for one in cluster.tasks:
            if one["taskArn"] == task_arn(number):
                one["attachments"][0]["details"][1]["value"] = volume_id
    take(tmp_path, aws)
    case = et.investigate(tmp_path)
    leaks = case.leaks.set_index("volume_id")
    assert set(leaks.index) == {made[2], made[3], of_service, lost_cluster}
    assert leaks.loc[of_service, "confidence"] == "certain"
    assert leaks.loc[made[3], "confidence"] == "likely"  # a standalone task's volume may be kept by design
    assert leaks.loc[made[3], "monthly_cost_usd"] == pytest.approx(13 * 0.08 * 1.1, abs=0.01)
    assert set(leaks["region"]) == {REGION}
    (finding,) = [one for one in case.document["findings"] if one["kind"] == "leaked_volumes" and not one["role_arn"]]
    assert set(finding["volume_ids"]) == {made[3], of_service, lost_cluster}
    commands = " ".join(command for step in finding["repair"] for command in step["commands"])
    assert "describe-tasks" in commands
    assert "describe-volumes" in commands
    assert "delete-volume" in commands
    assert case.as_of == NOW


def test_a_volume_that_is_kept_or_has_gone_is_no_leak(aws, cluster, tmp_path):
    kept = aws.volume(1)
    stopped = task(1, "STOPPED", "STOPPED")
    stopped["attachments"][0]["details"][1]["value"] = kept
    stopped["attachments"][0]["details"][2]["value"] = "false"
    gone = task(2, "STOPPED", "STOPPED", stoppedAt=1772440000.0)
    cluster.tasks = [stopped, gone]
    take(tmp_path, aws)
    case = et.investigate(tmp_path)
    assert case.leaks.empty
    assert not [one for one in case.document["findings"] if one["kind"] == "leaked_volumes"]
    volumes = case.volumes.set_index("volume_id")
    assert volumes.loc[f"vol-{2:017x}", "state"] == "deleted"
    # without the look through the Region nobody knows that the second volume has gone
    (tmp_path / f"volumes-{REGION}-20260310T100000Z.json").unlink()
    assert list(et.investigate(tmp_path).leaks["volume_id"]) == [f"vol-{2:017x}"]


def test_a_volume_that_lost_its_tags_is_found_through_its_task(aws, cluster, tmp_path):
    volume_id = aws.volume(1)
    stuck = task(1, "DEPROVISIONING", "STOPPED", stoppingAt=1772439000.5)
    stuck["attachments"][0]["details"][1]["value"] = volume_id
    cluster.tasks = [stuck]
    aws.ec2.delete_tags(Resources=[volume_id], Tags=[{"Key": "AmazonECSManaged"}, {"Key": "AmazonECSCreated"}])
    take(tmp_path, aws)
    case = et.investigate(tmp_path)
    assert list(case.volume_states["volume_id"].dropna()) == [volume_id]
    assert case.volumes.set_index("volume_id").loc[volume_id, "state"] != "deleted"


def test_saved_volumes_given_by_option_and_found_in_a_folder_are_the_same(aws, cluster, tmp_path, capsys):
    aws.volume(3)
    paths = take(tmp_path / "states", aws)
    there = [word for kind in ("task_state", "volume_state") for word in
             ({"task_state": "--tasks", "volume_state": "--volumes"}[kind], str(paths[kind]))]  # fmt: skip
    (tmp_path / "trail").mkdir()
    assert run(["investigate", str(tmp_path / "trail"), *there, "--format", "json"]) == 0
    by_option = json.loads(capsys.readouterr().out)
    assert run(["investigate", str(tmp_path / "states"), "--format", "json"]) == 0
    in_folder = json.loads(capsys.readouterr().out)
    assert run(["timeline", "leaks", str(tmp_path / "states"), "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("volume_id,account,region,task_arn")
    by_option.pop("evidence"), in_folder.pop("evidence")
    assert by_option == in_folder
    assert by_option["leaks"]


def test_plain_output_of_the_cli_is_read_too(tmp_path):
    volume = {
        "VolumeId": "vol-1", "State": "available", "Size": 8, "VolumeType": "gp2", "CreateTime": "2026-03-01T00:00:00Z",
        "AvailabilityZone": "eu-west-1a", "Attachments": [],
        "Tags": [{"Key": "AmazonECSCreated", "Value": task_arn(1)}, {"Key": "AmazonECSManaged", "Value": "true"}],
    }  # fmt: skip
    for name, document in (("a", {"Volumes": [volume]}), ("b", [volume]), ("c", volume)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "volumes.json").write_text(json.dumps(document))
        case = et.investigate(tmp_path / name, as_of="2026-03-09T00:00:00Z")
        (leak,) = case.leaks.to_dict("records")
        assert (leak["volume_id"], leak["confidence"], leak["region"]) == ("vol-1", "possible", REGION)
        assert (leak["age_days"], leak["monthly_cost_usd"]) == (8.0, 0.88)
    young = et.investigate(tmp_path / "a", as_of="2026-03-01T12:00:00Z")
    assert young.leaks.empty


def test_what_is_no_saved_volume_is_refused(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="holds no saved volume states"):
        et.investigate(tmp_path, volumes=[tmp_path / "x.json"])


def test_a_denied_call_is_named_and_the_rest_is_saved(aws, cluster, tmp_path, capsys):
    cluster.tasks = [task(1)]
    aws.volume(3)
    cluster.denied = {"ListServices"}
    assert run(["snapshot", "--region", REGION, "--output", str(tmp_path)]) == 3
    said = capsys.readouterr()
    assert "ecs:ListServices" in said.err
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"tasks", "volumes"}
    assert "1 task" in said.out


def test_volumes_denied_leave_no_absence(aws, cluster, tmp_path):
    cluster.tasks = [task(1, "STOPPED", "STOPPED")]
    aws.denied = {"ec2:DescribeVolumes"}
    taken = take_snapshot(tmp_path, [REGION], client=aws.client, now=lambda: NOW)
    assert [one.kind for one in taken.files] == ["task_state"]
    assert "ec2:DescribeVolumes" in taken.problems[0].detail


def test_nothing_at_all_ends_with_five(aws, cluster, tmp_path, capsys):
    cluster.denied = {"ListClusters"}
    aws.denied = {"ec2:DescribeVolumes"}
    with pytest.raises(AccessError, match="ecs:ListClusters"):
        take_snapshot(tmp_path, [REGION], client=aws.client)
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_ends_with_five(monkeypatch, tmp_path, capsys):
    for name in ("ECS", "EC2", "IAM"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    refused = lambda name, region: make_client(name, region, own_retries=True)  # noqa: E731
    with pytest.raises(AccessError, match="cannot be reached") as caught:
        take_snapshot(tmp_path, [REGION], client=refused)
    assert caught.value.exit_code == 5


def test_values_of_the_environment_are_withheld(aws, cluster, tmp_path):
    secret = "correct horse"
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": secret}]}]}
    cluster.tasks = [task(1, overrides=overrides)]
    text = take(tmp_path, aws)["task_state"].read_text()
    assert secret not in text
    assert "PASSWORD" in text


def test_a_name_out_of_aws_builds_no_path(aws, cluster, tmp_path):
    evil = f"arn:aws:iam::{ACCOUNT}:role/x/../../evil/.. "
    cluster.tasks = [task(1)]
    cluster.tasks[0]["attachments"][0]["details"][0]["value"] = evil
    aws.volume(2, AmazonECSCreated="arn:aws:ecs:eu-west-1:1:task/a/../../b")
    take(tmp_path / "here", aws)
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert not any(call.startswith("iam:") for call in aws.calls)


@pytest.mark.parametrize(
    ("regions", "roles"), [(["nowhere"], []), ([], []), (["eu-west-1,cn-north-1"], []), ([REGION], ["a/b c"])]
)
def test_what_cannot_be_meant_is_refused(regions, roles, tmp_path):
    with pytest.raises(UsageError):
        take_snapshot(tmp_path, regions, roles=roles)


def test_a_role_that_is_not_there_is_said(aws, tmp_path, capsys):
    assert run(["snapshot", "--region", REGION, "--role", "nobody", "--output", str(tmp_path), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in document["problems"]] == ["not_found"]


def test_the_policy_printed_is_what_is_called(aws, cluster, tmp_path):
    with_role(aws)
    cluster.tasks, cluster.services, cluster.providers = [task(1)], [service(1)], [provider(1)]
    aws.volume(3)
    take(tmp_path, aws, roles=["ecsInfrastructureRole"])
    printed = {name for one in policy(("snapshot",))["Statement"] for name in one["Action"]}
    assert printed == set(aws.calls)


def test_a_broken_state_in_a_folder_stops_nothing(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"CapturedAt": "yesterday", "Role": {"RoleName": "x"}}))
    (tmp_path / "b.json").write_text(json.dumps({"CapturedAt": "2026-03-01T00:00:00Z", "Role": {"RoleName": "x"}}))
    receipt = et.investigate(tmp_path).receipt
    assert [one.source.rpartition("/")[2] for one in receipt.problems] == ["a.json", "b.json"]
    assert receipt.is_partial
    assert receipt.left_out == {"role_state": 2}
