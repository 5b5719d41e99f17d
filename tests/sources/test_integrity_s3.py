"""A bucket verified with real boto3 over the loopback, and the same verdict as AWS's own command line."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from botocore.exceptions import ClientError
from keyserver import Keys, serving_keys
from trails import ACCOUNT, HOUR, START, Trail, iso, key_list, rsa_key, trail

from ecs_trail.cli.main import run
from ecs_trail.cli.permissions import policy
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.integrity.shelves import Scope
from ecs_trail.evidence.integrity.verifying import verify_digests
from ecs_trail.times import Window

REGION = "eu-west-1"
ALL = Scope(Window(START - HOUR, START + 12 * HOUR))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    """A CloudTrail that knows AWS's keys, and one other before it."""
    known = Keys({REGION: key_list(rsa_key("older"), rsa_key())["PublicKeyList"]})
    with serving_keys(known) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", address)
        yield known


def small(**how: Any) -> Trail:
    """Four hours with one log file each: uploads take the time here."""
    return trail(hours=4, per_hour=1, **how)


def restarted() -> Trail:
    made = trail(hours=2, per_hour=1)
    made.digest(START + 7 * HOUR, [made.log(START + 6 * HOUR + HOUR / 6)], starting=True)
    return made


def backfilled() -> Trail:
    made = small()
    made.digest(START + 3 * HOUR, [made.log(START + 2 * HOUR + HOUR / 2)], backfill=True, starting=True)
    made.digest(START + 4 * HOUR, [made.log(START + 3 * HOUR + HOUR / 2)], backfill=True)
    return made


def done(fault: Callable[[Trail], Any], make: Callable[[], Trail] = small) -> Trail:
    made = make()
    fault(made)
    return made


def moved(made: Trail, key: str) -> None:
    """A copy of an older digest in the place of another."""
    made.objects[key] = made.objects[made.digests[0]]


#: What was done to a trail -> the trail. AWS's command line and this one must agree on each.
CASES: dict[str, Callable[[], Trail]] = {
    "sound": small,
    "sound, in a prefix": lambda: small(prefix="logs/of/us/"),
    "log file altered": lambda: done(lambda made: made.alter(made.logs[3])),
    "log file deleted": lambda: done(lambda made: made.delete(made.logs[3])),
    "log file moved": lambda: done(lambda made: made.move(made.logs[3], made.logs[3].replace("/03/02/", "/03/03/"))),
    "log file is no gzip": lambda: done(lambda made: made.objects.update({made.logs[3]: (b"{}", {})})),
    "log file with data behind": lambda: done(
        lambda made: made.objects.update({made.logs[3]: (made.objects[made.logs[3]][0] * 2, {})})
    ),
    "digest altered": lambda: done(lambda made: made.alter(made.digests[2])),
    "digest deleted": lambda: done(lambda made: made.delete(made.digests[2])),
    "two digests deleted": lambda: done(lambda made: (made.delete(made.digests[1]), made.delete(made.digests[2]))),
    "digest moved": lambda: done(lambda made: moved(made, made.digests[2])),
    "digest signed by another": lambda: done(lambda made: made.forge(made.digests[2], logFiles=[])),
    "newest digest signed by another": lambda: done(lambda made: made.forge(made.digests[-1], logFiles=[])),
    "signed by another, with that key": lambda: done(
        lambda made: made.forge(made.digests[2], logFiles=[], digestPublicKeyFingerprint="00ff")
    ),
    "digest is no JSON": lambda: done(lambda made: made.objects.update({made.digests[2]: (b"x", {})})),
    "newest digest without a signature": lambda: done(
        lambda made: made.objects.update({made.digests[-1]: (made.objects[made.digests[-1]][0], {})})
    ),
    "validation was off": restarted,
    "backfill": backfilled,
    "backfill digest altered": lambda: done(lambda made: made.alter(made.backfills[0]), backfilled),
    "backfill digest deleted": lambda: done(lambda made: made.delete(made.backfills[0]), backfilled),
    "backfilled log file altered": lambda: done(lambda made: made.alter(made.logs[-1]), backfilled),
}


SOUND = {"sound", "sound, in a prefix", "validation was off", "backfill"}


