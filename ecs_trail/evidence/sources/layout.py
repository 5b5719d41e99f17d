"""Where a trail puts its log files: key prefixes computed from accounts, Regions and days. Pure text and time.

Layouts (*AWS CloudTrail User Guide*, "Finding your CloudTrail log files", read on 2026-11-24):

* one account: `[prefix/]AWSLogs/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_STAMP_RANDOM.json.gz`,
* an organization: `[prefix/]AWSLogs/o-ID/ACCOUNT/CloudTrail/…`; AWS Control Tower sets the prefix to the
  organization's id and has both spellings below it.

Digest, Insights and other folders stand beside `CloudTrail` and are never listed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ecs_trail.arns import partition_of_region
from ecs_trail.selection import Clause, Selection
from ecs_trail.times import Window

#: A file holds events from before its stamp; clocks differ by minutes at most.
LEAD: Final = timedelta(hours=1)
#: Files come minutes after their events; a day covers what is late.
PAD_DAYS: Final = 1
#: One file about every five minutes for each account and Region (same guide, "How CloudTrail works").
FILES_A_DAY: Final = 288
#: The fewest keys asked for at once.
_SMALL_PAGE: Final = 50
#: From here on IAM's events are delivered as of us-east-1 only; before, also in folders of other Regions.
_GLOBAL_AT_HOME: Final = datetime(2021, 11, 22, tzinfo=UTC)
_GLOBAL: Final = frozenset({"iam.amazonaws.com", "organizations.amazonaws.com"})
_GLOBAL_THEN: Final = _GLOBAL | {"sts.amazonaws.com", "cloudfront.amazonaws.com"}
_HOME: Final = "us-east-1"

ACCOUNT: Final = re.compile(r"\d{12}")
ORGANIZATION: Final = re.compile(r"o-[a-z0-9]{10,32}")
ROOT: Final = "AWSLogs"
LOGS: Final = "CloudTrail"


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """The log files of one account and Region: `prefix` ends with the Region and a slash."""

    prefix: str
    account: str
    region: str


@dataclass(frozen=True, order=True, slots=True)
class Stretch:
    """Keys to list: those below `prefix`, after the key `after`, before the key `until`; empty texts bound nothing.

    `page` is how many keys to ask for at once where `until` cuts a folder, so that few are listed beyond it; 0 leaves
    it to S3.
    """

    prefix: str
    after: str = ""
    until: str = ""
    page: int = 0


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a given prefix stands: `root` is the part up to `AWSLogs/` (None above it), the rest what follows.

    `is_plain` says that it lies below a Region, or is no part of a trail's layout: all of it is read.
    """

    root: str | None
    organization: str | None = None
    account: str | None = None
    is_in_logs: bool = False
    region: str | None = None
    is_plain: bool = False

    @property
    def account_prefix(self) -> str:
        """The prefix up to the account."""
        middle = f"{self.organization}/" if self.organization else ""
        return f"{self.root}{middle}{self.account}/"


def locate(prefix: str) -> Spot:
    """Where a prefix stands in a trail's layout."""
    parts = [part for part in prefix.split("/") if part]
    if ROOT not in parts:
        return Spot(None)
    cut = len(parts) - 1 - parts[::-1].index(ROOT)
    root, rest = "/".join(parts[: cut + 1]) + "/", parts[cut + 1 :]
    organization = rest.pop(0) if rest and ORGANIZATION.fullmatch(rest[0]) else None
    account = rest.pop(0) if rest and ACCOUNT.fullmatch(rest[0]) else None
    if not rest:
        return Spot(root, organization, account)
    if account is None or rest[0] != LOGS or len(rest) > 2:
        return Spot(root, is_plain=True)
    return Spot(root, organization, account, is_in_logs=True, region=rest[1] if len(rest) == 2 else None)


