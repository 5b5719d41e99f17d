"""A seeded trail archive of any size, with traps, and the truth about it.

    python -m tests.benchmarks.archive FOLDER --records 1000000

Most records are the daily life of the practice range that no investigation asks for; a few in a thousand belong to the
default selection, in bursts: two files in five hold them all. About 1.85 KB a record, gzip level 6. The truth is made
while writing, from what was put in, never by reading.

Traps, in records and in whole files: whole matching records inside JSON strings and as nested objects, session names
spelled `\\u0045CS…`, `\\/` in ARNs, look-alike names, keys in reverse order, blanks after colons, pretty-printed files,
gzip of many members, files without any record.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from ecs_trail import practice
from ecs_trail.event_names import SELECTED_EVENTS
from ecs_trail.vocabulary import SESSION_NAMES

ACCOUNTS: Final = ("111122223333", "444455556666", "777788889999")
REGIONS: Final = ("eu-west-1", "us-east-1", "eu-central-1", "ap-southeast-2")
#: Records of a usual file, about what a busy trail delivers in five minutes.
USUAL: Final = 680
#: One record in this many is a trap.
_TRAPS: Final = 150
_START: Final = 1_767_571_200  # 2026-01-05T00:00:00Z
_SIZE: Final = 1_960  # a record of background, on average
_TIME, _EVENT_ID, _REQUEST_ID = "@time@", "@event@", "@request@"
_HOLES: Final = re.compile(f"({_TIME}|{_EVENT_ID}|{_REQUEST_ID})")
Record = dict[str, Any]


@dataclass(slots=True)
class Truth:
    """What a reader must find: records in all and selected, and a digest of every selected id with its record."""

    records: int = 0
    files: int = 0
    raw_bytes: int = 0
    gzip_bytes: int = 0
    selected: int = 0
    ids: str = ""
    raws: str = ""
    kept: list[tuple[str, str]] = field(default_factory=list, repr=False)


def digests(kept: list[tuple[str, str]]) -> tuple[str, str]:
    """Digest of the ids, and of the ids with their records, whatever the order they were found in."""
    kept = sorted(kept)
    ids = hashlib.sha256("\n".join(event_id for event_id, _ in kept).encode()).hexdigest()
    raws = hashlib.sha256("\n".join(f"{event_id} {raw}" for event_id, raw in kept).encode()).hexdigest()
    return ids, raws


def make(folder: Path, records: int, *, seed: int = 1, size: int = USUAL) -> Truth:
    """Write an archive of about this many records, in files of about `size`, and `truth.json` beside it."""
    files = max(1, records // size)
    places = [(folder, seed, number, size) for number in range(files)]
    truth = Truth(files=files)
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        for count, raw_bytes, gzip_bytes, kept in pool.map(_write_file, places, chunksize=8):
            truth.records += count
            truth.raw_bytes += raw_bytes
            truth.gzip_bytes += gzip_bytes
            truth.kept += kept
    truth.selected = len(truth.kept)
    truth.ids, truth.raws = digests(truth.kept)
    truth.kept = []
    truth_file(folder).write_text(json.dumps(asdict(truth)), encoding="utf-8")
    return truth


def truth_file(folder: Path) -> Path:
    """Beside the archive, as everything inside it would be read."""
    return folder.with_name(folder.name + ".truth.json")


def truth_of(folder: Path) -> Truth:
    """The truth about an archive made before."""
    return Truth(**json.loads(truth_file(folder).read_text(encoding="utf-8")))


def _write_file(place: tuple[Path, int, int, int]) -> tuple[int, int, int, list[tuple[str, str]]]:
    folder, seed, number, size = place
    dice = random.Random(f"{seed}/{number}")
    account, region = dice.choice(ACCOUNTS), dice.choice(REGIONS)
    stamp = _START + 300 * (number // 4)
    count = 0 if dice.random() < 0.01 and size > 50 else max(1, round(size * dice.uniform(0.3, 1.7)))
    burst = dice.random() < 0.4
    made = [_one(dice, account, region, stamp, burst=burst) for _ in range(count)]
    text = _text(dice, [raw for raw, _ in made], pretty=dice.random() < 0.01)
    data = _packed(dice, text)
    day = time.strftime("%Y/%m/%d", time.gmtime(stamp))
    name = time.strftime("%Y%m%dT%H%MZ", time.gmtime(stamp))
    path = folder / "AWSLogs" / account / "CloudTrail" / region / day
    path.mkdir(parents=True, exist_ok=True)
    tail = "".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", k=16))
    (path / f"{account}_CloudTrail_{region}_{name}_{tail}.json.gz").write_bytes(data)
    kept = [(event_id, raw) for raw, event_id in made if event_id is not None]
    if text.startswith(b"{\n"):  # the records of a pretty-printed file stand there in another spelling
        kept = _reprinted(text.decode(), {event_id for event_id, _ in kept})
    return count, len(text), len(data), kept


def _one(dice: random.Random, account: str, region: str, stamp: int, *, burst: bool) -> tuple[str, str | None]:
    """A record's text, and its id when it belongs to the selection."""
    background, wanted, traps = _templates(account, region)
    if dice.random() < 1 / _TRAPS:
        parts, is_selected = dice.choice(traps if burst else [trap for trap in traps if not trap[1]])
    elif burst and dice.random() < 0.009:
        parts, is_selected = dice.choice(wanted), True
    else:
        parts, is_selected = dice.choice(background), False
    number = f"{dice.getrandbits(128):032x}"
    event_id = f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}"
    holes = {
        _TIME: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stamp - dice.randrange(900))),
        _EVENT_ID: event_id,
        _REQUEST_ID: f"{dice.getrandbits(64):016x}-req",
    }
    text = "".join([holes.get(part, part) for part in parts])
    return text, event_id if is_selected else None


