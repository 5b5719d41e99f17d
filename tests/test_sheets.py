"""Sheets: what an analysis asks of frames, answered as pandas would, and without it."""

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from ecs_trail.arrays import cleaned, coded, plain, replaced, texts
from ecs_trail.event_names import VOLUME_EVENTS
from ecs_trail.frames import (
    COUNT,
    NUMBER,
    STEPS,
    TEXT,
    TEXTS,
    TIME,
    FrameSpec,
    as_sheet,
    grouped,
    is_known,
    rows,
    to_frame,
)
from ecs_trail.frames.sheets import Sheet
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.vocabulary import VolumeState

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPEC = FrameSpec(
    name="things",
    doc="Things.",
    key=("name",),
    columns={"name": TEXT, "at": TIME, "size": COUNT, "cost": NUMBER, "ids": TEXTS, "steps": STEPS},
)
ROWS = [
    {"name": "a", "at": NOON, "size": 1, "cost": 2, "ids": {"z", "y"}, "steps": [{"title": "t"}]},
    {"name": None, "at": None, "size": None, "cost": None, "ids": None},
    {"name": VolumeState.LEAKED, "at": NOON.astimezone(timezone(timedelta(hours=2))), "size": 3, "cost": 0.5},
    {"name": "a", "at": NOON + timedelta(hours=1), "size": 4, "ids": ("x",), "steps": []},
]
EVENTS = [
    {"event_id": "1", "event_source": "ec2.amazonaws.com", "event_name": "DeleteVolume", "event_time": NOON},
    {"event_id": "2", "event_source": "ec2.amazonaws.com", "event_name": "RunInstances", "event_time": NOON},
    {"event_id": "3", "event_source": "ecs.amazonaws.com", "event_name": "StopTask", "error_code": "AccessDenied"},
    {"event_id": "4", "event_source": "ec2.amazonaws.com", "event_name": "CreateVolume", "error_code": "AccessDenied"},
]


@pytest.fixture(params=["rows", "table", "frame"])
def sheet(request: pytest.FixtureRequest) -> Sheet:
    """The rows as an analysis makes them, as Arrow has them, and as a person may hand them back."""
    made = SPEC.sheet(ROWS)
    if request.param == "rows":
        return made
    table = pa.Table.from_pylist(made.rows(), schema=SPEC.schema)
    return Sheet.of_table(table) if request.param == "table" else as_sheet(to_frame(table))


def test_values_are_those_of_the_columns_kind(sheet):
    first, second, third, fourth = sheet.rows()
    assert first == {
        "name": "a",
        "at": NOON,
        "size": 1,
        "cost": 2.0,
        "ids": ["y", "z"],
        "steps": [{"title": "t", "commands": first["steps"][0]["commands"]}],
    }
    assert second == {**dict.fromkeys(("name", "at", "size", "cost")), "ids": [], "steps": []}
    assert (third["name"], type(third["name"]), third["at"], third["at"].tzinfo) == ("leaked", str, NOON, UTC)
    assert (type(first["cost"]), fourth["ids"]) == (float, ["x"])


def test_a_sheet_is_the_frame_that_people_get(sheet):
    assert rows(sheet.frame) == rows(sheet)
    assert rows(sheet.where(name="a").frame) == rows(sheet.where(name="a"))
    assert list(sheet.frame.columns) == sheet.columns == list(SPEC.columns)


def test_what_a_row_holds_is_its_own(sheet):
    sheet.rows()[0]["ids"].append("new")
    sheet.column("ids")[0].append("new")
    sheet.rows()[0]["steps"][0]["title"] = "new"
    sheet.column("name").clear()
    assert sheet.rows()[0]["ids"] == ["y", "z"]
    assert sheet.rows()[0]["steps"][0]["title"] == "t"
    assert len(sheet.column("name")) == len(sheet) == len(ROWS)


