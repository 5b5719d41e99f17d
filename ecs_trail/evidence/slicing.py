"""Single records cut out of a text that was decoded before, without decoding all of it again.

A decoded value that stays bytes (`msgspec.Raw`) is a view into the text, so its address tells where in the text it
stands: inside its record, one level deep. From there the end of the record is found by counting brackets outside
strings; a record begins where the one before it ends.
"""

import ctypes
import re
from collections.abc import Callable, Sequence
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
    base = address(text)
    records = []
    for number in numbers:
        if not number:
            return None
        before, own = memoryview(inside(number - 1)), memoryview(inside(number))
        if not (before.nbytes and own.nbytes):
            return None
        end = _end(text, address(before) - base + before.nbytes)
        between = _BETWEEN.match(text, end)
        start = between.end() if between else end
        record = bytes(text[start : _end(text, address(own) - base + own.nbytes)])
        if not record.startswith(b"{"):
            return None
        records.append(record)
    return records


class _Buffer(ctypes.Structure):
    """`Py_buffer` (*Python/C API Reference Manual*, "Buffer Protocol", read on 2026-11-24)."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def address(value: bytes | memoryview) -> int:
    """Where the bytes lie. numpy says so as well, but loading it takes a process longer than a hundred files."""
    seen = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(value), ctypes.byref(seen), 0)
    address: int = seen.buf or 0
    ctypes.pythonapi.PyBuffer_Release(ctypes.byref(seen))
    return address


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
