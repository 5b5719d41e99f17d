"""The sample story: the committed bytes are those of the generator, and it tells what its README says."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ecs_trail.practice import sample_answer, write_sample

COMMITTED = Path(__file__).parents[2] / "sample_logs"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def content(path):
    """Content without the container: other zlib builds may compress the same text to other bytes."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_committed_sample_is_what_the_generator_writes(written):
    mine, theirs = files_of(written), files_of(COMMITTED)
    assert list(mine) == list(theirs)
    assert [name for name in mine if content(mine[name]) != content(theirs[name])] == []


def test_same_bytes_every_time(written, tmp_path):
    write_sample(tmp_path)
    first, second = files_of(written), files_of(tmp_path)
    assert {name: path.read_bytes() for name, path in first.items()} == {
        name: path.read_bytes() for name, path in second.items()
    }


def test_size_and_life(written):
    paths = files_of(written).values()
    assert sum(path.stat().st_size for path in paths) < 2_000_000
    records = [record for path in paths if path.suffix == ".gz" for record in json.loads(content(path))["Records"]]
    assert len(records) > 2000
    assert {record["recipientAccountId"] for record in records} == {"111122223333", "444455556666"}
    assert {"eu-west-1", "us-west-2", "us-east-1"} <= {record["awsRegion"] for record in records}


def test_answer_holds_the_promised_scenes():
    answer = sample_answer()
    ongoing = [finding for finding in answer["findings"] if finding["status"] == "ongoing"]
    assert [finding["kind"] for finding in ongoing] == ["stuck_tasks", "tasks_at_risk"]
    assert len(ongoing[0]["task_arns"]) == 4
    assert len(ongoing[0]["cause_event_ids"]) == 2
    states = [row["state"] for row in answer["tasks"].values()]
    assert states.count("recovered") == 3
    by_hand = [
        row["deleted_by"] for row in answer["volumes"].values() if row["deleted_by"] and not row["deleted_by_ecs"]
    ]
    assert by_hand == ["arn:aws:iam::444455556666:user/dmitri"]
    assert sorted(row["state"] for row in answer["tls"].values()) == ["deleted", "healthy"]
    assert len(answer["harmless_event_ids"]) == 5


def test_as_of_is_the_newest_stamp(written):
    stamps = [path.name.split("_")[3] for path in files_of(written).values() if path.suffix == ".gz"]
    newest = datetime.strptime(max(stamps), "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
    assert sample_answer()["as_of"] == newest.strftime("%Y-%m-%dT%H:%M:%SZ")
