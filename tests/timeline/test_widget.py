"""The Python side of the widget: what a page sends comes back as frames, and no question of a page does harm."""

import struct
import sys

import pytest

from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.views.timeline.notes import read_notes
from ecs_trail.views.timeline.widget import script

RAW_TOKEN = "sessionToken"


@pytest.fixture
def widget(case, tmp_path):
    """A timeline with a file for notes, and the list of what it sends to its page."""
    made = case.timeline(notes=tmp_path / "notes.json")
    made.heard = []
    made.send = made.heard.append
    yield made
    made.close()


def sent(*places):
    """Places as a page sends them."""
    return struct.pack(f"<{len(places)}I", *places)


def ask(widget, **content):
    """The answer to one question of a page."""
    widget._handle_custom_msg({"number": "1", **content}, [])
    return widget.heard[-1]


def lane_of(widget, kind, state):
    """The first lane of a kind and state."""
    lanes = widget._board.lanes
    return next(place for place, one in enumerate(lanes) if (one.kind, one.state) == (kind, state))


def test_nothing_is_selected_at_first(widget):
    assert len(widget.selection) == len(widget.selected_events) == len(widget.linked("tasks")) == len(widget.notes) == 0
    assert list(widget.selection.columns)[:3] == ["kind", "key", "label"]


def test_a_selection_comes_back_as_frames(widget, case):
    place = lane_of(widget, "task", "stuck")
    lane = widget._board.lanes[place]
    spans = [number for number, (owner, span) in enumerate(widget._packed.spans) if owner == place]
    widget.set_state({"_spans_in": memoryview(sent(spans[-1])), "_lanes_in": sent(place), "_events_in": sent(5, 0)})
    assert widget.selection[["kind", "key", "state", "open_end"]].to_dict("records") == [
        {"kind": "task", "key": lane.key, "state": "stuck", "open_end": True}
    ]
    assert widget.selected_events["event_id"].to_list() == case.events["event_id"].iloc[[5, 0]].to_list()
    assert "raw" not in widget.selected_events.columns
    assert widget.linked("tasks")["task_arn"].to_list() == [lane.key]
    assert len(widget.linked("volumes")) == 0


def test_places_that_cannot_be_are_dropped(widget):
    widget.set_state({"_spans_in": sent(10**6) + b"\1", "_events_in": sent(2**32 - 1, 3), "_lanes_in": b"\0"})
    assert len(widget.selection) == 0
    assert len(widget.selected_events) == 1
    assert len(widget.linked("tls")) == 0


def test_only_linked_tables_are_linked(widget):
    with pytest.raises(UsageError, match="no linked table"):
        widget.linked("raw")


def test_a_stuck_task_is_explained_in_sentences(widget, case):
    place = lane_of(widget, "task", "stuck")
    told = ask(widget, ask="evidence", lane=place, span=None, event=None)["sentences"]
    assert told == case.explain(widget._board.lanes[place].key).splitlines()


def test_a_broken_span_names_its_causes(widget):
    place = lane_of(widget, "role", "broken")
    span = max(number for number, (owner, _) in enumerate(widget._packed.spans) if owner == place)
    told = "\n".join(ask(widget, ask="evidence", lane=place, span=span, event=None)["sentences"])
    assert "from 2026-03-02 14:20:07 UTC to the end of the evidence" in told
    assert "outage-4, teardown: lost ec2:DeleteVolume" in told
    assert "DetachRolePolicy by terraform (role terraform-deploy)" in told
    assert "It broke what ECS needs." in told


@pytest.mark.parametrize(("kind", "word"), [("volume", "GiB"), ("tls", "Secret"), ("caller", "Identity")])
def test_every_kind_of_lane_is_told(widget, kind, word):
    place = next(place for place, one in enumerate(widget._board.lanes) if one.kind == kind)
    assert word in " ".join(ask(widget, ask="evidence", lane=place, span=None, event=None)["sentences"])


def test_a_volume_is_told_step_by_step(widget):
    place = next(place for place, one in enumerate(widget._board.lanes) if one.key == "vol-013df04c9cdf112e0")
    told = ask(widget, ask="evidence", lane=place, span=None, event=None)["sentences"]
    assert "Created 2026-03-01 07:30:22 UTC and attached 2026-03-01 07:30:31 UTC." in told
    assert "4 calls, none of them refused or failed." in told


