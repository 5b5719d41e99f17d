"""Objects of a bucket by obstore (extra `fast`) instead of the SDK: for speed alone, with the same result.

boto3 takes more than a millisecond of Python for every object, as much as the whole scan of it; obstore takes a fifth
of that, and not in Python. The SDK stays the authority. From a request of its own that was answered well is learned
where and how to ask (endpoint, Region, style of address); credentials are those it signed with, asked for anew with
every object. Where anything is unusual nothing is learned, and whatever this lane meets - an error, a byte missing,
another content - is not judged here: the object is then read by the SDK, which repeats, slows down, and says what is
wrong. What is given is what was listed: as many bytes, and the ETag.
"""

import os
import re
import string
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from ecs_trail.evidence.aws import session_of
from ecs_trail.evidence.compression import USUAL

if TYPE_CHECKING:
    from obstore.store import S3Credential

SWITCH: Final = "ECS_TRAIL_FASTGET"

#: Failures in a row after which the SDK reads the rest: more than the threads that may meet one bad moment together.
_FAILURES: Final = 20
#: Shorter than the SDK's, which is asked next.
_CONNECT: Final = timedelta(seconds=5)
_READ: Final = timedelta(seconds=20)
_WHOLE: Final = timedelta(minutes=10)

#: Connections kept; it is text, as the library takes no number here.
_IDLE: Final = "16"

#: Of such keys every library makes the same address. Beside dot segments, which are left out as well, others are
#: encoded in ways of their own.
_LETTERS: Final = frozenset(string.ascii_letters + string.digits + "_.=+-/")
#: gzip has a checksum of its own. Those that S3 sends with an object are checked by the SDK alone.
_SUFFIX: Final = ".gz"
_GZIP: Final = b"\x1f\x8b"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SIGNED: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/s3/aws4_request,")
#: What the SDK says just before a request leaves; a handler that gives something has answered it.
_SENT: Final = "before-send.s3.GetObject"
_TOKEN: Final = "x-amz-security-token"  # noqa: S105 - the name of a header
_PAYER: Final = "x-amz-request-payer"
#: What a plain request consists of; the two libraries differ in nothing else that matters to S3.
_HEADERS: Final = frozenset(
    {"authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-checksum-mode", _TOKEN, _PAYER}
    | {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "x-amzn-trace-id"}
)
#: The SDK obeys these and obstore does not, or not alike.
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy"})

#: The processes that have used obstore: a fork of such a one has none of the threads that would move its bytes.
_USED_IN: Final[set[int]] = set()


@dataclass(frozen=True, slots=True)
class Road:
    """How the SDK asks for the objects of a bucket, learned from a request that it sent."""

    endpoint: str
    region: str
    is_virtual: bool
    #: Whose request it was: access key, and token if there is one.
    signer: tuple[str, str] = field(repr=False)
    pays: bool


def road_of(address: str, headers: Mapping[str, str], bucket: str, key: str) -> Road | None:
    """What a request for an object says, or None where anything about it is unusual."""
    given = {name.lower(): _text(value) for name, value in headers.items()}
    signed = _SIGNED.match(given.get("authorization", ""))
    parts = urlsplit(address)
    is_path = unquote(parts.path) == f"/{bucket}/{key}"
    is_virtual = unquote(parts.path) == f"/{key}" and parts.netloc.startswith(f"{bucket}.")
    is_plain = parts.scheme in {"http", "https"} and not (parts.query or parts.fragment or "@" in parts.netloc)
    if signed is None or not is_plain or is_path == is_virtual or not given.keys() <= _HEADERS:
        return None
    return Road(
        endpoint=f"{parts.scheme}://{parts.netloc}",
        region=signed.group(2),
        is_virtual=is_virtual,
        signer=(signed.group(1), given.get(_TOKEN, "")),
        pays=given.get(_PAYER) == "requester",
    )


