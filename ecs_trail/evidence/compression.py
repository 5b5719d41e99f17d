"""Compressed bytes -> plain bytes, judged by content and never by suffix; bounded, and honest about what is cut off.

gzip (also of many members), zstd and bzip2 (also of many frames), zip archives, and these inside each other.
"""

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Protocol

from ecs_trail.evidence.ledger import Problem


def _optional(name: str) -> Any:
    """A compiled module, or None where it is not installed or has no wheel: without isal (extra `fast`) the standard
    library reads gzip, only slower; without zstandard nothing reads zstd.
    """
    try:
        return import_module(name)
    except ImportError:
        return None


_inflate: Final[Any] = _optional("isal.isal_zlib") or zlib
_GZIP_ERRORS: Final[tuple[type[Exception], ...]] = (zlib.error, _inflate.error)

#: Bytes all members and layers of one file may grow to in all.
EXPANSION_LIMIT: Final = 2 << 30
#: Growth beyond which bytes are a bomb and no log; trail files shrink about tenfold, tests up to a few hundredfold.
RATIO_LIMIT: Final = 600
RATIO_FROM: Final = 64 << 20
MAX_DEPTH: Final = 4
MAX_MEMBERS: Final = 200_000

#: The mark of a Parquet file, which is packed inside; `parquet` reads it.
PARQUET: Final = b"PAR1"
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BZIP2: Final = b"BZh"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
#: zlib's window bits for "gzip header and trailer".
_GZIP_WINDOW: Final = 31
_CHUNK: Final = 1 << 18
#: Bytes made in one step, before the bounds are looked at.
_STEP: Final = 4 << 20
#: A zstd block of four bytes may stand for 128 KiB, so little is fed at a time.
_ZSTD_CHUNK: Final = 1 << 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of one file is held at once, in bytes: which keeps a bomb, or one endless line, in bounds.

    `total`: what all its members and layers may grow to; `part`: what one of them may. A trail delivers at most 50 MB
    a file and Firehose 128 MB, so the defaults bound what is no log. Texts of lines are read in pieces, whatever their
    length on disk.
    """

    total: int = EXPANSION_LIMIT
    part: int = 192 << 20

    @classmethod
    def of(cls, part: int) -> "Bounds":
        """The bounds where somebody says what one file may grow to; an archive may hold several such files."""
        return cls(max(EXPANSION_LIMIT, part), part)

    @property
    def whole(self) -> int:
        """Bytes of text without lines, which can be read only as a whole; parsing takes a multiple of it."""
        return self.part * 5 // 18

    @property
    def values(self) -> int:
        """JSON values in such a text. Real logs have 23 bytes and more for each; a smaller one is made to cost."""
        return self.whole // 20

    @property
    def piece(self) -> int:
        """Bytes of lines that are read at a time."""
        return max(self.whole // 4, 1)


USUAL: Final = Bounds()
#: What to do about a file that is too large, in words.
HINT: Final = "--max-expansion SIZE reads more"


@dataclass(slots=True)
class Part:
    """Plain bytes of a file or of one archive member, with what went wrong on the way to them."""

    name: str
    data: bytes
    problems: list[Problem] = field(default_factory=list)


class TooLargeError(Exception):
    """Bytes grow beyond what a log file can be."""


class _Inflater(Protocol):
    """The common face of zlib's, isal's and bz2's decompressor objects."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Budget:
    """How many bytes a file may still grow by; shared by all layers and members of one file."""

    def __init__(self, bounds: Bounds) -> None:
        """Start with the whole of it."""
        self.bounds = bounds
        self.left = bounds.total

    @property
    def step(self) -> int:
        """Bytes that may be made at once."""
        return min(self.left, self.bounds.part, _STEP) + 1

    def take(self, produced: int, total: int, consumed: int) -> None:
        """Account for new bytes; raises `TooLargeError` past the limit or past the growth of any real log."""
        self.left -= produced
        if self.left < 0:
            raise TooLargeError(f"expands to more than {self.bounds.total} bytes")
        if total > self.bounds.part:
            raise TooLargeError(f"expands to more than {self.bounds.part} bytes")
        if total > RATIO_FROM and total > RATIO_LIMIT * max(consumed, 1):
            raise TooLargeError(f"expands more than {RATIO_LIMIT}-fold")


