"""One fuzzer: `python -m tests.fuzz.one TARGET FINDS [libFuzzer options] FOLDER...`. Started by `tests.fuzz`.

A target that raises does not end the run: each kind of fault (its type and where it was raised) is kept once, as
`FINDS/TARGET-HASH` with the bytes and beside it `.txt` with the traceback, and the fuzzer goes on.
"""

import hashlib
import os
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ecs_trail"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's own options say that it is enough."""
    name, finds = sys.argv[1], Path(sys.argv[2])
    target, seen = TARGETS[name], set()

    def caught(data: bytes) -> None:
        try:
            target(data)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} {Path(last.filename).name}:{last.lineno}"
            if place not in seen:
                seen.add(place)
                file = finds / f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
                file.write_bytes(data)
                file.with_suffix(".txt").write_text(f"{place}\n{traceback.format_exc()}", encoding="utf-8")

    atheris.Setup([os.environ.get("FUZZ_LAUNCHER", sys.argv[0]), *sys.argv[3:]], caught)
    atheris.Fuzz()


main()
