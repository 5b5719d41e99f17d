"""Times and durations: one strict parser, one printed form, half-open windows. Everything is aware UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ecs_trail.errors import UsageError

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(\d{1,9})(s|m|h|d|w)")
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_HINT: Final = "write 2026-03-02T09:10:00Z, 2026-03-02T09:10:00+01:00, a date such as 2026-03-02, or -6h, -3d."


def format_time(moment: datetime) -> str:
    """Print an aware time as `YYYY-MM-DDTHH:MM:SSZ`; fractions of a second are cut off, as CloudTrail has none."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def parse_duration(text: str) -> timedelta:
    """Read `90s`, `10m`, `6h`, `3d` or `2w` (and sums such as `1h30m`). Raises `UsageError` for anything else."""
    cleaned = text.strip().lower()
    parts = _DURATION.findall(cleaned)
    if not parts or "".join(number + unit for number, unit in parts) != cleaned:
        raise UsageError(
            f"'{text}' is not a duration.", hint="write a number and a unit: 90s, 10m, 6h, 3d, 2w or 1h30m."
        )
    try:
        return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError as error:
        raise UsageError(f"'{text}' is longer than a calendar holds.", hint="use a shorter duration.") from error


def parse_time(text: str, *, now: datetime) -> datetime:
    """Read a time given by a person: ISO 8601 with zone, a date (midnight UTC), or `-6h` before `now`.

    Raises `UsageError` for a naive time (the zone decides which hour an incident began) and for anything else.
    """
    cleaned = text.strip()
    if cleaned.startswith("-"):
        try:
            return now - parse_duration(cleaned[1:])
        except OverflowError as error:
            raise UsageError(f"'{text}' reaches before the calendar begins.", hint=_HINT) from error
    try:
        if _DATE.fullmatch(cleaned):
            day = date.fromisoformat(cleaned)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(cleaned)
    except ValueError as error:
        raise UsageError(f"'{text}' is not a time.", hint=_HINT) from error
    if moment.tzinfo is None:
        raise UsageError(f"'{text}' has no time zone.", hint=f"add Z for UTC; {_HINT}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(f"'{text}' lies outside the calendar.", hint=_HINT) from error


def aware_time(given: str | datetime, *, now: datetime) -> datetime:
    """A time given as text or as a `datetime`, as aware UTC. Raises `UsageError` for a naive one."""
    if isinstance(given, str):
        return parse_time(given, now=now)
    if given.tzinfo is None:
        raise UsageError(f"{given.isoformat()} has no time zone.", hint="use an aware datetime, for example in UTC.")
    return given.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time, `start <= t < end`; `None` means unbounded. Both ends are aware UTC."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse naive and reversed bounds: both would match nothing, in silence."""
        for bound in (self.start, self.end):
            if bound is not None and bound.tzinfo is None:
                raise UsageError(
                    f"window bound {bound.isoformat()} has no time zone.", hint="use aware datetimes in UTC."
                )
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise UsageError(
                f"the window ends ({format_time(self.end)}) before it starts ({format_time(self.start)}).",
                hint="swap --since and --until.",
            )

    def contains(self, moment: datetime) -> bool:
        """True when the moment lies in the window."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """True when the closed span `start..end` touches the window."""
        return (self.start is None or end >= self.start) and (self.end is None or start < self.end)

    def intersect(self, other: "Window") -> "Window | None":
        """The span both share, or None when they share nothing."""
        starts = [bound for bound in (self.start, other.start) if bound is not None]
        ends = [bound for bound in (self.end, other.end) if bound is not None]
        start, end = max(starts, default=None), min(ends, default=None)
        return None if start is not None and end is not None and start >= end else Window(start, end)


EVER: Final = Window()
