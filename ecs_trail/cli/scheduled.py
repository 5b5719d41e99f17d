"""A report that arrives by itself: investigate, compare with the last run, publish what changed, tell somebody.

The order makes a killed run harmless: the report is put in its place whole, then somebody is told, then the state is
replaced. A run that dies before the end leaves the last state, and the next one does its work again; the report has the
same name then, so it is not doubled.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from ecs_trail.cli.options import Output, Question
from ecs_trail.cli.results import FOUND, finish, solve
from ecs_trail.errors import UsageError
from ecs_trail.times import format_time

if TYPE_CHECKING:
    from ecs_trail.case import Case

S3: Final = "s3://"
#: Kinds of report a run leaves when none is asked for.
DEFAULT_KINDS: Final = ("md", "json")
_SCHEMA: Final = "ecs-trail/investigation/"


class Shelf(Protocol):
    """Where reports go: a folder or a bucket."""

    def held(self) -> AbstractContextManager[None]:
        """The place for this run alone."""

    def last(self) -> bytes | None:
        """The state of the last run."""

    def publish(self, name: str, files: Mapping[str, bytes]) -> str:
        """Put a run's files in place; returns where they are."""

    def commit(self, state: bytes) -> None:
        """Replace the state."""

    def prune(self, keep: int) -> list[str]:
        """Remove old runs."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a scheduled run was asked for. `output` is a folder or `s3://…`; `compare` the state file, if named."""

    output: str
    kinds: tuple[str, ...] = DEFAULT_KINDS
    since_last: bool = False
    compare: Path | None = None
    overlap: timedelta = timedelta(hours=1)
    redact: bool = False
    keep: int | None = None
    notify: str | None = None
    webhook: Path | None = None
    exit_code: bool = False
    quiet: bool = False


def run_scheduled(question: Question, schedule: Schedule) -> None:
    """One run. Ends with 1 when `exit_code` is set and a finding is new or grew worse, with 3 for partial evidence.

    Raises `UsageError` for options that cannot be meant together, before anything is read.
    """
    _check(question, schedule)
    shelf = _shelf(schedule)
    with _kept(shelf):
        last = _last(shelf, schedule)
        asked = _since(question, schedule, last)
        solve(asked, _output(schedule), lambda case: _answer(case, shelf, schedule, last))


def _output(schedule: Schedule) -> Output:
    return Output("md", None, schedule.quiet, exit_code=False)  # the exit code of a comparison is its own


@contextmanager
def _kept(shelf: Shelf) -> Iterator[None]:
    with shelf.held():
        yield


def _check(question: Question, schedule: Schedule) -> None:
    from ecs_trail.views.writers import writer_for

    for kind in schedule.kinds:
        writer_for(f"report.{kind}")
    if schedule.notify is not None:
        from ecs_trail.evidence.outbox import topic

        topic(schedule.notify)
    for file in (schedule.compare if schedule.since_last else None, schedule.webhook):
        if file is not None and not file.resolve().parent.is_dir():
            raise UsageError(f"there is no folder for '{file}'.", hint="make it first; nothing was read.")
    bucket = schedule.output.startswith(S3)
    if bucket and schedule.keep is not None:
        raise UsageError("--keep removes no objects from a bucket.", hint="give the bucket a lifecycle rule.")
    if bucket and schedule.compare is not None and schedule.since_last:
        raise UsageError(
            "the state of reports in a bucket is kept beside them.", hint="leave --compare out, or --since-last."
        )
    if schedule.redact and schedule.since_last and (bucket or schedule.compare is None):
        raise UsageError(
            "the state of a run holds real names, and it would stand beside the redacted reports.",
            hint="write reports to a folder, and give --compare FILE in another place for the state.",
        )
    if schedule.since_last and question.arguments.get("since"):
        raise UsageError("--since and --since-last exclude each other.", hint="--since-last knows where to begin.")


def _shelf(schedule: Schedule) -> Shelf:
    if schedule.output.startswith(S3):
        from ecs_trail.evidence.outbox import BucketShelf

        return BucketShelf(schedule.output)
    from ecs_trail.views.shelf import FolderShelf

    return FolderShelf(schedule.output, schedule.compare if schedule.since_last else None)


