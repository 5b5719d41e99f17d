"""May ECS do this with the role? One verdict for an action, a role's material and the place where ECS works.

The request context is what ECS is known to send: reserved tags, Region, account, calling service (*Amazon ECS Developer
Guide*, pages of the infrastructure role's managed policies; *IAM User Guide*, "AWS global condition context keys", read
on 2026-11-24). Whether ECS sends an external id is not confirmed, so an observed success overrules a "no" from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ecs_trail.analysis.policies import Decision, Policy, Request, Verdict, can_grant, could_deny, decide, trust_verdict
from ecs_trail.analysis.roles.organization import full_access
from ecs_trail.analysis.roles.replay import Material
from ecs_trail.arns import parse_arn
from ecs_trail.vocabulary import ASSUME_ROLE, ECS_SERVICE, SESSION_PURPOSES, Purpose

#: Keys a service principal's or a service-held session's request never carries.
_ABSENT: Final = frozenset(
    {
        "sts:externalid",
        "sts:sourceidentity",
        "sts:transitivetagkeys",
        "aws:multifactorauthpresent",
        "aws:multifactorauthage",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:vpcsourceip",
        "aws:username",
        "aws:referer",
        "aws:federatedprovider",
    }
)
_ABSENT_IN_TRUST: Final = _ABSENT | {
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principaltag/*",
    "aws:userid",
    "aws:requesttag/*",
    "aws:sourceip",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where ECS works with a role: account and Region, the cluster for tasks, and whether the reserved tags are there.

    A None Region or cluster stands for any.
    """

    account: str
    region: str | None = None
    cluster: str | None = None
    tagged: bool = True


def ability(material: Material, role_arn: str, purpose: Purpose, action: str, place: Place) -> Decision:
    """Whether ECS may take `action` for `purpose` with this role, there; `by` names the policy that decided."""
    if not material.state.exists:
        return Decision(Verdict.DENIED, "role", "", "the role does not exist")
    if action == ASSUME_ROLE:
        return _trust(material, purpose, place)
    return _judged(material, request_of(role_arn, purpose, action, place))


def could_take(before: Material, after: Material, action: str) -> bool:
    """Whether the step from one material to the next can have taken an action away."""
    if before.state.exists != after.state.exists:
        return before.state.exists
    if action == ASSUME_ROLE:
        return before.trust is not after.trust and before.trust != after.trust
    gone = [policy for policy in before.identity if policy not in after.identity]
    new = [policy for policy in after.identity if policy not in before.identity]
    return (
        any(can_grant(policy, action) for policy in gone)
        or any(could_deny(policy, action) for policy in new)
        or bool(set(before.opaque) - set(after.opaque))
        or (_boundary(before) != _boundary(after) and bool(after.state.boundary))
        or before.limits != after.limits
    )


def drops_grant(before: Material, after: Material, action: str) -> bool:
    """Whether the step takes away a policy that grants an action or may have, the trust for it, or the role."""
    if action == ASSUME_ROLE or before.state.exists != after.state.exists:
        return True
    gone = [policy for policy in before.identity if policy not in after.identity]
    return bool(set(before.opaque) - set(after.opaque)) or any(can_grant(policy, action) for policy in gone)


def could_give(before: Material, after: Material, action: str) -> bool:
    """Whether the step from one material to the next can have given an action."""
    if before.state.exists != after.state.exists:
        return after.state.exists
    if action == ASSUME_ROLE:
        return before.trust is not after.trust and before.trust != after.trust
    gone = [policy for policy in before.identity if policy not in after.identity]
    new = [policy for policy in after.identity if policy not in before.identity]
    return (
        any(can_grant(policy, action) for policy in new)
        or any(could_deny(policy, action) for policy in gone)
        or bool(set(after.opaque) - set(before.opaque))
        or (_boundary(before) != _boundary(after) and bool(before.state.boundary))
        or before.limits != after.limits
    )


