"""Changes outside the role that can stop ECS: to encryption keys, certificate authorities and secrets.

*AWS KMS API Reference*, *AWS Private CA API Reference*, *AWS Secrets Manager API Reference*, read on 2026-11-24.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ecs_trail.arns import last_part
from ecs_trail.calls import actor, made_by_ecs
from ecs_trail.frames import FLAG, TEXT, TIME, FrameSpec, Row, Sheet, rows
from ecs_trail.payloads import json_object, text
from ecs_trail.vocabulary import Effect, Purpose

OUTSIDE_CHANGES: Final = FrameSpec(
    name="outside_changes",
    doc="One row per write to a key, a certificate authority or a secret that was not made by ECS.",
    key=("event_id",),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_name": TEXT,
        "subject": TEXT,
        "account": TEXT,
        "region": TEXT,
        "actor": TEXT,
        "source_ip": TEXT,
        "user_agent": TEXT,
        "applied": FLAG,
    },
)
_NAMES: Final = {
    "kms.amazonaws.com": (
        "DisableKey",
        "EnableKey",
        "ScheduleKeyDeletion",
        "CancelKeyDeletion",
        "PutKeyPolicy",
        "RevokeGrant",
        "RetireGrant",
        "DeleteImportedKeyMaterial",
    ),
    "acm-pca.amazonaws.com": (
        "UntagCertificateAuthority",
        "TagCertificateAuthority",
        "UpdateCertificateAuthority",
        "DeleteCertificateAuthority",
        "RestoreCertificateAuthority",
        "PutPolicy",
        "DeletePolicy",
    ),
    "secretsmanager.amazonaws.com": (
        "DeleteSecret",
        "RestoreSecret",
        "ReplicateSecretToRegions",
        "RemoveRegionsFromReplication",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "UntagResource",
    ),
}
_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_name",
    "aws_region",
    "account_id",
    "error_code",
    "session_name",
    "invoked_by",
    "source_ip_address",
    "user_agent",
    "identity_arn",
    "principal_id",
    "user_name",
    "request_parameters",
)


def outside_changes(events: Sheet) -> Sheet:
    """All such writes, as `OUTSIDE_CHANGES`, in the order of the events."""
    found: list[Row] = []
    for source, names in _NAMES.items():
        mine = events.where(event_source=source, event_name=names)
        found.extend(
            _row(event)
            for event in rows(mine, _COLUMNS)
            if not made_by_ecs(event["invoked_by"], event["source_ip_address"], event["session_name"])
        )
    return OUTSIDE_CHANGES.sheet(sorted(found, key=lambda row: (row["event_time"], row["event_id"])))


def _row(event: Row) -> Row:
    request = json_object(event["request_parameters"])
    key = text(request.get("keyId"))
    return {
        "event_id": event["event_id"],
        "event_time": event["event_time"],
        "event_name": event["event_name"],
        "subject": last_part(key)
        if key
        else text(request.get("certificateAuthorityArn"))
        or text(request.get("secretId"))
        or text(request.get("resourceArn")),
        "account": event["account_id"],
        "region": event["aws_region"],
        "actor": actor(event["identity_arn"], event["invoked_by"], event["principal_id"], event["user_name"]),
        "source_ip": event["source_ip_address"],
        "user_agent": event["user_agent"],
        "applied": event["error_code"] is None,
    }


def outside_causes(outside: Sheet, calls: Sheet, blamed: Mapping[str, Sequence[str]]) -> list[Row]:
    """The blamed changes that were made to no role, in the columns the contract gives changes, oldest first.

    `blamed` maps event ids of causes to the ARNs of the roles whose work they stopped; ids of role changes are ignored.
    """
    tags = calls.where(event_name=("CreateTags", "DeleteTags"))
    found = {row["event_id"]: row for row in (*rows(tags), *rows(outside)) if row["event_id"] in blamed}
    return [
        {
            "event_id": row["event_id"],
            "event_time": row["event_time"],
            "event_name": row["event_name"],
            "role_arns": sorted(blamed[row["event_id"]]),
            "actor": row["actor"],
            "source_ip": row.get("source_ip"),
            "user_agent": row.get("user_agent"),
            "applied": True,
            "error_code": None,
            "effect": Effect.BREAKS.value,
            "purposes": [_purpose(row)],
            "lost": [],
            "gained": [],
            "account": row["account"],
            "policy": row.get("subject") or row.get("volume_id"),
        }
        for row in sorted(found.values(), key=lambda one: (one["event_time"], one["event_id"]))
    ]


def _purpose(row: Row) -> str:
    """What a change outside the role stops: a certificate authority or a secret serves TLS, the rest volumes."""
    subject = row.get("subject") or ""
    return (Purpose.TLS if "certificate-authority" in subject or "secret" in subject else Purpose.VOLUMES).value
