"""The few calls to one S3 bucket: folders, objects, bytes; what S3 refuses as a problem with the missing action."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from typing import Any, Final

from ecs_trail.evidence.aws import DENIED, DeniedError, denial, error_code, error_message, explained
from ecs_trail.evidence.compression import EXPANSION_LIMIT, USUAL
from ecs_trail.evidence.ledger import Fetched, Problem
from ecs_trail.evidence.sources.fastget import FastGet

LIST: Final = "s3:ListBucket"
LIST_VERSIONS: Final = "s3:ListBucketVersions"
GET: Final = "s3:GetObject"
GET_VERSIONING: Final = "s3:GetBucketVersioning"
_TRIES: Final = 3
_PARQUET: Final = b"PAR1"


@dataclass(frozen=True, slots=True)
class Listed:
    """An object found by a listing; `size` in bytes, `etag` as S3 gives it (a new one for every new content)."""

    key: str
    size: int
    etag: str = ""

    @property
    def identity(self) -> str:
        """Which content the key stands for; empty when the listing does not say."""
        return identity_of(self.size, self.etag)


def identity_of(size: int, etag: str) -> str:
    """Which content has this size and ETag; empty without one."""
    return f"{size}:{etag.strip(chr(34))}" if etag else ""


class Bucket:
    """One bucket through one client, which threads may share."""

    def __init__(self, client: Any, name: str, *, requester_pays: bool) -> None:
        """`requester_pays` sends the header by which the reader agrees to pay."""
        self.client = client
        self.name = name
        self.remarks: list[Problem] = []
        self._extra = {"RequestPayer": "requester"} if requester_pays else {}
        self._is_versioned: bool | None = None
        self._asking = threading.Lock()
        self._fast = FastGet(client, name)

    def name_of(self, key: str) -> str:
        """A key as a full name."""
        return f"s3://{self.name}/{key}"

    def folders(self, prefix: str) -> list[str]:
        """The folder names right below a prefix, by delimiter listing. Raises `AccessError`."""
        found: list[str] = []
        parameters = {"Bucket": self.name, "Prefix": prefix, "Delimiter": "/", **self._extra}
        with self._explained(LIST, prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(**parameters):
                names = (one["Prefix"] for one in page.get("CommonPrefixes", ()))
                found.extend(name.removeprefix(prefix).strip("/") for name in names)
        return sorted(found)

    def objects(self, prefix: str, *, after: str = "", until: str = "", page: int = 0) -> Iterator[Listed | Problem]:
        """The objects below a prefix, by key; those deleted behind a marker come as one problem. Raises `AccessError`.

        Only keys after `after` and before `until`; empty texts bound nothing. `page` is how many keys to ask for at
        once; 0 leaves it to S3, which gives 1,000.
        """
        for one in self._found(prefix, after, until, page):
            if isinstance(one, Problem) or not one.key.endswith("/"):
                yield one

    def read(self, listed: Listed) -> Fetched:
        """The bytes of an object, or the problem met. An object replaced since it was listed has another identity; one
        of which fewer bytes came than were listed is asked for again.
        """
        data = self._fast.take(listed.key, listed.size, listed.etag)
        if data is not None:
            return Fetched(self.name_of(listed.key), data=data, identity=listed.identity)
        fetched = self._read(listed)
        if fetched.data is not None and listed.etag and fetched.identity == listed.identity:
            self._fast.learn(listed.key)
        return fetched

    def _read(self, listed: Listed) -> Fetched:
        fetched = self.get(listed.key, listed.size)[0]
        for _ in range(_TRIES):
            if fetched.data is None or not listed.etag:
                return replace(fetched, identity=listed.identity)
            if fetched.identity == listed.identity or (fetched.identity and not _is_same(fetched, listed)):
                return fetched
            if len(fetched.data) == listed.size:  # a server that gives no ETag with an object
                return replace(fetched, identity=listed.identity)
            words = f"{len(fetched.data)} of {listed.size} bytes came, again and again."
            fetched = self.get(listed.key, listed.size)[0]
        where = self.name_of(listed.key)
        return Fetched(where, problem=Problem(where, "unreadable_file", words))

    def get(self, key: str, size: int = 0) -> tuple[Fetched, dict[str, str]]:
        """The bytes of an object, or the problem met (`vanished` where nothing is there), and its user metadata."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - optional

        where = self.name_of(key)
        if size > EXPANSION_LIMIT:
            words = f"{size} bytes; more than {EXPANSION_LIMIT} are not read."
            return Fetched(where, problem=Problem(where, "too_large", words)), {}
        words = ""
        for _ in range(_TRIES):
            try:
                answer = self.client.get_object(Bucket=self.name, Key=key, **self._extra)
                return _taken(where, answer), answer.get("Metadata") or {}
            except ClientError as error:
                return Fetched(where, problem=_problem(where, error)), {}
            except BotoCoreError as error:  # the connection broke while bytes came
                words = f"the object cannot be read: {error_message(error)[:200]}."
        return Fetched(where, problem=Problem(where, "unreadable_file", words)), {}

    def _found(self, prefix: str, after: str, until: str, page: int) -> Iterator[Listed | Problem]:
        if self._has_versions():
            try:
                yield from self._versions(prefix, after, until)
            except DeniedError:
                self._do_without(LIST_VERSIONS)
            else:
                return
        yield from self._current(prefix, after, until, page)

    def _current(self, prefix: str, after: str, until: str, size: int) -> Iterator[Listed]:
        parameters: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix, **self._extra}
        parameters |= {"StartAfter": after} if after else {}
        parameters |= {"PaginationConfig": {"PageSize": size}} if size else {}
        pages = iter(self.client.get_paginator("list_objects_v2").paginate(**parameters))
        while True:
            with self._explained(LIST, prefix):
                page = next(pages, None)
            if page is None:
                return
            for one in page.get("Contents", ()):
                if until and one["Key"] >= until:
                    return
                yield Listed(one["Key"], one["Size"], one.get("ETag", ""))

    def _versions(self, prefix: str, after: str, until: str) -> Iterator[Listed | Problem]:
        # No KeyMarker: servers differ on one that is no key, and a skipped key would be a silent gap.
        parameters = {"Bucket": self.name, "Prefix": prefix, **self._extra}
        pages = iter(self.client.get_paginator("list_object_versions").paginate(**parameters))
        gone: list[str] = []
        while True:
            with self._explained(LIST_VERSIONS, prefix):
                page = next(pages, None)
            if page is None:
                break
            latest = [one for one in page.get("Versions", ()) if one["IsLatest"]]
            sizes = {one["Key"]: (one["Size"], one.get("ETag", "")) for one in latest}
            markers = [one["Key"] for one in page.get("DeleteMarkers", ()) if one["IsLatest"]]
            gone.extend(key for key in markers if key > after and (not until or key < until))
            yield from (Listed(key, *of) for key, of in sizes.items() if key > after and (not until or key < until))
            if until and any(key >= until for key in (*sizes, *markers)):
                break
        if gone:
            yield self._hidden(prefix, gone)

    def _hidden(self, prefix: str, gone: list[str]) -> Problem:
        words = (
            f"{len(gone)} deleted object(s) behind delete markers, not read; the first is {min(gone)}. "
            "aws s3api list-object-versions shows whether their versions are still there."
        )
        return Problem(self.name_of(prefix), "unreadable_file", words)

    def _has_versions(self) -> bool:
        """True when deleted objects can be looked for; asked once."""
        with self._asking:
            if self._is_versioned is None:
                try:
                    with self._explained(GET_VERSIONING, ""):
                        answer = self.client.get_bucket_versioning(Bucket=self.name)
                    self._is_versioned = answer.get("Status") in {"Enabled", "Suspended"}
                except DeniedError:
                    self._do_without(GET_VERSIONING)
            return bool(self._is_versioned)

    def _do_without(self, action: str) -> None:
        self._is_versioned = False
        words = f"{action} is not allowed: deleted log files are not looked for."
        self.remarks.append(Problem(f"s3://{self.name}", "not_read", words))

    def _explained(self, action: str, prefix: str) -> AbstractContextManager[None]:
        return explained(action, self.name_of(prefix))


