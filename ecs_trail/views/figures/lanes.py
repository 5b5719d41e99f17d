"""Figures that are scenes: the incident, the volumes, the TLS secrets, what roles could do."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import pandas as pd

from ecs_trail.errors import UsageError
from ecs_trail.views.denials import denials
from ecs_trail.views.figures.theme import empty, figure, go, hatch, iso, lines, palette_of, text
from ecs_trail.views.lanes import incident_window, overview, reach, tls_lanes, volume_lanes
from ecs_trail.views.palette import HATCHED, MARK_WORDS, STATE_WORDS, Palette, state_word
from ecs_trail.views.role_lanes import action_lanes
from ecs_trail.views.scene import Lane, Mark, Scene, Span

Frames = Mapping[str, pd.DataFrame]

_ROW: Final = 21
_TALLEST: Final = 2400
_GUIDES: Final = 40
_SYMBOLS: Final = {
    "breaks": "triangle-down",
    "restores": "triangle-up",
    "other": "circle",
    "refused": "square-open",
    "denied": "x-thin",
    "failed_to_start": "square",
    "recovered": "diamond",
    "deleted": "line-ns",
    "issued": "diamond",
    "rotated": "diamond",
}
_THIN: Final = frozenset({"x-thin", "line-ns"})


def incident_overview(frames: Frames, *, as_of: datetime, theme: str = "light", most: int = 12) -> Any:
    """The one picture of an incident: what roles could do, their changes, denied calls, tasks, volumes, TLS.

    `frames` by name, as a case has them: `roles`, `role_states`, `changes`, `outages`, `tasks`, `volumes`, `tls`,
    `volume_calls`, `events`; a missing one counts as empty. `as_of` is aware UTC. At most `most` lanes of each kind
    stand alone, the most urgent first; the rest is gathered by state and counted.
    """
    events = frames.get("events")
    scene = overview(frames, as_of, () if events is None else denials(events), most=most)
    return draw(scene, "Incident overview", "No role, task, volume or secret was seen.", theme, near=True)


def volume_swimlanes(
    volumes: pd.DataFrame,
    volume_calls: pd.DataFrame | None = None,
    *,
    as_of: datetime,
    theme: str = "light",
    most: int = 40,
) -> Any:
    """Every volume from creation to deletion, each denied attempt as a mark; the most urgent first.

    `volumes` and `volume_calls` are frames of a case, `as_of` is aware UTC. Beyond `most`, volumes are gathered by
    state and counted.
    """
    frames = {"volumes": volumes} | ({} if volume_calls is None else {"volume_calls": volume_calls})
    start, end = reach(frames, as_of)
    scene = Scene(start, end, volume_lanes(frames, start, end, most=most))
    return draw(scene, "Volumes", "No volume managed by ECS was seen.", theme)


def tls_lifecycle(tls: pd.DataFrame, *, as_of: datetime, theme: str = "light", most: int = 40) -> Any:
    """Every Service Connect secret: issue, rotation, what blocked it, deletion. `tls` is a frame of a case."""
    frames = {"tls": tls}
    start, end = reach(frames, as_of)
    scene = Scene(start, end, tls_lanes(frames, start, end, most=most))
    return draw(scene, "Service Connect TLS", "No Service Connect secret was seen.", theme)


def role_history(
    frames: Frames, *, as_of: datetime, role: str | None = None, theme: str = "light", most: int = 12
) -> Any:
    """What each role was able to do over time, action by action where it lost one; changes show their policy diff.

    `frames` holds `roles`, `role_states`, `losses` and `changes` of a case; `role` (ARN) narrows to one and raises
    `UsageError` where it is not among them.
    """
    start, end = reach(frames, as_of)
    lanes = action_lanes(frames, start, end, most=most)
    if role is not None:
        roles = frames.get("roles")
        if roles is None or role not in set(roles["role_arn"].to_list()):
            raise UsageError(f"no role '{role}' in these frames.", hint="give the ARN of a role in frames['roles'].")
        only = {name: frame for name, frame in frames.items() if name != "roles"}
        lanes = action_lanes(only | {"roles": frames["roles"][frames["roles"]["role_arn"] == role]}, start, end)
    return draw(
        Scene(start, end, lanes), "What the roles could do", "No infrastructure role was seen.", theme, near=True
    )


def draw(scene: Scene, title: str, nothing: str, theme: str = "light", *, near: bool = False) -> Any:
    """Any scene as a figure: bars for states, marks for moments, one row for each lane; `nothing` says it is empty.

    `near` opens on the stretch of the incident; a double click shows all.
    """
    palette = palette_of(theme)
    if not scene.lanes:
        return empty(title, nothing, palette)
    placed = list(_placed(scene))
    height = min(190 + _ROW * (int(placed[-1][0]) + 1), _TALLEST)
    made = figure(title, palette, height=height, traces=(*_bars(placed, palette), *_marks(placed, palette)))
    made.update_layout(
        title={"subtitle": {"text": f"{iso(scene.start)} to {iso(scene.end)} UTC", "font": {"color": palette.soft}}},
        legend={"y": 0, "yref": "paper", "yanchor": "top"},
        margin={"t": 112},
    )
    seen = incident_window(scene) if near else (scene.start, scene.end)
    made.update_xaxes(type="date", range=[iso(one) for one in seen], side="top")
    made.update_yaxes(
        tickmode="array",
        tickvals=[at for at, _, _ in placed],
        ticktext=[_label(lane) for _, lane, _ in placed],
        range=[placed[-1][0] + 0.8, -1.4],
    )
    for at, lane, opens in placed:
        if opens:
            made.add_annotation(
                x=0, xref="paper", xanchor="left", y=at - 0.95, text=f"<b>{text(lane.group)}</b>", showarrow=False
            )
    _guides(made, scene, palette)
    return made


def _label(lane: Lane) -> str:
    return f"{text(lane.name, 44)}{f'  <i>{text(lane.note, 20)}</i>' if lane.note else ''}"


def _placed(scene: Scene) -> Iterator[tuple[float, Lane, bool]]:
    at, group = 0.0, None
    for lane in scene.lanes:
        opens = lane.group != group
        at += 1.2 if opens and group is not None else 0
        group = lane.group
        yield at, lane, opens
        at += 1


def _bars(placed: list[tuple[float, Lane, bool]], palette: Palette) -> Iterator[Any]:
    spans: dict[str, list[tuple[float, Span]]] = defaultdict(list)
    for at, lane, _ in placed:
        for span in lane.spans:
            spans[span.state].append((at, span))
    order = [*STATE_WORDS, *sorted(set(spans) - set(STATE_WORDS))]
    for state in (one for one in order if one in spans):
        listed = spans[state]
        yield go.Bar(
            orientation="h",
            y=[at for at, _ in listed],
            base=[iso(span.start) for _, span in listed],
            x=[int((span.end - span.start).total_seconds() * 1000) for _, span in listed],
            width=0.62,
            marker={
                "color": palette.colour(state),
                "line": {"width": 0},
                "pattern": hatch(palette) if state in HATCHED else None,
            },
            hovertext=[lines(span.words) for _, span in listed],
            hoverinfo="text",
            name=state_word(state),
        )


def _marks(placed: list[tuple[float, Lane, bool]], palette: Palette) -> Iterator[Any]:
    marks: dict[str, list[tuple[float, Mark]]] = defaultdict(list)
    for at, lane, _ in placed:
        for mark in lane.marks:
            marks[mark.kind].append((at, mark))
    for kind, word in MARK_WORDS.items():
        if kind not in marks:
            continue
        listed, symbol = marks[kind], _SYMBOLS[kind]
        edge = palette.colour(kind) if symbol in _THIN else palette.paper
        yield go.Scatter(
            mode="markers",
            x=[iso(mark.at) for _, mark in listed],
            y=[at for at, _ in listed],
            marker={
                "symbol": symbol,
                "size": 10 if symbol not in _THIN else 8,
                "color": palette.colour(kind),
                "line": {"width": 2 if symbol in _THIN else 1, "color": edge},
            },
            hovertext=[lines(mark.words) for _, mark in listed],
            hoverinfo="text",
            name=word,
        )


def _guides(made: Any, scene: Scene, palette: Palette) -> None:
    turns = {(mark.at, mark.kind) for lane in scene.lanes for mark in lane.marks if mark.kind in {"breaks", "restores"}}
    for at, kind in sorted(turns)[:_GUIDES]:
        made.add_vline(x=iso(at), line={"dash": "dot", "width": 1, "color": palette.colour(kind)}, layer="below")
