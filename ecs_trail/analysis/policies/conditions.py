"""The condition operators of the IAM policy language, three-valued.

Rests on the IAM User Guide, read in 2026: "IAM JSON policy elements: Condition operators"
(reference_policies_elements_condition_operators.html) and "Single-valued vs. multivalued context keys"
(reference_policies_condition-single-vs-multi-valued-context-keys.html).

A missing key fails a positive operator and satisfies a negated one; ``...IfExists`` and ``ForAllValues:`` are satisfied
by it, ``ForAnyValue:`` is not, ``Null`` asks for it. A key about which nothing is known is judged both ways. The
operators page contradicts itself on ``ForAllValues:StringNotLike`` without a key (its table says no match, its text
says match); the text is followed, as the page on set operators repeats it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from ecs_trail.analysis.policies.patterns import ABSENT, Context, Template, Truth, Variable, negate, template

__all__ = ["Clause", "parse_conditions"]

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?")
Compare = Callable[[Template, str, Context], Truth]
_WILD: Final = frozenset({"StringLike", "ArnLike", "ArnEquals"})


def _string(pattern: Template, value: str, context: Context) -> Truth:
    return pattern.match(value, context)


def _arn(pattern: Template, value: str, context: Context) -> Truth:
    return pattern.match_arn(value, context)


def _caseless(pattern: Template, value: str, context: Context) -> Truth:
    return pattern.match_folded(value, context)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _moment(text: str) -> Decimal | None:
    """Seconds since 1970 UTC of an ISO 8601 date or an epoch number; a time without a zone is UTC."""
    if len(text) > 4 and _NUMBER.fullmatch(text):
        return Decimal(text)
    try:
        moment = datetime.fromisoformat(text + {4: "-01-01", 7: "-01"}.get(len(text), ""))
        return Decimal(str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        return None


def _ordered(read: Callable[[str], Decimal | None], holds: Callable[[Decimal, Decimal], bool]) -> Compare:
    def compare(pattern: Template, value: str, _: Context) -> Truth:
        if "*" in value:
            return Truth.MAYBE
        wanted, found = read(pattern.text), read(value)
        return Truth.YES if wanted is not None and found is not None and holds(found, wanted) else Truth.NO

    return compare


def _address(pattern: Template, value: str, _: Context) -> Truth:
    if "*" in value:
        return Truth.MAYBE
    try:
        network = ipaddress.ip_network(pattern.text, strict=False)
        found = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return Truth.NO
    inside = network.version == found.version and network.supernet_of(found)  # type: ignore[arg-type]
    return Truth.YES if inside else Truth.NO


_ORDERS: Final[dict[str, Callable[[Decimal, Decimal], bool]]] = {
    "Equals": lambda found, wanted: found == wanted,
    "LessThan": lambda found, wanted: found < wanted,
    "LessThanEquals": lambda found, wanted: found <= wanted,
    "GreaterThan": lambda found, wanted: found > wanted,
    "GreaterThanEquals": lambda found, wanted: found >= wanted,
}
_OPERATORS: Final[dict[str, Compare]] = {
    "StringEquals": _string,
    "StringEqualsIgnoreCase": _caseless,
    "StringLike": _string,
    "BinaryEquals": _string,
    "Bool": _caseless,
    "IpAddress": _address,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    **{f"Numeric{name}": _ordered(_number, holds) for name, holds in _ORDERS.items()},
    **{f"Date{name}": _ordered(_moment, holds) for name, holds in _ORDERS.items()},
}
_NEGATIVE: Final = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}
_NAMES: Final = {name.lower(): name for name in (*_OPERATORS, *_NEGATIVE, "Null")}


@dataclass(frozen=True, slots=True)
class Clause:
    """One operator on one condition key: ``"StringLikeIfExists": {"aws:x": ["a*", "b"]}``."""

    operator: str  # as written
    key: str  # lower-cased
    patterns: tuple[Template, ...]
    compare: Compare | None  # None: the operator is not known, or is Null
    negated: bool = False
    if_exists: bool = False
    quantifier: str = ""  # "", "forallvalues", "foranyvalue"
    null: Truth | None = None  # for Null: YES = the key must be absent
    variables: frozenset[str] = field(default=frozenset())

    def judge(self, context: Context) -> Truth:
        """Truth of the clause.

        An unknown key is judged as absent and as present; where both agree, that is the answer.
        """
        values = context.get(self.key)
        if isinstance(values, tuple):
            return self._present(values, context)
        if values is ABSENT:
            return self._absent()
        absent, present = self._absent(), self._present(("*",), context)
        return absent if absent is present else Truth.MAYBE

    def _absent(self) -> Truth:
        if self.null is not None:
            return self.null
        if self.compare is None:
            return Truth.MAYBE
        if self.quantifier == "foranyvalue":
            # IfExists says true without a key, ForAnyValue says false; no page says which of the two wins.
            return Truth.MAYBE if self.if_exists else Truth.NO
        if self.if_exists or self.quantifier == "forallvalues":
            return Truth.YES
        return Truth.YES if self.negated else Truth.NO

    def _present(self, values: tuple[str, ...], context: Context) -> Truth:
        if self.null is not None:
            return negate(self.null)
        if self.compare is None:
            return Truth.MAYBE
        found = [self._one(value, context) for value in values]
        lowest, highest = min(found), max(found)
        if self.quantifier:
            return lowest if self.quantifier == "forallvalues" else highest
        # AWS gives no meaning to several values without a set operator: sure only when all of them agree.
        return lowest if lowest is highest else Truth.MAYBE

    def _one(self, value: str, context: Context) -> Truth:
        compare = self.compare or (lambda *_: Truth.MAYBE)
        found = max((compare(pattern, value, context) for pattern in self.patterns), default=Truth.NO)
        return negate(found) if self.negated else found


def parse_conditions(block: Mapping[str, object], *, variables: bool) -> tuple[Clause, ...]:
    """The clauses of a ``Condition`` element; all must hold.

    Raises ValueError or TypeError for a shape that is none.
    """
    clauses: list[Clause] = []
    for operator, keys in block.items():
        if not isinstance(keys, Mapping):
            raise TypeError(f"condition operator {operator[:60]!r} holds no keys")
        clauses.extend(_clause(operator, str(key), wanted, variables=variables) for key, wanted in keys.items())
    return tuple(clauses)


def _clause(operator: str, key: str, wanted: object, *, variables: bool) -> Clause:
    quantifier, colon, rest = operator.lower().partition(":")
    quantifier, rest = (quantifier, rest) if colon else ("", quantifier)
    if_exists = rest.endswith("ifexists")
    name = _NAMES.get(rest.removesuffix("ifexists"), "")
    texts = [_text(item) for item in (wanted if isinstance(wanted, list) else [wanted])]
    if name == "Null":
        truths = {text.lower() for text in texts}
        known = len(truths) == 1 and truths <= {"true", "false"} and not if_exists and not quantifier
        null = (Truth.YES if truths == {"true"} else Truth.NO) if known else None
        return Clause(operator, key.lower(), (), None, null=null)
    positive = _NEGATIVE.get(name, name)
    compare = _OPERATORS.get(positive) if quantifier in ("", "forallvalues", "foranyvalue") else None
    expand = variables and (positive.startswith(("String", "Arn")) or positive == "Bool")
    patterns = tuple(template(text, wildcards=positive in _WILD, variables=expand) for text in texts)
    used = frozenset(piece.name for one in patterns for piece in one.pieces if isinstance(piece, Variable))
    return Clause(operator, key.lower(), patterns, compare, name in _NEGATIVE, if_exists, quantifier, None, used)


def _text(value: object) -> str:
    """A condition value as IAM compares it: JSON booleans and numbers count as their text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a condition value is neither text, number nor boolean")
