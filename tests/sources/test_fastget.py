"""The fast lane to objects gives what the SDK gives, asks as the SDK asks, and leaves to it whatever is unusual."""

import gzip
import hashlib
import hmac
import logging
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import obstore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from flaky import FAULTS, Asked, FlakyBucket, serving_bucket, serving_fast
from loopback import JsonHandler, serve
from moto import mock_aws
from storms import objects
from test_hostile_keys import hostile_bucket

from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.sources import fastget
from ecs_trail.evidence.sources.fastget import SWITCH, FastGet, road_of
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.sources.shelf import BucketShelf
from ecs_trail.selection import everything

NAME = "some-bucket"
#: Enough for the lane to be found and to be left again.
MANY = 80
ODD = ("stall", "other", "tag", "untagged")
KEY = {"AKIAEXAMPLE000000001": ("example", "")}
Unit = tuple[str, str, bytes | None, Any]


def units(client: Callable[[], Any], name: str = NAME, **how: Any) -> list[Unit]:
    """What a source fetches, in order."""
    source = S3Source(name, "logs", client=client, **{"readers": 3, **how})
    fetched = source.fetch(source.plan(everything()))
    return [(one.source, one.identity, one.data, one.problem) for one in fetched]


def fast(bucket: FlakyBucket) -> list[Asked]:
    """The requests of the fast lane, in order."""
    return [one for one in bucket.seen if one.is_fast]


