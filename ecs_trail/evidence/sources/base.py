"""What all sources share: the plan, the protocol, and the one scan that trims, joins and counts.

`scan` gives the same evidence whatever the order of reading, the number of workers, or the way records are spread over
files: rows are sorted by time, causal rank and id, and of several copies the one with the smallest source name is kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ecs_trail.errors import UsageError
from ecs_trail.evidence.compression import USUAL, Bounds
from ecs_trail.evidence.engines import Engine, LocalEngine, prepare
from ecs_trail.evidence.ledger import Charge, Fetched, Problem, Reading, Receipt, Span, Stored, TaskText
from ecs_trail.evidence.probes import ClauseProbe, Probe
from ecs_trail.evidence.scanning import failed, read_unit
from ecs_trail.evidence.snapshots.role_states import RoleSnapshot
from ecs_trail.selection import Selection
from ecs_trail.times import Window

if TYPE_CHECKING:
    import pyarrow as pa

    from ecs_trail.frames import Row

__all__ = [
    "Charge",
    "Evidence",
    "Fetched",
    "Kept",
    "Problem",
    "Receipt",
    "Resumable",
    "ScanPlan",
    "Source",
    "Span",
    "probe_of",
    "scan",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What a source would do for a selection: printable, and made without touching disk, network or clock.

    `reads` says what will be asked, `widened` what more than the selection and why, `trimmed` what is decided here
    afterwards, `bill` the rough cost.
    """

    source: str
    selection: Selection
    reads: tuple[str, ...]
    widened: tuple[str, ...] = ()
    trimmed: tuple[str, ...] = ()
    bill: str = "no AWS calls, no cost"

    def __str__(self) -> str:
        """The plan as a few lines of text."""
        groups = (("reads", self.reads), ("widened", self.widened), ("trimmed here", self.trimmed))
        lines = [f"{label}: {line}" for label, group in groups for line in group]
        return "\n".join([self.source, *(f"  {line}" for line in lines), f"  bill: {self.bill}"])


class Source(Protocol):
    """A place where evidence lies."""

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        ...

    def plan(self, selection: Selection) -> ScanPlan:
        """What will be read. Pure: no disk, network or clock."""
        ...

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """The only I/O. May give more than the selection, never less. Raises `UsageError` when nothing is there.

        A unit's `expected` may change as more is known; a problem that is not partial is a remark about the source.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store keeps already of a source: `holds(name, identity)` for its units, `marks` for its queries.

    `window` is what the store shall hold in all: units without a date of delivery are told by their identity alone.
    """

    holds: Callable[[str, str], bool]
    marks: Mapping[str, str]
    window: Window | None = None


@runtime_checkable
class Resumable(Protocol):
    """A source that can leave out what is kept already. It is asked for new evidence by time: nothing that was there
    before the last complete look is looked for again, but for an overlap.
    """

    #: True where units have no lasting identity and evidence comes in queries, each with a mark of how far it is.
    has_queries: bool

    def resume(self, kept: Kept) -> None:
        """From now on `fetch` leaves out units that are held, and goes on where queries were."""
        ...


@dataclass
class Evidence:
    """What a scan found: `events` (`EVENT_SCHEMA`, sorted, each event once), saved `task_states`, and the receipt.

    Beside them what else was saved: `missing_tasks`, `volume_states`, `service_states`, `role_states`.
    """

    events: "pa.Table"
    task_states: "list[Row]"
    receipt: Receipt = field(default_factory=Receipt)
    missing_tasks: "list[Row]" = field(default_factory=list)
    volume_states: "list[Row]" = field(default_factory=list)
    service_states: "list[Row]" = field(default_factory=list)
    role_states: list[RoleSnapshot] = field(default_factory=list)

    def raw(self, event_id: str) -> str:
        """The record exactly as received, JSON text. Raises `UsageError` when no selected event has this id."""
        for batch in self.events.select(["event_id", "raw"]).to_batches():
            ids = batch.column(0).to_pylist()
            if event_id in ids:
                text: str = batch.column(1)[ids.index(event_id)].as_py()
                return text
        raise UsageError(
            f"no selected event has the id '{event_id}'.", hint="ids are in the column event_id of the events."
        )


