"""Frames: plural nouns with a stated shape, written down in a `FrameSpec` beside the function that makes them.

A frame is a sheet (`Sheet`) while an investigation works on it, and a DataFrame in the hands of people.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ecs_trail.arrays import plain
from ecs_trail.collector import collector_paused
from ecs_trail.frames.kinds import COUNT, COUNTS, FLAG, NUMBER, RIVALS, STEPS, TEXT, TEXTS, TIME, TIMES, Row
from ecs_trail.frames.sheets import Frame, Sheet, as_sheet, is_known, to_frame, to_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COUNT",
    "COUNTS",
    "FLAG",
    "NUMBER",
    "RIVALS",
    "STEPS",
    "TEXT",
    "TEXTS",
    "TIME",
    "TIMES",
    "Frame",
    "FrameSpec",
    "Row",
    "Sheet",
    "as_sheet",
    "each",
    "grouped",
    "is_known",
    "rows",
    "to_frame",
    "to_table",
    "tuples",
]


#: Rows made at a time where all of them are walked.
_BATCH: Final = 20_000


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

    def sheet(self, rows: Iterable[Mapping[str, Any]]) -> Sheet:
        """Rows (column -> value; a missing column is null) as a sheet of exactly this shape."""
        return Sheet.of_rows(rows, self.columns)

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
        """The same as a DataFrame."""
        return self.sheet(rows).frame

    def check(self, frame: Frame) -> None:
        """Raise `ValueError` when a frame lacks columns of this shape, naming them."""
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            raise ValueError(f"frame '{self.name}' lacks the columns {missing}; it has {list(frame.columns)}.")


def rows(frame: Frame, columns: Sequence[str] | None = None) -> list[Row]:
    """The frame as plain dictionaries (None for null, aware `datetime` for times), in the frame's order."""
    with collector_paused():
        if isinstance(frame, Sheet):
            return frame.rows(columns)
        names = list(frame.columns) if columns is None else list(columns)
        return [dict(zip(names, row, strict=True)) for row in tuples(frame, names)]


def each(frame: Sheet, columns: Sequence[str] | None = None, *, batch: int = _BATCH) -> Iterator[Row]:
    """The rows of `rows`, made batch by batch: for walking large frames without holding all of them."""
    for start in range(0, len(frame), batch):
        yield from rows(frame.part(start, start + batch), columns)


def grouped(frame: Sheet, columns: Sequence[str]) -> Iterator[tuple[Any, list[tuple[Any, ...]]]]:
    """The values of the first of these columns in their order, each with its rows as plain tuples; null is left out.

    Rows are made batch by batch, so that those of one value can be worked off and forgotten.
    """
    by = columns[0]
    ordered = frame.where(**{by: is_known}).ordered(by)
    parts = (ordered.part(start, start + _BATCH).tuples(columns) for start in range(0, len(ordered), _BATCH))
    for value, group in groupby(chain.from_iterable(parts), key=itemgetter(0)):
        yield value, list(group)


def tuples(frame: Frame, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The named columns row by row as plain tuples."""
    if isinstance(frame, Sheet):
        return frame.tuples(columns)
    # the array and not the Series: Arrow asks for attributes that a Series first seeks among its own labels
    return zip(*(plain(pa.array(frame[name].array)) for name in columns), strict=True)
