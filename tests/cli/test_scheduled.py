"""Reports on schedule: a true difference over growing evidence, silence when nothing changed, no run does harm."""

import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.views.shelf import FolderShelf, run_name

#: The sample: a role of staging breaks at 09:12 and is mended at 10:41; the main role is deleted at 14:20.
MOMENTS = ("2026-03-02T08:00", "2026-03-02T10:00", "2026-03-02T12:00", "2026-03-02T15:30", "2026-03-02T18:10")


@pytest.fixture(scope="session")
def records():
    case = et.investigate("sample_logs")
    return [json.loads(raw) for raw in case.events["raw"]]


@pytest.fixture
def grow(records, tmp_path):
    """A folder of evidence that grows up to a moment."""
    place = tmp_path / "evidence"
    place.mkdir()

    def until(moment: str) -> Path:
        chosen = [record for record in records if record["eventTime"] < moment]
        (place / "events.json").write_text(json.dumps({"Records": chosen}))
        return place

    return until


def runs(place: Path) -> list[str]:
    return sorted(one.name for one in place.iterdir() if one.is_dir() and not one.name.startswith("."))


def changes(place: Path) -> dict:
    return json.loads((place / runs(place)[-1] / "changes.json").read_text())


def told(found: dict) -> dict[str, list[str]]:
    return {name: [one["kind"] for one in found[name]] for name in ("new", "open", "resolved") if found[name]}


def tree(place: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(one.relative_to(place)): (one.stat().st_mtime_ns, one.read_bytes())
        for one in place.rglob("*")
        if one.is_file()
    }


def ongoing(document: dict) -> list[tuple]:
    rows = [one for one in document["findings"] if one["status"] == "ongoing"]
    return sorted((one["kind"], one["role_arn"], *one["cause_event_ids"], *one["task_arns"]) for one in rows)


def schedule(evidence: Path, out: Path, *more: str) -> int:
    return run(["report", str(evidence), "--output", str(out), "--since-last", "--exit-code", *more])


def test_runs_over_growing_evidence_tell_what_changed(grow, tmp_path, capsys):
    out = tmp_path / "reports"
    assert schedule(grow(MOMENTS[0]), out) == 0
    assert runs(out) == []
    assert (out / "last.json").exists()

    assert schedule(grow(MOMENTS[1]), out) == 1
    first = changes(out)
    assert told(first)["new"].count("stuck_tasks") == 1
    assert first["since"] < first["as_of"]
    staging = next(one["identity"] for one in first["new"] if one["kind"] == "stuck_tasks")

    assert schedule(grow(MOMENTS[2]), out) == 0
    second = changes(out)
    assert [one["identity"] for one in second["resolved"] if one["kind"] == "stuck_tasks"] == [staging]
    assert second["new"] == []

    assert schedule(grow(MOMENTS[3]), out) == 1
    third = changes(out)
    assert sorted(told(third)["new"]) == ["stuck_tasks", "tasks_at_risk"]
    main = next(one for one in third["new"] if one["kind"] == "stuck_tasks")

    capsys.readouterr()
    schedule(grow(MOMENTS[4]), out)
    last = json.loads((out / "last.json").read_text())
    kept = {one["identity"]: one for one in last["findings"]}
    assert kept[main["identity"]]["status"] == "ongoing"
    whole = et.investigate(str(grow(MOMENTS[4]))).document
    stuck = {task["task_arn"] for task in whole["tasks"] if task["state"] == "stuck"}
    assert set(kept[main["identity"]]["task_arns"]) == stuck


def test_the_narrow_reading_finds_what_the_whole_finds(grow, tmp_path):
    """`--since-last` begins late, but before all that is unfinished: its open findings are those of everything."""
    out = tmp_path / "reports"
    for moment in MOMENTS:
        schedule(grow(moment), out)
        narrow = json.loads((out / "last.json").read_text())
        whole = et.investigate(str(tmp_path / "evidence")).document
        assert ongoing(narrow) == ongoing(whole), moment


def test_an_unchanged_run_is_silent_and_touches_nothing(grow, tmp_path, capsys):
    out = tmp_path / "reports"
    assert schedule(grow(MOMENTS[3]), out) == 1
    before = tree(out)
    capsys.readouterr()
    for _ in range(2):
        assert schedule(grow(MOMENTS[3]), out, "--quiet") == 0
        assert capsys.readouterr() == ("", "")
    assert tree(out) == before


def test_two_histories_of_the_same_evidence_are_byte_equal(grow, tmp_path):
    outs = [tmp_path / "a", tmp_path / "b"]
    for out in outs:
        for moment in MOMENTS[1:4]:
            schedule(grow(moment), out, "--format", "md", "--format", "xlsx", "--format", "trace.json")
    a, b = ({name: data for name, (_, data) in tree(out).items()} for out in outs)
    assert a == b
    assert len(runs(outs[0])) == 3


