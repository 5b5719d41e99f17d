"""Words meant to act, in every field an attacker chooses: inert in each place where they are shown.

The fields come from the schema and from the records (`planted.written`); documents and frames with a hostile text in
every column are made from the shapes of the package (`handouts`), so that a new column is tried by itself.
"""

import csv
import html.parser
import io
import itertools
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import fields
from pathlib import Path

import openpyxl
import pytest
import sqlglot
from handouts import document, frames, replaced
from handouts import frame as one_frame
from markdown_it import MarkdownIt
from planted import behind, paths, put, written
from timeline_page import write_page

import ecs_trail as et
from ecs_trail.analysis.roles.tables import LOSSES
from ecs_trail.case.exploring import board_of
from ecs_trail.case.tables import SPECS
from ecs_trail.evidence.sources.sql import DIALECTS, compile_sql, documented_table
from ecs_trail.selection import Clause, Selection
from ecs_trail.views.exports import write_frame
from ecs_trail.views.text import clean
from ecs_trail.views.writers import PAGES, WRITERS

SAMPLE = Path(__file__).parents[2] / "sample_logs"
HOSTILE = {
    "script": "<script>window.pwned=1</script>",
    "handler": "\"'><img src=x onerror=window.pwned=2>",
    "svg": "</text></svg></style></title><svg onload=window.pwned=3>",
    "template": "{{7*7}}${7*7}{%x%}%{x}$x$",
    "formula": "=cmd|'/c calc'!A1",
    "formula at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "tab formula": "\t=1+1",
    "wide formula": "＝1+1",
    "clear": "\x1b[2J\x1b[H\x1b[31;5mpwned\x1b[0m",
    "title": "\x1b]0;pwned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "c1": "\x9b2J\x9d0;pwned\x9c",
    "bidi": "\u202egnp.exe\u2066x\u2069",
    "lines": "a\r\nb\u2028c\x85d\x0be",
    "null": "a\x00b",
    "markdown": "[x](javascript:alert(1)) ![i](http://evil.example/p.png) <b>|`\n# h",
    "rich": "[bold red]x[/] [link=http://evil.example]y[/link] :skull:",
    "sql": "'; DROP TABLE events; --",
    "path": "../../../../tmp/pwned/\\..\\CON",
    "long": "A" * 20_000,
    "zalgo": "Z" + "\u0301" * 300,
}
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
TABLE = documented_table(("db", "trail"))
#: What a terminal may be told by us: colours and weights, nothing that moves, names, links or blinks.
COLOURS = re.compile(r"\x1b\[(?:[0-4]|[349][0-7]|[34]8;5;\d{1,3}|;)*m")


def hostile(record):
    """A record with something hostile in every column of the schema and every text of its request and response."""
    texts = iter(list(HOSTILE.values()) * 40)
    for _ in range(sum(record["eventID"].encode()) % len(HOSTILE)):
        next(texts)
    for name in ("requestParameters", "responseElements", "additionalEventData"):
        if record.get(name):
            record[name] = behind(record[name], lambda _: next(texts))
            record[name].setdefault("tags", [{"key": next(texts), "value": next(texts)}])
    for path in paths().values():
        if path[-1] in {"userAgent", "errorMessage", "sourceIPAddress", "requestID"}:
            put(record, path, next(texts))
    record[next(texts)[:60]] = {next(texts)[:60]: next(texts)}
    return record


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return written(tmp_path_factory.mktemp("hostile"), hostile)


@pytest.fixture(scope="module")
def case(evidence):
    return et.investigate(evidence)


def everything(text):
    """A document and frames with a hostile text in every column."""
    made = frames(lambda _: text) | {"losses": one_frame(LOSSES, lambda _: text)}
    return replaced(document(lambda _: "x"), lambda _: text), made


def test_the_hostile_texts_are_in_the_evidence(case):
    whole = "".join(case.events["request_parameters"].dropna()) + "".join(case.events["user_agent"].dropna())
    there = [name for name, text in HOSTILE.items() if text in whole or json.dumps(text)[1:-1] in whole]
    assert len(there) > 15


def on_a_terminal(words, lines=50, columns=120):
    """What a program writes to a real terminal, bytes as they come."""
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(lines)}
    process = subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower, env=environment, close_fds=True)
    os.close(follower)
    seen, until = bytearray(), time.monotonic() + 60
    while time.monotonic() < until:
        ready, _, _ = select.select([leader], [], [], 0.2)
        if ready:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            seen += piece
        elif process.poll() is not None:
            break
    os.close(leader)
    assert process.wait(timeout=30) in {0, 1}, seen[-2000:]
    return seen.decode("utf-8", "replace")


@pytest.mark.parametrize(
    "words",
    [
        ("investigate",),
        ("events",),
        ("events", "--raw"),
        ("timeline", "tasks"),
        ("timeline", "volumes"),
        ("timeline", "roles"),
    ],
    ids=" ".join,
)
def test_a_terminal_obeys_nobody_in_the_evidence(words, evidence):
    seen = on_a_terminal([sys.executable, "-m", "ecs_trail", *words, str(evidence), "--quiet"])
    assert "vol-" in seen or "arn:" in seen or "ecsInfra" in seen
    left = COLOURS.sub("", seen).replace("\r\n", "\n")
    assert not ACTING.findall(left)
    assert "pwned" not in re.sub(r"window\.pwned|tmp/pwned|\\x1b\[31;5mpwned|0;pwned", "", left)


