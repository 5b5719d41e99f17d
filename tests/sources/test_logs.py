"""A log group gives the answer of files: patterns find too much, never too little, and every token is followed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from log_patterns import PatternError, matches
from stories import facts, from_files, story
from test_sql import records as many_records
from test_sql import reference
from test_sql import selections as any_selections
from warehouse import Warehouse

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.logs import LogsSource
from ecs_trail.evidence.sources.patterns import LIMIT, MOST_PATTERNS, patterns
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window

Start = Callable[[Warehouse], Warehouse]
GROUP = "CloudTrail/Management"


@lru_cache(maxsize=1)
def stocked() -> tuple[Any, ...]:
    """Records, and the log events they arrived as: minutes later, between lines of others."""
    made = story("managed_detached")
    logs = []
    for record in made.records:
        stamp = datetime.fromisoformat(record["eventTime"]) + timedelta(minutes=4)
        logs.append((stamp, json.dumps(record, separators=(",", ":"), ensure_ascii=False)))
        logs.append((stamp, "a line of somebody else"))
    return made.records, sorted(logs)


def log_group(**how: Any) -> Warehouse:
    return Warehouse(logs=stocked()[1], **how)


def source(group: str = GROUP) -> LogsSource:
    return LogsSource("eu-west-1", group, pause=lambda _: None)


def selections() -> dict[str, Selection]:
    times = sorted(datetime.fromisoformat(record["eventTime"]) for record in stocked()[0])
    return {
        "default": default_selection(),
        "everything": everything(),
        "session": session("ECSTaskVolumesForEBS"),
        "a while": default_selection().during(Window(times[len(times) // 4], times[len(times) // 2])),
        "a place": default_selection().where(accounts=["111122223333"], regions=["us-east-1"]),
    }


@pytest.mark.parametrize("which", selections())
def test_the_answer_is_that_of_files(which, start: Start, tmp_path):
    server = start(log_group(page=150))
    selection = selections()[which]
    evidence = scan([source()], selection)
    assert facts(evidence) == from_files(stocked()[0], selection, tmp_path / "files")
    assert evidence.receipt.problems == []
    assert any("nextToken" in asked for _, asked in server.asked)


@pytest.mark.parametrize(
    "fault",
    [
        {"dropped": {2}},
        {"alter": lambda pattern: pattern.replace('"RunTask"', '"none"')},
        {"alter": lambda pattern: pattern.replace("*/ECSTaskVolumesForEBS", "ECSTaskVolumesForEBS").replace("*:", ":")},
    ],
    ids=["a dropped page", "a filter that finds too little", "a session is not looked for"],
)
def test_a_planted_fault_is_seen_by_the_law(fault, start: Start, tmp_path):
    start(log_group(page=150, **fault))
    selection = session("ECSTaskVolumesForEBS") | Selection((Clause(event_names=frozenset({"RunTask"})),))
    assert facts(scan([source()], selection)) != from_files(stocked()[0], selection, tmp_path / "files")


def test_a_wrong_time_bound_is_seen_by_the_law(start: Start, tmp_path):
    times = sorted(datetime.fromisoformat(record["eventTime"]) for record in stocked()[0])
    selection = everything().during(Window(times[3], times[-3]))
    server = start(log_group())
    late = [(stamp + timedelta(days=2), text) for stamp, text in stocked()[1]]
    expected = from_files(stocked()[0], selection, tmp_path / "files")
    assert facts(scan([source()], selection)) == expected
    server.logs = late
    assert facts(scan([source()], selection)) != expected


@given(any_selections())
@settings(max_examples=30, deadline=None)
def test_patterns_find_all_that_is_selected(selection):
    asked = patterns(selection)
    assert len(asked) <= MOST_PATTERNS
    assert all(len(one) <= LIMIT for one in asked)
    texts = {record["eventID"]: json.dumps(record) for record in many_records()}
    found = {event_id for event_id, text in texts.items() if any(matches(one, text) for one in asked)}
    assert found >= reference(selection)


def test_the_default_selection_is_asked_narrowly():
    asked = patterns(default_selection())
    texts = [json.dumps(record) for record in many_records()]
    found = [text for text in texts if any(matches(one, text) for one in asked)]
    assert len(found) == len(reference(default_selection()))
    assert 1 < len(asked) <= MOST_PATTERNS


def test_a_long_selection_is_asked_in_pieces_or_more_widely():
    names = [f"Name{number:05d}" for number in range(150)]
    pieces = patterns(Selection((Clause(event_names=frozenset(names)),)))
    assert 1 < len(pieces) <= MOST_PATTERNS
    assert all(any(f'"{name}"' in one for one in pieces) for name in names)
    many = frozenset(f"Name{number:05d}" for number in range(5000))
    ecs = frozenset({"ecs.amazonaws.com"})
    assert patterns(Selection((Clause(event_names=many, event_sources=ecs),))) == (
        '{ ($.eventSource = "ecs.amazonaws.com") }',
    )
    assert patterns(Selection((Clause(event_names=many),))) == ("",)


def test_words_that_mean_something_in_a_pattern_are_not_written():
    for word in ('a"b', "a*b", "a\\b", "a b", "\u00e4", '" || $.eventName = "*'):
        assert patterns(session(word)) == ("",)
        assert patterns(session(word) & Selection((Clause(event_names=frozenset({"RunTask"})),))) == (
            '{ ($.eventName = "RunTask") }',
        )
    assert patterns(Selection((Clause(event_names=frozenset()),))) == ()


def test_the_evaluator_refuses_what_it_does_not_know():
    event = '{"a": {"b": "xyz"}, "n": null}'
    assert matches('{ ($.a.b = "x*") && (($.c = "1") || ($.d NOT EXISTS)) }', event)
    assert not matches('{ $.a.b = "y*" }', event)
    assert not matches('{ $.a.b = "x*" }', "no JSON")
    for wrong in ("{ $.a ", "{ $.a = x }", '{ ($.a = "x" }', '{ $.a = "x" $.b = "y" }', "{ }", '{ && $.a = "x" }'):
        with pytest.raises(PatternError):
            matches(wrong, event)


def test_the_span_is_wider_than_the_window(start: Start):
    server = start(log_group())
    window = Window(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
    scan([source()], session("x").during(window))
    (_, asked) = server.asked[0]
    assert asked["startTime"] == (window.start - timedelta(hours=1)).timestamp() * 1000
    assert asked["endTime"] == (window.end + timedelta(days=1)).timestamp() * 1000
    assert asked["logGroupName"] == GROUP


def test_throttling_is_waited_for(start: Start, tmp_path):
    start(log_group(page=300, refusals={1: "ThrottlingException", 3: "ServiceUnavailableException", 4: "Throttling"}))
    assert facts(scan([source()], default_selection())) == from_files(
        stocked()[0], default_selection(), tmp_path / "files"
    )


def test_a_denial_names_the_action(start: Start):
    start(log_group(denied={"logs:FilterLogEvents"}))
    with pytest.raises(AccessError, match="logs:FilterLogEvents"):
        scan([source()], default_selection())


def test_no_such_log_group(start: Start):
    start(log_group())
    with pytest.raises(UsageError, match="no log group"):
        scan([source("aws/else")], default_selection())


def test_names_of_log_groups(start: Start):
    made = [open_source(f"logs://{text}") for text in ("eu-west-1//aws/trail", "us-east-1/CloudTrail/Management")]
    assert [(one.region, one.group) for one in made if isinstance(one, LogsSource)] == [
        *(("eu-west-1", "/aws/trail"), ("us-east-1", GROUP))
    ]
    arn = f"arn:aws:logs:eu-central-1:444455556666:log-group:{GROUP}"
    named = open_source(f"logs://{arn}:*")
    assert isinstance(named, LogsSource)
    assert named.region == "eu-central-1"
    server = start(log_group())
    scan([named], session("x"))
    assert server.asked[0][1]["logGroupIdentifier"] == arn
    for text in ("", "eu-west-1", "eu-west-1/", "nowhere/x", "eu-west-1/a b", "eu-west-1/a'b"):
        with pytest.raises(UsageError):
            open_source(f"logs://{text}")


def test_an_investigation_from_the_command_line(start: Start, capsys):
    start(log_group())
    assert run(["investigate", f"logs://eu-west-1/{GROUP}", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outages"]
    assert document["evidence"]["bill"] == []
