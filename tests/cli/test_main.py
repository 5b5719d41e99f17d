"""The words of the command line, before any evidence is read."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ecs_trail import __version__
from ecs_trail.cli import main
from ecs_trail.cli.lazy import COMMANDS
from ecs_trail.cli.main import root, run
from ecs_trail.errors import AccessError, IntegrityError, UsageError

EVIDENCE_COMMANDS = ("investigate", "plan", "events", "timeline")
COMMON = [
    "--since",
    "--until",
    "--role",
    "--account",
    "--region",
    "--cluster",
    "--tasks",
    "--role-state",
    "--as-of",
    "--stuck-after",
    "--workers",
    "--format",
    "--output",
    "--quiet",
    "--profile",
    "--exit-code",
]


@pytest.mark.parametrize("name", EVIDENCE_COMMANDS)
def test_every_command_on_evidence_has_the_common_options(name, capsys):
    assert run([name, "--help"]) == 0
    words = capsys.readouterr().out.split()
    assert [option for option in COMMON if option not in words] == []


def test_help_fits_a_terminal_and_names_every_command(capsys):
    assert run([]) == 0
    bare = capsys.readouterr()
    assert run(["--help"]) == 0
    asked = capsys.readouterr()
    assert bare.out == asked.out
    assert bare.err == ""
    assert set(root.commands) <= set(asked.out.split())
    assert "..." not in asked.out.split("Commands:")[1], "a summary is cut"


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"ecs-trail {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["investigate"],
        ["investigate", "--nonsense", "x"],
        ["investigate", "x", "--workers", "0"],
        ["investigate", "x", "--format", "yaml"],
        ["timeline", "clouds", "x"],
        ["nonsense"],
        ["practice"],
    ],
)
def test_wrong_usage_is_exit_2_without_a_traceback(words, capsys):
    assert run(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Usage:" in shown.err
    assert "Traceback" not in shown.err


def ending(error, monkeypatch):
    """Run a command that ends with an error of the given kind."""

    @click.command()
    def fails():
        raise error

    monkeypatch.setitem(root.commands, "fails", fails)
    return run(["fails"])


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (IntegrityError, 4), (AccessError, 5)])
def test_errors_on_purpose_give_message_hint_and_their_exit_code(kind, code, monkeypatch, capsys):
    assert ending(kind("the \x1b[31mplace\nis wrong", hint="go there"), monkeypatch) == code
    assert capsys.readouterr().err == "ecs-trail: the \\x1b[31mplace\nis wrong\nHint: go there\n"


def test_a_bug_is_an_apology_for_users(monkeypatch, capsys):
    monkeypatch.delenv("ECS_TRAIL_DEBUG")
    assert ending(KeyError("volume\nsecret line"), monkeypatch) == 2
    shown = capsys.readouterr().err
    assert "mistake in ecs-trail itself (KeyError" in shown
    assert "ECS_TRAIL_DEBUG=1" in shown
    assert len(shown.splitlines()) == 2


def test_a_bug_is_a_traceback_for_developers(monkeypatch):
    with pytest.raises(KeyError):
        ending(KeyError("volume"), monkeypatch)


def test_an_interruption_ends_cleanly(monkeypatch, capsys):
    assert ending(KeyboardInterrupt(), monkeypatch) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_end_of_file_is_no_interruption(monkeypatch, capsys):
    assert ending(EOFError("gzip ended"), monkeypatch) == 2
    assert "EOFError: gzip ended" in capsys.readouterr().err


def test_a_reader_who_leaves_is_no_error():
    script = (
        "import click, sys\nfrom ecs_trail.cli.main import root, run\n"
        "@click.command()\ndef long():\n"
        "    for n in range(200000):\n        sys.stdout.buffer.write(b'line of a long table\\n')\n"
        "root.add_command(long)\nsys.exit(run(['long']))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"line of a long table\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_the_module_is_the_command(capsys, monkeypatch):
    done = subprocess.run([sys.executable, "-m", "ecs_trail", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"ecs-trail {__version__}\n"
    monkeypatch.setattr(sys, "argv", ["ecs-trail", "--version"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0


def test_practice_writes_evidence_and_answer_apart(tmp_path, capsys):
    folder = tmp_path / "drill"
    assert run(["practice", "--kind", "managed_detached", "--seed", "7", "--output", str(folder)]) == 0
    assert str(folder / "evidence") in capsys.readouterr().out
    assert json.loads((folder / "answer.json").read_text())["schema"] == "ecs-trail/answer/1"
    assert not list((folder / "evidence").rglob("answer*"))
    assert run(["practice", "--kind", "managed_detached", "--output", str(folder)]) == 2
    assert "not empty" in capsys.readouterr().err


def test_an_unknown_kind_of_practice_lists_the_kinds(tmp_path, capsys):
    assert run(["practice", "--kind", "x", "--output", str(tmp_path / "drill")]) == 2
    assert "managed_detached" in capsys.readouterr().err
    assert not (tmp_path / "drill").exists()


def test_the_lines_of_help_are_those_of_the_commands():
    assert {name: command.get_short_help_str(limit=80) for name, command in root.commands.items()} == {
        name: line for name, (_, line) in COMMANDS.items()
    }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("words", [("investigate",), ("events", "--format", "parquet"), ("events",)], ids=" ".join)
def test_a_stdout_that_is_full_or_closed_is_said(words, tmp_path):
    """A result that nobody can read is no success, and no mistake of ours."""
    command = [sys.executable, "-m", "ecs_trail", words[0], str(tmp_path), *words[1:]]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "the result cannot be written: No space left" in done.stderr) == (2, True), done.stderr
    shut = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, check=False)
    assert (shut.returncode, "the result cannot be written" in shut.stderr) == (2, True), shut.stderr
    kept = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command, "--output", str(tmp_path / "kept")]
    assert subprocess.run(kept, check=False).returncode == 0
    assert (tmp_path / "kept").stat().st_size > 0
