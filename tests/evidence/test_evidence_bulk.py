"""The bulk lane, where every record is kept: the rows and counts of the usual road, whatever the files are."""

import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from evidence_builders import EXACT_SHAPES, SESSION, assume_role, dump, record, some_records
from hostile import hostile_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roads import check_in_bulk
from test_evidence_fastlane import records

from ecs_trail.evidence import bulklane, walk, wholes
from ecs_trail.evidence.bulklane import grouped
from ecs_trail.evidence.compression import USUAL
from ecs_trail.evidence.ledger import Fetched, Reading
from ecs_trail.evidence.pieces import Walked
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.selection import Selection, default_selection, everything, session

REAL = Path(__file__).resolve().parents[3] / "shared" / "real_cloudtrail"
SAMPLE = Path(__file__).resolve().parents[2] / "sample_logs"
APART = default_selection()


def check(files: dict[str, bytes], apart: Selection = APART) -> int:
    """The usual road over files, and both roads in bulk; how many rows these made."""
    walked = check_in_bulk(files, apart, walk._LOADED, is_fast=True)
    decoded = check_in_bulk(files, apart, None, is_fast=True)
    for group in (walked, decoded):
        if group.sealed:
            table = pq.read_table(io.BytesIO(group.sealed.data))
            assert apart.filter(table).num_rows == 0
            assert table.num_rows == group.sealed.rows
            times = table.column("event_time").to_pylist()
            assert (group.sealed.first, group.sealed.last) == (min(times), max(times))
    if len(files) == 1:
        assert walked.sealed == decoded.sealed
    return walked.rows


@given(made=records(), shape=st.sampled_from(sorted(EXACT_SHAPES)))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_bulk_is_usual(made: list[dict[str, Any]], shape: str) -> None:
    try:
        text = EXACT_SHAPES[shape](made).encode("utf-8", errors="surrogatepass")
    except (AttributeError, TypeError, KeyError):  # a shape whose envelope is made of the odd field itself
        text = dump({"Records": made}).encode()
    check({"log.json": text})


def test_of_two_identities_the_later_one_counts() -> None:
    """Found by the hostile files: the roads chose differently, and spelled the parameters differently."""
    late = dump({"Records": [record(0), record(1, requestParameters={"a": "é"})]})
    twice = late.replace('"userIdentity"', '"userIdentity":1,"userIdentity"')
    assert twice.count('"userIdentity":1') == 2
    check({"log.json": twice.replace("é", "\\u00e9").encode()})


def compare(groups: int, seed: int) -> Counter[str]:
    taken: Counter[str] = Counter()
    for number in range(groups):
        dice = random.Random(f"{seed}/{number}")
        files = {f"log-{place}.json": hostile_file(dice)[0] for place in range(dice.randrange(1, 6))}
        apart = dice.choice([APART, session(SESSION), Selection(()), everything()])
        taken["bulk" if check(files, apart) else "usual"] += 1
    return taken


def test_hostile_files_give_the_rows_of_the_usual_road() -> None:
    taken = compare(60, seed=1)
    assert min(taken["bulk"], taken["usual"]) > 5  # neither road is idle


@pytest.mark.slow
def test_very_many_hostile_files_in_bulk() -> None:
    compare(500, seed=2)


ODD_PARTS = [
    {"requestParameters": {"a": "two words", "b": "line\nend"}},
    {"requestParameters": "null"},
    {"requestParameters": ""},
    {"requestParameters": '{"a":1}'},
    {"requestParameters": [], "responseElements": {}},
    {"responseElements": {"credentials": {"sessionToken": "secret"}}},
    {"responseElements": {"x": {"SESSIONTOKEN": "secret", "SecretAccessKey": None, "b c": 1}}},
    {"responseElements": {"text": "no sessionToken here"}},
    {"resources": [{"ARN": "arn:aws:iam::111122223333:role/x", "accountId": "111122223333"}]},
    {"tlsDetails": {"tlsVersion": "TLSv1.3"}, "additionalEventData": {"x": 1}, "serviceEventDetails": {"y": "z"}},
    {"tlsDetails": None, "errorCode": "", "errorMessage": "", "userAgent": "", "sourceIPAddress": None},
    {"readOnly": "true"},
    {"eventTime": "2026-03-02T09:00:00.5Z"},
    {"eventTime": "2026-03-02T10:00:00+01:00"},
    {"eventTime": "2026-02-30T10:00:00Z"},
    {"eventTime": "0999-02-03T10:00:00Z"},
    {"userIdentity": None},
    {"userIdentity": {"type": "AWSService", "invokedBy": "ecs.amazonaws.com"}},
    {"userAgent": "\ud800"},
    {"userAgent": "grün"},
    {"eventName": "AssumeRoleWithWebIdentity"},
]


