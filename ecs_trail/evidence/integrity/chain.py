"""Chains judged: which digests are proven, which were altered, moved or deleted, and where the chain has gaps.

Pure: judges over what was found, without reading anything. A digest is proven by a signature that fits, or by the hash
that a proven newer digest states for it; a chain is therefore proven from its newest signed digest backward.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ecs_trail.evidence.integrity.digests import ChainId, Digest, DigestName, Location, digest_name
from ecs_trail.evidence.integrity.shelves import Item

#: CloudTrail writes a digest every hour (*AWS CloudTrail User Guide*, read on 2026-11-24).
BEAT: Final = timedelta(hours=1)


class Status(StrEnum):
    """What became of a digest or a log file."""

    VALID = "valid"
    ALTERED = "altered"
    MOVED = "moved"
    MISSING = "missing"
    #: Neither proven nor disproven: no signature or no public key, or named only by a digest that is not proven.
    UNPROVEN = "unproven"
    UNREADABLE = "unreadable"


FAILED: Final = frozenset({Status.ALTERED, Status.MOVED, Status.MISSING})


class GapKind(StrEnum):
    """Why no proven digest covers a span."""

    MISSING_DIGEST = "missing_digest"
    INVALID_DIGEST = "invalid_digest"
    #: A starting digest follows: validation or logging was off. No sign of tampering.
    RESTART = "restart"
    #: Two linked digests do not meet in time.
    UNDIGESTED = "undigested"
    #: Log files go on long after the newest digest.
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Found:
    """A digest as it was found. `digest` is None where its bytes are none, and `fault` says why.

    `is_signed`: the signature fits (True), does not (False), or could not be judged (None); `why` explains the latter
    two. `is_at_home`: it lies where its own fields say.
    """

    item: Item
    name: DigestName
    digest: Digest | None
    location: Location
    fault: str = ""
    is_unreadable: bool = False
    is_at_home: bool = True
    is_signed: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A digest judged. `is_proven`: its content is CloudTrail's, wherever it lies."""

    found: Found
    status: Status
    detail: str = ""
    is_proven: bool = False


@dataclass(frozen=True, slots=True)
class MissingDigest:
    """A digest that a newer one names and that is not there."""

    chain: ChainId
    location: Location
    named_by: str


@dataclass(frozen=True, order=True, slots=True)
class Gap:
    """A span that no proven digest covers; `start` is None where nothing older is known."""

    chain: ChainId
    end: datetime
    start: datetime | None
    kind: GapKind
    detail: str = field(compare=False)


@dataclass(slots=True)
class Chain:
    """One chain judged, oldest digest first. `begins`: what is known of the time before its oldest digest."""

    id: ChainId
    digests: list[Judged]
    missing: list[MissingDigest] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    begins: str = ""


def judge(found: Iterable[Found], *, since: datetime | None = None, unread: Iterable[Location] = ()) -> list[Chain]:
    """Judge every chain. `since`: older digests are not asked for; `unread`: what may be there but could not be read.

    Without `since`, the oldest digest of a chain may name one that is not there: the chain then begins with it, as
    saved files and expired objects do. With it, such a digest is missing.
    """
    groups: dict[ChainId, list[Found]] = defaultdict(list)
    for one in found:
        groups[one.name.chain].append(one)
    return [_judge_chain(chain, groups[chain], since, frozenset(unread)) for chain in sorted(groups)]


def _judge_chain(chain: ChainId, found: Sequence[Found], since: datetime | None, unread: frozenset[Location]) -> Chain:
    ordered = sorted(found, key=lambda one: (one.name.stamp, one.item))
    judged = _contradicted(_Proofs(ordered).all())
    made = Chain(chain, judged)
    there = {one.found.location for one in judged} | {
        one.found.digest.location for one in judged if one.found.digest is not None and one.is_proven
    }
    _find_missing(made, there | unread, since)
    _find_gaps(made)
    return made


class _Proofs:
    """Judges digests from those that no other names backward: the verdict on one needs the verdicts on its heirs."""

    def __init__(self, found: Sequence[Found]) -> None:
        self.found = found
        self.heirs: dict[Location, list[int]] = defaultdict(list)
        for index, one in enumerate(found):
            if one.digest is not None and one.digest.previous is not None:
                self.heirs[one.digest.previous.location].append(index)
        self.done: dict[int, Judged] = {}

    def all(self) -> list[Judged]:
        """The verdicts, in the order of what was found."""
        for index in range(len(self.found)):
            self._settle(index)
        return [self.done[index] for index in range(len(self.found))]

    def _settle(self, index: int) -> None:
        path, on_path = [index], {index}
        while path:
            waiting = [one for one in self._heirs(path[-1]) if one not in self.done and one not in on_path]
            if waiting:
                path.append(waiting[0])
                on_path.add(waiting[0])
            else:
                last = path.pop()
                on_path.discard(last)
                if last not in self.done:
                    self.done[last] = self._verdict(last)

    def _heirs(self, index: int) -> list[int]:
        one = self.found[index]
        places = {one.location} | ({one.digest.location} if one.digest is not None else set())
        return [heir for place in sorted(places) for heir in self.heirs.get(place, ()) if heir != index]

    def _verdict(self, index: int) -> Judged:
        one = self.found[index]
        if one.is_unreadable:
            return Judged(one, Status.UNREADABLE, one.fault)
        if one.digest is None:
            return Judged(one, Status.ALTERED, one.fault)
        proven = [self.done[heir] for heir in self._heirs(index) if heir in self.done and self.done[heir].is_proven]
        hashes = {_stated_hash(heir.found) for heir in proven}
        is_vouched = one.digest.sha256 in hashes
        is_proven = one.is_signed is True or (is_vouched and one.is_signed is None)
        if not one.is_at_home:
            moved = f"CloudTrail wrote it to s3://{one.digest.bucket}/{one.digest.key}"
            return Judged(one, Status.MOVED, moved, is_proven=is_proven)
        if one.is_signed is False:
            return Judged(one, Status.ALTERED, one.why)
        if hashes and not is_vouched:
            return Judged(one, Status.ALTERED, "its content is not the one whose hash the next digest states")
        return Judged(one, Status.VALID if is_proven else Status.UNPROVEN, "" if is_proven else one.why, is_proven)


