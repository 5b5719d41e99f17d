"""`ecs-trail plan --engine`: the worked estimate, and the README's table of it."""

import json
import re
from pathlib import Path

import pytest

from ecs_trail.cli.main import run
from ecs_trail.evidence import estimates, prices

README = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
SOURCE = "s3://my-trail-bucket"


def estimate(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert run(["plan", SOURCE, "--format", "json", *words]) == 0
    return json.loads(capsys.readouterr().out)[0]["estimate"]


def test_the_numbers_follow_from_the_rates(capsys):
    found = estimate(capsys, "--engine", "spark", "--bytes", "1TB", "--executors", "16", "--objects", "1000000")
    assert (found["list_requests"], found["get_requests"]) == (1000, 1_000_000)
    assert found["requests_usd"] == pytest.approx(1000 * prices.S3_LIST + 1_000_000 * prices.S3_GET)
    alone = 1e12 * estimates.PACKED / estimates.RAW_MB_A_CORE_SECOND / 1e6 + 1_000_000 * estimates.GET_SECONDS
    assert found["core_hours"] == pytest.approx(alone / 3600 * (1 + estimates.SPARK_EXTRA))
    assert found["hours"] == pytest.approx(estimates.SPARK_START_HOURS + found["core_hours"] / 64)
    assert found["executor_hours"] == pytest.approx(16 * found["hours"])
    assert found["total_usd"] == pytest.approx(found["requests_usd"] + found["compute_usd"])


def test_twice_the_data_is_twice_the_work(capsys):
    for engine in ("local", "spark", "athena"):
        once, twice = (estimate(capsys, "--engine", engine, "--bytes", size) for size in ("3TB", "6TB"))
        for name in ("raw_bytes", "get_requests", "requests_usd"):
            assert twice[name] == pytest.approx(2 * once[name])
        assert once["total_usd"] < twice["total_usd"] <= 2 * once["total_usd"] + 0.01
        if engine != "athena":
            assert twice["core_hours"] == pytest.approx(2 * once["core_hours"])


def test_more_machines_are_faster_and_cost_no_less(capsys):
    few, many = (estimate(capsys, "--engine", "spark", "--bytes", "9TB", "--executors", n) for n in ("4", "64"))
    assert many["hours"] < few["hours"]
    assert many["core_hours"] == few["core_hours"]
    few, many, most = (estimate(capsys, "--bytes", "9TB", "--workers", n) for n in ("1", "4", "64"))
    assert many["hours"] == pytest.approx(few["hours"] / 4)
    # one process fetches for all of them
    assert most["hours"] == pytest.approx(most["get_requests"] * estimates.FETCH_SECONDS / 3600)


def test_athena_asks_for_bytes(capsys):
    found = estimate(capsys, "--engine", "athena", "--bytes", "1TiB")
    assert found["compute_usd"] == prices.ATHENA_TB
    assert found["core_hours"] is None
    assert found["hours"] is None


def test_without_bytes_a_plan_is_what_it_was(capsys):
    assert run(["plan", SOURCE, "--engine", "spark"]) == 0
    assert "estimate" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [SOURCE, "--executors", "4"],
        [SOURCE, "--objects", "4"],
        [SOURCE, "--bytes", "much"],
        [SOURCE, "--bytes", "1TB", "--executors", "4"],
        [SOURCE, "--bytes", "1TB", "--engine", "spark", "--executors", "0"],
        [SOURCE, "s3://other", "--bytes", "1TB"],
    ],
)
def test_estimates_of_nothing_are_refused(words, capsys):
    assert run(["plan", *words]) == 2
    assert capsys.readouterr().err


ROWS = re.findall(r"^\| `plan (--engine [^`]*)` \|(.*)\|$", README, re.MULTILINE)


def test_the_readme_has_a_row_for_each_engine_and_size():
    assert len(ROWS) == 6
    assert {(words.split()[1], words.split()[3]) for words, _ in ROWS} == {
        (engine, size) for engine in ("local", "spark", "athena") for size in ("1TB", "100TB")
    }


@pytest.mark.parametrize(("words", "cells"), ROWS)
def test_the_readme_shows_what_the_command_computes(words, cells, capsys):
    found = estimate(capsys, *words.split())
    hours = found["core_hours"]
    executors = found["executor_hours"]
    expected = [
        f"{found['get_requests']:,}",
        "–" if hours is None else estimates.hours(hours),
        "–" if executors is None else estimates.hours(executors),
        estimates.clock(found["hours"]),
        estimates.usd(found["requests_usd"]),
        estimates.usd(found["compute_usd"]),
        estimates.usd(found["total_usd"]),
    ]
    assert [cell.strip() for cell in cells.split("|")] == expected
