"""The IAM state of one role, in the shape `--role-state` reads.

*AWS Identity and Access Management API Reference*, GetRole, ListAttachedRolePolicies, GetPolicy, GetPolicyVersion,
ListRolePolicies, GetRolePolicy, read on 2026-11-24.
"""

from typing import Any

from ecs_trail.evidence.snapshots.asking import Asker, plain


def read_role(asker: Asker, name: str) -> dict[str, Any] | None:
    """The state of a role, without `CapturedAt`; None where the role could not be read or is not there.

    `Incomplete` names what was refused: policies that may be there and are not in the state.
    """
    before = len(asker.refused)
    answer = asker.ask("GetRole", RoleName=name)
    if answer is None:
        return None
    role = answer["Role"]
    attached = asker.list_all("ListAttachedRolePolicies", "AttachedPolicies", RoleName=name)
    inline = []
    for policy in asker.list_all("ListRolePolicies", "PolicyNames", RoleName=name):
        read = asker.ask("GetRolePolicy", RoleName=name, PolicyName=policy)
        document = {"PolicyDocument": read["PolicyDocument"]} if read else {}
        inline.append({"RoleName": name, "PolicyName": policy, **document})
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    arns = [one["PolicyArn"] for one in attached] + ([boundary] if boundary else [])
    policies, versions = _managed(asker, list(dict.fromkeys(arns)))
    state = {
        "Role": role,
        "AttachedPolicies": attached,
        "RolePolicies": inline,
        "Policies": policies,
        "PolicyVersions": versions,
    }
    refused = sorted(set(asker.refused[before:]))
    made: dict[str, Any] = plain(state | ({"Incomplete": refused} if refused else {}))
    return made


def _managed(asker: Asker, arns: list[str]) -> tuple[list[Any], list[Any]]:
    """Managed policies and their default versions."""
    policies, versions = [], []
    for arn in arns:
        answer = asker.ask("GetPolicy", PolicyArn=arn)
        if answer is None:
            continue
        policies.append(answer["Policy"])
        default = answer["Policy"]["DefaultVersionId"]
        version = asker.ask("GetPolicyVersion", PolicyArn=arn, VersionId=default)
        if version is not None:
            versions.append({"PolicyArn": arn, "PolicyVersion": version["PolicyVersion"]})
    return policies, versions
