"""A selection -> filter patterns of CloudWatch Logs, as few and as narrow as their length allows; never too narrow.

Syntax of patterns for JSON events, with `*` in texts, and their length: *Amazon CloudWatch Logs User Guide*, "Filter
pattern syntax", and *Amazon CloudWatch Logs API Reference*, "FilterLogEvents", as known on 2026-11-24.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ecs_trail.selection import Clause, Selection

#: The longest pattern the service takes, in characters.
LIMIT: Final = 1024
#: More calls than this read the same log group too often: a wider pattern instead.
MOST_PATTERNS: Final = 10
#: Values that mean themselves inside a pattern.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_+=,.@:/-]+")

Atoms = tuple[str, ...]
#: Groups of alternatives that must all hold.
Branch = tuple[Atoms, ...]


def patterns(selection: Selection) -> tuple[str, ...]:
    """The patterns of which each event of the selection satisfies one; `("",)` takes every event, `()` none."""
    for is_coarse in (False, True):
        branches = [one for clause in selection.clauses for one in _branches(clause, is_coarse=is_coarse)]
        if any(not branch for branch in branches):
            return ("",)
        packed = tuple(_packed(dict.fromkeys(branches)))
        if len(packed) <= MOST_PATTERNS:
            return packed
    return ("",)


def _branches(clause: Clause, *, is_coarse: bool) -> Iterator[Branch]:
    """A clause in pieces that each fit; an empty piece is one that asks nothing."""
    groups = [group for group in _groups(clause, is_coarse=is_coarse) if group is not None]
    if all(groups):
        yield from _fitting(tuple(groups))


def _groups(clause: Clause, *, is_coarse: bool) -> Iterator[Atoms | None]:
    """The facets as alternatives; None for one that cannot be asked, an empty group for one that nothing satisfies."""
    yield _equal(("eventSource",), clause.event_sources)
    yield _accounts(clause.accounts)
    yield _equal(("awsRegion",), clause.regions)
    yield _sessions(clause.session_names)
    if is_coarse:
        return
    yield _equal(("eventName",), clause.event_names)
    yield _equal(("userIdentity.sessionContext.sessionIssuer.arn",), clause.acting_roles)
    if clause.target_roles is not None:
        yield ('$.eventName = "AssumeRole*"',)
    if clause.failed:
        yield ('$.errorCode = "*"',)


def _equal(fields: Iterable[str], values: frozenset[str] | None) -> Atoms | None:
    if values is None or not all(_PLAIN.fullmatch(value) for value in values):
        return None
    return tuple(f'$.{field} = "{value}"' for value in sorted(values) for field in fields)


def _accounts(accounts: frozenset[str] | None) -> Atoms | None:
    """Before eventVersion 1.02 the account stands elsewhere in a record; such events are let through."""
    asked = _equal(("recipientAccountId",), accounts)
    return (*asked, "$.recipientAccountId NOT EXISTS") if asked else asked


def _sessions(names: frozenset[str] | None) -> Atoms | None:
    if names is None or not all(_PLAIN.fullmatch(name) for name in names):
        return None
    return tuple(
        atom
        for name in sorted(names)
        for atom in (
            f'$.userIdentity.arn = "*/{name}"',
            f'$.userIdentity.principalId = "*:{name}"',
            f'$.requestParameters.roleSessionName = "{name}"',
        )
    )


def _fitting(branch: Branch) -> Iterator[Branch]:
    """The branch, its longest group halved until it fits; a branch that cannot fit asks less."""
    if len(_pattern([branch])) <= LIMIT:
        yield branch
        return
    place = max(range(len(branch)), key=lambda number: (len(branch[number]) > 1, len(_any(branch[number]))))
    group = branch[place]
    if len(group) == 1:
        yield from _fitting((*branch[:place], *branch[place + 1 :]))
        return
    half = len(group) // 2
    for part in (group[:half], group[half:]):
        yield from _fitting((*branch[:place], part, *branch[place + 1 :]))


def _packed(branches: Iterable[Branch]) -> Iterator[str]:
    """The branches, as many to a pattern as fit, the longest first."""
    bins: list[list[Branch]] = []
    for branch in sorted(branches, key=lambda one: (-len(_all(one)), one)):
        fits = (one for one in bins if len(_pattern([*one, branch])) <= LIMIT)
        room = next(fits, None)
        if room is None:
            bins.append([branch])
        else:
            room.append(branch)
    return (_pattern(one) for one in bins)


def _pattern(branches: list[Branch]) -> str:
    whole = [_all(branch) for branch in branches]
    return f"{{ {whole[0]} }}" if len(whole) == 1 else "{ " + " || ".join(f"({one})" for one in whole) + " }"


def _all(branch: Branch) -> str:
    return " && ".join(f"({_any(group)})" for group in branch)


def _any(group: Atoms) -> str:
    return group[0] if len(group) == 1 else " || ".join(f"({atom})" for atom in group)
