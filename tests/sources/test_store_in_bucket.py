"""A store in a bucket: the same store as in a folder, whoever else writes, whatever kills the writer."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from stories import story, to_bucket

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.cli.permissions import policy
from ecs_trail.errors import AccessError, IntegrityError, UsageError
from ecs_trail.evidence.collect import Limits, collect
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store.remote import BucketDisk
from ecs_trail.selection import everything

sys.path.append(str(Path(__file__).parent.parent / "store"))
from kept import content, log_folder, put, record

NAME = "evidence-bucket"
PLACE = f"s3://{NAME}/cases/042"
SCRIPT = Path(__file__).parent.parent / "store" / "collecting.py"


@pytest.fixture
def bucket(s3) -> Any:
    """An empty bucket for stores."""
    s3.create_bucket(Bucket=NAME)
    return s3


def gathered(logs: Path, store: Store, units: int = 3) -> int:
    """Collect in small steps."""
    return collect([FilesSource(logs)], store, everything(), limits=Limits(units=units)).units_read


def keys(bucket: Any) -> list[str]:
    """Names of what lies at the place."""
    return [one["Key"].rpartition("/")[2] for one in bucket.list_objects_v2(Bucket=NAME).get("Contents", ())]


def test_a_store_in_a_bucket_is_the_store_of_a_folder(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs")
    here, there = Store(tmp_path / "here"), Store(PLACE)
    assert not there.exists
    assert gathered(logs, here) == gathered(logs, there)
    assert content(there) == content(here)
    assert there.verify() == []
    assert gathered(logs, there) == 0
    info = {name: value for name, value in there.info().items() if name not in {"path", "created_at", "seal"}}
    same = {name: value for name, value in here.info().items() if name not in {"path", "created_at", "seal"}}
    assert json.dumps({**info, "sources": 0}) == json.dumps({**same, "sources": 0})
    # one format: copied to a folder with any tool, it is a store there
    copy = tmp_path / "copy"
    copy.mkdir()
    for key in keys(bucket):
        (copy / key).write_bytes(bucket.get_object(Bucket=NAME, Key=f"cases/042/{key}")["Body"].read())
    assert content(Store(copy)) == content(here)
    assert Store(copy).verify() == []
    assert Store(copy).info()["seal"] == there.info()["seal"]
    with pytest.raises(UsageError, match="no folder"):
        _ = there.path


def test_the_command_line_collects_reads_verifies_and_compacts(bucket, tmp_path, capsys):
    made = story("managed_detached")
    to_bucket(bucket, "trail-bucket", made, tmp_path / "trail")
    for _ in range(2):
        assert run(["collect", "s3://trail-bucket", "--store", PLACE]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("no events added")
    direct = et.investigate("s3://trail-bucket").document
    for named in (PLACE, f"store:{PLACE}", Store(PLACE)):
        assert {**et.investigate(named).document, "evidence": 0} == {**direct, "evidence": 0}
    for words in (["store", "verify", PLACE], ["verify", PLACE], ["store", "info", PLACE], ["store", "compact", PLACE]):
        assert run(words) == 0, words
    assert f"store       {PLACE}" in capsys.readouterr().out
    assert {**et.investigate(PLACE).document, "evidence": 0} == {**direct, "evidence": 0}
    assert run(["collect", PLACE, "--store", (tmp_path / "again").as_posix()]) == 2
    assert "is a store already" in capsys.readouterr().err
    assert run(["collect", f"s3://{NAME}", "--store", PLACE]) == 2
    assert "lies inside the source" in capsys.readouterr().err


def test_other_objects_and_other_places_are_refused(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs", files=1)
    bucket.put_object(Bucket=NAME, Key="cases/042/notes.txt", Body=b"x")
    with pytest.raises(UsageError, match="no store: notes.txt"):
        gathered(logs, Store(PLACE))
    for place in ("s3://", "s3://A_B/x"):
        with pytest.raises(UsageError, match="names no bucket"):
            Store(place)
    with pytest.raises(UsageError, match="no store in"):
        Store(f"s3://{NAME}/elsewhere").info()
    with pytest.raises(UsageError, match="no bucket for"):
        gathered(logs, Store("s3://no-such-bucket/x"))


class DiedError(BaseException):
    """The process is gone: no handler of ours may run as if it were not."""


def dying(at: int, *, answered: bool) -> tuple[Callable[[], Any], list[str]]:
    """A client that dies at a call, before it or after S3 did what was asked; and the calls so far."""
    client, calls = boto3.client("s3", region_name="us-east-1"), []

    def before(model: Any, **_: Any) -> None:
        calls.append(model.name)
        if at and len(calls) >= at + answered:
            raise DiedError

    client.meta.events.register("before-call.s3", before)
    return lambda: client, calls


def at_every_call(work: Callable[[Store], Any], fresh: Callable[[int], None], stride: int = 1) -> Iterator[int]:
    """Die at each call of a piece of work; gives the call."""
    fresh(0)
    make, calls = dying(0, answered=False)
    work(Store(BucketDisk(PLACE, make)))
    assert len(calls) > 8
    for at in range(1, len(calls) + 1, stride):
        fresh(at)
        make, _ = dying(at, answered=bool(at % 2))
        with pytest.raises(DiedError):
            work(Store(BucketDisk(PLACE, make)))
            raise DiedError  # the last call was answered
        yield at


def emptied(bucket: Any) -> None:
    """Nothing at the place."""
    for key in keys(bucket):
        bucket.delete_object(Bucket=NAME, Key=f"cases/042/{key}")


def test_death_at_every_call_ends_at_the_same_store(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs", files=4)
    calm = Store(tmp_path / "calm")
    gathered(logs, calm)
    seen = 0
    for at in at_every_call(lambda store: gathered(logs, store), lambda _: emptied(bucket)):
        gathered(logs, Store(PLACE), units=100)
        assert content(Store(PLACE)) == content(calm), at
        assert Store(PLACE).verify() == [], at
        seen += 1
    assert seen > 10


def test_death_at_every_call_of_compacting(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs", files=4)
    calm = Store(tmp_path / "calm")
    gathered(logs, calm)

    def fresh(_: int) -> None:
        emptied(bucket)
        gathered(logs, Store(PLACE))

    for at in at_every_call(lambda store: store.compact(rows=8), fresh, 2):
        assert content(Store(PLACE)) == content(calm), at
        Store(PLACE).compact(rows=8)
        put(tmp_path / "more" / "more.json", record(900))
        gathered(tmp_path / "more", Store(PLACE))
        assert Store(PLACE).verify() == [], at
        assert Store(PLACE).events().num_rows == 17, at


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


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_at_the_same_store(bucket, tmp_path):
    dice = random.Random(7)
    logs = log_folder(tmp_path / "logs", files=40)
    calm = Store(tmp_path / "calm")
    gathered(logs, calm)
    midway = 0
    for _ in range(12):
        emptied(bucket)
        with collector(logs, 4) as child:
            go(child)
            try:
                child.wait(dice.uniform(0.02, 0.7))
            except subprocess.TimeoutExpired:
                child.kill()
        midway += 0 < len(keys(bucket)) < 28
        gathered(logs, Store(PLACE), units=40)
        assert content(Store(PLACE)) == content(calm)
        assert Store(PLACE).verify() == []
    assert midway


def together(*works: Callable[[], Any]) -> list[BaseException]:
    """Run at once; gives what went wrong."""
    wrong: list[BaseException] = []

    def safely(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
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


def test_collectors_at_once_and_one_who_compacts_do_no_harm(bucket, tmp_path):
    left, right = both_folders(tmp_path)
    calm = Store(tmp_path / "calm")
    for logs in (left, right):
        gathered(logs, calm, units=50)
    Store(PLACE).create()

    def compacting() -> None:
        for _ in range(3):
            Store(PLACE).compact(rows=20, grace=timedelta(0))

    works = (lambda: gathered(left, Store(PLACE), 2), lambda: gathered(right, Store(PLACE), 2), compacting)
    assert together(*works) == []
    assert Store(PLACE).verify() == []
    assert content(Store(PLACE)) == content(calm)


def test_the_law_of_collectors_at_once_can_fail(bucket, tmp_path, monkeypatch):
    """Without the condition on the manifest, the last writer wins and the other's events are lost."""
    left, right = both_folders(tmp_path)
    real = BucketDisk._send

    def careless(self, name, data, **conditions):
        conditions.pop("IfMatch", None)
        return real(self, name, data, **conditions)

    monkeypatch.setattr(BucketDisk, "_send", careless)
    lost = 0
    for _ in range(5):
        emptied(bucket)
        Store(PLACE).create()
        together(lambda: gathered(left, Store(PLACE), 2), lambda: gathered(right, Store(PLACE), 2))
        lost += Store(PLACE).events().num_rows < 48 + 12
    assert lost