class _Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.handlers, self.links = Counter(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links += [value for name, value in attrs if name in {"href", "src", "action", "xlink:href"} and value]


def parsed(text):
    made = _Tags()
    made.feed(text)
    return made


@pytest.fixture(scope="module")
def plain_page():
    return parsed(PAGES[".html"](*everything("x")).decode())


@pytest.mark.parametrize("name", HOSTILE)
def test_the_page_has_no_element_that_a_text_made(name, plain_page):
    page = parsed(PAGES[".html"](*everything(HOSTILE[name])).decode())
    assert page.handlers == []
    assert set(page.tags) <= set(plain_page.tags)
    for tag in ("script", "style", "img", "iframe", "object", "svg", "link", "form", "meta", "base"):
        assert page.tags[tag] <= plain_page.tags[tag], tag
    assert all(one.startswith(("#", "data:")) for one in page.links), page.links


@pytest.mark.parametrize("name", HOSTILE)
def test_a_notebook_shows_it_as_text(name, case):
    from ecs_trail.views.card import html as card  # noqa: PLC0415

    plain, made = parsed(card(everything("x")[0])), parsed(card(everything(HOSTILE[name])[0]))
    assert made.handlers == []
    assert set(made.tags) <= set(plain.tags)
    assert parsed(case._repr_html_()).handlers == []
    assert not ACTING.findall(repr(case))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_spreadsheet_runs_it(name):
    found, made = everything(HOSTILE[name])
    book = openpyxl.load_workbook(io.BytesIO(WRITERS[".xlsx"](found, made)))
    for sheet in book:
        for row in sheet.iter_rows():
            assert all(cell.data_type != "f" and cell.hyperlink is None for cell in row)
    for frame in made.values():
        page = io.BytesIO()
        write_frame(frame, "csv", page)
        rows = list(csv.reader(io.StringIO(page.getvalue().decode(), newline="")))
        assert len(rows) == len(frame) + 1
        assert not [cell for row in rows[1:] for cell in row if cell[:1] in "=+-@\t\r＝＋－＠" and cell[:1]]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_ticket_and_a_table_show_it_as_text(name):
    found, made = everything(HOSTILE[name])
    text = WRITERS[".md"](found, made).decode()
    assert not ACTING.findall(text)
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = [inner for one in parser.parse(text) for inner in (one, *(one.children or ()))]
    # links to AWS's own pages are ours; none of them may come from a text of the evidence
    assert not {one.type for one in tokens} & {"image", "html_inline", "html_block"}
    assert not [one for one in tokens if one.type == "link_open" and re.search("javascript|evil", str(one.attrs))]
    for frame in made.values():
        page = io.BytesIO()
        write_frame(frame, "table", page)
        shown = page.getvalue().decode()
        assert not ACTING.findall(shown)
        assert len(shown.splitlines()) == len(frame) + 2
        assert all(len(line) < 250 * len(frame.columns) for line in shown.splitlines())


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_no_name_of_a_file_comes_from_the_evidence(kind, case, tmp_path):
    from ecs_trail.case.tables import tables  # noqa: PLC0415
    from ecs_trail.views.folder import MANIFEST, write_folder  # noqa: PLC0415

    write_folder(tables(case), tmp_path / "out", kind, as_of="2026-03-02T09:00:00Z")
    names = {path.name for path in tmp_path.rglob("*")}
    assert names == {"out", "README.md", MANIFEST, *(f"{name}.{kind}" for name in SPECS)}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("facet", [one.name for one in fields(Clause) if one.name not in {"failed", "window"}])
def test_sql_holds_it_as_one_literal(facet, dialect):
    """Every facet of a question, in every dialect: one SELECT, and the text comes back from its literals."""
    for name, text in HOSTILE.items():
        chosen = Selection((Clause(**{facet: frozenset({text})}),))
        sql = compile_sql(chosen, TABLE, dialect=dialect, is_bound=False)
        statements = sqlglot.parse(sql, dialect=dialect)
        assert len(statements) == 1, name
        assert isinstance(statements[0], sqlglot.exp.Select)
        assert not list(statements[0].find_all(sqlglot.exp.Drop, sqlglot.exp.Command))
        assert "comment" not in str(statements[0].comments or "")


def test_case_sql_gives_it_back_as_it_is(case):
    for text in HOSTILE.values():
        quoted = text.replace("'", "''").replace("\x00", "")
        found = case.sql(f"select count(*) as n, '{quoted}' as t from events where user_agent = '{quoted}'")
        assert found["t"].iloc[0] == text.replace("\x00", "")


def test_many_very_long_values_stay_bounded(tmp_path):
    """A name of a million characters and a thousand tags: the answer is written, and cut where people read it."""

    def long(record):
        record["userAgent"] = "u" * 1_000_000 if record["eventName"] in {"DetachRolePolicy", "DeleteRole"} else "x"
        return record

    case = et.investigate(written(tmp_path, long))
    page = io.BytesIO()
    write_frame(case.events, "table", page)
    assert max(map(len, page.getvalue().decode().splitlines())) < 10_000
    assert len(case._repr_html_()) < 200_000
    assert len(PAGES[".html"](case.document, {name: case.frame(name) for name in [*SPECS, "losses"]})) < 12_000_000


@pytest.fixture(scope="module")
def chromium():
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium), so the page was not opened in one")
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_browser_obeys_nobody_in_any_column(name, chromium, tmp_path):
    """Each column of each section, in Chromium: no script ran, nothing was asked for, no element was made."""
    path = tmp_path / "report.html"
    path.write_bytes(PAGES[".html"](*everything(HOSTILE[name])))
    page = chromium.new_context(offline=True).new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("window.pwned === undefined")
    assert page.locator("img, iframe, object").count() == 0
    assert asked == [path.as_uri()]
    assert said == []
    page.context.close()


