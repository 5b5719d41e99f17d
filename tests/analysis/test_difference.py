"""Two investigations compared: findings are matched by what they are about, and absence is judged with care."""

import copy
import json
from datetime import timedelta

import pytest

from ecs_trail.analysis.difference import KEY, difference, reach_back, state, with_difference
from ecs_trail.errors import UsageError
from ecs_trail.identity import finding_identity, same_finding
from ecs_trail.times import format_time

ROLE = "arn:aws:iam::111122223333:role/infra"
TASK = "arn:aws:ecs:eu-west-1:111122223333:task/prod/{}"


def finding(number, *, kind="stuck_tasks", causes=("cause-1",), tasks=("a",), status="ongoing", **more):
    return {
        "id": f"{kind}-{number}",
        "kind": kind,
        "severity": "high",
        "status": status,
        "title": f"{len(tasks)} tasks",
        "role_arn": ROLE,
        "outage_id": f"outage-{number}",
        "cause_event_ids": list(causes),
        "task_arns": [TASK.format(one) for one in tasks],
        "volume_ids": [],
        "secret_arns": [],
        "evidence": list(causes),
        "started_at": "2026-03-02T10:00:00Z",
        "ended_at": None if status == "ongoing" else "2026-03-02T11:00:00Z",
    } | more


def document(*findings, as_of="2026-03-02T12:00:00Z", start="2026-03-01T00:00:00Z", tasks=("a", "b", "c"), **evidence):
    return {
        "schema": "ecs-trail/investigation/1",
        "as_of": as_of,
        "evidence": {"window": {"start": start, "end": as_of}, "files_failed": 0, "records_rejected": 0} | evidence,
        "changes": [
            {"event_id": "cause-1", "event_time": "2026-03-02T09:55:00Z", "role_arns": [ROLE]},
            {"event_id": "old", "event_time": "2026-02-20T00:00:00Z", "role_arns": [ROLE]},
        ],
        "outages": [],
        "tasks": [
            {"task_arn": TASK.format(one), "state": "stopped", "launched_at": "2026-02-01T00:00:00Z"} for one in tasks
        ],
        "volumes": [],
        "tls": [],
        "findings": list(findings),
    }


def places(found):
    return {name: [one["finding_id"] for one in found[name]] for name in ("new", "open", "resolved") if found[name]}


def test_a_first_run_reports_everything():
    found = difference(None, document(finding(1), finding(2, causes=["x"], status="resolved")))
    assert places(found) == {"new": ["stuck_tasks-1", "stuck_tasks-2"]}
    assert (found["changed"], found["alarming"], found["since"]) == (True, True, None)


def test_nothing_changed_is_quiet_even_when_numbers_and_places_move():
    before = document(finding(1), finding(2, causes=["x"], tasks=["b"]))
    now = document(finding(1, causes=["x"], tasks=["b"]), finding(2), as_of="2026-03-02T13:00:00Z")
    found = difference(before, now)
    assert places(found) == {"open": ["stuck_tasks-1", "stuck_tasks-2"]}
    assert (found["changed"], found["alarming"]) == (False, False)


def test_new_open_and_resolved_are_told_apart():
    before = document(finding(1), finding(2, causes=["x"], tasks=["b"]), finding(3, causes=["y"], status="resolved"))
    now = document(
        finding(1, causes=["x"], tasks=["b"], status="resolved"), finding(2, causes=["z"], tasks=["c"]), finding(3)
    )
    found = difference(before, now)
    assert places(found) == {"new": ["stuck_tasks-2"], "open": ["stuck_tasks-3"], "resolved": ["stuck_tasks-1"]}
    assert found["resolved"][0]["reason"] == "over since 2026-03-02T11:00:00Z"


@pytest.mark.parametrize(
    ("more", "worse"),
    [
        ({"tasks": ("a", "b")}, True),
        ({"severity": "critical"}, True),
        ({"severity": "low"}, False),
        ({"tasks": ()}, False),
        ({"causes": ("cause-1", "cause-2")}, False),
    ],
)
def test_growth_is_worse_and_explanation_is_not(more, worse):
    found = difference(document(finding(1)), document(finding(1, **more)))
    assert (found["changed"], found["alarming"], found["open"][0]["worse"]) == (worse, worse, worse)
    if more.get("tasks"):
        assert found["open"][0]["added"] == {"task_arns": [TASK.format("b")]}


def test_a_finding_keeps_its_name_while_causes_and_tasks_are_added():
    first = document(finding(1))
    kept = state(first, difference(None, first))
    second = document(finding(4, causes=["cause-0", "cause-1"], tasks=["a", "b"]))
    found = difference(kept, second)
    assert found["open"][0]["identity"] == finding_identity(first["findings"][0])
    third = state(second, found)
    assert third["findings"][0]["identity"] == found["open"][0]["identity"]


