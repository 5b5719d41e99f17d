"""The commands on evidence. Each is a few lines: words to one call to one result."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from ecs_trail.cli.options import Output, Question, evidence_options
from ecs_trail.cli.results import deliver, deliver_answer, finish, solve, write_all
from ecs_trail.views.text import clean

if TYPE_CHECKING:
    from ecs_trail.case import Case
    from ecs_trail.evidence.estimates import Estimate

_TABLE_FORMATS: Final = ("table", "csv", "json", "jsonl", "parquet")
#: Word of the command line -> frame of the case.
_FRAMES: Final = {
    "events": "events",
    "volumes": "volumes",
    "tls": "tls",
    "roles": "role_changes",
    "tasks": "tasks",
    "leaks": "leaks",
}
#: Columns of the aligned table, chosen for one line of a terminal; every other format has all columns.
_EYE_COLUMNS: Final = {
    "events": ("event_time", "event_name", "error_code", "session_name", "identity_arn", "aws_region", "event_id"),
    "volumes": ("volume_id", "state", "task_arn", "size_gib", "created_at", "deleted_at", "failures", "last_error"),
    "tls": ("secret_arn", "state", "service_arn", "issued_at", "last_rotation_at", "failures", "last_error"),
    "roles": ("event_time", "event_name", "effect", "role_arns", "actor", "lost", "gained", "event_id"),
    "leaks": (
        "volume_id",
        "region",
        "size_gib",
        "age_days",
        "monthly_cost_usd",
        "state",
        "confidence",
        "task_arn",
        "why",
    ),
    "tasks": ("task_arn", "state", "at_risk", "service", "stop_started_at", "blocked_since", "resolved_at"),
}


@click.command()
@evidence_options(("text", "json"), "text")
def investigate(question: Question, output: Output) -> None:
    """Name what broke, what hangs on it, how to repair it.

    SOURCE is a folder or file of CloudTrail logs, in any container CloudTrail is delivered or exported in. Saved
    DescribeTasks output inside a folder is used as well.
    """

    def answer(case: "Case") -> None:
        document = case.document
        if output.kind == "json":
            from ecs_trail.views.document import to_json

            deliver(output, lambda stream: write_all(stream, to_json(document)))
        else:
            deliver_answer(document, output)
        finish(case, output)

    solve(question, output, answer)


@click.command()
@evidence_options(_TABLE_FORMATS, "table")
@click.option("--raw", is_flag=True, help="Add the record as received, without its credentials.")
def events(question: Question, output: Output, *, raw: bool) -> None:
    """List the events an investigation stands on."""
    solve(question, output, lambda case: _show(case, "events", output, raw=raw))


@click.command()
@click.argument("which", type=click.Choice(tuple(_FRAMES)[1:]))
@evidence_options(_TABLE_FORMATS, "table")
def timeline(question: Question, output: Output, *, which: str) -> None:
    """List volumes, TLS secrets, role changes, tasks or leaks.

    Managed EBS volumes, Service Connect secrets, the changes of the infrastructure roles, the tasks that depend on such
    a role, or the volumes left behind by tasks that are gone: one row each.
    """
    solve(question, output, lambda case: _show(case, which, output))


def _show(case: "Case", name: str, output: Output, *, raw: bool = False) -> None:
    from ecs_trail.views.exports import write_frame

    frame = getattr(case, _FRAMES[name])
    if output.kind == "table":
        wanted = [*_EYE_COLUMNS[name], *(["raw"] if raw else [])]
        frame = frame[[column for column in wanted if column in frame.columns]]
    deliver(output, lambda stream: write_frame(frame, output.kind, stream, raw=raw, unredacted=case.unredacted))
    finish(case, output)


@click.command()
@evidence_options(("text", "json"), "text", engines=("athena",))
@click.option("--bytes", "size", metavar="SIZE", help="For an estimate: bytes of the log files as they lie there, 1TB.")
@click.option("--objects", type=click.IntRange(min=1), metavar="N", help="For an estimate: how many they are.")
@click.option("--executors", type=click.IntRange(min=1), metavar="N", help="For an estimate: executors of Spark.")
def plan(question: Question, output: Output, **sizes: Any) -> None:
    """Say what would be read, without reading it.

    Takes the options of investigate, so that one word changed in a command tries it out. With --bytes it works out
    requests, hours and price for an engine, from measured figures and list prices.
    """
    import json

    from ecs_trail.evidence.sources import open_source
    from ecs_trail.evidence.sources.queries import parse_size
    from ecs_trail.selection import bounded, default_selection, focused
    from ecs_trail.times import Window, aware_time

    now = datetime.now(UTC)
    given = (question.arguments[name] for name in ("since", "until"))
    window = Window(*(None if text is None else aware_time(text, now=now) for text in given))
    place = {name: question.arguments[name] for name in ("account", "region", "role")}
    selection = focused(bounded(default_selection(), window), **place)
    limit = parse_size(question.arguments["max_scan"]) if question.arguments["max_scan"] else None
    made = [open_source(source, max_scan=limit).plan(selection) for source in question.sources]
    worked = _estimate(question, **sizes)
    if output.kind == "text":
        more = [] if worked is None else [f"  {line}" for line in worked.lines]
        shown = "\n".join(clean(line) for line in [*(line for one in made for line in str(one).split("\n")), *more])
    else:
        fields = ("source", "reads", "widened", "trimmed", "bill")
        plans = [{name: getattr(one, name) for name in fields} for one in made]
        shown = json.dumps([one | ({} if worked is None else {"estimate": worked.plain}) for one in plans], indent=2)
    deliver(output, lambda stream: write_all(stream, f"{shown}\n".encode()))


def _estimate(question: Question, *, size: str | None, objects: int | None, executors: int | None) -> "Estimate | None":
    from ecs_trail.errors import UsageError
    from ecs_trail.evidence.estimates import estimate
    from ecs_trail.evidence.sources.queries import parse_size

    if size is None:
        if objects is not None or executors is not None:
            raise UsageError("an estimate needs the size of the log files.", hint="--bytes 1TB, for example.")
        return None
    if len(question.sources) > 1:
        raise UsageError("--bytes is the size of one source, and several are given.", hint="one plan for each.")
    engine, workers = question.arguments["engine"], question.arguments["workers"]
    return estimate(engine, parse_size(size), objects=objects, workers=workers, executors=executors)
