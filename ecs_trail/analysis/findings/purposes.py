"""Findings about targets, listeners, Managed Instances and launches without a task: what ECS could not provision."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ecs_trail.analysis.findings import repair
from ecs_trail.analysis.findings.impact import role_repair
from ecs_trail.analysis.findings.known import ONGOING, RESOLVED, Known, finding_row
from ecs_trail.analysis.findings.rivals import rivals, rivals_sentence
from ecs_trail.analysis.findings.words import cause_clause, counted, outage_sentence, role_label, spell, work
from ecs_trail.arns import last_part, role_key
from ecs_trail.frames import Row
from ecs_trail.vocabulary import Basis, Confidence, FindingKind, Severity

_PASSING: Final = "iam:passrole"
#: The start of the role names that AWS's managed policy lets ECS pass to instances (*ECS Developer Guide*,
#: AmazonECSInfrastructureRolePolicyForManagedInstances, version 12, read on 2026-11-24).
_INSTANCE_ROLE: Final = "ecsInstanceRole"
_CONFIDENCES: Final = {one: at for at, one in enumerate(Confidence)}
_EVIDENCE: Final = 20


def work_blocked(known: Known) -> Iterator[Row]:
    """Work of ECS for other purposes that was refused or failed in part: one finding per outage, else per action."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in known.blocked_work:
        how = ("outage", row["outage_id"]) if row["outage_id"] else ("action", row["action"].lower(), row["purpose"])
        groups[(*how, role_key(row["role_arn"]))].append(row)
    for group in groups.values():
        yield _finding(known, group)


def not_placed(known: Known) -> Iterator[Row]:
    """Launches that ECS answered with failures and no error code, by role, cluster and task definition."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for launch in known.launches:
        groups[role_key(launch["role_arn"]), launch["cluster"], launch["region"], launch["task_definition"]].append(
            launch
        )
    for launches in groups.values():
        failed = [one for one in launches if one["failures"]]
        if not failed:
            continue
        later = [one for one in launches if not one["failures"] and one["event_time"] > failed[-1]["event_time"]]
        count = sum(one["failures"] for one in failed)
        reasons = ", ".join(sorted({reason for one in failed for reason in one["reasons"]})) or "no reason given"
        role = known.roles.get(role_key(failed[0]["role_arn"]))
        yield finding_row(
            FindingKind.PROVISIONING_BLOCKED,
            Severity.LOW if later else Severity.MEDIUM,
            RESOLVED if later else ONGOING,
            title=f"{counted(count, 'task')} of {last_part(failed[0]['task_definition'])} not started in cluster "
            f"{failed[0]['cluster']}: {reasons}",
            role_arn=role["role_arn"] if role else failed[0]["role_arn"],
            started_at=failed[0]["event_time"],
            ended_at=later[0]["event_time"] if later else None,
            confidence=Confidence.CERTAIN,
            explanation=f"{failed[0]['event_name']} succeeded without an error code, but its answer lists "
            f"{counted(count, 'failure')} ({reasons}) and no task for them [{failed[0]['event_id']}].",
            evidence=[one["event_id"] for one in failed][:_EVIDENCE],
        )


def _finding(known: Known, group: Sequence[Row]) -> Row:
    first = group[0]
    outage = known.outages.get(first["outage_id"]) if first["outage_id"] else None
    role = known.roles.get(role_key(first["role_arn"]))
    causes = known.causes(group)
    label = role_label(first["role_arn"])
    open_rows = [row for row in group if row["resolved_at"] is None]
    mended = outage is not None and outage["end"] is not None
    ongoing = bool(open_rows) and not mended
    ends = [row["resolved_at"] for row in group if row["resolved_at"]] + ([outage["end"]] if outage and mended else [])
    confidence = min((row["confidence"] for row in group), key=lambda one: _CONFIDENCES[one])
    basis = {one for row in group for one in row["basis"]}
    blocked = [row | {"blocked_since": row["started_at"], "blocked_action": row["action"]} for row in group]
    others = rivals(known, blocked, [cause["event_id"] for cause in causes], outage, confidence)
    verb = "cannot" if ongoing else "could not"
    doing = work(first["purpose"], first["phase"], first["session_name"])
    return finding_row(
        FindingKind.PROVISIONING_BLOCKED,
        Severity.HIGH if ongoing else Severity.MEDIUM,
        ONGOING if ongoing else RESOLVED,
        title=f"ECS {verb} {doing}: {cause_clause(causes, label) if causes else _reason(first)}",
        role_arn=role["role_arn"] if role else first["role_arn"],
        outage_id=outage and outage["id"],
        cause_event_ids=[cause["event_id"] for cause in causes],
        started_at=min(row["started_at"] for row in group),
        ended_at=None if ongoing else max(ends, default=None),
        confidence=confidence,
        basis=[one.value for one in Basis if one.value in basis],
        explanation=" ".join([*_told(group, outage, causes), *filter(None, (rivals_sentence(others),))]),
        evidence=[event for row in group for event in row["denied_event_ids"]][:_EVIDENCE],
        rivals=others,
        repair=_repair(known, role, group, causes, outage) if ongoing else [],
    )


def _reason(row: Row) -> str:
    """Why, where no change explains it."""
    if row["action"].lower() == _PASSING:
        return f"it may not pass role {last_part(row['resource'])} to the instances"
    if row["targets_failed"]:
        return f"{counted(row['targets_failed'], 'target')} not registered ({row['error_code'] or 'no reason given'})"
    return f"{row['action']} was refused, and no change in the evidence explains it"


def _told(group: Sequence[Row], outage: Row | None, causes: Sequence[Row]) -> Iterator[str]:
    if outage is not None:
        yield outage_sentence(outage)
    if causes:
        listed = "; ".join(f"{cause['event_name']} by {cause['actor']} [{cause['event_id']}]" for cause in causes)
        yield f"Cause, oldest first: {listed}."
    for row in group[:5]:
        where = f" on {row['resource']}" if row["resource"] else ""
        until = f" until {spell(row['resolved_at'])}" if row["resolved_at"] else ""
        how = "answered without an error, but failed for targets" if row["targets_failed"] else "was refused"
        yield (
            f"{row['action']}{where} in {row['region']} {how} {counted(row['failures'], 'time')} from "
            f"{spell(row['started_at'])}{until} [{row['denied_event_ids'][0]}]."
        )
    passed = next((row for row in group if row["action"].lower() == _PASSING and row["resource"]), None)
    if passed is not None and not causes:
        yield _pass_role_words(last_part(passed["resource"]))


def _pass_role_words(name: str) -> str:
    if name.startswith(_INSTANCE_ROLE):
        return f"The role's policies do not let ECS pass {name}; AWS's managed policy for Managed Instances would."
    return (
        "AWS's managed policy AmazonECSInfrastructureRolePolicyForManagedInstances lets ECS pass only roles whose name "
        f"starts with {_INSTANCE_ROLE}; {name} does not, so the permission has to be given beside it."
    )


def _repair(
    known: Known, role: Row | None, group: Sequence[Row], causes: Sequence[Row], outage: Row | None
) -> list[repair.Step]:
    if role is None:
        return []
    if outage is not None and causes:
        return role_repair(known, role, causes, outage)
    passed = next((row for row in group if row["action"].lower() == _PASSING and row["resource"]), None)
    return [repair.allow_pass_role_to_instances(role, passed["resource"])] if passed else [repair.look(role)]
