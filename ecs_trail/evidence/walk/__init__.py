"""The compiled walk over a text of records (`walk.c`), called by `ctypes`: it says where each record stands and which
different values they hold, and decodes nothing.

A walk that is not compiled on this machine, or switched off by `ECS_TRAIL_COMPILED=0`, is None; then texts are decoded
by msgspec, with the same result. It takes only what is plain, see `walk.c`.
"""

import ctypes
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

import msgspec

from ecs_trail.evidence.slicing import address

#: What the compiled walk is called, beside this file.
LIBRARY: Final = "walk.dll" if os.name == "nt" else "walk.so"
SWITCH: Final = "ECS_TRAIL_COMPILED"

#: Raised with every change of what is handed over between `walk.c` and this file.
_VERSION: Final = 2

#: The fields of a value: strings as they were decoded, None for null.
Value = tuple[str | None, ...]
#: Fields of homes, kinds, callers and sessions asked for, as `walk.c` has them.
_WIDTHS: Final = (3, 7, 2, 1)
_TABLES: Final = len(_WIDTHS)
#: Of a record: start and end in the text, the numbers of kind and caller, and of the session it asks for plus one.
_RECORD: Final = 5
_MARK: Final = 4
#: Bytes of what is told of a record read whole.
ROW_BYTES: Final = 120
_TEXT: Final = msgspec.json.Decoder(str)
#: Bytes of values that are kept from text to text, and what a value weighs beside its own.
_KEPT: Final = 8 << 20
_WEIGHT: Final = 256
#: `Found` in `walk.c`, all of it numbers of 64 bits.
_Report = ctypes.c_uint64 * (4 + 2 * _TABLES)


def unescaped(piece: str) -> str:
    """A string that stands in JSON so, without its quotes."""
    return _TEXT.decode(f'"{piece}"') if "\\" in piece else piece


class Found(NamedTuple):
    """What a text holds. Its records are told of until the next text is walked over."""

    records: int
    #: Whether it has bytes outside ASCII.
    has_high: bool
    #: The homes seen by number, each with its first and last time as numbers YYYYMMDDhhmmss (UTC).
    homes: Sequence[tuple[int, int, int]]
    #: The numbers of the other values seen.
    kinds: list[int]
    callers: list[int]
    asked: list[int]
    #: Where the numbers of the records lie.
    table: int

    def holding(self, kinds: Set[int], callers: Set[int], asked: Set[int]) -> list[tuple[int, int, int, int]]:
        """The records with any of these values, in order: place, start and end in the text, and the kind's number."""
        table = memoryview(ctypes.string_at(self.table, self.records * _RECORD * 4)).cast("I")
        places: set[int] = set()
        for column, wanted in ((2, kinds), (3, callers), (4, {number + 1 for number in asked})):
            if wanted:
                numbers = table[column::_RECORD].tolist()
                places.update([place for place, number in enumerate(numbers) if number in wanted])
        return [
            (place, table[place * _RECORD], table[place * _RECORD + 1], table[place * _RECORD + 2])
            for place in sorted(places)
        ]


