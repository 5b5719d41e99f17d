"""No pattern of the package takes more than linear time, whatever an attacker writes.

Every use of `re` is found in the source with `ast`; each pattern is run as it is used there, on inputs made from its
own parse tree: what each of its repeats takes, many times, after what stands before it, with an end that cannot match.
"""

import ast
import importlib
import itertools
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from re import _constants as codes
from re import _parser as parser

import pytest

import ecs_trail

ROOT = Path(ecs_trail.__file__).parent
METHODS = frozenset({"search", "match", "fullmatch", "findall", "finditer", "sub", "subn", "split"})
SMALL, LARGE = 1500, 6000
#: Four times the text may take this many times as long; a square would be sixteen. Times below the floor say nothing.
MOST, FLOOR = 9.0, 0.004
_EXTRA = (" ", "a", "A", "0", ":", "/", ".", "-", "\\", '"', "=", ",", "'", "{", "\n", "é")


def found() -> Iterator[tuple[str, re.Pattern, str]]:
    """Each use of a pattern: where, the pattern, and the method it is used with."""
    named: dict[str, set[str]] = defaultdict(set)
    trees = {}
    for path in sorted(ROOT.rglob("*.py")):
        trees[path] = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(trees[path]):
            if isinstance(node, ast.Attribute) and node.attr in METHODS:
                owner = node.value
                name = (
                    owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                )
                named[name].add(node.attr)
    for path, tree in trees.items():
        dotted = ".".join((ROOT.name, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        uses = [node for node in ast.walk(tree) if is_use(node)]
        if not uses or path.name == "__main__.py":
            continue
        module = importlib.import_module(dotted)
        owners = {id(call): name for name, call in assigned(tree)}
        for node in uses:
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            scope = vars(module) | {
                k: v for one in vars(module).values() if isinstance(one, type) for k, v in vars(one).items()
            }
            words = [compile(ast.Expression(one), where, "eval") for one in node.args[:1]]
            flags = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "flags")]
            method = node.func.attr
            try:
                text = eval(words[0], scope)
                flag = (
                    eval(compile(ast.Expression(flags[0]), where, "eval"), scope)
                    if flags and method == "compile"
                    else 0
                )
            except NameError:
                assert dotted in BUILT, f"{where}: a pattern made of local values; name what it becomes in BUILT"
                continue
            pattern = text if isinstance(text, re.Pattern) else re.compile(text, flag)
            methods = named.get(owners.get(id(node), ""), set()) or {"search"} if method == "compile" else {method}
            yield from ((where, pattern, one) for one in sorted(methods))


#: Modules whose patterns are made in a loop, and the name of what holds them, compiled.
BUILT = {
    "ecs_trail.analysis.conduct.actors": "_TOOLS",
    "ecs_trail.views.redact": "_FORMS",
    "ecs_trail.views.words": "_TOOLS",
}


def built() -> Iterator[tuple[str, re.Pattern, str]]:
    """The patterns of `BUILT`."""
    for dotted, name in BUILT.items():
        for one in itertools.chain.from_iterable(getattr(importlib.import_module(dotted), name)):
            if isinstance(one, re.Pattern):
                yield f"{dotted}.{name}", one, "fullmatch" if name == "_FORMS" else "search"


