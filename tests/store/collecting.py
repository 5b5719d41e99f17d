"""A process that collects, for tests that kill it: says when it begins, then works in many small steps."""

import sys

from ecs_trail.evidence.collect import Limits, collect
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.store import Store
from ecs_trail.selection import everything


def main() -> None:
    """`collecting.py SOURCE STORE UNITS`; waits for a line on stdin before it begins."""
    source, folder, units = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    done = collect([FilesSource(source)], Store(folder), everything(), limits=Limits(units=int(units)))
    print(done.events_added, flush=True)


if __name__ == "__main__":
    main()
