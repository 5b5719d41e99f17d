"""`ecs-trail guard`: before a role is changed or deleted, who still depends on it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ecs_trail.cli.options import Output, Question, evidence_options, source_optional
from ecs_trail.cli.results import FOUND, deliver, finish, solve, write_all
from ecs_trail.errors import UsageError
from ecs_trail.views.text import clean, count

if TYPE_CHECKING:
    from ecs_trail.analysis.roles.guard import Guarded
    from ecs_trail.analysis.roles.proposals import Proposal
    from ecs_trail.case import Case

_SAID: Final[Mapping[str, str]] = {
    "breaks": "BREAKS",
    "may_break": "MAY BREAK (the evidence does not say)",
    "nobody_depends": "nobody in the evidence depends on what goes",
    "harmless": "harmless: ECS keeps all it needs",
}
_SHOWN: Final = 10


def solve_saved(question: Question, output: Output, answer: "Callable[[Case], None]") -> None:
    """As `solve`, also without a source. Raises `UsageError` where there is neither a source nor a saved state."""
    if question.sources:
        solve(question, output, answer)
        return
    if not question.arguments["role_state"]:
        raise UsageError("there is nothing to judge by.", hint="give a SOURCE, or --role-state FILE.")
    import tempfile

    # No evidence at all is an empty folder: everything else stays on the one road.
    with tempfile.TemporaryDirectory() as empty:
        solve(Question((empty,), question.arguments, question.profile), output, answer)


@source_optional
@click.command()
@evidence_options(("text", "json"), "text")
@click.option(
    "--change",
    multiple=True,
    metavar="CHANGE",
    help="delete, detach:POLICY, attach:ARN, trust:FILE, policy:[NAME=]FILE, boundary:ARN[=FILE], scp:FILE; "
    "repeatable, made in this order [default: delete].",
)
@click.option(
    "--terraform-plan",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Guard the role changes of a plan (terraform show -json).",
)
def guard(question: Question, output: Output, *, change: tuple[str, ...], terraform_plan: Path | None) -> None:
    """Say who depends on a role before it is changed.

    The change is made in thought on the role as the evidence, or --role-state, shows it. With --exit-code the command
    ends with 1 when something would break, or might. SOURCE may be left out where --role-state is given.
    """
    if change and terraform_plan is not None:
        raise UsageError("--change and --terraform-plan exclude each other.", hint="guard one, then the other.")
    if terraform_plan is None and question.arguments["role"] is None:
        raise UsageError("guard needs --role.", hint="--role ARN, or --terraform-plan FILE for the roles of a plan.")
    made = [_read(one) for one in change or ("delete",)]

    def answer(case: "Case") -> None:
        answers = list(_planned(case, terraform_plan) if terraform_plan else _asked(case, question, made))
        if output.kind == "json":
            documents = [one.document() for one in answers]
            whole = documents if terraform_plan else documents[0]
            deliver(output, lambda stream: write_all(stream, f"{json.dumps(whole, indent=2)}\n".encode()))
        else:
            text = "\n\n".join("\n".join(_lines(one)) for one in answers) or "no infrastructure role is changed."
            deliver(output, lambda stream: write_all(stream, f"{text}\n".encode(errors="backslashreplace")))
        finish(case, Output(output.kind, output.path, output.quiet, exit_code=False))
        if output.exit_code and any(one.breaks for one in answers):
            click.get_current_context().exit(FOUND)

    solve_saved(question, output, answer)


def _asked(case: "Case", question: Question, made: "Sequence[Proposal]") -> "Iterator[Guarded]":
    named = question.arguments["role"]
    # The case is narrowed to the role already; its own ARN may carry a path the user left out.
    arns = list(case.history.arns.values())
    yield case.guard(*made, role=arns[0] if len(arns) == 1 else named)


def _planned(case: "Case", path: Path) -> "Iterator[Guarded]":
    """The roles of a plan that the evidence knows as infrastructure roles."""
    from ecs_trail.cli.plans import EVERY_ROLE, read_plan

    plan = read_plan(path)
    for key, arn in sorted(case.history.arns.items()):
        moments = case.history.moments[key]
        held = moments[-1].material.state
        shared = [one for one in plan.get(EVERY_ROLE, ()) if one.subject in {*held.attached, held.boundary}]
        own = plan.get(key[1], [])
        if own or shared:
            yield case.guard(*shared, *own, role=arn)


def _read(text: str) -> "Proposal":
    """One `--change`, with its file read."""
    from ecs_trail.analysis.roles.proposals import WITH_DOCUMENT, Proposal, proposal

    kind, _, rest = text.partition(":")
    name, has_file, file = rest.rpartition("=")
    if kind in WITH_DOCUMENT:
        return Proposal(kind, name, _document(Path(file if has_file else rest), text))
    if kind in {"boundary", "attach"} and has_file:
        return Proposal(kind, name, _document(Path(file), text))
    return proposal(text)


def _document(path: Path, told: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
        parsed = json.loads(text)
    except OSError as error:
        raise UsageError(f"--change {told}: '{path}' cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--change {told}: '{path}' is no JSON: {error}.", hint="give a policy document.") from error
    if not isinstance(parsed, dict) or "Statement" not in parsed:
        raise UsageError(f"--change {told}: '{path}' is no policy document.", hint="it needs a Statement.")
    return text


def _lines(answer: "Guarded") -> Iterator[str]:
    yield f"{clean(', '.join(answer.proposals))} on {clean(answer.role_arn)}"
    nothing_new = answer.verdict == "harmless" and answer.already
    said = "takes nothing that is not lost already" if nothing_new else _SAID[answer.verdict]
    yield f"  as of {answer.as_of:%Y-%m-%dT%H:%M:%SZ}: {said}"
    for one in answer.broken:
        sure = "" if one.sure else " (perhaps: what else grants them is not known)"
        yield f"  {one.purpose}, {one.phase}: loses {', '.join(one.actions)}{sure}"
        yield from _listed("task", one.task_arns)
        yield from _listed("secret", one.secret_arns)
        if one.services and not one.task_arns and not one.secret_arns:
            yield f"    services that could not start new tasks: {clean(', '.join(one.services))}"
    for title, values in (
        ("services behind them", answer.services),
        ("not to be judged", answer.unclear),
        ("lost already", answer.already),
        ("keep", answer.keep),
    ):
        if values:
            yield f"  {title}: {clean(', '.join(values))}"
    for step in answer.first:
        yield f"  first: {step}"
    if answer.broken and not answer.dependents_known:
        yield "  note: no use of the role is in the evidence, so who depends on it is not known."
    for remark in answer.remarks:
        yield f"  note: {clean(remark)}"


def _listed(noun: str, arns: Sequence[str]) -> Iterator[str]:
    if arns:
        yield f"    {count(len(arns), noun)} need{'s' if len(arns) == 1 else ''} it:"
    for arn in arns[:_SHOWN]:
        yield f"      {clean(arn)}"
    if len(arns) > _SHOWN:
        yield f"      … and {len(arns) - _SHOWN:,} more"
