"""A large bucket of our own on the loopback: S3's listing and reading, fast over 100,000 keys, and counting.

Only what a reader calls: ListObjectsV2 with prefix, delimiter, start-after, max-keys and tokens; GetObject;
GetBucketVersioning. The bodies of all objects but a few are one and the same.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from loopback import QuietHandler, serve


@dataclass
class Archive:
    """Keys with their bodies. `listed` counts keys given by listings, `read` holds keys given as objects."""

    bodies: dict[str, bytes]
    common: bytes = b'{"Records":[]}'
    keys: list[str] = field(default_factory=list)
    listed: int = 0
    lists: int = 0
    read: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def listing(self, asked: dict[str, str]) -> str:
        """One page, as XML."""
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        limit = min(int(asked.get("max-keys", 1000)), 1000)
        after = asked.get("continuation-token") or asked.get("start-after", "")
        at = max(bisect_right(self.keys, after), bisect_left(self.keys, prefix))
        found: list[str] = []
        folders: list[str] = []
        while at < len(self.keys) and self.keys[at].startswith(prefix) and len(found) + len(folders) < limit:
            key = self.keys[at]
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.append(prefix + rest.partition(delimiter)[0] + delimiter)
                at = bisect_left(self.keys, folders[-1] + "\U0010ffff")
            else:
                found.append(key)
                at += 1
        is_cut = at < len(self.keys) and self.keys[at].startswith(prefix)
        with self.lock:
            self.lists += 1
            self.listed += len(found)
        token = escape((found or folders)[-1]) if is_cut else ""
        parts = [f"<IsTruncated>{str(is_cut).lower()}</IsTruncated><KeyCount>{len(found) + len(folders)}</KeyCount>"]
        parts += [f"<NextContinuationToken>{token}</NextContinuationToken>"] if is_cut else []
        parts += [f"<Contents><Key>{escape(key)}</Key><Size>{len(self.body(key))}</Size></Contents>" for key in found]
        parts += [f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in folders]
        name = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<ListBucketResult xmlns="{name}">{"".join(parts)}</ListBucketResult>'

    def body(self, key: str) -> bytes:
        """The bytes of an object."""
        return self.bodies.get(key, self.common)


class _Handler(QuietHandler):
    archive: Archive
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if key:
            with self.archive.lock:
                self.archive.read.append(key)
            self._send(self.archive.body(key))
        elif "versioning" in asked:
            self._send(b'<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>')
        else:
            self._send(self.archive.listing(asked).encode())

    def _send(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving_archive(archive: Archive) -> Iterator[str]:
    """Run the server; gives its address."""
    archive.keys = sorted({*archive.keys, *archive.bodies})
    with serve(_Handler, archive=archive) as address:
        yield address
