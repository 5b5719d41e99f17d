"""`ecs-trail permissions`: the least that an IAM policy must allow for this tool to read a source.

What this tool writes is listed only for the places that are named: reports (`--report`) and a store (`--store`).
"""

import json
from typing import Any, Final

import click

_KINDS: Final = ("api", "s3", "athena", "lake", "logs", "snapshot", "verify")
_PARTITIONS: Final = ("aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f")


@click.command()
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="api, s3, athena, lake, logs, snapshot, verify, or a whole source: s3://BUCKET/PREFIX, "
    "store:s3://BUCKET/PREFIX; repeatable [default: all].",
)
@click.option(
    "--partition",
    type=click.Choice(_PARTITIONS),
    default="aws",
    show_default=True,
    metavar="NAME",
    help="The partition of the account: aws, aws-cn, aws-us-gov.",
)
@click.option(
    "--report",
    "places",
    multiple=True,
    metavar="PLACE",
    help="A place that ecs-trail report writes to: s3://BUCKET/PREFIX (--output) or sns:ARN (--notify); repeatable.",
)
@click.option(
    "--store",
    "stores",
    multiple=True,
    metavar="PLACE",
    help="A store that ecs-trail collect fills and store compact tidies: s3://BUCKET/PREFIX; repeatable.",
)
def permissions(sources: tuple[str, ...], partition: str, places: tuple[str, ...], stores: tuple[str, ...]) -> None:
    """Print the IAM policy this tool needs.

    Every action it may call on AWS, and no other: reads only, but for the results that Athena itself writes for the
    caller, and for the places named by --report and --store. Files on this machine need none.
    """
    document = policy(sources or (() if places or stores else _KINDS), partition)
    writes = [one for place in places for one in _writes(place, partition)]
    writes += [one for place in stores for one in _fills(place, partition)]
    document["Statement"] = _distinct([*document["Statement"], *writes])
    click.echo(json.dumps(document, indent=2))


def _writes(place: str, partition: str) -> list[dict[str, Any]]:
    """What one place of `ecs-trail report` takes. Raises `UsageError` for a place that is neither bucket nor topic."""
    from ecs_trail.evidence.outbox import GET, PUBLISH, PUT, BucketShelf, topic

    if not place.startswith("s3://"):
        return [_allow("TellWhatChanged", [PUBLISH], topic(place))]
    shelf = BucketShelf(place)
    start = f"arn:{partition}:s3:::{shelf.bucket}/{f'{shelf.prefix}/' if shelf.prefix else ''}"
    return [
        _allow("WriteReports", [PUT], f"{start}*"),
        _allow("ReadLastReport", [GET], f"{start}last.json"),
        # Without it, S3 answers 403 instead of 404 for a state that is not there yet (*Amazon S3 API Reference*,
        # "GetObject", read on 2026-11-24).
        _allow("SeeWhetherThereIsOne", ["s3:ListBucket"], f"arn:{partition}:s3:::{shelf.bucket}"),
    ]


def _kept(place: str, partition: str) -> list[dict[str, Any]]:
    """What reading a store in a bucket takes. Raises `UsageError` for a place that is none."""
    from ecs_trail.evidence.store.remote import GET, LIST, BucketDisk

    disk = BucketDisk(place)
    above = f"{disk.prefix}/" if disk.prefix else ""
    # Without the listing, S3 answers 403 instead of 404 for what is not there (*Amazon S3 API Reference*,
    # "GetObject", read on 2026-11-24).
    listing = _allow("ListStore", [LIST], f"arn:{partition}:s3:::{disk.bucket}")
    if above:
        listing["Condition"] = {"StringLike": {"s3:prefix": f"{above}*"}}
    return [
        listing,
        _allow("ReadStore", [GET], f"arn:{partition}:s3:::{disk.bucket}/{above}*"),
        _decrypt(partition),
    ]


def _fills(place: str, partition: str) -> list[dict[str, Any]]:
    """What collecting into a store in a bucket takes, and in a statement of its own what only compacting does."""
    from ecs_trail.evidence.store.remote import DELETE, PUT, BucketDisk

    disk = BucketDisk(place.removeprefix("store:"))
    objects = f"arn:{partition}:s3:::{disk.bucket}/{f'{disk.prefix}/' if disk.prefix else ''}*"
    # A bucket that encrypts with a key of KMS asks for a new data key for every object that is put.
    encrypt = {
        **_decrypt(partition),
        **_allow("EncryptParts", ["kms:GenerateDataKey"], f"arn:{partition}:kms:*:*:key/*"),
    }
    return [
        *_kept(place.removeprefix("store:"), partition),
        _allow("FillStore", [PUT], objects),
        encrypt,
        _allow("OnlyToCompactStore", [DELETE], objects),
    ]


def policy(sources: tuple[str, ...], partition: str = "aws") -> dict[str, Any]:
    """The policy document for sources, given by kind or in full. Raises `UsageError` for one that needs none."""
    from ecs_trail.errors import UsageError

    statements: list[dict[str, Any]] = []
    for source in sources:
        kind, _, place = source.partition(":")
        if kind == "api":
            statements.append(_history())
        elif kind == "s3":
            statements.extend(_bucket(place.removeprefix("//").partition("?")[0], partition))
        elif kind == "store" and place.startswith("s3://"):
            statements.extend(_kept(place, partition))
        elif kind == "verify":
            statements.append(_public_keys())
        elif kind == "athena":
            statements.extend(_athena(place.removeprefix("//"), partition))
        elif kind == "lake":
            statements.append(_lake(place.removeprefix("//"), partition))
        elif kind == "logs":
            statements.append(_logs(place.removeprefix("//"), partition))
        elif kind == "snapshot":
            statements.extend(_snapshot(partition))
        else:
            raise UsageError(
                f"'{source}' needs no permission, or is not read from AWS.", hint=f"one of: {', '.join(_KINDS)}."
            )
    return {"Version": "2012-10-17", "Statement": _distinct(statements)}


