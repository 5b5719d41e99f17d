"""How little of a large bucket is listed, and in how little memory: 3 accounts, 4 Regions, 30 days, 100,000 objects."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from archive import Archive, serving_archive
from history import moment
from stories import home_records, story

from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.selection import default_selection
from ecs_trail.times import Window

ACCOUNTS = ("222233334444", "333344445555")
DAYS = 30
PER_PLACE = 100_000 // (3 * 4)
#: Runs the command line and prints its peak memory in KiB as the last line of stderr.
RUN = """
import sys
from ecs_trail.cli.main import run
code = run(sys.argv[1:])
print(int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]), file=sys.stderr)
sys.exit(code)
"""


def key_of(account: str, region: str, stamp: datetime, tail: str) -> str:
    name = f"{account}_CloudTrail_{region}_{stamp:%Y%m%dT%H%M}Z_{tail}.json.gz"
    return f"AWSLogs/{account}/CloudTrail/{region}/{stamp:%Y/%m/%d}/{name}"


def packed(records: list[dict[str, Any]]) -> bytes:
    return gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), 1)


def filler() -> bytes:
    """A file of a busy Region: 200 records that no investigation wants."""
    record = {
        "eventVersion": "1.11", "eventTime": "2026-01-01T00:00:00Z", "eventSource": "dynamodb.amazonaws.com",
        "eventName": "DescribeTable", "awsRegion": "eu-west-1", "sourceIPAddress": "10.0.0.1", "readOnly": True,
        "userIdentity": {"type": "AWSService", "invokedBy": "x.amazonaws.com"}, "recipientAccountId": ACCOUNTS[0],
        "eventType": "AwsApiCall", "requestParameters": {"tableName": "t" * 900},
    }  # fmt: skip
    return packed([{**record, "eventID": f"00000000-0000-4000-8000-{number:012x}"} for number in range(200)])


def archive_of(records: list[dict[str, Any]], regions: tuple[str, ...]) -> tuple[Archive, datetime]:
    """The archive with an incident inside, delivered five minutes late; gives also its first day."""
    own = records[0]["recipientAccountId"]
    middle = moment(records[len(records) // 2])
    first = datetime(middle.year, middle.month, middle.day, tzinfo=UTC) - timedelta(days=DAYS // 2)
    step = timedelta(days=DAYS) / PER_PLACE
    keys = [
        key_of(account, region, first + number * step, f"{number:016d}")
        for account in (own, *ACCOUNTS)
        for region in regions
        for number in range(PER_PLACE)
    ]
    files: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        late = moment(record) + timedelta(minutes=5)
        files.setdefault(key_of(own, record["awsRegion"], late, "I" * 16), []).append(record)
    return Archive({key: packed(some) for key, some in files.items()}, filler(), keys), first


def ask(address: str, *words: str) -> tuple[dict[str, Any], int]:
    """Run the command line in a process of its own; gives the document and the peak memory in MiB."""
    environment = os.environ | {"AWS_ENDPOINT_URL_S3": address, "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), int(done.stderr.split()[-1]) // 1024


@pytest.mark.slow
def test_two_days_of_one_role_in_a_hundred_thousand_objects(tmp_path):
    made = story("managed_detached")
    records = home_records(made)
    regions = tuple(sorted({one["awsRegion"] for one in records} | {"eu-north-1", "sa-east-1"}))[:4]
    records = [one for one in records if one["awsRegion"] in regions]
    own = records[0]["recipientAccountId"]
    archive, first = archive_of(records, regions)
    assert 99_000 < len(archive.keys) < 101_000
    change = next(one for one in records if one["eventName"] == "DetachRolePolicy" and "errorCode" not in one)
    role = f"arn:aws:iam::{own}:role/{change['requestParameters']['roleName']}"
    start = moment(change) - timedelta(days=1, minutes=13)
    assert first + timedelta(days=2) < start < first + timedelta(days=DAYS - 4)
    window = ("--since", start.isoformat(), "--until", (start + timedelta(days=2)).isoformat())
    with serving_archive(archive) as address:
        total = len(archive.keys)
        # Below the account's own prefix, a role of the home Region: one folder.
        here = (f"s3://trail/AWSLogs/{own}", *window, "--role", role, "--account", own, "--region", "us-east-1")
        document, peak = ask(address, "investigate", *here, "--format", "json")
        assert archive.listed < 0.01 * total
        assert archive.listed <= len(archive.read) + 150  # little is listed that is not read
        assert {key.split("/")[3] for key in archive.read} == {"us-east-1"}
        assert change["eventID"] in {one["event_id"] for one in document["changes"]}
        assert peak < 400, f"{peak} MiB"
        print(f"one account, home Region: {archive.listed} keys of {total}, {archive.lists} LIST, {peak} MiB")
        # The whole bucket: the Region, IAM's home of the account, and Organizations' home of every account.
        archive.listed, archive.read, archive.lists = 0, [], 0
        region = next(one for one in regions if one != "us-east-1" and any(r["awsRegion"] == one for r in records))
        there = ("s3://trail", *window, "--role", role, "--account", own, "--region", region)
        document, peak = ask(address, "investigate", *there, "--format", "json")
        assert {tuple(key.split("/")[1:4:2]) for key in archive.read} == {
            (own, region),
            *((account, "us-east-1") for account in (own, *ACCOUNTS)),
        }
        assert archive.listed < 0.04 * total
        assert archive.lists < 60
        assert peak < 400, f"{peak} MiB"
        print(f"whole bucket, one account and Region: {archive.listed} keys, {archive.lists} LIST, {peak} MiB")
        # The role's ARN alone: its account, every Region there, and Organizations' home of the other accounts. Of 30
        # days, two and the day and hour around them are a tenth, so that each folder of the twelve is 0.84 % of all:
        # under 1 % is one folder, and nothing but a Region or a prefix says which one.
        archive.listed, archive.read, archive.lists = 0, [], 0
        document, _ = ask(address, "investigate", "s3://trail", *window, "--role", role, "--format", "json")
        assert {tuple(key.split("/")[1:4:2]) for key in archive.read} == {
            *((own, one) for one in regions),
            *((account, "us-east-1") for account in ACCOUNTS),
        }
        assert archive.listed < (len(regions) + len(ACCOUNTS)) * 0.0091 * total
        assert change["eventID"] in {one["event_id"] for one in document["changes"]}
        print(f"whole bucket, the role's ARN: {archive.listed} keys, {archive.lists} LIST")
        plan, _ = ask(address, "plan", *here, "--format", "json")
    assert f"{own}: us-east-1" in plan[0]["reads"]
    assert "objects listed, whatever else the bucket holds" in plan[0]["bill"]
    promised = int(plan[0]["bill"].partition("at most about ")[2].split(" ")[0].replace(",", ""))
    assert promised < 0.01 * total


@pytest.mark.parametrize("hours", [0, 7.2, 13.55, 23.99])
def test_what_is_listed_is_what_was_delivered_from_an_hour_before_to_a_day_after(hours, monkeypatch):

    first = datetime(2026, 3, 1, tzinfo=UTC)
    stamps = [first + timedelta(minutes=5 * number) for number in range(12 * 288)]
    archive = Archive({key_of(ACCOUNTS[0], "us-east-1", one, "A" * 16): b'{"Records":[]}' for one in stamps})
    start = first + timedelta(days=4, hours=hours)
    window = Window(start, start + timedelta(days=2))
    with serving_archive(archive) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        scan([open_source("s3://trail-bucket")], default_selection().during(window))
    wanted = [one for one in stamps if start - timedelta(hours=1) <= one < window.end + timedelta(days=1)]
    read = {key.split("_")[3] for key in archive.read}
    assert read >= {f"{one:%Y%m%dT%H%M}Z" for one in wanted}
    assert len(read) <= len(wanted) + 2
    assert archive.listed <= len(wanted) + 60
