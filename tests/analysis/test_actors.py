"""Actors: through which tool a role was changed, and who stood behind the session."""

from typing import Any

import pytest
from test_conduct import ACCOUNT, ROLE, Trail, person

from ecs_trail import everything, read
from ecs_trail.analysis.conduct.actors import actors
from ecs_trail.frames import rows

HOP = f"arn:aws:iam::{ACCOUNT}:role/deployer"
DETACH = {"roleName": "ecsInfrastructureRole", "policyArn": f"arn:aws:iam::{ACCOUNT}:policy/volumes"}


@pytest.fixture
def trail(tmp_path):
    made = Trail(tmp_path)
    made.tell(
        "07:00:00", "iam:CreateRole", {"roleName": "ecsInfrastructureRole"}, person("founder"), {"role": {"arn": ROLE}}
    )
    configured = {"volumeConfigurations": [{"managedEBSVolume": {"roleArn": ROLE}}]}
    made.tell("07:30:00", "ecs:RunTask", configured, person("founder"))
    return made


def deployer(session: str = "ci", **more: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/{session}",
        "principalId": f"AROADEPLOY:{session}",
        "accountId": ACCOUNT,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "arn": HOP},
            "attributes": {"creationDate": "2026-03-02T08:00:00Z"},
        },
        **more,
    }


@pytest.mark.parametrize(
    ("agent", "identity", "via"),
    [
        ("APN/1.0 HashiCorp/1.0 Terraform/1.9.8 aws-sdk-go-v2/1.30", person(), "terraform"),
        ("aws-cli/2.24.11 ua/2.0", person(), "cli"),
        ("Mozilla/5.0 (X11)", person(), "console"),
        ("Boto3/1.35 Botocore/1.35", person(), "sdk"),
        ("something new", person(), "unknown"),
        ("cloudformation.amazonaws.com", person() | {"invokedBy": "cloudformation.amazonaws.com"}, "cloudformation"),
        ("config.amazonaws.com", person() | {"invokedBy": "config.amazonaws.com"}, "service:config.amazonaws.com"),
    ],
)
def test_through_what(trail, agent, identity, via):
    changed = trail.tell("09:00:00", "iam:DetachRolePolicy", DETACH, identity, userAgent=agent)
    (row,) = [one for one in rows(trail.case().actors) if changed in one["event_ids"]]
    assert row["via"] == via
    assert row["role_arns"] == [ROLE]


def test_the_stack_is_read_from_the_tag_or_the_name(trail):
    identity = person() | {"invokedBy": "cloudformation.amazonaws.com"}
    request = {"roleName": "ecsInfrastructureRole", "tags": [{"key": "aws:cloudformation:stack-name", "value": "web"}]}
    trail.tell("09:00:00", "iam:TagRole", request, identity)
    assert [one["stack"] for one in rows(trail.case().actors) if one["via"] == "cloudformation"] == ["web"]


def test_refused_writes_are_counted_apart(trail):
    trail.tell("09:00:00", "iam:DetachRolePolicy", DETACH, person("eve"), errorCode="AccessDenied", errorMessage="no")
    (row,) = [one for one in rows(trail.case().actors) if one["actor"].endswith("user/eve")]
    assert (row["changes"], row["refused"]) == (0, 1)


def test_a_session_is_followed_back_to_the_first_principal(trail, tmp_path):
    changed = trail.tell("09:00:00", "iam:DetachRolePolicy", DETACH, deployer())
    case = trail.case()
    (alone,) = [one for one in rows(case.actors) if changed in one["event_ids"]]
    assert alone["chain"] == [deployer()["arn"]]
    other = tmp_path / "sts"
    other.mkdir()
    hops = Trail(other)
    hops.tell("08:00:00", "sts:AssumeRole", {"roleArn": HOP, "roleSessionName": "ci"}, person("alice"))
    hops.tell("08:30:00", "sts:AssumeRole", {"roleArn": HOP, "roleSessionName": "ci"}, person("bob"))
    hops.case()
    assumed = read(str(hops.file), selection=everything())
    (row,) = [one for one in rows(actors(case.events, case.role_changes, assumed)) if changed in one["event_ids"]]
    assert row["principal"] == f"arn:aws:iam::{ACCOUNT}:user/alice"
