"""Locks outside the role that stop TLS work: on the certificate authority, on the key, on the secret itself.

*AWS Private CA API Reference*, TagCertificateAuthority, UntagCertificateAuthority, UpdateCertificateAuthority,
DeleteCertificateAuthority, RestoreCertificateAuthority (a restored CA has the status it had before); *AWS Secrets
Manager API Reference*, DeleteSecret, RestoreSecret, ReplicateSecretToRegions; *ECS Developer Guide*, "Encrypt Service
Connect traffic" (the CA's tag; replicas keep ECS from deleting a secret). All read on 2026-11-24.

Error codes of these services in CloudTrail are confirmed by no page, so a code nobody knows counts as well, provided
that a lock on the very resource is in force.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ecs_trail.analysis.tls.calls import AUTHORITIES, KEYS, SECRETS
from ecs_trail.arns import last_part
from ecs_trail.calls import Outcome, PolicyType
from ecs_trail.frames import Frame, Row, Sheet, rows
from ecs_trail.payloads import Object, json_object, objects, text
from ecs_trail.vocabulary import TAG_MANAGED


class LockKind(StrEnum):
    """What was done to a resource that ECS needs for TLS."""

    AUTHORITY_UNTAGGED = "authority_untagged"
    AUTHORITY_DISABLED = "authority_disabled"
    AUTHORITY_DELETED = "authority_deleted"
    KEY_OFF = "key_off"
    KEY_POLICY = "key_policy"
    SECRET_DELETED = "secret_deleted"  # noqa: S105 - a kind of lock, no password
    SECRET_REPLICATED = "secret_replicated"  # noqa: S105


@dataclass(slots=True)
class Lock:
    """A span in which a resource was locked. `subject` is an ARN, for keys the key id; `role_arn` None: for all."""

    kind: LockKind
    subject: str
    start: datetime
    event_id: str
    end: datetime | None = None
    role_arn: str | None = None
    region: str | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Whether the lock is in force at a moment; the second it began in counts, that of its end does not."""
        return self.start <= moment and (self.end is None or moment < self.end)


_AUTHORITY_KINDS: Final = frozenset(
    {LockKind.AUTHORITY_UNTAGGED, LockKind.AUTHORITY_DISABLED, LockKind.AUTHORITY_DELETED}
)
_KEY_KINDS: Final = frozenset({LockKind.KEY_OFF, LockKind.KEY_POLICY})
#: Error codes, without prefix and without "Exception", by which a service says that a resource is out of use.
GONE_CODES: Final[Mapping[str, frozenset[str]]] = {
    AUTHORITIES: frozenset({"InvalidState", "ResourceNotFound"}),
    KEYS: frozenset({"Disabled", "KMSInvalidState", "NotFound", "KeyUnavailable"}),
    SECRETS: frozenset({"ResourceNotFound", "EncryptionFailure", "DecryptionFailure"}),
}
#: Codes that tell of the request or of the moment, never of a lock.
PASSING_CODES: Final = frozenset(
    {
        "RequestInProgress",
        "LimitExceeded",
        "ConcurrentModification",
        "InvalidArgs",
        "InvalidArn",
        "MalformedCSR",
        "InternalServiceError",
        "InternalService",
        "InternalFailure",
        "KMSInternal",
        "DependencyTimeout",
        "ServiceUnavailable",
        "ResourceExists",
        "InvalidParameter",
        "Validation",
    }
)
_KEY_FAILURES: Final = frozenset({"EncryptionFailure", "DecryptionFailure"})


def bare_code(error_code: str | None) -> str:
    """An error code without `Client.` and without `Exception`, as services and sources differ in both."""
    return (error_code or "").removeprefix("Client.").removeprefix("Server.").removesuffix("Exception")


def about_key(call: Row) -> bool:
    """Whether a failed call failed at its encryption key."""
    if call["event_source"] == KEYS or bare_code(call["error_code"]) in _KEY_FAILURES:
        return True
    return call["action"].startswith("kms:") or "kms" in (call["error_message"] or "").lower()


def locks(events: Sheet, calls: Sequence[Row], key_outages: Frame) -> list[Lock]:
    """All locks the evidence shows, oldest first. Refused changes lock nothing."""
    found = [*_authority_locks(events), *_secret_locks(calls), *_key_locks(events, key_outages)]
    return sorted(found, key=lambda lock: lock.start)


def fits(lock: Lock, call: Row, *, authority: str | None, keys: frozenset[str], secret: str) -> bool:
    """Whether a lock in force explains a failed call: the same resource, and a failure of the lock's kind."""
    if not lock.holds_at(call["event_time"]):
        return False
    denied, code = call["outcome"] == Outcome.DENIED, bare_code(call["error_code"])
    kind = call["policy_type"]
    if lock.kind in _AUTHORITY_KINDS:
        same = (call["certificate_authority_arn"] or authority) == lock.subject
        if call["event_source"] != AUTHORITIES or not same:
            return False
        if lock.kind is LockKind.AUTHORITY_UNTAGGED:
            # A failed tag condition reads like a missing grant (IAM User Guide, access denied messages).
            return denied and kind in {PolicyType.NONE, PolicyType.IDENTITY}
        return not denied
    if lock.kind in _KEY_KINDS:
        used = {last_part(call["kms_key_id"])} if call["event_source"] == KEYS and call["kms_key_id"] else keys
        if not about_key(call) or lock.subject not in used or lock.region not in {None, call["region"]}:
            return False
        if lock.kind is LockKind.KEY_OFF:
            return not denied
        return denied and kind in {PolicyType.NONE, PolicyType.RESOURCE, PolicyType.IDENTITY}
    if call["event_source"] != SECRETS or secret != lock.subject or denied or about_key(call):
        return False
    if lock.kind is LockKind.SECRET_REPLICATED:
        return bool(call["event_name"] == "DeleteSecret")
    return code != "" and call["event_name"] != "CreateSecret"


