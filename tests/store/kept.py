"""What tests of stores share: small evidence, and what a store holds in all."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store.units import read_units


def record(number: int, *, minute: int = 0, name: str = "DeleteVolume", **more: Any) -> dict[str, Any]:
    """One event of the volume session."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:ECSTaskVolumesForEBS",
            "arn": "arn:aws:sts::111122223333:assumed-role/ecsInfrastructureRole/ECSTaskVolumesForEBS",
            "accountId": "111122223333",
            "invokedBy": "ecs.amazonaws.com",
        },
        "eventTime": f"2026-03-0{1 + minute // 1440}T{minute // 60 % 24:02d}:{minute % 60:02d}:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "ecs.amazonaws.com",
        "userAgent": "ecs.amazonaws.com",
        "requestParameters": {"volumeId": f"vol-{number:08x}"},
        "responseElements": None,
        "requestID": f"r-{number}",
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        **more,
    }


def put(path: Path, *records: dict[str, Any]) -> Path:
    """A log file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Records": records}))
    return path


def log_folder(folder: Path, files: int = 12, each: int = 4) -> Path:
    """A folder of small log files, a file that is broken, and one that is none."""
    for number in range(files):
        first = number * each
        put(folder / f"log-{number:03d}.json", *(record(first + n, minute=first + n) for n in range(each)))
    (folder / "broken.json").write_text('{"Records":[{"eventID":"x",')
    (folder / "README.md").write_text("no evidence")
    return folder


def content(store: Store) -> str:
    """A hash of all that a store holds: events, units, saved states."""
    rows = [json.dumps(row, default=str, sort_keys=True) for row in store.events().to_pylist()]
    manifest = store.manifest()
    units = {
        json.dumps([row[name] for name in ("name", "identity", "failed", "left_out", "records_read", "more")])
        for row in read_units(store.disk, manifest).to_pylist()
    }
    states = [f"{one.kind} {one.source} {one.text}" for one in store.documents()]
    return hashlib.sha256("\n".join([*rows, *sorted(units), *states]).encode()).hexdigest()


def answer(case: Any) -> str:
    """The investigation, but for what was looked at."""
    return json.dumps({name: value for name, value in case.document.items() if name != "evidence"}, default=str)
