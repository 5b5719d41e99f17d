"""Sheets: frames as the analysis passes them on, without pandas.

An investigation asks little of its frames: the rows where a column has a value, and those rows as plain values. A sheet
gives just that. pandas alone takes longer to load than a small case takes to judge, and then a millisecond for each
question; so only what people take along is made a DataFrame (`Sheet.frame`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from ecs_trail.arrays import Clean, Places, whole_numbers
from ecs_trail.frames.columns import Column, answered, kinds_of
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
#: The types of what a column of texts may hold.
_TEXTS: Final = frozenset({str, type(None)})


class Sheet:
    """Rows in a stated order, each column of one kind. Nothing in a sheet changes.

    Values are plain: None for null, aware UTC `datetime` for times, a fresh list for every value of a list column.
    """

    __slots__ = ("_held", "_places")

    def __init__(self, held: "_Held", places: Places | None = None) -> None:
        """See `Sheet.of_table`, `Sheet.of_rows`, `as_sheet`. `places`: the rows of what is held, None for all."""
        self._held = held
        self._places = places

    @classmethod
    def of_table(cls, table: pa.Table, clean: Clean | None = None) -> "Sheet":
        """The rows of an Arrow table; `clean` gives the different texts of a column as they may be seen."""
        return cls(_Table(table, clean))

    @classmethod
    def of_rows(cls, found: Iterable[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> "Sheet":
        """Rows (column -> value; a missing column is null) in exactly these columns."""
        return cls(_Rows(list(found), columns))

    @property
    def places(self) -> Places:
        """Which rows of the table it was made of, counted from 0."""
        return np.arange(self._held.length) if self._places is None else self._places

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in their order."""
        return self._held.names

    @property
    def empty(self) -> bool:
        """True where it has no row."""
        return not len(self)

    @property
    def frame(self) -> "pd.DataFrame":
        """The sheet as an Arrow-backed DataFrame, for people."""
        return to_frame(self._held.table(self._places))

    def __len__(self) -> int:
        """How many rows it has."""
        return self._held.length if self._places is None else len(self._places)

    def coded(self, name: str, rows: Places | None = None) -> Column:
        """A column, or some rows of it, as its different values and which of them stands in each row."""
        return self._held.column(name, self._places_of(rows))

    def column(self, name: str) -> list[Any]:
        """The values of a column."""
        return self.coded(name).values()

    def different(self, name: str) -> set[Any]:
        """The different values of a column."""
        return set(self.coded(name).different())

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

    def taken(self, places: Iterable[int]) -> "Sheet":
        """Its rows at some places, counted from 0, in that order; a row may be taken more than once."""
        return self._at(np.fromiter(places, dtype=np.int64))

    def kept(self, answers: Iterable[bool]) -> "Sheet":
        """The rows whose answer is true; one answer for each row, in their order."""
        return self._at(np.flatnonzero(answered(answers, len(self))))

    def where(self, **asked: Asked) -> "Sheet":
        """The rows where all holds: `where(error_code=None, event_name=("RunTask", "StartTask"))`."""
        return self._at(self._answering(asked, np.arange(len(self))))

    def where_any(self, *asked: Mapping[str, Asked]) -> "Sheet":
        """The rows that `where` gives for at least one of these."""
        found = np.zeros(len(self), dtype=np.bool_)
        for one in asked:
            found[self._answering(one, np.flatnonzero(~found))] = True
        return self._at(np.flatnonzero(found))

    def without(self, part: "Sheet") -> "Sheet":
        """The rows that a part of this sheet does not have."""
        taken = np.zeros(self._held.length, dtype=np.bool_)
        taken[part.places] = True
        return Sheet(self._held, self.places[~taken[self.places]])

    def first_of(self, names: Sequence[str]) -> "Sheet":
        """The first row of every combination of values in the named columns."""
        return self.kinds(names)[0]

    def repeats(self, names: Sequence[str]) -> "Sheet":
        """The rows that say in the named columns what an earlier row said."""
        return self.without(self.first_of(names))

    def kinds(self, names: Sequence[str]) -> tuple["Sheet", list[int]]:
        """Rows that are equal in the named columns are of one kind: the first row of each, and the kind of each row."""
        first, kinds = kinds_of([self.coded(name) for name in names], len(self))
        return self._at(first), kinds.tolist()

    def derived(
        self, names: Sequence[str], make: Callable[[Row], Mapping[str, Any]], columns: Mapping[str, pa.DataType]
    ) -> "Sheet":
        """For each row what `make` says of its values in the named columns; it is asked once for each kind of row."""
        firsts, kinds = self.kinds(names)
        return Sheet.of_rows(map(make, firsts.rows(names)), columns).taken(kinds)

    def beside(self, *others: "Sheet") -> "Sheet":
        """Its columns and those of others that have as many rows; of two of one name the later counts."""
        return Sheet(_Beside({name: one for one in (self, *others) for name in one.columns}, len(self)))

    def only(self, names: Iterable[str]) -> "Sheet":
        """The named columns, in that order."""
        return Sheet(_Beside(dict.fromkeys(names, self), len(self)))

    def listed(self, by: str, name: str) -> dict[Any, list[Any]]:
        """Value of one column -> the values of another in its rows; null is left out."""
        found: dict[Any, list[Any]] = {value: [] for value in self.different(by)}
        for value, one in self.tuples((by, name)):
            found[value].append(one)
        found.pop(None, None)
        return found

    def ordered(self, name: str) -> "Sheet":
        """The rows by the values of a column; equal ones stay in their order."""
        return self._at(self.coded(name).order())

    def _at(self, rows: Places) -> "Sheet":
        return Sheet(self._held, self._places_of(rows))

    def _places_of(self, rows: Places | None) -> Places | None:
        return rows if self._places is None else self._places if rows is None else self._places[rows]

    def _answering(self, asked: Mapping[str, Asked], rows: Places) -> Places:
        """Which of these rows answer to all that is asked."""
        for name, wanted in asked.items():
            rows = rows[self.coded(name, rows).answers(_test(wanted))]
        return rows


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

    def column(self, name: str, places: Places | None) -> Column: ...

    def table(self, places: Places | None) -> pa.Table: ...