def _is_same(fetched: Fetched, listed: Listed) -> bool:
    """Whether both have one ETag, so that both should have one size."""
    return fetched.identity.partition(":")[2] == listed.identity.partition(":")[2]


def _taken(where: str, answer: dict[str, Any]) -> Fetched:
    """The bytes of an answer. A very large object is taken only when it is Parquet, which is read in batches; it may
    have grown since it was listed.
    """
    # not `with body`: what that gives is the stream below, whose errors are those of another library
    with closing(answer["Body"]):
        body = answer["Body"]
        size = answer.get("ContentLength") or 0
        if size <= USUAL.part:
            data = body.read()
            return Fetched(where, data=data, identity=identity_of(len(data), answer.get("ETag", "")))
        head = body.read(len(_PARQUET))
        if head == _PARQUET and size <= EXPANSION_LIMIT:
            data = head + body.read()
            return Fetched(where, data=data, identity=identity_of(len(data), answer.get("ETag", "")))
    words = f"{size} bytes; more than {USUAL.part} are not read. Copy it here and read the file: aws s3 cp."
    return Fetched(where, problem=Problem(where, "too_large", words))


def _problem(where: str, error: Exception) -> Problem:
    code = error_code(error)
    if code in DENIED:
        return Problem(where, "no_permission", denial(error, GET, where))
    if code in {"NoSuchKey", "NoSuchBucket", "404"}:
        return Problem(where, "vanished", "the object was listed but is gone.")
    if code == "InvalidObjectState":
        words = "the object is archived (S3 Glacier) and cannot be read until it is restored: aws s3api restore-object."
        return Problem(where, "unreadable_file", words)
    return Problem(where, "unreadable_file", f"S3 refuses to give it: {code}: {error_message(error)[:200]}.")
