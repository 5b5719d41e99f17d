"""The sentences of findings: short, plain, each with the ids a reader can follow."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ecs_trail.arns import last_part
from ecs_trail.frames import Row
from ecs_trail.times import format_time

_DONE: Final = {
    "DetachRolePolicy": "{policy} was detached from {role}",
    "DeleteRolePolicy": "the inline policy {policy} of {role} was deleted",
    "PutRolePolicy": "the inline policy {policy} of {role} was changed",
    "AttachRolePolicy": "{policy}, which denies what ECS needs, was attached to {role}",
    "CreatePolicyVersion": "a narrower version of {policy} on {role} became the default",
    "SetDefaultPolicyVersion": "an older version of {policy} on {role} became the default",
    "DeletePolicy": "{policy} was deleted",
    "PutRolePermissionsBoundary": "a permissions boundary was put on {role}",
    "DeleteRole": "{role} was deleted",
    "UpdateAssumeRolePolicy": "the trust policy of {role} no longer lets ECS assume it",
    "AttachPolicy": "an organization policy was attached that denies {role} what ECS needs",
    "UpdatePolicy": "an organization policy was changed and denies {role} what ECS needs",
    "DetachPolicy": "an organization policy that allowed {role} was detached",
    "MoveAccount": "the account of {role} was moved below an organization policy that denies what ECS needs",
    "DeleteTags": "the reserved tags of the volume were removed",
    "CreateTags": "the reserved tags of the volume were overwritten",
    "DisableKey": "the encryption key {policy} was disabled",
    "ScheduleKeyDeletion": "the encryption key {policy} was scheduled for deletion",
    "PutKeyPolicy": "the policy of the encryption key {policy} shut {role} out",
    "UntagCertificateAuthority": "the certificate authority lost its AmazonECSManaged tag",
    "UpdateCertificateAuthority": "the certificate authority was disabled",
    "DeleteCertificateAuthority": "the certificate authority was deleted",
    "DeleteSecret": "the secret was deleted",
    "ReplicateSecretToRegions": "the secret was replicated to other Regions",
}


def counted(count: int, noun: str) -> str:
    """`1 task`, `3 tasks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def role_label(role_arn: str | None) -> str:
    """A role's name for a sentence."""
    return f"role {last_part(role_arn)}" if role_arn else "the role"


def sentence(text: str) -> str:
    """Text with its first letter raised, the rest as it is: names keep their spelling."""
    return text[:1].upper() + text[1:]


def names(arns: Sequence[str]) -> str:
    """Up to three names and how many more there are."""
    short = [last_part(arn)[:40] for arn in sorted(arns)]
    rest = f" and {len(short) - 3} more" if len(short) > 3 else ""
    return ", ".join(short[:3]) + rest


def done(cause: Row, role: str) -> str:
    """What a change did, in words."""
    policy = last_part(cause.get("policy") or cause.get("subject")) or "a policy"
    told = _DONE.get(cause["event_name"], f"{cause['event_name']} changed {{role}}")
    return told.format(policy=policy[:128], role=role)


def cause_clause(causes: Sequence[Row], role: str) -> str:
    """The causes in one clause: the first one, and the deletion of the role where that followed."""
    if not causes:
        return "the cause is not in the evidence"
    first = done(causes[0], role)
    if any(cause["event_name"] == "DeleteRole" for cause in causes[1:]):
        first += ", then the role was deleted"
    elif len(causes) > 1:
        first += f" (and {counted(len(causes) - 1, 'further change')})"
    return first


_WORK: Final = {
    ("volumes", "provision"): "create and attach volumes",
    ("volumes", "teardown"): "detach and delete volumes",
    ("tls", "issue"): "issue TLS certificates",
    ("tls", "rotate"): "rotate TLS certificates",
    ("tls", "delete"): "delete TLS secrets",
    ("lattice", "provision"): "register VPC Lattice targets",
    ("lattice", "teardown"): "deregister VPC Lattice targets",
    ("load_balancers", "provision"): "register load balancer targets",
    ("load_balancers", "teardown"): "deregister load balancer targets",
    ("managed_instances", "provision"): "launch managed instances",
}


def work(purpose: str | None, phase: str | None, session_name: str | None) -> str:
    """What ECS does for a purpose in a phase, in words; for an unknown session its name."""
    return _WORK.get((purpose or "", phase or "")) or f"work under the session {session_name}"


def outage_sentence(outage: Row) -> str:
    """What the role could not do, and from when until when."""
    until = f"until {format_time(outage['end'])}" if outage["end"] else "and still cannot at the end of the evidence"
    actions = ", ".join(outage["actions"])
    return (
        f"{sentence(role_label(outage['role_arn']))} could not {_WORK[outage['purpose'], outage['phase']]} from "
        f"{format_time(outage['start'])} {until}: it lost {actions} ({outage['id']})."
    )


def spell(moment: datetime | None) -> str:
    """A time, or a dash."""
    return format_time(moment) if moment else "-"
