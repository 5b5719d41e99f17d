"""The schedules that `notebooks/README.md` shows are whole: they parse, AWS's models take them, the command exists."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from test_readme_schedule import check_cron, check_model, shell, unit

from ecs_trail.cli import main

TEXT = (Path(__file__).parent.parent / "notebooks" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
NOTEBOOKS = {path.stem for path in (Path(__file__).parent.parent / "notebooks").glob("*.ipynb")}


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def check(words: list[str]) -> dict[str, Any]:
    """A `notebook run` as the command line would parse it; nothing is run."""
    assert words[:2] == ["notebook", "run"]
    group = main.root.commands["notebook"]
    assert isinstance(group, click.Group)
    given = group.commands["run"].make_context("run", list(words[2:])).params
    assert given["name"] in NOTEBOOKS
    assert Path(str(given["output"])).suffix in {".html", ".ipynb"}
    return given


def test_the_section_shows_every_way():
    assert [name for name, _ in BLOCKS] == ["crontab", "ini", "ini", "yaml", "json", "dockerfile", "py", "json"]


def test_cron():
    (text,) = blocks("crontab")
    *fields, command = text.splitlines()[-1].split(maxsplit=5)
    check_cron(" ".join(fields))
    check(shell(command))


def test_systemd():
    service, timer = (unit(text) for text in blocks("ini"))
    given = check(shell(service["Service"]["ExecStart"]))
    assert str(given["output"]).startswith(f"/var/lib/{service['Service']['StateDirectory']}/")
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_github_actions():
    flow = yaml.safe_load(blocks("yaml")[0])
    check_cron(flow[True]["schedule"][0]["cron"])
    (job,) = flow["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if "ecs-trail notebook" in step.get("run", "")]
    page = str(check(shell(command))["output"])
    assert [step["with"]["path"] for step in job["steps"] if "upload" in step.get("uses", "")] == [page]


def test_an_ecs_scheduled_task():
    task = json.loads(blocks("json")[0])
    check_model("ecs", "RegisterTaskDefinition", task)
    (container,) = task["containerDefinitions"]
    given = check(container["command"])
    assert str(given["output"]).startswith(container["mountPoints"][0]["containerPath"])


def test_a_lambda_container(monkeypatch):
    (dockerfile,), (code,) = blocks("dockerfile"), blocks("py")
    module, _, function = json.loads(dockerfile.splitlines()[-1].removeprefix("CMD "))[0].partition(".")
    assert code.startswith(f"# {module}.py\n")
    assert function in {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    asked: list[list[str]] = []
    answers = iter((0, 5))
    monkeypatch.setattr(main, "run", lambda words: asked.append(words) or next(answers))
    space: dict[str, Any] = {}
    exec(compile(code, f"{module}.py", "exec"), space)
    assert space[function]({}, None)["exit_code"] == 0
    with pytest.raises(RuntimeError, match="exit code 5"):
        space[function]({}, None)
    check(asked[0])
    check_model("scheduler", "CreateSchedule", json.loads(blocks("json")[1]))
