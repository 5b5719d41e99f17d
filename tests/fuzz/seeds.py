"""Small synthetic inputs to start from, one list per target; no byte of them comes from a real account."""

import gzip
import json
import random
from collections.abc import Iterator

from evidence_builders import COMPRESSIONS, EXACT_SHAPES, assume_role, columns, denied, dump, record, table_text
from near_plain import near_plain_file

OCSF = {
    "metadata": {"version": "1.1.0", "uid": "e-1", "product": {"name": "CloudTrail", "version": "1.11"},
                 "event_code": "AwsApiCall", "log_name": "AWS CloudTrail"},
    "time": 1772442000000, "class_uid": 6003, "cloud": {"region": "eu-west-1", "provider": "AWS"},
    "api": {"operation": "DeleteVolume", "version": None, "service": {"name": "ec2.amazonaws.com"},
            "request": {"uid": "r-1", "data": '{"volumeId":"vol-1"}'},
            "response": {"error": "AccessDenied", "message": "no", "data": "null"}},
    "actor": {"user": {"type": "AssumedRole", "uid": "arn:aws:sts::111122223333:assumed-role/r/s", "uid_alt": "AROA:s",
                       "account": {"uid": "111122223333"}}, "session": {"issuer": "arn:aws:iam::111122223333:role/r",
                       "created_time": 1772441000000, "is_mfa": False}, "invoked_by": "ecs.amazonaws.com"},
    "src_endpoint": {"ip": "203.0.113.9", "domain": "ecs.amazonaws.com"}, "http_request": {"user_agent": "x"},
    "resources": [{"uid": "arn:aws:ec2:eu-west-1:111122223333:volume/vol-1", "type": "AWS::EC2::Volume"}],
    "unmapped": {"recipientAccountId": "111122223333", "userIdentity.sessionContext.x": "1", "readOnly": "false"},
}  # fmt: skip
POLICIES = (
    {"Version": "2012-10-17", "Statement": [{"Sid": "a", "Effect": "Allow", "Action": ["ec2:*Volume", "sts:?ssumeRole"],
     "Resource": "arn:aws:ec2:*:${aws:PrincipalAccount}:volume/*",
     "Condition": {"StringLike": {"aws:RequestTag/AmazonECSManaged": "t*"}, "ForAllValues:StringEqualsIfExists":
     {"aws:TagKeys": ["a", "${*}"]}, "Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"s3:x": "1e3"},
     "DateGreaterThan": {"aws:CurrentTime": "2026-03-02T09:00:00Z"}, "IpAddress": {"aws:SourceIp": "203.0.113.0/24"},
     "Null": {"aws:x": "true"}, "ArnLike": {"aws:SourceArn": "arn:aws:ecs:*:*:*"}}}]},
    {"Version": "2008-10-17", "Id": "t", "Statement": {"Effect": "Deny", "NotPrincipal": {"AWS": [
     "arn:aws:iam::111122223333:root", "111122223333"],
     "Service": "ecs.amazonaws.com"}, "NotAction": "*", "NotResource": ["*"]}},
)  # fmt: skip
DIGEST = {
    "awsAccountId": "111122223333", "digestStartTime": "2026-03-02T08:00:00Z", "digestEndTime": "2026-03-02T09:00:00Z",
    "digestS3Bucket": "b", "digestS3Object": "AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/02/"
    "111122223333_CloudTrail-Digest_eu-west-1_t_us-east-1_20260302T090000Z.json.gz",
    "digestPublicKeyFingerprint": "0a", "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": None,
    "previousDigestS3Bucket": "b", "previousDigestS3Object": "k", "previousDigestHashValue": "0A",
    "previousDigestHashAlgorithm": "SHA-256", "previousDigestSignature": "ff",
    "logFiles": [{"s3Bucket": "b", "s3Object": "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/02/111122223333_"
                  "CloudTrail_eu-west-1_20260302T0900Z_0000000000000000.json.gz", "hashValue": "00", "hashAlgorithm":
                  "SHA-256", "newestEventTime": "2026-03-02T08:59:00Z", "oldestEventTime": "2026-03-02T08:00:00Z"}],
}  # fmt: skip
TIMES = (
    "2026-03-02T09:10:00Z", "2026-03-02t09:10:00.1234567+01:00", "2026-03-02", "-6h", "1h30m", "2w", "500MB", "10GB",
    "1772442000", "1772442000123", "-1.5e9", "2026-03-02 09:10 UTC", "9999-12-31T23:59:59.9999999Z",
    "0001-01-01T00:00:00+14:00",
)  # fmt: skip
PLACES = (
    "s3://b/AWSLogs/?requester-pays", "api://eu-west-1,us-east-1", "athena://wg/db.table?output=s3://b/p&catalog=c",
    "lake://arn:aws:cloudtrail:eu-west-1:111122223333:eventdatastore/0a", "logs://eu-west-1/group", "store:x", "file:///x",
    "logs:arn:aws:logs:eu-west-1:111122223333:log-group:g:*", "spark://t", "http://x", "../x", "\u202e", "a" * 300,
    "111122223333_CloudTrail_eu-west-1_20260302T0900Z_0000.json.gz", "arn:aws:iam::111122223333:role/p/q",
    "arn:aws:ecs:eu-west-1:111122223333:task/c/0123456789abcdef0123456789abcdef",
)  # fmt: skip
TEXTS = (
    '{"credentials":{"accessKeyId":"ASIAFUZZ","sessionToken":"t"},"text":"{\\"secretString\\":\\"x\\"}"}',
    '{"environment":[{"name":"DB_PASSWORD","value":"x"}]}', "Authorization: Bearer abcdefgh12345678",
    "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "\x1b]0;t\x07 \u202e \u200b",
    "postgres://u:p@h/d", "X-Amz-Signature=00&x", "password='x'", "AKIAFUZZFUZZFUZZFUZZ:" + "a" * 40,
)  # fmt: skip


def seeds(target: str) -> Iterator[bytes]:
    """The seeds of a target, in a fixed order."""
    some = [record(1), assume_role(2), denied(3)]
    match target:
        case "containers" | "scan":
            first = b"\0" if target == "scan" else b""
            for shape in EXACT_SHAPES.values():
                yield first + shape(some).encode("utf-8", errors="surrogatepass")
            yield first + table_text([columns(one) for one in some]).encode()
            yield from (first + pack(dump({"Records": some[:1]}).encode()) for pack in COMPRESSIONS.values())
        case "walk":
            for number in range(100):
                text, _ = near_plain_file(random.Random(number))
                if len(text) < 4096:
                    yield bytes([number]) + text
        case "records":
            yield from (dump(one).encode() for one in some)
            yield dump(columns(some[0])).encode()
        case "policies":
            yield from (json.dumps(one).encode() for one in POLICIES)
        case "ocsf":
            yield json.dumps(OCSF).encode()
        case "digests":
            yield json.dumps(DIGEST).encode()
            yield gzip.compress(json.dumps(DIGEST).encode(), mtime=0)
        case _:
            texts = {"times": TIMES, "places": PLACES, "texts": TEXTS}[target]
            yield from (one.encode() for one in texts)
