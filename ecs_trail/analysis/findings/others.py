"""Findings beside tasks: leaked volumes, blocked TLS secrets, launches refused for `iam:PassRole`."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ecs_trail.analysis.findings import repair
from ecs_trail.analysis.findings.impact import role_repair
from ecs_trail.analysis.findings.known import ONGOING, RESOLVED, Known, finding_row
from ecs_trail.analysis.findings.rivals import rivals, rivals_sentence
from ecs_trail.analysis.findings.words import (
    cause_clause,
    counted,
    done,
    outage_sentence,
    role_label,
    sentence,
    spell,
)
from ecs_trail.arns import last_part, role_key, task_cluster
from ecs_trail.frames import Row
from ecs_trail.vocabulary import Basis, Confidence, FindingKind, Phase, Severity, TlsState


def leaked(known: Known) -> Iterator[Row]:
    """Volumes whose task is gone and that nobody will delete, by role."""
    groups: dict[tuple[str, str] | None, list[Row]] = defaultdict(list)
    for volume in known.leaks:
        groups[role_key(volume["role_arn"])].append(volume)
    for role_id, volumes in groups.items():
        role = known.roles.get(role_id)
        size = sum(volume["size_gib"] or 0 for volume in volumes)
        yield finding_row(
            FindingKind.LEAKED_VOLUMES,
            Severity.MEDIUM,
            ONGOING,
            title=f"{counted(len(volumes), 'volume')} ({size:,} GiB) left behind by tasks that are gone",
            role_arn=role["role_arn"] if role else volumes[0]["role_arn"],
            task_arns=sorted({volume["task_arn"] for volume in volumes if volume["task_arn"]}),
            volume_ids=sorted(volume["volume_id"] for volume in volumes),
            started_at=min((volume["created_at"] for volume in volumes if volume["created_at"]), default=None),
            confidence=_weakest(volumes),
            basis=[Basis.SILENCE],
            explanation=_why_leaked(volumes),
            evidence=[event for volume in volumes for event in volume["evidence"][:1]],
            repair=[_check_and_delete(volume) for volume in sorted(volumes, key=lambda one: one["volume_id"])[:20]],
        )


def _weakest(volumes: Sequence[Row]) -> str:
    order = list(Confidence)
    return order[max(order.index(Confidence(volume["confidence"])) for volume in volumes)]


def _why_leaked(volumes: Sequence[Row]) -> str:
    """Why they count as left behind, what they cost, and what to look at before deleting."""
    reasons = Counter(volume["why"] for volume in volumes)
    told = "; ".join(f"{counted(number, 'volume')}: {why}" for why, number in sorted(reasons.items()))
    cost = sum(volume["monthly_cost_usd"] or 0 for volume in volumes)
    ages = [volume["age_days"] for volume in volumes if volume["age_days"] is not None]
    age = f"The oldest is {max(ages):,.0f} days old. " if ages else ""
    attached = [volume["volume_id"] for volume in volumes if volume["is_attached"]]
    held = f"Still attached to an instance, so in use or stuck: {', '.join(attached[:3])}. " if attached else ""
    return (
        f"They should have been deleted with their tasks, and no deletion is in the evidence ({told}). {age}"
        f"Storage costs roughly ${cost:,.2f} a month at list prices. {held}"
        "Check that a volume is unattached, and that nobody wants its data, before deleting it."
    )


def _check_and_delete(volume: Row) -> repair.Step:
    where = ("--region", volume["region"] or "REGION")
    task = volume["task_arn"]
    is_gone = ("aws", "ecs", "describe-tasks", *where, "--cluster", task_cluster(task) or "default", "--tasks", task)
    return repair.step(
        f"Check {volume['volume_id']}, then delete it if it is 'available' and its task is MISSING or STOPPED.",
        *([repair.command(*is_gone, "--query", "[tasks[].lastStatus,failures]")] if task else []),
        repair.command(
            *("aws", "ec2", "describe-volumes", *where, "--volume-ids", volume["volume_id"]),
            *("--query", "Volumes[].[VolumeId,State,Attachments,Tags]"),
        ),
        repair.command("aws", "ec2", "delete-volume", *where, "--volume-id", volume["volume_id"]),
    )


def tls_blocked(known: Known) -> Iterator[Row]:
    """Service Connect secrets that ECS could not issue, rotate or delete, one finding per cause.

    A certificate refused from the first, by no change, is `provisioning_blocked`: the role never had what it takes.
    """
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for secret in known.tls:
        over = secret["state"] == TlsState.DELETED and secret["blocked_since"] is not None
        if over or secret["state"] in {TlsState.BLOCKED, TlsState.RECOVERED}:
            if secret["outage_id"]:
                groups["outage", secret["outage_id"]].append(secret)
            elif secret["cause_event_ids"]:
                groups["cause", tuple(secret["cause_event_ids"])].append(secret)
            else:
                issue = "issue" if secret["phase"] == Phase.ISSUE else "role"
                groups[issue, role_key(secret["role_arn"])].append(secret)
    for (how, what), secrets in groups.items():
        kind = FindingKind.PROVISIONING_BLOCKED if how == "issue" else FindingKind.TLS_BLOCKED
        yield _tls_finding(known, secrets, known.outages[what] if how == "outage" else None, kind)


def _tls_finding(known: Known, secrets: Sequence[Row], outage: Row | None, kind: FindingKind) -> Row:
    waiting = [secret for secret in secrets if secret["state"] == TlsState.BLOCKED]
    causes = known.causes(secrets)
    role = known.roles.get(role_key(secrets[0]["role_arn"]))
    label = role_label(secrets[0]["role_arn"])
    why = cause_clause(causes, label) if causes else "no change in the evidence explains it"
    verb = "be issued" if kind is FindingKind.PROVISIONING_BLOCKED else "be kept up"
    verb = f"cannot {verb}" if waiting else f"could not {verb} for a while"
    shown = waiting or secrets
    explanation = [outage_sentence(outage)] if outage else []
    explanation += [f"{sentence(done(cause, label))} [{cause['event_id']}]." for cause in causes]
    explanation += _consequences(waiting)
    confidence = secrets[0]["confidence"] or Confidence.POSSIBLE
    others = rivals(known, secrets, [cause["event_id"] for cause in causes], outage, confidence)
    return finding_row(
        kind,
        Severity.HIGH if waiting else Severity.LOW,
        ONGOING if waiting else RESOLVED,
        title=f"{counted(len(shown), 'Service Connect certificate')} {verb}: {why}",
        role_arn=role["role_arn"] if role else secrets[0]["role_arn"],
        outage_id=outage and outage["id"],
        cause_event_ids=[cause["event_id"] for cause in causes],
        secret_arns=sorted({one for one in (row["secret_arn"] or row["secret_name"] for row in secrets) if one}),
        started_at=min((row["blocked_since"] for row in secrets if row["blocked_since"]), default=None),
        ended_at=None if waiting else max((row["resolved_at"] for row in secrets if row["resolved_at"]), default=None),
        confidence=confidence,
        basis=sorted({one for row in secrets for one in row["basis"]}),
        explanation=" ".join(filter(None, (*explanation, rivals_sentence(others)))),
        rivals=others,
        evidence=list(dict.fromkeys(event for row in secrets for event in row["denied_event_ids"][:3])),
        repair=_tls_repair(known, role, causes, outage) if waiting else [],
    )


def _consequences(waiting: Sequence[Row]) -> Iterator[str]:
    """What follows if nothing is done, with times (ECS Developer Guide, "Encrypt Service Connect traffic")."""
    phases = {row["phase"] for row in waiting}
    if Phase.ISSUE in phases:
        yield "A service without its first certificate cannot serve Service Connect traffic over TLS."
    if Phase.DELETE in phases:
        yield "A service whose secret ECS may not delete stays DRAINING: it cannot be deleted while this lasts."
    if not waiting or Phase.ROTATE not in phases:
        return
    rotating = [row for row in waiting if row["phase"] == Phase.ROTATE]
    due = min((row["next_rotation_due_at"] for row in rotating if row["next_rotation_due_at"]), default=None)
    ends = min((row["certificate_valid_until"] for row in rotating if row["certificate_valid_until"]), default=None)
    if due is not None:
        yield f"The first rotation that is blocked was due at {spell(due)}."
    if ends is not None:
        yield f"The first certificate is valid until {spell(ends)}; from then on Service Connect traffic breaks."
    else:
        yield "Without rotation, Service Connect traffic breaks seven days after the last one."


def _tls_repair(known: Known, role: Row | None, causes: Sequence[Row], outage: Row | None) -> list[repair.Step]:
    if role is not None and causes and outage is not None:
        return role_repair(known, role, causes, outage)
    steps = [one for cause in causes if "subject" in cause for one in repair.repair_outside(cause)]
    return steps or ([repair.look(role)] if role is not None else [])


def pass_role(known: Known) -> Iterator[Row]:
    """Launches refused because the caller may not pass the role, by caller and role."""
    groups: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for denial in known.denials:
        groups[denial["principal_arn"], denial["role_arn"]].append(denial)
    for (principal, role_arn), denials in groups.items():
        label = role_label(role_arn)
        yield finding_row(
            FindingKind.PASS_ROLE_DENIED,
            Severity.MEDIUM,
            ONGOING,
            title=f"{last_part(principal)} may not pass {label} to ECS: {counted(len(denials), 'call')} refused",
            role_arn=role_arn,
            started_at=denials[0]["event_time"],
            confidence=Confidence.CERTAIN,
            basis=[Basis.DENIED_CALLS, Basis.POLICY_TYPE_IN_ERROR],
            explanation=f"{', '.join(sorted({one['event_name'] for one in denials}))} by {principal} failed: "
            "the caller lacks iam:PassRole for this role.",
            evidence=[one["event_id"] for one in denials],
            repair=[_allow_pass_role(principal, role_arn)] if role_arn else [],
        )


def _allow_pass_role(principal: str, role_arn: str) -> repair.Step:
    """The least statement that lets a caller pass the role to ECS and to nobody else."""
    statement = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":"'
        + role_arn.replace('"', "")
        + '","Condition":{"StringEquals":{"iam:PassedToService":"ecs.amazonaws.com"}}}]}'
    )
    name = principal.split("/")[1] if ":assumed-role/" in principal else last_part(principal)
    kind = "user" if ":user/" in principal else "role"
    return repair.step(
        f"Let {name} pass the role to ECS and to nobody else.",
        repair.command(
            *("aws", "iam", f"put-{kind}-policy", f"--{kind}-name", name),
            *("--policy-name", "pass-ecs-infrastructure-role", "--policy-document", statement),
        ),
    )
