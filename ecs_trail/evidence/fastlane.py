"""The fast lane: plain CloudTrail text is looked through for what a selection asks of it, and little is decoded.

Most bytes of an archive belong to records that cannot match. What is asked of every record (is it plain, when and where
was it, can it match) is asked of the few *different* values a file holds. A compiled walk finds these (`walk`); where
there is none, or it does not take the text, every record is decoded into a glance. Only records that may match are
looked at one by one and become rows. A file with anything unusual in it is not taken: the full road reads it, with the
same result.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Final, NamedTuple

import msgspec

from ecs_trail.evidence.glances import GLANCE, NOT_PLAIN, Glance, admits, glances, is_unicode, requested, slices
from ecs_trail.evidence.homes import spans_of
from ecs_trail.evidence.ledger import Reading, Span, Spans, merge_spans
from ecs_trail.evidence.probes import ClauseProbe, Probe
from ecs_trail.evidence.records import RejectedError, row_of
from ecs_trail.evidence.sieve import Kind, Sieve, sieve_of
from ecs_trail.evidence.slicing import cut

#: Text decoded at a time where lines allow it; more than any trail file has.
_PIECE: Final = 8 << 20
#: Cutting one record out costs about as much as decoding this many into slices.
_WORTH_CUTTING: Final = 16


class _Place(NamedTuple):
    """Whose records they are, and the place of the first of them."""

    source: str
    first: int


def scan_fast(text: bytes, source: str, probe: Probe, reading: Reading, *, first: int = 0) -> bool:
    """Read a part into `reading` when it is plain CloudTrail; False, with `reading` untouched, when it is not.

    `first` is the place of its first record.
    """
    sieve = sieve_of(probe)
    if not _is_long(text):
        return _scan_piece(text, _Place(source, first), sieve, reading)
    kept = Reading(source)
    for piece in _pieces(text):
        if not _scan_piece(piece, _Place(source, first + kept.records_read), sieve, kept):
            return False
    reading.absorb(kept)
    return True


def _is_long(text: bytes) -> bool:
    return len(text) > _PIECE and text.startswith(b"{") and _is_lines(text)


def _pieces(text: bytes) -> Iterator[memoryview]:
    """A long text of JSON lines in pieces that end with a line, which keeps their glances few."""
    view = memoryview(text)
    start = 0
    while start < len(text):
        end = len(text) if start + _PIECE >= len(text) else text.rfind(b"\n", start, start + _PIECE) + 1
        if end <= start:  # one line longer than a piece
            end = text.find(b"\n", start) + 1 or len(text)
        yield view[start:end]
        start = end


def _is_lines(text: bytes) -> bool:
    """True when the first line is a record of its own; pieces that are cut wrongly do not decode."""
    first = text[: text.find(b"\n", 0, _PIECE) + 1]
    try:
        return bool(first) and bool(GLANCE.decode(first))
    except NOT_PLAIN:
        return False


def _scan_piece(text: bytes | memoryview, at: _Place, sieve: Sieve, reading: Reading) -> bool:
    return _scan_walked(text, at, sieve, reading) or _scan_decoded(text, at, sieve, reading)


def _scan_walked(text: bytes | memoryview, at: _Place, sieve: Sieve, reading: Reading) -> bool:
    """Read a text by the compiled walk; False where there is none, or where it does not take the text."""
    found = sieve.walk(text)
    if found is None or not found.records or (found.has_high and not is_unicode(text)):
        return False
    known = sieve.numbers
    if not known.odd.isdisjoint(found.kinds):
        return False
    hot = known.hot.intersection(found.kinds)
    acting, asked = set[int](), set[int]()
    if not known.sought.isdisjoint(found.kinds):
        if not known.unclear.isdisjoint(found.callers):
            return False
        acting, asked = known.acting.intersection(found.callers), known.asked.intersection(found.asked)
    records: list[tuple[int, bytes]] = []
    if hot or acting or asked:
        try:
            for place, start, end, kind in found.holding(hot, acting, asked):
                record = bytes(text[start:end])
                if known.clauses[kind] and admits(known.clauses[kind], GLANCE.decode(record)):
                    records.append((place, record))
        except NOT_PLAIN:  # no walk that keeps its promise comes here
            return False
        if not _keep(records, at, reading):
            return False
    _count(reading, found.records, len(records), spans_of(sieve.numbers.homes, found.homes))
    return True


def _count(reading: Reading, records: int, kept: int, spans: Spans) -> None:
    reading.records_read += records
    reading.records_set_aside += records - kept
    merge_spans(reading.spans, spans)


def _scan_decoded(text: bytes | memoryview, at: _Place, sieve: Sieve, reading: Reading) -> bool:
    """Read a text by glances at all its records."""
    seen = glances(text) if is_unicode(text) else None
    if not seen:
        return False
    kinds = {_kind(glance) for glance in seen}
    open_clauses = {kind: sieve.clauses(kind) for kind in kinds}
    spans = _spans(seen, kinds)
    if spans is None or None in open_clauses.values():
        return False
    found = _candidates(sieve, seen, {kind: clauses for kind, clauses in open_clauses.items() if clauses})
    if found is None:
        return False
    records, count = _cut(text, seen, found), len(seen)
    seen.clear()  # their space serves the rows
    if not _keep(zip(found, records, strict=True), at, reading):
        return False
    _count(reading, count, len(found), spans)
    return True


def _spans(glances: list[Glance], kinds: set[Kind]) -> dict[tuple[str, str], Span] | None:
    """First and last time and the event sources of every account and Region; None for times at the ends of the
    calendar, where not every zone can say them.
    """
    spans: dict[tuple[str, str], Span] = {}
    for kind in kinds:
        spans.setdefault((kind[0], kind[1]), Span()).event_sources.add(kind[2])
    times: dict[tuple[str, str], list[datetime]]
    if len(spans) == 1:  # a trail's file
        times = {where: [glance.eventTime for glance in glances] for where in spans}
    else:
        times = {where: [] for where in spans}
        for glance in glances:
            times[glance.recipientAccountId, glance.awsRegion].append(glance.eventTime)
    for where, span in spans.items():
        first, last = min(times[where]), max(times[where])
        if first.year == MINYEAR or last.year == MAXYEAR:
            return None
        span.first, span.last = first.astimezone(UTC), last.astimezone(UTC)
    return spans


def _candidates(sieve: Sieve, glances: list[Glance], kinds: dict[Kind, tuple[ClauseProbe, ...]]) -> list[int] | None:
    """The places of the records that a clause admits; None when a glance is not enough to say so."""
    sought: set[str] = set()
    hot: set[Kind] = set()  # a record that needs a look, whoever called
    asking: set[str] = set()  # names of events that may ask for a session
    for kind, clauses in kinds.items():
        for clause in clauses:
            if clause.session_names is None:
                hot.add(kind)
            else:
                sought |= clause.session_names
                if kind[3].startswith("AssumeRole"):
                    asking.add(kind[3])
    found: set[int] = set()
    if hot:
        names = {kind[3] for kind in hot}
        found.update([n for n, g in enumerate(glances) if g.eventName in names and _kind(g) in hot])
    if sought:
        acting = sieve.acting(glances)
        if acting is None:
            return None
        found.update(acting)
    if asking:
        found.update([n for n, g in enumerate(glances) if g.eventName in asking and requested(g) in sought])
    return [n for n in sorted(found) if admits(kinds.get(_kind(glances[n]), ()), glances[n])]


def _kind(glance: Glance) -> Kind:
    return glance.recipientAccountId, glance.awsRegion, glance.eventSource, glance.eventName, glance.errorCode


def _cut(text: bytes | memoryview, seen: list[Glance], found: list[int]) -> Sequence[bytes | msgspec.Raw]:
    """The bytes of the records found."""
    if not found:
        return ()
    if len(found) * _WORTH_CUTTING < len(seen):
        records = cut(text, lambda n: seen[n].responseElements, found)
        if records is not None:
            return records
    every = slices(text)
    return [every[number] for number in found]


def _keep(records: Iterable[tuple[int, bytes | msgspec.Raw]], at: _Place, reading: Reading) -> bool:
    """Make rows of records and their places; False when one of them is no plain record after all."""
    kept = Reading(at.source)
    try:
        for place, record in records:
            kept.keep(row_of(bytes(record), at.source, at.first + place), is_rebuilt=False)
    except RejectedError:
        return False
    reading.absorb(kept)
    return True
