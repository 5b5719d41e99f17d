"""Rows as Arrow tables: made in chunks while reading, kept small, trimmed to a selection.

A row of plain Python values takes about six times the space of the record itself. So rows live only until a few
thousand of them are together; then they become one table, in which columns that repeat themselves are dictionaries.
"""

from typing import Any, Final

import pyarrow as pa

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
#: Offsets of Arrow strings have 32 bits; longer columns are gathered with 64.
_OFFSET_LIMIT: Final = 1 << 31


def pack(rows: list[tuple[Any, ...]], rebuilt: list[bool]) -> pa.Table:
    """Rows (tuples in the order of `EVENT_SCHEMA`) as a packed table: repeating text columns as dictionaries, and the
    column `is_rebuilt` at the end.
    """
    columns = zip(*rows, strict=True) if rows else iter([() for _ in EVENT_SCHEMA])
    arrays = {}
    for field, values in zip(EVENT_SCHEMA, columns, strict=True):
        made = pa.array(values, type=field.type)
        packs = pa.types.is_string(field.type) and field.name not in _DIFFERING
        arrays[field.name] = made.dictionary_encode() if packs else made
    return pa.table({**arrays, REBUILT: pa.array(rebuilt, type=pa.bool_())})


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A packed column with its values themselves."""
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], type=column.type.value_type)


def trim(table: pa.Table, selection: Selection) -> pa.Table:
    """The rows of a packed table that belong to the selection, in their order."""
    asked = pa.table({name: plain(table.column(name)) for name in _ASKED})
    kept = selection.filter(asked.append_column(_INDEX, pa.array(range(table.num_rows), type=pa.int64())))
    return table if kept.num_rows == table.num_rows else table.take(kept.column(_INDEX))


def gather(columns: dict[str, pa.ChunkedArray], name: str, order: pa.Array) -> pa.ChunkedArray:
    """The values of a column at the given places. The column is taken out of `columns`, so that it can be freed on the
    way.
    """
    values = plain(columns.pop(name))
    if not pa.types.is_string(values.type) or values.nbytes < _OFFSET_LIMIT:
        whole = values.combine_chunks()  # taking from many chunks is slow
        del values
        pa.default_memory_pool().release_unused()
        taken = pa.chunked_array([whole.take(order)])
        del whole
        pa.default_memory_pool().release_unused()
        return taken
    long = values.cast(pa.large_string())
    step = max(1, len(order) * _OFFSET_LIMIT // (2 * values.nbytes))
    parts = [long.take(order[start : start + step]).cast(pa.string()) for start in range(0, len(order), step)]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], type=pa.string())
