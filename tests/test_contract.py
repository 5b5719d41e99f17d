"""The public interface: the JSON of an investigation, its exit codes and where its words go (contract)."""

import copy
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import incident
import jsonschema
import pytest

import ecs_trail as et
from ecs_trail import practice
from ecs_trail.views.story import tell

SCHEMA = json.loads((Path(__file__).parent / "contract" / "investigation.schema.json").read_text(encoding="utf-8"))
SAMPLE = Path(__file__).parent.parent / "sample_logs"
ORDER = list(SCHEMA["properties"])
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def wrong(document):
    """What a document has wrong, one line each."""
    return [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(document)]


def investigate(*words):
    """Run the command as a user's script does."""
    command = [sys.executable, "-m", "ecs_trail", "investigate", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False)


def set_at(document, path, value):
    """Set a value deep inside a document; the marker `Ellipsis` removes it."""
    *way, last = path
    for step in way:
        document = document[step]
    if value is ...:
        del document[last]
    else:
        document[last] = value


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("story", ["broken", "over", "quiet", "nothing", "partial"])
def test_documents_of_the_contract_are_accepted_with_further_fields(story):
    document = getattr(incident, story)()
    assert wrong(document) == []
    assert wrong(document | {"more": 1}) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(((name,), ...) for name in ORDER),
        *(((name,), None) for name in ORDER),
        (("schema",), "ecs-trail/investigation/2"),
        (("as_of",), "2026-03-03T18:00:00+00:00"),
        (("as_of",), "2026-03-03T18:00:00.5Z"),
        (("evidence", "files_failed"), -1),
        (("evidence", "left_out"), None),
        (("evidence", "coverage", 0, "complete"), "yes"),
        (("changes", 0, "effect"), "bad"),
        (("changes", 0, "lost"), None),
        (("changes", 0, "lost"), ["DeleteVolume"]),
        (("outages", 0, "phase"), "destroy"),
        (("outages", 0, "actions"), []),
        (("outages", 0, "end"), ""),
        (("tasks", 0, "state"), "broken"),
        (("tasks", 0, "at_risk"), None),
        (("tasks", 0, "cause_event_ids"), None),
        (("tasks", 0, "service"), ...),
        (("volumes", 0, "created_at"), "2026-03-02 08:00:11"),
        (("findings", 0, "kind"), "something"),
        (("findings", 0, "basis"), ["guess"]),
        (("findings", 1, "ended_at"), "2026-03-03T18:00:00Z"),
        (("findings", 2, "repair", 0, "commands"), None),
    ],
)
def test_every_departure_is_noticed(path, value):
    document = copy.deepcopy(incident.broken())
    set_at(document, path, value)
    assert wrong(document) != []


@pytest.fixture(scope="module")
def sample():
    """The answer to the sample as a script receives it."""
    return investigate(SAMPLE, "--format", "json")


def test_the_sample_follows_the_contract(sample):
    assert sample.returncode == 0, sample.stderr.decode()
    document = json.loads(sample.stdout)
    assert wrong(document) == []
    assert [name for name in document if name in ORDER] == ORDER


def test_every_row_keeps_the_order_of_its_keys(sample):
    document = json.loads(sample.stdout)
    for name, rule in (("tasks", "task"), ("volumes", "volume"), ("findings", "finding"), ("outages", "outage")):
        order = SCHEMA["$defs"][rule]["required"]
        for row in document[name]:
            assert [key for key in row if key in order] == order


def test_references_inside_the_document_hold(sample):
    document = json.loads(sample.stdout)
    outages = {row["id"] for row in document["outages"]}
    tasks = {row["task_arn"]: row for row in document["tasks"]}
    volumes = {row["volume_id"] for row in document["volumes"]}
    assert len(tasks) == len(document["tasks"])
    for row in (*document["tasks"], *document["tls"], *document["findings"]):
        assert row["outage_id"] is None or row["outage_id"] in outages
    for row in document["findings"]:
        assert set(row["task_arns"]) <= set(tasks)
        assert set(row["volume_ids"]) <= volumes
        if row["kind"] == "stuck_tasks":
            assert {tasks[arn]["state"] for arn in row["task_arns"]} <= {"stuck", "recovered"}


def test_two_runs_give_the_same_bytes_and_progress_stays_out(sample):
    again = investigate(SAMPLE, "--format", "json")
    assert again.stdout == sample.stdout
    assert again.stderr == b""


def test_a_finding_makes_exit_code_1_only_when_asked():
    assert investigate(SAMPLE).returncode == 0
    assert investigate(SAMPLE, "--exit-code").returncode == 1


