"""A bucket gives the answer of a folder; what is denied, archived, deleted or gone is named."""

import gzip
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError, IncompleteReadError
from history import moment
from stories import KINDS, facts, from_files, spread, story, to_bucket

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import default_selection, everything, session
from ecs_trail.times import Window

NAME = "trail-bucket"


def window_of(records) -> Window:
    times = sorted(map(moment, records))
    return Window(times[len(times) // 4], times[3 * len(times) // 4] + timedelta(seconds=1))


def organization(key: str) -> str:
    return key.replace("AWSLogs/", "o-abcdefghij/AWSLogs/o-abcdefghij/")


SELECTIONS = {
    "default": lambda made: default_selection(),
    "session": lambda made: session("ECSTaskVolumesForEBS"),
    "everything": lambda made: everything(),
    "during": lambda made: default_selection().during(window_of(made.records)),
    "place": lambda made: default_selection().where(
        accounts=[made.records[0]["recipientAccountId"]], regions=[made.records[0]["awsRegion"]]
    ),
}


def flat(key: str) -> str:
    return key.replace("AWSLogs/", "flat/")


@pytest.mark.parametrize(
    ("kind", "place"), [(KINDS[0], str), (KINDS[1], str), (KINDS[2], organization), (KINDS[0], flat)]
)
def test_the_answer_is_that_of_files(kind, place, s3, tmp_path):
    made = story(kind)
    to_bucket(s3, NAME, made, tmp_path / "trail", place=place)
    for which, make in SELECTIONS.items():
        selection = make(made)
        evidence = scan([open_source(f"s3://{NAME}")], selection)
        assert facts(evidence) == from_files(made.records, selection, tmp_path / "files"), which
        assert evidence.receipt.problems == [], which


def test_workers_give_the_same(s3, tmp_path):
    made = story("managed_detached")
    count = to_bucket(s3, NAME, made, tmp_path / "trail")
    one = scan([open_source(f"s3://{NAME}")], default_selection())
    two = scan([open_source(f"s3://{NAME}")], default_selection(), workers=2)
    folder = scan([FilesSource(tmp_path / "trail" / "AWSLogs")], default_selection())
    assert one.events.equals(two.events)
    assert one.receipt == two.receipt
    assert one.receipt.files_read == count
    assert (one.receipt.records_read, one.receipt.duplicates) == (
        folder.receipt.records_read,
        folder.receipt.duplicates,
    )
    assert one.receipt.newest_stamp == folder.receipt.newest_stamp


def test_a_lost_object_is_seen_by_the_law(s3, tmp_path):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=NAME)["Contents"]]
    s3.delete_object(Bucket=NAME, Key=keys[len(keys) // 2])
    found = facts(scan([open_source(f"s3://{NAME}")], everything()))
    assert found != from_files(made.records, everything(), tmp_path / "files")


def test_one_object_can_be_named(s3, tmp_path):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    key = s3.list_objects_v2(Bucket=NAME)["Contents"][0]["Key"]
    evidence = scan([open_source(f"s3://{NAME}/{key}")], everything())
    assert evidence.receipt.files_seen == 1
    assert set(evidence.events.column("source").to_pylist()) == {f"s3://{NAME}/{key}"}


def test_what_stands_beside_the_logs_is_said(s3, tmp_path):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail")
    s3.put_object(Bucket=NAME, Key="task-states/a.json", Body=b"{}")
    evidence = scan([open_source(f"s3://{NAME}")], default_selection())
    assert [one.kind for one in evidence.receipt.problems] == ["not_read"]
    assert "task-states" in evidence.receipt.problems[0].detail
    assert not evidence.receipt.is_partial


def test_archived_and_deleted_objects_are_gaps(s3):
    body = gzip.compress(json.dumps({"Records": []}).encode())
    s3.create_bucket(Bucket=NAME)
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    folder = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/10/"
    names = [f"{folder}111122223333_CloudTrail_eu-west-1_20260310T0{hour}00Z_A.json.gz" for hour in range(4)]
    for name, kind in zip(names, ("STANDARD", "GLACIER", "DEEP_ARCHIVE", "STANDARD"), strict=True):
        s3.put_object(Bucket=NAME, Key=name, Body=body, StorageClass=kind)
    s3.delete_object(Bucket=NAME, Key=names[3])
    day = Window(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
    for window in (day, Window(day.start, None), Window(None, day.end)):
        receipt = scan([open_source(f"s3://{NAME}")], default_selection().during(window)).receipt
        assert receipt.is_partial
        assert {one.kind for one in receipt.problems} == {"unreadable_file"}
        archived = [one.source for one in receipt.problems if "archived" in one.detail]
        assert archived == [f"s3://{NAME}/{name}" for name in names[1:3]]
        assert next(one.detail for one in receipt.problems if "delete marker" in one.detail).startswith("1 deleted")
        assert receipt.files_read == 1


class Refusing:
    """A real client that refuses some calls, as S3 would."""

    def __init__(self, client: Any, refused: dict[str, tuple[str, str]], only: str = "") -> None:
        self._client = client
        self._refused = refused
        self._only = only
        client.meta.events.register("before-call.s3", self._look)

    def _look(self, model: Any, params: Any, **_: Any) -> None:
        where = params["url_path"] + json.dumps(params["query_string"])
        if model.name in self._refused and self._only in where:
            code, message = self._refused[model.name]
            raise ClientError({"Error": {"Code": code, "Message": message}}, model.name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


DENIED = ("AccessDenied", "Access Denied")
KMS = (
    "AccessDenied",
    "User: arn:aws:sts::111122223333:assumed-role/r/me is not authorized to perform: kms:Decrypt on resource: "  # noqa: ISC004
    "arn:aws:kms:eu-west-1:111122223333:key/abc because no identity-based policy allows the kms:Decrypt action",
)


@pytest.mark.parametrize(
    ("refused", "action"),
    [
        ({"ListObjectsV2": DENIED}, "s3:ListBucket"),
        ({"GetObject": DENIED}, "s3:GetObject"),
        ({"GetObject": KMS}, "kms:Decrypt"),
    ],
)
def test_denied_everywhere_names_the_action(refused, action, s3, tmp_path):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail")
    source = S3Source(NAME, client=lambda: Refusing(s3, refused))
    with pytest.raises(AccessError, match=f"{action} is not allowed") as caught:
        scan([source], default_selection())
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(("call", "action"), [("ListObjectsV2", "s3:ListBucket"), ("GetObject", "s3:GetObject")])
def test_denied_in_one_region_is_a_gap(call, action, s3, tmp_path):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    source = S3Source(NAME, client=lambda: Refusing(s3, {call: DENIED}, only="eu-central-1"))
    selection = default_selection().during(window_of(made.records))
    receipt = scan([source], selection).receipt
    assert {one.kind for one in receipt.problems} == {"no_permission"}
    assert all(action in one.detail and "eu-central-1" in one.source for one in receipt.problems)
    assert receipt.files_read > 0


def test_versions_that_may_not_be_seen_are_said_and_done_without(s3, tmp_path):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    s3.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    for call in ("GetBucketVersioning", "ListObjectVersions"):
        client = botocore.session.get_session().create_client("s3", endpoint_url=s3.meta.endpoint_url)
        evidence = scan([S3Source(NAME, client=lambda: Refusing(client, {call: DENIED}))], everything())  # noqa: B023
        assert facts(evidence) == from_files(made.records, everything(), tmp_path / "files")
        assert [one.kind for one in evidence.receipt.problems] == ["not_read"]
        client.close()


def test_a_broken_connection_is_tried_again_and_then_named(s3, tmp_path):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail")
    tries: dict[str, int] = {}

    class Breaking:
        def __getattr__(self, name: str) -> Any:
            return getattr(s3, name)

        def get_object(self, **asked: Any) -> Any:
            key = asked["Key"]
            tries[key] = tries.get(key, 0) + 1
            if "us-east-1" in key or tries[key] == 1:
                raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
            return s3.get_object(**asked)

    receipt = scan([S3Source(NAME, client=Breaking)], default_selection()).receipt
    assert {one.kind for one in receipt.problems} == {"unreadable_file"}
    assert all("us-east-1" in one.source for one in receipt.problems)
    assert receipt.files_read > 0


def test_no_bucket_and_nothing_there(s3):
    with pytest.raises(UsageError, match="no bucket"):
        scan([open_source("s3://nobody-has-this")], default_selection())
    s3.create_bucket(Bucket=NAME)
    with pytest.raises(UsageError, match="nothing"):
        scan([open_source(f"s3://{NAME}/x")], default_selection())


def test_requester_pays_is_sent_with_every_read(s3, tmp_path):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail")
    seen: set[tuple[str, str | None]] = set()

    def look(model: Any, params: Any, **_: Any) -> None:
        seen.add((model.name, params["headers"].get("x-amz-request-payer")))

    s3.meta.events.register("before-call.s3", look)
    source = open_source(f"s3://{NAME}?requester-pays")
    assert isinstance(source, S3Source)
    assert source.requester_pays
    scan([S3Source(NAME, requester_pays=True, client=lambda: s3)], default_selection())
    assert {one for one in seen if one[0] in {"ListObjectsV2", "GetObject"}} == {
        ("ListObjectsV2", "requester"),
        ("GetObject", "requester"),
    }


def test_leaving_early_ends_the_threads(s3, tmp_path):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail")
    before = set(threading.enumerate())
    source = open_source(f"s3://{NAME}")
    units = source.fetch(source.plan(default_selection()))
    next(units)
    units.close()
    assert not [one for one in set(threading.enumerate()) - before if "ThreadPool" in one.name and one.is_alive()]


def test_an_investigation_from_the_command_line(s3, tmp_path, capsys):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    assert run(["investigate", f"s3://{NAME}", "--format", "json"]) == 0
    there = json.loads(capsys.readouterr().out)
    assert run(["investigate", str(tmp_path / "trail" / "AWSLogs"), "--format", "json"]) == 0
    here = json.loads(capsys.readouterr().out)
    there.pop("evidence"), here.pop("evidence")
    assert there == here


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def export(records, shape: str) -> bytes:
    """Records as a file of another delivery."""
    if shape == "eventbridge":
        kind = {"detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "version": "0"}
        return "\n".join(compact(kind | {"id": one["eventID"], "detail": one}) for one in records).encode()
    if shape == "firehose":  # one after the other, nothing between
        return gzip.compress("".join(map(compact, records)).encode())
    lines = [f"{one['eventTime'].replace('Z', '.000Z')} {compact(one)}" for one in records]
    return gzip.compress("\n".join(lines).encode())


def key_of(record, shape: str, spelling: str) -> str:
    late = moment(record) + timedelta(minutes=20)
    return f"exports/{shape}/{late.strftime(spelling)}part"


SPELLINGS = {
    "eventbridge": "%Y/%m/%d/%H/",
    "firehose": "year=%Y/month=%m/day=%d/",
    "cloudwatch": "0e1f/111122223333_CloudTrail_eu-west-1/",
    "firehose by date": "dt=%Y-%m-%d/hour=%H/",
}


@pytest.mark.parametrize("which", SPELLINGS)
def test_exports_beside_no_trail_are_read_whole_and_by_the_dates_in_their_keys(which, s3, tmp_path):
    given = spread(story("managed_detached").records, 12)
    shape = which.partition(" ")[0]
    s3.create_bucket(Bucket=NAME)
    parts: dict[str, list[Any]] = {}
    for record in given:
        parts.setdefault(key_of(record, shape, SPELLINGS[which]), []).append(record)
    for key, records in parts.items():
        s3.put_object(Bucket=NAME, Key=f"{key}.gz", Body=export(records, shape))
    s3.put_object(Bucket=NAME, Key="exports/aws-logs-write-test", Body=b"Permission Check Successful")
    days = sorted(map(moment, given))
    for window in (Window(), Window(days[0] + timedelta(days=3), days[-1] - timedelta(days=3)), Window(days[-9])):
        selection = everything().during(window)
        evidence = scan([open_source(f"s3://{NAME}/exports")], selection)
        assert facts(evidence) == from_files(given, selection, tmp_path / "files")
        assert not evidence.receipt.is_partial
        left = [one for one in evidence.receipt.problems if one.kind == "not_read"]
        assert evidence.receipt.files_seen == len(parts) + 1 - sum(int(one.detail.split()[0]) for one in left)
        assert bool(left) == (window != Window() and shape != "cloudwatch")


def test_a_wrong_bound_on_keys_is_seen_by_the_law(s3, tmp_path):
    made = story("managed_detached")
    s3.create_bucket(Bucket=NAME)
    # Keys that lie: an hour's folder four days before what it holds.
    for record in made.records:
        early = moment(record) - timedelta(days=4)
        s3.put_object(Bucket=NAME, Key=f"x/{early:%Y/%m/%d/%H}/{record['eventID']}", Body=json.dumps(record).encode())
    selection = everything().during(Window(sorted(map(moment, made.records))[1]))
    evidence = scan([open_source(f"s3://{NAME}/x")], selection)
    assert facts(evidence) != from_files(made.records, selection, tmp_path / "files")
    assert any("dated outside the window" in one.detail for one in evidence.receipt.problems)


def test_an_export_made_later_is_read(s3, tmp_path):
    made = story("managed_detached")
    s3.create_bucket(Bucket=NAME)
    body = compact({"Records": list(made.records)}).encode()
    s3.put_object(Bucket=NAME, Key="exports/2029-01-01/all.json", Body=body)
    days = sorted(map(moment, made.records))
    selection = everything().during(Window(days[0], days[-1]))
    evidence = scan([open_source(f"s3://{NAME}/exports")], selection)
    assert facts(evidence) == from_files(made.records, selection, tmp_path / "files")


def test_nothing_inside_the_window_is_no_empty_prefix(s3):
    s3.create_bucket(Bucket=NAME)
    s3.put_object(Bucket=NAME, Key="x/2020/01/01/00/a.json", Body=b'{"Records": []}')
    receipt = scan(
        [open_source(f"s3://{NAME}/x")], everything().during(Window(datetime(2026, 1, 1, tzinfo=UTC)))
    ).receipt
    assert receipt.files_seen == 0
    assert [one.detail for one in receipt.problems] == [
        "1 objects are dated outside the window by their keys; they were not read."
    ]
