"""Organization policies over time: what is attached where, what it says, and where an account sits.

*AWS Organizations User Guide*, "SCP evaluation" and "Resource control policies", read on 2026-11-24. The account tree
is known only as far as `MoveAccount` shows it; a policy on a root or unit whose place is unknown *may* apply.
"""

from dataclasses import dataclass
from typing import Final

from ecs_trail.analysis.policies import Policy, parse_policy
from ecs_trail.analysis.roles.changes import Change

FULL_ACCESS: Final = "p-FullAWSAccess"
_FULL: Final = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
_RELEVANT: Final = frozenset({"", "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Organization policies over one account: levels that apply, and policies that may.

    `opaque` names attached policies whose content the evidence does not hold.
    """

    levels: tuple[tuple[Policy, ...], ...] = ()
    rcps: tuple[Policy, ...] = ()
    possible: tuple[Policy, ...] = ()
    opaque: tuple[str, ...] = ()


NO_LIMITS: Final = Limits()


class Organization:
    """The organization as far as the evidence shows it, moved on by `apply`."""

    def __init__(self, changes: list[Change]) -> None:
        """Look ahead for where moved accounts came from and what policies said before they changed."""
        self._documents: dict[str, str] = {}
        self._kinds: dict[str, str] = {}
        self._attached: dict[str, set[str]] = {}
        self._had_full_access: set[str] = set()
        self._parents: dict[str, str] = {}
        self._homes: set[str] = set()
        self._moved: set[str] = set()
        seen: set[tuple[str, str]] = set()
        for change in changes:
            if not change.applied:
                continue
            place = (change.target_id, change.policy_arn)
            self._homes.add(change.account)
            if change.policy_arn == FULL_ACCESS:
                self._had_full_access.add(change.target_id)
            if change.event_name == "CreatePolicy" and change.policy_arn:
                self._kinds[change.policy_arn] = change.policy_type
            elif change.event_name == "MoveAccount":
                self._parents.setdefault(change.target_id, change.moved_from)
            elif change.event_name == "AttachPolicy":
                seen.add(place)
            elif change.event_name == "DetachPolicy" and place not in seen:
                # It was attached before the evidence begins.
                self._attached.setdefault(change.target_id, set()).add(change.policy_arn)

    def apply(self, change: Change) -> None:
        """Take one applied Organizations write into account."""
        policy, target = change.policy_arn, change.target_id
        match change.event_name:
            case "CreatePolicy" | "UpdatePolicy":
                if policy and change.document:
                    self._documents[policy] = change.document
            case "AttachPolicy":
                self._attached.setdefault(target, set()).add(policy)
            case "DetachPolicy":
                self._attached.get(target, set()).discard(policy)
            case "DeletePolicy":
                for holders in self._attached.values():
                    holders.discard(policy)
            case "MoveAccount":
                self._parents[target] = change.boundary
                self._moved.add(target)
            case _:
                pass

    def touches(self, change: Change, account: str) -> bool:
        """Whether a write can matter to an account at all."""
        if change.event_name in {"MoveAccount", "RemoveAccountFromOrganization"}:
            return change.target_id == account
        if change.event_name == "LeaveOrganization":
            return change.account == account
        if change.event_name in {"AttachPolicy", "DetachPolicy"}:
            return not change.target_id.isdigit() or change.target_id == account
        if change.event_name in {"UpdatePolicy", "DeletePolicy"}:
            return any(
                change.policy_arn in policies and (not target.isdigit() or target == account)
                for target, policies in self._attached.items()
            )
        return False

    def limits(self, account: str) -> Limits:
        """What limits the roles of an account now."""
        if not self._attached and not self._parents:
            return NO_LIMITS
        levels: list[tuple[Policy, ...]] = []
        rcps: list[Policy] = []
        possible: list[Policy] = []
        opaque: list[str] = []
        parent = self._parents.get(account, "")
        for target in sorted(self._attached):
            certain = target in {account, parent} and account not in self._homes
            if not certain and target.isdigit():
                continue  # another account's own policies
            scps: list[Policy] = []
            for policy in sorted(self._attached[target]):
                if self._kinds.get(policy, "") not in _RELEVANT:
                    continue
                parsed = self._policy(policy)
                if parsed is None:
                    opaque.append(policy)
                elif not certain:
                    possible.append(parsed)
                elif self._kinds.get(policy) == "RESOURCE_CONTROL_POLICY":
                    rcps.append(parsed)
                else:
                    scps.append(parsed)
            if not certain and self._closed(target):
                opaque.append(f"{FULL_ACCESS} detached from {target}")
            if scps:
                levels.append(tuple(scps) if self._closed(target) else (*scps, full_access()))
        if account in self._moved and not self._attached.get(parent):
            opaque.append(f"policies of {parent}")  # nobody saw what is attached where the account went
        return Limits(tuple(levels), tuple(rcps), tuple(possible), tuple(opaque))

    def _closed(self, target: str) -> bool:
        """Whether the default `FullAWSAccess` is known to be gone from a target."""
        return target in self._had_full_access and FULL_ACCESS not in self._attached.get(target, set())

    def _policy(self, policy: str) -> Policy | None:
        if policy == FULL_ACCESS:
            return full_access()
        document = self._documents.get(policy)
        return parse_policy(document, f"scp:{policy}") if document else None


def full_access() -> Policy:
    """The policy AWS attaches everywhere by default: it limits nothing."""
    return parse_policy(_FULL, f"scp:{FULL_ACCESS}")
