"""Secrets of Service Connect: their lives, their states, and the losses of the role that block them."""

from datetime import timedelta

import pytest
from tls_builder import (
    ACCOUNT,
    CA,
    ECS,
    GRACE,
    OTHER_CA,
    OTHER_REGION,
    OTHER_ROLE,
    PCA,
    ROLE,
    SECRETS,
    Trail,
    arn,
    day,
    denied,
    service,
)

from ecs_trail.analysis.tls import TLS

WEB, API = arn("web"), arn("api", "Zz9Yy8")
ISSUE = "acm-pca:IssueCertificate"


@pytest.fixture
def trail() -> Trail:
    """One service whose secret was issued on day 0."""
    made = Trail()
    made.create_service("web", day(0))
    made.issue(WEB, day(0, 1), tag=service("web"))
    return made


# -- lives and states ------------------------------------------------------------------------------------------------


def test_a_healthy_secret_shows_its_whole_life(trail):
    trail.rotate(WEB, day(5))
    row = trail.one(day(6))
    assert row["state"] == "healthy"
    assert (row["secret_arn"], row["secret_name"]) == (WEB, "ecs-sc!web")
    assert row["service_arn"] == service("web")
    assert row["certificate_authority_arn"] == CA
    assert row["role_arn"] == ROLE
    assert row["issued_at"] == day(0, 1) + timedelta(seconds=3)
    assert row["last_rotation_at"] == day(5) + timedelta(seconds=4)
    assert (row["failures"], row["last_error"], row["outage_id"], row["cause_event_ids"]) == (0, None, None, [])
    assert len(row["evidence"]) == 4 + 6


def test_no_tls_work_makes_an_empty_frame_of_the_right_shape():
    frame = Trail().judged(day(1))
    assert len(frame) == 0
    assert list(frame.columns) == list(TLS.columns)


@pytest.mark.parametrize(("days", "state"), [(6.9, "healthy"), (7.1, "rotation_overdue")])
def test_a_rotation_is_overdue_after_seven_days(trail, days, state):
    row = trail.one(day(days))
    assert row["state"] == state
    assert row["cause_event_ids"] == []


def test_the_last_rotation_counts_for_being_overdue_not_the_issue(trail):
    trail.rotate(WEB, day(5))
    assert trail.one(day(11.9))["state"] == "healthy"
    assert trail.one(day(12.1))["state"] == "rotation_overdue"


def test_a_rotation_without_the_word_of_secrets_manager_counts(trail):
    trail.rotate(WEB, day(5))
    trail.events.pop()
    assert trail.one(day(6))["last_rotation_at"] == day(5) + timedelta(seconds=4)


def test_a_write_that_a_failure_follows_is_no_rotation(trail):
    trail.ecs(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, response={"arn": WEB})
    stage = "secretsmanager:UpdateSecretVersionStage"
    trail.ecs(SECRETS, "UpdateSecretVersionStage", day(5), {"secretId": WEB}, error=denied(stage))
    row = trail.one(day(6))
    assert (row["state"], row["last_rotation_at"]) == ("blocked", None)


def test_a_person_who_writes_the_value_rotates_nothing(trail):
    trail.person(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, response={"arn": WEB})
    row = trail.one(day(8))
    assert (row["state"], row["last_rotation_at"]) == ("rotation_overdue", None)


def test_ecs_deletes_the_secret_with_its_service(trail):
    trail.delete_service("web", day(3))
    trail.remove(WEB, day(3, 1))
    row = trail.one(day(20))
    assert (row["state"], row["deleted_at"]) == ("deleted", day(3, 1) + timedelta(seconds=1))
    assert row["deleted_by"].endswith("/ECSServiceConnectForTLS")


def test_a_refused_deletion_deletes_nothing(trail):
    trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": WEB}, error=denied("secretsmanager:DeleteSecret"))
    row = trail.one(day(4))
    assert (row["state"], row["deleted_at"], row["failures"]) == ("healthy", None, 0)


