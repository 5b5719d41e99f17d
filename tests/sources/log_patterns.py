"""Filter patterns of CloudWatch Logs for JSON events, evaluated: the part of the syntax that this package writes.

*Amazon CloudWatch Logs User Guide*, "Filter pattern syntax", read on 2026-11-24:
`{ ($.a = "text*") && ($.b NOT EXISTS) }` with `||`, `&&` and parentheses; `*` in a text stands for any characters.
Anything else is refused.
"""

import json
import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(r'\s*(\|\||&&|\(|\)|\$\.[A-Za-z0-9_.]+|=|"[^"\\]*"|NOT EXISTS)')


class PatternError(ValueError):
    """A pattern the service would refuse."""


def matches(pattern: str, message: str) -> bool:
    """True when a log event satisfies a pattern; the empty one takes every event."""
    if not pattern:
        return True
    tree = _parsed(pattern)
    try:
        event = json.loads(message)
    except ValueError:
        return False
    return _holds(tree, event)


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> Any:
    if not (pattern.startswith("{") and pattern.endswith("}")):
        raise PatternError(pattern)
    reader = _Reader(pattern[1:-1])
    tree = reader.either()
    if reader.tokens:
        raise PatternError(f"more text follows: {reader.tokens[:3]}")
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        place, text = 0, text.strip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise PatternError(f"cannot be read: {text[place : place + 20]!r}")
            self.tokens.append(found.group(1))
            place = found.end()

    def either(self) -> Any:
        parts = [self.both()]
        while self.tokens[:1] == ["||"]:
            self.tokens.pop(0)
            parts.append(self.both())
        return ("or", parts)

    def both(self) -> Any:
        parts = [self.one()]
        while self.tokens[:1] == ["&&"]:
            self.tokens.pop(0)
            parts.append(self.one())
        return ("and", parts)

    def one(self) -> Any:
        if not self.tokens:
            raise PatternError("a condition is missing")
        token = self.tokens.pop(0)
        if token == "(":
            inner = self.either()
            if self.tokens[:1] != [")"]:
                raise PatternError("a parenthesis is not closed")
            self.tokens.pop(0)
            return inner
        if not token.startswith("$."):
            raise PatternError(f"a field was expected: {token}")
        if self.tokens[:1] == ["NOT EXISTS"]:
            self.tokens.pop(0)
            return ("absent", token[2:])
        if self.tokens[:1] != ["="] or not self.tokens[1:2] or self.tokens[1][0] != '"':
            raise PatternError(f"a comparison was expected after {token}")
        value = self.tokens[1][1:-1]
        del self.tokens[:2]
        return ("equal", token[2:], value)


def _holds(tree: Any, event: Any) -> bool:
    if tree[0] == "or":
        return any(_holds(part, event) for part in tree[1])
    if tree[0] == "and":
        return all(_holds(part, event) for part in tree[1])
    found = _value(event, tree[1])
    if tree[0] == "absent":
        return found is _ABSENT
    pattern = re.sub(r"([\[\]?])", r"[\1]", tree[2])  # fnmatch knows more than an asterisk
    return isinstance(found, str) and fnmatchcase(found, pattern)


_ABSENT = object()


def _value(event: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(event, dict) or step not in event:
            return _ABSENT
        event = event[step]
    return event
