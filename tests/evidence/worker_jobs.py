"""What worker processes are told to do in tests; they import it by its name."""

import os
import time
from pathlib import Path


def die_once(unit: int, folder: Path) -> int:
    """Number 70 kills the first worker that takes it."""
    mark = folder / "dead"
    if unit == 70 and not mark.exists():
        mark.touch()
        os._exit(9)
    return unit * 2


def die_always(unit: int, deadly: frozenset[int]) -> int:
    """Some numbers kill every worker."""
    if unit in deadly:
        os._exit(9)
    return unit * 2


def whose(unit: int, own: int) -> bool:
    """Whether this is the parent process."""
    return os.getpid() == own


def slow(unit: int, seconds: float) -> int:
    """Takes its time."""
    time.sleep(seconds)
    return os.getpid()


def leave(unit: int, folder: Path) -> int:
    """Leave a file that says who was here."""
    aside = folder.with_name(f"{folder.name}-{unit}")
    aside.write_text(str(os.getpid()))
    aside.rename(folder / str(unit))
    return unit
