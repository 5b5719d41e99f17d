"""Spark without a cluster: what is missing is named, and what would be asked is printed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, MissingExtraError, UsageError
from ecs_trail.evidence import walk
from ecs_trail.evidence.engines import LocalEngine, open_engine
from ecs_trail.evidence.ledger import Fetched
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.spark import engine, parcel, session
from ecs_trail.evidence.spark.parcel import write_parcel
from ecs_trail.selection import default_selection


@pytest.fixture
def no_pyspark(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)


def test_without_pyspark_the_extra_is_named(no_pyspark, tmp_path):
    with pytest.raises(MissingExtraError, match=r"ecs-trail\[spark\]"):
        scan([open_source("spark://db.trail")], default_selection())
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(MissingExtraError, match=r"ecs-trail\[spark\]"):
        scan([open_source(str(tmp_path))], default_selection(), engine=open_engine("spark", None))
    assert run(["collect", str(tmp_path), "--store", str(tmp_path / "s"), "--engine", "spark", "--quiet"]) == 2


def test_without_java_it_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no Java") as caught:
        scan([open_source("spark://db.trail")], default_selection())
    assert "17" in caught.value.hint


def test_an_unknown_engine_is_refused(capsys):
    with pytest.raises(UsageError, match="no engine"):
        open_engine("slurm", None)
    with pytest.raises(UsageError, match="1 to 256"):
        LocalEngine(0)
    assert run(["investigate", "x", "--engine", "athena"]) == 2  # it is asked as a source


def test_the_address_of_a_cluster_is_no_table():
    with pytest.raises(UsageError, match="no name of a table") as caught:
        open_source("spark://head-node:7077")
    assert "settings" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("x\nModuleNotFoundError: No module named 'msgspec'\n", UsageError, "'msgspec'"),
        ("[PYTHON_VERSION_MISMATCH] 3.11 3.9", UsageError, "another version of Python"),
        ("Job aborted\nat org.x\nOSError: gone", AccessError, "OSError: gone"),
        ("", AccessError, "ValueError"),
    ],
)
def test_failures_of_spark_are_explained(text, kind, words):
    made = session.explained(ValueError(text), "while it read")
    assert isinstance(made, kind)
    assert words in made.message
    assert made.hint


def test_the_archive_for_executors_is_whole_and_the_same_every_time(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (write_parcel(tmp_path / name) for name in "ab")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert archive.testzip() is None
    script = (
        f"import sys; sys.path[:0] = [{str(first)!r}]\n"
        "import ecs_trail.evidence.spark.task as task, ecs_trail.evidence.scanning, ecs_trail.evidence.parquet\n"
        "import ecs_trail.evidence.sources.shelf; print(task.__file__); print('pyspark' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True, env={})
    assert done.stdout.splitlines() == [f"{first}/ecs_trail/evidence/spark/task.pyc", "False"]


def walks_in(archive: Path) -> bool:
    """Whether the walk is compiled for a Python that imports the package from an archive."""
    script = (
        f"import sys; sys.path[:0] = [{str(archive)!r}]\n"
        "import ecs_trail.evidence.walk as walk; found = walk.walker(); print(found and found.walk(b'[]').records)"
    )
    words = [sys.executable, "-P", "-W", "error", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, check=True, env={}).stdout == "0\n"


def test_the_archive_brings_the_compiled_walk_of_this_machine(tmp_path, monkeypatch):
    """Executors unpack it; where it cannot be loaded, and where it is switched off here, they read without."""
    made, inside = write_parcel(tmp_path), f"ecs_trail/evidence/walk/{walk.LIBRARY}"
    with zipfile.ZipFile(made) as archive:
        assert (inside in archive.namelist()) is walks_in(made) is (walk.walker() is not None)
        with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
            for name in archive.namelist():
                other.writestr(name, b"\x7fELF of another machine" if name == inside else archive.read(name))
    assert not walks_in(tmp_path / "other.zip")
    monkeypatch.setattr(parcel, "walker", lambda: None)
    without = write_parcel(tmp_path)
    assert not walks_in(without)
    assert (without == made) is (walk.walker() is None)


def test_chunks_hold_every_unit_once_in_order(tmp_path):
    far = [(Fetched(f"f{n}", path=str(tmp_path / f"f{n}")), n * 100_000) for n in range(200)]
    near = [(Fetched(f"n{n}", data=b"x"), 1) for n in range(5)]
    wave = [*far[:50], *near, *far[50:]]
    chunks = engine._chunks(wave, 4)
    assert [unit for chunk in chunks for unit in chunk] == [unit for unit, _ in wave]
    assert all(len({engine._is_here(unit) for unit in chunk}) == 1 for chunk in chunks)
    assert len(chunks) >= 16
    assert shutil.which("java") is None or session.has_java()