def request_of(role_arn: str, purpose: Purpose, action: str, place: Place) -> Request:
    """The call ECS makes, with all that is known of its context."""
    arn = parse_arn(role_arn)
    partition = arn.partition if arn else "aws"
    region, cluster = place.region or "*", place.cluster or "*"
    session = next((name for name, served in SESSION_PURPOSES.items() if served is purpose), "*")
    context: dict[str, tuple[str, ...]] = {
        "aws:principalarn": (role_arn,),
        "aws:principalaccount": (place.account,),
        "aws:principaltype": ("AssumedRole",),
        "aws:userid": (f"*:{session}",),
        "aws:securetransport": ("true",),
        "aws:principalisawsservice": ("false",),
        "aws:resourceaccount": (place.account,),
        "aws:requestedregion": (region,),
        "ec2:region": (region,),
    }
    where = _Where(partition, region, place.account, cluster)
    if purpose is Purpose.VOLUMES:
        resource = _volume_context(context, action, where, tagged=place.tagged)
    elif purpose is Purpose.TLS:
        resource = _tls_context(context, action, where)
    else:
        resource = _other_context(context, purpose, action, where)
    absent = _ABSENT if place.tagged else _ABSENT | {"aws:resourcetag/*", "ec2:resourcetag/*"}
    return Request(
        action, resource, tuple(sorted(context.items())), absent, principal_arn=role_arn, account=place.account
    )


@dataclass(frozen=True, slots=True)
class _Where:
    partition: str
    region: str
    account: str
    cluster: str


_OTHER_RESOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "iam:PassRole": "arn:{p}:iam::{a}:role/ecsInstanceRole",
        "ec2:CreateLaunchTemplate": "arn:{p}:ec2:{r}:{a}:launch-template/*",
        "ec2:CreateFleet": "arn:{p}:ec2:{r}:{a}:fleet/*",
        "ec2:RunInstances": "arn:{p}:ec2:{r}:{a}:instance/*",
        "ec2:CreateTags": "arn:{p}:ec2:{r}:{a}:instance/*",
        "vpc-lattice:RegisterTargets": "arn:{p}:vpc-lattice:{r}:{a}:targetgroup/*",
        "vpc-lattice:DeregisterTargets": "arn:{p}:vpc-lattice:{r}:{a}:targetgroup/*",
        "vpc-lattice:GetTargetGroup": "arn:{p}:vpc-lattice:{r}:{a}:targetgroup/*",
        "vpc-lattice:ListTargets": "arn:{p}:vpc-lattice:{r}:{a}:targetgroup/*",
        "elasticloadbalancing:RegisterTargets": "arn:{p}:elasticloadbalancing:{r}:{a}:targetgroup/*/*",
        "elasticloadbalancing:DeregisterTargets": "arn:{p}:elasticloadbalancing:{r}:{a}:targetgroup/*/*",
        "elasticloadbalancing:ModifyListener": "arn:{p}:elasticloadbalancing:{r}:{a}:listener/app/*/*/*",
        "elasticloadbalancing:ModifyRule": "arn:{p}:elasticloadbalancing:{r}:{a}:listener-rule/app/*/*/*/*",
    }
)


def _other_context(context: dict[str, tuple[str, ...]], purpose: Purpose, action: str, where: _Where) -> str:
    """Add what ECS sends for the other purposes, by the conditions of their managed policies; returns the resource."""
    if purpose is Purpose.MANAGED_INSTANCES:
        context["aws:requesttag/amazonecsmanaged"] = ("true",)
        context["iam:passedtoservice"] = ("ec2.amazonaws.com",)
        if action == "ec2:CreateTags":
            context["ec2:createaction"] = ("RunInstances",)
    return _OTHER_RESOURCES.get(action, "*").format(p=where.partition, r=where.region, a=where.account)


