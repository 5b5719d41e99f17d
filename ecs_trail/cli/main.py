"""`ecs-trail`: the entry point. Nothing heavy is imported here, so that `--help` answers at once."""

import errno
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import click

from ecs_trail import __version__
from ecs_trail.cli.lazy import COMMANDS, LazyCommands
from ecs_trail.errors import EcsTrailError
from ecs_trail.views.text import clean

USAGE: Final = 2
INTERRUPTED: Final = 130
#: Set this variable to see where an unexpected error came from.
DEBUG: Final = "ECS_TRAIL_DEBUG"
#: What a system says of a stdout that takes nothing (any more). Errors of files have words of their own.
_CANNOT_WRITE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
#: For linear algebra, which nothing here asks for, numpy starts a thread a processor that spins before it rests. Where
#: much comes and goes, Arrow's own pools keep the largest of every kind, a quarter of what a command holds.
_THRIFT: Final = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
#: Objects made before the garbage collector looks at the youngest.
_COLLECT_AFTER: Final = 50_000


class _Root(click.Group):
    """A group whose commands are loaded when used, and end quietly when the reader of a pipe has left."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; `ecs-trail events … | head` is no error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _give_up_stdout()
            return 0
        return result

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with a line each, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in sorted(COMMANDS.items())])


@click.group(
    cls=_Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="ecs-trail", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """CloudTrail forensics for the Amazon ECS infrastructure role.

    What broke, when, by whom, which tasks and volumes hang on it, and how to repair it.

    \b
    Exit codes:
      0  done
      1  done, --exit-code was given and there is a finding
      2  wrong usage
      3  done, but part of the evidence could not be read
      4  an integrity check failed
      5  access denied, throttled out or unreachable
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


root.commands = LazyCommands()


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; messages go to stderr and no traceback reaches a user.

    With `ECS_TRAIL_DEBUG` set, an unexpected error is raised as it is.
    """
    try:
        code = root.main(list(arguments), prog_name="ecs-trail", standalone_mode=False)
    except click.Abort as error:
        # click takes an EOFError for a closed keyboard; here nothing reads the keyboard, so it is a fault.
        if isinstance(error.__cause__, EOFError):
            return _apologise(error.__cause__)
        return _say("interrupted; no result was written.", code=INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return USAGE
    except EcsTrailError as error:
        return _say(error.message, error.hint, code=error.exit_code)
    except Exception as error:  # the last line: a user meets a sentence, a developer the traceback
        if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
            _give_up_stdout()
            hint = "free space, or name a file in a place that is yours with --output."
            return _say(f"the result cannot be written: {os.strerror(error.errno)}.", hint, code=USAGE)
        if os.environ.get(DEBUG):
            raise
        return _apologise(error)
    return code if isinstance(code, int) else 0


def _apologise(error: BaseException) -> int:
    hint = f"run it again with {DEBUG}=1 to see where, and report it with what that shows."
    message = str(error).partition("\n")[0]
    return _say(f"sorry, this is a mistake in ecs-trail itself ({type(error).__name__}: {message}).", hint, code=USAGE)


def _say(message: str, hint: str = "", *, code: int) -> int:
    lines = [f"ecs-trail: {message}", *([f"Hint: {hint}"] if hint else [])]
    from ecs_trail.views.secrets import scrub_text

    for line in scrub_text("\n".join(lines)).split("\n"):
        click.echo(clean(line), err=True)
    return code


def main() -> NoReturn:
    """The entry point of the installed command."""
    # One command makes much and throws little away: the collector's usual pace costs it a twentieth of its time.
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    for name, value in _THRIFT.items():
        os.environ.setdefault(name, value)
    _open_what_is_closed()
    code = run(sys.argv[1:])
    # All goes at once now: the collector's last walks over what is left would cost a tenth of a short command.
    gc.freeze()
    sys.exit(code)


def _give_up_stdout() -> None:
    """The interpreter flushes stdout once more at exit; give it a place where that succeeds."""
    with suppress(OSError, ValueError):  # a stdout without a number is no file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_what_is_closed() -> None:
    """Put something in the place of a closed stdout or stderr (`>&-`): the next file that is opened would get its
    number. What is written to stdout is refused as the system refuses it; messages without a place are dropped.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
