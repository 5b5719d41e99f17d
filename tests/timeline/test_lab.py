"""The widget in a real JupyterLab: pick, filter, note; Python reads it back; a reload forgets nothing."""

import json
from pathlib import Path

import nbformat
import pytest
from timeline_browser import chromium, jupyter_lab

from ecs_trail.views.timeline.notes import read_notes

pytestmark = pytest.mark.slow
SAMPLE = Path(__file__).parent.parent.parent / "sample_logs"
SHOW = """import ecs_trail as et
case = et.investigate({source!r})
widget = case.timeline(notes="notes.json")
widget"""
READ = """import json
print(json.dumps({
    "spans": widget.selection[["kind", "label", "state"]].to_dict("records"),
    "events": widget.selected_events["event_name"].to_list(),
    "tasks": len(widget.linked("tasks")),
    "notes": widget.notes[["event_name", "star", "text"]].to_dict("records"),
}))"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A page on a notebook with two cells, in a JupyterLab and a browser of our own; and the folder."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(text) for text in (SHOW.format(source=str(SAMPLE)), READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / "look.ipynb")
    with chromium() as browser, jupyter_lab(folder) as address:
        page = browser.new_page(viewport={"width": 1500, "height": 1100})
        page.set_default_timeout(60_000)
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(address.format("tree/look.ipynb"))
        idle(page)
        run_cell(page, 0)
        page.wait_for_selector(".et-timeline[data-theme]")
        yield page, folder
        assert page.faults == []


def idle(page):
    """Wait for the kernel."""
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def run_cell(page, number):
    """Run one cell as a person does."""
    page.locator(".jp-CodeCell .cm-content").nth(number).click()
    page.keyboard.press("Shift+Enter")


def read_back(page):
    """What Python says of the widget."""
    page.wait_for_timeout(500)
    output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output pre")
    prompt = page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt")
    before = prompt.inner_text()
    run_cell(page, 1)
    page.wait_for_function(
        "([one, before]) => one.innerText !== before && /[0-9]/.test(one.innerText)",
        arg=[prompt.element_handle(), before],
    )
    idle(page)
    output.wait_for()
    return json.loads(output.inner_text())


def test_a_session_in_jupyterlab(lab):
    page, folder = lab
    assert read_back(page) == {"spans": [], "events": [], "tasks": 0, "notes": []}

    # pick the broken span of the first role
    body = page.locator(".et-body")
    body.scroll_into_view_if_needed()
    box = body.bounding_box()
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 38)
    page.get_by_text("It broke what ECS needs.").first.wait_for()
    told = read_back(page)
    assert told["spans"] == [{"kind": "role", "label": "ecsInfrastructureRole", "state": "broken"}]
    assert told["events"] == ["DetachRolePolicy", "DeleteRole"]
    assert told["tasks"] == 8

    # a note and a star on its first event, the raw record without leaving the page
    page.locator(".et-row").first.click()
    page.get_by_label("Note on this event").fill("the deploy of 14:20")
    page.get_by_label("Note on this event").press("Control+Enter")
    page.get_by_text("Note kept.").wait_for(state="attached")
    page.locator(".et-star").click()
    page.locator(".et-star[aria-pressed=true]").wait_for()
    page.get_by_role("button", name="Raw record").click()
    page.get_by_text('"eventName": "DetachRolePolicy"').wait_for()
    note = {"event_name": "DetachRolePolicy", "star": True, "text": "the deploy of 14:20"}
    assert read_back(page)["notes"] == [note]
    (kept,) = read_notes(folder / "notes.json").values()
    assert kept == {"star": True, "text": "the deploy of 14:20"}

    # single keys are the timeline's, not the notebook's: d d would delete the cell
    cells = page.locator(".jp-Cell").count()
    body.focus()
    for key in "ddaabb":
        page.keyboard.press(key)
    assert page.locator(".jp-Cell").count() == cells

    # filter
    page.get_by_label("State", exact=True).select_option("stuck")
    page.keyboard.press("Escape")
    body.focus()
    page.keyboard.press("Escape")
    told = read_back(page)
    assert {one["state"] for one in told["spans"]} == {"stuck"}
    assert told["tasks"] == 7

    # the dark theme of JupyterLab
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    page.locator(".et-timeline[data-theme=dark]").wait_for()

    # reload the page: the kernel lives, so do selection, filter and notes
    page.keyboard.press("Control+s")
    page.wait_for_timeout(500)
    page.reload()
    idle(page)
    page.wait_for_selector(".et-timeline[data-theme]")
    assert page.get_by_label("State", exact=True).input_value() == "stuck"
    page.get_by_label("State", exact=True).select_option("")
    page.get_by_title("Only starred or noted events").click()
    told = read_back(page)
    assert told["events"] == ["DetachRolePolicy"]
    assert told["notes"] == [note]


def test_a_new_widget_finds_the_notes_again(lab):
    page, _ = lab
    run_cell(page, 0)
    idle(page)
    page.wait_for_selector(".et-timeline[data-theme]")
    assert [one["text"] for one in read_back(page)["notes"]] == ["the deploy of 14:20"]
