"""One record -> one row: sessions, roles, accounts, ids, odd types, credentials."""

import json
from typing import Any

import pytest
from evidence_builders import ACCOUNT, ROLE, SESSION, assume_role, denied, dump, record

from ecs_trail.evidence.parts import HIDDEN
from ecs_trail.evidence.records import RejectedError, row_of
from ecs_trail.evidence.sameness import canonical
from ecs_trail.schema import EVENT_COLUMNS


def row(made: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(EVENT_COLUMNS, row_of(dump(made).encode(), "log.json", 4), strict=True))


def test_a_plain_record() -> None:
    found = row(record(1))
    assert found["event_id"] == record(1)["eventID"]
    assert found["event_time"].isoformat() == "2026-03-02T09:00:01+00:00"
    assert found["session_name"] == SESSION
    assert found["session_issuer_arn"] == ROLE
    assert found["session_issuer_id"] == "AROAEXAMPLEEXAMPLE"
    assert found["session_created_at"].isoformat() == "2026-03-02T08:59:00+00:00"
    assert found["invoked_by"] == "ecs.amazonaws.com"
    assert found["account_id"] == ACCOUNT
    assert found["read_only"] is False
    assert found["management_event"] is True
    assert found["has_tls_details"] is False
    assert found["requested_session_name"] is None
    assert found["target_role_arn"] is None
    assert json.loads(found["request_parameters"]) == record(1)["requestParameters"]
    assert (found["source"], found["position"]) == ("log.json", 4)
    assert found["raw"] == dump(record(1))


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ({"type": "AssumedRole", "arn": "arn:aws-cn:sts::1:assumed-role/r/S", "principalId": "AROA:T"}, "S"),
        ({"type": "AssumedRole", "arn": "arn:aws::sts::1:assumed-role/r/S"}, "S"),
        ({"type": "AssumedRole", "principalId": "AROA:S"}, "S"),
        ({"type": "AssumedRole", "arn": "", "principalId": "AROA:S"}, "S"),
        ({"type": "AssumedRole", "principalId": "AROA"}, None),
        ({"type": "IAMUser", "arn": f"arn:aws:iam::1:user/{SESSION}", "userName": SESSION}, None),
        ({"type": "AWSAccount", "principalId": f"AIDA:{SESSION}"}, None),
        ({"type": "FederatedUser", "arn": "arn:aws:sts::1:federated-user/S", "principalId": "1:S"}, None),
        ({"type": "AWSService", "invokedBy": "ecs.amazonaws.com"}, None),
        ({"accountId": "1", "invokedBy": "AWS Internal"}, None),
        (None, None),
        ("", None),
    ],
)
def test_who_acted(identity: object, name: str | None) -> None:
    assert row(record(1, userIdentity=identity))["session_name"] == name


def test_what_an_assume_role_asks_for() -> None:
    found = row(assume_role(1))
    assert found["session_name"] is None
    assert found["requested_session_name"] == SESSION
    assert found["target_role_arn"] == ROLE


@pytest.mark.parametrize("parameters", [None, "", {}, [], "..."])
def test_a_refused_assume_role_names_its_role_elsewhere(parameters: object) -> None:
    by_resource = row(assume_role(1, requestParameters=parameters))
    assert by_resource["target_role_arn"] == ROLE
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/x/y is not authorized to perform: sts:AssumeRole "
        f"on resource: {ROLE} because no identity-based policy allows the sts:AssumeRole action"
    )
    by_message = row(
        denied(1, eventName="AssumeRole", requestParameters=parameters, resources=None) | {"errorMessage": message}
    )
    assert by_message["target_role_arn"] == ROLE
    assert by_message["requested_session_name"] is None


def test_other_calls_have_no_target_role() -> None:
    made = record(1, eventName="RunTask", requestParameters={"roleArn": ROLE, "roleSessionName": SESSION})
    assert row(made)["target_role_arn"] is None
    assert row(made)["requested_session_name"] is None


