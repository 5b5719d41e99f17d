"""Results and their consequences: where bytes go, what is said on stderr, which exit code follows."""

import io
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, Final

import click

from ecs_trail.cli.options import Output, Question, aws_profile
from ecs_trail.cli.progress import ProgressBar
from ecs_trail.views.text import clean, count

if TYPE_CHECKING:
    from ecs_trail.case import Case

#: Columns of the text answer where nobody watches; a terminal has its own width.
WIDTH: Final = 100
FOUND: Final = 1
PARTIAL: Final = 3
FAILED: Final = 4
_PROBLEMS_SAID: Final = 3


def solve(question: Question, output: Output, answer: "Callable[[Case], None]") -> None:
    """Investigate, with progress for a person who waits, and hand the case to `answer`.

    The frames of a case are computed on first use, so `answer` runs inside as well.
    """
    from ecs_trail.doors import investigate

    with ExitStack() as stack:
        stack.enter_context(aws_profile(question.profile))
        bar = stack.enter_context(ProgressBar(quiet=output.quiet))
        case = investigate(list(question.sources), **question.arguments, progress=bar)
        bar.__exit__(None, None, None)
        answer(case)


def deliver(output: Output, write: Callable[[IO[bytes]], None]) -> None:
    """Write a result to `--output`, whole or not at all, or to stdout."""
    if output.path is None:
        write(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    from ecs_trail.views.whole_files import write_atomically

    write_atomically(output.path, write)


def deliver_answer(document: Mapping[str, Any], output: Output) -> None:
    """The text answer: in colour and as wide as the terminal for a person, plain and 100 columns wide otherwise."""
    from rich.console import Console

    from ecs_trail.views.answer import print_answer

    if output.path is None and sys.stdout.isatty():
        print_answer(document, Console())
        return
    page = io.StringIO()
    print_answer(document, Console(file=page, width=WIDTH, color_system=None, force_terminal=False))
    lines = [line.rstrip() for line in page.getvalue().splitlines()]
    text = "\n".join((*lines, "")).encode("utf-8", errors="backslashreplace")
    deliver(output, lambda stream: write_all(stream, text))


def write_all(stream: IO[bytes], data: bytes) -> None:
    """Write bytes that are ready."""
    stream.write(data)


def finish(case: "Case", output: Output) -> None:
    """Say on stderr what is wrong with the evidence, and end with the exit code that follows.

    4 where it fails its integrity check, 3 where part of it could not be read or proven, 1 for a finding.
    """
    if not output.quiet:
        for charge in case.receipt.bill:
            cost = f"{charge.bytes_scanned:,} bytes, about ${charge.estimated_usd:.4f}"
            click.echo(f"ecs-trail: {clean(charge.source)} scanned {cost}.", err=True)
    lost = [problem for problem in case.receipt.problems if problem.is_partial]
    if lost:
        from ecs_trail.views.secrets import scrub_text

        click.echo(f"ecs-trail: the result is partial: {count(len(lost), 'problem')} in the evidence.", err=True)
        for problem in lost[:_PROBLEMS_SAID]:
            told = (problem.source, problem.kind, problem.detail)
            words = (clean(scrub_text(one), 400) for one in told)
            click.echo(f"  {': '.join(words)}", err=True)
        if len(lost) > _PROBLEMS_SAID:
            rest = len(lost) - _PROBLEMS_SAID
            click.echo(f"  … and {rest:,} more, listed by investigate --format json.", err=True)
    found = FOUND if output.exit_code and len(case.sheets.findings) else 0
    code = max(PARTIAL if lost else 0, _integrity_code(case), found)
    if code:
        click.get_current_context().exit(code)


def _integrity_code(case: "Case") -> int:
    """The exit code of the integrity check, where one was asked for; what is not whole is said on stderr."""
    if case.integrity is None:
        return 0
    from ecs_trail.views.integrity import verdict_line

    document = case.integrity.document()
    code = {"failed": FAILED, "partial": PARTIAL, "nothing": PARTIAL}.get(document["verdict"], 0)
    if code:
        click.echo(f"ecs-trail: integrity: {verdict_line(document)}", err=True)
    return code
