"""Digest files: what their name and their content say.

*AWS CloudTrail User Guide*, "CloudTrail digest file structure", read on 2026-11-24.
"""

import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ecs_trail.evidence.compression import EXPANSION_LIMIT
from ecs_trail.evidence.moments import parse_moment

#: The folder of digests, beside `CloudTrail`.
FOLDER: Final = "CloudTrail-Digest"
HASH_ALGORITHM: Final = "SHA-256"
SIGNATURE_ALGORITHM: Final = "SHA256withRSA"

_NAME: Final = re.compile(
    r"(\d{12})_CloudTrail-Digest_([a-z0-9-]{1,30})_([^/]{1,200})_([a-z0-9-]{1,30})_(\d{8}T\d{6}Z)(_backfill)?\.json(?:\.gz)?"
)
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
_CHUNK: Final = 1 << 18
_HEX: Final = re.compile(r"[0-9a-fA-F]+")

#: Bucket and key.
Location = tuple[str, str]


class DigestFormatError(ValueError):
    """Bytes that are no digest; the message says what is wrong."""


@dataclass(frozen=True, order=True, slots=True)
class ChainId:
    """What the digests of one chain share. Backfill digests form a chain of their own."""

    account: str
    region: str
    trail: str
    home_region: str
    is_backfill: bool = False


@dataclass(frozen=True, slots=True)
class DigestName:
    """What the name of a digest says: its chain, and the end of the time it covers, UTC."""

    chain: ChainId
    stamp: datetime


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log file as a digest names it; times are those of its events, UTC, None where the digest has none."""

    bucket: str
    key: str
    hash_value: str
    hash_algorithm: str
    oldest: datetime | None = None
    newest: datetime | None = None

    @property
    def location(self) -> Location:
        """Bucket and key."""
        return self.bucket, self.key


@dataclass(frozen=True, slots=True)
class Previous:
    """The digest before, as the next one states it: where it lies, its hash and its signature (hexadecimal)."""

    bucket: str
    key: str
    hash_value: str
    signature: str

    @property
    def location(self) -> Location:
        """Bucket and key."""
        return self.bucket, self.key


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest's content. `sha256` is the hash of its uncompressed bytes; `end_text` the end exactly as written.

    `previous` is None for a starting digest: the first after validation was switched on, or after logging was started.
    """

    account: str
    start: datetime
    end: datetime
    end_text: str
    bucket: str
    key: str
    fingerprint: str
    algorithm: str
    previous: Previous | None
    previous_signature: str | None
    log_files: tuple[LogFile, ...]
    sha256: str

    @property
    def location(self) -> Location:
        """Where CloudTrail put it."""
        return self.bucket, self.key


def digest_name(path: str) -> DigestName | None:
    """What the last part of a key or path says, or None when it is no name of a digest."""
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    account, region, trail, home, stamp, backfill = match.groups()
    try:
        moment = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return DigestName(ChainId(account, region, trail, home, is_backfill=bool(backfill)), moment)


def plain_bytes(data: bytes, *, may_be_plain: bool) -> bytes:
    """The uncompressed bytes of a delivered file, by which it is hashed. Raises `DigestFormatError`.

    CloudTrail writes one gzip member and nothing behind it; more is an addition by somebody else. `may_be_plain`: the
    file may have been unpacked when it was saved.
    """
    if may_be_plain and not data.startswith(_GZIP):
        return data
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = inflater.decompress(data, EXPANSION_LIMIT)
    except zlib.error as error:
        raise DigestFormatError(f"it is no sound gzip file ({error})") from error
    if inflater.unconsumed_tail:
        raise DigestFormatError(f"it expands to more than {EXPANSION_LIMIT} bytes")
    if not inflater.eof:
        raise DigestFormatError("its gzip stream ends early")
    if inflater.unused_data:
        raise DigestFormatError("data was added behind its gzip stream")
    return plain


def sha256_of(plain: bytes) -> str:
    """The hash as digests write it: hexadecimal, in small letters."""
    return hashlib.sha256(plain).hexdigest()


def parse_digest(plain: bytes) -> Digest:
    """The content of a digest from its uncompressed bytes. Raises `DigestFormatError`."""
    try:
        fields = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise DigestFormatError("it is no JSON") from error
    if not isinstance(fields, dict):
        raise DigestFormatError("it is no JSON object")
    end_text = _text(fields, "digestEndTime")
    return Digest(
        account=_text(fields, "awsAccountId"),
        start=_time(fields, "digestStartTime"),
        end=_time(fields, "digestEndTime"),
        end_text=end_text,
        bucket=_text(fields, "digestS3Bucket"),
        key=_text(fields, "digestS3Object"),
        fingerprint=_text(fields, "digestPublicKeyFingerprint"),
        algorithm=_optional(fields, "digestSignatureAlgorithm") or SIGNATURE_ALGORITHM,
        previous=_previous(fields),
        previous_signature=_optional(fields, "previousDigestSignature"),
        log_files=tuple(_log_files(fields)),
        sha256=sha256_of(plain),
    )


def is_hex(text: str) -> bool:
    """True for a text of whole bytes in hexadecimal."""
    return len(text) % 2 == 0 and _HEX.fullmatch(text) is not None


def _previous(fields: dict[str, Any]) -> Previous | None:
    if "previousDigestSignature" not in fields:
        raise DigestFormatError("it has no previousDigestSignature")
    bucket, key = _optional(fields, "previousDigestS3Bucket"), _optional(fields, "previousDigestS3Object")
    if bucket is None or key is None:
        return None
    return Previous(
        bucket=bucket,
        key=key,
        hash_value=(_optional(fields, "previousDigestHashValue") or "").lower(),
        signature=_optional(fields, "previousDigestSignature") or "",
    )


def _log_files(fields: dict[str, Any]) -> list[LogFile]:
    listed = fields.get("logFiles") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise DigestFormatError("its logFiles are no list of objects")
    return [
        LogFile(
            bucket=_text(one, "s3Bucket"),
            key=_text(one, "s3Object"),
            hash_value=_text(one, "hashValue").lower(),
            hash_algorithm=_optional(one, "hashAlgorithm") or HASH_ALGORITHM,
            oldest=parse_moment(_optional(one, "oldestEventTime") or ""),
            newest=parse_moment(_optional(one, "newestEventTime") or ""),
        )
        for one in listed
    ]


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise DigestFormatError(f"it has no {name}")
    return value


def _optional(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise DigestFormatError(f"its {name} is no text")
    return value


def _time(fields: dict[str, Any], name: str) -> datetime:
    moment = parse_moment(_text(fields, name))
    if moment is None:
        raise DigestFormatError(f"its {name} is no time")
    return moment
