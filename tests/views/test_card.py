"""The notebook card: the same answer as HTML, with nothing in it that runs or loads."""

from html.parser import HTMLParser

import incident
import pytest
from test_answer import hostile

from ecs_trail.views.card import html

ALLOWED = {
    *("style", "div", "span", "h3", "h4", "p", "table", "tbody", "tr", "td", "strong", "code", "pre", "ul", "li"),
}
VOID = frozenset({"br", "hr", "img", "input", "meta", "link"})


class Page(HTMLParser):
    """Reads a fragment: tags, attributes, text, and whether every tag is closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = set(), [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


STORIES = ("broken", "over", "quiet", "nothing", "partial")


@pytest.mark.parametrize("story", STORIES)
def test_the_card_is_one_closed_fragment_of_harmless_tags(story):
    page = Page(html(getattr(incident, story)()))
    assert page.open == []
    assert page.tags <= ALLOWED
    assert {name for name, _ in page.attributes} <= {"class", "role", "aria-label"}


@pytest.mark.parametrize("story", STORIES)
def test_the_card_asks_for_nothing_outside(story):
    text = html(getattr(incident, story)())
    for word in ("<script", "http:", "https:", "url(", "@import", "src=", "href="):
        assert word not in text


def test_the_card_says_what_the_text_says_in_the_same_order():
    text = Page(html(incident.broken())).text
    wanted = [
        "2 tasks hang in DEPROVISIONING: role payments-ecs-infra was deleted.",
        "Broken since 2026-03-02 14:31:09",
        "DetachRolePolicy by pipeline-4711 (role ci-deployer) with Terraform".partition(" ")[0],
        "Certain: replay and observation agree",
        "payments/000000",
        "aws iam create-role --path /service/",
        "1 running task will get stuck",
        "3,412 records",
        "3 digests and 1 empty file",
    ]
    places = [text.find(words) for words in wanted]
    assert -1 not in places
    assert places == sorted(places)


def test_commands_survive_whole():
    main = next(f for f in incident.broken()["findings"] if f["id"] == "finding-1")
    texts = Page(html(incident.broken())).texts
    assert [t for t in texts if t.startswith("aws ")] == main["repair"][0]["commands"]


def test_hostile_evidence_stays_text():
    poison = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script></style><style>*{}\u202e\x1b"
    page = Page(html(hostile(incident.partial(), poison)))
    assert page.tags <= ALLOWED
    assert page.open == []
    assert "<script>alert(2)</script>" in page.text
    assert not set(page.text) & {"\u202e", "\x1b"}
