"""`ecs-trail role`: what the template prints is what the check accepts."""

import json
import re
import shlex

import pytest
from test_conduct import ROLE

from ecs_trail.cli.main import run
from ecs_trail.vocabulary import MANAGED_POLICY_PURPOSES, Purpose

MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRolePolicyForVolumes"
ECS = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
PURPOSES = [one.value for one in Purpose]


def template(capsys, *words):
    assert run(["role", "template", "--name", "ecsInfrastructureRole", *words]) == 0
    return capsys.readouterr().out


def saved(tmp_path, trust, attached, inline=()):
    state = {
        "CapturedAt": "2026-03-02T09:00:00Z",
        "Role": {"RoleName": "ecsInfrastructureRole", "Arn": ROLE, "AssumeRolePolicyDocument": trust},
        "AttachedPolicies": [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in attached],
        "RolePolicies": [{"PolicyName": name, "PolicyDocument": text} for name, text in inline],
    }
    path = tmp_path / "role.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def checked(capsys, path, *words):
    code = run(["role", "check", "--role-state", str(path), "--exit-code", "--format", "json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_every_purpose_passes_its_own_check(tmp_path, capsys):
    words = [word for one in PURPOSES for word in ("--purpose", one)]
    made = json.loads(template(capsys, "--format", "cloudformation", *words))
    properties = made["Resources"]["EcsInfrastructureRole"]["Properties"]
    assert {arn.rpartition("/")[2] for arn in properties["ManagedPolicyArns"]} == set(MANAGED_POLICY_PURPOSES)
    state = saved(tmp_path, properties["AssumeRolePolicyDocument"], properties["ManagedPolicyArns"])
    _, rows = checked(capsys, state, *words)
    assert {row["aspect"] for row in rows} == {"trust", *PURPOSES}
    assert "missing" not in {row["verdict"] for row in rows}, rows
    code, rows = checked(capsys, state, "--purpose", "volumes", "--purpose", "tls")
    assert (code, {row["verdict"] for row in rows}) == (0, {"ok"}), rows


def test_the_commands_say_the_same_as_the_template(capsys):
    made = json.loads(template(capsys, "--format", "cloudformation"))["Resources"]["EcsInfrastructureRole"][
        "Properties"
    ]
    create, attach, note, passing = template(capsys).splitlines()
    assert json.loads(shlex.split(create)[-1]) == made["AssumeRolePolicyDocument"]
    assert shlex.split(attach)[-1] == MANAGED == made["ManagedPolicyArns"][0]
    assert note.startswith("#")
    (statement,) = json.loads(shlex.split(passing)[-1])["Statement"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}}


def test_terraform_names_the_partition_and_orders_the_destruction(capsys):
    shown = template(
        capsys, "--format", "terraform", "--partition", "aws-cn", "--purpose", "volumes", "--purpose", "tls"
    )
    assert len(re.findall(r'policy_arn = "arn:aws-cn:iam::aws:policy/service-role/', shown)) == 2
    assert "depends_on = [aws_iam_role_policy_attachment.ecs_infrastructure_volumes" in shown
    assert shown.count("{") == shown.count("}")


def test_what_is_missing_and_who_else_may_come_in(tmp_path, capsys):
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [ECS, root]}
    actions = ["ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes"]
    teardown = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    code, rows = checked(capsys, saved(tmp_path, trust, [], [("teardown", teardown)]), "--purpose", "volumes")
    verdicts = {(row["aspect"], row["name"]): row["verdict"] for row in rows}
    assert code == 1
    assert verdicts["volumes", "teardown"] == "ok"
    assert verdicts["volumes", "provision"] == "missing"
    assert verdicts["trust", "arn:aws:iam::111122223333:root"] == "extra"
    (missing,) = [row["actions"] for row in rows if row["name"] == "provision"]
    assert missing == ["ec2:CreateVolume", "ec2:CreateTags", "ec2:AttachVolume"]


def test_a_trust_policy_of_tasks_is_a_miss(tmp_path, capsys):
    trust = json.loads(json.dumps({"Statement": [ECS]}).replace("ecs.amazonaws.com", "ecs-tasks.amazonaws.com"))
    code, rows = checked(capsys, saved(tmp_path, trust, [MANAGED]))
    assert code == 1
    assert {(row["name"], row["verdict"]) for row in rows if row["aspect"] == "trust"} == {
        ("ecs.amazonaws.com", "missing"),
        ("ecs-tasks.amazonaws.com", "extra"),
    }


@pytest.mark.parametrize("words", [["--name", "a b"], ["--name", "$(id)"], ["--name", "x", "--partition", 'aws"']])
def test_names_that_cannot_be_are_refused(words, capsys):
    assert run(["role", "template", *words]) == 2
    assert "ecs-trail:" in capsys.readouterr().err