def test_a_write_whose_answer_was_lost_counts_once(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs", files=4)
    lost = {"manifest.jsonl": 0, ".parquet": 0}
    client = boto3.client("s3", region_name="us-east-1")

    def broken(http_response: Any, model: Any, context: Any, **_: Any) -> None:
        key = context["input_params"]["Key"] if "input_params" in context else ""
        for tail in lost:
            if model.name == "PutObject" and key.endswith(tail) and http_response.status_code == 200:
                lost[tail] += 1
                http_response.status_code = 500 if lost[tail] % 2 else 200

    client.meta.events.register("before-parameter-build.s3", lambda params, context, **_: context.update(input_params=params))
    client.meta.events.register("before-parse.s3", lambda **_: None)
    client.meta.events.register("response-received.s3", lambda **_: None)
    send = client._endpoint.http_session.send

    def sent(request: Any) -> Any:
        answer = send(request)
        for tail in lost:
            if request.method == "PUT" and request.url.endswith(tail) and answer.status_code == 200:
                lost[tail] += 1
                if lost[tail] % 2:
                    answer.status_code = 500
        return answer

    client._endpoint.http_session.send = sent
    store = Store(BucketDisk(PLACE, lambda: client))
    gathered(logs, store)
    assert min(lost.values()) > 2
    assert store.verify() == []
    calm = Store(tmp_path / "calm")
    gathered(logs, calm)
    assert content(store) == content(calm)
    assert len(list(store.manifest().kind("batch"))) == len(list(calm.manifest().kind("batch")))


def test_altered_missing_and_added_objects_are_found(bucket, tmp_path, capsys):
    logs = log_folder(tmp_path / "logs", files=6)
    gathered(logs, Store(PLACE))
    first, second = [one["name"] for one in Store(PLACE).manifest().parts("events")]
    body = bucket.get_object(Bucket=NAME, Key=f"cases/042/{first}")["Body"].read()
    bucket.put_object(Bucket=NAME, Key=f"cases/042/{first}", Body=body[:-9] + b"x" + body[-8:])
    bucket.delete_object(Bucket=NAME, Key=f"cases/042/{second}")
    bucket.put_object(Bucket=NAME, Key="cases/042/notes.txt", Body=b"x")
    bucket.put_object(Bucket=NAME, Key=f"cases/042/events-00000099-{'a' * 12}.parquet", Body=body)
    kinds = sorted(one.kind for one in Store(PLACE).verify())
    assert kinds == ["altered_part", "extra_part", "missing_part"]  # a part no line names never counts
    assert run(["store", "verify", PLACE]) == 4
    assert run(["verify", PLACE]) == 4
    found = et.investigate(PLACE).document["evidence"]
    assert {one["kind"] for one in found["problems"]} >= {"unreadable_file", "vanished"}
    with pytest.raises(IntegrityError):
        Store(PLACE).compact()
    text = bucket.get_object(Bucket=NAME, Key="cases/042/manifest.jsonl")["Body"].read()
    bucket.put_object(Bucket=NAME, Key="cases/042/manifest.jsonl", Body=text.replace(b'"rows":', b'"rows":1', 1))
    assert [one.kind for one in Store(PLACE).verify()] == ["altered_manifest"]
    capsys.readouterr()


def test_parts_that_were_replaced_stay_for_who_reads_them(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs", files=6)
    store = Store(PLACE)
    gathered(logs, store)
    reading = store.fetch(everything())
    next(reading)
    before = set(keys(bucket))
    assert store.compact(rows=10).swept == 0
    assert sum(one.stored.receipt.records_read for one in reading if one.stored) == 24
    assert set(keys(bucket)) > before
    assert store.compact(rows=10).swept == 0  # not a day yet
    assert store.compact(rows=10, grace=timedelta(0)).swept == len(before) - 1
    assert set(keys(bucket)) & before == {"manifest.jsonl"}
    assert store.events().num_rows == 24
    assert store.verify() == []
    later = datetime.now(UTC) + timedelta(days=2)
    assert store.disk.swept(store.manifest(), timedelta(days=1), later) == 0


def test_the_policy_is_what_is_called(bucket, tmp_path, capsys):
    logs = log_folder(tmp_path / "logs", files=6)
    client = boto3.client("s3", region_name="us-east-1")
    calls: list[str] = []
    client.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    actions = {"ListObjectsV2": "ListBucket"}

    def called() -> set[str]:
        made = {f"s3:{actions.get(one, one)}" for one in calls}
        calls.clear()
        return made

    store = Store(BucketDisk(PLACE, lambda: client))
    gathered(logs, store)
    written = called()
    store.verify()
    store.events()
    read = called()
    for _ in range(2):
        store.compact(rows=10, grace=timedelta(0))
    tidied = called()
    assert run(["permissions", "--store", PLACE]) == 0
    listed = {one["Sid"]: one for one in json.loads(capsys.readouterr().out)["Statement"]}
    deleting = set(listed.pop("OnlyToCompactStore")["Action"])
    filling = {action for one in listed.values() for action in one["Action"] if not action.startswith("kms")}
    reading = {a for one in policy((f"store:{PLACE}",))["Statement"] for a in one["Action"] if not a.startswith("kms")}
    assert (written, deleting) == (filling, {"s3:DeleteObject"})
    assert read <= reading == filling - {"s3:PutObject"}
    assert tidied == filling | deleting
    assert listed["FillStore"]["Resource"] == f"arn:aws:s3:::{NAME}/cases/042/*"
    assert not {"s3:PutObject", "s3:DeleteObject"} & {a for one in policy(("s3", "api"))["Statement"] for a in one["Action"]}


def test_a_denied_write_is_named(bucket, tmp_path):
    logs = log_folder(tmp_path / "logs", files=1)
    client = boto3.client("s3", region_name="us-east-1")
    send = client._endpoint.http_session.send

    def refused(request: Any) -> Any:
        answer = send(request)
        if request.method == "PUT":
            answer.status_code = 403
            answer._content = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return answer

    client._endpoint.http_session.send = refused
    with pytest.raises(AccessError, match="s3:PutObject is not allowed"):
        gathered(logs, Store(BucketDisk(PLACE, lambda: client)))


def test_source_objects_of_a_bucket_are_known_again(bucket, tmp_path):
    count = to_bucket(bucket, "trail-bucket", story("managed_detached"), tmp_path / "trail")
    done = [collect([S3Source("trail-bucket")], Store(PLACE), everything()) for _ in range(2)]
    assert [one.units_read for one in done] == [count, 0]
