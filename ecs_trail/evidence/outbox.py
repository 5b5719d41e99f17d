"""The calls by which a report reaches AWS, each made on an explicit option and on no other occasion.

`s3:PutObject` for a report whose `--output` is a bucket, and `sns:Publish` for `--notify sns:ARN`; `s3:GetObject` reads
the state of the last report back. Beside them only `collect --store s3://…` writes (`store.remote`). Two runs cannot
overwrite each other: the state is replaced on the condition that it is still what this run read (*Amazon S3 User
Guide*, "How to prevent object overwrites with conditional writes", read on 2026-11-24).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ecs_trail.arns import parse_arn
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import access_error, error_code, explained, make_client, sdk_errors

PUT: Final = "s3:PutObject"
GET: Final = "s3:GetObject"
PUBLISH: Final = "sns:Publish"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
}
_CHANGED: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING: Final = frozenset({"NoSuchKey", "404", "NotFound"})
#: *Amazon SNS API Reference*, "Publish": a subject is ASCII, without line breaks, under 100 characters; a message has
#: at most 262,144 bytes.
_SUBJECT: Final = 99
_MESSAGE: Final = 262_144
_PLACE: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


class BucketShelf:
    """Reports in a bucket: `PREFIX/RUN/file` and `PREFIX/last.json`. There is no lock: the state is replaced on a
    condition, so of two runs at once one is refused.
    """

    def __init__(self, place: str) -> None:
        """`place` is `s3://BUCKET/PREFIX`. Raises `UsageError` for anything else."""
        match = _PLACE.fullmatch(place)
        if match is None:
            raise UsageError(f"'{place}' names no bucket.", hint="write s3://BUCKET/PREFIX.")
        self.bucket, self.prefix = match[1], (match[2] or "").strip("/")
        self.tag: str | None = None
        self.read = False
        self._state: bytes | None = None
        self.client: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """A client for this run."""
        self.client = make_client("s3")
        try:
            yield
        finally:
            self.client.close()

    def last(self) -> bytes | None:
        """The state of the last run, or None before the first; what was read is remembered for `commit`."""
        key, where = self._key("last.json"), f"s3://{self.bucket}"
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
        except sdk_errors() as error:
            if error_code(error) in _MISSING:
                self.read = True
                return None
            raise access_error(error, GET, where) from error
        with answer["Body"] as body, explained(GET, where):
            self.tag, self.read, self._state = answer["ETag"], True, body.read()
        return self._state

    def publish(self, name: str, files: Mapping[str, bytes]) -> str:
        """Put a run's files under its own prefix. Returns where that is."""
        for file, data in files.items():
            self._put(f"{name}/{file}", data, {})
        return f"s3://{self.bucket}/{self._key(name)}"

    def commit(self, state: bytes) -> None:
        """Replace the state if it is still what this run read; nothing is written when it is as it was."""
        if not self.read:
            self.last()
        if self._state != state:
            self._put("last.json", state, {"IfMatch": self.tag} if self.tag else {"IfNoneMatch": "*"})

    def prune(self, keep: int) -> list[str]:
        """Refused: deleting from a bucket is the bucket's own business."""
        raise UsageError(
            f"--keep {keep} deletes nothing in a bucket.", hint="give the bucket a lifecycle rule, or leave --keep out."
        )

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _put(self, name: str, data: bytes, condition: Mapping[str, str]) -> None:
        suffix = name[name.rfind(".") :]
        kind = _TYPES.get(suffix, "application/octet-stream")
        key = self._key(name)
        try:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=kind, **condition)
        except sdk_errors() as error:
            if error_code(error) in _CHANGED and condition:
                raise AccessError(
                    f"another run has replaced s3://{self.bucket}/{key} meanwhile; this one's report stands beside it.",
                    hint="run the command again: it will compare with the newer state.",
                ) from error
            raise access_error(error, PUT, f"s3://{self.bucket}/{key}") from error


def topic(target: str) -> str:
    """The topic of `sns:ARN`. Raises `UsageError` for anything else, before any work is done."""
    arn = target.removeprefix("sns:")
    parsed = parse_arn(arn)
    if not target.startswith("sns:") or parsed is None or parsed.service != "sns" or not parsed.region:
        raise UsageError(f"'{target}' names no topic.", hint="write sns:arn:aws:sns:REGION:ACCOUNT:TOPIC.")
    return arn


def publish(topic_arn: str, subject: str, message: str) -> None:
    """Publish a message to an SNS topic; subject and message are cut to what SNS takes.

    Raises `AccessError` where AWS refuses.
    """
    parsed = parse_arn(topic_arn)
    client = make_client("sns", parsed.region if parsed else None)
    plain = "".join(c if " " <= c <= "~" else " " for c in subject)[:_SUBJECT]
    body = message.encode("utf-8", errors="backslashreplace")
    if len(body) > _MESSAGE:
        end = b"\n[cut]"
        body = body[: _MESSAGE - len(end)].decode("utf-8", errors="ignore").encode() + end
    try:
        with explained(PUBLISH, topic_arn):
            client.publish(TopicArn=topic_arn, Subject=plain, Message=body.decode("utf-8"))
    finally:
        client.close()
