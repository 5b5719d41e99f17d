"""Work spread over processes, its results in order; one process when that is asked for.

Workers are fresh interpreters that speak pickles over their pipes. They are no forks, as a fork of a process with
Arrow's threads may hang, and no `multiprocessing` children, as those run the caller's script again.
"""

import itertools
import json
import os
import pickle
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from queue import SimpleQueue
from threading import Lock
from typing import Any, Final, Generic, TypeVar, cast

from ecs_trail.errors import EcsTrailError
from ecs_trail.evidence.serving import keep_memory

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

Unit = TypeVar("Unit")
Extra = TypeVar("Extra")
Result = TypeVar("Result")

#: Units handed over at once: enough to make the hand-over cheap, few enough to keep all workers busy. The first batches
#: are smaller, so that all workers have something at once.
_BATCH: Final = 64
_FIRST_BATCH: Final = 16
#: Weight of a batch; with `_AHEAD` it bounds what is held of units and results that wait for their turn.
_BATCH_WEIGHT: Final = 3 << 20
#: What a unit weighs that is to be a batch by itself.
WHOLE_BATCH: Final = _BATCH_WEIGHT
#: Batches under way for each worker, so that a source is not read far ahead of its use.
_AHEAD: Final = 4
#: Where the number of workers is left open: seconds of work in this process before others are started for the rest,
#: which costs each of them a good tenth of a second; and the most that are started.
_ALONE: Final = 0.75
#: The same where threads of this process fetch the units meanwhile.
_ALONE_BESIDE: Final = 0.3
_MOST: Final = 8
#: Bytes that a pipe takes at once, where the system lets it be chosen. A writer waits for Python's lock after every
#: portion, and where threads fetch from S3 beside it that takes longer than the reading of the objects.
_PIPE: Final = 1 << 20
#: A batch is put together before it is written, for the same reason: one portion instead of one for every object.
_BUFFER: Final = _BATCH_WEIGHT + (1 << 20)
#: Deaths in a row after which nothing is expected of further workers.
_DEATHS: Final = 8
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ecs_trail.evidence.serving import serve; serve()"
)


class _DiedError(Exception):
    """A worker process is gone."""


def map_ordered(
    function: Callable[[Unit, Extra], Result],
    units: Iterable[Unit],
    extra: Extra,
    *,
    workers: int | None,
    lost: Callable[[Unit], Result] | None = None,
    weigh: Callable[[Unit], int] = lambda _: 0,
    is_fetched: Callable[[Unit], bool] = lambda _: False,
    is_beside: bool = False,
) -> Iterator[Result]:
    """`function(unit, extra)` for every unit, in order; with more than one worker the function runs in processes, which
    are at work once this returns.

    None for `workers` starts as many as there are processors, once the units prove to be more than a moment's work.
    Where units are fetched by this process, a single worker is one of its own by then, and that is sooner: the threads
    that fetch and the function would only take turns. Until the others are ready, work goes on in this process.
    `is_beside` says beforehand that all units are such, so that even a single worker starts at once.
    `weigh` gives a unit's size in bytes. When a worker dies, its units are tried once more, one by one; a unit that
    kills a second worker gives `lost(unit)` instead. Closing the iterator (or Ctrl-C) ends the workers at once. Raises
    `EcsTrailError` when a unit is lost and there is no `lost`, or when one worker after another dies.
    """
    source = iter(units)
    keep_memory()
    count = workers or _processors()
    crew: _Crew[Unit, Extra, Result] = _Crew(count, function, extra, lost)
    batches = _batches(source, weigh, count)
    if workers is None or (count == 1 and not is_beside) or not sys.executable:
        return _alone(crew, source, batches, is_fetched)
    return _spread(crew, batches)


def _alone(
    crew: "_Crew[Unit, Extra, Result]",
    source: Iterator[Unit],
    batches: Iterator[list[Unit]],
    is_fetched: Callable[[Unit], bool],
) -> Iterator[Result]:
    """The results of this process, where they are soon there; once the crew is at its place, those of the crew."""
    spent = 0.0
    starting: list[Future[list[Result]]] = []
    try:
        for unit in source:
            begun = time.monotonic()
            result = crew.function(unit, crew.extra)
            spent += time.monotonic() - begun  # and not what the source or the caller takes
            yield result
            is_beside = is_fetched(unit)
            if starting and all(one.done() for one in starting):
                break
            if not sys.executable or starting or (crew.count == 1 and not is_beside):
                continue
            if spent > (_ALONE_BESIDE if is_beside else _ALONE):
                # no units: each loads what it needs for them
                crew.start()
                starting = [crew.submit([]) for _ in range(crew.count)]
        else:
            return
        yield from _spread(crew, batches)
    finally:
        crew.end()


