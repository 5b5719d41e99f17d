"""A long run compressed, and a gauge of the memory and the file handles of the process that does it."""

import gzip
import json
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from history import History, Record
from stories import TODAY, home_records, story

#: Megabytes and handles by which the second half of a run may exceed the first. Besides the run itself, the server in
#: this process keeps a line for each request.
MORE_MEMORY = 24
MORE_HANDLES = 4


@dataclass
class Gauge:
    """Memory and handles of this process, looked at now and then."""

    every: int
    memory: list[int] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)

    def __call__(self, done: int, _total: int) -> None:
        if done % self.every == 0:
            status = Path("/proc/self/status").read_text()
            self.memory.append(int(status.partition("VmRSS:")[2].split()[0]) >> 10)
            self.handles.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208

    @property
    def is_flat(self) -> bool:
        """Whether the second half of the run took no more than the first."""
        return self._more(self.memory) <= MORE_MEMORY and self._more(self.handles) <= MORE_HANDLES

    def _more(self, seen: list[int]) -> int:
        middle = len(seen) // 2
        assert middle >= 4
        return max(seen[middle:]) - max(seen[1:middle])

    def assert_flat(self) -> None:
        assert self.is_flat, (self.memory, self.handles)

    def __str__(self) -> str:
        middle = len(self.memory) // 2
        memory = f"memory {max(self.memory[1:middle])} MiB in the first half, {max(self.memory[middle:])} in the second"
        return f"{memory}; handles {max(self.handles[1:middle])}, {max(self.handles[middle:])}"


class Remembering(History):
    """Event history that looks through its records once, as thousands of pages are asked for."""

    def _matching(self, region: str, asked: dict[str, Any]) -> list[Record]:
        if not hasattr(self, "found"):
            self.found: dict[str, list[Record]] = {}
        key = region + self._same(asked)
        if key not in self.found:
            self.found[key] = super()._matching(region, asked)
        return self.found[key]


def records(count: int) -> list[Record]:
    first = home_records(story("managed_detached"))[0]
    start = TODAY - timedelta(days=30)
    return [
        {**first, "eventID": f"e-{n}", "awsRegion": "us-east-1", "eventTime": f"{start + timedelta(seconds=n):%FT%TZ}"}
        for n in range(count)
    ]


def objects(count: int) -> dict[str, bytes]:
    made = records(count)
    return {
        f"logs/{n:06d}.json.gz": gzip.compress(json.dumps({"Records": [one]}).encode()) for n, one in enumerate(made)
    }
