"""What holds for every source: a plan is pure; the policy printed is the policy used; boto3 only where AWS is asked."""

import json
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from stories import history_of, home_records, quick, story, to_bucket
from warehouse import STORE, Warehouse, glue_table, lake_table

from ecs_trail.cli.main import run
from ecs_trail.cli.permissions import policy
from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.athena import AthenaSettings, AthenaSource
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.lake import LakeSource
from ecs_trail.evidence.sources.logs import LogsSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import default_selection, everything, session
from ecs_trail.times import Window

SOURCES = (
    "some/folder",
    "store:some/store",
    "s3://trail-bucket/AWSLogs",
    "s3://trail-bucket",
    "api://eu-west-1,us-west-2",
    "api://cn-north-1",
    "athena://primary/security.cloudtrail_logs",
    f"lake://{STORE}",
    "logs://eu-west-1/CloudTrail/Management",
    "spark://glue_catalog.security.cloudtrail_logs",
)
DAY = Window(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
SELECTIONS = {
    "default": default_selection(),
    "everything": everything(),
    "session": session("x"),
    "a day": default_selection().during(DAY),
    "a place": default_selection().where(accounts=["111122223333"], regions=["eu-west-1"]),
}
#: The IAM action of each call, as the service authorization reference of S3 has it.
ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObject": "s3:GetObject",
}


@pytest.mark.parametrize("text", SOURCES)
@pytest.mark.parametrize("which", SELECTIONS)
def test_a_plan_touches_nothing(text, which, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a plan is pure")

    source = open_source(text)
    source.plan(everything())  # loads the modules it needs, which is no looking
    with monkeypatch.context() as patch:
        for owner, name in ((socket, "socket"), (socket, "getaddrinfo"), (Path, "open"), (Path, "stat")):
            patch.setattr(owner, name, refuse)
        patch.setattr(boto3, "session", None)
        patch.setattr("builtins.open", refuse)
        first, second = str(source.plan(SELECTIONS[which])), str(source.plan(SELECTIONS[which]))
    assert first == second
    assert first.startswith(text)
    assert "bill: " in first


@pytest.mark.parametrize("text", SOURCES)
def test_a_plan_needs_no_boto3(text):
    script = (
        "import sys; sys.modules['boto3'] = sys.modules['botocore'] = None\n"
        "from ecs_trail.evidence.sources import open_source; from ecs_trail.selection import default_selection\n"
        f"print(open_source({text!r}).plan(default_selection()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert text in done.stdout


@pytest.mark.parametrize("text", [one for one in SOURCES if "://" in one and not one.startswith("spark")])
def test_without_boto3_the_extra_is_named(text, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[aws\]"):
        scan([open_source(text)], default_selection())


def actions(*sources: str) -> set[str]:
    """The actions of the policy printed for sources."""
    return {name for one in policy(sources)["Statement"] for name in one["Action"]}


def test_the_policy_for_s3_is_what_is_called(s3, tmp_path):
    to_bucket(s3, "trail-bucket", story("managed_detached"), tmp_path / "trail")
    seen: set[str] = set()
    s3.put_bucket_versioning(Bucket="trail-bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.meta.events.register("before-call.s3", lambda model, **_: seen.add(model.name))
    scan([S3Source("trail-bucket", client=lambda: s3)], default_selection())
    # S3 itself asks for the key of an encrypted object; the client never calls KMS.
    assert actions("s3://trail-bucket") - {"kms:Decrypt"} == {ACTIONS[name] for name in seen}


def test_the_policy_for_event_history_is_what_is_called(cloudtrail):
    server = cloudtrail(history_of(home_records(story("managed_detached"))))
    scan([quick(("us-east-1",))], session("ECSTaskVolumesForEBS"))
    assert server.asked
    assert actions("api") == {"cloudtrail:LookupEvents"}


def test_permissions_prints_a_policy(capsys):
    assert run(["permissions"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["Version"] == "2012-10-17"
    assert all(one["Effect"] == "Allow" for one in document["Statement"])
    assert all(re.fullmatch(r"[A-Za-z0-9]+", one["Sid"]) for one in document["Statement"])
    words = ["--source", "s3://logs-of-us/x/y", "--source", "s3://other", "--partition", "aws-cn"]
    assert run(["permissions", *words]) == 0
    document = json.loads(capsys.readouterr().out)
    sids = [one["Sid"] for one in document["Statement"]]
    assert len(sids) == len(set(sids))
    assert "arn:aws-cn:s3:::logs-of-us/x/y/*" in json.dumps(document)
    assert '"arn:aws:' not in json.dumps(document)


def test_permissions_of_what_needs_none_are_refused():
    with pytest.raises(UsageError, match="needs no permission"):
        policy(("some/folder",))


#: Actions that AWS itself performs with the caller's rights, while it runs a query.
ON_BEHALF = ("glue:", "kms:", "s3:")


def test_the_policy_for_athena_is_what_is_called(start):
    server = start(Warehouse({"db.trail": glue_table(list(story("managed_detached").records))}, runs=50))
    asked = default_selection().during(Window(DAY.start))
    stopped = AthenaSource("wg", "db", "trail", settings=AthenaSettings(max_scan=1), pause=lambda _: None)
    with pytest.raises(UsageError):
        scan([stopped], asked)
    server.runs = 1
    scan([AthenaSource("wg", "db", "trail", pause=lambda _: None)], asked)
    printed = actions("athena://wg/db.trail")
    assert {one for one in printed if not one.startswith(ON_BEHALF)} == server.called
    assert printed == actions("athena")
    document = json.dumps(policy(("athena://wg/db.trail?region=eu-west-1",), "aws-cn"))
    assert "arn:aws-cn:athena:*:*:workgroup/wg" in document
    assert "arn:aws-cn:glue:*:*:table/db/trail" in document


def test_the_policy_for_cloudtrail_lake_is_what_is_called(start):
    server = start(Warehouse(store=lake_table(list(story("managed_detached").records)), ending=("FINISHED", "")))
    server.runs = 50
    with pytest.raises(UsageError):
        scan([LakeSource(STORE, max_scan=1, pause=lambda _: None)], session("x"))
    server.runs = 1
    scan([LakeSource(STORE, pause=lambda _: None)], session("x"))
    assert actions(f"lake://{STORE}") == server.called


def test_the_policy_for_log_groups_is_what_is_called(start):
    server = start(Warehouse())
    scan([LogsSource("eu-west-1", "CloudTrail/Management")], session("x"))
    assert actions("logs://eu-west-1/CloudTrail/Management") == server.called
    (statement,) = policy(("logs://eu-west-1/CloudTrail/Management",))["Statement"]
    assert statement["Resource"] == "arn:aws:logs:eu-west-1:*:log-group:CloudTrail/Management:*"


@pytest.mark.parametrize("text", ["athena://wg/db.trail", f"lake://{STORE}", "spark://trail"])
def test_a_plan_without_sqlglot_names_the_extra(text, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[athena\]"):
        open_source(text).plan(default_selection())
