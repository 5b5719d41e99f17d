"""Findings about tasks: stuck, at risk, failed to start.

One `stuck_tasks` finding per outage (contract, section 2); tasks blocked by one other cause share a finding; tasks that
nothing explains form one finding per role.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.analysis.findings import repair
from ecs_trail.analysis.findings.known import ONGOING, RESOLVED, Known, finding_row
from ecs_trail.analysis.findings.rivals import rivals, rivals_sentence
from ecs_trail.analysis.findings.words import cause_clause, counted, names, outage_sentence, role_label, sentence, spell
from ecs_trail.arns import role_key
from ecs_trail.calls import PolicyType
from ecs_trail.frames import Row
from ecs_trail.vocabulary import ASSUME_ROLE, Basis, Confidence, FindingKind, Phase, Purpose, Severity, TaskState

_CONFIDENCES = {one: at for at, one in enumerate(Confidence)}


def stuck(known: Known) -> Iterator[Row]:
    """Tasks that hang, or hung, in DEPROVISIONING."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for task in known.tasks:
        if task["state"] in {TaskState.STUCK, TaskState.RECOVERED}:
            if task["outage_id"]:
                groups["outage", task["outage_id"]].append(task)
            elif task["cause_event_ids"]:
                groups["cause", tuple(task["cause_event_ids"])].append(task)
            else:
                groups["role", role_key(task["role_arn"])].append(task)
    for (how, what), tasks in groups.items():
        outage = known.outages[what] if how == "outage" else None
        yield _stuck_finding(known, tasks, outage)


def _stuck_finding(known: Known, tasks: Sequence[Row], outage: Row | None) -> Row:
    waiting = [task for task in tasks if task["state"] == TaskState.STUCK]
    role = known.roles.get(role_key(tasks[0]["role_arn"]))
    causes = known.causes(tasks)
    if outage is not None:
        # A task caught in a later outage as well names its changes; the finding is about one outage.
        causes = [cause for cause in causes if cause["event_id"] in outage["cause_event_ids"]]
    label = role_label(tasks[0]["role_arn"])
    why = cause_clause(causes, label) if causes else "no change in the evidence explains it"
    ended = None if waiting else max((task["resolved_at"] for task in tasks if task["resolved_at"]), default=None)
    impact = _impact(known, tasks, role)
    others = rivals(known, tasks, [cause["event_id"] for cause in causes], outage, impact["confidence"])
    return finding_row(
        FindingKind.STUCK_TASKS,
        Severity.CRITICAL if waiting else Severity.MEDIUM,
        ONGOING if waiting else RESOLVED,
        title=f"{_hanging(len(waiting), len(tasks))} in DEPROVISIONING: {why}",
        **impact,
        outage_id=outage and outage["id"],
        cause_event_ids=[cause["event_id"] for cause in causes],
        started_at=min((task["blocked_since"] for task in tasks if task["blocked_since"]), default=None),
        ended_at=ended,
        explanation=" ".join(filter(None, (_stuck_explanation(known, tasks, causes, outage), rivals_sentence(others)))),
        rivals=others,
        repair=_repairs(known, tasks, causes, outage, role) if waiting else [],
    )


_TYPES = {
    PolicyType.SCP: "a service control policy",
    PolicyType.RCP: "a resource control policy",
    PolicyType.BOUNDARY: "a permissions boundary",
    PolicyType.SESSION: "a session policy",
    PolicyType.ENDPOINT: "a VPC endpoint policy",
    PolicyType.RESOURCE: "a policy of the resource",
    PolicyType.IDENTITY: "a policy of the role",
}


def _unexplained(known: Known, tasks: Sequence[Row]) -> str:
    """What the refusals themselves say where no change in the evidence explains them."""
    refused = dict.fromkeys(one for task in tasks for one in task["denied_event_ids"])
    denied = [known.contradictions[one] for one in refused if one in known.contradictions]
    named = next((_TYPES[one["policy_type"]] for one in denied if one["policy_type"] in _TYPES), None)
    parts = ["No change in the evidence explains this."]
    if denied:
        action, event_id = denied[0]["action"], denied[0]["event_id"]
        parts.append(f"By replay the role was allowed {action}: something outside the evidence denied it [{event_id}].")
    if named:
        parts.append(f"The refusals name {named}: look for a change there.")
    return " ".join(parts)


def _hanging(waiting: int, all_of_them: int) -> str:
    if not waiting:
        return f"{counted(all_of_them, 'task')} hung"
    return f"{counted(waiting, 'task')} {'hangs' if waiting == 1 else 'hang'}"


