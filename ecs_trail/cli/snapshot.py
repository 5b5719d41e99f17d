"""`ecs-trail snapshot`: the state of ECS, EC2 and IAM now, saved as evidence."""

import json
from pathlib import Path
from typing import Any, Final

import click

from ecs_trail.cli.options import aws_profile
from ecs_trail.cli.results import PARTIAL
from ecs_trail.views.text import clean, count

_NOUNS: Final = {
    "task_state": ("task", ""),
    "volume_state": ("volume", ""),
    "service_state": ("service", ""),
    "role_state": ("role", ""),
}


@click.command()
@click.option(
    "--region", "regions", multiple=True, required=True, metavar="REGION", help="Region, or several: A,B; repeatable."
)
@click.option(
    "--cluster", "clusters", multiple=True, metavar="NAME", help="Only the tasks and services of this cluster."
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ARN|NAME",
    help="Save this role too, beside those that tasks and services name.",
)
@click.option(
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the files; made where it is not there.",
)
@click.option("--format", "kind", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--profile", metavar="NAME", help="AWS profile.")
@click.option("--quiet", is_flag=True, help="No remarks on stderr.")
def snapshot(
    *,
    regions: tuple[str, ...],
    clusters: tuple[str, ...],
    roles: tuple[str, ...],
    folder: Path,
    kind: str,
    profile: str | None,
    quiet: bool,
) -> None:
    """Save the state of ECS, EBS volumes and roles now.

    Reads only. The dated files are what --tasks, --volumes and --role-state read; a folder of them can be a SOURCE. A
    stopped task is shown by ECS for about an hour, so take one early.
    """
    from ecs_trail.evidence.snapshots.taking import take_snapshot

    with aws_profile(profile):
        taken = take_snapshot(folder, regions, clusters=clusters, roles=roles)
    if kind == "json":
        click.echo(json.dumps(_document(taken), indent=2))
    else:
        for one in taken.files:
            click.echo(f"{clean(one.path.as_posix())}  {count(one.count, *_NOUNS[one.kind])}")
    lost = [problem for problem in taken.problems if problem.is_partial]
    if not quiet:
        for problem in taken.problems:
            click.echo(f"ecs-trail: {clean(problem.source)}: {clean(problem.detail, 300)}", err=True)
    if lost:
        if not quiet:
            click.echo(f"ecs-trail: the snapshot is partial: {count(len(lost), 'problem')}.", err=True)
        click.get_current_context().exit(PARTIAL)


def _document(taken: Any) -> dict[str, Any]:
    from ecs_trail.times import format_time

    return {
        "captured_at": format_time(taken.captured_at),
        "files": [{"path": one.path.as_posix(), "kind": one.kind, "count": one.count} for one in taken.files],
        "problems": [{"source": one.source, "kind": one.kind, "detail": one.detail} for one in taken.problems],
    }
