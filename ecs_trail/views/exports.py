"""A frame as a table, CSV, JSON, JSON lines or Parquet, safe to open anywhere.

Times are `YYYY-MM-DDTHH:MM:SSZ`. Credentials never leave: the raw record is dropped unless asked for, and secrets in
JSON text are replaced. CSV cells that a spreadsheet would run as a formula get an apostrophe in front (OWASP, "CSV
Injection", read on 2026-11-24).
"""

import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Final

import pandas as pd

from ecs_trail.errors import UsageError
from ecs_trail.frames import tuples
from ecs_trail.times import format_time
from ecs_trail.views.secret_frames import scrub_frame
from ecs_trail.views.text import clean

FORMATS: Final = ("table", "csv", "json", "jsonl", "parquet")

#: First characters that make Excel, LibreOffice or Google Sheets read a formula, full-width forms included.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
#: A whole cell that needs quotes: it holds a comma, a quote or anything a reader may take for a line break.
_QUOTED: Final = re.compile(r'\A.*[",\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029].*\Z', re.DOTALL)
_CELL: Final = 120


def write_frame(
    frame: pd.DataFrame, kind: str, stream: IO[bytes], *, raw: bool = False, unredacted: bool = False
) -> None:
    """Write a frame to a byte stream as one of `FORMATS`; `raw=True` keeps the raw record.

    Secret material is taken out of every text (`ecs_trail.views.secrets`), unless `unredacted`.

    Raises `UsageError` for another format. Text is UTF-8. Lists are JSON in CSV and JSON arrays in JSON.
    """
    if kind not in FORMATS:
        raise UsageError(f"'{kind}' is not a format.", hint=f"choose one of {', '.join(FORMATS)}.")
    kept = frame.copy(deep=False) if raw or "raw" not in frame.columns else frame.drop(columns="raw")
    safe = kept if unredacted else scrub_frame(kept)
    if kind == "parquet":
        buffer = io.BytesIO()
        safe.attrs.clear()  # notes such as a receipt are no part of a table, and Parquet cannot hold them
        safe.to_parquet(buffer, index=False)
        stream.write(buffer.getvalue())
        return
    writers: dict[str, Callable[[pd.DataFrame], Iterator[str]]] = {
        "table": _table,
        "csv": _csv,
        "json": _json,
        "jsonl": _jsonl,
    }
    for text in writers[kind](safe):
        # A lone surrogate, which JSON text can smuggle in, has no UTF-8 form.
        stream.write(text.encode("utf-8", errors="backslashreplace"))


def _csv(frame: pd.DataFrame) -> Iterator[str]:
    names = [str(name) for name in frame.columns]
    yield _csv_line(names)
    yield from (_csv_line([_csv_cell(value) for value in row]) for row in tuples(frame, names))


def _csv_line(cells: Sequence[str]) -> str:
    """One line. The csv module leaves a lone carriage return unquoted, which readers take for the end of a row."""
    if list(cells) == [""]:
        return '""\n'
    return ",".join(_QUOTED.sub(_quote, cell) for cell in cells) + "\n"


def _quote(match: re.Match[str]) -> str:
    doubled = match[0].replace('"', '""')
    return f'"{doubled}"'


def _csv_cell(value: object) -> str:
    text = _text(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_time(value)
    return value if isinstance(value, str) else _dumped(value)


def _json(frame: pd.DataFrame) -> Iterator[str]:
    before = "[\n"
    for line in _objects(frame):
        yield f"{before}{line}"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _jsonl(frame: pd.DataFrame) -> Iterator[str]:
    return (f"{line}\n" for line in _objects(frame))


def _objects(frame: pd.DataFrame) -> Iterator[str]:
    names = [str(name) for name in frame.columns]
    return (_dumped(dict(zip(names, row, strict=True))) for row in tuples(frame, names))


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_json_value)


def _json_value(value: object) -> str:
    return format_time(value) if isinstance(value, datetime) else str(value)


def _table(frame: pd.DataFrame) -> Iterator[str]:
    """Aligned columns for the eye; cells are cleaned and cut, so scripts should read another format."""
    names = [str(name) for name in frame.columns]
    rows = [[clean(_shown(value), _CELL) for value in row] for row in tuples(frame, names)]
    widths = [max(_width(cell) for cell in column) for column in zip(names, *rows, strict=True)]
    yield _line(names, widths)
    yield _line(["─" * width for width in widths], widths)
    yield from (_line(row, widths) for row in rows)


def _shown(value: object) -> str:
    return ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)


def _line(cells: Sequence[str], widths: Iterable[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip() + "\n"


def _width(text: str) -> int:
    """Terminal columns: East Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