def _stated_hash(found: Found) -> str:
    return found.digest.previous.hash_value if found.digest is not None and found.digest.previous is not None else ""


def _contradicted(judged: Sequence[Judged]) -> list[Judged]:
    """Unproven digests that state another hash than the digest before them has: one of the two was altered."""
    by_location = {one.found.location: one for one in judged if one.found.digest is not None}
    made = list(judged)
    for index, one in enumerate(judged):
        digest = one.found.digest
        if one.status is not Status.UNPROVEN or digest is None or digest.previous is None:
            continue
        before = by_location.get(digest.previous.location)
        if before is None or before.found.digest is None or before.status in FAILED:
            continue
        if before.found.digest.sha256 != digest.previous.hash_value:
            words = "the digest before it does not have the hash that it states"
            made[index] = Judged(one.found, Status.ALTERED, words)
    return made


def _find_missing(chain: Chain, there: frozenset[Location] | set[Location], since: datetime | None) -> None:
    """Digests that are named as previous and are not there."""
    if not chain.digests:
        return
    oldest = chain.digests[0].found.name.stamp
    for one in chain.digests:
        digest = one.found.digest
        if digest is None or not (one.is_proven or one.status is Status.UNPROVEN):
            continue  # what an altered digest says is no evidence
        if digest.previous is None:
            if one.found.name.stamp == oldest:
                chain.begins = "with a starting digest"
            continue
        if digest.previous.location in there:
            continue
        before = digest_name(digest.previous.key)
        stamp = before.stamp if before is not None else digest.start
        if since is not None and stamp < since:
            continue
        if since is None and one.found.name.stamp == oldest:
            chain.begins = f"the digest before it (s3://{digest.previous.bucket}/{digest.previous.key}) is not here"
            continue
        chain.missing.append(MissingDigest(chain.id, digest.previous.location, one.found.item.name))
        start = _end_before(chain, digest.start, one)
        words = "a digest was deleted, and perhaps more before it" if start is None else _missing_words(start, digest)
        chain.gaps.append(Gap(chain.id, digest.start, start, GapKind.MISSING_DIGEST, words))


def _missing_words(start: datetime, digest: Digest) -> str:
    hours = max(round((digest.start - start) / BEAT), 1)
    return (
        "one digest was deleted" if hours == 1 else f"about {hours} digests were deleted; the next one names the last"
    )


def _end_before(chain: Chain, moment: datetime, but: Judged) -> datetime | None:
    """The end of the last digest with a content that ends no later than a moment."""
    ends = [
        one.found.digest.end
        for one in chain.digests
        if one is not but and one.found.digest is not None and one.status not in {Status.ALTERED, Status.UNREADABLE}
    ]
    return max((end for end in ends if end <= moment), default=None)


def _find_gaps(chain: Chain) -> None:
    """Spans of digests that do not count, of restarts, and between digests that do not meet."""
    by_location = {
        location: one
        for one in chain.digests
        if one.found.digest is not None
        for location in (one.found.location, one.found.digest.location)
    }
    for one in chain.digests:
        chain.gaps.extend(_gaps_of(chain, one, by_location))
    chain.gaps.sort(key=lambda gap: (gap.end, gap.start or gap.end, gap.kind))


def _gaps_of(chain: Chain, one: Judged, by_location: Mapping[Location, Judged]) -> Iterator[Gap]:
    digest = one.found.digest
    if one.status in {Status.ALTERED, Status.UNREADABLE} or (one.status is Status.MOVED and not one.is_proven):
        start = _end_before(chain, one.found.name.stamp, one)
        yield Gap(chain.id, one.found.name.stamp, start, GapKind.INVALID_DIGEST, f"its digest is {one.status}")
        return
    if digest is None or chain.id.is_backfill:  # backfill digests come when they are needed: they meet in no time
        return
    if digest.previous is None:
        end = _end_before(chain, digest.start, one)
        if end is not None and end < digest.start:
            words = "validation or logging was off, then started again"
            yield Gap(chain.id, digest.start, end, GapKind.RESTART, words)
        return
    before = by_location.get(digest.previous.location)
    if before is not None and before.is_proven and before.found.digest is not None:
        end = before.found.digest.end
        if end < digest.start:
            yield Gap(chain.id, digest.start, end, GapKind.UNDIGESTED, "two linked digests do not meet")
