"""Compiles the walk over records (`ecs_trail/evidence/walk`) while hatchling builds a wheel.

The walk is plain C without a header of Python's, loaded by `ctypes`, so one library serves every Python of a platform.
The package works without it, only slower. So nothing here ends a build: where there is no compiler, where it fails, and
on Windows, one line says so, and the wheel is a pure one.

    python .build/walk.py    compiles it in the tree, after a change of the C

`CC` and `CFLAGS` count as everywhere; `ECS_TRAIL_COMPILED=0` switches it off.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

FOLDER = "ecs_trail/evidence/walk"
LIBRARY = "walk.so"
SWITCH = "ECS_TRAIL_COMPILED"
_SECONDS = 120


class NotCompiledError(Exception):
    """There is no library; the message says why."""


def source_of(folder: Path) -> str:
    """What tells the C in a folder from any other; the library says it as `walk_source()`."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def compilers() -> list[list[str]]:
    """What to try in turn: what was asked for and nothing else, or Python's own compiler, then the system's."""
    asked = os.environ.get("CC", "").strip()
    named = [asked] if asked else [str(sysconfig.get_config_var("CC") or "cc"), "cc"]
    return [shlex.split(one) for one in dict.fromkeys(named)]


def compiled(folder: Path, made: Path) -> None:
    """Write the library of the C in a folder. Raises `NotCompiledError`."""
    if os.environ.get(SWITCH) == "0":
        raise NotCompiledError(f"{SWITCH} is 0")
    if os.name != "posix":
        raise NotCompiledError("not tried on this system")
    shape = ["-dynamiclib", f"-Wl,-install_name,{LIBRARY}"] if sys.platform == "darwin" else ["-shared"]
    try:
        flags = ["-std=c11", "-O3", *shape, "-fPIC", "-fvisibility=hidden", f'-DWALK_SOURCE="{source_of(folder)}"']
        # the same bytes wherever it is built: no debugging information, which would name the folder
        flags += [*shlex.split(os.environ.get("CFLAGS", "")), "-g0", "-o", str(made), "walk.c"]
        tried = [[*compiler, *flags] for compiler in compilers()]
    except ValueError as error:  # quotes that do not close
        raise NotCompiledError(f"CC or CFLAGS: {error}") from error
    failures = []
    for words in tried:
        failure = _failure(words, folder)
        if failure is None and made.is_file():
            return
        made.unlink(missing_ok=True)
        failures.append(f"{words[0]}: {failure or 'made nothing'}")
    raise NotCompiledError("; ".join(failures))


def _failure(words: list[str], folder: Path) -> str | None:
    """Run a compiler; what it complains of, in a line, or None."""
    try:
        done = subprocess.run(  # noqa: S603 - the compiler that was named, no shell
            words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return getattr(error, "strerror", None) or type(error).__name__
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").splitlines()
    told = [line for line in said if "error" in line] or said
    return told[0] if told else f"exit code {done.returncode}"


def lay_beside(made: Path, folder: Path) -> bool:
    """Put the library beside its C, where a checkout is imported from, or take away one of other C.

    It is put at once: somebody may be loading it, and two may build. Gives whether one is there.
    """
    place, aside = folder / LIBRARY, folder / f".{os.getpid()}.{LIBRARY}"
    with suppress(OSError):  # a tree that is not to be written to
        if made.is_file():
            try:
                shutil.copyfile(made, aside)
                aside.replace(place)
            finally:
                aside.unlink(missing_ok=True)
        elif place.is_file() and source_of(folder).encode() not in place.read_bytes():
            place.unlink()
    return place.is_file()


class Walk(BuildHookInterface[Any]):
    """The hook: makes a wheel of a platform, or leaves it a pure one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before files are gathered."""
        folder = Path(self.root, FOLDER)
        # goes with this process at the latest: the wheel is made of what lies in it, whoever else builds in the tree
        self._aside = tempfile.TemporaryDirectory(prefix="ecs-trail-")
        made = Path(self._aside.name, LIBRARY)
        try:
            compiled(folder, made)
        except NotCompiledError as error:
            self.app.display_warning(f"ecs_trail works without its compiled walk, only slower: {error}")
        is_there = lay_beside(made, folder)
        if not made.is_file():
            return
        if version == "editable":
            if not is_there:
                self.app.display_warning("ecs_trail works without its compiled walk, only slower: no place for it")
            return
        build_data["force_include"][str(made)] = f"{FOLDER}/{LIBRARY}"
        build_data["pure_python"] = False
        # that of this system itself; a promise to run on older ones too (manylinux) is not ours to make
        platform = next(one for one in platform_tags() if not one.startswith(("manylinux", "musllinux")))
        build_data["tag"] = f"py3-none-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """The wheel is written."""
        self._aside.cleanup()


def main() -> int:
    """Compile in the tree of this file; the exit code."""
    folder = Path(__file__).parents[1] / FOLDER
    with tempfile.TemporaryDirectory(prefix="ecs-trail-") as aside:
        try:
            compiled(folder, Path(aside, LIBRARY))
        except NotCompiledError as error:
            print(f"not compiled: {error}", file=sys.stderr)  # noqa: T201
            return 1
        return 0 if lay_beside(Path(aside, LIBRARY), folder) else 1


if __name__ == "__main__":
    sys.exit(main())