def without(client: Callable[[], Any], bucket: FlakyBucket, **how: Any) -> list[Unit]:
    """What the SDK alone gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "0")
        before = len(fast(bucket))
        found = units(client, **how)
    assert len(fast(bucket)) == before
    return found


def same(bucket: FlakyBucket, **how: Any) -> list[Unit]:
    """The law: with the lane and without it, the same units. Gives them."""
    with serving_fast(bucket) as client:
        found = units(client, **how)
        assert found == without(client, bucket, **how)
    return found


def once(fault: str, key: str = "00041") -> Callable[[str], str]:
    return lambda asked: fault if key in asked else ""


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No proxy and no certificates of whoever runs the tests, and little patience."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy") or name == "REQUESTS_CA_BUNDLE"]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(fastget, "_READ", timedelta(seconds=0.5))


def test_most_objects_take_the_fast_lane():
    bucket = FlakyBucket(objects(MANY, each=1))
    assert [name for name, *_ in same(bucket)] == [f"s3://{NAME}/{key}" for key in bucket.objects]
    assert len(fast(bucket)) >= MANY - 10


def test_hostile_keys_are_left_to_the_sdk():
    bucket = hostile_bucket()
    bucket.objects |= objects(MANY, each=1, prefix="logs/a=b/c+d/e.f_g-h/")
    bucket.objects |= {"logs/x/plain.json.gz": b"no gzip at all", "logs/x/empty.gz": b""}
    same(bucket)
    asked = {one.key for one in fast(bucket)}
    assert len(asked) >= MANY
    assert all(key.endswith(".gz") and key.isascii() and not set(key) & set("%?#\\: ") for key in asked)


@pytest.mark.parametrize("fault", [*FAULTS, *ODD])
def test_whatever_the_lane_meets_the_sdk_reads_the_object(fault):
    """At one object, and at all of them: nothing is lost, and of a lane that never works little is seen."""
    for where in (once(fault), lambda _: fault):
        bucket = FlakyBucket(objects(MANY, each=1), fast_fault=where)
        found = same(bucket)
        assert [data for _, _, data, _ in found] == [*bucket.objects.values()]
        assert (len(fast(bucket)) <= 25) == (where("") != "" and fault != "slow")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_both_roads_is_told_in_the_words_of_the_sdk(fault):
    bucket = FlakyBucket(objects(MANY, each=1), lambda _number, _kind, key: once(fault)(key))
    problems = [problem for *_, problem in same(bucket) if problem]
    assert len(problems) == (fault != "slow")


def test_a_panic_in_the_library_is_a_failure_like_any_other(monkeypatch):
    class PanicException(BaseException):
        pass

    def panics(*_: Any) -> None:
        raise PanicException

    monkeypatch.setattr(obstore, "get", panics)
    same(FlakyBucket(objects(MANY, each=1)))


def test_an_object_replaced_since_it_was_listed_has_its_own_identity():
    def replaced() -> FlakyBucket:
        bucket = FlakyBucket(objects(MANY, each=1))

        def fault(_number: int, kind: str, _key: str) -> str:
            if kind == "get":
                bucket.objects["logs/00077.json.gz"] = gzip.compress(b"{}" * 400, mtime=0)
            return ""

        bucket.fault = fault
        return bucket

    with serving_fast(bucket := replaced()) as client:
        found = units(client)
    with serving_bucket(replaced()) as client:
        assert found == units(client)
    assert found[77][2] == bucket.objects["logs/00077.json.gz"]
    assert "logs/00077.json.gz" in {one.key for one in fast(bucket)}


def test_bytes_come_as_they_are_kept():
    """A trail keeps its files with this header, and a client that obeys it would unpack them."""
    bucket = FlakyBucket(
        objects(MANY, each=1), headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
    )
    assert [data for _, _, data, _ in same(bucket)] == [*bucket.objects.values()]
    assert fast(bucket)


def test_the_shelf_of_another_machine_has_a_fast_lane():
    bucket = FlakyBucket(objects(MANY, each=1))
    with serving_fast(bucket):
        source = S3Source(NAME, "logs")
        source.hand_over()
        listed = [one.remote.item for one in source.fetch(source.plan(everything())) if one.remote]
        found = [one.data for one in BucketShelf(source.name, NAME).fetch(listed)]
    assert found == [*bucket.objects.values()]
    assert fast(bucket)


def assert_signed(asked: Asked, keys: dict[str, tuple[str, str]]) -> str:
    """By Signature Version 4 with one of the keys (access key -> secret, token) and, if it has one, its token."""
    how = dict(one.strip().split("=", 1) for one in asked.headers["authorization"].partition(" ")[2].split(","))
    access, day, region, service, _ = how["Credential"].split("/")
    secret, token = keys[access]
    names = how["SignedHeaders"].split(";")
    assert asked.headers.get("x-amz-security-token", "") == token
    assert {name for name in asked.headers if name.startswith("x-amz-")} <= set(names)
    parts = urlsplit(asked.address)
    query = "&".join(f"{quote(k, '-_.~')}={quote(v, '-_.~')}" for k, v in sorted(parse_qsl(parts.query, True)))
    told = "".join(f"{name}:{asked.headers[name]}\n" for name in names)
    payload = asked.headers["x-amz-content-sha256"]
    canonical = "\n".join(["GET", parts.path, query, told, how["SignedHeaders"], payload])
    scope, at = f"{day}/{region}/{service}/aws4_request", asked.headers["x-amz-date"]
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert key.hex() == how["Signature"]
    return access


def test_requests_are_signed_as_those_of_the_sdk_are():
    bucket = FlakyBucket(objects(MANY, each=1, prefix="logs/a=b/c+d/"))
    same(bucket)
    assert {assert_signed(one, KEY) for one in bucket.seen} == set(KEY)
    with pytest.raises(AssertionError):
        assert_signed(fast(bucket)[0], dict.fromkeys(KEY, ("another", "")))


@pytest.mark.parametrize("pays", [False, True])
def test_who_agrees_to_pay_says_so_with_every_request(pays, monkeypatch):
    monkeypatch.setenv("AWS_REQUEST_PAYER", "" if pays else "requester")  # obstore would obey it, the SDK does not
    bucket = FlakyBucket(objects(MANY, each=1))
    same(bucket, requester_pays=pays)
    assert fast(bucket)
    for one in bucket.seen:
        if one.key:
            assert_signed(one, KEY)
            assert one.headers.get("x-amz-request-payer", "") == "requester" * pays


def test_settings_that_only_the_library_would_obey_change_nothing(monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_REGION": "eu-north-1",
        "AWS_TOKEN": "of-somebody",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_S3_EXPRESS": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_UNSIGNED_PAYLOAD": "true",
        "AWS_PROXY_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "false",
        "AWS_TIMEOUT": "1 ms",
        "AWS_USER_AGENT": "somebody",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = FlakyBucket(objects(MANY, each=1))
    same(bucket)
    assert len(fast(bucket)) >= MANY - 10
    assert {assert_signed(one, KEY) for one in bucket.seen} == set(KEY)


def test_a_bucket_of_another_region_is_asked_there():
    bucket = FlakyBucket(objects(MANY, each=1), region="eu-central-1")
    same(bucket)
    assert fast(bucket)
    assert all("/eu-central-1/s3/" in one.headers["authorization"] for one in fast(bucket))


def test_a_bucket_may_stand_in_the_name_of_the_host(monkeypatch, tmp_path):
    """127 is the name of a bucket, and `127.0.0.1` that of its host at the endpoint `0.0.1`."""
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    bucket = FlakyBucket(objects(MANY, each=1), is_path=False)
    with serving_fast(bucket) as client:
        port = os.environ["AWS_ENDPOINT_URL_S3"].rpartition(":")[2]
        os.environ["AWS_ENDPOINT_URL_S3"] = f"http://0.0.1:{port}"  # until the server ends
        found = units(client, "127")
        assert found == without(client, bucket, name="127")
    assert [data for _, _, data, _ in found] == [*bucket.objects.values()]
    assert fast(bucket)
    assert {assert_signed(one, KEY) for one in bucket.seen} == set(KEY)


def test_where_a_server_sends_the_lane_elsewhere_nothing_secret_goes_there():
    """The SDK asks anew at the place it knows, and what lies elsewhere under the same name is not taken."""
    other = FlakyBucket(objects(MANY, each=1, prefix="logs/other/"))
    with serving_fast(other):
        elsewhere = os.environ["AWS_ENDPOINT_URL_S3"]
        same(FlakyBucket(objects(MANY, each=1), fast_fault=lambda _: "elsewhere", elsewhere=elsewhere))
    assert not [one for one in other.seen if "authorization" in one.headers]


class _Keys(JsonHandler):
    """Credentials of a container: a new pair every time, of which the SDK takes the next one after a second."""

    issued: dict[str, tuple[str, str]]

    def do_GET(self) -> None:
        number = len(self.issued)
        pair = {"AccessKeyId": f"ASIA{number:016}", "SecretAccessKey": f"s-{number}", "Token": f"t-{number}"}
        self.issued[pair["AccessKeyId"]] = pair["SecretAccessKey"], pair["Token"]
        end = datetime.now(UTC) + timedelta(minutes=15, seconds=1)
        self._send(200, {**pair, "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")})


def test_credentials_are_those_of_the_sdk_and_renewed_with_them():
    issued: dict[str, tuple[str, str]] = {}
    bucket = FlakyBucket(objects(120, each=1), lambda *_: "slow")
    with serve(_Keys, issued=issued) as address, serving_fast(bucket) as client:
        del os.environ["AWS_ACCESS_KEY_ID"]
        os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{address}/keys"
        assert len(units(client, readers=1)) == 120
    used = [assert_signed(one, issued) for one in bucket.seen if one.key]
    assert used == sorted(used)  # and those of before never again
    assert len({assert_signed(one, issued) for one in fast(bucket)}) > 1


def trusted(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, and `ca.pem`, by which a client may trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by the test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "ca.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_certificates_that_were_given_to_the_sdk_are_its_own_business(name, monkeypatch, tmp_path):
    tls = trusted(tmp_path)
    monkeypatch.setenv(name, str(tmp_path / "ca.pem"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {tmp_path / 'ca.pem'}\n" if name == "ca_bundle" else "")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))  # which obstore trusts, and the SDK does not
    bucket = FlakyBucket(objects(MANY, each=1))
    with serving_fast(bucket, tls) as client:
        assert len(units(client)) == MANY
        assert not fast(bucket)
        monkeypatch.setattr(fastget, "_is_special", lambda *_: False)  # a planted fault
        assert len(units(client)) == MANY
        assert fast(bucket)


SPECIAL: dict[str, dict[str, str]] = {
    "switched off": {SWITCH: "0"},
    "by a proxy": {"HTTP_PROXY": "{server}", "AWS_ENDPOINT_URL_S3": "http://s3.example"},
    "by a proxy, in small letters": {"http_proxy": "{server}", "AWS_ENDPOINT_URL_S3": "http://s3.example"},
    "beside a proxy": {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"},
}


@pytest.mark.parametrize("which", SPECIAL)
def test_where_the_sdk_is_told_something_special_it_reads_all(which):
    bucket = FlakyBucket(objects(MANY, each=1))
    with serving_fast(bucket) as client:
        server = os.environ["AWS_ENDPOINT_URL_S3"]
        os.environ |= {name: value.format(server=server) for name, value in SPECIAL[which].items()}
        assert len(units(client)) == MANY
    assert not fast(bucket)


def test_without_the_library_the_sdk_reads_all(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    bucket = FlakyBucket(objects(MANY, each=1))
    with serving_fast(bucket) as client:
        assert len(units(client)) == MANY
    assert not fast(bucket)


@pytest.mark.parametrize("planted", [False, True])
def test_where_a_mock_answers_in_place_of_the_network_nothing_leaves(planted, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(obstore, "get", lambda _store, key: asked.append(key))
    if planted:
        monkeypatch.setattr(FastGet, "_is_answered", lambda *_: False)
    with mock_aws():
        client = make_client("s3")
        client.create_bucket(Bucket=NAME)
        for key, data in objects(MANY, each=1).items():
            client.put_object(Bucket=NAME, Key=key, Body=data)
        assert len(units(lambda: make_client("s3"))) == MANY
    assert bool(asked) == planted


def test_what_cannot_be_learned_is_no_failure(monkeypatch):
    monkeypatch.setattr("botocore.utils.get_environ_proxies", lambda address: 1 / 0 if NAME in address else {})
    bucket = FlakyBucket(objects(MANY, each=1))
    assert len(same(bucket)) == MANY
    assert not fast(bucket)


def test_a_client_of_somebody_else_has_no_fast_lane():
    bucket = FlakyBucket(objects(MANY, each=1))
    with serving_bucket(bucket) as client:
        assert len(units(client)) == MANY
    assert not fast(bucket)


PLAIN = {
    "Authorization": b"AWS4-HMAC-SHA256 Credential=AKIA1/20261128/eu-west-1/s3/aws4_request, SignedHeaders=host, "
    b"Signature=00",
    "X-Amz-Date": "20261128T000000Z",
    "amz-sdk-request": "attempt=1",
}
HOST = "https://some-bucket.s3.eu-west-1.amazonaws.com"
UNUSUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "not signed": (f"{HOST}/a/b.gz", {"X-Amz-Date": ""}),
    "S3 Express": (f"{HOST}/a/b.gz", {**PLAIN, "x-amz-s3session-token": "x"}),
    "a header of somebody else": (f"{HOST}/a/b.gz", {**PLAIN, "Via": "1.1 somebody"}),
    "a customer's key": (f"{HOST}/a/b.gz", {**PLAIN, "x-amz-server-side-encryption-customer-key": "x"}),
    "for several Regions": (
        f"{HOST}/a/b.gz",
        {**PLAIN, "Authorization": "AWS4-ECDSA-P256-SHA256 Credential=A/20261128/s3/aws4_request, "},
    ),
    "for another service": (
        f"{HOST}/a/b.gz",
        {**PLAIN, "Authorization": PLAIN["Authorization"].replace(b"/s3/", b"/s3-outposts/")},
    ),
    "a query": (f"{HOST}/a/b.gz?versionId=1", PLAIN),
    "a password": ("https://me:secret@s3.example/some-bucket/a/b.gz", PLAIN),
    "another key": (f"{HOST}/a/c.gz", PLAIN),
    "another bucket": ("https://other.s3.eu-west-1.amazonaws.com/a/b.gz", PLAIN),
    "an access point": ("https://x-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/a/b.gz", PLAIN),
    "below a path": ("https://s3.example/below/some-bucket/a/b.gz", PLAIN),
    "no HTTP": ("ftp://s3.example/some-bucket/a/b.gz", PLAIN),
}


@pytest.mark.parametrize("which", UNUSUAL)
def test_from_an_unusual_request_nothing_is_learned(which):
    address, headers = UNUSUAL[which]
    assert road_of(address, headers, NAME, "a/b.gz") is None


def test_what_is_learned_from_a_plain_request():
    for address, endpoint in (
        (f"{HOST}/a/b.gz", HOST),
        (f"{HOST.replace('s3.', 's3.dualstack.')}/a/b.gz", HOST.replace("s3.", "s3.dualstack.")),
        ("http://127.0.0.1:9000/some-bucket/a/b.gz", "http://127.0.0.1:9000"),
    ):
        road = road_of(address, {**PLAIN, "X-Amz-Security-Token": "secret", "x-amz-checksum-mode": "x"}, NAME, "a/b.gz")
        assert (road.endpoint, road.region, road.is_virtual) == (endpoint, "eu-west-1", NAME in endpoint)
        assert road.signer == ("AKIA1", "secret")
        assert "secret" not in repr(road)


def test_neither_a_failure_nor_its_words_are_told(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "botocore")  # it tells where it found its settings
    bucket = FlakyBucket(objects(MANY, each=1), fast_fault=lambda _: "denied")
    assert not [problem for *_, problem in same(bucket) if problem]
    assert fast(bucket)
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")


def test_leaving_early_waits_for_no_more_than_what_is_under_way():
    bucket = FlakyBucket(objects(400, each=1), lambda *_: "slow")
    with serving_fast(bucket) as client:
        source = S3Source(NAME, "logs", client=client)
        fetched = source.fetch(source.plan(everything()))
        for _ in range(40):
            next(fetched)
        asked, begun = len(bucket.seen), time.monotonic()
        fetched.close()
        assert time.monotonic() - begun < 1
        assert len(bucket.seen) <= asked + 70
    assert fast(bucket)


FORKS = """
import os, sys
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import everything
def count():
    source = S3Source("some-bucket", "logs", readers=2)
    return sum(one.data is not None for one in source.fetch(source.plan(everything())))