def test_the_account_of_old_records() -> None:
    made = record(1)
    del made["recipientAccountId"]
    assert row(made)["account_id"] == ACCOUNT
    del made["userIdentity"]["accountId"]
    assert row(made)["account_id"] is None
    made["resources"] = [{"ARNprefix": "x"}, {"accountId": "999999999999"}]
    assert row(made)["account_id"] == "999999999999"


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("False", False), (True, True), ("", None), (7, None)])
def test_booleans_as_text(value: object, expected: bool | None) -> None:
    found = row(record(1, readOnly=value, managementEvent=value))
    assert found["read_only"] is expected
    assert found["management_event"] is expected


def test_numbers_for_text_and_empty_strings_for_objects() -> None:
    found = row(
        record(1, recipientAccountId=123456789012, responseElements="", resources="", tlsDetails="", eventVersion=1.08)
    )
    assert found["account_id"] == "123456789012"
    assert found["event_version"] == "1.08"
    assert found["response_elements"] is None
    assert found["resources"] is None
    assert found["has_tls_details"] is False


def test_a_record_without_an_id_has_the_digest_of_its_content() -> None:
    made = record(1)
    del made["eventID"]
    found = row(made)["event_id"]
    assert found.startswith("sha256:")
    reordered = dict(reversed(made.items()))
    assert row(reordered)["event_id"] == found
    assert row({**made, "eventName": "AttachVolume"})["event_id"] != found
    small = {**made, "eventId": "small-d"}
    assert row(small)["event_id"] == "small-d"


@pytest.mark.parametrize("key", ["sessionToken", "secretAccessKey", "credentials", "SessionToken", "Credentials"])
def test_credentials_are_taken_out_of_responses(key: str) -> None:
    made = record(1, responseElements={"a": [{key: "SECRET-VALUE", "b": 1}], "c": {key: {"d": "SECRET-VALUE"}}})
    found = row(made)
    assert "SECRET-VALUE" not in found["response_elements"]
    assert json.loads(found["response_elements"])["a"] == [{key: HIDDEN, "b": 1}]
    assert "SECRET-VALUE" in found["raw"]


def test_escaped_keys_hide_no_credentials() -> None:
    text = dump(assume_role(1)).replace('"sessionToken"', '"s\\u0065ssionToken"').replace('"credentials"', '"other"')
    found = dict(zip(EVENT_COLUMNS, row_of(text.encode(), "x", 0), strict=True))
    assert "TOKEN-TEXT" not in found["response_elements"]


def test_other_spellings_beside_the_proper_ones_mean_nothing() -> None:
    made = {"awsregion": "x", "userIdentity.arn": "arn:aws:sts::1:assumed-role/r/Forged", **record(1, requestID=7)}
    made["userIdentity"] = {"type": "Root"}
    found = row(made)
    assert (found["aws_region"], found["session_name"], found["identity_arn"]) == ("eu-west-1", None, None)
    assert found["request_id"] == "7"


def test_parts_given_as_json_text_are_opened() -> None:
    made = record(1, requestParameters=dump({"volumeId": "vol-1"}), responseElements=dump({"sessionToken": "T"}))
    found = row(made)
    assert json.loads(found["request_parameters"]) == {"volumeId": "vol-1"}
    assert json.loads(found["response_elements"]) == {"sessionToken": HIDDEN}


@pytest.mark.parametrize("text", [b"[]", b"7", b'"x"', b"{}", b'{"eventName":"x"}', b"{"])
def test_what_is_no_event_is_rejected(text: bytes) -> None:
    with pytest.raises(RejectedError):
        row_of(text, "x", 0)


def test_canonical_ignores_order_nulls_and_shippers() -> None:
    made = record(1)
    shipped = {**dict(reversed(made.items())), "@version": "1", "p_log_type": "x", "errorCode": None}
    shipped["@timestamp"] = shipped.pop("eventTime").replace("Z", ".000Z")
    assert canonical(dump(shipped, indent=2)) == canonical(dump(made))
    assert canonical(dump({**made, "sourceIPAddress": "192.0.2.1"})) != canonical(dump(made))
