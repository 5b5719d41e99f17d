"""A small S3 on the loopback that misbehaves as it is told: what the common mock server always does right."""

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from loopback import QuietHandler, serve

from ecs_trail.evidence.aws import make_client

#: What may happen to one request.
FAULTS = ("500", "503", "throttle", "expired", "denied", "gone", "cut", "short", "longer", "slow", "reset")
_REFUSALS = {
    "500": (500, "InternalError"),
    "503": (503, "ServiceUnavailable"),
    "throttle": (503, "SlowDown"),
    "expired": (400, "ExpiredToken"),
    "denied": (403, "AccessDenied"),
    "gone": (404, "NoSuchKey"),
}


#: What the fast lane is called at a server.
FAST = "ecs-trail"


@dataclass(frozen=True)
class Asked:
    """One request as it came: `key` is empty for a listing, the names of `headers` are small."""

    address: str
    key: str
    headers: dict[str, str]

    @property
    def is_fast(self) -> bool:
        """Whether the fast lane sent it, not the SDK."""
        return self.headers["user-agent"] == FAST


@dataclass
class FlakyBucket:
    """Objects, and `fault(number, kind, key)` -> one of `FAULTS` or nothing, for each request.

    `fast_fault(key)` is for those of the fast lane alone; beside `FAULTS` it may be "stall", "other" (bytes of another
    content), "tag" (those of another ETag), "untagged" or "elsewhere" (a redirection). `headers` go with every object.
    A bucket of a `region` sends requests for another one there. With `is_path` its name is part of every path.
    """

    objects: dict[str, bytes]
    fault: Callable[[int, str, str], str] = lambda _number, _kind, _key: ""
    page: int = 1000
    fast_fault: Callable[[str], str] = lambda _key: ""
    headers: dict[str, str] = field(default_factory=dict)
    elsewhere: str = ""
    region: str = ""
    is_path: bool = True
    seen: list[Asked] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    happened: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, kind: str, key: str) -> str:
        with self.lock:
            self.asked.append(kind)
            fault = self.fault(len(self.asked), kind, key)
            if fault:
                self.happened.append(fault)
        return fault


class _Handler(QuietHandler):
    bucket: FlakyBucket
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = parse_qs(address.query, keep_blank_values=True)
        key = unquote(address.path).lstrip("/").partition("/")[2] if self.bucket.is_path else unquote(address.path)[1:]
        kind = "get" if key else "list" if "list-type" in asked else "other"
        asked_for = Asked(self.path, key, {name.lower(): value for name, value in self.headers.items()})
        self.bucket.seen.append(asked_for)
        fault = (asked_for.is_fast and self.bucket.fast_fault(key)) or self.bucket.next(kind, key)
        if self.bucket.region and f"/{self.bucket.region}/s3/" not in self.headers["Authorization"]:
            self.send_response(301)
            self.send_header("x-amz-bucket-region", self.bucket.region)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif fault in _REFUSALS:
            status, code = _REFUSALS[fault]
            self._send(status, f"<Error><Code>{code}</Code><Message>by the test</Message></Error>".encode())
        elif fault == "reset":
            self.close_connection = True
        elif fault == "elsewhere":
            self.send_response(307)
            self.send_header("Location", f"{self.bucket.elsewhere}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "get":
            data = self.bucket.objects.get(key)
            if data is None:
                self._send(404, b"<Error><Code>NoSuchKey</Code></Error>")
            else:
                self._send(200, data, fault)
        elif kind == "list":
            self._send(200, self._listed(asked), fault)
        else:
            self._send(200, b"<VersioningConfiguration/>")

    def _listed(self, asked: dict[str, list[str]]) -> bytes:
        prefix, delimiter = asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0]
        after = asked.get("continuation-token", asked.get("start-after", [""]))[0]
        keys = sorted(key for key in self.bucket.objects if key.startswith(prefix))
        folders = {}
        if delimiter:
            folders = {prefix + key[len(prefix) :].partition("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]}
            keys = [key for key in keys if "/" not in key[len(prefix) :]]
        rest = [key for key in keys if key > after]
        shown = rest[: self.bucket.page]
        more = len(rest) > len(shown)
        # as S3 does where it is asked to, and the SDK asks: no XML could hold every character of a key
        is_coded = asked.get("encoding-type") == ["url"]
        spelled = (lambda key: quote(key, safe="/")) if is_coded else escape
        entries = "".join(
            f"<Contents><Key>{spelled(key)}</Key><Size>{len(self.bucket.objects[key])}</Size>"
            f"<ETag>&quot;{md5(self.bucket.objects[key]).hexdigest()}&quot;</ETag></Contents>"
            for key in shown
        )
        entries += "".join(
            f"<CommonPrefixes><Prefix>{spelled(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
        )
        token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
        ended = "true" if more else "false"
        entries += "<EncodingType>url</EncodingType>" if is_coded else ""
        return f"<ListBucketResult><IsTruncated>{ended}</IsTruncated>{token}{entries}</ListBucketResult>".encode()

    def _send(self, status: int, data: bytes, fault: str = "") -> None:
        if fault == "slow":
            time.sleep(0.02)
        length = len(data) + {"short": -len(data) // 2, "longer": 10}.get(fault, 0)
        self.send_response(status)
        self.send_header("Content-Length", str(max(length, 0)))
        if status == 200:
            if fault != "untagged":
                self.send_header("ETag", f'"{md5(data + b"!" * (fault == "tag")).hexdigest()}"')
            for name, value in self.bucket.headers.items():
                self.send_header(name, value)
        self.end_headers()
        if fault == "other":
            data = bytes(reversed(data))
        self.wfile.write(data[: len(data) // 2] if fault in {"cut", "stall"} else data[: max(length, 0)])
        if fault == "stall":
            time.sleep(1.5)
        if fault in {"cut", "longer", "stall"}:
            self.close_connection = True


@contextmanager
def serving_fast(bucket: FlakyBucket, tls: ssl.SSLContext | None = None) -> Iterator[Callable[[], Any]]:
    """The same with clients as we make them ourselves, which have a fast lane; the SDK finds the server by its
    environment.
    """
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE000000001", "AWS_SECRET_ACCESS_KEY": "example"}
    with (
        serve(_Handler, tls=tls, bucket=bucket) as address,
        patch.dict(os.environ, {**keys, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": address}),
    ):
        yield lambda: make_client("s3", connections=24, own_retries=True)


@contextmanager
def serving_bucket(bucket: FlakyBucket) -> Iterator[Callable[[], Any]]:
    """Run the server; gives what makes clients of it, that try once only, so that every fault is met."""
    made: list[Any] = []
    with serve(_Handler, bucket=bucket) as address:

        def client() -> Any:
            how = Config(retries={"total_max_attempts": 1}, max_pool_connections=24, read_timeout=5, connect_timeout=5)
            made.append(boto3.client("s3", region_name="us-east-1", endpoint_url=address, config=how))
            return made[-1]

        try:
            yield client
        finally:
            for one in made:
                one.close()
