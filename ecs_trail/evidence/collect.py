"""Fetch evidence into a store: durable as it goes, never twice, newest first question last.

What is read goes into the store in batches, each with the receipt of its units (files, objects, API pages). A unit
that is there with the same content is not read again; a query goes on at the page where it was. A source that is asked
by time is asked from its last complete run on, less an overlap, as events come late.
"""

import hashlib
import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.evidence.bulklane import Group, grouped, read_group
from ecs_trail.evidence.compression import USUAL, Bounds
from ecs_trail.evidence.engines import Engine, LocalEngine, prepare
from ecs_trail.evidence.ledger import Fetched, Problem, Reading
from ecs_trail.evidence.packing import Chunk, pack, trim
from ecs_trail.evidence.scanning import read_unit
from ecs_trail.evidence.snapshots.volume_states import volume_texts
from ecs_trail.evidence.sources.base import Kept, Resumable, Source, lost, probe_of
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store.batches import Batch, Run
from ecs_trail.evidence.store.disks import FolderDisk
from ecs_trail.evidence.store.documents import Document
from ecs_trail.evidence.store.manifest import Manifest
from ecs_trail.evidence.store.runs import seen_until, unfinished
from ecs_trail.evidence.store.units import Unit
from ecs_trail.evidence.tasks import task_texts
from ecs_trail.evidence.workers import WHOLE_BATCH, map_ordered
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Clause, Selection, bounded, default_selection
from ecs_trail.times import Window

Progress = Callable[[int, int], None]
_Groups = Iterator[Group]
#: How far before its last complete run a source is asked again. CloudTrail delivers within minutes as a rule and
#: promises nothing (*AWS CloudTrail User Guide*, "How CloudTrail works", read on 2026-11-24).
OVERLAP: Final = timedelta(hours=6)
_TASKS: Final = "--tasks"
_PACK_AFTER: Final = 4096
#: Rows that are finished parts take so many times less memory.
_FINISHED: Final = 8
_KEY: Final = tuple(EVENT_SCHEMA.get_field_index(name) for name in ("event_id", "account_id", "raw"))


@dataclass(frozen=True, slots=True)
class Limits:
    """When a batch goes to disk: at so many rows, units or seconds, whichever comes first. Rows bound the memory."""

    rows: int = 32_768
    units: int = 4096
    seconds: float = 10.0


@dataclass
class Collected:
    """What one call of `collect` did: `events_added` rows in new parts, units (files, objects, pages) read, and those
    left alone as they were there already. `problems` are those of the whole store.
    """

    events_added: int = 0
    units_read: int = 0
    units_known: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_partial(self) -> bool:
        """True when some evidence could not be read (exit code 3)."""
        return any(one.is_partial for one in self.problems)


def collect(  # noqa: PLR0913 - what a run depends on, each by name
    sources: Sequence[Source],
    store: Store,
    selection: Selection,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    progress: Progress | None = None,
    task_files: Sequence[Path] = (),
    volume_files: Sequence[Path] = (),
    overlap: timedelta = OVERLAP,
    limits: Limits | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    bounds: Bounds = USUAL,
) -> Collected:
    """Read the sources into a store, which is made where there is none.

    A second call reads only what is new; a call that was ended in any way is continued by the same call. What was read
    before an error is kept. `engine` reads instead of `workers` processes. `bounds` are how far one file may grow.
    `selection` is what the store shall answer (with its window). Raises `UsageError` for a
    source that is not there and a store that cannot be written, `AccessError` as the sources do.
    """
    engine = engine or LocalEngine(workers)
    prepare(engine, sources)
    for source in sources:
        _refuse_circle(source, store)
    (texts, problems), (more, troubles) = task_texts(task_files), volume_texts(volume_files)
    store.create()
    done = Collected()
    work = _Work(store, done, engine, progress, limits or Limits(), overlap, now, bounds)
    work.keep_states([Document.of_state(text) for text in (*texts, *more)], [*problems, *troubles], selection)
    for source in sources:
        for run, marks in work.runs(source, selection):
            work.read(source, run, marks)
    done.problems = sorted(set(store.receipt().problems))
    return done


def _refuse_circle(source: Source, store: Store) -> None:
    if isinstance(source, StoreSource):
        raise source.store.no_source()
    if isinstance(source, FilesSource) and isinstance(store.disk, FolderDisk):
        inside, folder = store.path.resolve(), source.path.resolve()
        is_inside = inside == folder or folder in inside.parents
    else:
        is_inside = f"{store.disk.name}/".startswith(f"{source.name}/")
    if is_inside:
        raise UsageError(
            f"the store '{store.disk.name}' lies inside the source '{source.name}'.",
            hint="name another place: a store must not be collected into itself.",
        )


