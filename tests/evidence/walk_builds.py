"""The compiled walk, built here from its source: whole, with a fault planted, or into a program of its own."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parents[2] / "ecs_trail" / "evidence" / "walk"
LIBRARY = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden")
#: The same, compiled quickly: not inlined, and not for several processors.
SIMPLE = ("-O1", "-DTWICE=", *LIBRARY[1:])
#: A sanitizer ends the program with what it found.
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class Fault(NamedTuple):
    """Words of a file of the walk, and what stands there instead."""

    file: str
    old: str
    new: str


def compiler() -> str:
    """A C compiler, or the test is left out."""
    found = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))), None)
    if found is None or os.name == "nt":
        pytest.skip("no C compiler on this machine")
    return found


def build(folder: Path, main: Path, flags: Sequence[str], faults: Sequence[Fault] = ()) -> Path:
    """Compile a C file that stands in, or includes, a copy of the walk with these faults."""
    made = folder / "walk"
    shutil.copytree(SOURCE, made, ignore=shutil.ignore_patterns("*.py", "*.so", "__pycache__"))
    for fault in faults:
        file = made / fault.file
        text = file.read_text(encoding="utf-8")
        assert fault.old in text, f"the place of this fault has moved: {fault.old!r}"
        file.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    main = made / main.name if main.parent == SOURCE else main
    words = [compiler(), "-std=gnu11", *flags, "-I", str(made), "-o", str(folder / "built"), str(main)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode and any("sanitize" in flag for flag in flags):
        pytest.skip("the C compiler of this machine has no sanitizers")
    assert not done.returncode, done.stderr
    return folder / "built"
