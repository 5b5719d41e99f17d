"""Selections, problems and spans as plain data for the manifest, and back. Times are ISO 8601, UTC."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from ecs_trail.evidence.ledger import Problem, Span, Spans
from ecs_trail.selection import Clause, Selection
from ecs_trail.times import Window

_FACETS: Final = tuple(one.name for one in fields(Clause) if one.name not in {"failed", "window"})


def selection_to_plain(selection: Selection) -> list[dict[str, Any]]:
    """The clauses, each with the facets it asks for."""
    clauses = []
    for clause in selection.clauses:
        asked: dict[str, Any] = {
            name: sorted(values) for name in _FACETS if (values := getattr(clause, name)) is not None
        }
        if clause.failed is not None:
            asked["failed"] = clause.failed
        clauses.append({**asked, "window": window_to_plain(clause.window)})
    return clauses


def selection_from_plain(clauses: Sequence[dict[str, Any]]) -> Selection:
    """What `selection_to_plain` wrote."""
    return Selection(
        tuple(
            Clause(
                **{name: frozenset(one[name]) for name in _FACETS if name in one},
                failed=one.get("failed"),
                window=window_from_plain(one["window"]),
            )
            for one in clauses
        )
    )


def digest_of(value: object) -> str:
    """A short name for a plain value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def window_to_plain(window: Window) -> list[str | None]:
    """Start and end."""
    return [time_to_plain(window.start), time_to_plain(window.end)]


def window_from_plain(value: Sequence[str | None]) -> Window:
    """What `window_to_plain` wrote."""
    return Window(time_from_plain(value[0]), time_from_plain(value[1]))


def time_to_plain(moment: datetime | None) -> str | None:
    """A moment as text."""
    return None if moment is None else moment.isoformat()


def time_from_plain(text: str | None) -> datetime | None:
    """A moment from text."""
    return None if text is None else datetime.fromisoformat(text)


def problems_to_plain(problems: Iterable[Problem]) -> list[list[str]]:
    """Source, kind and detail of each."""
    return [[one.source, one.kind, one.detail] for one in problems]


def problems_from_plain(values: Iterable[Sequence[str]]) -> list[Problem]:
    """What `problems_to_plain` wrote."""
    return [Problem(*value) for value in values]


def spans_to_plain(spans: Spans) -> list[list[Any]]:
    """One row for each account and Region, sorted."""
    return [
        [*key, *map(time_to_plain, (one.first, one.last, one.first_stamp, one.last_stamp)), sorted(one.event_sources)]
        for key, one in sorted(spans.items())
    ]


def spans_from_plain(values: Iterable[Sequence[Any]]) -> Spans:
    """What `spans_to_plain` wrote."""
    found: Spans = {}
    for account, region, *times, sources in values:
        first, last, first_stamp, last_stamp = map(time_from_plain, times)
        found[account, region] = Span(first, last, first_stamp, last_stamp, set(sources))
    return found
