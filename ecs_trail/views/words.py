"""AWS's words turned into a person's: who acted, with which tool, how sure we are, what could not be read.

User agents and identity forms: *AWS CloudTrail User Guide*, "CloudTrail userIdentity element" and "record contents"
(read on 2026-11-24); the agents of Terraform, OpenTofu, Pulumi and the SDKs are the ones these tools send. An unknown
agent is shown as it is, never guessed.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ecs_trail.views.text import clean, count, listed
from ecs_trail.vocabulary import ECS_HOSTS

#: First match wins: tools name the SDK they are built on, so they come before it.
_TOOLS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"opentofu", "OpenTofu"),
        (r"pulumi", "Pulumi"),
        (r"crossplane", "Crossplane"),
        (r"terraform", "Terraform"),
        (r"cloudformation", "CloudFormation"),
        (r"\bcdk\b|aws-cdk", "AWS CDK"),
        (r"ansible", "Ansible"),
        (r"eksctl", "eksctl"),
        (r"cloudshell", "AWS CloudShell"),
        (r"aws-cli", "the AWS CLI"),
        (r"aws-?powershell", "AWS Tools for PowerShell"),
        (r"console\.|^aws internal$|^mozilla/|signin\.amazonaws", "the AWS console"),
        (r"boto3|botocore", "a Python script (boto3)"),
        (r"aws-sdk-([a-z]+)", "an AWS SDK"),
    )
)
_PLACE: Final = 60
_SERVICE_HOST: Final = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")
_STS_SESSION: Final = re.compile(r"arn:[^:]+:sts::(\d+):assumed-role/([^/]+)/(.+)")
#: Roles that IAM Identity Center makes: the permission set, then a hash.
_SSO_ROLE: Final = re.compile(r"\AAWSReservedSSO_(.+)_[0-9a-f]{16}\Z")
_IAM_IDENTITY: Final = re.compile(r"arn:[^:]+:iam::(\d+):(user|root|role)(?:/(?:.*/)?([^/]+))?")

_BASIS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "policy_replay": "the replayed policies",
        "trust_replay": "the replayed trust policy",
        "role_deleted": "the deletion of the role",
        "denied_calls": "calls of ECS that were denied",
        "policy_type_in_error": "the policy type named in the error",
        "task_status_reason": "the status reason of the task",
        "silence": "calls of ECS that should have come and did not",
    }
)
_CONFIDENCE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "certain": "Certain: replay and observation agree",
        "likely": "Likely: one kind of proof",
        "possible": "Possible: timing or silence only",
    }
)
_FINDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "stuck_tasks": "stuck tasks",
        "tasks_at_risk": "tasks at risk",
        "leaked_volumes": "leaked volumes",
        "tls_blocked": "Service Connect TLS blocked",
        "pass_role_denied": "iam:PassRole denied",
        "provisioning_blocked": "tasks cannot start",
        "session_impersonation": "session name of ECS used by somebody else",
        "secret_read_by_other": "TLS secret read by somebody else",
        "logging_gap": "logging was switched off",
        "integrity_failure": "evidence does not match its hash",
    }
)
_LEFT_OUT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "aggregated": ("aggregated event file", ""),
        "control_message": ("control message of CloudWatch Logs", "control messages of CloudWatch Logs"),
        "digest": ("digest", ""),
        "empty": ("empty file", ""),
        "insight": ("Insights file", ""),
        "network_activity": ("network activity file", ""),
        "not_cloudtrail": ("file that is not from CloudTrail", "files that are not from CloudTrail"),
        "other_event": ("other event", ""),
        "s3_notification": ("S3 notification", ""),
    }
)


def left_out(kind: str, number: int) -> str:
    """A kind of file that is no evidence, counted: `3 digests`."""
    return count(number, *_LEFT_OUT.get(kind, (clean(kind).replace("_", " "), "")))


def tool(user_agent: str | None) -> str:
    """The tool behind a user agent: `Terraform`, `the AWS console`, `the AWS CLI`; a shortened agent where unknown."""
    agent = (user_agent or "").strip()
    name = next((name for pattern, name in _TOOLS if pattern.search(agent)), "")
    return name or clean(agent.split(" ", maxsplit=1)[0], 40)


def actor(identity: str | None) -> str:
    """A person's name for an identity: the session and its role, the user, the root user, or the service."""
    text = (identity or "").strip()
    if match := _STS_SESSION.fullmatch(text):
        role = _SSO_ROLE.sub(r"SSO \1", match[2])
        return f"{clean(match[3], 64)} (role {clean(role, 64)})"
    if match := _IAM_IDENTITY.fullmatch(text):
        return "the root user" if match[2] == "root" else f"{match[2]} {clean(match[3], 64)}"
    if text in ECS_HOSTS:
        return "Amazon ECS"
    if _SERVICE_HOST.fullmatch(text):
        return f"the service {text}"
    return clean(text, 96) or "somebody unknown"


def tail(arn: str | None) -> str:
    """The name at the end of an ARN or path: `payments-ecs-infra`, `9f3c…`."""
    return clean((arn or "").rstrip("/").rpartition("/")[2])


def task_name(task_arn: str | None) -> str:
    """`cluster/task id`, or the task id alone for an ARN of the old short form."""
    return clean((task_arn or "").partition(":task/")[2] or task_arn)


def confidence(level: str | None, basis: Iterable[str]) -> str:
    """`Certain: replay and observation agree (the replayed policies, calls of ECS that were denied).`"""
    grounds = [_BASIS.get(word, clean(word)) for word in basis]
    sentence = _CONFIDENCE.get(level or "", clean(level))
    return f"{sentence}{f' ({listed(grounds, most=9)})' if grounds else ''}." if sentence else ""


def finding_kind(kind: str | None) -> str:
    """The kind of a finding in words."""
    return _FINDINGS.get(kind or "", clean(kind))


def problem(row: Mapping[str, Any]) -> str:
    """One problem of the evidence in words: place, kind, detail. Of a long place the end tells more than the start."""
    place = clean(row.get("source"))
    place = place if len(place) <= _PLACE else f"…{place[1 - _PLACE :]}"
    kind, detail = clean(row.get("kind")).replace("_", " "), clean(row.get("detail"), 120).rstrip(".")
    return f"{': '.join(part for part in (place, kind, detail) if part)}."
