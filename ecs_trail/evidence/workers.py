"""Work spread over processes, its results in order; one process when that is asked for."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Final, TypeVar

from ecs_trail.errors import EcsTrailError

Unit = TypeVar("Unit")
Extra = TypeVar("Extra")
Result = TypeVar("Result")

#: Units handed over at once: enough to make the hand-over cheap, few enough to keep all workers busy.
_BATCH: Final = 32
#: Batches under way for each worker, so that a source is not read far ahead of its use.
_AHEAD: Final = 3


def map_ordered(
    function: Callable[[Unit, Extra], Result], units: Iterable[Unit], extra: Extra, *, workers: int
) -> Iterator[Result]:
    """`function(unit, extra)` for every unit, in order. With more than one worker the function runs in processes.

    Processes are started afresh (not forked), as a fork of a process with Arrow's threads may hang. Raises
    `EcsTrailError` when a worker is killed.
    """
    if workers == 1:
        for unit in units:
            yield function(unit, extra)
        return
    context = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_parent)
    under_way: deque[Future[list[Result]]] = deque()
    source = iter(units)
    try:
        while True:
            while len(under_way) < workers * _AHEAD and (batch := list(islice(source, _BATCH))):
                under_way.append(pool.submit(_run, function, batch, extra))
            if not under_way:
                break
            yield from under_way.popleft().result()
    except BrokenProcessPool as error:
        raise EcsTrailError(
            "a worker process died while reading files.", hint="often the machine is out of memory; try --workers 1."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run(function: Callable[[Unit, Extra], Result], batch: list[Unit], extra: Extra) -> list[Result]:
    return [function(unit, extra) for unit in batch]


def _leave_interrupts_to_parent() -> None:
    """Ctrl-C reaches every process of the group; only the parent is to act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
