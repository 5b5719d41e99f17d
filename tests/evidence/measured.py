"""Scans a folder in a process of its own and says, as JSON, what came of it and how much memory it took at most."""

import json
import resource
import sys
from pathlib import Path

from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import everything


def main() -> None:
    """`measured.py FOLDER`; the process may map 3 GiB, so that a bomb ends this process and not the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    receipt = scan([FilesSource(sys.argv[1])], everything()).receipt
    # not `ru_maxrss`: on Linux that begins with what the parent held
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) >> 10
    problems = [(one.source.rpartition("/")[2], one.kind, one.detail) for one in receipt.problems]
    print(json.dumps({
        "peak": peak, "problems": problems, "selected": receipt.events_selected, "closes": receipt.closes,
        "seen": receipt.files_seen, "partial": receipt.is_partial, "left_out": dict(receipt.left_out),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
