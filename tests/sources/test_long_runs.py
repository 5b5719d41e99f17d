"""A long run compressed: memory and file handles stay flat over thousands of pages and objects."""

import os

import pytest
from flaky import FlakyBucket, serving_bucket, serving_fast
from long_runs import Gauge, Remembering, objects, records
from stories import TODAY, quick

from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import Selection, everything, session


@pytest.mark.parametrize("pages", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_of_event_history(pages, cloudtrail):
    server = cloudtrail(Remembering(records(2 * pages), now=TODAY, rate=100_000, page=2))
    gauge = Gauge(pages // 16)
    receipt = scan([quick(("us-east-1",))], everything(), progress=gauge).receipt
    assert len(server.asked) >= pages
    assert (receipt.events_selected, receipt.closes) == (2 * pages, True)
    gauge.assert_flat()


#: In a short run with the fast lane the number of its connections is still finding its place.
@pytest.mark.parametrize(
    ("serving", "count"),
    [
        (serving_bucket, 400),
        (serving_fast, 1600),
        pytest.param(serving_bucket, 8000, marks=pytest.mark.slow),
        pytest.param(serving_fast, 8000, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("which", ["none of it", "all of it"])
def test_of_a_bucket(serving, which, count, tmp_path):
    selection: Selection = everything() if which == "all of it" else session("nobody")
    if which == "all of it" and count > 1000:
        count //= 4
    gauge = Gauge(count // 16)
    with serving(FlakyBucket(objects(count))) as client:
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
