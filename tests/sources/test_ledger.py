"""The ledger closes: on every source, under faults, and it says so where something is missing."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from flaky import FAULTS, FlakyBucket, serving_bucket, serving_fast
from history import History
from stories import history_of, quick, regions_of
from storms import assert_closed, folder_storm, ledger, objects, records, storm
from warehouse import STORE, Warehouse, glue_table, lake_table

from ecs_trail import Store, investigate
from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError
from ecs_trail.evidence.collect import collect
from ecs_trail.evidence.ledger import Receipt
from ecs_trail.evidence.merging import merge
from ecs_trail.evidence.sources.athena import AthenaSource
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.lake import LakeSource
from ecs_trail.evidence.sources.logs import LogsSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.selection import Selection, default_selection, everything, session
from ecs_trail.times import Window


def selections() -> dict[str, Selection]:
    times = sorted(datetime.fromisoformat(record["eventTime"]) for record in records())
    middle = Window(times[len(times) // 4], times[len(times) // 2])
    return {
        "default": default_selection(),
        "everything": everything(),
        "a session": session("ECSTaskVolumesForEBS"),
        "a while": default_selection().during(middle),
    }


def folder(path: Path) -> Path:
    """Logs with copies, rejected and broken records, files cut off, and files that are none."""
    path.mkdir(parents=True, exist_ok=True)
    half = len(records()) // 2
    texts = [json.dumps(record) for record in records()]
    (path / "a.json.gz").write_bytes(gzip.compress(('{"Records":[' + ",".join(texts) + "]}").encode()))
    (path / "b.jsonl").write_text("\n".join(texts[:half]) + "\n")
    (path / "c.json").write_text('{"Records":[' + ",".join(texts[:9]) + ',{"eventVersion":')
    (path / "d.json").write_text(json.dumps([{**records()[0], "eventTime": None}, *records()[:3]]))
    (path / "e.json.gz").write_bytes(b"\x1f\x8b\x08" + bytes(20))
    (path / "README.md").write_text("nothing")
    return path


@pytest.mark.parametrize("which", selections())
def test_of_files_and_of_a_store_of_them(which, tmp_path):
    selection = selections()[which]
    receipt = scan([FilesSource(folder(tmp_path / "logs"))], selection).receipt
    assert_closed(receipt, len(records()))
    assert (receipt.files_seen, receipt.files_failed, receipt.files_left_out) == (6, 1, 1)
    assert receipt.records_rejected == 1
    for asked in (selection, everything()):
        store = Store(tmp_path / f"store-{len(list(tmp_path.iterdir()))}")
        collect([FilesSource(tmp_path / "logs")], store, asked)
        kept = scan([StoreSource(store)], selection).receipt
        assert_closed(kept, len(records()))
        assert (kept.files_seen, kept.files_failed) == (6, 1)
        store.compact()
        assert_closed(scan([StoreSource(store)], selection).receipt, len(records()))


def test_of_sources_together(tmp_path):
    source = FilesSource(folder(tmp_path / "logs"))
    collect([source], store := Store(tmp_path / "store"), everything())
    receipt = scan([source, StoreSource(store)], default_selection()).receipt
    assert_closed(receipt, 2 * len(records()))
    assert receipt.duplicates > receipt.events_selected


def test_of_a_store_with_a_broken_part(tmp_path, capsys):
    collect([FilesSource(folder(tmp_path / "logs"))], store := Store(tmp_path / "store"), everything())
    part = next(iter(store.manifest().parts("events")))  # one of several
    (store.path / part["name"]).write_bytes(b"PAR1 and nothing")
    receipt = scan([StoreSource(store)], default_selection()).receipt
    assert_closed(receipt)
    assert receipt.records_lost == part["rows"]
    assert receipt.is_partial


def test_of_a_store_read_again_after_its_files_changed(tmp_path):
    logs = folder(tmp_path / "logs")
    store = Store(tmp_path / "store")
    for number in (5, 9, 20):
        (logs / "b.jsonl").write_text("\n".join(json.dumps(record) for record in records()[:number]))
        collect([FilesSource(logs)], store, default_selection())
        assert_closed(scan([StoreSource(store)], default_selection()).receipt)


@pytest.mark.parametrize("which", selections())
def test_of_event_history(which, cloudtrail):
    cloudtrail(history_of(list(records()), page=20))
    assert_closed(scan([quick(regions_of(records()))], selections()[which]).receipt)


@pytest.mark.parametrize("which", ["default", "a session"])
def test_of_queries(which, start):
    rows = list(records())
    logs = [(datetime.fromisoformat(one["eventTime"]) + timedelta(minutes=1), json.dumps(one)) for one in rows]
    first = min(moment for moment, _ in logs)
    selection = selections()[which].during(Window(first - timedelta(days=1)))
    start(Warehouse({"db.trail": glue_table(rows)}, page=50))
    assert_closed(scan([AthenaSource("wg", "db", "trail", pause=lambda _: None)], selection).receipt)
    start(Warehouse(store=lake_table(rows), ending=("FINISHED", ""), page=50))
    assert_closed(scan([LakeSource(STORE, pause=lambda _: None)], selection).receipt)
    start(Warehouse(logs=sorted([*logs, (first, "a line of somebody else")])))
    assert_closed(scan([LogsSource("eu-west-1", "CloudTrail/Management", pause=lambda _: None)], selection).receipt)


def test_of_a_bucket_and_what_its_keys_leave_out():
    day = Window(datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC))
    held = objects(5, prefix="x/2026/03/10/") | objects(4, prefix="x/2025/01/01/") | {"x/README.md": b"no"}
    with serving_bucket(FlakyBucket(held)) as client:
        receipt = scan([S3Source("some-bucket", "x", client=client)], everything().during(day)).receipt
    assert_closed(receipt)
    book = ledger(receipt)["objects"]
    assert book == {"listed": 10, "read": 5, "left_out": 5, "left_out_by_name": 4, "failed": 0}


@pytest.mark.parametrize("serving", [serving_bucket, serving_fast])
@pytest.mark.parametrize("fault", FAULTS)
def test_of_a_bucket_with_a_fault_at_one_object(fault, serving):
    def once(number: int, kind: str, key: str) -> str:
        return fault if key.endswith("00004.json.gz") else ""

    with serving(FlakyBucket(objects(), once)) as client:
        receipt = scan([S3Source("some-bucket", "logs", client=client)], everything()).receipt
    assert_closed(receipt, 60)
    is_lost = fault != "slow"
    assert receipt.is_partial == is_lost
    assert receipt.files_seen == 12
    assert receipt.events_selected == 72 or (is_lost and 66 <= receipt.events_selected < 72)
    assert all("00004" in problem.source for problem in receipt.problems)


@pytest.mark.parametrize("kind", [storm, folder_storm])
@pytest.mark.parametrize("runs", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_of_seeded_storms(kind, runs, tmp_path):
    """`python -m tests.endurance storms --seeds 400` runs more of them."""
    memory = Path("/dev/shm")  # where waiting for a disk would take most of the time
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        happened = sum((kind(seed, Path(folder)) for seed in range(runs)), Counter())
    assert happened.total() > 3 * runs
    assert len(happened) > 8


@pytest.mark.parametrize("kind", [storm, folder_storm])
def test_a_store_that_forgets_in_a_storm_is_seen(kind, tmp_path, monkeypatch):
    """A planted fault: units that count although their events never came to the disk."""
    real = Store.commit

    def early(self, batch):
        real(self, replace(batch, chunks=[], documents=[]))
        return real(self, replace(batch, units=[]))

    monkeypatch.setattr(Store, "commit", early)
    with pytest.raises(AssertionError, match="e-"):
        [kind(seed, tmp_path) for seed in range(60)]


@pytest.mark.parametrize("fault", ["ThrottlingException", "InternalFailure", "ExpiredTokenException"])
def test_of_event_history_with_refusals(fault, cloudtrail):
    server: History = cloudtrail(history_of(list(records()), refusals={2: fault, 3: fault}, page=20))
    try:
        assert_closed(scan([quick(regions_of(records()))], default_selection()).receipt)
    except AccessError:
        assert fault == "ExpiredTokenException"
    assert len(server.asked) >= 2


def test_a_record_lost_on_the_way_is_seen(tmp_path, monkeypatch):
    """Planted faults: the sums are counted apart, so they can fail."""
    logs = folder(tmp_path / "logs")
    with monkeypatch.context() as patch:
        patch.setattr("ecs_trail.evidence.gathering.merge", _lossy)
        with pytest.raises(AssertionError):
            assert_closed(scan([FilesSource(logs)], default_selection()).receipt)
    real = Receipt.add

    def forgetting(self: Receipt, reading: Any) -> None:
        real(self, reading)
        self.files_read -= reading.source.endswith("b.jsonl")

    monkeypatch.setattr(Receipt, "add", forgetting)
    with pytest.raises(AssertionError):
        assert_closed(scan([FilesSource(logs)], default_selection()).receipt)


def _lossy(chunks: Any) -> Any:
    table, dropped, conflicts = merge(chunks)
    return table.slice(1), dropped, conflicts


def test_a_partial_answer_says_so_first(tmp_path, capsys):
    """On the first screen of the text and of the report, in JSON, and by exit code 3; even where only a part of one
    file is missing.
    """
    logs = tmp_path / "logs"
    logs.mkdir()
    texts = [json.dumps(record) for record in records()]
    (logs / "c.json").write_text('{"Records":[' + ",".join(texts) + ',{"eventVersion":')
    assert run(["investigate", logs.as_posix()]) == 3
    shown = capsys.readouterr()
    assert "This answer is partial: 1 problem in the evidence" in "\n".join(shown.out.splitlines()[:12])
    assert "the result is partial" in shown.err
    assert run(["investigate", logs.as_posix(), "--format", "json"]) == 3
    book = json.loads(capsys.readouterr().out)["evidence"]["ledger"]
    assert (book["partial"], book["closes"]) == (True, True)
    page = tmp_path / "report.html"
    assert run(["report", logs.as_posix(), "--output", page.as_posix()]) == 3
    text = page.read_text()
    assert 0 < text.index("This answer is partial") < text.index("<h2")
    (logs / "c.json").write_text('{"Records":[' + ",".join(texts) + "]}")
    assert "partial" not in str(investigate(logs).document["evidence"]["problems"])
    assert run(["investigate", logs.as_posix()]) == 0
    assert "This answer is partial" not in capsys.readouterr().out
