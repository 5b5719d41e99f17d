"""Conduct: copied session names, secrets read by others, blind spots, and what a blind spot does to silence."""

import json
from pathlib import Path
from typing import Any

import pytest

import ecs_trail as et
from ecs_trail.frames import rows
from ecs_trail.practice import incident, kinds, write

ACCOUNT = "111122223333"
REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRole"
TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/prod/0123456789abcdef0123456789abcdef"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecs-sc!web-AbCdEf"
ECS = {"invokedBy": "ecs.amazonaws.com"}
KINDS = ("session_impersonation", "secret_read_by_other", "logging_gap")


class Trail:
    """Records of one account, written where `investigate` reads them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "records.json"
        self.records: list[dict[str, Any]] = []

    def tell(
        self, at: str, call: str, request: Any, identity: dict[str, Any], response: Any = None, **more: Any
    ) -> str:
        source, name = call.split(":")
        by_service = "invokedBy" in identity
        record = {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": f"2026-03-02T{at}Z",
            "eventSource": f"{source}.amazonaws.com",
            "eventName": name,
            "awsRegion": REGION,
            "sourceIPAddress": identity.get("invokedBy", "203.0.113.9"),
            "userAgent": identity.get("invokedBy", "aws-cli/2.24.11"),
            "requestParameters": request,
            "responseElements": response,
            "requestID": f"request-{len(self.records)}",
            "eventID": f"event-{len(self.records)}",
            "readOnly": name.startswith(("Get", "Describe", "Decrypt")),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
            **({} if by_service else {"tlsDetails": {"tlsVersion": "TLSv1.3"}}),
            **more,
        }
        self.records.append({key: value for key, value in record.items() if value != "absent"})
        return str(record["eventID"])

    def case(self, **options: Any) -> et.Case:
        self.file.write_text(json.dumps({"Records": self.records}), encoding="utf-8")
        return et.investigate(str(self.file), **options)


def session(name: str = "ECSTaskVolumesForEBS", **more: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfrastructureRole/{name}",
        "accountId": ACCOUNT,
        "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "arn": ROLE}},
        **more,
    }


def person(name: str = "mallory") -> dict[str, Any]:
    return {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": "AKIAEXAMPLE",
        "userName": name,
    }


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path)


def found(case: et.Case, kind: str) -> list[dict[str, Any]]:
    return [one for one in rows(case.findings) if one["kind"] == kind]


# -- impersonation -------------------------------------------------------------------------------------------------


def test_a_session_of_ecs_is_no_impersonation_even_with_a_session_key(trail):
    trail.tell("08:00:00", "ec2:DescribeVolumes", {}, session(**ECS, accessKeyId="ASIAEXAMPLE"))
    trail.tell(
        "08:00:01", "kms:Decrypt", {}, session("ECSServiceConnectForTLS", invokedBy="secretsmanager.amazonaws.com")
    )
    assert not len(trail.case().impersonations)


def test_calls_from_an_address_without_invoker_are_somebody_elses(trail):
    trail.tell("08:00:00", "ec2:DescribeVolumes", {}, session(**ECS))
    opened = trail.tell(
        "09:00:00", "sts:AssumeRole", {"roleArn": ROLE, "roleSessionName": "ECSTaskVolumesForEBS"}, person()
    )
    used = trail.tell("09:01:00", "ec2:DescribeVolumes", {}, session(accessKeyId="ASIAEXAMPLE"))
    case = trail.case()
    (finding,) = found(case, "session_impersonation")
    assert {opened, used} <= set(finding["evidence"])
    assert finding["role_arn"] == ROLE
    assert finding["severity"] == "critical"
    assert finding["confidence"] == "certain"
    signs = {row["event_ids"][0]: row["signs"] for row in rows(case.impersonations)}
    assert signs[used] == ["no_invoked_by", "address_of_a_person", "tls_details", "access_key"]


@pytest.mark.parametrize(
    ("address", "tls", "key", "impersonated"),
    [
        ("203.0.113.9", "absent", None, True),
        ("2001:db8::1", {"tlsVersion": "TLSv1.3"}, "ASIAEXAMPLE", True),
        ("ecs.amazonaws.com", "absent", "ASIAEXAMPLE", False),
        ("AWS Internal", "absent", "ASIAEXAMPLE", False),
        ("absent", "absent", "ASIAEXAMPLE", False),
        ("absent", {"tlsVersion": "TLSv1.3"}, "ASIAEXAMPLE", True),
        ("evil-amazonaws.com", "absent", None, True),
    ],
)
def test_what_makes_a_person(trail, address, tls, key, impersonated):
    identity = session(**({"accessKeyId": key} if key else {}))
    trail.tell("09:00:00", "ec2:DescribeVolumes", {}, identity, sourceIPAddress=address, tlsDetails=tls)
    assert bool(found(trail.case(), "session_impersonation")) is impersonated


def test_a_refused_attempt_is_listed_and_no_finding(trail):
    request = {"roleArn": ROLE, "roleSessionName": "ECSTaskVolumesForEBS"}
    trail.tell("09:00:00", "sts:AssumeRole", request, person(), errorCode="AccessDenied", errorMessage="no")
    case = trail.case()
    assert [row["refused"] for row in rows(case.impersonations)] == [1]
    assert not found(case, "session_impersonation")


# -- secrets -------------------------------------------------------------------------------------------------------


def test_a_secret_read_by_a_person_and_the_decryption_behind_it_are_one_row(trail):
    trail.tell("09:00:00", "secretsmanager:GetSecretValue", {"secretId": "ecs-sc!web"}, person())
    trail.tell(
        "09:00:00",
        "kms:Decrypt",
        {"encryptionContext": {"SecretARN": SECRET, "SecretVersionId": "v"}},
        person() | {"invokedBy": "secretsmanager.amazonaws.com"},
    )
    case = trail.case()
    (row,) = rows(case.secret_reads)
    assert (row["secret_arn"], row["reads"]) == (SECRET, 2)
    (finding,) = found(case, "secret_read_by_other")
    assert finding["secret_arns"] == [SECRET]
    assert len(finding["evidence"]) == 2


def test_ecs_and_secrets_manager_may_read(trail):
    tls = "ECSServiceConnectForTLS"
    trail.tell("09:00:00", "secretsmanager:GetSecretValue", {"secretId": SECRET}, session(tls, **ECS))
    context = {"encryptionContext": {"SecretARN": SECRET}}
    trail.tell("09:00:00", "kms:Decrypt", context, session(tls, invokedBy="secretsmanager.amazonaws.com"))
    service = {"type": "AWSService", "invokedBy": "secretsmanager.amazonaws.com"}
    trail.tell("09:00:01", "kms:Decrypt", context, service)
    assert not len(trail.case().secret_reads)


def test_other_secrets_and_refused_reads_are_no_finding(trail):
    trail.tell("09:00:00", "secretsmanager:GetSecretValue", {"secretId": "prod/database"}, person())
    denied = {"errorCode": "AccessDeniedException", "errorMessage": "User is not authorized"}
    trail.tell("09:00:01", "secretsmanager:GetSecretValue", {"secretId": SECRET}, person(), **denied)
    case = trail.case()
    assert [(row["secret"], row["reads"], row["refused"]) for row in rows(case.secret_reads)] == [("ecs-sc!web", 0, 1)]
    assert not found(case, "secret_read_by_other")


def test_a_copied_session_that_reads_a_secret_is_an_other(trail):
    trail.tell("09:00:00", "secretsmanager:GetSecretValue", {"secretId": SECRET}, session("ECSServiceConnectForTLS"))
    case = trail.case()
    assert found(case, "secret_read_by_other")
    assert found(case, "session_impersonation")


# -- blind spots ---------------------------------------------------------------------------------------------------


def basic(**more: Any) -> dict[str, Any]:
    selector = {"readWriteType": "All", "includeManagementEvents": True, "dataResources": [], **more}
    return {"trailName": "main", "eventSelectors": [selector]}


def advanced(*fields: dict[str, Any]) -> dict[str, Any]:
    category = {"field": "eventCategory", "equals": ["Management"]}
    return {"trailName": "main", "advancedEventSelectors": [{"name": "all", "fieldSelectors": [category, *fields]}]}


@pytest.mark.parametrize(
    ("name", "request_parameters", "hides"),
    [
        ("StopLogging", {"name": "main"}, ["everything"]),
        ("DeleteTrail", {"name": "main"}, ["everything"]),
        ("PutEventSelectors", basic(), None),
        ("PutEventSelectors", basic(includeManagementEvents=False), ["management_events"]),
        ("PutEventSelectors", basic(readWriteType="ReadOnly"), ["writes"]),
        ("PutEventSelectors", basic(readWriteType="WriteOnly"), ["reads"]),
        ("PutEventSelectors", basic(excludeManagementEventSources=["kms.amazonaws.com"]), ["kms.amazonaws.com"]),
        ("PutEventSelectors", advanced(), None),
        ("PutEventSelectors", advanced({"field": "readOnly", "equals": ["true"]}), ["writes"]),
        (
            "PutEventSelectors",
            advanced({"field": "eventSource", "notEquals": ["kms.amazonaws.com"]}),
            ["kms.amazonaws.com"],
        ),
        ("UpdateTrail", {"name": "main", "isMultiRegionTrail": False}, ["other_regions"]),
        ("UpdateTrail", {"name": "main", "includeGlobalServiceEvents": False}, ["global_services"]),
        ("UpdateTrail", {"name": "main", "enableLogFileValidation": True}, None),
    ],
)
def test_what_a_write_to_the_trail_hides(trail, name, request_parameters, hides):
    trail.tell("09:00:00", f"cloudtrail:{name}", request_parameters, person())
    case = trail.case()
    assert [row["hides"] for row in rows(case.logging_gaps)] == ([hides] if hides else [])
    assert len(found(case, "logging_gap")) == (1 if hides else 0)


def test_a_gap_ends_where_the_trail_records_again_under_name_or_arn(trail):
    stopped = trail.tell("09:00:00", "cloudtrail:StopLogging", {"name": "main"}, person())
    arn = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/main"
    started = trail.tell("09:30:00", "cloudtrail:StartLogging", {"name": arn}, person())
    (finding,) = found(trail.case(), "logging_gap")
    assert (finding["status"], finding["evidence"]) == ("resolved", [stopped, started])


def test_a_refused_write_and_another_trail_change_nothing(trail):
    denied = {"errorCode": "AccessDenied", "errorMessage": "no"}
    trail.tell("09:00:00", "cloudtrail:StopLogging", {"name": "main"}, person(), **denied)
    trail.tell("09:10:00", "cloudtrail:StopLogging", {"name": "second"}, person())
    trail.tell("09:20:00", "cloudtrail:StartLogging", {"name": "main"}, person())
    (gap,) = rows(trail.case().logging_gaps)
    assert (gap["trail"], gap["end"]) == ("second", None)


# -- silence -------------------------------------------------------------------------------------------------------


def silent_block(trail: Trail, *, stopped_at: str) -> str:
    """A task whose role is deleted and that never gets cleaned up; the trail is stopped at a time. Ends at 11:00."""
    tags = [{"key": "AmazonECSCreated", "value": TASK}, {"key": "AmazonECSManaged", "value": "true"}]
    volume = {"volumeId": "vol-1", "tagSet": {"items": tags}, "size": "10"}
    tagged = {"tagSpecificationSet": {"items": [{"resourceType": "volume", "tags": tags}]}}
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    made = {"roleName": "ecsInfrastructureRole", "assumeRolePolicyDocument": json.dumps(trust)}
    trail.tell("07:00:00", "iam:CreateRole", made, person("admin"), {"role": {"arn": ROLE, "roleId": "AROAEXAMPLE"}})
    trail.tell("08:00:00", "ec2:CreateVolume", tagged, session(**ECS), volume)
    trail.tell("08:00:10", "ec2:AttachVolume", {"volumeId": "vol-1"}, session(**ECS), {"volumeId": "vol-1"})
    gone = trail.tell("09:00:00", "iam:DeleteRole", {"roleName": "ecsInfrastructureRole"}, person("admin"))
    trail.tell(
        "09:30:00", "ecs:StopTask", {"cluster": "prod", "task": TASK}, person("admin"), {"task": {"taskArn": TASK}}
    )
    trail.tell(stopped_at, "cloudtrail:StopLogging", {"name": "main"}, person())
    return gone


def test_silence_inside_a_gap_says_nothing(trail):
    silent_block(trail, stopped_at="09:31:00")
    (task,) = rows(trail.case(as_of="2026-03-02T11:00:00Z").tasks)
    assert (task["state"], task["confidence"]) == ("unknown", "possible")


def test_silence_before_the_gap_still_counts(trail):
    gone = silent_block(trail, stopped_at="10:30:00")
    (task,) = rows(trail.case(as_of="2026-03-02T11:00:00Z").tasks)
    assert (task["state"], task["cause_event_ids"]) == ("stuck", [gone])


def test_silence_counts_where_something_else_still_recorded(trail):
    silent_block(trail, stopped_at="09:31:00")
    trail.tell("10:20:00", "ecs:StopTask", {"cluster": "prod", "task": "other"}, person("admin"))
    (task,) = rows(trail.case(as_of="2026-03-02T11:00:00Z").tasks)
    assert task["state"] == "stuck"


# -- the practice range --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", kinds())
def test_practice_incidents_show_conduct_only_where_there_is_some(kind, tmp_path):
    made = incident(kind, 7)
    write(made, tmp_path)
    case = et.investigate(str(tmp_path))
    wanted = {one["kind"] for one in made.answer["findings"] if one["kind"] in KINDS}
    assert {one["kind"] for one in rows(case.findings)} & set(KINDS) == wanted


def test_a_secret_read_by_name_is_told_by_its_arn(tmp_path):
    made = incident("secret_read_by_person", 5)
    answers = [one for one in made.answer["findings"] if one["kind"] == "secret_read_by_other"]
    (arn,) = {arn for one in answers for arn in one["secret_arns"]}
    events = {event_id for one in answers for event_id in one["event_ids"]}
    asked = {one["requestParameters"]["secretId"] for one in made.records if one["eventID"] in events}
    assert asked == {arn.split(":secret:")[1][:-7]}
    write(made, tmp_path)
    found = [one for one in rows(et.investigate(str(tmp_path)).findings) if one["kind"] == "secret_read_by_other"]
    assert [list(one["secret_arns"]) for one in found] == [[arn]]
