"""Times as they stand in records: one forgiving reader for machine-written stamps. Everything is aware UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_STAMP: Final = re.compile(r"(\d{12})_CloudTrail_([A-Za-z0-9-]+)_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z_[^/]*$", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d+))?\s?(Z|UTC|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"-?\d{9,19}(?:\.\d+)?(?:[eE]\+?\d{1,2})?")
#: Numbers from here on are milliseconds: as seconds they would lie after the year 5000.
_MILLISECONDS_FROM: Final = 100_000_000_000


@lru_cache(maxsize=65536)
def parse_moment(text: str) -> datetime | None:
    """A machine-written time as aware UTC, or None when it cannot be one.

    Takes ISO 8601 with `T` or a space, fractions of any length (rounded to microseconds), `Z`, `UTC`, an
    offset or nothing (UTC, as in every CloudTrail field), and epoch seconds or milliseconds.
    """
    cleaned = text.strip()
    match = _ISO.fullmatch(cleaned)
    try:
        if match is None:
            return _from_epoch(float(cleaned)) if _NUMBER.fullmatch(cleaned) else None
        day, clock, fraction, zone = match.groups()
        zone = "+00:00" if zone is None or zone.upper() in {"Z", "UTC"} else zone
        digits = f".{(fraction + '00000')[:6]}" if fraction else ""
        clock = clock if len(clock) == 8 else f"{clock}:00"
        moment = datetime.fromisoformat(f"{day}T{clock}{digits}{zone}")
        if fraction and fraction[6:7] >= "5":  # as the JSON decoder of the fast lane does
            moment += timedelta(microseconds=1)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def moment_of(value: object) -> datetime | None:
    """A time given as text or as a number of epoch seconds or milliseconds; None for anything else."""
    if isinstance(value, str):
        return parse_moment(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return _from_epoch(float(value))
        except (ValueError, OverflowError, OSError):
            return None
    return None


def stamp_of(name: str) -> tuple[str, str, datetime] | None:
    """Account, Region and delivery minute from the name of a trail log file, or None for any other name.

    *AWS CloudTrail User Guide*, "CloudTrail log file name format", read on 2026-11-24.
    """
    match = _STAMP.search(name, name.rfind("/") + 1)  # it lies in the last part, and most of a path in the others
    if match is None:
        return None
    account, region, year, month, day, hour, minute = match.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), tzinfo=UTC)
    except ValueError:
        return None
    return account, region, moment


def _from_epoch(number: float) -> datetime:
    seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
    return datetime.fromtimestamp(seconds, tz=UTC)
