"""What a change did to a policy, as the lines that differ: one place for hover texts, reports and tickets."""

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ecs_trail.views.text import clean

_CONTEXT: Final = 2
_LINES: Final = 400
_WIDE: Final = 400


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference: `kind` is `+`, `-`, `@` (lines left out here) or a space."""

    kind: str
    text: str


def policy_diff(before: str | None, after: str | None, *, context: int = _CONTEXT) -> tuple[DiffLine, ...]:
    """The lines in which two policy documents (JSON text; None or empty for none) differ, with some around them.

    Documents are laid out alike first, so that white space and the order of keys and names are no difference: IAM
    knows none either. Text that is no JSON is compared as it is. Every line is cleaned; more than 400 lines are cut,
    and the last line says so.
    """
    old, new = _laid_out(before), _laid_out(after)
    found = list(_lines(difflib.unified_diff(old, new, lineterm="", n=context)))
    found = found[1:] if found and found[0].kind == "@" else found
    rest = len(found) - _LINES
    return (*found[:_LINES], *([DiffLine("@", f"… {rest:,} more lines")] if rest > 0 else []))


def _lines(unified: Iterable[str]) -> Iterable[DiffLine]:
    for line in unified:
        if line.startswith(("---", "+++")) and line[3:].strip() == "":
            continue
        if line.startswith("@@"):
            yield DiffLine("@", "…")
        else:
            yield DiffLine(line[:1], clean(line[1:], _WIDE))


def _laid_out(text: str | None) -> list[str]:
    if not text:
        return []
    try:
        laid_out = json.dumps(_ordered(json.loads(text)), indent=2, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text.splitlines()
    # A comma that only says that another line follows would make that line's neighbour differ.
    return [line.rstrip(",") for line in laid_out.splitlines()]


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        names = all(isinstance(inner, str) for inner in value)
        return sorted(value) if names else [_ordered(inner) for inner in value]
    return value
