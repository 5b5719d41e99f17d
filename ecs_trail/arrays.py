"""Arrow arrays of plain values, made without loading pandas.

`pyarrow.array` and `pyarrow.scalar` ask whether a value is one of pandas', and load pandas for the question: more than
a tenth of a second in every process that only reads. Here the buffers are filled directly, in Arrow's own layout
(*Arrow Columnar Format*, "Variable-size Binary Layout" and "Validity bitmaps", read on 2026-11-24).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

#: Places of rows, as numpy holds them.
Places = npt.NDArray[np.signedinteger[Any]]
#: Different texts of a column as they may be seen.
Clean: TypeAlias = Callable[[pa.Array], list[str]]
_TIME: Final = pa.timestamp("us", tz="UTC")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
#: Offsets of Arrow strings have 32 bits.
_MOST_BYTES: Final = (1 << 31) - 1
#: Bytes of columns that are looked through together.
_TOGETHER: Final = 4 << 20
#: So many texts are looked at one by one before a pattern is made ready.
_FEW: Final = 32
#: So many texts are sampled before they are told apart, and so many of them are looked at.
_MANY: Final = 20_000
_SAMPLE: Final = 1000


def texts(values: Sequence[str | None]) -> pa.Array:
    """Texts (None: null) as an array of strings. Raises `UnicodeEncodeError` for lone surrogates."""
    encoded = [b"" if value is None else value.encode() for value in values]
    ends = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)), out=ends[1:])
    if ends[-1] > _MOST_BYTES:
        return pa.array(values, type=pa.string())  # says in its own words what it cannot hold
    data = b"".join(encoded)
    buffers = [_validity(values), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def joined_texts(lengths: npt.NDArray[np.integer[Any]], bounds: Places, data: pa.Buffer) -> pa.Array:
    """Texts whose UTF-8 stands one behind the other in `data`, as an array of strings; null where there is none.

    `bounds` are where each begins and the end, no more than 31 bits.
    """
    given = lengths > 0
    nulls = len(lengths) - int(given.sum())
    valid = pa.py_buffer(np.packbits(given, bitorder="little")) if nulls else None
    buffers = [valid, pa.py_buffer(bounds.astype(np.int32, copy=False)), data]
    return pa.Array.from_buffers(pa.string(), len(lengths), buffers, null_count=nulls)


def moments(values: Sequence[datetime | None]) -> pa.Array:
    """Aware times (None: null) as an array of microseconds, UTC."""
    counts = [0 if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
    return _fixed(_TIME, counts, values)


def numbers(values: Sequence[int | None]) -> pa.Array:
    """Whole numbers (None: null) as an array of 64 bits."""
    return _fixed(pa.int64(), [value or 0 for value in values], values)


def counted(length: int) -> pa.Array:
    """The numbers from 0 up to a length, as an array of 64 bits."""
    return pa.Array.from_buffers(pa.int64(), length, [None, pa.py_buffer(np.arange(length, dtype=np.int64))])


def whole_numbers(values: Places) -> pa.Array:
    """Numbers that numpy holds, as an array of 64 bits; they are not copied."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.int64))])


def span_of(times: pa.ChunkedArray) -> tuple[datetime, datetime]:
    """The first and the last of some times of microseconds, UTC."""
    both = pc.min_max(times.cast(pa.int64())).as_py()
    return _EPOCH + both["min"] * _MICROSECOND, _EPOCH + both["max"] * _MICROSECOND


def values_of(array: pa.Array) -> Places:
    """The values of an array of whole numbers (32 or 64 bits, none null) for numpy; they are not copied."""
    kind = np.int32 if array.type.bit_width == 32 else np.int64
    start = array.offset * array.type.bit_width // 8
    return np.frombuffer(array.buffers()[1], dtype=kind, count=len(array), offset=start)


def replaced(table: pa.Table, pattern: str, replace: Callable[[str], str]) -> pa.Table:
    """A table in which `replace` was asked for every text that matches a pattern, in whatever case.

    Each text is looked at once, however often it stands in a column; columns without another text are shared.
    """
    for group in _text_columns(table):
        pieces = [table.column(at).dictionary_encode().combine_chunks() for at in group]
        known = pa.concat_arrays([column.dictionary for column in pieces])
        found = pc.match_substring_regex(known, pattern, ignore_case=True)
        start = 0
        for at, column in zip(group, pieces, strict=True):
            end = start + len(column.dictionary)
            mine, start = found.slice(start, end - start), end
            if mine.true_count:
                values = column.dictionary.to_pylist()
                made = _replaced(values, mine, replace)
                if made != values:
                    table = table.set_column(at, table.schema.field(at), texts(made).take(column.indices))
    return table


def cleaned(different: pa.Array, pattern: str, replace: Callable[[str], str]) -> list[str]:
    """Different texts, none null, as plain ones; `replace` was asked for all that match a pattern, in whatever case."""
    known: list[str] = different.to_pylist()
    if len(known) <= _FEW:
        return list(map(replace, known))
    return _replaced(known, pc.match_substring_regex(different, pattern, ignore_case=True), replace)


