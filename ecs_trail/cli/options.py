"""The options that every command on evidence shares (contract, section 1)."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how a result is shown: `kind` is the value of `--format`."""

    kind: str
    path: Path | None
    quiet: bool
    exit_code: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: the sources, and the arguments of `ecs_trail.investigate`."""

    sources: tuple[str, ...]
    arguments: Mapping[str, Any]
    profile: str | None


def evidence_options(
    formats: tuple[str, ...], default: str, *, engines: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """Add SOURCE and the common options to a command; `formats` are the values of `--format`, `engines` those of
    `--engine` beside the ones that read.

    The command is called with a `Question` and an `Output`, then with the options of its own.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def called(**options: Any) -> Any:
            output = Output(*(options.pop(name) for name in ("kind", "output", "quiet", "exit_code")))
            question = _asked(options)
            return command(question, output, **options)

        for add in reversed((*_WHAT, *_HOW, engine_option(*engines), *_shown(formats, default))):
            called = add(called)
        return cast("Command", called)

    return decorate


def question_options(command: Command) -> Command:
    """Add SOURCE and the options about evidence alone; the command is called with a `Question`, then its own."""

    @wraps(command)
    def called(**options: Any) -> Any:
        question = _asked(options)
        return command(question, **options)

    for add in reversed((*_WHAT, *_HOW, ENGINE)):
        called = add(called)
    return cast("Command", called)


def _asked(options: dict[str, Any]) -> Question:
    """The question among the options of a command, taken out of them."""
    sources, profile = options.pop("sources"), options.pop("profile")
    return Question(sources, {name: options.pop(name) for name in _ARGUMENTS}, profile)


def source_optional(command: click.Command) -> click.Command:
    """Let SOURCE be left out, where something else may take its place."""
    for parameter in command.params:
        if parameter.name == "sources":
            parameter.required = False
    return command


def engine_option(*more: str) -> Callable[[Command], Command]:
    """`--engine`; `more` are engines beside those that read."""
    return click.option(
        "--engine",
        type=click.Choice(("local", "spark", *more)),
        default="local",
        show_default=True,
        help="Who reads: processes of this machine, or the executors of Apache Spark"
        + (", or who might: the estimate is of that one." if more else "."),
    )


ENGINE: Final = engine_option()

_WHAT = (
    click.argument("sources", nargs=-1, required=True, metavar="SOURCE..."),
    click.option("--since", metavar="TIME", help="Read from here on: ISO 8601 with zone, a date, or -6h, -3d."),
    click.option("--until", metavar="TIME", help="Read up to here, this moment excluded."),
    click.option("--role", metavar="ARN|NAME", help="Only this infrastructure role."),
    click.option("--account", metavar="ID", help="Only this account."),
    click.option("--region", metavar="REGION", help="Only this Region."),
    click.option("--cluster", metavar="NAME", help="Only this ECS cluster."),
)
_HOW = (
    click.option(
        "--tasks",
        multiple=True,
        metavar="FILE",
        help="Saved DescribeTasks output or ECS Task State Change events; repeatable.",
    ),
    click.option("--volumes", multiple=True, metavar="FILE", help="Saved DescribeVolumes output; repeatable."),
    click.option("--role-state", multiple=True, metavar="FILE", help="Saved IAM state of a role; repeatable."),
    click.option(
        "--as-of", metavar="TIME", help="Judge as of this moment [default: the newest moment in the evidence]."
    ),
    click.option(
        "--stuck-after",
        metavar="DURATION",
        default="10m",
        show_default=True,
        help="How long a stop may take before its silence counts.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Processes that read; by default one a processor, where there is much to read.",
    ),
    click.option(
        "--max-scan", metavar="SIZE", help="Stop a query of Athena or CloudTrail Lake that reads more: 500MB, 10GB."
    ),
    click.option(
        "--max-expansion",
        metavar="SIZE",
        help="Bytes that one file may have or expand to before it counts as a bomb: 500MB, 2GB [default: 192 MiB].",
    ),
    click.option(
        "--checkpoint",
        metavar="FILE",
        help="Keep here how far an api:// source was read; the same command goes on there after a kill.",
    ),
    click.option("--profile", metavar="NAME", help="AWS profile for sources in AWS."),
    click.option("--verify", is_flag=True, help="Verify the log files against CloudTrail's digests as well."),
    click.option(
        "--public-keys",
        multiple=True,
        metavar="FILE",
        help="For --verify: saved output of aws cloudtrail list-public-keys; repeatable.",
    ),
    click.option(
        "--unredacted",
        is_flag=True,
        help="Leave tokens, keys and passwords of the records in the result, of whatever kind.",
    ),
    click.option("--chains", is_flag=True, help="Follow sessions that changed a role to who opened them; reads again."),
)


#: Options that are arguments of `investigate` by the same name.
_ARGUMENTS: Final = (
    "since",
    "until",
    "role",
    "account",
    "region",
    "cluster",
    "tasks",
    "volumes",
    "role_state",
    "checkpoint",
    "as_of",
    "stuck_after",
    "workers",
    "engine",
    "verify",
    "public_keys",
    "chains",
    "unredacted",
    "max_scan",
    "max_expansion",
)


def _shown(formats: tuple[str, ...], default: str) -> tuple[Callable[[Command], Command], ...]:
    return (
        click.option(
            "--format",
            "kind",
            type=click.Choice(formats),
            default=default,
            show_default=True,
            help="Shape of the result.",
        ),
        click.option(
            "--output",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write here instead of stdout, whole or not at all.",
        ),
        click.option("--quiet", is_flag=True, help="No progress and no remarks on stderr."),
        click.option("--exit-code", is_flag=True, help="End with 1 when there is a finding."),
    )


@contextmanager
def aws_profile(name: str | None) -> Iterator[None]:
    """Make a profile the one that the AWS SDK picks, for as long as the command runs."""
    before = os.environ.get("AWS_PROFILE")
    if name:
        os.environ["AWS_PROFILE"] = name
    try:
        yield
    finally:
        if name and before is None:
            os.environ.pop("AWS_PROFILE", None)
        elif name and before is not None:
            os.environ["AWS_PROFILE"] = before
