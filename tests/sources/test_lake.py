"""CloudTrail Lake gives the answer of files, byte for byte: it keeps whole events."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest
import sqlglot
from stories import facts, from_files, story
from warehouse import STORE, Warehouse, lake_table

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.lake import STATEMENT_LIMIT, LakeSource
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window

Start = Callable[[Warehouse], Warehouse]
ARN = f"arn:aws:cloudtrail:eu-west-1:111122223333:eventdatastore/{STORE}"


@lru_cache(maxsize=1)
def stocked() -> tuple[Any, ...]:
    made = story("managed_detached")
    return made.records, lake_table(list(made.records))


def lake(**how: Any) -> Warehouse:
    return Warehouse(store=stocked()[1], **{"ending": ("FINISHED", ""), **how})


def source(store: str = STORE, **how: Any) -> LakeSource:
    return LakeSource(store, pause=lambda _: None, **how)


def selections() -> dict[str, Selection]:
    times = sorted(datetime.fromisoformat(record["eventTime"]) for record in stocked()[0])
    return {
        "default": default_selection(),
        "everything": everything(),
        "session": session("ECSTaskVolumesForEBS"),
        "a while": default_selection().during(Window(times[len(times) // 4], times[len(times) // 2])),
        "a place": default_selection().where(accounts=["111122223333"], regions=["us-east-1"]),
        "a role": Selection((Clause(target_roles=frozenset({"arn:aws:iam::1:role/x"})), Clause(failed=True))),
    }


@pytest.mark.parametrize("which", selections())
def test_the_answer_is_that_of_files(which, start: Start, tmp_path):
    start(lake(page=90))
    selection = selections()[which]
    evidence = scan([source()], selection)
    assert facts(evidence) == from_files(stocked()[0], selection, tmp_path / "files")
    assert evidence.receipt.problems == []


def test_a_dropped_page_is_seen_and_said(start: Start, tmp_path):
    start(lake(page=90, dropped={2}))
    evidence = scan([source()], default_selection())
    assert facts(evidence) != from_files(stocked()[0], default_selection(), tmp_path / "files")
    assert [one.kind for one in evidence.receipt.problems] == ["truncated_file"]
    assert evidence.receipt.is_partial


@pytest.mark.parametrize(
    "alter",
    [
        lambda sql: sql.replace("CAST('2026", "CAST('2036", 1),
        lambda sql: sql.replace("'RunTask'", "'none'"),
        lambda sql: sql.replace("STARTS_WITH(\"eventname\", 'AssumeRole')", "FALSE").replace("'AssumeRole'", "'none'"),
    ],
    ids=["a wrong time bound", "a filter that finds too little", "AssumeRole is left out"],
)
def test_a_planted_fault_is_seen_by_the_law(alter, start: Start, tmp_path):
    start(lake(alter=alter))
    selection = default_selection().during(Window(datetime(2026, 1, 1, tzinfo=UTC)))
    assert facts(scan([source()], selection)) != from_files(stocked()[0], selection, tmp_path / "files")


def test_the_statement_is_short_enough_and_names_the_store_as_documented():
    statement = source().plan(default_selection().during(Window(datetime(2026, 1, 1, tzinfo=UTC)))).reads[0]
    statement = statement.removeprefix("StartQuery: ")
    assert len(statement) < STATEMENT_LIMIT
    assert f" FROM {STORE} WHERE " in statement
    sqlglot.parse_one(statement.replace(f" {STORE} ", " store "), read="trino")
    assert statement.startswith('SELECT "eventjson" FROM')


def test_a_selection_too_long_for_the_service_asks_for_more(start: Start, tmp_path):
    names = frozenset(f"Name{number:05d}" for number in range(2000)) | {"RunTask"}
    selection = Selection((Clause(event_names=names),))
    server = start(lake())
    assert facts(scan([source()], selection)) == from_files(stocked()[0], selection, tmp_path / "files")
    assert "Name00001" not in server.first.sql


def test_the_bill_is_in_the_receipt(start: Start):
    server = start(lake(scanned=2**30, runs=1))
    (charge,) = scan([source()], default_selection()).receipt.bill
    assert (charge.service, charge.bytes_scanned) == ("cloudtrail-lake", 2 * 2**30)
    assert charge.estimated_usd == pytest.approx(0.01)
    assert charge.statement == server.first.sql


def test_too_much_is_cancelled_and_said(start: Start):
    server = start(lake(scanned=600_000_000, runs=10))
    with pytest.raises(UsageError, match="--max-scan"):
        scan([source(max_scan=1_000_000_000)], default_selection())
    assert server.first.state == "CANCELLED"


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_the_reason_of_a_failure_is_named(state, start: Start):
    start(lake(ending=(state, "Query exhausted resources")))
    with pytest.raises(AccessError, match=f"{state}: Query exhausted"):
        scan([source()], default_selection())


def test_a_query_that_nobody_waits_for_is_cancelled(start: Start):
    class LeftError(Exception):
        pass

    def leave(_: float) -> None:
        raise LeftError

    server = start(lake(runs=100))
    leaving = LakeSource(STORE, pause=leave)
    with suppress(LeftError):
        list(leaving.fetch(leaving.plan(default_selection())))
    assert server.first.state == "CANCELLED"


def test_a_busy_store_is_asked_again(start: Start, tmp_path):
    start(lake(refusals={1: "MaxConcurrentQueriesException", 4: "ThrottlingException"}))
    assert facts(scan([source()], default_selection())) == from_files(
        stocked()[0], default_selection(), tmp_path / "files"
    )


def test_an_arn_tells_owner_and_region(start: Start):
    server = start(lake())
    made = open_source(f"lake://{ARN}")
    assert isinstance(made, LakeSource)
    assert (made.region, made.owner, made.store) == ("eu-west-1", "111122223333", STORE)
    scan([source(ARN)], session("x"))
    assert all(asked["EventDataStoreOwnerAccountId"] == "111122223333" for _, asked in server.asked)


def test_no_such_store(start: Start):
    start(lake())
    with pytest.raises(UsageError, match="no event data store"):
        scan([source("0df2f852-aaaa")], default_selection())


@pytest.mark.parametrize("text", ["", "a b", "x; DROP", "a'b", "a/b", '"x"'])
def test_what_is_no_store_is_refused(text):
    with pytest.raises(UsageError, match="no event data store"):
        open_source(f"lake://{text}")


def test_an_investigation_from_the_command_line(start: Start, capsys):
    start(lake(runs=0))
    assert run(["investigate", f"lake://{STORE}", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["evidence"]["bill"][0]["service"] == "cloudtrail-lake"
    assert document["outages"]
