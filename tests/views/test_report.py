"""The report as text: what stands in it, what never does, and that it is the same every time."""

import copy
import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from planting import NAME_POISON, hostile_incident
from test_card import Page

import ecs_trail as et
from ecs_trail import practice
from ecs_trail.analysis.purposes.blocks import BLOCKED_WORK
from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.frames import rows
from ecs_trail.views.document import to_json
from ecs_trail.views.report import tables
from ecs_trail.views.report.material import Material
from ecs_trail.views.report.page import page
from ecs_trail.views.report.records import anchor, readable
from ecs_trail.views.report.tables import Cell, citer
from ecs_trail.views.writers import KINDS as SUFFIXES
from ecs_trail.views.writers import writer_for

SAMPLE = Path(__file__).parents[2] / "sample_logs"
SECTIONS = ("answer", "timeline", "findings", "tasks", "volumes", "tls", "roles", "denied", "evidence", "method")
#: Elements that could load or run something; the page has one style, one script and an empty icon.
ACTIVE = {"script", "img", "iframe", "object", "embed", "link", "form", "base", "audio", "video", "source", "image"}


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def material(case):
    return Material(case.document, case.frame)


@pytest.fixture(scope="module")
def sample():
    return et.investigate(SAMPLE)


@pytest.fixture(scope="module")
def text(sample):
    return page(material(sample))


def test_the_same_evidence_gives_the_same_bytes(sample, text):
    assert page(material(et.investigate(SAMPLE))) == text
    assert len(text.encode()) < 6_000_000


def test_the_page_is_closed_and_every_address_leads_somewhere(text):
    assert Page(text).open == []
    elements = Elements(text)
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in elements.named("a")]
    assert set(links) <= {f"#{one}" for one in ids}
    assert {f"#{one}" for one in SECTIONS} <= set(links)


def test_every_finding_task_volume_and_secret_has_an_address(sample, text):
    for kind, frame, key in (
        ("finding", "findings", "id"),
        ("task", "tasks", "task_arn"),
        ("volume", "volumes", "volume_id"),
        ("secret", "tls", "secret_arn"),
        ("role", "roles", "role_arn"),
    ):
        for value in sample.frame(frame)[key]:
            assert f'id="{anchor(kind, value)}"' in text


def test_the_answer_says_verdict_cause_impact_repair_and_what_was_not_seen(sample, text):
    first = Page(text[text.index('<section id="answer"') : text.index('<section id="timeline"')]).text
    finding = sample.document["findings"][0]
    assert finding["title"] in first
    assert "by terraform (role terraform-deploy) with Terraform" in first
    assert "2026-03-02 14:20:07" in first
    assert "4 stuck tasks" in first
    assert "4 volumes left, 160 GiB" in first
    assert "Not seen" in first
    for step in finding["repair"]:
        for command in step["commands"]:
            assert " ".join(command.split()) in first


def test_nothing_is_loaded_and_only_hashed_code_may_run(text):
    elements = Elements(text)
    assert [tag for tag, _ in elements.found if tag in ACTIVE] == ["link", "script"]
    assert elements.named("link") == [{"rel": "icon", "href": "data:,"}]
    assert elements.named("script") == [{}]
    assert not [
        name for _, attributes in elements.found for name in attributes if name.startswith("on") or name == "style"
    ]
    (policy,) = [one["content"] for one in elements.named("meta") if "http-equiv" in one]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_cited_records_stand_in_the_page_and_lead_back(sample, text):
    for event_id in sample.document["findings"][0]["cause_event_ids"]:
        assert f'<details class="record" id="event-{event_id}">' in text
        assert f'href="#event-{event_id}"' in text
    assert '"eventName": "DetachRolePolicy"' in Page(text).text


