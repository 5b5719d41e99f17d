"""A bucket of our own in a process of its own: the files of a folder, listed and given as S3 does, and nothing else.

    python -m tests.benchmarks.s3 FOLDER

prints its address and serves until its standard input ends.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import parse_qs, unquote, urlsplit

from tests.benchmarks.running import python


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    sizes: dict[str, int]
    tags: dict[str, str]
    protocol_version = "HTTP/1.1"
    #: A head and a body are two writes, and the second would wait for the first one's receipt.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, _, key = unquote(parts.path).lstrip("/").partition("/")
        asked = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if not key:
            self._send(b"<VersioningConfiguration/>" if "versioning" in asked else self._listed(asked))
        elif key in self.sizes:
            self._send((self.folder / key).read_bytes(), self.tags[key])
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _listed(self, asked: dict[str, str]) -> bytes:
        """A page of 1,000; a listing by folders finds none, so that everything is read as it lies."""
        after = asked.get("continuation-token", "")
        is_whole = not asked.get("delimiter")
        keys = (
            [key for key in self.sizes if key > after and key.startswith(asked.get("prefix", ""))] if is_whole else []
        )
        page, is_cut = keys[:1000], len(keys) > 1000
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>{self.sizes[key]}</Size><ETag>{self.tags[key]}</ETag></Contents>"
            for key in page
        )
        more = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if is_cut else ""
        cut = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        return f"<ListBucketResult>{cut}{more}{rows}</ListBucketResult>".encode()

    def _send(self, data: bytes, tag: str = "") -> None:
        self.send_response(200)
        if tag:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder from another process; gives the address."""
    with Popen(python("tests.benchmarks.s3", folder), stdin=PIPE, stdout=PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


def main() -> None:
    """Serve."""
    folder = Path(sys.argv[1])
    sizes = {one.relative_to(folder).as_posix(): one.stat().st_size for one in sorted(folder.rglob("*.gz"))}
    tags = {key: f'"{size:032x}"' for key, size in sizes.items()}  # nothing is replaced while it serves
    made = type("Handler", (_Handler,), {"folder": folder, "sizes": dict(sorted(sizes.items())), "tags": tags})
    server = ThreadingHTTPServer(("127.0.0.1", 0), made)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
