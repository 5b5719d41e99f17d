"""Parquet parts of a store: how events are laid out, and read back no more than is asked for.

Rows are sorted by time, row groups are small enough to skip and large enough to compress, repeating columns are
dictionaries, times have statistics, ids have Bloom filters where the installed pyarrow can write them, and the record
itself, most of the bytes, stands last.
"""

import inspect
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecs_trail.evidence.packing import REBUILT, Chunk, batch_of
from ecs_trail.evidence.store.disks import Opened
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Selection
from ecs_trail.times import Window

#: Rows of a row group: about 16 MB of records.
GROUP_ROWS: Final = 16_384
_LEVEL: Final = 3
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


def write_events(target: Path | BinaryIO, table: pa.Table) -> None:
    """Write sorted rows (`EVENT_SCHEMA` and the flag of `packing.REBUILT`) as one Parquet file. Raises `OSError`."""
    options: dict[str, Any] = {}
    known = inspect.signature(pq.ParquetWriter.__init__).parameters
    if "bloom_filter_options" in known:  # pyarrow 24 and later
        options["bloom_filter_options"] = {name: {"ndv": GROUP_ROWS, "fpp": 0.01} for name in _BLOOMED}
    time = STORED_SCHEMA.get_field_index("event_time")
    pq.write_table(
        table.select(_NAMES).cast(STORED_SCHEMA),
        target,
        row_group_size=GROUP_ROWS,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=[name for name in _NAMES if name not in _DIFFERING],
        write_statistics=[name for name in _NAMES if name not in _LONG],
        sorting_columns=[pq.SortingColumn(time)],
        **options,
    )


def span_of(table: pa.Table) -> tuple[datetime, datetime]:
    """The first and the last event time of rows, UTC."""
    both = pc.min_max(table.column("event_time")).as_py()
    return both["min"], both["max"]


def span_of_part(part: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """The same of a part, as the manifest has it."""
    first, last = (datetime.fromisoformat(one) for one in part["span"])
    return first, last


def chunks(opened: Opened, selection: Selection) -> Iterator[Chunk]:
    """The rows of a part that belong to the selection, a row group at a time. Raises `OSError` and
    `pa.ArrowException`.

    Groups outside the window are skipped by their statistics, and of the others the long columns are read only where
    rows belong to the selection.
    """
    window = selection.window
    with pq.ParquetFile(opened) as parquet:
        for number in range(parquet.num_row_groups):
            if _lies_outside(parquet.metadata.row_group(number), window):
                continue
            chosen = _chosen(parquet.read_row_group(number, columns=list(_ASKED)), selection)
            if chosen is not None and not len(chosen):
                continue
            rows = parquet.read_row_group(number, columns=_NAMES)
            yield batch_of(rows if chosen is None else rows.take(chosen))


def columns(opened: Opened, names: list[str], window: Window) -> Iterator[pa.Table]:
    """Some columns of the row groups that may lie in a window. Raises as `chunks`."""
    with pq.ParquetFile(opened) as parquet:
        for number in range(parquet.num_row_groups):
            if not _lies_outside(parquet.metadata.row_group(number), window):
                yield parquet.read_row_group(number, columns=names)


def _chosen(asked: pa.Table, selection: Selection) -> pa.Array | None:
    """The places of the rows that belong to the selection; None for all."""
    numbered = asked.append_column("index", pa.array(range(asked.num_rows), type=pa.int64()))
    kept = selection.filter(numbered)
    return None if kept.num_rows == asked.num_rows else kept.column("index").combine_chunks()


def _lies_outside(group: Any, window: Window) -> bool:
    statistics = group.column(STORED_SCHEMA.get_field_index("event_time")).statistics
    if statistics is None or not statistics.has_min_max:
        return False
    return not window.overlaps(statistics.min, statistics.max)
