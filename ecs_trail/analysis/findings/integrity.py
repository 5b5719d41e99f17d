"""Findings about the evidence itself: log files, digests and parts of a store that were altered, deleted or moved."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from ecs_trail.analysis.findings import repair
from ecs_trail.analysis.findings.known import ONGOING, Known, finding_row
from ecs_trail.analysis.findings.words import counted
from ecs_trail.arns import last_part
from ecs_trail.frames import Row
from ecs_trail.vocabulary import Confidence, FindingKind, Severity

_KINDS: Final = {
    "digest": "digest",
    "backfill_digest": "backfill digest",
    "log_file": "log file",
    "store_part": "part of a store",
}
_STATUSES: Final = {"altered": "altered", "missing": "deleted or not saved", "moved": "moved"}
_NAMED: Final = 10
_REPAIRED: Final = 10


def broken_evidence(known: Known) -> Iterator[Row]:
    """Evidence that fails its integrity check, one finding for each account and Region, and one for stores."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for failure in known.integrity_failures:
        groups[failure["account"], failure["region"]].append(failure)
    for (account, region), failures in sorted(groups.items()):
        tally = Counter((one["status"], one["kind"]) for one in failures)
        words = [
            f"{counted(tally[status, kind], name)} {said}"
            for status, said in _STATUSES.items()
            for kind, name in _KINDS.items()
            if tally[status, kind]
        ]
        times = [one[name] for one in failures for name in ("start", "end") if one[name] is not None]
        yield finding_row(
            FindingKind.INTEGRITY_FAILURE,
            Severity.HIGH,
            ONGOING,
            role_arn=None,
            title=f"the evidence {f'of {account} in {region}' if account else 'in the store'} is not whole: "
            f"{', '.join(words)}",
            started_at=min(times, default=None),
            ended_at=None,
            confidence=Confidence.CERTAIN,
            explanation=_explained(failures),
            repair=list(_look_for_versions(failures, region)),
        )


def _explained(failures: Sequence[Row]) -> str:
    named = [f"{one['name']} ({_STATUSES[one['status']]}: {one['detail']})" for one in failures[:_NAMED]]
    more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
    who = "The hashes in the store's manifest" if failures[0]["kind"] == "store_part" else "CloudTrail's signed digests"
    return (
        f"{who} do not agree with what was found: {'; '.join(named)}{more}. Events may have been "
        "changed or taken out, so nothing may be concluded from their absence in these spans."
    )


def _look_for_versions(failures: Sequence[Row], region: str) -> Iterator[repair.Step]:
    for one in failures[:_REPAIRED]:
        bucket, _, key = one["name"].removeprefix("s3://").partition("/")
        if not one["name"].startswith("s3://") or not key:
            continue
        where = ("--bucket", bucket, "--prefix", key)
        yield repair.step(
            f"See whether S3 still holds the version of {last_part(key)[:160]} that was written first"
            f"{f' ({region})' if region else ''}.",
            repair.command("aws", "s3api", "list-object-versions", *where),
        )
