"""What the README shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ecs_trail.cli.main import root

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
#: Every use of the command, in blocks and in running text.
USES = re.findall(r"ecs-trail ([a-z]+(?: [^`\n|]*)?)", TEXT)


def test_the_example_is_what_the_command_prints():
    shown = next(block for _, block in BLOCKS if block.startswith("$ ecs-trail"))
    command, *lines = shown.splitlines()
    words = shlex.split(command.removeprefix("$ ecs-trail"))
    done = subprocess.run([sys.executable, "-m", "ecs_trail", *words], cwd=ROOT, capture_output=True, check=True)
    printed = done.stdout.decode().splitlines()
    assert lines[-1] == "…"
    assert lines[:-1] == printed[: len(lines) - 1]


def test_the_python_runs():
    (code,) = [block for language, block in BLOCKS if language == "python"]
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, check=True)


@pytest.mark.parametrize("use", USES)
def test_commands_and_options_exist(use):
    words = shlex.split(use.replace("…", ""))
    if words[0] not in root.commands:
        assert words[0] not in {"collect", "report", "guard", "permissions", "lab"}, "not built yet"
        return
    command = root.commands[words[0]]
    if isinstance(command, click.Group):
        command = command.commands[words[1]]
    options = {text for one in command.params for text in one.opts}
    assert {word for word in words if word.startswith("--")} <= options | {"--help"}


def test_options_in_running_text_exist():
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    known = {text for command in root.commands.values() for one in command.params for text in one.opts}
    assert named
    assert named <= known


def test_links_inside_the_project_lead_somewhere():
    names = re.findall(r"`((?:tests|notebooks|sample_logs|ecs_trail|\.ci|\.build)(?:/[\w./-]+)?)`", TEXT)
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_test_command_can_be_found_by_ci():
    commands = [line for line in TEXT.splitlines() if re.fullmatch(r".*[/ ]pytest( .*)?", line)]
    assert commands == ["python3 -m venv .venv && .venv/bin/pip install -q '.[dev]' && .venv/bin/pytest"]
