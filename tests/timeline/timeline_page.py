"""The timeline in a page of its own: the widget's scripts, and a model that speaks to Python through the test."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_trail.views.timeline.packing import pack
from ecs_trail.views.timeline.parts import Board
from ecs_trail.views.timeline.widget import script, style

_PAGE = """<!doctype html><meta charset="utf-8"><title>timeline</title>
<style>body{margin:0;padding:12px;background:%(back)s}%(style)s</style><body%(body)s><div id="here"></div>
<script type="module">
const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const state = {_table: %(table)s, _data: new DataView(bytes("%(data)s").buffer), _view: {}, _notes: %(notes)s};
const listeners = {};
const model = {
  get: (name) => state[name],
  set: (name, value) => { state[name] = value; },
  save_changes() {},
  on: (name, act) => (listeners[name] ||= []).push(act),
  off: (name, act) => { listeners[name] = (listeners[name] || []).filter((one) => one !== act); },
  send: (content) => answer(content),
};
const fire = (name, ...given) => (listeners[name] || []).forEach((act) => act(...given));
window.sent = [];
function answer(content) {
  window.sent.push(content);
  const reply = {number: content.number, answer: content.ask, sentences: %(told)s, text: %(raw)s};
  const note = {star: content.star, text: content.text};
  if (content.ask === "note") state._notes = {...state._notes, [window.idOf(content.event)]: note};
  setTimeout(() => { fire("msg:custom", reply); if (content.ask === "note") fire("change:_notes"); }, 5);
}
const dec = new TextDecoder();
const code = new Blob([document.getElementById("code").textContent], {type: "text/javascript"});
const widget = (await import(URL.createObjectURL(code))).default;
window.state = state;
window.places = (name) => {
  const sent = state[name];
  return Array.from({length: sent.byteLength / 4}, (_, at) => sent.getUint32(at * 4, true));
};
const ids = %(ids)s;
window.idOf = (event) => ids[event];
window.stop = widget.render({model, el: document.getElementById("here")});
</script><script id="code" type="text/plain">%(code)s</script>"""


def write_page(
    board: Board,
    path: Path,
    *,
    dark: bool = False,
    told: Sequence[str] = ("One sentence.", "Another."),
    raw: str = "{}",
    notes: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write a page that shows a board; its model answers every question with the sentences or the raw text given."""
    packed = pack(board)
    values = {
        "told": _literal([*told]),
        "raw": _literal(raw),
        "notes": _literal(notes or {}),
        "ids": _literal(board.events.ids),
        "back": "#111418" if dark else "#fff",
        "style": style(),
        "body": f' data-jp-theme-light="{str(not dark).lower()}"',
        "table": _literal(packed.table),
        "data": base64.b64encode(packed.data).decode(),
        "code": script(),
    }
    path.write_text(_PAGE % values, encoding="utf-8")
    return path


def _literal(value: Any) -> str:
    """A value inside a script of the page: the page is a test's own, and its frame must not be what breaks."""
    return json.dumps(value).replace("<", "\\u003c")