print(count(), flush=True)
child = os.fork()
if not child:
    print(count(), flush=True)
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_fork_of_a_process_that_used_it_reads_without_it():
    """It would wait for ever: the threads that move the bytes stay in the parent."""
    bucket = FlakyBucket(objects(MANY, each=1))
    with serving_fast(bucket):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout.split()) == (0, [str(MANY)] * 2), done.stderr
    assert MANY - 10 <= len(fast(bucket)) <= MANY


def careless(self: FastGet, road: Any, key: str, *_: Any) -> bytes:
    """A lane that looks at nothing."""
    return bytes(obstore.get(self._store(road), key).bytes())


@pytest.mark.parametrize("fault", ["short", "tag", "other", "untagged"])
def test_a_lane_that_believes_what_comes_is_seen(fault, monkeypatch):
    """Planted faults."""
    monkeypatch.setattr(FastGet, "_taken", careless)
    bucket = FlakyBucket(objects(MANY, each=1), fast_fault=once(fault))
    if fault in {"tag", "untagged"}:  # the bytes are right there, and nobody can know it
        bucket.fast_fault = lambda key: once(fault)(key) or once("other", "00042")(key)
    with pytest.raises(AssertionError):
        same(bucket)


def test_a_lane_that_keeps_credentials_is_seen(monkeypatch):
    real = FastGet._store

    def kept(self: FastGet, road: Any) -> Any:
        return self._made[1] if self._made else real(self, road)

    monkeypatch.setattr(FastGet, "_store", kept)
    with pytest.raises(AssertionError):
        test_credentials_are_those_of_the_sdk_and_renewed_with_them()


def test_a_lane_that_never_gives_up_is_seen(monkeypatch):
    monkeypatch.setattr(fastget, "_FAILURES", 10**6)
    with pytest.raises(AssertionError):
        test_whatever_the_lane_meets_the_sdk_reads_the_object("500")
