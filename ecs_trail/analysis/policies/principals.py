"""The Principal element of trust and resource policies.

Rests on the IAM User Guide, read in 2026: "Principal" (reference_policies_elements_principal.html) and "IAM
identifiers" (reference_identifiers.html). Principal ARNs take no wildcards; ``"*"`` and ``{"AWS": "*"}`` mean everyone,
AWS services included. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecs_trail.analysis.policies.patterns import Context, Truth, template

__all__ = ["Principals", "parse_principals"]

_NOTHING = Context({})


@dataclass(frozen=True, slots=True)
class Principals:
    """Who a statement names: everyone, AWS principals (ARNs, account ids, unique ids), services."""

    everyone: bool
    aws: tuple[str, ...]
    services: tuple[str, ...]

    def names(self, service: str | None, arn: str | None, account: str | None) -> tuple[Truth, Truth]:
        """Truth of "the caller itself is named" and of "the caller's account (its root) is named"."""
        if self.everyone:
            return Truth.YES, Truth.YES
        if service is None and arn is None:
            return (Truth.MAYBE if self.aws or self.services else Truth.NO), Truth.NO
        direct = max((_service(name, service) for name in self.services), default=Truth.NO) if service else Truth.NO
        if arn is None:
            return direct, Truth.NO
        direct = max([direct, *(_principal(name, arn) for name in self.aws)])
        parts = arn.split(":", 5)
        home = account if account and (len(parts) < 5 or "*" in parts[4]) else "".join(parts[4:5])
        return direct, max((_root(name, home) for name in self.aws), default=Truth.NO)


def parse_principals(value: object) -> Principals:
    """Read a Principal or NotPrincipal element. Raises ValueError or TypeError for a shape that is none."""
    if value == "*":
        return Principals(everyone=True, aws=(), services=())
    if not isinstance(value, Mapping):
        raise TypeError("Principal is neither * nor a JSON object")
    named: dict[str, tuple[str, ...]] = {}
    for kind, names in value.items():
        texts = names if isinstance(names, list) else [names]
        if kind not in ("AWS", "Service", "Federated", "CanonicalUser") or not all(isinstance(n, str) for n in texts):
            raise ValueError(f"Principal of kind {str(kind)[:60]!r} is not understood")
        named[kind] = tuple(texts)
    aws = named.get("AWS", ())
    return Principals("*" in aws, aws, named.get("Service", ()))


def _service(name: str, caller: str | None) -> Truth:
    if name in (caller, "*"):
        return Truth.YES
    # Whether ECS in China calls itself ecs.amazonaws.com.cn is not documented.
    same = caller is not None and name.removesuffix(".cn") == caller.removesuffix(".cn")
    return Truth.MAYBE if same else Truth.NO


def _root(name: str, account: str) -> Truth:
    parts = name.split(":")
    if len(parts) == 6 and parts[2] == "iam" and parts[5] == "root":
        name = parts[4]
    elif not (name.isdigit() and len(name) == 12):
        return Truth.NO
    return template(name, wildcards=False, variables=False).match(account, _NOTHING)


def _principal(name: str, arn: str) -> Truth:
    found = template(name, wildcards=False, variables=False).match(arn, _NOTHING)
    if found is not Truth.NO:
        return found
    if name.startswith("AROA"):  # a role's unique id, which an ARN does not show
        return Truth.MAYBE
    listed, caller = _role(name), _role(arn)
    if listed is None or caller is None or listed[:2] != caller[:2]:
        return Truth.NO
    # A session of a listed role is the role; of a role we only know, the listed session may be the one.
    if listed[2] == "":
        return Truth.YES if caller[2] else Truth.NO
    return Truth.NO if caller[2] else Truth.MAYBE


def _role(arn: str) -> tuple[str, str, str] | None:
    """Account, role name and session name ("" for the role itself); role names are unique in an account."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None
    path = parts[5].split("/")
    if parts[2] == "iam" and path[0] == "role" and len(path) > 1:
        return parts[4], path[-1], ""
    if parts[2] == "sts" and path[0] == "assumed-role" and len(path) == 3:
        return parts[4], path[1], path[2]
    return None