def _last(shelf: Shelf, schedule: Schedule) -> dict[str, Any] | None:
    """The document to compare with: the state with `--since-last`, the file of `--compare` without it."""
    if schedule.since_last:
        data = shelf.last()
        if data is None and not schedule.quiet:
            click.echo("ecs-trail: no report to compare with yet: this is the first.", err=True)
        return None if data is None else _document(data, str(schedule.compare or "last.json"))
    if schedule.compare is None:
        return None
    try:
        return _document(schedule.compare.read_bytes(), str(schedule.compare))
    except OSError as error:
        raise UsageError(
            f"'{schedule.compare}' cannot be read: {error.strerror or error}.", hint="name the JSON of an earlier run."
        ) from error


def _document(data: bytes, name: str) -> dict[str, Any]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or not str(read.get("schema", "")).startswith(_SCHEMA) or "findings" not in read:
        raise UsageError(
            f"'{name}' is no investigation of ecs-trail, so nothing can be compared with it.",
            hint="name the output of investigate --format json, or move the file away to begin anew.",
        )
    return read


def _since(question: Question, schedule: Schedule, last: Mapping[str, Any] | None) -> Question:
    if last is None or not schedule.since_last:
        return question
    from ecs_trail.analysis.difference import reach_back

    start = format_time(reach_back(last, schedule.overlap))
    return replace(question, arguments=dict(question.arguments) | {"since": start})


def _answer(case: "Case", shelf: Shelf, schedule: Schedule, last: Mapping[str, Any] | None) -> None:
    from ecs_trail.analysis.difference import difference, state
    from ecs_trail.views.document import to_json

    document = case.document
    if last is not None and document["as_of"] < last["as_of"]:
        click.echo(
            f"ecs-trail: the evidence ends at {document['as_of']}, before the last report ({last['as_of']}); "
            "nothing was compared.",
            err=True,
        )
        finish(case, _output(schedule))
        return
    found = difference(last, document)
    if found["changed"]:
        where = _publish(case, shelf, schedule, found)
        _tell(schedule, found, where)
    moved = last is None or found["changed"] or document["as_of"] != last["as_of"]
    if schedule.since_last and moved:
        shelf.commit(to_json(state(document, found)))
    if schedule.keep is not None:
        shelf.prune(schedule.keep)
    finish(case, _output(schedule))
    if schedule.exit_code and found["alarming"]:
        click.get_current_context().exit(FOUND)


def _publish(case: "Case", shelf: Shelf, schedule: Schedule, found: Mapping[str, Any]) -> str:
    """Write the reports of this run; returns where they are."""
    from ecs_trail.analysis.difference import with_difference
    from ecs_trail.case.tables import handout
    from ecs_trail.views.news import news
    from ecs_trail.views.plain import dumped
    from ecs_trail.views.shelf import run_name
    from ecs_trail.views.writers import writer_for

    whole = with_difference(case.document, dict(found))
    document, frames = handout(case, whole, redacted=schedule.redact)
    told = document["difference"]
    files = {f"report.{kind}": writer_for(f"report.{kind}")(document, frames) for kind in schedule.kinds}
    files |= {"changes.md": news(told).encode("utf-8", errors="backslashreplace")}
    files |= {"changes.json": f"{dumped(told, indent=2)}\n".encode()}
    return shelf.publish(run_name(document["as_of"], files), files)


def _tell(schedule: Schedule, found: Mapping[str, Any], where: str) -> None:
    """Say what changed: on stdout, in the webhook file, to the topic. A failure here leaves the state as it was."""
    from ecs_trail.views.news import headline, news
    from ecs_trail.views.plain import dumped
    from ecs_trail.views.redact import redact
    from ecs_trail.views.whole_files import write_atomically

    told = redact(found)[0] if schedule.redact else found
    text = news(told)
    if schedule.webhook is not None:
        payload = {"text": text, "headline": headline(told), "report": where, "difference": told}
        data = f"{dumped(payload, indent=2)}\n".encode()
        write_atomically(schedule.webhook, lambda stream: _put(stream, data))
    if schedule.notify is not None:
        from ecs_trail.evidence.outbox import publish, topic

        publish(topic(schedule.notify), headline(told), f"{text}\nReport: {where}\n")
    if not schedule.quiet:
        click.echo(text, nl=False)
        click.echo(f"ecs-trail: report written to {where}", err=True)


def _put(stream: Any, data: bytes) -> None:
    stream.write(data)
