"""Findings about conduct: ECS's session name in other hands, secrets read by others, a trail that was blinded."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from ecs_trail.analysis.findings import repair
from ecs_trail.analysis.findings.known import ONGOING, RESOLVED, Known, finding_row
from ecs_trail.analysis.findings.words import counted, role_label
from ecs_trail.arns import last_part, role_key
from ecs_trail.frames import Row
from ecs_trail.times import format_time
from ecs_trail.vocabulary import Confidence, FindingKind, Severity

_SIGNS: Final = {
    "no_invoked_by": "no service made the calls (invokedBy is missing)",
    "address_of_a_person": "they come from an address that is no service host",
    "tls_details": "they carry TLS details, which calls of a service lack",
    "access_key": "they are signed with a session key of their own",
}
_HIDDEN: Final = {
    "everything": "all events",
    "management_events": "all management events",
    "writes": "writes",
    "reads": "read-only calls",
    "global_services": "IAM and STS",
    "other_regions": "other Regions",
}
_GRAVE: Final = frozenset({"everything", "management_events", "writes"})
_SHOWN: Final = 50


def impersonated(known: Known) -> Iterator[Row]:
    """Sessions under ECS's name that ECS did not hold, by role and session name. A refused attempt alone is none."""
    groups: dict[tuple[object, str], list[Row]] = defaultdict(list)
    for session in known.impersonations:
        if session["calls"] > session["refused"] or session["event_names"] != ["AssumeRole"]:
            groups[role_key(session["role_arn"]), session["session_name"]].append(session)
    for (key, name), sessions in groups.items():
        role = known.roles.get(role_key(sessions[0]["role_arn"])) if key else None
        arn = role["role_arn"] if role else sessions[0]["role_arn"]
        told = "; ".join(_SIGNS[sign] for sign in _SIGNS if any(sign in one["signs"] for one in sessions))
        calls = sum(one["calls"] for one in sessions)
        names = ", ".join(sorted({name for one in sessions for name in one["event_names"]}))
        sure = all(len(one["signs"]) > 2 for one in sessions)
        yield finding_row(
            FindingKind.SESSION_IMPERSONATION,
            Severity.CRITICAL if role else Severity.HIGH,
            RESOLVED,
            title=f"somebody else than ECS acted as {name} with {role_label(arn)}: {counted(calls, 'call')}",
            role_arn=arn,
            started_at=min(one["first_at"] for one in sessions),
            ended_at=max(one["last_at"] for one in sessions),
            confidence=Confidence.CERTAIN if sure else Confidence.LIKELY,
            explanation=f"{names} from {_places(sessions)}: {told}. Whoever the trust policy of the role lets in can "
            "choose this session name.",
            evidence=_evidence(sessions),
            repair=[_look_at_trust(arn)],
        )


def secrets_read(known: Known) -> Iterator[Row]:
    """Service Connect secrets read by a principal other than ECS, by principal. Refused reads alone are none.

    A secret that was asked for by name is told by its ARN where ECS's own work shows it.
    """
    arns = {(row["account"], row["region"], row["secret_name"]): row["secret_arn"] for row in known.tls}
    groups: dict[str, list[Row]] = defaultdict(list)
    for read in known.secret_reads:
        if read["reads"]:
            groups[read["principal"]].append(read)
    for principal, reads in groups.items():
        count = sum(one["reads"] for one in reads)
        names = sorted({one["secret"] for one in reads})
        yield finding_row(
            FindingKind.SECRET_READ_BY_OTHER,
            Severity.HIGH,
            RESOLVED,
            role_arn=None,
            title=f"{last_part(principal)} read {counted(len(names), 'TLS secret')} of Service Connect",
            secret_arns=sorted({one["secret_arn"] or arns.get(_name(one)) or one["secret"] for one in reads}),
            started_at=min(one["first_at"] for one in reads),
            ended_at=max(one["last_at"] for one in reads),
            confidence=Confidence.CERTAIN,
            explanation=f"{principal} made {counted(count, 'successful call')} that open "
            f"{', '.join(names[:3])} from {_places(reads)}. Such a secret holds a certificate and its private key, and "
            "only ECS needs it. Rotate it when the reader was not meant to have it.",
            evidence=_evidence(reads),
            repair=[_rotate(one) for one in reads[:20]],
        )


