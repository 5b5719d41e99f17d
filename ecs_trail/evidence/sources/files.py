"""A folder or file on this machine."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ecs_trail.errors import UsageError
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.sources.base import Fetched, ScanPlan
from ecs_trail.selection import Selection


class FilesSource:
    """Every file at or below a path, in sorted order; symbolic links are followed, but never in a circle."""

    def __init__(self, path: Path | str) -> None:
        """`path` may be a folder or a single file; it is looked at only by `fetch`."""
        self.path = Path(path)

    @property
    def name(self) -> str:
        """The path as given."""
        return _name_of(self.path)

    def plan(self, selection: Selection) -> ScanPlan:
        """All files are read whole; the selection is applied here."""
        return ScanPlan(
            source=self.name,
            selection=selection,
            reads=(f"every file at or below {self.name}, whatever its name",),
            widened=("all events of every file: a file must be read to know what it holds",),
            trimmed=("the whole selection",),
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:  # noqa: ARG002 - a disk cannot be asked for less
        """The files, as paths; what cannot be listed or is no file comes as a problem. Raises `UsageError` for a path
        that does not exist.
        """
        if not is_there(self.path):
            raise UsageError(
                f"there is no file or folder '{self.name}'.",
                hint="give a path that exists, or s3://BUCKET/PREFIX, api://REGION, store:DIR.",
            )
        found = list(_walk(self.path, frozenset()))
        for fetched in found:
            yield replace(fetched, expected=len(found))


def is_there(path: Path) -> bool:
    """True for a path that names something, dead links included; a name that no disk can hold names nothing."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _walk(path: Path, above: frozenset[tuple[int, int]]) -> Iterator[Fetched]:
    name = _name_of(path)
    try:
        status = path.stat()
    except PermissionError:
        yield _problem(name, "no_permission", "the path may not be looked at.")
        return
    except FileNotFoundError:
        yield _problem(name, "vanished", "the file is gone, or the link leads nowhere.")
        return
    except OSError as error:
        yield _problem(name, "unreadable_file", f"the path cannot be looked at: {error.strerror or error}.")
        return
    if stat.S_ISREG(status.st_mode):
        yield Fetched(name, path=path, identity=_identity(path, status))
    elif stat.S_ISDIR(status.st_mode):
        identity = (status.st_dev, status.st_ino)
        if identity not in above:  # a link back to a folder we are in adds nothing
            yield from _walk_folder(path, above | {identity})
    else:
        yield _problem(name, "unreadable_file", f"{_kind(status.st_mode)}, no file; not opened.")


def _name_of(path: Path) -> str:
    """A path as text. A name may be any bytes; those that are no text are spelled out."""
    return path.as_posix().encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")


def _walk_folder(path: Path, above: frozenset[tuple[int, int]]) -> Iterator[Fetched]:
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208 - names are sorted as text, the same on every system
    except PermissionError:
        yield _problem(_name_of(path), "no_permission", "the folder may not be listed.")
        return
    except OSError as error:
        yield _problem(_name_of(path), "unreadable_file", f"the folder cannot be listed: {error.strerror or error}.")
        return
    for name in names:
        yield from _walk(path / name, above)


def _identity(path: Path, status: os.stat_result) -> str:
    """Which content a name stands for. The whole path counts: one relative name may lie in many folders."""
    where = hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]  # noqa: PTH100 - links stay as named
    return f"{status.st_size}:{status.st_mtime_ns}:{where}"


def _problem(source: str, kind: str, detail: str) -> Fetched:
    return Fetched(source, problem=Problem(source, kind, detail))


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"
