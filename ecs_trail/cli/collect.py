"""`ecs-trail collect`: evidence read once and kept."""

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click

from ecs_trail.cli.options import ENGINE, aws_profile
from ecs_trail.cli.progress import ProgressBar
from ecs_trail.cli.results import PARTIAL
from ecs_trail.cli.stores import FORMAT, folder_of
from ecs_trail.views.text import clean, count

if TYPE_CHECKING:
    from ecs_trail.evidence.collect import Collected

_INTERRUPTED: Final = 130
_SAID: Final = 3


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--store", "folder", required=True, metavar="DIR|s3://…", help="The store; made where there is none.")
@click.option("--since", metavar="TIME", help="Read from here on: ISO 8601 with zone, a date, or -6h, -3d.")
@click.option("--until", metavar="TIME", help="Read up to here, this moment excluded.")
@click.option("--account", metavar="ID", help="Only this account, and what reaches into it.")
@click.option("--region", metavar="REGION", help="Only this Region, and what reaches into it.")
@click.option("--all-events", is_flag=True, help="Keep every event, not only those an investigation stands on.")
@click.option("--tasks", multiple=True, metavar="FILE", help="Saved task states to keep as well; repeatable.")
@click.option(
    "--overlap",
    metavar="DURATION",
    default="6h",
    show_default=True,
    help="How far before the last complete run a source in AWS is asked again, for what came late.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes that read."
)
@ENGINE
@click.option("--max-expansion", metavar="SIZE", help="Bytes that one file may have or expand to [default: 192 MiB].")
@click.option("--profile", metavar="NAME", help="AWS profile for sources in AWS.")
@click.option("--quiet", is_flag=True, help="No progress and no remarks on stderr.")
@FORMAT
def collect(folder: str, kind: str, *, profile: str | None, quiet: bool, all_events: bool, **given: Any) -> None:
    """Read evidence into a store: a folder, or a prefix of a bucket.

    Ended in any way, the same command goes on where it was; run again, it reads only what is new. Several may collect
    at once. Investigate with store:DIR or store:s3://BUCKET/PREFIX.
    """
    from ecs_trail.doors import collect as fill
    from ecs_trail.selection import everything

    place = folder_of(folder)
    sources = list(given.pop("sources"))
    selection = everything() if all_events else None
    with ExitStack() as stack:
        stack.enter_context(aws_profile(profile))
        bar = stack.enter_context(ProgressBar(quiet=quiet))
        try:
            done = fill(sources, place, selection=selection, progress=bar, **given)
        except KeyboardInterrupt:
            bar.__exit__(None, None, None)
            click.echo("ecs-trail: interrupted; what was read is kept, and the same command goes on.", err=True)
            click.get_current_context().exit(_INTERRUPTED)
    _report(done, place, kind)


def _report(done: "Collected", place: str, kind: str) -> None:
    partial = [one for one in done.problems if one.is_partial]
    if kind == "json":
        shown = {
            "store": place,
            "events_added": done.events_added,
            "units_read": done.units_read,
            "units_known": done.units_known,
            "problems": [{"source": one.source, "kind": one.kind, "detail": one.detail} for one in done.problems],
        }
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(
            f"{count(done.events_added, 'event')} added to {clean(place)}: {count(done.units_read, 'file')} or pages "
            f"read, {done.units_known:,} known already."
        )
    if partial:
        click.echo(f"ecs-trail: the store is partial: {count(len(partial), 'problem')} in the evidence.", err=True)
        for one in partial[:_SAID]:
            click.echo(f"  {clean(one.source)}: {clean(one.kind)}: {clean(one.detail, 200)}", err=True)
        if len(partial) > _SAID:
            click.echo(
                f"  … and {len(partial) - _SAID:,} more, listed by ecs-trail store info --format json.", err=True
            )
        click.get_current_context().exit(PARTIAL)
