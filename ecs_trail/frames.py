"""Frames: plural nouns with a stated shape, written down in a `FrameSpec` beside the function that makes them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ecs_trail.collector import collector_paused

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

TEXT: Final = pa.string()
TEXTS: Final = pa.list_(pa.string())
TIME: Final = pa.timestamp("us", tz="UTC")
TIMES: Final = pa.list_(TIME)
#: Steps for people: a title and commands to copy.
STEPS: Final = pa.list_(pa.struct([("title", pa.string()), ("commands", pa.list_(pa.string()))]))
#: Changes that might have been a cause, and why they are not, or cannot be ruled out.
RIVALS: Final = pa.list_(
    pa.struct(
        [
            ("event_id", pa.string()),
            ("event_time", TIME),
            *((name, pa.string()) for name in ("event_name", "actor", "standing", "reason")),
        ]
    )
)
FLAG: Final = pa.bool_()
COUNT: Final = pa.int64()
COUNTS: Final = pa.list_(COUNT)
NUMBER: Final = pa.float64()


@dataclass(frozen=True)
class FrameSpec:
    """The shape of a frame: its columns with Arrow types, the columns that identify a row, and one line of meaning.

    Frames are Arrow-backed; times are `timestamp[us, UTC]`; a list column is never null.
    """

    name: str
    doc: str
    key: tuple[str, ...]
    columns: Mapping[str, pa.DataType]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the frame."""
        return pa.schema(list(self.columns.items()))

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
        """Rows (column -> value; a missing column is null) as a frame of exactly this shape."""
        listed = list(rows)
        arrays = [_array([row.get(name) for row in listed], kind) for name, kind in self.columns.items()]
        return to_frame(pa.Table.from_arrays(arrays, schema=self.schema))

    def check(self, frame: "pd.DataFrame") -> None:
        """Raise `ValueError` when a frame lacks columns of this shape, naming them."""
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            raise ValueError(f"frame '{self.name}' lacks the columns {missing}; it has {list(frame.columns)}.")


def to_frame(table: pa.Table) -> "pd.DataFrame":
    """An Arrow table as an Arrow-backed DataFrame; nothing is copied where Arrow allows."""
    # a scan alone loads no pandas
    frame: pd.DataFrame = table.to_pandas(types_mapper=import_module("pandas").ArrowDtype)
    return frame


def to_table(frame: "pd.DataFrame") -> pa.Table:
    """A frame as an Arrow table, the inverse of `to_frame`."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def rows(frame: "pd.DataFrame", columns: Sequence[str] | None = None) -> list[Row]:
    """The frame as plain dictionaries (None for null, aware `datetime` for times), in the frame's order."""
    names = list(frame.columns) if columns is None else list(columns)
    with collector_paused():
        values = [_plain(_column(frame, name)) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def each(frame: "pd.DataFrame", columns: Sequence[str] | None = None, *, batch: int = 20_000) -> Iterator[Row]:
    """The rows of `rows`, made batch by batch: for walking large frames without holding all of them."""
    for start in range(0, len(frame), batch):
        yield from rows(frame.iloc[start : start + batch], columns)


def tuples(frame: "pd.DataFrame", columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The named columns row by row as plain tuples."""
    return zip(*(_plain(_column(frame, name)) for name in columns), strict=True)


def _column(frame: "pd.DataFrame", name: str) -> pa.Array:
    """One column as Arrow holds it (one chunk or many); cheaper than turning the whole frame into a table."""
    # the array and not the Series: Arrow asks for attributes that a Series first seeks among its own labels
    return pa.array(frame[name].array)


def _plain(column: pa.Array) -> list[Any]:
    """A column as plain values. Times go through numpy: Arrow's own way builds a zone for every value."""
    if column.type != TIME:
        plain: list[Any] = column.to_pylist()
        return plain
    naive = column.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False).astype(object)
    return [None if moment is None else moment.replace(tzinfo=UTC) for moment in naive]


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_list(kind):
        values = [
            [] if value is None else sorted(value) if isinstance(value, (set, frozenset)) else value for value in values
        ]
    return pa.array(values, type=kind)