def wanted(selection: Selection, account: str, region: str) -> Window | None:
    """The span of events that the folder of an account and Region may hold for a selection, or None for none.

    IAM and Organizations lie in us-east-1, whatever Regions other clauses ask for; before 2021-11-22 such events were
    also delivered into folders of other Regions.
    """
    spans = [span for clause in selection.clauses for span in _spans(clause, account, region)]
    if not spans:
        return None
    starts = [span.start for span in spans]
    ends = [span.end for span in spans]
    return Window(
        None if None in starts else min(one for one in starts if one is not None),
        None if None in ends else max(one for one in ends if one is not None),
    )


def _spans(clause: Clause, account: str, region: str) -> Iterator[Window]:
    if clause.accounts is not None and account not in clause.accounts:
        return
    is_global = clause.event_sources is not None and clause.event_sources <= _GLOBAL
    # Where IAM's events are is confirmed for one partition only; elsewhere every folder is read.
    is_elsewhere = is_global and region != _HOME and partition_of_region(region) == "aws"
    if not is_elsewhere and (clause.regions is None or region in clause.regions):
        yield clause.window
        return
    may_be_global = clause.event_sources is None or clause.event_sources & _GLOBAL_THEN
    if may_be_global and (clause.regions is None or _HOME in clause.regions):
        before = clause.window.intersect(Window(None, _GLOBAL_AT_HOME))
        if before is not None:
            yield before


def stretches(place: Place, window: Window) -> list[Stretch]:
    """What to list of a place for a window that is bounded on both sides: its day folders, whole months as one.

    The names tell when a file was delivered: from an hour before the window to a day after it.
    """
    first, last = _edges(window)
    if first is None or last is None:
        return [Stretch(place.prefix)]
    found: list[Stretch] = []
    day = first.date()
    while day <= last.date():
        month_end = _next_month(day) - timedelta(days=1)
        if day.day == 1 and month_end < last.date() and day != first.date():
            found.append(Stretch(f"{place.prefix}{day:%Y/%m}/"))
            day = month_end
        else:
            after = _stamp_key(place, first) if day == first.date() else ""
            until, page = _cut(place, last) if day == last.date() else ("", 0)
            found.append(Stretch(f"{place.prefix}{day:%Y/%m/%d}/", after, until, page))
        day += timedelta(days=1)
    return found


def month_stretch(place: Place, year: str, month: str, window: Window) -> Stretch | None:
    """What to list of a month folder that was found, for a window unbounded on a side; None where it lies outside."""
    prefix = f"{place.prefix}{year}/{month}/"
    first, last = _edges(window)
    try:
        opening = date(int(year), int(month), 1)
    except ValueError:  # a folder of another name: read it
        return Stretch(prefix)
    closing = _next_month(opening) - timedelta(days=1)
    if (first is not None and closing < first.date()) or (last is not None and opening > last.date()):
        return None
    after = _stamp_key(place, first) if first is not None and first.date() >= opening else ""
    until = ""
    if last is not None and last.date() <= closing:
        next_day = f"{place.prefix}{last.date() + timedelta(days=1):%Y/%m/%d}/"
        until = _cut(place, last)[0] or (next_day if last.date() < closing else "")
    return Stretch(prefix, after, until)


def _cut(place: Place, last: datetime) -> tuple[str, int]:
    """The key to stop at in the last day folder, and the page to ask for; none where the day is read to its end."""
    stop = last + timedelta(minutes=1)
    if stop.date() != last.date():
        return "", 0
    return _stamp_key(place, stop), max(_SMALL_PAGE, round(1.1 * FILES_A_DAY * stop.hour / 24))


def year_holds(year: str, window: Window) -> bool:
    """True when a year folder may hold files for the window."""
    first, last = _edges(window)
    return not year.isdigit() or (
        (first is None or int(year) >= first.year) and (last is None or int(year) <= last.year)
    )


