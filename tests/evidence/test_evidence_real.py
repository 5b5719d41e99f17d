"""Published CloudTrail data, folder by folder, against the counts its README gives.

The data lies beside the repository and is never part of it; where it is absent there is nothing to compare with.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from evidence_builders import check_ledger, content, read

from ecs_trail.evidence.sources.base import Evidence, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import default_selection, everything
from ecs_trail.vocabulary import LEFT_OUT_KINDS

DATA = Path(__file__).resolve().parents[3] / "shared" / "real_cloudtrail"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"published data is not there: {DATA}")


@dataclass(frozen=True)
class Expected:
    """Counts of one folder. `readme` is the README's count of records; `why` explains every difference to it."""

    readme: int
    read: int
    rejected: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    partial: frozenset[str] = frozenset()
    why: str = ""


LICENCE = {"not_cloudtrail": 1}
FOLDERS = {
    "aws_docs_samples": Expected(
        145, 141, left_out={"digest": 2, "insight": 3}, failed=24, partial=frozenset({"broken_json"}),
        why="144 records stand in strict JSON by any walker; 5 of them are Insights events (3 files), left out. "
        "Of 26 samples that are no strict JSON, 2 break only by line ends in strings and are read; 24 are named.",
    ),
    "cloud_custodian_eventbridge": Expected(
        24, 23, 1, {"not_cloudtrail": 3, "other_event": 11}, partial=frozenset({"rejected_record"}),
        why="one bare record (bedrock) has no eventTime: rejected. Two Config rule payloads are no events at all.",
    ),
    "cloudgrep": Expected(2, 2, left_out=LICENCE, failed=1, partial=frozenset({"truncated_file"})),
    "datadog_stratus_red_team": Expected(310, 310, left_out=LICENCE),
    "mozdef_2014": Expected(3, 3, left_out=LICENCE),
    "not_cloudtrail_s3_notifications": Expected(0, 0, left_out={"not_cloudtrail": 1, "s3_notification": 14}),
    "ocsf_examples": Expected(
        6, 10, failed=2, partial=frozenset({"broken_json"}),
        why="six records, and four of them again as OCSF; the other two OCSF files are no valid JSON.",
    ),
    "opensearch_catalog": Expected(
        51, 891, left_out=LICENCE, partial=frozenset({"broken_json"}),
        why="the README's 51 leave out the broken file; the 840 records around its wrong brackets are read.",
    ),
    "otrf_security_datasets": Expected(
        103, 103, left_out={"not_cloudtrail": 2}, why="the second zip is a table of another make.",
    ),
    "panther_analysis_rule_tests": Expected(
        462, 445, 18, LICENCE, partial=frozenset({"rejected_record"}),
        why="464 objects: 18 without a usable time are rejected, one has neither event source nor identity nor time.",
    ),
    "plaso_lookup_events": Expected(6, 6, left_out=LICENCE),
    "security_lake_parquet_sample": Expected(0, 0, left_out=LICENCE),
    "streamalert_rule_tests": Expected(
        57, 38, 5, {"not_cloudtrail": 1, "insight": 1, "other_event": 6}, partial=frozenset({"rejected_record"}),
        why="1 Insights event; 13 envelopes whose detail-type is the literal '...' are no CloudTrail envelopes; "
        "5 records have placeholders for times.",
    ),
    "suzaku_sans504_s3_ransomware_part1": Expected(11805, 11805),
    "traildiscover_log_examples": Expected(563, 563, left_out={"empty": 21, "not_cloudtrail": 1}),
    "trailscraper": Expected(2, 4, left_out=LICENCE, why="the same two records lie there twice."),
    "umccr_flaws_cloud_and_shapes": Expected(206, 206, left_out=LICENCE),
}  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS)
def test_counts_of_a_folder(folder: str) -> None:
    expected = FOLDERS[folder]
    receipt = read(DATA / folder).receipt
    assert receipt.records_read == expected.read
    assert receipt.records_rejected == expected.rejected
    assert receipt.left_out == expected.left_out
    assert receipt.files_failed == expected.failed
    assert {problem.kind for problem in receipt.problems if problem.is_partial} == expected.partial
    assert set(receipt.left_out) <= set(LEFT_OUT_KINDS)
    assert expected.read == expected.readme or expected.why


