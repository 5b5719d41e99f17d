"""`ecs-trail report`: the file it writes, what it refuses, how it ends."""

import json

import pytest

from ecs_trail import practice
from ecs_trail.cli.main import run


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    practice.run(3, "managed_detached", folder)
    return folder / "evidence"


def report(*words):
    return run(["report", *map(str, words)])


def test_it_writes_what_the_name_of_the_file_asks_for(evidence, tmp_path, capsysbinary):
    assert report(evidence, "--output", tmp_path / "a.html") == 0
    assert (tmp_path / "a.html").read_bytes().startswith(b"<!DOCTYPE html>")
    assert report(evidence, "--output", tmp_path / "a.json", "--quiet") == 0
    assert capsysbinary.readouterr().out == b""
    assert run(["investigate", str(evidence), "--format", "json"]) == 0
    assert (tmp_path / "a.json").read_bytes() == capsysbinary.readouterr().out
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_the_options_of_investigate_reach_it(evidence, tmp_path):
    code = report(evidence, "--output", tmp_path / "x", "--format", "json", "--as-of", "2020-01-01", "--exit-code")
    assert code == 0
    assert json.loads((tmp_path / "x").read_text())["as_of"] == "2020-01-01T00:00:00Z"


def test_a_finding_ends_with_one_where_asked(evidence, tmp_path):
    assert report(evidence, "--output", tmp_path / "x.json", "--exit-code") == 1


def test_unreadable_evidence_ends_with_three_and_is_told_in_the_report(evidence, tmp_path, capsys):
    broken = tmp_path / "broken.json"
    broken.write_text('{"Records": [{"eventVersion": "1.08", "eventTime"')
    assert report(evidence, broken, "--output", tmp_path / "x.html") == 3
    assert "partial" in capsys.readouterr().err
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "could not be read: the answer is partial." in text


@pytest.mark.parametrize("words", [["--output", "x.docx"], [], ["--output", "x.html", "--format", "word"]])
def test_what_nobody_can_write_is_refused_before_anything_is_read(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert report(tmp_path / "not-there", *words) == 2
    said = capsys.readouterr().err
    assert ".html" in said
    assert ".pdf" in said
    assert list(tmp_path.iterdir()) == []


def test_a_failed_report_leaves_the_old_one(evidence, tmp_path):
    (tmp_path / "x.html").write_text("old")
    assert report(tmp_path / "not-there", "--output", tmp_path / "x.html") == 2
    assert (tmp_path / "x.html").read_text() == "old"
