"""One target verified: digests collected, chains judged, log files hashed by threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.integrity.bucket import BucketShelf, list_public_keys
from ecs_trail.evidence.integrity.chain import Chain, GapKind, Status, judge
from ecs_trail.evidence.integrity.collecting import KeySource, collect
from ecs_trail.evidence.integrity.digests import DigestFormatError, digest_name, plain_bytes, sha256_of
from ecs_trail.evidence.integrity.folder import FolderShelf
from ecs_trail.evidence.integrity.logs import JudgedLog, Named, Read, judge_log, named_logs, open_gaps, uncovered
from ecs_trail.evidence.integrity.shelves import Item, Scope, Shelf
from ecs_trail.evidence.integrity.signatures import PublicKeys, read_public_keys, require_cryptography
from ecs_trail.evidence.integrity.verdict import LOG_FILE, Integrity, entries_of, log_entries
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.times import Window, format_time

Progress = Callable[[int, int], None]
#: Threads that read and hash; both let go of the interpreter's lock.
WORKERS: Final = 8

#: A digest ends up to an hour after the events of its first log files.
_SPILL: Final = timedelta(hours=1)
#: Late log files are named by a later digest: so far beyond the window digests are read for what they name.
_MARGIN: Final = timedelta(hours=3)
#: Log files tried by their content in search of those that are missing.
_SEARCHED: Final = 1000
_WORST_FIRST: Final = (Status.ALTERED, Status.MISSING, Status.UNREADABLE, Status.UNPROVEN, Status.VALID)


def open_shelf(target: str) -> Shelf:
    """The bucket or folder a user named. Raises `UsageError` for any other scheme."""
    if target.lower().startswith("s3:"):
        return BucketShelf(target.partition(":")[2].removeprefix("//"))
    path = Path(target.removeprefix("file://"))
    if "://" in target and not path.exists():
        raise UsageError(f"'{target}' holds no digests.", hint="give s3://BUCKET/PREFIX or a folder of saved files.")
    return FolderShelf(path)


def verify_digests(
    target: str,
    *,
    scope: Scope | None = None,
    public_keys: Sequence[Path] = (),
    workers: int = WORKERS,
    progress: Progress | None = None,
) -> Integrity:
    """Verify the CloudTrail files of `s3://BUCKET/PREFIX` or a folder against the digests that lie beside them.

    Without `public_keys` (saved `list-public-keys` answers) the keys for a bucket are asked of CloudTrail; for a folder
    nothing is asked, and its digests stay unproven. Raises `UsageError`, `AccessError`, and `MissingExtraError` without
    the package `cryptography`.
    """
    require_cryptography()
    keys = PublicKeys()
    for path in public_keys:
        read_public_keys(path, keys)
    shelf = open_shelf(target)
    try:
        ask = list_public_keys if shelf.is_original and not public_keys else None
        threads = max(workers, shelf.readers)
        return _Verification(shelf, scope or Scope(), keys, workers=threads, progress=progress).run(ask)
    finally:
        shelf.close()


@dataclass(slots=True)
class _Margins:
    """The stamps of digests that are judged, and of those read only for the names they hold."""

    window: Window

    def is_read(self, stamp: datetime) -> bool:
        return self._starts(stamp) and (self.window.end is None or stamp <= self.window.end + _MARGIN)

    def is_judged(self, stamp: datetime) -> bool:
        return self._starts(stamp) and (self.window.end is None or stamp <= self.window.end + _SPILL)

    def _starts(self, stamp: datetime) -> bool:
        return self.window.start is None or stamp >= self.window.start


class _Verification:
    """One run over one shelf."""

    def __init__(
        self, shelf: Shelf, scope: Scope, keys: PublicKeys, *, workers: int, progress: Progress | None
    ) -> None:
        self.shelf = shelf
        self.scope = scope
        self.keys = keys
        self.workers = workers
        self.progress = progress
        self.margins = _Margins(scope.window)
        self.problems: list[Problem] = []

    def run(self, ask: KeySource | None) -> Integrity:
        listing = self.shelf.listing(self.scope)
        items = [one for one in sorted(listing.digests) if self._is_wanted(one)]
        window = self.scope.window
        collected = collect(self.shelf, items, window, self.keys, ask=ask, workers=self.workers)
        everything = judge(collected.found, since=window.start, unread=collected.unread)
        chains = [self._cut(one) for one in everything]
        chains = [one for one in chains if one.digests or one.missing]
        named, elsewhere = named_logs(chains), named_logs(everything)
        strays = self._strays(listing.logs, elsewhere)
        logs = self._judge_logs(named, strays)
        self.problems += [*listing.problems, *collected.problems]
        made = self._conclude(chains, logs, strays)
        self._refuse_nothing(made, logs)
        return made

    def _conclude(self, chains: list[Chain], logs: list[JudgedLog], strays: Sequence[Item]) -> Integrity:
        made = Integrity([self.shelf.name], self.scope.window, chains=chains, problems=sorted(set(self.problems)))
        made.entries, made.counts = entries_of(chains)
        made.entries = sorted([*made.entries, *log_entries(logs)])
        made.counts[LOG_FILE].update(one.status.value for one in logs)
        gaps = [gap for chain in chains for gap in chain.gaps]
        moved_to = {one.found_at for one in logs if one.found_at}
        made.not_covered = uncovered([one for one in strays if one.name not in moved_to], chains, gaps)
        made.gaps = sorted(
            [*gaps, *open_gaps(chains, made.not_covered)], key=lambda gap: (gap.chain, gap.end, gap.kind)
        )
        if not self.keys:
            self._say_keys(made)
        return made

    def _say_keys(self, made: Integrity) -> None:
        for region in sorted({one.id.region for one in made.chains}):
            found = [one.found.digest for chain in made.chains if chain.id.region == region for one in chain.digests]
            times = [moment for digest in found if digest is not None for moment in (digest.start, digest.end)]
            if times and not self.shelf.is_original:
                words = (
                    "no public keys were given, so no signature could be checked; get them with: aws cloudtrail "
                    f"list-public-keys --region {region} --start-time {format_time(min(times))} "
                    f"--end-time {format_time(max(times))}"
                )
                made.problems.append(Problem(self.shelf.name, "not_read", words))

    def _refuse_nothing(self, made: Integrity, logs: Sequence[JudgedLog]) -> None:
        """Raise `AccessError` where all that was asked for is refused."""
        refused = [problem for problem in made.problems if problem.kind == "no_permission"]
        readable = [one for one in logs if one.status is not Status.UNREADABLE]
        digests = [one for chain in made.chains for one in chain.digests if one.status is not Status.UNREADABLE]
        if refused and not readable and not digests:
            raise AccessError(
                f"access denied to all of {self.shelf.name}: {refused[0].detail}",
                hint="ecs-trail permissions --source s3 --source verify prints the policy this needs.",
            )

    def _is_wanted(self, item: Item) -> bool:
        name = digest_name(item.key)
        return (
            name is not None
            and self.scope.has(name.chain.account, name.chain.region)
            and self.margins.is_read(name.stamp)
        )

    def _cut(self, chain: Chain) -> Chain:
        """A chain without the digests that were read only for what they name."""
        kept = [one for one in chain.digests if self.margins.is_judged(one.found.name.stamp)]
        if len(kept) == len(chain.digests):
            return chain
        names = {one.found.item.name for one in kept}
        last = max((one.found.name.stamp for one in kept), default=None)
        missing = [
            one
            for one in chain.missing
            if one.named_by in names
            or ((before := digest_name(one.location[1])) is not None and self.margins.is_judged(before.stamp))
        ]
        gaps = [
            gap
            for gap in chain.gaps
            if (last is not None and gap.end <= last)
            or (gap.kind is GapKind.MISSING_DIGEST and self.margins.is_judged(gap.end))
        ]
        return replace(chain, digests=kept, missing=missing, gaps=gaps)

    def _strays(self, logs: Sequence[Item], named: Sequence[Named]) -> list[Item]:
        """The log files of the window that no digest names."""
        known = {item.name for one in named for item in self.shelf.find(one.log.location)}
        found = []
        for item in sorted(logs):
            told = stamp_of(item.key)
            if told is not None and self.scope.has(*told[:2]) and self.scope.window.contains(told[2]):
                found.extend([] if item.name in known else [item])
        return found

    # -- log files --------------------------------------------------------------------------------------------------

    def _judge_logs(self, named: Sequence[Named], strays: Sequence[Item]) -> list[JudgedLog]:
        judged = []
        with ThreadPoolExecutor(self.workers) as pool:
            for done, one in enumerate(pool.map(self._judge_log, named), 1):
                judged.append(one)
                if self.progress is not None:
                    self.progress(done, len(named))
        lost = [one for one in judged if one.status is Status.MISSING]
        places = self._search(lost, strays) if lost else {}
        return [self._moved(one, places) for one in judged]

    def _judge_log(self, named: Named) -> JudgedLog:
        """The verdict on a log file; of several copies, that on the worst."""
        if not named.is_proven and all(one.status is not Status.UNPROVEN for one in named.by):
            return judge_log(named, Read())  # nothing to compare it with
        items = self.shelf.find(named.log.location)
        reads = [self._hash(item) for item in items] or [Read(is_absent=True)]
        verdicts = [judge_log(named, read) for read in reads]
        worst = min(range(len(verdicts)), key=lambda at: _WORST_FIRST.index(verdicts[at].status))
        if len(items) > 1 and verdicts[worst].status is Status.ALTERED:
            return replace(verdicts[worst], detail=f"{verdicts[worst].detail} (the copy {items[worst].name})")
        return verdicts[worst]

    def _hash(self, item: Item) -> Read:
        piece = self.shelf.read(item)
        if piece.problem is not None:
            self.problems.append(piece.problem)
            return Read(unreadable=piece.problem.detail)
        if piece.is_absent:
            return Read(is_absent=True)
        try:
            return Read(sha256_of(plain_bytes(piece.data, may_be_plain=self.shelf.may_be_plain)))
        except DigestFormatError as error:
            return Read(fault=str(error))

    def _search(self, lost: Sequence[JudgedLog], strays: Sequence[Item]) -> dict[str, str]:
        """Hash -> where a log file with this content lies although no digest names it there; same names first."""
        bases = {one.named.log.key.rpartition("/")[2].removesuffix(".gz") for one in lost}
        ordered = sorted(strays, key=lambda item: (item.base.removesuffix(".gz") not in bases, item))
        wanted = {one.named.log.hash_value for one in lost}
        found: dict[str, str] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            tried = ordered[:_SEARCHED]
            for item, read in zip(tried, pool.map(self._hash, tried), strict=True):
                if read.hash_value in wanted:
                    found.setdefault(read.hash_value, item.name)
        return found

    @staticmethod
    def _moved(one: JudgedLog, places: dict[str, str]) -> JudgedLog:
        place = places.get(one.named.log.hash_value) if one.status is Status.MISSING else None
        if place is None:
            return one
        return replace(
            one, status=Status.MOVED, detail="not where CloudTrail put it; its content is whole", found_at=place
        )
