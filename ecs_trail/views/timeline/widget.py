"""The timeline as an anywidget: JupyterLab, Notebook 7, VS Code, marimo. No network, no build step.

What is drawn travels once, as words and one compressed buffer (`packing`). What a person picks comes back as the
places of spans, lanes and events; sentences and raw records are asked for one at a time, the records as the case gives
them: without credentials, unless it was made with `unredacted`. The scripts put strings of the evidence on the page as
text only.
"""

import struct
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import anywidget
import pandas as pd
import traitlets

from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.frames import FLAG, TEXT, TIME, FrameSpec
from ecs_trail.views.text import count
from ecs_trail.views.timeline.notes import Note, Notes, change_note, put, read_notes
from ecs_trail.views.timeline.packing import millis, pack
from ecs_trail.views.timeline.parts import Board, Lane, Span
from ecs_trail.views.timeline.sentences import Subject, event_sentences, lane_sentences, raw_text

SELECTION: Final = FrameSpec(
    name="selection",
    doc="One row per selected span of the timeline; `key` is the ARN or id of its lane (a role's ends with its "
    "purpose after `|`), `open_end` means that it goes on at the end of the evidence.",
    key=("kind", "key", "start", "state"),
    columns={
        "kind": TEXT,
        "key": TEXT,
        "label": TEXT,
        "state": TEXT,
        "start": TIME,
        "end": TIME,
        "open_end": FLAG,
        "role_arn": TEXT,
        "cluster": TEXT,
        "service": TEXT,
    },
)
NOTES: Final = FrameSpec(
    name="notes",
    doc="One row per event with a note or star, oldest first; time, name and caller are null for an event that is not "
    "in this case.",
    key=("event_id",),
    columns={"event_id": TEXT, "event_time": TIME, "event_name": TEXT, "actor": TEXT, "star": FLAG, "text": TEXT},
)
#: Frame of the case -> the column that holds what a lane's key is, and the kinds of lane that know it.
_LINKED: Final[Mapping[str, tuple[str, str]]] = {
    "tasks": ("task_arn", "task"),
    "volumes": ("volume_id", "volume"),
    "tls": ("secret_arn", "tls"),
}
#: In this order they make one script: a later part uses what an earlier one defines.
_SCRIPTS: Final = ("data", "theme", "filters", "layout", "draw", "table", "panel", "toolbar", "main")


def _asset(name: str) -> str:
    return files("ecs_trail.views.timeline").joinpath("static", name).read_text(encoding="utf-8")


def script() -> str:
    """The whole script of the widget, one ES module."""
    return "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)


def style() -> str:
    """The whole style sheet of the widget."""
    return _asset("timeline.css")


def _received(value: Any, _widget: Any) -> bytes:
    """Bytes as the widget protocol delivers them: a view of memory."""
    return bytes(value)