def _replaced(found: list[str], matching: pa.Array, replace: Callable[[str], str]) -> list[str]:
    if not matching.true_count:
        return found
    return [replace(one) if matches else one for one, matches in zip(found, matching.to_pylist(), strict=True)]


def _text_columns(table: pa.Table) -> list[list[int]]:
    """The places of the columns of text, small ones together: a pattern takes longer to be made ready than to be looked
    for in a little text.
    """
    groups: list[list[int]] = []
    room = 0
    for at, kind in enumerate(table.schema.types):
        if pa.types.is_string(kind):
            size = table.column(at).nbytes
            if not groups or size > room:
                groups.append([])
                room = _TOGETHER
            groups[-1].append(at)
            room -= size
    return groups


def coded(column: pa.Array | pa.ChunkedArray, clean: Clean | None = None) -> tuple[list[Any], Places | None]:
    """A column as different plain values, and the place of each row's value among them; None: row after row, where
    hardly any value stands twice.

    Values are None for null, aware UTC `datetime` for times. Texts and times are told apart, others are left as they
    stand. `clean` gives the different texts as they may be seen.
    """
    if not len(column):
        return [], None
    if not (pa.types.is_string(column.type) or column.type == _TIME):
        return column.to_pylist(), None
    if isinstance(column, pa.ChunkedArray):
        if column.nbytes > _MOST_BYTES:  # too long for one piece
            return [value for chunk in column.chunks for value in plain(chunk, clean)], None
        column = column.combine_chunks()
    if _looks_unlike(column):
        return (clean or pa.Array.to_pylist)(column), None
    pieces = column.dictionary_encode()
    told: Callable[[pa.Array], list[Any]] = _moments_of if column.type == _TIME else clean or pa.Array.to_pylist
    known = told(pieces.dictionary)
    codes = pieces.indices
    if codes.null_count:
        codes = pc.fill_null(codes.cast(pa.int64()), number(len(known)))
        known.append(None)
    return known, values_of(codes)


def _looks_unlike(column: pa.Array) -> bool:
    """True for many texts of which a sample holds none twice, as ids: to tell them apart would not be worth it."""
    if len(column) < _MANY or column.null_count or column.type == _TIME:
        return False
    sample = column.take(whole_numbers(np.arange(0, len(column), len(column) // _SAMPLE)))
    return len(sample.dictionary_encode().dictionary) == len(sample)


def _moments_of(times: pa.Array) -> list[datetime]:
    naive = values_of(times.view(pa.int64())).view("datetime64[us]").astype(object)
    return [one.replace(tzinfo=UTC) for one in naive]


def plain(column: pa.Array | pa.ChunkedArray, clean: Clean | None = None) -> list[Any]:
    """A column as plain values: None for null, aware UTC `datetime` for times, equal texts as one object."""
    known, places = coded(column, clean)
    return known if places is None else [known[place] for place in places.tolist()]


def first_seen(values: Places) -> Places:
    """A number for each value, from 0 on in the order in which the values are first seen."""
    return values_of(whole_numbers(values).dictionary_encode().indices)


def joined(column: pa.ChunkedArray) -> pa.Array:
    """A column of numbers counted by `counted` in one piece, also where it has no value left."""
    return column.combine_chunks() if column.num_chunks else counted(0)


def flags(values: Sequence[bool | None]) -> pa.Array:
    """Answers (None: null) as an array."""
    bits = _bits(value is True for value in values)
    return pa.Array.from_buffers(pa.bool_(), len(values), [_validity(values), bits])


def array_of(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """Values of a column of `EVENT_SCHEMA` as an array of its type."""
    if pa.types.is_string(kind):
        return texts(values)  # type: ignore[arg-type]
    if pa.types.is_timestamp(kind):
        return moments(values)  # type: ignore[arg-type]
    return (flags if pa.types.is_boolean(kind) else numbers)(values)  # type: ignore[arg-type]


def empty(schema: pa.Schema) -> pa.Table:
    """A table without rows; the columns have types of `EVENT_SCHEMA`."""
    return pa.table([array_of((), kind) for kind in schema.types], schema=schema)


def text(value: str) -> pa.Scalar:
    """One text."""
    return texts([value])[0]


def number(value: int) -> pa.Scalar:
    """One whole number."""
    return numbers([value])[0]


def moment(value: datetime) -> pa.Scalar:
    """One aware time."""
    return moments([value])[0]


def _fixed(kind: pa.DataType, counts: list[int], values: Sequence[object]) -> pa.Array:
    data = pa.py_buffer(np.fromiter(counts, dtype=np.int64, count=len(counts)))
    return pa.Array.from_buffers(kind, len(counts), [_validity(values), data])


def _validity(values: Sequence[object]) -> pa.Buffer | None:
    """One bit a value, least significant first; nothing where no value is missing."""
    return _bits(value is not None for value in values) if None in values else None


def _bits(answers: Iterable[bool]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(np.fromiter(answers, dtype=np.bool_), bitorder="little"))
