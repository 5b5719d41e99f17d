"""One history for every infrastructure role: changes judged, states, losses, outages, as frames.

This is the door of the roles room: `role_history` runs replay, abilities, losses and outages once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ecs_trail.analysis.policies import Decision
from ecs_trail.analysis.roles.abilities import Place, ability
from ecs_trail.analysis.roles.changes import Change, RoleKey, changes
from ecs_trail.analysis.roles.losses import GRACE, Loss, Observation, Question, losses, moment_at
from ecs_trail.analysis.roles.observed import Observed, observations
from ecs_trail.analysis.roles.outages import Outage, outages
from ecs_trail.analysis.roles.replay import Moment, replay
from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.arns import last_part
from ecs_trail.frames import Sheet, rows
from ecs_trail.vocabulary import MANAGED_POLICY_PURPOSES, PURPOSES_IN_ORDER, REQUIRED_ACTIONS, Phase, Purpose


@dataclass(frozen=True)
class RoleHistory:
    """Everything known of the roles over time. Keys are (account, role name)."""

    arns: Mapping[RoleKey, str]
    changes: Sequence[Change]
    moments: Mapping[RoleKey, list[Moment]]
    purposes: Mapping[RoleKey, tuple[Purpose, ...]]
    places: Mapping[RoleKey, Mapping[Purpose, tuple[Place, ...]]]
    losses: Mapping[RoleKey, list[Loss]]
    outages: Sequence[Outage]
    observed: Observed
    seen_working: frozenset[RoleKey]
    deleted_policies: Mapping[str, str | None]

    def allowed(self, key: RoleKey, action: str, when: datetime) -> Decision:
        """Whether ECS may take an action with a role at a moment, by replay; of several places the worst decides."""
        moment = moment_at(self.moments[key], when)
        served = [one for one in PURPOSES_IN_ORDER if any(action in REQUIRED_ACTIONS[need] for need in _needs(one))]
        purpose = next((one for one in self.purposes[key] if one in served), (served or [Purpose.VOLUMES])[0])
        places = self.places[key].get(purpose) or (Place(key[0]),)
        decided = [ability(moment.material, self.arns[key], purpose, action, place) for place in places]
        return min(decided, key=lambda one: ("denied", "unknown", "allowed").index(one.verdict))

    def questions(self, key: RoleKey) -> Iterator[Question]:
        """Everything ECS needs of a role: each action, for each purpose it serves, in each place."""
        for purpose, places in self.places[key].items():
            for action in _actions(purpose):
                for place in places:
                    yield Question(self.arns[key], purpose, action, place)


def role_history(
    events: Sheet,
    uses: Sheet,
    calls: Sheet,
    *,
    snapshots: Sequence[Snapshot] = (),
    grace: timedelta = GRACE,
) -> RoleHistory:
    """Replay every role of `uses` through the IAM and Organizations writes of the events and find its outages."""
    listed = changes(events)
    arns = {(use["account"], use["role_name"]): use["role_arn"] for use in rows(uses)}
    arns = {key: _whole(arn, key, listed) for key, arn in arns.items()}
    moments, deleted = replay(listed, arns, snapshots)
    observed = observations(events, calls)
    seen, places = _uses_by_role(uses)
    purposes = {key: _purposes(key, arns[key], moments[key], seen[key]) for key in arns}
    filled = {key: {purpose: _places(places[key], key, purpose) for purpose in purposes[key]} for key in arns}
    lost = {key: _losses(moments[key], arns[key], filled[key], observed.get(key, {}), grace) for key in arns}
    found = [one for key in arns for one in outages(arns[key], purposes[key], lost[key])]
    working = frozenset(
        (use["account"], use["role_name"]) for use in rows(uses) if use["kind"] in {"session", "assume_role"}
    )
    order = {purpose: at for at, purpose in enumerate(PURPOSES_IN_ORDER)}
    found.sort(key=lambda one: (one.start, one.role_arn, order[one.purpose], one.phase))
    return RoleHistory(arns, listed, moments, purposes, filled, lost, found, observed, working, deleted)


def _whole(arn: str, key: RoleKey, listed: Iterable[Change]) -> str:
    """The ARN with the role's path, where its creation is in the evidence."""
    made = [
        change.role_arn
        for change in listed
        if change.event_name == "CreateRole" and change.role_arn and (change.account, change.role_name) == key
    ]
    return made[-1] if made else arn


