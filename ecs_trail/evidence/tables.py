"""Query results and CSV downloads -> records rebuilt from their columns.

A column that holds the whole event (`eventjson`, `CloudTrailEvent`) is the record itself. Otherwise the record is made
of the columns, under their own names; `records.row_of` knows the spellings.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ecs_trail.evidence.normal import canonical_key
from ecs_trail.evidence.texts import compact, is_json

_WHOLE: Final = frozenset({"eventjson", "cloudtrailevent", "event_json", "cloud_trail_event"})
#: Columns of log exports that hold whole events in CloudTrail's log group and anything elsewhere.
_MESSAGES: Final = frozenset({"@message", "message"})
#: Characters of one cell. A record has at most 1 MB; an opening quote without an end must not swallow a whole file.
_CELL_LIMIT: Final = 4 << 20
#: Bytes in which the header of a table ends.
_HEADER: Final = 1 << 16
#: A table is CloudTrail's when it has these columns, in any spelling.
_NEEDED: Final = frozenset({"eventName", "eventTime"})
_ONE_OF: Final = frozenset({"eventSource", "eventID"})
_FREE: Final = frozenset({"requestParameters", "userIdentity"})

#: Columns that may hold whole events.
WHOLE_COLUMNS: Final = _WHOLE | _MESSAGES

Row = Mapping[str, str | None]


@dataclass(slots=True)
class Table:
    """Columns and rows. What else is known only when the rows have been gone through: how many have too few cells,
    the first of them, whether the last is one, and why the table ends early.
    """

    columns: Sequence[str]
    rows: Iterable[Row]
    short: int = 0
    first_short: int = 0
    is_cut: bool = False
    trouble: str = ""


def is_table(columns: Sequence[str]) -> bool:
    """True when the columns are those of a CloudTrail table, query result or event-history download."""
    names = {canonical_key(column.strip()) for column in columns}
    return any(column.strip().lower() in _WHOLE for column in columns) or (names >= _NEEDED and bool(names & _ONE_OF))


def lacking(columns: Sequence[str]) -> list[str]:
    """What a table cannot say about its events for want of columns; empty when it says everything."""
    if _whole(columns) is not None:
        return []
    names = {canonical_key(column.strip()) for column in columns}
    flat = {column.strip().lower().replace("_", "").partition(".")[0] for column in columns}
    return sorted(
        name for name in _FREE if name not in names and not any(part.startswith(name.lower()) for part in flat)
    )


def whole_event(row: Row) -> bytes | None:
    """The column with the whole event as JSON text, or None when the row has none."""
    column = _whole(list(row))
    cell = row[column] if column is not None else None
    text = cell.strip().encode("utf-8", errors="replace") if isinstance(cell, str) else b""
    return text if text[:1] in (b"{", b"[") and is_json(text) else None


def record_of(row: Row) -> bytes:
    """A record made of the filled columns of a row, under their own names."""
    return compact({name.strip(): value for name, value in row.items() if name and value not in (None, "")})


def table_of_csv(text: bytes) -> Table | None:
    """CSV text as a table, or None when it is none of CloudTrail's. Cells may hold line ends. Rows are made one by one,
    as they are asked for, once.
    """
    first_line = text[:_HEADER].lstrip(b"\r\n").partition(b"\n")[0].decode("utf-8", errors="replace")
    delimiter = ";" if first_line.count(";") > first_line.count(",") else "," if "," in first_line else "\t"
    csv.field_size_limit(_CELL_LIMIT)  # csv's own limit is lower than a record may be
    try:
        header = next(_cells_of(text, delimiter), [])
    except csv.Error:
        return None
    if is_table(header):
        return _opened(text, delimiter)
    return (
        _opened(text, delimiter)
        if has_messages(header) and any(whole_event(row) for row in _opened(text, delimiter).rows)
        else None
    )


def _opened(text: bytes, delimiter: str) -> Table:
    cells = _cells_of(text, delimiter)
    table = Table(next(cells, []), ())
    table.rows = _rows_of(table, cells)
    return table


def _cells_of(text: bytes, delimiter: str) -> Iterator[list[str]]:
    stream = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8", errors="replace", newline="")
    return csv.reader(stream, delimiter=delimiter)


def _rows_of(table: Table, cells: Iterator[list[str]]) -> Iterator[Row]:
    header = table.columns
    number = 0
    try:
        for row in cells:
            if not any(row):
                continue
            table.is_cut = len(row) < len(header)
            if not table.is_cut:
                yield dict(zip(header, row, strict=False))
            else:
                table.first_short = table.first_short if table.short else number
                table.short += 1
            number += 1
    except csv.Error as error:
        table.trouble = f"row {number}: {error}; neither it nor what follows is read."


def table_of_lake(value: bytes) -> Table | None:
    """The table of `GetQueryResults` of CloudTrail Lake: rows are lists of one-entry maps
    (*AWS CloudTrail API Reference*, "GetQueryResults", read on 2026-11-24). None when it holds no events.
    """
    rows = _decode(value, list[list[dict[str, str | None]]])
    if rows is None:
        return None
    merged = [{name: cell for entry in row for name, cell in entry.items()} for row in rows]
    columns = list(dict.fromkeys(name for row in merged for name in row))
    return Table(columns, merged) if not merged or is_table(columns) else None


def table_of_athena(value: bytes) -> Table | None:
    """The table of `GetQueryResults` of Athena: the first row is the header
    (*Amazon Athena API Reference*, "GetQueryResults", read on 2026-11-24). None when it holds no events.
    """
    result = _decode(value, dict[str, Any])
    if result is None or not isinstance(result.get("Rows"), list):
        return None
    rows = [
        [cell.get("VarCharValue") if isinstance(cell, dict) else None for cell in _cells(row)]
        for row in result["Rows"]
        if isinstance(row, dict)
    ]
    header = [str(cell) for cell in rows[0]] if rows else []
    if rows and not is_table(header):
        return None
    return Table(header, [dict(zip(header, row, strict=False)) for row in rows[1:]])


def _cells(row: Mapping[str, Any]) -> list[Any]:
    cells = row.get("Data")
    return cells if isinstance(cells, list) else []


def _decode(value: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _whole(columns: Sequence[str]) -> str | None:
    return next((column for column in columns if column.strip().lower() in WHOLE_COLUMNS), None)


def has_messages(columns: Sequence[str]) -> bool:
    """True for the columns of a log export, which may hold whole events or anything else."""
    return any(column.strip().lower() in _MESSAGES for column in columns)
