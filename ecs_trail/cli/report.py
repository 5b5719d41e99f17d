"""`ecs-trail report`: a report to hand on, once or on schedule."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ecs_trail.cli.options import Output, Question, question_options, source_optional
from ecs_trail.cli.results import deliver, finish, solve, write_all
from ecs_trail.errors import UsageError

if TYPE_CHECKING:
    from ecs_trail.case import Case

_FOLDERS: Final = ("csv", "parquet")
#: Options that make a report one of a series.
_SERIES: Final = ("since_last", "compare", "keep", "notify", "webhook")


@source_optional
@click.command()
@question_options
@click.option("--store", metavar="DIR", help="A local store as a source; the same as SOURCE store:DIR.")
@click.option(
    "--output",
    metavar="PLACE",
    help="A file, whose suffix names the kind; a folder; s3://BUCKET/PREFIX.",
)
@click.option(
    "--format", "kinds", multiple=True, metavar="KIND", help="Kind of report, where the name does not tell; repeatable."
)
@click.option("--redact", is_flag=True, help="Accounts, names and addresses become pseudonyms.")
@click.option(
    "--since-last", is_flag=True, help="Read on from the last report in PLACE, and keep the state for the next."
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="LAST.json",
    help="Report only what changed since this investigation.",
)
@click.option(
    "--overlap", default="1h", show_default=True, metavar="DURATION", help="Read so much twice: logs come late."
)
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N reports of the folder.")
@click.option("--notify", metavar="sns:ARN", help="Publish what changed to this SNS topic. Writes to AWS.")
@click.option(
    "--webhook",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what changed to FILE as JSON.",
)
@click.option("--exit-code", is_flag=True, help="End with 1 when there is a finding; in a series, a new or worse one.")
@click.option("--quiet", is_flag=True, help="No progress and no remarks; the exit code tells.")
def report(question: Question, **options: Any) -> None:
    """Write a report to hand on, once or on schedule.

    Once: .html (one page that opens offline), .pdf, .xlsx, .md, .json, .jsonl (Timesketch), .ocsf.json, .trace.json
    (Perfetto), or a folder with --format csv or
    parquet. On schedule, with --since-last or --compare: what is new, still open and resolved since the last run; a
    folder per run that had something to say, and silence otherwise.
    """
    from ecs_trail.times import parse_duration
    from ecs_trail.views.writers import KINDS, writer_for

    store = options.pop("store")
    sources = (*question.sources, *([f"store:{store}"] if store else []))
    if not sources:
        raise UsageError("no source was given.", hint="give a SOURCE, or --store DIR.")
    if not options["output"]:
        raise UsageError("report needs --output.", hint=f"a name that ends in one of {', '.join(KINDS)}, or a folder.")
    question = replace(question, sources=sources)
    options["overlap"] = parse_duration(options["overlap"])
    if any(options[name] for name in _SERIES) or options["output"].startswith("s3://"):
        from ecs_trail.cli.scheduled import DEFAULT_KINDS, Schedule, run_scheduled

        kinds = options.pop("kinds") or DEFAULT_KINDS
        run_scheduled(question, Schedule(kinds=tuple(dict.fromkeys(kinds)), **options))
        return
    output = Output("report", Path(options["output"]), options["quiet"], options["exit_code"])
    kinds, hidden = options["kinds"], options["redact"]
    if len(kinds) > 1:
        raise UsageError("one file has one kind.", hint="several --format go with --since-last or --compare.")
    kind = kinds[0] if kinds else ""
    if kind not in _FOLDERS:
        writer_for(_named(output, kind))  # a name nobody can write is refused before the evidence is read
    solve(question, output, lambda case: _write(case, output, kind, redacted=hidden))


def _write(case: "Case", output: Output, kind: str, *, redacted: bool) -> None:
    if kind in _FOLDERS:
        _folder(case, output, kind, redacted=redacted)
    else:
        from ecs_trail.case.tables import handout
        from ecs_trail.views.writers import writer_for

        data = writer_for(_named(output, kind))(*handout(case, case.document, redacted=redacted))
        deliver(output, lambda stream: write_all(stream, data))
    finish(case, output)


def _named(output: Output, kind: str) -> str:
    """The name that tells the kind of a report."""
    return f"report.{kind}" if kind else str(output.path)


def _folder(case: "Case", output: Output, kind: str, *, redacted: bool) -> None:
    from ecs_trail.case.tables import tables
    from ecs_trail.times import format_time
    from ecs_trail.views.folder import write_folder

    made = tables(case)
    if redacted:
        from ecs_trail.views.redact import redact

        frames = redact(case.document, {one.spec.name: one.frame for one in made})[1]
        made = [replace(one, frame=frames[one.spec.name]) for one in made]
    write_folder(made, str(output.path), kind, as_of=format_time(case.as_of), unredacted=case.unredacted)
