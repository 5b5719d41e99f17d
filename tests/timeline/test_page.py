"""The timeline in a real browser: mouse, keys, filters, hostile words, themes, and how long a frame takes."""

import json
import statistics

import pytest
from timeline_browser import chromium
from timeline_page import write_page

import ecs_trail as et
from ecs_trail.case.exploring import board_of
from ecs_trail.views.timeline.model import FRAMES, board
from tests.benchmarks.analysis import write

pytestmark = pytest.mark.slow
#: Milliseconds a frame may take while panning and zooming.
SMOOTH = 50
HOSTILE = "<img src=x onerror=window.hit=1></script>\u202e\x1b[2J{{7*7}}"
#: Times what is drawn in each animation frame, and the distance between frames while `window.recording` is true.
CLOCK = """(() => {
  const raf = window.requestAnimationFrame.bind(window);
  window.draws = [];
  window.gaps = [];
  window.requestAnimationFrame = (act) => raf((time) => {
    const begun = performance.now();
    act(time);
    window.draws.push(performance.now() - begun);
  });
  let last = 0;
  const beat = (time) => {
    if (window.recording && last) window.gaps.push(time - last);
    last = window.recording ? time : 0;
    raf(beat);
  };
  raf(beat);
})();"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


def opened(browser, path, **options):
    """A page on a file, with its errors and requests collected."""
    page = browser.new_page(viewport={"width": 1280, "height": 860}, **options)
    page.faults = []
    page.asked = []
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.add_init_script(CLOCK)
    page.goto(f"file://{path}")
    page.wait_for_selector(".et-timeline[data-theme]")
    page.wait_for_timeout(300)
    return page


@pytest.fixture
def page(browser, case, tmp_path):
    """The sample's timeline."""
    made = opened(browser, write_page(board_of(case), tmp_path / "page.html"))
    yield made
    assert made.faults == []
    assert [url for url in made.asked if not url.startswith(("file:", "blob:"))] == []
    made.close()


def places(page, name):
    """Places the page has sent to Python, after its pause."""
    page.wait_for_timeout(250)
    return page.evaluate(f"window.places('{name}')")


def lanes(case):
    """The lanes of the sample by key."""
    return {one.key: place for place, one in enumerate(board_of(case).lanes)}


def test_a_click_on_a_span_selects_it_and_its_kin(page, case):
    made = board_of(case)
    box = page.locator(".et-body").bounding_box()
    page.mouse.click(box["x"] + 1000, box["y"] + 38)
    (span,) = places(page, "_spans_in")
    flat = [(one.key, stretch.state) for one in made.lanes for stretch in one.spans]
    assert flat[span] == ("arn:aws:iam::111122223333:role/ecsInfrastructureRole|volumes", "broken")
    told = [made.events.names[place] for place in places(page, "_events_in")]
    assert told == ["DetachRolePolicy", "DeleteRole"]
    kin = {made.lanes[place].state for place in places(page, "_lanes_in") if made.lanes[place].kind == "task"}
    assert kin == {"stuck", "at_risk"}
    assert page.locator(".et-evidence").inner_text().startswith("broken")
    assert "One sentence." in page.locator(".et-told").inner_text()


def test_filters_narrow_lanes_events_and_tables(page, case):
    page.get_by_label("State", exact=True).select_option("stuck")
    made = board_of(case)
    kept = [made.lanes[place] for place in places(page, "_lanes_in")]
    assert {one.kind for one in kept} == {"task"}
    assert all("stuck" in {span.state for span in one.spans} for one in kept)
    assert len(kept) == sum(case.tasks["state"].isin(["stuck", "recovered"]))
    page.get_by_label("State", exact=True).select_option("")
    page.get_by_label("Outcome", exact=True).select_option("denied")
    denied = places(page, "_events_in")
    assert denied == [place for place, one in enumerate(made.events.outcomes) if one == "denied"]
    page.get_by_role("button", name="Clear filters and selection").click()
    assert places(page, "_events_in") == []


def test_search_finds_names_ids_and_callers(page, case):
    made = board_of(case)
    event = made.events.names.index("DeleteRole")
    for words in ("DeleteRole", made.events.ids[event], made.events.ids[event][9:30]):
        page.get_by_label("Search", exact=True).fill(words)
        page.wait_for_timeout(200)
        assert places(page, "_events_in") == [event], words
    page.get_by_label("Search", exact=True).fill("no such thing")
    page.wait_for_timeout(200)
    assert places(page, "_lanes_in") == []


