"""A progress bar on stderr, for a person only: never in a pipe, never for anything shorter than a second."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE: Final = 1.0


class ProgressBar:
    """Call it with (done, total) as work goes on; as a context manager it clears itself at the end.

    Nothing is shown with `quiet`, where stderr is no terminal, or before one second has passed.
    """

    def __init__(self, *, quiet: bool) -> None:
        """Decide once whether anybody would see a bar."""
        self._wanted = not quiet and sys.stderr.isatty()
        self._since = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int) -> None:
        """Report work: `done` of `total` units; a total of 0 means that it is not known."""
        if not self._wanted or (self._bar is None and time.monotonic() - self._since < _PATIENCE):
            return
        if self._bar is None or self._task is None:
            self._bar, self._task = _start()
        self._bar.update(self._task, completed=done, total=total or None)

    def __enter__(self) -> "ProgressBar":
        """Start to count the first second."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar."""
        if self._bar is not None:
            self._bar.stop()


def _start() -> "tuple[Progress, TaskID]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.start()
    return bar, bar.add_task("Reading evidence", total=None)
