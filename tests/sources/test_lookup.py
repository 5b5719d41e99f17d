"""Event history: the same answer as from files, the fewest calls, never too fast, and through every refusal."""

import itertools
import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from history import History, ids, item, moment
from stories import KINDS, TODAY, facts, from_files, history_of, home_records, quick, regions_of, story

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.asking import Question, questions
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.checkpoints import Checkpoint
from ecs_trail.evidence.sources.lookup import LookupPlan, LookupSource
from ecs_trail.evidence.sources.pacing import Pacer, shared_pacer
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window
from ecs_trail.vocabulary import SESSION_NAMES

ONE_SESSION = session("ECSTaskVolumesForEBS")


def window_of(records) -> Window:
    times = sorted(map(moment, records))
    return Window(times[len(times) // 4], times[3 * len(times) // 4] + timedelta(seconds=1))


SELECTIONS = {
    "default": lambda records: default_selection(),
    "session": lambda records: ONE_SESSION,
    "everything": lambda records: everything(),
    "during": lambda records: default_selection().during(window_of(records)),
    "region": lambda records: default_selection().where(regions=[regions_of(records)[0]]),
    "names": lambda records: Selection((Clause(event_names=frozenset({"DeleteVolume", "DetachRolePolicy"})),)),
    "failed": lambda records: Selection((Clause(failed=True),)),
    "nothing": lambda records: Selection(()),
}


@pytest.mark.parametrize(
    ("which", "kind"), [*((which, KINDS[0]) for which in SELECTIONS), *(("default", kind) for kind in KINDS[1:])]
)
def test_the_answer_is_that_of_files(kind, which, cloudtrail, tmp_path):
    records = home_records(story(kind))
    selection = SELECTIONS[which](records)
    server = cloudtrail(history_of(records))
    evidence = scan([quick(regions_of(records))], selection)
    assert ("StartTime" in json.dumps(server.asked)) is (which == "during")
    assert facts(evidence) == from_files(records, selection, tmp_path / "files")
    assert not evidence.receipt.is_partial


def seen_from(records):
    """The busiest Region but us-east-1, and what event history shows when it is named: its events, and IAM's."""
    region = Counter(one["awsRegion"] for one in records if one["awsRegion"] != "us-east-1").most_common(1)[0][0]
    iam = [one for one in records if (one["awsRegion"], one["eventSource"]) == ("us-east-1", "iam.amazonaws.com")]
    return region, [*(one for one in records if one["awsRegion"] == region), *iam]


def test_one_region_brings_iam_with_it(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    region, seen = seen_from(records)
    assert {record["eventSource"] for record in seen} >= {"iam.amazonaws.com", "ec2.amazonaws.com"}
    cloudtrail(history_of(records))
    selection = default_selection()
    assert facts(scan([quick((region,))], selection)) == from_files(seen, selection, tmp_path / "files")


def test_pages_are_followed_to_the_end(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, page=3))
    found = facts(scan([quick(regions_of(records))], everything()))
    assert found == from_files(records, everything(), tmp_path / "files")
    assert len(server.asked) >= len(records) / 3


@pytest.mark.parametrize("fault", ["drop", "cut"])
def test_a_lost_page_is_seen_by_the_law(fault, cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records, page=10, faults={2: fault}))
    found = facts(scan([quick((regions_of(records)[0],))], everything()))
    only = [record for record in records if record["awsRegion"] == regions_of(records)[0]]
    assert found != from_files(only, everything(), tmp_path / "files")


def test_a_missing_call_is_seen_by_the_law(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records))
    selection = ONE_SESSION | SELECTIONS["names"](records)
    region, there = seen_from(records)
    source = quick((region,))
    plan = source.plan(selection)
    wanted = from_files(there, selection, tmp_path / "files")
    missed = []
    for question in plan.questions:
        thinner = _Planned(source, tuple(one for one in plan.questions if one != question))
        if facts(scan([thinner], selection)) != wanted:
            missed.append(question)
    assert {(one.attribute, one.value) for one in missed} >= {
        ("EventName", "DetachRolePolicy"),
        ("Username", "ECSTaskVolumesForEBS"),
    }


