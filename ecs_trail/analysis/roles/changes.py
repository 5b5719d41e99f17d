"""IAM and Organizations writes as one plain kind of row: a `Change`.

Record shapes: *IAM API Reference* and *AWS Organizations API Reference*; CloudTrail's casing and the URL-encoded
documents of responses as seen in published records. IAM names the role, never its ARN, so a role is found by account
and name. Read on 2026-11-24.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from ecs_trail.arns import parse_arn, partition_of_region, role_key
from ecs_trail.calls import Outcome, actor, outcome, refusal
from ecs_trail.event_names import IAM_CHANGE_RANKS, IAM_WRITES, ORGANIZATION_CHANGE_RANKS, ORGANIZATION_WRITES
from ecs_trail.frames import Sheet, rows
from ecs_trail.payloads import Object, at, json_object, text

RoleKey = tuple[str, str]
IAM: Final = "iam.amazonaws.com"
ORGANIZATIONS: Final = "organizations.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Change:
    """One write, applied or refused. Fields that do not belong to its kind are empty strings."""

    event_id: str
    event_time: datetime
    event_name: str
    event_source: str
    rank: int
    account: str
    region: str
    actor: str
    source_ip: str
    user_agent: str
    error_code: str
    error_message: str
    role_name: str = ""
    role_arn: str = ""
    role_id: str = ""
    policy_arn: str = ""
    policy_name: str = ""
    document: str = ""
    version_id: str = ""
    set_as_default: bool = False
    boundary: str = ""
    target_id: str = ""
    moved_from: str = ""
    policy_type: str = ""

    @property
    def applied(self) -> bool:
        """A call with an error code changed nothing."""
        return not self.error_code

    @property
    def order(self) -> tuple[datetime, int, str]:
        """Time, then causal rank within the second, then id."""
        return self.event_time, self.rank, self.event_id


_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_source",
    "event_name",
    "aws_region",
    "account_id",
    "error_code",
    "error_message",
    "invoked_by",
    "source_ip_address",
    "user_agent",
    "identity_arn",
    "principal_id",
    "user_name",
    "request_parameters",
    "response_elements",
)


def changes(events: Sheet) -> list[Change]:
    """The IAM and Organizations writes among the events, in causal order."""
    mine = events.where_any(
        {"event_source": IAM, "event_name": IAM_WRITES},
        {"event_source": ORGANIZATIONS, "event_name": ORGANIZATION_WRITES},
    )
    return sorted((_change(row) for row in rows(mine, _COLUMNS)), key=lambda change: change.order)


def known_role(name: str, account: str, roles: Iterable[RoleKey]) -> RoleKey | None:
    """The role a write means among known ones: by exact name, else by the only one that differs in case.

    IAM role names are unique without regard to case; that a write may spell it otherwise is not confirmed.
    """
    listed = [key for key in roles if key[0] == account]
    if (account, name) in listed:
        return account, name
    folded = [key for key in listed if key[1].casefold() == name.casefold()]
    return folded[0] if len(folded) == 1 else None


def plain_document(document: object) -> str:
    """A policy document as plain JSON text; responses carry it URL-encoded, requests do not."""
    given = text(document) or ""
    return unquote(given) if given.lstrip()[:3].lower() == "%7b" else given


def _change(row: Mapping[str, Any]) -> Change:
    request, response = json_object(row["request_parameters"]), json_object(row["response_elements"])
    iam = row["event_source"] == IAM
    ranks = IAM_CHANGE_RANKS if iam else ORGANIZATION_CHANGE_RANKS
    details = _iam(row, request, response) if iam else _organization(request, response)
    return Change(
        event_id=row["event_id"],
        event_time=row["event_time"],
        event_name=row["event_name"],
        event_source=row["event_source"],
        rank=ranks[row["event_name"]],
        account=row["account_id"] or "",
        region=row["aws_region"] or "",
        actor=actor(row["identity_arn"], row["invoked_by"], row["principal_id"], row["user_name"]),
        source_ip=row["source_ip_address"] or "",
        user_agent=row["user_agent"] or "",
        error_code=row["error_code"] or "",
        error_message=row["error_message"] or "",
        **details,
    )


def _iam(row: Mapping[str, Any], request: Object, response: Object) -> dict[str, Any]:
    role_name = text(request.get("roleName")) or ""
    if not role_name and outcome(row["error_code"]) is Outcome.DENIED:
        role_name = _refused_role(row["error_message"])
    role_arn = text(at(response, "role", "arn")) or ""
    policy_arn = text(request.get("policyArn")) or text(at(response, "policy", "arn")) or ""
    if row["event_name"] == "CreatePolicy" and not policy_arn:
        policy_arn = _policy_arn(row, request)
    default = request.get("setAsDefault")
    return {
        "role_name": role_name,
        "role_arn": role_arn,
        "role_id": text(at(response, "role", "roleId")) or "",
        "policy_arn": policy_arn,
        "policy_name": text(request.get("policyName")) or "",
        "document": plain_document(request.get("policyDocument") or request.get("assumeRolePolicyDocument"))
        or plain_document(at(response, "role", "assumeRolePolicyDocument")),
        "version_id": text(request.get("versionId")) or text(at(response, "policyVersion", "versionId")) or "",
        "set_as_default": default is True or str(default).lower() == "true",
        "boundary": text(request.get("permissionsBoundary")) or "",
    }


def _organization(request: Object, response: Object) -> dict[str, Any]:
    summary = at(response, "policy", "policySummary")
    return {
        "policy_arn": text(request.get("policyId")) or text(at(summary, "id")) or "",
        "policy_name": text(request.get("name")) or "",
        "document": plain_document(request.get("content")) or plain_document(at(response, "policy", "content")),
        "target_id": text(request.get("targetId"))
        or text(request.get("accountId"))
        or text(request.get("rootId"))
        or "",
        "moved_from": text(request.get("sourceParentId")) or "",
        "boundary": text(request.get("destinationParentId")) or "",
        "policy_type": text(request.get("type")) or text(request.get("policyType")) or text(at(summary, "type")) or "",
    }


def _policy_arn(row: Mapping[str, Any], request: Object) -> str:
    """The ARN IAM gives a new policy, where the response is missing: account, path and name make it up."""
    name, path = text(request.get("policyName")), text(request.get("path")) or "/"
    partition = partition_of_region(row["aws_region"])
    return f"arn:{partition}:iam::{row['account_id']}:policy{path}{name}" if name else ""


def _refused_role(message: str | None) -> str:
    """IAM refusals often carry no request; their text names the role, as an ARN or as `role NAME`."""
    resource = refusal(message).resource
    key = role_key(resource)
    if key is not None:
        return key[1]
    return "" if parse_arn(resource) is not None else resource


def affected_by_name(change: Change, roles: Iterable[RoleKey]) -> list[RoleKey]:
    """The known role a role write names, applied or not; nothing for writes of other kinds."""
    if change.event_source != IAM or not change.role_name:
        return []
    key = known_role(change.role_name, change.account, roles)
    return [] if key is None else [key]