class Walker:
    """Walks over texts, one after the other; not to be shared by threads.

    By number it knows `homes` (account, Region, event source), `kinds` (those, event name, error code, type, category),
    `callers` (type, ARN of `userIdentity`), and in `asked` the sessions that calls ask for. Once it `is_full`, `forget`
    them.
    """

    #: Which walk it is: that of scans, or of records read whole (`wholes`).
    IS_WHOLE: ClassVar = False
    #: How many fields the values of each table have, and what makes texts of them.
    WIDTHS: ClassVar = _WIDTHS
    READS: ClassVar[Sequence[Callable[[str], str]]] = (unescaped,) * _TABLES

    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises `MemoryError`. See `walker`."""
        self._library = library
        # of no use to anybody who does not know it: numbers are found by hashes
        self._walk = library.walk_new(int.from_bytes(os.urandom(8), sys.byteorder), self.IS_WHOLE)
        if not self._walk:
            raise MemoryError
        # not at exit: threads that are not waited for may still walk then
        weakref.finalize(self, library.walk_free, self._walk).atexit = False
        self._report = _Report()
        self._held = 0
        self.homes: list[Value] = []
        self.kinds: list[Value] = []
        self.callers: list[Value] = []
        self.asked: list[Value] = []

    @property
    def is_full(self) -> bool:
        """True when more is kept than an archive holds, unless somebody invents it."""
        return self._held > _KEPT

    def walk(self, text: bytes | memoryview) -> Found | None:
        """What a text holds; None for one that is not plain. A memoryview must be a part of bytes."""
        begin = text if isinstance(text, bytes) else address(text)
        records = self._library.walk_text(self._walk, begin, len(text), ctypes.byref(self._report))
        if records < 0:
            self._held += len(text)  # what it left behind is told later, if ever; it is hardly more
            return None
        table, has_high, told, told_count, *fresh = self._report
        if any(fresh[_TABLES:]):
            self._learn(fresh[:_TABLES], fresh[_TABLES:])
        seen = memoryview(ctypes.string_at(told, told_count * 8)).cast("Q").tolist()
        kinds = _TABLES + 3 * seen[0]
        callers = kinds + seen[1]
        asked = callers + seen[2]
        homes = [*zip(seen[_TABLES:kinds:3], seen[_TABLES + 1 : kinds : 3], seen[_TABLES + 2 : kinds : 3], strict=True)]
        return Found(records, bool(has_high), homes, seen[kinds:callers], seen[callers:asked], seen[asked:], table)

    def forget(self) -> None:
        """Forget all values; numbers begin anew."""
        self._library.walk_forget(self._walk)
        self._held = 0
        for values in (self.homes, self.kinds, self.callers, self.asked):
            values.clear()

    def _learn(self, fresh: Sequence[int], lengths: Sequence[int]) -> None:
        tables = (self.homes, self.kinds, self.callers, self.asked)
        for values, place, length, width, read in zip(tables, fresh, lengths, self.WIDTHS, self.READS, strict=True):
            if length:
                fields = _fields(ctypes.string_at(place, length), read)
                known = len(values)
                values.extend(zip(*[fields] * width, strict=True))
                self._held += length + (len(values) - known) * _WEIGHT


class WholeWalker(Walker):
    """Walks over texts of records that are read whole: of each it also says where its parts stand (`Found.table`).

    `kinds` have version, readOnly and managementEvent too, `callers` are `userIdentity` as it stands, and `asked` are
    where a call came from (sourceIPAddress, userAgent).
    """

    IS_WHOLE = True
    WIDTHS = (3, 10, 1, 2)
    READS = (unescaped, unescaped, str, unescaped)

    def rows(self, found: Found) -> bytes:
        """What was found of every record, `ROW_BYTES` for each (`Row` in `walk.c`)."""
        return ctypes.string_at(found.table, found.records * ROW_BYTES)

    def gather(self, addresses: int, bounds: int, count: int, into: int) -> None:
        """Copy pieces of texts one behind the other: addresses of 64 bits, bounds of 32."""
        self._library.walk_gather(addresses, bounds, count, into)


def _fields(told: bytes, read: Callable[[str], str]) -> Iterator[str | None]:
    """The fields of new values: of each its length plus one in four bytes, 0 for null, and then itself."""
    place = 0
    while place < len(told):
        length = int.from_bytes(told[place : place + _MARK], sys.byteorder)
        place += _MARK
        if not length:
            yield None
            continue
        # what is no UTF-8 belongs to a text that is not taken in the end
        yield read(told[place : place + length - 1].decode("utf-8", "replace"))
        place += length - 1


def _opened(place: Path) -> ctypes.CDLL:
    if place.parent.is_dir():
        return ctypes.CDLL(str(place))
    # executors of Spark have this package in an archive, and no system loads a library from inside of one
    from importlib.resources import as_file, files  # noqa: PLC0415 - takes its time, and nobody else needs it

    with as_file(files(__name__) / LIBRARY) as unpacked:
        return ctypes.CDLL(str(unpacked))


def load(place: Path) -> ctypes.CDLL | None:
    """The compiled walk of a file, or None."""
    try:
        library = _opened(place)
        library.walk_new.restype = ctypes.c_void_p
        library.walk_new.argtypes = [ctypes.c_uint64, ctypes.c_int]
        library.walk_free.restype = library.walk_forget.restype = None
        library.walk_free.argtypes = library.walk_forget.argtypes = [ctypes.c_void_p]
        library.walk_text.restype = ctypes.c_int64
        library.walk_text.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(_Report)]
        library.walk_gather.restype = None
        library.walk_gather.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p]
        version: int = library.walk_version()
    except (OSError, AttributeError):  # it is not there, or is none
        return None
    return library if version == _VERSION else None


_LOADED: Final = None if os.environ.get(SWITCH) == "0" else load(Path(__file__).with_name(LIBRARY))


def walker() -> Walker | None:
    """A walker, where the walk is compiled."""
    return None if _LOADED is None else Walker(_LOADED)


def whole_walker() -> WholeWalker | None:
    """A walker over records that are read whole, where the walk is compiled."""
    return None if _LOADED is None else WholeWalker(_LOADED)
