"""One set of records in every wrapping and compression, made here from scratch."""

import base64
import bz2
import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard

from ecs_trail.evidence.sources.base import Evidence, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import Selection, everything

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecsInfrastructureRole"
SESSION = "ECSTaskVolumesForEBS"
Record = dict[str, Any]


def record(number: int, **changes: Any) -> Record:
    """A plausible record of the role's volume session; `changes` replace or add top-level fields."""
    made = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": f"AROAEXAMPLEEXAMPLE:{SESSION}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfrastructureRole/{SESSION}",
            "accountId": ACCOUNT,
            "accessKeyId": "ASIAEXAMPLEEXAMPLE",
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLEEXAMPLE", "arn": ROLE,
                                  "accountId": ACCOUNT, "userName": "ecsInfrastructureRole"},
                "attributes": {"creationDate": "2026-03-02T08:59:00Z", "mfaAuthenticated": "false"},
            },
            "invokedBy": "ecs.amazonaws.com",
        },
        "eventTime": f"2026-03-02T09:{number // 60:02d}:{number % 60:02d}Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "DeleteVolume",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "ecs.amazonaws.com",
        "userAgent": "ecs.amazonaws.com",
        "requestParameters": {"volumeId": f"vol-{number:017x}", "note": 'quotes " and { brace } é \u2028 ,x='},
        "responseElements": {"requestId": f"req-{number}", "_return": True},
        "requestID": f"req-{number}",
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }  # fmt: skip
    made.update(changes)
    return made


