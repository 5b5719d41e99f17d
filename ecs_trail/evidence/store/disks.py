"""Where the files of a store lie: what a store needs of a place, and a folder on this machine as such a place.

The other place is a bucket (`remote`). Both hold the same files under the same names, so that a store may be copied
from one to the other with any tool.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

from ecs_trail.evidence.store import folder as disk
from ecs_trail.evidence.store import manifest as lines
from ecs_trail.evidence.store.manifest import Line, Manifest

#: What a part can be read from: a path, or an Arrow buffer (pyarrow has no types).
Opened: TypeAlias = Any
#: Writes a part to a file that is there, or to a stream.
Writing = Callable[[Path | BinaryIO], None]


class OvertakenError(Exception):
    """Another writer has added to the store since its manifest was read; nothing of ours was added."""


class Disk(Protocol):
    """A place for the files of one store."""

    @property
    def name(self) -> str:
        """The place as the user names it."""
        ...

    def where(self, name: str) -> str:
        """The full name of a file."""
        ...

    def holds_store(self) -> bool:
        """True where a manifest of ours is."""
        ...

    def create(self, header: Line) -> None:
        """Make an empty store, or leave the one that is there. Raises `UsageError` for a place with other files."""
        ...

    def load(self, known: Manifest | None = None) -> Manifest:
        """The manifest now; `known` is one read before. Raises `UsageError` without one, `IntegrityError` for one that
        was altered.
        """
        ...

    def append(self, manifest: Manifest, added: Sequence[Line]) -> None:
        """Add lines behind those of `manifest`. Raises `OvertakenError` where it is no longer the newest."""
        ...

    def replace_all(self, manifest: Manifest, new: Sequence[Line]) -> None:
        """Put new lines in the place of those of `manifest`. Raises as `append`."""
        ...

    def put(self, name: Callable[[str], str], write: Writing) -> tuple[str, str, int]:
        """Write a part whole or not at all: (name, SHA-256, bytes). `name` makes its name of a short hash."""
        ...

    def opened(self, part: Line) -> Opened:
        """A part for reading. Raises `OSError`."""
        ...

    def ahead(self, parts: Iterable[Line]) -> Iterator[tuple[Line, Callable[[], Opened]]]:
        """Parts with what opens them, fetched ahead where that takes time."""
        ...

    def read(self, part: Line) -> bytes:
        """All bytes of a part. Raises `OSError`."""
        ...

    def measured(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file as it is now. Raises `OSError`."""
        ...

    def strangers(self, manifest: Manifest) -> list[str]:
        """Files that the manifest does not name and that should not be there."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """While it holds, parts are not removed."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """One step of writing; what the place refuses comes as an error of this tool."""
        ...

    def tidy(self, manifest: Manifest) -> None:
        """Remove what a crash left behind, where nobody else can be writing."""
        ...

    def swept(self, manifest: Manifest, grace: timedelta, now: datetime | None = None) -> int:
        """Remove what has been of no use for `grace`; how many files. Raises as `append`."""
        ...

    def discard(self, parts: Iterable[Line]) -> None:
        """Remove parts that a new manifest no longer names, or leave them to `swept`."""
        ...


class FolderDisk:
    """A folder on this machine: one writer at a time by a lock, readers keep parts from being removed."""

    def __init__(self, path: Path) -> None:
        """The folder is touched only by what is asked of it."""
        self.path = path

    @property
    def name(self) -> str:
        """The folder."""
        return self.path.as_posix()

    def where(self, name: str) -> str:
        """The path of a file."""
        return (self.path / name).as_posix()

    def holds_store(self) -> bool:
        """True where a manifest of ours is."""
        return lines.holds_store(self.path)

    def create(self, header: Line) -> None:
        """Make the folder and an empty store. Raises `UsageError`."""
        disk.make_folder(self.path)
        with self.writing():
            disk.make_locks(self.path)
            if not (self.path / disk.MANIFEST).exists():
                lines.replace_all(self.path, [header])

    def load(self, known: Manifest | None = None) -> Manifest:
        """As `manifest.load`."""
        return lines.load(self.path, known)

    def append(self, manifest: Manifest, added: Sequence[Line]) -> None:
        """As `manifest.append`; under the lock nobody is overtaken. Raises `OSError`."""
        lines.append(self.path, manifest, added)

    def replace_all(self, manifest: Manifest, new: Sequence[Line]) -> None:  # noqa: ARG002 - the lock stands for it
        """As `manifest.replace_all`. Raises `OSError`."""
        lines.replace_all(self.path, new)

    def put(self, name: Callable[[str], str], write: Writing) -> tuple[str, str, int]:
        """As `folder.write_part`. Raises `OSError`."""
        return disk.write_part(self.path, name, write)

    def opened(self, part: Line) -> Opened:
        """The path of a part."""
        return self.path / part["name"]

    def ahead(self, parts: Iterable[Line]) -> Iterator[tuple[Line, Callable[[], Opened]]]:
        """Nothing is read ahead: the system does."""
        for part in parts:
            yield part, partial(self.opened, part)

    def read(self, part: Line) -> bytes:
        """All bytes of a part. Raises `OSError`."""
        path: Path = self.path / part["name"]
        return path.read_bytes()

    def measured(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of a file. Raises `OSError`."""
        path = self.path / name
        return path.stat().st_size, disk.sha256_of(path)

    def strangers(self, manifest: Manifest) -> list[str]:
        """Whatever the manifest does not name, but locks and what is being written."""
        known = {part["name"] for part in manifest.parts()}
        names = sorted(one.name for one in self.path.iterdir())
        return [one for one in names if one not in known and not (disk.is_own(one) and not disk.is_part(one))]

    def reading(self) -> AbstractContextManager[None]:
        """The readers' lock."""
        return disk.reading(self.path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The writers' lock; `OSError` becomes `UsageError`."""
        with disk.writing_to(self.path), disk.only_writer(self.path):
            yield

    def tidy(self, manifest: Manifest) -> None:
        """Remove files aside and parts that no line names: under the lock, whoever wrote them is dead."""
        known = {part["name"] for part in manifest.parts()}
        names = os.listdir(self.path)  # noqa: PTH208 - names only, of a folder with thousands
        disk.remove(self.path, [n for n in names if disk.is_aside(n) or (disk.is_part(n) and n not in known)])

    def swept(self, manifest: Manifest, grace: timedelta, now: datetime | None = None) -> int:  # noqa: ARG002
        """Nothing: `tidy` and `discard` have removed it."""
        return 0

    def discard(self, parts: Iterable[Line]) -> None:
        """Remove parts, unless somebody is reading; then the next writer does it."""
        disk.remove(self.path, [part["name"] for part in parts])
