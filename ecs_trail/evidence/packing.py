"""Rows as Arrow, packed: made in chunks while reading, kept small, trimmed to a selection.

A row of plain Python values takes about six times the space of the record itself. So rows live only until a few
thousand of them are together; then they become one packed chunk: Arrow's stream format, repeating columns as
dictionaries, compressed. One allocation a chunk leaves no gaps in memory, and columns are opened only when needed.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import array_of, counted, number, texts
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Selection

#: The column beside those of `EVENT_SCHEMA`: whether the record had to be rebuilt (`ledger.Found`).
REBUILT: Final = "is_rebuilt"
_INDEX: Final = "index"
#: Columns whose values are (nearly) all different: a dictionary would only add to them.
_DIFFERING: Final = frozenset(
    {"event_id", "request_id", "shared_event_id", "error_message", "request_parameters", "response_elements",
     "additional_event_data", "service_event_details", "resources", "raw"}
)  # fmt: skip
#: What `Selection` may ask of: everything that is no long text.
_ASKED: Final = tuple(name for name in EVENT_SCHEMA.names if name not in _DIFFERING)
_PACKED_SCHEMA: Final = pa.schema(
    [
        pa.field(field.name, pa.dictionary(pa.int32(), pa.string()))
        if pa.types.is_string(field.type) and field.name not in _DIFFERING
        else pa.field(field.name, field.type)
        for field in EVENT_SCHEMA
    ]
    + [pa.field(REBUILT, pa.bool_())]
)
_ALL: Final = tuple(_PACKED_SCHEMA.names)
#: Rows with their flags: packed, or as an open batch of plain values where they come from Arrow anyhow.
Chunk: TypeAlias = bytes | pa.RecordBatch
#: Offsets of Arrow strings have 32 bits; longer columns are gathered with 64.
_OFFSET_LIMIT: Final = 1 << 31
#: Columns opened at a time, and slices in which the records are gathered where they are more than a little.
_COLUMNS: Final = 6
_SLICES: Final = 4
_SMALL: Final = 16 << 20


def pack(rows: list[tuple[Any, ...]], rebuilt: list[bool]) -> bytes:
    """Rows (tuples in the order of `EVENT_SCHEMA`) with their flags as one packed chunk."""
    return _sealed(open_batch(rows, rebuilt))


def open_batch(rows: list[tuple[Any, ...]], rebuilt: list[bool]) -> pa.RecordBatch:
    """The same as a chunk that is open: for the last rows, which are soon asked for and would be opened at once."""
    columns = [*(zip(*rows, strict=True) if rows else (() for _ in EVENT_SCHEMA)), rebuilt]
    arrays = []
    for field, values in zip(_PACKED_SCHEMA, columns, strict=True):
        if pa.types.is_dictionary(field.type):
            arrays.append(texts(values).dictionary_encode())
        else:
            arrays.append(array_of(values, field.type))
    return pa.record_batch(arrays, schema=_PACKED_SCHEMA)


def pack_table(table: pa.Table) -> bytes:
    """A table of `EVENT_SCHEMA` with the flags in column `REBUILT` as one packed chunk."""
    arrays = []
    for kind in _PACKED_SCHEMA:
        column = table.column(kind.name).combine_chunks()
        arrays.append(column.dictionary_encode() if pa.types.is_dictionary(kind.type) else column)
    return _sealed(pa.record_batch(arrays, schema=_PACKED_SCHEMA))


def batch_of(table: pa.Table) -> pa.RecordBatch:
    """A table of `EVENT_SCHEMA` with the flags in column `REBUILT` as one chunk that is open already."""
    (batch,) = table.select(_ALL).combine_chunks().to_batches(max_chunksize=table.num_rows)
    return batch


def opened(chunks: Iterable[Chunk], names: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    """The named columns of packed chunks, one after the other, with their values themselves."""
    places = [_ALL.index(name) for name in names]
    batches = [batch for chunk in chunks for batch in _batches(chunk, places)]
    return {
        name: pa.chunked_array([_plain(batch.column(name)) for batch in batches], type=_plain_type(name))
        for name in names
    }


def trim(chunk: Chunk, selection: Selection) -> tuple[Chunk | None, int]:
    """The rows of a packed chunk that belong to the selection, in their order, None when there are none; and how many
    do not belong to it.
    """
    asked = pa.table(opened([chunk], _ASKED))
    kept = selection.filter(asked.append_column(_INDEX, counted(asked.num_rows)))
    if kept.num_rows == asked.num_rows:
        return chunk, 0
    others = asked.num_rows - kept.num_rows
    if not kept.num_rows:
        return None, others
    (batch,) = _batches(chunk, range(len(_ALL)))
    found = batch.take(kept.column(_INDEX).combine_chunks())
    return _sealed(found) if isinstance(chunk, bytes) else found, others


def gather(chunks: list[Chunk], order: pa.Array) -> dict[str, pa.ChunkedArray]:
    """All columns of `EVENT_SCHEMA` of the packed chunks, at the given places. A few columns are opened at a time, and
    of the records themselves, which are most of the bytes, no second copy is held.
    """
    gathered = {"raw": gather_raw(chunks, order)}
    names = [name for name in EVENT_SCHEMA.names if name != "raw"]
    for start in range(0, len(names), _COLUMNS):
        columns = opened(chunks, names[start : start + _COLUMNS])
        while columns:
            name, column = columns.popitem()
            gathered[name] = _taken(column, order)
            del column
        pa.default_memory_pool().release_unused()
    return gathered


def gather_raw(chunks: list[Chunk], order: pa.Array) -> pa.ChunkedArray:
    """The records themselves at the given places: a little at once, more slice by slice, with the chunks opened again
    for each.
    """
    sizes = [opened([chunk], ["raw"])["raw"].nbytes for chunk in chunks]
    if sum(sizes) <= _SMALL:
        return pa.chunked_array([opened(chunks, ["raw"])["raw"].combine_chunks().take(order)])
    slices = max(_SLICES, 2 * sum(sizes) // _OFFSET_LIMIT)
    step = max(1, -(-len(order) // slices))
    parts = [_slice(chunks, order[start : start + step]) for start in range(0, len(order), step)]
    pa.default_memory_pool().release_unused()
    return pa.chunked_array(parts, type=pa.string())


def _slice(chunks: list[Chunk], order: pa.Array) -> pa.Array:
    by_place = pc.sort_indices(order)
    places = order.take(by_place)
    found = []
    start = 0
    for chunk in chunks:
        column = opened([chunk], ["raw"])["raw"].combine_chunks()
        end = start + len(column)
        here = places.filter(pc.and_(pc.greater_equal(places, number(start)), pc.less(places, number(end))))
        found.append(column.take(pc.subtract(here, number(start))))
        start = end
    return pa.concat_arrays(found).take(pc.sort_indices(by_place)) if found else texts([])


def _taken(column: pa.ChunkedArray, order: pa.Array) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type) or column.nbytes < _OFFSET_LIMIT:
        return pa.chunked_array([column.combine_chunks().take(order)])  # taking from many chunks is slow
    long = column.cast(pa.large_string())
    step = max(1, len(order) * _OFFSET_LIMIT // (2 * column.nbytes))
    parts = [long.take(order[start : start + step]).cast(pa.string()) for start in range(0, len(order), step)]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], type=pa.string())


def _sealed(batch: pa.RecordBatch) -> bytes:
    codec = "lz4" if pa.Codec.is_available("lz4") else None
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _batches(chunk: Chunk, places: Iterable[int]) -> list[pa.RecordBatch]:
    if not isinstance(chunk, bytes):
        return [chunk.select([_ALL[place] for place in places])]
    options = pa.ipc.IpcReadOptions(included_fields=list(places), use_threads=False)
    with pa.ipc.open_stream(chunk, options=options) as reader:
        return list(reader)


def _plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _plain_type(name: str) -> pa.DataType:
    kind = _PACKED_SCHEMA.field(name).type
    return kind.value_type if pa.types.is_dictionary(kind) else kind
