"""Many parts made few: each event once, in parts that follow each other in time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import counted, joined
from ecs_trail.evidence.ledger import Spans, merge_spans
from ecs_trail.evidence.merging import merge_flagged
from ecs_trail.evidence.store.batches import TOOL, WITHOUT, document_part, event_part, sealed_part, unit_part
from ecs_trail.evidence.store.disks import Disk
from ecs_trail.evidence.store.documents import read_documents
from ecs_trail.evidence.store.manifest import Line, Manifest
from ecs_trail.evidence.store.parts import ALIKE, EventWriter, Sealed, chunks, columns, span_of_part
from ecs_trail.evidence.store.plain import selection_from_plain, spans_from_plain, spans_to_plain, time_to_plain
from ecs_trail.evidence.store.units import live, read_units
from ecs_trail.selection import Selection, everything
from ecs_trail.times import EVER, Window

#: Rows of a part, about; bounds the memory of compacting.
PART_ROWS: Final = 32_768
_INDEX: Final = "index"


@dataclass(frozen=True, slots=True)
class Compacted:
    """What compacting did: parts before and after, how many copies of events were dropped, and how many files of no
    use any more were deleted from a bucket.
    """

    parts_before: int
    parts_after: int
    duplicates: int
    swept: int = 0


def compacted(disk: Disk, manifest: Manifest, *, rows: int) -> tuple[list[Line], Compacted]:
    """Write the new parts; gives the lines of the new manifest, none when there is nothing to do. Raises `OSError`."""
    before = list(manifest.parts())
    batches = [line for line in manifest.kind("batch") if line["parts"]]
    if len(batches) <= 1:
        return [], Compacted(len(before), len(before), 0)
    number = manifest.next_number
    parts, dropped = _event_parts(disk, manifest, number, rows)
    units = read_units(disk, manifest)
    kept = live(units, manifest)
    if kept.num_rows:
        parts.append(unit_part(disk, number, kept))
    documents = read_documents(disk, manifest)
    if documents:
        parts.append(document_part(disk, number, documents))
    superseded = _total(units) - _total(kept)
    merged = {**_merged(batches, dropped, superseded), "number": number, "parts": parts}
    header = {**manifest.lines[0], "generation": manifest.lines[0]["generation"] + 1}
    lines = [header, *manifest.kind("selection"), merged, *_runs(manifest), *_unfinished(manifest)]
    return lines, Compacted(len(before), len(parts), dropped)


def _event_parts(disk: Disk, manifest: Manifest, number: int, rows: int) -> tuple[list[Line], int]:
    parts = list(manifest.parts("events"))
    made: list[Line] = []
    apart = _apart(manifest)
    held: list[pa.Table] = []
    dropped = 0
    for window in _slices(disk, parts, rows):
        selection = everything().during(window)
        near = [part for part in parts if window.overlaps(*span_of_part(part))]
        found = [chunk for part in near for chunk in chunks(disk.opened(part), selection)]
        table, copies = merge_flagged(found)
        dropped += copies
        if apart is not None:
            table, others = _split(table, apart)
            if others is not None:
                made.append(sealed_part(disk, number, others, apart))
        held += [table] if table.num_rows else []
        if apart is None or sum(one.num_rows for one in held) >= rows:
            made += [event_part(disk, number, pa.concat_tables(held))] if held else []
            held = []
    return [*made, *([event_part(disk, number, pa.concat_tables(held))] if held else ())], dropped


def _apart(manifest: Manifest) -> Selection | None:
    """The selection whose rows are kept apart from the others, where there are such parts."""
    found = {part[WITHOUT] for part in manifest.parts("events") if WITHOUT in part}
    return selection_from_plain(manifest.selections[max(found)]) if found else None


def _split(table: pa.Table, apart: Selection) -> tuple[pa.Table, Sealed | None]:
    """The rows that belong to a selection, and a finished part of the others, like rows together."""
    numbered = table.append_column(_INDEX, counted(table.num_rows))
    mine = joined(apart.filter(numbered).column(_INDEX))
    others = table.filter(pc.invert(pc.is_in(numbered.column(_INDEX), value_set=mine)))
    writer = EventWriter()
    writer.write(others.take(pc.sort_indices(others, sort_keys=[(name, "ascending") for name in ALIKE])))
    return table.take(mine), writer.sealed()


def _slices(disk: Disk, parts: list[Line], rows: int) -> Iterator[Window]:
    """Windows of about so many rows each, at whole seconds, so that copies of an event stay together."""
    read = [table.column("event_time") for part in parts for table in columns(disk.opened(part), ["event_time"], EVER)]
    if not read:
        return
    times = pa.chunked_array([chunk for column in read for chunk in column.chunks])
    ordered = times.take(pc.sort_indices(times))
    bounds: list[datetime] = []
    for place in range(rows, len(ordered), rows):
        bound = ordered[place].as_py().astimezone(UTC).replace(microsecond=0)
        if not bounds or bound > bounds[-1]:
            bounds.append(bound)
    first = ordered[0].as_py().astimezone(UTC).replace(microsecond=0)
    last = ordered[len(ordered) - 1].as_py().astimezone(UTC) + timedelta(seconds=1)
    edges = [first, *(bound for bound in bounds if bound > first), last]
    yield from (Window(start, end) for start, end in pairwise(edges))


def _merged(batches: list[Line], dropped: int, superseded: int) -> Line:
    spans: Spans = {}
    for line in batches:
        merge_spans(spans, spans_from_plain(line["spans"]))
    stamps = [line["newest_stamp"] for line in batches if line["newest_stamp"]]
    return {
        "kind": "batch",
        "at": time_to_plain(datetime.now(UTC)),
        "tool": TOOL,
        "source": "",
        "plan": "compacted",
        "window": [None, None],
        "run": None,
        "marks": {},
        "receipt": _sums(batches, dropped),
        "spans": spans_to_plain(spans),
        "newest_stamp": max(stamps, key=datetime.fromisoformat, default=None),
        "records_superseded": superseded + sum(line["records_superseded"] for line in batches),
    }


def _sums(batches: list[Line], dropped: int) -> dict[str, Any]:
    receipts = [line["receipt"] for line in batches]
    names = ("files_seen", "files_read", "files_failed", "records_read", "records_rejected", "events", "duplicates")
    sums = {name: sum(one[name] for one in receipts) for name in names}
    left_out: dict[str, int] = {}
    for one in receipts:
        for kind, count in one["left_out"].items():
            left_out[kind] = left_out.get(kind, 0) + count
    problems = sorted({tuple(problem) for one in receipts for problem in one["problems"]})
    sums |= {"duplicates": sums["duplicates"] + dropped, "events": sums["events"] - dropped}
    return {**sums, "left_out": dict(sorted(left_out.items())), "problems": [list(one) for one in problems]}


def _runs(manifest: Manifest) -> list[Line]:
    """All ends of runs: they say up to where each source was asked, and under which selection."""
    return list(manifest.kind("run"))


def _unfinished(manifest: Manifest) -> list[Line]:
    """The last line of every run that has not ended, without its parts: its marks say where to go on."""
    over = {line["id"] for line in manifest.kind("run")}
    last = {line["run"]["id"]: line for line in manifest.kind("batch") if line["run"]}
    nothing: Line = {"receipt": _sums([], 0), "spans": [], "newest_stamp": None, "records_superseded": 0, "parts": []}
    return [{**line, **nothing} for name, line in last.items() if name not in over]


def _total(units: pa.Table) -> int:
    return pc.sum(units.column("records_read")).as_py() or 0
