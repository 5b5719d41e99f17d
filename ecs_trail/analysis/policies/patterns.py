"""Truth values, wildcard patterns and request context of the IAM policy language.

Rests on the IAM User Guide, read in 2026: "Variables and tags" (reference_policies_variables.html) and "Resource"
(reference_policies_elements_resource.html).

Truth is Kleene's: NO < MAYBE < YES; *and* is ``min``, *or* is ``max``, *not* is :func:`negate`. A request value may
hold ``*`` for "some text we do not know": what holds for every such text is YES, what holds for none is NO, the rest is
MAYBE. No I/O, no clock. Matching never backtracks: policy text and request values come from an attacker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

__all__ = [
    "ABSENT",
    "UNKNOWN",
    "Context",
    "Glob",
    "Presence",
    "Template",
    "Truth",
    "Variable",
    "glob",
    "negate",
    "template",
]


class Truth(IntEnum):
    """Kleene truth: ``min`` is *and*, ``max`` is *or*."""

    NO = 0
    MAYBE = 1
    YES = 2


_NEGATED: Final = (Truth.YES, Truth.MAYBE, Truth.NO)
_ANY: Final = "**"  # two characters, so that no literal character can be taken for a wildcard
_ONE: Final = "??"
Tokens = tuple[str, ...]


def negate(truth: Truth) -> Truth:
    """Kleene *not*: MAYBE stays MAYBE."""
    return _NEGATED[truth]


class Glob:
    """A compiled wildcard pattern. Matching runs all states at once (shift-and), so its time is linear in the value."""

    __slots__ = ("_final", "_literal", "_masks", "_ones", "_prefix", "_stars")

    def __init__(self, tokens: Iterable[str]) -> None:
        kept: list[str] = []
        for token in tokens:
            if token != _ANY or not kept or kept[-1] != _ANY:  # two stars in a row say what one says
                kept.append(token)
        wild = [at for at, token in enumerate(kept) if token in (_ANY, _ONE)]
        self._literal: str | None = None if wild else "".join(kept)
        self._prefix: str | None = "".join(kept[:-1]) if wild == [len(kept) - 1] and kept[-1] == _ANY else None
        self._stars = sum(1 << at for at, token in enumerate(kept) if token == _ANY)
        self._ones = sum(1 << at for at, token in enumerate(kept) if token == _ONE)
        self._final = 1 << len(kept)
        self._masks: dict[str, int] = {}
        for at, token in enumerate(kept):
            if len(token) == 1:
                self._masks[token] = self._masks.get(token, self._ones) | 1 << at

    def match(self, value: str, *, exact: bool = False, within: bool = False) -> Truth:
        """Truth of "the pattern matches the value".

        ``*`` in the value is unknown text, with ``within`` unknown text without a colon; with ``exact`` it is a star.
        """
        if exact or "*" not in value:
            if self._literal is not None:
                return Truth.YES if self._literal == value else Truth.NO
            if self._prefix is not None:
                return Truth.YES if value.startswith(self._prefix) else Truth.NO
            return Truth.YES if self._run(value, self._read) else Truth.NO
        if self._run(value, self._read_any):
            return Truth.YES
        return Truth.MAYBE if self._run(value, self._read_part if within else self._read_some) else Truth.NO

    def _run(self, value: str, read: Callable[[int, str], int]) -> bool:
        state = 1 | (1 & self._stars) << 1
        for char in value:
            state = read(state, char)
            if not state:
                return False
            state |= (state & self._stars) << 1
        return bool(state & self._final)

    def _read(self, state: int, char: str) -> int:
        return (state & self._masks.get(char, self._ones)) << 1 | state & self._stars

    def _read_any(self, state: int, char: str) -> int:
        """Unknown text of any length is surely matched only by a star."""
        return state & self._stars if char == "*" else self._read(state, char)

    def _read_some(self, state: int, char: str) -> int:
        """Unknown text can satisfy any number of the next tokens: every later state is within reach."""
        return (self._final * 2 - 1) & -(state & -state) if char == "*" else self._read(state, char)

    def _read_part(self, state: int, char: str) -> int:
        """The same for text without a colon: a later state is within reach as far as no colon stands before it."""
        if char != "*":
            return self._read(state, char)
        colons = self._masks.get(":", self._ones) & ~self._ones
        open_to, step = (self._final - 1 & ~colons) << 1, 1
        while open_to:  # each round doubles the distance, so even a long pattern takes few
            state |= state << step & open_to
            open_to &= open_to << step
            step *= 2
        return state


@dataclass(frozen=True, slots=True)
class Presence:
    """Marks a context key without values: known to be absent, or not known at all."""

    name: str


ABSENT: Final = Presence("absent")
UNKNOWN: Final = Presence("unknown")


class Context:
    """The condition keys of one request: present with values, known to be absent, or unknown."""

    __slots__ = ("_absent", "_prefixes", "_values")

    def __init__(self, values: Mapping[str, tuple[str, ...]], absent: Iterable[str] = ()) -> None:
        """``values``: key (any case) to its values. ``absent``: keys; an entry ending in ``*`` covers a prefix."""
        self._values = {key.lower(): found for key, found in values.items()}
        gone = [key.lower() for key in absent]
        self._absent = frozenset(key for key in gone if not key.endswith("*"))
        self._prefixes = tuple(key[:-1] for key in gone if key.endswith("*"))

    def get(self, key: str) -> tuple[str, ...] | Presence:
        """The values of a lower-cased key, or :data:`ABSENT` or :data:`UNKNOWN`. An empty tuple counts as absent."""
        values = self._values.get(key)
        if values is not None:
            return values or ABSENT
        return ABSENT if key in self._absent or key.startswith(self._prefixes) else UNKNOWN


@dataclass(frozen=True, slots=True)
class Variable:
    """A policy variable ``${name}`` or ``${name, 'default'}``; the name is lower-cased."""

    name: str
    default: str | None


@dataclass(frozen=True, slots=True)
class Template:
    """A policy string: literal characters, wildcards and policy variables."""

    text: str
    pieces: tuple[str | Variable, ...]
    whole: Glob | None  # compiled once when there is no variable
    parts: tuple[Glob, ...]  # the same per ARN part

    def resolve(self, context: Context) -> tuple[Tokens, bool] | None:
        """Tokens with the variables filled in, and whether a part stays unknown; None when a variable has no value."""
        tokens: list[str] = []
        unsure = False
        for piece in self.pieces:
            if isinstance(piece, str):
                tokens.append(piece)
                continue
            values = context.get(piece.name)
            if values is ABSENT:
                if piece.default is None:
                    return None
                tokens.extend(piece.default)
            elif isinstance(values, tuple) and len(values) == 1:
                unsure = unsure or "*" in values[0]
                tokens.extend(_ANY if char == "*" else char for char in values[0])
            else:  # not known, or several values, which AWS does not allow for a variable
                unsure = True
                tokens.append(_ANY)
        return tuple(tokens), unsure

    def match(self, value: str, context: Context, *, exact: bool = False, within: bool = False) -> Truth:
        """Truth of "this string pattern matches the value"; the options are those of :meth:`Glob.match`."""
        if self.whole is not None:
            return self.whole.match(value, exact=exact, within=within)
        return self._filled(context, lambda tokens: glob(tokens).match(value, exact=exact, within=within))

    def match_arn(self, value: str, context: Context) -> Truth:
        """The same, each of the six colon-separated parts on its own, as the Arn operators do.

        What AWS makes of a shorter pattern (``*``, ``arn:aws:ecs:*``) is not documented: MAYBE where the text fits.
        """
        if self.whole is not None:
            return _match_arn(self.whole, self.parts, value)
        return self._filled(context, lambda tokens: _match_arn(glob(tokens), _arn_parts(tokens), value))

    def match_folded(self, value: str, context: Context) -> Truth:
        """The same without regard to case."""
        return self._filled(context, lambda tokens: glob(_folded(tokens)).match(value.lower()))

    def _filled(self, context: Context, judge: Callable[[Tokens], Truth]) -> Truth:
        resolved = self.resolve(context)
        if resolved is None:
            return Truth.NO
        found = judge(resolved[0])
        return min(found, Truth.MAYBE) if resolved[1] else found


def _folded(tokens: Tokens) -> Tokens:
    return tuple(char for token in tokens for char in (token.lower() if len(token) == 1 else (token,)))


@lru_cache(maxsize=4096)
def glob(tokens: Tokens) -> Glob:
    """The compiled form of a token row, kept for reuse."""
    return Glob(tokens)


@lru_cache(maxsize=4096)
def _arn_parts(tokens: Tokens) -> tuple[Glob, ...]:
    parts: list[list[str]] = [[]]
    for piece in tokens:
        if piece == ":" and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(piece)
    return tuple(Glob(part) for part in parts)


def _match_arn(whole: Glob, globs: tuple[Glob, ...], value: str) -> Truth:
    parts = value.split(":", 5)
    if len(parts) < 6 or len(globs) < 6:
        return min(whole.match(value), Truth.MAYBE)
    return min(one.match(part) for one, part in zip(globs, parts, strict=True))


@lru_cache(maxsize=16384)
def template(text: str, *, wildcards: bool = True, variables: bool = True) -> Template:
    """Compile one policy string. Without ``variables`` (policy language before 2012-10-17) ``${`` is plain text."""
    pieces: list[str | Variable] = []
    at = 0
    while at < len(text):
        end = text.find("}", at) if variables and text.startswith("${", at) else -1
        if end > 0:
            pieces.append(_variable(text[at + 2 : end]))
            at = end + 1
            continue
        pieces.append({"*": _ANY, "?": _ONE}.get(text[at], text[at]) if wildcards else text[at])
        at += 1
    fixed = tuple(piece for piece in pieces if isinstance(piece, str))
    if len(fixed) < len(pieces):
        return Template(text, tuple(pieces), None, ())
    return Template(text, fixed, Glob(fixed), _arn_parts(fixed))


def _variable(inside: str) -> str | Variable:
    if inside in ("*", "?", "$"):
        return inside
    name, comma, default = inside.partition(",")
    quoted = default.strip()
    known = comma and len(quoted) > 1 and quoted[0] == quoted[-1] == "'"
    return Variable(name.strip().lower(), quoted[1:-1] if known else None)
