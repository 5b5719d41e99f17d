"""Plain bytes -> JSON values, however they stand one after the other, and the honest remainder of broken text.

One value, lines of values (also behind a time stamp, as CloudWatch exports them), values without anything between them
(Firehose); byte-order marks, UTF-16, CRLF. Text that breaks in the middle or at its end still gives what can be read.
"""

import codecs
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.salvage import MAX_NAMED, Break, salvage

_ANY: Final = msgspec.json.Decoder(msgspec.Raw)
_SPACE: Final = b" \t\r\n"
_LINE_STAMP: Final = re.compile(rb'^(?=[^{\["]{0,300}?\d{4}-\d\d-\d\d[T ]\d)[^{\["]{0,300}(?=[{\[])')
#: Digits that Python makes a number of; more take too long, and it refuses.
_DIGITS: Final = 4000


def _number(digits: str) -> int | str:
    """A whole number, or its digits where they are too many: no reason to lose the record it stands in."""
    return int(digits) if len(digits) < _DIGITS else digits


_LENIENT: Final = json.JSONDecoder(strict=False, parse_int=_number)


@dataclass(slots=True)
class Values:
    """JSON values as slices of the text, in order, and what could not be read.

    `is_json` is false for no JSON at all."""

    values: Sequence[bytes | msgspec.Raw] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_json: bool = True


def decode_text(data: bytes) -> bytes:
    """The text as UTF-8 without a byte-order mark; UTF-16 and UTF-32 are recognised by their mark."""
    if data.startswith(codecs.BOM_UTF8):
        return data[3:]
    for mark, name in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, errors="replace").encode("utf-8", errors="replace")
    return data


def read_values(data: bytes, source: str) -> Values:
    """All JSON values of a text. Never raises: what breaks is named with line and byte, and the rest still counts."""
    text = data.strip(_SPACE)
    if not text:
        return Values()
    if is_json(text):
        return Values([text])
    whole = _whole_lines(text)
    if whole is not None:
        return Values(whole)
    lines = _lines(text)
    if lines is None and text[:1] not in (b"{", b"["):
        return Values(is_json=False)
    if lines is not None:
        return _read_lines(lines, source, data)
    values, breaks = _salvaged(data)
    return Values(values, [Problem(source, kind, detail) for kind, detail in breaks])


def _salvaged(data: bytes) -> tuple[list[bytes], list[Break]]:
    """What is left of broken text. It is looked at byte by byte: as text, one rare character would quadruple it."""
    values, breaks = salvage(data.decode("latin-1"))
    return [_unicode(value.encode("latin-1")) for value in values], breaks


def _unicode(value: bytes) -> bytes:
    return value if value.isascii() else value.decode("utf-8", errors="replace").encode("utf-8", errors="replace")


def _whole_lines(text: bytes) -> Sequence[bytes | msgspec.Raw] | None:
    """The values of a text of JSON lines without any fault, or None."""
    try:
        return _ANY.decode_lines(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def is_json(text: bytes) -> bool:
    """True when the bytes are one valid JSON value."""
    try:
        _ANY.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def lenient(text: bytes | str) -> Any:
    """The value of JSON text that may hold raw control characters inside strings; raises `ValueError` otherwise."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", errors="replace")
    try:
        value, end = _LENIENT.raw_decode(text.strip())
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if text.strip()[end:].strip():
        raise ValueError("more text follows the value")
    return value


def compact(value: object) -> bytes:
    """A value as compact JSON text in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", errors="replace")


def _lines(text: bytes) -> list[tuple[int, bytes]] | None:
    """The text as numbered lines of JSON, or None when it is not written that way: most lines must open and close."""
    kept: list[tuple[int, bytes]] = []
    whole = 0
    for number, line in enumerate(text.split(b"\n"), 1):
        stripped = line.strip(_SPACE)
        if not stripped:
            continue
        body = without_stamp(stripped)
        whole += (body[:1], body[-1:]) in _PAIRS
        kept.append((number, body))
    if whole == 0 or (len(kept) == 1 and kept[0][1] == text):
        return None
    return kept if whole * 2 > len(kept) or (whole and len(kept) == 2) else None


def without_stamp(line: bytes) -> bytes:
    """A line without the time stamp that CloudWatch exports put before it."""
    return _LINE_STAMP.sub(b"", line, count=1)


_PAIRS: Final = {(b"{", b"}"), (b"[", b"]")}


def _read_lines(lines: list[tuple[int, bytes]], source: str, data: bytes) -> Values:
    read: list[bytes] = []
    found = Values(read)
    for number, line in lines:
        if is_json(line):
            read.append(line)
            continue
        values, breaks = _salvaged(line)
        read.extend(values)
        is_last = number == lines[-1][0] and not data.endswith(b"\n")
        for kind, detail in breaks:
            what = kind if is_last else "broken_json"
            found.problems.append(Problem(source, what, f"line {number}: {detail}"))
    if len(found.problems) > MAX_NAMED:
        more = len(found.problems) - MAX_NAMED
        found.problems[MAX_NAMED:] = [Problem(source, "broken_json", f"{more} more lines are broken.")]
    return found
