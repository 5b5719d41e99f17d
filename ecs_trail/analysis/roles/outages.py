"""Outages: for one role, purpose and phase, the spans in which ECS could not do all it needs (contract, section 2).

An outage starts with the change that took the first needed action and ends with the change that gave back the last.
Losses in several places (Regions, clusters) are one row of the role.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ecs_trail.analysis.roles.changes import Change
from ecs_trail.analysis.roles.losses import Certainty, Loss
from ecs_trail.vocabulary import REQUIRED_ACTIONS, Basis, Confidence, Phase, Purpose


@dataclass(frozen=True, slots=True)
class Outage:
    """One span of one role, purpose and phase."""

    role_arn: str
    purpose: Purpose
    phase: Phase
    start: datetime
    end: datetime | None
    losses: tuple[Loss, ...]

    @property
    def actions(self) -> list[str]:
        """The needed actions that were lost, in AWS's spelling, sorted."""
        return sorted({loss.action for loss in self.losses})

    @property
    def causes(self) -> list[Change]:
        """The changes that took them, oldest first."""
        return in_order(change for loss in self.losses for change in loss.causes)

    @property
    def restores(self) -> list[Change]:
        """The changes that gave them back, oldest first."""
        return in_order(change for loss in self.losses for change in loss.restored_by)


def outages(role_arn: str, purposes: Iterable[Purpose], lost: Sequence[Loss]) -> list[Outage]:
    """The outages of one role from its losses, oldest first."""
    found: list[Outage] = []
    for (purpose, phase), needed in REQUIRED_ACTIONS.items():
        if purpose in set(purposes):
            mine = [loss for loss in lost if loss.purpose is purpose and loss.action in needed]
            found.extend(
                Outage(role_arn, purpose, phase, group[0].lost_at, _end(group), tuple(group)) for group in _spans(mine)
            )
    return sorted(found, key=lambda outage: outage.start)


def in_order(changes: Iterable[Change]) -> list[Change]:
    """Each change once, in causal order."""
    return sorted({change.event_id: change for change in changes}.values(), key=lambda change: change.order)


def confidence(losses: Sequence[Loss]) -> Confidence:
    """Certain where replay and refused calls agree, likely where one of them speaks, else possible.

    A cause that only guessed losses name makes the whole possible: a firm claim must not carry a guess.
    """
    firm = {change.event_id for loss in losses if loss.certainty is not Certainty.POSSIBLE for change in loss.causes}
    if any(change.event_id not in firm for loss in losses for change in loss.causes):
        return Confidence.POSSIBLE
    if any(loss.certainty is Certainty.REPLAYED and loss.denials for loss in losses):
        return Confidence.CERTAIN
    if any(loss.certainty is not Certainty.POSSIBLE for loss in losses):
        return Confidence.LIKELY
    return Confidence.POSSIBLE


def basis(losses: Sequence[Loss]) -> list[str]:
    """What the losses stand on, in the contract's order of words."""
    found: set[Basis] = set()
    for loss in losses:
        for change in loss.causes:
            found.add(
                Basis.ROLE_DELETED
                if change.event_name == "DeleteRole"
                else Basis.TRUST_REPLAY
                if change.event_name == "UpdateAssumeRolePolicy"
                else Basis.POLICY_REPLAY
            )
        if loss.denials:
            found.add(Basis.DENIED_CALLS)
    return [one.value for one in Basis if one in found]


def _spans(lost: Sequence[Loss]) -> list[list[Loss]]:
    """Losses that overlap in time, gathered; one that begins where another ended is a new span."""
    groups: list[list[Loss]] = []
    for loss in sorted(lost, key=lambda one: one.lost_at):
        end = _end(groups[-1]) if groups else None
        if groups and (end is None or loss.lost_at < end):
            groups[-1].append(loss)
        else:
            groups.append([loss])
    return groups


def _end(group: Sequence[Loss]) -> datetime | None:
    ends = [loss.regained_at for loss in group]
    return None if None in ends else max(end for end in ends if end is not None)
