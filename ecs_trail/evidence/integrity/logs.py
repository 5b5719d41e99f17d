"""Log files judged: what their hashes are worth, what was moved, what no digest covers. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.evidence.integrity.chain import Chain, Gap, GapKind, Judged, Status
from ecs_trail.evidence.integrity.digests import HASH_ALGORITHM, Location, LogFile
from ecs_trail.evidence.integrity.shelves import Item
from ecs_trail.evidence.moments import stamp_of

#: Digests come every hour; log files this much newer than the last one are no longer just waiting for the next.
LATE: Final = timedelta(hours=3)
_NAMES_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Named:
    """A log file and the digests that name it."""

    log: LogFile
    by: tuple[Judged, ...]

    @property
    def is_proven(self) -> bool:
        """True when a proven digest names it."""
        return any(one.is_proven for one in self.by)


@dataclass(frozen=True, slots=True)
class Read:
    """What reading a log file gave: a hash, or a fault of its bytes, or nothing, or the reason it cannot be read."""

    hash_value: str = ""
    fault: str = ""
    is_absent: bool = False
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class JudgedLog:
    """A log file judged; `found_at` says where a moved one lies."""

    named: Named
    status: Status
    detail: str = ""
    found_at: str = ""


@dataclass(slots=True)
class Uncovered:
    """Log files of one account and Region that no digest names, for one reason; `names` are the first few."""

    account: str
    region: str
    reason: str
    detail: str
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    names: list[str] = field(default_factory=list)

    def add(self, name: str, stamp: datetime) -> None:
        """Count one more; called in the order of names."""
        self.count += 1
        self.first = stamp if self.first is None else min(self.first, stamp)
        self.last = stamp if self.last is None else max(self.last, stamp)
        if len(self.names) < _NAMES_KEPT:
            self.names.append(name)


NEWER: Final = "newer_than_last_digest"
NO_DIGEST: Final = "no_digest_covers_the_time"
UNNAMED: Final = "named_by_no_digest"
_REASONS: Final = {
    NEWER: "newer than the last digest; the next one will name them",
    NO_DIGEST: "no proven digest covers their time",
    UNNAMED: "digests cover their time and do not name them: late ones whose backfill digest is not there, those of a "
    "trail without validation, or put there by somebody else",
}


def named_logs(chains: Iterable[Chain]) -> list[Named]:
    """Every log file that a digest with a readable content names, by location."""
    names: dict[Location, LogFile] = {}
    by: dict[Location, list[Judged]] = defaultdict(list)
    for one in (one for chain in chains for one in chain.digests):
        for log in one.found.digest.log_files if one.found.digest is not None else ():
            if log.location not in names or (one.is_proven and not any(each.is_proven for each in by[log.location])):
                names[log.location] = log
            by[log.location].append(one)
    return [Named(names[location], tuple(by[location])) for location in sorted(names)]


def judge_log(named: Named, read: Read) -> JudgedLog:
    """The verdict on one log file."""
    if not named.is_proven and all(one.status is not Status.UNPROVEN for one in named.by):
        return JudgedLog(named, Status.UNPROVEN, f"the digest that names it is {named.by[0].status}")
    if read.unreadable:
        return JudgedLog(named, Status.UNREADABLE, read.unreadable)
    if read.is_absent:
        return JudgedLog(named, Status.MISSING, "not found")
    if named.log.hash_algorithm != HASH_ALGORITHM:
        return JudgedLog(
            named, Status.UNPROVEN, f"hashed with {named.log.hash_algorithm[:40]}, which is not known here"
        )
    if read.fault:
        return JudgedLog(named, Status.ALTERED, read.fault)
    if read.hash_value != named.log.hash_value:
        return JudgedLog(named, Status.ALTERED, "its hash is not the one that the digest states")
    if not named.is_proven:
        return JudgedLog(named, Status.UNPROVEN, "the digest that names it is not proven")
    return JudgedLog(named, Status.VALID)


def uncovered(strays: Sequence[Item], chains: Sequence[Chain], gaps: Sequence[Gap]) -> list[Uncovered]:
    """The log files that no digest names, by account, Region and reason. `gaps` are those of the chains."""
    spans = _spans(chains)
    found: dict[tuple[str, str, str], Uncovered] = {}
    for item in sorted(strays):
        told = stamp_of(item.key)
        if told is None:
            continue
        account, region, stamp = told
        covered = spans.get((account, region))
        reason = _reason(stamp, covered, [gap for gap in gaps if (gap.chain.account, gap.chain.region) == told[:2]])
        key = (account, region, reason)
        found.setdefault(key, Uncovered(account, region, reason, _REASONS[reason])).add(item.name, stamp)
    return [found[key] for key in sorted(found)]


def open_gaps(chains: Sequence[Chain], missed: Sequence[Uncovered]) -> list[Gap]:
    """Chains whose log files go on long after their newest digest: validation was stopped, or digests were deleted."""
    found = []
    for chain in (one for one in chains if not one.id.is_backfill):
        ends = [one.found.digest.end for one in chain.digests if one.found.digest is not None]
        newer = [
            one.last
            for one in missed
            if (one.account, one.region, one.reason) == (chain.id.account, chain.id.region, NEWER) and one.last
        ]
        if ends and newer and max(newer) - max(ends) > LATE:
            words = "no digest although log files came: validation was switched off, or the newest digests were deleted"
            found.append(Gap(chain.id, max(newer), max(ends), GapKind.OPEN, words))
    return found


def _spans(chains: Sequence[Chain]) -> Mapping[tuple[str, str], tuple[datetime, datetime]]:
    """First start and last end of the digests of each account and Region, several trails together."""
    found: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    for chain in (one for one in chains if not one.id.is_backfill):
        for one in chain.digests:
            digest = one.found.digest
            if digest is None or one.status is Status.ALTERED:
                continue
            key = (chain.id.account, chain.id.region)
            start, end = found.get(key, (digest.start, digest.end))
            found[key] = (min(start, digest.start), max(end, digest.end))
    return found


def _reason(stamp: datetime, covered: tuple[datetime, datetime] | None, gaps: Sequence[Gap]) -> str:
    if covered is None:
        return NO_DIGEST
    if stamp >= covered[1]:
        return NEWER
    in_gap = any((gap.start is None or gap.start <= stamp) and stamp < gap.end for gap in gaps)
    return NO_DIGEST if stamp < covered[0] or in_gap else UNNAMED
