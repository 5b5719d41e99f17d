"""Replay: from changes to what each role was at each moment, with every policy opened as far as it is known.

Replay is a fold of `apply_change`; the start of the fold is found by looking ahead or from a snapshot, so that a role
older than the logs is still known.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecs_trail.analysis.policies import Policy, parse_policy
from ecs_trail.analysis.policies.managed import is_aws_managed, managed_policy
from ecs_trail.analysis.roles.changes import IAM, Change, RoleKey, affected_by_name
from ecs_trail.analysis.roles.organization import Limits, Organization
from ecs_trail.analysis.roles.states import RoleState, Snapshot, apply_change, first_state, without_policy
from ecs_trail.event_names import IAM_POLICY_WRITES


@dataclass(frozen=True, slots=True)
class Material:
    """A role state with its policies opened: all that a verdict needs. Equal materials give equal verdicts.

    `versions` names the default version of each customer managed policy on the role, where it is known.
    """

    state: RoleState
    trust: Policy | None
    identity: tuple[Policy, ...]
    opaque: tuple[str, ...]
    boundary: Policy | None
    boundary_opaque: bool
    limits: Limits
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """From `since` on (None: from the start of the evidence) the role was this; `change` made it so."""

    since: datetime | None
    change: Change | None
    material: Material


class CustomerPolicies:
    """Customer managed policies over time: every version seen, and which one is the default."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        """A version's document never changes, so a snapshot's counts for all times; its default until a write."""
        self._versions: dict[str, dict[str, str]] = defaultdict(dict)
        self._default: dict[str, str] = {}
        self.deleted: dict[str, str | None] = {}
        for snapshot in snapshots:
            for arn, version, document, is_default in snapshot.documents:
                self._versions[arn][version] = document
                if is_default:
                    self._default[arn] = version

    def look_ahead(self, changes: Sequence[Change], snapshots: Sequence[Snapshot]) -> None:
        """What later writes tell of the start: first documents never change, and defaults hold until they are set.

        A default in a snapshot says nothing of the time before a write that set it earlier than the snapshot.
        """
        captured = {arn: one.captured_at for one in snapshots for arn, *_ in one.documents}
        touched: set[str] = set()
        for change in changes:
            if not change.applied or not change.policy_arn or change.event_source != IAM:
                continue
            arn = change.policy_arn
            if change.event_name == "CreatePolicy" and arn not in touched:
                self._versions[arn].setdefault("v1", change.document)
                self._default.setdefault(arn, "v1")
            sets_default = change.set_as_default or change.event_name == "SetDefaultPolicyVersion"
            if sets_default and arn in captured and change.event_time < captured[arn] and arn not in touched:
                self._default.pop(arn, None)
            if change.event_name in IAM_POLICY_WRITES:
                touched.add(arn)

    def apply(self, change: Change) -> None:
        """Take one applied policy write into account."""
        arn = change.policy_arn
        match change.event_name:
            case "DeletePolicy":
                self.deleted[arn] = self.document(arn)
            case "CreatePolicy":
                self.deleted.pop(arn, None)
                self._versions[arn] = {}
                self._versions[arn]["v1"] = change.document
                self._default[arn] = "v1"
            case "CreatePolicyVersion":
                # The response, which names the version, may be missing: versions count up.
                version = change.version_id or f"v{_newest(self._versions[arn]) + 1}"
                self._versions[arn][version] = change.document
                if change.set_as_default:
                    self._default[arn] = version
            case "SetDefaultPolicyVersion":
                self._default[arn] = change.version_id
            case _:
                pass

    def default_version(self, arn: str) -> str | None:
        """The default version's id; None when not known."""
        return self._default.get(arn)

    def document(self, arn: str) -> str | None:
        """The default version's document; None when not known."""
        return self._versions.get(arn, {}).get(self._default.get(arn, "")) or None


