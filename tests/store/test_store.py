"""The folder itself: what counts and what does not, what was changed, who may read it, compacting."""

import json
import stat
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from kept import content, log_folder, put, record

from ecs_trail import Store, collect, investigate, read
from ecs_trail.cli.main import run
from ecs_trail.errors import IntegrityError, UsageError
from ecs_trail.evidence.collect import Limits
from ecs_trail.evidence.collect import collect as collect_sources
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.store.documents import Document
from ecs_trail.evidence.store.parts import GROUP_ROWS, columns
from ecs_trail.selection import everything, session
from ecs_trail.times import EVER, Window


@pytest.fixture
def logs(tmp_path):
    """A folder of log files."""
    return log_folder(tmp_path / "logs")


@pytest.fixture
def store(logs, tmp_path):
    """A store of them, in several batches."""
    made = Store(tmp_path / "store")
    collect_sources([FilesSource(logs)], made, everything(), limits=Limits(units=3))
    return made


def kinds(store):
    """The kinds of problem that verify finds."""
    return sorted(one.kind for one in store.verify())


def parts(store, kind="events"):
    """Paths of parts."""
    return [store.path / one["name"] for one in store.manifest().parts(kind)]


def test_a_store_holds_what_the_files_hold(store, logs):
    reference = scan([FilesSource(logs)], everything())
    evidence = scan([open_source(store.name)], everything())
    assert evidence.events.equals(reference.events)
    for name in ("files_seen", "files_read", "files_left_out", "files_failed", "records_read", "problems", "spans"):
        assert getattr(evidence.receipt, name) == getattr(reference.receipt, name), name


def test_only_the_owner_may_read(store):
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in store.path.iterdir()} == {0o600}


def test_any_parquet_tool_reads_it(store):
    path = parts(store)[0]
    table = pq.read_table(path)
    assert table.schema.names[-1] == "raw"
    times = table.column("event_time").to_pylist()
    assert times == sorted(times)
    group = pq.ParquetFile(path).metadata.row_group(0)
    by_name = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert (by_name["raw"].compression, by_name["event_name"].compression) == ("ZSTD", "SNAPPY")
    assert by_name["event_time"].is_stats_set
    assert "RLE_DICTIONARY" in by_name["session_name"].encodings
    assert not by_name["raw"].is_stats_set


def test_a_manifest_line_says_what_was_asked_and_what_came(store, logs):
    line = next(store.manifest().kind("batch"))
    assert line["source"] == logs.as_posix()
    assert "reads" in line["plan"]
    assert line["tool"].startswith("ecs-trail ")
    assert {"name", "kind", "sha256", "bytes", "rows", "span"} <= line["parts"][0].keys()
    assert line["receipt"]["files_seen"] == 3
    assert store.manifest().selections[line["run"]["selection"]] == [{"window": [None, None]}]


def test_a_sound_store_verifies(store, capsys):
    assert store.verify() == []
    assert run(["store", "verify", store.path.as_posix()]) == 0
    assert store.info()["seal"] in capsys.readouterr().out
    assert run(["verify", store.path.as_posix()]) == 0
    assert store.info()["seal"] in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["events", "units"])
