"""Query results and CSV downloads -> records rebuilt from their columns.

A column that holds the whole event (`eventjson`, `CloudTrailEvent`) is the record itself. Otherwise the record is made
of the columns, under their own names; `records.row_of` knows the spellings.
"""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ecs_trail.evidence.normal import canonical_key
from ecs_trail.evidence.texts import compact, is_json

_WHOLE: Final = frozenset({"eventjson", "cloudtrailevent", "event_json", "cloud_trail_event"})
#: A table is CloudTrail's when it has these columns, in any spelling.
_NEEDED: Final = frozenset({"eventName", "eventTime"})
_ONE_OF: Final = frozenset({"eventSource", "eventID"})
_FREE: Final = frozenset({"requestParameters", "userIdentity"})


def is_table(columns: Sequence[str]) -> bool:
    """True when the columns are those of a CloudTrail table, query result or event-history download."""
    names = {canonical_key(column.strip()) for column in columns}
    return bool(_whole(columns)) or (names >= _NEEDED and bool(names & _ONE_OF))


def lacking(columns: Sequence[str]) -> list[str]:
    """What a table cannot say about its events for want of columns; empty when it says everything."""
    if _whole(columns):
        return []
    names = {canonical_key(column.strip()) for column in columns}
    flat = {column.strip().lower().replace("_", "").partition(".")[0] for column in columns}
    return sorted(
        name for name in _FREE if name not in names and not any(part.startswith(name.lower()) for part in flat)
    )


def record_of(row: Mapping[str, Any]) -> bytes:
    """The record of one row as JSON text: the column with the whole event, or the filled columns under their names."""
    whole = _whole(list(row))
    if whole is not None:
        text = row[whole]
        if isinstance(text, str) and is_json(text.strip().encode("utf-8", errors="replace")):
            return text.strip().encode("utf-8", errors="replace")
    return compact({name.strip(): value for name, value in row.items() if name and value not in (None, "")})


def has_whole(columns: Sequence[str]) -> bool:
    """True when one column holds the whole event, so that a row is no rebuilt copy."""
    return _whole(columns) is not None


def rows_of_csv(text: str) -> tuple[list[str], list[dict[str, str]]] | None:
    """Header and rows of CSV text, or None when it is no CloudTrail table. Cells may hold line ends."""
    first_line = text.lstrip("\r\n").partition("\n")[0]
    delimiter = ";" if first_line.count(";") > first_line.count(",") else "," if "," in first_line else "\t"
    # A record may be 256 KB and csv's own limit is lower; the file is in memory already.
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next(reader, [])
        if len(header) < 2 and not _whole(header):
            return None
        if not is_table(header):
            return None
        return header, [dict(zip(header, cells, strict=False)) for cells in reader if any(cells)]
    except csv.Error:
        return None


def rows_of_lake(value: bytes) -> list[tuple[bytes, bool]] | None:
    """Records, and whether each is rebuilt, of `GetQueryResults` of CloudTrail Lake: rows are lists of one-entry maps
    (*AWS CloudTrail API Reference*, "GetQueryResults", read on 2026-11-24). None when they are no events.
    """
    rows = _decode(value, list[list[dict[str, str | None]]])
    if rows is None:
        return None
    merged = [{name: cell for entry in row for name, cell in entry.items()} for row in rows]
    return [_record(row) for row in merged] if not merged or is_table(list(merged[0])) else None


def rows_of_athena(value: bytes) -> list[tuple[bytes, bool]] | None:
    """Records, and whether each is rebuilt, of `GetQueryResults` of Athena: the first row is the header
    (*Amazon Athena API Reference*, "GetQueryResults", read on 2026-11-24). None when they are no events.
    """
    result = _decode(value, dict[str, Any])
    if result is None or not isinstance(result.get("Rows"), list):
        return None
    rows = [
        [cell.get("VarCharValue") if isinstance(cell, dict) else None for cell in row.get("Data", [])]
        for row in result["Rows"]
        if isinstance(row, dict)
    ]
    if not rows:
        return []
    header = [str(cell) for cell in rows[0]]
    if not is_table(header):
        return None
    return [_record(dict(zip(header, row, strict=False))) for row in rows[1:]]


def _record(row: Mapping[str, Any]) -> tuple[bytes, bool]:
    return record_of(row), not has_whole(list(row))


def _decode(value: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _whole(columns: Sequence[str]) -> str | None:
    return next((column for column in columns if column.strip().lower() in _WHOLE), None)
