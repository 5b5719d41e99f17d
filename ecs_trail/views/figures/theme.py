"""The one theme of all figures, light and dark, and the door to plotly.

Plotly reads a subset of HTML, and mathematics between dollar signs, in every text it shows (*Plotly*, "Text and font
styling", read on 2026-11-24). Names in figures come from the evidence, so every one of them goes through `text`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from html import escape
from typing import Any, Final

from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.views.palette import PALETTES, Palette
from ecs_trail.views.text import clean

try:
    import plotly.graph_objects as go
except ImportError as error:
    raise MissingExtraError.for_feature("a figure", "report") from error

__all__ = ["bin_width", "empty", "figure", "go", "hatch", "iso", "lines", "palette_of", "series", "text"]

_FONT: Final = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
#: Fields of the palette, far apart from one another, for things that have no meaning of their own.
_SERIES: Final = ("bad", "deep", "warn", "good", "violet", "calm", "soft", "gone")
_STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
        *(86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000),
    )
)


def text(value: object, limit: int | None = None) -> str:
    """A string of the evidence for any place where plotly shows text: cleaned, and neither HTML nor mathematics."""
    return escape(clean(value, limit), quote=False).replace("$", "&#36;")


def lines(words: Iterable[str]) -> str:
    """Several strings of the evidence as the lines of one hover text."""
    return "<br>".join(text(word, 160) for word in words if word)


def palette_of(theme: str) -> Palette:
    """The palette of a theme. Raises `UsageError` for another than `light` and `dark`."""
    if theme not in PALETTES:
        raise UsageError(f"'{theme}' is not a theme.", hint=f"choose one of {', '.join(PALETTES)}.")
    return PALETTES[theme]


def series(palette: Palette) -> list[str]:
    """Colours for things without a meaning of their own, in order; the last is for the rest."""
    return [str(getattr(palette, name)) for name in _SERIES]


def figure(title: str, palette: Palette, *, height: int = 420, traces: Iterable[Any] = ()) -> Any:
    """A figure in the theme. `title` is ours, or has been through `text`."""
    made = go.Figure(data=list(traces), layout={"template": _template(palette)})
    made.update_layout(title={"text": title}, height=height)
    return made


def empty(title: str, words: str, palette: Palette) -> Any:
    """A figure that says that there is nothing, instead of bare axes."""
    made = figure(title, palette, height=220)
    made.update_xaxes(visible=False)
    made.update_yaxes(visible=False)
    made.add_annotation(
        text=words, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5, font={"size": 14, "color": palette.soft}
    )
    return made


def _template(palette: Palette) -> Any:
    axis = {
        "gridcolor": palette.line,
        "linecolor": palette.line,
        "zeroline": False,
        "ticks": "",
        "automargin": True,
        "title": {"font": {"size": 12, "color": palette.soft}},
        "tickfont": {"size": 11.5},
    }
    layout = {
        "font": {"family": _FONT, "size": 12.5, "color": palette.ink},
        "title": {
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 16},
            "font": {"size": 17},
            "subtitle": {"font": {"size": 12}},
        },
        "paper_bgcolor": palette.paper,
        "plot_bgcolor": palette.paper,
        "colorway": series(palette),
        "margin": {"l": 16, "r": 20, "t": 78, "b": 30},
        "hoverlabel": {
            "bgcolor": palette.panel,
            "bordercolor": palette.line,
            "font": {"family": _FONT, "size": 12, "color": palette.ink},
            "align": "left",
            "namelength": 0,
        },
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.16, "x": 0, "font": {"size": 11.5}},
        "xaxis": axis,
        "yaxis": axis | {"showgrid": False, "ticklabelstandoff": 7},
        "bargap": 0.25,
        "hovermode": "closest",
        "barmode": "overlay",
    }
    return go.layout.Template(layout=layout)


def hatch(palette: Palette) -> dict[str, Any]:
    """The hatching over a colour that says: this hangs. Told apart without seeing the colour."""
    return {
        "shape": "/",
        "fillmode": "overlay",
        "fgcolor": palette.paper,
        "fgopacity": 0.4,
        "size": 6,
        "solidity": 0.32,
    }


def iso(moment: datetime) -> str:
    """A moment as plotly's dates are written; its axes are UTC here."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def bin_width(start: datetime, end: datetime, most: int) -> timedelta:
    """A round width that cuts a stretch into at most `most` bins."""
    return next((step for step in _STEPS if (end - start) / step < most), (end - start) / max(most - 1, 1))