def test_no_credential_leaves(tmp_path):
    practice.run(3, "managed_detached", tmp_path)
    evidence = tmp_path / "evidence"
    planted = 0
    for file in evidence.rglob("*.json.gz"):
        document = json.loads(gzip.decompress(file.read_bytes()))
        for record in document["Records"]:
            record["responseElements"] = (record.get("responseElements") or {}) | {
                "credentials": {"sessionToken": "SECRET-TOKEN", "secretAccessKey": "SECRET-KEY"}
            }
            planted += 1
        file.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    found = page(material(et.investigate(evidence)))
    assert planted
    assert "&#34;sessionToken&#34;: &#34;removed by ecs-trail&#34;" in found
    assert "SECRET-" not in found


@pytest.mark.parametrize("kind", ["managed_detached", "tls_policy_detached", "pass_role_denied"])
def test_hostile_words_stay_words(kind, tmp_path):
    case = et.investigate(hostile_incident(tmp_path, kind))
    found = page(material(case))
    assert Page(found).open == []
    elements = Elements(found)
    assert [tag for tag, _ in elements.found if tag in ACTIVE] == ["link", "script"]
    assert not [attributes for _, attributes in elements.found if any(name.startswith("on") for name in attributes)]
    assert len(case.findings)
    assert NAME_POISON in Page(found).text
    assert "{{7*7}}" in Page(found).text
    assert all(not one["href"].lower().startswith(("javascript", "data", "http")) for one in elements.named("a"))