@dataclass
class _Work:
    """One call of `collect`."""

    store: Store
    done: Collected
    engine: Engine
    progress: Progress | None
    limits: Limits
    overlap: timedelta
    now: Callable[[], datetime]
    bounds: Bounds

    def keep_states(self, documents: list[Document], problems: list[Problem], selection: Selection) -> None:
        """Keep states given as files."""
        if set(documents) - set(self.store.documents()):
            run = self._run(_TASKS, selection, selection, self.store.manifest())
            self.store.commit(Batch(run, "saved states given as files", documents=documents, remarks=problems))

    def runs(self, source: Source, asked: Selection) -> Iterator[tuple[Run, Mapping[str, str]]]:
        """What is to be done for a source: a run that was ended on the way, if queries can be continued, then a new
        one from the last complete run on. With each, how far its queries are.
        """
        has_queries = isinstance(source, Resumable) and source.has_queries
        if has_queries:
            broken = unfinished(self.store.manifest(), source.name, asked)
            if broken is not None:
                yield broken
        manifest = self.store.manifest()
        planned = asked
        if isinstance(source, Resumable):
            since = seen_until(manifest, source.name, asked)
            if since is not None:
                planned = bounded(asked, Window(since - self.overlap, None))
        if has_queries and planned.window.end is None and planned.clauses:
            planned = bounded(planned, Window(None, self.now()))  # a query that is continued needs a fixed end
        if planned.clauses or not asked.clauses:
            yield self._run(source.name, asked, planned, manifest), {}

    def read(self, source: Source, run: Run, marks: Mapping[str, str]) -> None:
        """Read one source, keeping what comes in batches."""
        plan = source.plan(run.planned)
        held = self.store.held(run.asked)
        if isinstance(source, Resumable):
            source.resume(Kept(lambda name, identity: (name, identity) in held, marks, run.asked.window))
        known_rows = (
            _rows_kept(self.store, source, run.planned.window)
            if isinstance(source, Resumable) and source.has_queries
            else None
        )
        apart = default_selection()
        gathering = _Gathering(self, Batch(run, str(plan), marks=dict(marks), apart=apart), held, known_rows)
        units = gathering.units(source.fetch(plan))
        groups: _Groups = iter(())
        try:
            groups = self._groups(units, run.asked, apart, may_be_bulk=known_rows is None)
            for group in groups:
                gathering.take(group)
            gathering.flush()
        except (KeyboardInterrupt, EcsTrailError) as error:
            gathering.rescue(error)
            raise
        finally:
            _close(groups)
            _close(units)
        self.store.end(run, gathering.batch.remarks, is_partial=gathering.is_partial)

    def _groups(self, units: Iterator[Fetched], asked: Selection, apart: Selection, *, may_be_bulk: bool) -> _Groups:
        """What the units hold; in bulk where all events are asked for and processes of this machine read."""
        probe = probe_of(asked)
        if may_be_bulk and Clause() in asked.clauses and isinstance(self.engine, LocalEngine):
            many = grouped(units, most=self.limits.units, seconds=self.limits.seconds)
            read = partial(read_group, bounds=self.bounds)
            return map_ordered(read, many, (probe, apart), workers=self.engine.workers, weigh=lambda _: WHOLE_BATCH)
        readings = self.engine.read(partial(read_unit, bounds=self.bounds), units, probe, lost=lost)
        return (Group([reading]) for reading in readings)

    def _run(self, name: str, asked: Selection, planned: Selection, manifest: Manifest) -> Run:
        return Run(uuid.uuid4().hex, name, asked, planned, manifest.next_number - 1, self.now())


