"""AWS Organizations: control policies on accounts and units, accounts that move.

Logged in the management account, in us-east-1 (*AWS Organizations User Guide*, "Logging AWS Organizations API calls
with AWS CloudTrail", read on 2026-11-24).
"""

import json

from ecs_trail.practice.papers import Paper
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.world import Account, Policy, World


class Organization:
    """One organization; `units` are its root and organizational units."""

    def __init__(self, world: World) -> None:
        """Found the organization with a management account, a root and two units."""
        dice = world.dice
        self.world = world
        self.id = f"o-{dice.hex(10)}"
        self.management: Account = world.account()
        self.root = f"r-{dice.hex(4)}"
        self.units = [f"ou-{self.root[2:]}-{dice.hex(8)}" for _ in range(2)]
        self._attached: dict[str, list[Policy]] = {}

    def create(self, caller: Caller, name: str, paper: Paper) -> Policy:
        """`CreatePolicy` of type SERVICE_CONTROL_POLICY."""
        policy_id = f"p-{self.world.dice.hex(8)}"
        home = f"arn:{self.world.partition}:organizations::{self.management.id}"
        policy = Policy(f"{home}:policy/{self.id}/service_control_policy/{policy_id}", {"v1": paper})
        summary = {
            "id": policy_id,
            "arn": policy.arn,
            "name": name,
            "type": "SERVICE_CONTROL_POLICY",
            "awsManaged": False,
        }
        request = {
            "name": name,
            "description": "",
            "type": "SERVICE_CONTROL_POLICY",
            "content": json.dumps(paper.json),
        }
        self._write(caller, "CreatePolicy", request, {"policy": {"policySummary": summary}})
        return policy

    def attach(self, caller: Caller, policy: Policy, target: str) -> str:
        """`AttachPolicy` to an account, a unit or the root."""
        self._attached.setdefault(target, []).append(policy)
        return self._write(caller, "AttachPolicy", {"policyId": _id(policy), "targetId": target})

    def detach(self, caller: Caller, policy: Policy, target: str) -> str:
        """`DetachPolicy`."""
        self._attached[target].remove(policy)
        return self._write(caller, "DetachPolicy", {"policyId": _id(policy), "targetId": target})

    def update(self, caller: Caller, policy: Policy, paper: Paper) -> str:
        """`UpdatePolicy`: new content, in force at once."""
        policy.versions["v1"] = paper
        request = {"policyId": _id(policy), "content": json.dumps(paper.json)}
        summary = {"id": _id(policy), "arn": policy.arn, "type": "SERVICE_CONTROL_POLICY", "awsManaged": False}
        return self._write(caller, "UpdatePolicy", request, {"policy": {"policySummary": summary}})

    def move(self, caller: Caller, account: Account, target: str) -> str:
        """`MoveAccount` from where the account is."""
        request = {"accountId": account.id, "sourceParentId": account.parent, "destinationParentId": target}
        account.parent = target
        return self._write(caller, "MoveAccount", request, None)

    def _write(self, caller: Caller, name: str, request: Json, response: Json | None = None) -> str:
        for account in self.world.accounts:
            hung = [self._attached.get(place, []) for place in (account.id, account.parent, self.root)]
            account.control = {policy.arn: policy for policies in hung for policy in policies}
        call = Call("organizations", name, self.management.id, "us-east-1", request, response)
        event_id = self.world.ledger.write(self.world.now, caller, call)
        self.world.note(event_id)
        return event_id


def _id(policy: Policy) -> str:
    return policy.arn.rsplit("/", 1)[1]