def _volume_context(context: dict[str, tuple[str, ...]], action: str, where: _Where, *, tagged: bool) -> str:
    """Add the reserved tags as request or resource tags; returns the resource."""
    task = f"arn:{where.partition}:ecs:{where.region}:{where.account}:task/{where.cluster}/*"
    prefixes = {
        "ec2:CreateVolume": ("aws:requesttag/",),
        "ec2:CreateTags": ("aws:requesttag/",),
    }.get(action, ("aws:resourcetag/", "ec2:resourcetag/"))
    if action == "ec2:CreateTags":
        context["ec2:createaction"] = ("CreateVolume",)
    if tagged:
        for prefix in prefixes:
            context[f"{prefix}amazonecscreated"] = (task,)
            context[f"{prefix}amazonecsmanaged"] = ("true",)
        context["aws:tagkeys"] = ("AmazonECSCreated", "AmazonECSManaged")
    if action.startswith("ec2:Describe"):
        return "*"
    return f"arn:{where.partition}:ec2:{where.region}:{where.account}:volume/*"


def _tls_context(context: dict[str, tuple[str, ...]], action: str, where: _Where) -> str:
    if action.startswith("acm-pca:"):
        context["aws:resourcetag/amazonecsmanaged"] = ("true",)
        context["acm-pca:templatearn"] = (f"arn:{where.partition}:acm-pca:::template/EndEntityCertificate/V1",)
        return f"arn:{where.partition}:acm-pca:{where.region}:{where.account}:certificate-authority/*"
    service = f"arn:{where.partition}:ecs:{where.region}:{where.account}:service/{where.cluster}/*"
    prefix = "aws:requesttag/" if action in {"secretsmanager:CreateSecret", "secretsmanager:TagResource"} else ""
    for start in (prefix or "aws:resourcetag/", "secretsmanager:resourcetag/"):
        context[f"{start}amazonecscreated"] = (service,)
        context[f"{start}amazonecsmanaged"] = ("true",)
    context["secretsmanager:resourcetag/aws:secretsmanager:owningservice"] = ("ecs-sc",)
    context["aws:resourcetag/aws:secretsmanager:owningservice"] = ("ecs-sc",)
    return f"arn:{where.partition}:secretsmanager:{where.region}:{where.account}:secret:ecs-sc!*"


def _trust(material: Material, purpose: Purpose, place: Place) -> Decision:
    if material.trust is None:
        return Decision(Verdict.UNKNOWN, "trust", "", "the trust policy is not in the evidence")
    session = next((name for name, served in SESSION_PURPOSES.items() if served is purpose), "*")
    region = place.region or "*"
    context: dict[str, tuple[str, ...]] = {
        "aws:sourceaccount": (place.account,),
        "aws:sourcearn": (f"arn:*:ecs:{region}:{place.account}:*",),
        "aws:principalservicename": (ECS_SERVICE,),
        "aws:principalisawsservice": ("true",),
        "aws:requestedregion": (region,),
        "aws:securetransport": ("true",),
        "sts:rolesessionname": (session,),
    }
    request = Request(ASSUME_ROLE, "*", tuple(sorted(context.items())), _ABSENT_IN_TRUST, principal_service=ECS_SERVICE)
    return _trust_cached(material.trust, request)


@lru_cache(maxsize=4096)
def _trust_cached(trust: Policy, request: Request) -> Decision:
    return trust_verdict(request, trust)


@lru_cache(maxsize=65536)
def _judged(material: Material, request: Request) -> Decision:
    decided = decide(
        request,
        identity=material.identity,
        complete=material.state.complete and not material.opaque,
        boundary=material.boundary,
        scps=material.limits.levels,
        rcps=(material.limits.rcps,) if material.limits.rcps else (),
    )
    if decided.verdict is not Verdict.ALLOWED:
        return decided
    if material.boundary_opaque:
        return Decision(Verdict.UNKNOWN, "boundary", "", "the boundary's content is not in the evidence")
    if material.limits.opaque:
        return Decision(Verdict.UNKNOWN, "scp", "", "an attached organization policy is not in the evidence")
    possible = decide(request, identity=(full_access(),), rcps=(material.limits.possible,))
    if possible.verdict is not Verdict.ALLOWED:
        return Decision(Verdict.UNKNOWN, "scp", "", "an organization policy may apply; the account tree is not known")
    return decided


def _boundary(material: Material) -> tuple[str, str]:
    return (
        (material.state.boundary, material.boundary.document if material.boundary else "")
        if (material.state.boundary)
        else ("", "")
    )