class _Gathering:
    """Readings in, batches out."""

    def __init__(
        self, work: _Work, batch: Batch, held: frozenset[tuple[str, str]], known_rows: set[tuple[Any, ...]] | None
    ) -> None:
        self.work = work
        self.batch = batch
        self.is_partial = False
        self._held = held
        self._known_rows = known_rows
        self._under_way: deque[Fetched] = deque()
        self._rows: list[tuple[Any, ...]] = []
        self._flags: list[bool] = []
        self._count = self._finished = 0
        self._taken = 0
        self._expected = 0
        self._since = time.monotonic()
        self._is_writing = False

    def units(self, fetching: Iterator[Fetched]) -> Iterator[Fetched]:
        """The units that are to be read; those held already are left out, remarks are noted."""
        try:
            for fetched in fetching:
                self._expected = fetched.expected or self._expected
                if fetched.problem is not None and not fetched.problem.is_partial:
                    self.batch.remarks.append(fetched.problem)
                    continue
                identity = fetched.identity
                if fetched.data is not None and not identity:
                    identity = hashlib.sha256(fetched.data).hexdigest()
                if identity and (fetched.source, identity) in self._held and not fetched.mark:
                    self.work.done.units_known += 1
                    self._step()
                    continue
                # What is kept here must not hold the bytes.
                self._under_way.append(replace(fetched, identity=identity, data=None))
                yield fetched
        finally:
            _close(fetching)

    def take(self, group: Group) -> None:
        """Some units are read. Their rows come first: with them but without its unit, a file is only read again."""
        self.batch.chunks.extend(group.apart)
        if group.sealed is not None:
            self.batch.sealed.append(group.sealed)
        self._finished += group.rows
        for reading in group.readings:
            self._take(reading)
        for _ in group.readings:
            self._step()
        limits = self.work.limits
        is_late = time.monotonic() - self._since >= limits.seconds
        is_much = self._count >= limits.rows or self._finished >= limits.rows * _FINISHED
        if is_much or len(self.batch.units) >= limits.units or is_late:
            self.flush()

    def _take(self, reading: Reading) -> None:
        fetched = self._under_way.popleft()
        for chunk in reading.packed:
            self._hold(chunk)
        self._add(reading)
        self._count += len(reading.rows) + _PACK_AFTER * len(reading.packed)
        self.is_partial = self.is_partial or any(one.is_partial for one in reading.problems)
        self.batch.documents.extend(Document.of_state(text) for text in reading.task_texts)
        reading.rows, reading.rebuilt, reading.packed, reading.task_texts = [], [], [], []
        self.batch.units.append(Unit.of(fetched.source, reading.identity or fetched.identity, reading))
        if fetched.mark:
            self.batch.marks.update(dict.fromkeys(json.loads(fetched.mark), fetched.mark))
        self.work.done.units_read += 1

    def flush(self) -> None:
        """Bring what was read to the store."""
        self._pack()
        if not self.batch.is_empty:
            self._is_writing = True
            self.work.done.events_added += self.work.store.commit(self.batch)
            self._is_writing = False
            self.batch = replace(self.batch, chunks=[], sealed=[], units=[], documents=[], duplicates=0)
        self._count = self._finished = 0
        self._since = time.monotonic()

    def rescue(self, error: BaseException) -> None:
        """Bring what was read to the store after an error, unless the error came from there."""
        if isinstance(error, KeyboardInterrupt) or not self._is_writing:
            self.flush()

    def _step(self) -> None:
        self._taken += 1
        if self.work.progress is not None:
            self.work.progress(self._taken, max(self._expected, self._taken))

    def _add(self, reading: Reading) -> None:
        known = self._known_rows
        for row, is_rebuilt in zip(reading.rows, reading.rebuilt, strict=True):
            if known is not None:
                key = _key(*(row[place] for place in _KEY))
                if key in known:
                    self.batch.duplicates += 1
                    continue
                known.add(key)
            self._rows.append(row)
            self._flags.append(is_rebuilt)
        if len(self._rows) >= _PACK_AFTER:
            self._pack()

    def _pack(self) -> None:
        if self._rows:
            self._hold(pack(self._rows, self._flags))
            self._rows, self._flags = [], []

    def _hold(self, chunk: Chunk) -> None:
        kept, _ = trim(chunk, self.batch.run.asked)
        if kept is not None:
            self.batch.chunks.append(kept)


def _close(iterator: Iterator[Any]) -> None:
    """End what an iterator has under way: workers, threads, connections."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def _key(event_id: str, account: str | None, raw: str) -> tuple[str, str | None, int]:
    """What makes a row the same row; the record itself would take too much memory."""
    return event_id, account, hash(raw)


def _rows_kept(store: Store, source: Source, window: Window) -> set[tuple[Any, ...]]:
    """The keys of what is kept of a span and came from queries: those bring the same events again and again."""
    names = [EVENT_SCHEMA.names[place] for place in _KEY]
    scheme = f"{source.name.partition('://')[0]}://"
    kept: set[tuple[Any, ...]] = set()
    for table in store.columns([*names, "source"], window):
        mine = table.filter(pc.starts_with(table.column("source"), scheme))
        kept.update(map(_key, *(mine.column(name).to_pylist() for name in names)))
    return kept