def _impact(known: Known, tasks: Sequence[Row], role: Row | None) -> Row:
    arns = {task["task_arn"] for task in tasks}
    best = min((task["confidence"] for task in tasks), key=lambda one: _CONFIDENCES[one])
    basis = {one for task in tasks for one in task["basis"]}
    events = (event for task in tasks for event in (*task["cause_event_ids"], *task["denied_event_ids"][:3]))
    return {
        "role_arn": role["role_arn"] if role else tasks[0]["role_arn"],
        "task_arns": sorted(arns),
        "volume_ids": sorted(volume["volume_id"] for volume in known.volumes if volume["task_arn"] in arns),
        "confidence": best,
        "basis": [one.value for one in Basis if one.value in basis],
        "evidence": list(dict.fromkeys(events)),
    }


def _stuck_explanation(known: Known, tasks: Sequence[Row], causes: Sequence[Row], outage: Row | None) -> str:
    waiting = sum(task["state"] == TaskState.STUCK for task in tasks)
    parts = []
    if outage is not None:
        parts.append(outage_sentence(outage))
    if causes:
        listed = "; ".join(f"{cause['event_name']} by {cause['actor']} [{cause['event_id']}]" for cause in causes)
        parts.append(f"Cause, oldest first: {listed}.")
    else:
        parts.append(_unexplained(known, tasks))
    denied = sum(len(task["denied_event_ids"]) for task in tasks)
    if denied:
        action = next(task["blocked_action"] for task in tasks if task["blocked_action"])
        parts.append(f"ECS was refused {counted(denied, 'time')}, first {action}.")
    elif any(Basis.SILENCE in task["basis"] for task in tasks):
        parts.append("ECS has made no cleanup call since: it cannot assume the role, which leaves no record.")
    recovered = len(tasks) - waiting
    if waiting:
        parts.append(f"{counted(waiting, 'task')} still waiting at the end of the evidence.")
    if recovered:
        parts.append(f"{counted(recovered, 'task')} recovered.")
    by_hand = sorted({task["resolved_by"] for task in tasks if task["resolved_by"]})
    if by_hand:
        parts.append(f"Volumes were deleted by hand by {', '.join(by_hand)}.")
    return " ".join(parts)


def _repairs(
    known: Known, tasks: Sequence[Row], causes: Sequence[Row], outage: Row | None, role: Row | None
) -> list[repair.Step]:
    steps: list[repair.Step] = []
    tags = [cause for cause in causes if cause["event_name"] in {"DeleteTags", "CreateTags"}]
    if tags:
        arns = {task["task_arn"] for task in tasks if task["state"] == TaskState.STUCK}
        steps += repair.repair_tags(
            [one for one in known.volumes if one["task_arn"] in arns and one["gone_at"] is None]
        )
    elif role is not None and causes and outage is not None and outage["end"] is None:
        steps += role_repair(known, role, causes, outage)
    elif role is not None and not causes:
        steps.append(repair.look(role))
    return [*steps, *repair.watch([task for task in tasks if task["state"] == TaskState.STUCK])]


def role_repair(known: Known, role: Row, causes: Sequence[Row], outage: Row) -> list[repair.Step]:
    """The steps that give a role back what an outage's causes took."""
    states = known.states[role_key(role["role_arn"])]
    whole = [known.changes[one] for one in outage["cause_event_ids"] if one in known.changes] or list(causes)
    before = [state for state in states if state["until"] is not None and state["until"] <= outage["start"]]
    first = next((at for at, state in enumerate(states) if state["event_id"] == whole[0]["event_id"]), None)
    earlier = states[first - 1] if first else before[-1] if before else None
    now = next(state for state in reversed(states) if state["since"] is None or state["since"] <= known.as_of)
    return repair.repair_role(role, earlier, now, whole, known.gone_policies)


