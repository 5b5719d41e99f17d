"""The known answer of an incident, made from the truth the simulation kept. No log is read here.

Schema `ecs-trail/answer/1`; the words are those of the contract ("Words with one meaning"). Fields of a row that the
contract leaves open in this incident are named in the row's `unsure` list; an outage with `maybe` true may be absent
from an investigation or stand in it with confidence `possible`.

`findings` lists every expected finding of every kind of the contract: what is not listed must not be found. Stuck and
endangered tasks, blocked provisioning and TLS are told by status, tasks, secrets and causes. `pass_role_denied`,
`session_impersonation`, `secret_read_by_other`, `logging_gap` and `leaked_volumes` are part of the answer as well; how
many findings tell of them is left open, so their `event_ids` or `volume_ids` must be covered by findings of the kind,
and each such finding must stand on one of them (or of `beside_event_ids`, which need not be named). The files of the
range are whole, so `integrity_failure` is never expected.
"""

from dataclasses import dataclass

from ecs_trail.practice.answers_beside import conduct, purposes
from ecs_trail.practice.answers_tls import tls
from ecs_trail.practice.dice import iso
from ecs_trail.practice.outages import Outage, outages_of
from ecs_trail.practice.things import Block, Task
from ecs_trail.practice.truth import Json, Truth, finding
from ecs_trail.vocabulary import ASSUME_ROLE, FindingKind, Phase, Purpose, TaskState

STUCK_AFTER = 600


@dataclass(slots=True)
class _Verdict:
    task: Task
    state: TaskState
    outage: Outage | None
    causes: list[str]
    stop: int | None
    at_risk: bool = False
    tag_event: str = ""


def answer(truth: Truth) -> Json:
    """The whole answer as JSON-able data."""
    outages = _outages(truth)
    verdicts = [_judge(task, truth, outages) for task in truth.tasks]
    tls_rows, tls_findings = tls(truth, outages)
    used = [role for account in truth.world.accounts for role in account.roles if role.used]
    return {
        "schema": "ecs-trail/answer/1",
        "as_of": iso(truth.as_of),
        "roles": sorted(role.arn for role in used),
        "tasks": {verdict.task.arn: _task_row(verdict) for verdict in verdicts},
        "outages": [_outage_row(outage) for outage in outages],
        "volumes": {row[0]: row[1] for task in truth.tasks if (row := _volume_row(task, truth))},
        "tls": tls_rows,
        "findings": [
            *_findings(truth, verdicts, outages),
            *tls_findings,
            *purposes(truth, outages),
            *conduct(truth),
        ],
        "pass_role_denials": truth.pass_role_denials,
        "harmless_event_ids": truth.harmless,
    }


# --- outages ----------------------------------------------------------------------------------------------------


def _outages(truth: Truth) -> list[Outage]:
    found: list[Outage] = []
    for account in truth.world.accounts:
        for role in account.roles:
            for outage in outages_of(role):
                if not outage.losses or outage.losses[0].event_id not in truth.visible:
                    continue
                if role in truth.older and not _speaks_for_itself(outage, truth):
                    outage.maybe = True
                found.append(outage)
    return sorted(found, key=lambda outage: (outage.start, outage.role.arn, outage.purpose, outage.phase))


def _speaks_for_itself(outage: Outage, truth: Truth) -> bool:
    """Where too little is known of a role: a lost trust or role is plain, a lost action needs a denial of it."""
    lost = {action for loss in outage.losses for actions in loss.lost.values() for action in actions}
    if ASSUME_ROLE in lost:
        return True
    if outage.phase is not Phase.TEARDOWN:
        lost.discard("ec2:DescribeVolumes")
    return any(
        block.recorded and block.action in lost and block.at >= outage.start
        for task in truth.tasks
        if task.role is outage.role
        for block in task.blocks + task.start_blocks
    )


def _outage_row(outage: Outage) -> Json:
    return {
        "role_arn": outage.role.arn,
        "purpose": outage.purpose.value,
        "phase": outage.phase.value,
        "start": iso(outage.start),
        "end": None if outage.end is None else iso(outage.end),
        "cause_event_ids": outage.causes,
        "restore_event_ids": outage.restores,
        "maybe": outage.maybe,
    }


# --- tasks ------------------------------------------------------------------------------------------------------


