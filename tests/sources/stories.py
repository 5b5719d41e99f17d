"""One story laid out as files, as objects of a bucket and as event history, and what a source makes of it."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from history import History

from ecs_trail.evidence.sources.base import Evidence, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.lookup import LookupSource
from ecs_trail.evidence.sources.pacing import Pacer
from ecs_trail.practice import Incident, incident, write
from ecs_trail.selection import Selection

Record = dict[str, Any]
#: Kinds with IAM, organization, TLS, tag and volume events in several Regions and accounts.
KINDS = ("managed_detached", "inline_deleted", "customer_version_created")


def facts(evidence: Evidence) -> list[dict[str, Any]]:
    """The events, but for where they were read."""
    table: pa.Table = evidence.events.drop_columns(["source", "position"])
    return table.to_pylist()


def from_files(records: Iterable[Record], selection: Selection, folder: Path) -> list[dict[str, Any]]:
    """What a plain file of the same records gives: the reference."""
    folder.mkdir(exist_ok=True)
    (folder / "all.json").write_text(json.dumps({"Records": list(records)}, separators=(",", ":")))
    return facts(scan([FilesSource(folder)], selection))


def home_records(made: Incident) -> list[Record]:
    """The records of the account with the most: event history is of one account."""
    accounts = [record["recipientAccountId"] for record in made.records]
    account = max(set(accounts), key=accounts.count)
    return [record for record in made.records if record["recipientAccountId"] == account]


def regions_of(records: Iterable[Record]) -> tuple[str, ...]:
    """The Regions of records, sorted."""
    return tuple(sorted({record["awsRegion"] for record in records}))


def history_of(records: list[Record], **how: Any) -> History:
    """Event history that day, fast unless said otherwise."""
    return History(records, now=TODAY, **{"rate": 10_000, **how})


#: The day on which every story is looked at: within ninety days of its events.
TODAY = datetime(2026, 5, 20, tzinfo=UTC)


def quick(regions: tuple[str, ...], **how: Any) -> LookupSource:
    """A source that need not wait: for tests of what is asked, not of how fast."""
    pacer = Pacer(1000, pause=lambda _: None, clock=_Leaps())
    return LookupSource(regions, **{"pacer": lambda _: pacer, "now": lambda: TODAY, **how})


class _Leaps:
    """A clock on which every wait is over by the next look."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 1000.0
        return self.time


def story(kind: str, seed: int = 1) -> Incident:
    """A practice incident."""
    return incident(kind, seed)


def spread(records: Iterable[Record], days: int) -> list[Record]:
    """Records of one day, moved over many days: for what depends on dates."""
    moved = []
    for number, record in enumerate(records):
        later = datetime.fromisoformat(record["eventTime"]) + timedelta(days=number % days)
        moved.append(record | {"eventTime": f"{later:%Y-%m-%dT%H:%M:%SZ}"})
    return moved


def to_bucket(client: Any, bucket: str, made: Incident, folder: Path, *, place: Callable[[str], str] = str) -> int:
    """Put the delivered files of an incident into a bucket; `place` renames keys. Gives their number."""
    write(made, folder)
    client.create_bucket(Bucket=bucket)
    count = 0
    for path in sorted(folder.rglob("*.json.gz")):
        client.put_object(Bucket=bucket, Key=place(path.relative_to(folder).as_posix()), Body=path.read_bytes())
        count += 1
    return count
