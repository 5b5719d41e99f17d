"""Single files that a user names: read whole, but never without end."""

import errno
import os
from pathlib import Path
from typing import Final

#: Bytes. No saved state is that large; a device or a pipe gives more for as long as it is asked.
MOST: Final = 256 << 20


def read_given(path: Path) -> bytes:
    """The bytes of a file, or of a pipe (`--tasks <(aws ecs describe-tasks ...)`). Raises `OSError`, also for more than
    `MOST` bytes.
    """
    with path.open("rb") as stream:
        data = stream.read(MOST + 1)
    if len(data) > MOST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data