class _Table:
    """An Arrow table, whose columns become plain values when they are asked for."""

    def __init__(self, table: pa.Table, clean: Clean | None) -> None:
        self.names: list[str] = table.column_names
        self.length: int = table.num_rows
        self._table = table
        self._clean = clean
        self._kept: dict[str, Column] = {}

    def column(self, name: str, places: Places | None) -> Column:
        if name not in self._kept:
            column = self._table.column(name)
            if column.nbytes > max(_LITTLE, _SHORT * len(column)):
                taken = column if places is None else column.take(whole_numbers(places))
                return Column.of_array(taken, self._clean)
            self._kept[name] = Column.of_array(column, self._clean)
        return self._kept[name].taken(places)

    def table(self, places: Places | None) -> pa.Table:
        if self._clean is not None:
            return _arrow({name: self.column(name, places) for name in self.names})
        return self._table if places is None else self._table.take(whole_numbers(places))


class _Rows:
    """Rows that an analysis made, column by column."""

    def __init__(self, found: list[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> None:
        self.names = list(columns)
        self.length = len(found)
        self._columns = {
            name: Column(_as_kind([row.get(name) for row in found], kind), None, kind) for name, kind in columns.items()
        }

    def column(self, name: str, places: Places | None) -> Column:
        return self._columns[name].taken(places)

    def table(self, places: Places | None) -> pa.Table:
        return _arrow({name: column.taken(places) for name, column in self._columns.items()})


class _Beside:
    """Columns of several sheets, side by side."""

    def __init__(self, sheets: Mapping[str, Sheet], length: int) -> None:
        self.names = list(sheets)
        self.length = length
        self._sheets = sheets

    def column(self, name: str, places: Places | None) -> Column:
        return self._sheets[name].coded(name, places)

    def table(self, places: Places | None) -> pa.Table:
        return _arrow({name: self.column(name, places) for name in self.names})


def _arrow(columns: Mapping[str, Column]) -> pa.Table:
    arrays = [pa.array(column.values(), type=column.kind) for column in columns.values()]
    return pa.Table.from_arrays(arrays, schema=pa.schema([(name, column.kind) for name, column in columns.items()]))


def _test(wanted: Asked) -> Callable[[Any], bool]:
    if callable(wanted):
        return wanted
    return frozenset((wanted,) if wanted is None or isinstance(wanted, str) else wanted).__contains__


def _as_kind(values: list[Any], kind: pa.DataType) -> list[Any]:
    """Values as Arrow would hold them in a column of a kind: lists for sets and null, texts for words of ours."""
    if kind == TEXT:
        return values if set(map(type, values)) <= _TEXTS else [one if one is None else str(one) for one in values]
    if kind == TIME:
        return [one if one is None or one.tzinfo is UTC else one.astimezone(UTC) for one in values]
    if kind == NUMBER:
        return [None if one is None else float(one) for one in values]
    if pa.types.is_list(kind):
        inner = kind.value_type
        lists = (sorted(one) if isinstance(one, (set, frozenset)) else list(one or ()) for one in values)
        return [_as_kind(one, inner) if one else one for one in lists]
    if pa.types.is_struct(kind):
        columns = [(field.name, _as_kind([one.get(field.name) for one in values], field.type)) for field in kind]
        return [{name: column[at] for name, column in columns} for at in range(len(values))]
    return values
