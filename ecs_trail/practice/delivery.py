"""Delivery as CloudTrail does it: gzip files per account and Region, some minutes late, unsorted inside.

Key layout: *AWS CloudTrail User Guide*, "Finding your CloudTrail log files" (read on 2026-11-24).
"""

import gzip
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final, TypeAlias

from ecs_trail.practice.dice import Dice, epoch, iso

Json: TypeAlias = dict[str, Any]

#: Seconds between two deliveries of one account and Region.
BEAT: Final = 300
_LONGEST_DELAY: Final = 600


def closing_stamp(newest: int) -> int:
    """The stamp of an incident's last file: known before delivery, so that `as_of` does not hang on its chances."""
    return (newest // BEAT + 2) * BEAT


def plan(records: list[Json], dice: Dice, *, late: bool, spread: bool = True) -> dict[tuple[str, str, int], list[Json]]:
    """Put every record into a file, keyed by account, Region and stamp (seconds UTC, whole minutes).

    A file is stamped up to ten minutes after its events; with `late`, a few records come half an hour later; without
    `spread`, every beat has one file. The newest record always lies in the file with the closing stamp.
    """
    times = [epoch(record["eventTime"]) for record in records]
    closing = closing_stamp(max(times))
    newest = times.index(max(times))
    files: dict[tuple[str, str, int], list[Json]] = defaultdict(list)
    for index, (record, at) in enumerate(zip(records, times, strict=True)):
        delay = dice.randint(0, _LONGEST_DELAY - BEAT) if spread else 0
        stamp = ((at + delay) // BEAT + 1) * BEAT
        if late and dice.chance(0.02):
            stamp += 1800
        if index == newest:
            stamp = closing
        files[record["recipientAccountId"], record["awsRegion"], min(stamp, closing)].append(record)
    return files


def write_files(
    records: list[Json], folder: Path, dice: Dice, *, late: bool, duplicated: bool, shuffled: bool, spread: bool = True
) -> None:
    """Write `AWSLogs/<account>/CloudTrail/<region>/<yyyy>/<mm>/<dd>/….json.gz` below `folder`."""
    for (account, region, stamp), group in sorted(plan(records, dice, late=late, spread=spread).items()):
        if shuffled:
            dice.shuffle(group)
        _write_one(folder, (account, region, stamp), group, dice.letters(16))
        again = [record for record in group if dice.chance(0.04)]
        if duplicated and again:
            _write_one(folder, (account, region, stamp), again, dice.letters(16))


def _write_one(folder: Path, place: tuple[str, str, int], group: list[Json], tail: str) -> None:
    account, region, stamp = place
    # Stamps are whole minutes: 20260302T0910Z, from 2026-03-02T09:10:00Z.
    from_iso = _stamp_text(stamp)
    day = f"{from_iso[:4]}/{from_iso[4:6]}/{from_iso[6:8]}"
    home = folder / "AWSLogs" / account / "CloudTrail" / region / day
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{account}_CloudTrail_{region}_{from_iso}_{tail}.json.gz"
    path.write_bytes(packed(json.dumps({"Records": group}, separators=(",", ":"))))


def _stamp_text(stamp: int) -> str:
    return iso(stamp).replace("-", "").replace(":", "")[:13] + "Z"


def packed(text: str) -> bytes:
    """Gzip without a time or a name inside: the same text gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write(text.encode())
    return buffer.getvalue()


def write_task_files(task_files: dict[str, Json], folder: Path) -> None:
    """Saved task states, plain JSON, in a folder of their own beside the trail."""
    for name, content in sorted(task_files.items()):
        path = folder / "task-states" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
