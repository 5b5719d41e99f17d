"""What a role is at one moment, and the pure fold that moves it on: `apply_change(state, change) -> state`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ecs_trail.analysis.roles.changes import Change

#: Documents by name; None stands for a document the evidence does not hold.
Inline = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class RoleState:
    """A role at one moment. What is not known stays unknown: `trust` None, an inline document None.

    `complete` is true when no policy beyond `attached` and `inline` can be there. `boundary` is an ARN, or "" for none.
    """

    exists: bool = True
    trust: str | None = None
    attached: frozenset[str] = frozenset()
    inline: Inline = ()
    boundary: str = ""
    complete: bool = False
    role_id: str = ""

    def inline_document(self, name: str) -> str | None:
        """The document of an inline policy; None when it is not there or not known."""
        return dict(self.inline).get(name)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A role as IAM showed it at one moment (saved state), in the shape the replay takes."""

    account: str
    role_name: str
    captured_at: datetime
    trust: str
    attached: frozenset[str]
    inline: Inline
    boundary: str
    role_id: str
    documents: tuple[tuple[str, str, str, bool], ...] = ()
    role_arn: str = ""
    #: False when part of the role could not be read: what is not named is unknown, not absent.
    complete: bool = True

    @property
    def state(self) -> RoleState:
        """The snapshot as a state."""
        return RoleState(
            trust=self.trust,
            attached=self.attached,
            inline=tuple(sorted(self.inline, key=lambda item: item[0])),
            boundary=self.boundary,
            complete=self.complete,
            role_id=self.role_id,
        )


ABSENT: Final = RoleState(exists=False, trust="", complete=True)


def apply_change(state: RoleState, change: Change) -> RoleState:
    """The state after an applied write to this role. Writes of other kinds leave it as it is."""
    name = change.event_name
    if name == "CreateRole":
        return RoleState(trust=change.document or None, boundary=change.boundary, complete=True, role_id=change.role_id)
    if name == "DeleteRole":
        return ABSENT
    if name == "UpdateAssumeRolePolicy":
        return replace(state, trust=change.document or None)
    if name == "AttachRolePolicy":
        return replace(state, attached=state.attached | {change.policy_arn})
    if name == "DetachRolePolicy":
        return replace(state, attached=state.attached - {change.policy_arn})
    if name == "PutRolePolicy":
        return replace(state, inline=_with(state.inline, change.policy_name, change.document or None))
    if name == "DeleteRolePolicy":
        return replace(state, inline=_without(state.inline, change.policy_name))
    if name == "PutRolePermissionsBoundary":
        return replace(state, boundary=change.boundary)
    if name == "DeleteRolePermissionsBoundary":
        return replace(state, boundary="")
    return state


def without_policy(state: RoleState, policy_arn: str) -> RoleState:
    """The state once a managed policy no longer exists, neither attached nor as a boundary."""
    boundary = "" if state.boundary == policy_arn else state.boundary
    return replace(state, attached=state.attached - {policy_arn}, boundary=boundary)


def first_state(changes: Iterable[Change], snapshot: Snapshot | None) -> RoleState:
    """The state before the first applied write of one role, found by looking ahead.

    A role made in the evidence did not exist before. A detached or deleted policy was there before it went.
    `DeleteRole` succeeds only on a role with nothing attached, so what was removed before it is all there was. A
    snapshot says the same for its moment, and undoing the writes before it leads back to the start.
    """
    listed = [change for change in changes if change.applied]
    until = snapshot.captured_at if snapshot else None
    base = _Undo()
    for change in listed:
        if until is not None and change.event_time >= until:
            break
        if change.event_name == "CreateRole":
            return ABSENT if not base.touched else base.state(complete=False)
        if change.event_name == "DeleteRole":
            return base.state(complete=True)
        base.see(change)
    return base.state(complete=False) if snapshot is None else base.before(snapshot)


class _Undo:
    """What must have been there at the start for the writes seen so far to make sense."""

    def __init__(self) -> None:
        self.touched = False
        self.added: set[str] = set()
        self.attached: set[str] = set()
        self.inline: dict[str, str | None] = {}
        self.named: set[str] = set()
        self.trust_changed = False
        self.boundary: str | None = None
        self.boundary_changed = False

    def see(self, change: Change) -> None:
        """Take one write into account."""
        self.touched = True
        match change.event_name:
            case "AttachRolePolicy":
                self.added.add(change.policy_arn)
            case "DetachRolePolicy":
                if change.policy_arn not in self.added:
                    self.attached.add(change.policy_arn)
            case "PutRolePolicy" | "DeleteRolePolicy":
                if change.policy_name not in self.named:
                    # A first write may replace a document nobody has seen: it may have granted anything.
                    self.inline[change.policy_name] = None
                self.named.add(change.policy_name)
            case "UpdateAssumeRolePolicy":
                self.trust_changed = True
            case "PutRolePermissionsBoundary" | "DeleteRolePermissionsBoundary":
                if not self.boundary_changed and change.event_name.startswith("Delete"):
                    self.boundary = UNSEEN_BOUNDARY
                self.boundary_changed = True
            case _:
                pass

    def state(self, *, complete: bool) -> RoleState:
        """The state at the start without a snapshot."""
        return RoleState(
            attached=frozenset(self.attached),
            inline=tuple(sorted(self.inline.items())),
            boundary=self.boundary or "",
            complete=complete,
        )

    def before(self, snapshot: Snapshot) -> RoleState:
        """The state at the start when a snapshot shows how it ended."""
        later = snapshot.state
        return replace(
            later,
            trust=None if self.trust_changed else later.trust,
            attached=(later.attached - self.added) | self.attached,
            inline=tuple(sorted({**{k: v for k, v in later.inline if k not in self.named}, **self.inline}.items())),
            boundary=(self.boundary or "") if self.boundary_changed else later.boundary,
        )


#: A boundary that must have been there, though no record says which policy it was.
UNSEEN_BOUNDARY: Final = "unseen-permissions-boundary"


def _with(inline: Inline, name: str, document: str | None) -> Inline:
    return tuple(sorted({**dict(inline), name: document}.items(), key=lambda item: item[0]))


def _without(inline: Inline, name: str) -> Inline:
    return tuple(item for item in inline if item[0] != name)
