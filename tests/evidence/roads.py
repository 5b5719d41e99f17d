"""The three roads of a text to one reading: the compiled walk, the typed decoding, the full road."""

import ctypes
import random
from collections import Counter
from datetime import UTC, datetime

from evidence_builders import SESSION
from hostile import hostile_file
from near_plain import near_plain_file

from ecs_trail.evidence import walk
from ecs_trail.evidence.fastlane import _Place, _scan_decoded, _scan_walked
from ecs_trail.evidence.ledger import Reading
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.scanning import scan_bytes
from ecs_trail.evidence.sieve import Sieve
from ecs_trail.evidence.sources.base import probe_of
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