@pytest.mark.parametrize("odd", ODD_PARTS, ids=lambda odd: dump(odd)[:40])
@pytest.mark.parametrize("blank", [None, 2])
def test_odd_parts_give_the_rows_of_the_usual_road(odd: dict[str, Any], blank: int | None) -> None:
    made = [*some_records(), record(50, **odd), assume_role(51, **odd), record(52)]
    check({"log.json": dump({"Records": made}, indent=blank).encode("utf-8", errors="surrogatepass")})


def test_an_escaped_key_of_credentials_is_found() -> None:
    text = dump({"Records": [record(1, responseElements={"credentials": {"a": 1}}), record(2)]})
    check({"log.json": text.replace('"credentials"', '"\\u0063redentials"').encode()})


def test_copies_in_one_block_take_the_usual_road() -> None:
    first, second = dump({"Records": some_records()}).encode(), dump({"Records": [record(60)]}).encode()
    assert check({"a.json": first, "b.json": second}) == len(some_records()) + 1
    # one of two copies has to be chosen, which is done where all rows of a batch are together
    assert check({"a.json": first, "b.json": first}) == 0
    assert check({"a.json": second, "b.json": first, "c.json": second}) == len(some_records())


def test_a_plain_file_is_made_in_bulk_and_a_planted_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = dump({"Records": [*some_records(), record(70, responseElements={"a b": 1})]}).encode()
    assert check({"log.json": text}) == len(some_records()) + 1
    monkeypatch.setattr(wholes, "_BLANKS", ())
    pretty = dump({"Records": [record(70, responseElements={"a": 1})]}, indent=1).encode()
    with pytest.raises(AssertionError):
        check({"log.json": pretty})


def test_blocks_end_where_they_are_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulklane, "_ROWS", 3)
    files = {f"{n}.json": dump({"Records": [record(2 * n), record(2 * n + 1)]}).encode() for n in range(5)}
    assert check(files, session("nobody")) == 10


def test_files_that_only_the_typed_decoding_takes_are_blocks_beside_the_others() -> None:
    plain = [dump({"Records": [record(2 * n), record(2 * n + 1)]}).encode() for n in range(3)]
    other = dump({"Records": [record(9, additionalEventData={"a": "@"})]}).replace('"@"', "1e5").encode()
    assert Walked(walk.whole_walker()).add(other, Reading("log.json")) == 0
    assert check({"a.json": plain[0], "b.json": other, "c.json": plain[1], "d.json": plain[2]}) == 7


@pytest.mark.skipif(walk.whole_walker() is None, reason="the walk is not compiled")
def test_what_refused_texts_leave_behind_fills_a_block_or_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    known = walk.whole_walker()
    block, text = Walked(known), dump({"Records": [record(1), record(2, eventName="Other")]}).encode()
    broken = text[:-1]
    assert block.add(broken, Reading("log.json")) == 0
    assert not block.size
    monkeypatch.setattr(walk, "_KEPT", 1)
    assert block.add(text, Reading("log.json")) == 2
    assert known is not None
    assert len(known.kinds) == 2
    assert block.size == len(text)
    assert block.add(broken, Reading("log.json")) == 0
    assert block.size == len(text) + len(broken)
    # what belongs to a block is kept for it
    assert block.columns().at(np.arange(2))["event_name"].to_pylist() == [record(1)["eventName"], "Other"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(dump({"Records": [record(1)]}))
    names = ["good.json", "gone.json", "."]
    units = [Fetched(name, path=str(tmp_path / name)) for name in names]
    group = bulklane.read_group(units, (probe_of(everything()), APART), bounds=USUAL)
    assert group.readings[0].problems == []
    assert [reading.failed for reading in group.readings] == [False, True, True]
    assert group.rows == 1


def test_units_are_grouped_by_number_and_weight() -> None:
    units = [Fetched(str(n), data=b"x" * (1 << 20)) for n in range(40)]
    groups = list(grouped(iter(units), most=100, seconds=60))
    assert [unit for group in groups for unit in group] == units
    assert [len(group) for group in groups] == [4, 6, 6, 6, 6, 6, 6]
    assert [len(group) for group in grouped(iter(units[:7]), most=3, seconds=60)] == [3, 3, 1]
    assert [len(group) for group in grouped(iter(units[:3]), most=3, seconds=0)] == [1, 1, 1]


def test_the_sample_in_bulk() -> None:
    files = sorted(SAMPLE.rglob("*.json*"))[:60]
    assert check({path.name: path.read_bytes() for path in files}) > 100


@pytest.mark.skipif(not REAL.is_dir(), reason="the real records are not on this machine")
def test_real_files_in_bulk() -> None:
    """Every fifteenth file; what differs between the roads differs in many."""
    assert read_in_bulk(sorted(REAL.rglob("*"))[::15]) > 10


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the real records are not on this machine")
def test_every_other_real_file_in_bulk() -> None:
    assert read_in_bulk(sorted(REAL.rglob("*"))[::2]) > 50


def read_in_bulk(paths: list[Path]) -> int:
    """How many files the bulk lane took, each compared with the usual road."""
    return sum(bool(check({path.name: path.read_bytes()})) for path in paths if path.is_file())
