"""A store in a bucket: the same store as in a folder, whoever else writes, whatever kills the writer."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from shelves import Shelves, serving_shelves
from stories import story

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.cli.permissions import policy
from ecs_trail.errors import AccessError, EcsTrailError, IntegrityError, UsageError
from ecs_trail.evidence.collect import Limits, collect
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store.disks import OvertakenError
from ecs_trail.evidence.store.remote import BucketDisk
from ecs_trail.practice import write
from ecs_trail.selection import default_selection, everything

sys.path.append(str(Path(__file__).parent.parent / "store"))
from kept import content, log_folder, put, record

NAME = "evidence-bucket"
PLACE = f"s3://{NAME}/cases/042"
SCRIPT = Path(__file__).parent.parent / "store" / "collecting.py"


@pytest.fixture
def shelves(monkeypatch) -> Iterator[Shelves]:
    """An empty bucket on a server of our own, at which the SDK is pointed."""
    made = Shelves()
    with serving_shelves(made) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        yield made


@pytest.fixture
def client(shelves) -> Iterator[Any]:
    """A client of that server."""
    made = boto3.client("s3", region_name="us-east-1")
    yield made
    made.close()


@pytest.fixture
def store(client) -> Callable[[], Store]:
    """Makes the store anew, as another process would, through one client: making clients takes most of the time."""
    return lambda: Store(BucketDisk(PLACE, lambda: client))


def gathered(logs: Path, store: Store, units: int = 3) -> int:
    """Collect in small steps."""
    return collect([FilesSource(logs)], store, everything(), limits=Limits(units=units)).units_read


def names(shelves: Shelves) -> set[str]:
    """Names of what lies at the place."""
    return {key.rpartition("/")[2] for key in shelves.objects}


def test_a_store_in_a_bucket_is_the_store_of_a_folder(s3, tmp_path):
    """On the common mock server: two servers that agree on conditional writes."""
    s3.create_bucket(Bucket=NAME)
    logs = log_folder(tmp_path / "logs", files=6)
    here, there = Store(tmp_path / "here"), Store(BucketDisk(PLACE, lambda: s3))
    assert not there.exists
    assert gathered(logs, here) == gathered(logs, there)
    assert content(there) == content(here)
    assert there.verify() == []
    assert gathered(logs, there) == 0
    stale = Store(BucketDisk(PLACE, lambda: s3))
    stale.manifest()
    known = stale.disk.load()
    put(logs / "more.json", record(900))
    assert gathered(logs, there) == 1
    with pytest.raises(OvertakenError):
        stale.disk.append(known, [{"kind": "run", "number": 99}])
    assert there.compact(rows=10).parts_after < 8
    gathered(logs, here)
    assert content(there) == content(here)
    # one format: copied to a folder with any tool, it is a store there
    copy = tmp_path / "copy"
    copy.mkdir()
    for one in s3.list_objects_v2(Bucket=NAME)["Contents"]:
        body = s3.get_object(Bucket=NAME, Key=one["Key"])["Body"].read()
        (copy / one["Key"].rpartition("/")[2]).write_bytes(body)
    assert content(Store(copy)) == content(here)
    assert Store(copy).info()["seal"] == there.info()["seal"]
    with pytest.raises(UsageError, match="no folder"):
        _ = there.path


def test_the_command_line_collects_reads_verifies_and_compacts(shelves, tmp_path, capsys):
    logs = tmp_path / "trail"
    write(story("managed_detached"), logs)
    for _ in range(2):
        assert run(["collect", logs.as_posix(), "--store", PLACE]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("no events added")
    direct = scan([FilesSource(logs)], default_selection())
    for named in (PLACE, f"store:{PLACE}"):
        assert scan([open_source(named)], default_selection()).events.equals(direct.events)
    for words in (["store", "verify", PLACE], ["verify", PLACE], ["store", "info", PLACE], ["store", "compact", PLACE]):
        assert run(words) == 0, words
    assert f"store       {PLACE}" in capsys.readouterr().out
    assert {**et.investigate(PLACE).document, "evidence": 0} == {**et.investigate(logs).document, "evidence": 0}
    assert run(["collect", PLACE, "--store", (tmp_path / "again").as_posix()]) == 2
    assert "is a store already" in capsys.readouterr().err
    assert run(["collect", f"s3://{NAME}", "--store", PLACE]) == 2
    assert "lies inside the source" in capsys.readouterr().err


def test_other_objects_and_other_places_are_refused(shelves, store, tmp_path):
    logs = log_folder(tmp_path / "logs", files=1)
    with pytest.raises(UsageError, match="no store in"):
        store().info()
    shelves.objects["cases/042/notes.txt"] = b"x", datetime.now(UTC)
    with pytest.raises(UsageError, match=r"no store: notes\.txt"):
        gathered(logs, store())
    for place in ("s3://", "s3://A_B/x"):
        with pytest.raises(UsageError, match="names no bucket"):
            Store(place)


STRIDES = [7, pytest.param(1, marks=pytest.mark.slow)]


class DiedError(BaseException):
    """The process is gone: no handler of ours may run as if it were not."""


@contextmanager
def dying(client: Any, at: int = 0, *, answered: bool = False) -> Iterator[list[str]]:
    """The process dies at a call, before it or after S3 did what was asked; gives the calls so far."""
    calls: list[str] = []

    def before(model: Any, **_: Any) -> None:
        calls.append(model.name)
        if at and len(calls) >= at + answered:
            raise DiedError

    client.meta.events.register("before-call.s3", before)
    try:
        yield calls
    finally:
        client.meta.events.unregister("before-call.s3", before)


def at_every_call(client: Any, work: Callable[[], Any], fresh: Callable[[], None], stride: int) -> Iterator[int]:
    """Die at each call of a piece of work; gives the call."""
    fresh()
    with dying(client) as calls:
        work()
    assert len(calls) > 8
    for at in range(1, len(calls) + 1, stride):
        fresh()
        with suppress(DiedError), dying(client, at, answered=bool(at % 2)):  # the last may be answered
            work()
        yield at


@pytest.mark.parametrize("stride", STRIDES)
def test_death_at_every_call_ends_at_the_same_store(stride, shelves, client, store, tmp_path):
    logs = log_folder(tmp_path / "logs", files=4)
    gathered(logs, calm := Store(tmp_path / "calm"))
    expected, seen = content(calm), 0
    for at in at_every_call(client, lambda: gathered(logs, store()), shelves.objects.clear, stride):
        gathered(logs, store(), units=100)
        assert content(store()) == expected, at
        assert store().verify() == [], at
        seen += 1
    assert seen > 2


@pytest.mark.parametrize("stride", STRIDES)
def test_death_at_every_call_of_compacting(stride, shelves, client, store, tmp_path):
    logs = log_folder(tmp_path / "logs", files=4)
    more = put(tmp_path / "more" / "more.json", record(900)).parent
    gathered(logs, store())
    expected, before = content(store()), dict(shelves.objects)

    def fresh() -> None:
        shelves.objects.clear()
        shelves.objects.update(before)

    for at in at_every_call(client, lambda: store().compact(rows=8, grace=timedelta(0)), fresh, stride):
        assert content(store()) == expected, at
        store().compact(rows=8, grace=timedelta(0))
        gathered(more, store())
        assert store().verify() == [], at
        assert store().events().num_rows == 17, at


@contextmanager
def collector(logs: Path, units: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that collects."""
    words = [sys.executable, str(SCRIPT), str(logs), PLACE, str(units)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield child
        finally:
            child.kill()


def go(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.write(b"go\n")
    child.stdin.flush()


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_at_the_same_store(kills, shelves, store, tmp_path):
    dice = random.Random(kills)
    logs = log_folder(tmp_path / "logs", files=40)
    gathered(logs, calm := Store(tmp_path / "calm"))
    expected, midway = content(calm), 0
    for number in range(kills):
        shelves.objects.clear()
        with collector(logs, 4) as child:
            go(child)
            # the first is killed for certain in the middle, the others at any moment
            while not number and child.poll() is None and len(names(shelves)) < 6:
                time.sleep(0.002)
            if number:
                time.sleep(dice.uniform(0, 0.7))
            child.kill()
            child.wait()
        midway += 0 < len(names(shelves)) < 20
        gathered(logs, store(), units=40)
        assert content(store()) == expected, number
        assert store().verify() == [], number
    assert midway


def together(*works: Callable[[], Any]) -> list[Exception]:
    """Run at once; gives what went wrong."""
    wrong: list[Exception] = []

    def safely(work: Callable[[], Any]) -> None:
        try:
            work()
        except (EcsTrailError, OSError, pa.ArrowException, KeyError, ValueError) as error:
            wrong.append(error)

    threads = [threading.Thread(target=safely, args=(work,)) for work in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return wrong


def both_folders(tmp_path: Path) -> tuple[Path, Path]:
    left, right = log_folder(tmp_path / "left", files=12), tmp_path / "right"
    for number in range(200, 212):
        put(right / f"log-{number}.json", record(number, minute=number))
    return left, right


def test_collectors_at_once_and_one_who_compacts_do_no_harm(shelves, store, tmp_path):
    left, right = both_folders(tmp_path)
    calm = Store(tmp_path / "calm")
    for logs in (left, right):
        gathered(logs, calm, units=50)
    store().create()

    def compacting() -> None:
        for _ in range(3):
            store().compact(rows=20, grace=timedelta(0))

    assert together(lambda: gathered(left, store(), 1), lambda: gathered(right, store(), 1), compacting) == []
    assert shelves.refused  # they were in each other's way
    assert store().verify() == []
    assert content(store()) == content(calm)


def test_the_law_of_collectors_at_once_can_fail(shelves, store, tmp_path):
    """Where the condition on the manifest is ignored, the last writer wins and the other's events are lost."""
    left, right = both_folders(tmp_path)
    gathered(left, store())
    slow = store().disk
    seen = slow.load()
    gathered(right, store())
    assert store().events().num_rows == 48 + 12
    shelves.is_careless = True
    slow.append(seen, [])
    assert store().events().num_rows == 48


def test_a_write_whose_answer_was_lost_counts_once(shelves, client, store, tmp_path, monkeypatch):
    logs = log_folder(tmp_path / "logs", files=4)
    lost = {"manifest.jsonl": 0, ".parquet": 0}
    send = client._endpoint.http_session.send

    def sent(request: Any) -> Any:
        answer = send(request)
        tail = next((one for one in lost if request.method == "PUT" and request.url.endswith(one)), "")
        if tail and answer.status_code == 200:
            lost[tail] += 1
            if lost[tail] % 2:
                answer.status_code = 503  # the SDK repeats the call, and finds its own object there
        return answer

    monkeypatch.setattr(client._endpoint.http_session, "send", sent)
    gathered(logs, store())
    assert min(lost.values()) > 2
    assert store().verify() == []
    gathered(logs, calm := Store(tmp_path / "calm"))
    assert content(store()) == content(calm)
    assert len(list(store().manifest().kind("batch"))) == len(list(calm.manifest().kind("batch")))


def test_altered_missing_and_added_objects_are_found(shelves, store, tmp_path):
    logs = log_folder(tmp_path / "logs", files=6)
    gathered(logs, store())
    first, second = [one["name"] for one in store().manifest().parts("events")][:2]
    body, at = shelves.objects[f"cases/042/{first}"]
    shelves.objects[f"cases/042/{first}"] = body[:-9] + b"x" + body[-8:], at
    del shelves.objects[f"cases/042/{second}"]
    shelves.objects["cases/042/notes.txt"] = b"x", at
    shelves.objects[f"cases/042/events-00000099-{'a' * 12}.parquet"] = body, at
    kinds = sorted(one.kind for one in store().verify())
    assert kinds == ["altered_part", "extra_part", "missing_part"]  # a part no line names never counts
    assert run(["store", "verify", PLACE]) == 4
    assert run(["verify", PLACE]) == 4
    problems = scan([StoreSource(store())], everything()).receipt.problems
    assert {one.kind for one in problems} >= {"unreadable_file", "vanished"}
    assert et.investigate(PLACE, verify=True).integrity.verdict == "failed"
    with pytest.raises(IntegrityError):
        store().compact()
    text, at = shelves.objects["cases/042/manifest.jsonl"]
    shelves.objects["cases/042/manifest.jsonl"] = text.replace(b'"rows":', b'"rows":1', 1), at
    assert [one.kind for one in store().verify()] == ["altered_manifest"]


def test_parts_that_were_replaced_stay_for_who_reads_them(shelves, store, tmp_path):
    logs = log_folder(tmp_path / "logs", files=6)
    gathered(logs, store())
    reading = store().fetch(everything())
    next(reading)
    before = names(shelves)
    assert store().compact(rows=10).swept == 0
    assert sum(one.stored.receipt.records_read for one in reading if one.stored) == 24
    assert names(shelves) > before
    assert store().compact(rows=10).swept == 0  # not a day yet
    assert store().compact(rows=10, grace=timedelta(0)).swept == len(before) - 1
    assert names(shelves) & before == {"manifest.jsonl"}
    assert store().events().num_rows == 24
    assert store().verify() == []


def test_the_policy_is_what_is_called(client, store, tmp_path, capsys):
    logs = log_folder(tmp_path / "logs", files=6)

    def called(work: Callable[[], Any]) -> set[str]:
        with dying(client) as calls:
            work()
        return {f"s3:{'ListBucket' if one == 'ListObjectsV2' else one}" for one in calls}

    def actions(statements: list[dict[str, Any]]) -> set[str]:
        return {one for statement in statements for one in statement["Action"] if not one.startswith("kms")}

    written = called(lambda: gathered(logs, store()))
    read = called(lambda: (store().verify(), store().events()))
    tidied = called(lambda: [store().compact(rows=10, grace=timedelta(0)) for _ in range(2)])
    assert run(["permissions", "--store", PLACE]) == 0
    listed = {one["Sid"]: one for one in json.loads(capsys.readouterr().out)["Statement"]}
    deleting = actions([listed.pop("OnlyToCompactStore")])
    filling = actions([*listed.values()])
    assert (written, deleting) == (filling, {"s3:DeleteObject"})
    assert read == actions(policy((f"store:{PLACE}",))["Statement"]) == filling - {"s3:PutObject"}
    assert tidied == filling | deleting
    assert listed["FillStore"]["Resource"] == f"arn:aws:s3:::{NAME}/cases/042/*"
    assert not actions(policy(("s3", "api"))["Statement"]) & {"s3:PutObject", "s3:DeleteObject"}


def test_a_denied_write_is_named(client, store, tmp_path, monkeypatch):
    logs = log_folder(tmp_path / "logs", files=1)
    send = client._endpoint.http_session.send

    def refused(request: Any) -> Any:
        answer = send(request)
        if request.method == "PUT":
            answer.status_code = 403
            answer._content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return answer

    monkeypatch.setattr(client._endpoint.http_session, "send", refused)
    with pytest.raises(AccessError, match="s3:PutObject is not allowed"):
        gathered(logs, store())
