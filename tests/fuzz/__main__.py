"""Fuzz the doors that bytes come in by, guided by coverage (atheris, libFuzzer).

    pip install 'ecs-trail[fuzz]'
    python -m tests.fuzz --minutes 5                 # every target, one after the other
    python -m tests.fuzz --minutes 10 scan records   # only these
    python -m tests.fuzz --minutes 10 --keep         # and take what found new ground into the corpus, made small

Prints one line per target: executions, coverage (edges), finds. A find is an input after which a target raised; its
bytes and traceback lie in the folder that is printed. Ends with 1 where there is one.
"""

import argparse
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: Where the helpers of other tests stand that the seeds are made with.
PATHS: Final = (ROOT / "tests", ROOT / "tests/evidence")
CORPUS: Final = Path(__file__).parent / "corpus"
#: The corpus is text in a repository: no input larger than this, no more of them per target.
LARGEST: Final = 1500
MOST: Final = 40
_DONE: Final = re.compile(r"#(\d+)\s+(?:DONE|pulse|NEW|REDUCE|INITED|RELOAD)\s+cov: (\d+)")


def main() -> int:
    """Run the targets and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--minutes", type=float, default=5.0, help="in all, shared by the targets")
    parser.add_argument("--keep", action="store_true", help="take what found new ground into tests/fuzz/corpus")
    parser.add_argument("--seed", type=int, default=1, help="another seed goes other ways over the same corpus")
    parser.add_argument("--work", type=Path, help="a folder that keeps inputs and finds from run to run")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("fuzzing needs atheris (pip install 'ecs-trail[fuzz]'; CPython on Linux or macOS).", file=sys.stderr)
        return 2
    sys.path[:0] = map(str, PATHS)
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - after the path is set

    names = given.targets or list(TARGETS)
    if unknown := sorted(set(names) - set(TARGETS)):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}.")
    work = given.work or Path(tempfile.mkdtemp(prefix="ecs-trail-fuzz-"))
    print(f"inputs and finds: {work}\n\n| target | executions | edges covered | finds |\n| --- | ---: | ---: | ---: |")
    found = sum(fuzz(name, given.minutes * 60 / len(names), work, seed=given.seed, keep=given.keep) for name in names)
    return 1 if found else 0


def fuzz(name: str, seconds: float, work: Path, *, seed: int, keep: bool) -> int:
    """Fuzz one target and print its line; gives the number of finds."""
    from tests.fuzz.seeds import seeds  # noqa: PLC0415

    grown, finds = work / name, work / "finds"
    for folder in (grown, finds):
        folder.mkdir(parents=True, exist_ok=True)
    for at, start in enumerate(seeds(name)):
        (grown / f"seed-{at:03d}").write_bytes(start)
    kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    limits = [f"-max_total_time={int(seconds)}", "-timeout=60", "-rss_limit_mb=1500", "-max_len=8192", f"-seed={seed}"]
    said = _run([name, str(finds), *limits, f"-artifact_prefix={finds}/{name}-", str(grown), *kept])
    counts = _DONE.findall(said)
    if not counts:
        print(said[-4000:], file=sys.stderr)
    executions, edges = counts[-1] if counts else ("0", "0")
    kinds = [one for one in finds.glob(f"{name}-*") if one.suffix != ".txt"]
    print(f"| {name} | {int(executions):,} | {int(edges):,} | {len(kinds)} |", flush=True)
    if keep:
        take(name, grown)
    return len(kinds) or not counts  # a fuzzer that did not run has shown nothing


def take(name: str, grown: Path) -> None:
    """Put the smallest inputs that together cover the most into the corpus of the repository."""
    with tempfile.TemporaryDirectory() as place:
        small, best = Path(place, "small"), Path(place, "best")
        small.mkdir()
        best.mkdir()
        for one in grown.iterdir():
            if one.stat().st_size <= LARGEST:
                (small / one.name).write_bytes(one.read_bytes())
        _run([name, place, "-merge=1", str(best), str(small)])
        target = CORPUS / name
        target.mkdir(parents=True, exist_ok=True)
        for old in target.iterdir():
            if not old.name.startswith("find-"):
                old.unlink()
        listed = sorted(best.iterdir(), key=lambda one: (one.stat().st_size, one.name))
        step = max(len(listed) / MOST, 1)
        for at in range(min(MOST, len(listed))):
            one = listed[int(at * step)]
            (target / one.name[:12]).write_bytes(one.read_bytes())


def _run(words: list[str]) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, *PATHS)))}
    command = [sys.executable, "-m", "tests.fuzz.one", *words]
    with tempfile.TemporaryDirectory() as place:
        # to merge, libFuzzer starts itself anew by its own name
        launcher = Path(place, "launcher")
        launcher.write_text(f'#!/bin/sh\nexec {shlex.join(command[:5])} "$@"\n', encoding="utf-8")
        launcher.chmod(0o700)
        environment["FUZZ_LAUNCHER"] = str(launcher)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    return done.stderr.decode("utf-8", errors="replace") + done.stdout.decode("utf-8", errors="replace")


sys.exit(main())
