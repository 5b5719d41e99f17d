"""What a read did, in numbers that close: problems, spans, the reading of one file, the receipt of a scan.

Nothing here imports Arrow or pandas, so that worker processes start quickly.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Final, NamedTuple, Protocol

from ecs_trail.vocabulary import PARTIAL_PROBLEMS

#: Rows held as plain Python values at a time; a few thousand make a table as well as many would.
PACK_AFTER: Final = 4096


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """Something a reader must be told: the file or object, the kind of trouble, and the place and reason in words.

    `kind` is one of `vocabulary.PARTIAL_PROBLEMS` (the answer is partial) or a remark such as `lossy_source` or
    `conflicting_event_id`.
    """

    source: str
    kind: str
    detail: str

    @property
    def is_partial(self) -> bool:
        """True when evidence was lost through it (exit code 3)."""
        return self.kind in PARTIAL_PROBLEMS


class Found(NamedTuple):
    """One record found in a container: its JSON text, where it was, and whether it had to be rebuilt.

    `is_rebuilt` is true when the record did not stand in the source as one JSON text (CSV rows, query-result columns);
    such a copy never contradicts a complete copy of the same event.
    """

    text: bytes
    source: str
    position: int
    is_rebuilt: bool = False


#: Kinds of saved state; each is a kind of left-out item as well.
TASK_STATE: Final = "task_state"
VOLUME_STATE: Final = "volume_state"
SERVICE_STATE: Final = "service_state"
ROLE_STATE: Final = "role_state"


class TaskText(NamedTuple):
    """A saved state found on the way, as JSON text, with its kind: of tasks, volumes, services, or a role."""

    text: bytes
    source: str
    kind: str = TASK_STATE


@dataclass(frozen=True, order=True, slots=True)
class Charge:
    """What one paid query did: whose, its id at the service, bytes scanned, and an estimate in US dollars.

    `statement` is what was asked, as sent: the query can be run again and checked by anybody.
    """

    source: str
    service: str
    query_id: str
    bytes_scanned: int
    estimated_usd: float
    statement: str


class Shelf(Protocol):
    """A place whose objects any machine can fetch; equal shelves are one, and they are sent as pickles."""

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        ...

    def fetch(self, items: Iterable[Any]) -> Iterator["Fetched"]:
        """What the items are, read ahead, one for each in their order."""
        ...


class Remote(NamedTuple):
    """An object that is fetched where it is scanned; `size` in bytes, as it lies there."""

    shelf: Shelf
    item: Any
    size: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file, object or page: bytes, or a path that a worker opens itself, or the problem met instead. An engine that
    spreads work over machines is given `remote` objects, which are fetched there. A path is plain text: to make a
    hundred thousand `Path`s costs as much as to read the files.

    `source` is its name in every row and problem. `expected` is how many units the source has in all, 0 when unknown.
    One with a `charge` is no unit: it only says what a query cost (and says so in a remark as well).
    `identity` says which content the name stands for (size and time, or ETag), empty when the source cannot tell.
    `mark` is how far a query is once this unit is kept, as JSON text `{"query": …}`. `stored` is evidence that a store
    holds, read already; it is no unit.
    """

    source: str
    data: bytes | None = None
    path: str | None = None
    problem: Problem | None = None
    expected: int = 0
    charge: Charge | None = None
    identity: str = ""
    mark: str = ""
    stored: "Stored | None" = None
    #: Objects listed and left out for what their names say (a day outside the window); they are no units.
    outside: int = 0
    remote: Remote | None = None


@dataclass(slots=True)
class Span:
    """What was seen of one account and Region: first and last event time, first and last file stamp, event sources.

    Times are aware UTC. A stamp is the delivery minute in the name of a trail log file
    (*AWS CloudTrail User Guide*, "CloudTrail log file name format", read on 2026-11-24).
    """

    first: datetime | None = None
    last: datetime | None = None
    first_stamp: datetime | None = None
    last_stamp: datetime | None = None
    event_sources: set[str] = field(default_factory=set)

    def see_time(self, moment: datetime) -> None:
        """Widen by one event time."""
        self.first = moment if self.first is None or moment < self.first else self.first
        self.last = moment if self.last is None or moment > self.last else self.last

    def see_stamp(self, moment: datetime) -> None:
        """Widen by one file stamp."""
        self.first_stamp = moment if self.first_stamp is None or moment < self.first_stamp else self.first_stamp
        self.last_stamp = moment if self.last_stamp is None or moment > self.last_stamp else self.last_stamp

    def merge(self, other: "Span") -> None:
        """Widen by another span of the same account and Region."""
        for moment in (other.first, other.last):
            if moment is not None:
                self.see_time(moment)
        for moment in (other.first_stamp, other.last_stamp):
            if moment is not None:
                self.see_stamp(moment)
        self.event_sources |= other.event_sources


Spans = dict[tuple[str, str], Span]


def merge_spans(into: Spans, more: Spans) -> None:
    """Widen every span of `into` by those of `more`."""
    for key, span in more.items():
        into.setdefault(key, Span()).merge(span)


