"""`ecs-trail practice`: the practice range, for people who learn and for tests."""

from pathlib import Path

import click


@click.command()
@click.option("--kind", required=True, metavar="KIND", help="What happens; an unknown kind lists them all.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Which incident of that kind.")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A new folder: evidence/ and answer.json.",
)
def practice(kind: str, seed: int, output: Path) -> None:
    """Write a made-up incident and its known answer.

    The evidence lies in DIR/evidence in the layout of a trail's bucket, the answer in DIR/answer.json. One kind and
    seed give the same bytes on every machine.
    """
    from ecs_trail.errors import UsageError
    from ecs_trail.practice import run

    if output.is_dir() and any(output.iterdir()):
        raise UsageError(
            f"the folder '{output}' is not empty.", hint="name a new one: two incidents in one folder would mix."
        )
    run(seed, kind, output)
    click.echo(f"evidence: {output / 'evidence'}\nanswer:   {output / 'answer.json'}")
