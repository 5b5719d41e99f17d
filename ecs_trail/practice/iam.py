"""IAM writes: each alters the world and leaves its record. Shapes: *IAM API Reference*, *IAM User Guide*, "Logging IAM
and AWS STS API calls with AWS CloudTrail" (read on 2026-11-24). IAM names the role by name and logs in one Region.
"""

import json
from urllib.parse import quote

from ecs_trail.practice.dice import clock_text
from ecs_trail.practice.papers import Paper
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.world import Account, Policy, Role, World


class Iam:
    """IAM of one account."""

    def __init__(self, account: Account) -> None:
        """Bind to the account and its world."""
        self.account = account
        self.world: World = account.world

    def new_role(self, name: str, path: str = "/") -> Role:
        """A role that does not exist yet; `create_role` brings it to life."""
        role = Role(self.account, name, path, "")
        self.account.roles.append(role)
        return role

    def create_role(self, caller: Caller, role: Role, trust: Paper, *, boundary: Policy | None = None) -> str:
        """`CreateRole`; a role made again gets a new unique id."""
        world = self.world
        role.role_id = world.dice.unique_id("AROA")
        role.exists, role.trust, role.boundary = True, trust, boundary
        text = self._text(trust.json)
        request: Json = {"path": role.path, "roleName": role.name, "assumeRolePolicyDocument": text}
        shown: Json = {
            "path": role.path,
            "roleName": role.name,
            "roleId": role.role_id,
            "arn": role.arn,
            "createDate": clock_text(world.now, comma=False),
            "assumeRolePolicyDocument": quote(text, safe=""),
        }
        if role.path == "/" and world.dice.chance(0.5):
            request.pop("path")
        if world.dice.chance(0.5):
            request["maxSessionDuration"] = 3600
        if boundary is not None:
            request["permissionsBoundary"] = boundary.arn
            shown["permissionsBoundary"] = {"permissionsBoundaryType": "Policy", "permissionsBoundaryArn": boundary.arn}
        return self._write(caller, "CreateRole", request, {"role": shown})

    def delete_role(self, caller: Caller, role: Role) -> str:
        """`DeleteRole`; nothing may hang on the role any more."""
        role.exists = False
        role.boundary = None
        return self._write(caller, "DeleteRole", {"roleName": role.name})

    def set_trust(self, caller: Caller, role: Role, trust: Paper) -> str:
        """`UpdateAssumeRolePolicy`."""
        role.trust = trust
        request = {"roleName": role.name, "policyDocument": self._text(trust.json)}
        return self._write(caller, "UpdateAssumeRolePolicy", request)

    def attach(self, caller: Caller, role: Role, policy: Policy) -> str:
        """`AttachRolePolicy`."""
        role.attached[policy.arn] = policy
        return self._write(caller, "AttachRolePolicy", {"roleName": role.name, "policyArn": policy.arn})

    def detach(self, caller: Caller, role: Role, policy: Policy) -> str:
        """`DetachRolePolicy`."""
        role.attached.pop(policy.arn, None)
        return self._write(caller, "DetachRolePolicy", {"roleName": role.name, "policyArn": policy.arn})

    def put_inline(self, caller: Caller, role: Role, name: str, paper: Paper) -> str:
        """`PutRolePolicy`; replaces an inline policy of that name."""
        role.inline[name] = paper
        request = {"roleName": role.name, "policyName": name, "policyDocument": self._text(paper.json)}
        return self._write(caller, "PutRolePolicy", request)

    def delete_inline(self, caller: Caller, role: Role, name: str) -> str:
        """`DeleteRolePolicy`."""
        role.inline.pop(name, None)
        return self._write(caller, "DeleteRolePolicy", {"roleName": role.name, "policyName": name})

    def put_boundary(self, caller: Caller, role: Role, policy: Policy) -> str:
        """`PutRolePermissionsBoundary`."""
        role.boundary = policy
        request = {"roleName": role.name, "permissionsBoundary": policy.arn}
        return self._write(caller, "PutRolePermissionsBoundary", request)

    def delete_boundary(self, caller: Caller, role: Role) -> str:
        """`DeleteRolePermissionsBoundary`."""
        role.boundary = None
        return self._write(caller, "DeleteRolePermissionsBoundary", {"roleName": role.name})

    def policy_arn(self, name: str, path: str = "/") -> str:
        """ARN of a customer-managed policy."""
        return f"arn:{self.world.partition}:iam::{self.account.id}:policy{path}{name}"

    def create_policy(self, caller: Caller, name: str, paper: Paper, *, path: str = "/") -> Policy:
        """`CreatePolicy`: the document is in the request only."""
        policy = Policy(self.policy_arn(name, path), {"v1": paper})
        request = {"policyName": name, "policyDocument": self._text(paper.json)}
        if path != "/":
            request["path"] = path
        date = clock_text(self.world.now, comma=False)
        response: Json = {
            "policyName": name,
            "policyId": self.world.dice.unique_id("ANPA"),
            "arn": policy.arn,
            "path": path,
            "defaultVersionId": "v1",
            "attachmentCount": 0,
            "permissionsBoundaryUsageCount": 0,
            "isAttachable": True,
            "createDate": date,
            "updateDate": date,
        }
        self._write(caller, "CreatePolicy", request, {"policy": response})
        return policy

    def create_version(self, caller: Caller, policy: Policy, paper: Paper, *, default: bool = True) -> str:
        """`CreatePolicyVersion`, by default in force at once."""
        version = f"v{len(policy.versions) + 1}"
        policy.versions[version] = paper
        request: Json = {"policyArn": policy.arn, "policyDocument": self._text(paper.json)}
        if default:
            policy.default = version
            request["setAsDefault"] = True
        elif self.world.dice.chance(0.5):
            request["setAsDefault"] = False
        date = clock_text(self.world.now, comma=False)
        shown = {"versionId": version, "isDefaultVersion": default, "createDate": date}
        return self._write(caller, "CreatePolicyVersion", request, {"policyVersion": shown})

    def set_default(self, caller: Caller, policy: Policy, version: str) -> str:
        """`SetDefaultPolicyVersion`."""
        policy.default = version
        return self._write(caller, "SetDefaultPolicyVersion", {"policyArn": policy.arn, "versionId": version})

    def delete_policy(self, caller: Caller, policy: Policy) -> str:
        """`DeletePolicy`; it hangs on no role any more."""
        return self._write(caller, "DeletePolicy", {"policyArn": policy.arn})

    def harmless(self, caller: Caller, name: str, request: Json, response: Json | None = None) -> str:
        """Any other write: tags, descriptions, session durations."""
        return self._write(caller, name, request, response)

    def refused(self, caller: Caller, name: str, request: Json, error: tuple[str, str]) -> str:
        """A write that failed: it changes nothing."""
        call = Call("iam", name, self.account.id, self.world.iam_region, request, error=error)
        return self.world.ledger.write(self.world.now, caller, call)

    def _text(self, body: Json) -> str:
        return json.dumps(body, indent=self.world.dice.choice((None, None, 2, 4)))

    def _write(self, caller: Caller, name: str, request: Json, response: Json | None = None) -> str:
        call = Call("iam", name, self.account.id, self.world.iam_region, request, response)
        event_id = self.world.ledger.write(self.world.now, caller, call)
        self.world.note(event_id)
        return event_id


def aws_managed(world: World, name: str, paper: Paper, path: str = "/service-role/") -> Policy:
    """An AWS managed policy in the incident's partition."""
    return Policy(f"arn:{world.partition}:iam::aws:policy{path}{name}", {"v1": paper})
