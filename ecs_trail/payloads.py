"""JSON text inside events, opened in one place. Broken or unexpected text gives an empty object, never an error."""

from collections.abc import Iterator
from typing import Any

import msgspec

Object = dict[str, Any]


def json_object(text: str | None) -> Object:
    """The object in a JSON text; `{}` for null, for broken text and for anything that is no object."""
    if not text or text[0] != "{":
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def json_list(text: str | None) -> list[Any]:
    """The list in a JSON text; `[]` for null, for broken text and for anything that is no list."""
    if not text or text[0] != "[":
        return []
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return []
    return value if isinstance(value, list) else []


def json_text(value: object) -> str:
    """A value as compact JSON text."""
    return msgspec.json.encode(value).decode()


def at(value: object, *path: str) -> Any:
    """Follow keys into nested objects; None where the path ends early or meets something else."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def objects(value: object) -> Iterator[Object]:
    """The objects of a list, or of EC2's `{"items": [...]}`; nothing for anything else."""
    if isinstance(value, dict):
        value = value.get("items")
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item


def texts(value: object) -> list[str]:
    """The non-empty strings of a list; nothing for anything else."""
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list) else []


def text(value: object) -> str | None:
    """A value as text where it is a non-empty string; None otherwise."""
    return value if isinstance(value, str) and value else None


def truth(value: object) -> bool | None:
    """A boolean, also where a lossy source has turned it into text; None otherwise."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return None


def integer(value: object) -> int | None:
    """A whole number, also where EC2 writes it as text; None otherwise."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else None
