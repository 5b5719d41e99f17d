"""The verdict on the integrity of evidence, and its document: what holds, what does not, what is not covered."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ecs_trail.evidence.integrity.chain import FAILED, Chain, Gap, Judged, Status
from ecs_trail.evidence.integrity.digests import ChainId, digest_name
from ecs_trail.evidence.integrity.logs import JudgedLog, Uncovered
from ecs_trail.evidence.ledger import Problem
from ecs_trail.frames import Row
from ecs_trail.times import Window, format_time

SCHEMA: Final = "ecs-trail/integrity/1"

DIGEST: Final = "digest"
BACKFILL: Final = "backfill_digest"
LOG_FILE: Final = "log_file"
STORE_PART: Final = "store_part"
_KINDS: Final = (DIGEST, BACKFILL, LOG_FILE, STORE_PART)


class Verdict(StrEnum):
    """The whole in one word. `nothing`: no digest was found, so nothing could be verified."""

    INTACT = "intact"
    FAILED = "failed"
    PARTIAL = "partial"
    NOTHING = "nothing"


@dataclass(frozen=True, order=True, slots=True)
class Entry:
    """A digest, log file or part of a store that is not valid. `named_by` is the digest or store that names it; times
    are those of its events.
    """

    kind: str
    name: str
    status: str
    detail: str
    account: str
    region: str
    trail: str
    start: datetime | None = field(default=None, compare=False)
    end: datetime | None = field(default=None, compare=False)
    named_by: str = ""
    found_at: str = ""


@dataclass(slots=True)
class Integrity:
    """What verifying found in one or more targets. Lists are sorted, so that equal evidence gives equal documents."""

    targets: list[str]
    window: Window = field(default_factory=Window)
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in _KINDS})
    entries: list[Entry] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    not_covered: list[Uncovered] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def failures(self) -> list[Entry]:
        """What was altered, deleted or moved."""
        return [one for one in self.entries if one.status in FAILED]

    @property
    def open_entries(self) -> list[Entry]:
        """What could be neither proven nor disproven."""
        return [one for one in self.entries if one.status not in FAILED]

    @property
    def verdict(self) -> Verdict:
        """The whole in one word."""
        if self.failures:
            return Verdict.FAILED
        if not any(self.counts[kind] for kind in (DIGEST, BACKFILL, STORE_PART)):
            return Verdict.NOTHING
        is_partial = self.entries or any(problem.is_partial for problem in self.problems)
        return Verdict.PARTIAL if is_partial else Verdict.INTACT

    def document(self) -> dict[str, Any]:
        """The verdict as JSON values, keys in a stable order, times as text."""
        return {
            "schema": SCHEMA,
            "targets": self.targets,
            "window": {"start": _shown(self.window.start), "end": _shown(self.window.end)},
            "verdict": self.verdict.value,
            "checked": {
                kind: _counted(self.counts[kind]) for kind in _KINDS if kind != STORE_PART or self.counts[kind]
            },
            "failures": [_entry(one) for one in self.failures],
            "unproven": [_entry(one) for one in self.open_entries],
            "gaps": [_gap(one) for one in self.gaps],
            "not_covered": [_uncovered(one) for one in self.not_covered],
            "chains": [_chain(one) for one in self.chains],
            "problems": [{"source": one.source, "kind": one.kind, "detail": one.detail} for one in self.problems],
        }

    def failure_rows(self) -> list[Row]:
        """The failures as plain rows, for a case."""
        names = ("kind", "name", "status", "detail", "account", "region", "trail", "start", "end", "found_at")
        return [{name: getattr(one, name) for name in names} for one in self.failures]

    def gap_rows(self) -> list[Row]:
        """Spans without proof as plain rows, for a case: gaps of the chains, and lost or altered log files.

        `has_logs` is true where log files lie in the span that no digest names.
        """
        found: list[Row] = [
            {**_place(gap.chain), "start": gap.start, "end": gap.end, "how": gap.kind.value, "has_logs": self._has(gap)}
            for gap in self.gaps
        ]
        for one in (one for one in self.failures if one.kind == LOG_FILE and not one.found_at):
            row = {"account": one.account, "region": one.region, "trail": one.trail, "start": one.start, "end": one.end}
            found.append({**row, "how": f"{one.status}_log_file", "has_logs": False})
        return found

    def _has(self, gap: Gap) -> bool:
        place = (gap.chain.account, gap.chain.region)
        return any(
            (one.account, one.region) == place
            and one.first is not None
            and one.last is not None
            and one.first < gap.end
            and (gap.start is None or one.last >= gap.start)
            for one in self.not_covered
        )


def entries_of(chains: Iterable[Chain]) -> tuple[list[Entry], dict[str, Counter[str]]]:
    """The digests that are not valid, and the number of digests by status."""
    entries: list[Entry] = []
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in _KINDS}
    for chain in chains:
        kind = BACKFILL if chain.id.is_backfill else DIGEST
        moved_from = {
            one.found.digest.location
            for one in chain.digests
            if one.status is Status.MOVED and one.found.digest is not None
        }
        for one in chain.digests:
            counts[kind][one.status.value] += 1
            if one.status is not Status.VALID:
                entries.append(_digest_entry(kind, one))
        for lost in (lost for lost in chain.missing if lost.location not in moved_from):
            counts[kind][Status.MISSING.value] += 1
            name = digest_name(lost.location[1])
            entries.append(
                Entry(
                    kind=kind,
                    name=f"s3://{lost.location[0]}/{lost.location[1]}",
                    status=Status.MISSING.value,
                    detail="not found, although the next digest names it",
                    **_place(chain.id),
                    end=name.stamp if name is not None else None,
                    named_by=lost.named_by,
                )
            )
    return entries, counts


def log_entries(judged: Iterable[JudgedLog]) -> list[Entry]:
    """The log files that are not valid."""
    entries = []
    for one in (one for one in judged if one.status is not Status.VALID):
        log, by = one.named.log, one.named.by[0].found
        entries.append(
            Entry(
                kind=LOG_FILE,
                name=f"s3://{log.bucket}/{log.key}",
                status=one.status.value,
                detail=one.detail,
                **_place(by.name.chain),
                start=log.oldest,
                end=log.newest,
                named_by=by.item.name,
                found_at=one.found_at,
            )
        )
    return entries


def joined(several: Sequence[Integrity]) -> Integrity:
    """The verdicts on several targets as one."""
    made = Integrity([target for one in several for target in one.targets], several[0].window if several else Window())
    for one in several:
        for kind in _KINDS:
            made.counts[kind].update(one.counts[kind])
        made.entries.extend(one.entries)
        made.chains.extend(one.chains)
        made.gaps.extend(one.gaps)
        made.not_covered.extend(one.not_covered)
        made.problems.extend(one.problems)
    made.entries.sort()
    made.problems = sorted(set(made.problems))
    return made


def _digest_entry(kind: str, one: Judged) -> Entry:
    digest = one.found.digest
    return Entry(
        kind=kind,
        name=one.found.item.name,
        status=one.status.value,
        detail=one.detail,
        **_place(one.found.name.chain),
        start=digest.start if digest is not None else None,
        end=digest.end if digest is not None else one.found.name.stamp,
    )


def _place(chain: ChainId) -> dict[str, Any]:
    return {"account": chain.account, "region": chain.region, "trail": chain.trail}


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    total = sum(counts.values())
    return {"total": total, **{status.value: counts.get(status.value, 0) for status in Status}}


def _entry(one: Entry) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "status": one.status,
        "name": one.name,
        "detail": one.detail,
        "account": one.account,
        "region": one.region,
        "trail": one.trail,
        "start": _shown(one.start),
        "end": _shown(one.end),
        "named_by": one.named_by or None,
        "found_at": one.found_at or None,
    }


def _gap(one: Gap) -> dict[str, Any]:
    times = {"start": _shown(one.start), "end": _shown(one.end)}
    return {
        **_place(one.chain),
        "backfill": one.chain.is_backfill,
        **times,
        "kind": one.kind.value,
        "detail": one.detail,
    }


def _uncovered(one: Uncovered) -> dict[str, Any]:
    return {
        "account": one.account,
        "region": one.region,
        "reason": one.reason,
        "detail": one.detail,
        "log_files": one.count,
        "first": _shown(one.first),
        "last": _shown(one.last),
        "names": one.names,
    }


def _chain(one: Chain) -> dict[str, Any]:
    contents = [each.found.digest for each in one.digests if each.found.digest is not None]
    return {
        **_place(one.id),
        "home_region": one.id.home_region,
        "backfill": one.id.is_backfill,
        "digests": len(one.digests),
        "start": _shown(min((digest.start for digest in contents), default=None)),
        "end": _shown(max((digest.end for digest in contents), default=None)),
        "begins": one.begins or None,
    }


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)
