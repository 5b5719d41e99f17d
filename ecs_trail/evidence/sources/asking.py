"""Which LookupEvents calls find everything of a selection: pure, and as few as can be.

A call takes one attribute. For each clause there are a few sets of calls that cannot miss anything of it; of all
combinations the one with the fewest different calls is taken. A whole service (`EventSource`) or the whole history is
asked for only where a clause leaves no other way.

Attributes, limits and order: *AWS CloudTrail API Reference*, "LookupEvents"; `Username` is the session name of an
assumed role: *Amazon ECS Developer Guide*, "Amazon ECS infrastructure IAM role". Both read on 2026-11-24.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Final

from ecs_trail.arns import HOME_REGIONS, partition_of_region
from ecs_trail.event_names import VOLUME_EVENTS
from ecs_trail.selection import Clause, Selection
from ecs_trail.times import EVER, Window, format_time

#: Services whose events lie in one Region of the partition (*AWS CloudTrail User Guide*, "CloudTrail concepts", Global
#: service events; IAM since 2021-11-22).
GLOBAL_SOURCES: Final = frozenset({"iam.amazonaws.com", "organizations.amazonaws.com"})
#: Partitions whose home Region is on an AWS page; elsewhere every Region named is asked as well.
CONFIRMED_HOME: Final = frozenset({"aws"})
#: STS calls with a `roleSessionName` (*AWS STS API Reference*). AWS makes them without a user name.
_SESSION_REQUESTS: Final = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
_STS: Final = "sts.amazonaws.com"
_EC2: Final = "ec2.amazonaws.com"
#: Volume calls that name no volume among the resources of an event, or name things of every kind.
_UNNAMED_VOLUME_EVENTS: Final = frozenset({"CreateTags", "DeleteTags"})
#: Combinations tried before the first way of each clause is taken; no selection of this package comes near.
_COMBINATIONS: Final = 4096

Attribute = tuple[str, str]
#: The whole event history: a call without an attribute.
WHOLE: Final[Attribute] = ("", "")
Way = frozenset[Attribute]


@dataclass(frozen=True, order=True, slots=True)
class Question:
    """One LookupEvents query, answered in pages: a Region, one attribute (`""` for none), and a window."""

    region: str
    attribute: str
    value: str
    window: Window = EVER

    @property
    def key(self) -> str:
        """The query as a name, the same in every run."""
        return f"{self.region}/{self.attribute}/{self.value}" if self.attribute else f"{self.region}/everything"

    def __str__(self) -> str:
        """The query in words."""
        asked = f"{self.attribute}={self.value}" if self.attribute else "everything"
        start, end = (format_time(one) if one else "" for one in (self.window.start, self.window.end))
        span = "" if self.window == EVER else f", {start or 'as far back as it goes'} to {end or 'now'}"
        return f"LookupEvents {self.region}: {asked}{span}"


def questions(selection: Selection, regions: tuple[str, ...], volume_ids: frozenset[str]) -> tuple[Question, ...]:
    """The fewest calls that find every event of the selection in these Regions, and IAM and Organizations with them."""
    places = {region: _clauses_of(selection, region, regions) for region in _asked_regions(selection, regions)}
    return tuple(question for region, clauses in places.items() for question in _ask(region, clauses, volume_ids))


def home_region(regions: Iterable[str]) -> str | None:
    """The Region of IAM's events in the partition of these Regions; None where no page names one."""
    return HOME_REGIONS.get(partition_of_region(next(iter(regions), None)))


def is_home_confirmed(regions: Iterable[str]) -> bool:
    """True when an AWS page names that Region for this partition."""
    return partition_of_region(next(iter(regions), None)) in CONFIRMED_HOME


def _asked_regions(selection: Selection, regions: tuple[str, ...]) -> tuple[str, ...]:
    home = home_region(regions)
    wants_global = any(
        clause.event_sources is None or clause.event_sources & GLOBAL_SOURCES for clause in selection.clauses
    )
    return regions if home is None or home in regions or not wants_global else (*regions, home)


