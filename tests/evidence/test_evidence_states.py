"""Saved states: ECS tasks (`DescribeTasks`, state-change events) and the IAM state of a role."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from evidence_builders import ROLE, dump, read, record

from ecs_trail.errors import UsageError
from ecs_trail.evidence.snapshots import read_role_state
from ecs_trail.evidence.tasks import TASK_STATES, read_task_states

CLUSTER = "arn:aws:ecs:eu-west-1:111122223333:cluster/prod"
State = dict[str, Any]


def task(number: int, **changes: Any) -> State:
    """A task with one managed volume, as `aws ecs describe-tasks` prints it."""
    return {
        "taskArn": f"arn:aws:ecs:eu-west-1:111122223333:task/prod/{number:032x}",
        "clusterArn": CLUSTER,
        "group": "service:web",
        "startedBy": "ecs-svc/1",
        "lastStatus": "DEPROVISIONING",
        "desiredStatus": "STOPPED",
        "stopCode": "UserInitiated",
        "stoppedReason": "Task stopped by user",
        "createdAt": "2026-03-02T09:00:00.123000+01:00",
        "startedAt": 1772439000.5,
        "stoppingAt": "2026-03-02T10:00:00+01:00",
        "version": 7,
        "attachments": [
            {"id": "eni", "type": "ElasticNetworkInterface", "status": "DELETED",
             "details": [{"name": "subnetId", "value": "s"}]},
            {"id": "ebs", "type": "AmazonElasticBlockStorage", "status": "ATTACHED",
             "details": [{"name": "roleArn", "value": ROLE}, {"name": "volumeId", "value": f"vol-{number}"},
                         {"name": "volumeName", "value": "data"}, {"name": "deleteOnTermination", "value": "true"}]},
        ],
        **changes,
    }  # fmt: skip


def change(number: int, time: str, **changes: Any) -> State:
    """An `ECS Task State Change` event."""
    return {
        "version": "0", "id": "x", "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": "111122223333", "time": time, "region": "eu-west-1", "resources": [],
        "detail": task(number, **changes),
    }  # fmt: skip


def states(folder: Path, value: object, name: str = "tasks.json") -> list[State]:
    (folder / name).write_text(value if isinstance(value, str) else dump(value))
    rows, problems = read_task_states([folder / name])
    assert problems == []
    assert all(list(row) == list(TASK_STATES.columns) for row in rows)
    return rows


def test_a_described_task(tmp_path: Path) -> None:
    (row,) = states(tmp_path, {"tasks": [task(1)], "failures": []})
    assert row == {
        "task_arn": task(1)["taskArn"],
        "cluster_arn": CLUSTER,
        "cluster": "prod",
        "service": "web",
        "group": "service:web",
        "started_by": "ecs-svc/1",
        "last_status": "DEPROVISIONING",
        "desired_status": "STOPPED",
        "stop_code": "UserInitiated",
        "stopped_reason": "Task stopped by user",
        "created_at": datetime(2026, 3, 2, 8, 0, 0, 123000, tzinfo=UTC),
        "started_at": datetime(2026, 3, 2, 8, 10, 0, 500000, tzinfo=UTC),
        "stopping_at": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        "execution_stopped_at": None,
        "stopped_at": None,
        "version": 7,
        "seen_at": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        "volume_id": "vol-1",
        "role_arn": ROLE,
        "attachment_id": "ebs",
        "attachment_status": "ATTACHED",
        "attachment_status_reason": None,
        "delete_on_termination": True,
        "source": (tmp_path / "tasks.json").as_posix(),
    }
    assert TASK_STATES.frame([row]).shape == (1, len(TASK_STATES.columns))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tasks: {"tasks": tasks, "failures": []},
        lambda tasks: {"tasks": tasks},
        lambda tasks: tasks,
        lambda tasks: [{"tasks": tasks, "failures": [{"arn": "x", "reason": "MISSING"}]}],
        lambda tasks: json.dumps({"tasks": tasks}, indent=4),
    ],
)
def test_one_answer_is_one_moment(wrap: Any, tmp_path: Path) -> None:
    late = task(2, stoppingAt=None, containers=[{"managedAgents": [{"lastStartedAt": "2026-03-02T11:00:00Z"}]}])
    rows = states(tmp_path, wrap([task(1), late]))
    assert {row["seen_at"] for row in rows} == {datetime(2026, 3, 2, 11, 0, tzinfo=UTC)}
    assert {row["volume_id"] for row in rows} == {"vol-1", "vol-2"}


@pytest.mark.parametrize(
    "text",
    [
        dump([change(1, "2026-03-02T09:01:00Z"), change(1, "2026-03-02T09:02:00Z", version=8)]),
        dump(change(1, "2026-03-02T09:01:00Z")) + "\n" + dump(change(1, "2026-03-02T09:02:00Z", version=8)),
        dump(change(1, "2026-03-02T09:01:00Z"), indent=2) + dump(change(1, "2026-03-02T09:02:00Z", version=8)),
    ],
)
def test_state_changes_count_as_of_their_time(text: str, tmp_path: Path) -> None:
    rows = states(tmp_path, text)
    assert [(row["seen_at"].minute, row["version"]) for row in rows] == [(1, 7), (2, 8)]


@pytest.mark.parametrize(
    ("attachment", "expected"),
    [
        ({"type": "amazonelasticblockstorage", "details": []}, (None, None)),
        ({"type": "ebs", "details": [{"name": "volumeId", "value": "vol-9"}]}, ("vol-9", None)),
        ({"details": [{"name": "volumeName", "value": "v"}, {"name": "deleteOnTermination", "value": "FALSE"}]},
         (None, False)),
        ({"type": "x", "details": [{"name": "deleteOnTermination", "value": True}]}, (None, True)),
    ],
)  # fmt: skip
def test_volumes_are_known_by_type_or_details(
    attachment: State, expected: tuple[object, object], tmp_path: Path
) -> None:
    (row,) = states(tmp_path, {"tasks": [task(1, attachments=[{"id": "a", "status": "CREATED", **attachment}])]})
    assert (row["attachment_id"], row["attachment_status"]) == ("a", "CREATED")
    assert (row["volume_id"], row["delete_on_termination"]) == expected


def test_a_task_without_volumes_has_one_row_and_one_with_two_has_two(tmp_path: Path) -> None:
    volume = task(1)["attachments"][1]
    rows = states(tmp_path, {"tasks": [task(1, attachments=[]), task(2, attachments=[volume, volume | {"id": "b"}])]})
    assert [row["attachment_id"] for row in rows] == [None, "ebs", "b"]
    assert rows[0]["volume_id"] is None


def test_a_task_of_no_service(tmp_path: Path) -> None:
    (row,) = states(tmp_path, {"tasks": [task(1, group="family:batch")]})
    assert (row["service"], row["group"]) == (None, "family:batch")


def test_states_beside_logs_are_collected(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(dump({"Records": [record(1)]}))
    (tmp_path / "tasks.json.gz").write_bytes(gzip.compress(dump({"tasks": [task(1)]}).encode()))
    (tmp_path / "bus.jsonl").write_text(dump(change(2, "2026-03-02T09:05:00Z")) + "\n" + dump(record(2)))
    evidence = read(tmp_path, task_files=[tmp_path / "tasks.json.gz"])
    assert evidence.receipt.left_out == {"task_state": 1}
    assert evidence.receipt.items_left_out == {"task_state": 1}
    assert [row["volume_id"] for row in evidence.task_states] == ["vol-1", "vol-2"]
    assert evidence.receipt.records_read == 2


@pytest.mark.parametrize("text", ["", "{}", "not json", dump({"Records": [record(1)]}), '{"tasks": [{"taskArn"'])
def test_a_file_without_states_is_a_usage_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text(text)
    with pytest.raises(UsageError, match="holds no saved task state") as caught:
        read_task_states([tmp_path / "tasks.json"])
    assert "describe-tasks" in caught.value.hint


def test_a_missing_file_of_states_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_task_states([tmp_path / "nothing.json"])


TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}}]}
DOCUMENT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": "*"}]}
POLICY = "arn:aws:iam::111122223333:policy/p"
ROLE_STATE: State = {
    "CapturedAt": "2026-03-02T10:00:00+01:00",
    "Role": {
        "RoleName": "ecsInfrastructureRole", "RoleId": "AROAEXAMPLE", "Arn": ROLE, "AssumeRolePolicyDocument": TRUST,
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": POLICY},
    },
    "AttachedPolicies": [{"PolicyName": "p", "PolicyArn": POLICY}],
    "RolePolicies": [{"RoleName": "r", "PolicyName": "inline", "PolicyDocument": quote(dump(DOCUMENT))}],
    "Policies": [{"Policy": {"Arn": POLICY, "DefaultVersionId": "v2"}}],
    "PolicyVersions": [
        {"PolicyArn": POLICY, "PolicyVersion": {"VersionId": "v1", "Document": DOCUMENT, "IsDefaultVersion": False}},
        {"PolicyArn": POLICY, "VersionId": "v2", "Document": dump(DOCUMENT)},
    ],
}  # fmt: skip


def role_state(folder: Path, value: object) -> Any:
    (folder / "role.json").write_text(value if isinstance(value, str) else dump(value))
    return read_role_state(folder / "role.json")


def test_the_saved_state_of_a_role(tmp_path: Path) -> None:
    found = role_state(tmp_path, ROLE_STATE)
    assert (found.role_arn, found.role_id, found.boundary) == (ROLE, "AROAEXAMPLE", POLICY)
    assert found.captured_at == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert json.loads(found.trust_document) == TRUST
    assert found.attached == (POLICY,)
    assert [(name, json.loads(text)) for name, text in found.inline] == [("inline", DOCUMENT)]
    assert [(arn, version, json.loads(text), default) for arn, version, text, default in found.policy_documents] == [
        (POLICY, "v1", DOCUMENT, False),
        (POLICY, "v2", DOCUMENT, True),
    ]


def test_whole_answers_and_missing_parts(tmp_path: Path) -> None:
    whole = {
        "CapturedAt": "2026-03-02",
        "GetRole": {"Role": ROLE_STATE["Role"]},
        "AttachedPolicies": {"AttachedPolicies": ROLE_STATE["AttachedPolicies"], "IsTruncated": False},
    }
    found = role_state(tmp_path, whole)
    assert (found.role_arn, found.attached, found.inline) == (ROLE, (POLICY,), ())
    bare = role_state(tmp_path, {"CapturedAt": "2026-03-02", "AttachedPolicies": []})
    assert (bare.role_arn, bare.trust_document, bare.boundary) == ("", "", None)


@pytest.mark.parametrize(
    "value",
    [
        "not json",
        "[]",
        "{}",
        {"Role": ROLE_STATE["Role"]},
        {**ROLE_STATE, "CapturedAt": "2026-03-02T10:00:00"},
        {**ROLE_STATE, "CapturedAt": "-3d"},
        {**ROLE_STATE, "CapturedAt": 7},
        {**ROLE_STATE, "AttachedPolicies": [POLICY]},
        {**ROLE_STATE, "AttachedPolicies": [{"PolicyName": "p"}]},
        {**ROLE_STATE, "RolePolicies": [{"PolicyName": "p", "PolicyDocument": "%7B broken"}]},
        {**ROLE_STATE, "PolicyVersions": [{"VersionId": "v1", "Document": DOCUMENT}]},
    ],
)
def test_a_bad_role_state_is_a_usage_error(value: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        role_state(tmp_path, value)
    assert caught.value.hint


def test_a_missing_role_state_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_role_state(tmp_path / "nothing.json")
