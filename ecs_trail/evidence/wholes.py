"""Files of plain CloudTrail text decoded whole: every record with all its fields, in two steps for a file.

As strict as the fast lane, and stricter where a column depends on it: what does not decode here is no fault of the
file, it takes the usual road.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import Places, flags, joined_texts, numbers, texts
from ecs_trail.evidence.blocks import FREE, KINDS, SINGLE, Coded, Columns, NotPlainError, actor_columns, actors, words
from ecs_trail.evidence.glances import NOT_PLAIN, Absent, Category, Text, Type, is_unicode, slices
from ecs_trail.evidence.ledger import Reading, Span
from ecs_trail.evidence.moments import parse_moment
from ecs_trail.evidence.parts import ESCAPE, NOTHING, SECRET_WORDS, free_text, without_credentials
from ecs_trail.evidence.records import asked_of
from ecs_trail.evidence.sieve import is_notification

#: Larger texts are read in pieces, which the usual road knows how to do.
_LARGEST: Final = 48 << 20


class Whole(msgspec.Struct, gc=False):
    """One record; `userIdentity` and the free-form parts stay bytes."""

    eventVersion: str  # noqa: N815 - CloudTrail's spelling
    userIdentity: msgspec.Raw  # noqa: N815
    eventTime: str  # noqa: N815
    eventSource: Text  # noqa: N815
    eventName: Text  # noqa: N815
    awsRegion: Text  # noqa: N815
    eventID: Text  # noqa: N815
    recipientAccountId: Text  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    managementEvent: bool | None = None  # noqa: N815
    eventType: Type | None = None  # noqa: N815
    eventCategory: Category | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    additionalEventData: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    serviceEventDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    resources: msgspec.Raw = msgspec.Raw(b"")
    tlsDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    insightDetails: Absent = 0  # noqa: N815


class _Wholes(msgspec.Struct, forbid_unknown_fields=True):
    Records: list[Whole]


_WHOLES: Final = msgspec.json.Decoder(_Wholes)
_WHOLE: Final = msgspec.json.Decoder(Whole)

_KIND: Final = attrgetter(*KINDS.values())
_STAMP: Final = pa.timestamp("us", tz="UTC")
#: `YYYY-MM-DDTHH:MM:SSZ`: what stands where no digit does.
_MARKS: Final = {4: ord("-"), 7: ord("-"), 10: ord("T"), 13: ord(":"), 16: ord(":"), 19: ord("Z")}
_DIGITS: Final = [place for place in range(19) if place not in _MARKS]
_CENTURIES: Final = frozenset(b"12")
#: Longest spelling of nothing (`parts.NOTHING`).
_SHORT: Final = max(map(len, NOTHING))
_QUOTE: Final = ord('"')
_OPENING: Final = frozenset(b"{[")
_BLANKS: Final = (b" ", b"\n")


class Decoded:
    """Records decoded with types that wait to become rows. Free-form parts and the records themselves are never made
    Python texts: their bytes, which the decoder left as views into the file, are joined once and become the column's
    memory.
    """

    def __init__(self) -> None:
        """None yet."""
        self._records: list[Whole] = []
        self._raws: list[msgspec.Raw] = []
        self.size = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._records)

    def add(self, text: bytes, reading: Reading) -> int:
        """As `blocks.Records`."""
        found = decoded(text)
        if found is None or not count(found[0], reading):
            return 0
        self._records += found[0]
        self._raws += found[1]
        self.size += len(text)
        return len(found[0])

    def ids(self) -> pa.Array:
        """The event ids. Raises `UnicodeEncodeError`."""
        return texts([one.eventID for one in self._records])

    def raw(self, number: int) -> bytes:
        """A record as received."""
        return bytes(self._raws[number])

    def without(self, numbers: Iterable[int]) -> None:
        """Leave some out."""
        left = set(numbers)
        self._records = [one for number, one in enumerate(self._records) if number not in left]
        self._raws = [one for number, one in enumerate(self._raws) if number not in left]

    def columns(self) -> Columns:
        """As `blocks.Records`."""
        records, raws = self._records, self._raws
        kinds = _kinds(records)
        plain = {"event_time": _times(texts([one.eventTime for one in records])), **_asked(records, kinds)}

        def others(order: Places) -> dict[str, pa.Array]:
            places = order.tolist()
            return _long([records[place] for place in places], [raws[place] for place in places])

        return Columns((kinds, _actors(records)), plain | _single(records), others)


def decoded(text: bytes) -> tuple[list[Whole], list[msgspec.Raw]] | None:
    """The records of a text, decoded and as they stand; None when it is not plain CloudTrail beyond doubt."""
    if not text.startswith(b"{") or len(text) > _LARGEST or not is_unicode(text):
        return None
    try:
        records = _WHOLES.decode(text).Records
    except NOT_PLAIN:
        try:
            records = _WHOLE.decode_lines(text)
        except NOT_PLAIN:
            return None
    # notifications of other services come as `Records` with an `eventSource` as well
    if not records or any(is_notification(one.eventSource) for one in records):
        return None
    return records, slices(text)


def count(records: list[Whole], reading: Reading) -> bool:
    """Note in the reading of their file how many records there are, of which accounts, Regions, times and sources;
    False, with nothing noted, for a time in another spelling than CloudTrail's.
    """
    seen: dict[tuple[str, str], tuple[list[str], set[str]]] = {}
    for one in records:
        times, sources = seen.setdefault((one.recipientAccountId, one.awsRegion), ([], set()))
        times.append(one.eventTime)
        sources.add(one.eventSource)
    spans: dict[tuple[str, str], Span] = {}
    for where, (times, sources) in seen.items():
        # of times in one spelling the order of the texts is that of the times; another spelling is refused with the
        # block the records go into
        first, last = parse_moment(min(times)), parse_moment(max(times))
        if first is None or last is None:
            return False
        spans[where] = Span(first, last, event_sources=sources)
    for where, span in spans.items():
        reading.spans.setdefault(where, Span()).merge(span)
    reading.records_read += len(records)
    return True


def _kinds(records: Sequence[Whole]) -> Coded:
    codes: dict[tuple[Any, ...], int] = {}
    places = [codes.setdefault(kind, len(codes)) for kind in map(_KIND, records)]
    columns = zip(KINDS, zip(*codes, strict=True), strict=True)
    return Coded(numbers(places), {name: words(name, values) for name, values in columns})


def _actors(records: Sequence[Whole]) -> Coded:
    """The columns of `userIdentity`; each different text of it is decoded once."""
    codes: dict[bytes, int] = {}
    places = [codes.setdefault(bytes(one.userIdentity), len(codes)) for one in records]
    if not all(text.startswith(b"{") for text in codes):
        raise NotPlainError
    return Coded(numbers(places), actor_columns(actors(codes)))


def _single(records: Sequence[Whole]) -> dict[str, pa.Array]:
    columns = {name: words(name, list(map(attrgetter(field), records))) for name, field in SINGLE.items()}
    return columns | {"has_tls_details": _is_given([one.tlsDetails for one in records])}


def _long(records: Sequence[Whole], raws: Sequence[msgspec.Raw]) -> dict[str, pa.Array]:
    """The free-form parts and the records themselves, of rows that stand in their order already."""
    columns = {
        name: _free(list(map(attrgetter(field), records)), secret=name == "response_elements")
        for name, field in FREE.items()
    }
    return {**columns, "raw": _joined(raws, _lengths(raws))[0]}


def _times(column: pa.Array) -> pa.Array:
    """Times as CloudTrail writes them; anything else is refused, however good a time it may be."""
    length = pc.min_max(pc.binary_length(column)).as_py()
    if length != {"min": 20, "max": 20}:
        raise NotPlainError
    letters = np.frombuffer(column.buffers()[2], dtype=np.uint8, count=20 * len(column)).reshape(-1, 20)
    digits = letters[:, _DIGITS]
    is_plain = all((letters[:, place] == mark).all() for place, mark in _MARKS.items())
    if not (is_plain and ((digits >= ord("0")) & (digits <= ord("9"))).all()):
        raise NotPlainError
    if not _CENTURIES.issuperset(np.unique(letters[:, 0]).tolist()):
        raise NotPlainError
    return column.cast(_STAMP)


def _asked(records: Sequence[Whole], kinds: Coded) -> dict[str, pa.Array]:
    """What AssumeRole calls ask for; nothing for all other calls."""
    names: list[str | None] = [None] * len(records)
    roles = names.copy()
    for place in pc.indices_nonzero(
        pc.starts_with(kinds.values["event_name"].take(kinds.codes), "AssumeRole")
    ).to_pylist():
        one = records[place]
        asked = asked_of(bytes(one.requestParameters), bytes(one.resources), one.errorMessage)
        names[place], roles[place] = asked.roleSessionName or None, asked.roleArn or None
    return {
        "requested_session_name": texts(names),
        "target_role_arn": texts(roles),
    }


def _lengths(values: Sequence[msgspec.Raw]) -> Places:
    return np.fromiter(map(len, values), dtype=np.int64, count=len(values))


def _nothing(values: Sequence[msgspec.Raw], lengths: Places) -> list[int]:
    """The places of values that are there and say nothing."""
    short = np.flatnonzero((lengths > 0) & (lengths <= _SHORT)).tolist()
    return [place for place in short if bytes(values[place]) in NOTHING]


def _is_given(values: Sequence[msgspec.Raw]) -> pa.Array:
    lengths = _lengths(values)
    given = lengths > 0
    given[_nothing(values, lengths)] = False
    return flags(given.tolist())


def _free(values: Sequence[msgspec.Raw], *, secret: bool = False) -> pa.Array:
    """A column of free-form parts, as `parts.free_text` gives each; with `secret` as `parts.without_credentials`."""
    lengths = _lengths(values)
    if not lengths.any():
        return pa.nulls(len(values), type=pa.string())
    kept: list[Any] = [*values]
    for place in _nothing(values, lengths):
        kept[place] = b""
        lengths[place] = 0
    column, content, offsets = _joined(kept, lengths)
    _refuse_texts(content, offsets, lengths)
    bounds = offsets.tolist()
    odd = {row for blank in _BLANKS for row in _rows_with(content, blank, bounds)}
    hidden: set[int] = set()
    if secret:
        lowered = content.lower()
        hidden = {row for word in SECRET_WORDS for row in _rows_with(lowered, word, bounds)}
        if b"\\" in content:  # one letter is found much faster than two
            hidden.update(_rows_with(content, ESCAPE, bounds))
    if not (odd or hidden):
        return column
    for row in sorted(odd | hidden):
        made = without_credentials(bytes(kept[row])) if row in hidden else free_text(bytes(kept[row]))
        kept[row] = (made or "").encode()
        lengths[row] = len(kept[row])
    return _joined(kept, lengths)[0]


def _refuse_texts(text: bytes, offsets: Places, lengths: Places) -> None:
    """JSON inside a JSON string, as string columns give it, is opened on the usual road."""
    letters = np.frombuffer(text, dtype=np.uint8)
    starts = offsets[:-1][lengths > 1]
    quoted = starts[letters[starts] == _QUOTE]
    if not _OPENING.isdisjoint(letters[quoted + 1].tolist()):
        raise NotPlainError


def _rows_with(text: bytes, word: bytes, bounds: list[int]) -> set[int]:
    """The places of the values with a word; where it lies over a border, of one beside it."""
    found = set()
    place = text.find(word)
    while place >= 0:
        row = bisect_right(bounds, place) - 1
        found.add(row)
        place = text.find(word, max(bounds[row + 1], place + 1))
    return found


def _joined(values: Sequence[Any], lengths: Places) -> tuple[pa.Array, bytes, Places]:
    """Bytes of UTF-8 as one column, null where there is none, with its memory and the bounds of its values."""
    text = b"".join(values)
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return joined_texts(lengths, offsets, pa.py_buffer(text)), text, offsets
