"""`case.sql`: the frames as tables, in memory, and no way out of it."""

import subprocess
import sys
from pathlib import Path

import pytest

import ecs_trail as et
from ecs_trail.case.exploring import SQL_TABLES
from ecs_trail.case.frames import CaseFrames
from ecs_trail.errors import MissingExtraError, UsageError

SAMPLE = Path(__file__).parent.parent / "sample_logs"


@pytest.fixture(scope="module")
def case():
    return et.investigate(SAMPLE)


def test_a_query_answers_as_pandas_does(case):
    found = case.sql("select state, count(*) as n from tasks group by state order by state")
    expected = case.tasks.groupby("state").size()
    assert dict(zip(found["state"], found["n"], strict=True)) == expected.to_dict()


def test_times_stay_utc_and_lists_stay_lists(case):
    found = case.sql("select task_arn, stop_started_at, volume_ids from tasks order by task_arn")
    frame = case.tasks.sort_values("task_arn")
    assert str(found["stop_started_at"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert found["stop_started_at"].dropna().to_list() == frame["stop_started_at"].dropna().to_list()
    assert [list(one) for one in found["volume_ids"]] == [list(one) for one in frame["volume_ids"]]


@pytest.mark.parametrize("table", SQL_TABLES)
def test_every_frame_is_a_table(case, table):
    found = case.sql(f"select * from {table}")
    frame = getattr(case, table)
    assert len(found) == len(frame)
    assert list(found.columns) == [name for name in frame.columns if (table, name) != ("events", "raw")]


def test_no_public_frame_is_forgotten():
    public = {name for name in dir(CaseFrames) if not name.startswith("_")}
    frames = {
        "events",
        "tasks",
        "volumes",
        "volume_calls",
        "tls",
        "outages",
        "findings",
        "role_abilities",
        "actors",
        "leaks",
        "task_states",
    }
    assert frames <= set(SQL_TABLES) <= public
    assert {"receipt", "as_of", "history"} <= public - set(SQL_TABLES)


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{file}')",
        "select * from read_text('{file}')",
        "select * from '{file}'",
        "copy tasks to '{file}'",
        "attach '{file}' as other",
        "export database '{file}'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "select * from frame",
        "select * from case",
        "select raw from events",
        "selec 1",
        "",
    ],
)
def test_what_reaches_outside_is_refused(case, query, tmp_path):
    file = tmp_path / "outside.csv"
    file.write_text("a\n1\n")
    frame = case.tasks  # a variable DuckDB would otherwise find by its name
    assert len(frame)
    with pytest.raises(UsageError):
        case.sql(query.format(file=file))
    assert [one.name for one in tmp_path.iterdir()] == ["outside.csv"]
    assert file.read_text() == "a\n1\n"


def test_a_wrong_query_is_told_the_tables(case):
    with pytest.raises(UsageError, match=r"(?s)no_such.*tables: actors, .* and volumes"):
        case.sql("select * from no_such")


def test_a_query_changes_nothing(case):
    with pytest.raises(UsageError):
        case.sql("delete from tasks")
    assert case.sql("select count(*) as n from tasks")["n"].to_list() == [len(case.tasks)]


def test_without_the_extra_the_error_names_it(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"ecs-trail\[sql\]"):
        case.sql("select 1")


def test_duckdb_is_not_loaded_before_it_is_asked_for():
    code = f"import ecs_trail as et, sys; et.investigate({str(SAMPLE)!r}).document; assert 'duckdb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
