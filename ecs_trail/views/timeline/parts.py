"""The parts of a timeline: lanes with spans and marks, and the events they stand on. Plain values, no arrays yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import pandas as pd

from ecs_trail.calls import actor, outcome
from ecs_trail.frames import rows
from ecs_trail.views.timeline.codes import STATES, TROUBLE

Frames = Mapping[str, pd.DataFrame]
Row = Mapping[str, Any]

_EVENT_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_name",
    "error_code",
    "identity_arn",
    "invoked_by",
    "principal_id",
    "user_name",
    "aws_region",
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one state, UTC. `open_start` and `open_end`: the evidence does not show where it really ends."""

    start: datetime
    end: datetime
    state: str
    open_start: bool = False
    open_end: bool = False
    causes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a lane and the event behind it, as its place among the events."""

    time: datetime
    kind: str
    event: int


@dataclass(slots=True)
class Lane:
    """One line: `key` is the ARN or id it is about, `related` the keys of lanes that belong to it."""

    kind: str
    key: str
    label: str
    detail: str = ""
    state: str = "unknown"
    role_arn: str | None = None
    cluster: str | None = None
    service: str | None = None
    account: str | None = None
    region: str | None = None
    outage_id: str | None = None
    related: tuple[str, ...] = ()
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    evidence: tuple[int, ...] = ()
    seen: tuple[datetime, ...] = ()

    def rest_on(self, events: "Events", ids: Sequence[str]) -> None:
        """Name the events this lane stands on."""
        self.evidence = events.places(ids)
        self.seen = tuple(events.times[place] for place in self.evidence)

    def blame(self, causes: tuple[int, ...]) -> None:
        """Name the events that caused the trouble of this lane."""
        self.spans = [replace(span, causes=causes) if span.state in TROUBLE else span for span in self.spans]

    @property
    def begin(self) -> datetime | None:
        """The first moment on the lane; None for an empty one."""
        moments = [*(span.start for span in self.spans[:1]), *(mark.time for mark in self.marks[:1])]
        return min(moments, default=None)

    def add(self, start: datetime | None, end: datetime | None, state: str, **more: Any) -> None:
        """Put a span on the lane where both ends are known and in order."""
        if start is not None and end is not None and start <= end:
            self.spans.append(Span(start, end, state, **more))


@dataclass(slots=True)
class Events:
    """The events in the frame's order, as columns, and the way from an id to its place."""

    ids: list[str]
    times: list[datetime]
    names: list[str]
    outcomes: list[str]
    errors: list[str]
    actors: list[str]
    regions: list[str]
    place: dict[str, int]

    def places(self, ids: Sequence[str]) -> tuple[int, ...]:
        """Where events stand, in order of time and without those that are not selected."""
        found = {self.place[one] for one in ids if one in self.place}
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class Board:
    """The whole picture: lanes in the order in which they are shown, events, and the time they span."""

    lanes: tuple[Lane, ...]
    events: Events
    start: datetime
    end: datetime


def events_of(frame: pd.DataFrame) -> Events:
    """The events of a case as columns; of two records under one id the first is the one an id leads to."""
    made = Events([], [], [], [], [], [], [], {})
    for place, row in enumerate(rows(frame, _EVENT_COLUMNS)):
        made.ids.append(row["event_id"])
        made.times.append(row["event_time"])
        made.names.append(row["event_name"] or "")
        made.outcomes.append(outcome(row["error_code"]).value)
        made.errors.append(row["error_code"] or "")
        made.actors.append(actor(row["identity_arn"], row["invoked_by"], row["principal_id"], row["user_name"]))
        made.regions.append(row["aws_region"] or "")
        made.place.setdefault(row["event_id"], place)
    return made


def urgency(lane: Lane) -> tuple[int, int, float, str]:
    """What sorts lanes of one kind: the worst state at the end first, then the worst on the way, then the earliest."""
    begin = lane.begin
    worst = min((STATES.index(span.state) for span in lane.spans), default=len(STATES))
    return STATES.index(lane.state), worst, begin.timestamp() if begin else 0.0, lane.key
