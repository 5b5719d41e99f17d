"""The scan: selection, copies, conflicts, order, receipt, workers; one answer however the records lie."""

import json
import operator
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from evidence_builders import (
    ACCOUNT,
    COMPRESSIONS,
    EXACT_SHAPES,
    ROLE,
    SESSION,
    Record,
    assume_role,
    check_ledger,
    content,
    denied,
    dump,
    envelope,
    lookup_item,
    read,
    record,
    some_records,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.evidence.merging import rank_of
from ecs_trail.evidence.packing import gather, pack
from ecs_trail.evidence.records import row_of
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.workers import map_ordered
from ecs_trail.schema import EVENT_COLUMNS, EVENT_SCHEMA
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window


def write(folder: Path, name: str, records: list[Record]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump({"Records": records}))
    return path


def test_rows_have_the_order_of_the_schema() -> None:
    assert list(EVENT_COLUMNS) == EVENT_SCHEMA.names
    row = row_of(dump(record(1)).encode(), "x", 0)
    assert len(row) == len(EVENT_SCHEMA)


def test_an_empty_folder_gives_an_empty_table(tmp_path: Path) -> None:
    evidence = read(tmp_path)
    assert evidence.events.schema.equals(EVENT_SCHEMA)
    assert evidence.events.num_rows == 0
    assert evidence.receipt.files_seen == 0


def test_the_selection_is_applied_exactly(tmp_path: Path) -> None:
    write(tmp_path, "a.json", [*some_records(), record(40, userIdentity={"type": "Root"}, eventName="RunInstances")])
    evidence = read(tmp_path, session(SESSION))
    assert evidence.receipt.records_not_selected == 1
    assert set(evidence.events.column("event_name").to_pylist()) == {
        "AssumeRole", "DeleteVolume", "CreateTags", "DescribeVolumes", "DetachRolePolicy",
    }  # fmt: skip


def test_copies_count_once_and_the_first_name_is_kept(tmp_path: Path) -> None:
    made = record(1)
    write(tmp_path, "b.json", [made])
    (tmp_path / "c.json").write_text(dump({"Events": [lookup_item(made)]}))
    (tmp_path / "a.json").write_text(dump(envelope(dict(reversed(made.items()))), indent=3))
    evidence = read(tmp_path)
    assert (evidence.receipt.records_read, evidence.receipt.duplicates) == (3, 2)
    assert evidence.events.column("source").to_pylist() == [(tmp_path / "a.json").as_posix()]
    assert evidence.receipt.problems == []


def test_the_copies_of_two_accounts_are_two_events(tmp_path: Path) -> None:
    write(tmp_path, "a.json", [record(1), record(1, recipientAccountId="999999999999")])
    evidence = read(tmp_path)
    assert evidence.events.num_rows == 2
    assert evidence.receipt.problems == []


def test_two_records_under_one_id_are_both_kept_and_named(tmp_path: Path) -> None:
    write(tmp_path, "a.json", [record(1), record(1, sourceIPAddress="192.0.2.1"), record(1)])
    evidence = read(tmp_path)
    assert evidence.events.num_rows == 2
    assert evidence.receipt.duplicates == 1
    (problem,) = evidence.receipt.problems
    assert problem.kind == "conflicting_event_id"
    assert record(1)["eventID"] in problem.detail
    assert not evidence.receipt.is_partial


def test_order_within_a_second_is_causal(tmp_path: Path) -> None:
    names = ["DeleteRole", "DetachRolePolicy", "UpdateAssumeRolePolicy", "AttachRolePolicy", "CreateRole"]
    iam = [
        record(number, eventTime="2026-03-02T09:00:00Z", eventSource="iam.amazonaws.com", eventName=name)
        for number, name in enumerate(names)
    ]
    write(tmp_path, "a.json", [*iam, record(30, eventTime="2026-03-02T08:59:59Z")])
    assert read(tmp_path).events.column("event_name").to_pylist() == ["DeleteVolume", *reversed(names)]
    assert rank_of("organizations.amazonaws.com", "DetachPolicy") == 3
    assert rank_of("ec2.amazonaws.com", "DeleteVolume") == 1


def test_the_receipt_knows_accounts_regions_and_stamps(tmp_path: Path) -> None:
    name = f"{ACCOUNT}_CloudTrail_eu-west-1_20260302T0915Z_aBcDeFgHiJkLmNoP.json"
    write(tmp_path, name, [record(1), denied(9, eventSource="kms.amazonaws.com")])
    late = f"{ACCOUNT}_CloudTrail_eu-west-1_20260302T1120Z_aBcDeFgHiJkLmNoP.json.gz"
    (tmp_path / late).write_bytes(b"")
    receipt = read(tmp_path, session("nobody")).receipt
    assert receipt.newest_stamp == datetime(2026, 3, 2, 11, 20, tzinfo=UTC)
    span = receipt.spans[ACCOUNT, "eu-west-1"]
    assert span.first == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)
    assert span.last == datetime(2026, 3, 2, 9, 0, 9, tzinfo=UTC)
    assert span.first_stamp == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
    assert span.last_stamp == receipt.newest_stamp
    assert span.event_sources == {"ec2.amazonaws.com", "kms.amazonaws.com"}
    assert receipt.events_selected == 0