def expand(data: bytes, name: str, *, bounds: Bounds = USUAL) -> Iterator[Part]:
    """The plain parts of a file: one, or one a member for zip archives (named `file.zip!member`), in archive order.

    What could not be expanded comes as an empty part with its problem; a readable beginning comes with its problem.
    """
    yield from _expand(data, name, Budget(bounds), 0)


def _expand(data: bytes, name: str, budget: Budget, depth: int) -> Iterator[Part]:
    unpack = _unpacker(data)
    if unpack is None and not data.startswith(_ZIP):
        yield Part(name, data)
    elif depth >= MAX_DEPTH:
        yield Part(name, b"", [Problem(name, "too_large", f"archives inside archives, more than {MAX_DEPTH} deep.")])
    elif unpack is None:
        yield from _unzip(data, name, budget, depth)
    else:
        try:
            plain, reason = unpack(data, budget)
        except TooLargeError as error:
            yield Part(name, b"", [Problem(name, "too_large", f"{error}; not read. {HINT}.")])
            return
        if reason is None and _unpacker(plain) is None and not plain.startswith(_ZIP):  # as nearly all files of a trail
            yield Part(name, plain)
            return
        problems = [] if reason is None else [Problem(name, "truncated_file", reason)]
        for part in _expand(plain, name, budget, depth + 1):
            yield Part(part.name, part.data, [*problems, *part.problems])
            problems = []
        if problems:
            yield Part(name, b"", problems)


def _unpacker(data: bytes) -> Callable[[bytes, Budget], tuple[bytes, str | None]] | None:
    if data.startswith(_GZIP):
        return _gunzip
    if data.startswith(_BZIP2) and data[3:4].isdigit() and data[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}:
        return _bunzip
    return _unzstd if data.startswith(_ZSTD) else None


def _gunzip(data: bytes, budget: Budget) -> tuple[bytes, str | None]:
    def start() -> _Inflater:
        started: _Inflater = _inflate.decompressobj(_GZIP_WINDOW)
        return started

    before = budget.left
    try:
        return _inflate_all(data, budget, start, ("gzip", _GZIP))
    except _GZIP_ERRORS:
        budget.left = before
        return _salvage_gzip(data, budget)


def _bunzip(data: bytes, budget: Budget) -> tuple[bytes, str | None]:
    return _inflate_all(data, budget, bz2.BZ2Decompressor, ("bzip2", _BZIP2))


def _inflate_all(
    data: bytes, budget: Budget, start: Callable[[], _Inflater], form: tuple[str, bytes]
) -> tuple[bytes, str | None]:
    """Expand member after member. Returns the bytes and, where they end early, the reason with its place."""
    label, magic = form
    made = _Made()
    total = place = 0
    while True:
        member = start()
        while not member.eof:
            chunk = data[place : place + _CHUNK]
            if not chunk:
                return made.getvalue(), f"{label} stream ends early at byte {place}; what precedes it counts."
            place += len(chunk)
            pending: bytes | None = chunk
            while pending is not None:
                step = budget.step
                try:
                    piece = member.decompress(pending, step)
                except OSError as error:  # bz2 says so for damaged blocks
                    return made.getvalue(), f"{label} stream is damaged near byte {place}: {error}."
                total += len(piece)
                budget.take(len(piece), total, place)
                made.write(piece)
                pending = _rest(member, is_full=len(piece) >= step)
        place -= len(member.unused_data)
        rest = data[place : place + _CHUNK].lstrip(b"\0")
        if not rest and not data[place:].strip(b"\0"):
            return made.getvalue(), None
        if not rest.startswith(magic):
            return made.getvalue(), f"bytes that are no {label} follow at byte {place}; what precedes them counts."
        place = data.index(magic, place)


class _Made:
    """Bytes made so far. Those of one piece, as nearly every trail file gives, are handed on without a copy."""

    def __init__(self) -> None:
        self.only = b""
        self.all: io.BytesIO | None = None

    def write(self, piece: bytes) -> None:
        if not self.only:
            self.only = piece
            return
        if self.all is None:
            self.all = io.BytesIO()
            self.all.write(self.only)
        self.all.write(piece)

    def getvalue(self) -> bytes:
        return self.only if self.all is None else self.all.getvalue()


