"""Frames: plural nouns with a stated shape, written down in a `FrameSpec` beside the function that makes them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa

Row = dict[str, Any]

TEXT: Final = pa.string()
TEXTS: Final = pa.list_(pa.string())
TIME: Final = pa.timestamp("us", tz="UTC")
TIMES: Final = pa.list_(TIME)
FLAG: Final = pa.bool_()
COUNT: Final = pa.int64()
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

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """Rows (column -> value; a missing column is null) as a frame of exactly this shape."""
        listed = list(rows)
        arrays = [
            pa.array([_value(row.get(name), kind) for row in listed], type=kind) for name, kind in self.columns.items()
        ]
        return to_frame(pa.Table.from_arrays(arrays, schema=self.schema))

    def check(self, frame: pd.DataFrame) -> None:
        """Raise `ValueError` when a frame lacks columns of this shape, naming them."""
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            raise ValueError(f"frame '{self.name}' lacks the columns {missing}; it has {list(frame.columns)}.")


def to_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as an Arrow-backed DataFrame; nothing is copied where Arrow allows."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def to_table(frame: pd.DataFrame) -> pa.Table:
    """A frame as an Arrow table, the inverse of `to_frame`."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def rows(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[Row]:
    """The frame as plain dictionaries (None for null, aware `datetime` for times), in the frame's order."""
    names = list(frame.columns) if columns is None else list(columns)
    listed: list[Row] = to_table(frame[names]).to_pylist()
    return listed


def tuples(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The named columns row by row as plain tuples; the cheapest way to walk a large frame."""
    table = to_table(frame[list(columns)])
    return zip(*(table.column(name).to_pylist() for name in columns), strict=True)


def _value(value: object, kind: pa.DataType) -> object:
    if value is None and pa.types.is_list(kind):
        return []
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