class TimelineWidget(anywidget.AnyWidget):
    """The linked timeline of one case.

    `selection`, `selected_events` and `linked(name)` give what was picked, brushed or filtered as frames; `notes` gives
    the notes and stars. Nothing is selected before a person (or `show`) selects something.
    """

    _table = traitlets.Dict().tag(sync=True)
    _data = traitlets.Bytes().tag(sync=True)
    _view = traitlets.Dict().tag(sync=True)
    _notes = traitlets.Dict().tag(sync=True)
    _spans_in = traitlets.Bytes().tag(sync=True, from_json=_received)
    _lanes_in = traitlets.Bytes().tag(sync=True, from_json=_received)
    _events_in = traitlets.Bytes().tag(sync=True, from_json=_received)
    _esm = script()
    _css = style()

    def __init__(self, board: Board, case: Subject, *, notes: str | Path | None = None) -> None:
        """Show a board of a case; `notes` names the JSON file that keeps notes and stars."""
        packed = pack(board)
        self._board, self._case, self._path = board, case, None if notes is None else Path(notes)
        self._packed = packed
        kept: Notes = {} if self._path is None else read_notes(self._path)
        super().__init__(_table=packed.table | {"kept": notes is not None}, _data=packed.data, _notes=kept)
        self.on_msg(self._answer)

    # -- what comes back -------------------------------------------------------------------------------------------

    @property
    def selection(self) -> pd.DataFrame:
        """The selected spans, as `SELECTION`: the picked one, or those under the brush and the filters."""
        chosen = (self._packed.spans[place] for place in self._places(self._spans_in, len(self._packed.spans)))
        return SELECTION.frame(_span_row(self._board.lanes[lane], span) for lane, span in chosen)

    @property
    def selected_events(self) -> pd.DataFrame:
        """The selected events: rows of `case.events` without the raw records (`case.raw(event_id)` gives one)."""
        places = self._places(self._events_in, len(self._board.events.ids))
        frame: pd.DataFrame = self._case.events.iloc[places].drop(columns=["raw"])
        return frame.reset_index(drop=True)

    def linked(self, name: str) -> pd.DataFrame:
        """The rows of `case.tasks`, `case.volumes` or `case.tls` that belong to the selection."""
        if name not in _LINKED:
            raise UsageError(f"'{name}' is no linked table.", hint=f"choose one of {', '.join(_LINKED)}.")
        column, kind = _LINKED[name]
        lanes = (self._board.lanes[place] for place in self._places(self._lanes_in, len(self._board.lanes)))
        keys = {lane.key for lane in lanes if lane.kind == kind}
        frame: pd.DataFrame = getattr(self._case, name)
        return frame[frame[column].isin(keys)].reset_index(drop=True)

    @property
    def notes(self) -> pd.DataFrame:
        """Notes and stars, as `NOTES`; those of the file where one was given, as it is now."""
        known: Notes = dict(self._notes) if self._path is None else read_notes(self._path)
        return NOTES.frame(sorted((self._note_row(*one) for one in known.items()), key=_note_order))

    def show(self, key: str) -> None:
        """Pick a lane by its ARN or id (a task, volume, secret, role or caller) in every view of the widget."""
        found = [place for place, lane in enumerate(self._board.lanes) if key in {lane.key, lane.role_arn, lane.label}]
        found = found or [place for place, lane in enumerate(self._board.lanes) if lane.key.endswith(f"/{key}")]
        if not found:
            raise UsageError(f"no lane '{key}' in this timeline.", hint="give the ARN or id of a task or volume.")
        lane = self._board.lanes[found[0]]
        moments = [moment for span in lane.spans for moment in (span.start, span.end)]
        reach = [millis(min(moments)), millis(max(moments))] if moments else None
        self._view = {**self._view, "picked": {"lane": found[0], "span": None, "event": None}, "reach": reach}

    # -- inside ----------------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widget for a live notebook, and a sentence for a page without a kernel."""
        made = super()._repr_mimebundle_(**options)
        data = made[0] if isinstance(made, tuple) else made
        if isinstance(data, dict):
            data["text/plain"] = repr(self)
            data["text/html"] = f"<p>{escape(repr(self))} It is drawn where a kernel runs: open the notebook.</p>"
        return made

    def __repr__(self) -> str:
        """One line: how much there is to see."""
        return f"Timeline of {count(len(self._board.lanes), 'lane')} and {count(len(self._board.events.ids), 'event')}."

    def _places(self, data: bytes, limit: int) -> list[int]:
        """Places sent by a browser, little-endian; what lies outside is dropped, as it cannot have been drawn."""
        whole = bytes(data)[: len(data) // 4 * 4]
        return [place for (place,) in struct.iter_unpack("<I", whole) if place < limit]

    def _note_row(self, event_id: str, note: Note) -> dict[str, Any]:
        events = self._board.events
        place = events.place.get(event_id)
        known = (
            {}
            if place is None
            else {
                "event_time": events.times[place],
                "event_name": events.names[place],
                "actor": events.actors[place],
            }
        )
        return {"event_id": event_id, "star": note["star"], "text": note["text"], **known}

    def _answer(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Answer a question of the page. A wrong one is answered as wrong, and never stops the kernel's work."""
        if not isinstance(content, dict):
            return
        reply = {"answer": content.get("ask"), "number": content.get("number")}
        try:
            self.send(reply | self._told(content))
        except EcsTrailError as error:
            self.send(reply | {"problem": str(error)})
        except (KeyError, IndexError, TypeError, ValueError):
            self.send(reply | {"problem": "this question does not fit the timeline."})

    def _told(self, content: Mapping[str, Any]) -> dict[str, Any]:
        match content["ask"]:
            case "evidence":
                return {"sentences": self._sentences(content)}
            case "raw":
                return {"text": raw_text(self._case, self._event_id(content["event"]))}
            case "note":
                self._keep(self._event_id(content["event"]), content)
                return {}
        raise ValueError(content["ask"])

    def _sentences(self, content: Mapping[str, Any]) -> list[str]:
        if content.get("event") is not None:
            self._event_id(content["event"])
            return event_sentences(self._case, content["event"])
        lane = self._board.lanes[_place(content["lane"])]
        span = None if content.get("span") is None else self._packed.spans[_place(content["span"])][1]
        return lane_sentences(self._case, lane, span)

    def _event_id(self, place: Any) -> str:
        return self._board.events.ids[_place(place)]

    def _keep(self, event_id: str, content: Mapping[str, Any]) -> None:
        note: Note = {"star": content.get("star") is True, "text": str(content.get("text") or "")}
        if self._path is None:
            known: Notes = dict(self._notes)
            put(known, event_id, note)
        else:
            known = change_note(self._path, event_id, note)
        self._notes = known


def _place(value: Any) -> int:
    """A place as the page sends it; negative ones would count from the end."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value


def _span_row(lane: Lane, span: Span) -> dict[str, Any]:
    return {
        "kind": lane.kind,
        "key": lane.key,
        "label": lane.label,
        "state": span.state,
        "start": span.start,
        "end": span.end,
        "open_end": span.open_end,
        "role_arn": lane.role_arn,
        "cluster": lane.cluster,
        "service": lane.service,
    }


def _note_order(row: Mapping[str, Any]) -> tuple[bool, float, str]:
    moment = row.get("event_time")
    return moment is None, moment.timestamp() if moment else 0.0, row["event_id"]
