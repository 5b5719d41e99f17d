"""Bytes of one file -> raw records, whatever the wrapping.

`unwrap` expands compression and archives (`compression`), finds JSON values or CSV rows in the plain text (`texts`,
`tables`) and the records inside them (`shapes`). A record's text is the slice of the source where it stood as JSON
text of its own, or the inner text where it stood inside a JSON string (LookupEvents, log messages). It is serialised
anew, compactly, only where it did not stand as JSON text: CSV rows, query-result columns, and objects that held raw
control characters.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from ecs_trail.evidence.compression import USUAL, Bounds, Part, expand
from ecs_trail.evidence.large import trouble_of
from ecs_trail.evidence.ledger import Found, Problem, TaskText
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.evidence.shapes import Haul, gather, gather_table
from ecs_trail.evidence.tables import table_of_csv
from ecs_trail.evidence.texts import decode_text, read_values

#: Words that make a text look like CloudTrail evidence even where it cannot be read.
_HINTS: Final = re.compile(rb'"?(?:eventVersion|eventSource|eventName|CloudTrailEvent|eventID|class_uid)"?\s*["\\:]')
_DATA_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson", ".gz", ".zst", ".cloudtrail"})
_AVRO: Final = b"Obj\x01"
#: Place and mark of formats that may well hold evidence, but are not opened here. That of tar is whole, as POSIX and
#: GNU write it: no JSON has a NUL, while the word alone may stand there in a record.
_FOREIGN: Final = (
    (0, b"PARE", "an encrypted Parquet file"),
    (257, b"ustar\0", "a tar archive"),
    (257, b"ustar  \0", "a tar archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
)


@dataclass(slots=True)
class Contents:
    """What a file holds. `is_log` is true when a CloudTrail wrapper was recognised, even an empty one."""

    records: list[Found] = field(default_factory=list)
    task_texts: list[TaskText] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    is_log: bool = False


def unwrap(data: bytes, name: str, *, bounds: Bounds = USUAL) -> Contents:
    """Everything a file holds. Never raises for what the bytes are: trouble becomes a problem with its place."""
    contents = Contents()
    count = 0
    for part in expand(data, name, bounds=bounds):
        count += 1
        contents.problems.extend(part.problems)
        haul = Haul(part.name)
        open_part(part, haul, bounds)
        haul.finish()
        contents.records.extend(haul.records)
        contents.task_texts.extend(haul.task_texts)
        contents.left_out.update(haul.left_out)
        contents.problems.extend(haul.problems)
        contents.is_log = contents.is_log or haul.is_log
    if count == 0:
        contents.left_out["empty"] += 1
    return contents


def open_part(part: Part, haul: Haul, bounds: Bounds = USUAL) -> None:
    """Fill the haul with what one plain part holds. Its own problems (`part.problems`) are not repeated."""
    for place, magic, label in _FOREIGN:
        if part.data.startswith(magic, place):
            detail = f"{label}; only JSON, CSV and Parquet, plain or compressed, are read here."
            haul.problems.append(Problem(part.name, "unreadable_file", detail))
            return
    text = decode_text(part.data)
    if not text or text.isspace():
        if not part.problems:
            haul.left_out["empty"] += 1
        return
    if _read_csv(text, haul):
        return
    trouble = trouble_of(text, bounds)
    if trouble:
        haul.problems.append(Problem(part.name, "too_large", trouble))
        return
    values = read_values(text, part.name)
    if not values.is_json:
        _judge(part, text, haul)
        return
    for value in values.values:
        gather(bytes(value), haul)
    if values.problems:
        if haul.count or haul.task_texts or _looks_like_evidence(part, text):
            haul.problems.extend(values.problems)
        else:
            haul.left_out.clear()
            haul.left_out["not_cloudtrail"] += 1


def _read_csv(text: bytes, haul: Haul) -> bool:
    first_line = text.lstrip(b"\r\n").partition(b"\n")[0][:4096].lower()
    if text[:1] in (b"{", b"[") or not (b"event" in first_line or b"message" in first_line):
        return False
    table = table_of_csv(text)
    if table is None:
        return False
    gather_table(table, haul)
    return True


def _judge(part: Part, text: bytes, haul: Haul) -> None:
    """A part that is no JSON and no table: no evidence at all, or evidence that cannot be read."""
    if part.problems:
        return
    if text.startswith(_AVRO) and "/metadata/" in part.name:  # Iceberg's lists of data files
        haul.left_out["not_cloudtrail"] += 1
    elif _HINTS.search(text):
        haul.problems.append(
            Problem(part.name, "broken_json", "line 1, byte 0: looks like CloudTrail, but is no JSON; not read.")
        )
    elif _is_data_name(part.name):
        haul.problems.append(Problem(part.name, "unreadable_file", "neither JSON nor CSV nor a known compression."))
    else:
        haul.left_out["not_cloudtrail"] += 1


def _looks_like_evidence(part: Part, text: bytes) -> bool:
    return bool(_is_data_name(part.name) or _HINTS.search(text))


def _is_data_name(name: str) -> bool:
    return stamp_of(name) is not None or PurePosixPath(name.lower()).suffix in _DATA_SUFFIXES
