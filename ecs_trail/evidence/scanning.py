"""One door for the bytes of one file: records in, rows that may match out, everything counted.

`scan_bytes` takes the fast road where a file is plain CloudTrail and the full road everywhere else; both give the same
reading (a property test holds that). The selection is applied exactly by `sources.base.scan`, once.
"""

import errno
import os
import stat
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ecs_trail.collector import collector_paused
from ecs_trail.evidence.compression import PARQUET, USUAL, Bounds, expand
from ecs_trail.evidence.fastlane import scan_fast
from ecs_trail.evidence.ledger import Fetched, Problem, Reading, Span, Spans
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.tally import Tally

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
                    reading, tally = _begun(source, bounds)
                    _full_road().read_stream(stream, source, probe, reading, tally)
                    _conclude(reading, tally)
                    return reading
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


def scan_parquet(file: Path | bytes, source: str, probe: Probe) -> Reading:
    """The reading of a Parquet file, on disk or in memory. On disk it may have any size: it is read in batches."""
    reading, tally = _begun(source)
    _full_road().read_parquet(file, source, probe, reading, tally)
    _conclude(reading, tally)
    return reading


def _begun(source: str, bounds: Bounds = USUAL) -> tuple[Reading, Tally]:
    """The reading of a file of one part, of which the name alone is known."""
    reading = Reading(source)
    see_stamp(reading, source)
    return reading, Tally(bounds, parts=1)


def _full_road() -> Any:
    """It takes longer to load than a hundred plain files to read, and most archives need none of it."""
    return import_module("ecs_trail.evidence.fullroad")


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
    tally = Tally(bounds)
    see_stamp(reading, source)
    for part in expand(data, source, bounds=bounds):
        tally.parts += 1
        if part.name != source:
            see_stamp(reading, part.name)
        reading.problems.extend(part.problems)
        if not (is_fast and not part.problems and scan_fast(part.data, part.name, probe, reading)):
            _full_road().read_part(part, probe, reading, tally)
    _conclude(reading, tally)
    return reading


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


def _conclude(reading: Reading, tally: Tally) -> None:
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
