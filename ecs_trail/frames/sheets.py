"""Sheets: frames as the analysis passes them on, without pandas.

An investigation asks little of its frames: the rows where a column has a value, and those rows as plain values. A sheet
gives just that. pandas alone takes longer to load than a small case takes to judge, and then a millisecond for each
question; so only what people take along is made a DataFrame (`Sheet.frame`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from importlib import import_module
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import pyarrow as pa

from ecs_trail.arrays import numbers, plain
from ecs_trail.frames.kinds import NUMBER, TEXT, TIME, Row

if TYPE_CHECKING:
    import pandas as pd

#: What an analysis may be given.
Frame: TypeAlias = "Sheet | pd.DataFrame"
#: What `Sheet.where` asks of a column: null, a text, one of some texts, or whatever a function says of a value.
Asked: TypeAlias = str | Collection[str] | Callable[[Any], bool] | None
#: A column of Arrow is kept as plain values once it was asked for, unless it holds much and long texts (bytes).
_LITTLE: Final = 4 << 20
_SHORT: Final = 128


class Sheet:
    """Rows in a stated order, each column of one kind. Nothing in a sheet changes.

    Values are plain: None for null, aware UTC `datetime` for times, a fresh list for every value of a list column.
    """

    __slots__ = ("_held", "_places")

    def __init__(self, held: "_Held", places: Sequence[int] | None = None) -> None:
        """See `Sheet.of_table`, `Sheet.of_rows`, `as_sheet`. `places`: the rows of what is held, None for all."""
        self._held = held
        self._places = places

    @classmethod
    def of_table(cls, table: pa.Table) -> "Sheet":
        """The rows of an Arrow table."""
        return cls(_Table(table))

    @classmethod
    def of_rows(cls, found: Iterable[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> "Sheet":
        """Rows (column -> value; a missing column is null) in exactly these columns."""
        return cls(_Rows(list(found), columns))

    @property
    def places(self) -> Sequence[int]:
        """Which rows of the table it was made of, counted from 0."""
        return range(self._held.length) if self._places is None else self._places

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in their order."""
        return self._held.names

    @property
    def empty(self) -> bool:
        """True where it has no row."""
        return not self.places

    @property
    def frame(self) -> "pd.DataFrame":
        """The sheet as an Arrow-backed DataFrame, for people."""
        return to_frame(self._held.table(self._places))

    def __len__(self) -> int:
        """How many rows it has."""
        return len(self.places)

    def column(self, name: str) -> list[Any]:
        """The values of a column."""
        return self._held.values(name, self._places)

    def tuples(self, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """The named columns row by row."""
        return zip(*map(self.column, names), strict=True)

    def rows(self, names: Iterable[str] | None = None) -> list[Row]:
        """The named columns, or all of them, as plain dictionaries."""
        listed = self.columns if names is None else list(names)
        return [dict(zip(listed, row, strict=True)) for row in self.tuples(listed)]

    def part(self, start: int, end: int) -> "Sheet":
        """The rows from one on up to another, which is left out."""
        return Sheet(self._held, self.places[start:end])

    def kept(self, answers: Iterable[bool]) -> "Sheet":
        """The rows whose answer is true; one answer for each row, in their order."""
        return Sheet(self._held, list(compress(self.places, answers)))

    def where(self, **asked: Asked) -> "Sheet":
        """The rows where all holds: `where(error_code=None, event_name=("RunTask", "StartTask"))`."""
        found = self
        for name, wanted in asked.items():
            found = found.kept(map(_test(wanted), found.column(name)))
        return found

    def where_any(self, *asked: Mapping[str, Asked]) -> "Sheet":
        """The rows that `where` gives for at least one of these."""
        found = {place for one in asked for place in self.where(**one).places}
        return Sheet(self._held, [place for place in self.places if place in found])

    def without(self, part: "Sheet") -> "Sheet":
        """The rows that a part of this sheet does not have."""
        taken = set(part.places)
        return Sheet(self._held, [place for place in self.places if place not in taken])

    def first_of(self, names: Sequence[str]) -> "Sheet":
        """The first row of every combination of values in the named columns."""
        first: dict[tuple[Any, ...], int] = {}
        for place, values in zip(self.places, self.tuples(names), strict=True):
            first.setdefault(values, place)
        return Sheet(self._held, list(first.values()))


def as_sheet(given: Frame) -> Sheet:
    """A frame as a sheet."""
    return given if isinstance(given, Sheet) else Sheet.of_table(to_table(given))


def is_known(value: object) -> bool:
    """For `Sheet.where`: the rows where a column has a value."""
    return value is not None


def to_frame(table: pa.Table) -> "pd.DataFrame":
    """An Arrow table as an Arrow-backed DataFrame; nothing is copied where Arrow allows."""
    # neither a scan nor an investigation loads pandas before somebody asks for a frame
    frame: pd.DataFrame = table.to_pandas(types_mapper=import_module("pandas").ArrowDtype)
    return frame


def to_table(frame: "pd.DataFrame") -> pa.Table:
    """A frame as an Arrow table, the inverse of `to_frame`."""
    return pa.Table.from_pandas(frame, preserve_index=False)


class _Held(Protocol):
    """What a sheet and all its parts stand on. `places` None means all rows."""

    names: list[str]
    length: int

    def values(self, name: str, places: Sequence[int] | None) -> list[Any]: ...

    def table(self, places: Sequence[int] | None) -> pa.Table: ...


class _Table:
    """An Arrow table, whose columns become plain values when they are asked for."""

    def __init__(self, table: pa.Table) -> None:
        self.names: list[str] = table.column_names
        self.length: int = table.num_rows
        self._table = table
        self._kept: dict[str, list[Any]] = {}

    def values(self, name: str, places: Sequence[int] | None) -> list[Any]:
        column = self._table.column(name)
        if name not in self._kept:
            if column.nbytes > max(_LITTLE, _SHORT * len(column)):
                return plain(column if places is None else column.take(numbers(places)))
            self._kept[name] = plain(column)
        return _picked(self._kept[name], places, column.type)

    def table(self, places: Sequence[int] | None) -> pa.Table:
        return self._table if places is None else self._table.take(numbers(places))


class _Rows:
    """Rows that an analysis made, column by column."""

    def __init__(self, found: list[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> None:
        self.names = list(columns)
        self.length = len(found)
        self._kinds = columns
        self._values = {name: _as_kind([row.get(name) for row in found], kind) for name, kind in columns.items()}

    def values(self, name: str, places: Sequence[int] | None) -> list[Any]:
        return _picked(self._values[name], places, self._kinds[name])

    def table(self, places: Sequence[int] | None) -> pa.Table:
        arrays = [pa.array(self.values(name, places), type=kind) for name, kind in self._kinds.items()]
        return pa.Table.from_arrays(arrays, schema=pa.schema(list(self._kinds.items())))


def _test(wanted: Asked) -> Callable[[Any], bool]:
    if callable(wanted):
        return wanted
    return frozenset((wanted,) if wanted is None or isinstance(wanted, str) else wanted).__contains__


def _picked(values: list[Any], places: Sequence[int] | None, kind: pa.DataType) -> list[Any]:
    """The values at some places; lists are copied, as whoever takes a row may add to it."""
    found = values.copy() if places is None else list(map(values.__getitem__, places))
    if pa.types.is_list(kind):
        if pa.types.is_struct(kind.value_type):
            return [one and [dict(inner) for inner in one] for one in found]
        return [one and list(one) for one in found]
    return found


def _as_kind(values: list[Any], kind: pa.DataType) -> list[Any]:
    """Values as Arrow would hold them in a column of a kind: lists for sets and null, texts for words of ours."""
    if pa.types.is_list(kind):
        inner = kind.value_type
        lists = (sorted(one) if isinstance(one, (set, frozenset)) else list(one or ()) for one in values)
        return [_as_kind(one, inner) if one else one for one in lists]
    if pa.types.is_struct(kind):
        columns = [(field.name, _as_kind([one.get(field.name) for one in values], field.type)) for field in kind]
        return [{name: column[at] for name, column in columns} for at in range(len(values))]
    if kind == TEXT:
        return [one if one is None or type(one) is str else str(one) for one in values]
    if kind == TIME:
        return [one if one is None or one.tzinfo is UTC else one.astimezone(UTC) for one in values]
    if kind == NUMBER:
        return [None if one is None else float(one) for one in values]
    return values
