"""What a store remembers of every file, object or page it was made from: enough to tell what failed, and not to read
the same again.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecs_trail.arrays import array_of, empty
from ecs_trail.evidence.ledger import Reading, Receipt
from ecs_trail.evidence.store.disks import Disk, Opened
from ecs_trail.evidence.store.manifest import Line, Manifest
from ecs_trail.evidence.store.plain import problems_from_plain, problems_to_plain, selection_from_plain
from ecs_trail.selection import Selection

UNITS: Final[pa.Schema] = pa.schema(
    [
        pa.field("number", pa.int64(), metadata={"doc": "the manifest line it came with"}),
        pa.field("source", pa.string(), metadata={"doc": "the source as given to collect"}),
        pa.field("selection", pa.string(), metadata={"doc": "digest of the selection it was read under"}),
        pa.field("name", pa.string(), metadata={"doc": "path, object or API page"}),
        pa.field("identity", pa.string(), metadata={"doc": "which content; empty where nothing was read"}),
        pa.field("failed", pa.bool_(), metadata={"doc": "nothing of it could be read"}),
        pa.field("left_out", pa.string(), metadata={"doc": "why the whole of it was left out"}),
        pa.field("records_read", pa.int64()),
        pa.field("records_rejected", pa.int64()),
        pa.field("more", pa.string(), metadata={"doc": "problems and items left out, as JSON text"}),
    ]
)
#: A whole unit that failed so is tried again: the reason may pass.
PASSING: Final = frozenset({"no_permission", "vanished", "unreadable_file"})


@dataclass(frozen=True, slots=True)
class Unit:
    """One file, object or page as it was read: its name, which content, and what reading it gave but for its rows."""

    name: str
    identity: str
    reading: Reading

    @classmethod
    def of(cls, name: str, identity: str, reading: Reading) -> "Unit":
        """A unit; where nothing of it could be read for a reason that may pass, no content counts as known."""
        passing = reading.failed and any(one.kind in PASSING for one in reading.problems)
        return cls(name, "" if passing else identity, reading)


def table_of(units: Iterable[Unit], number: int, source: str, selection: str) -> pa.Table:
    """Units as rows of `UNITS`."""
    rows = [
        (
            number,
            source,
            selection,
            one.name,
            one.identity,
            one.reading.failed,
            one.reading.left_out,
            one.reading.records_read,
            one.reading.records_rejected,
            _more(one.reading),
        )
        for one in units
    ]
    columns = zip(*rows, strict=True) if rows else ((),) * len(UNITS)
    arrays = [array_of(values, kind) for values, kind in zip(columns, UNITS.types, strict=True)]
    return pa.table(arrays, schema=UNITS)


def write_units(target: Path | BinaryIO, table: pa.Table) -> None:
    """Write rows of `UNITS` as Parquet. Raises `OSError`."""
    pq.write_table(table, target, compression="zstd")


def read_units(disk: Disk, manifest: Manifest) -> pa.Table:
    """All units of a store, in the order of their lines. Raises `OSError` and `pa.ArrowException`."""
    tables = [_read(disk.opened(part)) for part in manifest.parts("units")]
    return pa.concat_tables([empty(UNITS), *tables])


def _read(opened: Opened) -> pa.Table:
    with pq.ParquetFile(opened) as parquet:
        return parquet.read()


def live(table: pa.Table, manifest: Manifest) -> pa.Table:
    """The last word on every name: an earlier reading of it no longer counts, nor does a failure that a later complete
    run over the same source did not meet again.
    """
    places = pa.array(range(table.num_rows), type=pa.int64())
    last = table.append_column("place", places).group_by("name").aggregate([("place", "max")]).column("place_max")
    kept = table.take(last.combine_chunks().sort())
    failures = pc.indices_nonzero(pc.equal(kept.column("identity"), ""))
    if not len(failures):
        return kept
    runs = list(manifest.kind("run"))
    gone = [place for place in failures.to_pylist() if _is_over(kept, place, runs, manifest)]
    if not gone:
        return kept
    everywhere = pa.array(range(kept.num_rows), type=pa.int64())
    return kept.filter(pc.invert(pc.is_in(everywhere, value_set=pa.array(gone, type=pa.int64()))))


def receipt_of(table: pa.Table, manifest: Manifest) -> Receipt:
    """What reading all units came to. Records count as often as they were read, files and problems once."""
    units = live(table, manifest)
    receipt = Receipt(files_seen=units.num_rows)
    receipt.files_failed = pc.sum(units.column("failed")).as_py() or 0
    kinds = units.column("left_out").drop_null().to_pylist()
    receipt.left_out = Counter(kinds)
    receipt.files_read = receipt.files_seen - receipt.files_failed - len(kinds)
    receipt.records_read = pc.sum(table.column("records_read")).as_py() or 0
    receipt.records_rejected = pc.sum(units.column("records_rejected")).as_py() or 0
    for text in units.column("more").drop_null().to_pylist():
        more = json.loads(text)
        receipt.problems.extend(problems_from_plain(more.get("problems", ())))
        receipt.items_left_out.update(more.get("items", {}))
    return receipt


def held(table: pa.Table, manifest: Manifest, asked: Selection) -> frozenset[tuple[str, str]]:
    """(name, identity) of every unit that was read under a selection as wide as the one asked for."""
    wide = [name for name, clauses in manifest.selections.items() if selection_from_plain(clauses).covers(asked)]
    mine = table.filter(pc.is_in(table.column("selection"), value_set=pa.array(wide, type=pa.string())))
    names, identities = mine.column("name").to_pylist(), mine.column("identity").to_pylist()
    return frozenset((name, identity) for name, identity in zip(names, identities, strict=True) if identity)


def _is_over(units: pa.Table, place: int, runs: list[Line], manifest: Manifest) -> bool:
    """True when a complete run that began after this failure asked the same source for as much."""
    number, source, digest = (units.column(name)[place].as_py() for name in ("number", "source", "selection"))
    later = [one for one in runs if one["source"] == source and one["began_at_number"] >= number]
    if not later:
        return False
    asked = selection_from_plain(manifest.selections[digest])
    return any(selection_from_plain(manifest.selections[one["selection"]]).covers(asked) for one in later)


def _more(reading: Reading) -> str | None:
    more = {
        "problems": problems_to_plain(sorted(reading.problems)),
        "items": dict(sorted(reading.items_left_out.items())),
    }
    kept = {name: value for name, value in more.items() if value}
    return json.dumps(kept) if kept else None
