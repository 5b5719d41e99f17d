"""Trail log files, or any files, in an S3 bucket: found by computed prefixes, read by threads, scanned in flight.

A bucket is never walked where a trail's layout is found: accounts and Regions come from delimiter listings, day folders
are computed (`layout`). Calls and errors: *Amazon S3 API Reference*, read on 2026-11-24.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import DeniedError, make_client
from ecs_trail.evidence.ledger import Problem, Remote
from ecs_trail.evidence.prices import S3_GET, S3_LIST
from ecs_trail.evidence.sources import layout
from ecs_trail.evidence.sources.base import Fetched, Kept, ScanPlan
from ecs_trail.evidence.sources.bucket import Bucket, Listed
from ecs_trail.evidence.sources.layout import Place, Spot, Stretch
from ecs_trail.evidence.sources.shelf import READERS, BucketShelf, ahead
from ecs_trail.evidence.store.remote import held_disk
from ecs_trail.selection import Selection
from ecs_trail.times import Window

if TYPE_CHECKING:
    from ecs_trail.evidence.store import Store

Given = TypeVar("Given")
Made = TypeVar("Made")

_LISTERS: Final = 8
#: Folders looked into for `AWSLogs/` where it is not at the prefix itself.
_PROBED: Final = 50
_KEYS_A_LIST: Final = 1000
_DATED: Final = "; of keys with a day or an hour, those that may hold something of the window"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:[\w-]+:s3:[\w:/.-]+")


_NOTHING: Final = Kept(lambda _name, _identity: False, {})


class S3Source:
    """`s3://BUCKET/PREFIX`: a trail's bucket in any layout, or any files below a prefix."""

    has_queries = False

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        requester_pays: bool = False,
        client: Callable[[], Any] | None = None,
        readers: int = READERS,
    ) -> None:
        """`requester_pays`: agree to pay for a bucket of somebody else. `client` makes an S3 client."""
        if _NAME.fullmatch(bucket) is None:
            raise UsageError(f"'{bucket}' is no bucket name.", hint="for example s3://my-trail-bucket/AWSLogs/.")
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.requester_pays = requester_pays
        self._is_portable = client is None
        self._client = client or (lambda: make_client("s3", connections=readers + _LISTERS))
        self._readers = readers
        self._kept: Kept = _NOTHING
        self._is_handed_over = False

    def hand_over(self) -> None:
        """From now on `fetch` lists the objects and leaves reading them to others. One with a client of its own cannot:
        it goes on reading them itself.
        """
        self._is_handed_over = self._is_portable

    def resume(self, kept: Kept) -> None:
        """Leave out objects that are held with the same size and ETag."""
        self._kept = kept

    def held_store(self, client: Any = None) -> "Store | None":
        """The store that was collected to this very prefix, if there is one; a client that is there already may ask."""
        if self.requester_pays or self.bucket.startswith("arn:"):
            return None
        disk = held_disk(self.name, (lambda: client) if client else self._client)
        return None if disk is None else import_module("ecs_trail.evidence.store").Store(disk)  # loads Arrow

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def plan(self, selection: Selection) -> ScanPlan:
        """Which folders are listed and read. The number of accounts and Regions is known only after a look."""
        spot = layout.locate(self.prefix)
        if spot.is_plain:
            reads: tuple[str, ...] = (f"every object below {self.name}{_DATED}",)
            return ScanPlan(self.name, selection, reads, bill="one LIST for every 1,000 objects, one GET each")
        return ScanPlan(
            source=self.name,
            selection=selection,
            reads=(
                f"LIST of the folders below {self.name}: organizations, accounts, Regions",
                *_reach(selection, spot.account),
                f"LIST and GET, for each account and Region: {_days(selection.window)}",
                f"no trail layout there: every object below{_DATED}",
            ),
            widened=(
                f"files delivered up to {layout.PAD_DAYS} day after the window, as they come late, and the hour before",
                "us-east-1 for IAM and Organizations, whatever Regions are asked for",
            ),
            trimmed=(
                "sessions, names, errors and exact times: a file must be read to know what it holds",
                "files delivered later still (a bucket that refused them for a while) need a later --until",
            ),
            bill=_bill(selection, spot.account),
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """The objects, read ahead by threads, in the order of their keys within a folder.

        What is denied, archived or deleted comes as a problem. Raises `AccessError` where nothing may be listed or
        read, and `UsageError` for a bucket that is not there or a prefix with nothing below.
        """
        bucket = Bucket(self._client(), self.bucket, requester_pays=self.requester_pays)
        with ThreadPoolExecutor(_LISTERS) as listers, ThreadPoolExecutor(self._readers) as readers:
            try:
                yield from self._fetch(bucket, plan.selection, listers, readers)
            finally:
                for pool in (listers, readers):
                    pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(
        self, bucket: Bucket, selection: Selection, listers: ThreadPoolExecutor, readers: ThreadPoolExecutor
    ) -> Iterator[Fetched]:
        survey = _Survey(bucket, selection, listers)
        places = survey.places(self.prefix)
        stored = self.held_store(bucket.client) if places is None and not layout.locate(self.prefix).is_plain else None
        if stored is not None:
            if self._kept is not _NOTHING:
                raise stored.no_source()
            yield from stored.fetch(selection)
            return
        for remark in survey.remarks:
            yield Fetched(remark.source, problem=remark)
        tally = _Tally()
        # The dates in such keys are not those of delivery: what is new is told by identity, not by time.
        window = self._kept.window or selection.window
        listing = _plain(bucket, self.prefix, window) if places is None else survey.listings(places)
        found = (one for one in tally.seen(listing) if not self._holds(bucket, one, tally))
        reading = self._handed_over(bucket, found) if self._is_handed_over else ahead(readers, bucket.read, found)
        for fetched in reading:
            tally.count(fetched)
            yield replace(fetched, expected=max(tally.expected, tally.done))
        for remark in bucket.remarks:
            yield Fetched(remark.source, problem=remark)
        if tally.outside:
            words = f"{tally.outside:,} objects are dated outside the window by their keys; they were not read."
            yield Fetched(self.name, problem=Problem(self.name, "not_read", words), outside=tally.outside)
        tally.conclude(self.name, is_plain=places is None)

    def _handed_over(self, bucket: Bucket, found: Iterable[Listed | Problem]) -> Iterator[Fetched]:
        shelf = BucketShelf(self.name, self.bucket, requester_pays=self.requester_pays)
        for one in found:
            if isinstance(one, Problem):
                yield Fetched(one.source, problem=one)
            else:
                remote = Remote(shelf, one, one.size)
                yield Fetched(bucket.name_of(one.key), identity=one.identity, remote=remote)

    def _holds(self, bucket: Bucket, one: Listed | Problem, tally: "_Tally") -> bool:
        if isinstance(one, Problem) or not one.identity or not self._kept.holds(bucket.name_of(one.key), one.identity):
            return False
        tally.done += 1
        return True


def parse_location(text: str) -> S3Source:
    """The source named by `BUCKET/PREFIX`, with `?requester-pays` where the reader pays."""
    cleaned, _, option = text.partition("?")
    if option not in {"", "requester-pays"}:
        raise UsageError(f"'?{option}' is no option of s3://.", hint="?requester-pays is the only one.")
    bucket, _, prefix = cleaned.partition("/")
    return S3Source(bucket, prefix, requester_pays=bool(option))


class _Survey:
    """Finds accounts and Regions by delimiter listing, then lists the computed folders."""

    def __init__(self, bucket: Bucket, selection: Selection, pool: ThreadPoolExecutor) -> None:
        self.bucket = bucket
        self.selection = selection
        self.pool = pool
        self.remarks: list[Problem] = []

    def places(self, prefix: str) -> list[Place] | None:
        """The account and Region folders that can hold something of the selection; None without a trail layout."""
        spot = layout.locate(prefix)
        if spot.is_plain:
            return None
        roots = [spot] if spot.root is not None else [Spot(root) for root in self._roots(_folder(prefix))]
        if not roots:
            return None
        accounts = [account for root in roots for account in self._accounts(root)]
        return sorted(set(chain.from_iterable(self.pool.map(self._regions, accounts))))

    def listings(self, places: list[Place]) -> Iterator["_Listing"]:
        """The contents of the computed folders, listed ahead."""
        spans = [(place, span) for place in places if (span := self._span(place)) is not None]
        todo = [part for parts in self.pool.map(self._parts, spans) for part in parts]
        for done, (stretch, listed) in enumerate(
            zip(todo, _in_order(self.pool, self._list, todo, ahead=2 * _LISTERS), strict=True), 1
        ):
            yield _Listing(listed, stretch.prefix, share=done / len(todo))

    def _list(self, stretch: Stretch) -> list[Listed | Problem]:
        try:
            return list(
                self.bucket.objects(stretch.prefix, after=stretch.after, until=stretch.until, page=stretch.page)
            )
        except DeniedError as error:
            where = self.bucket.name_of(stretch.prefix)
            return [Problem(where, "no_permission", error.message)]

    def _parts(self, wanted: tuple[Place, Window]) -> list[Stretch]:
        place, window = wanted
        if window.start is not None and window.end is not None:
            return layout.stretches(place, window)
        years = [year for year in self.bucket.folders(place.prefix) if layout.year_holds(year, window)]
        months = [(year, month) for year in years for month in self.bucket.folders(f"{place.prefix}{year}/")]
        found = (layout.month_stretch(place, year, month, window) for year, month in months)
        return [one for one in found if one is not None]

    def _span(self, place: Place) -> Window | None:
        return layout.wanted(self.selection, place.account, place.region)

    def _roots(self, prefix: str) -> list[str]:
        """Every `AWSLogs/` at or a little below a prefix above it."""
        names = self.bucket.folders(prefix)
        level = {prefix: names}
        if layout.ROOT not in names:
            near = [f"{prefix}{name}/" for name in (layout.organizations_of(names) or names[:_PROBED])]
            level = dict(zip(near, self.pool.map(self.bucket.folders, near), strict=True))
        else:  # Control Tower beside a trail of the account's own
            near = [f"{prefix}{name}/" for name in layout.organizations_of(names)]
            level |= dict(zip(near, self.pool.map(self.bucket.folders, near), strict=True))
        roots = [f"{above}{layout.ROOT}/" for above, inside in level.items() if layout.ROOT in inside]
        beside = [name for name in names if not any(root.startswith(f"{prefix}{name}/") for root in roots)]
        if roots and beside:
            shown = ", ".join(beside[:3]) + (", …" if len(beside) > 3 else "")
            words = f"beside the trail's logs, not read: {shown}; give such a folder as a source of its own."
            self.remarks.append(Problem(self.bucket.name_of(prefix), "not_read", words))
        return roots

    def _accounts(self, root: Spot) -> list[Spot]:
        if root.account is not None:
            return [root]
        above = f"{root.root}{root.organization}/" if root.organization else f"{root.root}"
        names = self.bucket.folders(above)
        found = [Spot(root.root, root.organization, account) for account in layout.accounts_of(names)]
        if root.organization is None:
            for organization in layout.organizations_of(names):
                found += self._accounts(Spot(root.root, organization))
        asked = {clause.accounts for clause in self.selection.clauses}
        return [one for one in found if any(accounts is None or one.account in accounts for accounts in asked)]

    def _regions(self, spot: Spot) -> list[Place]:
        logs = f"{spot.account_prefix}{layout.LOGS}/"
        regions = [spot.region] if spot.region else self.bucket.folders(logs)
        return [Place(f"{logs}{region}/", spot.account or "", region) for region in regions]


@dataclass(frozen=True, slots=True)
class _Listing:
    """What one folder holds; `share` is the part of all folders that is listed by then, `outside` how many objects
    are left out for the day in their keys.
    """

    found: list[Listed | Problem]
    prefix: str
    share: float
    outside: int = 0


class _Tally:
    """Counts what was listed and read, to say how much is expected and when nothing at all was allowed."""

    def __init__(self) -> None:
        self.listed = self.done = self.denied = self.expected = self.outside = 0
        self.first_denial: Problem | None = None

    def seen(self, listings: Iterable[_Listing]) -> Iterator[Listed | Problem]:
        """The objects of the listings, counted."""
        for listing in listings:
            self.listed += len(listing.found)
            self.outside += listing.outside
            self.expected = round(self.listed / listing.share) if listing.share else self.listed
            yield from listing.found

    def count(self, fetched: Fetched) -> None:
        """One object more is read or failed."""
        self.done += 1
        if fetched.problem is not None and fetched.problem.kind == "no_permission":
            self.denied += 1
            self.first_denial = self.first_denial or fetched.problem

    def conclude(self, name: str, *, is_plain: bool) -> None:
        """Raise where nothing was there, or all of it was refused."""
        if self.first_denial is not None and self.denied == self.done:
            raise AccessError(
                f"access denied to all of {name}: {self.first_denial.detail}",
                hint="ecs-trail permissions prints the policy this tool needs.",
            )
        if is_plain and not (self.listed or self.outside):
            raise UsageError(f"there is nothing at {name}.", hint="aws s3 ls shows what a bucket holds.")


def _plain(bucket: Bucket, prefix: str, window: Window) -> Iterator[_Listing]:
    """Everything below a prefix that may hold something of the window, or the one object of that name, page by page."""
    folder = _folder(prefix)
    batch: list[Listed | Problem] = []
    outside = 0
    for one in bucket.objects(prefix):
        if isinstance(one, Problem) or one.key == prefix:
            batch.append(one)
        elif one.key.startswith(folder):
            # What the prefix itself says was asked for by name.
            is_inside = layout.may_hold(one.key.removeprefix(folder), window)
            batch.extend([one] if is_inside else [])
            outside += not is_inside
        if len(batch) >= _KEYS_A_LIST:
            yield _Listing(batch, prefix, share=0.0)
            batch = []
    yield _Listing(batch, prefix, share=1.0, outside=outside)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Given], Made], given: Iterable[Given], *, ahead: int
) -> Iterator[Made]:
    """`function` over what is given, a few ahead, in order."""
    waiting: deque[Future[Made]] = deque()
    for one in given:
        waiting.append(pool.submit(function, one))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _folder(prefix: str) -> str:
    return f"{prefix}/" if prefix else ""


