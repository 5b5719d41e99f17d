"""Who reads the units of a scan: processes of this machine, or the executors of Spark. One seam, one answer."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Final, Protocol, runtime_checkable

from ecs_trail.errors import UsageError
from ecs_trail.evidence.ledger import Fetched, Reading
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.workers import map_ordered

Read = Callable[[Fetched, Probe], Reading]
Lost = Callable[[Fetched], Reading]

LOCAL: Final = "local"
SPARK: Final = "spark"
ENGINES: Final = (LOCAL, SPARK)
#: More processes than one machine has use for; a slip of the finger must not take it down.
MOST_WORKERS: Final = 256


class Engine(Protocol):
    """Reads units; the readings come in the order of the units, whoever was ready first."""

    @property
    def is_spread(self) -> bool:
        """True when units are read on other machines, which fetch objects themselves."""
        ...

    def read(self, read: Read, units: Iterable[Fetched], probe: Probe, *, lost: Lost) -> Iterator[Reading]:
        """`read(unit, probe)` for every unit, in order; `lost(unit)` for one that no worker survives."""
        ...


class LocalEngine:
    """Processes of this machine; None for `workers` starts them once there is enough to do."""

    is_spread = False

    def __init__(self, workers: int | None = 1) -> None:
        """Raises `UsageError` for less than one worker or more than `MOST_WORKERS`."""
        if workers is not None and not 1 <= workers <= MOST_WORKERS:
            raise UsageError(f"workers must be 1 to {MOST_WORKERS}, not {workers}.", hint="--workers 2, for example.")
        self.workers = workers
        #: Whether threads of this process fetch what is read, see `prepare`.
        self.is_beside = False

    def read(self, read: Read, units: Iterable[Fetched], probe: Probe, *, lost: Lost) -> Iterator[Reading]:
        """See `Engine`."""
        return map_ordered(
            read,
            units,
            probe,
            workers=self.workers,
            lost=lost,
            weigh=weight,
            is_fetched=_is_fetched,
            is_beside=self.is_beside,
        )


def _is_fetched(unit: Fetched) -> bool:
    return unit.data is not None


@runtime_checkable
class Portable(Protocol):
    """A source whose objects others can fetch."""

    def hand_over(self) -> None:
        """From now on `fetch` gives `Fetched.remote` for objects, instead of their bytes."""
        ...


def open_engine(name: str, workers: int | None) -> Engine:
    """The engine of a name. Raises `UsageError` for an unknown one."""
    if name == LOCAL:
        return LocalEngine(workers)
    if name != SPARK:
        raise UsageError(f"'{name}' is no engine.", hint=f"one of: {', '.join(ENGINES)}.")
    made: Engine = import_module("ecs_trail.evidence.spark.engine").SparkEngine()
    return made


def prepare(engine: Engine, sources: Sequence[object]) -> None:
    """Let sources leave reading to an engine that does it elsewhere, and let one that does it here know that threads
    will fetch very many objects beside it.
    """
    portable = [source for source in sources if isinstance(source, Portable)]
    if isinstance(engine, LocalEngine):
        engine.is_beside = len(portable) == len(sources) > 0
    elif engine.is_spread:
        for source in portable:
            source.hand_over()


def weight(unit: Fetched) -> int:
    """Bytes of a unit, as they lie there; 0 where that is not known."""
    if unit.data is not None:
        return len(unit.data)
    if unit.remote is not None:
        return unit.remote.size
    try:
        return 0 if unit.path is None else os.stat(unit.path).st_size  # noqa: PTH116 - a path as text
    except OSError:  # its reader will say so
        return 0