def hostile_board(board):
    """The board with another hostile text in every field of every lane and event that is not one of our own words."""
    texts = itertools.cycle(HOSTILE.values())
    count = itertools.count()
    for lane in board.lanes:
        for one in fields(lane):
            if one.name not in {"kind", "state", "related"} and isinstance(getattr(lane, one.name), str | None):
                setattr(lane, one.name, next(texts) + (f" {next(count)}" if one.name == "key" else ""))
        lane.related = ()
    for one in fields(board.events):
        held = getattr(board.events, one.name)
        if one.name not in {"outcomes", "ids"} and isinstance(held, list) and isinstance(held[0], str):
            setattr(board.events, one.name, [next(texts) for _ in held])
    board.events.ids = [f"{next(texts)} {next(count)}" for _ in board.events.ids]
    return board


@pytest.mark.slow
def test_the_widget_obeys_nobody_in_any_field(chromium, tmp_path):
    """Every text in every field of lanes, events, notes and answers, in Chromium; each table opened, lanes and rows
    picked, filters and search used.
    """
    board = hostile_board(board_of(et.investigate(SAMPLE)))
    listed = [*HOSTILE.values()]
    notes = {
        one: {"star": True, "text": text} for one, text in zip(board.events.ids, itertools.cycle(listed), strict=False)
    }
    path = write_page(board, tmp_path / "x.html", told=listed, raw="\n".join(listed), notes=notes)
    page = chromium.new_context(offline=True).new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector(".et-timeline[data-theme]")
    elements = "[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))].sort()"
    before, shown = set(page.evaluate(elements)), ""
    box = page.locator(".et-body").bounding_box()
    for step in range(0, 400, 20):
        page.mouse.move(box["x"] + 300 + step, box["y"] + 20 + step % 300)
    for tab in page.get_by_role("tab").all():
        tab.click()
        row = page.locator(".et-row:visible").first
        if row.count():
            row.click()
        page.wait_for_timeout(50)
        shown += page.locator(".et-timeline").inner_text()
    page.get_by_role("tab").first.click()
    page.locator(".et-row:visible").first.click()
    page.get_by_role("button", name="Raw record").first.click()
    page.locator(".et-raw").first.wait_for()
    shown += page.locator(".et-raw").first.inner_text()
    for text in HOSTILE.values():
        page.get_by_label("Search", exact=True).fill(text[:200].replace("\x00", ""))
        page.wait_for_timeout(20)
    page.wait_for_timeout(200)
    shown += page.locator(".et-timeline").inner_text()
    assert "<script>window.pwned=1</script>" in shown
    assert page.evaluate("window.pwned === undefined")
    assert page.locator("img, iframe, object, a").count() == 0
    assert set(page.evaluate(elements)) - before <= {"pre", "code", "textarea"}  # of the panel
    assert page.evaluate("[...document.querySelectorAll('*')].every((one) => !one.onerror && !one.onload)")
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    assert said == []
    page.context.close()


def test_what_the_widget_answers_is_inert(case):
    """The sentences and records that a page asks for: one visible line each, and records escaped."""
    widget, said = case.timeline(), []
    widget.send = lambda content, buffers=None: said.append(content)
    for place in range(len(case.events)):
        widget._answer(widget, {"ask": "raw", "event": place, "number": 1}, [])
        widget._answer(widget, {"ask": "evidence", "lane": None, "span": None, "event": place, "number": 1}, [])
    for place in range(len(widget._board.lanes)):
        widget._answer(widget, {"ask": "evidence", "lane": place, "span": None, "event": None, "number": 1}, [])
    assert len(said) == 2 * len(case.events) + len(widget._board.lanes)
    for one in said:
        lines = [*one.get("sentences", ()), *one.get("text", "").split("\n")]
        assert not [line for line in lines if ACTING.search(line)]
    assert not ACTING.search(json.dumps(widget._table, ensure_ascii=False))


def test_what_is_shown_is_one_line_of_visible_characters():
    for text in HOSTILE.values():
        assert not ACTING.findall(clean(text))
        assert "\n" not in clean(text)
