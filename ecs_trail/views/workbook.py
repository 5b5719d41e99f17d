"""The investigation as an Excel workbook: one sheet per question, real dates (UTC), filters, frozen headers.

No cell can act: every text is written as a string cell, never as a formula, link or number, and a text that Excel would
read as a formula when somebody edits it carries Excel's own "text" mark (`quotePrefix`), which leaves its value alone.
Limits: "Excel specifications and limits" (Microsoft Support, read on 2026-11-24): 1,048,576 rows, 32,767 characters in
a cell; what is cut is said on the first sheet.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ecs_trail.errors import MissingExtraError
from ecs_trail.views.plain import Document, as_time, dumped, sections
from ecs_trail.views.story import Story, tell
from ecs_trail.views.text import clean

MOST_ROWS: Final = 1_048_576
MOST_CHARACTERS: Final = 32_767
#: Sheets in the order they are asked for; other sections follow under their own names.
_ORDER: Final = ("findings", "tasks", "volumes", "tls", "outages", "changes")
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
_WIDEST, _NARROWEST, _SAMPLE = 60, 9, 200
_TIME_WIDTH: Final = 20
#: Whole numbers beyond this lose digits in Excel, which counts in 64-bit floats.
_EXACT: Final = 2**53
_DATE: Final = "yyyy-mm-dd hh:mm:ss"

Row = Mapping[str, Any]


@dataclass
class _Book:
    """A workbook under way, its formats, and what had to be cut."""

    file: Any
    most_rows: int
    formats: dict[str, Any]
    cut: list[tuple[str, str]] = field(default_factory=list)


def workbook(document: Document, *, most_rows: int = MOST_ROWS) -> bytes:
    """The workbook as bytes; the same document gives the same bytes. `most_rows` includes the header.

    Raises `MissingExtraError` without the extra `xlsx`.
    """
    try:
        import xlsxwriter  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError.for_feature("an Excel workbook", "xlsx") from error
    page = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(page, options) as file:
        created = as_time(document.get("as_of"))
        naive = None if created is None else created.replace(tzinfo=None)
        file.set_properties({"title": "ecs-trail investigation", "created": naive})
        book = _Book(file, most_rows, _formats(file))
        first = file.add_worksheet("summary")
        tables = dict(sections(document))
        for name in [*(one for one in _ORDER if one in tables), *(one for one in tables if one not in _ORDER)]:
            _sheet(book, name, tables[name])
        _sheet(book, "evidence", list(_evidence(document["evidence"])))
        _summary(book, first, document, tell(document))
    return page.getvalue()


def _formats(file: Any) -> dict[str, Any]:
    top = {"valign": "top"}
    return {
        "head": file.add_format({"bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "valign": "top"}),
        "title": file.add_format({"bold": True, "font_size": 14, "text_wrap": True, **top}),
        "label": file.add_format({"bold": True, **top}),
        "text": file.add_format({"text_wrap": True, **top}),
        "cell": file.add_format(top),
        "guarded": file.add_format({"quote_prefix": True, **top}),
        "guarded_text": file.add_format({"quote_prefix": True, "text_wrap": True, **top}),
        "time": file.add_format({"num_format": _DATE, **top}),
        "command": file.add_format({"font_name": "Consolas", "quote_prefix": True, "text_wrap": True, **top}),
    }


def _sheet(book: _Book, name: str, rows: Sequence[Row]) -> None:
    """One table. Its name comes from the document's own keys, cut to what Excel allows (31 characters)."""
    sheet = book.file.add_worksheet("".join(c for c in name if c not in "[]:*?/\\'")[:31])
    columns = list(dict.fromkeys(column for row in rows for column in row))
    timed = {column for column in columns if _is_timed(row.get(column) for row in rows)}
    kept = rows[: book.most_rows - 1]
    if len(kept) < len(rows):
        book.cut.append((name, f"{len(rows) - len(kept):,} of {len(rows):,} rows do not fit into a sheet"))
    for at, column in enumerate(columns):
        head = f"{clean(column)} (UTC)" if column in timed else clean(column)
        sheet.write_string(0, at, head, book.formats["head"])
        sheet.set_column(at, at, _width(head, column in timed, (row.get(column) for row in kept[:_SAMPLE])))
        for line, row in enumerate(kept, start=1):
            _write(book, sheet, (line, at), row.get(column), f"{name}!{column}, row {line + 1}")
    sheet.freeze_panes(1, 1)
    if not columns:
        sheet.write_string(0, 0, "no rows", book.formats["head"])
    else:
        sheet.autofilter(0, 0, max(len(kept), 1), len(columns) - 1)


def _is_timed(values: Iterator[Any]) -> bool:
    """True for a column whose values are all times; a single other text makes it a text column."""
    present = [value for value in values if value is not None]
    return bool(present) and all(_excel_time(value) is not None for value in present)