def assume_role(number: int, **changes: Any) -> Record:
    """ECS asks for the volume session."""
    return record(
        number,
        **{
            "userIdentity": {"type": "AWSService", "invokedBy": "ecs.amazonaws.com"},
            "eventSource": "sts.amazonaws.com",
            "eventName": "AssumeRole",
            "readOnly": True,
            "requestParameters": {"roleArn": ROLE, "roleSessionName": SESSION, "durationSeconds": 900},
            "responseElements": {
                "credentials": {"accessKeyId": "ASIAX", "sessionToken": "TOKEN-TEXT", "expiration": "later"},
                "assumedRoleUser": {"assumedRoleId": f"AROA:{SESSION}"},
            },
            "resources": [{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": ROLE}],
            "sharedEventID": "11111111-0000-4000-8000-000000000001",
            **changes,
        },
    )


def denied(number: int, **changes: Any) -> Record:
    """A refused call."""
    return record(
        number,
        errorCode="Client.UnauthorizedOperation",
        errorMessage="You are not authorized to perform this operation. Encoded authorization failure message: AbC",
        responseElements=None,
        **changes,
    )


def some_records() -> list[Record]:
    """Six records of four kinds, out of time order, one with a nested list of objects that look like records."""
    injected = {"items": [record(900), record(901)], "text": json.dumps(record(902))}
    return [
        record(7),
        assume_role(3),
        denied(9),
        record(5, eventSource="iam.amazonaws.com", eventName="DetachRolePolicy", awsRegion="us-east-1"),
        record(6, eventName="CreateTags", requestParameters=injected),
        record(4, requestParameters=None, responseElements=None, readOnly=True, eventName="DescribeVolumes"),
    ]


def dump(value: object, **options: Any) -> str:
    """JSON text, compact unless told otherwise."""
    return json.dumps(value, **({"separators": (",", ":")} | options))


def envelope(made: Record) -> Record:
    """The record as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "6f87d04b-0000-4000-8000-000000000000",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws." + made["eventSource"].partition(".")[0],
        "account": ACCOUNT,
        "time": made["eventTime"],
        "region": made["awsRegion"],
        "resources": [],
        "detail": made,
    }


def lookup_item(made: Record) -> Record:
    """The record as LookupEvents gives it."""
    return {
        "EventId": made["eventID"],
        "EventName": made["eventName"],
        "ReadOnly": str(made["readOnly"]).lower(),
        "EventTime": "2026-03-02T10:00:00+01:00",
        "EventSource": made["eventSource"],
        "Username": SESSION,
        "Resources": [],
        "CloudTrailEvent": dump(made),
    }


def subscription(records: Sequence[Record]) -> Record:
    """A CloudWatch Logs subscription payload."""
    return {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT,
        "logGroup": "trail",
        "logStream": f"{ACCOUNT}_CloudTrail_eu-west-1",
        "subscriptionFilters": ["all"],
        "logEvents": [
            {"id": str(number), "timestamp": 1772442000000, "message": dump(made)}
            for number, made in enumerate(records)
        ],
    }


def packed(value: object) -> str:
    """gzip and base64, as subscription payloads travel."""
    return base64.b64encode(gzip.compress(dump(value).encode(), mtime=0)).decode()


def _lines(values: Sequence[object], end: str = "\n") -> str:
    return "".join(dump(value) + end for value in values)


def _wrapped(values: object, key: str = "Records") -> Record:
    return {key: values}


def _lower(value: object) -> object:
    if isinstance(value, dict):
        return {key.lower(): _lower(inner) for key, inner in value.items()}
    return value


def columns(made: Record) -> dict[str, str]:
    """A record as the string columns of an Athena table: lower-case names, free parts and structs as JSON text."""
    return {
        name.lower(): value if isinstance(value, str) else dump(_lower(value) if name == "userIdentity" else value)
        for name, value in made.items()
        if value is not None
    }


def table_text(rows: Sequence[dict[str, str]]) -> str:
    """CSV text with every cell quoted, as Athena writes it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _athena_result(records: Sequence[Record]) -> Record:
    rows = [columns(made) for made in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    data = [{"Data": [{"VarCharValue": name} for name in names]}]
    for row in rows:
        data.append({"Data": [{"VarCharValue": row[name]} if name in row else {} for name in names]})
    return {"UpdateCount": 0, "ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": []}}}


def _flat(value: object, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        merged: dict[str, Any] = {}
        for key, inner in value.items():
            merged |= _flat(inner, f"{path}.{key}" if path else key)
        return merged
    if isinstance(value, list) and value:
        merged = {}
        for number, inner in enumerate(value):
            merged |= _flat(inner, f"{path}.{number}")
        return merged
    return {path: value}


Shape = Callable[[Sequence[Record]], str]

#: Shapes in which every record stands as JSON text of its own or inside a JSON string: nothing may be lost.
EXACT_SHAPES: dict[str, Shape] = {
    "records": lambda r: dump(_wrapped(r)),
    "records pretty": lambda r: dump(_wrapped(r), indent=2),
    "records pretty CRLF": lambda r: dump(_wrapped(r), indent=4, separators=(",", ": ")).replace("\n", "\r\n"),
    "records with BOM": lambda r: "\ufeff" + dump(_wrapped(r)),
    "records non-ASCII": lambda r: dump(_wrapped(r), ensure_ascii=False),
    "list": dump,
    "list pretty": lambda r: dump(r, indent=1),
    "lines": _lines,
    "lines CRLF": lambda r: _lines(r, "\r\n"),
    "lines without last end": lambda r: _lines(r).rstrip("\n"),
    "lines with blanks": lambda r: "\n\n".join(dump(made) for made in r),
    "texts without ends": lambda r: "".join(dump(made) for made in r),
    "pretty texts one after the other": lambda r: "\n".join(dump(made, indent=2) for made in r),
    "several files in one": lambda r: dump(_wrapped(r[:2])) + dump(_wrapped([])) + dump(_wrapped(r[2:])),
    "lines of Records": lambda r: _lines([_wrapped(r[:3]), _wrapped(r[3:])]),
    "lookup page": lambda r: dump({"Events": [lookup_item(made) for made in r], "NextToken": "next"}, indent=4),
    "lookup pages in a list": lambda r: dump([{"Events": [lookup_item(m) for m in r[:2]]},
                                              {"Events": [lookup_item(m) for m in r[2:]]}]),
    "lookup pages as lines": lambda r: _lines([{"Events": [lookup_item(m) for m in part]} for part in (r[:1], r[1:])]),
    "lookup items as lines": lambda r: _lines([lookup_item(made) for made in r]),
    "envelopes": lambda r: dump([envelope(made) for made in r]),
    "envelopes as lines": lambda r: _lines([envelope(made) for made in r]),
    "envelopes pretty": lambda r: "\n".join(dump(envelope(made), indent=2) for made in r),
    "log export lines": lambda r: "".join(f"2026-03-02T09:00:00.000Z {dump(made)}\n" for made in r),
    "log tail lines": lambda r: "".join(f"2026-03-02T09:00:00+00:00 stream_1 {dump(made)}\n" for made in r),
    "log events of the CLI": lambda r: dump({
        "events": [{"logStreamName": "s", "timestamp": 1, "message": dump(made), "eventId": "1"} for made in r],
        "searchedLogStreams": []}),
    "subscription": lambda r: dump(subscription(r)),
    "subscription to Lambda": lambda r: dump({"awslogs": {"data": packed(subscription(r))}}),
    "subscription to Kinesis": lambda r: dump(_wrapped([
        {"kinesis": {"data": packed(subscription(r)), "partitionKey": "1"}, "eventSource": "aws:kinesis",
         "eventName": "aws:kinesis:record", "eventVersion": "1.0", "awsRegion": "eu-west-1",
         "invokeIdentityArn": ROLE, "eventID": "shard:1"}])),
    "subscriptions by Firehose": lambda r: dump(subscription(r[:2])) + dump(subscription(r[2:])),
    "queue messages": lambda r: dump({"Messages": [{"MessageId": "1", "Body": dump(envelope(made))} for made in r]}),
    "queue to Lambda": lambda r: dump(_wrapped([
        {"messageId": "1", "body": dump(envelope(made)), "eventSource": "aws:sqs", "awsRegion": "eu-west-1"}
        for made in r])),
    "topic to queue": lambda r: dump(_wrapped([
        {"EventSource": "aws:sns", "EventVersion": "1.0",
         "Sns": {"Type": "Notification", "Message": dump(envelope(made)), "Subject": None}} for made in r])),
    "search hits": lambda r: dump({"hits": {"hits": [{"_id": "1", "_source": made} for made in r]}}),
    "OpenSearch": lambda r: dump([{"aws": {"cloudtrail": made}} for made in r]),
    "nested": lambda r: dump([{"data": {"more": {"Records": r}}}]),
    "Lake with eventjson": lambda r: dump({"QueryStatus": "FINISHED",
                                           "QueryResultRows": [[{"eventjson": dump(made)}] for made in r]}),
    "Logs Insights CSV": lambda r: table_text([{"@timestamp": "2026-03-02 09:00:00", "@message": dump(m)} for m in r]),
    "Logs Insights result": lambda r: dump({"status": "Complete", "results": [
        [{"field": "@timestamp", "value": "x"}, {"field": "@message", "value": dump(m)},
         {"field": "@ptr", "value": "p"}] for m in r]}),
    "CSV with eventjson": lambda r: table_text([{"eventid": m["eventID"], "eventjson": dump(m)} for m in r]),
}  # fmt: skip

#: Shapes whose records are rebuilt from columns or flattened names: the row is the same, `raw` is not.
REBUILT_SHAPES: dict[str, Shape] = {
    "Athena CSV": lambda r: table_text([columns(made) for made in r]),
    "Athena result": lambda r: dump(_athena_result(r)),
    "Lake columns": lambda r: dump(
        {"QueryResultRows": [[{name: cell} for name, cell in columns(made).items()] for made in r]}
    ),
    "flattened names": lambda r: _lines([_flat(made) for made in r]),
    "flattened text": lambda r: table_text([
        {name: value if isinstance(value, str) else dump(value) for name, value in _flat(made).items()
         if value is not None} for made in r]),
    "text for booleans": lambda r: _lines(
        [{**made, "readOnly": str(made["readOnly"]).lower(), "managementEvent": "true"} for made in r]
    ),
    "snake case": lambda r: _lines(
        [{"".join("_" + c.lower() if c.isupper() else c for c in key.replace("ID", "Id").replace("IP", "Ip")): value
          for key, value in made.items()} for made in r]
    ),
}  # fmt: skip


def _zipped(data: bytes, name: str = "trail/records.json") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("trail")
        archive.writestr(name, data)
    return out.getvalue()


def _in_members(data: bytes) -> bytes:
    third = len(data) // 3
    parts = (data[:third], data[third : 2 * third], data[2 * third :])
    return b"".join(gzip.compress(part, mtime=0) for part in parts) + b"\0" * 100


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "gzip members": _in_members,
    "zstd": zstandard.compress,
    "zstd frames": lambda data: zstandard.compress(data[:100]) + zstandard.compress(data[100:]),
    "bzip2": bz2.compress,
    "bzip2 streams": lambda data: bz2.compress(data[:100]) + bz2.compress(data[100:]),
    "zip": _zipped,
    "gzip in zip": lambda data: _zipped(gzip.compress(data, mtime=0), "records.json.gz"),
    "zip in zip": lambda data: _zipped(_zipped(data), "inner.zip"),
    "zstd in gzip": lambda data: gzip.compress(zstandard.compress(data), mtime=0),
}

PROVENANCE = ("source", "position", "raw")


def read(path: Path, selection: Selection | None = None, **options: Any) -> Evidence:
    """The evidence at a path; everything unless a selection is given. The ledger is checked on the way."""
    evidence = scan([FilesSource(path)], selection or everything(), **options)
    check_ledger(evidence)
    return evidence


def check_ledger(evidence: Evidence) -> None:
    """Every file and record is accounted for."""
    receipt = evidence.receipt
    assert receipt.files_seen == receipt.files_read + receipt.files_left_out + receipt.files_failed
    assert receipt.records_read == receipt.events_selected + receipt.records_not_selected + receipt.duplicates
    assert receipt.events_selected == evidence.events.num_rows


def content(events: pa.Table) -> list[dict[str, Any]]:
    """Rows without provenance, JSON parts as values: what must be equal whatever the wrapping."""
    rows = events.drop_columns(list(PROVENANCE)).to_pylist()
    for row in rows:
        for name in ("request_parameters", "response_elements", "additional_event_data", "resources"):
            row[name] = None if row[name] is None else json.loads(row[name])
    return rows