def _clauses_of(selection: Selection, region: str, regions: tuple[str, ...]) -> list[Clause]:
    """What of the selection has to be asked in this Region."""
    home = home_region(regions)
    only_there = is_home_confirmed(regions) and home is not None
    kept: list[Clause] = []
    for clause in selection.clauses:
        if clause.regions is not None and region not in clause.regions:
            continue
        narrowed: Clause | None = clause
        if region == home and region not in regions:  # added for IAM and Organizations alone
            narrowed = clause.narrowed(Clause(event_sources=GLOBAL_SOURCES))
        elif region != home and only_there and clause.event_sources is not None:
            rest = clause.event_sources - GLOBAL_SOURCES
            narrowed = clause.narrowed(Clause(event_sources=rest)) if rest else None
        if narrowed is not None:
            kept.append(narrowed)
    return kept


def _ask(region: str, clauses: list[Clause], volume_ids: frozenset[str]) -> Iterator[Question]:
    chosen = _fewest([_ways(clause, volume_ids) for clause in clauses])
    windows: dict[Attribute, list[Window]] = {}
    for clause, way in zip(clauses, chosen, strict=True):
        for attribute in way:
            windows.setdefault(attribute, []).append(clause.window)
    for attribute in sorted(windows):
        yield Question(region, *attribute, window=_hull(windows[attribute]))


def _ways(clause: Clause, volume_ids: frozenset[str]) -> tuple[tuple[Way, ...], tuple[Way, ...]]:
    """The narrow ways to find a clause, and the broad ones that serve where they are asked for anyway."""
    narrow: list[Way] = []
    sources, names = clause.event_sources, clause.event_names
    if any(facet is not None and not facet for facet in (clause.session_names, sources, names)):
        return ((frozenset(),), ())
    if clause.session_names is not None:
        narrow.append(_session_way(clause))
    if names is not None:
        narrow.append(frozenset(("EventName", name) for name in names))
        if volume_ids and sources == frozenset({_EC2}) and names <= VOLUME_EVENTS:
            narrow.append(_volume_way(names, volume_ids))
    broad: list[Way] = [frozenset({WHOLE})]
    if sources is not None:
        broad.insert(0, frozenset(("EventSource", source) for source in sources))
    return (tuple(narrow), tuple(broad)) if narrow else (tuple(broad[:1]), tuple(broad[1:]))


def _session_way(clause: Clause) -> Way:
    """By user name, which is the session name; the request for a session is made by a service without one."""
    way = {("Username", name) for name in clause.session_names or ()}
    if clause.event_sources is None or _STS in clause.event_sources:
        wanted = _SESSION_REQUESTS if clause.event_names is None else _SESSION_REQUESTS & clause.event_names
        way |= {("EventName", name) for name in wanted}
    return frozenset(way)


def _volume_way(names: frozenset[str], volume_ids: frozenset[str]) -> Way:
    """By volume, where the ids are known: all calls on a volume name it, but for tags. Reads of others are left out."""
    return frozenset(
        {("ResourceName", one) for one in volume_ids} | {("EventName", name) for name in names & _UNNAMED_VOLUME_EVENTS}
    )


def _fewest(ways: list[tuple[tuple[Way, ...], tuple[Way, ...]]]) -> list[Way]:
    """One way a clause, so that the union of all is smallest."""
    forced: set[Attribute] = set().union(*(narrow[0] for narrow, _ in ways if len(narrow) == 1))
    options = [(*narrow, *(way for way in broad if way <= forced)) for narrow, broad in ways]
    total = 1
    for one in options:
        total *= len(one)
    if total > _COMBINATIONS:
        return [one[0] for one in options]
    # of equal counts, the narrower attribute: a resource before an event name
    best = min(product(*options), key=lambda chosen: (len(frozenset().union(*chosen)), -sum(map(_narrowness, chosen))))
    return list(best)


def _narrowness(way: Way) -> int:
    return sum(attribute == "ResourceName" for attribute, _ in way)


def _hull(windows: list[Window]) -> Window:
    starts = [window.start for window in windows]
    ends = [window.end for window in windows]
    return Window(_edge(starts, latest=False), _edge(ends, latest=True))


def _edge(bounds: list[datetime | None], *, latest: bool) -> datetime | None:
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(bounds):
        return None
    return max(known) if latest else min(known)
