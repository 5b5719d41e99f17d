"""Objects of a bucket read ahead by threads, in order: by the source itself, or by whoever scans them elsewhere."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from ecs_trail.errors import AccessError
from ecs_trail.evidence.aws import has_credentials, make_client
from ecs_trail.evidence.compression import EXPANSION_LIMIT
from ecs_trail.evidence.ledger import Fetched, Problem
from ecs_trail.evidence.sources.bucket import Bucket, Listed

READERS: Final = 16
#: Bytes of objects that may be under way or waiting at once.
_BYTES_AHEAD: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class BucketShelf:
    """A bucket as another machine reads it: with a client, credentials and Region of its own."""

    name: str
    bucket: str
    requester_pays: bool = False

    def fetch(self, items: Iterable[Listed]) -> Iterator[Fetched]:
        """The objects or the problems met, in order. Raises `AccessError` on a machine without credentials."""
        with closing(make_client("s3", connections=READERS)) as client, ThreadPoolExecutor(READERS) as pool:
            if not has_credentials():
                raise AccessError(
                    f"a machine that shall read {self.name} has no AWS credentials.",
                    hint="executors use their own, such as the role of their instance; ecs-trail permissions prints "
                    "what it must allow.",
                )
            bucket = Bucket(client, self.bucket, requester_pays=self.requester_pays)
            try:
                yield from ahead(pool, bucket.read, items)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def ahead(
    pool: ThreadPoolExecutor, read: Callable[[Listed], Fetched], found: Iterable[Listed | Problem]
) -> Iterator[Fetched]:
    """Objects read ahead by the pool, in order, with a bound on the bytes that wait."""
    waiting: deque[tuple[int, Future[Fetched] | Fetched]] = deque()
    held = 0
    for one in found:
        size = 0 if isinstance(one, Problem) else min(one.size, EXPANSION_LIMIT)
        while waiting and (held + size > _BYTES_AHEAD or len(waiting) >= 4 * READERS):
            cost, first = waiting.popleft()
            held -= cost
            yield first if isinstance(first, Fetched) else first.result()
        waiting.append((size, Fetched(one.source, problem=one) if isinstance(one, Problem) else pool.submit(read, one)))
        held += size
    while waiting:
        _, first = waiting.popleft()
        yield first if isinstance(first, Fetched) else first.result()
