"""Steps: the calls of one issue, rotation or deletion gathered, and what comes next for a secret."""

from datetime import timedelta

import pytest
from tls_builder import CA, PCA, Trail, arn, day, denied, service

from ecs_trail.analysis.tls import TLS_STEPS, tls_calls, tls_steps
from ecs_trail.frames import rows

WEB, API = arn("web"), arn("api", "Zz9Yy8")
ISSUE = "acm-pca:IssueCertificate"


@pytest.fixture
def trail() -> Trail:
    made = Trail()
    made.create_service("web", day(0))
    made.issue(WEB, day(0, 1), tag=service("web"))
    return made


def steps(trail: Trail, at):
    events = trail.frame()
    return rows(tls_steps(events, tls_calls(events), as_of=at))


def test_issue_rotation_and_deletion_are_one_step_each(trail):
    trail.rotate(WEB, day(5))
    trail.delete_service("web", day(6))
    trail.remove(WEB, day(6, 1))
    found = steps(trail, day(7))
    assert [(one["step"], one["outcome"], one["secret_arn"]) for one in found] == [
        ("issue", "done", WEB),
        ("rotate", "done", WEB),
        ("delete", "done", WEB),
    ]
    rotation = found[1]
    assert (rotation["started_at"], rotation["ended_at"]) == (day(5), day(5) + timedelta(seconds=4))
    assert rotation["calls"] == len(rotation["event_ids"]) == 6
    assert rotation["service_arn"] == service("web")
    # Every call of ECS and every event about the secret is in one step, and in one only.
    ids = [event for one in found for event in one["event_ids"]]
    assert len(ids) == len(set(ids)) == len(trail.events) - 2


def test_a_failed_rotation_names_the_call_that_failed_and_each_attempt_is_a_step(trail):
    failed = [trail.fail_rotation(WEB, day(5, minutes), denied(ISSUE)) for minutes in (0, 20)]
    trail.rotate(WEB, day(5, 60))
    found = [one for one in steps(trail, day(6)) if one["step"] == "rotate"]
    assert [one["outcome"] for one in found] == ["failed", "failed", "done"]
    assert [(one["failed_action"], one["error_code"]) for one in found[:2]] == [(ISSUE, "AccessDeniedException")] * 2
    assert all(event in one["event_ids"] for event, one in zip(failed, found, strict=False))


def test_two_secrets_rotated_at_once_have_a_step_each(trail):
    trail.create_service("api", day(0))
    trail.issue(API, day(0, 30), tag=service("api"))
    trail.rotate(WEB, day(5))
    trail.rotate(API, day(5) + timedelta(seconds=10))
    found = [one for one in steps(trail, day(6)) if one["step"] == "rotate"]
    assert sorted(one["secret_arn"] for one in found) == sorted([WEB, API])


def test_a_look_at_a_secret_is_no_step_and_no_calls_make_an_empty_frame(trail):
    before = steps(trail, day(1))
    trail.ecs("secretsmanager.amazonaws.com", "DescribeSecret", day(2), {"secretId": WEB})
    assert steps(trail, day(3)) == before
    empty = Trail().frame()
    assert list(tls_steps(empty, tls_calls(empty), as_of=day(1)).columns) == list(TLS_STEPS.columns)


def test_what_comes_next_is_told_with_its_time(trail):
    order = {"certificateAuthorityArn": CA, "validity": {"type": "DAYS", "value": 7}}
    trail.ecs("secretsmanager.amazonaws.com", "DescribeSecret", day(5), {"secretId": WEB})
    trail.ecs(PCA, "IssueCertificate", day(5), order, response={"certificateArn": f"{CA}/certificate/2"})
    response = {"arn": WEB}
    trail.ecs("secretsmanager.amazonaws.com", "PutSecretValue", day(5), {"secretId": WEB}, response=response)
    row = trail.one(day(6))
    assert row["next_rotation_due_at"] == day(10)
    assert row["certificate_valid_until"] == day(12)
    trail.remove(WEB, day(6, 1))
    row = trail.one(day(7))
    assert (row["next_rotation_due_at"], row["certificate_valid_until"]) == (None, None)


@pytest.mark.parametrize(
    "validity", [{"type": "DAYS", "value": "x"}, {"type": "ABSOLUTE", "value": 7}, {"type": "YEARS", "value": 10**9}, 3]
)
def test_a_validity_that_cannot_be_read_is_left_open(trail, validity):
    trail.ecs("secretsmanager.amazonaws.com", "DescribeSecret", day(5), {"secretId": WEB})
    order = {"certificateAuthorityArn": CA, "validity": validity}
    trail.ecs(PCA, "IssueCertificate", day(5), order, response={"certificateArn": f"{CA}/certificate/2"})
    assert trail.one(day(6))["certificate_valid_until"] is None