def is_use(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in METHODS | {"compile"}
    )


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Names and the `re.compile` they are given."""
    for node in ast.walk(tree):
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if target is not None and isinstance(getattr(node, "value", None), ast.Call):
            yield getattr(target, "id", getattr(target, "attr", "")), node.value


def sample(tree, flip: int = 0) -> str:
    """A text that a parsed pattern takes; `flip` picks other letters."""
    return "".join(_one(code, argument, flip) for code, argument in tree)


def _one(code, argument, flip: int) -> str:
    if code is codes.LITERAL:
        return chr(argument)
    if code is codes.NOT_LITERAL:
        return "a" if chr(argument) != "a" else "b"
    if code is codes.ANY:
        return "a~"[flip % 2]
    if code is codes.IN:
        return _of(argument, flip)
    if code is codes.BRANCH:
        return sample(argument[1][flip % len(argument[1])], flip)
    if code is codes.SUBPATTERN:
        return sample(argument[3], flip)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return sample(argument[2], flip) * max(argument[0], 1)
    if code is codes.ATOMIC_GROUP:
        return sample(argument, flip)
    return ""


def _of(items, flip: int) -> str:
    if items[0][0] is codes.NEGATE:
        refused = re.compile(f"[^{''.join(map(_spelled, items[1:]))}]")
        return next((c for c in "a-:0 ."[flip % 3 :] + "a0~é" if refused.match(c)), "\u0416")
    kind, value = items[flip % len(items)]
    if kind is codes.LITERAL:
        return chr(value)
    if kind is codes.RANGE:
        return chr(value[flip % 2])
    return {codes.CATEGORY_DIGIT: "0", codes.CATEGORY_SPACE: " ", codes.CATEGORY_WORD: "a"}.get(value, "-")


def _spelled(item) -> str:
    kind, value = item
    if kind is codes.LITERAL:
        return re.escape(chr(value))
    if kind is codes.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return {
        codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_WORD: r"\w",
        codes.CATEGORY_NOT_SPACE: r"\S", codes.CATEGORY_NOT_WORD: r"\W", codes.CATEGORY_NOT_DIGIT: r"\D",
    }[value]  # fmt: skip


def pumps(tree, before: str = "") -> Iterator[tuple[str, str]]:
    """For each repeat: what may stand before it, and what it takes."""
    for code, argument in tree:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT) and argument[1] > 8:
            yield from ((before, sample(argument[2], flip)) for flip in range(4))
        inner = {
            codes.SUBPATTERN: lambda: [argument[3]], codes.BRANCH: lambda: argument[1],  # noqa: B023
            codes.MAX_REPEAT: lambda: [argument[2]], codes.MIN_REPEAT: lambda: [argument[2]],  # noqa: B023
        }.get(code, list)()  # fmt: skip
        for one in inner:
            yield from pumps(one, before)
        before += _one(code, argument, 0)


def attacks(pattern: re.Pattern) -> list[tuple[str, str]]:
    """Beginnings and what is repeated behind them."""
    tree = parser.parse(
        pattern.pattern, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    )
    targeted = {(before[-200:], pump) for before, pump in pumps(tree) if pump}
    whole = sample(tree)[:60]
    both = {(before, f"{before}{pump}"[:80]) for before, pump in targeted if before}
    mixed = {("", a + b) for (_, a), (_, b) in itertools.islice(itertools.combinations(sorted(targeted), 2), 40)}
    cut = {("", whole[:-1]), ("", whole)} - {("", "")}
    return sorted(targeted | both | mixed | cut | {("", one) for one in _EXTRA})


def seconds(pattern: re.Pattern, method: str, text) -> float:
    started = time.process_time()
    if method in {"sub", "subn"}:
        getattr(pattern, method)("" if isinstance(text, str) else b"", text)
    elif method == "finditer":
        list(pattern.finditer(text))
    else:
        getattr(pattern, method)(text)
    return time.process_time() - started


def attacked(before: str, pump: str, length: int, *, is_bytes: bool):
    text = before + pump * (length // len(pump)) + "\x00\x01"
    return text.encode("utf-8", "surrogatepass") if is_bytes else text


def slow(pattern: re.Pattern, method: str) -> str | None:
    """The attack that takes more than linear time, if one does; measured again before it is believed."""
    is_bytes = isinstance(pattern.pattern, bytes)
    for before, pump in attacks(pattern):
        large = attacked(before, pump, LARGE, is_bytes=is_bytes)
        if seconds(pattern, method, large) < FLOOR:
            continue
        small = attacked(before, pump, SMALL, is_bytes=is_bytes)
        ratio = min(seconds(pattern, method, large) for _ in range(3)) / max(
            min(seconds(pattern, method, small) for _ in range(3)), FLOOR / 16
        )
        if ratio > MOST:
            return f"{before!r} + {pump!r} * n: {ratio:.0f} times as long for four times the text"
    return None


USES = [*found(), *built()]


@pytest.mark.parametrize(("where", "pattern", "method"), USES, ids=[f"{where}-{method}" for where, _, method in USES])
def test_every_pattern_is_linear(where, pattern, method):
    assert slow(pattern, method) is None, f"{where}: {pattern.pattern!r}"


def test_there_are_many_patterns():
    assert len({where for where, _, _ in USES}) > 90


@pytest.mark.parametrize(
    ("pattern", "method", "lengths"),
    [
        (r"(a+)+$", "search", (6, 20)),
        (r"\s+x", "search", (2000, 8000)),
        (r"(a|aa)+b", "fullmatch", (6, 26)),
        (r"(.*),(.*)!", "match", (1000, 4000)),
        (r"x.*y", "sub", (4000, 16000)),
    ],
)
def test_patterns_that_are_not_are_found(pattern, method, lengths, monkeypatch):
    """A planted one of each kind; the exponential ones on shorter texts, as they would never end."""
    for name, length in zip(("SMALL", "LARGE"), lengths, strict=True):
        monkeypatch.setitem(globals(), name, length)
    assert slow(re.compile(pattern), method)
