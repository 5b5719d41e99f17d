"""The fast lane: plain CloudTrail text is decoded with types, only the fields a selection asks for, in one step.

Most bytes of an archive belong to records that cannot match. Here a whole file is decoded into glances (skipping what
no selection asks for is the cheapest thing a JSON decoder can do). What is asked of every record (is it plain, when and
where was it, can it match) is asked of the few *different* values a file holds, gathered in sets; only records that may
match are looked at one by one and become rows. A file with anything unusual in it is not taken: the full road reads it,
with the same result.
"""

from collections.abc import Iterator, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from ecs_trail.evidence.ledger import Reading, Span
from ecs_trail.evidence.probes import ClauseProbe, Glimpse, Probe
from ecs_trail.evidence.records import Asked, RejectedError, is_assumed, row_of, session_of
from ecs_trail.evidence.slicing import cut

Text = Annotated[str, msgspec.Meta(min_length=1)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
#: The types and categories of records (*AWS CloudTrail User Guide*, "CloudTrail record contents for management, data,
#: and network activity events", read on 2026-11-24). Insights are no records; a file with a type that is new takes the
#: full road.
Type = Literal["AwsApiCall", "AwsServiceEvent", "AwsConsoleAction", "AwsConsoleSignIn", "AwsVpceEvent"]
Category = Literal["Management", "Data", "NetworkActivity"]
#: Whatever stands there, the decoder refuses it. These four say what plain CloudTrail is, here and in the bulk lane.
Absent = Annotated[int, msgspec.Meta(gt=0, lt=0)]


class _Who(msgspec.Struct, gc=False):
    type: str | None = None
    arn: str | None = None


class _Glance(msgspec.Struct, gc=False):
    """What is asked of every record. Fields without a default must be there, or the file is not plain CloudTrail."""

    eventVersion: str  # noqa: N815 - CloudTrail's spelling
    userIdentity: _Who  # noqa: N815
    eventTime: _Moment  # noqa: N815
    eventSource: Text  # noqa: N815
    eventName: Text  # noqa: N815
    awsRegion: Text  # noqa: N815
    eventID: Text  # noqa: N815
    recipientAccountId: Text  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    eventType: Type | None = None  # noqa: N815
    eventCategory: Category | None = None  # noqa: N815
    requestParameters: Asked | None = None  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    insightDetails: Absent = 0  # noqa: N815


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
NOT_PLAIN: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
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
    if not is_unicode(text):
        return False
    sieve = _sieve_of(probe)
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
        return bool(first) and bool(_GLANCE.decode(first))
    except NOT_PLAIN:
        return False


#: (account, Region, event source, event name, error code): the same for many records of a file.
_Kind = tuple[str, str, str, str, str | None]
#: ARN and type of an identity.
_Caller = tuple[str | None, str | None]
#: Verdicts on kinds and callers kept for one selection; more than any archive has, unless somebody invents them.
_KINDS_KEPT: Final = 50_000


class _Sieve:
    """A probe, asked of kinds of record instead of single records; each kind is judged once."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.known: dict[_Kind, tuple[ClauseProbe, ...] | None] = {}
        self.sessions = frozenset[str]().union(*(clause.session_names or () for clause in probe))
        self.others: set[_Caller] = set()

    def clauses(self, kind: _Kind) -> tuple[ClauseProbe, ...] | None:
        """The clauses that a record of this kind may still satisfy; None when it is no plain record."""
        if len(self.known) > _KINDS_KEPT:
            self.known.clear()
        if kind in self.known:
            return self.known[kind]
        account, region, source, name, error = kind
        found = tuple(
            clause
            for clause in self.probe
            if clause.admits_call(source, name, bool(error)) and clause.admits_place(account, region)
        )
        # notifications of other services, which also come as `Records` with an `eventSource`
        verdict = self.known[kind] = None if source.startswith("aws:") else found
        return verdict

    def acting(self, glances: list[_Glance]) -> list[int] | None:
        """The places of the records whose caller is one of the sessions asked for; None for a session without an ARN,
        of which a glance does not say the name.
        """
        callers = {(who.arn, who.type) for glance in glances for who in (glance.userIdentity,)}
        unknown = callers - self.others
        if not unknown:
            return []
        if any(kind == "AssumedRole" and not (arn and is_assumed(arn)) for arn, kind in unknown):
            return None
        sought = {arn for arn, _ in unknown if arn and session_of(arn, None, None) in self.sessions}
        if len(self.others) > _KINDS_KEPT:
            self.others.clear()
        self.others.update(caller for caller in unknown if caller[0] not in sought)
        return [number for number, glance in enumerate(glances) if glance.userIdentity.arn in sought] if sought else []


_latest = _Sieve(())


def _sieve_of(probe: Probe) -> _Sieve:
    """The sieve of a probe; the latest is kept. Compared and not looked up, as to hash a probe takes longer than to
    read a small file; a worker gets an equal one, and no more the same, with every batch.
    """
    global _latest  # noqa: PLW0603 - a cache of one
    sieve = _latest
    if sieve.probe is not probe:
        if sieve.probe != probe:
            sieve = _latest = _Sieve(probe)
        sieve.probe = probe
    return sieve


def _scan_piece(text: bytes | memoryview, at: _Place, sieve: _Sieve, reading: Reading) -> bool:
    glances = _glances(text)
    if not glances:
        return False
    kinds = {(g.recipientAccountId, g.awsRegion, g.eventSource, g.eventName, g.errorCode) for g in glances}
    open_clauses = {kind: sieve.clauses(kind) for kind in kinds}
    spans = _spans(glances, kinds)
    if spans is None or None in open_clauses.values():
        return False
    found = _candidates(sieve, glances, {kind: clauses for kind, clauses in open_clauses.items() if clauses})
    records = len(glances)
    if found is None or not (not found or _keep(text, glances, found, at, reading)):
        return False
    reading.records_read += records
    reading.records_set_aside += records - len(found)
    for where, span in spans.items():
        reading.spans.setdefault(where, Span()).merge(span)
    return True


def _spans(glances: list[_Glance], kinds: set[_Kind]) -> dict[tuple[str, str], Span] | None:
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


def _candidates(sieve: _Sieve, glances: list[_Glance], kinds: dict[_Kind, tuple[ClauseProbe, ...]]) -> list[int] | None:
    """The places of the records that a clause admits; None when a glance is not enough to say so."""
    sought: set[str] = set()
    hot: set[_Kind] = set()  # a record that needs a look, whoever called
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
        found.update([n for n, g in enumerate(glances) if g.eventName in asking and _requested(g) in sought])
    return [n for n in sorted(found) if _admits(kinds.get(_kind(glances[n]), ()), glances[n])]


def _requested(glance: _Glance) -> str | None:
    """The session name a call asks for."""
    return (glance.requestParameters.roleSessionName or None) if glance.requestParameters else None


def _kind(glance: _Glance) -> _Kind:
    return glance.recipientAccountId, glance.awsRegion, glance.eventSource, glance.eventName, glance.errorCode


def is_unicode(text: bytes) -> bool:
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
    except NOT_PLAIN:
        pass
    try:
        return _GLANCE.decode_lines(text) if first == b"{" else None
    except NOT_PLAIN:
        return None


def _slices(text: bytes | memoryview) -> list[msgspec.Raw]:
    if bytes(text[:1]) == b"[":
        return _SLICE_LIST.decode(text)
    try:
        return _SLICES.decode(text).Records
    except NOT_PLAIN:
        return _SLICE.decode_lines(text)


def _admits(clauses: tuple[ClauseProbe, ...], glance: _Glance) -> bool:
    """Whether any of the clauses its kind may satisfy holds for a record."""
    seen = Glimpse(
        glance.eventSource,
        glance.eventName,
        session_of(glance.userIdentity.arn, None, None),
        _requested(glance) if glance.eventName.startswith("AssumeRole") else None,
        bool(glance.errorCode),
        glance.eventTime,
        glance.recipientAccountId,
        glance.awsRegion,
    )
    return any(clause.admits(seen) for clause in clauses)


def _keep(text: bytes | memoryview, glances: list[_Glance], found: list[int], at: _Place, reading: Reading) -> bool:
    """Make rows of the records found; False when one of them is no plain record after all."""
    slices: Sequence[bytes | msgspec.Raw] | None = None
    if len(found) * _WORTH_CUTTING < len(glances):
        slices = cut(text, lambda n: glances[n].responseElements, found)
    if slices is None:
        every = _slices(text)
        slices = [every[number] for number in found]
    kept = Reading(at.source)
    glances.clear()  # their space serves the rows
    try:
        for number, record in zip(found, slices, strict=True):
            kept.keep(row_of(bytes(record), at.source, at.first + number), is_rebuilt=False)
    except RejectedError:
        return False
    reading.absorb(kept)
    return True
