"""A store in an S3 bucket: the same files under the same names, without locks.

There are no locks between machines, so every step is one conditional write (*Amazon S3 User Guide*, "How to prevent
object overwrites with conditional writes", read on 2026-11-24): parts, named by their content, are put only where
nothing is (`If-None-Match: *`), and the manifest is replaced only while it is still the one that was read (`If-Match`).
A writer that was overtaken reads the manifest again and repeats its step; a part without a line in the manifest never
counts, so a writer killed anywhere leaves the store as it was.

Nothing is deleted but by `store compact`, and only what no manifest has named for a day: somebody may still be reading
it. The manifest is replaced before anything is deleted, so that a writer that has such a part under way is overtaken
and writes it again under another name.

Beside the report's outbox this is the only place where this tool writes to AWS: to the bucket that `--store` names.
"""

import base64
import hashlib
import io
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import (
    DeniedError,
    access_error,
    error_code,
    error_message,
    explained,
    make_client,
    sdk_errors,
)
from ecs_trail.evidence.store import folder as disk
from ecs_trail.evidence.store import manifest as lines
from ecs_trail.evidence.store.disks import Opened, OvertakenError, Writing
from ecs_trail.evidence.store.folder import MANIFEST
from ecs_trail.evidence.store.manifest import Line, Manifest

PUT: Final = "s3:PutObject"
GET: Final = "s3:GetObject"
LIST: Final = "s3:ListBucket"
DELETE: Final = "s3:DeleteObject"
SCHEME: Final = "s3://"

_PLACE: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_SAME: Final = frozenset({"304", "NotModified"})
#: What S3 answers to a conditional write that came too late; 404 when the object to be replaced is gone.
_OVERTAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_TRIES: Final = 3
_AHEAD: Final = 4
#: Bytes of parts that are remembered: compacting and collecting read some of them more than once.
_REMEMBERED: Final = 64 << 20


def held_disk(place: str, client: Callable[[], Any]) -> "BucketDisk | None":
    """The place of a store in S3, if there is one that may be read. Raises `AccessError`."""
    made = BucketDisk(place, client)
    try:
        return made if made.holds_store() else None
    except DeniedError:  # who may not list gets no other answer for an object that is not there
        return None


