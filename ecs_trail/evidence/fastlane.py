"""The fast lane: plain CloudTrail text is decoded with types, only the fields a selection asks for, in one step.

Most bytes of an archive belong to records that cannot match. Here a whole file is decoded into glances (skipping what
no selection asks for is the cheapest thing a JSON decoder can do), and only records that may match become rows. A file
with anything unusual in it is not taken: the full road reads it, with the same result.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from ecs_trail.evidence.ledger import Reading, Span
from ecs_trail.evidence.moments import parse_moment
from ecs_trail.evidence.probes import ClauseProbe, Glimpse, Probe
from ecs_trail.evidence.records import RejectedError, asked_session, row_of, session_of


class _Who(msgspec.Struct, gc=False):
    type: str | None = None
    arn: str | None = None
    principalId: str | None = None  # noqa: N815 - CloudTrail's spelling


class _Glance(msgspec.Struct, gc=False):
    """What is asked of every record. Fields without a default must be there, or the file is not plain CloudTrail."""

    eventVersion: str  # noqa: N815
    eventTime: str  # noqa: N815
    eventSource: str  # noqa: N815
    eventName: str  # noqa: N815
    eventID: str  # noqa: N815
    awsRegion: str  # noqa: N815
    recipientAccountId: str  # noqa: N815
    userIdentity: _Who  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    eventType: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    insightDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815


class _Glances(msgspec.Struct, forbid_unknown_fields=True):
    Records: list[_Glance]


class _Slices(msgspec.Struct):
    Records: list[msgspec.Raw]


_GLANCES: Final = msgspec.json.Decoder(_Glances)
_SLICES: Final = msgspec.json.Decoder(_Slices)
_GLANCE_LIST: Final = msgspec.json.Decoder(list[_Glance])
_SLICE_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_GLANCE: Final = msgspec.json.Decoder(_Glance)
_SLICE: Final = msgspec.json.Decoder(msgspec.Raw)
#: Text decoded at a time where lines allow it; more than any trail file has.
_PIECE: Final = 8 << 20
_NOT_PLAIN: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_OTHER_CATEGORIES: Final = frozenset({"Insight", "Aggregated"})
_OTHER_TYPES: Final = frozenset({"AwsCloudTrailInsight", "AwsAggregatedEvent"})


def scan_fast(text: bytes, source: str, probe: Probe, reading: Reading) -> bool:
    """Read a part into `reading` when it is plain CloudTrail; False, with `reading` untouched, when it is not."""
    if not _is_unicode(text):
        return False
    kept = Reading(source)
    for piece in _pieces(text):
        if not _scan_piece(piece, probe, kept):
            return False
    reading.absorb(kept)
    return True


def _pieces(text: bytes) -> Iterator[bytes | memoryview]:
    """The text itself; large texts of JSON lines in pieces that end with a line, which keeps their glances few."""
    if len(text) <= _PIECE or not text.startswith(b"{") or not _is_lines(text):
        yield text
        return
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
        return bool(first) and bool(_GLANCE.decode(first))
    except _NOT_PLAIN:
        return False


def _scan_piece(text: bytes | memoryview, probe: Probe, reading: Reading) -> bool:
    glances = _glances(text)
    if not glances:
        return False
    found: list[int] = []
    spans: dict[tuple[str, str], Span] = {}
    bounds: dict[tuple[str, str], tuple[datetime, datetime]] = {}
    likely: dict[tuple[str, str, str, str, bool], Probe] = {}
    for number, glance in enumerate(glances):
        moment = parse_moment(glance.eventTime)
        if moment is None or not _is_plain(glance):
            return False
        account, region, origin = glance.recipientAccountId, glance.awsRegion, glance.eventSource
        call = (account, region, origin, glance.eventName, bool(glance.errorCode))
        clauses = likely.get(call)
        if clauses is None:
            clauses = likely[call] = tuple(clause for clause in probe if clause.admits_call(*call[2:]))
            spans.setdefault((account, region), Span()).event_sources.add(origin)
        first, last = bounds.get((account, region), (moment, moment))
        if moment <= first or moment >= last:
            bounds[account, region] = (min(first, moment), max(last, moment))
        if clauses:
            verdict = _admits(clauses, glance, moment)
            if verdict is None:
                return False
            if verdict:
                found.append(number)
    for where, ends in bounds.items():
        spans[where].first, spans[where].last = ends
    records = len(glances)
    del glances, glance  # their space serves the rows
    return _keep(text, found, reading) and _count(reading, records, spans)


def _is_unicode(text: bytes) -> bool:
    """True for valid UTF-8; what the decoder skips it does not look at that closely."""
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _glances(text: bytes | memoryview) -> list[_Glance] | None:
    first = bytes(text[:1])
    try:
        if first == b"{":
            return _GLANCES.decode(text).Records
        return _GLANCE_LIST.decode(text) if first == b"[" else None
    except _NOT_PLAIN:
        pass
    try:
        return _GLANCE.decode_lines(text) if first == b"{" else None
    except _NOT_PLAIN:
        return None


def _slices(text: bytes | memoryview) -> list[msgspec.Raw]:
    if bytes(text[:1]) == b"[":
        return _SLICE_LIST.decode(text)
    try:
        return _SLICES.decode(text).Records
    except _NOT_PLAIN:
        return _SLICE.decode_lines(text)


def _is_plain(glance: _Glance) -> bool:
    return not (
        glance.eventCategory in _OTHER_CATEGORIES
        or glance.eventType in _OTHER_TYPES
        or not (glance.eventID and glance.eventName and glance.eventSource)
        or not (glance.recipientAccountId and glance.awsRegion)
        or glance.eventSource.startswith("aws:")
        or bytes(glance.insightDetails)
    )


def _admits(clauses: tuple[ClauseProbe, ...], glance: _Glance, moment: datetime) -> bool | None:
    """Whether any clause may hold; None when the glance is not enough to say so."""
    requested = None
    if glance.eventName.startswith("AssumeRole"):
        parameters = bytes(glance.requestParameters)
        if parameters.startswith(b'"'):
            return None
        requested = asked_session(parameters)
    who = glance.userIdentity
    seen = Glimpse(
        glance.eventSource,
        glance.eventName,
        session_of(who.arn, who.principalId, who.type),
        requested,
        bool(glance.errorCode),
        moment,
        glance.recipientAccountId,
        glance.awsRegion,
    )
    return any(clause.admits(seen) for clause in clauses)


def _keep(text: bytes | memoryview, found: list[int], reading: Reading) -> bool:
    """Make rows of the records found; False when one of them is no plain record after all."""
    if not found:
        return True
    slices = _slices(text)
    before = reading.records_read
    try:
        for number in found:
            row = row_of(bytes(slices[number]), reading.source, before + number)
            reading.keep(row, is_rebuilt=False)
    except RejectedError:
        return False
    return True


def _count(reading: Reading, records: int, spans: dict[tuple[str, str], Span]) -> bool:
    reading.records_read += records
    for where, span in spans.items():
        reading.spans.setdefault(where, Span()).merge(span)
    return True
