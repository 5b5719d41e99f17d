"""The repair commands are run, on paper: each becomes the record AWS would write, and the outage must be over.

Nothing is compared with an expected text: a wrong name, path, document or order leaves the role unable, and the outage
open.
"""

import json
import shlex
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import ecs_trail as et
from ecs_trail import practice

KINDS = (
    "managed_detached",
    "inline_deleted",
    "inline_narrowed",
    "inline_explicit_deny",
    "customer_version_created",
    "default_version_set_back",
    "customer_policy_deleted",
    "boundary_put",
    "boundary_version_changed",
    "role_deleted",
    "role_deleted_silent",
    "role_recreated_without_policies",
    "trust_emptied",
    "trust_deny",
    "trust_condition",
    "scp_attached",
    "account_moved",
    "china_partition",
    "at_risk_running",
)
SEEDS = range(5)
CLI = {
    "iam": {
        "--role-name": "roleName",
        "--policy-arn": "policyArn",
        "--policy-name": "policyName",
        "--policy-document": "policyDocument",
        "--assume-role-policy-document": "assumeRolePolicyDocument",
        "--permissions-boundary": "permissionsBoundary",
        "--version-id": "versionId",
        "--path": "path",
    },
    "organizations": {
        "--policy-id": "policyId",
        "--content": "content",
        "--target-id": "targetId",
        "--account-id": "accountId",
        "--source-parent-id": "sourceParentId",
        "--destination-parent-id": "destinationParentId",
    },
}


def written_by(command: str, role_arn: str, moment: datetime, home: str) -> dict[str, Any] | None:
    """The record of one command; None for a command that only looks."""
    program, service, operation, *options = shlex.split(command)
    assert program == "aws"
    if service not in CLI or operation.startswith(("get-", "list-", "simulate-", "describe-")):
        return None
    request = {CLI[service][name]: value for name, value in zip(options[::2], options[1::2], strict=True)}
    name = "".join(part.capitalize() for part in operation.split("-"))
    partition, account = role_arn.split(":")[1], role_arn.split(":")[4]
    response: dict[str, Any] | None = None
    if name == "CreateRole":
        arn = f"arn:{partition}:iam::{account}:role{request.get('path', '/')}{request['roleName']}"
        response = {"role": {"arn": arn, "roleId": "AROAREPAIRED", "roleName": request["roleName"]}}
    if name == "CreatePolicy":
        arn = f"arn:{partition}:iam::{account}:policy{request.get('path', '/')}{request['policyName']}"
        response = {"policy": {"arn": arn, "defaultVersionId": "v1"}}
    return {
        "eventVersion": "1.11",
        "eventID": str(uuid.uuid4()),
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": home,
        "userIdentity": {"type": "IAMUser", "arn": f"arn:{partition}:iam::{account}:user/repair", "accountId": account},
        "requestParameters": request,
        "responseElements": response,
        "recipientAccountId": "999988887777" if service == "organizations" else account,
        "eventType": "AwsApiCall",
    }


def open_findings(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Findings with an open outage that a repair is offered for."""
    ends = {outage["id"]: outage["end"] for outage in document["outages"]}
    for finding in document["findings"]:
        if finding["outage_id"] and ends[finding["outage_id"]] is None and finding["repair"]:
            yield finding


@pytest.mark.parametrize("kind", KINDS)
def test_the_repair_commands_end_the_outage(kind: str, tmp_path: Path) -> None:
    repaired = 0
    for seed in SEEDS:
        incident = practice.incident(kind, seed)
        folder = tmp_path / str(seed)
        practice.write(incident, folder)
        before = et.investigate(folder).document
        for at, finding in enumerate(open_findings(before)):
            start = datetime.fromisoformat(before["as_of"]).astimezone(UTC) + timedelta(minutes=1)
            commands = [command for step in finding["repair"] for command in step["commands"]]
            home = "cn-north-1" if ":aws-cn:" in finding["role_arn"] else "us-east-1"
            records = [
                record
                for second, command in enumerate(commands)
                if (record := written_by(command, finding["role_arn"], start + timedelta(seconds=second), home))
            ]
            extra = tmp_path / f"{seed}-{at}.json"
            extra.write_text(json.dumps({"Records": records}), encoding="utf-8")
            after = et.investigate([folder, extra]).document
            outage = next(one for one in before["outages"] if one["id"] == finding["outage_id"])
            same = [one for one in after["outages"] if one["cause_event_ids"] == outage["cause_event_ids"]]
            place = (outage["role_arn"], outage["phase"])
            ends = [one["end"] for one in same if (one["role_arn"], one["phase"]) == place]
            assert ends, (kind, seed, commands)
            assert ends[0] is not None, (kind, seed, commands)
            repaired += 1
    assert repaired, f"no incident of kind {kind} was open at its end"
