"""The infrastructure role as AWS CLI commands, Terraform or a CloudFormation template.

*AWS CLI Command Reference* (iam), *AWS CloudFormation Template Reference* (AWS::IAM::Role, AWS::IAM::ManagedPolicy),
Terraform AWS provider (aws_iam_role and its attachments), read on 2026-11-24.
"""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from ecs_trail.analysis.roles.standard import managed_policy_arn, pass_role_document, trust_document
from ecs_trail.vocabulary import Purpose


def as_cli(name: str, purposes: Sequence[Purpose], partition: str) -> str:
    """Commands for a POSIX shell; they ask AWS for the account's id themselves."""
    trust = shlex.quote(json.dumps(trust_document(), separators=(",", ":")))
    quoted = shlex.quote(name)
    passing = json.dumps(pass_role_document(f"arn:{partition}:iam::ACCOUNT:role/{name}"), separators=(",", ":"))
    lines = [f"aws iam create-role --role-name {quoted} --assume-role-policy-document {trust}"]
    lines += [
        f"aws iam attach-role-policy --role-name {quoted} --policy-arn {managed_policy_arn(one, partition)}"
        for one in purposes
    ]
    lines += [
        "# for whoever starts tasks and services with it (write the account's id for ACCOUNT):",
        f"aws iam create-policy --policy-name {shlex.quote(f'pass-{name}')} --policy-document {shlex.quote(passing)}",
    ]
    return "\n".join(lines)


def as_terraform(name: str, purposes: Sequence[Purpose], partition: str) -> str:
    """HCL. The attachments are inputs of the services: destroy those first, so that tasks can clean up."""
    blocks = [
        f"""resource "aws_iam_role" "ecs_infrastructure" {{
  name               = {json.dumps(name)}
  assume_role_policy = jsonencode({_hcl(trust_document(), 1)})
}}"""
    ]
    blocks += [
        f"""resource "aws_iam_role_policy_attachment" "ecs_infrastructure_{one.value}" {{
  role       = aws_iam_role.ecs_infrastructure.name
  policy_arn = "{managed_policy_arn(one, partition)}"
}}"""
        for one in purposes
    ]
    passing = _hcl(pass_role_document("ROLE"), 1).replace('"ROLE"', "aws_iam_role.ecs_infrastructure.arn")
    blocks.append(
        f"""# For whoever starts tasks and services with the role.
resource "aws_iam_policy" "pass_ecs_infrastructure" {{
  name   = {json.dumps(f"pass-{name}")}
  policy = jsonencode({passing})
}}"""
    )
    listed = ", ".join(f"aws_iam_role_policy_attachment.ecs_infrastructure_{one.value}" for one in purposes)
    blocks.append(f"# Every aws_ecs_service that uses the role needs: depends_on = [{listed}]")
    return "\n\n".join(blocks)


def as_cloudformation(name: str, purposes: Sequence[Purpose], partition: str) -> str:
    """A template in JSON. Services that use the role need `DependsOn` on it, so that it outlives their tasks."""
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": name,
            "AssumeRolePolicyDocument": trust_document(),
            "ManagedPolicyArns": [managed_policy_arn(one, partition) for one in purposes],
        },
    }
    passing = pass_role_document("ROLE")
    passing["Statement"][0]["Resource"] = {"Fn::GetAtt": ["EcsInfrastructureRole", "Arn"]}
    policy = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"ManagedPolicyName": f"pass-{name}", "PolicyDocument": passing},
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Amazon ECS infrastructure role; services that use it need DependsOn: EcsInfrastructureRole",
        "Resources": {"EcsInfrastructureRole": role, "PassEcsInfrastructureRole": policy},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["EcsInfrastructureRole", "Arn"]}}},
    }
    return json.dumps(template, indent=2)


def _hcl(value: Any, depth: int) -> str:
    """A plain value as HCL, objects and lists over several lines."""
    pad, end = "  " * (depth + 1), "  " * depth
    if isinstance(value, dict):
        names = {key: key if key.isidentifier() else json.dumps(key) for key in value}
        inside = [f"{pad}{names[key]} = {_hcl(one, depth + 1)}" for key, one in value.items()]
        return "{\n" + "\n".join(inside) + f"\n{end}}}"
    if isinstance(value, list):
        return "[\n" + "\n".join(f"{pad}{_hcl(one, depth + 1)}," for one in value) + f"\n{end}]"
    return json.dumps(value)
