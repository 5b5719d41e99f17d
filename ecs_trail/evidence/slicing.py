"""Single records cut out of a text that was decoded before, without decoding all of it again.

A decoded value that stays bytes (`msgspec.Raw`) is a view into the text, so its address tells where in the text it
stands: inside its record, one level deep. From there the end of the record is found by counting brackets outside
strings; a record begins where the one before it ends.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import msgspec

#: Strings, and brackets outside them, of a text known to be JSON.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")


def cut(text: bytes | memoryview, inside: Sequence[msgspec.Raw], numbers: Sequence[int]) -> list[bytes] | None:
    """The bytes of some records of a text, or None where they cannot be cut out so.

    `inside` holds one value of every record, a direct member of it and a view into `text`; `numbers` are the places of
    the records wanted. None for the first record, as nothing before it says where it begins, and for a record or its
    predecessor without such a value.
    """
    address = _address(text)
    records = []
    for number in numbers:
        if not number:
            return None
        before, own = inside[number - 1], inside[number]
        if not (memoryview(before).nbytes and memoryview(own).nbytes):
            return None
        between = _BETWEEN.match(text, _end(text, before, address))
        start = between.end() if between else 0
        record = bytes(text[start : _end(text, own, address)])
        if not record.startswith(b"{"):
            return None
        records.append(record)
    return records


def _end(text: bytes | memoryview, inside: msgspec.Raw, address: int) -> int:
    """Where the record ends whose direct member `inside` is."""
    depth = 1
    for token in _TOKEN.finditer(text, _address(inside) - address + memoryview(inside).nbytes):
        found = token[0]
        if found in (b"{", b"["):
            depth += 1
        elif found in (b"}", b"]"):
            depth -= 1
            if not depth:
                return token.end()
    return 0


def _address(view: Any) -> int:
    # a process that only counts needs no numpy
    return int(import_module("numpy").frombuffer(view, dtype="uint8").ctypes.data)