def blind_spots(known: Known) -> Iterator[Row]:
    """Spans in which a trail recorded less than it could, one finding each."""
    for gap in known.logging_gaps:
        grave = bool(_GRAVE & set(gap["hides"]))
        hidden = ", ".join(_HIDDEN.get(one, one) for one in gap["hides"])
        until = f"until {format_time(gap['end'])}" if gap["end"] else "to the end of the evidence"
        still = (
            f"{counted(gap['seen_inside'], 'event')} of the account inside this span show that something else recorded."
            if gap["seen_inside"]
            else "Nothing may be concluded from the absence of such events."
        )
        yield finding_row(
            FindingKind.LOGGING_GAP,
            Severity.HIGH if grave and not gap["end"] else Severity.MEDIUM if grave else Severity.LOW,
            RESOLVED if gap["end"] else ONGOING,
            role_arn=None,
            title=f"the trail {gap['trail'][:128]} did not record {hidden} {until}",
            started_at=gap["start"],
            ended_at=gap["end"],
            confidence=Confidence.CERTAIN,
            explanation=f"{gap['how']} by {gap['actor']} at {format_time(gap['start'])}. {still}",
            evidence=[one for one in (gap["event_id"], gap["end_event_id"]) if one],
            repair=[] if gap["end"] else list(_record_again(gap)),
        )


def _places(found: Sequence[Row]) -> str:
    places = sorted({one["source_ip"] or "an unknown address" for one in found})
    return ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")


def _evidence(found: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(event for one in found for event in one["event_ids"]))[:_SHOWN]


def _look_at_trust(arn: str) -> repair.Step:
    return repair.step(
        "See who may assume the role, and take out of its trust policy everybody but ECS.",
        repair.command(
            *("aws", "iam", "get-role", "--role-name", last_part(arn), "--query", "Role.AssumeRolePolicyDocument")
        ),
    )


def _name(read: Row) -> tuple[str, str, str]:
    return read["account"], read["region"], read["secret"]


def _rotate(read: Row) -> repair.Step:
    where = ("--region", read["region"] or "REGION", "--secret-id", read["secret_arn"] or read["secret"])
    return repair.step(
        f"Rotate {read['secret'][:128]}, whose private key is known to the reader.",
        repair.command("aws", "secretsmanager", "rotate-secret", *where),
    )


def _record_again(gap: Row) -> Iterator[repair.Step]:
    match gap["how"]:
        case "StopLogging":
            again = repair.command("aws", "cloudtrail", "start-logging", "--name", gap["trail"])
            yield repair.step("Let the trail record again.", again)
        case "DeleteTrail":
            show = repair.command("aws", "cloudtrail", "describe-trails")
            yield repair.step("Make the trail again; see first which trails are left.", show)
        case "PutEventSelectors":
            selectors = '[{"ReadWriteType":"All","IncludeManagementEvents":true}]'
            trail = ("--trail-name", gap["trail"])
            look = repair.command("aws", "cloudtrail", "get-event-selectors", *trail)
            back = repair.command("aws", "cloudtrail", "put-event-selectors", *trail, "--event-selectors", selectors)
            yield repair.step(
                "Record all management events again; this replaces every selector, so see the data events first.",
                look,
                back,
            )
        case _:
            wide = ("--is-multi-region-trail", "--include-global-service-events")
            back = repair.command("aws", "cloudtrail", "update-trail", "--name", gap["trail"], *wide)
            yield repair.step("Let the trail cover all Regions and the global services again.", back)