def test_a_wrong_time_bound_is_seen_by_the_law(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records))
    source = quick(regions_of(records))
    selection = default_selection().during(window_of(records))
    wanted = from_files(records, selection, tmp_path / "files")
    plan = source.plan(selection)
    late = tuple(
        Question(one.region, one.attribute, one.value, Window(one.window.start + timedelta(minutes=20), one.window.end))
        for one in plan.questions
    )
    assert facts(scan([_Planned(source, plan.questions)], selection)) == wanted
    assert facts(scan([_Planned(source, late)], selection)) != wanted


class _Planned:
    """A source with a plan of the test's own."""

    def __init__(self, source: LookupSource, asked: tuple[Question, ...]) -> None:
        self.source = source
        self.asked = asked
        self.name = source.name

    def plan(self, selection):
        made = self.source.plan(selection)
        return LookupPlan(made.source, selection, made.reads, questions=self.asked)

    def fetch(self, plan):
        return quick(self.source.regions).fetch(plan)


def brute_force(selection: Selection, region: str) -> int:
    """The fewest narrow calls for the clauses, by trying every combination."""
    options = []
    for clause in selection.clauses:
        ways = []
        if clause.session_names is not None:
            requests = {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}
            sts = clause.event_sources is None or "sts.amazonaws.com" in clause.event_sources
            named = requests & clause.event_names if clause.event_names is not None else requests
            ways.append({f"u{name}" for name in clause.session_names} | ({f"n{n}" for n in named} if sts else set()))
        if clause.event_names is not None:
            ways.append({f"n{name}" for name in clause.event_names})
        options.append(ways)
    return min(len(set().union(*chosen)) for chosen in itertools.product(*options))


def test_the_calls_are_the_fewest():
    assert len(questions(ONE_SESSION, ("us-east-1",), frozenset())) == brute_force(ONE_SESSION, "us-east-1") == 4
    everyday = default_selection()
    assert len(questions(everyday, ("us-east-1",), frozenset())) == brute_force(everyday, "us-east-1")
    few = frozenset({"DeleteVolume"})
    mixed = Selection((Clause(session_names=SESSION_NAMES, event_names=few), Clause(event_names=few | {"StopTask"})))
    assert len(questions(mixed, ("us-east-1",), frozenset())) == brute_force(mixed, "us-east-1") == 2


def test_a_call_that_is_made_anyway_serves_twice():
    broad = Selection((Clause(event_sources=frozenset({"ec2.amazonaws.com"})),))
    narrow = Selection(
        (Clause(event_sources=frozenset({"ec2.amazonaws.com"}), event_names=frozenset({"RunInstances"})),)
    )
    assert [str(one) for one in questions(broad | narrow, ("eu-west-1",), frozenset())] == [
        "LookupEvents eu-west-1: EventSource=ec2.amazonaws.com"
    ]
    assert len(questions(everything() | default_selection(), ("us-east-1",), frozenset())) == 1


def test_known_volumes_are_asked_for_by_id(cloudtrail):
    records = home_records(story("managed_detached"))
    volumes = {name["ResourceName"] for record in records for name in item(record)["Resources"]}
    one = frozenset(sorted(volumes)[:1])
    server = cloudtrail(history_of(records))
    evidence = scan([quick(regions_of(records), volume_ids=one)], default_selection())
    asked = {
        (pair["AttributeKey"], pair["AttributeValue"]) for _, call in server.asked for pair in call["LookupAttributes"]
    }
    assert ("ResourceName", *one) in asked
    assert ("EventName", "DescribeVolumes") not in asked
    assert ("EventName", "DeleteTags") in asked
    about = [record for record in records if any(pair["ResourceName"] in one for pair in item(record)["Resources"])]
    assert ids(about) <= set(evidence.events.column("event_id").to_pylist())


@pytest.mark.parametrize(
    ("region", "home", "word"),
    [
        ("eu-west-1", "us-east-1", ""),
        ("cn-northwest-1", "cn-north-1", "UNCONFIRMED"),
        ("us-gov-east-1", "us-gov-west-1", "UNCONFIRMED"),
        ("us-iso-east-1", None, "no AWS page"),
    ],
)
def test_the_region_of_iam_is_added(region, home, word):
    plan = LookupSource((region,)).plan(default_selection())
    asked = {one.region for one in plan.questions if one.value == "DetachRolePolicy"}
    assert asked == ({home} if word == "" else {region} if home is None else {region, home})
    assert word in str(plan)


