"""A folder of reports: each run a folder of its own, one state file, one writer at a time.

```
reports/
├── 20260302T181000Z-1f2e3d4c/   report.md, report.json, changes.json, …   never changed once it stands here
├── last.json                    the state the next run compares with; replaced last, so it is the commit
└── .lock                        held by the run that writes; the system lets go of it when that run dies
```

A run that is killed leaves the folders before it and `last.json` as they were; what it wrote aside is cleared by the
next one.
"""

import hashlib
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from ecs_trail.errors import UsageError
from ecs_trail.views.whole_files import write_atomically

LAST: Final = "last.json"
_LOCK: Final = ".lock"
_RUN: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_ASIDE: Final = re.compile(r"\.\d{8}T\d{6}Z-[0-9a-f]{8}\.part")


def run_name(as_of: str, files: Mapping[str, bytes]) -> str:
    """The name of a run's folder: its moment and a digest of what is in it, so equal runs have one name."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return f"{re.sub('[^0-9TZ]', '', as_of)}-{digest.hexdigest()[:8]}"


class FolderShelf:
    """Reports in a local folder. Raises `UsageError` where it cannot be written or another run writes."""

    def __init__(self, place: str | Path, state: str | Path | None = None) -> None:
        """`state` names the state file where it is not `last.json` in the folder itself."""
        self.place = Path(place).resolve()
        self.state = Path(state).resolve() if state is not None else self.place / LAST

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder for this run alone. A second run is refused at once, it does not wait."""
        with _told(self.place):
            self.place.mkdir(parents=True, exist_ok=True)
            stream = (self.place / _LOCK).open("ab")
        with stream:
            if not _lock(stream):
                raise UsageError(
                    f"another run is writing to '{self.place}'.", hint="let it finish; its lock ends with it."
                )
            self._clear()
            yield

    def last(self) -> bytes | None:
        """The state of the last run, or None before the first."""
        with _told(self.state):
            return self.state.read_bytes() if self.state.exists() else None

    def publish(self, name: str, files: Mapping[str, bytes]) -> str:
        """Put a run's files into its folder, all or none; the same run twice is one. Returns the folder's path."""
        target = self.place / name
        if not _RUN.fullmatch(name):
            raise UsageError(f"'{name}' is no name of a run.", hint="use run_name.")
        with _told(target):
            if not target.exists():
                aside = self.place / f".{name}.part"
                aside.mkdir()
                for file, data in files.items():
                    write_atomically(aside / file, partial(_put, data))
                aside.rename(target)
        return str(target)

    def commit(self, state: bytes) -> None:
        """Replace the state, last of all; nothing is written when it is as it was."""
        if self.last() != state:
            write_atomically(self.state, partial(_put, state))

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest runs beyond `keep`; other files and folders are never touched. Returns what went."""
        with _told(self.place):
            runs = sorted(one.name for one in self.place.iterdir() if _RUN.fullmatch(one.name) and one.is_dir())
            gone = runs[: max(len(runs) - keep, 0)]
            for name in gone:
                shutil.rmtree(self.place / name)
        return gone

    def _clear(self) -> None:
        for one in self.place.iterdir():
            if _ASIDE.fullmatch(one.name):
                shutil.rmtree(one, ignore_errors=True)
            elif one.name.startswith(f".{LAST}.") and one.suffix == ".part":
                one.unlink(missing_ok=True)


def _put(data: bytes, stream: IO[bytes]) -> None:
    stream.write(data)


def _lock(stream: IO[bytes]) -> bool:
    """An exclusive lock of the operating system, which ends with the process however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - of one platform

            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - of one platform

            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _told(place: Path) -> Iterator[Any]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"'{place}' cannot be used: {error.strerror or error}.", hint="name a folder that is yours to write."
        ) from error
