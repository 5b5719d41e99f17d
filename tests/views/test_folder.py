"""A folder of CSV or Parquet: whole or not at all, never over somebody else's files, every column explained."""

import csv
import io
import json
import shutil

import pyarrow.parquet as pq
import pytest
from handouts import frames

import ecs_trail as et
from ecs_trail.case.tables import SPECS, tables
from ecs_trail.errors import UsageError
from ecs_trail.views import folder
from ecs_trail.views.folder import MANIFEST, Table, write_folder
from ecs_trail.views.meanings import MEANINGS

AS_OF = "2026-03-02T18:10:00Z"


def made(text="word"):
    return [Table(SPECS[name], frame, MEANINGS) for name, frame in frames(lambda name: text).items()]


def contents(place):
    return {one.name: one.read_bytes() for one in place.iterdir()}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_frame_is_a_file_and_every_column_is_explained(kind, tmp_path):
    case = et.investigate("sample_logs")
    target = tmp_path / "out"
    write_folder(tables(case), target, kind, as_of=AS_OF)
    readme = (target / "README.md").read_text(encoding="utf-8")
    for name in SPECS:
        frame = getattr(case, name)
        path = target / f"{name}.{kind}"
        columns = [column for column in frame.columns if column != "raw"]
        if kind == "csv":
            rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
            assert (rows[0], len(rows) - 1) == (columns, len(frame))
        else:
            table = pq.read_table(path)
            assert (table.column_names, table.num_rows) == (columns, len(frame))
        part = readme.split(f"## {name}.{kind}\n")[1].split("\n## ")[0]
        for column in columns:
            line = next(line for line in part.splitlines() if line.startswith(f"- `{column}` ("))
            assert ": " in line, f"say in views/meanings.py what {name}.{column} means"
    assert "sessionToken" not in "".join(p.read_text("utf-8", "replace") for p in target.glob("events.*"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_same_frames_give_the_same_bytes_and_replace_an_earlier_export(kind, tmp_path):
    target = tmp_path / "out"
    write_folder(made("other"), target, "csv", as_of=AS_OF)
    write_folder(made(), target, kind, as_of=AS_OF)
    first = contents(target)
    write_folder(made(), target, kind, as_of=AS_OF)
    assert contents(target) == first
    assert set(first) == {*(f"{name}.{kind}" for name in SPECS), "README.md", MANIFEST}
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_no_csv_cell_of_any_frame_is_a_formula(start, tmp_path):
    write_folder(made(f"{start}cmd|' /C calc'!A0"), tmp_path / "out", "csv", as_of=AS_OF)
    for path in (tmp_path / "out").glob("*.csv"):
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
        assert not any(cell.startswith(tuple("=+@\t\r\n＝＋－＠")) for row in rows for cell in row), path.name
        assert not any(cell.startswith("-") for row in rows for cell in row), path.name
        assert any(cell == f"'{start}cmd|' /C calc'!A0" for row in rows for cell in row), path.name


@pytest.mark.parametrize("spoil", ["foreign", "changed", "nested", "no manifest", "forged manifest", "link"])
def test_what_is_not_ours_is_never_touched(spoil, tmp_path):
    target = tmp_path / "out"
    write_folder(made(), target, "csv", as_of=AS_OF)
    if spoil == "foreign":
        (target / "notes.txt").write_text("mine")
    elif spoil == "changed":
        (target / "tasks.csv").write_text("my own edits")
    elif spoil == "nested":
        (target / "more").mkdir()
    elif spoil == "no manifest":
        (target / MANIFEST).unlink()
    elif spoil == "forged manifest":
        (target / MANIFEST).write_text(json.dumps({"files": {}}))
    else:
        shutil.copy(target / "tasks.csv", tmp_path / "elsewhere.csv")
        (target / "tasks.csv").unlink()
        (target / "tasks.csv").symlink_to(tmp_path / "elsewhere.csv")
    names = sorted(one.name for one in target.iterdir())
    with pytest.raises(UsageError, match="no export wrote"):
        write_folder(made("new"), target, "csv", as_of=AS_OF)
    assert sorted(one.name for one in target.iterdir()) == names
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_an_empty_folder_is_welcome_and_a_file_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    write_folder(made(), tmp_path / "empty", "csv", as_of=AS_OF)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        write_folder(made(), tmp_path / "file", "csv", as_of=AS_OF)
    with pytest.raises(UsageError, match="cannot be written"):
        write_folder(made(), tmp_path / "missing" / "out", "csv", as_of=AS_OF)
    with pytest.raises(UsageError, match="choose one of csv, parquet"):
        write_folder(made(), tmp_path / "x", "xml", as_of=AS_OF)


def test_a_run_that_dies_while_writing_leaves_the_old_folder(tmp_path, monkeypatch):
    target = tmp_path / "out"
    write_folder(made(), target, "csv", as_of=AS_OF)
    before = contents(target)

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "_readme", dies)
    with pytest.raises(KeyboardInterrupt):
        write_folder(made("new"), target, "csv", as_of=AS_OF)
    assert contents(target) == before
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_a_folder_set_aside_by_a_run_that_died_comes_back(tmp_path):
    target = tmp_path / "out"
    write_folder(made(), target, "csv", as_of=AS_OF)
    before = contents(target)
    target.rename(tmp_path / ".out.abc.old")  # killed between the two renames
    (tmp_path / ".outer.abc.old").mkdir()
    with pytest.raises(UsageError, match="choose one of"):
        write_folder(made(), target, "xml", as_of=AS_OF)
    write_folder(made(), target, "csv", as_of=AS_OF)
    assert contents(target) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == [".outer.abc.old", "out"]
