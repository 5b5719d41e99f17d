"""A few thousand decoded records as one Arrow table, made column by column.

It is for collecting everything, where each record becomes a row: to make a tuple of every record (`records.row_of`)
costs several times what its columns cost. A block is refused (`NotPlainError`) where one of its records is not beyond
doubt what `row_of` would make of it in the plain way; then its files take the usual road, with the same rows.

Free-form parts and the records themselves are never made Python texts: their bytes, which the decoder left as views
into the file, are joined once and become the column's memory.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import Places, array_of, counted, flags, joined, numbers, text, texts, values_of, whole_numbers
from ecs_trail.evidence.glances import NOT_PLAIN
from ecs_trail.evidence.packing import REBUILT
from ecs_trail.evidence.parts import ESCAPE, NOTHING, SECRET_WORDS, free_text, without_credentials
from ecs_trail.evidence.records import IDENTITY, Actor, actor_of, asked_of
from ecs_trail.evidence.wholes import Whole
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Selection

#: Columns of `EVENT_SCHEMA` that are a field as it stands and say the same for many records.
_KINDS: Final = {
    "event_source": "eventSource", "event_name": "eventName", "aws_region": "awsRegion",
    "account_id": "recipientAccountId", "error_code": "errorCode", "error_message": "errorMessage",
    "source_ip_address": "sourceIPAddress", "user_agent": "userAgent", "event_type": "eventType",
    "event_category": "eventCategory", "event_version": "eventVersion", "read_only": "readOnly",
    "management_event": "managementEvent",
}  # fmt: skip
#: Those that differ from record to record.
_SINGLE: Final = {"event_id": "eventID", "request_id": "requestID", "shared_event_id": "sharedEventID"}
_FREE: Final = {
    "request_parameters": "requestParameters", "response_elements": "responseElements",
    "additional_event_data": "additionalEventData", "service_event_details": "serviceEventDetails",
    "resources": "resources",
}  # fmt: skip
_KIND: Final = attrgetter(*_KINDS.values())
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


class NotPlainError(Exception):
    """A record of a block needs the usual road."""


def table_of(
    records: Sequence[Whole], raws: Sequence[msgspec.Raw], origin: tuple[pa.Array, pa.Array], apart: Selection
) -> tuple[pa.Table, int]:
    """The rows of decoded records, with `packing.REBUILT`, and how many of them belong to `apart`.

    `raws` are the records as received, `origin` the name of each one's file and its place in it. Rows of `apart`
    stand first, then all are ordered by session, event source, event name and time, so that like rows stand together.
    Raises `NotPlainError`.
    """
    try:
        kinds, actors = _kinds(records), _actors(records)
        times = _times(texts([one.eventTime for one in records]))
        asked = {"event_time": times, **_asked(records, kinds)}
        order, count = _order(kinds, actors, asked, apart)
        places = whole_numbers(order)
        columns = {**kinds.columns(places), **actors.columns(places)}
        columns |= {name: column.take(places) for name, column in (asked | _single(records)).items()}
        columns |= _long([records[place] for place in order.tolist()], [raws[place] for place in order.tolist()])
        columns |= {"source": origin[0].take(places), "position": origin[1].take(places)}
    except (pa.ArrowException, UnicodeEncodeError, *NOT_PLAIN) as error:
        raise NotPlainError from error
    columns[REBUILT] = flags([False] * len(records))
    names = [*EVENT_SCHEMA.names, REBUILT]
    return pa.table([columns[name] for name in names], schema=EVENT_SCHEMA.append(pa.field(REBUILT, pa.bool_()))), count


@dataclass(frozen=True, slots=True)
class _Coded:
    """Columns that say together the same for many rows: the number of its kind for each row, and the kinds."""

    codes: pa.Array
    values: dict[str, pa.Array]

    def column(self, name: str) -> pa.Array:
        """One column, row for row."""
        return self.values[name].take(self.codes)

    def columns(self, places: pa.Array) -> dict[str, pa.Array]:
        """All columns at some places."""
        codes = self.codes.take(places)
        return {name: values.take(codes) for name, values in self.values.items()}


def _kinds(records: Sequence[Whole]) -> _Coded:
    codes: dict[tuple[Any, ...], int] = {}
    places = [codes.setdefault(kind, len(codes)) for kind in map(_KIND, records)]
    columns = zip(_KINDS, zip(*codes, strict=True), strict=True)
    return _Coded(numbers(places), {name: _words(name, values) for name, values in columns})


def _actors(records: Sequence[Whole]) -> _Coded:
    """The columns of `userIdentity`; each different text of it is decoded once."""
    codes: dict[bytes, int] = {}
    places = [codes.setdefault(bytes(one.userIdentity), len(codes)) for one in records]
    if not all(text.startswith(b"{") for text in codes):
        raise NotPlainError
    found = zip(Actor._fields, zip(*(actor_of(IDENTITY.decode(text)) for text in codes), strict=True), strict=True)
    values = {name: array_of(some, EVENT_SCHEMA.field(name).type) for name, some in found}
    return _Coded(numbers(places), values)


def _single(records: Sequence[Whole]) -> dict[str, pa.Array]:
    columns = {name: _words(name, list(map(attrgetter(field), records))) for name, field in _SINGLE.items()}
    return columns | {"has_tls_details": _is_given([one.tlsDetails for one in records])}


def _long(records: Sequence[Whole], raws: Sequence[msgspec.Raw]) -> dict[str, pa.Array]:
    """The free-form parts and the records themselves, of rows that stand in their order already."""
    columns = {
        name: _free(list(map(attrgetter(field), records)), secret=name == "response_elements")
        for name, field in _FREE.items()
    }
    return {**columns, "raw": _joined(raws, _lengths(raws))[0]}


def _words(name: str, values: Sequence[Any]) -> pa.Array:
    """A column of words or flags; null for an empty word."""
    column = array_of(values, EVENT_SCHEMA.field(name).type)
    if pa.types.is_string(column.type):
        is_empty = pc.equal(column, text(""))
        if pc.any(is_empty).as_py():
            return pc.if_else(pc.fill_null(is_empty, flags([False])[0]), texts([None])[0], column)
    return column


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


def _asked(records: Sequence[Whole], kinds: _Coded) -> dict[str, pa.Array]:
    """What AssumeRole calls ask for; nothing for all other calls."""
    names: list[str | None] = [None] * len(records)
    roles = names.copy()
    for place in pc.indices_nonzero(pc.starts_with(kinds.column("event_name"), "AssumeRole")).to_pylist():
        one = records[place]
        asked = asked_of(bytes(one.requestParameters), bytes(one.resources), one.errorMessage)
        names[place], roles[place] = asked.roleSessionName or None, asked.roleArn or None
    return {
        "requested_session_name": texts(names),
        "target_role_arn": texts(roles),
    }


def _order(kinds: _Coded, actors: _Coded, asked: dict[str, pa.Array], apart: Selection) -> tuple[Places, int]:
    """The order of the rows, and how many come first as they belong to `apart`."""
    size = len(kinds.codes)
    columns = {
        **asked,
        **{name: kinds.column(name) for name in _KINDS},
        **{name: actors.column(name) for name in ("session_name", "session_issuer_arn")},
    }
    first = values_of(joined(apart.filter(pa.table({**columns, "index": counted(size)})).column("index")))
    is_other = np.ones(size, dtype=bool)
    is_other[first] = False
    order = np.lexsort(
        (
            values_of(asked["event_time"].cast(pa.int64())),
            *(
                _ranks(coded.values[name])[values_of(coded.codes)]
                for coded, name in ((kinds, "event_name"), (kinds, "event_source"), (actors, "session_name"))
            ),
            is_other,
        )
    )
    return order, len(first)


def _ranks(values: pa.Array) -> Places:
    """The place of each value among the different values, in their order."""
    coded = pc.fill_null(values, text("")).dictionary_encode()
    words = coded.dictionary.to_pylist()
    ranks = np.empty(len(words), dtype=np.int64)
    ranks[sorted(range(len(words)), key=words.__getitem__)] = np.arange(len(words))
    made: Places = ranks[values_of(coded.indices)]
    return made


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
    given = lengths > 0
    nulls = len(values) - int(given.sum())
    valid = pa.py_buffer(np.packbits(given, bitorder="little")) if nulls else None
    buffers = [valid, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.string(), len(values), buffers, null_count=nulls), text, offsets
