"""`ecs-trail practice`: the practice range, for people who learn and for tests."""

from pathlib import Path

import click


@click.command()
@click.option("--kind", metavar="KIND", help="What happens; an unknown kind lists them all.")
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Which incident of that kind.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A new folder: evidence/ and answer.json.",
)
@click.option("--accuracy", is_flag=True, help="Write nothing; measure how right ecs-trail is about such incidents.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    metavar="N",
    help="With --accuracy: incidents of each kind, seeds 0 to N-1.",
)
@click.option(
    "--withhold",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="With --accuracy: hold this share of the records back, grants and the like aside.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="With --accuracy: processes.",
)
@click.option(
    "--exit-code", is_flag=True, help="With --accuracy: end with 1 when a figure is too low or a claim is wrong."
)
def practice(
    kind: str | None,
    seed: int,
    output: Path | None,
    *,
    accuracy: bool,
    seeds: int,
    withhold: float,
    workers: int,
    exit_code: bool,
) -> None:
    """Write a made-up incident and its known answer.

    The evidence lies in DIR/evidence in the layout of a trail's bucket, the answer in DIR/answer.json. One kind and
    seed give the same bytes on every machine.

    With --accuracy, incidents of the kind (or of all kinds) are investigated and compared with their answers instead:
    tables of figures in per cent, by kind of incident and of finding, and every miss with its reason.
    """
    if accuracy:
        passed = _measure(kind, seeds, withhold, workers)
        if exit_code and not passed:
            click.get_current_context().exit(1)
    elif kind is None or output is None:
        raise click.UsageError("give --kind and --output, or --accuracy.")
    else:
        _write(kind, seed, output)


def _write(kind: str, seed: int, output: Path) -> None:
    from ecs_trail.errors import UsageError
    from ecs_trail.practice import run

    if output.is_dir() and any(output.iterdir()):
        raise UsageError(
            f"the folder '{output}' is not empty.", hint="name a new one: two incidents in one folder would mix."
        )
    run(seed, kind, output)
    click.echo(f"evidence: {output / 'evidence'}\nanswer:   {output / 'answer.json'}")


def _measure(kind: str | None, seeds: int, withhold: float, workers: int) -> bool:
    from ecs_trail.accuracy import measure
    from ecs_trail.practice import kinds

    report = measure(kinds() if kind is None else [kind], range(seeds), withhold=withhold, workers=workers)
    click.echo(report.text(), nl=False)
    return report.passed
