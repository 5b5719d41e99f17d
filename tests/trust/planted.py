"""A practice incident in which every text a record may carry holds something: a secret, or words meant to act.

Where to plant is read from the schema (what each column is made of) and from the records themselves (every text in
requests, responses and identities), so that a new column and a new shape are planted by themselves.
"""

import copy
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from planting import FIXED

from ecs_trail import practice
from ecs_trail.schema import EVENT_COLUMNS

Record = dict[str, Any]
#: Without these a record is no event, is not selected, or means another incident.
MEANING = FIXED | frozenset(
    {
        *("eventTime", "eventID", "eventSource", "eventName", "awsRegion", "recipientAccountId", "eventVersion"),
        *("eventType", "eventCategory", "creationDate", "invokedBy", "accountId", "type", "arn", "readOnly"),
        *("managementEvent", "errorCode", "principalId", "sharedEventID", "userName", "roleName", "policyName"),
    }
)
_NAMED = re.compile(r"\b([a-z][A-Za-z]*(?:\.[a-zA-Z]+)*)\b")


def paths() -> dict[str, tuple[str, ...]]:
    """Column of the schema -> where its text stands in a record, as the schema's own words say."""
    found = {}
    for column, (kind, doc) in EVENT_COLUMNS.items():
        first = _NAMED.match(doc)
        if str(kind) == "string" and first and column not in {"source", "raw", "session_name"}:
            found[column] = tuple(first.group(1).split("."))
    return found


def put(record: Record, path: tuple[str, ...], text: str) -> None:
    """Put a text behind the one at a path, or there where none is; objects get a field more."""
    place = record
    for name in path[:-1]:
        inner = place.get(name)
        if not isinstance(inner, dict):
            return
        place = inner
    held = place.get(path[-1])
    if isinstance(held, dict):
        held["planted"] = text
    elif held is None or isinstance(held, str):
        place[path[-1]] = f"{held} {text}" if held else text


def behind(value: Any, text: Callable[[str], str], key: str = "") -> Any:
    """The value with something behind every text that does not make the record what it is; ARNs and ids stay whole."""
    if isinstance(value, dict):
        return {name: value[name] if name in MEANING else behind(value[name], text, name) for name in value}
    if isinstance(value, list):
        return [behind(inner, text, key) for inner in value]
    whole = isinstance(value, str) and not re.match(r"arn:|vol-|i-|[A-Z]{4}[A-Z0-9]{10}|\{", value)
    return f"{value} {text(key)}" if whole else value


def written(folder: Path, change: Callable[[Record], Record], kind: str = "managed_detached", seed: int = 3) -> Path:
    """The evidence of a practice incident, each of its records changed."""
    practice.run(seed, kind, folder)
    evidence = folder / "evidence"
    for file in sorted(evidence.rglob("*.json.gz")):
        document = json.loads(gzip.decompress(file.read_bytes()))
        if "Records" in document:
            document["Records"] = [change(copy.deepcopy(one)) for one in document["Records"]]
            file.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    return evidence


def texts_of(data: bytes) -> Iterator[str]:
    """Everything readable in the bytes of an output: unpacked, and with the escapes of JSON and HTML undone."""
    import html  # noqa: PLC0415
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from texts_of(archive.read(name))
        return
    if data[:4] == b"PAR1":
        import pyarrow.parquet as pq  # noqa: PLC0415

        yield json.dumps(pq.read_table(io.BytesIO(data)).to_pylist(), default=str, ensure_ascii=False)
        return
    text = data.decode("utf-8", "replace")
    yield text
    yield html.unescape(text)
    yield text.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/")