def test_everything_can_be_done_by_keys(page, case):
    page.locator(".et-body").focus()
    page.keyboard.press("ArrowDown")
    assert "ecsInfrastructureRole" in page.locator(".et-live").inner_text()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
        if "broken" in page.locator(".et-live").inner_text():
            break
    page.keyboard.press("Enter")
    (span,) = places(page, "_spans_in")
    flat = [stretch.state for one in board_of(case).lanes for stretch in one.spans]
    assert flat[span] == "broken"
    before = page.evaluate("window.state._view")
    page.keyboard.press("+")
    page.wait_for_timeout(600)
    after = page.evaluate("window.state._view")
    assert after["t1"] - after["t0"] < before["t1"] - before["t0"]
    page.keyboard.press("d")
    page.wait_for_timeout(600)
    assert page.evaluate("window.state._view.t0") > after["t0"]
    page.keyboard.press("b")
    page.wait_for_timeout(300)
    assert page.evaluate("window.state._view.brush") is not None
    page.keyboard.press("Escape")
    assert places(page, "_events_in") == []
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.className") == "et-search"


def test_a_range_is_brushed_on_the_axis(page, case):
    box = page.locator(".et-head").bounding_box()
    page.mouse.move(box["x"] + 400, box["y"] + 52)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 52, steps=4)
    page.mouse.up()
    events = places(page, "_events_in")
    start, end = page.evaluate("window.state._view.brush")
    times = [one.timestamp() * 1000 for one in board_of(case).events.times]
    assert events == [place for place, time in enumerate(times) if start <= time <= end]
    assert len(events) > 10
    assert "Selected range" in page.locator(".et-evidence").inner_text()


def test_the_wheel_zooms_and_pans(page):
    box = page.locator(".et-body").bounding_box()
    page.mouse.move(box["x"] + 700, box["y"] + 100)
    page.wait_for_timeout(500)
    before = page.evaluate("window.state._view")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_timeout(600)
    zoomed = page.evaluate("window.state._view")
    assert zoomed["t1"] - zoomed["t0"] < 0.8 * (before["t1"] - before["t0"])
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 100)
    page.keyboard.up("Shift")
    page.wait_for_timeout(600)
    assert page.evaluate("window.state._view.t0") > zoomed["t0"]


def test_a_note_is_sent_and_shown(page):
    page.locator(".et-row").nth(3).click()
    page.get_by_label("Note on this event").fill("ask the deploy team")
    page.get_by_label("Note on this event").press("Control+Enter")
    page.wait_for_timeout(200)
    sent = page.evaluate("window.sent.filter((one) => one.ask === 'note')")
    assert [(one["event"], one["star"], one["text"]) for one in sent] == [(3, False, "ask the deploy team")]
    page.locator(".et-star").click()
    page.wait_for_timeout(200)
    last = page.evaluate("window.sent.filter((one) => one.ask === 'note').at(-1)")
    assert (last["event"], last["star"], last["text"]) == (3, True, "ask the deploy team")
    assert page.locator(".et-star").get_attribute("aria-pressed") == "true"
    assert page.locator(".et-row").nth(3).inner_text().startswith("★")
    page.get_by_title("Only starred or noted events").click()
    assert places(page, "_events_in") == [3]