class FastGet:
    """The fast lane of one bucket, which threads may share."""

    def __init__(self, client: Any, bucket: str) -> None:
        """To be made before threads use the client. One that was not made by `aws.make_client` has no fast lane."""
        self._bucket = bucket
        self._session = _session(client, bucket)
        self._seen = threading.local()
        self._credentials: Any = None
        self._road: Road | None = None
        self._failures = 0
        self._made: tuple[Any, Any] | None = None
        self._making = threading.Lock()
        self._events = client.meta.events if self._session is not None else None
        if self._events is not None:
            self._events.register(_SENT, self._see)

    def take(self, key: str, size: int, etag: str) -> bytes | None:
        """The bytes of an object as it was listed; None where the SDK has to read it."""
        if self._road is None or self._failures > _FAILURES or not (etag and 0 < size <= USUAL.part and _is_plain(key)):
            return None
        try:
            data = self._taken(self._road, key, size, etag)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - also a panic in Rust, which is no Exception; the SDK is asked next
            data = None
        self._failures = self._failures + 1 if data is None else 0
        return data

    def learn(self, key: str) -> None:
        """The SDK has just read this object in this thread, and it was the one that was listed."""
        request = getattr(self._seen, "request", None)
        if self._session is None or self._road is not None or request is None or not _is_plain(key):
            return
        self._seen.request = None
        try:
            self._learn(self._session, request, key)
        except Exception:  # noqa: BLE001 - credentials that cannot be renewed, say: the next request of the SDK tells
            self._session = None

    def _learn(self, session: Any, request: Any, key: str) -> None:
        road = road_of(request.url, request.headers, self._bucket, key)
        if road is None or _is_special(session, request.url) or self._is_answered(request):
            self._session = None
            return
        credentials = session.get_credentials()
        if road.signer == _signer(credentials.get_frozen_credentials()):  # else they were renewed just now
            self._credentials, self._road = credentials, road

    def _is_answered(self, request: Any) -> bool:
        """Whether somebody in this process answers requests in place of the network, as moto does."""
        asked = self._events.emit(_SENT, request=request) if self._events is not None else ()
        return any(response is not None for _, response in asked)

    def _see(self, request: Any, **_: Any) -> None:
        if self._road is None and self._session is not None:
            self._seen.request = request

    def _taken(self, road: Road, key: str, size: int, etag: str) -> bytes | None:
        from obstore import get  # noqa: PLC0415 - optional

        answer = get(self._store(road), key)
        if answer.meta["size"] != size or (answer.meta["e_tag"] or "").strip('"') != etag.strip('"'):
            return None
        data = bytes(answer.bytes())
        return data if len(data) == size and data.startswith(_GZIP) else None

    def _store(self, road: Road) -> Any:
        """A store for the credentials of this moment. Renewing them, and when, is the SDK's business: none are kept
        longer than it keeps them.
        """
        keys = self._credentials.get_frozen_credentials()
        with self._making:
            if self._made is None or self._made[0] != keys:
                self._made = keys, _store(road, self._bucket, keys)
            return self._made[1]


def _session(client: Any, bucket: str) -> Any:
    """The session a client was made of, or None where there shall be no fast lane."""
    session = session_of(client)
    if session is None or os.environ.get(SWITCH) == "0" or _BUCKET.fullmatch(bucket) is None:
        return None
    if _USED_IN - {os.getpid()}:
        return None
    try:
        import obstore  # noqa: F401, PLC0415 - optional
    except ImportError:
        return None
    return session


def _store(road: Road, bucket: str, keys: Any) -> Any:
    """All is said that obstore would take from the environment otherwise, which the SDK reads in its own way."""
    from obstore.store import S3Store  # noqa: PLC0415 - optional

    _USED_IN.add(os.getpid())
    signer: S3Credential = {
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
        "token": keys.token or None,
        "expires_at": None,
    }
    return S3Store(
        bucket,
        region=road.region,
        endpoint=road.endpoint,
        aws_endpoint_url_s3=road.endpoint,
        virtual_hosted_style_request=road.is_virtual,
        request_payer=road.pays,
        skip_signature=False,
        s3_express=False,
        unsigned_payload=False,
        # no keys as settings, which would stand beside a token of the environment
        credential_provider=lambda: signer,
        client_options={
            "allow_http": road.endpoint.startswith("http:"),
            "user_agent": "ecs-trail",
            "connect_timeout": _CONNECT,
            "read_timeout": _READ,
            "timeout": _WHOLE,
            "pool_max_idle_per_host": _IDLE,
        },
        retry_config={"max_retries": 0, "retry_timeout": timedelta()},
    )


def _is_plain(key: str) -> bool:
    if not key.endswith(_SUFFIX) or not _LETTERS.issuperset(key):
        return False
    return not {"", ".", ".."}.intersection(key.split("/"))


def _signer(keys: Any) -> tuple[str, str]:
    return keys.access_key, keys.token or ""


def _is_special(session: Any, address: str) -> bool:
    """Whether the SDK goes to an address through a proxy, or trusts it by certificates that were given to it."""
    from botocore.utils import get_environ_proxies  # noqa: PLC0415 - optional

    if _PROXIES & {name.lower() for name, value in os.environ.items() if value} or get_environ_proxies(address):
        return True
    is_given = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    return address.startswith("https:") and bool(is_given)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
