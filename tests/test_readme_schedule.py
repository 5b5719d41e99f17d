"""Every schedule the README shows is whole: it parses, AWS's own models accept it, and its command exists."""

import ast
import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import click
import pytest
import yaml
from botocore.validate import ParamValidator

from ecs_trail.cli import main
from ecs_trail.cli.permissions import policy
from ecs_trail.evidence.outbox import topic
from ecs_trail.times import parse_duration

HEADING = "## I want it on a schedule"
TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SECTION = TEXT.partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def check_command(words: list[str]) -> click.Context:
    """A command of ours, parsed as the command line would parse it; nothing is run."""
    command = main.root.commands[words[0]]
    context = command.make_context(words[0], list(words[1:]))
    given = context.params
    parse_duration(given["overlap"])
    assert given["since_last"], "a schedule reads on from the last report"
    assert given["output"]
    assert given["sources"]
    policy(given["sources"])
    if given["notify"]:
        topic(given["notify"])
    return context


def shell(line: str) -> list[str]:
    """The words behind `ecs-trail` in a line of shell."""
    words = shlex.split(line)
    at = next(at for at, word in enumerate(words) if Path(word).name == "ecs-trail")
    return words[at + 1 :]


def check_cron(fields: str) -> None:
    parts = fields.split()
    assert len(parts) == 5, fields
    for part, (low, high) in zip(parts, FIELDS, strict=True):
        for piece in part.split(","):
            match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", piece)
            assert match, part
            numbers = [int(one) for one in match.groups()[:2] if one is not None]
            assert all(low <= one <= high for one in numbers), part
            assert match[3] is None or 1 <= int(match[3]) <= high, part


def check_model(service: str, operation: str, given: dict[str, Any]) -> None:
    """A request as the AWS SDK would check it; names that the model does not know are faults as well."""
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(given, shape)
    assert not report.has_errors(), report.generate_report()
    assert list(_unknown(given, shape, operation)) == []


def _unknown(given: Any, shape: Any, where: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for name, value in given.items():
            if name not in shape.members:
                yield f"{where}.{name}"
            else:
                yield from _unknown(value, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for value in given:
            yield from _unknown(value, shape.member, where)


def test_the_section_shows_every_way():
    assert [name for name, _ in BLOCKS] == ["crontab", "ini", "ini", "yaml", "json", "json", "dockerfile", "py", "json"]


def test_cron():
    (text,) = blocks("crontab")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    jobs = [line for line in lines if not re.match(r"[A-Z_]+=", line)]
    assert len(jobs) == 1
    assert len(lines) - len(jobs) == 2
    *fields, command = jobs[0].split(maxsplit=5)
    check_cron(" ".join(fields))
    assert "%" not in command, "cron reads a percent sign as a new line"
    check_command(shell(command))


def unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_systemd():
    service, timer = (unit(text) for text in blocks("ini"))
    assert service.sections() == ["Unit", "Service"]
    assert timer.sections() == ["Unit", "Timer", "Install"]
    assert [text.splitlines()[0].rpartition(".")[2] for text in blocks("ini")] == ["service", "timer"]
    started = service["Service"]["ExecStart"]
    assert Path(started.split()[0]).is_absolute()
    assert "%" not in started
    context = check_command(shell(started))
    assert context.params["output"] == f"/var/lib/{service['Service']['StateDirectory']}"
    assert service["Service"]["Type"] == "oneshot"
    assert re.fullmatch(r"(\*|\d+):(\*|\d+)(/\d+)?", timer["Timer"]["OnCalendar"])
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_github_actions():
    (text,) = blocks("yaml")
    flow = yaml.safe_load(text)
    on = flow[True]  # YAML 1.1 reads the key `on` as true; GitHub does not
    check_cron(on["schedule"][0]["cron"])
    assert flow["permissions"]["id-token"] == "write"
    (job,) = flow["jobs"].values()
    assert job["runs-on"]
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    commands = [step["run"] for step in job["steps"] if "ecs-trail" in step.get("run", "")]
    assert len(commands) == 1
    assert "\n" not in commands[0]
    assert check_command(shell(commands[0])).params["exit_code"], "a job fails by its exit code"


def test_an_ecs_scheduled_task():
    task, schedule, _ = (json.loads(text) for text in blocks("json"))
    check_model("ecs", "RegisterTaskDefinition", task)
    check_model("scheduler", "CreateSchedule", schedule)
    (container,) = task["containerDefinitions"]
    assert container["entryPoint"] == ["ecs-trail"]
    check_command(container["command"])
    target = schedule["Target"]
    assert target["EcsParameters"]["TaskDefinitionArn"].endswith(f"/{task['family']}")
    assert target["EcsParameters"]["LaunchType"] in task["requiresCompatibilities"]
    assert re.fullmatch(r"rate\(\d+ (minute|hour|day)s?\)", schedule["ScheduleExpression"])


def test_a_lambda_container(monkeypatch):
    (dockerfile,), (code,) = blocks("dockerfile"), blocks("py")
    steps = [line.split(maxsplit=1) for line in dockerfile.splitlines() if line and not line.startswith("#")]
    assert [word for word, _ in steps] == ["FROM", "COPY", "RUN", "COPY", "CMD"]
    module, _, function = json.loads(steps[-1][1])[0].partition(".")
    assert f"{module}.py" in steps[3][1]
    assert code.startswith(f"# {module}.py\n")
    assert function in {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}

    asked: list[list[str]] = []
    answers = iter((0, 3, 5))
    monkeypatch.setattr(main, "run", lambda words: asked.append(words) or next(answers))
    space: dict[str, Any] = {}
    exec(compile(code, f"{module}.py", "exec"), space)
    assert space[function]({}, None) == {"exit_code": 0}
    assert space[function]({}, None) == {"exit_code": 3}
    with pytest.raises(RuntimeError, match="exit code 5"):
        space[function]({}, None)
    check_command(asked[0])

    schedule = json.loads(blocks("json")[2])
    check_model("scheduler", "CreateSchedule", schedule)
    assert schedule["Target"]["Arn"].split(":")[2] == "lambda"
    json.loads(schedule["Target"]["Input"])


def test_the_checks_can_fail():
    with pytest.raises(AssertionError):
        check_cron("61 * * * *")
    with pytest.raises(click.UsageError):
        check_command(["report", "s3://x", "--output", "y", "--since-last", "--no-such-option"])
    with pytest.raises(AssertionError):
        check_command(["report", "s3://x", "--output", "y"])
    with pytest.raises(AssertionError):
        check_model("scheduler", "CreateSchedule", {"Name": "x"})
    with pytest.raises(AssertionError):
        check_model("ecs", "RegisterTaskDefinition", {"family": "x", "containerDefinitions": [{"nam": "y"}]})
