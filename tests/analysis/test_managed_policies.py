"""The bundled AWS managed policies: which are known, which version held when, what they allow ECS to do."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources

import pytest
from policy_cases import ACCOUNT

from ecs_trail.analysis.policies import Policy, Request, Verdict, can_grant, could_deny, identity_verdict
from ecs_trail.analysis.policies.managed import (
    is_aws_managed,
    managed_policy,
    managed_policy_answers,
    managed_policy_known,
)

PREFIX = "arn:aws:iam::aws:policy/"
VOLUMES = f"{PREFIX}service-role/AmazonECSInfrastructureRolePolicyForVolumes"
TLS = f"{PREFIX}service-role/AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity"
TASK = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/prod/0123"
TAGS = (("aws:resourcetag/amazonecsmanaged", ("true",)), ("aws:resourcetag/amazonecscreated", (TASK,)))
VOLUME = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-1"


def known(arn: str, at: datetime | None = None) -> Policy:
    found = managed_policy(arn, at)
    assert found is not None
    assert found.problem is None
    return found


def verdict(policy: Policy, request: Request) -> Verdict:
    return identity_verdict(request, [policy]).verdict


def test_the_volumes_policy_deletes_only_what_carries_the_reserved_tags() -> None:
    policy = known(VOLUMES)
    delete = Request("ec2:DeleteVolume", VOLUME, TAGS)
    assert identity_verdict(delete, [policy]).statement == "DeleteEBSManagedVolume"
    assert verdict(policy, delete) is Verdict.ALLOWED
    assert verdict(policy, replace(delete, context=(), absent=frozenset({"aws:resourcetag/*"}))) is Verdict.DENIED
    assert verdict(policy, replace(delete, context=TAGS[:1], absent=frozenset({TAGS[1][0]}))) is Verdict.DENIED
    assert verdict(policy, replace(delete, context=TAGS[:1])) is Verdict.UNKNOWN
    assert verdict(policy, replace(delete, resource=VOLUME[:-5] + "*")) is Verdict.ALLOWED


def test_the_volumes_policy_over_a_volumes_life() -> None:
    policy = known(VOLUMES)
    asked = tuple((key.replace("resourcetag", "requesttag"), values) for key, values in TAGS)
    assert verdict(policy, Request("ec2:CreateVolume", VOLUME, asked)) is Verdict.ALLOWED
    assert (
        verdict(policy, Request("ec2:CreateVolume", VOLUME, absent=frozenset({"aws:requesttag/*"}))) is Verdict.DENIED
    )
    creating = (*asked, ("ec2:createaction", ("CreateVolume",)))
    assert verdict(policy, Request("ec2:CreateTags", VOLUME, creating)) is Verdict.ALLOWED
    assert verdict(policy, Request("ec2:DetachVolume", VOLUME, TAGS[:1])) is Verdict.ALLOWED
    instance = VOLUME.replace("volume/vol-1", "instance/i-1")
    assert verdict(policy, Request("ec2:AttachVolume", instance)) is Verdict.ALLOWED
    assert verdict(policy, Request("ec2:DescribeVolumes")) is Verdict.ALLOWED
    assert verdict(policy, Request("secretsmanager:DeleteSecret")) is Verdict.DENIED


def test_versions_in_time() -> None:
    """DescribeSecret lost its tag condition in version 2 of the TLS policy (2025-11-13)."""
    secret = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:ecs-sc!web-AbCdEf"
    account = (("aws:resourceaccount", (ACCOUNT,)), ("aws:principalaccount", (ACCOUNT,)))
    untagged = frozenset({"secretsmanager:resourcetag/*", "aws:resourcetag/*"})
    describe = Request("secretsmanager:DescribeSecret", secret, account, untagged)
    assert verdict(known(TLS, datetime(2025, 11, 13, 22, 0, tzinfo=UTC)), describe) is Verdict.DENIED
    assert verdict(known(TLS, datetime(2025, 11, 13, 23, 0, tzinfo=UTC)), describe) is Verdict.ALLOWED
    assert verdict(known(TLS), describe) is Verdict.ALLOWED
    before = datetime(2020, 1, 1, tzinfo=UTC)
    assert known(TLS, before) == known(TLS, datetime(2024, 2, 1, tzinfo=UTC))


def test_managed_instances_take_only_their_own_launch_templates_since_version_12() -> None:
    arn = f"{PREFIX}AmazonECSInfrastructureRolePolicyForManagedInstances"
    fleet = Request("ec2:CreateFleet", f"arn:aws:ec2:eu-west-1:{ACCOUNT}:launch-template/lt-1")
    asked = (("aws:requesttag/amazonecsmanaged", ("true",)),)
    tagged = replace(fleet, context=asked, absent=frozenset({"ec2:resourcetag/*"}))
    assert verdict(known(arn, datetime(2026, 9, 15, tzinfo=UTC)), tagged) is Verdict.ALLOWED
    assert verdict(known(arn, datetime(2026, 9, 16, tzinfo=UTC)), tagged) is Verdict.DENIED


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        managed_policy(VOLUMES, datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"])
def test_every_partition_speaks_of_its_own_arns(partition: str) -> None:
    policy = known(VOLUMES.replace("arn:aws:", f"arn:{partition}:"))
    tags = tuple((key, (values[0].replace("arn:aws:", f"arn:{partition}:"),)) for key, values in TAGS)
    delete = Request("ec2:DeleteVolume", VOLUME.replace("arn:aws:", f"arn:{partition}:"), tags)
    assert verdict(policy, delete) is Verdict.ALLOWED
    assert policy.label.startswith(f"arn:{partition}:iam::aws:policy/")


@pytest.mark.parametrize(
    "name",
    [
        "AmazonECSInfrastructureRolePolicyForVolumes",
        "AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity",
        "AmazonECSInfrastructureRolePolicyForVpcLattice",
        "AmazonECSInfrastructureRolePolicyForManagedInstances",
        "AmazonECSInfrastructureRolePolicyForLoadBalancers",
        "AmazonECSInfrastructureRoleforExpressGatewayServices",
    ],
)
def test_the_infrastructure_policies_are_whole_with_or_without_the_path(name: str) -> None:
    with_path, without = known(f"{PREFIX}service-role/{name}"), known(PREFIX + name)
    assert with_path.document == without.document
    assert with_path.statements
    assert managed_policy_answers(PREFIX + name, "logs:CreateLogGroup")


@pytest.mark.parametrize(
    ("arn", "managed", "table"),
    [
        (VOLUMES, True, True),
        (f"{PREFIX}AdministratorAccess", True, True),
        (f"{PREFIX}job-function/ViewOnlyAccess", True, True),
        (f"{PREFIX}NoSuchPolicyAtAll", True, False),
        (f"arn:aws:iam::{ACCOUNT}:policy/AdministratorAccess", False, False),
        ("arn:aws:iam::aws:role/AdministratorAccess", False, False),
        (f"{PREFIX}AdministratorAccess\n", False, False),
        ("arn:evil:iam::aws:policy/AdministratorAccess", False, False),
        ("", False, False),
        ("arn:aws:iam::aws:policy/" + "a/" * 5000 + "b", False, False),
    ],
)
def test_which_arns_are_known(arn: str, managed: bool, table: bool) -> None:
    assert is_aws_managed(arn) is managed
    assert managed_policy_known(arn) is table
    assert (managed_policy(arn) is not None) is table


@pytest.mark.parametrize(
    ("name", "action", "grants"),
    [
        ("AdministratorAccess", "ec2:DeleteVolume", True),
        ("PowerUserAccess", "ec2:DeleteVolume", True),
        ("PowerUserAccess", "iam:PassRole", False),
        ("AmazonEC2FullAccess", "ec2:DetachVolume", True),
        ("ReadOnlyAccess", "ec2:DescribeVolumes", True),
        ("ReadOnlyAccess", "ec2:DeleteVolume", False),
        ("SecretsManagerReadWrite", "secretsmanager:RotateSecret", True),
        ("AmazonS3ReadOnlyAccess", "ec2:DeleteVolume", False),
        ("service-role/AmazonECSTaskExecutionRolePolicy", "ec2:DeleteVolume", False),
    ],
)
def test_what_other_policies_can_grant(name: str, action: str, grants: bool) -> None:
    policy = known(PREFIX + name)
    assert can_grant(policy, action) is grants
    assert managed_policy_answers(PREFIX + name, action)


def test_deny_policies_keep_their_teeth() -> None:
    assert could_deny(known(f"{PREFIX}AWSDenyAll"), "ec2:DeleteVolume")
    assert verdict(known(f"{PREFIX}AWSDenyAll"), Request("ec2:DescribeVolumes")) is Verdict.DENIED


def test_a_cut_policy_says_where_it_has_no_answer() -> None:
    assert not managed_policy_answers(f"{PREFIX}AmazonS3ReadOnlyAccess", "s3:GetObject")
    assert managed_policy_answers(f"{PREFIX}AmazonS3ReadOnlyAccess", "EC2:DeleteVolume")
    assert not managed_policy_answers(f"{PREFIX}NoSuchPolicyAtAll", "ec2:DeleteVolume")


def test_every_policy_of_the_table_is_understood_and_sorted() -> None:
    text = resources.files("ecs_trail.analysis.policies").joinpath("managed_policies.json").read_text("utf-8")
    table = json.loads(text)
    assert list(table["policies"]) == sorted(table["policies"])
    assert len(text) < 600_000
    for name, versions in table["policies"].items():
        moments = [datetime.fromisoformat(created) for _, created, _ in versions]
        assert moments == sorted(moments)
        for moment in moments or [datetime(2026, 1, 1, tzinfo=UTC)]:
            policy = known(PREFIX + name, moment)
            operators = [clause for one in policy.statements for clause in one.clauses]
            assert all(clause.compare or clause.null is not None for clause in operators), name


def test_the_table_is_not_read_at_import() -> None:
    code = "import ecs_trail.analysis.policies.managed as m; raise SystemExit(m._table.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