def at_risk(known: Known) -> Iterator[Row]:
    """Running tasks that will hang when they are stopped."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for task in known.tasks:
        if task["at_risk"]:
            open_ones = [
                outage
                for outage in known.outages.values()
                if role_key(outage["role_arn"]) == role_key(task["role_arn"])
                and outage["purpose"] == Purpose.VOLUMES
                and outage["phase"] == Phase.TEARDOWN
                and (outage["end"] is None or outage["end"] > known.as_of)
            ]
            groups[open_ones[-1]["id"]].append(task)
    for outage_id, tasks in groups.items():
        outage = known.outages[outage_id]
        role = known.roles.get(role_key(tasks[0]["role_arn"]))
        causes = [known.changes[one] for one in outage["cause_event_ids"] if one in known.changes]
        label = role_label(outage["role_arn"])
        yield finding_row(
            FindingKind.TASKS_AT_RISK,
            Severity.HIGH,
            ONGOING,
            title=f"{counted(len(tasks), 'running task')} will hang when stopped: {cause_clause(causes, label)}",
            **_impact(known, tasks, role)
            | {
                "confidence": outage["confidence"],
                "basis": outage["basis"],
                "evidence": outage["cause_event_ids"],
                "cause_event_ids": outage["cause_event_ids"],
            },
            outage_id=outage_id,
            started_at=outage["start"],
            ended_at=None,
            explanation=f"{outage_sentence(outage)} Do not stop these tasks before the role is repaired.",
            repair=role_repair(known, role, causes, outage) if role and causes else [],
        )


def provisioning(known: Known) -> Iterator[Row]:
    """Tasks whose volume could not be created or attached."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for task in known.tasks:
        if task["state"] == TaskState.FAILED_TO_START:
            key = (task["outage_id"], tuple(task["cause_event_ids"]) if not task["outage_id"] else ())
            groups[*key, role_key(task["role_arn"])].append(task)
    for (outage_id, _, role_id), tasks in groups.items():
        outage = known.outages.get(outage_id)
        role = known.roles.get(role_id)
        causes = known.causes(tasks)
        label = role_label(tasks[0]["role_arn"])
        last = max((task["blocked_since"] for task in tasks if task["blocked_since"]), default=known.as_of)
        healed = outage["end"] if outage else _later_success(known, role_id, last)
        refused = None if causes else _unassumable(known, role_id, tasks)
        why = cause_clause(causes, label) if causes else refused[0] if refused else _failure_words(tasks)
        explanation = [outage_sentence(outage)] if outage else []
        explanation += [refused[1]] if refused else []
        impact = _impact(known, tasks, role)
        others = rivals(known, tasks, [cause["event_id"] for cause in causes], outage, impact["confidence"])
        explanation.append(
            f"ECS could not create or attach the volumes of {names([task['task_arn'] for task in tasks])}."
        )
        yield finding_row(
            FindingKind.PROVISIONING_BLOCKED,
            Severity.MEDIUM if healed else Severity.HIGH,
            RESOLVED if healed else ONGOING,
            title=f"{counted(len(tasks), 'task')} failed to start: {why}",
            **impact,
            outage_id=outage_id,
            cause_event_ids=[cause["event_id"] for cause in causes],
            started_at=min((task["blocked_since"] for task in tasks if task["blocked_since"]), default=None),
            ended_at=healed,
            explanation=" ".join(filter(None, (*explanation, rivals_sentence(others)))),
            rivals=others,
            repair=[] if healed else _provision_repair(known, role, causes, outage),
        )


def _unassumable(known: Known, role_id: tuple[str, str] | None, tasks: Sequence[Row]) -> tuple[str, str] | None:
    """Why ECS could not assume a role that no change took from it: too young, or never trusted. A title and a sentence.

    IAM spreads a new role within minutes (*ECS Developer Guide*, troubleshooting of EBS volumes: "retry after waiting
    for a few minutes"), so a refusal right after its creation is no proof of a wrong trust policy.
    """
    refused = [
        task
        for task in tasks
        if task["blocked_action"] == ASSUME_ROLE or "unable to assume" in (task["saved_reason"] or "")
    ]
    moment = min((task["blocked_since"] for task in refused), default=None)
    if moment is None or role_id is None:
        return None
    label = role_label(tasks[0]["role_arn"])
    state = known.trust_at(role_id, moment)
    trusted = state["lets_ecs_assume"] if state is not None else None
    made = [one for one in known.changes_of(role_id) if one["event_name"] == "CreateRole" and one["applied"]]
    young = [one for one in made if timedelta() <= moment - one["event_time"] <= _SPREADING]
    if young and trusted != "denied":
        seconds = int((moment - young[-1]["event_time"]).total_seconds())
        told = f"{label} was made {seconds} s before the first failure [{young[-1]['event_id']}]"
        return (
            f"{label} had been made {seconds} s before, which IAM may not have spread yet",
            f"{sentence(told)}, and its trust policy lets ECS assume it: wait a few minutes and start the tasks again.",
        )
    if trusted == "denied" and state is not None:
        where = f" [{state['event_id']}]" if state["event_id"] else ""
        return (
            f"the trust policy of {label} does not let ECS assume it",
            f"The trust policy of {label} has not let ECS assume it since {spell(state['since'])}{where}.",
        )
    return None


_SPREADING: Final = timedelta(minutes=10)


def _failure_words(tasks: Sequence[Row]) -> str:
    code = next((task["failed_error"] for task in tasks if task["failed_error"]), None)
    return f"ECS met {code}; no change in the evidence explains it" if code else "no change in the evidence explains it"


def _later_success(known: Known, role_id: tuple[str, str] | None, moment: datetime) -> datetime | None:
    """The first volume of the same role created after the last failure: provisioning works again."""
    later = [
        volume["created_at"]
        for volume in known.volumes
        if volume["created_at"] and volume["created_at"] > moment and role_key(volume["role_arn"]) == role_id
    ]
    return min(later, default=None)


def _provision_repair(known: Known, role: Row | None, causes: Sequence[Row], outage: Row | None) -> list[repair.Step]:
    if role is None:
        return []
    if outage is not None and causes:
        return role_repair(known, role, causes, outage)
    keys: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for cause in causes:
        if cause["event_id"] in known.key_changes:
            keys[cause["subject"], cause["region"]].append(cause["event_name"])
    steps = [one for (key, region), events in keys.items() for one in repair.repair_key(key, region, events)]
    return steps or [repair.look(role)]
