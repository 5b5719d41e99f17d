"""Single records cut out of a text that was decoded before, without decoding all of it again.

A decoded value that stays bytes (`msgspec.Raw`) is a view into the text, so its address tells where in the text it
stands: inside its record, one level deep. From there the end of the record is found by counting brackets outside
strings; a record begins where the one before it ends.
"""

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

import msgspec

#: Strings, and brackets outside them, of a text known to be JSON.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_OPENING: Final = frozenset({b"{", b"["})
_CLOSING: Final = frozenset({b"}", b"]"})
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")


def cut(text: bytes | memoryview, inside: Callable[[int], msgspec.Raw], numbers: Sequence[int]) -> list[bytes] | None:
    """The bytes of some records of a text, or None where they cannot be cut out so.

    `inside` gives one value of the record at a place, a direct member of it and a view into `text`; `numbers` are the
    places of the records wanted. None for the first record, as nothing before it says where it begins, and for a
    record or its predecessor without such a value.
    """
    # a process that only counts needs no numpy
    where = import_module("numpy").frombuffer
    base: int = where(text, "u1").ctypes.data
    records = []
    for number in numbers:
        if not number:
            return None
        before, own = memoryview(inside(number - 1)), memoryview(inside(number))
        if not (before.nbytes and own.nbytes):
            return None
        end = _end(text, where(before, "u1").ctypes.data - base + before.nbytes)
        between = _BETWEEN.match(text, end)
        start = between.end() if between else end
        record = bytes(text[start : _end(text, where(own, "u1").ctypes.data - base + own.nbytes)])
        if not record.startswith(b"{"):
            return None
        records.append(record)
    return records


def _end(text: bytes | memoryview, place: int) -> int:
    """Where the record ends, from a place inside it, one level deep."""
    depth = 1
    for token in _TOKEN.finditer(text, place):
        found = token[0]
        if found in _OPENING:
            depth += 1
        elif found in _CLOSING:
            depth -= 1
            if not depth:
                return token.end()
    return 0
