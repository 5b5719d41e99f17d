"""A folder or file on this machine."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ecs_trail.errors import UsageError
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.sources.base import Fetched, ScanPlan
from ecs_trail.selection import Selection

#: A path as text, which content it stands for, and the kind and detail of what is wrong with it.
_Found = tuple[str, str, tuple[str, str] | None]
#: A path to look at, the same absolute, and the folders (device and number) it lies in.
_Waiting = tuple[str, str, frozenset[tuple[int, int]]]


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
        found = _walk(str(self.path))
        for text, identity, problem in found:
            name = _text_of(text)
            if problem is None:
                yield Fetched(name, path=text, identity=identity, expected=len(found))
            else:
                yield Fetched(name, problem=Problem(name, *problem), expected=len(found))


def is_there(path: Path) -> bool:
    """True for a path that names something, dead links included; a name that no disk can hold names nothing."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _walk(root: str) -> list[_Found]:
    """What lies at or below a path. Folders may be nested deeper than Python may call."""
    found: list[_Found] = []
    waiting: list[_Waiting] = [(root, os.path.abspath(root), frozenset())]  # noqa: PTH100 - links stay as named
    while waiting:
        _look(waiting.pop(), waiting, found)
    return found


def _look(one: _Waiting, waiting: list[_Waiting], found: list[_Found]) -> None:
    path, absolute, above = one
    try:
        status = os.stat(path)  # noqa: PTH116
    except PermissionError:
        found.append(_problem(path, "no_permission", "the path may not be looked at."))
        return
    except FileNotFoundError:
        found.append(_problem(path, "vanished", "the file is gone, or the link leads nowhere."))
        return
    except OSError as error:
        detail = f"the path cannot be looked at: {error.strerror or error}."
        found.append(_problem(path, "unreadable_file", detail))
        return
    if stat.S_ISREG(status.st_mode):
        found.append((path, _identity(absolute, status), None))
    elif stat.S_ISDIR(status.st_mode):
        identity = (status.st_dev, status.st_ino)
        if identity not in above:  # a link back to a folder we are in adds nothing
            _look_into((path, absolute, above | {identity}), waiting, found)
    else:
        found.append(_problem(path, "unreadable_file", f"{_kind(status.st_mode)}, no file; not opened."))


def _look_into(one: _Waiting, waiting: list[_Waiting], found: list[_Found]) -> None:
    path, absolute, above = one
    try:
        names = sorted(os.listdir(path), reverse=True)  # noqa: PTH208 - names are sorted as text, the same on every system
    except PermissionError:
        found.append(_problem(path, "no_permission", "the folder may not be listed."))
        return
    except OSError as error:
        detail = f"the folder cannot be listed: {error.strerror or error}."
        found.append(_problem(path, "unreadable_file", detail))
        return
    base = "" if path == os.curdir else path.rstrip(os.sep) + os.sep
    base_absolute = absolute.rstrip(os.sep) + os.sep
    waiting.extend((base + name, base_absolute + name, above) for name in names)


def _name_of(path: Path) -> str:
    return _text_of(str(path))


def _text_of(path: str) -> str:
    """A path as text, with slashes. A name may be any bytes; those that are no text are spelled out."""
    path = path.replace(os.sep, "/")
    if path.isascii():
        return path
    return path.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")


def _identity(absolute: str, status: os.stat_result) -> str:
    """Which content a name stands for. The whole path counts: one relative name may lie in many folders."""
    where = hashlib.sha256(os.fsencode(absolute)).hexdigest()[:16]
    return f"{status.st_size}:{status.st_mtime_ns}:{where}"


def _problem(path: str, kind: str, detail: str) -> _Found:
    return path, "", (kind, detail)


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"