def test_the_stamp_of_a_broken_file_counts(tmp_path: Path) -> None:
    name = f"{ACCOUNT}_CloudTrail_eu-west-1_20260302T0915Z_aBcDeFgHiJkLmNoP.json.gz"
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08")
    (tmp_path / f"{ACCOUNT}_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260402T091500Z.json.gz").write_bytes(b"")
    receipt = read(tmp_path).receipt
    assert receipt.newest_stamp == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def test_the_stamp_of_a_file_that_is_gone_counts(tmp_path: Path) -> None:
    name = f"{ACCOUNT}_CloudTrail_eu-west-1_20260302T0915Z_aBcDeFgHiJkLmNoP.json.gz"
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    receipt = read(tmp_path).receipt
    assert receipt.files_failed == 1
    assert receipt.newest_stamp == datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def test_the_raw_record_is_found_by_id(tmp_path: Path) -> None:
    write(tmp_path, "a.json", some_records())
    evidence = read(tmp_path)
    assert json.loads(evidence.raw(record(7)["eventID"])) == record(7)
    with pytest.raises(UsageError, match="no selected event"):
        evidence.raw("none")


SELECTIONS = [
    everything(),
    default_selection(),
    session(SESSION),
    Selection((Clause(failed=True),)),
    Selection((Clause(regions=frozenset({"us-east-1"})), Clause(event_names=frozenset({"AssumeRole"})))),
    everything().during(Window(datetime(2026, 3, 2, 9, 0, 4, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, 7, tzinfo=UTC))),
    Selection((Clause(acting_roles=frozenset({"arn:aws:iam::1:role/other"})),)),
    Selection(()),
]

_POOL = [*some_records(), *(record(20 + n, eventName="RunInstances", userIdentity={"type": "Root"}) for n in range(3)),
         denied(31), assume_role(32, requestParameters=None, errorCode="AccessDenied"),
         record(33, recipientAccountId=None, eventName="StopTask", eventSource="ecs.amazonaws.com")]  # fmt: skip


@pytest.mark.parametrize(
    "selection",
    [
        *SELECTIONS,
        Selection((Clause(acting_roles=frozenset({ROLE})),)),
        Selection((Clause(target_roles=frozenset({ROLE}), failed=False),)),
    ],
)
def test_a_scan_gives_exactly_the_reference_answer(selection: Selection, tmp_path: Path) -> None:
    """What a probe cannot judge (the role facets) is trimmed by the one exact filter."""
    write(tmp_path, "all.json", _POOL)
    assert read(tmp_path, selection).events.equals(selection.filter(read(tmp_path).events))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_answer_however_the_records_lie(data: st.DataObject) -> None:
    """Shuffled, repeated, split over files of any shape and compression: the same selected rows, the ledger closed."""
    selection = data.draw(st.sampled_from(SELECTIONS))
    repeated = data.draw(st.permutations([*_POOL, *data.draw(st.lists(st.sampled_from(_POOL), max_size=6))]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(repeated)), max_size=4)))
    parts = [list(repeated[a:b]) for a, b in zip([0, *cuts], [*cuts, len(repeated)], strict=True) if b > a]
    with tempfile.TemporaryDirectory() as reference, tempfile.TemporaryDirectory() as folder:
        write(Path(reference), "all.json", _POOL)
        for number, part in enumerate(parts):
            shape = data.draw(st.sampled_from(sorted(EXACT_SHAPES)))
            compression = data.draw(st.sampled_from(sorted(COMPRESSIONS)))
            text = EXACT_SHAPES[shape](part).encode()
            (Path(folder) / f"{number}.log").write_bytes(COMPRESSIONS[compression](text))
        expected, evidence = read(Path(reference), selection), read(Path(folder), selection)
    assert content(evidence.events) == content(expected.events)
    assert evidence.receipt.problems == []
    assert evidence.receipt.records_read == len(repeated)