def test_the_plan_says_what_and_how_long():
    words = str(open_source("api://eu-west-1").plan(default_selection()))
    assert "LookupEvents eu-west-1: Username=ECSTaskVolumesForEBS" in words
    assert "us-east-1 is asked as well" in words
    assert re.search(r"no charge; at least \d+ requests", words)


@pytest.mark.parametrize("text", ["api://", "api://nowhere", "api://eu-west-1,cn-north-1", "api://eu-west-1;x"])
def test_what_is_no_region_is_refused(text):
    with pytest.raises(UsageError):
        open_source(text)


def test_two_requests_a_second_and_never_more(cloudtrail):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, rate=2))
    selection = session(*sorted(SESSION_NAMES)[:2])
    began = time.monotonic()
    sources = [LookupSource((region,)) for region in ("us-east-1", "us-east-1", "us-west-2")]
    errors: list[BaseException] = []

    def read(source: LookupSource) -> None:
        try:
            scan([source], selection)
        except (AccessError, UsageError, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (server.throttled, server.busiest) == (0, 2)
    asked = Counter(region for region, _ in server.asked)
    assert asked["us-east-1"] >= 12
    assert time.monotonic() - began >= (asked["us-east-1"] - 2) / 2 * 0.95


def test_the_server_sees_a_pacer_that_is_too_fast(cloudtrail):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, rate=2))
    hasty = Pacer(3)
    scan(
        [LookupSource(("us-east-1",), pacer=lambda _: hasty)], session("ECSTaskVolumesForEBS", "ecs-service-scheduler")
    )
    assert server.throttled > 0


def test_one_pacer_for_a_region_and_account():
    assert shared_pacer("eu-west-1") is shared_pacer("eu-west-1")
    assert shared_pacer("eu-west-1") is not shared_pacer("eu-west-2")
    assert shared_pacer("eu-west-1", "111122223333") is not shared_pacer("eu-west-1", "444455556666")


def test_the_pacer_waits_longer_after_each_refusal():
    clock = _Clock()
    pacer = Pacer(2, clock=clock, pause=clock.sleep)
    waits = []
    for _ in range(7):
        pacer.back_off()
        before = clock.time
        with pacer.turn():
            waits.append(clock.time - before)
    assert waits[:5] == sorted(waits[:5])
    assert waits[0] >= 1.0
    assert max(waits) <= 30.0
    pacer.answered()
    assert pacer.back_off() == 1


class _Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_throttling_is_waited_out(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    refused = dict.fromkeys((1, 2, 5), "ThrottlingException") | {7: "InternalFailure"}
    server = cloudtrail(history_of(records, page=10, refusals=refused))
    found = facts(scan([quick(regions_of(records))], everything()))
    assert found == from_files(records, everything(), tmp_path / "files")
    assert len(server.asked) > 7


def test_throttled_without_end_is_an_error_of_access(cloudtrail):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records, refusals=dict.fromkeys(range(1, 100), "ThrottlingException")))
    with pytest.raises(AccessError, match="for speed"):
        scan([quick(("us-east-1",))], everything())


def test_a_token_that_expires_starts_the_query_at_the_last_time_seen(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, page=7, tokens_expire_after=3))
    evidence = scan([quick(regions_of(records))], everything())
    assert facts(evidence) == from_files(records, everything(), tmp_path / "files")
    assert evidence.receipt.duplicates > 0
    assert any("EndTime" in call and "NextToken" not in call for _, call in server.asked)


def test_expired_credentials_are_read_again(cloudtrail, tmp_path, monkeypatch):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, page=10))
    source = quick(regions_of(records)[:1])
    pages = source.fetch(source.plan(everything().where(regions=source.regions)))
    first = next(pages)
    server.expired.add("AKIAEXAMPLE000000001")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000002")
    rest = list(pages)
    got = {one["EventId"] for page in (first, *rest) for one in json.loads(page.data)["Events"]}
    assert got == ids(record for record in records if record["awsRegion"] == regions_of(records)[0])


def test_credentials_that_stay_expired_end_with_five(cloudtrail, capsys):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records))
    server.expired.add("AKIAEXAMPLE000000001")
    assert run(["events", "api://us-east-1"]) == 5
    assert "sign in again" in capsys.readouterr().err


def test_denied_names_the_action_and_ends_with_five(cloudtrail, capsys):
    cloudtrail(History([], denied={"us-east-1"}))
    assert run(["investigate", "api://us-east-1"]) == 5
    assert "cloudtrail:LookupEvents is not allowed" in capsys.readouterr().err


