"""`ecs-trail store`: what a store holds, whether it is as it was written, and fewer parts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ecs_trail.cli.options import aws_profile
from ecs_trail.cli.results import FAILED
from ecs_trail.errors import UsageError
from ecs_trail.views.text import clean, count

if TYPE_CHECKING:
    from ecs_trail.evidence.store import Store

FORMAT: Final = click.option(
    "--format",
    "kind",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Shape of the result.",
)
_FOLDER = click.argument("folder", metavar="STORE")
_PROFILE = click.option("--profile", metavar="NAME", help="AWS profile for a store in a bucket.")
_COUNTED: Final = ("seen", "read", "left_out", "failed")


@click.group()
def store() -> None:
    """Look after a store that collect made: a folder, or s3://BUCKET/PREFIX."""


@store.command()
@_FOLDER
@FORMAT
@_PROFILE
def info(folder: str, kind: str, profile: str | None) -> None:
    """Say what a store holds.

    Events, sources, runs, problems, and the seal: one SHA-256 that stands for all of it. Note it elsewhere to show
    later that nothing was changed.
    """
    with aws_profile(profile):
        known = _store(folder).info()
    if kind == "json":
        click.echo(json.dumps(known, indent=2))
        return
    span = f"{known['first_event']} to {known['last_event']}" if known["rows"] else "none"
    files = ", ".join(f"{known[f'files_{name}']:,} {name.replace('_', ' ')}" for name in _COUNTED)
    lines = [
        f"store       {known['path']} ({known['format']}, generation {known['generation']})",
        f"events      {known['rows']:,} rows, {span}",
        f"states      {known['saved_states']:,} saved states",
        f"parts       {known['parts']:,} in {known['batches']:,} batches, {known['bytes']:,} bytes",
        f"files       {files}",
        f"problems    {len(known['problems']):,}",
        f"seal        {known['seal']}",
    ]
    for one in known["sources"]:
        state = "unfinished" if one["unfinished"] else "complete"
        lines.append(f"source      {one['source']}: {state}, last run {one['last_ended_at'] or 'not ended'}")
    click.echo("\n".join(clean(line, 400) for line in lines))


@store.command()
@_FOLDER
@_PROFILE
def verify(folder: str, profile: str | None) -> None:
    """Read every part again and compare its SHA-256.

    Ends with 4 when a part or the manifest was changed, is missing, or was added.
    """
    with aws_profile(profile):
        document = store_verdict(_store(folder))
    click.echo(verdict_text(document))
    if document["problems"]:
        click.get_current_context().exit(FAILED)


@store.command()
@_FOLDER
@_PROFILE
def compact(folder: str, profile: str | None) -> None:
    """Make few large parts of many, each event once.

    In a bucket, the parts that were replaced stay for a day, as somebody may be reading them; the next compacting after
    that deletes them.
    """
    with aws_profile(profile):
        done = _store(folder).compact()
    said = f"{done.parts_before:,} parts became {done.parts_after:,}; {done.duplicates:,} copies dropped."
    click.echo(f"{said} {count(done.swept, 'part')} of no use any more deleted." if done.swept else said)


def store_verdict(kept: "Store") -> dict[str, Any]:
    """Whether a store is as it was written: `verdict` is `intact` or `failed`. Raises `UsageError` without a store."""
    wrong = kept.verify()
    known = None if wrong else kept.manifest()
    return {
        "schema": "ecs-trail/store-integrity/1",
        "target": kept.name,
        "verdict": "failed" if wrong else "intact",
        "parts": None if known is None else sum(1 for _ in known.parts()),
        "seal": None if known is None else known.chain,
        "problems": [{"source": one.source, "kind": one.kind, "detail": one.detail} for one in wrong],
    }


def verdict_text(document: dict[str, Any]) -> str:
    """The verdict for a person."""
    if not document["problems"]:
        return f"INTACT: all {count(document['parts'], 'part')} are as they were written; seal {document['seal']}"
    lines = [f"FAILED: {count(len(document['problems']), 'problem')} in {clean(document['target'])}."]
    lines += [
        f"  {clean(one['source'])}: {clean(one['kind'])}: {clean(one['detail'], 300)}" for one in document["problems"]
    ]
    return "\n".join(lines)


def named_store(target: str) -> "Store | None":
    """The store that a target names, by `store:` or by being a folder with one."""
    from ecs_trail.evidence.sources import open_source
    from ecs_trail.evidence.sources.s3 import S3Source
    from ecs_trail.evidence.sources.store import StoreSource

    scheme = target.partition("://")[0] if "://" in target else ""
    if scheme not in {"", "s3", "store:s3"} and not Path(target).exists():
        return None
    source = open_source(target)
    if isinstance(source, S3Source):
        return source.held_store()
    return source.store if isinstance(source, StoreSource) else None


def _store(folder: str) -> "Store":
    from ecs_trail.evidence.store import Store

    return Store(folder_of(folder))


def folder_of(text: str) -> str:
    """The place of a store a user named, with or without `store:`. Raises `UsageError` for a store elsewhere."""
    cleaned = text.removeprefix("store:")
    if "://" in cleaned and not cleaned.startswith("s3://") and not Path(cleaned).exists():
        raise UsageError(
            f"a store lies in a folder or a bucket; '{text}' is neither.", hint="name a folder, or s3://BUCKET/PREFIX."
        )
    return cleaned
