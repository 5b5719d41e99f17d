"""Parquet parts of a store: how events are laid out, and read back no more than is asked for.

Rows of a selection are sorted by time. Where everything is kept, the rows an investigation asks for stand in parts of
their own, and of the others like rows stand together: those of one session, and there of one call. Row groups are small
enough to skip and large enough to compress, repeating columns are dictionaries, short columns have statistics, ids have
Bloom filters where the installed pyarrow can write them (DuckDB reads those; this package needs none), and the record
itself, most of the bytes, stands last.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecs_trail import arrays
from ecs_trail.arrays import Places, counted, joined, values_of, whole_numbers
from ecs_trail.evidence.packing import REBUILT, Chunk, batch_of
from ecs_trail.evidence.store.disks import Opened
from ecs_trail.evidence.store.pruning import may_hold
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Selection, everything
from ecs_trail.times import Window

#: Rows of a row group: about 16 MB of records.
GROUP_ROWS: Final = 16_384
#: The same of blocks in which like rows stand together: small, as a question then needs few of them.
ALIKE_ROWS: Final = 2048
#: By what like rows are put together.
ALIKE: Final = ("session_name", "event_source", "event_name", "event_time")
_LEVEL: Final = 1
#: Rows that are encoded at once.
_AT_ONCE: Final = 4096
#: Columns whose values differ from row to row; the others are dictionaries.
_DIFFERING: Final = frozenset(
    {"event_id", "event_time", "session_created_at", "request_id", "shared_event_id", "error_message",
     "request_parameters", "response_elements", "additional_event_data", "service_event_details", "resources",
     "position", "raw"}
)  # fmt: skip
#: Long texts, of which nobody asks the smallest and largest.
_LONG: Final = frozenset(
    {"request_parameters", "response_elements", "additional_event_data", "service_event_details", "resources", "raw",
     "error_message", "user_agent"}
)  # fmt: skip
_BLOOMED: Final = ("event_id", "session_name", "session_issuer_arn")
#: What a selection may ask of (see `selection.Clause`).
_ASKED: Final = (
    "event_time", "event_source", "event_name", "aws_region", "account_id", "error_code", "session_name",
    "requested_session_name", "session_issuer_arn", "target_role_arn",
)  # fmt: skip
STORED_SCHEMA: Final[pa.Schema] = pa.schema(
    [*(one for one in EVENT_SCHEMA if one.name != "raw"), pa.field(REBUILT, pa.bool_()), EVENT_SCHEMA.field("raw")]
)
_NAMES: Final = STORED_SCHEMA.names
#: Row groups of which the columns a selection asks of are read at once.
_GROUPS: Final = 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A part of events that is finished but for its name: its bytes, its rows, first and last event time (UTC)."""

    data: bytes
    rows: int
    first: datetime
    last: datetime


def write_events(target: Path | BinaryIO, table: pa.Table) -> None:
    """Write rows sorted by time (`EVENT_SCHEMA` and the flag of `packing.REBUILT`) as one Parquet file. Raises
    `OSError`.
    """
    time = STORED_SCHEMA.get_field_index("event_time")
    with _writer(target, GROUP_ROWS, sorting_columns=[pq.SortingColumn(time)]) as writer:
        writer.write_table(table.select(_NAMES).cast(STORED_SCHEMA), row_group_size=GROUP_ROWS)


class EventWriter:
    """Writes blocks of rows, each ordered so that like rows stand together, as one part in memory."""

    def __init__(self) -> None:
        """Nothing is made before there are rows."""
        self._sink = pa.BufferOutputStream()
        self._writer: pq.ParquetWriter | None = None
        self._rows = 0
        self._span: list[datetime] = []

    def write(self, table: pa.Table) -> None:
        """Add rows (`EVENT_SCHEMA` and the flag of `packing.REBUILT`) in row groups of their own."""
        if not table.num_rows:
            return
        if self._writer is None:
            self._writer = _writer(self._sink, ALIKE_ROWS)
        self._writer.write_table(table.select(_NAMES).cast(STORED_SCHEMA), row_group_size=ALIKE_ROWS)
        self._rows += table.num_rows
        self._span += span_of(table)

    def sealed(self) -> Sealed | None:
        """The part, None without rows; after this nothing may be added."""
        if self._writer is None:
            return None
        self._writer.close()
        data = self._sink.getvalue().to_pybytes()
        return Sealed(data, self._rows, min(self._span), max(self._span))


