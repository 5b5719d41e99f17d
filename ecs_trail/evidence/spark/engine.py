"""Units read by the executors of Spark: the same scan in each, the readings back in order.

Units go out in waves of chunks, one chunk a task. A wave is kept by the executors (in memory, else on their disks)
until the driver has taken it chunk by chunk, while the next one runs already: the driver holds one chunk's answer at a
time, however much matches. Spark runs a task again where its executor dies; every chunk's answer is taken once, from
one run of its task, so nothing is lost and nothing counts twice.
"""

import threading
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from ecs_trail.errors import AccessError, EcsTrailError, UsageError
from ecs_trail.evidence.engines import Lost, Read, weight
from ecs_trail.evidence.ledger import Fetched, Problem, Reading
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.spark.session import explained, failures, map_in_arrow, session, slots, words_of
from ecs_trail.evidence.spark.task import DDL, Order, unpacked

#: A wave ends at so many bytes or units for each slot; it is cut into a few chunks for each, of at least so many bytes.
_WAVE_BYTES: Final = 256 << 20
_WAVE_UNITS: Final = 2048
_CHUNKS: Final = 4
_CHUNK_BYTES: Final = 1 << 20
_CHUNK_UNITS: Final = 1024
_FEW_UNITS: Final = 16
#: Units in a row that take their task down, after which nothing is expected of further ones.
_DEATHS: Final = 8

#: Failures that no smaller job would be spared: somebody cancelled it, or the session has ended.
_OVER: Final = ("JOB_CANCELLED", "was cancelled", "has been shut down", "was shut down", "stopped SparkContext")

Chunk = list[Fetched]


class SparkEngine:
    """The executors of a Spark session (`session.session`)."""

    is_spread = True

    def read(self, read: Read, units: Iterable[Fetched], probe: Probe, *, lost: Lost) -> Iterator[Reading]:
        """See `Engine`. Units that are bytes already are read here.

        Raises `UsageError` where executors lack a package or do not see local files, and `AccessError` where Spark
        fails, or every object of a place is refused.
        """
        cluster = _Cluster(session(), read, probe, lost)
        try:
            yield from cluster.readings(units)
        finally:
            cluster.end()


@dataclass
class _Refusals:
    """Places whose objects were refused, to say so once where it was all of them (see `S3Source`)."""

    counts: dict[str, list[int]] = field(default_factory=dict)
    first: dict[str, Problem] = field(default_factory=dict)

    def see(self, unit: Fetched, reading: Reading) -> None:
        """Note one object: read, refused, and how many there should be."""
        if unit.remote is None:
            return
        name = unit.remote.shelf.name
        count = self.counts.setdefault(name, [0, 0, 0])
        denial = next((one for one in reading.problems if reading.failed and one.kind == "no_permission"), None)
        count[0] += 1
        count[1] += denial is not None
        count[2] = unit.expected
        if denial is not None:
            self.first.setdefault(name, denial)

    def conclude(self) -> None:
        """Raise `AccessError` for a place of which nothing could be read."""
        for name, (seen, denied, expected) in self.counts.items():
            if denied == seen >= expected:
                raise AccessError(
                    f"access denied to all of {name}: {self.first[name].detail}",
                    hint="ecs-trail permissions prints the policy this tool needs; executors read with their own role.",
                )


@dataclass
class _Job:
    """Chunks that ran, kept by the executors; or one unit that no task survives, where there is no `frame`."""

    chunks: list[Chunk]
    frame: Any = None