class BucketDisk:
    """`s3://BUCKET/PREFIX` as the place of a store. Parts are compared with the manifest's SHA-256 whenever read."""

    def __init__(self, place: str, client: Callable[[], Any] | None = None) -> None:
        """Nothing is asked of AWS before it is needed. Raises `UsageError` for a place that names no bucket."""
        match = _PLACE.fullmatch(place.strip())
        if match is None:
            raise UsageError(f"'{place}' names no bucket.", hint="write s3://BUCKET/PREFIX.")
        self.bucket, self.prefix = match[1], (match[2] or "").strip("/")
        self._make = client or (lambda: make_client("s3", connections=2 * _AHEAD))
        self._made: Any = None
        self._tag = ""
        self._data = b""
        self._remembered: OrderedDict[str, bytes] = OrderedDict()

    @property
    def name(self) -> str:
        """The place as the user wrote it."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def where(self, name: str) -> str:
        """The full name of an object."""
        return f"{SCHEME}{self.bucket}/{self._key(name)}"

    # -- the manifest -------------------------------------------------------------------------------------------------

    def holds_store(self) -> bool:
        """True where a manifest of ours is. Raises `AccessError`."""
        try:
            self._refresh()
        except FileNotFoundError:
            return False
        return lines.is_manifest(self._data)

    def create(self, header: Line) -> None:
        """Put the first manifest, where there is none. Raises `UsageError` for a prefix with other objects."""
        try:
            self._refresh()
        except FileNotFoundError:
            others = [name for name, _ in self._listed(at_most=3) if not disk.is_own(name)]
            if others:
                raise UsageError(
                    f"there are objects at '{self.name}' and no store: {', '.join(others)}.",
                    hint="name a new prefix with --store: evidence of a store and other objects must not mix.",
                ) from None
            try:
                self._send(MANIFEST, lines.encoded([header], "")[0], IfNoneMatch="*")
            except OvertakenError:
                return  # somebody else made it in this very moment

    def load(self, known: Manifest | None = None) -> Manifest:
        """The manifest now. Raises `UsageError` without one, `IntegrityError` for one that was altered."""
        try:
            self._refresh()
        except FileNotFoundError as error:
            raise UsageError(f"there is no store in '{self.name}'.", hint="ecs-trail collect makes one.") from error
        return lines.parsed(self._data, self.name, known)

    def append(self, manifest: Manifest, added: Sequence[Line]) -> None:
        """Replace the manifest by one with more lines, if it is still the one that was read."""
        more, chain = lines.encoded(added, manifest.chain)
        self._replace(self._data[: manifest.size] + more)
        manifest.lines.extend(added)
        manifest.size += len(more)
        manifest.chain = chain

    def replace_all(self, manifest: Manifest, new: Sequence[Line]) -> None:  # noqa: ARG002 - its ETag stands for it
        """Replace all lines, if the manifest is still the one that was read."""
        self._replace(lines.encoded(new, "")[0])

    def _replace(self, data: bytes) -> None:
        try:
            self._tag = self._send(MANIFEST, data, IfMatch=self._tag)
            self._data = data
        except OvertakenError:
            self._refresh()
            if not self._data.startswith(data):
                raise
            # it was written, but the answer was lost and the call repeated

    def _refresh(self) -> None:
        """Read the manifest if it has changed. Raises `FileNotFoundError`."""
        found = self._get(MANIFEST, **({"IfNoneMatch": self._tag} if self._tag else {}))
        if found is not None:
            self._data, self._tag = found

    # -- parts --------------------------------------------------------------------------------------------------------

    def put(self, name: Callable[[str], str], write: Writing) -> tuple[str, str, int]:
        """Put a part where nothing of its name is; S3 checks that its bytes arrived."""
        stream = io.BytesIO()
        write(stream)
        data = stream.getvalue()
        digest = hashlib.sha256(data)
        final = name(digest.hexdigest()[:12])
        try:
            checksum = base64.b64encode(digest.digest()).decode()
            self._send(final, data, IfNoneMatch="*", ChecksumSHA256=checksum)
        except OvertakenError:  # a run that was killed, or a call repeated, has put it already
            if self.measured(final) != (len(data), digest.hexdigest()):
                raise UsageError(
                    f"'{self.where(final)}' is another object than this store would write.",
                    hint="ecs-trail store verify names all that is wrong.",
                ) from None
        self._remember(final, data)
        return final, digest.hexdigest(), len(data)

    def opened(self, part: Line) -> Opened:
        """A part for reading, in memory. Raises `OSError`."""
        import pyarrow as pa  # noqa: PLC0415 - most buckets are only asked whether they hold a store

        return pa.BufferReader(self.read(part))

    def ahead(self, parts: Iterable[Line]) -> Iterator[tuple[Line, Callable[[], Opened]]]:
        """Parts with what opens them, a few fetched ahead."""
        waiting: deque[tuple[Line, Future[Opened]]] = deque()
        with ThreadPoolExecutor(_AHEAD) as pool:
            try:
                for part in parts:
                    waiting.append((part, pool.submit(self.opened, part)))
                    if len(waiting) > _AHEAD:
                        one, future = waiting.popleft()
                        yield one, future.result
                        del future
                while waiting:
                    one, future = waiting.popleft()
                    yield one, future.result
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def read(self, part: Line) -> bytes:
        """All bytes of a part. Raises `FileNotFoundError`, and `OSError` for a part that is not as it was written."""
        name = part["name"]
        data = self._remembered.get(name)
        if data is None:
            data = self._bytes(name)
            if hashlib.sha256(data).hexdigest() != part["sha256"]:
                raise OSError("its SHA-256 is not the one in the manifest")
            self._remember(name, data)
        return data

    def measured(self, name: str) -> tuple[int, str]:
        """Bytes and SHA-256 of an object as it is now. Raises `OSError`."""
        data = self._bytes(name)
        return len(data), hashlib.sha256(data).hexdigest()

    def strangers(self, manifest: Manifest) -> list[str]:  # noqa: ARG002 - see below
        """Objects with names that no store gives. Parts that no line names are another writer's, or of one that was
        killed: they never count, and compacting removes them.
        """
        return sorted(name for name, _ in self._listed() if not disk.is_own(name))

    # -- reading, writing, removing -----------------------------------------------------------------------------------

    def reading(self) -> AbstractContextManager[None]:
        """Nothing to hold: parts outlive the manifest that named them by a day."""
        return nullcontext()

    def writing(self) -> AbstractContextManager[None]:
        """Nothing to hold: a write that was overtaken is refused."""
        return nullcontext()

    def tidy(self, manifest: Manifest) -> None:
        """Nothing: another writer may be about to name what no line names yet."""

    def discard(self, parts: Iterable[Line]) -> None:
        """Nothing: somebody may be reading them."""

    def swept(self, manifest: Manifest, grace: timedelta, now: datetime | None = None) -> int:
        """Delete parts that no line has named for `grace`; how many. Raises `AccessError`, and as `append`."""
        before = (now or datetime.now(UTC)) - grace
        renewed = [line["at"] for line in manifest.kind("batch") if line["plan"] == "compacted"]
        if any(datetime.fromisoformat(one) > before for one in renewed):
            return 0
        known = {part["name"] for part in manifest.parts()}
        listed = self._listed()
        left = sorted(n for n, at in listed if disk.is_part(n) and n not in known and at <= before)
        if left:
            numbers = [manifest.next_number, *(int(name.split("-")[1]) + 1 for name in left)]
            # From here on no writer can give a part one of these names.
            swept: Line = {"kind": "swept", "number": max(numbers), "at": datetime.now(UTC).isoformat(), "names": left}
            self.append(manifest, [swept])
        for name in left:
            with explained(DELETE, self.where(name)):
                self._client.delete_object(Bucket=self.bucket, Key=self._key(name))
        return len(left)

    # -- calls --------------------------------------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _remember(self, name: str, data: bytes) -> None:
        if len(data) <= _REMEMBERED:
            self._remembered[name] = data
        while sum(map(len, self._remembered.values())) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _bytes(self, name: str) -> bytes:
        found = self._get(name)
        return b"" if found is None else found[0]

    def _get(self, name: str, **condition: str) -> tuple[bytes, str] | None:
        """The bytes and ETag of an object, None where the condition says that it has not changed."""
        client, errors = self._client, sdk_errors()
        for left in reversed(range(_TRIES)):
            try:
                answer = client.get_object(Bucket=self.bucket, Key=self._key(name), **condition)
                with closing(answer["Body"]) as body:
                    return body.read(), str(answer.get("ETag", ""))
            except errors as error:
                code = error_code(error)
                if code in _SAME:
                    return None
                if code in _MISSING:
                    raise FileNotFoundError(f"{self.where(name)} is gone") from error
                if code or not left:  # without a code, the connection broke while bytes came
                    raise access_error(error, GET, self.where(name)) from error
        raise AccessError(f"{self.where(name)} cannot be read.")

    def _send(self, name: str, data: bytes, **conditions: str) -> str:
        """Put an object on a condition; its ETag. Raises `OvertakenError` where the condition does not hold."""
        client, errors = self._client, sdk_errors()
        try:
            answer = client.put_object(Bucket=self.bucket, Key=self._key(name), Body=data, **conditions)
        except errors as error:
            code = error_code(error)
            if code in _OVERTAKEN or (code in _MISSING and "IfMatch" in conditions):
                raise OvertakenError(error_message(error)) from error
            raise access_error(error, PUT, self.where(name)) from error
        return str(answer["ETag"])

    def _listed(self, at_most: int = 0) -> list[tuple[str, datetime]]:
        """Names and times of what is at the prefix."""
        above = self._key("")
        found: list[tuple[str, datetime]] = []
        limit = {"PaginationConfig": {"MaxItems": at_most}} if at_most else {}
        with explained(LIST, self.name):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=above, **limit)
            for page in pages:
                found += [(one["Key"].removeprefix(above), one["LastModified"]) for one in page.get("Contents", ())]
        return found