def test_rows_are_chosen_by_their_values(sheet):
    def sizes(part: Sheet) -> list[int | None]:
        return part.column("size")

    assert sizes(sheet.where(name="a")) == [1, 4]
    assert sizes(sheet.where(name=None)) == [None]
    assert sizes(sheet.where(name=is_known, at=lambda moment: moment <= NOON)) == [1, 3]
    assert sizes(sheet.where(name=("leaked", "b"))) == [3]
    assert sizes(sheet.where_any({"name": "a", "size": lambda size: size > 1}, {"name": VolumeState.LEAKED})) == [3, 4]
    assert sizes(sheet.without(sheet.where(name="a"))) == [None, 3]
    assert sizes(sheet.first_of(["name"])) == [1, None, 3]
    assert sizes(sheet.part(1, 3).part(1, 2)) == [3]
    assert sizes(sheet.kept(size is not None for size in sizes(sheet)).where(name="a").kept([False, True])) == [4]
    assert sheet.where(name="none").empty
    assert sheet.where(name="none").rows() == sheet.where(name="none").first_of(["at"]).rows() == []


def test_events_are_chosen_as_pandas_chooses_them():
    table = pa.Table.from_pylist(EVENTS, schema=EVENT_SCHEMA)
    sheet, frame = Sheet.of_table(table), to_frame(table)
    asked = frame[(frame["event_source"] == "ec2.amazonaws.com") & frame["event_name"].isin(VOLUME_EVENTS)]
    assert sheet.where(event_source="ec2.amazonaws.com", event_name=VOLUME_EVENTS).rows() == rows(asked)
    failed = sheet.where(error_code=is_known)
    assert (list(failed.places), failed.rows()) == ([2, 3], rows(frame[frame["error_code"].notna()]))


@pytest.mark.parametrize("chunks", [1, 3])
def test_long_texts_are_read_where_they_are_asked_for(chunks, monkeypatch):
    monkeypatch.setattr("ecs_trail.frames.sheets._LITTLE", 0)
    monkeypatch.setattr("ecs_trail.frames.sheets._SHORT", 0)
    table = pa.concat_tables([pa.Table.from_pylist(EVENTS, schema=EVENT_SCHEMA)] * chunks)
    sheet = Sheet.of_table(table)
    assert sheet.rows() == [dict.fromkeys(EVENT_SCHEMA.names) | event for event in EVENTS] * chunks
    assert sheet.where(event_name="StopTask").column("event_id") == ["3"] * chunks
    assert sheet.part(1, 3).column("event_id") == ["2", "3"]


def test_rows_are_told_apart_by_kinds(sheet):
    firsts, kinds = sheet.kinds(["name"])
    assert (firsts.column("name"), kinds) == (["a", None, "leaked"], [0, 1, 2, 0])
    assert sheet.kinds([])[1] == [0, 0, 0, 0]
    assert sheet.repeats(["name"]).column("size") == [4]
    assert sheet.different("name") == {"a", None, "leaked"}
    assert sheet.where(name=is_known).different("name") == {"a", "leaked"}
    assert sheet.listed("name", "size") == {"a": [1, 4], "leaked": [3]}
    assert sheet.ordered("name").column("size") == [None, 1, 4, 3]
    assert [(name, list(mine)) for name, mine in grouped(sheet, ("name", "size"))] == [
        ("a", [("a", 1), ("a", 4)]),
        ("leaked", [("leaked", 3)]),
    ]


def test_columns_of_several_sheets_stand_side_by_side(sheet):
    asked = []

    def length(row):
        asked.append(row)
        return {"letters": len(row["name"] or ""), "name": "new"}

    whole = sheet.beside(sheet.derived(("name",), length, {"letters": COUNT, "name": TEXT}))
    assert asked == [{"name": "a"}, {"name": None}, {"name": "leaked"}]
    assert whole.columns == [*SPEC.columns, "letters"]
    assert whole.tuples(("size", "letters", "name")).__next__() == (1, 1, "new")
    part = whole.where(letters=lambda letters: letters > 0).taken([2, 0, 0]).only(("letters", "size", "ids"))
    assert part.rows() == [
        {"letters": 1, "size": 4, "ids": ["x"]},
        {"letters": 1, "size": 1, "ids": ["y", "z"]},
        {"letters": 1, "size": 1, "ids": ["y", "z"]},
    ]
    assert rows(part.frame) == part.rows()
    assert whole.without(whole.where(size=is_known)).column("letters") == [0]


