"""One call as CloudTrail tells it: who made it, whether it worked, and what a refusal says.

The wording of refusals: *IAM User Guide*, "Troubleshoot access denied error messages", read on 2026-11-24. Since 2021
messages name the action and the kind of policy; older ones hold only an encoded text, then the event name must do.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ecs_trail.vocabulary import DENIED_CODES, ECS_HOSTS, NOT_FOUND_CODES, SESSION_NAMES


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    DENIED = "denied"
    NOT_FOUND = "not_found"
    BUSY = "busy"
    THROTTLED = "throttled"
    ERROR = "error"


class PolicyType(StrEnum):
    """The kind of policy a refusal names; `NONE` where it names none."""

    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SCP = "scp"
    RCP = "rcp"
    SESSION = "session"
    RESOURCE = "resource"
    ENDPOINT = "endpoint"
    TRUST = "trust"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the text of a refusal says; empty strings where it is silent."""

    action: str = ""
    resource: str = ""
    policy_type: PolicyType = PolicyType.NONE
    policy_arn: str = ""


_BUSY_CODES: Final = frozenset({"VolumeInUse", "IncorrectState", "IncorrectInstanceState", "OperationNotPermitted"})
_THROTTLE_CODES: Final = frozenset(
    {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"}
)
_PHRASES: Final = (
    ("identity-based polic", PolicyType.IDENTITY),
    ("permissions boundary", PolicyType.BOUNDARY),
    ("service control polic", PolicyType.SCP),
    ("resource control polic", PolicyType.RCP),
    ("session polic", PolicyType.SESSION),
    ("role trust policy", PolicyType.TRUST),
    ("VPC endpoint polic", PolicyType.ENDPOINT),
    ("resource-based polic", PolicyType.RESOURCE),
)
_ACTION: Final = re.compile(r"not authorized to perform: ?([A-Za-z0-9-]{1,40}:[A-Za-z0-9]{1,80})")
_RESOURCE: Final = re.compile(r" on resource: ?(role )?([^ ]{1,600})")
_REASON: Final = re.compile(r"because no |explicit deny in ")
_POLICY_ARN: Final = re.compile(r"policy: (arn:[^ ]{1,600})")
_ARN_SESSION: Final = re.compile(r"arn:[a-z0-9-]{1,20}:sts::\d{12}:assumed-role/[^ ]{1,200}")


def made_by_ecs(invoked_by: str | None, source_ip_address: str | None, session_name: str | None) -> bool:
    """True for a call of ECS itself.

    `invokedBy` decides (contract). Where a lossy source does not carry it, the address AWS writes does; where neither
    is known, only the session name is left.
    """
    if invoked_by:
        return invoked_by in ECS_HOSTS
    if source_ip_address:
        return source_ip_address in ECS_HOSTS
    return session_name in SESSION_NAMES


def outcome(error_code: str | None) -> Outcome:
    """How a call ended, by its `errorCode`; EC2's prefix `Client.` is ignored."""
    if not error_code:
        return Outcome.OK
    bare = error_code.removeprefix("Client.").removeprefix("Server.")
    if error_code in DENIED_CODES or bare in DENIED_CODES:
        return Outcome.DENIED
    if error_code in NOT_FOUND_CODES or bare in {"ResourceNotFoundException", "NoSuchEntityException"}:
        return Outcome.NOT_FOUND
    if bare in _THROTTLE_CODES:
        return Outcome.THROTTLED
    return Outcome.BUSY if bare in _BUSY_CODES else Outcome.ERROR


def refusal(error_message: str | None) -> Refusal:
    """What a refusal's text says of action, resource and kind of policy."""
    if not error_message:
        return Refusal()
    action = _ACTION.search(error_message)
    resource = _RESOURCE.search(error_message)
    reason = _REASON.search(error_message)
    kind = PolicyType.NONE
    if reason is not None:
        tail = error_message[reason.start() :]
        kind = next((named for phrase, named in _PHRASES if phrase in tail), PolicyType.NONE)
    arn = _POLICY_ARN.search(error_message)
    return Refusal(
        action.group(1) if action else "",
        resource.group(2).rstrip(".,") if resource else "",
        kind,
        arn.group(1).rstrip(".,") if arn else "",
    )


def action_of(event_source: str, event_name: str) -> str:
    """The IAM action an event stands for: `ec2:DeleteVolume`. Good for the services this package reads."""
    return f"{event_source.partition('.')[0]}:{event_name}"


def role_of_session(arn: str | None) -> tuple[str, str] | None:
    """Account and role name in an assumed-role ARN (which never carries the role's path)."""
    found = _ARN_SESSION.search(arn or "")
    if found is None:
        return None
    parts = found.group(0).split(":")
    return parts[4], parts[5].split("/")[1]


def actor(identity_arn: str | None, invoked_by: str | None, principal_id: str | None, user_name: str | None) -> str:
    """The one word for who did it: the ARN, else the service, else whatever CloudTrail gives."""
    return identity_arn or invoked_by or user_name or principal_id or "unknown"
