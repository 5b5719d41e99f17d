"""What runs in a worker process (`workers`); it loads nothing but what it is called for."""

import pickle
import sys
from typing import Any, Final

#: Just below the size up to which glibc learns from what is freed.
_LARGE_BLOCK: Final = 24 << 20


def keep_memory() -> None:
    """Let the process keep freed memory for the next file. The C library of Linux gives it back at once, and touching
    it anew costs a tenth of a scan, until a large block (never touched, so free of charge) has been freed once.
    """
    bytes(_LARGE_BLOCK)


def serve() -> None:
    """The life of a worker: calls in, results (or the error) out, until the parent closes the pipe."""
    keep_memory()
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