def test_provenance_does_not_depend_on_the_order_of_sources(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path, f"{name}/log.json", some_records())
    sources = [FilesSource(tmp_path / "b"), FilesSource(tmp_path / "a")]
    forward, backward = scan(sources, everything()), scan(sources[::-1], everything())
    check_ledger(forward)
    assert forward.events.equals(backward.events)
    assert all("/a/" in source for source in forward.events.column("source").to_pylist())


def test_workers_change_nothing(tmp_path: Path) -> None:
    for number in range(80):
        write(tmp_path, f"{number:03d}.json", [record(number), record(number + 100, eventName="RunInstances")])
    (tmp_path / "040.json").write_text('{"Records":[{"eventVersion')
    (tmp_path / "tasks.json").write_text(dump({"tasks": [{"taskArn": "t", "lastStatus": "RUNNING"}]}))
    one, two = read(tmp_path), read(tmp_path, workers=2)
    assert one.events.equals(two.events)
    assert one.receipt == two.receipt
    assert one.task_states == two.task_states


@pytest.mark.parametrize("workers", [0, -1])
def test_no_worker_is_a_usage_error(workers: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers"):
        read(tmp_path, workers=workers)


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    with pytest.raises(EcsTrailError, match="worker"):
        list(map_ordered(operator.call, [os._exit], 1, workers=2))


def test_closing_early_ends_the_workers() -> None:
    started = time.monotonic()
    results = map_ordered(pow, list(range(5000)), 2, workers=2)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 20


def test_ctrl_c_ends_quietly(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path, f"{number:03d}.json", [record(n) for n in range(400)])
    code = (
        "import sys, signal; from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ecs_trail.evidence.sources.base import scan\n"
        "from ecs_trail.evidence.sources.files import FilesSource\n"
        "from ecs_trail.selection import everything\n"
        "def tell(done, total):\n    print('going', flush=True)\n"
        "try:\n    while True:\n"
        "        scan([FilesSource(Path(sys.argv[1]))], everything(), workers=2, progress=tell)\n"
        "except KeyboardInterrupt:\n    print('stopped', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "going\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert "stopped" in out
    assert "Traceback" not in err


def test_workers_load_no_arrow() -> None:
    code = "import sys, ecs_trail.evidence.scanning as s; print({'pyarrow', 'pandas', 'boto3'} & sys.modules.keys())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "set()"


def test_a_large_selection_is_trimmed_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecs_trail.evidence.gathering._TRIM_AFTER", 5)
    for number in range(10):
        write(tmp_path, f"{number}.json", [record(number * 3 + n) for n in range(3)])
    evidence: Any = read(tmp_path)
    assert evidence.events.num_rows == 30


@pytest.mark.parametrize("shape", ["lines", "records", "lookup items as lines"])
def test_many_rows_are_packed_on_the_way(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing, pieces and trimming in small steps change nothing, whatever the road, copies and conflicts included."""
    made = [*_POOL, record(50, sourceIPAddress="192.0.2.9"), record(50), *some_records()]
    (tmp_path / "all.json").write_text(EXACT_SHAPES[shape](made))
    whole = read(tmp_path, default_selection())
    for name, value in (("ledger.PACK_AFTER", 3), ("fastlane._PIECE", 3000), ("gathering._TRIM_AFTER", 2)):
        monkeypatch.setattr(f"ecs_trail.evidence.{name}", value)
    stepwise = read(tmp_path, default_selection())
    assert stepwise.events.equals(whole.events)
    assert stepwise.receipt == whole.receipt
    assert [problem.kind for problem in whole.receipt.problems] == ["conflicting_event_id"]


def test_columns_longer_than_arrows_offsets_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row_of(dump(record(number, note="é" * number)).encode(), "x", number) for number in range(9)]
    chunks = [pack(rows[:4], [False] * 4), pack(rows[4:5], [False]), pack(rows[5:], [False] * 4)]
    places = [8, 0, 4, 2, 0, 5]
    whole = gather(chunks, pa.array(places))
    for name, value in (("_OFFSET_LIMIT", 400), ("_SMALL", 0), ("_COLUMNS", 1)):
        monkeypatch.setattr(f"ecs_trail.evidence.packing.{name}", value)
    slices = gather(chunks, pa.array(places))
    assert slices["raw"].num_chunks > 1
    assert slices["request_parameters"].num_chunks > 1
    for number, name in enumerate(EVENT_SCHEMA.names):
        expected = [rows[place][number] for place in places]
        assert slices[name].to_pylist() == whole[name].to_pylist() == expected
