"""Texts too large to be parsed as a whole: read in pieces where they are written in lines, refused by name otherwise.

Parsing takes a multiple of a text's size, and the more the smaller its values are; what a log never is, is not tried.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from ecs_trail.evidence.compression import HINT, Bounds
from ecs_trail.evidence.texts import is_json, without_stamp

#: Marks that stand before or between JSON values.
_MARKS: Final = (b",", b"{", b"[")


class Piece(NamedTuple):
    """Some whole lines of a text, and the byte they begin at; or why what follows is not read."""

    data: bytes
    start: int
    trouble: str = ""


def is_crowded(text: bytes, bounds: Bounds) -> bool:
    """True for text of so many and so small values that they would take very much memory, as no log has them."""
    if len(text) < bounds.values:
        return False
    return max(sum(map(text.count, _MARKS)), text.count(b"\n")) > bounds.values


def trouble_of(text: bytes, bounds: Bounds) -> str:
    """Why a text cannot be parsed as a whole, in words; empty when it can."""
    if len(text) > bounds.whole:
        return f"{len(text)} bytes that are not lines of JSON; more than {bounds.whole} are not read. {HINT}."
    if is_crowded(text, bounds):
        return f"more than {bounds.values} values in {len(text)} bytes, as no log has them; not read. {HINT}."
    return ""


def begins_with_a_line(text: bytes) -> bool:
    """True when the first line is JSON of its own, also behind a time stamp."""
    end = text.find(b"\n")
    return end > 0 and is_json(without_stamp(text[:end].strip()))


def pieces(stream: BinaryIO | bytes, bounds: Bounds) -> Iterator[Piece]:
    """The text in pieces that end with a line. One line longer than the bounds ends it, with a piece that says so.

    Raises `OSError` as the stream does.
    """
    stream = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    rest = b""
    start = 0
    while block := stream.read(bounds.piece):
        end = block.rfind(b"\n") + 1
        if not end:
            rest += block
            if len(rest) > bounds.whole:
                words = (
                    f"a line of more than {bounds.whole} bytes begins at byte {start}; it and the rest are not read."
                )
                yield Piece(b"", start, f"{words} {HINT}.")
                return
            continue
        data = rest + block[:end]
        rest = block[end:]
        del block
        yield Piece(data, start)
        start += len(data)
        del data
    if rest:
        yield Piece(rest, start)
