"""Words made safe and short: every string of the evidence may have been chosen by an attacker.

A session name, a user agent or a tag can carry escape sequences that repaint a terminal, or bidirectional marks that
make a line read backwards. `clean` shows such characters instead of obeying them.
"""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

#: Categories of characters that act instead of being seen: controls, formats (bidirectional marks, zero widths),
#: surrogates, private use, unassigned, line and paragraph separators.
_ACTING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN: Final = re.compile(r"[ -~]*")
_SECONDS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SHOWN_UNITS: Final = 2


def clean(value: object, limit: int | None = None) -> str:
    """A value as one line of visible characters; acting ones appear as `\\x1b` or `\\u202e`; None is empty.

    `limit` cuts the result to that many characters, with an ellipsis at the end.
    """
    text = "" if value is None else str(value)
    if not _PLAIN.fullmatch(text):
        text = "".join(_visible(character) for character in text)
    return text if limit is None or len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _ACTING:
        return " " if unicodedata.category(character) == "Zs" else character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def count(number: int, singular: str, plural: str = "") -> str:
    """`1 task`, `2,310 tasks`, `no tasks`."""
    word = singular if number == 1 else plural or f"{singular}s"
    return f"{number:,} {word}" if number else f"no {word}"


def listed(words: Iterable[str], *, most: int = 3) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 4 more`."""
    names = list(words)
    rest = len(names) - most
    shown = [*names[:most], f"{rest} more"] if rest > 0 else names
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def moment(text: str | None) -> datetime | None:
    """A time of the document (`YYYY-MM-DDTHH:MM:SSZ`) as an aware time in UTC; None for none."""
    return None if not text else datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def shown_time(text: str | None) -> str:
    """`2026-03-02 14:31:09 UTC`; `an unknown time` for none."""
    return f"{clean(text).replace('T', ' ').removesuffix('Z')} UTC" if text else "an unknown time"


def span(start: str | None, end: str | None) -> str:
    """The time between two times of the document, in its two largest units: `1 d 3 h`, `40 s`; empty where unknown."""
    began, ended = moment(start), moment(end)
    return "" if began is None or ended is None else duration(ended - began)


def duration(length: timedelta) -> str:
    """A length of time in its two largest units: `1 d 3 h`, `12 min`, `0 s`."""
    left = max(int(length.total_seconds()), 0)
    parts: list[tuple[int, str]] = []
    for unit, seconds in _SECONDS:
        amount, left = divmod(left, seconds)
        if amount or parts:
            parts.append((amount, unit))
    return " ".join(f"{amount} {unit}" for amount, unit in parts[:_SHOWN_UNITS] if amount) or "0 s"
