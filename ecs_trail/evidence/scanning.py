"""One door for the bytes of one file: records in, rows that may match out, everything counted.

`scan_bytes` takes the fast road where a file is plain CloudTrail and the full road everywhere else; both give the same
reading (a property test holds that). The selection is applied exactly by `sources.base.scan`, once.
"""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final

from ecs_trail.evidence.compression import EXPANSION_LIMIT, Part, expand
from ecs_trail.evidence.containers import PARQUET, open_part
from ecs_trail.evidence.fastlane import scan_fast
from ecs_trail.evidence.ledger import Fetched, Problem, Reading, Span, Spans, merge_spans
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.evidence.probes import Probe, admits, glimpse
from ecs_trail.evidence.records import RejectedError, Row, row_of
from ecs_trail.evidence.shapes import Haul

_NAMED_EXAMPLES: Final = 3
#: Kinds that name a file only when nothing else in it does.
_SAYING_LITTLE: Final = frozenset({"not_cloudtrail", "empty"})


def read_unit(unit: Fetched, probe: Probe) -> Reading:
    """The reading of one fetched unit; runs in a worker process as well."""
    with _collector_paused():
        return _read(unit, probe)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection while one file is read: it would walk over rows that are all still needed."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(unit: Fetched, probe: Probe) -> Reading:
    if unit.problem is not None:
        return failed(unit.problem.source, unit.problem.kind, unit.problem.detail)
    if unit.data is not None:
        return scan_bytes(unit.data, unit.source, probe)
    return scan_path(unit.path or Path(unit.source), unit.source, probe)


def scan_path(path: Path, source: str, probe: Probe, *, limit: int = EXPANSION_LIMIT) -> Reading:
    """Read a file from disk and scan it. A file that has gone or may not be read becomes a failed reading."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            data = stream.read(len(PARQUET))
            if data == PARQUET:
                return scan_parquet(path, source, probe)
            if size > limit:
                return failed(source, "too_large", f"{size} bytes; more than {limit} are not read.")
            data += stream.read()
    except FileNotFoundError:
        return failed(source, "vanished", "the file was listed but is gone.")
    except PermissionError:
        return failed(source, "no_permission", "the file may not be read.")
    except OSError as error:
        return failed(source, "unreadable_file", f"the file cannot be read: {error.strerror or error}.")
    return scan_bytes(data, source, probe, limit=limit)


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


def scan_bytes(
    data: bytes, source: str, probe: Probe, *, limit: int = EXPANSION_LIMIT, is_fast: bool = True
) -> Reading:
    """The reading of one file's bytes: rows that may match, and all counts.

    `is_fast=False` takes the full road for every part: unwrap everything, make every row, keep those that may match.
    """
    reading = Reading(source)
    tally = _Tally()
    see_stamp(reading, source)
    for part in expand(data, source, limit=limit):
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

    parts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    is_log: bool = False


def _scan_part(part: Part, probe: Probe, reading: Reading, tally: _Tally) -> None:
    if part.data.startswith(PARQUET):
        _scan_parquet(part.data, part.name, probe, reading, tally)
        return
    haul = open_part(part)
    rejected: list[str] = []
    _make_rows(haul, probe, reading, rejected)
    _close(haul, rejected, reading, tally)


def _scan_parquet(file: Path | bytes, name: str, probe: Probe, reading: Reading, tally: _Tally) -> None:
    """Read a Parquet file; a batch of its records is made rows before the next is read."""
    # a worker loads Arrow only when it meets such a file
    parquet = import_module("ecs_trail.evidence.parquet")
    haul = Haul(name)
    rejected: list[str] = []
    for _ in parquet.batches(file, name, probe, haul):
        _make_rows(haul, probe, reading, rejected)
    _make_rows(haul, probe, reading, rejected)
    _close(haul, rejected, reading, tally)


def _make_rows(haul: Haul, probe: Probe, reading: Reading, rejected: list[str]) -> None:
    for found in haul.drain():
        try:
            row = row_of(found.text, found.source, found.position, is_rebuilt=found.is_rebuilt)
        except RejectedError as error:
            rejected.append(f"record {found.position}: {error}")
            continue
        keep(reading, row, probe, is_rebuilt=found.is_rebuilt)


def _close(haul: Haul, rejected: list[str], reading: Reading, tally: _Tally) -> None:
    haul.finish()
    reading.records_read += haul.set_aside
    merge_spans(reading.spans, haul.spans)
    reading.problems.extend(haul.problems)
    if rejected:
        reading.records_rejected += len(rejected)
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


def rejection(source: str, reasons: list[str]) -> Problem:
    """One problem for all rejected records of a part, with the first places."""
    more = f" and {len(reasons) - _NAMED_EXAMPLES} more" if len(reasons) > _NAMED_EXAMPLES else ""
    return Problem(source, "rejected_record", "; ".join(reasons[:_NAMED_EXAMPLES]) + more + ".")


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
