"""What runs in an executor: units in, their readings out, as rows of Arrow.

A row holds the chunk's number, its own place in the chunk's answer, and readings, packed. Nothing here needs pyspark.
"""

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import pyarrow as pa
import zstandard

from ecs_trail.errors import EcsTrailError
from ecs_trail.evidence.engines import Read
from ecs_trail.evidence.ledger import Fetched, Reading, Shelf
from ecs_trail.evidence.probes import Probe
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.version import VERSION

#: The rows of a task, as Spark's DDL and as Arrow.
DDL: Final = "chunk bigint, place bigint, packed binary"
ANSWER: Final = pa.schema([("chunk", pa.int64()), ("place", pa.int64()), ("packed", pa.binary())])
#: Bytes of records after which the readings so far are sent, and their number.
_SENT_AFTER: Final = 16 << 20
_MOST_READINGS: Final = 1024
_RAW: Final = EVENT_SCHEMA.get_field_index("raw")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done with all chunks of a job: `read` and `probe` as `Engine.read` has them, pickled.

    `version` is that of the driver; an executor of another one refuses.
    """

    work: bytes
    chunks: tuple[bytes, ...]
    version: str = VERSION

    @classmethod
    def of(cls, read: Read, probe: Probe, chunks: Iterable[list[Fetched]]) -> "Order":
        """The order for chunks of units."""
        return cls(pickle.dumps((read, probe)), tuple(pickle.dumps(chunk) for chunk in chunks))

    def answers(self, numbers: Iterable[int]) -> Iterator[pa.RecordBatch]:
        """The rows for chunks by number. An error of this tool is the last row of a chunk."""
        if self.version != VERSION:
            raise ImportError(f"ecs_trail {self.version} is needed, and {VERSION} is here")
        read, probe = pickle.loads(self.work)  # noqa: S301 - written by our own driver
        for number in numbers:
            units: list[Fetched] = pickle.loads(self.chunks[number])  # noqa: S301
            for place, readings in enumerate(_parts(units, read, probe)):
                packed = zstandard.compress(pickle.dumps(readings, pickle.HIGHEST_PROTOCOL), 1)
                yield pa.RecordBatch.from_arrays([[number], [place], [packed]], schema=ANSWER)


def unpacked(packed: bytes) -> list[Reading] | EcsTrailError:
    """What a row holds: readings, or the error that ended the chunk."""
    found: list[Reading] | EcsTrailError = pickle.loads(zstandard.decompress(packed))  # noqa: S301 - from our own code
    return found


def _parts(units: list[Fetched], read: Read, probe: Probe) -> Iterator[list[Reading] | EcsTrailError]:
    readings: list[Reading] = []
    size = 0
    try:
        for unit in _at_hand(units):
            reading = read(unit, probe)
            readings.append(replace(reading, identity=unit.identity))
            size += sum(len(row[_RAW]) for row in reading.rows) + sum(map(len, reading.packed))
            if size >= _SENT_AFTER or len(readings) >= _MOST_READINGS:
                yield readings
                readings, size = [], 0
    except EcsTrailError as error:
        yield error
        return
    yield readings


def _at_hand(units: Iterable[Fetched]) -> Iterator[Fetched]:
    """The units with what lies elsewhere fetched, in order."""

    def shelf_of(unit: Fetched) -> Shelf | None:
        return unit.remote.shelf if unit.remote is not None else None

    for shelf, some in groupby(units, shelf_of):
        if shelf is None:
            yield from some
        else:
            yield from shelf.fetch([unit.remote.item for unit in some if unit.remote is not None])