def _spread(crew: "_Crew[Unit, Extra, Result]", batches: Iterator[list[Unit]]) -> Iterator[Result]:
    """The results of a crew that is at work from now on."""
    results = _answers(crew, batches)
    next(results)
    return results


def _answers(crew: "_Crew[Unit, Extra, Result]", batches: Iterator[list[Unit]]) -> Iterator[Result]:
    """The results of a crew. The first thing it gives is none: it says that the crew is at work."""
    under_way: deque[Future[list[Result]]] = deque()

    def go_on() -> None:
        while len(under_way) < crew.count * _AHEAD and (batch := next(batches, None)):
            under_way.append(crew.submit(batch))

    try:
        crew.start()  # first: units may be long in coming
        go_on()
        yield cast("Result", None)
        while under_way:
            yield from under_way.popleft().result()
            go_on()
    finally:
        crew.end()


def _processors() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, _MOST)


def _batches(source: Iterator[Unit], weigh: Callable[[Unit], int], workers: int) -> Iterator[list[Unit]]:
    """Units in batches that grow to `_BATCH` and weigh little more than `_BATCH_WEIGHT`."""
    for number in itertools.count():
        most = min(_BATCH, _FIRST_BATCH << min(number // workers, 8))
        batch: list[Unit] = []
        weight = 0
        for unit in islice(source, most):
            batch.append(unit)
            weight += weigh(unit)
            if weight >= _BATCH_WEIGHT:
                break
        if not batch:
            return
        yield batch


class _Crew(Generic[Unit, Extra, Result]):
    """The workers of one `map_ordered`, and what happens when one of them dies."""

    def __init__(
        self,
        workers: int,
        function: Callable[[Unit, Extra], Result],
        extra: Extra,
        lost: Callable[[Unit], Result] | None,
    ) -> None:
        self.count, self.function, self.extra, self.lost = workers, function, extra, lost
        self.idle: SimpleQueue[_Worker] = SimpleQueue()
        self.lock = Lock()
        self.is_started = self.is_ending = False
        self.deaths = 0
        self.alive: set[_Worker] = set()
        self.pool = ThreadPoolExecutor(workers)

    def start(self) -> None:
        """Start the workers, once."""
        for _ in range(0 if self.is_started else self.count):
            worker = _Worker()
            self.alive.add(worker)
            self.idle.put(worker)
        self.is_started = True

    def submit(self, batch: list[Unit]) -> Future[list[Result]]:
        """Have a batch done by one of the workers."""
        return self.pool.submit(self.run, batch)

    def run(self, batch: list[Unit]) -> list[Result]:
        """The results of a batch; runs in a thread for each worker."""
        worker = self.idle.get()
        try:
            try:
                return self._call(worker, batch)
            except _DiedError:
                worker = self._replaced(worker)
            results: list[Result] = []
            for unit in batch:
                try:
                    results += self._call(worker, [unit])
                except _DiedError as error:
                    worker = self._replaced(worker)
                    if self.lost is None:
                        raise _death() from error
                    results.append(self.lost(unit))
            return results
        finally:
            self.idle.put(worker)

    def end(self) -> None:
        """End all workers at once, also those at work."""
        with self.lock:
            self.is_ending = True
            for worker in self.alive:
                worker.end()
        self.pool.shutdown(wait=True, cancel_futures=True)

    def _call(self, worker: "_Worker", batch: list[Unit]) -> list[Result]:
        results: list[Result] = worker.call(self.function, batch, self.extra)
        self.deaths = 0
        return results

    def _replaced(self, worker: "_Worker") -> "_Worker":
        with self.lock:
            self.deaths += 1
            if self.is_ending or self.deaths > _DEATHS:
                raise _death()
            self.alive.discard(worker)
            worker.end()
            fresh = _Worker()
            self.alive.add(fresh)
        return fresh


def _death() -> EcsTrailError:
    return EcsTrailError(
        "a worker process died while reading files.", hint="often the machine is out of memory; try --workers 1."
    )


def _widen(pipe: int) -> None:
    """Not by `Popen`, which fails where a user has no more memory for pipes."""
    if fcntl is not None and hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


class _Worker:
    """One interpreter and its two pipes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=_BUFFER,
            # its own session: Ctrl-C reaches the parent alone, which ends its workers
            start_new_session=os.name == "posix",
        )
        if self.process.stdin is not None:
            _widen(self.process.stdin.fileno())

    def call(self, function: Callable[..., Any], batch: list[Any], extra: object) -> Any:
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise EcsTrailError("a worker process has no pipes.", hint="try --workers 1.")
        try:
            pickle.dump((function, batch, extra), stdin)
            stdin.flush()
            results, error = pickle.load(stdout)  # noqa: S301 - written by our own child
        except (EOFError, BrokenPipeError, ValueError, pickle.UnpicklingError) as error:
            raise _DiedError from error
        if error is not None:
            raise error
        return results

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # unsent bytes of an interrupted call
                    continue