def test_a_denied_event_says_so(widget):
    place = widget._board.events.outcomes.index("denied")
    told = ask(widget, ask="evidence", lane=None, span=None, event=place)["sentences"]
    assert any(line.startswith("Denied with Client.UnauthorizedOperation") for line in told)


def test_the_raw_record_comes_without_credentials(widget, case):
    secret = next(one for one in case.events.itertuples() if RAW_TOKEN in case.raw(one.event_id, unredacted=True))
    place = widget._board.events.place[secret.event_id]
    text = ask(widget, ask="raw", event=place)["text"]
    assert secret.event_id in text
    assert '"sessionToken": "removed by ecs-trail"' in text


@pytest.mark.parametrize(
    "question",
    [
        {"ask": "evidence", "lane": 10**6, "span": None, "event": None},
        {"ask": "evidence", "lane": -1, "span": None, "event": None},
        {"ask": "evidence", "lane": 0, "span": "x", "event": None},
        {"ask": "evidence"},
        {"ask": "raw", "event": -1},
        {"ask": "raw", "event": True},
        {"ask": "raw", "event": "0"},
        {"ask": "note", "event": 10**9},
        {"ask": "delete"},
        {},
    ],
)
def test_a_question_that_does_not_fit_is_answered_as_such(widget, question):
    assert ask(widget, **question)["problem"]
    assert len(widget.notes) == 0


@pytest.mark.parametrize("junk", ["text", None, 5, ["ask"]])
def test_what_is_no_question_is_not_answered(widget, junk):
    widget._handle_custom_msg(junk, [])
    assert widget.heard == []


def test_notes_and_stars_are_kept_in_the_file(widget, case, tmp_path):
    assert "problem" not in ask(widget, ask="note", event=7, star=True, text="look here")
    event_id = case.events["event_id"].iloc[7]
    assert read_notes(tmp_path / "notes.json") == {event_id: {"star": True, "text": "look here"}}
    (row,) = widget.notes.to_dict("records")
    assert (row["event_id"], row["star"], row["text"]) == (event_id, True, "look here")
    assert row["event_name"] == case.events["event_name"].iloc[7]
    again = case.timeline(notes=tmp_path / "notes.json")
    assert again.notes.to_dict("records") == [row]
    assert dict(again._notes) == {event_id: {"star": True, "text": "look here"}}
    again.close()


def test_without_a_file_notes_live_as_long_as_the_widget(case):
    made = case.timeline()
    made.send = [].append
    ask_content = {"number": "1", "ask": "note", "event": 1, "star": True, "text": ""}
    made._handle_custom_msg(ask_content, [])
    assert made.notes["star"].to_list() == [True]
    made.close()


def test_a_note_that_cannot_be_kept_is_said(widget, tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    assert "holds no notes" in ask(widget, ask="note", event=1, star=True, text="")["problem"]


def test_show_picks_a_lane_by_its_id(widget):
    widget.show("ae219d4ea5a4aecc7bb7b0b1dfb170b1")
    assert widget._board.lanes[widget._view["picked"]["lane"]].label == "prod/ae219d4ea5a4aecc7bb7b0b1dfb170b1"
    with pytest.raises(UsageError, match="no lane"):
        widget.show("nothing")


def test_a_page_without_a_kernel_gets_a_sentence(widget):
    made = widget._repr_mimebundle_()
    data = made[0] if isinstance(made, tuple) else made
    assert data["text/plain"] == "Timeline of 67 lanes and 264 events."
    assert "<p>Timeline of 67 lanes" in data["text/html"]


def test_without_the_extra_the_error_names_it(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "ecs_trail.views.timeline.widget", raising=False)
    with pytest.raises(MissingExtraError, match=r"ecs-trail\[notebook\]"):
        case.timeline()


def test_the_script_never_makes_markup_of_text():
    text = script()
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"):
        assert forbidden not in text
    assert "fetch(" not in text
    assert "import(" not in text
