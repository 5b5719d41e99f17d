"""The SQL of a selection, run for real on DuckDB over a Glue-shaped table: never less than the reference answer."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stories import spread, story
from warehouse import GLUE_COLUMNS, IDENTITY, PARTITIONINGS, delivered, glue_table, lake_table, metadata, run_sql

from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.evidence.records import row_of
from ecs_trail.evidence.sources.sql import DIALECTS, Column, Table, compile_sql, documented_table, own_table, table_of
from ecs_trail.evidence.sources.sql.tables import struct_fields
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window

Record = dict[str, Any]
EARLY = datetime(2020, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1)
def records() -> tuple[Record, ...]:
    made = [record for kind in ("managed_detached", "inline_deleted") for record in story(kind).records]
    distinct = {record["eventID"]: record for record in made}
    return tuple(spread(distinct.values(), 50))


@lru_cache(maxsize=1)
def events() -> pa.Table:
    rows = [row_of(json.dumps(record).encode(), "here", place) for place, record in enumerate(records())]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), EVENT_SCHEMA, strict=True)],
        schema=EVENT_SCHEMA,
    )


def reference(selection: Selection) -> set[str]:
    """The ids of the events that the Arrow expression selects: what a selection means."""
    return set(selection.filter(events()).column("event_id").to_pylist())


@lru_cache(maxsize=16)
def glue(which: str) -> Any:
    return glue_table(list(records()), PARTITIONINGS[which])


def table(which: str = "projected") -> Table:
    return table_of(glue(which).metadata, ("db", "trail"))


def found(selection: Selection, which: str = "projected", alter: Any = str) -> set[str]:
    sql = alter(compile_sql(selection, table(which)))
    return set(run_sql(sql, {"db.trail": glue(which).rows}).column("eventid").to_pylist())


def column_values(name: str) -> list[str]:
    return sorted(set(events().column(name).drop_null().to_pylist()))


def times() -> list[datetime]:
    return sorted(events().column("event_time").to_pylist())


FACETS = {
    "event_sources": "event_source",
    "event_names": "event_name",
    "acting_roles": "session_issuer_arn",
    "target_roles": "target_role_arn",
    "accounts": "account_id",
    "regions": "aws_region",
}


def values_with(name: str, value: str | None) -> st.SearchStrategy[frozenset[str] | None]:
    """Nothing asked, or a few values with the one of an event among them: what matches by construction."""
    if value is None:
        return st.none()
    others = st.sampled_from([*column_values(name), "it's not there"])
    return st.none() | st.frozensets(others, max_size=3).map(lambda some: some | {value})


@st.composite
def windows(draw: st.DrawFn, moment: datetime) -> Window:
    """A window with a moment in it, often at its very edge, with fractions of seconds or without."""
    spans = [timedelta(), timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=5), timedelta(days=9)]
    start = moment - draw(st.sampled_from(spans))
    after = draw(st.none() | st.sampled_from(spans[1:]))
    return Window(start, None if after is None else moment + after)


@st.composite
def clauses(draw: st.DrawFn) -> Clause:
    """A clause that some event satisfies, each facet asked or not."""
    row = draw(st.sampled_from(events().to_pylist()))
    session_name = row["session_name"] or row["requested_session_name"]
    return Clause(
        session_names=draw(values_with("session_name", session_name)),
        **{facet: draw(values_with(name, row[name])) for facet, name in FACETS.items()},
        failed=draw(st.sampled_from([None, row["error_code"] is not None])),
        window=draw(windows(row["event_time"])),
    )


def selections() -> st.SearchStrategy[Selection]:
    return st.lists(clauses(), min_size=1, max_size=3).map(lambda made: Selection(tuple(made)))


@given(st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_sql_finds_all_that_is_selected(data: st.DataObject):
    selection = data.draw(selections())
    which = data.draw(st.sampled_from(sorted(PARTITIONINGS)))
    expected = reference(selection)
    assert expected
    assert found(selection, which) >= expected


@given(selections())
@settings(max_examples=20, deadline=None)
def test_over_our_own_events_sql_means_the_same(selection):
    whole = all(
        edge is None or edge.microsecond == 0
        for clause in selection.clauses
        for edge in (clause.window.start, clause.window.end)
    )
    rows = run_sql(compile_sql(selection, own_table(("events",))), {"events": events()}).column("eventjson")
    answer = {json.loads(text)["eventID"] for text in rows.to_pylist()}
    assert answer == reference(selection) if whole else answer >= reference(selection)


@pytest.mark.parametrize("which", PARTITIONINGS)
def test_the_default_selection_is_found_exactly_whatever_the_partitions(which):
    span = times()
    windows = [
        Window(EARLY),
        Window(span[len(span) // 3], span[2 * len(span) // 3]),
        Window(span[5], span[5] + timedelta(seconds=1)),
    ]
    for window in windows:
        selection = default_selection().during(window)
        answer = found(selection, which)
        assert answer >= reference(selection)
        # what is more than asked for shares a session's name with something else
        assert len(answer - reference(selection)) <= len(answer) // 20


PLANTED = {
    "a partition bound a day short": lambda sql: re.sub(
        r"\"timestamp\" >= '[^']*'", f"\"timestamp\" >= '{times()[-1] + timedelta(days=1):%Y/%m/%d}'", sql
    ),
    "a wrong time bound": lambda sql: re.sub(r"(REPLACE\(\"eventtime\", ' ', 'T'\)) >= '2020", r"\1 >= '2030", sql),
    "AssumeRole is not widened": lambda sql: sql.replace("STARTS_WITH(\"eventname\", 'AssumeRole')", "FALSE"),
    "a session is not looked for": lambda sql: sql.replace("/ECSTaskVolumesForEBS", "/ecstaskvolumesforebs").replace(
        ":ECSTaskVolumesForEBS", ":x"
    ),
    "a service is forgotten": lambda sql: sql.replace("'ecs.amazonaws.com'", "'none'"),
}


@pytest.mark.parametrize("which", PLANTED)
def test_a_planted_fault_is_seen_by_the_law(which):
    made = default_selection() if "service" in which else session("ECSTaskVolumesForEBS")
    selection = made.during(Window(EARLY))
    sql = compile_sql(selection, table())
    assert PLANTED[which](sql) != sql, "the fault was not planted"
    assert not found(selection, alter=PLANTED[which]) >= reference(selection)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_parses_what_it_is_given(dialect):
    selection = default_selection().during(Window(EARLY)) | session("it's", "a\\b").during(Window(EARLY))
    sql = compile_sql(selection, table("calendar"), dialect=dialect)
    (tree,) = sqlglot.parse(sql, read=dialect)
    literals = {one.this for one in tree.find_all(sqlglot.exp.Literal)}
    assert {"/it's", "/a\\b"} <= literals


def test_all_dialects_say_the_same():
    selection = default_selection().during(Window(EARLY))
    answers = []
    for dialect in ("duckdb", "trino", "athena", "spark"):
        sql = compile_sql(selection, table(), dialect=dialect)
        answers.append(run_sql(sql, {"db.trail": glue("projected").rows}, read=dialect).column("eventid").to_pylist())
    assert answers[0]
    assert all(answer == answers[0] for answer in answers)


HOSTILE = [
    "'; DROP TABLE trail; --",
    "\\' OR 1=1 --",
    "a\\",
    '"',
    "' || (SELECT 1) || '",
    "x%_",
    "\u2019",
    "a\nb",
    "/*",
]


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_an_attacker_writes_stays_a_literal(word, dialect):
    selection = Selection((Clause(*(frozenset({word}),) * 7, window=Window(EARLY)),))
    sql = compile_sql(selection, table("calendar"), dialect=dialect)
    trees = sqlglot.parse(sql, read=dialect)
    assert [tree.key for tree in trees] == ["select"]
    assert not list(trees[0].find_all(sqlglot.exp.Subquery, sqlglot.exp.SetOperation, sqlglot.exp.Command))
    assert len(list(trees[0].find_all(sqlglot.exp.Select))) == 1
    assert {one.name for one in trees[0].find_all(sqlglot.exp.Column)} <= {
        *GLUE_COLUMNS,
        *("region", "year", "month", "day"),
        *("arn", "principalid"),  # fields of the identity look like columns
    }
    literals = {one.this for one in trees[0].find_all(sqlglot.exp.Literal)}
    assert {word, f"/{word}", f":{word}"} <= literals
    assert run_sql(sql, {"db.trail": glue("calendar").rows}, read=dialect).num_rows == 0


def test_a_hostile_session_is_found_where_it_acted():
    hostile = "o'brien\"; DROP--"
    record = json.loads(json.dumps(records()[0]))
    record |= {"eventID": "hostile", "eventName": "RunTask", "eventTime": "2026-03-10T00:00:00Z"}
    record["userIdentity"] = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::111122223333:assumed-role/r/{hostile}",
        "principalId": f"AROA:{hostile}",
    }
    made = glue_table([*records(), record])
    sql = compile_sql(session(hostile).during(Window(EARLY)), table())
    assert "hostile" in run_sql(sql, {"db.trail": made.rows}).column("eventid").to_pylist()


def test_without_a_start_a_partitioned_table_is_refused():
    for selection in (everything(), everything().during(Window(None, datetime(2026, 3, 10, tzinfo=UTC)))):
        for which in ("projected", "calendar", "dated"):
            with pytest.raises(UsageError, match="--since"):
                compile_sql(selection, table(which))
        assert found(selection, "none") >= reference(selection)


def test_bounds_stand_on_every_partition_column():
    window = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, tzinfo=UTC))
    asked = default_selection().during(window)
    sql = compile_sql(asked.where(regions=["eu-west-1"]), table("calendar"))
    assert "\"year\" IN ('2026')" in sql
    assert "\"month\" IN ('02', '2') AND \"day\" IN ('28')" in sql
    assert "\"month\" IN ('03', '3') AND \"day\" IN ('01', '1', '02', '2')" in sql
    assert "\"region\" IN ('eu-west-1')" in sql
    assert "\"timestamp\" >= '2026/02/28' AND \"timestamp\" < '2026/03/03'" in compile_sql(asked, table())


@pytest.mark.parametrize(
    ("kind", "arrow", "bound"),
    [
        ("date", pa.date32(), "CAST('2026-04-20' AS DATE)"),
        ("timestamp", pa.timestamp("us"), "CAST('2026-04-20' AS TIMESTAMP)"),
        ("int", pa.int64(), "20260420"),
    ],
)
def test_partitions_of_other_types_are_bounded_in_their_own(kind, arrow, bound):
    rows = glue("none").rows
    days = [delivered({"eventTime": text}).date() for text in rows.column("eventtime").to_pylist()]
    values = [int(f"{day:%Y%m%d}") for day in days] if kind == "int" else days
    rows = rows.append_column("dt", pa.array(values, type=pa.int64() if kind == "int" else pa.date32()).cast(arrow))
    described = table_of(metadata(GLUE_COLUMNS, {"dt": kind}, {}), ("db", "trail"))
    selection = everything().during(Window(datetime(2026, 4, 21, 5, tzinfo=UTC), datetime(2026, 5, 9, tzinfo=UTC)))
    sql = compile_sql(selection, described)
    assert bound in sql
    assert set(run_sql(sql, {"db.trail": rows}).column("eventid").to_pylist()) >= reference(selection)
    planted = sql.replace(bound, bound.replace("04-20", "05-03").replace("0420", "0503"))
    assert not set(run_sql(planted, {"db.trail": rows}).column("eventid").to_pylist()) >= reference(selection)


def test_an_injected_column_must_be_given():
    keys = {"account": "string", "timestamp": "string"}
    parameters = {
        "projection.enabled": "true",
        "projection.account.type": "injected",
        "projection.timestamp.type": "date",
        "projection.timestamp.format": "yyyy/MM/dd",
    }
    described = table_of(metadata(GLUE_COLUMNS, keys, parameters), ("db", "t"))
    asked = session("x").during(Window(EARLY))
    with pytest.raises(UsageError, match="account must be given"):
        compile_sql(asked, described)
    assert "\"account\" IN ('111122223333')" in compile_sql(asked.where(accounts=["111122223333"]), described)


def test_a_long_query_asks_for_more_not_for_less():
    names = frozenset(f"Name{number:05d}" for number in range(2000)) | {"RunTask"}
    selection = Selection((Clause(event_names=names, window=Window(EARLY)),))
    whole = compile_sql(selection, table())
    short = compile_sql(selection, table(), limit=10_000)
    assert len(short) < 10_000 < len(whole)
    answer = set(run_sql(short, {"db.trail": glue("projected").rows}).column("eventid").to_pylist())
    assert answer >= reference(selection)
    with pytest.raises(UsageError, match="bytes"):
        compile_sql(selection, table(), limit=50)


def test_a_table_without_columns_asks_more_widely():
    for gone in GLUE_COLUMNS:
        if gone in {"eventid", "eventname", "eventtime", "eventsource"}:
            continue
        columns = {name: kind for name, kind in GLUE_COLUMNS.items() if name != gone}
        described = table_of(metadata(columns, {}, {}), ("db", "trail"))
        sql = compile_sql(default_selection(), described)
        rows = glue("none").rows.drop_columns([gone])
        assert set(run_sql(sql, {"db.trail": rows}).column("eventid").to_pylist()) >= reference(default_selection())


def test_an_identity_kept_as_text_is_searched():
    rows = glue("none").rows
    texts = [json.dumps(value) for value in rows.column("useridentity").to_pylist()]
    rows = rows.set_column(rows.column_names.index("useridentity"), "useridentity", pa.array(texts))
    described = table_of(metadata(GLUE_COLUMNS | {"useridentity": "string"}, {}, {}), ("db", "trail"))
    for selection in (default_selection(), session("ECSTaskVolumesForEBS")):
        sql = compile_sql(selection, described)
        assert set(run_sql(sql, {"db.trail": rows}).column("eventid").to_pylist()) >= reference(selection)


def test_maps_and_timestamps_of_an_event_data_store():
    columns = (
        *(Column(name, "string") for name in ("eventid", "eventname", "eventsource", "errorcode")),
        Column("eventtime", "timestamp"),
        Column("useridentity", IDENTITY),
        Column("requestparameters", "map<string,string>"),
    )
    span = times()
    for selection in (
        default_selection(),
        session("ECSTaskVolumesForEBS").during(Window(span[3], span[-3])),
        everything().during(Window(span[10] + timedelta(microseconds=5), span[-5] + timedelta(microseconds=5))),
    ):
        sql = compile_sql(selection, Table(("db", "store"), columns))
        rows = run_sql(sql, {"db.store": lake_table(list(records()))})
        assert set(rows.column("eventid").to_pylist()) >= reference(selection)


def test_times_in_other_spellings_are_not_lost():
    rows = glue("none").rows
    start = times()[4]
    for spell in (
        lambda text: text.replace("T", " ").replace("Z", ".000"),
        lambda text: text.replace("Z", ".250Z"),
        lambda text: str(int(datetime.fromisoformat(text).timestamp())),
    ):
        spelt = pa.array([spell(text) for text in rows.column("eventtime").to_pylist()])
        other = rows.set_column(rows.column_names.index("eventtime"), "eventtime", spelt)
        selection = everything().during(Window(start, times()[-4]))
        answer = run_sql(compile_sql(selection, table("none")), {"db.trail": other})
        assert set(answer.column("eventid").to_pylist()) >= reference(selection)


def test_struct_types_are_read():
    fields = struct_fields("struct<a:string,b:struct<c:int,d:array<string>>,`e`:map<string,string>>")
    assert fields == {"a": "string", "b": "struct<c:int,d:array<string>>", "e": "map<string,string>"}
    assert struct_fields("string") == {}


def test_a_table_of_something_else_is_refused():
    with pytest.raises(UsageError, match="none of CloudTrail's"):
        table_of({"Columns": [{"Name": "time", "Type": "bigint"}]}, ("db", "vpc_flow"))


def test_without_sqlglot_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[athena\]"):
        compile_sql(session("x"), documented_table(("db", "t")))
