"""A board as typed arrays in one buffer, and the words beside it: what a browser can draw 100,000 events from.

Layout: little-endian arrays, each at an offset that is a multiple of 8. `columns` of the table says where: name ->
[type, offset in bytes, length in items], types `u1`, `u4` and `f8`. Lists of variable length (the spans, marks and
evidence of a lane) are two arrays: where each list begins (one more entry than lists) and all items in a row. Times are
milliseconds since 1970 UTC. Words are kept once and named by their place; NONE stands for none.
"""

import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ecs_trail.views import words
from ecs_trail.views.text import clean
from ecs_trail.views.timeline.codes import GROUP_TITLES, KINDS, MARKS, OUTCOMES, STATES
from ecs_trail.views.timeline.parts import Board, Lane, Mark, Span

NONE: Final = 0xFFFFFFFF
_TYPES: Final = {"u1": "B", "u4": "I", "f8": "d"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class Packed:
    """A board ready to be sent: `table` holds words and the places of arrays (JSON values), `data` the arrays.

    `spans` and `keys` lead back: the span and the lane behind each number.
    """

    table: dict[str, Any]
    data: bytes
    spans: tuple[tuple[int, Span], ...]
    marks: tuple[tuple[int, Mark], ...]


class _Words:
    """Words kept once."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def place(self, word: str | None) -> int:
        return NONE if not word else self.places.setdefault(word, len(self.places))

    def shown(self) -> list[str]:
        return [clean(word, _NAME) for word in self.places]


class _Buffer:
    """Arrays laid one behind the other."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.chunks: list[bytes] = []
        self.length = 0

    def put(self, name: str, kind: str, values: Iterable[float]) -> None:
        made = array(_TYPES[kind], values)
        if sys.byteorder == "big":
            made.byteswap()
        self.raw(name, kind, made.tobytes(), len(made))

    def raw(self, name: str, kind: str, data: bytes, length: int) -> None:
        self.columns[name] = [kind, self.length, length]
        room = -len(data) % 8
        self.chunks += [data, b"\0" * room]
        self.length += len(data) + room


def pack(board: Board) -> Packed:
    """A board as words and one buffer, compressed with zlib."""
    buffer = _Buffer()
    table = _lanes(board.lanes, buffer)
    spans = tuple((place, span) for place, lane in enumerate(board.lanes) for span in lane.spans)
    marks = tuple((place, mark) for place, lane in enumerate(board.lanes) for mark in lane.marks)
    _spans(board.lanes, spans, buffer)
    _marks(board.lanes, marks, buffer)
    table |= _events(board, buffer)
    table |= {
        "start": millis(board.start),
        "end": millis(board.end),
        "kinds": [{"name": kind, "title": GROUP_TITLES[kind]} for kind in KINDS],
        "states": list(STATES),
        "marks": list(MARKS),
        "outcomes": list(OUTCOMES),
        "columns": buffer.columns,
        "bytes": buffer.length,
    }
    return Packed(table, zlib.compress(b"".join(buffer.chunks), level=1), spans, marks)


def millis(moment: datetime) -> float:
    """Milliseconds since 1970 UTC."""
    return (moment - _EPOCH).total_seconds() * 1000.0


def _lists(buffer: _Buffer, name: str, lists: Sequence[Sequence[int]]) -> None:
    starts, place = [0], 0
    for one in lists:
        place += len(one)
        starts.append(place)
    buffer.put(f"{name}_at", "u4", starts)
    buffer.put(name, "u4", (item for one in lists for item in one))


def _lanes(lanes: Sequence[Lane], buffer: _Buffer) -> dict[str, Any]:
    roles, clusters, services, regions = _Words(), _Words(), _Words(), _Words()
    places = {lane.key: place for place, lane in enumerate(lanes)}
    buffer.put("lane_kind", "u1", (KINDS.index(lane.kind) for lane in lanes))
    buffer.put("lane_state", "u1", (STATES.index(lane.state) for lane in lanes))
    buffer.put("lane_role", "u4", (roles.place(lane.role_arn) for lane in lanes))
    buffer.put("lane_cluster", "u4", (clusters.place(lane.cluster) for lane in lanes))
    buffer.put("lane_service", "u4", (services.place(lane.service) for lane in lanes))
    buffer.put("lane_region", "u4", (regions.place(lane.region) for lane in lanes))
    _lists(buffer, "related", [[places[key] for key in lane.related if key in places] for lane in lanes])
    _lists(buffer, "evidence", [lane.evidence for lane in lanes])
    return {
        "labels": [clean(lane.label, _NAME) for lane in lanes],
        "details": [clean(lane.detail, _NAME) for lane in lanes],
        "keys": [clean(lane.key, 2 * _NAME) for lane in lanes],
        "roles": roles.shown(),
        "clusters": clusters.shown(),
        "services": services.shown(),
        "regions": regions.shown(),
    }


def _spans(lanes: Sequence[Lane], spans: Sequence[tuple[int, Span]], buffer: _Buffer) -> None:
    _starts(buffer, "spans_at", [len(lane.spans) for lane in lanes])
    buffer.put("span_start", "f8", (millis(span.start) for _, span in spans))
    buffer.put("span_end", "f8", (millis(span.end) for _, span in spans))
    buffer.put("span_state", "u1", (STATES.index(span.state) for _, span in spans))
    buffer.put("span_open", "u1", (span.open_start + 2 * span.open_end for _, span in spans))
    _lists(buffer, "causes", [span.causes for _, span in spans])


def _marks(lanes: Sequence[Lane], marks: Sequence[tuple[int, Mark]], buffer: _Buffer) -> None:
    _starts(buffer, "marks_at", [len(lane.marks) for lane in lanes])
    buffer.put("mark_time", "f8", (millis(mark.time) for _, mark in marks))
    buffer.put("mark_kind", "u1", (MARKS.index(mark.kind) for _, mark in marks))
    buffer.put("mark_event", "u4", (mark.event for _, mark in marks))


def _starts(buffer: _Buffer, name: str, lengths: Iterable[int]) -> None:
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    buffer.put(name, "u4", starts)


def _events(board: Board, buffer: _Buffer) -> dict[str, Any]:
    events = board.events
    names, errors, actors, regions = _Words(), _Words(), _Words(), _Words()
    buffer.put("event_time", "f8", map(millis, events.times))
    buffer.put("event_name", "u4", map(names.place, events.names))
    buffer.put("event_error", "u4", map(errors.place, events.errors))
    buffer.put("event_actor", "u4", map(actors.place, events.actors))
    buffer.put("event_region", "u4", map(regions.place, events.regions))
    buffer.put("event_outcome", "u1", map(OUTCOMES.index, events.outcomes))
    ids = [clean(one, _NAME).encode("utf-8") for one in events.ids]
    _starts(buffer, "ids_at", map(len, ids))
    text = b"".join(ids)
    buffer.raw("ids", "u1", text, len(text))
    return {
        "names": names.shown(),
        "errors": errors.shown(),
        "actors": [words.actor(one) for one in actors.places],
        "event_regions": regions.shown(),
    }
