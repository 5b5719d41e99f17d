"""Seeded policy sets and requests that match by construction, for the oracle test and the property tests."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from ecs_trail.analysis.policies import Request

ACCOUNT, OTHER = "111122223333", "444455556666"
TASK = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/prod/0123abcd"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/infra/ecsInfrastructureRole"

CALLS = {
    "ec2:CreateVolume": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-0a1b2c3d4e5f67890",
    "ec2:CreateTags": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-0a1b2c3d4e5f67890",
    "ec2:AttachVolume": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/i-0a1b2c3d4e5f67890",
    "ec2:DetachVolume": f"arn:aws:ec2:us-east-1:{ACCOUNT}:volume/vol-0a1b2c3d4e5f67890",
    "ec2:DeleteVolume": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-0a1b2c3d4e5f67890",
    "ec2:DescribeVolumes": "*",
    "ec2:RunInstances": f"arn:aws:ec2:eu-west-1:{ACCOUNT}:network-interface/eni-0a1b2c3d",
    "secretsmanager:CreateSecret": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:ecs-sc!web-AbCdEf",
    "secretsmanager:DeleteSecret": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:ecs-sc!web-AbCdEf",
    "acm-pca:IssueCertificate": f"arn:aws:acm-pca:eu-west-1:{ACCOUNT}:certificate-authority/12ab34cd",
    "vpc-lattice:RegisterTargets": f"arn:aws:vpc-lattice:eu-west-1:{ACCOUNT}:targetgroup/tg-0123",
    "elasticloadbalancing:ModifyRule": f"arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}:listener-rule/app/x/1/2/3",
    "iam:PassRole": f"arn:aws:iam::{ACCOUNT}:role/ecsInstanceRole-web",
}

# Condition keys with values they take: the first is the usual one.
KEYS: dict[str, tuple[str, ...]] = {
    "aws:RequestedRegion": ("eu-west-1", "us-east-1", "EU-WEST-1"),
    "aws:ResourceTag/AmazonECSManaged": ("true", "false", "True"),
    "aws:ResourceTag/AmazonECSCreated": (TASK, f"arn:aws:ecs:eu-west-1:{OTHER}:service/prod/web"),
    "aws:RequestTag/AmazonECSManaged": ("true", "false"),
    "aws:RequestTag/AmazonECSCreated": (TASK, f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task-set/prod/web/1"),
    "ec2:CreateAction": ("CreateVolume", "RunInstances"),
    "aws:SourceAccount": (ACCOUNT, OTHER),
    "aws:SourceArn": (f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod", f"arn:aws:ecs:us-east-1:{OTHER}:x"),
    "aws:PrincipalArn": (ROLE, f"arn:aws:iam::{OTHER}:role/other"),
    "aws:PrincipalTag/team": ("infra", "web", "vol-0a1b2c3d4e5f67890"),
    "aws:SourceIp": ("203.0.113.7", "2001:db8::7", "198.51.100.1"),
    "aws:SecureTransport": ("true", "false"),
    "aws:MultiFactorAuthPresent": ("true", "false"),
    "aws:CurrentTime": ("2026-03-02T09:15:00Z", "2025-01-01T00:00:00Z"),
    "ec2:VolumeSize": ("20", "100", "7.5"),
    "sts:ExternalId": ("ticket-42", "ticket-43"),
}
MULTIPLE = {"aws:TagKeys": ("AmazonECSManaged", "AmazonECSCreated", "team"), "aws:CalledVia": ("ecs.amazonaws.com",)}
ARNS = ("aws:ResourceTag/AmazonECSCreated", "aws:RequestTag/AmazonECSCreated", "aws:SourceArn", "aws:PrincipalArn")


@dataclass
class Case:
    """One request with every policy that bears on it; context keys not given are absent."""

    kind: str
    request: Request
    context: dict[str, list[str]]
    identity: list[dict[str, Any]] = field(default_factory=list)
    boundary: dict[str, Any] | None = None
    scps: list[list[dict[str, Any]]] = field(default_factory=list)
    rcps: list[list[dict[str, Any]]] = field(default_factory=list)
    resource: dict[str, Any] | None = None


class Maker:
    """Makes cases from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def case(self) -> Case:
        """A case of any kind."""
        if self.chance(0.25):
            return self._resource_case()
        action = self.random.choice(list(CALLS))
        context = self._context()
        request = self._request(action, CALLS[action], context, principal_arn=ROLE)
        case = Case("identity", request, context)
        case.identity = [self._document(case) for _ in range(self.random.randint(1, 3))]
        if self.chance(0.3):
            case.kind, case.boundary = "boundary", self._document(case)
        if self.chance(0.3):
            case.kind += "+scp"
            case.scps = [[self._document(case, deny=0.2) for _ in range(self.random.randint(1, 2))] for _ in range(2)]
        if self.chance(0.2):
            case.kind += "+rcp"
            case.rcps = [[self._document(case, deny=1.0, principal="*", match=0.4)]]
        return case

    def _resource_case(self) -> Case:
        context = self._context()
        if self.chance(0.6):
            request = self._request("sts:AssumeRole", ROLE, context, principal_service="ecs.amazonaws.com")
            case = Case("trust", request, context)
            case.resource = self._document(case, principal="service", resources=False)
            return case
        key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd"
        action = self.random.choice(["kms:CreateGrant", "kms:GenerateDataKeyPair", "kms:Decrypt"])
        case = Case("key", self._request(action, key, context, principal_arn=ROLE), context)
        case.resource = self._document(case, principal="role")
        return case

    def _request(self, action: str, resource: str, context: dict[str, list[str]], **who: str) -> Request:
        present = tuple(sorted((key.lower(), tuple(values)) for key, values in context.items()))
        absent = frozenset(key.lower() for key in (*KEYS, *MULTIPLE, "aws:username") if key not in context)
        return Request(action, resource, present, absent, account=ACCOUNT, **who)

    def _context(self) -> dict[str, list[str]]:
        found = {key: [self.random.choice((values[0], *values))] for key, values in KEYS.items() if self.chance(0.6)}
        for key, values in MULTIPLE.items():
            if self.chance(0.5):
                found[key] = self.random.sample(values, self.random.randint(1, len(values)))
        return found

    def _document(self, case: Case, *, deny: float = 0.15, match: float = 0.75, **shape: Any) -> dict[str, Any]:
        count = self.random.choice((1, 1, 2, 3))
        statements = [self._statement(case, self.chance(deny), self.chance(match), **shape) for _ in range(count)]
        version = (
            {} if self.chance(0.1) else {"Version": self.random.choice(("2012-10-17", "2012-10-17", "2008-10-17"))}
        )
        return {**version, "Statement": statements[0] if count == 1 and self.chance(0.3) else statements}

    def _statement(
        self, case: Case, deny: bool, match: bool, *, principal: str = "", resources: bool = True
    ) -> dict[str, Any]:
        """A statement that takes in the request, one part of it spoilt unless ``match``."""
        parts = ["Action", "Condition"] + ["Resource"] * resources + ["Principal"] * (principal in ("role", "service"))
        spoilt = "" if match else self.random.choice(parts)
        found: dict[str, Any] = {"Effect": "Deny" if deny else "Allow"}
        found |= self._element("Action", case.request.action, spoilt)
        if resources:
            found |= self._element("Resource", case.request.resource, spoilt)
        if principal:
            found |= self._principal(principal, spoilt, deny)
        if self.chance(0.65) or spoilt == "Condition":
            found["Condition"] = self._conditions(case, spoilt)
        return found

    def _element(self, name: str, value: str, spoilt: str) -> dict[str, Any]:
        pattern = self._action if name == "Action" else self._arn
        others = (
            ["iam:Get*", "s3:*", "logs:?reate*"] if name == "Action" else ["arn:aws:s3:::b/*", "arn:aws:sqs:*:*:q?"]
        )
        wanted = name != spoilt
        if self.chance(0.2) and not (name == "Resource" and value == "*"):
            listed = self.random.sample(others, 2) if wanted else [*others[:1], pattern(value)]
            return {f"Not{name}": listed}
        listed = [pattern(value)] if wanted else self.random.sample(others, 1)
        if self.chance(0.4):
            listed += self.random.sample(others, 1)
        return {name: listed[0] if len(listed) == 1 and self.chance(0.5) else listed}

    def _action(self, action: str) -> str:
        service, name = action.split(":")
        shapes = [action, action.upper(), action.lower(), f"{service}:*", "*", f"{service}:{name[:3]}*"]
        shapes += [f"{service}:*{name[-6:]}", f"{service}:{name[:4]}?{name[5:]}", f"{service}:{name[:2]}*{name[4:7]}*"]
        return self.random.choice(shapes)

    def _arn(self, arn: str) -> str:
        if arn == "*":
            return "*"
        parts = arn.split(":", 5)
        shapes = [arn, "*", ":".join([*parts[:3], "*", "*", parts[5]]), ":".join([*parts[:5], parts[5][:5] + "*"])]
        shapes += [":".join([*parts[:3], parts[3], "*", "*"]), arn[:-1] + "?", arn[:-4] + "*" + arn[-2:]]
        if parts[5].startswith("volume/"):
            shapes.append(":".join([*parts[:5], "volume/${aws:PrincipalTag/team, 'vol-0a1b2c3d4e5f67890'}"]))
            shapes.append(":".join([*parts[:5], "volume/${aws:PrincipalTag/team}"]))
        return self.random.choice(shapes)

    def _principal(self, kind: str, spoilt: str, deny: bool) -> dict[str, Any]:
        if kind == "*":
            return {"Principal": "*"}
        if kind == "service":
            wanted: list[Any] = [
                {"Service": "ecs.amazonaws.com"},
                {"Service": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]},
            ]
            other: list[Any] = [{"Service": "ecs-tasks.amazonaws.com"}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}]
        else:
            wanted = [{"AWS": ROLE}, {"AWS": [ROLE, f"arn:aws:iam::{OTHER}:root"]}, "*", {"AWS": "*"}]
            wanted += [{"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}]
            other = [{"AWS": OTHER}, {"Service": "ecs.amazonaws.com"}, {"AWS": f"arn:aws:iam::{ACCOUNT}:role/x"}]
        if deny and self.chance(0.15):
            listed = wanted[0] if spoilt == "Principal" else other[0]
            if spoilt == "Principal" and kind == "role":
                listed = {"AWS": [ROLE, f"arn:aws:iam::{ACCOUNT}:root"]}
            return {"NotPrincipal": listed}
        return {"Principal": self.random.choice(other if spoilt == "Principal" else wanted)}

    def _conditions(self, case: Case, spoilt: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self.random.choice((1, 1, 2))):
            operator, key, value = self._condition(case, wanted=spoilt != "Condition")
            found.setdefault(operator, {})[key if self.chance(0.8) else key.lower()] = value
        return found

    def _condition(self, case: Case, *, wanted: bool) -> tuple[str, str, Any]:
        """Operator, key, value; mostly true of the context when ``wanted``, mostly false else."""
        key = self.random.choice((*KEYS, *MULTIPLE))
        present = case.context.get(key)
        if key in MULTIPLE:
            return self._set_condition(key, present, wanted=wanted)
        if self.chance(0.1) or (present is None and self.chance(0.3)):
            return "Null", key, str((present is None) is wanted).lower()
        if_exists = "IfExists" if self.chance(0.5 if present is None else 0.2) else ""
        value = present[0] if present else KEYS[key][0]
        other = self.random.choice([one for one in KEYS[key] if one != value])
        positive, negative, shown, unlike = self._operator(key, value, other)
        if self.chance(0.3) and negative:
            return negative + if_exists, key, unlike if wanted else shown
        listed = shown if wanted else unlike
        return (
            positive + if_exists,
            key,
            [listed, "other"] if positive.startswith("String") and self.chance(0.3) else listed,
        )

    def _operator(self, key: str, value: str, other: str) -> tuple[str, str, str, str]:
        """Positive and negated operator, a policy value that matches the request's and one that matches another."""
        if key == "aws:SourceIp":
            ranges = {"203.0.113.7": "203.0.113.0/24", "2001:db8::7": "2001:db8::/32", "198.51.100.1": "198.51.100.1"}
            return "IpAddress", "NotIpAddress", ranges[value], ranges[other]
        if key in ("aws:SecureTransport", "aws:MultiFactorAuthPresent"):
            return "Bool", "", value, other
        if key in ("aws:CurrentTime", "ec2:VolumeSize"):
            family = "Date" if key == "aws:CurrentTime" else "Numeric"
            order = ["LessThanEquals", "GreaterThanEquals", "Equals", "LessThan", "GreaterThan"]
            return family + self.random.choice(order), f"{family}NotEquals", value, other
        if key in ARNS and self.chance(0.6):
            parts, wrong = value.split(":", 5), other.split(":", 5)
            shown = ":".join([*parts[:3], "*", parts[4], parts[5].split("/")[0] + "/*"])
            unlike = ":".join([*wrong[:4], wrong[4], wrong[5].split("/")[0] + "/?*"])
            name = self.random.choice(("Like", "Equals"))
            return f"Arn{name}", f"ArnNot{name}", shown, unlike
        name = self.random.choice(("Equals", "Like", "EqualsIgnoreCase"))
        shown = {"Like": value[:3] + "*" + value[-1:], "EqualsIgnoreCase": value.upper()}.get(name, value)
        if key == "aws:PrincipalTag/team" and self.chance(0.5):
            shown = self.random.choice(("${aws:PrincipalTag/team}", f"${{aws:username, '{value}'}}", "${aws:username}"))
        return f"String{name}", f"StringNot{name}", shown, other

    def _set_condition(self, key: str, present: list[str] | None, *, wanted: bool) -> tuple[str, str, Any]:
        quantifier = self.random.choice(("ForAllValues", "ForAnyValue"))
        name = self.random.choice(("StringEquals", "StringLike", "StringNotEquals", "StringEqualsIfExists"))
        values = list(present or MULTIPLE[key]) if wanted else ["nothing"]
        return f"{quantifier}:{name}", key, values