def _judge(task: Task, truth: Truth, outages: list[Outage]) -> _Verdict:
    stop = min((at for at in task.stop_signs if not truth.unseen(at)), default=None)
    if truth.unseen(task.resolved_at):
        # It was cleaned up while nobody watched: for all the evidence says, nothing came of the stop.
        task.resolved_at, task.blocks = None, []
    if task.failed_at is not None:
        return _failed(task, truth, outages)
    blocks = [block for block in task.blocks if task.resolved_at is None or block.at < task.resolved_at]
    first = _telling(blocks)
    if first is None:
        return _unblocked(task, truth, outages, stop)
    if task.resolved_at is not None:
        state = TaskState.RECOVERED
    elif any(block.recorded and block.action != ASSUME_ROLE for block in blocks):
        state = TaskState.STUCK
    elif stop is None:
        # Nothing in the evidence shows that it stops.
        return _unblocked(task, truth, outages, stop)
    else:
        state = TaskState.STUCK if truth.as_of - stop >= STUCK_AFTER else TaskState.STOPPING
    if state is TaskState.STOPPING:
        # Nothing has failed yet that the evidence could show, so nothing has blocked it; what will, is plain already.
        task.unsure += ["cause_event_ids", "outage"]
        return _Verdict(task, state, None, [], stop)
    if first.tag_event:
        return _Verdict(task, state, None, [first.tag_event], stop, tag_event=first.tag_event)
    outage = _explaining(first, task, outages, Phase.TEARDOWN, truth.world.lag)
    causes = [] if outage is None else _causes(task, outage, outages, truth.as_of)
    return _Verdict(task, state, outage, causes, stop)


def _telling(blocks: list[Block]) -> Block | None:
    return blocks[0] if blocks else None


def _unblocked(task: Task, truth: Truth, outages: list[Outage], stop: int | None) -> _Verdict:
    if task.resolved_at is not None:
        return _Verdict(task, TaskState.STOPPED, None, [], stop)
    if stop is None:
        risk = task.started and any(_endangers(outage, task) for outage in outages)
        if risk and any(outage.maybe for outage in outages if _endangers(outage, task)):
            task.unsure.append("at_risk")
        return _Verdict(task, TaskState.RUNNING, None, [], None, at_risk=risk)
    young = truth.as_of - stop < STUCK_AFTER
    return _Verdict(task, TaskState.STOPPING if young else TaskState.UNKNOWN, None, [], stop)


def _endangers(outage: Outage, task: Task) -> bool:
    return (
        outage.role is task.role
        and outage.purpose is Purpose.VOLUMES
        and outage.phase is Phase.TEARDOWN
        and outage.end is None
        and any(task.needs(action) for action in outage.missing.get(task.scope, ()))
    )


def _failed(task: Task, truth: Truth, outages: list[Outage]) -> _Verdict:
    task.unsure.append("stop_started_at")
    if task.failed_by_key and task.key is not None:
        return _Verdict(task, TaskState.FAILED_TO_START, None, list(task.key.broken_by), None)
    outage = _explaining(task.start_blocks[0], task, outages, Phase.PROVISION, truth.world.lag)
    causes: list[str] = []
    if outage is not None:
        until = task.failed_at or truth.as_of
        causes = [loss.event_id for loss in outage.losses if loss.lost.get(task.scope) and loss.at <= until]
    return _Verdict(task, TaskState.FAILED_TO_START, outage, causes, None)


def _explaining(block: Block, task: Task, outages: list[Outage], phase: Phase, lag: int) -> Outage | None:
    fitting = [
        outage
        for outage in outages
        if outage.role is task.role
        and outage.purpose is Purpose.VOLUMES
        and outage.phase is phase
        and outage.holds(task.scope, block.at, lag)
    ]
    return fitting[0] if fitting else None


def _causes(task: Task, first: Outage, outages: list[Outage], as_of: int) -> list[str]:
    """Changes of the first outage, and of later ones while the task is unresolved, that took what it still needed."""
    until = task.resolved_at or as_of
    later = [o for o in outages if o.role is task.role and o.purpose is first.purpose and o.phase is first.phase]
    ids: list[str] = []
    for outage in later:
        if outage.start < first.start:
            continue
        for loss in outage.losses:
            lost = loss.lost.get(task.scope, frozenset())
            if loss.at <= until and any(_needed_at(task, action, loss.at) for action in lost):
                ids.append(loss.event_id)
    return ids


def _needed_at(task: Task, action: str, at: int) -> bool:
    if action == "ec2:DeleteVolume":
        return not task.keep
    if action == "ec2:DetachVolume":
        return task.volume is None or task.volume.detached_at is None or task.volume.detached_at > at
    return True


