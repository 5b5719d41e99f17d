"""`ecs-trail verify`: the integrity of a target."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from ecs_trail.cli.options import Output, aws_profile
from ecs_trail.cli.progress import ProgressBar
from ecs_trail.cli.results import FAILED, PARTIAL, deliver, write_all
from ecs_trail.cli.stores import FORMAT, named_store, store_verdict, verdict_text

_EXIT: Final = {"failed": FAILED, "partial": PARTIAL, "nothing": PARTIAL}


@click.command()
@click.argument("target", metavar="TARGET")
@click.option("--since", metavar="TIME", help="Verify from here on: ISO 8601 with zone, a date, or -6h, -3d.")
@click.option("--until", metavar="TIME", help="Verify up to here, this moment excluded.")
@click.option("--account", metavar="ID", help="Only this account.")
@click.option("--region", metavar="REGION", help="Only this Region.")
@click.option(
    "--public-keys",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Saved output of aws cloudtrail list-public-keys; repeatable. Without it, CloudTrail is asked (s3:// only).",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=8, show_default=True, metavar="N", help="Files read at once."
)
@click.option("--profile", metavar="NAME", help="AWS profile for sources in AWS.")
@FORMAT
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write here instead of stdout, whole or not at all.",
)
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def verify(target: str, **options: Any) -> None:
    """Verify log files against CloudTrail's digests, or a store.

    TARGET is s3://BUCKET/PREFIX of a trail, a folder of saved log files and digests, or store:DIR. Beside a saved
    digest, the output of `aws s3api head-object` for it (NAME.head.json) gives its signature; of a chain, only the
    newest digest needs it.

    \b
    Ends with 4 when a file was altered, deleted or moved; with 3 when something could be neither proven nor disproven.
    """
    output = Output(options.pop("kind"), options.pop("output"), options.pop("quiet"), exit_code=False)
    with ExitStack() as stack:
        stack.enter_context(aws_profile(options.pop("profile")))
        bar = stack.enter_context(ProgressBar(quiet=output.quiet))
        kept = named_store(target)
        document = store_verdict(kept) if kept is not None else _answer(target, bar, **options)
    if output.kind == "json":
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    elif kept is not None:
        text = verdict_text(document) + "\n"
    else:
        from ecs_trail.views.integrity import integrity_text

        text = integrity_text(document)
    deliver(output, lambda stream: write_all(stream, text.encode("utf-8", errors="backslashreplace")))
    click.get_current_context().exit(_EXIT.get(document["verdict"], 0))


def _answer(target: str, bar: ProgressBar, **options: Any) -> dict[str, Any]:
    """The verdict of CloudTrail's digests on a target."""
    from ecs_trail.evidence.integrity.shelves import Scope
    from ecs_trail.evidence.integrity.verifying import verify_digests
    from ecs_trail.times import Window, aware_time

    now = datetime.now(UTC)
    given = (options[name] for name in ("since", "until"))
    window = Window(*(None if text is None else aware_time(text, now=now) for text in given))
    scope = Scope(window, options["account"], options["region"])
    found = verify_digests(
        target, scope=scope, public_keys=options["public_keys"], workers=options["workers"], progress=bar
    )
    return found.document()