def test_an_altered_part_is_found(store, kind, capsys):
    path = parts(store, kind)[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert kinds(store) == ["altered_part"]
    assert run(["store", "verify", store.path.as_posix()]) == 4
    assert path.name in capsys.readouterr().out
    assert run(["verify", store.name, "--format", "json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["verdict"], document["problems"][0]["kind"]) == ("failed", "altered_part")
    with pytest.raises(IntegrityError, match="nothing was changed"):
        store.compact()


def test_a_part_of_equal_length_is_found_too(store):
    path = parts(store)[0]
    path.write_bytes(path.read_bytes()[::-1])
    assert kinds(store) == ["altered_part"]


def test_a_missing_part_is_found_and_makes_the_answer_partial(store, capsys):
    parts(store)[0].unlink()
    assert kinds(store) == ["missing_part"]
    assert run(["investigate", store.name]) == 3
    assert "is gone" in capsys.readouterr().err
    with pytest.raises(IntegrityError, match="is gone"):
        store.events()


def test_a_broken_part_makes_the_answer_partial(store):
    path = parts(store)[0]
    path.write_bytes(path.read_bytes()[:-20])
    receipt = scan([open_source(store.name)], everything()).receipt
    assert [one.kind for one in receipt.problems if one.source == path.as_posix()] == ["unreadable_file"]
    assert receipt.is_partial


def test_an_added_part_is_found_and_never_counts(store):
    before = content(store)
    first = parts(store)[0]
    (store.path / f"events-00000099-{'a' * 12}.parquet").write_bytes(first.read_bytes())
    (store.path / "notes.txt").write_text("x")
    assert kinds(store) == ["extra_part", "extra_part"]
    assert content(store) == before


def line_changed(lines):
    return [lines[0], lines[1].replace(b'"kind"', b'"kinD"'), *lines[2:]]


@pytest.mark.parametrize(
    "change",
    [
        line_changed,
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: [*lines[:-1], lines[-1].replace(b'"partial":true', b'"partial":false')],
        lambda lines: [lines[0].replace(b'"generation":1', b'"generation":2'), *lines[1:]],
    ],
)
def test_an_altered_manifest_is_found(store, change, capsys):
    path = store.path / "manifest.jsonl"
    lines = path.read_bytes().splitlines()
    changed = change(lines)
    assert changed != lines
    path.write_bytes(b"\n".join(changed) + b"\n")
    assert kinds(store) == ["altered_manifest"]
    assert run(["investigate", store.name]) == 4
    assert "altered" in capsys.readouterr().err


@pytest.mark.parametrize("torn", [b'{"kind":"batch","number":99,"parts":[{"na', b"\0" * 300, b"\0" * 300 + b"\n"])
def test_a_torn_last_line_never_happened(store, logs, torn):
    before = content(store)
    path = store.path / "manifest.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert content(store) == before
    assert store.verify() == []
    put(logs / "new.json", record(900, minute=3))
    assert collect(logs, store, selection=everything()).events_added == 1
    assert path.read_bytes().startswith(whole)
    assert store.verify() == []
    assert store.events().num_rows == 49


def test_what_a_crash_left_is_removed_by_the_next_write(store, logs):
    left = [store.path / ".aside-1-abc", store.path / f"units-00000099-{'b' * 12}.parquet"]
    for one in left:
        one.write_bytes(b"half")
    assert kinds(store) == ["extra_part"]
    collect(logs, store, selection=everything())
    assert not any(one.exists() for one in left)
    assert store.verify() == []


def test_parts_are_not_removed_while_somebody_reads(store):
    before = scan([open_source(store.name)], everything()).events
    fetching = store.fetch(everything())
    found = [next(fetching)]
    store.compact()
    found.extend(fetching)
    assert not [one.problem for one in found if one.problem]
    assert sum(len(one.stored.chunks) for one in found if one.stored) > 1
    assert scan([open_source(store.name)], everything()).events.equals(before)
    assert kinds(store)  # the old parts lie there still
    collect(put(store.path.parent / "one.json", record(1)), store, selection=everything())
    assert store.verify() == []


def test_compacting_keeps_the_answer(store, logs):
    put(logs / "again.json", *(record(n, minute=n) for n in range(10)))  # copies of events kept before
    collect(logs, store, selection=everything())
    before, receipt = content(store), scan([open_source(store.name)], everything()).receipt
    count = len(parts(store))
    done = store.compact(rows=20)
    assert done.duplicates == 10
    assert content(store) == before
    assert 1 < len(parts(store)) < count
    after = scan([open_source(store.name)], everything()).receipt
    assert (after.records_read, after.duplicates, after.files_seen) == (receipt.records_read, 10, receipt.files_seen)
    assert after.problems == receipt.problems
    assert store.verify() == []
    assert store.info()["generation"] == 2
    spans = [next(store.manifest().kind("batch"))["parts"][n]["span"] for n in range(2)]
    assert spans[0][1] < spans[1][0]
    again = collect(logs, store, selection=everything())
    assert (again.events_added, again.units_read) == (0, 0)


def test_a_window_reads_only_the_groups_it_touches(tmp_path):
    many = [record(n, minute=n % 2800) for n in range(2 * GROUP_ROWS)]
    store = Store(tmp_path / "store")
    collect_sources([FilesSource(put(tmp_path / "many.json", *many))], store, everything(), limits=Limits(rows=10**6))
    (path,) = parts(store)
    assert pq.ParquetFile(path).num_row_groups == 2
    day = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, tzinfo=UTC))
    assert len(list(columns(path, ["event_id"], EVER))) == 2
    assert len(list(columns(path, ["event_id"], day))) == 1
    chunks = [one for one in store.fetch(everything().during(day)) if one.stored and one.stored.chunks]
    assert len(chunks) == 1
    late = Window(datetime(2026, 4, 1, tzinfo=UTC), None)
    assert not [one for one in store.fetch(everything().during(late)) if one.stored and one.stored.chunks]
    wanted = session("nobody")
    assert not [one for one in store.fetch(wanted) if one.stored and one.stored.chunks]


def test_less_collected_than_asked_for_is_said(logs, tmp_path):
    store = Store(tmp_path / "store")
    collect(logs, store, since="2026-03-01T00:10:00Z", until="2026-03-01T00:20:00Z")
    case = investigate(store)
    assert "not_collected" in [one.kind for one in case.receipt.problems]
    inside = investigate(store, since="2026-03-01T00:12:00Z", until="2026-03-01T00:20:00Z")
    assert "not_collected" not in [one.kind for one in inside.receipt.problems]
    assert read(store, session="ECSTaskVolumesForEBS").shape[0] == 10


def test_the_disk_is_not_touched_by_a_name(tmp_path):
    store = Store(tmp_path / "nothing")
    assert not store.exists
    assert open_source(f"store:{store.path}").plan(everything()).source == store.name
    for ask in (store.info, store.verify, store.compact, lambda: investigate(store)):
        with pytest.raises(UsageError, match="no store"):
            ask()
    assert not store.path.exists()


def test_a_folder_with_other_files_is_no_place_for_a_store(logs, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        collect(logs, tmp_path / "full")
    with pytest.raises(UsageError, match="inside the source"):
        collect(logs, logs / "store")
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_a_store_of_another_format_is_refused(store):
    path = store.path / "manifest.jsonl"
    path.write_bytes(path.read_bytes().replace(b"ecs-trail/store/1", b"ecs-trail/store/9"))
    with pytest.raises((UsageError, IntegrityError)):
        store.info()


def test_info_says_what_there_is(store, logs, capsys):
    assert run(["store", "info", store.path.as_posix(), "--format", "json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert (known["rows"], known["files_seen"], known["files_failed"]) == (48, 14, 1)
    assert known["sources"][0]["source"] == logs.as_posix()
    assert not known["sources"][0]["unfinished"]
    assert run(["store", "info", store.path.as_posix()]) == 0
    assert known["seal"] in capsys.readouterr().out


def test_a_folder_that_holds_a_store_is_known_by_its_manifest(store):
    assert open_source(store.path.as_posix()).name == store.name


def test_snapshots_are_kept_beside_the_events(store):
    state = Document("role_state", "aws iam get-role", '{"Role": {}}', "2026-03-01T00:00:00+00:00")
    for _ in range(2):
        store.keep([state], "snapshot")
    assert store.documents() == [state]
    assert store.info()["saved_states"] == 1
    store.compact()
    assert store.documents() == [state]
    (path,) = parts(store, "documents")
    path.write_text(path.read_text().replace("{}", "[]"))
    assert kinds(store) == ["altered_part"]


def test_an_investigation_carries_the_verdict_on_a_store(tmp_path, capsys):
    logs = log_folder(tmp_path / "logs", files=6)
    store = Store(tmp_path / "store")
    collect_sources([FilesSource(logs)], store, everything(), limits=Limits(units=3))
    words = ["investigate", store.path.as_posix(), "--verify", "--format", "json"]
    # a broken file among the evidence makes 3, the verdict on the store alone would be 0
    assert run(words) == 3
    whole = json.loads(capsys.readouterr().out)
    assert whole["evidence"]["integrity"]["verdict"] == "intact"
    assert whole["evidence"]["integrity"]["checked"]["store_part"]["valid"] == len(list(store.manifest().parts()))
    assert "integrity_failure" not in {one["kind"] for one in whole["findings"]}
    assert run(["investigate", store.path.as_posix(), "--verify"]) == 3
    assert "INTACT" in capsys.readouterr().out
    first, second = [store.path / one["name"] for one in store.manifest().parts("events")][:2]
    first.write_bytes(first.read_bytes()[:-9] + b"x" + first.read_bytes()[-8:])
    second.unlink()
    (store.path / "notes.txt").write_text("x")
    assert run(words) == 4
    broken = json.loads(capsys.readouterr().out)
    (finding,) = [one for one in broken["findings"] if one["kind"] == "integrity_failure"]
    assert "in the store is not whole: 1 part of a store altered, 1 part of a store deleted" in finding["title"]
    assert "manifest" in finding["explanation"]
    assert finding["confidence"] == "certain"
    assert first.name in finding["explanation"]
    assert {one["status"] for one in broken["evidence"]["integrity"]["failures"]} == {"altered", "missing"}
    # without --verify nobody asked for a verdict
    assert run(["investigate", store.path.as_posix(), "--format", "json"]) == 3
    assert "integrity" not in json.loads(capsys.readouterr().out)["evidence"]
    manifest = store.path / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows":', b'"rows":1', 1))
    assert run(words) == 4
