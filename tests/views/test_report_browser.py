"""The report in a real browser: opens offline without a complaint, works by keyboard, obeys nobody in the evidence."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from planting import NAME_POISON, POISON, hostile_incident

import ecs_trail as et
from ecs_trail import practice
from ecs_trail.views import figures
from ecs_trail.views.report.records import anchor
from ecs_trail.views.story import ranked

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "sample_logs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
SCREEN = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def browser():
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium), so the page was not opened in one")
    api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, headless=True, args=list(FLAGS))
        yield opened
        opened.close()


@contextmanager
def opened(browser, path, **options):
    """A page of the browser on a file, with all it said and asked for."""
    context = browser.new_context(viewport=SCREEN, offline=True, **options)
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    try:
        yield page, said, asked
    finally:
        context.close()


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    case = et.investigate(SAMPLE)
    return case, case.report(tmp_path_factory.mktemp("report") / "sample.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_without_a_complaint_and_asks_for_nothing(scheme, sample, browser):
    case, path = sample
    with opened(browser, path, color_scheme=scheme) as (page, said, asked):
        page.click("#theme")
        page.check("input[value=view-2]")
        page.fill("#tasks input.filter", case.tasks["task_arn"].iloc[0].rpartition("/")[2])
        assert page.locator("#tasks tbody tr:visible").count() == 1
        page.hover("#view-2 .scene .tip >> nth=0")
        assert page.locator("#hint").is_visible()
        assert said == []
        assert asked == [path.as_uri()]


def test_the_policy_of_the_page_stops_what_should_not_be_there(sample, browser):
    with opened(browser, sample[1]) as (page, _, _):
        page.evaluate(
            """() => {
                window.stopped = [];
                document.addEventListener("securitypolicyviolation", (e) => window.stopped.push(e.effectiveDirective));
                document.body.insertAdjacentHTML("beforeend", '<img src="http://127.0.0.1:9/x"><p onclick="x()"></p>');
                const script = document.createElement("script");
                script.textContent = "window.pwned = 1";
                document.body.append(script);
            }"""
        )
        until(page, "window.stopped.length >= 2")
        assert {"img-src", "script-src-elem"} <= set(page.evaluate("window.stopped"))
        assert page.evaluate("window.pwned") is None


def until(page, expression):
    """Wait until something holds. The browser's own waiting evaluates text, which the policy of the page forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


def lowest(page, selector):
    """Where the lowest of some elements ends; None where there is none."""
    boxes = [one.bounding_box() for one in page.locator(selector).all()]
    return max((box["y"] + box["height"] for box in boxes if box), default=None)


def assert_first_screen_is_whole(page):
    for what in ("#answer .verdict", "#headline", "#answer .causes li >> nth=0", "#answer .tiles", "#answer .plain"):
        assert lowest(page, what) is not None, what
        assert lowest(page, what) <= SCREEN["height"], what


def test_the_first_screen_holds_the_whole_answer(sample, browser):
    with opened(browser, sample[1]) as (page, _, _):
        assert_first_screen_is_whole(page)
        assert lowest(page, "#answer .causes") <= SCREEN["height"]
        assert page.locator("#answer .command").count() == 3
        assert lowest(page, "#answer .command") <= SCREEN["height"]
        assert lowest(page, "#answer .items") <= SCREEN["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= SCREEN["width"]


KINDS = ("role_deleted", "boundary_put", "two_roles_broken", "trust_condition", "scp_attached", "tls_role_deleted")


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_screen_holds_the_answer_to_other_incidents(kind, browser, tmp_path):
    practice.run(2, kind, tmp_path)
    case = et.investigate(tmp_path / "evidence")
    path = case.report(tmp_path / "report.html")
    what = "#answer .command >> nth=0" if ranked(case.document)[0]["repair"] else "#answer .over"
    with opened(browser, path) as (page, said, _):
        assert_first_screen_is_whole(page)
        assert lowest(page, what) <= SCREEN["height"]
        assert said == []


def test_every_finding_and_record_is_reached_by_keyboard(sample, browser):
    case, path = sample
    with opened(browser, path) as (page, _, _):
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
        wanted = [f"#{anchor('finding', one)}" for one in case.findings["id"]]
        assert [one for one in reached if one in wanted] == wanted
        page.locator(f'nav a[href="{wanted[-1]}"]').focus()
        page.keyboard.press("Enter")
        until(page, "location.hash.startsWith('#finding')")
        assert page.locator(wanted[-1]).evaluate("one => Math.abs(one.getBoundingClientRect().top) < innerHeight")

        record = case.findings["cause_event_ids"].iloc[0][0]
        folded = page.locator(f"#event-{record}")
        assert folded.evaluate("one => one.open") is False
        page.locator(f'#answer a[href="#event-{record}"]').focus()
        page.keyboard.press("Enter")
        until(page, f"document.getElementById('event-{record}').open")
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
        page.keyboard.press("Enter")
        assert folded.evaluate("one => one.open") is False


def test_commands_are_copied_as_they_stand(sample, browser):
    case, path = sample
    with opened(browser, path) as (page, _, _):
        shown = page.locator("#answer .command code").all_inner_texts()
        wanted = [command for step in case.document["findings"][0]["repair"] for command in step["commands"]]
        assert shown == wanted
        page.locator("#answer .copy >> nth=0").click()
        assert page.evaluate("getSelection().toString()") == wanted[0]


@pytest.mark.parametrize("kind", ["managed_detached", "tls_policy_detached"])
def test_hostile_words_stay_words(kind, browser, tmp_path):
    case = et.investigate(hostile_incident(tmp_path, kind))
    path = case.report(tmp_path / "report.html")
    with opened(browser, path) as (page, said, asked):
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
        assert page.locator("style").count() == 1
        assert page.locator("main b").count() == 0
        text = page.locator("main").inner_text()
        assert NAME_POISON in text
        assert POISON.partition('"')[2].partition("$")[0] in text
        assert ranked(case.document)[0]["title"] in page.locator("#headline").inner_text()
        assert said == []
        assert asked == [path.as_uri()]


def test_hostile_words_stay_words_in_figures(browser, tmp_path):
    case = et.investigate(hostile_incident(tmp_path))
    made = [case.figure(name) for name in figures.__all__]
    parts = [one.to_html(full_html=False, include_plotlyjs=at == 0) for at, one in enumerate(made)]
    path = tmp_path / "figures.html"
    path.write_text(f'<!DOCTYPE html><meta charset="utf-8">{"".join(parts)}', encoding="utf-8")
    with opened(browser, path) as (page, _, asked):
        until(page, f"document.querySelectorAll('.main-svg').length >= {len(made)}")
        assert page.evaluate("window.pwned") is None
        assert page.locator("img").count() == 0
        assert page.locator("svg a").count() == 0
        shown = page.evaluate("[...document.querySelectorAll('svg text')].map((one) => one.textContent).join(' ')")
        assert "<img src=x" in shown
        assert "{{7*7}}" in shown
        assert asked == [path.as_uri()]


def test_the_page_prints_with_its_answer_and_without_its_controls(sample, browser):
    with opened(browser, sample[1]) as (page, _, _):
        page.emulate_media(media="print")
        assert not page.locator("#contents").is_visible()
        assert not page.locator(".copy >> nth=0").is_visible()
        assert page.locator("#headline").is_visible()
        assert page.locator("details.record pre >> nth=0").is_visible() is False
        assert page.pdf(format="A4").startswith(b"%PDF")
