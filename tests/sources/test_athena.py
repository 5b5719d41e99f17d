"""Athena gives the answer of files; failures are named, the bill is kept, no query runs on unwanted."""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pyarrow.compute as pc
import pytest
from stories import facts, from_files, story
from warehouse import CALENDAR, GLUE_COLUMNS, PARTITIONINGS, GlueTable, Warehouse, glue_table, metadata

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, EcsTrailError, UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.athena import AthenaSettings, AthenaSource, parse_athena
from ecs_trail.evidence.sources.base import Evidence, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.queries import athena_usd, format_size, parse_size
from ecs_trail.evidence.sources.sql import documented_table, table_of
from ecs_trail.practice import write
from ecs_trail.selection import Selection, default_selection, everything, session
from ecs_trail.times import Window

Start = Callable[[Warehouse], Warehouse]
KIND = "managed_detached"
EARLY = Window(datetime(2020, 1, 1, tzinfo=UTC))
#: What a table of the User Guide does not carry, and what cannot be the same: the text of the record.
NOT_CARRIED = {"raw", "management_event"}


@lru_cache(maxsize=4)
def stocked(partitioning: str = "projected") -> tuple[Any, ...]:
    made = story(KIND)
    return made.records, glue_table(list(made.records), PARTITIONINGS[partitioning])


def warehouse(partitioning: str = "projected", **how: Any) -> Warehouse:
    return Warehouse({"security.trail": stocked(partitioning)[1]}, **how)


def source(**how: Any) -> AthenaSource:
    settings = how.pop("settings", None)
    return AthenaSource("primary", "security", "trail", settings=settings, pause=lambda _: None, **how)