def _excel_time(value: Any) -> datetime | None:
    """A time Excel can hold (its calendar begins in 1900), naive as Excel knows no zone."""
    time = as_time(value)
    return time.replace(tzinfo=None) if time is not None and time.year >= 1900 else None


def _width(head: str, is_time: bool, values: Iterator[Any]) -> int:  # noqa: FBT001
    if is_time:
        return max(_TIME_WIDTH, len(head) + 3)
    longest = max((len(line) for value in values for line in _text(value).split("\n")), default=0)
    return min(max(longest + 2, len(head) + 3, _NARROWEST), _WIDEST)


def _write(book: _Book, sheet: Any, place: tuple[int, int], value: Any, where: str) -> None:
    """One cell by its type; only text can be hostile, and text is always a string cell."""
    time = _excel_time(value)
    if value is None or value == []:
        return
    if isinstance(value, bool):
        sheet.write_boolean(*place, value, book.formats["cell"])
    elif isinstance(value, (int, float)) and abs(value) <= _EXACT:
        sheet.write_number(*place, value, book.formats["cell"])
    elif time is not None:
        sheet.write_datetime(*place, time, book.formats["time"])
    else:
        _string(book, sheet, place, _text(value), where=where)


def _string(book: _Book, sheet: Any, place: tuple[int, int], text: str, *, where: str, look: str = "") -> None:
    # Excel counts UTF-16 units, of which a character beyond the basic plane takes two.
    units = len(text.encode("utf-16-le")) // 2
    if units > MOST_CHARACTERS:
        book.cut.append((where, f"{units:,} characters, cut at Excel's {MOST_CHARACTERS:,}"))
        end = "… [cut]"
        half = text.encode("utf-16-le")[: 2 * (MOST_CHARACTERS - len(end))]
        text = half.decode("utf-16-le", errors="ignore") + end
    guarded = text.startswith(_FORMULA)
    sheet.write_string(*place, text, book.formats[look or ("guarded" if guarded else "cell")])


def _text(value: Any) -> str:
    """A value as lines of visible characters: lists one entry a line, objects as JSON."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return "\n".join(clean(one if isinstance(one, str) else dumped(one)) for one in value)
    return clean(value if isinstance(value, str) else dumped(value))


def _evidence(evidence: Row) -> Iterator[Row]:
    """What was looked at, flat: one row per number, source, problem and covered place."""
    for name, value in evidence.items():
        if isinstance(value, list):
            for entry in value:
                detail = entry if isinstance(entry, Mapping) else {"name": entry}
                yield {"part": name, **detail}
        elif isinstance(value, Mapping):
            yield {"part": name, **value}
        else:
            yield {"part": name, "count": value}


def _summary(book: _Book, sheet: Any, document: Document, story: Story) -> None:
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 120)
    sheet.hide_gridlines(2)
    lines = [*_told(story), *_cut(book)]
    _string(book, sheet, (0, 0), "verdict", where="summary", look="label")
    _string(book, sheet, (0, 1), story.headline, where="summary", look="title")
    for at, (label, text, look) in enumerate(lines, start=1):
        _string(book, sheet, (at, 0), label, where="summary", look="label")
        if label == "as of":
            _write(book, sheet, (at, 1), document.get("as_of"), "summary")
            continue
        guarded = look == "text" and text.startswith(_FORMULA)
        _string(book, sheet, (at, 1), text, where=f"summary, row {at + 1}", look="guarded_text" if guarded else look)
    sheet.freeze_panes(1, 0)


def _told(story: Story) -> Iterator[tuple[str, str, str]]:
    yield "as of", story.as_of, "text"
    yield "times", "All times in this workbook are UTC.", "text"
    yield from (("detail", line, "text") for line in story.details)
    for cause in story.causes:
        words = (cause.time, cause.call, cause.who and f"by {cause.who}", cause.tool and f"with {cause.tool}")
        took = (cause.address and f"from {cause.address}", cause.took and f"took {cause.took}", f"[{cause.event_id}]")
        yield "cause", " ".join(word for word in (*words, *took) if word), "text"
    if story.causes_note:
        yield "cause", story.causes_note, "text"
    if story.certainty:
        yield "certainty", story.certainty, "text"
    for step in story.repairs:
        yield "repair", step.title, "text"
        yield from (("", command, "command") for command in step.commands)
    yield from (("also", f"{one.severity}, {one.status}: {one.title}", "text") for one in story.others)
    yield from (("looked at", line, "text") for line in story.looked_at)
    yield from (("not seen", line, "text") for line in story.unseen)


def _cut(book: _Book) -> Iterator[tuple[str, str, str]]:
    for where, what in book.cut:
        yield "cut here", f"{where}: {what}; the JSON export holds all of it.", "text"