def validate_logs(made: Trail, endpoints: dict[str, str]) -> tuple[int, int, int, int]:
    """What `aws cloudtrail validate-logs` says: exit code, valid digests, valid log files, gaps."""
    words = [
        *(sys.executable, "-m", "awscli", "cloudtrail", "validate-logs", "--region", made.region),
        *("--trail-arn", f"arn:aws:cloudtrail:{made.home}:{ACCOUNT}:trail/{made.name}", "--s3-bucket", made.bucket),
        *("--start-time", iso(START - HOUR), "--end-time", iso(START + 12 * HOUR)),
        *(("--s3-prefix", made.prefix.strip("/")) if made.prefix else ()),
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | endpoints)
    text = ran.stdout + ran.stderr
    assert "Traceback" not in text, text

    def valid(kind: str) -> int:
        return sum(int(number) for number in re.findall(rf"(\d+)/\d+ (?:backfill )?{kind} files valid", text))

    return ran.returncode, valid("digest"), valid("log"), text.count("No log files were delivered")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("awscli") is None, reason="awscli (of the extra dev) is not installed")
@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_the_aws_cli(case, s3, s3_server, keys):
    made = CASES[case]()
    made.to_bucket(s3)
    endpoints = {name: os.environ[name] for name in ("AWS_ENDPOINT_URL_CLOUDTRAIL", "AWS_ENDPOINT_URL_S3")}
    code, digests, logs, gaps = validate_logs(made, endpoints)
    found = verify_digests(f"s3://{made.bucket}/{made.prefix}", scope=ALL)
    assert (code != 0) == (found.verdict == "failed") == (case not in SOUND), found.entries
    valid = found.counts["digest"]["valid"] + found.counts["backfill_digest"]["valid"]
    assert (digests, logs) == (valid, found.counts["log_file"]["valid"]), found.entries
    assert gaps == sum(one.kind == "restart" for one in found.gaps)


@pytest.mark.parametrize(
    ("prefix", "organization", "below"),
    [
        ("", "", ""),
        ("logs/", "", ""),
        ("o-abcdefghij/", "o-abcdefghij/", ""),
        ("logs/of/us/", "o-abcdefghij/", "AWSLogs/"),
        ("", "o-abcdefghij/", f"AWSLogs/o-abcdefghij/{ACCOUNT}/CloudTrail-Digest/{REGION}"),
        ("logs/", "", f"AWSLogs/{ACCOUNT}/CloudTrail"),
    ],
)
def test_digests_are_found_in_every_layout(prefix, organization, below, s3, keys):
    made = trail(hours=2, prefix=prefix, organization=organization)
    made.to_bucket(s3)
    found = verify_digests(f"s3://trail-bucket/{prefix}{below}" if below else "s3://trail-bucket")
    assert (found.verdict, found.counts["log_file"]) == ("intact", {"valid": 4})


def test_only_the_days_asked_for_are_read(s3, keys):
    made = trail(hours=60, per_hour=0)
    made.to_bucket(s3)
    seen: list[str] = []
    client = make_client("s3")
    client.meta.events.register("before-call.s3", lambda params, **_: seen.append(params["url_path"]))
    from ecs_trail.evidence.integrity.bucket import BucketShelf  # noqa: PLC0415

    listing = BucketShelf(made.bucket, client=lambda: client).listing(Scope(Window(START + 50 * HOUR, None)))
    assert 10 <= len(listing.digests) < 16
    assert found_in(made, START + 50 * HOUR, START + 52 * HOUR) == ("intact", {"valid": 4})
    client.close()


def found_in(made: Trail, start: Any, end: Any) -> tuple[str, dict[str, int]]:
    found = verify_digests(f"s3://{made.bucket}", scope=Scope(Window(start, end)))
    return found.verdict.value, dict(found.counts["digest"])


def test_keys_are_asked_in_the_region_of_the_digests_for_their_time_page_by_page(s3, keys):
    trail().to_bucket(s3)
    keys.page = 1
    assert verify_digests("s3://trail-bucket").verdict == "intact"
    assert {region for region, _ in keys.asked} == {REGION}
    asked = keys.asked[0][1]
    assert asked["StartTime"] <= START.timestamp()
    assert asked["EndTime"] >= (START + 5 * HOUR).timestamp()


