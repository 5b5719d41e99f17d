"""Collecting from AWS: goes on where it was, asks again only for what may be late, answers as the source does."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from history import ids
from stories import KINDS, TODAY, facts, history_of, home_records, quick, regions_of, story, to_bucket
from warehouse import STORE as LAKE
from warehouse import Warehouse, glue_table, lake_table

from ecs_trail import Store, investigate
from ecs_trail.case import Case
from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError
from ecs_trail.evidence.collect import Limits, collect
from ecs_trail.evidence.sources.athena import AthenaSource
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.lake import LakeSource
from ecs_trail.evidence.sources.logs import LogsSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.selection import default_selection, everything, focused
from ecs_trail.times import Window

NAME = "trail-bucket"
REGIONS = ("us-east-1", "us-west-2")


def gather(source, store, selection=None, *, now=TODAY, **how):
    """Collect on a given day."""
    return collect([source], store, selection or default_selection(), now=lambda: now, **how)


def kept(store, selection=None):
    """The events of a store, but for where they were read."""
    return facts(scan([StoreSource(store)], selection or default_selection()))


def answer(evidence):
    """The investigation of evidence, but for what was looked at."""
    case = Case(evidence)
    return json.dumps({name: value for name, value in case.document.items() if name != "evidence"}, default=str)


def in_regions(records):
    """The records that event history of these Regions shows."""
    return [one for one in records if one["awsRegion"] in REGIONS]


@pytest.mark.parametrize("kind", KINDS[:1])
def test_a_store_of_event_history_answers_as_event_history(kind, cloudtrail, tmp_path):
    records = home_records(story(kind))
    cloudtrail(history_of(records))
    store = Store(tmp_path / "store")
    gather(quick(regions_of(records)), store, limits=Limits(units=3))
    direct = scan([quick(regions_of(records))], default_selection())
    assert kept(store) == facts(direct)
    assert answer(scan([StoreSource(store)], default_selection())) == answer(direct)


def test_a_second_run_asks_from_the_first_on_and_adds_nothing(cloudtrail, tmp_path):
    records = in_regions(home_records(story("managed_detached")))
    server = cloudtrail(history_of(records))
    store = Store(tmp_path / "store")
    first = gather(quick(REGIONS), store, everything())
    assert first.events_added == len(ids(records))
    before, parts = kept(store, everything()), len(list(store.manifest().parts("events")))
    server.asked.clear()
    done = gather(quick(REGIONS), store, everything(), now=TODAY + timedelta(hours=1))
    assert done.events_added == 0
    assert kept(store, everything()) == before
    assert len(list(store.manifest().parts("events"))) == parts
    since = (TODAY - timedelta(hours=6)).timestamp()
    assert [call["StartTime"] for _, call in server.asked] == [since] * len(REGIONS)


def test_what_comes_late_is_caught_by_the_overlap(cloudtrail, tmp_path):
    made = in_regions(home_records(story("managed_detached")))
    now = max(datetime.fromisoformat(one["eventTime"]) for one in made) + timedelta(minutes=2)
    late, prompt = made[-3:], made[:-3]
    server = cloudtrail(history_of([*prompt]))
    store = Store(tmp_path / "store")
    gather(quick(REGIONS), store, everything(), now=now)
    server.records.extend(late)
    done = gather(quick(REGIONS), store, everything(), now=now + timedelta(minutes=15))
    assert done.events_added == len(ids(late))
    assert {one["event_id"] for one in kept(store, everything())} == ids(made)
    blind = Store(tmp_path / "blind")  # without an overlap they would be missed: the law can fail
    server.records = list(prompt)
    gather(quick(REGIONS), blind, everything(), now=now, overlap=timedelta(0))
    server.records.extend(late)
    gather(quick(REGIONS), blind, everything(), now=now + timedelta(minutes=15), overlap=timedelta(0))
    assert {one["event_id"] for one in kept(blind, everything())} < ids(made)


@pytest.mark.parametrize("broken_at", [2, 5, 9])
def test_a_token_that_expired_for_good_is_no_loss(broken_at, cloudtrail, tmp_path):
    records = in_regions(home_records(story("managed_detached")))
    server = cloudtrail(history_of(records, page=7, refusals={broken_at: "ExpiredTokenException"}))
    server.refusals[broken_at + 1] = server.refusals[broken_at + 2] = "ExpiredTokenException"
    store = Store(tmp_path / "store")
    with pytest.raises(AccessError, match="Expired"):
        gather(quick(REGIONS), store, everything())
    got = sum(server.served.values())
    assert store.events().num_rows > 0
    assert store.info()["sources"][0]["unfinished"]
    server.refusals.clear()
    served = server.served.copy()
    # An hour later the broken run is ended first, under its own window, then what came since is asked for.
    gather(quick(REGIONS), store, everything(), now=TODAY + timedelta(hours=1))
    assert {one["event_id"] for one in kept(store, everything())} == ids(records)
    again = {name for name, count in server.served.items() if count > served[name] > 0}
    assert len(again) <= 4 * 7  # pages under way when it broke
    assert got < sum(server.served.values())
    assert not store.info()["sources"][0]["unfinished"]


def test_a_region_denied_is_told_until_it_answers(cloudtrail, tmp_path):
    records = in_regions(home_records(story("managed_detached")))
    server = cloudtrail(history_of(records, denied={"us-west-2"}))
    store = Store(tmp_path / "store")
    for _ in range(2):
        assert gather(quick(REGIONS), store).is_partial
    assert scan([StoreSource(store)], default_selection()).receipt.is_partial
    server.denied.clear()
    assert not gather(quick(REGIONS), store).is_partial
    assert kept(store) == facts(scan([quick(REGIONS)], default_selection()))


@pytest.mark.parametrize("kind", KINDS[1:2])
def test_a_store_of_a_bucket_answers_as_the_bucket(kind, s3, tmp_path):
    to_bucket(s3, NAME, story(kind), tmp_path / "trail")
    store = Store(tmp_path / "store")
    gather(S3Source(NAME), store, limits=Limits(units=20))
    direct = scan([S3Source(NAME)], default_selection())
    stored = scan([StoreSource(store)], default_selection())
    assert stored.events.equals(direct.events)
    assert answer(stored) == answer(direct)
    assert stored.receipt.newest_stamp == direct.receipt.newest_stamp
    assert stored.receipt.spans == direct.receipt.spans


def watched(client, calls):
    """A source whose calls are noted."""
    client.meta.events.register(
        "before-call.s3", lambda model, params, **_: calls.append((model.name, params["url_path"]))
    )
    return lambda: S3Source(NAME, client=lambda: client)


def test_objects_that_are_kept_are_not_read_again(s3, tmp_path):
    made = story("managed_detached")
    count = to_bucket(s3, NAME, made, tmp_path / "trail")
    calls: list[tuple[str, str]] = []
    source = watched(s3, calls)
    store = Store(tmp_path / "store")
    first = gather(source(), store)
    assert first.units_read == count
    asked = sum(name == "ListObjectsV2" for name, _ in calls)
    calls.clear()
    key = s3.list_objects_v2(Bucket=NAME)["Contents"][-1]["Key"]
    body = s3.get_object(Bucket=NAME, Key=key)["Body"].read()
    calls.clear()
    again = gather(source(), store)
    assert (again.units_read, again.events_added) == (0, 0)
    assert not [name for name, _ in calls if name == "GetObject"]
    assert sum(name == "ListObjectsV2" for name, _ in calls) <= asked
    # delivered weeks later, into the folder of that day: found by its stamp, whatever the times of its events
    stamp = f"{TODAY + timedelta(days=3):%Y%m%dT%H%MZ}"
    parts = key.split("/")
    parts[-4:-1] = f"{TODAY + timedelta(days=3):%Y/%m/%d}".split("/")
    name = parts[-1].split("_")
    parts[-1] = "_".join([*name[:3], stamp, "lateLateLateLate.json.gz"])
    s3.put_object(Bucket=NAME, Key="/".join(parts), Body=body)
    calls.clear()
    late = gather(source(), store, now=TODAY + timedelta(days=4))
    assert late.units_read == 1
    assert sum(name == "GetObject" for name, _ in calls) == 1
    assert kept(store) == facts(scan([S3Source(NAME)], default_selection()))


def test_an_object_that_changed_is_read_again(s3, tmp_path):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail", place=lambda key: key.replace("AWSLogs", "flat"))
    store = Store(tmp_path / "store")
    gather(S3Source(NAME, "flat"), store)
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=NAME)["Contents"]]
    body = s3.get_object(Bucket=NAME, Key=keys[1])["Body"].read()
    s3.put_object(Bucket=NAME, Key=keys[0], Body=body)
    assert gather(S3Source(NAME, "flat"), store).units_read == 1


def test_an_object_that_was_denied_is_tried_again(s3, tmp_path):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=NAME)["Contents"]]
    body = s3.get_object(Bucket=NAME, Key=keys[0])["Body"].read()
    s3.put_object(Bucket=NAME, Key=keys[0], Body=body, StorageClass="GLACIER")
    store = Store(tmp_path / "store")
    assert [one.kind for one in gather(S3Source(NAME), store).problems] == ["unreadable_file"]
    s3.put_object(Bucket=NAME, Key=keys[0], Body=body)
    done = gather(S3Source(NAME), store)
    assert (done.units_read, done.problems) == (1, [])
    assert kept(store) == facts(scan([S3Source(NAME)], default_selection()))


def test_a_window_that_ends_is_not_asked_for_again(cloudtrail, tmp_path):
    records = in_regions(home_records(story("managed_detached")))
    server = cloudtrail(history_of(records))
    store = Store(tmp_path / "store")
    times = sorted(datetime.fromisoformat(one["eventTime"]).astimezone(UTC) for one in records)
    selection = everything().during(Window(times[0], times[-1]))
    gather(quick(REGIONS), store, selection)
    server.asked.clear()
    gather(quick(REGIONS), store, selection)
    assert all(call["StartTime"] >= (times[-1] - timedelta(hours=6)).timestamp() // 1 for _, call in server.asked)


def test_the_command_collects_from_a_bucket(s3, tmp_path, capsys):
    to_bucket(s3, NAME, story("managed_detached"), tmp_path / "trail")
    folder = (tmp_path / "store").as_posix()
    assert run(["collect", f"s3://{NAME}", "--store", folder]) == 0
    assert run(["collect", f"s3://{NAME}", "--store", folder]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("no events added")
    direct = investigate(f"s3://{NAME}").document
    stored = investigate(f"store:{folder}").document
    assert {**direct, "evidence": 0} == {**stored, "evidence": 0}


def held_by(kind, records):
    """A service that holds records, for `Warehouse`."""
    if kind == "athena":
        return {"tables": {"security.trail": glue_table(records)}}
    if kind == "lake":
        return {"store": lake_table(records), "ending": ("FINISHED", "")}
    stamped = [(datetime.fromisoformat(one["eventTime"]) + timedelta(minutes=4), json.dumps(one)) for one in records]
    return {"logs": sorted(stamped)}


def asked_of(kind):
    """The source for it."""
    if kind == "athena":
        return AthenaSource("primary", "security", "trail", pause=lambda _: None)
    if kind == "lake":
        return LakeSource(LAKE, pause=lambda _: None)
    return LogsSource("eu-west-1", "CloudTrail/Management", pause=lambda _: None)


def sent(kind, server):
    """How the span was asked for: the texts of queries, or the first time stamps in ms."""
    if kind == "logs":
        return {asked["startTime"] for _, asked in server.asked if "startTime" in asked}
    found = (asked.get("QueryString") or asked.get("QueryStatement") for _, asked in server.asked)
    return [one for one in found if one]


@pytest.mark.parametrize("kind", ["athena", "lake", "logs"])
def test_queries_ask_from_their_last_complete_run_on(kind, start, tmp_path):
    made = sorted(story("managed_detached").records, key=lambda one: one["eventTime"])
    early = datetime.fromisoformat(made[0]["eventTime"]) - timedelta(days=1)
    now = datetime.fromisoformat(made[-1]["eventTime"]) + timedelta(minutes=2)
    wanted = everything().during(Window(early, None))
    late, prompt = made[-3:], made[:-3]
    server = start(Warehouse(**held_by(kind, prompt)))
    store = Store(tmp_path / "store")
    first = gather(asked_of(kind), store, wanted, now=now)
    assert first.events_added == len(ids(prompt))
    before = store.receipt()
    for name, value in held_by(kind, made).items():
        setattr(server, name, value)
    server.asked.clear()
    done = gather(asked_of(kind), store, wanted, now=now + timedelta(minutes=15))
    assert done.events_added == len(ids(late))  # what is there already is no new row
    since = now - timedelta(hours=6)
    texts = sent(kind, server)
    if kind == "logs":  # its stamps are those of delivery: an hour before the window
        assert texts == {round((since - timedelta(hours=1)).timestamp()) * 1000}
    else:
        assert [f"{since:%H:%M:%S}" in text and f"{early:%Y-%m-%d %H:%M:%S}" not in text for text in texts] == [True]
    assert {one["event_id"] for one in kept(store, everything())} == ids(made)
    # the first run's pages still count beside those of the second, whatever their numbers
    assert store.receipt().files_seen > before.files_seen
    assert store.receipt().records_read > before.records_read
    blind = Store(tmp_path / "blind")  # without an overlap the late ones would be missed: the law can fail
    for name, value in held_by(kind, prompt).items():
        setattr(server, name, value)
    gather(asked_of(kind), blind, wanted, now=now + timedelta(hours=3), overlap=timedelta(0))
    for name, value in held_by(kind, made).items():
        setattr(server, name, value)
    gather(asked_of(kind), blind, wanted, now=now + timedelta(hours=4), overlap=timedelta(0))
    assert {one["event_id"] for one in kept(blind, everything())} < ids(made)


def test_a_query_that_failed_is_asked_again_in_full(start, tmp_path):
    made = sorted(story("managed_detached").records, key=lambda one: one["eventTime"])
    early = datetime.fromisoformat(made[0]["eventTime"]) - timedelta(days=1)
    wanted = everything().during(Window(early, None))
    server = start(Warehouse(**held_by("lake", made)))
    server.ending = ("FAILED", "")
    store = Store(tmp_path / "store")
    with pytest.raises(AccessError, match="ended as FAILED"):
        gather(asked_of("lake"), store, wanted)
    server.ending = ("FINISHED", "")
    assert gather(asked_of("lake"), store, wanted).events_added == len(ids(made))


def test_a_store_of_one_place_is_that_of_an_investigation_of_it(s3, tmp_path, capsys):
    made = story("managed_detached")
    to_bucket(s3, NAME, made, tmp_path / "trail")
    place = {"account": home_records(made)[0]["recipientAccountId"], "region": "us-west-2"}
    words = [word for name, value in place.items() for word in (f"--{name}", value)]
    folder = (tmp_path / "store").as_posix()
    assert run(["collect", f"s3://{NAME}", "--store", folder, *words]) == 0
    assert run(["collect", f"s3://{NAME}", "--store", (tmp_path / "all").as_posix()]) == 0
    capsys.readouterr()
    narrow = Store(folder).events()
    assert narrow.num_rows < Store(tmp_path / "all").events().num_rows
    asked = focused(default_selection(), **place)
    assert narrow.equals(scan([S3Source(NAME)], asked).events)
    direct = investigate(f"s3://{NAME}", **place).document
    assert {**investigate(folder, **place).document, "evidence": 0} == {**direct, "evidence": 0}
    # whoever asks for more is told that less was collected
    assert "not_collected" in {one["kind"] for one in investigate(folder).document["evidence"]["problems"]}
    assert "not_collected" not in {one["kind"] for one in investigate(folder, **place).document["evidence"]["problems"]}