def _writer(where: Any, group_rows: int, **options: Any) -> pq.ParquetWriter:
    known = inspect.signature(pq.ParquetWriter.__init__).parameters
    if "bloom_filter_options" in known:  # pyarrow 24 and later
        options["bloom_filter_options"] = {name: {"ndv": group_rows, "fpp": 0.01} for name in _BLOOMED}
    repeating = [name for name in _NAMES if name not in _DIFFERING]
    short = {*repeating} - {"source"}  # paths are long, and begin alike
    return pq.ParquetWriter(
        where,
        STORED_SCHEMA,
        # numbers of a dictionary are small as they are: to begin with zstd takes longer than to write them
        compression={name: "snappy" if name in short else "zstd" for name in _NAMES},
        compression_level={name: _LEVEL for name in _NAMES if name not in short},
        use_dictionary=repeating,
        write_statistics=[name for name in _NAMES if name not in _LONG],
        write_batch_size=_AT_ONCE,
        **options,
    )


def span_of(table: pa.Table) -> tuple[datetime, datetime]:
    """The first and the last event time of rows, UTC."""
    return arrays.span_of(table.column("event_time"))


def span_of_part(part: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """The same of a part, as the manifest has it."""
    first, last = (datetime.fromisoformat(one) for one in part["span"])
    return first, last


def chunks(opened: Opened, selection: Selection) -> Iterator[Chunk]:
    """The rows of a part that belong to the selection, a row group at a time. Raises `OSError` and
    `pa.ArrowException`.
    """
    return map(batch_of, found(opened, selection, _NAMES))


def found(source: Opened, selection: Selection, names: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of the rows of a part that belong to the selection, a row group at a time. Raises as `chunks`.

    Groups whose statistics rule every clause out are skipped; of the others the columns asked for are read only where
    rows belong to the selection.
    """
    asked = [name for name in _ASKED if name in selection.columns]
    with pq.ParquetFile(source) as opened:
        every = range(opened.num_row_groups)
        groups = [number for number in every if may_hold(opened.metadata.row_group(number), selection)]
        if not asked:
            yield from (opened.read_row_group(number, columns=list(names)) for number in groups)
            return
        step = 1 if _LONG.intersection(names) else _GROUPS
        for start in range(0, len(groups), _GROUPS):
            hits = _hits(opened, groups[start : start + _GROUPS], asked, selection)
            for first in range(0, len(hits), step):
                yield _taken(opened, hits[first : first + step], names)


def _hits(
    opened: pq.ParquetFile, groups: list[int], asked: Sequence[str], selection: Selection
) -> list[tuple[int, Places]]:
    """The row groups that hold rows of the selection, each with their places in it."""
    keys = opened.read_row_groups(groups, columns=asked)
    kept = joined(selection.filter(keys.append_column("index", counted(keys.num_rows))).column("index"))
    places = values_of(kept)
    starts = np.cumsum([0, *(opened.metadata.row_group(number).num_rows for number in groups)])
    cuts = np.searchsorted(places, starts)
    return [
        (number, places[cuts[n] : cuts[n + 1]] - starts[n]) for n, number in enumerate(groups) if cuts[n] < cuts[n + 1]
    ]


def _taken(opened: pq.ParquetFile, hits: list[tuple[int, Places]], names: Sequence[str]) -> pa.Table:
    """Some columns of rows of some row groups."""
    rows = opened.read_row_groups([number for number, _ in hits], columns=list(names))
    starts = np.cumsum([0, *(opened.metadata.row_group(number).num_rows for number, _ in hits)])
    places = np.concatenate([places + start for (_, places), start in zip(hits, starts, strict=False)])
    return rows if len(places) == rows.num_rows else rows.take(whole_numbers(places))


def columns(source: Opened, names: list[str], window: Window) -> Iterator[pa.Table]:
    """Some columns of the row groups that may lie in a window. Raises as `chunks`."""
    selection = everything().during(window)
    with pq.ParquetFile(source) as opened:
        for number in range(opened.num_row_groups):
            if may_hold(opened.metadata.row_group(number), selection):
                yield opened.read_row_group(number, columns=names)
