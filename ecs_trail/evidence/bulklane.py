"""The bulk lane: files of which every record is kept become finished Parquet parts, made in the worker.

Where everything is collected, to hand rows from process to process and to write them in one of them costs more than to
read them. So a worker takes a group of files, makes blocks of their records (`blocks`), and gives back the bytes of a
Parquet part that only has to be put into the store. Rows of one selection are kept apart: the questions asked most need
no other, so they must not lie scattered among the many.

Whatever is unusual in a file, or in a block, takes the usual road with the same rows.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import Places, counted, number, texts, whole_numbers
from ecs_trail.collector import collector_paused
from ecs_trail.evidence.blocks import NotPlainError, Records, table_of
from ecs_trail.evidence.compression import PARQUET, Bounds, expand
from ecs_trail.evidence.engines import weight
from ecs_trail.evidence.ledger import Fetched, Reading
from ecs_trail.evidence.packing import pack_table
from ecs_trail.evidence.pieces import Walked
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.records import RejectedError, Row, row_of
from ecs_trail.evidence.scanning import only_file, read_unit, see_stamp
from ecs_trail.evidence.store.parts import EventWriter, Sealed
from ecs_trail.evidence.walk import whole_walker
from ecs_trail.evidence.wholes import Decoded
from ecs_trail.selection import Selection

#: A block is full at so many records or bytes of text; that bounds the memory of a worker.
_ROWS: Final = 8192
_BYTES: Final = 16 << 20
#: Bytes on disk of the units that become one part: of a trail, two or three blocks.
_GROUP: Final = 6 << 20
#: Units of the first group; each one after may have twice as many.
_FIRST_GROUP: Final = 4


@dataclass(slots=True)
class Group:
    """What reading some units gave: a reading for each, in order, whose rows are only those of unusual files; the rows
    that belong to the selection kept apart, packed; all other rows, in a finished part.
    """

    readings: list[Reading] = field(default_factory=list)
    apart: list[bytes] = field(default_factory=list)
    sealed: Sealed | None = None
    #: Rows in `apart` and `sealed`.
    rows: int = 0


@dataclass(slots=True)
class _Block:
    """Records that wait to become rows, and the units they came from: (place in the group, records)."""

    records: Records
    units: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.records) >= _ROWS or (len(self.records) > 0 and self.records.size >= _BYTES)

    def add(self, place: int, text: bytes, reading: Reading) -> bool:
        """Take the records of a unit; False, with nothing done, where they are not such as this block takes."""
        count = self.records.add(text, reading)
        if count:
            self.units.append((place, count))
        return count > 0


@dataclass(slots=True)
class _Made:
    """Rows that were made: those of a selection, and all others."""

    apart: Selection
    first: list[pa.Table] = field(default_factory=list)
    others: EventWriter = field(default_factory=EventWriter)

    def add(self, table: pa.Table, count: int) -> None:
        """Take rows, of which so many belong to the selection and stand first."""
        if count:  # taken and not cut off, which would hold the whole table
            self.first.append(table.take(counted(count)))
        self.others.write(table.slice(count))


def grouped(units: Iterator[Fetched], *, most: int, seconds: float) -> Iterator[tuple[Fetched, ...]]:
    """Units in groups of about `_GROUP` bytes on disk, of at most so many, that are gathered in about so long.

    The first groups are smaller, so that all workers have something at once.
    """
    group: list[Fetched] = []
    held, since, first = 0, time.monotonic(), _FIRST_GROUP
    for unit in units:
        group.append(unit)
        held += weight(unit)
        if held >= _GROUP or len(group) >= min(most, first) or time.monotonic() - since >= seconds:
            yield tuple(group)
            group, held, since, first = [], 0, time.monotonic(), first * 2
    if group:
        yield tuple(group)


def read_group(units: Sequence[Fetched], asked: tuple[Probe, Selection], *, bounds: Bounds) -> Group:
    """Read units of which every record is kept. `asked` is a probe that admits everything, and the selection to keep
    apart. Runs in a worker process as well.
    """
    group = Group()
    probe, apart = asked
    usual = partial(read_unit, probe=probe, bounds=bounds)
    made = _Made(apart)
    with collector_paused(), _plain_memory():
        for block in _blocks(units, group, usual, bounds):
            if not _take(block, group, made):
                for place, _ in block.units:
                    group.readings[place] = usual(units[place])
        group.apart += [pack_table(pa.concat_tables(made.first))] if made.first else []
        group.sealed = made.others.sealed()
    return group


@contextmanager
def _plain_memory() -> Iterator[None]:
    """The C library's memory for Arrow: blocks come and go, and its own pools would keep the largest of every kind, a
    fifth of what a worker holds.
    """
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _blocks(
    units: Sequence[Fetched], group: Group, usual: Callable[[Fetched], Reading], bounds: Bounds
) -> Iterator[_Block]:
    """Blocks of records, as they become full, and the last; readings go to the group. Those that the walk takes and
    those that only the typed decoding takes become blocks of their own.
    """
    known = whole_walker()
    makers: list[Callable[[], Records]] = [partial(Walked, known), Decoded]
    blocks = [_Block(make()) for make in makers]
    for place, unit in enumerate(units):
        text = _text(unit, bounds)
        reading = Reading(unit.source)
        see_stamp(reading, unit.source)
        took = (
            None if text is None else next((n for n, one in enumerate(blocks) if one.add(place, text, reading)), None)
        )
        group.readings.append(usual(unit) if took is None else reading)
        if took is not None and blocks[took].is_full:
            yield blocks[took]
            blocks[took] = _Block(makers[took]())
    yield from (block for block in blocks if block.units)


def _text(unit: Fetched, bounds: Bounds) -> bytes | None:
    """The text of a unit that is one part without any fault; None for any other."""
    if unit.problem is not None:
        return None
    data = unit.data if unit.data is not None else _content(unit.path or unit.source, bounds.part)
    if data is None or data.startswith(PARQUET):
        return None
    parts = list(expand(data, unit.source, bounds=bounds))
    is_plain = len(parts) == 1 and not parts[0].problems and parts[0].name == unit.source
    return parts[0].data if is_plain and not parts[0].data.startswith(PARQUET) else None


def _content(path: str, most: int) -> bytes | None:
    """The bytes of a file; None where there is anything to say of reading it, which the usual road does."""
    try:
        handle, size = only_file(path)
        with os.fdopen(handle, "rb") as stream:
            data = stream.read(size) if size <= most else b""
    except OSError:
        return None
    return data if len(data) == size else None


def _take(block: _Block, group: Group, made: _Made) -> bool:
    """Make rows of a block; False, with nothing taken, when one of its records is not plain after all."""
    places = np.concatenate([np.arange(count) for _, count in block.units])
    which = np.repeat([place for place, _ in block.units], [count for _, count in block.units])
    try:
        copies = _copies(block.records, group, places, which)
        kept = np.setdiff1d(np.arange(len(places)), [place for place, _ in copies])
        if len(kept) < len(places):
            block.records.without(place for place, _ in copies)
        if len(kept):
            names = texts([one.source for one in group.readings]).take(whole_numbers(which[kept]))
            table, first = table_of(block.records, (names, whole_numbers(places[kept])), made.apart)
    except (NotPlainError, RejectedError, UnicodeEncodeError):
        return False
    block.records = Decoded()  # the space of those that are done serves the part
    for place, row in copies:
        group.readings[which[place]].keep(row, is_rebuilt=False)
    if len(kept):
        made.add(table, first)
        group.rows += table.num_rows
    return True


def _copies(records: Records, group: Group, places: Places, which: Places) -> list[tuple[int, Row]]:
    """The rows of records that share an id with others of the block, of which one has to be chosen later, and their
    numbers in it.
    """
    ids = records.ids()
    counts = pc.value_counts(ids)
    if len(counts) == len(ids):
        return []
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), number(1)))
    return [
        (place, row_of(records.raw(place), group.readings[which[place]].source, int(places[place])))
        for place in pc.indices_nonzero(pc.is_in(ids, value_set=repeated)).to_pylist()
    ]
