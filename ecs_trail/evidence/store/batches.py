"""One step into a store: parts written aside, then the manifest line that makes them count."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa

from ecs_trail.evidence.ledger import Problem, Receipt
from ecs_trail.evidence.merging import merge_flagged
from ecs_trail.evidence.packing import Chunk
from ecs_trail.evidence.store.disks import Disk, Writing
from ecs_trail.evidence.store.documents import Document, write_documents
from ecs_trail.evidence.store.manifest import Line, Manifest
from ecs_trail.evidence.store.parts import Sealed, span_of, write_events
from ecs_trail.evidence.store.plain import (
    digest_of,
    problems_to_plain,
    selection_to_plain,
    spans_to_plain,
    time_to_plain,
    window_to_plain,
)
from ecs_trail.evidence.store.units import Unit, table_of, write_units
from ecs_trail.selection import Selection
from ecs_trail.version import VERSION

TOOL: Final = f"ecs-trail {VERSION}"
#: In the entry of a part of events: the digest of a selection of which it holds no event.
WITHOUT: Final = "without"
_NOTHING: Final = Selection(())


@dataclass(frozen=True, slots=True)
class Run:
    """One reading of one source: `asked` is what is covered when it ends, `planned` what the source was asked for.

    `began_at_number` is the manifest line it began after. Times are aware UTC.
    """

    id: str
    source: str
    asked: Selection
    planned: Selection
    began_at_number: int
    started_at: datetime

    def to_plain(self) -> Line:
        """For the manifest."""
        return {
            "id": self.id,
            "selection": digest_of(selection_to_plain(self.asked)),
            "planned": digest_of(selection_to_plain(self.planned)),
            "began_at_number": self.began_at_number,
            "started_at": time_to_plain(self.started_at),
        }


@dataclass
class Batch:
    """What was read since the last step: packed rows, units with their readings, saved states, marks and remarks.

    `marks` are those of the whole run so far, and so are `remarks`. `duplicates` counts copies left out before.
    """

    run: Run
    plan: str
    chunks: list[Chunk] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)
    duplicates: int = 0
    #: Parts that are finished, without any row of `apart`.
    sealed: list[Sealed] = field(default_factory=list)
    apart: Selection = _NOTHING

    @property
    def is_empty(self) -> bool:
        """True when nothing was read."""
        return not (self.chunks or self.sealed or self.units or self.documents)


def lines_of(disk: Disk, manifest: Manifest, batch: Batch, known: frozenset[Document]) -> tuple[list[Line], int]:
    """Write the parts of a batch, and give the lines that make them count with the number of rows. Documents that are
    `known` are left out. Raises `OSError`.
    """
    lines = [*selection_lines(manifest, batch.run.asked, batch.run.planned, *([batch.apart] if batch.sealed else ()))]
    number = manifest.next_number + len(lines)
    run = batch.run.to_plain()
    table, duplicates = merge_flagged(batch.chunks)
    parts = [event_part(disk, number, table)] if table.num_rows else []
    parts += [sealed_part(disk, number, one, batch.apart) for one in batch.sealed]
    rows = table.num_rows + sum(one.rows for one in batch.sealed)
    if batch.units:
        units = table_of(batch.units, number, batch.run.source, run["selection"])
        parts.append(unit_part(disk, number, units))
    documents = sorted(set(batch.documents) - known, key=lambda one: (one.kind, one.source, one.text))
    if documents:
        parts.append(document_part(disk, number, documents))
    receipt = Receipt()
    for unit in batch.units:
        receipt.add(unit.reading)
    lines.append(
        {
            "kind": "batch",
            "number": number,
            "at": time_to_plain(datetime.now(UTC)),
            "tool": TOOL,
            "source": batch.run.source,
            "plan": batch.plan,
            "window": window_to_plain(batch.run.planned.window),
            "run": run,
            "parts": parts,
            "marks": batch.marks,
            "remarks": problems_to_plain(sorted(set(batch.remarks))),
            "receipt": _counts(receipt, rows, duplicates + batch.duplicates),
            "spans": spans_to_plain(receipt.spans),
            "newest_stamp": time_to_plain(receipt.newest_stamp),
            "records_superseded": 0,
        }
    )
    return lines, rows


def end_lines(manifest: Manifest, run: Run, remarks: list[Problem], *, is_partial: bool) -> list[Line]:
    """The lines that say that a run came to its end."""
    lines = [*selection_lines(manifest, run.asked, run.planned)]
    ended: Line = {
        "kind": "run",
        "number": manifest.next_number + len(lines),
        "at": time_to_plain(datetime.now(UTC)),
        "tool": TOOL,
        "source": run.source,
        "partial": is_partial,
        "remarks": problems_to_plain(sorted(set(remarks))),
        **run.to_plain(),
    }
    return [*lines, ended]


def selection_lines(manifest: Manifest, *selections: Selection) -> list[Line]:
    """Lines for the selections that the manifest does not name yet."""
    wanted = {digest_of(plain): plain for plain in map(selection_to_plain, selections)}
    new = [(digest, plain) for digest, plain in wanted.items() if digest not in manifest.selections]
    return [
        {"kind": "selection", "number": manifest.next_number + place, "id": digest, "clauses": plain}
        for place, (digest, plain) in enumerate(new)
    ]


def event_part(disk: Disk, number: int, table: pa.Table) -> Line:
    """Write events as a part; gives its entry in the manifest. Raises `OSError`."""
    entry = _part(disk, "events", number, "parquet", lambda target: write_events(target, table))
    span = map(time_to_plain, span_of(table))
    return {**entry, "rows": table.num_rows, "span": [*span]}


def sealed_part(disk: Disk, number: int, sealed: Sealed, apart: Selection) -> Line:
    """Write a part that is finished. Its entry says that it holds no event of `apart`. Raises `OSError`."""
    entry = _part(disk, "events", number, "parquet", lambda target: _put(target, sealed.data))
    span = [time_to_plain(sealed.first), time_to_plain(sealed.last)]
    return {**entry, "rows": sealed.rows, "span": span, WITHOUT: digest_of(selection_to_plain(apart))}


def _put(target: Path | BinaryIO, data: bytes) -> None:
    if isinstance(target, Path):
        target.write_bytes(data)
    else:
        target.write(data)


def unit_part(disk: Disk, number: int, table: pa.Table) -> Line:
    """Write units as a part. Raises `OSError`."""
    entry = _part(disk, "units", number, "parquet", lambda target: write_units(target, table))
    return {**entry, "rows": table.num_rows}


def document_part(disk: Disk, number: int, documents: list[Document]) -> Line:
    """Write documents as a part. Raises `OSError`."""
    entry = _part(disk, "documents", number, "jsonl", lambda target: write_documents(target, documents))
    return {**entry, "rows": len(documents)}


def _part(disk: Disk, kind: str, number: int, suffix: str, write: Writing) -> Line:
    name, digest, size = disk.put(lambda short: f"{kind}-{number:08d}-{short}.{suffix}", write)
    return {"name": name, "kind": kind, "sha256": digest, "bytes": size}


def _counts(receipt: Receipt, rows: int, duplicates: int) -> dict[str, Any]:
    return {
        "files_seen": receipt.files_seen,
        "files_read": receipt.files_read,
        "left_out": dict(sorted(receipt.left_out.items())),
        "files_failed": receipt.files_failed,
        "records_read": receipt.records_read,
        "records_rejected": receipt.records_rejected,
        "events": rows,
        "duplicates": duplicates,
        "problems": problems_to_plain(sorted(receipt.problems)),
    }
