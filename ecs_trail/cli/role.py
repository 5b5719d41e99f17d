"""`ecs-trail role`: the infrastructure role as it should be, and a role held against that."""

import re
from typing import TYPE_CHECKING, Final

import click

from ecs_trail.cli.guard import solve_saved
from ecs_trail.cli.options import Output, Question, evidence_options, source_optional
from ecs_trail.cli.results import FOUND, deliver, finish
from ecs_trail.errors import UsageError
from ecs_trail.vocabulary import Purpose

if TYPE_CHECKING:
    from ecs_trail.case import Case

#: IAM role names (*IAM API Reference*, CreateRole).
_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_PARTITION: Final = re.compile(r"aws(-[a-z]+)*")
_PURPOSES: Final = click.option(
    "--purpose",
    "purposes",
    multiple=True,
    type=click.Choice([one.value for one in Purpose]),
    help="What the role is for; repeatable.",
)
_BAD: Final = frozenset({"missing", "unknown"})


@click.group()
def role() -> None:
    """Set the infrastructure role up right."""


@role.command()
@click.option("--name", required=True, metavar="NAME", help="Name of the role.")
@click.option("--partition", default="aws", show_default=True, metavar="NAME", help="aws, aws-cn, aws-us-gov, …")
@_PURPOSES
@click.option(
    "--format", "kind", type=click.Choice(("cli", "terraform", "cloudformation")), default="cli", show_default=True
)
def template(name: str, partition: str, purposes: tuple[str, ...], kind: str) -> None:
    """Print the role, its policies and the PassRole statement.

    The trust policy, the AWS managed policy of each purpose [default: volumes], and what whoever starts tasks needs.
    """
    from ecs_trail.cli.templates import as_cli, as_cloudformation, as_terraform

    if _NAME.fullmatch(name) is None:
        raise UsageError(f"'{name}' cannot be the name of a role.", hint="letters, digits and _+=,.@- up to 64.")
    if _PARTITION.fullmatch(partition) is None:
        raise UsageError(f"'{partition}' is no partition.", hint="aws, aws-cn or aws-us-gov, for example.")
    show = {"cli": as_cli, "terraform": as_terraform, "cloudformation": as_cloudformation}[kind]
    click.echo(show(name, [Purpose(one) for one in dict.fromkeys(purposes)] or [Purpose.VOLUMES], partition))


@source_optional
@role.command()
@evidence_options(("table", "csv", "json"), "table")
@_PURPOSES
def check(question: Question, output: Output, *, purposes: tuple[str, ...]) -> None:
    """Hold a role against what it should be.

    The role is taken from the evidence or from --role-state, as of --as-of. With --exit-code the command ends with 1
    when ECS lacks something, or when that cannot be told.
    """

    def answer(case: "Case") -> None:
        from ecs_trail.analysis.roles.standard import role_check
        from ecs_trail.frames import rows
        from ecs_trail.views.exports import write_frame

        arns = list(case.history.arns.items())
        if len(arns) != 1:
            listed = ", ".join(sorted(arn for _, arn in arns)) or "none"
            raise UsageError("the evidence has not exactly one role.", hint=f"choose with --role: {listed}.")
        key = arns[0][0]
        saved = [one.captured_at for one in case.snapshots if (one.account, one.role_name) == key]
        wanted = [Purpose(one) for one in purposes] or list(case.history.purposes[key]) or [Purpose.VOLUMES]
        frame = role_check(case.history, key, wanted, max([case.as_of, *saved]))
        deliver(output, lambda stream: write_frame(frame.frame, output.kind, stream))
        finish(case, Output(output.kind, output.path, output.quiet, exit_code=False))
        if output.exit_code and any(row["verdict"] in _BAD for row in rows(frame)):
            click.get_current_context().exit(FOUND)

    solve_saved(question, output, answer)