def days_of(window: Window) -> tuple[date | None, date | None]:
    """The first and last day folder read for a window; None where the window is unbounded."""
    first, last = _edges(window)
    return (None if first is None else first.date()), (None if last is None else last.date())


def reach(selection: Selection) -> list[tuple[str, list[str]]]:
    """Which Regions of which accounts can hold something of a selection, in words: `every account` and `other accounts`
    stand for those not named, `every Region` for all. For plans; a place is judged by `wanted`.
    """
    accounts = sorted(frozenset().union(*(one.accounts for one in selection.clauses if one.accounts is not None)))
    regions = sorted(frozenset({_HOME}).union(*(one.regions for one in selection.clauses if one.regions is not None)))
    found: list[tuple[str, list[str]]] = []
    for account in (*accounts, ""):
        named = [one for one in regions if wanted(selection, account, one) is not None]
        is_open = wanted(selection, account, _other_region(regions)) is not None
        where = ["every Region"] if is_open else named
        if where:
            found.append((account or ("other accounts" if accounts else "every account"), where))
    return found


def _other_region(regions: list[str]) -> str:
    """A Region that nobody named, of the partition of those named."""
    prefix = next((one.split("-", 1)[0] for one in regions if partition_of_region(one) != "aws"), "xx")
    return f"{prefix}-other-9"


def accounts_of(names: Iterable[str]) -> list[str]:
    """The account folders among folder names."""
    return [name for name in names if ACCOUNT.fullmatch(name)]


def organizations_of(names: Iterable[str]) -> list[str]:
    """The organization folders among folder names."""
    return [name for name in names if ORGANIZATION.fullmatch(name)]


def may_hold(key: str, window: Window) -> bool:
    """False when the day in a key of no trail's layout shows that the object holds nothing of the window.

    What was delivered or exported on a day holds nothing of later days, so earlier days are left out wherever a key
    has a day. A later day says nothing of an export, which may reach far back; it does in Firehose's folders of hours
    and in Hive partitions, which follow the events (*Amazon Data Firehose Developer Guide*, "Understand custom prefixes
    for Amazon S3 objects", read on 2026-11-24). A day more on each side counts, as with a trail's folders.
    """
    found = next(((match, name) for name, one in _DATED.items() if (match := one.search(key))), None)
    if found is None:
        return True
    match, name = found
    try:
        day = date(*(int(part) for part in match.groups()))
    except ValueError:
        return True
    pad = timedelta(days=PAD_DAYS)
    first, last = _edges(window)
    if first is not None and day < first.date() - pad:
        return False
    return last is None or name == "a day" or day <= last.date()


#: Days in keys: what shows them -> the year, month and day.
_DATED: Final = {
    "hours": re.compile(r"(?:^|/)(\d{4})/(\d\d)/(\d\d)/\d\d/"),
    "parts of a date": re.compile(r"(?:^|/)year=(\d{4})/month=(\d\d?)/day=(\d\d?)/", re.IGNORECASE),
    "a date": re.compile(
        r"(?:^|/)(?:dt|ds|date|day|event_?day|event_?date|partition_?date)=(\d{4})-?(\d\d)-?(\d\d)(?![0-9])",
        re.IGNORECASE,
    ),
    "a day": re.compile(r"(?:^|/)(\d{4})[/-](\d\d)[/-](\d\d)/"),
}


def _edges(window: Window) -> tuple[datetime | None, datetime | None]:
    """The first and the last moment of delivery to read."""
    first = None if window.start is None else window.start.astimezone(UTC) - LEAD
    if window.end is None:
        return first, None
    return first, window.end.astimezone(UTC) - timedelta(microseconds=1) + timedelta(days=PAD_DAYS)


def _stamp_key(place: Place, first: datetime) -> str:
    """A key just before the first file stamped with this minute or later."""
    return f"{place.prefix}{first:%Y/%m/%d}/{place.account}_{LOGS}_{place.region}_{first:%Y%m%dT%H%M}"


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
