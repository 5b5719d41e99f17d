"""The infrastructure role as it should be: trust, AWS managed policy per purpose, and who may pass it; and a check.

*Amazon ECS Developer Guide*, "Amazon ECS infrastructure IAM role" and the pages of its managed policies: two of
these stand below `service-role/`; *IAM User Guide*, "Grant a user permissions to pass a role to an AWS service"; read
on 2026-11-24.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.policies.managed import managed_policy
from ecs_trail.analysis.roles.abilities import Place, ability
from ecs_trail.analysis.roles.changes import RoleKey
from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.losses import moment_at
from ecs_trail.analysis.roles.organization import NO_LIMITS
from ecs_trail.analysis.roles.replay import Material
from ecs_trail.arns import last_part, parse_arn
from ecs_trail.frames import TEXT, TEXTS, FrameSpec, Row, Sheet
from ecs_trail.payloads import json_object
from ecs_trail.vocabulary import (
    ASSUME_ROLE,
    ECS_HOSTS,
    ECS_SERVICE,
    MANAGED_POLICY_PURPOSES,
    REQUIRED_ACTIONS,
    Purpose,
)

ROLE_CHECK: Final = FrameSpec(
    name="role_check",
    doc="One row per thing a role should have. `verdict`: ok, missing, unknown (not in the evidence) or extra.",
    key=("aspect", "name"),
    columns={"aspect": TEXT, "name": TEXT, "verdict": TEXT, "actions": TEXTS, "detail": TEXT},
)
#: Purposes whose managed policy stands below `service-role/`.
_BELOW_SERVICE_ROLE: Final = frozenset({Purpose.VOLUMES, Purpose.TLS})
_VERDICTS: Final[Mapping[Verdict, str]] = {
    Verdict.ALLOWED: "ok",
    Verdict.DENIED: "missing",
    Verdict.UNKNOWN: "unknown",
}


def trust_document() -> dict[str, Any]:
    """The trust policy: ECS, and nobody else."""
    statement = {
        "Sid": "AllowAccessToECSForInfrastructureManagement",
        "Effect": "Allow",
        "Principal": {"Service": ECS_SERVICE},
        "Action": ASSUME_ROLE,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def managed_policy_arn(purpose: Purpose, partition: str = "aws") -> str:
    """The AWS managed policy that serves a purpose."""
    name = next(name for name, served in MANAGED_POLICY_PURPOSES.items() if served is purpose)
    path = "service-role/" if purpose in _BELOW_SERVICE_ROLE else ""
    return f"arn:{partition}:iam::aws:policy/{path}{name}"


def pass_role_document(role_arn: str) -> dict[str, Any]:
    """What a person or pipeline that starts tasks needs: to pass this role to ECS, and to no other service."""
    statement = {
        "Sid": "PassInfrastructureRoleToECS",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": role_arn,
        "Condition": {"StringEquals": {"iam:PassedToService": ECS_SERVICE}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def role_check(history: RoleHistory, key: RoleKey, purposes: Sequence[Purpose], when: datetime) -> Sheet:
    """A role at a moment held against what it should be for some purposes, as `ROLE_CHECK`."""
    material = moment_at(history.moments[key], when).material
    return ROLE_CHECK.sheet(_checked(material, history.arns[key], key, purposes))


def _checked(material: Material, arn: str, key: RoleKey, purposes: Sequence[Purpose]) -> Iterator[Row]:
    if not material.state.exists:
        yield {"aspect": "role", "name": key[1], "verdict": "missing", "detail": "the role does not exist"}
        return
    place = Place(key[0])
    trusted = ability(material, arn, (purposes or [Purpose.VOLUMES])[0], ASSUME_ROLE, place)
    detail = "ECS may assume it" if trusted.verdict is Verdict.ALLOWED else trusted.reason
    yield {"aspect": "trust", "name": ECS_SERVICE, "verdict": _VERDICTS[trusted.verdict], "detail": detail}
    for principal in sorted(_others(material.state.trust)):
        told = "may assume it as well, under any session name"
        yield {"aspect": "trust", "name": principal, "verdict": "extra", "detail": told}
    for purpose in purposes:
        attached = any(MANAGED_POLICY_PURPOSES.get(last_part(one)) is purpose for one in material.state.attached)
        for (served, phase), needed in REQUIRED_ACTIONS.items():
            if served is purpose:
                verdicts = {action: _able(material, arn, purpose, action, place) for action in needed[1:]}
                worst = max(verdicts.values(), key=(Verdict.ALLOWED, Verdict.UNKNOWN, Verdict.DENIED).index)
                yield {
                    "aspect": purpose.value,
                    "name": phase.value,
                    "verdict": _VERDICTS[worst],
                    "actions": [action for action in needed[1:] if verdicts[action] is not Verdict.ALLOWED],
                    "detail": "by the AWS managed policy" if attached else "without the AWS managed policy",
                }


def _able(material: Material, arn: str, purpose: Purpose, action: str, place: Place) -> Verdict:
    """The verdict on an action; what not even the AWS managed policy seems to allow is not known well enough."""
    found = ability(material, arn, purpose, action, place).verdict
    if found is Verdict.ALLOWED:
        return found
    parsed = parse_arn(arn)
    ideal = managed_policy(managed_policy_arn(purpose, parsed.partition if parsed else "aws"))
    alone = replace(
        material,
        identity=(ideal,) if ideal else (),
        opaque=(),
        boundary=None,
        boundary_opaque=False,
        limits=NO_LIMITS,
    )
    judged = ability(alone, arn, purpose, action, place).verdict is Verdict.ALLOWED
    return found if judged else Verdict.UNKNOWN


def _others(trust: str | None) -> set[str]:
    """Everybody beside ECS a trust policy names in a statement that allows something."""
    statements = json_object(trust).get("Statement")
    found: set[str] = set()
    for one in statements if isinstance(statements, list) else [statements]:
        if isinstance(one, dict) and one.get("Effect") == "Allow":
            principal = one.get("Principal")
            listed = principal.values() if isinstance(principal, dict) else [principal]
            for value in listed:
                found.update(str(name) for name in (value if isinstance(value, list) else [value]) if name)
    return found - ECS_HOSTS