def test_a_test_is_asked_only_of_values_that_stand_in_the_rows():
    spec = FrameSpec(name="n", doc="N.", key=(), columns={"size": COUNT, "word": TEXT})
    words = Sheet.of_table(pa.table({"word": texts(["a", None, "b", "a"])}))
    assert words.where(word=is_known).where(word=lambda word: word < "b").column("word") == ["a", "a"]
    many = spec.sheet({"size": number, "word": f"{number % 7}"} for number in range(1000))
    assert [len(part) for part in (many.repeats(["word"]), many.repeats(["word", "size"]))] == [993, 0]


def test_many_columns_have_kinds_as_well():
    columns = {f"c{at}": COUNT for at in range(9)}
    found = [{name: (number * (at + 1)) % 251 for at, name in enumerate(columns)} for number in range(502)]
    firsts, kinds = Sheet.of_rows(found, columns).kinds(list(columns))
    assert (len(firsts), kinds) == (251, [*range(251), *range(251)])


def test_ids_are_not_told_apart(monkeypatch):
    monkeypatch.setattr("ecs_trail.arrays._MANY", 8)
    monkeypatch.setattr("ecs_trail.arrays._SAMPLE", 4)
    ids, words = [f"id {number}" for number in range(9)], ["a", "b", "c"] * 3
    assert coded(texts(ids)) == (ids, None)
    assert [coded(texts(one))[1] is None for one in (words, ids[:7], [*ids[:8], None])] == [False] * 3
    sheet = Sheet.of_table(pa.table({"id": texts(ids), "word": texts(words)}))
    assert sheet.where(word="b").where(id=("id 4", "id 5")).rows() == [{"id": "id 4", "word": "b"}]
    assert sheet.where(word="b").kinds(["id"])[1] == [0, 1, 2]


@pytest.mark.parametrize("few", [0, 100])
def test_texts_are_cleaned_when_a_column_is_asked_for(few, monkeypatch):
    monkeypatch.setattr("ecs_trail.arrays._FEW", few)
    table = pa.table({"one": texts(["a secret", None, "plain", "a secret"]), "number": pa.array(range(4))})
    asked = []

    def clean(different):
        asked.append(different.to_pylist())
        return cleaned(different, "SECRET", lambda text: text.replace("secret", "…"))

    sheet = Sheet.of_table(table, clean)
    assert (sheet.column("number"), asked) == ([0, 1, 2, 3], [])
    assert sheet.column("one") == ["a …", None, "plain", "a …"]
    assert (sheet.where(one=is_known).column("one"), asked) == (["a …", "plain", "a …"], [["a secret", "plain"]])
    assert rows(sheet.frame) == sheet.rows()


def test_plain_values_of_a_slice():
    column = pa.chunked_array([["a", None, "b"], [], ["a", "c"]], type=TEXT).slice(1, 3)
    assert plain(column) == [None, "b", "a"]
    times = pa.array([None, NOON, None, NOON + timedelta(microseconds=5)], type=TIME).slice(1)
    assert plain(times) == [NOON, None, NOON + timedelta(microseconds=5)]
    assert plain(pa.chunked_array([], type=TIME)) == []


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_texts_are_replaced_in_every_column(room, monkeypatch):
    monkeypatch.setattr("ecs_trail.arrays._TOGETHER", room)
    table = pa.table(
        {
            "one": pa.chunked_array([["a secret", None, "plain"], ["a secret", "SECRET"]]),
            "number": pa.array(range(5)),
            "two": texts([None, "none", "none", "a secret", "a secret place"]),
            "three": texts([None] * 5),
            "four": texts(["x"] * 5),
        }
    )
    made = replaced(table, "secret", lambda text: text.replace("a secret", "…"))
    assert made.column("one").to_pylist() == ["…", None, "plain", "…", "SECRET"]
    assert made.column("two").to_pylist() == [None, "none", "none", "…", "… place"]
    assert [made.column(at).equals(table.column(at)) for at in range(5)] == [False, True, False, True, True]
    assert made.schema.equals(table.schema)
    assert replaced(table.slice(0, 0), "secret", str.upper).equals(table.slice(0, 0))