def carried(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events without what a table cannot carry; resources by their meaning."""
    kept = [{name: value for name, value in row.items() if name not in NOT_CARRIED} for row in rows]
    for row in kept:
        if row["resources"]:
            named = json.loads(row["resources"])
            row["resources"] = [(one.get("ARN"), one.get("accountId"), one.get("type")) for one in named]
    return kept


def agree(evidence: Evidence, selection: Selection, folder: Any) -> bool:
    return carried(facts(evidence)) == carried(from_files(stocked()[0], selection, folder))


def selections() -> dict[str, Selection]:
    times = sorted(datetime.fromisoformat(record["eventTime"]) for record in stocked()[0])
    return {
        "default": default_selection().during(EARLY),
        "everything": everything().during(EARLY),
        "session": session("ECSTaskVolumesForEBS").during(EARLY),
        "a while": default_selection().during(Window(times[len(times) // 4], times[len(times) // 2])),
        "a place": default_selection().during(EARLY).where(accounts=["111122223333"], regions=["us-east-1"]),
    }


@pytest.mark.parametrize("which", selections())
@pytest.mark.parametrize("partitioning", ["projected", "calendar"])
def test_the_answer_is_that_of_files(which, partitioning, start: Start, tmp_path):
    server = start(warehouse(partitioning, page=90))
    selection = selections()[which]
    evidence = scan([source()], selection)
    assert agree(evidence, selection, tmp_path / "files")
    assert evidence.receipt.problems == []
    assert not evidence.events.num_rows or server.first.rows.num_rows >= evidence.events.num_rows


def test_unloaded_parquet_gives_the_same(start: Start, s3, tmp_path):
    s3.create_bucket(Bucket="results")
    start(warehouse(page=90, s3=s3))
    selection = default_selection().during(EARLY)
    settings = AthenaSettings(unload="s3://results/of/queries")
    first = scan([source(settings=settings)], selection)
    second = scan([source(settings=settings)], selection)
    assert agree(first, selection, tmp_path / "files")
    assert first.events.equals(second.events)
    assert first.receipt.files_read > 1
    folders = {key["Key"].split("/")[2] for key in s3.list_objects_v2(Bucket="results")["Contents"]}
    assert len(folders) == 2


FAULTS = {
    "a dropped page": {"dropped": {2}},
    "a wrong time bound": {"alter": lambda sql: sql.replace("2020-01-01T00", "2030-01-01T00")},
    "a wrong partition bound": {"alter": lambda sql: sql.replace("'2019/12/31'", "'2039/12/31'")},
    "a filter that finds too little": {"alter": lambda sql: sql.replace("'RunTask'", "'none'")},
}


@pytest.mark.parametrize("which", FAULTS)
@pytest.mark.parametrize("is_unloaded", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_planted_fault_is_seen_by_the_law(which, is_unloaded, start: Start, s3, tmp_path):
    s3.create_bucket(Bucket="results")
    start(warehouse(page=90, s3=s3, **FAULTS[which]))
    settings = AthenaSettings(unload="s3://results/x" if is_unloaded else "")
    selection = default_selection().during(EARLY)
    assert not agree(scan([source(settings=settings)], selection), selection, tmp_path / "files")


def test_workers_give_the_same(start: Start):
    start(warehouse(page=90))
    one, two = (scan([source()], default_selection().during(EARLY), workers=count) for count in (1, 2))
    assert one.events.equals(two.events)


def test_the_bill_is_in_the_receipt(start: Start):
    server = start(warehouse(scanned=3_000_000_000, runs=3))
    receipt = scan([source()], default_selection().during(EARLY)).receipt
    (charge,) = receipt.bill
    assert (charge.source, charge.service, charge.query_id) == (
        "athena://primary/security.trail",
        "athena",
        next(iter(server.queries)),
    )
    assert charge.bytes_scanned == 4 * 3_000_000_000
    assert charge.estimated_usd == pytest.approx(12e9 / 2**40 * 5, rel=1e-4)
    assert charge.statement == server.first.sql
    assert [one.kind for one in scan([source()], default_selection().during(EARLY)).receipt.problems] == []
    assert athena_usd(1) == pytest.approx(10 * 2**20 / 2**40 * 5, rel=1e-2)
    assert athena_usd(0) == 0


def test_too_much_is_stopped_and_said(start: Start):
    server = start(warehouse(scanned=600_000_000, runs=10))
    with pytest.raises(UsageError, match=r"had read 1\.2 GB, and --max-scan allows 1\.0 GB"):
        scan([source(settings=AthenaSettings(max_scan=1_000_000_000))], default_selection().during(EARLY))
    assert server.first.state == "CANCELLED"
    assert [name for name, _ in server.asked].count("athena:GetQueryExecution") == 2


def test_a_query_that_ends_before_it_can_be_stopped_is_remarked(start: Start):
    start(warehouse(scanned=600_000_000, runs=0))
    receipt = scan([source(settings=AthenaSettings(max_scan=1000))], default_selection().during(EARLY)).receipt
    assert [one.kind for one in receipt.problems] == ["over_max_scan"]
    assert not receipt.is_partial


@pytest.mark.parametrize(
    ("ending", "error", "words"),
    [
        (("FAILED", "HIVE_BAD_DATA: Error parsing field value"), AccessError, "FAILED: HIVE_BAD_DATA"),
        (("CANCELLED", "Query cancelled by user"), AccessError, "CANCELLED: Query cancelled"),
        (("CANCELLED", "Bytes scanned limit was exceeded"), UsageError, "Bytes scanned limit"),
        (("FAILED", ""), AccessError, "no reason given"),
    ],
)
def test_the_reason_of_a_failure_is_named(ending, error, words, start: Start):
    start(warehouse(ending=ending))
    with pytest.raises(error, match=words):
        scan([source()], default_selection().during(EARLY))


def test_a_query_that_nobody_waits_for_is_stopped(start: Start):
    class LeftError(Exception):
        pass

    def leave(_: float) -> None:
        raise LeftError

    server = start(warehouse(runs=100))
    leaving = AthenaSource("primary", "security", "trail", pause=leave)
    with pytest.raises(LeftError):
        list(leaving.fetch(leaving.plan(default_selection().during(EARLY))))
    assert server.first.state == "CANCELLED"


def test_leaving_between_pages_is_quiet(start: Start):
    server = start(warehouse(page=90))
    with closing(source().fetch(source().plan(everything().during(EARLY)))) as pages:
        next(pages)
    assert [name for name, _ in server.asked].count("athena:GetQueryResults") == 1
    assert "athena:StopQueryExecution" not in server.called


def test_throttling_starts_no_second_query(start: Start, tmp_path):
    refusals = {1: "ThrottlingException", 3: "TooManyRequestsException", 4: "InternalServerException", 6: "Throttling"}
    server = start(warehouse(page=90, refusals=refusals))
    selection = default_selection().during(EARLY)
    assert agree(scan([source()], selection), selection, tmp_path / "files")
    started = [asked for name, asked in server.asked if name == "athena:StartQueryExecution"]
    assert len(started) == 3
    assert len({asked["ClientRequestToken"] for asked in started}) == len(server.queries) == 1


def test_renewed_credentials_are_used(start: Start, tmp_path):
    server = start(warehouse(refusals={2: "ExpiredTokenException"}))
    selection = default_selection().during(EARLY)
    assert agree(scan([source()], selection), selection, tmp_path / "files")
    server.refusals = dict.fromkeys(range(1, 100), "ExpiredTokenException")
    with pytest.raises(AccessError, match="credentials"):
        scan([source()], selection)


def test_a_flattened_table_is_read(start: Start, tmp_path):
    """Identities in columns of their own, as a CTAS statement makes them."""
    rows = stocked()[1].rows
    flat = {
        "useridentity_type": ("type",),
        "useridentity_arn": ("arn",),
        "useridentity_principalid": ("principalid",),
        "useridentity_accountid": ("accountid",),
        "useridentity_accesskeyid": ("accesskeyid",),
        "useridentity_username": ("username",),
        "useridentity_invokedby": ("invokedby",),
        "useridentity_sessioncontext_sessionissuer_arn": ("sessioncontext", "sessionissuer", "arn"),
        "useridentity_sessioncontext_sessionissuer_principalid": ("sessioncontext", "sessionissuer", "principalid"),
        "useridentity_sessioncontext_attributes_creationdate": ("sessioncontext", "attributes", "creationdate"),
    }
    kept = rows.drop_columns(["useridentity", "timestamp"])
    for name, path in flat.items():
        kept = kept.append_column(name, pc.struct_field(rows["useridentity"], list(path)))
    columns = {name: GLUE_COLUMNS.get(name, "string") for name in kept.column_names}
    server = start(Warehouse({"security.trail": GlueTable(kept, metadata(columns, {}, {}))}))
    for selection in (default_selection(), session("ECSTaskVolumesForEBS")):
        assert agree(scan([source()], selection), selection, tmp_path / "files")
    assert 'STRPOS("useridentity_arn"' in server.first.sql


def test_a_table_of_our_own_store_is_read(start: Start, tmp_path):
    """What `collect` writes, catalogued: every facet is asked exactly, and the records come as received."""
    from_files(stocked()[0], everything(), tmp_path / "files")
    events = scan([FilesSource(tmp_path / "files")], everything()).events
    kinds = {"bool": "boolean", "int64": "bigint", "string": "string"}
    columns = {field.name: kinds.get(str(field.type), "timestamp") for field in events.schema}
    server = start(Warehouse({"security.trail": GlueTable(events, metadata(columns, {}, {}))}))
    evidence = scan([source()], default_selection())
    assert facts(evidence) == from_files(stocked()[0], default_selection(), tmp_path / "files")
    assert evidence.receipt.records_not_selected == 0
    assert server.first.sql.startswith('SELECT "raw" AS "eventjson"')


def test_patience_ends(start: Start):
    server = start(warehouse(refusals=dict.fromkeys(range(1, 100), "ThrottlingException")))
    with pytest.raises(AccessError, match="for speed"):
        scan([source()], default_selection().during(EARLY))
    assert len(server.asked) < 20


def test_a_denial_names_the_action(start: Start):
    for action in ("athena:GetTableMetadata", "athena:StartQueryExecution", "athena:GetQueryResults"):
        start(warehouse(denied={action}))
        with pytest.raises(AccessError, match=action):
            scan([source()], default_selection().during(EARLY))


def test_a_table_that_is_not_there(start: Start):
    start(Warehouse())
    with pytest.raises(UsageError, match="not known"):
        scan([source()], default_selection().during(EARLY))


def test_a_partitioned_table_is_never_read_whole(start: Start):
    server = start(warehouse())
    with pytest.raises(UsageError, match="--since"):
        scan([source()], default_selection())
    assert server.called == {"athena:GetTableMetadata"}


def test_what_is_planned_for_a_documented_table_is_what_is_sent(start: Start):
    selection = default_selection().during(EARLY)
    server = start(warehouse())
    plan = str(source().plan(selection))
    scan([source()], selection)
    where = server.first.sql.partition(" WHERE ")[2]
    assert where in plan
    assert "partition bound" in plan
    described = table_of(stocked()[1].metadata, ("security", "trail"))
    assert described.partitions == documented_table(("security", "trail")).partitions


def test_options_of_the_source(start: Start):
    made = parse_athena(
        "wg/a.b.c?region=eu-west-1,us-east-1&account=111122223333&catalog=other&output=s3://results/x", 5
    )
    assert (made.workgroup, made.database, made.table) == ("wg", "a.b", "c")
    assert made.settings == AthenaSettings(
        "other", ("eu-west-1", "us-east-1"), ("111122223333",), "s3://results/x", "", 5
    )
    server = start(Warehouse({"security.trail": glue_table(list(stocked()[0]), CALENDAR)}))
    settings = AthenaSettings(regions=("eu-west-1",), output="s3://results/x")
    evidence = scan([source(settings=settings)], default_selection().during(EARLY))
    assert "\"region\" IN ('eu-west-1')" in server.first.sql
    assert server.first.parameters["ResultConfiguration"] == {"OutputLocation": "s3://results/x"}
    assert set(evidence.events.column("aws_region").to_pylist()) <= {"eu-west-1"}


@pytest.mark.parametrize(
    "text", ["", "wg", "wg/table", "w g/d.t", "wg/d.t?x=1", "wg/d.t?unload=here", "wg/d.t?region=", "wg/.t", "wg/d."]
)
def test_what_is_no_table_is_refused(text):
    with pytest.raises(UsageError):
        open_source(f"athena://{text}")


def test_sizes():
    assert [parse_size(one) for one in ("1", "500MB", "1.5 GB", "2GiB", "1t")] == [
        *(1, 500_000_000, 1_500_000_000, 2 * 2**30, 10**12)
    ]
    for text in ("", "x", "-5GB", "0", "5 XB", "GB"):
        with pytest.raises(UsageError):
            parse_size(text)
    assert [format_size(one) for one in (5, 1500, 2_500_000, 10**13)] == ["5 bytes", "1.5 KB", "2.5 MB", "10.0 TB"]


def test_the_columns_of_a_partition_fill_in(start: Start, tmp_path):
    """A table that keeps the Region in its path alone."""
    records, _ = stocked()
    made = glue_table(list(records), CALENDAR)
    rows = made.rows.drop_columns(["awsregion"])
    described = made.metadata | {"Columns": [one for one in made.metadata["Columns"] if one["Name"] != "awsregion"]}
    start(Warehouse({"security.trail": type(made)(rows, described)}))
    selection = default_selection().during(EARLY)
    assert agree(scan([source()], selection), selection, tmp_path / "files")


def test_an_investigation_from_the_command_line(start: Start, capsys, tmp_path):
    start(warehouse(runs=0))
    write(story(KIND), tmp_path / "trail")
    answers = []
    for place in (str(tmp_path / "trail"), "athena://primary/security.trail"):
        words = ["investigate", place, "--since", "2020-01-01", "--as-of", "2026-06-01T00:00:00Z", "--format", "json"]
        assert run([*words, "--max-scan", "10GB"]) == 0
        shown = capsys.readouterr()
        answers.append(json.loads(shown.out))
    assert "athena://primary/security.trail scanned 7,000,000 bytes, about $0.0000" in shown.err
    files, athena = answers
    assert athena["evidence"]["bill"][0]["service"] == "athena"
    assert files["evidence"]["bill"] == []
    # saved task states lie in the folder only
    assert athena["changes"] == files["changes"]
    assert athena["outages"] == files["outages"]
    assert athena["volumes"] == files["volumes"]
    assert run(["investigate", "athena://primary/security.trail", "--since", "2020-01-01", "--max-scan", "lots"]) == 2
    assert "is no size" in capsys.readouterr().err


def test_without_boto3_nothing_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[aws\]"):
        scan([source()], default_selection().during(EARLY))
