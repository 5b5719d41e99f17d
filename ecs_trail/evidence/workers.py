"""Work spread over processes, its results in order; one process when that is asked for.

Workers are fresh interpreters that speak pickles over their pipes. They are no forks, as a fork of a process with
Arrow's threads may hang, and no `multiprocessing` children, as those run the caller's script again.
"""

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from ecs_trail.errors import EcsTrailError

Unit = TypeVar("Unit")
Extra = TypeVar("Extra")
Result = TypeVar("Result")

#: Units handed over at once: enough to make the hand-over cheap, few enough to keep all workers busy.
_BATCH: Final = 32
#: Batches under way for each worker, so that a source is not read far ahead of its use.
_AHEAD: Final = 3
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from ecs_trail.evidence.workers import serve; serve()"
)


def map_ordered(
    function: Callable[[Unit, Extra], Result], units: Iterable[Unit], extra: Extra, *, workers: int
) -> Iterator[Result]:
    """`function(unit, extra)` for every unit, in order; with more than one worker the function runs in processes.

    Closing the iterator (or Ctrl-C) ends the workers at once. Raises `EcsTrailError` when a worker is killed.
    """
    if workers == 1:
        for unit in units:
            yield function(unit, extra)
        return
    idle: SimpleQueue[_Worker] = SimpleQueue()
    started = [_Worker() for _ in range(workers)]
    for worker in started:
        idle.put(worker)

    def run(batch: list[Unit]) -> list[Result]:
        worker = idle.get()
        try:
            results: list[Result] = worker.call(function, batch, extra)
        finally:
            idle.put(worker)
        return results

    under_way: deque[Future[list[Result]]] = deque()
    source = iter(units)
    pool = ThreadPoolExecutor(workers)
    try:
        while True:
            while len(under_way) < workers * _AHEAD and (batch := list(islice(source, _BATCH))):
                under_way.append(pool.submit(run, batch))
            if not under_way:
                break
            yield from under_way.popleft().result()
    finally:
        for worker in started:
            worker.end()
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker:
    """One interpreter and its two pipes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # its own session: Ctrl-C reaches the parent alone, which ends its workers
            start_new_session=os.name == "posix",
        )

    def call(self, function: Callable[..., Any], batch: list[Any], extra: object) -> Any:
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise EcsTrailError("a worker process has no pipes.", hint="try --workers 1.")
        try:
            pickle.dump((function, batch, extra), stdin)
            stdin.flush()
            results, error = pickle.load(stdout)  # noqa: S301 - written by our own child
        except (EOFError, BrokenPipeError, ValueError, pickle.UnpicklingError) as error:
            raise EcsTrailError(
                "a worker process died while reading files.",
                hint="often the machine is out of memory; try --workers 1.",
            ) from error
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


def serve() -> None:
    """The life of a worker: calls in, results (or the error) out, until the parent closes the pipe."""
    calls, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            function, batch, extra = pickle.load(calls)  # noqa: S301 - written by our own parent
        except EOFError:
            return
        try:
            answer: tuple[Any, Exception | None] = ([function(unit, extra) for unit in batch], None)
        except Exception as error:  # noqa: BLE001 - it is raised again in the parent
            answer = ([], error)
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()