KINDS = (
    *("role_deleted", "scp_attached", "trust_emptied", "failed_to_start", "two_outages_one_task", "kept_by_design"),
    *("session_impersonated", "account_moved", "repaired_before_stop", "tls_role_deleted", "older_role_no_denials"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_incident_has_a_report(kind, tmp_path):
    practice.run(2, kind, tmp_path)
    case = et.investigate(tmp_path / "evidence")
    found = page(material(case))
    assert Page(found).open == []
    ids = [attributes["id"] for _, attributes in Elements(found).found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for finding in case.document["findings"]:
        assert f'id="{anchor("finding", finding["id"])}"' in found


def test_evidence_without_anything_says_so(tmp_path):
    (tmp_path / "empty.json").write_text('{"Records": []}')
    found = Page(page(material(et.investigate(tmp_path)))).text
    assert "Nothing seen" in found
    assert "No finding." in found
    assert "nothing to draw" in found


def test_addresses_are_made_of_harmless_letters():
    assert anchor("event", "0f1c2d3e-4a5b") == "event-0f1c2d3e-4a5b"
    odd = anchor("task", 'x" onclick="y')
    assert re.fullmatch(r"task-[0-9a-f]{20}", odd)
    assert odd != anchor("task", 'x" onclick="z')
    assert anchor("task", "\ud800").startswith("task-")


def test_records_are_laid_out_and_acting_characters_shown():
    assert readable('{"a":"\\u202e\\u001b","b":[1]}') == '{\n  "a": "\\u202e\\u001b",\n  "b": [\n    1\n  ]\n}'
    assert "\\u202ex" in readable(json.dumps({"a": "\u202ex"}, ensure_ascii=False))
    assert readable("no json \x1b") == "no json \\x1b"


def test_the_suffix_tells_the_kind(tmp_path, sample):
    assert sample.report(tmp_path / "a.HTML").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sample.report(tmp_path / "b.json").read_bytes() == to_json(sample.document)
    assert sample.report(tmp_path / "c", kind="json").read_bytes() == to_json(sample.document)
    for name, kind in (("d.docx", None), ("e", None), ("f.html", "doc")):
        with pytest.raises(UsageError, match=r"\.html, \.pdf"):
            writer_for(tmp_path / name, kind)
    with pytest.raises(UsageError, match="cannot be written"):
        sample.report(tmp_path / "missing" / "x.html")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.HTML", "b.json", "c"]
    assert {".html", ".json", ".pdf"} <= set(SUFFIXES)


def test_a_missing_package_names_its_extra(sample, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[report\]"):
        sample.report(tmp_path / "x.html")
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[pdf\]"):
        sample.report(tmp_path / "x.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_report_prints_and_the_paper_is_the_same_every_time(tmp_path):
    pytest.importorskip("weasyprint", reason="WeasyPrint or its system library Pango is not here")
    practice.run(3, "managed_detached", tmp_path)
    case = et.investigate(tmp_path / "evidence")
    first, second = (case.report(tmp_path / name).read_bytes() for name in ("a.pdf", "b.pdf"))
    assert first.startswith(b"%PDF-")
    assert first == second
    if shutil.which("pdftotext"):
        words = subprocess.check_output(["pdftotext", "-l", "1", tmp_path / "a.pdf", "-"], text=True)
        words = " ".join(words.split())
        assert case.document["findings"][0]["title"] in words
        assert "Cause" in words or "CAUSE" in words


def cells(table):
    """The texts of a table's rows, second lines behind."""
    return [
        [" ".join(filter(None, (one.text, one.soft))) for one in line.cells if isinstance(one, Cell)]
        for line in table.lines
    ]


def test_callers_are_told_with_who_stood_behind_them(sample, text):
    told = cells(tables.callers(rows(sample.actors), citer({})))
    assert told[0][0] == "terraform (role terraform-deploy)"
    assert told[0][2:4] == ["4", "2 breaking"]
    assert told[0][0] in text
    hidden = rows(sample.actors)[0] | {"principal": "arn:aws:iam::111122223333:user/mallory"}
    assert "behind it user mallory" in cells(tables.callers([hidden], citer({})))[0][0]


def test_notes_and_stars_stand_beside_their_events(sample, text):
    assert 'id="notes"' not in text
    first, second = sample.events["event_id"].iloc[:2]
    notes = {
        first: {"star": True, "text": "Ask <b>carol</b>\nabout the \u202eticket"},
        second: {"star": False, "text": "seen"},
        "no such event": {"star": True, "text": "lost"},
    }
    found = page(Material(sample.document, sample.frame, notes))
    assert Page(found).open == []
    section = Page(found[found.index('<section id="notes"') : found.index('<section id="tasks"')]).text
    assert "★" in section
    assert "Ask <b>carol</b>" in section
    assert "about the \\u202eticket" in section
    assert "lost" not in section
    for event_id in (first, second):
        assert f'id="event-{event_id}"' in found


def test_work_refused_for_other_purposes_is_told():
    row = dict.fromkeys(BLOCKED_WORK.columns) | {
        "action": "elasticloadbalancing:RegisterTargets",
        "purpose": "load_balancers",
        "failures": 3,
        "resource": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web",
        "targets_failed": 2,
        "started_at": datetime(2026, 3, 2, 9, tzinfo=UTC),
        "last_at": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "cause_event_ids": [],
        "denied_event_ids": ["a", "b", "c"],
    }
    table = tables.work([row], citer({"a": "#event-a"}))
    assert cells(table)[0][:2] == ["blocked", "elasticloadbalancing:RegisterTargets load balancers"]
    assert "3 calls, 2 targets failed" in cells(table)[0]
    assert table.lines[0].cells[-1].pairs == (("#event-a", "a"), ("", "b"))
    assert table.lines[0].cells[-1].more == 1


def test_thousands_of_tasks_still_make_a_page_one_can_open(sample):
    document = copy.deepcopy(sample.document)
    task, volume = document["tasks"][0], document["volumes"][0]
    arns = [f"{task['task_arn']}{at}" for at in range(5000)]
    document["tasks"] = [task | {"task_arn": arn} for arn in arns]
    document["volumes"] = [volume | {"volume_id": f"vol-{at}"} for at in range(5000)]
    document["findings"][0] |= {"task_arns": arns}
    found = page(Material(document, sample.frame))
    assert len(found.encode()) < 6_000_000
    assert "4,600 more tasks" in found
    assert "and 4,980 more, in the tables below" in found
