"""From what a role could do at each moment of the simulation to its outages (contract, "What an outage is made of")."""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ecs_trail.practice.papers import Scope
from ecs_trail.practice.world import Moment, Role
from ecs_trail.vocabulary import REQUIRED_ACTIONS, Phase, Purpose

_SERVED: Final = tuple(REQUIRED_ACTIONS)

Lost: TypeAlias = dict[Scope, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Loss:
    """A change and the needed actions it took, per place."""

    event_id: str
    at: int
    lost: Lost


@dataclass(slots=True, eq=False)
class Outage:
    """An interval in which a role could not do what ECS needs for one purpose and phase."""

    role: Role
    purpose: Purpose
    phase: Phase
    start: int
    losses: list[Loss] = field(default_factory=list)
    restores: list[str] = field(default_factory=list)
    end: int | None = None
    missing: Lost = field(default_factory=dict)
    maybe: bool = False

    @property
    def causes(self) -> list[str]:
        """Ids of the changes, oldest first."""
        return [loss.event_id for loss in self.losses]

    def holds(self, scope: Scope, at: int, lag: int) -> bool:
        """True when it can explain a refusal at this place and moment."""
        struck = any(loss.lost.get(scope) for loss in self.losses)
        return struck and self.start <= at and (self.end is None or at <= self.end + lag)


def outages_of(role: Role) -> list[Outage]:
    """All outages of a role, by purpose and phase, then by time."""
    found: list[Outage] = []
    able = {key for key in _SERVED if any(_full(moment, REQUIRED_ACTIONS[key]) for moment in role.moments)}
    purposes = {purpose for purpose, _ in able}
    for key in _SERVED:
        if key[0] not in purposes:
            continue
        rows = _follow(role, *key)
        for row in rows:
            # A role that could serve the purpose but never this phase: whether that is an outage is a matter of taste.
            row.maybe = key not in able
        found.extend(rows)
    return found


def _full(moment: Moment, needed: tuple[str, ...]) -> bool:
    return any(all(not verdicts[action] for action in needed) for verdicts in moment.verdicts.values())


def _follow(role: Role, purpose: Purpose, phase: Phase) -> list[Outage]:
    needed = REQUIRED_ACTIONS[purpose, phase]
    rows: list[Outage] = []
    current: Outage | None = None
    nothing: Lost = dict.fromkeys(role.scopes, frozenset())
    had, before = dict(nothing), dict(nothing)
    for moment in role.moments:
        able = {scope: frozenset(a for a in needed if not verdicts[a]) for scope, verdicts in moment.verdicts.items()}
        lost = {scope: before[scope] - able[scope] for scope in able}
        gained = any(able[scope] - before[scope] for scope in able)
        had = {scope: had[scope] | able[scope] for scope in able}
        missing = {scope: had[scope] - able[scope] for scope in able}
        before = able
        if current is None and any(missing.values()):
            current = Outage(role, purpose, phase, moment.at)
            rows.append(current)
        if current is None:
            continue
        if any(lost.values()):
            current.losses.append(Loss(moment.event_id, moment.at, lost))
        if gained:
            current.restores.append(moment.event_id)
        current.missing = missing
        if not any(missing.values()):
            current.end, current = moment.at, None
    return rows