def test_compare_alone_reads_the_file_and_leaves_it(grow, tmp_path):
    last, out = tmp_path / "last.json", tmp_path / "reports"
    assert run(["investigate", str(grow(MOMENTS[1])), "--format", "json", "--output", str(last)]) == 0
    before = last.read_bytes()
    code = run(["report", str(grow(MOMENTS[3])), "--output", str(out), "--compare", str(last), "--exit-code"])
    assert code == 1
    assert last.read_bytes() == before
    assert not (out / "last.json").exists()
    assert sorted(told(changes(out))["new"]) == ["stuck_tasks", "tasks_at_risk"]


def test_the_state_may_stand_elsewhere(grow, tmp_path):
    out, last = tmp_path / "reports", tmp_path / "state.json"
    for moment, code in ((MOMENTS[3], 1), (MOMENTS[3], 0)):
        assert schedule(grow(moment), out, "--compare", str(last)) == code
    assert json.loads(last.read_text())["as_of"].startswith("2026-03-02T15:")
    assert not (out / "last.json").exists()


def test_keep_removes_the_oldest_runs_and_nothing_else(grow, tmp_path):
    out = tmp_path / "reports"
    (out / "20250101").mkdir(parents=True)
    (out / "notes.txt").write_text("mine")
    for moment in MOMENTS[1:4]:
        schedule(grow(moment), out, "--keep", "2")
    kept = [name for name in runs(out) if name != "20250101"]
    assert len(kept) == 2
    assert kept[0] > "20260302T1100"
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "20250101").is_dir()


def test_the_webhook_file_is_written_only_when_something_changed(grow, tmp_path):
    hook, out = tmp_path / "hook.json", tmp_path / "reports"
    schedule(grow(MOMENTS[3]), out, "--webhook", str(hook))
    payload = json.loads(hook.read_text())
    assert payload["text"].startswith("# ecs-trail: ")
    assert payload["difference"] == changes(out)
    assert Path(payload["report"]).name == runs(out)[-1]
    hook.unlink()
    schedule(grow(MOMENTS[3]), out, "--webhook", str(hook))
    assert not hook.exists()


def test_evidence_that_ends_before_the_last_report_is_not_compared(grow, tmp_path, capsys):
    out = tmp_path / "reports"
    schedule(grow(MOMENTS[3]), out)
    before = tree(out)
    capsys.readouterr()
    assert schedule(grow(MOMENTS[2]), out) == 0
    assert "before the last report" in capsys.readouterr().err
    assert tree(out) == before


def test_a_second_run_at_the_same_time_is_refused(grow, tmp_path, capsys):
    out = tmp_path / "reports"
    out.mkdir()
    with (out / ".lock").open("ab") as held:
        fcntl.flock(held.fileno(), fcntl.LOCK_EX)
        assert schedule(grow(MOMENTS[3]), out) == 2
    assert "another run is writing" in capsys.readouterr().err
    assert runs(out) == []
    assert schedule(grow(MOMENTS[3]), out) == 1


