"""`ecs-trail guard`: words, files, plans, exit codes."""

import json
from pathlib import Path

import pytest
from test_conduct import ROLE

from ecs_trail.cli.main import run

MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRolePolicyForVolumes"
OWN = "arn:aws:iam::111122223333:policy/volumes"
ECS = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}


def document(*actions: str) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A saved role state: the managed policy is not on it, a customer managed one with all of EC2 is."""
    saved = {
        "CapturedAt": "2026-03-02T09:00:00Z",
        "Role": {
            "RoleName": "ecsInfrastructureRole",
            "Arn": ROLE,
            "RoleId": "AROAEXAMPLE",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [ECS]},
        },
        "AttachedPolicies": [{"PolicyName": "volumes", "PolicyArn": OWN}],
        "PolicyVersions": [
            {"PolicyArn": OWN, "VersionId": "v3", "IsDefaultVersion": True, "Document": document("ec2:*")}
        ],
    }
    path = tmp_path / "role.json"
    path.write_text(json.dumps(saved), encoding="utf-8")
    return path


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def asked(state: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = run(["guard", "--role", ROLE, "--role-state", str(state), "--exit-code", "--format", "json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_a_saved_state_alone_will_do(state, capsys):
    code, answer = asked(state, capsys, "--change", "delete")
    assert (code, answer["verdict"], answer["dependents_known"]) == (1, "breaks", False)
    assert "ec2:DeleteVolume" in answer["keep"]


def test_the_plain_text_names_what_goes(state, capsys):
    code = run(["guard", "--role", ROLE, "--role-state", str(state), "--change", f"detach:{OWN}"])
    shown = capsys.readouterr().out
    assert code == 0
    assert "BREAKS" in shown
    assert "ec2:DetachVolume" in shown


@pytest.mark.parametrize(("actions", "code"), [(["ec2:*"], 0), (["ec2:Describe*", "ec2:DetachVolume"], 1)])
def test_a_new_version_of_a_policy_from_a_file(state, tmp_path, capsys, actions, code):
    file = written(tmp_path / "new.json", document(*actions))
    said, answer = asked(state, capsys, "--change", f"policy:{OWN}={file}")
    assert said == code, answer
    said, alone = asked(state, capsys, "--change", f"policy:{file}")
    assert said == code, alone


def test_trust_from_a_file(state, tmp_path, capsys):
    empty = written(tmp_path / "trust.json", {"Version": "2012-10-17", "Statement": []})
    code, answer = asked(state, capsys, "--change", f"trust:{empty}")
    assert code == 1
    assert [one["actions"] for one in answer["broken"] if one["phase"] == "teardown"] == [["sts:AssumeRole"]]


@pytest.mark.parametrize(
    ("resource", "breaks"),
    [
        (
            {"type": "aws_iam_role", "change": {"actions": ["delete"], "before": {"name": "ecsInfrastructureRole"}}},
            True,
        ),
        (
            {
                "type": "aws_iam_role_policy_attachment",
                "change": {"actions": ["delete"], "before": {"role": "ecsInfrastructureRole", "policy_arn": OWN}},
            },
            True,
        ),
        (
            {
                "type": "aws_iam_policy",
                "change": {
                    "actions": ["update"],
                    "before": {"arn": OWN, "policy": "old"},
                    "after": {"arn": OWN, "policy": json.dumps(document("ec2:Describe*"))},
                },
            },
            True,
        ),
        (
            {
                "type": "aws_iam_role_policy",
                "change": {
                    "actions": ["create"],
                    "before": None,
                    "after": {"role": "ecsInfrastructureRole", "name": "more", "policy": json.dumps(document("s3:*"))},
                },
            },
            False,
        ),
    ],
)
def test_a_terraform_plan(state, tmp_path, capsys, resource, breaks):
    plan = written(tmp_path / "plan.json", {"format_version": "1.2", "resource_changes": [resource]})
    words = ["--role-state", str(state), "--exit-code", "--format", "json", "--terraform-plan", str(plan)]
    code = run(["guard", *words])
    (answer,) = json.loads(capsys.readouterr().out)
    assert (code, answer["breaks"]) == (int(breaks), breaks)


def test_a_plan_that_touches_no_infrastructure_role(state, tmp_path, capsys):
    other = {"type": "aws_iam_role", "change": {"actions": ["delete"], "before": {"name": "another"}}}
    plan = written(tmp_path / "plan.json", {"resource_changes": [other]})
    assert run(["guard", "--role-state", str(state), "--exit-code", "--terraform-plan", str(plan)]) == 0
    assert "no infrastructure role" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--role", ROLE],
        ["--role-state", "STATE"],
        ["--role", ROLE, "--role-state", "STATE", "--change", "nonsense"],
        ["--role", ROLE, "--role-state", "STATE", "--change", "trust:nowhere.json"],
        ["--role", ROLE, "--role-state", "STATE", "--change", "scp:STATE"],
        ["--role-state", "STATE", "--terraform-plan", "STATE"],
        ["--role-state", "STATE", "--terraform-plan", "nowhere.json"],
    ],
)
def test_wrong_use_is_said_and_ends_with_2(state, capsys, words):
    told = [word.replace("STATE", str(state)) for word in words]
    assert run(["guard", *told]) == 2
    assert "ecs-trail:" in capsys.readouterr().err