def _distinct(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each statement once, and each Sid once."""
    distinct = [one for index, one in enumerate(statements) if one not in statements[:index]]
    for index, one in enumerate(distinct):
        one["Sid"] += "" if one["Sid"] not in {before["Sid"] for before in distinct[:index]} else str(index)
    return distinct


def _history() -> dict[str, Any]:
    from ecs_trail.evidence.sources.lookup import ACTION

    # *Service Authorization Reference*, "Actions for AWS CloudTrail", read on 2026-11-24: no resource can be named.
    return _allow("EventHistory", [ACTION], "*")


def _public_keys() -> dict[str, Any]:
    from ecs_trail.evidence.integrity.signatures import ACTION

    # Same page: no resource can be named. Digests lie in the bucket of the log files and are read with its statements.
    return _allow("PublicKeysOfDigests", [ACTION], "*")


def _snapshot(partition: str) -> list[dict[str, Any]]:
    from ecs_trail.evidence.snapshots.taking import EC2_ACTIONS, ECS_ACTIONS, IAM_ACTIONS

    # *Service Authorization Reference*, Amazon ECS, EC2 and IAM, read on 2026-11-24: ListClusters and DescribeVolumes
    # take no resource, ListTasks and ListServices take one that is not the cluster's.
    roles = [f"arn:{partition}:iam::*:role/*", f"arn:{partition}:iam::*:policy/*", f"arn:{partition}:iam::aws:policy/*"]
    return [
        _allow("SeeTasksAndServices", list(ECS_ACTIONS), "*"),
        _allow("SeeVolumes", list(EC2_ACTIONS), "*"),
        _allow("SeeRoles", list(IAM_ACTIONS), roles),
    ]


def _bucket(place: str, partition: str) -> list[dict[str, Any]]:
    from ecs_trail.evidence.sources.bucket import GET, GET_VERSIONING, LIST, LIST_VERSIONS

    name, _, prefix = place.strip("/").partition("/")
    bucket = f"arn:{partition}:s3:::{name or 'YOUR-TRAIL-BUCKET'}"
    listing = _allow("ListLogFiles", [LIST, LIST_VERSIONS], bucket)
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}}
    objects = [f"{bucket}/{prefix}", f"{bucket}/{prefix}/*"] if prefix else f"{bucket}/*"
    return [
        listing,
        _allow("SeeVersioning", [GET_VERSIONING], bucket),
        _allow("ReadLogFiles", [GET], objects),
        _decrypt(partition),
    ]


def _decrypt(partition: str) -> dict[str, Any]:
    """S3 asks for the key of an encrypted object itself, with the rights of who reads it."""
    host = "s3.*.amazonaws.com.cn" if partition == "aws-cn" else "s3.*.amazonaws.com"
    decrypt = _allow("DecryptLogFiles", ["kms:Decrypt"], f"arn:{partition}:kms:*:*:key/*")
    decrypt["Condition"] = {"StringLike": {"kms:ViaService": host}}
    return decrypt


def _athena(place: str, partition: str) -> list[dict[str, Any]]:
    """Athena reads the catalog, the log files and its results with the rights of the caller.

    *Amazon Athena User Guide*, "Control access to Amazon S3 from Athena" and "Configure access to databases and tables
    in the AWS Glue Data Catalog", read on 2026-11-24.
    """
    from ecs_trail.evidence.sources.athena import ACTIONS

    workgroup, _, table = place.partition("?")[0].partition("/")
    database, _, name = table.rpartition(".")
    parts = ("catalog", f"database/{database or '*'}", f"table/{database or '*'}/{name or '*'}")
    queries = sorted(set(ACTIONS) - {"athena:GetTableMetadata"})
    arn = f"arn:{partition}:athena:*:*"
    catalog = ["glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable"]
    results = ["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
    logs, made = (f"arn:{partition}:s3:::{name}" for name in ("YOUR-TRAIL-BUCKET", "YOUR-RESULTS-BUCKET"))
    return [
        _allow("RunQueries", queries, f"{arn}:workgroup/{workgroup or '*'}"),
        _allow("DescribeTable", ["athena:GetTableMetadata"], f"{arn}:datacatalog/*"),
        _allow("ReadCatalog", catalog, [f"arn:{partition}:glue:*:*:{one}" for one in parts]),
        _allow("ReadTable", ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"], [logs, f"{logs}/*"]),
        _allow("KeepResults", results, [made, f"{made}/*"]),
        _decrypt(partition),
    ]


def _lake(place: str, partition: str) -> dict[str, Any]:
    from ecs_trail.evidence.sources.lake import ACTIONS

    store = place.strip("/").rpartition("/")[2] or "*"
    whole = place if place.startswith("arn:") else f"arn:{partition}:cloudtrail:*:*:eventdatastore/{store}"
    return _allow("QueryEventDataStore", list(ACTIONS), whole)


def _logs(place: str, partition: str) -> dict[str, Any]:
    from ecs_trail.evidence.sources.logs import ACTION

    if place.startswith("arn:"):
        return _allow("FilterLogEvents", [ACTION], f"{place.removesuffix(':*')}:*")
    region, _, group = place.partition("/")
    return _allow("FilterLogEvents", [ACTION], f"arn:{partition}:logs:{region or '*'}:*:log-group:{group or '*'}:*")


def _allow(name: str, actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": sorted(actions), "Resource": resource}
