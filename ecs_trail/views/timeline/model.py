"""Frames of a case become one board of lanes, spans and marks. Pure: no disk, no clock, no browser."""

from datetime import datetime, timedelta
from typing import Final

from ecs_trail.views.timeline.codes import KINDS
from ecs_trail.views.timeline.parts import Board, Frames, Lane, events_of, urgency
from ecs_trail.views.timeline.roles import role_lanes
from ecs_trail.views.timeline.tracks import caller_lanes, task_lanes, tls_lanes, volume_lanes

#: Frames a board is made of; all but `role_abilities` are frames of a case by these names.
FRAMES: Final = ("events", "role_changes", "outages", "tasks", "volumes", "volume_calls", "tls", "role_abilities")
#: Room at both ends of the picture, as a share of its length.
_ROOM: Final = 0.01


def board(frames: Frames, as_of: datetime) -> Board:
    """The timeline of a case judged at `as_of` (aware UTC). `frames` holds the frames named in `FRAMES`.

    Lanes come by kind (roles, tasks, volumes, TLS, callers), within a kind the worst state first, then the earliest.
    """
    events = events_of(frames["events"])
    lanes: list[Lane] = [
        *role_lanes(frames, events, as_of),
        *task_lanes(frames, events, as_of),
        *volume_lanes(frames, events, as_of),
        *tls_lanes(frames, events, as_of),
        *caller_lanes(events),
    ]
    lanes.sort(key=lambda lane: (KINDS.index(lane.kind), *urgency(lane)))
    moments = [*(span.start for lane in lanes for span in lane.spans), *events.times, as_of]
    start, end = min(moments), max(as_of, *moments)
    room = max((end - start) * _ROOM, timedelta(seconds=30))
    return Board(tuple(lanes), events, start - room, end + room)
