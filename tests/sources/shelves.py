"""S3 of our own on the loopback, in memory and fast: what a store in a bucket calls, with conditional writes.

PutObject with `If-None-Match: *` and `If-Match` (412, and 404 where nothing is to be matched), its SHA-256 checked;
GetObject with `If-None-Match` (304); ListObjectsV2 in one page; DeleteObject. *Amazon S3 API Reference* and *User
Guide*, "How to prevent object overwrites with conditional writes", read on 2026-11-24.
"""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from loopback import QuietHandler, serve


@dataclass
class Shelves:
    """Objects by key, each with the moment it was put. `is_careless` ignores conditions: a fault to plant."""

    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    is_careless: bool = False
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, key: str, data: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Status and ETag, or the code of an error."""
        checksum = headers.get("x-amz-checksum-sha256")
        if checksum and base64.b64decode(checksum) != hashlib.sha256(data).digest():
            return 400, "BadDigest"
        with self.lock:
            old = self.objects.get(key)
            wanted = headers.get("if-match")
            if not self.is_careless and wanted and old is None:
                return 404, "NoSuchKey"
            is_late = (headers.get("if-none-match") == "*" and old is not None) or (
                wanted is not None and old is not None and wanted != tag(old[0])
            )
            if is_late and not self.is_careless:
                self.refused += 1
                return 412, "PreconditionFailed"
            self.objects[key] = data, datetime.now(UTC)
        return 200, tag(data)

    def listing(self, prefix: str) -> bytes:
        """One page, as XML."""
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size><ETag>{escape(tag(data))}</ETag>"
            f"<LastModified>{at:%Y-%m-%dT%H:%M:%S.%f}Z</LastModified></Contents>"
            for key, (data, at) in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        name = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<ListBucketResult xmlns="{name}"><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>'.encode()


def tag(data: bytes) -> str:
    """An ETag."""
    return f'"{hashlib.md5(data).hexdigest()}"'


class _Handler(QuietHandler):
    shelves: Shelves
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        key, asked = self._asked()
        if not key:
            self._send(200, self.shelves.listing(asked.get("prefix", "")))
            return
        found = self.shelves.objects.get(key)
        if found is None:
            self._fail(404, "NoSuchKey")
        elif self.headers.get("if-none-match") == tag(found[0]):
            self._send(304, b"")
        else:
            self._send(200, found[0], ETag=tag(found[0]), **{"Last-Modified": format_datetime(found[1], usegmt=True)})

    def do_PUT(self) -> None:
        key, _ = self._asked()
        data = self._body()
        status, said = self.shelves.put(key, data, {name.lower(): value for name, value in self.headers.items()})
        if status == 200:
            self._send(200, b"", ETag=said)
        else:
            self._fail(status, said)

    def do_DELETE(self) -> None:
        self.shelves.objects.pop(self._asked()[0], None)
        self._send(204, b"")

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        asked = parse_qs(parts.query, keep_blank_values=True)
        return key, {name: values[0] for name, values in asked.items()}

    def _body(self) -> bytes:
        """The bytes that were sent, whole or in chunks with trailers (`aws-chunked`)."""
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" not in (self.headers.get("Content-Encoding") or ""):
            return data
        made = b""
        while data:
            head, _, data = data.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if not size:
                return made
            made, data = made + data[:size], data[size + 2 :]
        return made

    def _fail(self, status: int, code: str) -> None:
        self._send(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 304:
            self.wfile.write(data)


@contextmanager
def serving_shelves(shelves: Shelves) -> Iterator[str]:
    """Run the server; gives its address."""
    with serve(_Handler, shelves=shelves) as address:
        yield address