def _rest(member: _Inflater, *, is_full: bool) -> bytes | None:
    """What is to be given again for more output: zlib hands it back, bz2 keeps it; None where more input is needed."""
    tail: bytes = getattr(member, "unconsumed_tail", b"")
    return None if member.eof or not (tail or is_full) else tail


def _salvage_gzip(data: bytes, budget: Budget) -> tuple[bytes, str | None]:
    """The longest readable beginning of a damaged gzip stream: small steps, then single bytes before the damage."""
    made = io.BytesIO()
    total = place = 0
    member = zlib.decompressobj(_GZIP_WINDOW)
    step = 512
    while place < len(data):
        saved = member.copy()
        try:
            piece = member.decompress(data[place : place + step])
        except zlib.error as error:
            if step > 1:
                member, step = saved, 1
                continue
            whole = "the checksum does not hold" if "check" in str(error) else "the stream is damaged"
            return made.getvalue(), f"gzip: {whole} at byte {place}; what precedes it counts."
        total += len(piece)
        place += min(step, len(data) - place)
        budget.take(len(piece), total, place)
        made.write(piece)
        if member.eof:
            place -= len(member.unused_data)
            member, step = zlib.decompressobj(_GZIP_WINDOW), 512
            while data[place : place + 1] == b"\0":
                place += 1
    return made.getvalue(), f"gzip stream ends early at byte {place}; what precedes it counts."


def _unzstd(data: bytes, budget: Budget) -> tuple[bytes, str | None]:
    zstandard = _optional("zstandard")  # it takes a while to load, and trails are written in gzip
    if zstandard is None:
        return b"", "zstd needs a package that is missing: pip install zstandard."
    made = io.BytesIO()
    total = place = 0
    reader = zstandard.ZstdDecompressor()
    while data[place : place + 4] == _ZSTD:
        frame = reader.decompressobj()
        while not frame.eof:
            chunk = data[place : place + _ZSTD_CHUNK]
            if not chunk:
                return made.getvalue(), f"zstd frame ends early at byte {place}; what precedes it counts."
            try:
                piece = frame.decompress(chunk)
            except zstandard.ZstdError as error:
                return made.getvalue(), f"zstd frame is damaged near byte {place}: {error}."
            place += len(chunk)
            total += len(piece)
            budget.take(len(piece), total, place)
            made.write(piece)
        place -= len(frame.unused_data)
    if place < len(data):
        return made.getvalue(), f"bytes that are no zstd follow at byte {place}; what precedes them counts."
    return made.getvalue(), None


#: What zipfile raises for a member that is not what its directory says: RuntimeError means encrypted, ValueError a
#: place before the start of the file, struct.error a header that ends early.
_BROKEN_MEMBER: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, NotImplementedError, ValueError, OSError),
)


def _unzip(data: bytes, name: str, budget: Budget, depth: int) -> Iterator[Part]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        yield Part(name, b"", [Problem(name, "unreadable_file", f"zip archive cannot be opened: {error}.")])
        return
    with archive:
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        if len(members) > MAX_MEMBERS:
            yield Part(name, b"", [Problem(name, "too_large", f"zip archive of {len(members)} files; not read.")])
            return
        for member in members:
            inner = f"{name}!{member.filename}"
            try:
                plain, reason = _read_member(archive, member, budget)
            except TooLargeError as error:
                yield Part(inner, b"", [Problem(inner, "too_large", f"{error}; not read. {HINT}.")])
                continue
            problems = [] if reason is None else [Problem(inner, "unreadable_file", reason)]
            for part in _expand(plain, inner, budget, depth + 1):
                yield Part(part.name, part.data, [*problems, *part.problems])
                problems = []


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget) -> tuple[bytes, str | None]:
    made = io.BytesIO()
    total = 0
    try:
        with archive.open(member) as stream:
            while piece := stream.read(_CHUNK):
                total += len(piece)
                budget.take(len(piece), total, member.compress_size)
                made.write(piece)
    except _BROKEN_MEMBER as error:
        return made.getvalue(), f"zip member cannot be read to its end: {error}."
    return made.getvalue(), None
