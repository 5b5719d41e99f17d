"""The report as one HTML page: opens offline, asks for nothing, says the answer on its first screen.

The page carries its style and its few lines of script, each allowed by its hash alone (*W3C Content Security Policy
Level 3*, read on 2026-11-24). Every string of the evidence is cleaned and escaped by the templates. The same evidence
and `--as-of` give the same bytes.
"""

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final

from ecs_trail.errors import MissingExtraError
from ecs_trail.views.palette import DARK, LIGHT, Palette
from ecs_trail.views.report.content import content
from ecs_trail.views.report.material import Material

if TYPE_CHECKING:
    from jinja2 import Environment

_COLOURS: Final = ("paper", "panel", "ink", "soft", "line", "good", "bad", "warn", "calm", "deep", "gone", "unknown")
_VERDICTS: Final = {
    "broken": ("bad", "Broken"),
    "over": ("warn", "Over"),
    "healthy": ("good", "Healthy"),
    "nothing": ("warn", "Nothing seen"),
}


def page(material: Material) -> str:
    """The whole page as text. Raises `MissingExtraError` where jinja2 is not installed."""
    environment = _environment()
    style, script = _style(), _template("script.js")
    found = content(material)
    tone, verdict = _VERDICTS[found["story"].verdict]
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    text = environment.get_template("page.html").render(
        found, policy=policy, style=style, script=script, tone=tone, verdict=verdict
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _environment() -> "Environment":
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError.for_feature("an HTML report", "report") from error
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _template(name: str) -> str:
    folder = resources.files("ecs_trail.views.report").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A source expression for an inline block. The template sets the block exactly between its tags."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _style() -> str:
    """The style sheet with the colours of both themes: dark where the reader's system is, or where they ask for it."""
    light, dark = _variables(LIGHT), _variables(DARK)
    themes = (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light])"
        f"{{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
    names = (*_COLOURS, "violet")
    drawn = "".join(f".f-{one}{{fill:var(--{one})}}.l-{one}{{stroke:var(--{one})}}" for one in names)
    tags = "".join(f".t-{one}{{--tone:var(--{one})}}" for one in names)
    return f"{themes}{drawn}\n{tags}\n{_template('style.css')}"


def _variables(palette: Palette) -> str:
    return "".join(f"--{name}:{getattr(palette, name)};" for name in (*_COLOURS, "violet"))