def test_a_digest_in_another_bucket_is_followed(s3, keys):
    old = trail(hours=2, bucket="old-bucket")
    new = Trail(objects=old.objects, digests=old.digests, logs=old.logs, bucket="old-bucket")
    before = dict(old.objects)
    new.digest(START + 3 * HOUR, [])
    key = new.digests[-1]
    body = new.body(key) | {"digestS3Bucket": "trail-bucket"}
    new.put_digest(key, body)
    Trail(bucket="old-bucket", objects=before).to_bucket(s3)
    Trail(objects={key: new.objects[key]}).to_bucket(s3)
    found = verify_digests("s3://trail-bucket")
    assert (found.verdict, found.counts["digest"], found.counts["log_file"]) == ("intact", {"valid": 3}, {"valid": 4})


def test_denied_keys_are_named(s3, keys):
    trail().to_bucket(s3)
    keys.is_denied = True
    with pytest.raises(AccessError, match="cloudtrail:ListPublicKeys is not allowed"):
        verify_digests("s3://trail-bucket")
    assert run(["verify", "s3://trail-bucket"]) == 5


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes S3 refuse GetObject for keys that hold a text."""

    def refuse(only: str) -> None:
        def check(params: Any, model: Any, **_: Any) -> None:
            if model.name == "GetObject" and only in params["url_path"]:
                raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, model.name)

        def made(*words: Any, **how: Any) -> Any:
            client = make_client(*words, **how)
            client.meta.events.register("before-call.s3", check)
            return client

        monkeypatch.setattr("ecs_trail.evidence.integrity.bucket.make_client", made)

    return refuse


def test_a_denied_log_file_is_not_called_failed(s3, keys, refusing):
    made = small()
    made.to_bucket(s3)
    refusing(made.logs[1])
    found = verify_digests("s3://trail-bucket")
    assert (found.verdict, found.counts["log_file"]) == ("partial", {"valid": 3, "unreadable": 1})
    assert [(one.kind, "s3:GetObject is not allowed" in one.detail) for one in found.problems] == [
        ("no_permission", True)
    ]
    assert run(["verify", "s3://trail-bucket"]) == 3


def test_a_denied_digest_is_a_gap_and_not_called_missing(s3, keys, refusing):
    made = small()
    made.to_bucket(s3)
    refusing(made.digests[2])
    found = verify_digests("s3://trail-bucket")
    assert (found.verdict, found.counts["digest"]) == ("partial", {"valid": 3, "unreadable": 1})
    assert [(one.kind, one.start, one.end) for one in found.gaps] == [
        ("invalid_digest", START + 2 * HOUR, START + 3 * HOUR)
    ]


def test_all_denied_is_an_error(s3, keys, refusing):
    small().to_bucket(s3)
    refusing("")
    assert run(["verify", "s3://trail-bucket"]) == 5


def test_nothing_there(s3, keys):
    s3.create_bucket(Bucket="empty-bucket")
    with pytest.raises(UsageError, match="no CloudTrail files"):
        verify_digests("s3://empty-bucket")
    assert run(["verify", "s3://nobody-has-this"]) == 2


def test_the_policy_is_what_is_called(s3, keys, monkeypatch):
    trail().to_bucket(s3)
    seen: set[str] = set()
    made: list[Any] = []

    def watched(*words: Any, **how: Any) -> Any:
        client = make_client(*words, **how)
        client.meta.events.register("before-call", lambda model, **_: seen.add(model.name))
        made.append(client)
        return client

    monkeypatch.setattr("ecs_trail.evidence.integrity.bucket.make_client", watched)
    assert run(["verify", "s3://trail-bucket"]) == 0
    actions = {
        "ListObjectsV2": "s3:ListBucket",
        "GetBucketVersioning": "s3:GetBucketVersioning",
        "GetObject": "s3:GetObject",
        "ListPublicKeys": "cloudtrail:ListPublicKeys",
    }
    allowed = {name for one in policy(("s3", "verify"))["Statement"] for name in one["Action"]}
    assert allowed - {"kms:Decrypt", "s3:ListBucketVersions"} == {actions[name] for name in seen}
