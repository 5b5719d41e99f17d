"""Saved `DescribeVolumes` answers -> rows of `VOLUME_STATES`.

Shapes: *Amazon EC2 API Reference*, DescribeVolumes and "Volume", read on 2026-11-24. An answer says neither Region nor
account: they are read from what `ecs-trail snapshot` adds, else from the Availability Zone and the task ARN in the
reserved tag.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ecs_trail.arns import is_task, parse_arn, task_cluster
from ecs_trail.evidence.ledger import VOLUME_STATE, Problem, TaskText
from ecs_trail.evidence.moments import moment_of
from ecs_trail.evidence.tasks import state_rows, state_texts
from ecs_trail.frames import COUNT, FLAG, TEXT, TIME, FrameSpec, Row
from ecs_trail.vocabulary import TAG_CLUSTER, TAG_CREATED, TAG_MANAGED, TAG_SERVICE

VOLUME_STATES: Final = FrameSpec(
    name="volume_states",
    doc="saved states of EBS volumes, one row per volume and moment; a row without a volume says that a Region was "
    "looked through in full at that moment",
    key=("volume_id", "account", "region", "seen_at"),
    columns={
        "volume_id": TEXT,
        "account": TEXT,
        "region": TEXT,
        "task_arn": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "managed": FLAG,
        "status": TEXT,
        "attachments": COUNT,
        "size_gib": COUNT,
        "volume_type": TEXT,
        "iops": COUNT,
        "created_at": TIME,
        "seen_at": TIME,
        "source": TEXT,
    },
)
#: The Region at the start of a zone's name: `eu-west-1a`, and Local Zones such as `us-west-2-lax-1a`.
_REGION: Final = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+?-\d{1,2}")
_SAVE: Final = "aws ec2 describe-volumes --filters Name=tag-key,Values=AmazonECSCreated > volumes.json"


def volume_texts(paths: Iterable[Path]) -> tuple[list[TaskText], list[Problem]]:
    """The saved volume states in files given as such. Raises `UsageError` for a file that holds none."""
    return state_texts(paths, VOLUME_STATE, "volume states", _SAVE)


def volume_rows(texts: Sequence[TaskText]) -> tuple[list[Row], list[Problem]]:
    """Rows of `VOLUME_STATES` from saved states, and what could not be read of them."""
    return state_rows(texts, "volume state", _rows_of)


def _rows_of(value: Any, source: str) -> list[Row]:
    if isinstance(value, list):
        value = {"Volumes": value}
    if not isinstance(value, dict):
        return []
    listed = value["Volumes"] if isinstance(value.get("Volumes"), list) else [value]
    volumes = [one for one in listed if isinstance(one, dict) and isinstance(one.get("VolumeId"), str)]
    # Without a word about it, an answer is at least as new as the newest thing in it.
    seen = moment_of(value.get("CapturedAt")) or max(filter(None, map(_newest, volumes)), default=None)
    place = {"account": _text(value.get("Account")), "region": _text(value.get("Region"))}
    found = [_row(one, place, seen, source) for one in volumes]
    if value.get("Complete") is True and all(place.values()) and seen is not None:
        found.append({**dict.fromkeys(VOLUME_STATES.columns), **place, "seen_at": seen, "source": source})
    return found


def _row(volume: Mapping[str, Any], place: Mapping[str, str | None], seen: datetime | None, source: str) -> Row:
    tags = {str(tag.get("Key")): str(tag.get("Value")) for tag in _objects(volume.get("Tags"))}
    task_arn = tags.get(TAG_CREATED) if is_task(tags.get(TAG_CREATED)) else None
    arn = parse_arn(task_arn)
    zone = _REGION.match(str(volume.get("AvailabilityZone", "")))
    attached = [one for one in _objects(volume.get("Attachments")) if one.get("State") != "detached"]
    return {
        "volume_id": volume["VolumeId"],
        "account": place["account"] or (arn.account if arn else None),
        "region": place["region"] or (zone.group() if zone else arn.region if arn else None),
        "task_arn": task_arn,
        "cluster": tags.get(TAG_CLUSTER) or task_cluster(task_arn),
        "service": tags.get(TAG_SERVICE),
        "managed": tags.get(TAG_MANAGED) == "true",
        "status": _text(volume.get("State")),
        "attachments": len(attached),
        "size_gib": _count(volume.get("Size")),
        "volume_type": _text(volume.get("VolumeType")),
        "iops": _count(volume.get("Iops")),
        "created_at": moment_of(volume.get("CreateTime")),
        "seen_at": seen,
        "source": source,
    }


def _newest(volume: Mapping[str, Any]) -> datetime | None:
    times = [moment_of(one.get("AttachTime")) for one in _objects(volume.get("Attachments"))]
    return max(filter(None, [moment_of(volume.get("CreateTime")), *times]), default=None)


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None
