"""An incident as lanes over time: what the roles could do, and how tasks, volumes and TLS secrets fared meanwhile.

A `Scene` knows times, states and words but no pixels: the figures and the page of the report draw the same one. It
stays small however much there is: the lanes that matter most stand alone, the rest is gathered by state and counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.times import format_time
from ecs_trail.views.text import count, duration

ROLES: Final = "Roles"
DENIED: Final = "Denied calls"
TASKS: Final = "Tasks"
VOLUMES: Final = "Volumes"
TLS: Final = "Service Connect TLS"
#: The shortest stretch that is drawn.
LEAST: Final = timedelta(minutes=5)
#: Marks in one lane; more are counted together.
_MARKS: Final = 48


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one state; times are aware UTC; `words` are lines, cleaned, for whoever asks what this is."""

    start: datetime
    end: datetime
    state: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """One moment, or `number` moments close together: a change, a denied call, a recovery."""

    at: datetime
    kind: str
    words: tuple[str, ...]
    event_id: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a scene: a role's ability, a task, a volume, a secret, or `number` of them gathered."""

    group: str
    name: str
    note: str
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]
    key: str = ""
    number: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """Lanes between two moments, aware UTC, `start < end`."""

    start: datetime
    end: datetime
    lanes: tuple[Lane, ...]

    def within(self, start: datetime, end: datetime) -> "Scene":
        """The same lanes seen through a shorter window; lanes with nothing in it are left out."""
        end = max(end, start + LEAST)
        kept = (_cut(lane, start, end) for lane in self.lanes)
        return Scene(start, end, tuple(lane for lane in kept if lane.spans or lane.marks))


def _cut(lane: Lane, start: datetime, end: datetime) -> Lane:
    spans = (
        replace(one, start=max(one.start, start), end=min(one.end, end))
        for one in lane.spans
        if one.start < end and one.end > start
    )
    return replace(lane, spans=tuple(spans), marks=tuple(one for one in lane.marks if start <= one.at <= end))


def thinned(marks: Sequence[Mark], start: datetime, end: datetime, most: int = _MARKS) -> tuple[Mark, ...]:
    """Marks in order of time; of more than `most`, those of one kind that lie together become one that counts them."""
    if len(marks) <= most:
        return tuple(sorted(marks, key=lambda mark: mark.at))
    width = (end - start) / most
    slots: dict[tuple[int, str], list[Mark]] = defaultdict(list)
    for mark in marks:
        slots[int((mark.at - start) / width), mark.kind].append(mark)
    merged = [_merged(slot) for slot in slots.values()]
    return tuple(sorted(merged, key=lambda mark: mark.at))


def _merged(marks: list[Mark]) -> Mark:
    first = min(marks, key=lambda mark: mark.at)
    if len(marks) == 1:
        return first
    number = sum(mark.number for mark in marks)
    told = (
        f"{number:,} from {moment_words(first.at)} to {moment_words(max(mark.at for mark in marks))}",
        *first.words[:1],
    )
    return Mark(first.at, first.kind, told, first.event_id, number)


def from_to(start: datetime, end: datetime) -> str:
    """A stretch of time in words: from, to, and how long."""
    return f"{moment_words(start)} to {moment_words(end)} ({duration(end - start)})"


def moment_words(at: datetime) -> str:
    """A moment as people read it: `2026-03-02 14:31:09`, UTC."""
    return format_time(at).replace("T", " ").removesuffix("Z")


def gathered(lanes: list[Lane], most: int, group: str, noun: str) -> tuple[Lane, ...]:
    """At most `most` lanes, and one that counts the rest."""
    if len(lanes) <= most + 1:
        return tuple(lanes)
    rest = len(lanes) - most
    return (*lanes[:most], Lane(group, count(rest, f"more {noun}"), "", (), (), number=rest))
