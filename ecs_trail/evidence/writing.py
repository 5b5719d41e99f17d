"""Files written whole or not at all: aside, then renamed, so that a reader or a killed run never sees half of one."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from ecs_trail.errors import UsageError


def write_whole(path: Path, data: bytes) -> None:
    """Write bytes to a file beside it, flush them to disk, rename. Raises `UsageError` where that is not possible."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    except OSError as error:
        raise UsageError(
            f"'{path}' cannot be written: {error.strerror or error}.", hint="choose a folder that exists and is yours."
        ) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror or error}.", hint="is the disk full?") from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