def _text(dice: random.Random, records: list[str], *, pretty: bool) -> bytes:
    if pretty:
        return json.dumps({"Records": [json.loads(record) for record in records]}, indent=2).encode()
    blank = " " if dice.random() < 0.02 else ""
    return f'{{"Records":{blank}[{",".join(records)}]}}'.encode()


def _reprinted(text: str, wanted: set[str]) -> list[tuple[str, str]]:
    """Every wanted record as it stands in a pretty-printed file, found by its indentation."""
    kept = []
    for match in re.finditer(r"^    (\{\n.*?^    \})", text, re.DOTALL | re.MULTILINE):
        event_id = json.loads(match[1])["eventID"]
        if event_id in wanted:
            kept.append((event_id, match[1]))
    return kept


def _packed(dice: random.Random, text: bytes) -> bytes:
    """Gzip as CloudTrail writes it; one file in fifty of two members."""
    cut = dice.randrange(len(text)) if dice.random() < 0.02 else len(text)
    pieces = [piece for piece in (text[:cut], text[cut:]) if piece]
    return b"".join(gzip.compress(piece, 6, mtime=0) for piece in pieces)


def is_selected(record: Record) -> bool:
    """The contract's section 3 in plain words: a session of ECS, a refused AssumeRole, or a write of the lists."""
    names = {str((record.get("userIdentity") or {}).get("arn", "")).rpartition("/")[2]}
    names.add((record.get("requestParameters") or {}).get("roleSessionName", ""))
    source, name = record["eventSource"], record["eventName"]
    refused = source == "sts.amazonaws.com" and name == "AssumeRole" and "errorCode" in record
    return bool(names & SESSION_NAMES) or refused or name in SELECTED_EVENTS.get(source, ())


_Parts = list[str]


@cache
def _templates(account: str, region: str) -> tuple[list[_Parts], list[_Parts], list[tuple[_Parts, bool]]]:
    """Texts with holes for times and ids: background, selected, and traps with whether they are selected."""
    dice = random.Random(f"{account}/{region}")
    background: list[Record] = []
    wanted: list[Record] = []
    for kind in practice.kinds()[:6]:
        for found in practice.incident(kind, 7).records:
            record: Record = json.loads(json.dumps(found).replace(found["recipientAccountId"], account))
            record.update(awsRegion=region, recipientAccountId=account)
            (wanted if is_selected(record) else background).append(record)
    background = [_filled(dice, record) for record in background]
    lines = [_line(record) for record in background]
    traps = list(_traps(background[0], wanted))
    return [_parts(line) for line in lines], [_parts(_line(one)) for one in wanted[:400]], traps


def _filled(dice: random.Random, record: Record) -> Record:
    """A background record made as long as those of a busy account: what it asked for, and what came back."""
    missing = round(_SIZE * dice.uniform(0.7, 1.3)) - len(json.dumps(record, separators=(",", ":")))
    items = [
        {"instanceId": f"i-0{dice.getrandbits(64):016x}", "currentState": {"code": 16, "name": "running"}}
        for _ in range(max(0, missing // 84))
    ]
    return {**record, "responseElements": {"instancesSet": {"items": items}} if items else None}


def _line(record: Record) -> str:
    holed = {**record, "eventTime": _TIME, "eventID": _EVENT_ID, "requestID": _REQUEST_ID}
    return json.dumps(holed, separators=(",", ":"))


def _parts(line: str) -> _Parts:
    return _HOLES.split(line)


def _traps(plain: Record, wanted: list[Record]) -> Iterator[tuple[_Parts, bool]]:
    ecs = next(record for record in wanted if str(record["userIdentity"].get("arn")).endswith("/ECSTaskVolumesForEBS"))
    inner = json.dumps({**ecs, "eventID": "inside"})
    yield (
        _parts(_line({**plain, "requestParameters": {"policyDocument": inner, "sessionName": "ECSTaskVolumesForEBS"}})),
        False,
    )
    yield _parts(_line({**plain, "userAgent": '"arn":"x/ECSTaskVolumesForEBS","eventName":"StopTask"'})), False
    yield _parts(_line({**plain, "responseElements": {"Records": [json.loads(inner)] * 2}})), False
    yield (
        _parts(_line({**plain, "requestParameters": {"eventSource": "ecs.amazonaws.com", "eventName": "StopTask"}})),
        False,
    )
    alike = {**ecs["userIdentity"], "arn": ecs["userIdentity"]["arn"] + "2"}
    yield _parts(_line({**plain, "userIdentity": alike})), False
    yield _parts(_line({**plain, "eventSource": "ecs.amazonaws.com", "eventName": "StopTasks"})), False
    yield _parts(_line(dict(reversed(plain.items())))), False
    # an odd spelling of what matters: JSON reads all of them as the same text
    yield _parts(_line(ecs).replace("ECSTaskVolumesForEBS", "\\u0045CSTaskVolumesForEBS")), True
    yield _parts(_line(ecs).replace("/ECSTask", "\\/ECSTask")), True
    yield _parts(_line(dict(reversed(ecs.items())))), True
    yield _parts(json.dumps(json.loads(_line(ecs)), separators=(", ", ": "))), True
    stop = next(record for record in wanted if record["eventName"] == "StopTask")
    yield _parts(_line(stop).replace("StopTask", "\\u0053topTask")), True


def main() -> None:
    """Make an archive and print what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--size", type=int, default=USUAL, metavar="N", help="records of a usual file")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    given = parser.parse_args()
    print(make(given.folder, given.records, seed=given.seed, size=given.size))


if __name__ == "__main__":
    main()
