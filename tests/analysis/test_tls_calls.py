"""TLS calls: which events belong to a secret, who made them, and under which names a secret goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tls_builder import CA, ECS, KEY, KMS, OTHER_REGION, PCA, ROLE, SECRETS, Trail, arn, day, denied, service

from ecs_trail.analysis.tls import TLS_CALLS, tls_calls
from ecs_trail.analysis.tls.calls import secret_name, service_of_tag

WEB = arn("web")
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789/_+=.@-", min_size=1, max_size=40)
COLUMNS = ("request_parameters", "response_elements", "additional_event_data", "resources")
BROKEN = (
    "",
    "null",
    "[]",
    "{",
    '"ecs-sc!"',
    '{"secretId": 5}',
    '{"secretId": "ecs-sc!"}',
    '[{"ARN": "arn:"}]',
    '{"tags": {"items": [1]}, "name": "ecs-sc!x"}',
    '{"encryptionContext": ["ecs-sc!"]}',
)
SUFFIXES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789", min_size=6, max_size=6)


def test_calls_that_touch_no_such_secret_are_left_out():
    trail = Trail()
    trail.person(SECRETS, "GetSecretValue", day(1), {"secretId": "prod/db"})
    trail.person(SECRETS, "GetSecretValue", day(1), {"secretId": "my-ecs-sc!web"})
    trail.person(KMS, "Decrypt", day(1), {"keyId": KEY, "encryptionContext": {"SecretARN": "prod"}})
    trail.person(PCA, "IssueCertificate", day(1), {"certificateAuthorityArn": CA})
    trail.person(ECS, "CreateService", day(1), {"serviceName": "ecs-sc!web"})
    frame = tls_calls(trail.frame())
    assert len(frame) == 0
    assert list(frame.columns) == list(TLS_CALLS.columns)


def test_a_call_of_ecs_carries_role_authority_and_certificate():
    trail = Trail()
    trail.certificate(day(1))
    first, second = trail.calls()
    assert (first["action"], first["step"], first["role_arn"]) == ("acm-pca:IssueCertificate", "certificate", ROLE)
    assert (first["certificate_authority_arn"], first["certificate_arn"]) == (CA, f"{CA}/certificate/1")
    assert (first["by_ecs"], first["outcome"], first["secret"]) == (True, "ok", None)
    assert second["certificate_arn"] == first["certificate_arn"]


def test_a_copied_session_name_is_seen_and_not_taken_for_ecs():
    trail = Trail()
    trail.person(SECRETS, "GetSecretValue", day(1), {"secretId": WEB}, session="ECSServiceConnectForTLS")
    (call,) = trail.calls()
    assert (call["by_ecs"], call["role_arn"], call["step"]) == (False, None, "read")
    assert call["actor"].endswith("assumed-role/admin/ECSServiceConnectForTLS")


def test_a_service_event_has_its_secret_and_a_failure_without_a_code():
    trail = Trail()
    trail.word("RotationFailed", day(1), WEB)
    trail.word("RotationSucceeded", day(2), WEB)
    failed, done = trail.calls()
    assert (failed["secret"], failed["outcome"], failed["error_code"], failed["by_ecs"]) == (WEB, "error", None, False)
    assert (done["secret"], done["outcome"], done["step"]) == (WEB, "ok", "rotate")


def test_a_key_is_tied_to_its_secret_by_the_encryption_context():
    trail = Trail()
    request = {"keyId": "alias/mesh", "encryptionContext": {"SecretARN": WEB, "SecretVersionId": "1"}}
    resources = [{"type": "AWS::KMS::Key", "ARN": f"arn:aws:kms:eu-west-1:111122223333:key/{KEY}"}]
    identity = {"session_name": "ECSServiceConnectForTLS", "invoked_by": SECRETS, "source_ip_address": SECRETS}
    trail.write(KMS, "GenerateDataKey", day(1), request, identity=identity, resources=resources)
    (call,) = trail.calls()
    assert (call["secret"], call["step"], call["kms_key_id"].endswith(KEY)) == (WEB, "key", True)


def test_a_refusal_without_request_still_names_action_and_policy():
    trail = Trail()
    reason = "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/p-1"
    trail.ecs(SECRETS, "PutSecretValue", day(1), error=denied("secretsmanager:PutSecretValue", reason))
    (call,) = trail.calls()
    assert (call["outcome"], call["policy_type"], call["secret"]) == ("denied", "scp", None)
    assert call["policy_arn"] == "arn:aws:organizations::1:policy/o-1/p-1"


def test_name_and_partial_arn_are_the_same_secret_as_its_arn():
    trail = Trail()
    trail.person(SECRETS, "DescribeSecret", day(1), {"secretId": "ecs-sc!web"})
    trail.person(SECRETS, "DescribeSecret", day(1), {"secretId": WEB[:-7]})
    trail.person(SECRETS, "DeleteSecret", day(2), {"secretId": WEB}, response={"aRN": WEB, "name": "ecs-sc!web"})
    assert [call["secret"] for call in trail.calls()] == [WEB, WEB, WEB]


def test_a_name_is_not_joined_across_regions_or_to_a_longer_name():
    trail = Trail()
    trail.issue(WEB, day(0))
    trail.person(SECRETS, "DescribeSecret", day(1), {"secretId": "ecs-sc!web"}, region=OTHER_REGION)
    trail.person(SECRETS, "DescribeSecret", day(1), {"secretId": "ecs-sc!we"})
    assert [call["secret"] for call in trail.calls()][-2:] == ["ecs-sc!web", "ecs-sc!we"]


def test_a_name_used_twice_is_the_secret_of_its_time():
    trail = Trail()
    again = arn("web", "Qq7Rr8")
    trail.issue(WEB, day(0))
    trail.person(SECRETS, "DescribeSecret", day(1), {"secretId": "ecs-sc!web"})
    trail.issue(again, day(2))
    trail.person(SECRETS, "DescribeSecret", day(3), {"secretId": "ecs-sc!web"})
    read = [call["secret"] for call in trail.calls() if call["event_name"] == "DescribeSecret"]
    assert read == [WEB, again]


@given(NAMES, SUFFIXES)
def test_the_name_comes_back_out_of_every_arn(name, suffix):
    assert secret_name(arn(name, suffix)) == f"ecs-sc!{name}"
    assert secret_name(f"ecs-sc!{name}") == f"ecs-sc!{name}"


@pytest.mark.parametrize("told", [None, "", "prod/db", "arn:aws:s3:::ecs-sc!x", arn("web").replace("ecs-sc!", "sc!")])
def test_other_texts_name_no_such_secret(told):
    assert secret_name(told) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (service("web"), service("web")),
        (service("web").replace("service/prod/web", "task-set/prod/web/ecs-svc/1"), service("web")),
        (service("web").replace("service/", "task/"), None),
        ("arn:aws:ecs:eu-west-1:111122223333:service/old-short-form", None),
        ("web", None),
        (None, None),
    ],
)
def test_the_service_in_a_tag(value, expected):
    assert service_of_tag(value) == expected


@given(st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from(BROKEN)))
def test_broken_payloads_do_no_harm(payload):
    trail = Trail()
    trail.ecs(SECRETS, "CreateSecret", day(1))
    trail.events[0] |= payload
    assert len(trail.judge(day(2))) <= 1
