"""Where a trail's files lie: computed prefixes, padding, and how little of a large archive is listed."""

import threading
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_trail.errors import UsageError
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.layout import Place, Spot, Stretch, locate, month_stretch, stretches, wanted
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import Clause, Selection, default_selection
from ecs_trail.times import EVER, Window

ACCOUNTS = ("111122223333", "222233334444", "333344445555")
REGIONS = ("ap-southeast-2", "eu-west-1", "us-east-1", "us-west-2")
START = datetime(2026, 3, 1, tzinfo=UTC)
PLACE = Place("AWSLogs/111122223333/CloudTrail/eu-west-1/", "111122223333", "eu-west-1")
TWO_DAYS = Window(START + timedelta(days=9), START + timedelta(days=11))


def key_of(account: str, region: str, stamp: datetime, root: str = "AWSLogs/", tail: str = "AAAAAAAAAAAAAAAA") -> str:
    name = f"{account}_CloudTrail_{region}_{stamp:%Y%m%dT%H%M}Z_{tail}.json.gz"
    return f"{root}{account}/CloudTrail/{region}/{stamp:%Y/%m/%d}/{name}"


class Keys:
    """A listing in memory, with the S3 calls a source makes; counts the keys it gives."""

    def __init__(self, keys: list[str]) -> None:
        self.keys = sorted(keys)
        self.listed: list[str] = []
        self.read: list[str] = []
        self.requests = 0
        self._lock = threading.Lock()

    def get_bucket_versioning(self, **_: object) -> dict[str, object]:
        return {}

    def get_paginator(self, _: str) -> "Keys":
        return self

    def paginate(self, **asked: str) -> Iterator[dict]:
        prefix, delimiter = asked["Prefix"], asked.get("Delimiter", "")
        first = bisect_right(self.keys, max(asked.get("StartAfter", ""), prefix))
        found = []
        for key in self.keys[first:]:
            if not key.startswith(prefix):
                break
            found.append(key)
        if delimiter:
            folders = sorted({prefix + key[len(prefix) :].split("/")[0] + "/" for key in found})
            self.requests += 1
            yield {"CommonPrefixes": [{"Prefix": one} for one in folders]}
            return
        for at in range(0, max(len(found), 1), 1000):
            page = found[at : at + 1000]
            with self._lock:
                self.requests += 1
                self.listed += page
            yield {"Contents": [{"Key": one, "Size": 10} for one in page]}

    def get_object(self, **asked: str) -> dict:
        with self._lock:
            self.read.append(asked["Key"])
        return {"Body": _Body()}


class _Body:
    def close(self):
        """Nothing is open."""

    def read(self) -> bytes:
        return b'{"Records":[]}'


def archive(*, digests: bool, root: str = "AWSLogs/") -> list[str]:
    """30 days of 3 accounts in 4 Regions: about 10,000 keys, with the hourly digest files or without."""
    keys = []
    for account in ACCOUNTS:
        for region in REGIONS:
            for minutes in range(0, 30 * 24 * 60, 12 * 60 if digests else 52):
                keys.append(key_of(account, region, START + timedelta(minutes=minutes), root))
            for hour in range(30 * 24 if digests else 0):
                stamp = START + timedelta(hours=hour)
                folder = f"{root}{account}/CloudTrail-Digest/{region}/{stamp:%Y/%m/%d}/"
                keys.append(f"{folder}{account}_CloudTrail-Digest_{region}_t_us-east-1_{stamp:%Y%m%dT%H%M%SZ}.json.gz")
    return keys


def read_all(keys: Keys, selection: Selection, prefix: str = "") -> None:
    source = S3Source("trail-bucket", prefix, client=lambda: keys)
    list(source.fetch(source.plan(selection)))


def of(account: str, *regions: str) -> Selection:
    return default_selection().during(TWO_DAYS).where(accounts=[account], regions=regions)


