"""Workers: order, deaths, early ends, what is held, and how many there are when nobody says."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_jobs import die_always, die_once, leave, slow, whose

from ecs_trail.errors import EcsTrailError
from ecs_trail.evidence import workers
from ecs_trail.evidence.ledger import Fetched, Receipt
from ecs_trail.evidence.sources.base import lost
from ecs_trail.evidence.workers import map_ordered


def test_a_death_costs_nothing(tmp_path: Path) -> None:
    assert list(map_ordered(die_once, range(300), tmp_path, workers=2)) == [2 * number for number in range(300)]
    assert (tmp_path / "dead").exists()


def test_a_unit_that_kills_twice_is_named_and_the_rest_is_done() -> None:
    deadly = frozenset({3, 150, 299})
    results = map_ordered(die_always, range(300), deadly, workers=2, lost=lambda unit: -unit)
    assert list(results) == [-number if number in deadly else 2 * number for number in range(300)]


def test_workers_that_all_die_end_the_work() -> None:
    begun = time.monotonic()
    with pytest.raises(EcsTrailError, match="died"):
        list(map_ordered(die_always, range(5000), frozenset(range(5000)), workers=2, lost=lambda unit: -unit))
    assert time.monotonic() - begun < 30


def test_a_unit_that_kills_is_an_error_where_nothing_stands_for_it() -> None:
    with pytest.raises(EcsTrailError, match="died"):
        list(map_ordered(die_always, range(9), frozenset({4}), workers=2))


def test_the_source_is_read_only_a_little_ahead() -> None:
    taken = []

    def units() -> Iterator[int]:
        for number in range(100_000):
            taken.append(number)
            yield number

    results = map_ordered(whose, units(), os.getpid(), workers=2, weigh=lambda _: 1 << 19)
    next(results)
    assert len(taken) < 60
    results.close()


def test_little_work_starts_no_workers() -> None:
    assert all(map_ordered(whose, range(1000), os.getpid(), workers=None))


def test_much_work_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_ALONE", 0.02)
    monkeypatch.setattr(workers, "_processors", lambda: 2)
    who: list[int] = []
    results = map_ordered(slow, range(100_000), 0.01, workers=None)
    while len(set(who)) < 3:
        who.append(next(results))
    results.close()
    # and not idle while the others start, which takes an interpreter longer than that
    assert who[:5] == [os.getpid()] * 5
    assert who.count(os.getpid()) < 1000


def test_workers_are_at_work_before_anybody_asks_for_a_result(tmp_path: Path) -> None:
    results = map_ordered(leave, range(100), tmp_path, workers=2)
    until = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 50 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(list(tmp_path.iterdir())) >= 50
    assert list(results) == list(range(100))


def test_workers_nobody_asks_leave_no_process(tmp_path: Path) -> None:
    results = map_ordered(leave, range(100), tmp_path, workers=2)
    until = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.01)
    results.close()
    pids = {int(path.read_text()) for path in tmp_path.iterdir()}
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_early_end_leaves_no_process() -> None:
    results = map_ordered(slow, range(1000), 0.01, workers=2)
    pids = {next(results) for _ in range(12)}
    results.close()
    assert pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_file_that_kills_workers_is_counted_and_named() -> None:
    receipt = Receipt()
    receipt.add(lost(Fetched("logs/deadly.json.gz")))
    assert (receipt.files_seen, receipt.files_failed, receipt.is_partial) == (1, 1, True)
    assert receipt.problems[0].source == "logs/deadly.json.gz"