def test_hostile_words_stay_words(browser, case, tmp_path):
    frames = {name: getattr(case, name) for name in FRAMES}
    events, volumes, tasks = (frames[name].copy() for name in ("events", "volumes", "tasks"))
    events["event_name"] = HOSTILE
    events["error_code"] = HOSTILE
    events["identity_arn"] = HOSTILE
    volumes["service"] = HOSTILE
    tasks["service"] = HOSTILE
    tasks["cluster"] = HOSTILE
    made = board(frames | {"events": events, "volumes": volumes, "tasks": tasks}, case.as_of)
    page = opened(browser, write_page(made, tmp_path / "page.html"))
    box = page.locator(".et-body").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 130)
    page.locator(".et-row").first.click()
    page.get_by_role("tab", name="Tasks").click()
    page.wait_for_timeout(300)
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0
    assert "<img src=x" in page.locator(".et-timeline").inner_text()
    assert "\u202e" not in page.locator(".et-timeline").inner_text()
    assert page.faults == []
    page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_both_themes_read_well(browser, case, tmp_path, dark):
    page = opened(browser, write_page(board_of(case), tmp_path / "page.html", dark=dark))
    assert page.locator(".et-timeline").get_attribute("data-theme") == ("dark" if dark else "light")
    contrast = page.evaluate(
        """() => {
      const light = (colour) => {
        const [r, g, b] = colour.match(/[0-9.]+/g).map((one) => one / 255)
          .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = light(getComputedStyle(document.querySelector(".et-timeline")).backgroundColor);
      const names = [".et-evidence p", ".et-soft", ".et-tab", ".et-row span", ".et-legend span"];
      return names.map((name) => {
        const text = light(getComputedStyle(document.querySelector(name)).color);
        return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      });
    }"""
    )
    assert min(contrast) >= 4.5, contrast
    page.evaluate(
        "document.body.dataset.jpThemeLight = document.body.dataset.jpThemeLight === 'true' ? 'false' : 'true'"
    )
    page.wait_for_timeout(200)
    assert page.locator(".et-timeline").get_attribute("data-theme") == ("light" if dark else "dark")
    page.close()


def test_a_view_that_is_closed_leaves_nothing_behind(page):
    page.evaluate("window.stop()")
    assert page.locator(".et-timeline").count() == 0


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A page of 5,000 tasks and more than 100,000 events."""
    folder = tmp_path_factory.mktemp("large")
    records = write(5000, folder / "records.jsonl.gz")
    found = et.investigate(folder / "records.jsonl.gz")
    made = board_of(found)
    assert records > 100_000
    assert len(made.events.ids) > 100_000
    assert len(found.tasks) == 5000
    return write_page(made, folder / "page.html")


def recorded(page, act):
    """Milliseconds between frames, and spent drawing in each, while something is done."""
    page.evaluate("window.draws = []; window.gaps = []; window.recording = true")
    act()
    page.evaluate("window.recording = false")
    return page.evaluate("window.gaps"), page.evaluate("window.draws")


def percentile(values, share):
    """The value below which this share lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def test_pan_and_zoom_stay_smooth(browser, large, record_property):
    page = opened(browser, large)
    box = page.locator(".et-body").bounding_box()
    page.mouse.move(box["x"] + 700, box["y"] + 150)

    def wheel(key, steps):
        page.keyboard.down(key)
        for step in steps:
            page.mouse.wheel(0, step)
            page.wait_for_timeout(12)
        page.keyboard.up(key)

    def drag():
        page.mouse.down()
        for step in range(50):
            page.mouse.move(box["x"] + 700 - 4 * step, box["y"] + 150)
            page.wait_for_timeout(10)
        page.mouse.up()

    def scroll():
        for _ in range(50):
            page.mouse.wheel(0, 90)
            page.wait_for_timeout(12)

    acts = {
        "zoom": lambda: wheel("Control", [-60] * 25 + [60] * 25),
        "pan": lambda: wheel("Shift", [40, -25] * 25),
        "drag": drag,
        "scroll": scroll,
    }
    figures = {}
    for name, act in acts.items():
        gaps, draws = recorded(page, act)
        assert len(gaps) > 20, name
        assert len(draws) > 20, name
        figures[name] = {
            "frame_median": round(statistics.median(gaps), 1),
            "frame_p95": round(percentile(gaps, 0.95), 1),
            "draw_p95": round(percentile(draws, 0.95), 1),
        }
    record_property("frames", json.dumps(figures))
    print(figures)
    assert max(one["frame_p95"] for one in figures.values()) <= SMOOTH, figures
    assert max(one["draw_p95"] for one in figures.values()) <= SMOOTH, figures
    assert page.faults == []
    page.close()


def test_the_clock_would_see_a_slow_frame(browser, large):
    page = opened(browser, large)

    def slow():
        page.evaluate(
            "new Promise((done) => { let left = 12; const step = () => { const end = performance.now() + 80;"
            " while (performance.now() < end); left -= 1; left ? requestAnimationFrame(step) : done(); };"
            " requestAnimationFrame(step); })"
        )

    gaps, draws = recorded(page, slow)
    assert percentile(gaps, 0.95) > SMOOTH
    assert percentile(draws, 0.95) > SMOOTH
    page.close()