def replay(
    changes: Sequence[Change], roles: Mapping[RoleKey, str], snapshots: Sequence[Snapshot] = ()
) -> tuple[dict[RoleKey, list[Moment]], dict[str, str | None]]:
    """The moments of every known role, oldest first, and the policies deleted by the end with their last document.

    The first moment of a role stands for the start of the evidence.

    `changes` are in causal order; only applied ones move a role. Writes to policies and to the organization reach a
    role through attachment and account.
    """
    replayed = _Replay(changes, roles, snapshots)
    for change in changes:
        if change.applied:
            replayed.take(change)
    return replayed.moments, replayed.policies.deleted


class _Replay:
    def __init__(self, changes: Sequence[Change], roles: Mapping[RoleKey, str], snapshots: Sequence[Snapshot]) -> None:
        self._roles = roles
        self.policies = CustomerPolicies(snapshots)
        self.policies.look_ahead(changes, snapshots)
        self._organization = Organization([change for change in changes if change.event_source != IAM])
        self._states: dict[RoleKey, RoleState] = {}
        self.moments: dict[RoleKey, list[Moment]] = {}
        own: dict[RoleKey, list[Change]] = defaultdict(list)
        for change in changes:
            for key in affected_by_name(change, roles):
                own[key].append(change)
        by_role = {(snapshot.account, snapshot.role_name): snapshot for snapshot in snapshots}
        start = changes[0].event_time if changes else None
        for key in roles:
            self._states[key] = first_state(own[key], by_role.get(key))
            self.moments[key] = [Moment(None, None, self._material(key, start))]

    def take(self, change: Change) -> None:
        """Move on by one applied change and note a moment for every role it can matter to."""
        if change.event_source != IAM:
            touched = [key for key in self._roles if self._organization.touches(change, key[0])]
            self._organization.apply(change)
        elif change.event_name in IAM_POLICY_WRITES:
            self.policies.apply(change)
            touched = [key for key in self._roles if self._holds(key, change.policy_arn)]
            if change.event_name == "DeletePolicy":
                # A policy can be deleted only when nothing holds it: whoever still seemed to has lost it by now.
                for key in touched:
                    self._states[key] = without_policy(self._states[key], change.policy_arn)
        else:
            touched = affected_by_name(change, self._roles)
            for key in touched:
                self._states[key] = apply_change(self._states[key], change)
        for key in touched:
            self.moments[key].append(Moment(change.event_time, change, self._material(key, change.event_time)))

    def _holds(self, key: RoleKey, policy_arn: str) -> bool:
        state = self._states[key]
        return policy_arn in state.attached or policy_arn == state.boundary

    def _material(self, key: RoleKey, when: datetime | None) -> Material:
        state = self._states[key]
        identity: list[Policy] = []
        opaque: list[str] = []
        for arn in sorted(state.attached):
            policy = self._open(arn, when)
            if policy is None:
                opaque.append(arn)
            else:
                identity.append(policy)
        for name, document in state.inline:
            if document is None:
                opaque.append(f"inline:{name}")
            else:
                identity.append(parse_policy(document, f"inline:{name}"))
        boundary = self._open(state.boundary, when) if state.boundary else None
        return Material(
            state=state,
            trust=None if state.trust is None else parse_policy(state.trust or "{}", "trust"),
            identity=tuple(identity),
            opaque=tuple(opaque),
            boundary=boundary,
            boundary_opaque=bool(state.boundary) and boundary is None,
            limits=self._organization.limits(key[0]),
            versions=tuple(
                (arn, version)
                for arn in sorted({*state.attached, *filter(None, (state.boundary,))})
                if (version := self.policies.default_version(arn)) is not None
            ),
        )

    def _open(self, arn: str, when: datetime | None) -> Policy | None:
        if is_aws_managed(arn):
            return managed_policy(arn, when)
        document = self.policies.document(arn)
        return parse_policy(document, arn) if document else None


def _newest(versions: Mapping[str, str]) -> int:
    return max((int(name[1:]) for name in versions if name[1:].isdigit()), default=0)
