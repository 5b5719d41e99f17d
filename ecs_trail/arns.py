"""Amazon Resource Names, taken apart in one place. No partition is ever assumed to be `aws`.

Formats: *AWS General Reference*, "Amazon Resource Names (ARNs)"; task ARNs: *Amazon ECS Developer Guide*, "Amazon
Resource Names and IDs", both read on 2026-11-24.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

#: IAM's limit for an ARN (*IAM API Reference*, `arnType`); what is longer is none of AWS's and is not remembered.
_LONGEST: Final = 2048
#: Partition -> the Region of its global services, IAM and Organizations. Only the first is on an AWS page (*AWS
#: CloudTrail User Guide*, "CloudTrail concepts", read on 2026-11-24); for the others more Regions are looked into.
HOME_REGIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
)


@dataclass(frozen=True, slots=True)
class Arn:
    """The six parts of an ARN."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse_arn(text: str | None) -> Arn | None:
    """The parts of an ARN, or None for anything else."""
    if not text or not text.startswith("arn:"):
        return None
    return _parsed(text) if len(text) <= _LONGEST else _parsed.__wrapped__(text)


@lru_cache(maxsize=16384)
def _parsed(text: str) -> Arn | None:
    parts = text.split(":", 5)
    return Arn(parts[1], parts[2], parts[3], parts[4], parts[5]) if len(parts) == 6 else None


def role_key(role_arn: str | None) -> tuple[str, str] | None:
    """Account and name of a role: what identifies it, since some records carry its path and some do not."""
    arn = parse_arn(role_arn)
    if arn is None or not arn.resource.startswith(("role/", "assumed-role/")):
        return None
    parts = arn.resource.split("/")
    return arn.account, parts[1] if parts[0] == "assumed-role" else parts[-1]


def last_part(text: str | None) -> str:
    """The name at the end of an ARN or a name as it is: `cluster/prod` and `prod` both give `prod`."""
    return (text or "").rpartition("/")[2]


def task_cluster(task_arn: str | None) -> str | None:
    """The cluster in a task ARN; None for the old short form, which has none."""
    arn = parse_arn(task_arn)
    parts = arn.resource.split("/") if arn else []
    return parts[1] if len(parts) == 3 and parts[0] == "task" else None


def is_task(text: str | None) -> bool:
    """True for an ECS task ARN."""
    arn = parse_arn(text)
    return arn is not None and arn.service == "ecs" and arn.resource.startswith("task/")


def partition_of_region(region: str | None) -> str:
    """The partition a Region belongs to, by its prefix (*AWS General Reference*, "AWS service endpoints")."""
    name = region or ""
    for prefix, partition in (
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ):
        if name.startswith(prefix):
            return partition
    return "aws"