def test_one_region_denied_makes_the_result_partial(cloudtrail):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records, denied={"eu-central-1"}))
    evidence = scan([quick(("us-east-1", "eu-central-1"))], ONE_SESSION)
    assert [(one.source, one.kind) for one in evidence.receipt.problems] == [("api://eu-central-1", "no_permission")]


def test_nobody_there_is_an_error_of_access(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", "http://127.0.0.1:9")
    with pytest.raises(AccessError, match="cannot be reached"):
        scan([quick(("us-east-1",))], ONE_SESSION)


@pytest.mark.parametrize("stop_after", [1, 4, 9])
def test_a_checkpoint_goes_on_at_the_next_page(stop_after, cloudtrail):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, page=5))
    source = quick(("us-west-2",))
    plan = source.plan(everything())
    whole = [page.source for page in source.fetch(plan)]
    whole_asked = len(server.asked)
    first = quick(("us-west-2",))
    pages = first.fetch(plan)
    taken = [next(pages).source for _ in range(stop_after)]
    pages.close()  # the page in hand is not taken yet
    server.asked.clear()
    saved = Checkpoint.from_json(first.checkpoint.to_json())
    rest = [page.source for page in quick(("us-west-2",), checkpoint=saved).fetch(plan)]
    assert sorted({*taken, *rest}) == sorted(whole)
    assert len(rest) == len(whole) - stop_after + 1
    assert len(server.asked) <= whole_asked - stop_after + 1


def test_leaving_early_ends_the_threads(cloudtrail):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records, page=1))
    before = set(threading.enumerate())
    source = LookupSource(regions_of(records))  # at the real pace: the threads are waiting
    pages = source.fetch(source.plan(everything()))
    next(pages)
    began = time.monotonic()
    pages.close()
    assert time.monotonic() - began < 2
    assert not [one for one in set(threading.enumerate()) - before if one.name.startswith("lookup-")]


def test_older_than_history_is_said(cloudtrail):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records))
    long_ago = Window(TODAY - timedelta(days=200), None)
    evidence = scan([quick(("us-east-1",))], ONE_SESSION.during(long_ago))
    assert [one.kind for one in evidence.receipt.problems] == ["lossy_source"]
    assert not evidence.receipt.is_partial
    assert not any("StartTime" in call for _, call in server.asked)


