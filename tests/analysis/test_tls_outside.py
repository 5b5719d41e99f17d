"""Causes outside the role: the certificate authority, the key, the secret itself. Each with its near misses."""

import pytest
from tls_builder import (
    CA,
    KEY,
    KMS,
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

WEB, API = arn("web"), arn("api", "Zz9Yy8")
ISSUE = "acm-pca:IssueCertificate"
MANAGED = [{"key": "AmazonECSManaged", "value": "true"}]
REFUSED = ("AccessDeniedException", "no")
INACTIVE = ("InvalidStateException", "The certificate authority is not in the ACTIVE state.")
KEY_OFF = ("DisabledException", f"arn:aws:kms:eu-west-1:111122223333:key/{KEY} is disabled.")
MARKED = ("InvalidRequestException", "You can't perform this operation because it was marked for deletion.")
REPLICAS = ("InvalidRequestException", "You can't delete secret that still has replica regions.")


@pytest.fixture
def trail() -> Trail:
    """One service with a customer's key; its secret was issued on day 0."""
    made = Trail()
    made.create_service("web", day(0), key=f"arn:aws:kms:eu-west-1:111122223333:key/{KEY}")
    made.issue(WEB, day(0, 1), tag=service("web"))
    return made


def causes_of(row):
    """State, causes and outage of a row."""
    return row["state"], row["cause_event_ids"], row["outage_id"]


# -- certificate authority -------------------------------------------------------------------------------------------


def change_authority(trail, name, at, *, ca=CA, error=None, **request):
    """A write of a person to a certificate authority."""
    return trail.person(PCA, name, at, {"certificateAuthorityArn": ca, **request}, error=error)


def test_an_untagged_authority_is_the_cause(trail):
    cause = change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    row = trail.one(day(6))
    assert causes_of(row) == ("blocked", [cause], None)
    assert (row["confidence"], row["basis"]) == ("likely", ["denied_calls", "policy_type_in_error"])
    assert row["evidence"][0] == cause


def test_a_tag_that_is_overwritten_is_a_cause_as_well(trail):
    tags = [{"key": "AmazonECSManaged", "value": "false"}]
    cause = change_authority(trail, "TagCertificateAuthority", day(2), tags=tags)
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert causes_of(trail.one(day(6))) == ("blocked", [cause], None)


UNTAG_MISSES = {
    "refused": {"tags": MANAGED, "error": REFUSED},
    "other authority": {"tags": MANAGED, "ca": OTHER_CA},
    "other tag": {"tags": [{"key": "team", "value": "true"}]},
    "other value": {"tags": [{"key": "AmazonECSManaged", "value": "yes"}]},
    "after the refusal": {"tags": MANAGED, "at": day(5.5)},
}


@pytest.mark.parametrize("change", UNTAG_MISSES.values(), ids=UNTAG_MISSES)
def test_an_untagging_that_does_not_fit_is_no_cause(trail, change):
    change_authority(trail, "UntagCertificateAuthority", **{"at": day(2)} | change)
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_a_tag_put_back_before_any_refusal_is_no_cause(trail):
    change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    change_authority(trail, "TagCertificateAuthority", day(3), tags=MANAGED)
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_an_untagging_that_hurt_nobody_is_no_cause(trail):
    change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    trail.rotate(WEB, day(5))
    assert causes_of(trail.one(day(6))) == ("healthy", [], None)


def test_an_untagging_under_which_the_call_worked_is_no_cause(trail):
    change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    trail.rotate(WEB, day(5))
    cause = trail.loss(ISSUE, day(6))
    trail.fail_rotation(WEB, day(10), denied(ISSUE))
    assert causes_of(trail.one(day(11))) == ("blocked", [cause], "outage-1")


def test_an_untagged_authority_does_not_explain_a_refusal_by_an_organization(trail):
    change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    trail.fail_rotation(WEB, day(5), denied(ISSUE, "with an explicit deny in a service control policy"))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_an_untagged_authority_does_not_explain_a_refusal_of_secrets_manager(trail):
    change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    action = "secretsmanager:PutSecretValue"
    trail.ecs(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, error=denied(action))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_role_and_authority_both_stand_among_the_causes_in_order(trail):
    first = change_authority(trail, "UntagCertificateAuthority", day(2), tags=MANAGED)
    second = trail.loss(ISSUE, day(3))
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert causes_of(trail.one(day(6))) == ("blocked", [first, second], "outage-1")


def test_a_disabled_and_deleted_authority_are_both_causes(trail):
    first = change_authority(trail, "UpdateCertificateAuthority", day(2), status="DISABLED")
    second = change_authority(trail, "DeleteCertificateAuthority", day(2, 1))
    trail.fail_rotation(WEB, day(5), INACTIVE)
    row = trail.one(day(6))
    assert causes_of(row) == ("blocked", [first, second], None)
    assert (row["confidence"], row["last_error"]) == ("certain", "InvalidStateException")


def test_an_authority_made_active_again_lets_the_secret_recover(trail):
    cause = change_authority(trail, "UpdateCertificateAuthority", day(2), status="DISABLED")
    trail.fail_rotation(WEB, day(5), INACTIVE)
    change_authority(trail, "UpdateCertificateAuthority", day(5.5), status="ACTIVE")
    trail.rotate(WEB, day(5.6))
    assert causes_of(trail.one(day(6))) == ("recovered", [cause], None)


DISABLE_MISSES = {
    "refused": {"status": "DISABLED", "error": REFUSED},
    "other authority": {"status": "DISABLED", "ca": OTHER_CA},
    "not its status": {"revocationConfiguration": {}},
    "after the failure": {"status": "DISABLED", "at": day(5.5)},
}


@pytest.mark.parametrize("change", DISABLE_MISSES.values(), ids=DISABLE_MISSES)
def test_an_update_of_an_authority_that_does_not_fit_is_no_cause(trail, change):
    change_authority(trail, "UpdateCertificateAuthority", **{"at": day(2)} | change)
    trail.fail_rotation(WEB, day(5), INACTIVE)
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


@pytest.mark.parametrize(
    ("closing", "opening"),
    [
        ("UpdateCertificateAuthority", "UpdateCertificateAuthority"),
        ("DeleteCertificateAuthority", "RestoreCertificateAuthority"),
    ],
)
def test_an_authority_given_back_before_any_failure_is_no_cause(trail, closing, opening):
    change_authority(trail, closing, day(2), status="DISABLED")
    change_authority(trail, opening, day(3), status="ACTIVE")
    trail.fail_rotation(WEB, day(5), INACTIVE)
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_a_disabled_authority_does_not_explain_a_refusal(trail):
    change_authority(trail, "UpdateCertificateAuthority", day(2), status="DISABLED")
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_what_failed_before_the_authority_was_disabled_did_not_fail_through_it(trail):
    trail.fail_rotation(WEB, day(5), INACTIVE)
    change_authority(trail, "UpdateCertificateAuthority", day(5.1), status="DISABLED")
    trail.fail_rotation(WEB, day(5.2), INACTIVE)
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_throttling_under_a_disabled_authority_is_still_throttling(trail):
    change_authority(trail, "UpdateCertificateAuthority", day(2), status="DISABLED")
    trail.fail_rotation(WEB, day(5), ("ThrottlingException", "Rate exceeded"))
    assert causes_of(trail.one(day(6))) == ("healthy", [], None)


def test_a_restored_authority_that_was_disabled_before_is_still_the_cause(trail):
    cause = change_authority(trail, "UpdateCertificateAuthority", day(2), status="DISABLED")
    change_authority(trail, "DeleteCertificateAuthority", day(2, 1))
    change_authority(trail, "RestoreCertificateAuthority", day(3))
    trail.fail_rotation(WEB, day(5), INACTIVE)
    assert causes_of(trail.one(day(6))) == ("blocked", [cause], None)


def test_an_error_code_nobody_knows_counts_under_a_lock_only(trail):
    strange = ("SomethingNewException", "no")
    trail.fail_rotation(WEB, day(5), strange)
    trail.events.pop()  # without the word of Secrets Manager
    assert trail.one(day(5.5))["state"] == "healthy"
    cause = change_authority(trail, "DeleteCertificateAuthority", day(6))
    trail.fail_rotation(WEB, day(6.1), strange)
    row = trail.one(day(6.5))
    assert causes_of(row) == ("blocked", [cause], None)
    assert row["confidence"] == "likely"


def test_a_failed_issue_through_an_untagged_authority_names_it():
    trail = Trail()
    trail.create_service("web", day(0))
    cause = change_authority(trail, "UntagCertificateAuthority", day(-1), tags=MANAGED)
    trail.ecs(PCA, "DescribeCertificateAuthority", day(0, 1), {"certificateAuthorityArn": CA}, error=denied(ISSUE))
    row = trail.one(day(1))
    assert causes_of(row) == ("blocked", [cause], None)
    assert (row["secret_arn"], row["service_arn"]) == (None, service("web"))


def test_a_failed_rotation_without_a_call_may_be_laid_on_the_authority(trail):
    cause = change_authority(trail, "DeleteCertificateAuthority", day(2))
    trail.word("RotationFailed", day(5), WEB)
    row = trail.one(day(6))
    assert causes_of(row) == ("blocked", [cause], None)
    assert row["basis"] == ["silence"]


# -- key -------------------------------------------------------------------------------------------------------------


def use_key(trail, at, error=None, *, key=KEY, **more):
    """ECS asks for a key pair in the midst of a rotation."""
    trail.ecs(SECRETS, "DescribeSecret", at, {"secretId": WEB}, **more)
    return trail.ecs(
        KMS, "GenerateDataKeyPair", at, {"keyId": key, "keyPairSpec": "ECC_NIST_P256"}, error=error, **more
    )


def test_a_disabled_key_is_the_cause(trail):
    cause = trail.key_outage(day(2))
    use_key(trail, day(5), KEY_OFF)
    row = trail.one(day(6))
    assert causes_of(row) == ("blocked", [cause], None)
    assert (row["confidence"], row["kms_key_id"]) == ("certain", KEY)


def test_secrets_manager_may_be_the_one_to_say_that_the_key_fails(trail):
    cause = trail.key_outage(day(2))
    error = ("EncryptionFailure", "Secrets Manager can't encrypt the protected secret text using the provided KMS key.")
    trail.ecs(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, error=error)
    assert causes_of(trail.one(day(6))) == ("blocked", [cause], None)


KEY_MISSES = {
    "other key": {"key_id": "bbbbbbbb-0000-4000-8000-00000000000b"},
    "repaired before": {"until": day(4)},
    "after the failure": {"at": day(5.5)},
    "the key of that name in another Region": {"region": OTHER_REGION},
    "closed for another role": {"role_arn": OTHER_ROLE},
}


@pytest.mark.parametrize("change", KEY_MISSES.values(), ids=KEY_MISSES)
def test_a_key_outage_that_does_not_fit_is_no_cause(trail, change):
    trail.key_outage(**{"at": day(2)} | change)
    use_key(trail, day(5), KEY_OFF)
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_a_key_used_under_an_alias_is_known_by_its_arn(trail):
    cause = trail.key_outage(day(2))
    resources = [{"type": "AWS::KMS::Key", "ARN": f"arn:aws:kms:eu-west-1:111122223333:key/{KEY}"}]
    trail.ecs(SECRETS, "DescribeSecret", day(5), {"secretId": WEB})
    request = {"keyId": "alias/mesh"}
    trail.ecs(KMS, "GenerateDataKeyPair", day(5), request, error=KEY_OFF, resources=resources)
    assert causes_of(trail.one(day(6))) == ("blocked", [cause], None)


def test_a_disabled_key_does_not_explain_a_refusal(trail):
    trail.key_outage(day(2))
    use_key(trail, day(5), denied("kms:GenerateDataKeyPair"))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_a_closed_key_policy_explains_refusals_of_the_key_only(trail):
    cause = trail.key_outage(day(2), name="PutKeyPolicy", role_arn=ROLE)
    action = "kms:GenerateDataKeyPair"
    use_key(trail, day(5), denied(action, "because no resource-based policy allows the {action} action"))
    assert causes_of(trail.one(day(6))) == ("blocked", [cause], None)


def test_a_key_policy_does_not_explain_a_refusal_of_the_authority(trail):
    trail.key_outage(day(2), name="PutKeyPolicy", role_arn=ROLE)
    trail.fail_rotation(WEB, day(5), denied(ISSUE))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


def test_a_key_policy_under_which_the_key_worked_is_no_cause(trail):
    trail.key_outage(day(2), name="PutKeyPolicy", role_arn=ROLE)
    use_key(trail, day(3))
    action = "kms:GenerateDataKeyPair"
    use_key(trail, day(5), denied(action, "because no resource-based policy allows the {action} action"))
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


# -- the secret itself -----------------------------------------------------------------------------------------------


def test_a_rotation_that_fails_at_a_secret_somebody_deleted_is_blocked_through_it(trail):
    cause = trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": WEB}, response={"aRN": WEB})
    trail.ecs(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, error=MARKED)
    row = trail.one(day(6))
    assert causes_of(row) == ("blocked", [cause], None)
    assert (row["deleted_at"], row["confidence"]) == (day(3), "certain")


def test_a_secret_given_back_recovers(trail):
    cause = trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": WEB}, response={"aRN": WEB})
    trail.ecs(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, error=MARKED)
    trail.person(SECRETS, "RestoreSecret", day(5.1), {"secretId": WEB}, response={"arn": WEB})
    trail.rotate(WEB, day(5.2))
    row = trail.one(day(6))
    assert causes_of(row) == ("recovered", [cause], None)
    assert row["deleted_at"] is None


def delete_other(trail):
    """Another secret is deleted by somebody."""
    trail.issue(API, day(1), tag=service("api"))
    trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": API}, response={"aRN": API})


def delete_refused(trail):
    """A deletion is refused."""
    trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": WEB}, error=REFUSED)


def delete_and_restore(trail):
    """A deletion is taken back before anything fails."""
    trail.person(SECRETS, "DeleteSecret", day(3), {"secretId": WEB}, response={"aRN": WEB})
    trail.person(SECRETS, "RestoreSecret", day(4), {"secretId": WEB}, response={"arn": WEB})


@pytest.mark.parametrize("plant", [delete_other, delete_refused, delete_and_restore])
def test_a_deletion_that_does_not_fit_is_no_cause(trail, plant):
    plant(trail)
    gone = ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    trail.ecs(SECRETS, "PutSecretValue", day(5), {"secretId": WEB}, error=gone)
    rows = {row["secret_arn"]: row for row in trail.judge(day(5.5))}
    assert causes_of(rows[WEB]) == ("blocked", [], None)


def replicate(trail, at, *, secret=WEB, error=None):
    """A person replicates the secret to another Region."""
    request = {"secretId": secret, "addReplicaRegions": [{"region": OTHER_REGION}]}
    return trail.person(SECRETS, "ReplicateSecretToRegions", at, request, error=error, response={"arn": secret})


def test_replicas_keep_ecs_from_deleting_the_secret(trail):
    cause = replicate(trail, day(2))
    trail.delete_service("web", day(3))
    trail.remove(WEB, day(3, 1), REPLICAS)
    row = trail.one(day(3, 5))
    assert causes_of(row) == ("blocked", [cause], None)
    assert row["phase"] == "delete"


def test_replicas_do_not_stop_a_rotation(trail):
    replicate(trail, day(2))
    trail.fail_rotation(WEB, day(5), INACTIVE)
    assert causes_of(trail.one(day(6))) == ("blocked", [], None)


@pytest.mark.parametrize("change", [{"secret": API}, {"error": REFUSED}], ids=["other secret", "refused"])
def test_a_replication_that_does_not_fit_is_no_cause(trail, change):
    trail.issue(API, day(1), tag=service("api"))
    replicate(trail, day(2), **change)
    trail.delete_service("web", day(3))
    trail.remove(WEB, day(3, 1), REPLICAS)
    rows = {row["secret_arn"]: row for row in trail.judge(day(3, 5))}
    assert rows[WEB]["cause_event_ids"] == []


def test_replicas_removed_before_the_deletion_are_no_cause(trail):
    replicate(trail, day(2))
    request = {"secretId": WEB, "removeReplicaRegions": [OTHER_REGION]}
    trail.person(SECRETS, "RemoveRegionsFromReplication", day(2.5), request, response={"arn": WEB})
    trail.delete_service("web", day(3))
    trail.remove(WEB, day(3, 1))
    assert causes_of(trail.one(day(4))) == ("deleted", [], None)
