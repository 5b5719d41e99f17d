"""Guard: what a change would break, before it is made. The same replay and the same verdicts as for what has happened.

What teardown needs: *Amazon ECS Developer Guide*, "Amazon ECS infrastructure IAM role" (keep `ec2:DetachVolume`,
`ec2:DeleteVolume` and `ec2:DescribeVolumes` until the tasks have stopped), read on 2026-11-24.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.roles.abilities import ability, drops_grant
from ecs_trail.analysis.roles.changes import IAM, Change, RoleKey, changes
from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.losses import GRACE, Certainty, Loss, Question, losses, moment_at
from ecs_trail.analysis.roles.outages import Outage, outages
from ecs_trail.analysis.roles.proposals import Proposal, Writes, proposal
from ecs_trail.analysis.roles.replay import Material, replay
from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.arns import role_key
from ecs_trail.errors import UsageError
from ecs_trail.event_names import IAM_POLICY_WRITES
from ecs_trail.frames import Row, Sheet, rows
from ecs_trail.times import format_time
from ecs_trail.vocabulary import ASSUME_ROLE, Phase, Purpose, TaskState, TlsState

#: What to leave on a role so that ECS can clean up, by purpose: the actions of its last phase.
KEEP: Final[Mapping[Purpose, tuple[str, ...]]] = {
    Purpose.VOLUMES: ("ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes"),
    Purpose.TLS: ("secretsmanager:DescribeSecret", "secretsmanager:DeleteSecret"),
    Purpose.LATTICE: ("vpc-lattice:DeregisterTargets",),
    Purpose.LOAD_BALANCERS: ("elasticloadbalancing:DeregisterTargets",),
}
_ENDING: Final = frozenset({Phase.TEARDOWN, Phase.DELETE})
_LIVE_TASKS: Final = frozenset({TaskState.RUNNING, TaskState.STOPPING, TaskState.STUCK, TaskState.UNKNOWN})
_GONE_SECRETS: Final = frozenset({TlsState.DELETED, TlsState.REMOVED_BY_OTHER})


@dataclass(frozen=True, slots=True)
class Broken:
    """What ECS could no longer do with the role: a purpose, a phase, the needed actions that go, and who needs them.

    `sure` is false where it is not known what else grants the actions. `task_arns` are tasks whose volumes could not be
    cleaned up; a task that runs needs no provisioning, but its service does for the next one: `services`.
    """

    purpose: str
    phase: str
    actions: tuple[str, ...]
    sure: bool
    task_arns: tuple[str, ...] = ()
    secret_arns: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    depended_on: bool = False


@dataclass(frozen=True, slots=True)
class Guarded:
    """The answer of guard. `verdict`: `breaks`, `may_break`, `nobody_depends` (lost, but nobody needs it), `harmless`.

    `services` are `cluster/service` of live tasks and the ARNs of services with a TLS secret; `keep` are actions to
    leave on the role, `first` what to do before; `already` are actions ECS lacks today. `unclear` are actions that are
    allowed today and of which nobody can say whether they will be: a document or a condition is not known.
    """

    role_arn: str
    as_of: datetime
    proposals: tuple[str, ...]
    verdict: str
    broken: tuple[Broken, ...]
    unclear: tuple[str, ...]
    already: tuple[str, ...]
    services: tuple[str, ...]
    dependents_known: bool
    keep: tuple[str, ...]
    first: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def breaks(self) -> bool:
        """Whether to hold the change back: something would break, or might."""
        return self.verdict in {"breaks", "may_break"}

    def document(self) -> dict[str, Any]:
        """As plain values for JSON."""
        names = ("purpose", "phase", "actions", "sure", "task_arns", "secret_arns", "services")
        return {
            "schema": "ecs-trail/guard/1",
            "role_arn": self.role_arn,
            "as_of": format_time(self.as_of),
            "changes": list(self.proposals),
            "verdict": self.verdict,
            "breaks": self.breaks,
            "broken": [{name: _plain(getattr(one, name)) for name in names} for one in self.broken],
            "unclear": list(self.unclear),
            "already_lost": list(self.already),
            "services": list(self.services),
            "dependents_known": self.dependents_known,
            "keep": list(self.keep),
            "first": list(self.first),
            "remarks": list(self.remarks),
        }


def guard(
    history: RoleHistory,
    key: RoleKey,
    proposals: Sequence[Proposal | str],
    frames: Mapping[str, Sheet],
    *,
    as_of: datetime,
    snapshots: Sequence[Snapshot] = (),
) -> Guarded:
    """Make the proposed changes in thought, after everything known at `as_of`, and say what breaks for whom.

    `frames` holds `tasks`, `tls` and `role_uses` of the case, and all `events` that were read. A saved state of the
    role later than `as_of` counts. Raises `UsageError` where nothing at all is known of the role.
    """
    mine = [one for one in snapshots if (one.account, one.role_name) == key]
    uses = [use for use in rows(frames["role_uses"]) if (use["account"], use["role_name"]) == key]
    known = any(use["kind"] != "option" for use in uses)
    if not known and not mine and len(history.moments[key]) == 1:
        hint = "give evidence in which ECS uses it or IAM makes it, or its saved state (--role-state)."
        raise UsageError(f"nothing is known of the role '{history.arns[key]}'.", hint=hint)
    made = [proposal(one) if isinstance(one, str) else one for one in proposals]
    now = max([as_of, *(one.captured_at for one in mine)])
    material = moment_at(history.moments[key], now).material
    writes = Writes(key, material, now + timedelta(seconds=1)).add(made)
    if not history.purposes[key]:
        writes.remarks.append("ECS is not seen to use this role, and as far as known it serves no purpose of ECS.")
    ahead = foresee(history, key, [*_contents(frames["events"], writes.changes, now), *writes.changes], now, snapshots)
    spans = outages(history.arns[key], history.purposes[key], ahead.losses)
    broken = [_broken(span, frames, key) for span in spans]
    return Guarded(
        role_arn=history.arns[key],
        as_of=now,
        proposals=tuple(str(one) for one in made),
        verdict=_verdict(broken, ahead.unclear, known=known),
        broken=tuple(broken),
        unclear=tuple(sorted({question.action for question in ahead.unclear})),
        already=tuple(sorted({loss.action for loss in history.losses[key] if loss.holds_at(now)})),
        services=tuple(sorted({name for one in broken for name in one.services})),
        dependents_known=known,
        keep=_keep(spans),
        first=tuple(_first(spans)),
        remarks=tuple(writes.remarks),
    )


@dataclass(frozen=True, slots=True)
class Foresight:
    """What coming writes do: losses that begin with them and do not end with them, and questions that become open."""

    losses: tuple[Loss, ...]
    unclear: tuple[Question, ...]


def foresee(
    history: RoleHistory,
    key: RoleKey,
    coming: Sequence[Change],
    as_of: datetime,
    snapshots: Sequence[Snapshot] = (),
) -> Foresight:
    """What coming writes of any kind would cause; those not later than `as_of` tell more of the past."""
    told = {change.event_id: change for change in (*history.changes, *coming) if change.event_time <= as_of}
    past = list(told.values())
    coming = [change for change in coming if change.event_time > as_of]
    if not coming:
        return Foresight((), ())
    listed = sorted([*past, *_defaults(coming, past, snapshots), *coming], key=lambda change: change.order)
    moments = replay(listed, {key: history.arns[key]}, snapshots)[0][key]
    begin = min(change.event_time for change in coming)
    calls = {
        action: [one for one in listed if one.event_time <= as_of]
        for action, listed in history.observed.get(key, {}).items()
    }
    served_since = min((one.event_time for seen in calls.values() for one in seen if one.allowed), default=None)
    found: list[Loss] = []
    unclear: list[Question] = []
    gone = {loss.action for loss in history.losses[key] if loss.holds_at(as_of)}
    for question in history.questions(key):
        seen = calls.get(question.action, ())
        lost = losses(moments, question, seen, grace=GRACE, served_since=served_since)
        lost = [one for one in lost if one.lost_at >= begin]
        found.extend(one for one in lost if one.regained_at is None)
        if (
            not lost
            and question.action not in gone
            and _opens(question, moment_at(moments, as_of).material, moments[-1].material)
        ):
            unclear.append(question)
    return Foresight(tuple(found), tuple(unclear))


def _opens(question: Question, before: Material, after: Material) -> bool:
    """Whether an action becomes one nobody can judge, or one that could not be judged loses a policy that grants it."""
    then, now = (
        ability(material, question.role_arn, question.purpose, question.action, question.place).verdict
        for material in (before, after)
    )
    if then is Verdict.ALLOWED:
        return now is Verdict.UNKNOWN
    dropped = question.action != ASSUME_ROLE and drops_grant(before, after, question.action)
    return dropped and now is not Verdict.ALLOWED


def _contents(events: Sheet, coming: Sequence[Change], as_of: datetime) -> list[Change]:
    """The writes that gave policies their content before they come near a role: an investigation leaves them out."""
    wanted = {arn for change in coming for arn in (change.policy_arn, change.boundary) if arn}
    written = events.where(event_source=IAM, event_name=IAM_POLICY_WRITES)
    return [
        change
        for change in changes(written)
        if change.policy_arn in wanted and change.applied and change.event_time <= as_of
    ]


def _defaults(coming: Iterable[Change], past: Sequence[Change], snapshots: Sequence[Snapshot]) -> list[Change]:
    """What a saved state says of a policy's default version, told as the write it takes for replay to believe it.

    Replay forgets a saved default where a later write sets another, as it cannot know when the saved one began.
    """
    written = {change.policy_arn for change in past if change.set_as_default}
    saved = {
        arn: (snapshot, version, document)
        for snapshot in snapshots
        for arn, version, document, is_default in snapshot.documents
        if is_default and arn not in written
    }
    wanted = {change.policy_arn: change for change in coming if change.set_as_default and change.policy_arn in saved}
    return [
        replace(
            change,
            event_id=f"saved-{arn}",
            event_time=saved[arn][0].captured_at,
            version_id=saved[arn][1],
            document=saved[arn][2],
        )
        for arn, change in sorted(wanted.items())
    ]


def _broken(span: Outage, frames: Mapping[str, Sheet], key: RoleKey) -> Broken:
    tasks, secrets = [], []
    if span.purpose is Purpose.VOLUMES:
        tasks = [task for task in rows(frames["tasks"]) if _needs(task, span, key)]
    elif span.purpose is Purpose.TLS:
        secrets = [
            one for one in rows(frames["tls"]) if role_key(one["role_arn"]) == key and one["state"] not in _GONE_SECRETS
        ]
    services = {f"{task['cluster'] or 'default'}/{task['service']}" for task in tasks if task["service"]}
    return Broken(
        span.purpose.value,
        span.phase.value,
        tuple(span.actions),
        any(loss.certainty is not Certainty.POSSIBLE for loss in span.losses),
        tuple(sorted(task["task_arn"] for task in tasks if span.phase in _ENDING)),
        tuple(sorted(one["secret_arn"] or one["secret_name"] for one in secrets)),
        tuple(sorted(services | {one["service_arn"] for one in secrets if one["service_arn"]})),
        depended_on=bool(tasks or secrets),
    )


def _needs(task: Row, span: Outage, key: RoleKey) -> bool:
    """Whether a task that is still there needs what goes, where it runs."""
    if role_key(task["role_arn"]) != key or task["state"] not in _LIVE_TASKS:
        return False
    here = {
        loss.action
        for loss in span.losses
        if loss.place.region in {None, task["region"]} and loss.place.cluster in {None, task["cluster"]}
    }
    return bool(here - {"ec2:DeleteVolume"} if task["kept_by_design"] and span.phase is Phase.TEARDOWN else here)


def _verdict(broken: Sequence[Broken], unclear: Sequence[Question], *, known: bool) -> str:
    if not broken:
        return "may_break" if unclear else "harmless"
    if known and not any(one.depended_on for one in broken):
        # Only what can be seen in the evidence counts as a dependent: other purposes leave no list of theirs.
        seen = {Purpose.VOLUMES.value, Purpose.TLS.value}
        if all(one.purpose in seen for one in broken):
            return "nobody_depends"
    return "breaks" if any(one.sure for one in broken) else "may_break"


def _keep(spans: Sequence[Outage]) -> tuple[str, ...]:
    kept = [action for span in spans if span.phase in _ENDING for action in KEEP.get(span.purpose, ())]
    lost = any(ASSUME_ROLE in span.actions for span in spans)
    return tuple(dict.fromkeys([*([ASSUME_ROLE] if lost else []), *kept]))


def _first(spans: Sequence[Outage]) -> list[str]:
    """What to do before the change, in order."""
    found = []
    if any(span.phase in {Phase.PROVISION, Phase.ISSUE, Phase.ROTATE} for span in spans):
        found.append("Point the services at a role that has what this one loses, or scale them to 0.")
    if any(span.phase is Phase.TEARDOWN and span.purpose is Purpose.VOLUMES for span in spans):
        found.append("Stop the tasks and wait until none is DEPROVISIONING and their volumes are deleted.")
    if any(span.purpose is Purpose.TLS for span in spans):
        found.append("Delete the Service Connect services and wait until their ecs-sc! secrets are deleted.")
    if any(ASSUME_ROLE in span.actions for span in spans):
        found.append("Only then take ecs.amazonaws.com out of the trust policy or delete the role.")
    return found


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
