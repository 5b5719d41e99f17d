"""Frames on their way out: safe to open, complete, whole or not at all."""

import csv
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_trail.errors import UsageError
from ecs_trail.frames import COUNT, FLAG, NUMBER, TEXT, TEXTS, TIME, FrameSpec
from ecs_trail.views.exports import FORMATS, write_frame
from ecs_trail.views.secrets import scrub
from ecs_trail.views.whole_files import write_atomically

SPEC = FrameSpec(
    "things",
    "For tests.",
    ("name",),
    {"name": TEXT, "at": TIME, "ids": TEXTS, "flag": FLAG, "number": COUNT, "share": NUMBER, "raw": TEXT},
)
MOMENT = datetime(2026, 3, 2, 14, 31, 9, 250000, tzinfo=UTC)
SECRET = "IQoJb3JpZ2luX2VjE"
RAW = json.dumps(
    {
        "eventName": "AssumeRole",
        "responseElements": {"credentials": {"accessKeyId": "ASIAEXAMPLE", "sessionToken": SECRET}},
    }
)


def things(*rows):
    """A small frame."""
    return SPEC.frame(rows)


FULL = {"name": "a", "at": MOMENT, "ids": ["x", "y"], "flag": True, "number": 7, "share": 0.5, "raw": RAW}


def written(frame, kind, **options):
    """What an export writes."""
    stream = io.BytesIO()
    write_frame(frame, kind, stream, **options)
    return stream.getvalue()


def test_csv_has_plain_times_json_lists_and_empty_nulls():
    rows = list(csv.reader(io.StringIO(written(things(FULL, {"name": "b"}), "csv").decode())))
    assert rows == [
        ["name", "at", "ids", "flag", "number", "share"],
        ["a", "2026-03-02T14:31:09Z", '["x", "y"]', "true", "7", "0.5"],
        ["b", "", "[]", "", "", ""],
    ]


def test_json_and_jsonl_hold_the_same_objects():
    frame = things(FULL, {"name": "b"})
    expected = [
        {"name": "a", "at": "2026-03-02T14:31:09Z", "ids": ["x", "y"], "flag": True, "number": 7, "share": 0.5},
        {"name": "b", "at": None, "ids": [], "flag": None, "number": None, "share": None},
    ]
    assert json.loads(written(frame, "json")) == expected
    assert [json.loads(line) for line in written(frame, "jsonl").splitlines()] == expected


def test_parquet_keeps_types():
    table = pq.read_table(io.BytesIO(written(things(FULL), "parquet")))
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert table.column("ids").to_pylist() == [["x", "y"]]
    assert "raw" not in table.column_names


def test_the_table_is_aligned_also_for_wide_characters():
    text = written(things({"name": "東京"}, {"name": "ab"})[["name", "number"]].fillna(1), "table").decode()
    assert text.splitlines() == ["name  number", "────  ──────", "東京  1", "ab    1"]


def test_a_hostile_cell_stays_on_its_line():
    text = written(things({"name": "a\nb\x1b[2J\u202e"})[["name"]], "table").decode()
    assert text.splitlines()[2:] == ["a\\x0ab\\x1b[2J\\u202e"]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_empty_frame_is_no_error(kind):
    data = written(things(), kind)
    if kind == "json":
        assert json.loads(data) == []
    elif kind == "csv":
        assert data == b"name,at,ids,flag,number,share\n"
    elif kind == "parquet":
        assert pq.read_table(io.BytesIO(data)).num_rows == 0


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_formulas_are_disarmed_in_csv(start):
    cell = f"{start}cmd|' /C calc'!A0"
    rows = list(csv.reader(io.StringIO(written(things({"name": cell}), "csv").decode(), newline="")))
    assert rows[1][0] == f"'{cell}"


def test_negative_numbers_are_no_formulas():
    assert b",-3," in written(things({"name": "a", "number": -3}), "csv")


@given(st.lists(st.text(), max_size=5))
def test_csv_gives_back_what_it_was_given_but_for_the_apostrophe(names):
    frame = things(*({"name": name.encode("utf-8", "replace").decode()} for name in names))
    read = list(csv.reader(io.StringIO(written(frame, "csv").decode(), newline="")))[1:]
    cells = [row[0] for row in read]
    originals = [name.encode("utf-8", "replace").decode() for name in names]
    assert len(cells) == len(originals)
    for cell, original in zip(cells, originals, strict=True):
        assert cell in {original, f"'{original}"}
        assert not cell.startswith(tuple("=+-@\t\r\n"))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("raw", [False, True])
def test_no_credential_leaves_in_any_format(kind, raw):
    nested = json.dumps({"CloudTrailEvent": RAW, "list": [{"secretAccessKey": SECRET}]})
    frame = things(FULL, FULL | {"raw": nested}, {"name": "none"})
    frame = frame.assign(response_elements=frame["raw"])
    assert SECRET.encode() not in written(frame, kind, raw=raw)


def test_the_raw_record_comes_only_on_request():
    assert b"AssumeRole" not in written(things(FULL), "jsonl")
    row = json.loads(written(things(FULL), "jsonl", raw=True))
    assert json.loads(row["raw"])["responseElements"]["credentials"] == {
        "accessKeyId": "ASIAEXAMPLE",
        "sessionToken": "removed by ecs-trail",
    }


@pytest.mark.parametrize("text", ['{"a": 1}', "not json", "", '{"a":1.50,"b":"\\u00e9"}'])
def test_text_without_credentials_is_left_as_it_is(text):
    assert scrub(text) == text


def test_text_that_names_a_credential_and_cannot_be_read_is_withheld():
    assert SECRET not in scrub('{"sessionToken": "' + SECRET)
    assert SECRET not in scrub("[" * 5000 + f'{{"sessionToken": "{SECRET}"}}')


def test_another_format_is_refused_with_a_hint():
    with pytest.raises(UsageError, match="choose one of table, csv"):
        written(things(), "xlsx")


def test_a_reader_never_sees_half_a_file(tmp_path):
    target = tmp_path / "answer.json"
    target.write_bytes(b"old")

    def fails(stream):
        stream.write(b"half of the new")
        assert target.read_bytes() == b"old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, fails)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    write_atomically(target, lambda stream: stream.write(b"new"))
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_permissions_follow_the_old_file_or_the_umask(tmp_path):
    target = tmp_path / "answer.json"
    before = os.umask(0o027)
    try:
        write_atomically(target, lambda stream: stream.write(b"x"))
        assert target.stat().st_mode & 0o777 == 0o640
        target.chmod(0o600)
        write_atomically(target, lambda stream: stream.write(b"y"))
        assert target.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "real", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, lambda stream: stream.write(b"new"))
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_is_no_file_is_not_replaced(tmp_path):
    write_atomically(os.devnull, lambda stream: stream.write(b"x"))
    assert not Path(os.devnull).is_file()
    with pytest.raises(UsageError, match="is a folder"):
        write_atomically(tmp_path, lambda stream: stream.write(b"x"))
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomically(tmp_path / "missing" / "x", lambda stream: stream.write(b"x"))


def test_frames_of_plain_pandas_are_welcome():
    frame = pd.DataFrame({"name": ["a"], "number": [1]})
    assert written(frame, "csv") == b"name,number\na,1\n"


def test_notes_on_a_frame_are_left_behind_and_the_frame_is_left_as_it_was():
    frame = things(FULL)
    frame.attrs["receipt"] = object()
    assert pq.read_table(io.BytesIO(written(frame, "parquet"))).num_rows == 1
    assert "receipt" in frame.attrs
    assert "raw" in frame.columns