KILLER = """
import os, pathlib, signal, sys
step, calls = int(sys.argv[1]), [0]
def deadly(name):
    real = getattr(pathlib.Path, name)
    def renames(self, *given, **more):
        if ".lock" not in str(self):
            calls[0] += 1
            if calls[0] == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *given, **more)
    setattr(pathlib.Path, name, renames)
for name in ("rename", "replace", "mkdir"):
    deadly(name)
from ecs_trail.cli.main import run
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 10))
def test_a_run_that_is_killed_leaves_the_last_report_and_the_next_one_mends_it(step, grow, tmp_path):
    out, undisturbed = tmp_path / "reports", tmp_path / "undisturbed"
    for place in (out, undisturbed):
        schedule(grow(MOMENTS[1]), place)
    schedule(grow(MOMENTS[3]), undisturbed)
    before = tree(out)
    arguments = ["report", str(grow(MOMENTS[3])), "--output", str(out), "--since-last"]
    done = subprocess.run([sys.executable, "-c", KILLER, str(step), *arguments], capture_output=True, check=False)
    killed = done.returncode == -signal.SIGKILL
    assert killed or done.returncode == 0, done.stderr
    assert killed == (step <= 8), "the steps of a run: two folders, four files, a rename, the state"
    if killed:
        after = tree(out)
        assert {name: after[name] for name in before} == before
        for name in runs(out):
            assert {one.name for one in (out / name).iterdir()} == {
                "report.md",
                "report.json",
                "changes.md",
                "changes.json",
            }
    schedule(grow(MOMENTS[3]), out)
    a, b = ({name: data for name, (_, data) in tree(place).items()} for place in (out, undisturbed))
    assert a == b
    assert not list(out.glob(".*.part"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--since", "-3d"], "exclude each other"),
        (["--redact"], "real names"),
        (["--notify", "arn:aws:sns:x"], "names no topic"),
        (["--format", "docx"], "no kind of report"),
        (["--overlap", "soon"], "not a duration"),
        (["--compare", "no/such/folder/last.json"], "there is no folder"),
        (["--webhook", "no/such/folder/hook.json"], "there is no folder"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anything_is_read(more, words, tmp_path, capsys):
    out = tmp_path / "reports"
    assert schedule(tmp_path / "no such evidence", out, *more) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("state", ["", "{}", "[]", '{"schema": "other"}', "\x00", "[" * 100_000])
def test_a_state_that_is_none_stops_the_run_and_stays(state, grow, tmp_path, capsys):
    out = tmp_path / "reports"
    out.mkdir()
    (out / "last.json").write_text(state)
    assert schedule(grow(MOMENTS[3]), out) == 2
    assert "no investigation of ecs-trail" in capsys.readouterr().err
    assert (out / "last.json").read_text() == state


def test_redacted_reports_hold_no_name_while_the_state_elsewhere_does(grow, tmp_path, capsys):
    out, last, hook = tmp_path / "reports", tmp_path / "state.json", tmp_path / "hook.json"
    kinds = [word for kind in ("md", "json", "trace.json", "jsonl", "ocsf.json") for word in ("--format", kind)]
    for moment in (MOMENTS[1], MOMENTS[3]):
        schedule(grow(moment), out, "--compare", str(last), "--redact", "--webhook", str(hook), *kinds)
    shown = "".join(data.decode() for _, data in tree(out).values()) + hook.read_text().replace(str(tmp_path), "")
    shown += capsys.readouterr().out
    for name in ("111122223333", "444455556666", "ecsInfrastructureRole", "terraform-deploy", "ledger-db"):
        assert name in last.read_text()
        assert name not in shown
    assert len(runs(out)) == 2


def test_partial_evidence_ends_with_three_and_resolves_nothing(grow, tmp_path):
    out = tmp_path / "reports"
    schedule(grow(MOMENTS[3]), out)
    place = grow(MOMENTS[3])
    (place / "events.json").write_text("{}")
    (place / "torn.json.gz").write_bytes(b"\x1f\x8b\x08\x00torn")
    assert schedule(place, out, "--as-of", "2026-03-02T16:00:00Z") == 3
    last = json.loads((out / "last.json").read_text())
    assert len(runs(out)) == 1
    assert sorted(one["kind"] for one in last["difference"]["carried"]) == ["stuck_tasks", "tasks_at_risk"]


def test_one_report_is_one_file_or_folder(grow, tmp_path, capsys):
    evidence = str(grow(MOMENTS[3]))
    assert run(["report", evidence, "--output", str(tmp_path / "a.xlsx"), "--exit-code"]) == 1
    assert (tmp_path / "a.xlsx").read_bytes()[:2] == b"PK"
    assert run(["report", evidence, "--output", str(tmp_path / "csv"), "--format", "csv", "--redact"]) == 0
    assert "ecsInfrastructureRole" not in (tmp_path / "csv" / "tasks.csv").read_text()
    assert run(["report", evidence, "--output", str(tmp_path / "a.docx")]) == 2
    assert "end the name with one of" in capsys.readouterr().err
    assert run(["report", "--output", str(tmp_path / "a.md")]) == 2
    assert "--store DIR" in capsys.readouterr().err


def test_a_shelf_takes_only_names_of_runs(tmp_path):
    shelf = FolderShelf(tmp_path)
    files = {"a": b"1"}
    name = run_name("2026-03-02T14:30:00Z", files)
    assert name == run_name("2026-03-02T14:30:00Z", dict(files))
    assert name != run_name("2026-03-02T14:30:00Z", {"a": b"2"})
    with shelf.held():
        assert Path(shelf.publish(name, files), "a").read_bytes() == b"1"
        with pytest.raises(et.UsageError, match="no name of a run"):
            shelf.publish("../elsewhere", files)


def test_the_page_is_redacted_and_published_like_every_other_report(grow, tmp_path):
    evidence, out = grow(MOMENTS[3]), tmp_path / "reports"
    names = ("111122223333", "444455556666", "ecsInfrastructureRole", "terraform-deploy", "ledger-db", "198.51.100.")
    plain, hidden = tmp_path / "plain.html", tmp_path / "hidden.html"
    assert run(["report", str(evidence), "--output", str(plain)]) == 0
    assert run(["report", str(evidence), "--output", str(hidden), "--redact"]) == 0
    shown = hidden.read_text(encoding="utf-8")
    assert all(name in plain.read_text(encoding="utf-8") for name in names)
    assert [name for name in names if name in shown] == []
    assert "AmazonECSInfrastructureRolePolicyForVolumes" in shown
    schedule(evidence, out, "--format", "html")
    assert (out / runs(out)[-1] / "report.html").read_bytes().startswith(b"<!DOCTYPE html>")
