"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from ecs_trail.errors import UsageError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file aside and rename it, so that a reader sees the old file or the whole new one.

    A path that is no ordinary file (a pipe, `/dev/stdout`) is written directly. Raises `UsageError` where the place
    cannot be written.
    """
    target = Path(path).resolve()
    try:
        if target.exists() and not target.is_file():
            if target.is_dir():
                raise UsageError(f"'{path}' is a folder.", hint="name a file inside it.")
            with target.open("wb") as stream:
                write(stream)
            return
        _write_aside(target, write)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        reason = error.strerror or str(error)
        raise UsageError(
            f"'{path}' cannot be written: {reason}.", hint="name a file in a folder that exists and is yours."
        ) from error


def _write_aside(target: Path, write: Callable[[IO[bytes]], None]) -> None:
    handle, aside = tempfile.mkstemp(prefix=f".{target.name[:64]}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        Path(aside).chmod(_mode(target))
        Path(aside).replace(target)
    finally:
        with suppress(FileNotFoundError):
            Path(aside).unlink()


def _mode(target: Path) -> int:
    """The file's own permissions, or those the umask gives to a new one; `mkstemp` alone would hide it from a team."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
