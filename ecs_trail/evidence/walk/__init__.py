"""The compiled walk over a text of records (`walk.c`), called by `ctypes`: it says where each record stands and which
different values they hold, and decodes nothing.

A walk that is not compiled on this machine, or switched off by `ECS_TRAIL_COMPILED=0`, is None; then texts are decoded
by msgspec, with the same result. It takes only what is plain, see `walk.c`.
"""

import ctypes
import os
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ecs_trail.evidence.slicing import address

#: What the compiled walk is called, beside this file.
LIBRARY: Final = "walk.dll" if os.name == "nt" else "walk.so"
SWITCH: Final = "ECS_TRAIL_COMPILED"

#: The fields of a value: strings as they were decoded, None for null.
Value = tuple[str | None, ...]
#: Of a record: start and end in the text, the numbers of kind and caller, and of the session it asks for plus one.
_RECORD: Final = 5
#: Fields of a value, as `walk.c` has them.
_KIND, _CALLER, _ASKED = 7, 2, 1
_MARK: Final = 4
_TEXT: Final = msgspec.json.Decoder(str)
#: Bytes of values that are kept from text to text, and a text that may leave many of them behind.
_KEPT: Final = 8 << 20
_LARGE: Final = 8 << 20


class _Told(ctypes.Structure):
    _fields_ = (
        ("fresh", ctypes.c_void_p),
        ("fresh_length", ctypes.c_uint64),
        ("seen", ctypes.c_void_p),
        ("seen_count", ctypes.c_uint64),
    )


class _Found(ctypes.Structure):
    _fields_ = (
        ("records", ctypes.c_void_p),
        ("has_high", ctypes.c_uint64),
        ("kinds", _Told),
        ("callers", _Told),
        ("asked", _Told),
    )


class Seen(NamedTuple):
    """A value of a text by its number, and its first and last time there, as numbers YYYYMMDDhhmmss (UTC)."""

    number: int
    first: int
    last: int


class Found(NamedTuple):
    """What a text holds: how many records, whether it has bytes outside ASCII, and the values seen."""

    records: int
    has_high: bool
    kinds: list[Seen]
    callers: list[Seen]
    asked: list[Seen]
    #: `_RECORD` numbers a record.
    table: memoryview

    def bounds(self, place: int) -> tuple[int, int]:
        """Where the record at a place begins and ends in the text."""
        return self.table[place * _RECORD], self.table[place * _RECORD + 1]

    def kind(self, place: int) -> int:
        """The number of its kind."""
        return self.table[place * _RECORD + 2]

    def holding(self, kinds: set[int], callers: set[int], asked: set[int]) -> list[int]:
        """The places of the records with any of these values, in order."""
        numbers = zip(*(self.table[column::_RECORD].tolist() for column in (2, 3, 4)), strict=True)
        sessions = {number + 1 for number in asked}
        return [
            place
            for place, (kind, caller, session) in enumerate(numbers)
            if kind in kinds or caller in callers or session in sessions
        ]


class Walker:
    """Walks over texts, one after the other; not to be shared by threads.

    `kinds` are (account, Region, event source, event name, error code, type, category), `callers` (type, ARN) of
    `userIdentity`, and `asked` the session that a call asks for, each by number. Once `is_full`, `forget` them.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises `MemoryError`. See `walker`."""
        self._library = library
        # of no use to anybody who does not know it: numbers are found by hashes
        self._walk = library.walk_new(int.from_bytes(os.urandom(8), sys.byteorder))
        if not self._walk:
            raise MemoryError
        weakref.finalize(self, library.walk_free, self._walk)
        self._found = _Found()
        self._held = 0
        self.kinds: list[Value] = []
        self.callers: list[Value] = []
        self.asked: list[Value] = []

    @property
    def is_full(self) -> bool:
        """True when more is kept than an archive holds, unless somebody invents it."""
        return self._held > _KEPT

    def walk(self, text: bytes | memoryview) -> Found | None:
        """What a text holds; None for one that is not plain. A memoryview must be a part of bytes."""
        found = self._found
        begin = text if isinstance(text, bytes) else address(text)
        count = self._library.walk_text(self._walk, begin, len(text), ctypes.byref(found))
        if count < 0:
            if len(text) > _LARGE:
                self._held = _KEPT + 1  # what it left behind is not counted
            return None
        for told, values, width in (
            (found.kinds, self.kinds, _KIND),
            (found.callers, self.callers, _CALLER),
            (found.asked, self.asked, _ASKED),
        ):
            if told.fresh_length:
                self._held += told.fresh_length
                fields = _fields(ctypes.string_at(told.fresh, told.fresh_length))
                values.extend(zip(*[fields] * width, strict=True))
        return Found(
            count,
            bool(found.has_high),
            _seen(found.kinds),
            _seen(found.callers),
            _seen(found.asked),
            memoryview(ctypes.string_at(found.records, count * _RECORD * 4) if count else b"").cast("I"),
        )

    def forget(self) -> None:
        """Forget all values; numbers begin anew."""
        self._library.walk_forget(self._walk)
        self._held = 0
        for values in (self.kinds, self.callers, self.asked):
            values.clear()


def _fields(told: bytes) -> Iterator[str | None]:
    """The strings of new values: of each its length plus one in four bytes, 0 for null, and then itself."""
    place = 0
    while place < len(told):
        length = int.from_bytes(told[place : place + _MARK], sys.byteorder)
        place += _MARK
        if not length:
            yield None
            continue
        raw = told[place : place + length - 1]
        place += length - 1
        # what is no UTF-8 belongs to a text that is not taken in the end
        yield _TEXT.decode(b'"%b"' % raw) if b"\\" in raw else raw.decode("utf-8", "replace")


def _seen(told: _Told) -> list[Seen]:
    if not told.seen_count:
        return []
    numbers = memoryview(ctypes.string_at(told.seen, told.seen_count * 24)).cast("Q").tolist()
    return list(map(Seen, numbers[::3], numbers[1::3], numbers[2::3]))


def _opened(place: Path) -> ctypes.CDLL:
    if place.parent.is_dir():
        return ctypes.CDLL(str(place))
    # executors of Spark have this package in an archive, and no system loads a library from inside of one
    from importlib.resources import as_file, files  # noqa: PLC0415 - takes its time, and nobody else needs it

    with as_file(files(__name__) / LIBRARY) as unpacked:
        return ctypes.CDLL(str(unpacked))


def _load() -> ctypes.CDLL | None:
    """The compiled walk, or None."""
    if os.environ.get(SWITCH) == "0":
        return None
    try:
        library = _opened(Path(__file__).with_name(LIBRARY))
        library.walk_new.restype = ctypes.c_void_p
        library.walk_new.argtypes = [ctypes.c_uint64]
        library.walk_free.restype = library.walk_forget.restype = None
        library.walk_free.argtypes = library.walk_forget.argtypes = [ctypes.c_void_p]
        library.walk_text.restype = ctypes.c_int64
        library.walk_text.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(_Found)]
    except (OSError, AttributeError):  # it is not there, is none, or is that of another version
        return None
    return library


_LOADED: Final = _load()


def walker() -> Walker | None:
    """A walker, where the walk is compiled."""
    return None if _LOADED is None else Walker(_LOADED)
