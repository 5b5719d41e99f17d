"""An investigation with its integrity verdict: the field, the finding, the exit code, and what silence loses."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from trails import ACCOUNT, HOUR, START, Trail, iso, key_list, rsa_key, trail

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.frames import rows

REGION = "eu-west-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRole"
TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/prod/0123456789abcdef0123456789abcdef"
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(key_list(rsa_key())), encoding="utf-8")
    return path


def told(number: int, at: datetime, call: str, request: Any, response: Any = None, *, by_ecs: bool = False) -> Any:
    """A record of the story below."""
    source, name = call.split(":")
    session = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfrastructureRole/ECSTaskVolumesForEBS",
        "accountId": ACCOUNT,
        "invokedBy": "ecs.amazonaws.com",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "userName": "ecsInfrastructureRole"}},
    }
    person = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/admin", "accountId": ACCOUNT, "userName": "admin"}
    return {
        "eventVersion": "1.11",
        "userIdentity": session if by_ecs else person,
        "eventTime": iso(at),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "ecs.amazonaws.com" if by_ecs else "203.0.113.9",
        "userAgent": "ecs.amazonaws.com" if by_ecs else "aws-cli/2.24.11",
        "requestParameters": request,
        "responseElements": response,
        "eventID": f"event-{number}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
    }


def silent_block() -> Trail:
    """A role is deleted in hour 3, a task stops in hour 4, and nothing is heard of its volume. Six hours in all."""
    tags = [{"key": "AmazonECSCreated", "value": TASK}, {"key": "AmazonECSManaged", "value": "true"}]
    asked = {"tagSpecificationSet": {"items": [{"resourceType": "volume", "tags": tags}]}}
    volume = {"volumeId": "vol-1", "tagSet": {"items": tags}, "size": "10"}
    role = {"roleName": "ecsInfrastructureRole"}
    made_role = {**role, "assumeRolePolicyDocument": json.dumps(TRUST)}
    answer = {"role": {"arn": ROLE, "roleId": "AROAEXAMPLE"}}
    stop = ({"cluster": "prod", "task": TASK}, {"task": {"taskArn": TASK}})
    minute = timedelta(minutes=1)
    records: list[Any] = [
        told(0, START + 5 * minute, "iam:CreateRole", made_role, answer),
        told(1, START + HOUR + 5 * minute, "ec2:CreateVolume", asked, volume, by_ecs=True),
        told(
            2, START + HOUR + 6 * minute, "ec2:AttachVolume", {"volumeId": "vol-1"}, {"volumeId": "vol-1"}, by_ecs=True
        ),
        told(3, START + 2 * HOUR + 5 * minute, "iam:DeleteRole", role),
        told(4, START + 3 * HOUR + 5 * minute, "ecs:StopTask", *stop),
        told(5, START + 3 * HOUR + 12 * minute, "iam:TagRole", {"roleName": "reporting"}),
        told(6, START + 5 * HOUR + 5 * minute, "iam:TagRole", {"roleName": "reporting"}),
    ]
    made = Trail()
    for hour in range(6):
        begin = START + hour * HOUR
        mine = [one for one in records if iso(begin) <= one["eventTime"] < iso(begin + HOUR)]
        logs = [made.log(begin + (10 + 20 * place) * minute, [one]) for place, one in enumerate(mine)]
        made.digest(begin + HOUR, logs, starting=hour == 0)
    return made


def asked(made: Trail, folder: Path, keys: Path, **options: Any) -> et.Case:
    shutil.rmtree(folder, ignore_errors=True)
    return et.investigate(made.to_folder(folder), verify=True, public_keys=[keys], **options)


def state(case: et.Case) -> str:
    (task,) = rows(case.tasks)
    return task["state"]


def test_sound_evidence_carries_its_verdict_and_changes_nothing_else(tmp_path, keys):
    made = silent_block()
    case = asked(made, tmp_path / "saved", keys)
    assert state(case) == "stuck"
    evidence = case.document["evidence"]
    assert evidence["integrity"]["verdict"] == "intact"
    assert evidence["integrity"]["checked"]["log_file"]["valid"] == len(made.logs)
    assert evidence["left_out"] == [{"kind": "digest", "count": 6}, {"kind": "not_cloudtrail", "count": 6}]
    without = et.investigate(tmp_path / "saved").document
    assert "integrity" not in without["evidence"]
    evidence.pop("integrity")
    assert without == case.document


def test_a_deleted_log_file_is_a_finding_and_silence_at_its_time_says_nothing(tmp_path, keys):
    made = silent_block()
    gone = made.logs[5]
    made.delete(gone)  # it covers the minutes after the stop: the cleanup may have been in it
    case = asked(made, tmp_path / "saved", keys)
    assert state(case) == "unknown"
    (finding,) = [one for one in rows(case.findings) if one["kind"] == "integrity_failure"]
    assert (finding["severity"], finding["status"], finding["confidence"]) == ("high", "ongoing", "certain")
    assert gone in finding["explanation"]
    assert "1 log file deleted" in finding["title"]
    (command,) = [command for step in finding["repair"] for command in step["commands"]]
    assert command.startswith("aws s3api list-object-versions --bucket trail-bucket --prefix AWSLogs/")


@pytest.mark.parametrize("fault", ["delete", "alter"])
def test_silence_under_a_lost_digest_says_nothing(fault, tmp_path, keys):
    made = silent_block()
    getattr(made, fault)(made.digests[3])
    assert state(asked(made, tmp_path / "saved", keys)) == "unknown"


def test_a_fault_far_from_the_silence_leaves_it_its_standing(tmp_path, keys):
    made = silent_block()
    made.alter(made.logs[6])  # an hour and more after the silence counted
    made.delete(made.digests[0])
    case = asked(made, tmp_path / "saved", keys)
    assert state(case) == "stuck"
    assert case.document["evidence"]["integrity"]["verdict"] == "failed"


def test_uncovered_log_files_are_said_and_not_failed(tmp_path, keys):
    made = silent_block()
    made.log(START + 6 * HOUR + HOUR / 6)
    case = asked(made, tmp_path / "saved", keys)
    assert case.document["evidence"]["integrity"]["verdict"] == "intact"
    assert [one["log_files"] for one in case.document["evidence"]["integrity"]["not_covered"]] == [1]
    assert [one for one in rows(case.findings) if one["kind"] == "integrity_failure"] == []
    assert state(case) == "stuck"


@pytest.mark.parametrize(("fault", "code"), [("none", 0), ("alter", 4), ("delete", 4), ("unsigned", 3), ("gone", 3)])
def test_the_exit_code_and_the_words_of_an_investigation(fault, code, tmp_path, keys, capsys):
    made = trail(hours=3)
    if fault in {"alter", "delete"}:
        getattr(made, fault)(made.logs[1])
    if fault == "gone":
        for key in made.digests:
            made.delete(key)
    folder = made.to_folder(tmp_path / "saved", signatures="none" if fault == "unsigned" else "all")
    words = ["investigate", str(folder), "--verify", "--public-keys", str(keys), "--quiet"]
    assert run(words) == code
    said = capsys.readouterr()
    assert "Integrity by CloudTrail's digests:" in said.out
    assert ("integrity: " in said.err) == (code != 0)
    assert run([*words, "--exit-code"]) == (code or 0)
    assert run(["investigate", str(folder), "--quiet"]) == 0


def test_a_failed_check_wins_over_an_unreadable_file(tmp_path, keys):
    made = trail(hours=3)
    made.objects[made.logs[1]] = (made.objects[made.logs[1]][0][:-20], {})
    folder = made.to_folder(tmp_path / "saved")
    assert run(["investigate", str(folder), "--quiet"]) == 3
    assert run(["investigate", str(folder), "--quiet", "--verify", "--public-keys", str(keys)]) == 4


def test_several_sources_have_one_verdict(tmp_path, keys):
    good, bad = trail(hours=2), trail(hours=2, region="us-west-2")
    bad.alter(bad.logs[0])
    folders = [good.to_folder(tmp_path / "a"), bad.to_folder(tmp_path / "b")]
    case = et.investigate(folders, verify=True, public_keys=[keys])
    found = case.document["evidence"]["integrity"]
    assert found["targets"] == [folder.as_posix() for folder in folders]
    assert (found["verdict"], found["checked"]["log_file"]["valid"]) == ("failed", 7)
    assert [one["name"].rpartition("/")[2] for one in found["failures"]] == [bad.logs[0].rpartition("/")[2]]
