"""Which records can matter: a selection as plain sets, for worker processes that load no Arrow.

A probe may let too much through, never too little; `Selection.filter` decides in the end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ecs_trail.evidence.records import Row

Names = frozenset[str] | None


@dataclass(frozen=True, slots=True)
class ClauseProbe:
    """The facets of one clause that can be judged on the few fields of a record that are read first."""

    session_names: Names
    event_sources: Names
    event_names: Names
    accounts: Names
    regions: Names
    failed: bool | None
    start: datetime | None
    end: datetime | None

    def admits_call(self, event_source: str, event_name: str, failed: bool) -> bool:  # noqa: FBT001 - a facet
        """True when the clause cannot be ruled out by what was called and whether it failed."""
        return (
            (self.event_sources is None or event_source in self.event_sources)
            and (self.event_names is None or event_name in self.event_names)
            and (self.failed is None or failed is self.failed)
        )

    def admits_place(self, account: str | None, region: str | None) -> bool:
        """True when the clause cannot be ruled out by where the call was recorded."""
        return (self.accounts is None or account in self.accounts) and (self.regions is None or region in self.regions)

    def admits(self, seen: "Glimpse") -> bool:
        """True when the clause cannot be ruled out."""
        return (
            self.admits_call(seen.event_source, seen.event_name, seen.failed)
            and (
                self.session_names is None
                or seen.session_name in self.session_names
                or seen.requested_session_name in self.session_names
            )
            and (self.start is None or seen.moment >= self.start)
            and (self.end is None or seen.moment < self.end)
            and self.admits_place(seen.account, seen.region)
        )


@dataclass(slots=True)
class Glimpse:
    """The fields a probe judges."""

    event_source: str
    event_name: str
    session_name: str | None
    requested_session_name: str | None
    failed: bool
    moment: datetime
    account: str | None
    region: str | None


Probe = tuple[ClauseProbe, ...]


def admits(probe: Iterable[ClauseProbe], seen: Glimpse) -> bool:
    """True when any clause may hold."""
    return any(clause.admits(seen) for clause in probe)


def glimpse(row: Row) -> Glimpse:
    """What a probe sees of a finished row (order of `schema.EVENT_COLUMNS`)."""
    return Glimpse(row[2], row[3], row[8], row[9], row[6] is not None, row[1], row[5], row[4])
