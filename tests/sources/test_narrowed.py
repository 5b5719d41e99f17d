"""`--account` and `--region` narrow what is read, and change nothing in the answer about what they name."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from stories import history_of, home_records, quick, story, to_bucket

import ecs_trail as et
from ecs_trail.case import Case, Focus
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.layout import wanted
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.frames import rows
from ecs_trail.practice import write
from ecs_trail.selection import Clause, default_selection, everything, focused
from ecs_trail.times import Window


def both(folder: Path, **place: str) -> tuple[Case, Case]:
    """The case from narrowed evidence, and the case from all of it, both about one place."""
    whole = scan([FilesSource(folder)], default_selection())
    narrow = et.investigate(folder, **place)
    return narrow, Case(whole, focus=Focus(**place), as_of=narrow.as_of)


def places(records) -> list[dict[str, str]]:
    accounts = sorted({one["recipientAccountId"] for one in records})
    regions = sorted({one["awsRegion"] for one in records})
    return [
        *({"account": account} for account in accounts),
        *({"region": region} for region in regions),
        *({"account": account, "region": region} for account in accounts[:1] for region in regions),
    ]


@pytest.mark.parametrize("kind", ["managed_detached", "inline_deleted", "customer_version_created"])
def test_the_answer_about_a_place_is_that_of_all_evidence(kind, tmp_path):
    made = story(kind)
    write(made, tmp_path)
    seen = 0
    for place in places(made.records):
        narrow, whole = both(tmp_path, **place)
        assert narrow.evidence.events.num_rows <= whole.evidence.events.num_rows
        told = rows(narrow.tasks)
        assert told == rows(whole.tasks), place
        assert rows(narrow.volumes) == rows(whole.volumes), place
        stuck = [[row for row in rows(case.findings) if row["kind"] == "stuck_tasks"] for case in (narrow, whole)]
        assert [(one["task_arns"], one["cause_event_ids"]) for one in stuck[0]] == [
            (one["task_arns"], one["cause_event_ids"]) for one in stuck[1]
        ], place
        seen += len(told)
    assert seen


def test_the_arn_of_a_role_is_its_account(tmp_path):
    made = story("managed_detached")
    write(made, tmp_path)
    whole = scan([FilesSource(tmp_path)], default_selection())
    roles = [row["role_arn"] for row in rows(Case(whole).roles)]
    for arn in roles:
        narrow = et.investigate(tmp_path, role=arn)
        asked = focused(default_selection(), role=arn)
        assert asked == focused(default_selection(), account=arn.split(":")[4])
        assert {clause.accounts for clause in asked.clauses} == {frozenset({arn.split(":")[4]}), None}
        told = Case(whole, focus=Focus(role=arn), as_of=narrow.as_of)
        for name in ("tasks", "volumes", "tls", "outages", "role_changes"):
            assert rows(getattr(narrow, name)) == rows(getattr(told, name)), (arn, name)
    assert roles
    assert focused(default_selection(), role="ecsInfrastructureRole") == default_selection()


def test_a_narrowing_that_loses_iam_is_seen(tmp_path):
    """The fault that the law must catch: Regions narrowed without the home of IAM."""
    made = story("managed_detached")
    write(made, tmp_path)
    missed = 0
    for place in places(made.records):
        if set(place) != {"region"} or place["region"] == "us-east-1":
            continue
        bad = scan([FilesSource(tmp_path)], default_selection().where(regions=[place["region"]]))
        narrow, _ = both(tmp_path, **place)
        missed += rows(Case(bad, focus=Focus(**place), as_of=narrow.as_of).tasks) != rows(narrow.tasks)
    assert missed


ONE = {"account": "111122223333", "region": "eu-west-1"}


@pytest.mark.parametrize("place", [{"account": ONE["account"]}, {"region": ONE["region"]}, ONE])
def test_what_reaches_in_from_elsewhere_stays(place):
    narrow = focused(default_selection(), **place)
    for source, where in (("organizations.amazonaws.com", "444455556666"), ("iam.amazonaws.com", "111122223333")):
        kept = [
            one
            for one in narrow.clauses
            if one.narrowed(Clause(event_sources=frozenset({source}), accounts=frozenset({where}))) is not None
            and (one.regions is None or "us-east-1" in one.regions)
        ]
        assert any(one.event_names is not None for one in kept), source
    assert focused(default_selection()) == default_selection()
    assert focused(everything(), **place) == focused(focused(everything(), **place), **place)


def test_regions_and_accounts_that_cannot_matter_are_not_read(s3, tmp_path):
    # Before 2021-11-22 events of IAM were delivered into folders of other Regions as well.
    lately = default_selection().during(Window(datetime(2026, 3, 1, tzinfo=UTC), None))
    narrow = focused(lately, **ONE)
    assert wanted(narrow, "111122223333", "eu-west-1") is not None
    assert wanted(narrow, "111122223333", "us-east-1") is not None
    assert wanted(narrow, "444455556666", "us-east-1") is not None  # Organizations, wherever its account is
    assert wanted(narrow, "111122223333", "eu-central-1") is None
    assert wanted(narrow, "444455556666", "eu-west-1") is None
    made = story("managed_detached")
    to_bucket(s3, "trail-bucket", made, tmp_path / "trail")
    account = home_records(made)[0]["recipientAccountId"]
    listed: set[str] = set()
    s3.meta.events.register(
        "before-call.s3",
        lambda model, params, **_: (
            listed.add(params["query_string"].get("prefix", "")) if "List" in model.name else None
        ),
    )
    scan([S3Source("trail-bucket", client=lambda: s3)], focused(lately, account=account, region="us-west-2"))
    days = {one for one in listed if "/CloudTrail/" in one and one.rstrip("/").rpartition("/")[2] != "CloudTrail"}
    regions = {one.split("/CloudTrail/")[1].split("/")[0] for one in days}
    assert regions <= {"us-west-2", "us-east-1"}, sorted(days)


def test_event_history_asks_only_where_it_can_matter(cloudtrail):
    records = home_records(story("managed_detached"))
    server = cloudtrail(history_of(records))
    source = quick(("eu-central-1", "us-west-2", "us-east-1"))
    narrow = focused(default_selection(), region="us-west-2")
    scan([source], narrow)
    assert {region for region, _ in server.asked} == {"us-west-2", "us-east-1"}
    home = {one.value for one in source.plan(narrow).questions if one.region == "us-east-1"}
    assert {"DetachRolePolicy", "AttachPolicy", "StopLogging"} <= home
    assert not {"DescribeVolumes", "RunTask"} & home