def test_the_estimate_ends_at_the_truth(cloudtrail):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records, page=5))
    seen: list[tuple[int, int]] = []
    scan([quick(regions_of(records))], everything(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert all(done <= total for done, total in seen)


RUN_QUICKLY = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from pathlib import Path
from stories import facts, quick
from ecs_trail.evidence.sources.base import scan
from ecs_trail.selection import everything
import json
evidence = scan([quick(("us-west-2", "us-east-1"), page_log=Path(sys.argv[2]))], everything())
print(json.dumps([facts(evidence), [one.kind for one in evidence.receipt.problems]], default=str))
"""


def run_quickly(log: Path, *, kill_when: Callable[[], bool] | None = None) -> list[Any] | None:
    """A read in a process of its own, which is killed as soon as `kill_when` says so."""
    path = ":".join(str(one) for one in (Path(__file__).parent, Path(__file__).parents[1], Path(__file__).parents[2]))
    words = [sys.executable, "-c", RUN_QUICKLY, path, str(log)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        while kill_when is not None and running.poll() is None:
            if kill_when():
                running.kill()
                return None
            time.sleep(0.002)
        assert running.stdout is not None
        return list(json.loads(running.stdout.read()))


def test_a_killed_run_goes_on_at_the_page_where_it_was(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, page=2, pause=0.004))
    whole = run_quickly(tmp_path / "whole")
    assert whole is not None
    assert whole[1] == []
    assert not (tmp_path / "whole").exists()  # a run that came to its end leaves nothing behind
    undisturbed = len(server.asked)
    server.asked.clear()
    log, kills = tmp_path / "log", 0
    for share in (0.2, 0.5, 0.8):
        target = int(undisturbed * share)
        kills += run_quickly(log, kill_when=lambda target=target: len(server.asked) >= target) is None
    resumed = run_quickly(log)
    assert kills == 3
    assert resumed is not None
    assert resumed[0] == whole[0]
    assert resumed[1] == ["resumed"]
    # A page is asked again only where it was under way, or waiting to be taken, when the run was killed.
    assert len(server.asked) <= undisturbed + kills * (2 + 4 * 2 + 2)
    assert not log.exists()


def test_a_line_cut_short_by_a_kill_is_asked_again(cloudtrail, tmp_path):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records, page=5))
    log = tmp_path / "log"
    source = quick(("us-west-2",), page_log=log)
    there = everything().where(regions=["us-west-2"])
    pages = source.fetch(source.plan(there))
    taken = [next(pages) for _ in range(4)]
    pages.close()
    text = log.read_bytes()
    assert log.stat().st_mode & 0o077 == 0  # records as received may hold session tokens
    lines = text.splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:3]) + lines[3][: len(lines[3]) // 2])
    server.asked.clear()
    again = quick(("us-west-2",), page_log=log)
    got = [one for one in again.fetch(again.plan(there)) if one.problem is None]
    assert [one.data for one in got[:2]] == [one.data for one in taken[:2]]
    events = {item["EventId"] for one in got for item in json.loads(one.data)["Events"]}
    assert events == ids(record for record in records if record["awsRegion"] == "us-west-2")
    assert server.asked[0][1]["NextToken"]


def test_a_checkpoint_of_another_question_is_refused(cloudtrail, tmp_path, capsys):
    records = home_records(story("managed_detached"))
    cloudtrail(history_of(records))
    log = tmp_path / "log"
    source = quick(("us-west-2",), page_log=log)
    assert next(source.fetch(source.plan(ONE_SESSION))).data
    with pytest.raises(UsageError, match="no checkpoint of this question"):
        scan([quick(("us-west-2",), page_log=log)], everything())
    (tmp_path / "mine.txt").write_text("my notes\n")
    with pytest.raises(UsageError, match="no checkpoint"):
        scan([quick(("us-west-2",), page_log=tmp_path / "mine.txt")], everything())
    assert (tmp_path / "mine.txt").read_text() == "my notes\n"
    assert run(["events", str(tmp_path), "--checkpoint", str(log)]) == 2
    assert "exactly one api:// source" in capsys.readouterr().err
    with pytest.raises(UsageError, match="cannot be used"):
        scan([quick(("us-west-2",), page_log=tmp_path / "no" / "log")], everything())


def test_one_role_over_ninety_days_asks_no_call_that_could_be_spared():
    """Minimality by exhaustion: for each call there is an event of the selection that no other call would find."""
    selection = default_selection().during(Window(TODAY - timedelta(days=89), TODAY))
    asked = questions(selection, ("us-east-1",), frozenset())
    assert len(asked) == brute_force(selection, "us-east-1")
    calls = {(one.attribute, one.value) for one in asked}
    assert len(calls) == len(asked)
    for question in asked:
        rest = calls - {(question.attribute, question.value)}
        assert any(not found_by(event, rest) for event in witnesses(selection, question)), question
    # Every choice of one attribute for each kind of event needs as many calls or more.
    events = [*kinds_of(selection), *REQUESTS]
    assert len(asked) <= len({("EventName", event["EventName"]) for event in events})
    assert len(asked) == len({by_user(event) or ("EventName", event["EventName"]) for event in events})


#: Requests for a session: made by AWS, so without a user name.
REQUESTS = [
    {"EventName": name, "Username": None, "EventSource": "sts.amazonaws.com"}
    for name in ("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
]


def kinds_of(selection: Selection) -> list[dict[str, str | None]]:
    """One event of every kind the selection names: (session, name) of each clause."""
    return [
        {"EventName": name, "Username": user, "EventSource": source}
        for clause in selection.clauses
        for user in sorted(clause.session_names or {None})
        for source in sorted(clause.event_sources or {"any.amazonaws.com"})
        for name in sorted(clause.event_names or {f"Any{user}"})
    ]


def witnesses(selection: Selection, question: Question) -> list[dict[str, str | None]]:
    """Events of the selection that a call finds, as bare as records may be: a request of AWS has no user name."""
    return [event for event in (*kinds_of(selection), *REQUESTS) if event[question.attribute] == question.value]


def found_by(event: dict[str, str | None], calls: set[tuple[str, str]]) -> bool:
    return any(event[attribute] == value for attribute, value in calls)


def by_user(event: dict[str, str | None]) -> tuple[str, str | None] | None:
    return ("Username", event["Username"]) if event["Username"] else None