def _reach(selection: Selection, account: str | None) -> list[str]:
    """The accounts and Regions read, in words; a prefix below one account leaves only that one."""
    told = layout.reach(selection)
    if account is not None:
        told = [(account, where) for one, where in told if one == account] or [
            (account, where) for one, where in told if one in {"every account", "other accounts"}
        ]
    return [f"{one}: {', '.join(where)}" for one, where in told]


def _days(window: Window) -> str:
    first, last = layout.days_of(window)
    return f"YYYY/MM/DD from {first or 'the first'} to {last or 'the last'}"


def _bill(selection: Selection, account: str | None) -> str:
    first, last = layout.days_of(selection.window)
    if first is None or last is None:
        return (
            "a window open on one side: one LIST for each 1,000 objects, one GET each; for each account and Region "
            f"at most about {layout.FILES_A_DAY} objects (${layout.FILES_A_DAY * S3_GET:.4f}) a day"
        )
    start, end = selection.window.start, selection.window.end
    span = (end - start if start and end else timedelta()) + layout.LEAD + timedelta(days=layout.PAD_DAYS)
    lists = len(layout.stretches(Place("", "", ""), selection.window))
    objects = round(span / timedelta(days=1) * layout.FILES_A_DAY)
    price = lists * S3_LIST + objects * S3_GET
    words = f"{lists} LIST and at most about {objects:,} GET requests (${price:.4f})"
    places = _places(selection, account)
    total = (
        f"; {places} of them: at most about {objects * places:,} objects listed, whatever else the bucket holds, "
        f"and ${price * places:.4f}"
        if places
        else ""
    )
    return f"for each account and Region {words}{total}; and a few LIST to find them; without data transfer"


def _places(selection: Selection, account: str | None) -> int:
    """How many account and Region folders are read; 0 where that is known only after a look."""
    told = [line.partition(": ")[2] for line in _reach(selection, account)]
    if account is None and any(one in {"every account", "other accounts"} for one, _ in layout.reach(selection)):
        return 0
    return 0 if "every Region" in told else sum(len(one.split(", ")) for one in told)
