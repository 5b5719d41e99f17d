"""The fast lane and the full road give the same reading of the same bytes, also of odd ones."""

import copy
from typing import Any

import pyarrow as pa
import pytest
from evidence_builders import EXACT_SHAPES, assume_role, denied, dump, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecs_trail.evidence.fastlane import scan_fast
from ecs_trail.evidence.ledger import Reading
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.scanning import scan_bytes
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.selection import Clause, Selection, default_selection, everything, session

PROBES: list[Probe] = [
    probe_of(selection)
    for selection in (
        everything(),
        default_selection(),
        session("ECSTaskVolumesForEBS"),
        Selection((Clause(failed=True),)),
        Selection((Clause(failed=False, regions=frozenset({"eu-west-1"})),)),
        Selection((Clause(accounts=frozenset({"999999999999"})),)),
        Selection(()),
    )
]
BASE = [
    record(1),
    assume_role(2),
    denied(3),
    record(4, userIdentity={"type": "Root"}, eventName="RunInstances", recipientAccountId="999999999999"),
    assume_role(5, requestParameters=None, errorCode="AccessDenied", resources=None),
    record(6, requestParameters={"roleSessionName": "ECSTaskVolumesForEBS"}),
]
#: Values a field may take in the wild, and values nobody would expect.
ODD_VALUES: list[Any] = [
    None, "", "...", "x", 0, 1.5, True, [], {}, ["a"], {"a": "b"}, {"roleSessionName": 7}, '{"a":1}',
    '{"roleSessionName": "ECSTask"}', "AwsCloudTrailInsight", "Insight", "Aggregated", "aws:s3", "aws:sqs",
    "AssumeRole", "2026-03-02 10:00:00", {"type": 7}, {"arn": ["x"]}, "\ud800",
    {"type": "AssumedRole", "principalId": "AROA:ECSTaskVolumesForEBS"},
    {"arn": "arn:aws:sts::1:assumed-role/a/ECSTaskVolumesForEBS", "sessionContext": ""},
]  # fmt: skip
NAMES = [
    *BASE[0], "errorCode", "insightDetails", "eventid", "eventId", "userIdentity.arn", "detail", "Records",
    "CloudTrailEvent", "messageType", "digestStartTime", "logFiles", "taskArn", "lastStatus", "class_uid", "Events",
    "s3Bucket", "@timestamp", "awsregion", "tlsDetails",
]  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few records, some of them changed: fields gone, odd values, foreign names, another order."""
    made = []
    for base in draw(st.lists(st.sampled_from(BASE), min_size=0, max_size=5)):
        changed = copy.deepcopy(base)
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=draw(st.sampled_from([0, 0, 1, 2])))):
            if draw(st.booleans()) and name in changed:
                del changed[name]
            else:
                changed[name] = draw(st.sampled_from(ODD_VALUES))
        keys = draw(st.permutations(sorted(changed))) if draw(st.booleans()) else list(changed)
        made.append({key: changed[key] for key in keys})
    return made


def both(data: bytes, probe: Probe) -> tuple[Reading, Reading]:
    return scan_bytes(data, "log.json", probe), scan_bytes(data, "log.json", probe, is_fast=False)


@given(made=records(), shape=st.sampled_from(sorted(EXACT_SHAPES)), number=st.integers(0, len(PROBES) - 1))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fast_is_full(made: list[dict[str, Any]], shape: str, number: int) -> None:
    try:
        text = EXACT_SHAPES[shape](made).encode("utf-8", errors="surrogatepass")
    except (AttributeError, TypeError, KeyError):  # a shape whose envelope is made of the odd field itself
        text = dump({"Records": made}).encode()
    fast, full = both(text, PROBES[number])
    assert fast == full


@given(made=records(), data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fast_is_full_on_damaged_text(made: list[dict[str, Any]], data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(["records", "list", "lines", "records pretty", "records non-ASCII"]))
    text = bytearray(EXACT_SHAPES[shape](made).encode("utf-8", errors="surrogatepass"))
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(text)))
        match data.draw(st.sampled_from(["cut", "byte", "drop", "insert"])):
            case "cut":
                del text[place:]
            case "byte":
                text[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
            case "drop":
                del text[place : place + data.draw(st.integers(1, 40))]
            case _:
                text[place:place] = data.draw(st.sampled_from([b'"', b"{", b"}", b",", b"\n", b"\\", b"null", b"\xff"]))
    fast, full = both(bytes(text), data.draw(st.sampled_from(PROBES)))
    assert fast == full


_WORDS = st.sampled_from([*NAMES, "a", "tasks", "failures", "events", "logEvents", "message", "data", "detail-type",
                          "source", "QueryResultRows", "ResultSet", "Rows", "EventId", "EventName", "EventTime", "body",
                          "metadata", "aws.cloudtrail.eventName", "requestParameters.0", "awslogs"])  # fmt: skip
_TEXTS = st.sampled_from([*(value for value in ODD_VALUES if isinstance(value, str)), dump(record(1)),
                          dump([record(2)]), "{", "[]", "H4sIAAAA", "2026-03-02T09:00:00Z", "ECS Task State Change",
                          ])  # fmt: skip
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _TEXTS, st.sampled_from(BASE)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_WORDS, inner, max_size=6)),
    max_leaves=25,
)


@given(value=_JSON, probe=st.sampled_from(PROBES))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_json_is_read_left_out_or_named(value: Any, probe: Probe) -> None:
    """No JSON ends a scan, and what is neither read nor left out has a problem that makes the answer partial."""
    fast, full = both(dump(value).encode("utf-8", errors="surrogatepass"), probe)
    assert fast == full
    assert fast.failed is False or any(problem.is_partial for problem in fast.problems)
    assert not (fast.failed and fast.left_out)
    table = pa.array([row[-1] for row in fast.rows], type=pa.string())
    assert len(table) == len(fast.rows)


@given(
    data=st.binary(max_size=200),
    prefix=st.sampled_from(
        [
            b"",
            b"\x1f\x8b\x08",
            b"BZh91AY&SY",
            b"(\xb5/\xfd",
            b"PK\x03\x04",
            b"\xff\xfe",
            b'{"Records":[',
            b"event,eventTime\n",
        ]
    ),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_left_out_or_named(data: bytes, prefix: bytes) -> None:
    reading = scan_bytes(prefix + data, "some/file", PROBES[0])
    assert reading.failed is False or any(problem.is_partial for problem in reading.problems)


@pytest.mark.parametrize("depth", [100, 400, 900, 5000])
def test_deep_values_in_a_record_end_no_scan(depth: int) -> None:
    made = dump(record(1, requestParameters=None, eventID=None))
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        deep = made.replace('"requestParameters":null', f'"requestParameters":{opening * depth}1{closing * depth}')
        fast, full = both(dump({"Records": []}).replace("[]", f"[{deep},{dump(record(2))}]").encode(), PROBES[0])
        assert fast == full
        assert fast.records_read + fast.records_rejected + len(fast.problems) >= 1


def test_a_session_asked_for_in_text_is_seen() -> None:
    """String columns give request parameters as JSON text; the session name in it selects the record all the same."""
    asked = dump({"roleSessionName": "ECSTaskVolumesForEBS", "roleArn": "arn:aws:iam::1:role/r"})
    text = dump({"Records": [assume_role(1, requestParameters=asked), record(2)]}).encode()
    fast, full = both(text, probe_of(session("ECSTaskVolumesForEBS")))
    assert fast == full
    assert [row[9] for row in fast.rows] == ["ECSTaskVolumesForEBS", None]


def test_fast_is_full_for_every_damaged_byte() -> None:
    text = dump([record(1), assume_role(2)]).encode()
    for place in range(0, len(text), 3):
        for byte in (b"\x80", b'"', b"\\"):
            fast, full = both(text[:place] + byte + text[place + 1 :], PROBES[0])
            assert fast == full


def test_a_record_with_the_word_that_marks_a_tar_archive_is_read() -> None:
    text = dump([record(1, eventVersion="x" * 400)]).encode()
    fast, full = both(text[:257] + b"ustar" + text[262:], PROBES[0])
    assert fast == full
    assert fast.records_read == 1


@pytest.mark.parametrize("shape", ["records", "list", "lines", "records pretty", "lines CRLF", "list pretty"])
def test_plain_files_take_the_fast_lane(shape: str) -> None:
    """Otherwise the laws above would hold for want of a fast lane."""
    reading = Reading("log.json")
    assert scan_fast(EXACT_SHAPES[shape](BASE).encode().strip(), "log.json", PROBES[1], reading)
    assert reading.records_read == len(BASE)
    assert 0 < len(reading.rows) < len(BASE)


@pytest.mark.parametrize(
    "change",
    [{"eventTime": "..."}, {"eventCategory": "Insight"}, {"userIdentity": None}, {"eventSource": "aws:s3"},
     {"insightDetails": {}}, {"recipientAccountId": None}],
)  # fmt: skip
def test_anything_unusual_leaves_the_reading_untouched(change: dict[str, Any]) -> None:
    reading = Reading("log.json")
    assert not scan_fast(dump({"Records": [record(1), record(2, **change)]}).encode(), "log.json", PROBES[0], reading)
    assert reading == Reading("log.json")
