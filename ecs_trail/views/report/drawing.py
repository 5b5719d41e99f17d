"""A scene as inline SVG: drawn here, so that the page needs no library, opens offline and prints.

Colours stand in the elements for readers that know no style sheet (PDF); a browser's theme overrides them by class.
Every text is escaped: names in a scene come from the evidence.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from ecs_trail.views.palette import HATCHED, LIGHT, MARK_WORDS, MEANINGS, STATE_WORDS
from ecs_trail.views.scene import Lane, Mark, Scene, Span

WIDTH: Final = 1000
_LEFT: Final = 240
_RIGHT: Final = 988
_NAME_CHARS: Final = 23
_NOTE_CHARS: Final = 13
_NOTE_AT: Final = 162
_ROW: Final = 19
_BAR: Final = 11
_GROUP: Final = 25
_TOP: Final = 34
_THINNEST: Final = 1.4
_TICKS: Final = 8
#: Mean width of a letter of the legend.
_LETTER: Final = 5.6
_STEPS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 43200, 129600, 525600)
)
_SHAPES: Final = {
    "breaks": "M-5.5,-6h11l-5.5,9z",
    "restores": "M-5.5,5h11l-5.5,-9z",
    "other": "M-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z",
    "refused": "M-3.4,-3.4h6.8v6.8h-6.8z",
    "denied": "M-3.2,-3.2L3.2,3.2M3.2,-3.2L-3.2,3.2",
    "failed_to_start": "M-4,-4h8v8h-8z",
    "recovered": "M0,-5.5L5.5,0L0,5.5L-5.5,0z",
    "deleted": "M-1.2,-6h2.4v12h-2.4z",
    "issued": "M0,-5L5,0L0,5L-5,0z",
    "rotated": "M0,-5L5,0L0,5L-5,0z",
}
_HOLLOW: Final = frozenset({"denied", "refused"})

Link = Callable[[str, str], str]


def svg(scene: Scene, *, name: str, label: str, link: Link = lambda _kind, _key: "") -> str:
    """A scene as one `<svg>` element. `name` is unique in its page; `label` says what it shows to those who hear it.

    `link(kind, key)` gives the address of what a lane (`kind` is its group) or a mark (`event`) stands for, or nothing.
    """
    rows = list(_placed(scene.lanes))
    bottom = _TOP + (rows[-1][0] + _ROW if rows else 0)
    legend, below = _legend(scene, name, bottom + 18)
    height = bottom + 10 + below
    ends = "".join(_guide(scene, mark, bottom) for lane in scene.lanes for mark in lane.marks if _is_turn(mark))
    body = "".join((*_axis(scene, bottom), ends, *_lanes(scene, rows, name, link), legend))
    return (
        f'<svg class="scene" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="group" '
        f'aria-label="{escape(label)}" font-family="Liberation Sans, Arial, Helvetica, sans-serif" font-size="11">'
        f"<defs>{_hatch(name)}</defs>{body}</svg>"
    )


def _hatch(name: str) -> str:
    return (
        f'<pattern id="{name}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="2" height="6" fill="#fff" fill-opacity=".38"/></pattern>'
    )


def _placed(lanes: Sequence[Lane]) -> Iterator[tuple[int, Lane, bool]]:
    """Every lane with its top and whether it opens a group."""
    at, group = 0, None
    for lane in lanes:
        opens = lane.group != group
        at += _GROUP if opens else 0
        group = lane.group
        yield at, lane, opens
        at += _ROW


def _x(scene: Scene, at: datetime) -> float:
    share = (at - scene.start) / (scene.end - scene.start)
    return round(_LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT), 2)


# -- axis -----------------------------------------------------------------------------------------------------------


def ticks(start: datetime, end: datetime, most: int = _TICKS) -> list[datetime]:
    """Round moments between two others, UTC, at most `most` of them."""
    years = _STEPS[-1] * -(-(end - start) // (_STEPS[-1] * most))
    step = next((one for one in _STEPS if (end - start) / one <= most), years)
    base = (
        datetime(start.year, 1, 1, tzinfo=UTC)
        if step >= timedelta(days=1)
        else start.replace(hour=0, minute=0, second=0, microsecond=0)
    )
    first = base + step * -((base - start) // step)
    count = int((end - first) / step) + 1
    return [first + step * place for place in range(max(count, 0)) if first + step * place <= end]


def _axis(scene: Scene, bottom: float) -> Iterator[str]:
    day = None
    for tick in ticks(scene.start, scene.end):
        x = _x(scene, tick)
        yield f'<path class="grid" d="M{x},{_TOP - 4}V{bottom}" stroke="{LIGHT.line}" fill="none"/>'
        date = tick.strftime("%Y-%m-%d") if tick.date() != day else ""
        day = tick.date()
        yield f'<text class="soft" x="{x}" y="{_TOP - 8}" text-anchor="middle" fill="{LIGHT.soft}">{tick:%H:%M}</text>'
        if date:
            anchor = "end" if x > _RIGHT - 40 else "middle"
            yield (
                f'<text class="ink" x="{x}" y="11" text-anchor="{anchor}" font-weight="600" fill="{LIGHT.ink}">'
                f"{date}</text>"
            )


def _is_turn(mark: Mark) -> bool:
    return mark.kind in {"breaks", "restores"}


def _guide(scene: Scene, mark: Mark, bottom: float) -> str:
    colour = MEANINGS[mark.kind]
    return (
        f'<path class="l-{colour}" d="M{_x(scene, mark.at)},{_TOP - 4}V{bottom}" stroke="{LIGHT.colour(mark.kind)}" '
        f'stroke-dasharray="3 3" stroke-opacity=".7" fill="none"/>'
    )


# -- lanes ------------------------------------------------------------------------------------------------------------


def _lanes(scene: Scene, rows: Iterable[tuple[int, Lane, bool]], name: str, link: Link) -> Iterator[str]:
    for top, lane, opens in rows:
        y = _TOP + top
        if opens:
            yield (
                f'<text class="ink" x="0" y="{y - 6}" font-weight="650" font-size="11.5" fill="{LIGHT.ink}">'
                f"{escape(lane.group)}</text>"
            )
        yield f'<path class="grid" d="M0,{y - 0.5}H{_RIGHT}" stroke="{LIGHT.line}" stroke-opacity=".6" fill="none"/>'
        yield _label(lane, y, link)
        middle = y + _ROW / 2
        yield from (_span(scene, span, middle, name) for span in lane.spans)
        yield from (_mark(scene, mark, middle, link) for mark in lane.marks)


def shortened(text: str, most: int) -> str:
    """A text of at most `most` characters; of a long one the middle goes, since ids differ at their ends."""
    if len(text) <= most:
        return text
    tail = most // 3
    return f"{text[: most - tail - 1]}…{text[-tail:]}"


def _label(lane: Lane, y: float, link: Link) -> str:
    room = _NAME_CHARS if lane.note else _NAME_CHARS + _NOTE_CHARS
    base = y + _ROW / 2 + 4
    title = f"<title>{escape(lane.name)}</title>" if len(lane.name) > room else ""
    text = f'<text class="ink" x="8" y="{base}" fill="{LIGHT.ink}">{escape(shortened(lane.name, room))}{title}</text>'
    target = link(lane.group, lane.key) if lane.key else ""
    text = f'<a href="{escape(target)}">{text}</a>' if target else text
    note = escape(shortened(lane.note, _NOTE_CHARS))
    return text + (f'<text class="soft" x="{_NOTE_AT}" y="{base}" fill="{LIGHT.soft}">{note}</text>' if note else "")


def _span(scene: Scene, span: Span, middle: float, name: str) -> str:
    left, right = _x(scene, span.start), _x(scene, span.end)
    width = max(round(right - left, 2), _THINNEST)
    place = f'x="{left}" y="{middle - _BAR / 2}" width="{width}" height="{_BAR}" rx="2"'
    hatch = f'<rect {place} fill="url(#{name}-hatch)"/>' if span.state in HATCHED else ""
    colour = MEANINGS.get(span.state, "unknown")
    return (
        f'<g class="tip"><title>{_lines(span.words)}</title>'
        f'<rect class="f-{colour}" {place} fill="{LIGHT.colour(span.state)}"/>{hatch}</g>'
    )


def _mark(scene: Scene, mark: Mark, middle: float, link: Link) -> str:
    drawn = (
        f'<g class="tip" transform="translate({_x(scene, mark.at)},{middle})">'
        f'<title>{_lines(mark.words)}</title><path d="M-6,-8h12v16h-12z" fill="#000" fill-opacity="0"/>'
        f"{_shape(mark.kind)}</g>"
    )
    target = link("event", mark.event_id) if mark.event_id and mark.kind != "denied" else ""
    return f'<a href="{escape(target)}" aria-label="{_lines(mark.words)}">{drawn}</a>' if target else drawn


def _shape(kind: str) -> str:
    colour, field = LIGHT.colour(kind), MEANINGS.get(kind, "unknown")
    outline = _SHAPES.get(kind, _SHAPES["other"])
    if kind in _HOLLOW:
        return f'<path class="l-{field}" d="{outline}" stroke="{colour}" stroke-width="1.6" fill="none"/>'
    return f'<path class="f-{field} edge" d="{outline}" fill="{colour}" stroke="{LIGHT.paper}" stroke-width="1"/>'


def _lines(words: Iterable[str]) -> str:
    return escape("\n".join(word for word in words if word))


def _legend(scene: Scene, name: str, top: float) -> tuple[str, float]:
    """The legend of what is drawn, and its height."""
    states = {span.state for lane in scene.lanes for span in lane.spans}
    kinds = {mark.kind for lane in scene.lanes for mark in lane.marks}
    entries = [(state, word, True) for state, word in STATE_WORDS.items() if state in states]
    entries += [(kind, word, False) for kind, word in MARK_WORDS.items() if kind in kinds]
    parts, x, y = [], 0.0, top
    for entry, word, is_state in entries:
        wide = 34 + len(word) * _LETTER
        if x + wide > WIDTH:
            x, y = 0.0, y + 16
        place = f'x="{x:g}" y="{y - 8:g}" width="14" height="9" rx="2"'
        if is_state:
            hatch = f'<rect {place} fill="url(#{name}-hatch)"/>' if entry in HATCHED else ""
            colour = MEANINGS.get(entry, "unknown")
            parts.append(f'<rect class="f-{colour}" {place} fill="{LIGHT.colour(entry)}"/>{hatch}')
        else:
            parts.append(f'<g transform="translate({x + 7:g},{y - 4:g})">{_shape(entry)}</g>')
        parts.append(_legend_word(word, x + 18, y))
        x = round(x + wide, 1)
    return f'<g class="legend">{"".join(parts)}</g>', y - top + 12


def _legend_word(word: str, x: float, y: float) -> str:
    return f'<text class="soft" x="{round(x, 1)}" y="{y}" font-size="10.5" fill="{LIGHT.soft}">{escape(word)}</text>'
