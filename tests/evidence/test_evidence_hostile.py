"""The fast lane over files that want it to be wrong, and over every real file: always the full road's answer."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hostile import hostile_file

from ecs_trail.evidence import slicing
from ecs_trail.evidence.compression import expand
from ecs_trail.evidence.fastlane import scan_fast
from ecs_trail.evidence.ledger import Reading
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.scanning import scan_bytes
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window

REAL = Path(__file__).resolve().parents[3] / "shared" / "real_cloudtrail"
MINUTE = datetime(2026, 3, 2, 9, tzinfo=UTC)
PROBES: list[Probe] = [
    probe_of(selection)
    for selection in (
        default_selection(),
        session("ECSTaskVolumesForEBS"),
        everything(),
        Selection((Clause(failed=True),)),
        Selection((Clause(accounts=frozenset({"999999999999"})),)),
        default_selection().during(Window(MINUTE.replace(second=30), MINUTE.replace(minute=1))),
    )
]


def compare(files: int, seed: int) -> tuple[int, int]:
    """Compare both roads over random files; how many took the fast lane, and how many records they held."""
    fast = records = 0
    for number in range(files):
        dice = random.Random(f"{seed}/{number}")
        data, count = hostile_file(dice)
        probe = dice.choice(PROBES)
        records += count
        assert scan_bytes(data, "log.json", probe) == scan_bytes(data, "log.json", probe, is_fast=False), (seed, number)
        fast += scan_fast(data.strip(), "log.json", probe, Reading("log.json"))
    return fast, records


def test_hostile_files_are_read_as_the_full_road_reads_them() -> None:
    fast, _ = compare(250, seed=1)
    assert 80 < fast < 220  # neither road is idle


@pytest.mark.slow
def test_very_many_hostile_files() -> None:
    compare(3000, seed=2)


def test_records_are_cut_out_of_hostile_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the laws above might hold for want of a cut."""
    made: list[int] = []
    whole = slicing.cut

    def watched(*given: object) -> list[bytes] | None:
        found = whole(*given)  # type: ignore[arg-type]
        made.append(0 if found is None else len(found))
        return found

    monkeypatch.setattr("ecs_trail.evidence.fastlane.cut", watched)
    compare(150, seed=3)
    assert sum(made) > 20


def test_a_cut_that_is_one_byte_off_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the comparison above can fail."""
    whole = slicing.cut

    def shifted(*given: object) -> list[bytes] | None:
        found = whole(*given)  # type: ignore[arg-type]
        return None if found is None else [record[:-1] + b" }" for record in found]

    monkeypatch.setattr("ecs_trail.evidence.fastlane.cut", shifted)
    with pytest.raises(AssertionError):
        compare(150, seed=3)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real records are not on this machine")
def test_every_real_file_is_read_as_the_full_road_reads_it() -> None:
    fast = 0
    for path in sorted(path for path in REAL.rglob("*") if path.is_file()):
        data = path.read_bytes()
        for probe in PROBES[:3]:
            assert scan_bytes(data, path.name, probe) == scan_bytes(data, path.name, probe, is_fast=False), path
        fast += any(scan_fast(part.data, "x", PROBES[0], Reading("x")) for part in expand(data, path.name))
    assert fast > 100
