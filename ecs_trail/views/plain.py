"""What every file to hand on shares: sound text, typed times, one order."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from ecs_trail.views.text import moment

Document = Mapping[str, Any]

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def sound(value: Any) -> Any:
    """The value with every lone surrogate shown as `\\ud800`: JSON text can carry it, no strict reader takes it."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    if isinstance(value, Mapping):
        return {sound(str(key)): sound(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [sound(inner) for inner in value]
    return value


def dumped(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON in pure ASCII: no acting character, no surrogate, no NaN; keys in their given order."""
    return json.dumps(sound(value), ensure_ascii=True, allow_nan=False, indent=indent)


def as_time(value: object) -> datetime | None:
    """A time of the document as an aware UTC `datetime`; None for anything that is none, forged ones included."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return moment(value)
    except ValueError:
        return None


def micros(value: object) -> int | None:
    """A time of the document in microseconds since 1970, or None."""
    time = as_time(value)
    return None if time is None else int(time.timestamp()) * 1_000_000


def sections(document: Document) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The lists of rows of a document by name, in its order; a section added later is among them."""
    for name, value in document.items():
        if isinstance(value, list) and all(isinstance(row, Mapping) for row in value):
            yield name, list(value)


def by_key(rows: list[Mapping[str, Any]], key: str) -> dict[str, Mapping[str, Any]]:
    """Rows by one column."""
    return {str(row.get(key)): row for row in rows}
