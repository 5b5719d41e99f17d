"""Notes: kept in a file that several writers share, and never mixed up with another file."""

import json
import subprocess
import sys

import pytest

from ecs_trail.errors import UsageError
from ecs_trail.views.timeline.notes import change_note, read_notes

WRITER = """
import sys
from ecs_trail.views.timeline.notes import change_note
for number in range(12):
    change_note(sys.argv[1], f"{sys.argv[2]}-{number}", {"star": True, "text": f"note {number}"})
"""


def test_a_note_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "notes.json"
    change_note(path, "b", {"star": False, "text": "ünïcode\nand a line"})
    change_note(path, "a", {"star": True, "text": ""})
    assert read_notes(path) == {"a": {"star": True, "text": ""}, "b": {"star": False, "text": "ünïcode\nand a line"}}
    assert list(json.loads(path.read_text())["notes"]) == ["a", "b"]


def test_an_empty_note_is_taken_out(tmp_path):
    path = tmp_path / "notes.json"
    change_note(path, "a", {"star": True, "text": "x"})
    assert change_note(path, "a", {"star": False, "text": "  "}) == {}
    assert read_notes(path) == {}


def test_a_change_leaves_what_others_wrote_meanwhile(tmp_path):
    path = tmp_path / "notes.json"
    change_note(path, "mine", {"star": True, "text": ""})
    change_note(path, "theirs", {"star": False, "text": "seen"})
    assert set(change_note(path, "mine", {"star": True, "text": "more"})) == {"mine", "theirs"}


def test_many_processes_write_one_file_and_nothing_is_lost(tmp_path):
    path = tmp_path / "notes.json"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(name)]) for name in range(4)]
    assert [one.wait(60) for one in writers] == [0, 0, 0, 0]
    assert set(read_notes(path)) == {f"{name}-{number}" for name in range(4) for number in range(12)}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"notes": {}}', '{"schema": "other", "notes": {}}', "[" * 100_000])
def test_a_file_that_holds_no_notes_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "notes.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="notes"):
        change_note(path, "a", {"star": True, "text": ""})
    assert path.read_text() == text


def test_odd_values_in_a_file_are_read_as_far_as_they_go(tmp_path):
    path = tmp_path / "notes.json"
    odd = {"a": {"star": "yes", "text": 5}, "b": 7, "c": {"star": True, "text": "x", "more": 1}}
    path.write_text(json.dumps({"schema": "ecs-trail/notes/1", "notes": odd}))
    assert read_notes(path) == {"a": {"star": False, "text": ""}, "c": {"star": True, "text": "x"}}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        change_note(tmp_path / "no" / "notes.json", "a", {"star": True, "text": ""})
