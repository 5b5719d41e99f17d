"""One door for the bytes of one file: records in, rows that may match out, everything counted.

`scan_bytes` takes the fast road where a file is plain CloudTrail and the full road everywhere else; both give the same
reading (a property test holds that). The selection is applied exactly by `sources.base.scan`, once.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Final

from ecs_trail.collector import collector_paused
from ecs_trail.evidence.compression import HINT, USUAL, Bounds, Part, expand
from ecs_trail.evidence.containers import PARQUET, open_part
from ecs_trail.evidence.fastlane import scan_fast
from ecs_trail.evidence.large import Piece, begins_with_a_line, pieces
from ecs_trail.evidence.ledger import Fetched, Problem, Reading, Span, Spans, merge_spans
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.evidence.probes import Probe, admits, glimpse
from ecs_trail.evidence.records import RejectedError, Row, row_of
from ecs_trail.evidence.shapes import Haul

_NAMED_EXAMPLES: Final = 3
#: Files of at most so many bytes are read in one step.
_SMALL: Final = 1 << 20
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
#: Kinds that name a file only when nothing else in it does.
_SAYING_LITTLE: Final = frozenset({"not_cloudtrail", "empty"})


def read_unit(unit: Fetched, probe: Probe, bounds: Bounds = USUAL) -> Reading:
    """The reading of one fetched unit; runs in a worker process as well."""
    with collector_paused():
        return _read(unit, probe, bounds)


def _read(unit: Fetched, probe: Probe, bounds: Bounds) -> Reading:
    if unit.problem is not None:
        return failed(unit.problem.source, unit.problem.kind, unit.problem.detail)
    if unit.data is not None:
        return scan_bytes(unit.data, unit.source, probe, bounds=bounds)
    return scan_path(unit.path or unit.source, unit.source, probe, bounds=bounds)


def scan_path(path: str, source: str, probe: Probe, *, bounds: Bounds = USUAL) -> Reading:
    """Read a file from disk and scan it. A file that has gone or may not be read becomes a failed reading.

    One larger than the bounds is read in pieces where it is written in lines. One that grows meanwhile is read up to
    the size it had.
    """
    try:
        handle, size = only_file(path)
        try:
            data = os.read(handle, size if size <= _SMALL else len(PARQUET))
            if data.startswith(PARQUET):
                return scan_parquet(Path(path), source, probe)
            if size > bounds.part:
                with open(handle, "rb", closefd=False) as stream:
                    stream.seek(0)
                    return _scan_stream(stream, source, probe, bounds)
            if len(data) < size:
                with open(handle, "rb", closefd=False) as stream:
                    stream.seek(0)  # whole and at once: to add the rest would hold a large file twice
                    data = stream.read(size)
        finally:
            os.close(handle)
    except FileNotFoundError:
        return failed(source, "vanished", "the file was listed but is gone.")
    except PermissionError:
        return failed(source, "no_permission", "the file may not be read.")
    except OSError as error:
        return failed(source, "unreadable_file", f"the file cannot be read: {error.strerror or error}.")
    reading = scan_bytes(data, source, probe, bounds=bounds)
    if len(data) < size:
        words = f"{len(data)} of {size} bytes were there: the file was cut while it was read."
        reading.problems.append(Problem(source, "truncated_file", words))
    return reading


def only_file(path: str) -> tuple[int, int]:
    """Open a file and nothing else: a pipe that took its place since the listing would be waited for without end. The
    handle and the size.
    """
    handle = os.open(path, _READ)
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no file any more")
    return handle, status.st_size


def _scan_stream(stream: BinaryIO, source: str, probe: Probe, bounds: Bounds) -> Reading:
    """The reading of a file that is too large to be held. Raises `OSError`."""
    reading, tally = Reading(source), _Tally(bounds, parts=1)
    see_stamp(reading, source)
    size = os.fstat(stream.fileno()).st_size
    if begins_with_a_line(stream.read(bounds.piece)):
        stream.seek(0)
        _scan_pieces(pieces(stream, bounds), source, probe, reading, tally)
    else:
        words = f"{size} bytes that are not lines of JSON; more than {bounds.part} are not read. {HINT}."
        reading.problems.append(Problem(source, "too_large", words))
    _conclude(reading, tally)
    return reading


def scan_parquet(file: Path | bytes, source: str, probe: Probe) -> Reading:
    """The reading of a Parquet file, on disk or in memory. On disk it may have any size: it is read in batches."""
    reading, tally = Reading(source), _Tally(parts=1)
    see_stamp(reading, source)
    _scan_parquet(file, source, probe, reading, tally)
    _conclude(reading, tally)
    return reading


def failed(source: str, kind: str, detail: str) -> Reading:
    """The reading of a file of which nothing could be read; its name still tells the stamp."""
    reading = Reading(source, failed=True, problems=[Problem(source, kind, detail)])
    see_stamp(reading, source)
    return reading


def scan_bytes(data: bytes, source: str, probe: Probe, *, bounds: Bounds = USUAL, is_fast: bool = True) -> Reading:
    """The reading of one file's bytes: rows that may match, and all counts.

    `is_fast=False` takes the full road for every part: unwrap everything, make every row, keep those that may match.
    """
    reading = Reading(source)
    tally = _Tally(bounds)
    see_stamp(reading, source)
    for part in expand(data, source, bounds=bounds):
        tally.parts += 1
        if part.name != source:
            see_stamp(reading, part.name)
        reading.problems.extend(part.problems)
        if not (is_fast and not part.problems and scan_fast(part.data, part.name, probe, reading)):
            _scan_part(part, probe, reading, tally)
    _conclude(reading, tally)
    return reading


@dataclass(slots=True)
class _Tally:
    """What decides in the end whether a file was read, left out or failed."""

    bounds: Bounds = USUAL
    parts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    is_log: bool = False


def _scan_part(part: Part, probe: Probe, reading: Reading, tally: _Tally) -> None:
    if part.data.startswith(PARQUET):
        _scan_parquet(part.data, part.name, probe, reading, tally)
    elif len(part.data) > tally.bounds.piece and begins_with_a_line(part.data):
        _scan_pieces(pieces(part.data, tally.bounds), part.name, probe, reading, tally)
    else:
        _scan_text(part, probe, reading, tally)


def _scan_pieces(found: Iterator[Piece], name: str, probe: Probe, reading: Reading, tally: _Tally) -> None:
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


def _scan_text(part: Part, probe: Probe, reading: Reading, tally: _Tally, *, first: int = 0) -> None:
    rejected = _Rejected()
    haul = Haul(part.name, drained=first)
    haul.relief = partial(_make_rows, haul, probe, reading, rejected)
    open_part(part, haul, tally.bounds)
    _make_rows(haul, probe, reading, rejected)
    _close(haul, rejected, reading, tally)


def _scan_parquet(file: Path | bytes, name: str, probe: Probe, reading: Reading, tally: _Tally) -> None:
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
        keep(reading, row, probe, is_rebuilt=found.is_rebuilt)


def _close(haul: Haul, rejected: "_Rejected", reading: Reading, tally: _Tally) -> None:
    haul.finish()
    reading.records_read += haul.set_aside
    reading.records_set_aside += haul.set_aside
    merge_spans(reading.spans, haul.spans)
    reading.problems.extend(haul.problems)
    if rejected.count:
        reading.records_rejected += rejected.count
        reading.problems.append(rejection(haul.source, rejected))
    reading.task_texts.extend(haul.task_texts)
    tally.left_out.update(haul.left_out)
    tally.is_log = tally.is_log or haul.is_log


def keep(reading: Reading, row: Row, probe: Probe, *, is_rebuilt: bool) -> None:
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


def rejection(source: str, rejected: _Rejected) -> Problem:
    """One problem for all rejected records of a part, with the first places."""
    more = f" and {rejected.count - _NAMED_EXAMPLES} more" if rejected.count > _NAMED_EXAMPLES else ""
    return Problem(source, "rejected_record", "; ".join(rejected.examples) + more + ".")


def see_stamp(reading: Reading, name: str) -> None:
    """Note account, Region and delivery minute in the name of a trail log file."""
    stamp = stamp_of(name)
    if stamp is None:
        return
    account, region, moment = stamp
    spans: Spans = reading.spans
    spans.setdefault((account, region), Span()).see_stamp(moment)
    known = reading.newest_stamp
    reading.newest_stamp = moment if known is None else max(known, moment)


def _conclude(reading: Reading, tally: _Tally) -> None:
    """Say what the file was: read, left out as a whole, or failed."""
    if tally.parts == 0:
        tally.left_out["empty"] += 1
    if reading.records_read or reading.records_rejected or tally.is_log:
        reading.items_left_out = tally.left_out
    elif tally.left_out and not any(problem.is_partial for problem in reading.problems):
        reading.left_out = _main_kind(tally.left_out)
    elif tally.left_out.keys() - _SAYING_LITTLE:  # a part was recognised, another could not be read
        reading.items_left_out = tally.left_out
    else:
        reading.failed = True


def _main_kind(kinds: Counter[str]) -> str:
    """The kind of a file with several: what says most about it, then the most frequent, then by name."""
    return min(kinds, key=lambda kind: (kind in _SAYING_LITTLE, -kinds[kind], kind))
