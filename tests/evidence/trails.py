"""Trails with digests as CloudTrail writes them: real RSA keys, hourly digests, a chain, signatures in the metadata."""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ACCOUNT = "111122223333"
START = datetime(2026, 3, 2, 0, 1, 31, tzinfo=UTC)
HOUR = timedelta(hours=1)


@cache
def rsa_key(name: str = "aws") -> RSAPrivateKey:
    """A key pair of that name, made once."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def fingerprint(key: RSAPrivateKey) -> str:
    """The fingerprint of a key pair: any text will do, as it only names the key."""
    return hashlib.md5(der(key)).hexdigest()


def der(key: RSAPrivateKey, form: PublicFormat = PublicFormat.PKCS1) -> bytes:
    """The public key as ListPublicKeys gives it."""
    return key.public_key().public_bytes(Encoding.DER, form)


def key_list(*keys: RSAPrivateKey, form: PublicFormat = PublicFormat.PKCS1) -> dict[str, Any]:
    """The output of `aws cloudtrail list-public-keys`."""
    return {
        "PublicKeyList": [
            {
                "Value": base64.b64encode(der(key, form)).decode(),
                "ValidityStartTime": 1700000000.0,
                "ValidityEndTime": 1900000000.0,
                "Fingerprint": fingerprint(key),
            }
            for key in keys
        ]
    }


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def packed(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def record(number: int, at: datetime, region: str, account: str = ACCOUNT) -> dict[str, Any]:
    """A harmless record."""
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "arn": f"arn:aws:iam::{account}:user/maria", "accountId": account},
        "eventTime": iso(at),
        "eventSource": "iam.amazonaws.com",
        "eventName": "TagRole",
        "awsRegion": region,
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "aws-cli/2.17.1",
        "requestParameters": {"roleName": "reporting"},
        "responseElements": None,
        "eventID": f"5d1c2d3e-4a5b-4c6d-8e7f-{number:012d}",
        "eventType": "AwsApiCall",
        "recipientAccountId": account,
    }


@dataclass
class Trail:
    """A trail's objects by key: bytes and metadata."""

    bucket: str = "trail-bucket"
    prefix: str = ""
    organization: str = ""
    account: str = ACCOUNT
    region: str = "eu-west-1"
    name: str = "the_trail"
    home: str = "us-east-1"
    key: RSAPrivateKey = field(default_factory=rsa_key)
    objects: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    backfills: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)

    def log(self, at: datetime, records: list[dict[str, Any]] | None = None) -> str:
        """Deliver a log file with a stamp; gives its key."""
        number = len(self.logs)
        made = [record(number, at - timedelta(minutes=3), self.region, self.account)] if records is None else records
        base = f"{self.account}_CloudTrail_{self.region}_{at:%Y%m%dT%H%MZ}_{number:016d}.json.gz"
        key = f"{self.prefix}AWSLogs/{self.organization}{self.account}/CloudTrail/{self.region}/{at:%Y/%m/%d}/{base}"
        self.objects[key] = (packed(json.dumps({"Records": made}, separators=(",", ":"))), {})
        self.logs.append(key)
        return key

    def digest_key(self, end: datetime, *, backfill: bool = False) -> str:
        base = f"{self.account}_CloudTrail-Digest_{self.region}_{self.name}_{self.home}_{end:%Y%m%dT%H%M%SZ}"
        tail = "_backfill.json.gz" if backfill else ".json.gz"
        home = f"{self.prefix}AWSLogs/{self.organization}{self.account}"
        return f"{home}/CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/{base}{tail}"

    def digest(
        self, end: datetime, logs: list[str], *, backfill: bool = False, starting: bool = False, hours: float = 1
    ) -> str:
        """Deliver a digest that names log files; chained to the one before unless it is a starting one."""
        chain = self.backfills if backfill else self.digests
        before = chain[-1] if chain and not starting else None
        key = self.digest_key(end, backfill=backfill)
        body = {
            "awsAccountId": self.account,
            "digestStartTime": iso(end - hours * HOUR),
            "digestEndTime": iso(end),
            "digestS3Bucket": self.bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": fingerprint(self.key),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": self.bucket if before else None,
            "previousDigestS3Object": before,
            "previousDigestHashValue": self.sha256(before) if before else None,
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": self.objects[before][1]["signature"] if before else None,
            "logFiles": [self.named(log) for log in logs],
        }
        self.put_digest(key, body, made=end + 2 * HOUR if backfill else None)
        chain.append(key)
        return key

    def named(self, log: str) -> dict[str, Any]:
        content = json.loads(gzip.decompress(self.objects[log][0]))["Records"]
        times = sorted(one["eventTime"] for one in content)
        return {
            "s3Bucket": self.bucket,
            "s3Object": log,
            "hashValue": self.sha256(log),
            "hashAlgorithm": "SHA-256",
            "newestEventTime": times[-1],
            "oldestEventTime": times[0],
        }

    def put_digest(
        self, key: str, body: dict[str, Any], *, made: datetime | None = None, sign_with: RSAPrivateKey | None = None
    ) -> None:
        """Write and sign a digest."""
        text = json.dumps(body, separators=(",", ":"))
        signed = "\n".join(
            [
                body["digestEndTime"],
                f"{body['digestS3Bucket']}/{body['digestS3Object']}",
                hashlib.sha256(text.encode()).hexdigest(),
                body["previousDigestSignature"] or "null",
            ]
        )
        signature = (sign_with or self.key).sign(signed.encode(), PKCS1v15(), SHA256()).hex()
        metadata = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        if made is not None:
            metadata["backfill-generation-timestamp"] = iso(made)
        self.objects[key] = (packed(text), metadata)

    def body(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(gzip.decompress(self.objects[key][0]))
        return found

    def sha256(self, key: str) -> str:
        return hashlib.sha256(gzip.decompress(self.objects[key][0])).hexdigest()

    # -- faults -----------------------------------------------------------------------------------------------------

    def alter(self, key: str) -> None:
        """Change the content of an object by one word, and keep its metadata."""
        data, metadata = self.objects[key]
        text = gzip.decompress(data).decode()
        changed = text.replace("reporting", "reportinG") if "reporting" in text else text.replace("SHA-256", "SHA-255")
        assert changed != text
        self.objects[key] = (packed(changed), metadata)

    def delete(self, key: str) -> None:
        del self.objects[key]

    def move(self, key: str, to: str) -> None:
        self.objects[to] = self.objects.pop(key)

    def forge(self, key: str, **changes: Any) -> None:
        """Change fields of a digest and sign it again with a key of one's own."""
        self.put_digest(key, self.body(key) | changes, sign_with=rsa_key("attacker"))

    # -- places -----------------------------------------------------------------------------------------------------

    def to_folder(self, folder: Path, *, signatures: str = "all") -> Path:
        """Save everything below a folder; `signatures`: of all digests, of the newest, or of none."""
        newest = {chain[-1] for chain in (self.digests, self.backfills) if chain}
        for key, (data, metadata) in self.objects.items():
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            if metadata and (signatures == "all" or (signatures == "newest" and key in newest)):
                saved = {"AcceptRanges": "bytes", "ContentType": "application/json", "Metadata": metadata}
                (path.parent / f"{path.name}.head.json").write_text(json.dumps(saved), encoding="utf-8")
        return folder

    def to_bucket(self, client: Any) -> None:
        """Put everything into a bucket, emptied before."""
        client.create_bucket(Bucket=self.bucket)
        for one in client.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            client.delete_object(Bucket=self.bucket, Key=one["Key"])
        for key, (data, metadata) in self.objects.items():
            client.put_object(Bucket=self.bucket, Key=key, Body=data, Metadata=metadata)


def trail(hours: int = 5, per_hour: int = 2, **how: Any) -> Trail:
    """A trail of some hours, two log files in each, all of it sound."""
    made = Trail(**how)
    for hour in range(hours):
        begin = START + hour * HOUR
        logs = [made.log(begin + timedelta(minutes=10 + 20 * number)) for number in range(per_hour)]
        made.digest(begin + HOUR, logs, starting=hour == 0)
    return made
