"""IAM policy documents: from text to compiled statements.

Rests on the IAM User Guide, read in 2026: "Grammar of the IAM JSON policy language" (reference_policies_grammar.html)
and the element pages (reference_policies_elements.html). The text comes from CloudTrail, so from an attacker: reading
never raises; what is not understood becomes ``Policy.problem``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from ecs_trail.analysis.policies.conditions import Clause, parse_conditions
from ecs_trail.analysis.policies.patterns import Glob, Template, Variable, template
from ecs_trail.analysis.policies.principals import Principals, parse_principals

__all__ = ["Policy", "Statement", "parse_policy"]

_LARGEST: Final = 1 << 20  # characters; IAM's largest document is far below, more is no policy
_TOP: Final = frozenset({"Version", "Id", "Statement"})
_ELEMENTS: Final = frozenset(
    ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"]
)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One compiled statement. ``resources`` None: the element is missing, as in a trust policy."""

    name: str
    allows: bool
    actions: tuple[Glob, ...]
    not_action: bool
    resources: tuple[Template, ...] | None
    not_resource: bool
    principals: Principals | None
    not_principal: bool
    clauses: tuple[Clause, ...]

    def covers(self, action: str) -> bool:
        """Whether the Action or NotAction element takes in this lower-cased action."""
        return any(glob.match(action, exact=True) for glob in self.actions) is not self.not_action


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document, parsed once; equal and hashed by label and text.

    ``document``: canonical JSON (sorted keys), or the text as received when it is no JSON. ``problem``: what could not
    be understood; such a policy makes every request unknown. ``mentions``: the lower-cased condition keys it asks for.
    """

    label: str
    document: str
    statements: tuple[Statement, ...] = field(compare=False, repr=False)
    problem: str | None = field(compare=False)
    mentions: frozenset[str] = field(compare=False, repr=False)


def parse_policy(document: str | Mapping[str, object], label: str = "") -> Policy:
    """Compile a policy document: JSON text, URL-encoded JSON text, or the parsed object.

    Never raises on its content.
    """
    if isinstance(document, str):
        return _parse_text(document, label)
    try:
        return _parse_text(json.dumps(document, sort_keys=True, ensure_ascii=False), label)
    except (TypeError, ValueError, RecursionError) as error:
        return _unread("", label, f"not a JSON object ({type(error).__name__})")


def _unread(text: str, label: str, problem: str) -> Policy:
    return Policy(label, text, (), problem, frozenset())


@lru_cache(maxsize=8192)
def _parse_text(text: str, label: str) -> Policy:
    if len(text) > _LARGEST:
        return _unread(text[:200], label, f"longer than any IAM policy ({len(text)} characters)")
    plain = unquote(text) if text.lstrip()[:3].lower() == "%7b" else text
    try:
        document = json.loads(plain, object_pairs_hook=_unique, parse_constant=_no_constant)
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        statements = _statements(document)
    except RecursionError:
        return _unread(text, label, "nested too deeply")
    except (ValueError, TypeError) as error:
        return _unread(text, label, f"{error}"[:200])
    return Policy(label, canonical, statements, None, _mentions(statements))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found and found[key] != value:  # which of the two counts is not documented
            raise ValueError(f"element {key[:60]!r} stands twice with different values")
        found[key] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _statements(document: object) -> tuple[Statement, ...]:
    if not isinstance(document, dict):
        raise TypeError("the document is not a JSON object")
    if strange := document.keys() - _TOP:
        raise ValueError(f"unknown element {min(strange)[:60]!r}")
    version = document.get("Version", "2008-10-17")
    if version not in ("2008-10-17", "2012-10-17"):
        raise ValueError(f"unknown policy language version {str(version)[:20]!r}")
    found = document.get("Statement")
    blocks = found if isinstance(found, list) else [found]
    return tuple(_statement(block, at, variables=version == "2012-10-17") for at, block in enumerate(blocks))


def _statement(block: object, at: int, *, variables: bool) -> Statement:
    if not isinstance(block, dict):
        raise TypeError(f"statement #{at} is not a JSON object")
    if strange := block.keys() - _ELEMENTS:
        raise ValueError(f"statement #{at}: unknown element {min(strange)[:60]!r}")
    effect = block.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise ValueError(f"statement #{at}: Effect is neither Allow nor Deny")
    not_action, actions = _either(block, "Action", at)
    if actions is None:
        raise ValueError(f"statement #{at} has no Action")
    not_resource, resources = _either(block, "Resource", at)
    condition = block.get("Condition", {})
    if not isinstance(condition, dict):
        raise TypeError(f"statement #{at}: Condition is not a JSON object")
    if "Principal" in block and "NotPrincipal" in block:
        raise ValueError(f"statement #{at} has both Principal and NotPrincipal")
    principal = block.get("Principal", block.get("NotPrincipal"))
    return Statement(
        name=str(block.get("Sid") or f"#{at}")[:200],
        allows=effect == "Allow",
        actions=tuple(Glob(_tokens(action.lower())) for action in actions),
        not_action=not_action,
        resources=None if resources is None else tuple(template(one, variables=variables) for one in resources),
        not_resource=not_resource,
        principals=None if principal is None else parse_principals(principal),
        not_principal="NotPrincipal" in block,
        clauses=parse_conditions(condition, variables=variables),
    )


def _tokens(action: str) -> tuple[str, ...]:
    return tuple(piece for piece in template(action, variables=False).pieces if isinstance(piece, str))


def _either(block: Mapping[str, object], element: str, at: int) -> tuple[bool, list[str] | None]:
    """Whether the Not-form is used, and the element's texts (None when neither form stands there)."""
    name = f"Not{element}" if f"Not{element}" in block else element
    if name != element and element in block:
        raise ValueError(f"statement #{at} has both {element} and {name}")
    if name not in block:
        return False, None
    value = block[name]
    found: list[object] = value if isinstance(value, list) else [value]
    texts = [text for text in found if isinstance(text, str)]
    if len(texts) != len(found):
        raise TypeError(f"statement #{at}: {name} is neither text nor a list of texts")
    return name != element, texts


def _mentions(statements: Iterable[Statement]) -> frozenset[str]:
    keys: set[str] = set()
    for statement in statements:
        for clause in statement.clauses:
            keys |= {clause.key} | clause.variables
        for one in statement.resources or ():
            keys |= {piece.name for piece in one.pieces if isinstance(piece, Variable)}
    return frozenset(keys)
