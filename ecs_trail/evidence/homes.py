"""What a compiled walk tells of times and places in a text (`walk.Found.homes`), as the spans of a reading."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ecs_trail.evidence.ledger import Span, Spans
from ecs_trail.evidence.walk import Value


def spans_of(homes: Sequence[Value], seen: Iterable[tuple[int, int, int]]) -> Spans:
    """First and last time and the event sources of every account and Region. `homes` are known by their numbers."""
    spans: Spans = {}
    times: dict[tuple[str, str], tuple[int, int]] = {}
    for number, first, last in seen:
        account, region, source = (field or "" for field in homes[number])
        where = account, region
        if where in times:
            times[where] = min(times[where][0], first), max(times[where][1], last)
        else:
            times[where] = first, last
            spans[where] = Span()
        spans[where].event_sources.add(source)
    for where, span in spans.items():
        first, last = times[where]
        span.first, span.last = _moment(first), _moment(last)
    return spans


def _moment(number: int) -> datetime:
    """The time that a number YYYYMMDDhhmmss says."""
    day, time = divmod(number, 1_000_000)
    return datetime(
        day // 10_000, day // 100 % 100, day % 100, time // 10_000, time // 100 % 100, time % 100, tzinfo=UTC
    )