def concerns(lock: Lock, *, authority: str | None, keys: frozenset[str], secret: str) -> bool:
    """Whether a lock stops the rotation of a secret, whatever call would meet it."""
    if lock.kind in _AUTHORITY_KINDS:
        return lock.subject == authority
    if lock.kind in _KEY_KINDS:
        return lock.subject in keys
    return lock.kind is LockKind.SECRET_DELETED and lock.subject == secret


def known_kind(lock: Lock, call: Row) -> bool:
    """Whether the failure says in a known code what the lock does; otherwise it only happened under the lock."""
    if lock.kind in {LockKind.AUTHORITY_UNTAGGED, LockKind.KEY_POLICY, LockKind.SECRET_REPLICATED}:
        return False
    code = bare_code(call["error_code"])
    marked = code == "InvalidRequest" and "delet" in (call["error_message"] or "").lower()
    return marked or code in GONE_CODES.get(call["event_source"], frozenset())


def _authority_locks(events: Sheet) -> Iterator[Lock]:
    names = (
        "TagCertificateAuthority",
        "UntagCertificateAuthority",
        "UpdateCertificateAuthority",
        "DeleteCertificateAuthority",
        "RestoreCertificateAuthority",
    )
    mine = events.where(event_source=AUTHORITIES, event_name=names, error_code=None)
    open_locks: dict[tuple[str, LockKind], Lock] = {}
    for row in _by_time(rows(mine, ("event_id", "event_time", "event_name", "request_parameters"))):
        request = json_object(row["request_parameters"])
        subject, effect = text(request.get("certificateAuthorityArn")), _effect(row["event_name"], request)
        if subject is None or effect is None:
            continue
        kind, closes = effect
        if closes and (subject, kind) not in open_locks:
            open_locks[subject, kind] = lock = Lock(kind, subject, row["event_time"], row["event_id"])
            yield lock
        elif not closes and (held := open_locks.pop((subject, kind), None)) is not None:
            held.end = row["event_time"]


def _effect(name: str, request: Object) -> tuple[LockKind, bool] | None:
    """The lock a write on a certificate authority closes (True) or opens (False); None for any other write."""
    if name == "UpdateCertificateAuthority":
        status = text(request.get("status"))
        return (LockKind.AUTHORITY_DISABLED, status == "DISABLED") if status in {"DISABLED", "ACTIVE"} else None
    if name in {"DeleteCertificateAuthority", "RestoreCertificateAuthority"}:
        return LockKind.AUTHORITY_DELETED, name.startswith("Delete")
    values = [text(tag.get("value")) for tag in objects(request.get("tags")) if tag.get("key") == TAG_MANAGED]
    if not values:
        return None
    if name == "UntagCertificateAuthority":
        # A value that is not the tag's own removes nothing (UntagCertificateAuthority).
        return (LockKind.AUTHORITY_UNTAGGED, True) if values[0] in {None, "true"} else None
    return LockKind.AUTHORITY_UNTAGGED, values[0] != "true"


def _secret_locks(calls: Sequence[Row]) -> Iterator[Lock]:
    deleted: dict[str, Lock] = {}
    replicas: dict[str, Lock] = {}
    for call in calls:
        secret, name = call["secret"], call["event_name"]
        if secret is None or call["outcome"] != Outcome.OK:
            continue
        if name == "DeleteSecret" and not call["by_ecs"] and secret not in deleted:
            deleted[secret] = lock = Lock(LockKind.SECRET_DELETED, secret, call["event_time"], call["event_id"])
            yield lock
        elif name == "ReplicateSecretToRegions" and not call["by_ecs"] and secret not in replicas:
            replicas[secret] = lock = Lock(LockKind.SECRET_REPLICATED, secret, call["event_time"], call["event_id"])
            yield lock
        elif name == "RestoreSecret" and secret in deleted:
            deleted.pop(secret).end = call["event_time"]
        elif name == "RemoveRegionsFromReplication" and secret in replicas:
            replicas.pop(secret).end = call["event_time"]


def _key_locks(events: Sheet, key_outages: Frame) -> Iterator[Lock]:
    spans = rows(key_outages)
    mine = events.where(event_id=[span["cause_event_id"] for span in spans])
    told = {row["event_id"]: row for row in rows(mine, ("event_id", "event_name", "aws_region"))}
    for span in spans:
        cause: Mapping[str, Any] = told.get(span["cause_event_id"], {})
        kind = LockKind.KEY_POLICY if cause.get("event_name") == "PutKeyPolicy" else LockKind.KEY_OFF
        yield Lock(
            kind,
            span["key_id"],
            span["start"],
            span["cause_event_id"],
            span["end"],
            span["role_arn"],
            cause.get("aws_region"),
        )


def _by_time(listed: list[Row]) -> list[Row]:
    return sorted(listed, key=lambda row: row["event_time"])
