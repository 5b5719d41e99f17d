"""The answer as one HTML card for notebooks: readable in light and dark themes, without scripts or requests.

The order is that of the text answer. Colours come from the theme of JupyterLab or VS Code where there is one; the card
always sets text and background together, so that a half-known theme cannot make it unreadable.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from ecs_trail.views.story import BROKEN, HEALTHY, NOTHING, OVER, Cause, Item, Other, Repair, Story, tell

_BADGES: Final = {
    BROKEN: ("bad", "Broken"),
    OVER: ("warn", "Over"),
    HEALTHY: ("good", "Healthy"),
    NOTHING: ("warn", "Nothing seen"),
}
_STATE_TONES: Final = {
    "stuck": "bad",
    "blocked": "bad",
    "leaked": "bad",
    "failed to start": "bad",
    "at risk": "warn",
    "stopping": "warn",
    "recovered": "good",
    "critical": "bad",
    "high": "bad",
    "medium": "warn",
}
_ITEMS_SHOWN: Final = 12
_CAUSES_SHOWN: Final = 6
_OTHERS_SHOWN: Final = 12

_STYLE: Final = """
.ecs-trail{--fg:var(--jp-ui-font-color1,var(--vscode-foreground,#1f2328));
--soft:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#59636e));
--bg:var(--jp-layout-color1,var(--vscode-editor-background,#fff));
--sunk:var(--jp-layout-color2,var(--vscode-textCodeBlock-background,#f3f4f6));
--line:var(--jp-border-color2,var(--vscode-widget-border,#d1d9e0));
--bad:#c62828;--warn:#8f5b00;--good:#1a7f37;--tone:var(--warn);
color:var(--fg);background:var(--bg);border:1px solid var(--line);border-left:6px solid var(--tone);border-radius:6px;
padding:16px 20px;margin:4px 0;max-width:1080px;box-sizing:border-box;
font:14px/1.5 var(--jp-ui-font-family,system-ui,-apple-system,"Segoe UI",sans-serif)}
@media (prefers-color-scheme:dark){.ecs-trail{
--fg:var(--jp-ui-font-color1,var(--vscode-foreground,#e6edf3));
--soft:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#9da7b3));
--bg:var(--jp-layout-color1,var(--vscode-editor-background,#15191f));
--sunk:var(--jp-layout-color2,var(--vscode-textCodeBlock-background,#20262e));
--line:var(--jp-border-color2,var(--vscode-widget-border,#3d444d))}}
.ecs-trail.et-bad{--tone:var(--bad)}.ecs-trail.et-good{--tone:var(--good)}
.ecs-trail *{box-sizing:border-box}
.ecs-trail h3{font-size:18px;line-height:1.35;font-weight:650;margin:6px 0 4px;color:var(--fg)}
.ecs-trail h4{font-size:11px;letter-spacing:.07em;text-transform:uppercase;font-weight:650;color:var(--soft);
margin:16px 0 5px}
.ecs-trail p{margin:0 0 2px;color:var(--fg)}
.ecs-trail .et-soft{color:var(--soft);font-size:12.5px}
.ecs-trail .et-tag{display:inline-block;padding:0 8px;border-radius:10px;font-size:11.5px;line-height:19px;
font-weight:650;color:#fff;background:#59636e;white-space:nowrap}
.ecs-trail .et-tag.bad{background:var(--bad)}.ecs-trail .et-tag.warn{background:var(--warn)}
.ecs-trail .et-tag.good{background:var(--good)}
.ecs-trail .et-asof{float:right;color:var(--soft);font-size:12px}
.ecs-trail table{border-collapse:collapse!important;margin:0!important;width:100%;table-layout:auto;font-size:13px;
border:0!important}
.ecs-trail tr{background:none!important}
.ecs-trail td{padding:5px 14px 5px 0!important;border:0!important;border-top:1px solid var(--line)!important;
text-align:left!important;vertical-align:top!important;white-space:normal!important;color:var(--fg);max-width:none}
.ecs-trail tr:first-child td{border-top:0!important}
.ecs-trail td:first-child,.ecs-trail .et-narrow td:nth-child(2){white-space:nowrap!important;width:1%}
.ecs-trail code,.ecs-trail pre{font-family:var(--jp-code-font-family,ui-monospace,"SF Mono",Menlo,Consolas,monospace);
font-size:12.5px;background:none;color:var(--fg);padding:0;overflow-wrap:anywhere}
.ecs-trail pre{background:var(--sunk)!important;border:1px solid var(--line);border-radius:4px;
padding:8px 10px!important;margin:4px 0 6px!important;
white-space:pre-wrap!important;overflow-wrap:anywhere;user-select:all}
.ecs-trail ul{margin:0!important;padding:0 0 0 18px!important}.ecs-trail li{margin:0!important}
"""


def html(document: Mapping[str, Any]) -> str:
    """The card of an investigation document (contract, section 2) as one HTML fragment.

    Every string of the evidence is cleaned and escaped. There is no script, no link and no external resource.
    """
    story = tell(document)
    tone, verdict = _BADGES[story.verdict]
    parts = (
        f'<span class="et-asof">as of {escape(story.as_of)}; all times are UTC</span>',
        f'<span class="et-tag {tone}">{verdict}</span>',
        f"<h3>{escape(story.headline)}</h3>",
        *(f"<p>{escape(sentence)}</p>" for sentence in story.details),
        _causes(story),
        _items(story),
        _repairs(story.repairs),
        _others(story.others),
        _lines("Looked at", story.looked_at),
        _lines("Not seen", story.unseen or ("Nothing is known to be missing from this evidence.",)),
    )
    body = "\n".join(part for part in parts if part)
    return (
        f'<style>{_STYLE}</style>\n<div class="ecs-trail et-{tone}" role="region" aria-label="ecs-trail">{body}</div>'
    )


def _section(title: str, body: str) -> str:
    return f"<h4>{escape(title)}</h4>\n{body}" if body else ""


def _table(rows: Iterable[Iterable[str]], kind: str = "") -> str:
    lines = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="{kind}"><tbody>{lines}</tbody></table>' if lines else ""


def _tag(words: str) -> str:
    return f'<span class="et-tag {_STATE_TONES.get(words, "")}">{escape(words)}</span>' if words else ""


def _soft(words: str) -> str:
    return f'<div class="et-soft">{words}</div>' if words else ""


def _more(number: int, where: str) -> str:
    return f'<p class="et-soft">… and {number:,} more: <code>{where}</code></p>' if number > 0 else ""


def _causes(story: Story) -> str:
    if not story.causes and not story.causes_note:
        return ""
    table = _table(_cause(cause) for cause in story.causes[:_CAUSES_SHOWN])
    notes = "".join(f"<p>{escape(note)}</p>" for note in (story.causes_note, story.certainty, *story.rivals) if note)
    return _section("Cause", table + _more(len(story.causes) - _CAUSES_SHOWN, "case.role_changes") + notes)


def _cause(cause: Cause) -> tuple[str, str]:
    if not cause.call:
        return "event", f"<code>{escape(cause.event_id)}</code>"
    tool = f" with {escape(cause.tool)}" if cause.tool else ""
    place = f"from {escape(cause.address)}, " if cause.address else ""
    took = f"<div>took {escape(cause.took)}</div>" if cause.took else ""
    what = f"<strong>{escape(cause.call)}</strong> by {escape(cause.who)}{tool}{took}"
    return escape(cause.time), what + _soft(f"{place}event <code>{escape(cause.event_id)}</code>")


def _items(story: Story) -> str:
    table = _table(_item(item) for item in story.items[:_ITEMS_SHOWN])
    frame = {"TASKS AND VOLUMES": "case.tasks", "VOLUMES": "case.volumes"}.get(story.items_title, "case.tls")
    return _section(story.items_title.capitalize(), table + _more(len(story.items) - _ITEMS_SHOWN, frame))


def _item(item: Item) -> tuple[str, str, str]:
    owner = _soft(f"service {escape(item.owner)}") if item.owner else ""
    volume = f"<code>{escape(item.volume)}</code>" if item.volume else ""
    return _tag(item.state), f"<code>{escape(item.name)}</code>{owner}", f"{volume}{_soft(escape(item.since))}"


def _repairs(repairs: Iterable[Repair]) -> str:
    steps = (
        f"<p>{escape(repair.title)}</p>{''.join(f'<pre>{escape(command)}</pre>' for command in repair.commands)}"
        for repair in repairs
    )
    return _section("Repair", "\n".join(steps))


def _others(others: tuple[Other, ...]) -> str:
    rows = ((_tag(other.severity), escape(other.status), escape(other.title)) for other in others[:_OTHERS_SHOWN])
    return _section("Also found", _table(rows, "et-narrow") + _more(len(others) - _OTHERS_SHOWN, "case.findings"))


def _lines(title: str, lines: Iterable[str]) -> str:
    return _section(title, f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>")
