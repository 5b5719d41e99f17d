"""A long run compressed: memory and file handles stay flat over thousands of pages and objects."""

import gzip
import json
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flaky import FlakyBucket, serving_bucket
from history import History, Record
from stories import TODAY, home_records, quick, story

from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import Selection, everything, session

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

    def assert_flat(self) -> None:
        middle = len(self.memory) // 2
        assert middle >= 4
        assert max(self.memory[middle:]) - max(self.memory[1:middle]) <= MORE_MEMORY, self.memory
        assert max(self.handles[middle:]) - max(self.handles[1:middle]) <= MORE_HANDLES, self.handles


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


@pytest.mark.parametrize("pages", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_of_event_history(pages, cloudtrail):
    server = cloudtrail(Remembering(records(2 * pages), now=TODAY, rate=100_000, page=2))
    gauge = Gauge(pages // 16)
    receipt = scan([quick(("us-east-1",))], everything(), progress=gauge).receipt
    assert len(server.asked) >= pages
    assert (receipt.events_selected, receipt.closes) == (2 * pages, True)
    gauge.assert_flat()


@pytest.mark.parametrize("count", [400, pytest.param(8000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("which", ["none of it", "all of it"])
def test_of_a_bucket(which, count, tmp_path):
    selection: Selection = everything() if which == "all of it" else session("nobody")
    if which == "all of it" and count > 1000:
        count //= 4
    gauge = Gauge(count // 16)
    with serving_bucket(FlakyBucket(objects(count))) as client:
        receipt = scan([S3Source("some-bucket", "logs", client=client)], selection, progress=gauge).receipt
    assert (receipt.files_read, receipt.closes) == (count, True)
    assert receipt.events_selected == (count if which == "all of it" else 0)
    gauge.assert_flat()


def test_a_leak_is_seen():
    """Planted faults: handles that are not closed, and memory that is kept."""
    gauge, kept, held = Gauge(1), [], []
    for number in range(20):
        gauge(number, 20)
        held.append(os.open("/proc/self/status", os.O_RDONLY))
        kept.append(bytes(range(256)) * 20_000)
    with pytest.raises(AssertionError):
        gauge.assert_flat()
    for one in held:
        os.close(one)
    gauge.handles = [0] * len(gauge.handles)
    with pytest.raises(AssertionError):
        gauge.assert_flat()