def test_somebody_else_deletes_the_secret(trail):
    trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": "ecs-sc!web"}, response={"aRN": WEB})
    row = trail.one(day(4))
    assert (row["state"], row["deleted_by"]) == ("removed_by_other", f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/carol")


def test_a_copied_session_name_does_not_make_a_deletion_one_of_ecs(trail):
    request, response = {"secretId": WEB}, {"aRN": WEB}
    trail.person(SECRETS, "DeleteSecret", day(3), request, response=response, session="ECSServiceConnectForTLS")
    assert trail.one(day(4))["state"] == "removed_by_other"


def test_a_secret_given_back_is_not_removed(trail):
    trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": WEB}, response={"aRN": WEB})
    trail.person(SECRETS, "RestoreSecret", day(3, 5), {"secretId": WEB}, response={"arn": WEB})
    row = trail.one(day(4))
    assert (row["state"], row["deleted_at"]) == ("healthy", None)


def test_a_secret_only_strangers_touched_is_unknown():
    trail = Trail()
    trail.person(SECRETS, "DescribeSecret", day(1), {"secretId": WEB})
    assert trail.one(day(2))["state"] == "unknown"


def test_a_strangers_wrong_guess_makes_no_secret():
    trail = Trail()
    trail.person(SECRETS, "GetSecretValue", day(1), {"secretId": WEB}, error=("ResourceNotFoundException", "no"))
    assert trail.judge(day(2)) == []


def test_a_secret_older_than_the_evidence_is_overdue_once_seven_days_pass_without_rotation():
    trail = Trail()
    trail.ecs(SECRETS, "DescribeSecret", day(1), {"secretId": WEB})
    assert trail.one(day(7))["state"] == "healthy"
    assert trail.one(day(8.1))["state"] == "rotation_overdue"


def test_nothing_after_as_of_counts(trail):
    trail.rotate(WEB, day(5))
    trail.fail_rotation(WEB, day(10), denied(ISSUE))
    row = trail.one(day(6))
    assert (row["state"], row["failures"]) == ("healthy", 0)


# -- which service ---------------------------------------------------------------------------------------------------


def test_without_a_tag_the_only_service_of_the_role_is_the_one():
    trail = Trail()
    trail.create_service("web", day(0))
    trail.create_service("other", day(0), role=OTHER_ROLE)
    trail.create_service("far", day(0), region=OTHER_REGION)
    trail.create_service("never", day(0), error=("InvalidParameterException", "no"))
    trail.create_service("later", day(2))
    trail.issue(WEB, day(0, 1))
    assert trail.one(day(3))["service_arn"] == service("web")


def test_without_a_tag_two_services_of_the_role_name_none():
    trail = Trail()
    trail.create_service("web", day(0))
    trail.create_service("api", day(0))
    trail.issue(WEB, day(0, 1))
    assert trail.one(day(3))["service_arn"] is None


def test_the_tag_of_a_task_set_names_its_service():
    trail = Trail()
    trail.issue(WEB, day(0), tag=f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-set/prod/web/ecs-svc/1")
    assert trail.one(day(1))["service_arn"] == service("web")


def test_a_tag_set_by_a_person_names_no_service():
    trail = Trail()
    trail.issue(WEB, day(0))
    tags = [{"key": "AmazonECSCreated", "value": service("lie")}]
    trail.person(SECRETS, "TagResource", day(1), {"secretId": WEB, "tags": tags})
    assert trail.one(day(2))["service_arn"] is None


# -- blocked through the role ----------------------------------------------------------------------------------------


def test_a_refused_rotation_is_blocked_through_the_loss(trail):
    cause = trail.loss(ISSUE, day(2))
    refused = trail.fail_rotation(WEB, day(5), denied(ISSUE))
    row = trail.one(day(6))
    assert row["state"] == "blocked"
    assert (row["outage_id"], row["cause_event_ids"], row["phase"]) == ("outage-1", [cause], "rotate")
    assert (row["confidence"], row["basis"]) == (
        "certain",
        ["policy_replay", "denied_calls", "policy_type_in_error"],
    )
    assert row["blocked_since"] == day(5) + timedelta(seconds=1)
    assert row["denied_event_ids"] == [refused]
    assert (row["failures"], row["last_error"]) == (1, "AccessDeniedException")
    assert row["evidence"][0] == cause


NEAR_MISSES = {
    "other action": {"action": "secretsmanager:CreateSecret"},
    "other region": {"region": OTHER_REGION},
    "other role": {"role_arn": OTHER_ROLE},
    "other purpose": {"purpose": "volumes"},
    "other phase": {"phase": "issue"},
    "after the refusal": {"at": day(5.5)},
    "repaired long before": {"until": day(5) - GRACE},
    "another kind of policy": {"policy_types": ["scp", "rcp"]},
}


@pytest.mark.parametrize("change", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_loss_that_does_not_fit_is_no_cause(trail, change):
    trail.loss(**{"action": ISSUE, "at": day(2)} | change)
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    row = trail.one(day(6))
    assert (row["state"], row["outage_id"], row["cause_event_ids"]) == ("blocked", None, [])
    assert (row["confidence"], row["basis"]) == ("likely", ["denied_calls", "policy_type_in_error"])


def test_the_loss_in_another_phase_is_found_beside_the_right_one(trail):
    trail.loss(ISSUE, day(2), phase="issue", outage_id="outage-7", cause="same")
    trail.loss(ISSUE, day(2), cause="same")
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert trail.one(day(6))["outage_id"] == "outage-1"


def test_a_refusal_just_after_the_repair_belongs_to_the_loss(trail):
    cause = trail.loss(ISSUE, day(2), day(5) - timedelta(minutes=1))
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    trail.rotate(WEB, day(5, 30))
    row = trail.one(day(6))
    assert (row["state"], row["cause_event_ids"]) == ("recovered", [cause])


@pytest.mark.parametrize(
    "reason", ["because no session policy allows", "with an explicit deny in a VPC endpoint policy"]
)
def test_a_refusal_by_something_outside_the_role_is_not_laid_on_it(trail, reason):
    trail.loss(ISSUE, day(2))
    trail.fail_rotation(WEB, day(5), denied(ISSUE, reason))
    assert trail.one(day(6))["cause_event_ids"] == []


def test_a_refusal_that_names_no_policy_fits_any(trail):
    cause = trail.loss(ISSUE, day(2), policy_types=["scp"])
    trail.fail_rotation(WEB, day(5), denied(ISSUE, ""))
    row = trail.one(day(6))
    assert (row["cause_event_ids"], row["basis"]) == ([cause], ["policy_replay", "denied_calls"])


def test_what_was_refused_before_the_change_was_not_lost_through_it(trail):
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    trail.loss(ISSUE, day(5.1))
    trail.fail_rotation(WEB, day(5.2), denied(ISSUE))
    assert trail.one(day(6))["cause_event_ids"] == []


def test_once_rotated_again_it_is_recovered(trail):
    cause = trail.loss(ISSUE, day(2), day(5.5))
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    trail.fail_rotation(WEB, day(5.1), denied(ISSUE))
    trail.rotate(WEB, day(5.6))
    row = trail.one(day(6))
    assert (row["state"], row["outage_id"], row["cause_event_ids"]) == ("recovered", "outage-1", [cause])
    assert row["resolved_at"] == day(5.6) + timedelta(seconds=4)
    assert row["failures"] == 2


def test_another_secret_that_rotates_is_no_recovery_of_this_one(trail):
    trail.issue(API, day(0, 20), tag=service("api"))
    trail.loss(ISSUE, day(2), day(5.5))
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    trail.rotate(API, day(5.6))
    states = {row["secret_arn"]: row["state"] for row in trail.judge(day(6))}
    assert states == {WEB: "blocked", API: "healthy"}


def test_changes_that_took_more_while_it_was_blocked_are_causes_too_in_order(trail):
    first = trail.loss(ISSUE, day(2))
    second = trail.loss("sts:AssumeRole", day(5.5), basis=["role_deleted"])
    later = trail.loss("secretsmanager:GetSecretValue", day(9))
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    row = trail.one(day(6))
    assert row["cause_event_ids"] == [first, second]
    assert later not in row["cause_event_ids"]


def test_a_loss_under_which_a_rotation_worked_is_no_cause(trail):
    trail.loss("secretsmanager:UpdateSecret", day(1), cause="unneeded")
    trail.rotate(WEB, day(5))
    cause = trail.loss(ISSUE, day(6))
    trail.fail_rotation(WEB, day(10), denied(ISSUE))
    assert trail.one(day(11))["cause_event_ids"] == [cause]


def test_throttling_blocks_nothing(trail):
    trail.fail_rotation(WEB, day(5), ("ThrottlingException", "Rate exceeded"))
    trail.rotate(WEB, day(5, 10))
    row = trail.one(day(6))
    assert (row["state"], row["failures"]) == ("healthy", 1)


def test_a_certificate_in_the_making_is_no_failure(trail):
    trail.rotate(WEB, day(5))
    trail.ecs(PCA, "GetCertificate", day(5), {"certificateAuthorityArn": CA}, error=("RequestInProgressException", ""))
    row = trail.one(day(6))
    assert (row["state"], row["failures"]) == ("healthy", 0)


def test_a_failed_rotation_without_a_call_on_record_stands_on_timing(trail):
    cause = trail.loss("sts:AssumeRole", day(2), basis=["trust_replay"])
    trail.loss("sts:AssumeRole", day(1), region=OTHER_REGION)
    trail.word("RotationFailed", day(5), WEB)
    row = trail.one(day(6))
    assert (row["state"], row["cause_event_ids"], row["last_error"]) == ("blocked", [cause], "RotationFailed")
    assert (row["confidence"], row["basis"]) == ("likely", ["trust_replay", "silence"])


def test_a_failed_rotation_that_nothing_explains_names_nothing(trail):
    trail.loss("sts:AssumeRole", day(2), day(4))
    trail.word("RotationFailed", day(5), WEB)
    row = trail.one(day(6))
    assert (row["state"], row["cause_event_ids"], row["confidence"]) == ("blocked", [], "possible")


def test_calls_of_a_person_under_the_session_name_block_nothing(trail):
    request = {"certificateAuthorityArn": CA}
    trail.person(PCA, "IssueCertificate", day(5), request, error=denied(ISSUE), session="ECSServiceConnectForTLS")
    trail.person(SECRETS, "GetSecretValue", day(5), {"secretId": WEB}, error=denied("secretsmanager:GetSecretValue"))
    row = trail.one(day(6))
    assert (row["state"], row["failures"]) == ("healthy", 0)


def test_each_refusal_goes_to_the_secret_worked_on_just_before(trail):
    trail.create_service("api", day(0))
    trail.issue(API, day(0, 2), tag=service("api"))
    trail.loss(ISSUE, day(2))
    trail.fail_rotation(API, day(5), denied(ISSUE))
    states = {row["secret_arn"]: row["state"] for row in trail.judge(day(5.1))}
    assert states == {WEB: "healthy", API: "blocked"}


def test_a_refusal_near_no_secret_goes_to_the_one_that_is_due(trail):
    trail.issue(API, day(0, 2), tag=service("api"))
    trail.rotate(API, day(4))
    trail.loss(ISSUE, day(4.5))
    trail.certificate(day(5, 1), error=denied(ISSUE))
    states = {row["secret_arn"]: row["state"] for row in trail.judge(day(6))}
    assert states == {WEB: "blocked", API: "healthy"}


def test_a_refusal_for_another_authority_is_not_this_secrets(trail):
    trail.issue(API, day(0, 2), tag=service("api"), ca=OTHER_CA)
    trail.create_service("api", day(0), ca=OTHER_CA)
    trail.certificate(day(5, 1), ca=OTHER_CA, error=denied(ISSUE))
    states = {row["secret_arn"]: row["state"] for row in trail.judge(day(6))}
    assert states == {WEB: "healthy", API: "blocked"}


def test_a_refusal_for_another_authority_is_not_of_the_rotation_beside_it(trail):
    trail.create_service("api", day(0), ca=OTHER_CA)
    trail.issue(API, day(0, 2), tag=service("api"), ca=OTHER_CA)
    trail.ecs(SECRETS, "DescribeSecret", day(5), {"secretId": API})
    trail.certificate(day(5) + timedelta(seconds=1), error=denied(ISSUE))
    states = {row["secret_arn"]: row["state"] for row in trail.judge(day(6))}
    assert states == {WEB: "blocked", API: "healthy"}


# -- issue -----------------------------------------------------------------------------------------------------------


def test_an_issue_that_fails_before_any_secret_is_a_row_of_its_service():
    trail = Trail()
    trail.create_service("web", day(0))
    cause = trail.loss(ISSUE, day(-1), phase="issue")
    trail.ecs(PCA, "DescribeCertificateAuthority", day(0, 1), {"certificateAuthorityArn": CA})
    trail.certificate(day(0, 1), error=denied(ISSUE))
    trail.certificate(day(0, 20), error=denied(ISSUE))
    row = trail.one(day(1))
    assert (row["secret_arn"], row["secret_name"], row["service_arn"]) == (None, None, service("web"))
    assert (row["state"], row["phase"], row["cause_event_ids"], row["failures"]) == ("blocked", "issue", [cause], 2)
    assert (row["certificate_authority_arn"], row["role_arn"]) == (CA, ROLE)


def test_a_failed_issue_joins_the_secret_that_came_of_it():
    trail = Trail()
    trail.create_service("web", day(0))
    cause = trail.loss(ISSUE, day(-1), day(0.5), phase="issue")
    trail.certificate(day(0, 1), error=denied(ISSUE))
    trail.issue(WEB, day(0.6), tag=service("web"))
    row = trail.one(day(1))
    assert (row["secret_arn"], row["state"], row["phase"]) == (WEB, "recovered", "issue")
    assert row["cause_event_ids"] == [cause]


def test_a_failed_issue_of_one_service_does_not_touch_the_secret_of_another(trail):
    trail.create_service("api", day(1))
    trail.ecs(PCA, "DescribeCertificateAuthority", day(1, 1), {"certificateAuthorityArn": CA})
    trail.certificate(day(1, 1), error=denied(ISSUE))
    states = {(row["secret_arn"], row["service_arn"]): row["state"] for row in trail.judge(day(2))}
    assert states == {(WEB, service("web")): "healthy", (None, service("api")): "blocked"}


def test_with_two_services_waiting_a_failed_issue_names_neither():
    trail = Trail()
    trail.create_service("web", day(0))
    trail.create_service("api", day(0))
    trail.certificate(day(0, 1), error=denied(ISSUE))
    row = trail.one(day(1))
    assert (row["state"], row["service_arn"]) == ("blocked", None)


def test_a_refused_creation_of_the_secret_makes_no_secret():
    trail = Trail()
    trail.create_service("web", day(0))
    action = "secretsmanager:CreateSecret"
    cause = trail.loss(action, day(-1), phase="issue")
    tags = [{"key": "AmazonECSCreated", "value": service("web")}]
    trail.ecs(SECRETS, "CreateSecret", day(0, 1), {"name": "ecs-sc!web", "tags": tags}, error=denied(action))
    row = trail.one(day(1))
    assert (row["secret_arn"], row["secret_name"], row["service_arn"]) == (None, None, service("web"))
    assert (row["state"], row["cause_event_ids"]) == ("blocked", [cause])


def test_a_throttled_issue_makes_no_row():
    trail = Trail()
    trail.create_service("web", day(0))
    trail.certificate(day(0, 1), error=("ThrottlingException", "Rate exceeded"))
    assert trail.judge(day(1)) == []


# -- delete ----------------------------------------------------------------------------------------------------------


def test_a_refused_deletion_is_blocked_in_the_delete_phase(trail):
    action = "secretsmanager:DescribeSecret"
    cause = trail.loss(action, day(1), phase="delete", outage_id="outage-2")
    trail.loss(action, day(1), cause=cause)
    trail.delete_service("web", day(2))
    trail.ecs(SECRETS, "DescribeSecret", day(2, 1), {"secretId": WEB}, error=denied(action))
    row = trail.one(day(2, 2))
    assert (row["state"], row["phase"], row["outage_id"]) == ("blocked", "delete", "outage-2")
    assert row["cause_event_ids"] == [cause]


def test_a_deletion_that_came_after_the_repair_ends_in_deleted(trail):
    action = "secretsmanager:DeleteSecret"
    cause = trail.loss(action, day(1), day(2.5), phase="delete")
    trail.delete_service("web", day(2))
    trail.remove(WEB, day(2, 1), denied(action))
    trail.remove(WEB, day(2.6))
    row = trail.one(day(3))
    assert (row["state"], row["cause_event_ids"], row["failures"]) == ("deleted", [cause], 1)
    assert row["resolved_at"] == row["deleted_at"]


def test_a_secret_already_gone_blocks_no_deletion(trail):
    trail.person(SECRETS, "DeleteSecret", day(1), {"secretId": WEB}, response={"aRN": WEB})
    trail.delete_service("web", day(2))
    gone = ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    trail.ecs(SECRETS, "DescribeSecret", day(2, 1), {"secretId": WEB}, error=gone)
    assert trail.one(day(3))["state"] == "removed_by_other"


# -- silence ---------------------------------------------------------------------------------------------------------


def test_a_rotation_absent_under_an_open_loss_is_blocked_in_silence(trail):
    cause = trail.loss("sts:AssumeRole", day(3), basis=["role_deleted"])
    assert trail.one(day(5, 50))["state"] == "healthy"
    row = trail.one(day(5, 70))
    assert (row["state"], row["cause_event_ids"], row["outage_id"]) == ("blocked", [cause], "outage-1")
    assert (row["basis"], row["confidence"], row["denied_event_ids"]) == (["role_deleted", "silence"], "likely", [])
    assert row["blocked_since"] == row["issued_at"] + timedelta(days=5)


def test_a_policy_detached_before_its_role_was_deleted_is_the_first_cause(trail):
    first = trail.loss(ISSUE, day(3), cause="detach")
    second = trail.loss("sts:AssumeRole", day(3, 1), cause="delete", basis=["role_deleted"])
    trail.loss(ISSUE, day(2), cause="elsewhere", region=OTHER_REGION)
    trail.loss(ISSUE, day(1), day(2), cause="repaired")
    row = trail.one(day(5, 70))
    assert (row["state"], row["cause_event_ids"]) == ("blocked", [first, second])


def test_how_long_a_rotation_may_be_absent_can_be_told(trail):
    trail.loss("sts:AssumeRole", day(3))
    assert trail.one(day(6.9), absent_after=timedelta(days=7))["state"] == "healthy"
    assert trail.one(day(7.1), absent_after=timedelta(days=7))["state"] == "blocked"


def test_a_loss_that_would_have_left_refused_calls_must_be_silent_for_longer(trail):
    trail.loss(ISSUE, day(3))
    assert trail.one(day(6.9))["state"] == "healthy"
    assert trail.one(day(7.1))["state"] == "blocked"


SILENT_MISSES = {
    "repaired before it was due": {"until": day(4)},
    "began when it was absent already": {"at": day(5.5)},
    "repaired before it counted as absent": {"until": day(5, 30)},
    "other region": {"region": OTHER_REGION},
    "other role": {"role_arn": OTHER_ROLE},
    "other phase": {"phase": "delete"},
}


@pytest.mark.parametrize("change", SILENT_MISSES.values(), ids=SILENT_MISSES)
def test_a_loss_that_does_not_cover_the_absence_is_no_cause(trail, change):
    trail.loss(**{"action": "sts:AssumeRole", "at": day(3)} | change)
    row = trail.one(day(8))
    assert (row["state"], row["outage_id"], row["cause_event_ids"]) == ("rotation_overdue", None, [])


def test_a_late_rotation_after_the_repair_is_recovered_in_silence(trail):
    cause = trail.loss("sts:AssumeRole", day(3), day(7.5))
    trail.rotate(WEB, day(7.6))
    row = trail.one(day(8))
    assert (row["state"], row["cause_event_ids"]) == ("recovered", [cause])
    assert row["resolved_at"] == day(7.6) + timedelta(seconds=4)


def test_a_deletion_absent_after_its_service_is_blocked_in_silence(trail):
    cause = trail.loss("sts:AssumeRole", day(1), phase="delete")
    trail.delete_service("web", day(2))
    assert trail.one(day(2, 5))["state"] == "healthy"
    row = trail.one(day(2, 11))
    assert (row["state"], row["phase"], row["cause_event_ids"]) == ("blocked", "delete", [cause])


def test_no_deletion_is_due_while_the_service_is_there(trail):
    trail.loss("sts:AssumeRole", day(1), phase="delete")
    trail.delete_service("api", day(2))
    assert trail.one(day(3))["state"] == "healthy"


def test_a_service_write_that_failed_ends_no_service(trail):
    trail.loss("sts:AssumeRole", day(1), phase="delete")
    trail.person(ECS, "DeleteService", day(2), {"cluster": "prod", "service": "web"}, error=("AccessDenied", "no"))
    assert trail.one(day(3))["state"] == "healthy"


# -- order ------------------------------------------------------------------------------------------------------------


def test_the_order_of_rows_in_a_file_does_not_matter(trail):
    trail.loss(ISSUE, day(2), day(5.5))
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    trail.rotate(WEB, day(5.6))
    before = trail.one(day(6))
    trail.events.sort(key=lambda event: event["event_id"][::-1])
    after = trail.one(day(6))
    assert {**before, "evidence": sorted(before["evidence"])} == {**after, "evidence": sorted(after["evidence"])}


def test_the_frame_has_its_stated_shape(trail):
    TLS.check(trail.judged(day(1)))
    assert list(trail.judged(day(1)).columns) == list(TLS.columns)