def test_the_text_answer_is_plain_in_a_pipe_and_fits_one_screen():
    text = investigate(SAMPLE).stdout.decode()
    assert "\x1b" not in text
    # One line repeats the source as given: how long its path is depends on where the tests run.
    lines = text.replace(str(SAMPLE), "sample_logs").splitlines()
    assert all(len(line) <= 100 for line in lines if not line.startswith("aws "))
    assert "4 tasks hang in DEPROVISIONING" in lines[2]
    assert len(lines) <= 50


def test_output_goes_to_a_file_whole(sample, tmp_path):
    target = tmp_path / "answer.json"
    done = investigate(SAMPLE, "--format", "json", "--output", target)
    assert done.stdout == b""
    assert target.read_bytes() == sample.stdout


@pytest.mark.parametrize("kind", practice.kinds())
def test_every_kind_of_incident_follows_the_contract_and_can_be_told(kind, tmp_path):
    practice.run(11, kind, tmp_path)
    document = et.investigate(tmp_path / "evidence").document
    assert wrong(document) == []
    story = tell(document)
    assert story.headline.endswith(".")
    assert (story.verdict in {"broken", "over"}) == bool(document["findings"])
    assert "unknown" not in " ".join(story.details)


def test_a_certificate_that_never_came_to_be_a_secret_stands_apart(tmp_path):
    practice.run(11, "tls_issue_refused", tmp_path)
    document = et.investigate(tmp_path / "evidence").document
    assert document["tls"] == []
    assert {row["state"] for row in document["tls_never_issued"]} == {"blocked"}
    (finding,) = document["findings"]
    assert (finding["kind"], finding["cause_event_ids"]) == ("provisioning_blocked", [])
    assert "cannot be issued" in finding["title"]


RECORD = {
    "eventVersion": "1.11",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/maria", "accountId": "111122223333"},
    "eventTime": "2026-03-02T09:00:00Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "TagRole",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.9",
    "userAgent": "aws-cli/2.17.1",
    "requestParameters": {"roleName": "reporting", "tags": [{"key": "team", "value": "finance"}]},
    "responseElements": None,
    "eventID": "5d1c2d3e-4a5b-4c6d-8e7f-90a1b2c3d4e5",
    "eventType": "AwsApiCall",
    "recipientAccountId": "111122223333",
}


@pytest.fixture
def healthy(tmp_path):
    """A folder with one harmless record and a README."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps({"Records": [RECORD]}), encoding="utf-8")
    (folder / "README.md").write_text("# Logs of March\n", encoding="utf-8")
    return folder


def test_a_healthy_folder_is_said_to_be_healthy(healthy):
    done = investigate(healthy, "--exit-code")
    assert done.returncode == 0, done.stderr.decode()
    assert b"Nothing broken found" in done.stdout
    document = json.loads(investigate(healthy, "--format", "json").stdout)
    assert wrong(document) == []
    assert document["findings"] == []
    assert document["evidence"]["files_left_out"] == 1


def test_a_truncated_file_is_named_and_makes_exit_code_3(healthy):
    whole = gzip.compress(json.dumps({"Records": [RECORD | {"eventID": f"id-{n}"} for n in range(500)]}).encode())
    (healthy / "cut.json.gz").write_bytes(whole[: len(whole) // 2])
    done = investigate(healthy, "--format", "json", "--exit-code", "--quiet")
    assert done.returncode == 3
    assert b"cut.json.gz" in done.stderr
    assert b"Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert wrong(document) == []
    assert any("cut.json.gz" in row["source"] for row in document["evidence"]["problems"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "2026-03-02T09:00:00"], "time zone"),
        (["--since", "yesterday"], "not a time"),
        (["--stuck-after", "soon"], "not a duration"),
        (["--since", "2026-03-03", "--until", "2026-03-02"], "before it starts"),
    ],
)
def test_times_that_cannot_be_meant_are_refused_with_a_hint(healthy, words, said):
    done = investigate(healthy, *words)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert re.search(r"^Hint: ", done.stderr.decode(), re.MULTILINE)
    assert done.stdout == b""


def test_a_source_that_is_not_there_is_named(tmp_path):
    done = investigate(tmp_path / "nowhere")
    assert done.returncode in (2, 5)
    assert b"nowhere" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("since", ["-6h", "2026-03-02", "2026-03-02T10:00:00+01:00"])
def test_times_of_the_contract_are_taken(healthy, since):
    assert investigate(healthy, "--since", since).returncode == 0
