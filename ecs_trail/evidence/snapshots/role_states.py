"""Saved IAM state of one role (`--role-state FILE`): one JSON document made of AWS CLI answers.

Top-level keys, all optional: `Role` (`get-role`; `GetRole` for the whole answer), `AttachedPolicies`
(`list-attached-role-policies`), `RolePolicies` (`get-role-policy` answers), `Policies` (`get-policy` answers),
`PolicyVersions` (`get-policy-version` answers with `PolicyArn` added), `CapturedAt` (ISO 8601 with zone), and
`Incomplete` (IAM actions that were refused: what they would have shown is unknown, not absent).
Shapes: *AWS Identity and Access Management API Reference*, "Role", "AttachedPolicy", "Policy", "PolicyVersion", read on
2026-11-24. The API gives policy documents URL-encoded, the CLI as objects; plain text is taken as well.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from ecs_trail.errors import UsageError
from ecs_trail.evidence.given import read_given
from ecs_trail.times import parse_time

_KEYS: Final = ("CapturedAt", "Role", "GetRole", "AttachedPolicies", "RolePolicies", "Policies", "PolicyVersions")
_HINT: Final = (
    'write {"CapturedAt": "2026-03-02T09:00:00Z", "Role": ..., "AttachedPolicies": [...], "RolePolicies": [...], '
    '"PolicyVersions": [...]} from aws iam get-role, list-attached-role-policies, get-role-policy, get-policy-version.'
)


@dataclass(frozen=True, slots=True)
class RoleSnapshot:
    """IAM state of one role at one moment.

    `captured_at` is aware UTC. Documents are JSON text: `trust_document`; `inline` as (policy name, document or None
    where it could not be read); `policy_documents` as (policy ARN, version id, document, is the default version).
    `attached` are policy ARNs, `boundary` the ARN of the permissions boundary. `role_arn` and `role_id` are empty when
    the document has no role.
    """

    role_arn: str
    role_id: str
    captured_at: datetime
    trust_document: str
    attached: tuple[str, ...]
    inline: tuple[tuple[str, str | None], ...]
    boundary: str | None
    policy_documents: tuple[tuple[str, str, str, bool], ...]
    #: False when part of the role could not be read: there may be more policies than those named.
    complete: bool = True


def read_role_state(path: Path) -> RoleSnapshot:
    """The saved state in a file. Raises `UsageError` when the file is missing, is no JSON object of this shape, or
    says neither when it was captured nor anything about a role.
    """
    try:
        data = read_given(path)
    except OSError as error:
        raise UsageError(f"the role state '{path}' cannot be read: {error.strerror or error}.", hint=_HINT) from error
    return role_state_of(data, path.as_posix())


def role_state_of(data: bytes, path: str) -> RoleSnapshot:
    """The saved state in JSON text that came from `path`. Raises `UsageError` like `read_role_state`."""
    document = _load(data, path)
    role = _object(_object(document.get("Role") or _object(document.get("GetRole"))))
    role = _object(role.get("Role")) or role
    defaults = {
        str(policy.get("Arn")): str(policy.get("DefaultVersionId"))
        for policy in (_object(item.get("Policy")) or item for item in _listed(document, "Policies", path))
    }
    boundary = _object(role.get("PermissionsBoundary")).get("PermissionsBoundaryArn")
    trust = role.get("AssumeRolePolicyDocument")
    return RoleSnapshot(
        role_arn=_text(role.get("Arn")),
        role_id=_text(role.get("RoleId")),
        captured_at=_captured_at(document, path),
        trust_document=_policy_text(trust, path) if trust is not None else "",
        attached=tuple(
            dict.fromkeys(
                _needed(item, "PolicyArn", path) for item in _listed(document, "AttachedPolicies", path, inner=True)
            )
        ),
        inline=tuple(
            (_needed(item, "PolicyName", path), _inline_text(document, item, path))
            for item in _listed(document, "RolePolicies", path)
        ),
        boundary=boundary if isinstance(boundary, str) and boundary else None,
        policy_documents=tuple(_version(item, defaults, path) for item in _listed(document, "PolicyVersions", path)),
        complete=not document.get("Incomplete"),
    )


def _load(data: bytes, path: str) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the role state '{path}' is no JSON: {error}.", hint=_HINT) from error
    if not isinstance(document, dict) or not any(key in document for key in _KEYS):
        raise UsageError(f"the role state '{path}' has none of the keys {', '.join(_KEYS)}.", hint=_HINT)
    return document


def _inline_text(document: Mapping[str, Any], item: Mapping[str, Any], path: str) -> str | None:
    """An inline policy's document; None where the saved state says that reading it was refused."""
    if item.get("PolicyDocument") is None and document.get("Incomplete"):
        return None
    return _policy_text(item.get("PolicyDocument"), path)


def _captured_at(document: Mapping[str, Any], path: str) -> datetime:
    text = document.get("CapturedAt")
    if not isinstance(text, str) or text.startswith("-"):
        raise UsageError(f"the role state '{path}' does not say when it was captured (CapturedAt).", hint=_HINT)
    # the clock is not asked: a relative time was refused above
    return parse_time(text, now=datetime.min.replace(tzinfo=UTC))


def _listed(document: Mapping[str, Any], key: str, path: str, *, inner: bool = False) -> list[dict[str, Any]]:
    """The objects of a list; also of the whole answer that holds the list under the same key."""
    value = document.get(key)
    if inner and isinstance(value, dict):
        value = value.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError(f"'{key}' in the role state '{path}' must be a list of objects.", hint=_HINT)
    return value


def _version(item: Mapping[str, Any], defaults: Mapping[str, str], path: str) -> tuple[str, str, str, bool]:
    version = _object(item.get("PolicyVersion")) or item
    arn = _needed({**version, **item}, "PolicyArn", path)
    name = _needed(version, "VersionId", path)
    default = version.get("IsDefaultVersion")
    is_default = default if isinstance(default, bool) else defaults.get(arn) == name
    return arn, name, _policy_text(version.get("Document"), path), is_default


def _needed(item: Mapping[str, Any], key: str, path: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise UsageError(f"an entry of the role state '{path}' lacks '{key}': {sorted(item)}.", hint=_HINT)
    return value


def _policy_text(value: object, path: str) -> str:
    """A policy document as JSON text: from an object, plain JSON text, or URL-encoded JSON text."""
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = value if isinstance(value, str) else ""
    for candidate in (text, unquote(text)):
        try:
            if isinstance(json.loads(candidate), dict):
                return candidate
        except (ValueError, RecursionError):
            continue
    raise UsageError(f"a policy document in the role state '{path}' is no JSON object: {text[:60]!r}.", hint=_HINT)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