def test_two_days_of_one_region_list_under_one_percent():
    keys = Keys(archive(digests=False))
    assert 9_500 < len(keys.keys) < 10_500
    read_all(keys, of(ACCOUNTS[1], "us-east-1"))
    expected = [
        key_of(ACCOUNTS[1], "us-east-1", START + timedelta(minutes=minutes))
        for minutes in range(0, 30 * 24 * 60, 52)
        if timedelta(days=9, hours=-1) <= timedelta(minutes=minutes) < timedelta(days=12)
    ]
    assert sorted(keys.listed) == sorted(keys.read) == expected
    assert len(keys.listed) < 0.01 * len(keys.keys)
    assert keys.requests < 10


def test_two_days_of_a_region_and_iam_list_under_one_percent_of_an_archive_with_digests():
    keys = Keys(archive(digests=True))
    assert 9_000 < len(keys.keys) < 10_500
    read_all(keys, of(ACCOUNTS[1], "eu-west-1", "us-east-1"))
    assert {key.split("/")[3] for key in keys.listed} == {"eu-west-1", "us-east-1"}
    assert not any("Digest" in key for key in keys.listed)
    assert 0 < len(keys.listed) < 0.01 * len(keys.keys)


@pytest.mark.parametrize(
    ("root", "given"),
    [
        ("AWSLogs/", ""),
        ("AWSLogs/o-abcdefghij/", ""),
        ("AWSLogs/o-abcdefghij/", "AWSLogs"),
        ("AWSLogs/o-abcdefghij/", "AWSLogs/o-abcdefghij"),
        ("audit/trail/AWSLogs/", "audit/trail"),
        ("audit/AWSLogs/", ""),
        ("o-abcdefghij/AWSLogs/o-abcdefghij/", ""),
        ("o-abcdefghij/AWSLogs/", ""),
        ("o-abcdefghij/AWSLogs/o-abcdefghij/", "o-abcdefghij/"),
        ("AWSLogs/", f"AWSLogs/{ACCOUNTS[0]}"),
        ("AWSLogs/", f"AWSLogs/{ACCOUNTS[0]}/CloudTrail"),
        ("AWSLogs/", f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/eu-west-1"),
    ],
)
def test_every_layout_is_found_without_a_walk(root, given):
    keys = Keys([*archive(digests=True, root=root), "zz/other/thing.json"])
    read_all(keys, of(ACCOUNTS[0], "eu-west-1"), given)
    wanted_keys = [
        key_of(ACCOUNTS[0], "eu-west-1", START + timedelta(hours=12 * index), root)
        for index in range(60)
        if 18 <= index < 24
    ]
    assert sorted(keys.read) == wanted_keys


def test_a_prefix_below_a_region_or_of_another_kind_is_read_whole():
    keys = Keys([key_of(ACCOUNTS[0], "eu-west-1", START), "saved/a.json", "saved/b/c.json", "saved-not/d.json"])
    read_all(keys, of(ACCOUNTS[0], "eu-west-1"), "saved")
    # beside what is there, a store's manifest is looked for
    assert sorted(set(keys.read) - {"saved/manifest.jsonl"}) == ["saved/a.json", "saved/b/c.json"]
    keys.read.clear()
    read_all(keys, default_selection().during(TWO_DAYS), f"AWSLogs/{ACCOUNTS[0]}/CloudTrail/eu-west-1/2026/03/01")
    assert keys.read == keys.keys[:1]
    with pytest.raises(UsageError, match="nothing"):
        read_all(keys, default_selection(), "no/such/prefix")


@pytest.mark.parametrize("window", [EVER, Window(TWO_DAYS.start, None), Window(None, TWO_DAYS.end)])
def test_a_window_open_on_a_side_reads_what_it_must_and_little_more(window):
    keys = Keys(archive(digests=False))
    read_all(keys, default_selection().during(window).where(accounts=ACCOUNTS[:1], regions=["eu-west-1"]))
    days = {key.rsplit("/", 1)[0][-10:] for key in keys.read if "/eu-west-1/" in key}
    assert min(days) == ("2026/03/09" if window.start else "2026/03/01")
    assert max(days) == ("2026/03/12" if window.end else "2026/03/30")
    assert all(ACCOUNTS[0] in key for key in keys.read)


moments = st.timedeltas(timedelta(0), timedelta(days=1800)).map(lambda since: datetime(2022, 1, 1, tzinfo=UTC) + since)


@given(moments, st.timedeltas(timedelta(seconds=1), timedelta(days=90)), st.data())
def test_no_file_that_can_hold_an_event_of_the_window_is_left_out(start, length, data):
    window = Window(start, start + length)
    event = start + data.draw(st.timedeltas(timedelta(0), length - timedelta(microseconds=1)))
    late = data.draw(st.timedeltas(timedelta(0), timedelta(hours=24)))
    key = key_of(PLACE.account, PLACE.region, event + late)
    listed = [one for one in stretches(PLACE, window) if key.startswith(one.prefix) and key > one.after]
    assert len(listed) == 1
    month = month_stretch(PLACE, f"{event + late:%Y}", f"{event + late:%m}", Window(start, None))
    assert month is not None
    assert key > month.after


def test_day_folders_are_padded_and_whole_months_are_one():
    prefix = PLACE.prefix
    assert stretches(PLACE, TWO_DAYS) == [
        Stretch(f"{prefix}2026/03/09/", after=f"{prefix}2026/03/09/111122223333_CloudTrail_eu-west-1_20260309T2300"),
        Stretch(f"{prefix}2026/03/10/"),
        Stretch(f"{prefix}2026/03/11/"),
        Stretch(f"{prefix}2026/03/12/"),
    ]
    long = stretches(PLACE, Window(START, START + timedelta(days=89)))
    assert [one.prefix.removeprefix(prefix) for one in long][1:4] == ["2026/03/", "2026/04/", "2026/05/01/"]


def test_a_bound_without_padding_is_seen_by_the_property():
    late_file = key_of(PLACE.account, PLACE.region, TWO_DAYS.end + timedelta(minutes=5))
    unpadded = [one for one in stretches(PLACE, TWO_DAYS) if "/03/12/" not in one.prefix]
    assert not any(late_file.startswith(one.prefix) for one in unpadded)
    assert any(late_file.startswith(one.prefix) for one in stretches(PLACE, TWO_DAYS))


def test_iam_stays_whatever_region_is_asked_for():
    iam = Clause(event_sources=frozenset({"iam.amazonaws.com"}))
    regional = Clause(event_sources=frozenset({"ec2.amazonaws.com"}), regions=frozenset({"eu-west-1"}))
    both = Selection((iam, regional)).during(TWO_DAYS)
    assert wanted(both, "1", "us-east-1") == TWO_DAYS
    assert wanted(both, "1", "eu-west-1") == TWO_DAYS
    assert wanted(both, "1", "us-west-2") is None
    assert wanted(Selection((iam, regional)), "1", "us-west-2") == Window(None, datetime(2021, 11, 22, tzinfo=UTC))
    assert wanted(both, "1", "cn-north-1") == TWO_DAYS


def test_where_a_prefix_stands():
    assert locate("a/b") == Spot(None)
    assert locate("x/AWSLogs/") == Spot("x/AWSLogs/")
    assert locate("AWSLogs/o-abcdefghij/111122223333/CloudTrail/eu-west-1/").region == "eu-west-1"
    assert locate("AWSLogs/111122223333/elasticloadbalancing").is_plain
    assert locate("AWSLogs/111122223333/CloudTrail/eu-west-1/2026").is_plain


def test_the_plan_is_printed_with_requests_and_a_price():
    source = open_source("s3://trail-bucket/AWSLogs")
    words = str(source.plan(of(ACCOUNTS[0], "eu-west-1", "us-east-1")))
    assert f"from {date(2026, 3, 9)} to {date(2026, 3, 12)}" in words
    assert "4 LIST and at most about 876 GET requests ($0.0004)" in words
    assert "2 of them: at most about 1,752 objects listed" in words
    assert "one LIST for each 1,000 objects" in str(source.plan(default_selection()))
    assert source.name == "s3://trail-bucket/AWSLogs"


@pytest.mark.parametrize("text", ["s3://", "s3://B", "s3://bucket-name/x?requester", "s3:///x"])
def test_what_is_no_bucket_is_refused(text):
    with pytest.raises(UsageError):
        open_source(text)