@dataclass(slots=True)
class Reading:
    """What reading one file gave.

    `left_out` is the kind when the whole file was left out; `failed` means that nothing could be read.
    `rows` are tuples in the order of `schema.EVENT_COLUMNS`; `rebuilt` holds one flag a row (see `Found`). A file with
    very many gives most of them as `packed` chunks (`packing.pack`) instead.
    """

    source: str
    left_out: str | None = None
    failed: bool = False
    records_read: int = 0
    records_rejected: int = 0
    #: Records that cannot match, of which no row was made.
    records_set_aside: int = 0
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rebuilt: list[bool] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)
    task_texts: list[TaskText] = field(default_factory=list)
    items_left_out: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    spans: Spans = field(default_factory=dict)
    newest_stamp: datetime | None = None
    #: The place of the first record, where a text is read in pieces.
    first: int = 0
    #: Which content was read (`Fetched.identity`), where it was fetched elsewhere; empty where it is that of the unit.
    identity: str = ""

    def keep(self, row: tuple[Any, ...], *, is_rebuilt: bool) -> None:
        """Take one row; pack what is there when it has become much."""
        self.rows.append(row)
        self.rebuilt.append(is_rebuilt)
        if len(self.rows) >= PACK_AFTER:
            # a worker loads Arrow only when it meets a file that needs it
            self.packed.append(import_module("ecs_trail.evidence.packing").pack(self.rows, self.rebuilt))
            self.rows, self.rebuilt = [], []

    def absorb(self, other: "Reading") -> None:
        """Take over the records and spans of another reading of the same source."""
        self.records_read += other.records_read
        self.records_set_aside += other.records_set_aside
        self.packed.extend(other.packed)
        for row, is_rebuilt in zip(other.rows, other.rebuilt, strict=True):
            self.keep(row, is_rebuilt=is_rebuilt)
        merge_spans(self.spans, other.spans)


@dataclass(slots=True)
class Receipt:
    """What a scan did. It closes: `files_seen == files_read + files_left_out + files_failed`, and
    `records_read == events_selected + records_not_selected + duplicates + records_lost`; rejected
    records are counted apart. Each term
    is counted where it happens and none is what the others leave over, so a record lost on the way shows (`closes`).

    A file with a readable part counts as read and has its problem as well. `left_out` counts whole files by kind,
    `items_left_out` single items inside files that also held records. `duplicates` counts further copies of selected
    events. `newest_stamp` is the latest stamp in the name of a trail log file found, even of one without any event.
    `bill` holds what each paid query scanned and cost.
    """

    sources: list[str] = field(default_factory=list)
    files_seen: int = 0
    files_read: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    items_left_out: Counter[str] = field(default_factory=Counter)
    files_failed: int = 0
    records_read: int = 0
    records_rejected: int = 0
    records_not_selected: int = 0
    events_selected: int = 0
    duplicates: int = 0
    problems: list[Problem] = field(default_factory=list)
    newest_stamp: datetime | None = None
    spans: Spans = field(default_factory=dict)
    bill: list[Charge] = field(default_factory=list)
    #: Objects listed and left out unread for what their names say; they are in no other number.
    outside: int = 0
    #: Records that a store held and its broken parts no longer give; a problem names each part.
    records_lost: int = 0

    @property
    def closes(self) -> bool:
        """True when no file and no record is unaccounted for."""
        files = self.files_read + self.files_left_out + self.files_failed
        records = self.events_selected + self.records_not_selected + self.duplicates + self.records_lost
        return self.files_seen == files and self.records_read == records

    @property
    def files_left_out(self) -> int:
        """Files left out for a harmless reason."""
        return sum(self.left_out.values())

    @property
    def is_partial(self) -> bool:
        """True when some evidence could not be read (exit code 3)."""
        return any(problem.is_partial for problem in self.problems)

    def merge(self, other: "Receipt") -> None:
        """Take over what another read did, but for its sources and selected events."""
        self.files_seen += other.files_seen
        self.files_read += other.files_read
        self.files_failed += other.files_failed
        self.left_out.update(other.left_out)
        self.items_left_out.update(other.items_left_out)
        self.records_read += other.records_read
        self.records_rejected += other.records_rejected
        self.records_not_selected += other.records_not_selected
        self.duplicates += other.duplicates
        self.outside += other.outside
        self.records_lost += other.records_lost
        self.problems.extend(other.problems)
        self.bill.extend(other.bill)
        self.see_stamp(other.newest_stamp)
        merge_spans(self.spans, other.spans)

    def see_stamp(self, stamp: datetime | None) -> None:
        """Note the stamp in the name of a trail log file."""
        if stamp is not None and (self.newest_stamp is None or stamp > self.newest_stamp):
            self.newest_stamp = stamp

    def add(self, reading: Reading) -> None:
        """Count one file."""
        self.files_seen += 1
        if reading.failed:
            self.files_failed += 1
        elif reading.left_out is not None:
            self.left_out[reading.left_out] += 1
        else:
            self.files_read += 1
        if reading.items_left_out:
            self.items_left_out.update(reading.items_left_out)
        self.records_read += reading.records_read
        self.records_rejected += reading.records_rejected
        self.records_not_selected += reading.records_set_aside
        self.problems.extend(reading.problems)
        self.see_stamp(reading.newest_stamp)
        merge_spans(self.spans, reading.spans)


@dataclass(slots=True)
class Stored:
    """Evidence read before: rows as chunks (`packing.Chunk`), saved task states, and the receipt of that reading."""

    chunks: list[Any] = field(default_factory=list)
    task_texts: list[TaskText] = field(default_factory=list)
    receipt: Receipt = field(default_factory=Receipt)
