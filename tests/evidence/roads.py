"""The three roads of a text to one reading: the compiled walk, the typed decoding, the full road. To a reading of what
a selection asks for, and to the parts of a store, where all is kept.
"""

import ctypes
import io
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
from evidence_builders import SESSION
from hostile import hostile_file
from near_plain import near_plain_file

from ecs_trail.evidence import bulklane, walk
from ecs_trail.evidence.bulklane import Group
from ecs_trail.evidence.compression import USUAL
from ecs_trail.evidence.fastlane import _Place, _scan_decoded, _scan_walked
from ecs_trail.evidence.ledger import Fetched, Reading
from ecs_trail.evidence.packing import REBUILT, opened, pack
from ecs_trail.evidence.pieces import Walked
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.scanning import scan_bytes
from ecs_trail.evidence.sieve import Sieve
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window

MINUTE = datetime(2026, 3, 2, 9, tzinfo=UTC)
PROBES: list[Probe] = [
    probe_of(selection)
    for selection in (
        default_selection(),
        session(SESSION),
        everything(),
        Selection((Clause(failed=True),)),
        Selection((Clause(failed=False, regions=frozenset({"us-east-1"})),)),
        session(SESSION).during(Window(MINUTE.replace(minute=10), MINUTE.replace(minute=40))),
    )
]


class Roads:
    """The walk beside the other two. Its sieves are kept over all files: nothing may be left behind by one of them."""

    def __init__(self, library: ctypes.CDLL | None) -> None:
        self.walking = [Sieve(probe) for probe in PROBES]
        self.decoding = [Sieve(probe) for probe in PROBES]
        for sieve in self.walking:
            sieve._walker = None if library is None else walk.Walker(library)
        for sieve in self.decoding:
            sieve._walker = None

    def compare(self, data: bytes, number: int) -> tuple[bool, bool]:
        """Whether the walk and the typed decoding took a file; what either takes, the full road reads alike."""
        at, walked, decoded = _Place("log.json", 0), Reading("log.json"), Reading("log.json")
        is_walked = _scan_walked(data, at, self.walking[number], walked)
        is_decoded = _scan_decoded(data, at, self.decoding[number], decoded)
        assert not is_walked or is_decoded, data
        if is_walked:
            assert walked == decoded, data
        if is_decoded:
            full = scan_bytes(data, "log.json", PROBES[number], is_fast=False)
            full.items_left_out = decoded.items_left_out  # counted for the whole file, and empty for what is plain
            assert decoded == full, data
        return is_walked, is_decoded


def compare(library: ctypes.CDLL | None, files: int, seed: int) -> Counter[str]:
    """Compare the roads over random files, and count."""
    roads, counts = Roads(library), Counter[str]()
    for number in range(files):
        dice = random.Random(f"{seed}/{number}")
        data, records = (near_plain_file if number % 8 else hostile_file)(dice)
        is_walked, is_decoded = roads.compare(data, dice.randrange(len(PROBES)))
        counts.update(files=1, records=records, walked=is_walked, decoded=is_decoded, taken=records * is_walked)
    return counts


APARTS = [default_selection(), session(SESSION), Selection(()), everything()]
_COLUMNS = [*EVENT_SCHEMA.names, REBUILT]


def in_bulk(files: dict[str, bytes], apart: Selection, library: ctypes.CDLL | None) -> Group:
    """Files in the bulk lane, by the walk of a library or without one."""
    units = [Fetched(name, data=data) for name, data in files.items()]
    with patch.object(bulklane, "whole_walker", lambda: None if library is None else walk.WholeWalker(library)):
        return bulklane.read_group(units, (probe_of(everything()), apart), bounds=USUAL)


def rows_of(readings: list[Reading], chunks: list[bytes], parts: list[bytes]) -> list[dict[str, Any]]:
    """All rows, wherever they are, in the order of files and places."""
    every = [*chunks, *(chunk for one in readings for chunk in one.packed)]
    every += [pack(one.rows, one.rebuilt) for one in readings if one.rows]
    tables = [pa.table(opened([chunk], _COLUMNS)) for chunk in every]
    tables += [pq.read_table(io.BytesIO(data)).select(_COLUMNS) for data in parts]
    found = [row for table in tables for row in table.to_pylist()]
    return sorted(found, key=lambda row: (row["source"], row["position"], row["raw"]))


def bare(reading: Reading) -> Reading:
    """A reading without its rows."""
    return replace(reading, rows=[], rebuilt=[], packed=[])


def check_in_bulk(files: dict[str, bytes], apart: Selection, library: ctypes.CDLL | None, *, is_fast: bool) -> Group:
    """The parts of a store that files become are as the usual road, or the full one, reads them."""
    usual = [scan_bytes(data, name, probe_of(everything()), is_fast=is_fast) for name, data in files.items()]
    group = in_bulk(files, apart, library)
    if not is_fast:  # it counts for the whole file, and others nothing for what is plain
        for mine, theirs in zip(group.readings, usual, strict=True):
            theirs.items_left_out = mine.items_left_out
    assert [bare(one) for one in group.readings] == [bare(one) for one in usual], files
    sealed = [group.sealed.data] if group.sealed else []
    assert rows_of(group.readings, group.apart, sealed) == rows_of(usual, [], []), files
    return group


def compare_in_bulk(library: ctypes.CDLL | None, groups: int, seed: int, *, is_decoded: bool = True) -> Counter[str]:
    """The same on all three roads over random files, and how many records were made rows in bulk on the first two; the
    second only where `is_decoded`.
    """
    counts = Counter[str]()
    for number in range(groups):
        dice = random.Random(f"{seed}/{number}")
        files = {}
        for place in range(dice.choice((1, 1, 1, 2, 3))):
            made = near_plain_file(dice, is_whole=True) if dice.randrange(16) else hostile_file(dice)
            files[f"log-{place}.json"] = made[0]
        apart = dice.choice(APARTS)
        walked = check_in_bulk(files, apart, library, is_fast=False)
        decoded = check_in_bulk(files, apart, None, is_fast=False) if is_decoded else walked
        counts.update(files=len(files), taken=_taken(files, library), walked=walked.rows, decoded=decoded.rows)
        if len(files) == 1:  # else what is not plain parts the others into other blocks
            assert (walked.sealed, walked.rows) == (decoded.sealed, decoded.rows), files
    return counts


def _taken(files: dict[str, bytes], library: ctypes.CDLL | None) -> int:
    """The records of the files that the walk takes."""
    known = None if library is None else walk.WholeWalker(library)
    return sum(Walked(known).add(data, Reading(name)) for name, data in files.items())
