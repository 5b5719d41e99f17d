"""What earlier runs say about the next one: where one was broken off, and up to when a source was seen."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from ecs_trail.evidence.store.batches import Run
from ecs_trail.evidence.store.manifest import Line, Manifest
from ecs_trail.evidence.store.plain import selection_from_plain
from ecs_trail.selection import Selection
from ecs_trail.times import Window


def unfinished(manifest: Manifest, source: str, asked: Selection) -> tuple[Run, Mapping[str, str]] | None:
    """The latest run over a source that was broken off, when it asked for as much; with the marks of its queries."""
    over = {line["id"] for line in manifest.kind("run")}
    lines = [
        line
        for line in manifest.kind("batch")
        if line["source"] == source and line["run"] and line["run"]["id"] not in over and line["marks"]
    ]
    for line in reversed(lines):
        run = _run_of(line["run"], source, manifest)
        if run.asked.covers(asked):
            return run, line["marks"]
    return None


def seen_until(manifest: Manifest, source: str, asked: Selection) -> datetime | None:
    """The moment up to which a source was seen whole by a run that asked for as much; None when it never was."""
    moments: list[datetime] = []
    for line in manifest.kind("run"):
        run = _run_of(line, source, manifest)
        if line["source"] == source and not line["partial"] and _open(run.asked).covers(_open(asked)):
            end = run.asked.window.end
            moments.append(run.started_at if end is None else min(run.started_at, end))
    return max(moments, default=None)


def _run_of(line: Line, source: str, manifest: Manifest) -> Run:
    asked, planned = (selection_from_plain(manifest.selections[line[name]]) for name in ("selection", "planned"))
    started = datetime.fromisoformat(line["started_at"])
    return Run(line["id"], source, asked, planned, line["began_at_number"], started)


def _open(selection: Selection) -> Selection:
    """The selection without an end."""
    return Selection(tuple(replace(one, window=Window(one.window.start, None)) for one in selection.clauses))
