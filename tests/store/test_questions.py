"""How rows lie in a store of everything: questions read little, and get the answer of a store that is read whole."""

import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from kept import content, log_folder, put, record

from ecs_trail.errors import IntegrityError, UsageError
from ecs_trail.evidence.collect import Limits
from ecs_trail.evidence.collect import collect as collect_sources
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store import parts as layout
from ecs_trail.evidence.store.batches import WITHOUT
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import Window

NIGHT = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, tzinfo=UTC))
MINE = Selection((Clause(accounts=frozenset({"111122223333"})),))
QUESTIONS = {
    "default": default_selection(),
    "everything": everything(),
    "session of ECS": session("ECSTaskVolumesForEBS"),
    "another session": session("alice"),
    "nobody": session("nobody"),
    "name": Selection((Clause(event_names=frozenset({"RunInstances"})),)),
    "source and name": Selection((Clause(event_sources=frozenset({"s3.amazonaws.com"}), failed=False),)),
    "failed": Selection((Clause(failed=True),)),
    "place": Selection((Clause(regions=frozenset({"us-east-1"}), accounts=frozenset({"111122223333"})),)),
    "default at night": default_selection().during(NIGHT),
    "all at night": everything().during(NIGHT),
    "two clauses": session("alice") | Selection((Clause(event_names=frozenset({"GetObject"}), window=NIGHT),)),
    "nothing": Selection(()),
}


def background(number):
    """A record of daily life."""
    who = ("alice", "bob", "carol")[number % 3]
    arn = f"arn:aws:sts::111122223333:assumed-role/people/{who}"
    error = {"errorCode": "AccessDenied", "errorMessage": "no"} if number % 7 == 0 else {}
    return record(
        number,
        minute=number % 2000,
        name=("RunInstances", "GetObject", "ListBuckets")[number % 3],
        eventSource=("ec2.amazonaws.com", "s3.amazonaws.com", "s3.amazonaws.com")[number % 3],
        awsRegion=("eu-west-1", "us-east-1")[number % 2],
        userIdentity={"type": "AssumedRole", "principalId": f"AROAX:{who}", "arn": arn, "accountId": "111122223333"},
        **error,
    )


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Files with events of an investigation among others, one file twice, and one in an odd spelling."""
    folder = tmp_path_factory.mktemp("logs")
    log_folder(folder, files=4)
    for number in range(8):
        many = [background(1000 + 40 * number + n) for n in range(40)]
        put(folder / f"many-{number}.json", *many, record(500 + number, minute=number))
    (folder / "twice.json").write_bytes((folder / "many-3.json").read_bytes())
    (folder / "odd.json").write_text(json.dumps({"Records": [{**background(9000), "readOnly": "true"}]}))
    return folder


@pytest.fixture(params=["collected", "compacted"])
def store(request, logs, tmp_path, monkeypatch):
    """A store of everything, its row groups so small that there is something to skip."""
    monkeypatch.setattr(layout, "ALIKE_ROWS", 16)
    made = Store(tmp_path / "store")
    collect_sources([FilesSource(logs)], made, everything(), limits=Limits(units=5))
    if request.param == "compacted":
        before = content(made)
        made.compact(rows=100)
        assert content(made) == before
    return made


@pytest.fixture(scope="module")
def plain(logs, tmp_path_factory):
    """All rows, as they come without a store of everything."""
    made = Store(tmp_path_factory.mktemp("plain") / "store")
    collect_sources([FilesSource(logs)], made, MINE)
    return made.events()


@pytest.mark.parametrize("asked", QUESTIONS)
def test_every_question_gets_the_answer_of_all_rows(asked, store, plain):
    wanted = QUESTIONS[asked].filter(plain)
    assert store.events(QUESTIONS[asked]).to_pylist() == wanted.to_pylist()
    few = store.events(QUESTIONS[asked], columns=["raw", "event_id"])
    assert few.column_names == ["raw", "event_id"]
    assert few.to_pylist() == wanted.select(["raw", "event_id"]).to_pylist()


def test_rows_of_an_investigation_stand_apart(store):
    parts = list(store.manifest().parts("events"))
    others = [part for part in parts if WITHOUT in part]
    assert others
    for part in others:
        assert default_selection().filter(pq.read_table(store.path / part["name"])).num_rows == 0
    assert sum(part["rows"] for part in others) > 250
    assert store.verify() == []


def test_a_question_of_an_investigation_opens_no_other_part(store):
    known = store.events(default_selection()).num_rows
    for part in store.manifest().parts("events"):
        if WITHOUT in part:
            (store.path / part["name"]).unlink()
    assert store.events(default_selection(), columns=["event_id"]).num_rows == known == 24
    with pytest.raises(IntegrityError, match="is gone or cannot be read"):
        store.events(session("alice"), columns=["event_id"])


def test_row_groups_that_cannot_match_are_not_read(store, monkeypatch):
    read = []
    whole = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_groups", lambda self, groups, **how: read.extend(groups) or whole(self, groups, **how)
    )
    store.events(Selection((Clause(event_names=frozenset({"RunInstances"})),)), columns=["event_id"])
    some = len(read)
    read.clear()
    store.events(Selection((Clause(failed=False),)), columns=["event_id"])
    assert 0 < some < len(read)


def test_a_column_that_is_none_is_refused(store):
    with pytest.raises(UsageError, match="no column 'ids'"):
        store.events(columns=["ids"])


def test_a_store_written_before_is_read_and_added_to(logs, tmp_path, monkeypatch):
    """Stores of earlier versions have no rows apart; this is what they look like."""
    old = Store(tmp_path / "store")
    collect_sources(
        [FilesSource(logs / "many-1.json")], old, Selection((Clause(accounts=frozenset({"111122223333"})),))
    )
    assert not any(WITHOUT in part for part in old.manifest().parts("events"))
    collect_sources([FilesSource(logs)], old, everything())
    new = Store(tmp_path / "new")
    collect_sources([FilesSource(logs)], new, everything())
    assert old.events(columns=EVENT_SCHEMA.names).to_pylist() == new.events().to_pylist()
    assert old.verify() == []
