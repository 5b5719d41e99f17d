"""The folder of a store on disk: locks, files written aside, what a crash left behind.

Files are for their owner alone (0600, the folder 0700): records may hold session tokens. One writer works at a time;
its lock ends with its process, so that whatever is found lying about under the lock was left by a dead one.
"""

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ecs_trail.errors import UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MANIFEST: Final = "manifest.jsonl"
_WRITERS: Final = "writers.lock"
_READERS: Final = "readers.lock"
_ASIDE: Final = ".aside-"
_PART: Final = re.compile(r"(events|units)-\d{8}-[0-9a-f]{12}\.parquet|documents-\d{8}-[0-9a-f]{12}\.jsonl")
_BLOCK: Final = 1 << 20


def is_part(name: str) -> bool:
    """True for a name that this package gives to parts."""
    return _PART.fullmatch(name) is not None


def is_aside(name: str) -> bool:
    """True for a file written aside and never renamed."""
    return name.startswith(_ASIDE)


def is_own(name: str) -> bool:
    """True for every name this package gives to a file of a store."""
    return name in {MANIFEST, _WRITERS, _READERS} or is_part(name) or is_aside(name)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises `OSError`."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def make_folder(path: Path) -> None:
    """Create the folder of a store, or take one that is empty. Raises `UsageError` for a folder with other files."""
    with writing_to(path):
        if path.exists() and not path.is_dir():
            raise UsageError(f"'{path}' is no folder.", hint="name a folder for the store.")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = sorted(one.name for one in path.iterdir() if not is_own(one.name))
        if others and not (path / MANIFEST).exists():
            raise UsageError(
                f"the folder '{path}' is not empty and holds no store: {', '.join(others[:3])}.",
                hint="name a new folder with --store: evidence of a store and other files must not mix.",
            )


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn what the disk refuses (full, read-only, not allowed) into a `UsageError` that says what is safe."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(
            f"the store '{path}' cannot be written: {reason}.",
            hint="free space or choose a folder that is yours, and run the same command again; what is kept stays.",
        ) from error


def make_locks(folder: Path) -> None:
    """Make the lock that readers share; a reader makes no file. Raises `OSError`."""
    with _locked(folder / _READERS, is_shared=False, waits=False):
        return


def write_part(folder: Path, name: Callable[[str], str], write: Callable[[Path], None]) -> tuple[str, str, int]:
    """Write a file aside, bring it to the disk, hash it, and give it its name: (name, SHA-256, bytes). Raises
    `OSError`; then nothing but a file aside is left.
    """
    aside = folder / f"{_ASIDE}{os.getpid()}-{os.urandom(6).hex()}"
    os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        write(aside)
        sync(aside)
        digest, size = sha256_of(aside), aside.stat().st_size
        final = name(digest[:12])
        aside.replace(folder / final)
    except BaseException:  # Ctrl-C as well: whatever ends the writing, nothing half-written stays; it is raised again
        aside.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return final, digest, size


def sync(path: Path) -> None:
    """Bring a file's bytes to the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(folder: Path, names: list[str]) -> None:
    """Remove files nobody needs any more, unless somebody is reading the store; then the next writer does it."""
    if not names:
        return
    with _locked(folder / _READERS, is_shared=False, waits=False) as is_free:
        if is_free:
            for name in names:
                (folder / name).unlink(missing_ok=True)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Wait until no other process writes to the store, and keep others waiting. Raises `OSError`."""
    with _locked(folder / _WRITERS, is_shared=False, waits=True):
        yield


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep parts from being removed while they are read; on a store that may not be written, nobody removes any."""
    with _locked(folder / _READERS, is_shared=True, waits=True):
        yield


@contextmanager
def _locked(path: Path, *, is_shared: bool, waits: bool) -> Iterator[bool]:
    """Hold a lock on a file; gives whether it is held."""
    try:
        handle = os.open(path, os.O_RDWR | (0 if is_shared else os.O_CREAT), 0o600)
    except OSError:
        if not is_shared:
            raise
        yield False
        return
    try:
        yield _take(handle, is_shared=is_shared, waits=waits)
    finally:
        os.close(handle)  # ends the lock


if sys.platform == "win32":

    def _take(handle: int, *, is_shared: bool, waits: bool) -> bool:
        """Byte ranges have no shared lock here: readers hold none, and a part that is open cannot be removed."""
        while not is_shared:
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not waits:
                    return False
                continue  # LK_LOCK gives up after ten seconds
            return True
        return True

else:

    def _take(handle: int, *, is_shared: bool, waits: bool) -> bool:
        kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        try:
            fcntl.flock(handle, kind if waits else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
