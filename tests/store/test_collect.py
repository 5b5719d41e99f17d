"""Collecting from files: nothing twice, nothing lost, and the same answer as from the files themselves."""

import json
import os

import pytest
from kept import answer, content, log_folder, put, record

from ecs_trail import Store, collect, investigate, practice
from ecs_trail.cli.main import run
from ecs_trail.errors import UsageError
from ecs_trail.evidence.collect import Limits
from ecs_trail.evidence.collect import collect as collect_sources
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.selection import default_selection, everything, session

#: Kinds of every family: roles, policies, TLS, volumes, saved states, organizations, outages of other things.
KINDS = tuple(practice.kinds())
SOME = KINDS[:: max(1, len(KINDS) // 7)]


def law(source, folder, limits=None, **how):
    """Investigate the source itself and a store of it; both answers."""
    store = Store(folder)
    collect_sources([FilesSource(source)], store, default_selection(), limits=limits)
    return answer(investigate(source, **how)), answer(investigate(store, **how)), store


@pytest.mark.parametrize("kind", SOME)
def test_a_store_gives_the_answer_of_its_sources(kind, tmp_path):
    practice.run(2, kind, tmp_path / "drill")
    source = tmp_path / "drill" / "evidence"
    direct, stored, store = law(source, tmp_path / "store", Limits(units=9, rows=40))
    assert stored == direct
    assert json.loads(direct)["roles"]
    assert len(list(store.manifest().kind("batch"))) > 1
    store.compact()
    assert answer(investigate(store)) == direct


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_answer_of_its_sources(kind, tmp_path):
    practice.run(5, kind, tmp_path / "drill")
    direct, stored, _ = law(tmp_path / "drill" / "evidence", tmp_path / "store")
    assert stored == direct


def test_the_sample_gives_the_same_answer_from_a_store(tmp_path):
    direct, stored, store = law("sample_logs", tmp_path / "store")
    assert stored == direct
    assert store.documents()
    for how in (
        {"since": "2026-03-01", "until": "2026-03-02T14:30:00Z"},
        {"role": "ecsInfrastructureRole"},
        {"as_of": "2026-03-02T15:00:00Z"},
    ):
        assert answer(investigate(store, **how)) == answer(investigate("sample_logs", **how))


def test_without_its_saved_states_the_answer_would_be_another(tmp_path, monkeypatch):
    """The law above can fail."""
    monkeypatch.setattr("ecs_trail.evidence.store.store.task_texts", lambda _: [])
    direct, stored, _ = law("sample_logs", tmp_path / "store")
    assert stored != direct


def test_the_newest_stamp_counts_even_of_a_file_without_events(tmp_path):
    name = "111122223333_CloudTrail_eu-west-1_20260309T1210Z_abcdefghijklmnop.json"
    put(tmp_path / "logs" / name)
    put(tmp_path / "logs" / "one.json", record(1))
    collect(tmp_path / "logs", tmp_path / "store")
    assert investigate(f"store:{tmp_path / 'store'}").document["as_of"] == "2026-03-09T12:10:00Z"


def test_a_second_run_adds_nothing(tmp_path):
    logs = log_folder(tmp_path / "logs")
    store = Store(tmp_path / "store")
    first = collect(logs, store, selection=everything())
    assert (first.events_added, first.units_read, first.units_known) == (48, 14, 0)
    before, parts = content(store), list(store.manifest().parts())
    second = collect(logs, store, selection=everything())
    assert (second.events_added, second.units_read, second.units_known) == (0, 0, 14)
    assert content(store) == before
    assert list(store.manifest().parts()) == parts


def test_only_what_is_new_or_changed_is_read(tmp_path):
    logs = log_folder(tmp_path / "logs")
    store = Store(tmp_path / "store")
    collect(logs, store, selection=everything())
    put(logs / "new.json", record(900, minute=1))
    put(logs / "log-003.json", *(record(n, minute=n) for n in range(12, 17)))  # it grew by one event of another file
    done = collect(logs, store, selection=everything())
    assert (done.units_read, done.units_known) == (2, 13)
    assert store.events().num_rows == 49
    receipt = scan([StoreSource(store)], everything()).receipt
    assert (receipt.files_seen, receipt.files_failed) == (15, 1)
    assert receipt.records_read == receipt.events_selected + receipt.duplicates + receipt.records_not_selected
    assert (receipt.events_selected, receipt.duplicates, receipt.records_not_selected) == (49, 5, 0)


def test_a_relative_name_in_another_folder_is_another_file(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    for number, place in enumerate(("a", "b"), 1):
        path = put(tmp_path / place / "logs" / "one.json", record(number, minute=number))
        os.utime(path, (1_770_000_000, 1_770_000_000))
        monkeypatch.chdir(tmp_path / place)
        assert collect("logs", store, selection=everything()).events_added == 1
    assert store.events().num_rows == 2


def test_a_wider_selection_reads_again_and_a_narrower_does_not(tmp_path):
    logs = log_folder(tmp_path / "logs")
    put(logs / "other.json", record(700, userIdentity={"type": "AWSService", "invokedBy": "x.amazonaws.com"}))
    store = Store(tmp_path / "store")
    narrow = session("ECSTaskVolumesForEBS")
    assert collect(logs, store, selection=narrow).events_added == 48
    assert collect(logs, store, selection=narrow, since="2026-03-01T00:10:00Z").units_read == 0
    wide = collect(logs, store, selection=everything())
    assert wide.units_read == 15
    assert store.events().num_rows == 49
    receipt = scan([StoreSource(store)], everything()).receipt
    assert receipt.records_not_selected >= 0
    assert receipt.files_seen == 15
    assert collect(logs, store, selection=narrow).units_read == 0


def test_what_failed_when_collecting_is_told_when_investigating(tmp_path, capsys):
    logs = log_folder(tmp_path / "logs")
    folder = (tmp_path / "store").as_posix()
    assert run(["collect", logs.as_posix(), "--store", folder]) == 3
    assert "partial" in capsys.readouterr().err
    assert run(["collect", logs.as_posix(), "--store", folder]) == 3
    assert run(["investigate", f"store:{folder}", "--format", "json"]) == 3
    told = json.loads(capsys.readouterr().out.partition("\n")[2])["evidence"]
    direct = investigate(logs).document["evidence"]
    for name in ("files_seen", "files_read", "left_out", "files_failed", "records_read", "problems", "coverage"):
        assert told[name] == direct[name], name
    assert told["files_failed"] == 1


def test_a_failure_that_passes_is_forgotten_once_it_has_passed(tmp_path, monkeypatch):
    logs = log_folder(tmp_path / "logs")
    (logs / "broken.json").unlink()
    store = Store(tmp_path / "store")
    real = os.listdir
    (logs / "locked").mkdir()
    put(logs / "locked" / "inside.json", record(800, minute=5))

    def refusing(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refusing)
        first = collect(logs, store, selection=everything())
        again = collect(logs, store, selection=everything())
    for done in (first, again):
        assert [(one.kind, one.source) for one in done.problems] == [("no_permission", (logs / "locked").as_posix())]
        assert done.is_partial
    third = collect(logs, store, selection=everything())
    assert (third.events_added, third.problems, third.is_partial) == (1, [], False)
    store.compact()
    assert store.receipt().problems == []


def test_states_given_as_files_are_kept(tmp_path):
    state = {
        "tasks": [
            {
                "taskArn": "arn:aws:ecs:eu-west-1:111122223333:task/c/0123456789abcdef0123456789abcdef",
                "lastStatus": "DEPROVISIONING",
                "stoppingAt": "2026-03-01T00:30:00Z",
            }
        ]
    }
    (tmp_path / "tasks.json").write_text(json.dumps(state))
    logs = put(tmp_path / "logs" / "one.json", record(1))
    for _ in range(2):
        collect(logs, tmp_path / "store", tasks=[tmp_path / "tasks.json"])
    (document,) = Store(tmp_path / "store").documents()
    assert (document.kind, document.captured_at) == ("task_state", "2026-03-01T00:30:00+00:00")
    case = investigate(Store(tmp_path / "store"))
    assert case.task_states["last_status"].tolist() == ["DEPROVISIONING"]
    with pytest.raises(UsageError, match="cannot be read"):
        collect(logs, tmp_path / "other", tasks=[tmp_path / "none.json"])


def test_workers_make_no_difference(tmp_path):
    logs = log_folder(tmp_path / "logs", files=80)
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    for store, workers in ((one, 1), (two, 2)):
        collect_sources([FilesSource(logs)], store, everything(), workers=workers, limits=Limits(units=7))
    assert content(one) == content(two)


def test_rows_are_flushed_as_they_come(tmp_path):
    logs = log_folder(tmp_path / "logs", files=40)
    store = Store(tmp_path / "store")
    collect_sources([FilesSource(logs)], store, default_selection(), limits=Limits(rows=10))
    rows = [part["rows"] for part in store.manifest().parts("events")]
    assert max(rows) <= 13
    assert sum(rows) == 160


def test_files_are_read_in_groups_where_everything_is_kept(tmp_path):
    logs = log_folder(tmp_path / "logs", files=40)
    store = Store(tmp_path / "store")
    collect_sources([FilesSource(logs)], store, everything(), limits=Limits(units=3))
    rows = [part["rows"] for part in store.manifest().parts("events")]
    assert max(rows) <= 12
    assert sum(rows) == 160


def test_progress_is_told(tmp_path):
    logs = log_folder(tmp_path / "logs")
    seen = []
    for _ in range(2):
        collect(logs, tmp_path / "store", progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == [*range(1, 15), *range(1, 15)]
    assert {total for _, total in seen} == {14}


def test_places_that_cannot_be_are_refused_with_a_hint(tmp_path, capsys):
    logs = put(tmp_path / "logs" / "one.json", record(1)).as_posix()
    assert run(["collect", logs, "--store", "gs://bucket/prefix"]) == 2
    assert "name a folder, or s3://BUCKET/PREFIX" in capsys.readouterr().err
    assert run(["collect", logs, "--store", (tmp_path / "store").as_posix(), "--quiet"]) == 0
    assert run(["collect", f"store:{tmp_path / 'store'}", "--store", (tmp_path / "b").as_posix()]) == 2
    assert "is a store already" in capsys.readouterr().err
    assert run(["collect", (tmp_path / "none").as_posix(), "--store", (tmp_path / "c").as_posix()]) == 2


def test_the_command_says_what_it_did(tmp_path, capsys):
    logs = put(tmp_path / "logs" / "one.json", record(1)).as_posix()
    assert run(["collect", logs, "--store", (tmp_path / "store").as_posix()]) == 0
    assert capsys.readouterr().out.startswith("1 event added to ")
    assert run(["collect", logs, "--store", (tmp_path / "store").as_posix(), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["units_known"] == 1
    assert run(["store", "compact", (tmp_path / "store").as_posix()]) == 0
