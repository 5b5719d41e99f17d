"""Athena's ROW text, `{type=AssumedRole, sessioncontext={attributes={...}}, ...}`, as values.

The text is ambiguous where a value holds `, name=`; query results that cast columns to JSON do not have the doubt
(*Amazon Athena User Guide*, "Query arrays and structures", read on 2026-11-24).
"""

import re
from typing import Final

_FIELD: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=")
_NEXT: Final = re.compile(r",\s*[A-Za-z_][A-Za-z0-9_]*=|[}\]]")
_ITEM_END: Final = re.compile(r"[,\]]")
MAX_DEPTH: Final = 16

Value = str | None | dict[str, "Value"] | list["Value"]


def parse_row(text: str) -> Value:
    """The value of a ROW or ARRAY text; None when it cannot be one. `null` stands for no value."""
    try:
        value, end = _value(text.strip(), 0, 0)
    except (ValueError, IndexError):
        return None
    return value if end == len(text.strip()) else None


def _value(text: str, place: int, depth: int) -> tuple[Value, int]:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if text[place] == "{":
        return _row(text, place + 1, depth)
    if text[place] == "[":
        return _array(text, place + 1, depth)
    following = _NEXT.search(text, place)
    end = following.start() if following else len(text)
    word = text[place:end].strip()
    return (None if word in ("null", "") else word), end


def _row(text: str, place: int, depth: int) -> tuple[Value, int]:
    fields: dict[str, Value] = {}
    while text[place] != "}":
        name = _FIELD.match(text, place)
        if name is None:
            raise ValueError("a field name was expected")
        if name.end() == len(text):
            raise ValueError("the text ends before the value")
        fields[name.group(1)], place = _value(text, name.end(), depth + 1)
        place = _skip(text, place)
    return fields, place + 1


def _array(text: str, place: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    while text[place] != "]":
        if text[place] in "{[":
            item, place = _value(text, place, depth + 1)
        else:
            following = _ITEM_END.search(text, place)
            end = following.start() if following else len(text)
            item, place = text[place:end].strip() or None, end
        items.append(item)
        place = _skip(text, place)
    return items, place + 1


def _skip(text: str, place: int) -> int:
    while text[place] in ", ":
        place += 1
    return place
