"""Free-form parts of a record (request parameters, response elements and the like) as JSON text, secrets taken out."""

import json
from typing import Any, Final

import msgspec

from ecs_trail.evidence.texts import compact

#: What stands in place of a credential in `response_elements`.
HIDDEN: Final = "HIDDEN_BY_ECS_TRAIL"
_SECRET_KEYS: Final = frozenset({"sessiontoken", "secretaccesskey", "credentials"})
#: The keys of credentials, looked for in text made lower case (a regular expression takes eight times as long), and
#: the escape that may spell one.
SECRET_WORDS: Final = tuple(sorted(key.encode() for key in _SECRET_KEYS))
ESCAPE: Final = b"\\u"
#: Spellings of no value.
NOTHING: Final = frozenset({b"", b"null", b'""'})


def free_text(text: bytes) -> str | None:
    """A free-form part as compact JSON text; None for nothing."""
    if text in NOTHING:
        return None
    if b" " not in text and b"\n" not in text:  # compact already
        return text.decode("utf-8", errors="replace")
    try:
        return bytes(msgspec.json.format(text, indent=-1)).decode("utf-8", errors="replace")
    except (msgspec.MsgspecError, RecursionError):
        return text.decode("utf-8", errors="replace")


def without_credentials(text: bytes) -> str | None:
    """A free-form part as `free_text` gives it, the values of credentials replaced by `HIDDEN`."""
    if text in NOTHING or not _may_hold_credentials(text):
        return free_text(text)
    try:
        return compact(_hidden(json.loads(text))).decode("utf-8")
    except (ValueError, RecursionError):
        return json.dumps(HIDDEN)


def _may_hold_credentials(text: bytes) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in SECRET_WORDS) or ESCAPE in text


def _hidden(value: Any) -> Any:
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: HIDDEN if key.lower() in _SECRET_KEYS and inner is not None else _hidden(inner)
        for key, inner in value.items()
    }
