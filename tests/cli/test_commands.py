"""The commands on evidence, run on a practice incident."""

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ecs_trail import practice
from ecs_trail.cli.main import run

#: Word of the command line, section of the investigation, key of a row.
TIMELINES = (
    ("tasks", "tasks", "task_arn"),
    ("volumes", "volumes", "volume_id"),
    ("roles", "changes", "event_id"),
    ("tls", "tls", "secret_arn"),
)


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    """A practice incident: the folder with evidence, and the known answer."""
    folder = tmp_path_factory.mktemp("drill")
    made = practice.run(3, "managed_detached", folder)
    return folder / "evidence", made.answer


def said(capsysbinary, *words):
    """Exit code and standard output of a run."""
    code = run([str(word) for word in words])
    return code, capsysbinary.readouterr().out


@pytest.fixture
def document(drill, capsysbinary):
    """The JSON answer to the drill."""
    code, out = said(capsysbinary, "investigate", drill[0], "--format", "json")
    assert code == 0
    return json.loads(out)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
@pytest.mark.parametrize(("which", "section", "key"), TIMELINES)
def test_a_timeline_holds_the_rows_of_the_investigation(kind, which, section, key, drill, document, capsysbinary):
    code, out = said(capsysbinary, "timeline", which, drill[0], "--format", kind)
    assert code == 0
    rows = {
        "csv": lambda: list(csv.DictReader(io.StringIO(out.decode()))),
        "json": lambda: json.loads(out),
        "jsonl": lambda: [json.loads(line) for line in out.splitlines()],
        "parquet": lambda: pq.read_table(io.BytesIO(out)).to_pylist(),
    }[kind]()
    assert [row[key] for row in rows] == [row[key] for row in document[section]]


def test_the_events_are_those_that_were_counted(drill, document, capsysbinary):
    code, out = said(capsysbinary, "events", drill[0], "--format", "jsonl")
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert len(events) == document["evidence"]["events_selected"]
    assert "raw" not in events[0]
    _, out = said(capsysbinary, "events", drill[0], "--format", "jsonl", "--raw")
    first = json.loads(out.splitlines()[0])
    assert json.loads(first["raw"])["eventID"] == first["event_id"]


@pytest.mark.parametrize("words", [["events"], *(["timeline", which] for which, _, _ in TIMELINES)])
def test_tables_are_lines_of_one_width_for_the_eye(words, drill, capsysbinary):
    code, out = said(capsysbinary, *words, drill[0])
    head, rule, *_ = out.decode().splitlines()
    assert code == 0
    assert set(rule) == {"─", " "}
    assert rule.index(" ") >= len(head.split()[0])


def test_a_result_goes_to_a_file_whole_and_stdout_stays_empty(drill, capsysbinary, tmp_path):
    target = tmp_path / "tasks.csv"
    code, out = said(capsysbinary, "timeline", "tasks", drill[0], "--format", "csv", "--output", target)
    assert (code, out) == (0, b"")
    assert target.read_bytes().startswith(b"task_arn,")
    assert [path.name for path in tmp_path.iterdir()] == ["tasks.csv"]


@pytest.mark.parametrize("words", [["investigate"], ["events"], ["timeline", "tasks"]])
def test_exit_code_1_only_when_asked(words, drill, capsysbinary):
    assert said(capsysbinary, *words, drill[0])[0] == 0
    assert said(capsysbinary, *words, drill[0], "--exit-code")[0] == 1


@pytest.mark.parametrize("words", [["investigate"], ["events"], ["timeline", "tasks"]])
def test_part_that_cannot_be_read_is_exit_code_3_and_named_even_when_quiet(words, drill, tmp_path, capsys):
    (tmp_path / "broken.json").write_text('{"Records":[{"eventID":', encoding="utf-8")
    assert run([*words, str(drill[0]), str(tmp_path), "--quiet", "--exit-code"]) == 3
    shown = capsys.readouterr()
    assert "broken.json" in shown.err
    assert shown.out != ""


def test_options_narrow_the_answer(drill, document, capsysbinary):
    clusters = {row["cluster"] for row in document["tasks"]}
    wanted = min(clusters)
    _, out = said(capsysbinary, "investigate", drill[0], "--format", "json", "--cluster", wanted)
    assert {row["cluster"] for row in json.loads(out)["tasks"]} == {wanted}
    _, out = said(capsysbinary, "investigate", drill[0], "--format", "json", "--cluster", "no-such-cluster")
    assert json.loads(out)["tasks"] == []


def test_a_profile_is_set_for_the_run_and_no_longer(drill, capsysbinary, monkeypatch):
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert said(capsysbinary, "investigate", drill[0], "--profile", "audit")[0] == 0
    assert "AWS_PROFILE" not in os.environ
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert said(capsysbinary, "investigate", drill[0], "--profile", "audit")[0] == 0
    assert os.environ["AWS_PROFILE"] == "mine"


def test_a_plan_reads_nothing(tmp_path, capsysbinary):
    code, out = said(capsysbinary, "plan", tmp_path / "not there", "--since", "-6h")
    assert code == 0
    assert f"every file at or below {tmp_path}/not there".encode() in out
    code, out = said(capsysbinary, "plan", tmp_path, "--format", "json")
    assert [set(one) for one in json.loads(out)] == [{"source", "reads", "widened", "trimmed", "bill"}]
    assert run(["plan", str(tmp_path), "--since", "yesterday"]) == 2


def test_a_terminal_gets_colour_and_whole_commands(drill):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ecs_trail", "investigate", str(drill[0])]
    env = os.environ | {"TERM": "xterm-256color", "COLUMNS": "90"}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env)
    os.close(theirs)
    received = b""
    try:
        while chunk := os.read(ours, 65536):
            received += chunk
    except OSError:  # a terminal whose other end is closed ends with an error on Linux
        pass
    os.close(ours)
    assert process.wait() == 0
    text = received.decode()
    assert "\x1b[1;31m" in text or "\x1b[1;33m" in text
    commands = [line for line in text.splitlines() if "aws iam" in line]
    assert all(line.count("aws ") >= 1 and not line.startswith(" ") for line in commands)


def test_the_evidence_is_left_as_it_was(drill, capsysbinary):
    before = {path: path.stat().st_mtime_ns for path in Path(drill[0]).rglob("*")}
    assert said(capsysbinary, "investigate", drill[0])[0] == 0
    assert {path: path.stat().st_mtime_ns for path in Path(drill[0]).rglob("*")} == before
