"""Storms: a bucket and a disk that fail as dice say, an object or a file that changes meanwhile, a clock that jumps, a
second collector, a compaction in between. Afterwards everything is calm, and nothing may be missing.

One storm is a function of its seed. Tests run some of them; `python -m tests.endurance storms --seeds 400` runs many.
"""

import errno
import gzip
import io
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
from flaky import FAULTS, FlakyBucket, serving_bucket, serving_fast
from stories import home_records, story

from ecs_trail import Store
from ecs_trail.coverage import evidence_summary
from ecs_trail.errors import EcsTrailError
from ecs_trail.evidence.collect import Limits, collect
from ecs_trail.evidence.ledger import Receipt
from ecs_trail.evidence.sources.base import Source, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.selection import everything
from ecs_trail.times import EVER

MOMENT = datetime(2026, 3, 11, tzinfo=UTC)
#: What a disk may say, by whether something is written.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
UNREADABLE = (errno.EIO, errno.EACCES, errno.ESTALE)


@lru_cache(maxsize=1)
def records() -> tuple[dict[str, Any], ...]:
    """The records that evidence is made of."""
    return tuple(home_records(story("managed_detached")))


def ledger(receipt: Receipt) -> dict[str, Any]:
    """The ledger as a user gets it."""
    made = evidence_summary(receipt, events_selected=receipt.events_selected, window=EVER, as_of=MOMENT)["ledger"]
    assert isinstance(made, dict)
    return made


def assert_closed(receipt: Receipt, least: int = 1) -> None:
    """Every sum, term by term, from the JSON that a user gets."""
    book = ledger(receipt)
    objects, found = book["objects"], book["records"]
    assert objects["listed"] == objects["read"] + objects["left_out"] + objects["failed"], book
    terms = ("selected", "not_selected", "duplicate", "rejected", "lost")
    assert found["found"] == sum(found[name] for name in terms), book
    assert min(found.values()) >= 0, book
    assert found["found"] >= least, book
    assert book["closes"] is True
    assert book["partial"] == receipt.is_partial


def objects(files: int = 12, each: int = 6, prefix: str = "logs/") -> dict[str, bytes]:
    """Log files by key; the events are `e-0` and so on."""
    made = [{**records()[n % len(records())], "eventID": f"e-{n}"} for n in range(files * each)]
    return {
        f"{prefix}{number:05d}.json.gz": _packed(made[number * each : (number + 1) * each]) for number in range(files)
    }


def _packed(listed: list[dict[str, Any]]) -> bytes:
    return gzip.compress(json.dumps({"Records": listed}).encode(), mtime=0)


def with_one_more(data: bytes, event_id: str) -> bytes:
    """The content of a log file with one record more."""
    return _packed([*json.loads(gzip.decompress(data))["Records"], {**records()[0], "eventID": event_id}])


