"""Seeded chance: every random id, name and pause of a practice incident comes from one `Dice`."""

import random
from datetime import UTC, datetime
from typing import Final

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Dice(random.Random):
    """`random.Random` with the id shapes of AWS. The same seed text gives the same ids on every machine."""

    def uuid(self) -> str:
        """A random UUID, version 4, as `eventID` and `requestID` have it."""
        bits = self.getrandbits(128) & ~(0xF000 << 64) & ~(0xC000 << 48) | (0x4000 << 64) | (0x8000 << 48)
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def hex(self, length: int) -> str:
        """Lower-case hexadecimal digits: task ids (32), volume and instance ids (17)."""
        return f"{self.getrandbits(length * 4):0{length}x}"

    def letters(self, length: int) -> str:
        """Letters and digits, as in the random part of a trail file name."""
        return "".join(self.choices(_LETTERS, k=length))

    def unique_id(self, prefix: str) -> str:
        """An IAM unique id such as `AROA…`, `AIDA…` or `ASIA…`: the prefix and 17 characters (20 or 21 in all)."""
        return prefix + "".join(self.choices(_ALPHABET, k=17))

    def account(self) -> str:
        """A twelve-digit account id."""
        return f"{self.randrange(10**11, 10**12)}"

    def chance(self, share: float) -> bool:
        """True in the given share of throws."""
        return self.random() < share

    def public_ip(self) -> str:
        """An address of the documentation ranges (RFC 5737), so that nobody real is ever named."""
        return self.choice(("192.0.2.", "198.51.100.", "203.0.113.")) + str(self.randint(1, 254))


def epoch(text: str) -> int:
    """Seconds since 1970 of an ISO time with zone."""
    return int(datetime.fromisoformat(text).timestamp())


def iso(at: int) -> str:
    """CloudTrail's time text, UTC, whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock_text(at: int, *, comma: bool) -> str:
    """The times inside IAM (no comma after the year) and STS or Secrets Manager bodies (comma after the year).

    Written by hand because `strftime` would follow the locale of the machine.
    """
    moment = datetime.fromtimestamp(at, UTC)
    hour = moment.hour % 12 or 12
    half = "AM" if moment.hour < 12 else "PM"
    year = f"{moment.year}," if comma else f"{moment.year}"
    return f"{_MONTHS[moment.month - 1]} {moment.day}, {year} {hour}:{moment.minute:02d}:{moment.second:02d} {half}"