def test_what_broke_again_is_new():
    found = difference(document(finding(1, status="resolved")), document(finding(1)))
    assert places(found) == {"new": ["stuck_tasks-1"]}
    assert found["new"][0]["again"]


def test_what_was_over_and_is_over_is_no_news():
    found = difference(document(finding(1, status="resolved")), document(finding(1, status="resolved")))
    assert places(found) == {}
    assert not found["changed"]


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (document(start="2026-03-02T11:00:00Z"), "begins at"),
        (document(files_failed=1), "could not be read"),
        (document(records_rejected=1), "could not be read"),
        (document(tasks=()), "not in the evidence"),
        (document(as_of="2026-03-02T11:59:59Z"), "ends before"),
    ],
)
def test_what_cannot_be_seen_is_carried_not_resolved(now, why):
    before = document(finding(1))
    found = difference(before, now)
    assert not found["resolved"]
    assert why in found["open"][0]["reason"]
    assert (found["open"][0]["seen"], found["changed"]) == (False, False)
    # and it is still known one run later, when it is over at last
    later = document(finding(1, status="resolved"), as_of="2026-03-02T14:00:00Z")
    assert places(difference(state(now, found), later)) == {"resolved": ["stuck_tasks-1"]}


def test_what_covering_evidence_no_longer_shows_is_resolved():
    found = difference(document(finding(1)), document())
    assert [one["reason"] for one in found["resolved"]] == ["no longer so, by evidence that covers it"]


def test_what_happened_once_is_told_once_and_not_waited_for():
    before = document(finding(1, kind="pass_role_denied", causes=(), started_at="2026-01-01T00:00:00Z"))
    found = difference(before, document(start="2026-03-02T11:00:00Z"))
    assert not found["changed"]
    assert not found["carried"]
    assert reach_back(document(finding(1, kind="pass_role_denied", causes=()))) == reach_back(document())


def test_findings_that_name_other_causes_are_others_though_they_share_tasks():
    assert same_finding(finding(1), finding(1, causes=["other"])) == 0
    assert same_finding(finding(1), finding(1, causes=())) > 0
    assert same_finding(finding(1), finding(1, kind="tasks_at_risk")) == 0
    assert same_finding(finding(1), finding(1) | {"role_arn": ROLE.replace("infra", "other")}) == 0
    with_path = finding(1) | {"role_arn": ROLE.replace("role/", "role/team/")}
    assert same_finding(finding(1), with_path) > 0  # some records carry a role's path and some do not


def test_the_surest_pair_is_made_first():
    before = document(finding(1, causes=(), tasks=["a", "b", "c"]), finding(2, causes=(), tasks=["c"]))
    now = document(finding(1, causes=(), tasks=["c"]), finding(2, causes=(), tasks=["a", "b", "c"]))
    found = difference(before, now)
    assert [one["added"] or one["removed"] for one in found["open"]] == [{}, {}]


def test_state_of_equal_evidence_is_equal_and_arguments_are_left_alone():
    now = document(finding(1))
    first = state(now, difference(None, now))
    frozen = copy.deepcopy(first)
    second = state(now, difference(first, now))
    assert second == first == frozen
    assert json.loads(json.dumps(second)) == second
    assert with_difference(now, difference(first, now))[KEY]["open"]
    assert KEY not in now


def test_the_next_reading_begins_an_overlap_before_the_last_report():
    assert format_time(reach_back(document(), timedelta(minutes=30))) == "2026-03-02T11:30:00Z"


def test_the_next_reading_begins_before_what_an_open_finding_rests_on():
    assert format_time(reach_back(document(finding(1, tasks=["a"])))) == "2026-01-31T23:00:00Z"  # the task's launch
    assert (
        format_time(reach_back(document(finding(1, tasks=()), tasks=()))) == "2026-02-19T23:00:00Z"
    )  # the role's past
    assert format_time(reach_back(document(finding(1, status="resolved")))) == "2026-03-02T11:00:00Z"


def test_the_next_reading_begins_before_the_launch_of_a_task_that_still_lives():
    made = document(tasks=["a"])
    made["tasks"][0] |= {"state": "running", "launched_at": "2026-02-27T08:00:00Z"}
    assert format_time(reach_back(made)) == "2026-02-27T07:00:00Z"


def test_a_last_report_without_a_moment_is_refused():
    with pytest.raises(UsageError, match="no as_of"):
        reach_back({"findings": [], "as_of": "yesterday"})