#: What the two published files of a pair do not agree on: local times of the OCSF file, written by hand.
_DISAGREED = {"session_created_at"}


@pytest.mark.parametrize("path", sorted((DATA / "ocsf_examples" / "v1.1.0").rglob("*.ocsf")), ids=lambda p: p.stem)
def test_an_ocsf_event_gives_the_row_of_its_record(path: Path) -> None:
    assert content(read(path).events) == content(read(path.with_suffix(".raw")).events)


def test_an_ocsf_event_made_by_ecs_gives_the_row_of_its_record() -> None:
    (path,) = (DATA / "ocsf_examples" / "v1.5.0").rglob("account_change.ocsf")
    (mine,), (theirs,) = content(read(path).events), content(read(path.with_suffix(".raw")).events)
    assert {name for name in mine if mine[name] != theirs[name]} == _DISAGREED
    assert mine["invoked_by"] == "ecs.amazonaws.com"


def test_the_parquet_sample_opens_and_is_of_another_product() -> None:
    assert read(DATA / "security_lake_parquet_sample").receipt.items_left_out == {"other_event": 1}


def test_every_folder_is_in_the_table() -> None:
    assert set(FOLDERS) == {path.name for path in DATA.iterdir() if path.is_dir()}


@pytest.fixture(scope="module")
def everything_there() -> Evidence:
    return scan([FilesSource(DATA)], everything())


def test_the_copies_of_two_trails_count_once() -> None:
    evidence = read(DATA / "suzaku_sans504_s3_ransomware_part1")
    assert evidence.events.num_rows == 9342
    assert evidence.receipt.problems == []
    assert evidence.receipt.newest_stamp is not None
    assert len({region for _, region in evidence.receipt.spans}) == 13


def test_raw_is_the_record(everything_there: Evidence) -> None:
    check_ledger(everything_there)
    for raw, name in zip(
        everything_there.events.column("raw").to_pylist(),
        everything_there.events.column("event_name").to_pylist(),
        strict=True,
    ):
        made = json.loads(raw)
        assert made["eventName"] == name


def test_no_credentials_leave_in_columns(everything_there: Evidence) -> None:
    for text in everything_there.events.column("response_elements").to_pylist():
        for token in _values(json.loads(text) if text else None, {"sessionToken", "secretAccessKey", "credentials"}):
            assert token in (None, "HIDDEN_BY_ECS_TRAIL")


def _values(value: object, names: set[str]) -> list[object]:
    if isinstance(value, list):
        return [found for item in value for found in _values(item, names)]
    if not isinstance(value, dict):
        return []
    here = [inner for key, inner in value.items() if key in names]
    return here + [found for key, inner in value.items() if key not in names for found in _values(inner, names)]


def test_columns_that_text_search_can_check(everything_there: Evidence) -> None:
    """Session names, requested names and accounts, by an independent walk over the raw records."""
    for row in everything_there.events.select(
        ["raw", "session_name", "requested_session_name", "identity_type", "error_code", "event_id"]
    ).to_pylist():
        made = json.loads(row["raw"])
        identity = made.get("userIdentity") or {}
        arn = identity.get("arn") or ""
        if ":assumed-role/" in arn:
            assert row["session_name"] == arn.split("/")[-1]
        assert row["identity_type"] == identity.get("type")
        assert row["error_code"] == (made.get("errorCode") or None)
        if made["eventName"].startswith("AssumeRole") and isinstance(made.get("requestParameters"), dict):
            assert row["requested_session_name"] == made["requestParameters"].get("roleSessionName")


def test_the_selection_is_the_reference_on_real_data(everything_there: Evidence) -> None:
    evidence = scan([FilesSource(DATA)], default_selection())
    reference = default_selection().filter(everything_there.events)
    assert evidence.events.column("event_id").to_pylist() == reference.column("event_id").to_pylist()
    assert evidence.events.equals(reference)