def _actions(purpose: Purpose) -> list[str]:
    return sorted({action for need in _needs(purpose) for action in REQUIRED_ACTIONS[need]})


def _needs(purpose: Purpose) -> list[tuple[Purpose, Phase]]:
    return [need for need in REQUIRED_ACTIONS if need[0] is purpose]


def _uses_by_role(
    uses: Sheet,
) -> tuple[dict[RoleKey, set[Purpose]], dict[RoleKey, set[tuple[Purpose, str | None, str | None]]]]:
    seen: dict[RoleKey, set[Purpose]] = defaultdict(set)
    places: dict[RoleKey, set[tuple[Purpose, str | None, str | None]]] = defaultdict(set)
    for use in rows(uses):
        key = (use["account"], use["role_name"])
        if use["purpose"]:
            seen[key].add(Purpose(use["purpose"]))
            places[key].add((Purpose(use["purpose"]), use["region"], use["cluster"]))
    return seen, places


def _purposes(key: RoleKey, arn: str, moments: Sequence[Moment], seen: set[Purpose]) -> tuple[Purpose, ...]:
    """The purposes a role serves: those ECS is seen to use it for, and those it was ever able to serve."""
    found = set(seen)
    for moment in moments:
        found |= {
            purpose
            for policy in moment.material.state.attached
            if (purpose := MANAGED_POLICY_PURPOSES.get(last_part(policy))) is not None
        }
        for purpose in (Purpose.VOLUMES, Purpose.TLS):
            if purpose not in found and _able(moment, arn, purpose, Place(key[0])):
                found.add(purpose)
    return tuple(purpose for purpose in PURPOSES_IN_ORDER if purpose in found)


def _able(moment: Moment, arn: str, purpose: Purpose, place: Place) -> bool:
    """Whether a role could do the whole of any phase of a purpose, trust aside."""
    if not moment.material.identity:
        return False
    return any(
        all(
            ability(moment.material, arn, purpose, action, place).verdict == "allowed"
            for action in needed
            if not action.startswith("sts:")
        )
        for (served, _), needed in REQUIRED_ACTIONS.items()
        if served is purpose
    )


def _places(
    known: Iterable[tuple[Purpose, str | None, str | None]], key: RoleKey, purpose: Purpose
) -> tuple[Place, ...]:
    """Where ECS works for a purpose; a Region without cluster is dropped where its clusters are known."""
    found = {
        (region, cluster if purpose is Purpose.VOLUMES else None)
        for served, region, cluster in known
        if served is purpose
    }
    with_cluster = {region for region, cluster in found if cluster is not None}
    listed = sorted(
        ((region, cluster) for region, cluster in found if cluster is not None or region not in with_cluster),
        key=lambda one: (one[0] or "", one[1] or ""),
    )
    kept = [one for one in listed if one[0] is not None] or [(None, None)]
    return tuple(Place(key[0], region, cluster) for region, cluster in kept)


def _losses(
    moments: Sequence[Moment],
    arn: str,
    places: Mapping[Purpose, tuple[Place, ...]],
    observed: Mapping[str, list[Observation]],
    grace: timedelta,
) -> list[Loss]:
    found: list[Loss] = []
    worked = (one.event_time for listed in observed.values() for one in listed if one.allowed)
    served_since = min(worked, default=None)
    for purpose, where in places.items():
        for action in _actions(purpose):
            for place in where:
                question = Question(arn, purpose, action, place)
                found.extend(
                    losses(moments, question, observed.get(action, ()), grace=grace, served_since=served_since)
                )
    return found