@dataclass
class FlakyDisk:
    """Calls that reach the files below a folder fail as dice say: now and then, or from some call on for good (a full
    disk, a file system gone read-only, permissions that somebody took away).
    """

    folder: Path
    dice: random.Random
    share: float
    for_good_after: int = 0
    calls: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, place: object, *, is_writing: bool) -> None:
        """Count a call, and fail it where it is its turn."""
        if not self._is_mine(place):
            return
        with self.lock:
            self.calls += 1
            is_over = 0 < self.for_good_after < self.calls and is_writing
            code = self.dice.choice(FULL if is_writing else UNREADABLE)
            if not is_over and self.dice.random() >= self.share:
                return
            self.happened[f"{'write' if is_writing else 'read'} {errno.errorcode[code]}"] += 1
        raise OSError(code, os.strerror(code), str(place))

    def _is_mine(self, place: object) -> bool:
        if isinstance(place, int):
            try:
                place = os.readlink(f"/proc/self/fd/{place}")  # noqa: PTH115 - of a handle
            except OSError:
                return False
        return os.fspath(place).startswith(str(self.folder)) if isinstance(place, (str, os.PathLike)) else False

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The layer, between what is tried and the system."""
        writing = ("fsync", "replace", "write", "ftruncate", "mkdir", "unlink")
        with (
            mock.patch.multiple(
                os,
                **{name: self._around(getattr(os, name), is_writing=True) for name in writing},
                **{name: self._around(getattr(os, name), is_writing=False) for name in ("listdir", "read", "scandir")},
                open=self._opening(os.open),
            ),
            mock.patch.multiple(
                pq,
                write_table=self._around(pq.write_table, is_writing=True, at=1),
                ParquetFile=_Between(pq.ParquetFile, lambda place: self.meet(place, is_writing=False)),
            ),
            mock.patch.object(io, "open", self._opening(io.open)),
        ):
            yield

    def _around(self, real: Callable[..., Any], *, is_writing: bool, at: int = 0) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            self.meet(words[at] if len(words) > at else ".", is_writing=is_writing)
            return real(*words, **named)

        return call

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, mode: Any = "r", *words: Any, **named: Any) -> Any:
            is_writing = bool(mode & (os.O_WRONLY | os.O_RDWR)) if isinstance(mode, int) else set(mode) & set("wxa+")
            self.meet(path, is_writing=bool(is_writing))
            return real(path, mode, *words, **named)

        return call


class _Between:
    """A class whose making may fail, and that is used as the real one otherwise."""

    def __init__(self, real: Any, before: Callable[[object], None]) -> None:
        self.real, self.before = real, before

    def __call__(self, place: object, *words: Any, **named: Any) -> Any:
        self.before(place)
        return self.real(place, *words, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def seeded(seed: int, share: float = 0.1) -> Callable[[int, str, str], str]:
    """Faults of a bucket by the number of the request."""
    dice = random.Random(seed)
    chosen = {number: dice.choice(FAULTS) for number in range(1, 200) if dice.random() < share}
    return lambda number, _kind, _key: chosen.get(number, "")


def attempts(source: Source, store: Store, dice: random.Random) -> None:
    """Scan, then collect (sometimes two at once), compact and read back, up to three times, in faults; each ends well
    or in words of ours.
    """

    def collecting() -> None:
        jump = timedelta(days=random.Random(dice.random()).randrange(-900, 900))
        collect([source], store, everything(), now=lambda: MOMENT - jump, limits=Limits(units=3))

    refused(lambda: assert_closed(scan([source], everything()).receipt, 0))
    for _ in range(dice.randint(1, 3)):
        if dice.random() < 0.3:  # another process would hold the same locks: they belong to handles
            other = threading.Thread(target=refused, args=(collecting,))
            other.start()
            refused(collecting)
            other.join()
        else:
            refused(collecting)
        if dice.random() < 0.5:
            refused(lambda: store.compact(rows=20))
        refused(lambda: assert_closed(scan([StoreSource(store)], everything()).receipt, 0))


def refused(work: Callable[[], object]) -> None:
    """Whatever is refused is refused as a whole and in words; any other error passes."""
    try:
        work()
    except EcsTrailError as error:
        words = error.message
    else:
        return
    assert words


def conclude(store: Store, source: Source, wanted: set[str], seed: int) -> None:
    """All is calm: what was half done does no harm, and one more run completes."""
    if store.exists:
        left = [one for one in store.verify() if one.kind != "extra_part"]  # never counts; the next run removes it
        assert left == [], (seed, left)
        assert_closed(scan([StoreSource(store)], everything()).receipt, 0)
    collect([source], store, everything(), now=lambda: MOMENT)
    assert store.verify() == [], seed
    assert not [one.name for one in store.path.iterdir() if one.name.startswith(".")], seed
    receipt = scan([StoreSource(store)], everything()).receipt
    assert_closed(receipt, len(wanted))
    assert not receipt.is_partial, (seed, receipt.problems)
    missing = wanted - set(store.events().column("event_id").to_pylist())
    assert not missing, (seed, missing)


def storm(seed: int, path: Path) -> Counter[str]:
    """A storm over a bucket and the disk of the store; what faults happened."""
    dice = random.Random(seed)
    bucket = FlakyBucket(objects(), page=dice.choice((3, 1000)))
    faults, when = seeded(seed, dice.choice((0.05, 0.2, 0.5))), dice.randrange(3, 30)
    wanted = {f"e-{n}" for n in range(72)} | {"e-new"}

    def replace_one(event_id: str) -> None:
        key = dice.choice(sorted(bucket.objects))
        bucket.objects[key] = with_one_more(bucket.objects[key], event_id)

    def fault(number: int, kind: str, key: str) -> str:
        if number == when:  # between the listing and the reading of it
            replace_one("e-meanwhile")
        return faults(number, kind, key)

    bucket.fault = fault
    store = Store(path / f"store-{seed}")
    disk = _disk(store.path, dice)
    with (serving_fast if seed % 2 else serving_bucket)(bucket) as client:
        source = S3Source("some-bucket", "logs", client=client, readers=4)
        with disk.at_work():
            attempts(source, store, dice)
        bucket.fault = lambda *_: ""
        replace_one("e-new")
        conclude(store, source, wanted, seed)
    return Counter(bucket.happened) + disk.happened + Counter({"replaced meanwhile": len(bucket.asked) >= when})


def folder_storm(seed: int, path: Path) -> Counter[str]:
    """A storm over a folder of files and the disk of the store; what faults happened."""
    dice = random.Random(seed)
    logs = path / f"logs-{seed}"
    logs.mkdir()
    made = {key.rpartition("/")[2]: data for key, data in objects().items()}
    for name, data in made.items():
        (logs / name).write_bytes(data)
    store = Store(path / f"store-{seed}")
    disk, trouble = _disk(path, dice), Counter[str]()
    source = _Meddled(logs, dice, trouble)
    with disk.at_work():
        attempts(source, store, dice)
    for path in source.meddled:  # the others keep their identity: what was kept of them is not read again
        path.unlink(missing_ok=True)
        path.write_bytes(made[path.name])
    (logs / "more.json.gz").write_bytes(_packed([{**records()[0], "eventID": "e-new"}]))
    conclude(store, FilesSource(logs), {f"e-{n}" for n in range(72)} | {"e-new"}, seed)
    return disk.happened + trouble


class _Meddled(FilesSource):
    """A folder in which somebody works while it is read."""

    def __init__(self, path: Path, dice: random.Random, trouble: Counter[str]) -> None:
        super().__init__(path)
        self.dice, self.trouble = dice, trouble
        self.names = sorted(path.iterdir())
        self.meddled: set[Path] = set()

    def fetch(self, plan: Any) -> Iterator[Any]:
        for fetched in super().fetch(plan):
            if self.dice.random() < 0.1:
                self._meddle(self.dice.choice(self.names))
            yield fetched

    def _meddle(self, path: Path) -> None:
        self.meddled.add(path)
        kind = self.dice.choice(("vanished", "cut short", "grown", "a pipe"))
        try:
            data = path.read_bytes() if path.is_file() else b""
            path.unlink(missing_ok=True)
            if kind == "a pipe":
                os.mkfifo(path)
            elif kind != "vanished":
                path.write_bytes(data[: len(data) // 2] if kind == "cut short" else data + data[:20])
        except OSError:  # somebody else's work fails on this disk as ours does
            return
        self.trouble[kind] += 1


def _disk(folder: Path, dice: random.Random) -> FlakyDisk:
    share = dice.choice((0.0, 0.01, 0.05, 0.2))
    return FlakyDisk(folder, dice, share, for_good_after=dice.choice((0, 0, dice.randrange(5, 120))))