def _task_row(verdict: _Verdict) -> Json:
    task, outage = verdict.task, verdict.outage
    resolved = task.resolved_at if verdict.state is TaskState.RECOVERED else None
    return {
        "state": verdict.state.value,
        "at_risk": verdict.at_risk,
        "cause_event_ids": verdict.causes,
        "outage": None
        if outage is None
        else {
            "role_arn": outage.role.arn,
            "purpose": outage.purpose.value,
            "phase": outage.phase.value,
            "start": iso(outage.start),
        },
        "stop_started_at": None if verdict.stop is None else iso(verdict.stop),
        "resolved_at": None if resolved is None else iso(resolved),
        "volume_ids": [] if task.volume is None else [task.volume.id],
        "unsure": task.unsure,
    }


def _volume_row(task: Task, truth: Truth) -> tuple[str, Json] | None:
    volume = task.volume
    if volume is None:
        return None
    # A volume that EBS gave up because of its key vanishes without a call: no deletion is on record.
    recorded = volume.deleted_at is not None and volume.deleted_by != "" and not truth.unseen(volume.deleted_at)
    facts = {
        "task_arn": task.arn,
        "deleted_at": iso(volume.deleted_at) if recorded and volume.deleted_at is not None else None,
        "deleted_by": volume.deleted_by if recorded else None,
        "deleted_by_ecs": recorded and volume.deleted_by.endswith("/ECSTaskVolumesForEBS"),
        "kept_by_design": task.keep,
    }
    return volume.id, facts


# --- findings ---------------------------------------------------------------------------------------------------


def _findings(truth: Truth, verdicts: list[_Verdict], outages: list[Outage]) -> list[Json]:
    hurt = [v for v in verdicts if v.state in {TaskState.STUCK, TaskState.RECOVERED}]
    rows: list[Json] = []
    for outage in outages:
        rows.extend(_outage_findings(outage, verdicts, hurt))
    tag_events = sorted({v.tag_event for v in hurt if v.tag_event})
    rows.extend(_stuck([v for v in hurt if v.tag_event == event_id], [event_id]) for event_id in tag_events)
    unexplained = [v for v in hurt if v.outage is None and not v.tag_event]
    for_roles = sorted({v.task.role.arn for v in unexplained})
    rows.extend(_stuck([v for v in unexplained if v.task.role.arn == arn], []) for arn in for_roles)
    for key in truth.keys:
        failed = [v.task.arn for v in verdicts if v.task.failed_by_key and v.task.key is key]
        if failed:
            kind = FindingKind.PROVISIONING_BLOCKED
            rows.append(finding(kind, ongoing=not key.usable, tasks=failed, causes=list(key.broken_by)))
    return rows + _causeless(verdicts)


def _causeless(verdicts: list[_Verdict]) -> list[Json]:
    """Tasks that failed to start for no change: a role too young, say. When that is over, the contract leaves open."""
    failed = [v for v in verdicts if v.state is TaskState.FAILED_TO_START and v.outage is None and v.task.key is None]
    rows: list[Json] = []
    for role_arn in sorted({v.task.role.arn for v in failed}):
        arns = [v.task.arn for v in failed if v.task.role.arn == role_arn]
        more = {"role_arn": role_arn, "unsure": ["status"]}
        rows.append(finding(FindingKind.PROVISIONING_BLOCKED, ongoing=False, tasks=arns, causes=[], **more))
    return rows


def _outage_findings(outage: Outage, verdicts: list[_Verdict], hurt: list[_Verdict]) -> list[Json]:
    rows: list[Json] = []
    mine = [v for v in hurt if v.outage is outage]
    if mine:
        rows.append(_stuck(mine, outage.causes))
    risky = [v.task.arn for v in verdicts if v.at_risk and _endangers(outage, v.task)]
    if risky:
        rows.append(
            finding(FindingKind.TASKS_AT_RISK, ongoing=True, tasks=risky, causes=outage.causes, maybe=outage.maybe)
        )
    failed = [v.task.arn for v in verdicts if v.state is TaskState.FAILED_TO_START and v.outage is outage]
    if failed:
        kind = FindingKind.PROVISIONING_BLOCKED
        rows.append(finding(kind, ongoing=outage.end is None, tasks=failed, causes=outage.causes))
    return rows


def _stuck(group: list[_Verdict], causes: list[str]) -> Json:
    ongoing = any(verdict.state is TaskState.STUCK for verdict in group)
    arns = [verdict.task.arn for verdict in group]
    return finding(FindingKind.STUCK_TASKS, ongoing=ongoing, tasks=arns, causes=causes)