@dataclass
class _Cluster:
    """One reading of many units."""

    spark: Any
    work: Read
    probe: Probe
    lost: Lost
    tag: str = field(default_factory=lambda: f"ecs-trail-{uuid.uuid4().hex}")
    deaths: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    refusals: _Refusals = field(default_factory=_Refusals)

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.kept: list[Any] = []

    def readings(self, units: Iterable[Fetched]) -> Iterator[Reading]:
        """The readings in order; the next wave runs while one is taken."""
        under_way: deque[tuple[list[Chunk], Future[list[_Job]]]] = deque()
        for wave in chain(self._waves(units), [None]):
            if wave is not None:
                far = [chunk for chunk in wave if not _is_here(chunk[0])]
                under_way.append((wave, self.pool.submit(self._run, far)))
            while under_way and (wave is None or len(under_way) > 1):
                chunks, running = under_way.popleft()
                yield from self._taken(chunks, running.result())
        self.refusals.conclude()

    def end(self) -> None:
        """End what runs, and let the executors forget what they keep."""
        self.stopping.set()
        try:
            self.spark.interruptTag(self.tag)
            self.pool.shutdown(wait=True, cancel_futures=True)
            for frame in self.kept:
                frame.unpersist()
        except failures():  # the session is gone, and all of this with it
            self.pool.shutdown(wait=False, cancel_futures=True)

    def _waves(self, units: Iterable[Fetched]) -> Iterator[list[Chunk]]:
        wave: list[tuple[Fetched, int]] = []
        total, count = 0, slots(self.spark)
        for unit in units:
            size = weight(unit)
            placed = unit if unit.path is None else replace(unit, path=str(Path(unit.path).absolute()))
            wave.append((placed, size))
            # bytes that are here wait in the driver itself
            total += size * (count if unit.data is not None else 1)
            if total >= _WAVE_BYTES * count or len(wave) >= _WAVE_UNITS * count:
                yield _chunks(wave, count)
                wave, total, count = [], 0, slots(self.spark)
        if wave:
            yield _chunks(wave, count)

    def _run(self, chunks: list[Chunk]) -> list[_Job]:
        """Run the chunks as one job; where it fails, its halves, down to the unit that is to blame."""
        if not chunks or self.stopping.is_set():
            return []
        try:
            frame = self._frame(chunks)
        except failures() as error:
            if self.stopping.is_set():
                return []
            failure = explained(error, "while it read")
            if isinstance(failure, UsageError) or any(word in words_of(error) for word in _OVER):
                raise failure from error
            if len(chunks) == 1 and len(chunks[0]) == 1:
                self.deaths += 1
                if self.deaths >= _DEATHS:
                    raise failure from error
                return [_Job(chunks)]
            if len(chunks) == 1:
                middle = len(chunks[0]) // 2
                halves = [[chunks[0][:middle]], [chunks[0][middle:]]]
            else:
                halves = [chunks[: len(chunks) // 2], chunks[len(chunks) // 2 :]]
            return [job for half in halves for job in self._run(half)]
        self.deaths = 0
        return [_Job(chunks, frame)]

    def _frame(self, chunks: list[Chunk]) -> Any:
        """The answers to the chunks, made and kept by the executors."""
        order = Order.of(self.work, self.probe, chunks)

        def run(batches: Iterator[Any]) -> Iterator[Any]:
            for batch in batches:
                yield from order.answers(batch.column(0).to_pylist())

        self.spark.addTag(self.tag)
        count = len(chunks)
        frame = map_in_arrow(self.spark.range(0, count, 1, count), run, DDL).persist()
        self.kept.append(frame)
        frame.count()
        return frame

    def _taken(self, wave: list[Chunk], jobs: list[_Job]) -> Iterator[Reading]:
        far = self._answers(jobs)
        for chunk in wave:
            for unit in chunk:
                if _is_here(unit):
                    yield self.work(unit, self.probe)
                    continue
                reading = next(far, None)
                if reading is None or reading.source != unit.source:
                    raise _out_of_step()
                _refuse_unseen(unit, reading)
                self.refusals.see(unit, reading)
                yield reading
        if next(far, None) is not None:
            raise _out_of_step()
        for job in jobs:
            if job.frame is not None:
                self.kept.remove(job.frame)
                job.frame.unpersist()

    def _answers(self, jobs: list[_Job]) -> Iterator[Reading]:
        for job in jobs:
            if job.frame is None:
                yield self.lost(job.chunks[0][0])
                continue
            try:
                yield from _readings(job.frame.toLocalIterator(prefetchPartitions=True))
            except failures() as error:
                raise explained(error, "while its answers were taken") from error


def _readings(rows: Iterable[Any]) -> Iterator[Reading]:
    """What rows hold. Raises the error that ended a chunk."""
    for row in rows:
        found = unpacked(bytes(row["packed"]))
        if isinstance(found, EcsTrailError):
            raise found
        yield from found


def _out_of_step() -> EcsTrailError:
    """Nothing may be missing, come twice, or stand for another file: such an answer is none."""
    return EcsTrailError("Spark's answer has not one reading for each file.", hint="please report this.")


def _chunks(wave: list[tuple[Fetched, int]], count: int) -> list[Chunk]:
    """Neighbours together, in a few chunks for each slot; never units of both kinds in one."""
    far = [size for unit, size in wave if not _is_here(unit)]
    most_bytes = max(_CHUNK_BYTES, sum(far) // (count * _CHUNKS))
    most_units = max(_FEW_UNITS, min(_CHUNK_UNITS, -(-len(far) // (count * _CHUNKS))))
    chunks: list[Chunk] = []
    held = 0
    for unit, size in wave:
        is_full = not chunks or len(chunks[-1]) >= most_units or held + size > most_bytes
        if is_full or _is_here(chunks[-1][0]) != _is_here(unit):
            chunks.append([])
            held = 0
        chunks[-1].append(unit)
        held += size
    return chunks


def _is_here(unit: Fetched) -> bool:
    """True for a unit that the driver reads itself: its bytes are here, or it is a problem."""
    return unit.remote is None and unit.path is None


def _refuse_unseen(unit: Fetched, reading: Reading) -> None:
    if not reading.failed or unit.path is None or not any(one.kind == "vanished" for one in reading.problems):
        return
    if Path(unit.path).exists():
        raise UsageError(
            f"the executors of Spark do not see {unit.source}.",
            hint="a local path must be there on every machine of the cluster; or give s3://BUCKET/PREFIX.",
        )
