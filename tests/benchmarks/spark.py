"""The scan by processes of this machine and by executors of Spark, over one archive, in turn.

    python -m tests.benchmarks.spark --records 200000

Two workers against `local-cluster[2,1,1024]`: two executor processes of one core. The session runs already; what it
takes to start is a row of its own. Processor time is that of this process and all below it.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from ecs_trail.evidence.engines import open_engine
from ecs_trail.evidence.sources.base import Evidence, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import default_selection
from tests.benchmarks.archive import make

sys.path.append(str(Path(__file__).parent.parent / "sources"))
from spark_cluster import local_cluster, processor_seconds


def timed(run: Callable[[], Evidence]) -> tuple[Evidence, float, float]:
    """What a scan gives, its seconds and its processor's."""
    clock, processor = time.monotonic(), processor_seconds()
    found = run()
    return found, time.monotonic() - clock, processor_seconds() - processor


def main() -> None:
    """Print a table of medians."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--records", type=int, default=200_000)
    words.add_argument("--rounds", type=int, default=3)
    given = words.parse_args()
    with TemporaryDirectory() as folder:
        make(Path(folder), given.records)
        begun = time.monotonic()
        with local_cluster() as spark:
            print(f"start of the session: {time.monotonic() - begun:.1f} s")
            spark.range(1).count()
            rows: dict[str, list[tuple[float, float]]] = {"local": [], "spark": []}
            for _ in range(given.rounds):
                answers = []
                for name, times in rows.items():
                    engine = open_engine(name, 2)
                    found, *spent = timed(lambda e=engine: scan([FilesSource(folder)], default_selection(), engine=e))
                    times.append((spent[0], spent[1]))
                    answers.append(found)
                if answers[0].receipt != answers[1].receipt or not answers[0].events.equals(answers[1].events):
                    raise SystemExit("the answers differ")
    for name, times in rows.items():
        clock, processor = (median(one) for one in zip(*times, strict=True))
        print(f"{name}: {clock:.2f} s, {processor:.2f} s of processors, {given.records:,} records")


if __name__ == "__main__":
    main()
