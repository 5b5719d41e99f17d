"""The fast lane and the full road give the same reading of the same bytes, also of odd ones."""

import copy
from typing import Any

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
        text = EXACT_SHAPES[shape](made).encode()
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