def scan(
    sources: Sequence[Source],
    selection: Selection,
    *,
    workers: int | None = 1,
    engine: Engine | None = None,
    progress: Progress | None = None,
    task_files: Sequence[Path] = (),
    volume_files: Sequence[Path] = (),
    bounds: Bounds = USUAL,
) -> Evidence:
    """Read the sources and apply the selection once, exactly.

    `workers` above 1 spread the files over processes, None chooses by the processors once there is enough to do, and a
    single one leaves this process where its threads fetch; the answer is the same, and that of another `engine` as
    well. `progress` is called with units done and expected. `task_files` and `volume_files` are files given as saved
    states of tasks and volumes. `bounds` are how far one file may grow.
    Raises `UsageError` for a source that is not there.
    """
    engine = engine or LocalEngine(workers)
    prepare(engine, sources)
    receipt = Receipt(sources=[source.name for source in sources])
    texts, problems = _given(task_files, volume_files)
    intake = _Intake(sources, selection, receipt)
    units = intake.units()
    readings: Iterator[Reading] = iter(())
    try:
        readings = engine.read(partial(read_unit, bounds=bounds), units, probe_of(selection), lost=lost)
        from ecs_trail.evidence.gathering import Gatherer  # noqa: PLC0415 - see there

        gatherer = Gatherer(selection, receipt)
        for done, reading in enumerate(readings, 1):
            if progress is not None:
                progress(done, max(intake.expected, done))
            gatherer.take(reading)
            while intake.stored:
                gatherer.take_stored(intake.stored.pop())
    finally:
        _close(readings)
        _close(units)
    for stored in intake.stored:
        gatherer.take_stored(stored)
    events, conflicts = gatherer.joined()
    states = gatherer.states(texts)
    receipt.problems = sorted({*receipt.problems, *problems, *conflicts, *states.problems})
    return Evidence(events, states.tasks, receipt, states.missing, states.volumes, states.services, states.roles)


def probe_of(selection: Selection) -> Probe:
    """The selection as a probe; role facets are left to the exact filter."""
    return tuple(
        ClauseProbe(
            session_names=clause.session_names,
            event_sources=clause.event_sources,
            event_names=clause.event_names,
            accounts=clause.accounts,
            regions=clause.regions,
            failed=clause.failed,
            start=clause.window.start,
            end=clause.window.end,
        )
        for clause in selection.clauses
    )


class _Intake:
    """The units of all sources; what else they say is noted on the way."""

    def __init__(self, sources: Sequence[Source], selection: Selection, receipt: Receipt) -> None:
        self.sources = sources
        self.selection = selection
        self.receipt = receipt
        self.stored: list[Stored] = []
        self._expected = [0] * len(sources)

    @property
    def expected(self) -> int:
        """How many units there are, as far as that is known."""
        return sum(self._expected)

    def units(self) -> Iterator[Fetched]:
        """The units of one source after the other."""
        for index, source in enumerate(self.sources):
            fetching = source.fetch(source.plan(self.selection))
            try:
                for fetched in fetching:
                    self._expected[index] = fetched.expected or self._expected[index]
                    if self._is_unit(fetched):
                        yield fetched
            finally:
                _close(fetching)

    def _is_unit(self, fetched: Fetched) -> bool:
        self.receipt.outside += fetched.outside
        if fetched.charge is not None:
            self.receipt.bill.append(fetched.charge)
        elif fetched.stored is not None:
            self.stored.append(fetched.stored)
        elif fetched.problem is None or fetched.problem.is_partial:
            return True
        else:  # a remark about the source is no unit of it
            self.receipt.problems.append(fetched.problem)
        return False


def _given(task_files: Sequence[Path], volume_files: Sequence[Path]) -> tuple[list[TaskText], list[Problem]]:
    """The states in files given as such. To read them loads Arrow, which is not loaded without them."""
    if not (task_files or volume_files):
        return [], []
    from ecs_trail.evidence.snapshots.volume_states import volume_texts  # noqa: PLC0415
    from ecs_trail.evidence.tasks import task_texts  # noqa: PLC0415

    (texts, problems), (more, troubles) = task_texts(task_files), volume_texts(volume_files)
    return [*texts, *more], [*problems, *troubles]


def lost(unit: Fetched) -> Reading:
    """The reading of a file that no worker process survives."""
    detail = "two worker processes died while reading it; often it is too large for the memory there is."
    return failed(unit.source, "unreadable_file", detail)


def _close(iterator: Iterator[Any]) -> None:
    """End what a source has under way (threads, connections), also when the scan fails or is interrupted."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
