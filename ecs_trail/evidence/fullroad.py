"""The full road: everything is unwrapped, every record becomes a row, and those that may match are kept.

It reads whatever is no plain CloudTrail text, and says of every record that is none why. `scanning` loads it only when
it meets such a file, as an archive seldom has one.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

from ecs_trail.evidence.compression import HINT, PARQUET, Part
from ecs_trail.evidence.containers import open_part
from ecs_trail.evidence.fastlane import scan_fast
from ecs_trail.evidence.large import Piece, begins_with_a_line, pieces
from ecs_trail.evidence.ledger import Problem, Reading, Span, merge_spans
from ecs_trail.evidence.probes import Probe, admits, glimpse
from ecs_trail.evidence.records import RejectedError, Row, row_of
from ecs_trail.evidence.shapes import Haul
from ecs_trail.evidence.tally import Tally

_NAMED_EXAMPLES: Final = 3


def read_part(part: Part, probe: Probe, reading: Reading, tally: Tally) -> None:
    """Read one part of a file into its reading and tally."""
    if part.data.startswith(PARQUET):
        read_parquet(part.data, part.name, probe, reading, tally)
    elif len(part.data) > tally.bounds.piece and begins_with_a_line(part.data):
        _scan_pieces(pieces(part.data, tally.bounds), part.name, probe, reading, tally)
    else:
        _scan_text(part, probe, reading, tally)


def _scan_pieces(found: Iterator[Piece], name: str, probe: Probe, reading: Reading, tally: Tally) -> None:
    """Read the lines of a large text a piece at a time; places of records go on from piece to piece."""
    before = reading.records_read + reading.records_rejected
    for piece in found:
        if piece.trouble:
            reading.problems.append(Problem(name, "too_large", piece.trouble))
            return
        first = reading.records_read + reading.records_rejected - before
        if scan_fast(piece.data, name, probe, reading, first=first):
            continue
        known = len(reading.problems)
        _scan_text(Part(name, piece.data), probe, reading, tally, first=first)
        if piece.start:
            where = f"counted from byte {piece.start}: "
            reading.problems[known:] = [
                Problem(one.source, one.kind, where + one.detail) for one in reading.problems[known:]
            ]


def read_stream(stream: BinaryIO, source: str, probe: Probe, reading: Reading, tally: Tally) -> None:
    """Read a file that is too large to be held. Raises `OSError`."""
    bounds = tally.bounds
    size = os.fstat(stream.fileno()).st_size
    if begins_with_a_line(stream.read(bounds.piece)):
        stream.seek(0)
        _scan_pieces(pieces(stream, bounds), source, probe, reading, tally)
    else:
        words = f"{size} bytes that are not lines of JSON; more than {bounds.part} are not read. {HINT}."
        reading.problems.append(Problem(source, "too_large", words))


def _scan_text(part: Part, probe: Probe, reading: Reading, tally: Tally, *, first: int = 0) -> None:
    rejected = _Rejected()
    haul = Haul(part.name, drained=first)
    haul.relief = partial(_make_rows, haul, probe, reading, rejected)
    open_part(part, haul, tally.bounds)
    _make_rows(haul, probe, reading, rejected)
    _close(haul, rejected, reading, tally)


def read_parquet(file: Path | bytes, name: str, probe: Probe, reading: Reading, tally: Tally) -> None:
    """Read a Parquet file; a batch of its records is made rows before the next is read."""
    # a worker loads Arrow only when it meets such a file
    parquet = import_module("ecs_trail.evidence.parquet")
    haul = Haul(name)
    rejected = _Rejected()
    for _ in parquet.batches(file, name, probe, haul):
        _make_rows(haul, probe, reading, rejected)
    _make_rows(haul, probe, reading, rejected)
    _close(haul, rejected, reading, tally)


def _make_rows(haul: Haul, probe: Probe, reading: Reading, rejected: "_Rejected") -> None:
    for found in haul.drain():
        try:
            row = row_of(found.text, found.source, found.position, is_rebuilt=found.is_rebuilt)
        except RejectedError as error:
            rejected.add(f"record {found.position}: {error}")
            continue
        _keep(reading, row, probe, is_rebuilt=found.is_rebuilt)


def _close(haul: Haul, rejected: "_Rejected", reading: Reading, tally: Tally) -> None:
    haul.finish()
    reading.records_read += haul.set_aside
    reading.records_set_aside += haul.set_aside
    merge_spans(reading.spans, haul.spans)
    reading.problems.extend(haul.problems)
    if rejected.count:
        reading.records_rejected += rejected.count
        reading.problems.append(_rejection(haul.source, rejected))
    reading.task_texts.extend(haul.task_texts)
    tally.left_out.update(haul.left_out)
    tally.is_log = tally.is_log or haul.is_log


def _keep(reading: Reading, row: Row, probe: Probe, *, is_rebuilt: bool) -> None:
    """Count a row and keep it when it may match."""
    reading.records_read += 1
    seen = glimpse(row)
    span = reading.spans.setdefault((seen.account or "", seen.region or ""), Span())
    span.see_time(seen.moment)
    span.event_sources.add(seen.event_source)
    if admits(probe, seen):
        reading.keep(row, is_rebuilt=is_rebuilt)
    else:
        reading.records_set_aside += 1


@dataclass(slots=True)
class _Rejected:
    """Records that are none: how many, and the first of them with their places. There may be millions."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, reason: str) -> None:
        self.count += 1
        if len(self.examples) < _NAMED_EXAMPLES:
            self.examples.append(reason)


def _rejection(source: str, rejected: _Rejected) -> Problem:
    """One problem for all rejected records of a part, with the first places."""
    more = f" and {rejected.count - _NAMED_EXAMPLES} more" if rejected.count > _NAMED_EXAMPLES else ""
    return Problem(source, "rejected_record", "; ".join(rejected.examples) + more + ".")
