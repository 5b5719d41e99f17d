"""Saved files verified offline: what holds, what was done to them, and what cannot be known."""

import gzip
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import PublicFormat
from trails import HOUR, START, Trail, key_list, packed, rsa_key, trail

from ecs_trail.cli.main import run
from ecs_trail.errors import UsageError
from ecs_trail.evidence.integrity.shelves import Scope
from ecs_trail.evidence.integrity.verdict import Integrity
from ecs_trail.evidence.integrity.verifying import verify_digests
from ecs_trail.times import Window


@pytest.fixture
def keys(tmp_path):
    """The public keys of AWS in a file."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(key_list(rsa_key())), encoding="utf-8")
    return path


def verified(made: Trail, tmp_path, keys, *, signatures="all", **scope) -> Integrity:
    folder = made.to_folder(tmp_path / "saved", signatures=signatures)
    return verify_digests(str(folder), scope=Scope(**scope), public_keys=[keys] if keys else [])


def wrong(found: Integrity) -> list[tuple[str, str, str]]:
    """Kind, status and last part of the name of every failure."""
    return [(one.kind, one.status, one.name.rpartition("/")[2]) for one in found.failures]


def base(key: str) -> str:
    return key.rpartition("/")[2]


@pytest.mark.parametrize("signatures", ["all", "newest"])
def test_sound_files_hold_and_one_signature_is_enough(signatures, tmp_path, keys):
    found = verified(trail(), tmp_path, keys, signatures=signatures)
    assert found.verdict == "intact"
    assert found.counts == {"digest": {"valid": 5}, "backfill_digest": {}, "log_file": {"valid": 10}, "store_part": {}}
    assert (found.entries, found.gaps, found.not_covered, found.problems) == ([], [], [], [])


def test_a_key_wrapped_as_the_guide_shows_it_is_taken(tmp_path, keys):
    keys.write_text(json.dumps([key_list(rsa_key(), form=PublicFormat.SubjectPublicKeyInfo)]), encoding="utf-8")
    assert verified(trail(), tmp_path, keys).verdict == "intact"


def test_without_any_signature_the_newest_is_unproven_and_the_rest_holds(tmp_path, keys):
    found = verified(trail(), tmp_path, keys, signatures="none")
    assert found.verdict == "partial"
    assert found.counts["digest"] == {"valid": 4, "unproven": 1}
    assert found.counts["log_file"] == {"valid": 8, "unproven": 2}


def test_without_keys_nothing_is_proven_but_a_change_is_seen(tmp_path):
    made = trail()
    assert verified(made, tmp_path / "a", None).verdict == "partial"
    made.alter(made.logs[3])
    found = verified(made, tmp_path / "b", None)
    assert wrong(found) == [("log_file", "altered", base(made.logs[3]))]
    assert "list-public-keys" in found.problems[0].detail


@pytest.mark.parametrize("sidecar", ["Z.json", "Z.json.gz.metadata.json", "Z.sig", "Z.json.gz.signature"])
def test_signatures_are_taken_in_every_shape_they_are_saved_in(sidecar, tmp_path, keys):
    made = trail()
    folder = made.to_folder(tmp_path / "saved", signatures="none")
    newest = folder / made.digests[-1]
    metadata = made.objects[made.digests[-1]][1]
    text = (
        metadata["signature"] if "sig" in sidecar else json.dumps({f"X-Amz-Meta-{k}": v for k, v in metadata.items()})
    )
    target = newest.parent / newest.name.replace("Z.json.gz", sidecar)
    if target.name == newest.name.removesuffix(".gz"):  # `NAME.json` is the name of an unpacked digest
        target = target.with_suffix(".head.json")
    target.write_text(text, encoding="utf-8")
    assert verify_digests(str(folder), public_keys=[keys]).verdict == "intact"


def test_flat_and_unpacked_files_hold(tmp_path, keys):
    made = trail()
    flat = tmp_path / "flat"
    flat.mkdir()
    for key, (data, metadata) in made.objects.items():
        (flat / base(key).removesuffix(".gz")).write_bytes(gzip.decompress(data))
        if metadata:
            (flat / f"{base(key)}.head.json").write_text(json.dumps({"Metadata": metadata}), encoding="utf-8")
    assert verify_digests(str(flat), public_keys=[keys]).verdict == "intact"


def test_an_altered_log_file(tmp_path, keys):
    made = trail()
    made.alter(made.logs[4])
    found = verified(made, tmp_path, keys)
    assert found.verdict == "failed"
    assert wrong(found) == [("log_file", "altered", base(made.logs[4]))]
    assert found.counts["log_file"] == {"valid": 9, "altered": 1}


def test_records_added_behind_the_gzip_stream_are_an_alteration(tmp_path, keys):
    made = trail()
    data, metadata = made.objects[made.logs[0]]
    made.objects[made.logs[0]] = (data + packed('{"Records":[]}'), metadata)
    found = verified(made, tmp_path, keys)
    assert wrong(found) == [("log_file", "altered", base(made.logs[0]))]
    assert "added behind" in found.failures[0].detail


def test_a_copy_that_was_altered_is_found_beside_the_true_one(tmp_path, keys):
    made = trail()
    folder = made.to_folder(tmp_path / "saved")
    made.alter(made.logs[0])
    (folder / base(made.logs[0])).write_bytes(made.objects[made.logs[0]][0])
    found = verify_digests(str(folder), public_keys=[keys])
    assert wrong(found) == [("log_file", "altered", base(made.logs[0]))]


def test_a_deleted_log_file(tmp_path, keys):
    made = trail()
    made.delete(made.logs[7])
    assert wrong(verified(made, tmp_path, keys)) == [("log_file", "missing", base(made.logs[7]))]


@pytest.mark.parametrize("renamed", [False, True])
def test_a_moved_log_file_is_found_by_name_or_by_content(renamed, tmp_path, keys):
    made = trail()
    key = made.logs[2]
    to = key.replace("_0000", "_1000") if renamed else key.replace("/2026/03/02/", "/2026/03/09/")
    made.move(key, to)
    found = verified(made, tmp_path, keys)
    assert wrong(found) == [("log_file", "moved", base(key))]
    assert found.failures[0].found_at.endswith(to)
    assert found.not_covered == []


def test_a_moved_digest_is_wrong_but_still_proves_its_log_files(tmp_path, keys):
    made = trail()
    key = made.digests[2]
    made.move(key, key.replace("/2026/03/02/", "/2026/03/03/"))
    found = verified(made, tmp_path, keys)
    assert wrong(found) == [("digest", "moved", base(key))]
    assert found.counts["log_file"] == {"valid": 10}


def test_a_deleted_digest_is_a_gap(tmp_path, keys):
    made = trail()
    made.delete(made.digests[2])
    found = verified(made, tmp_path, keys)
    assert wrong(found) == [("digest", "missing", base(made.digests[2]))]
    assert [(one.kind, one.start, one.end) for one in found.gaps] == [
        ("missing_digest", START + 2 * HOUR, START + 3 * HOUR)
    ]
    assert [(one.reason, one.count) for one in found.not_covered] == [("no_digest_covers_the_time", 2)]


def test_two_deleted_digests_in_a_row_are_one_gap_of_two_hours(tmp_path, keys):
    made = trail()
    made.delete(made.digests[1])
    made.delete(made.digests[2])
    found = verified(made, tmp_path, keys)
    assert [(one.start, one.end) for one in found.gaps] == [(START + HOUR, START + 3 * HOUR)]
    assert "2 digests" in found.gaps[0].detail


def test_an_altered_digest_is_wrong_and_its_log_files_are_unproven(tmp_path, keys):
    made = trail()
    made.alter(made.digests[1])
    found = verified(made, tmp_path, keys)
    assert wrong(found) == [("digest", "altered", base(made.digests[1]))]
    assert found.counts["log_file"] == {"valid": 8, "unproven": 2}
    assert [one.kind for one in found.gaps] == ["invalid_digest"]


@pytest.mark.parametrize("signatures", ["all", "newest"])
def test_a_digest_written_anew_to_hide_a_changed_log_file(signatures, tmp_path, keys):
    made = trail()
    made.alter(made.logs[4])
    made.forge(made.digests[2], logFiles=[made.named(made.logs[4]), made.named(made.logs[5])])
    assert wrong(verified(made, tmp_path, keys, signatures=signatures)) == [
        ("digest", "altered", base(made.digests[2]))
    ]


def test_the_newest_digest_written_anew(tmp_path, keys):
    made = trail()
    made.forge(made.digests[-1], logFiles=[])
    assert wrong(verified(made, tmp_path, keys)) == [("digest", "altered", base(made.digests[-1]))]


def test_a_digest_that_is_no_json(tmp_path, keys):
    made = trail()
    made.objects[made.digests[1]] = (b"\x1f\x8bnothing", {})
    assert wrong(verified(made, tmp_path, keys)) == [("digest", "altered", base(made.digests[1]))]


def test_a_restart_is_a_gap_and_no_failure(tmp_path, keys):
    made = trail(hours=2)
    stray = made.log(START + 3 * HOUR)
    logs = [made.log(START + 6 * HOUR + timedelta(minutes=10))]
    made.digest(START + 7 * HOUR, logs, starting=True)
    found = verified(made, tmp_path, keys)
    assert found.verdict == "intact"
    assert [(one.kind, one.start, one.end) for one in found.gaps] == [("restart", START + 2 * HOUR, START + 6 * HOUR)]
    assert [(one.reason, one.names[0].rpartition("/")[2]) for one in found.not_covered] == [
        ("no_digest_covers_the_time", base(stray))
    ]


def test_log_files_newer_than_the_last_digest_are_not_covered_yet(tmp_path, keys):
    made = trail()
    made.log(START + 5 * HOUR + timedelta(minutes=5))
    found = verified(made, tmp_path, keys)
    assert found.verdict == "intact"
    assert [(one.reason, one.count) for one in found.not_covered] == [("newer_than_last_digest", 1)]
    assert found.gaps == []


def test_digests_that_stop_while_log_files_go_on_are_said(tmp_path, keys):
    made = trail()
    made.log(START + 9 * HOUR)
    found = verified(made, tmp_path, keys)
    assert found.verdict == "intact"
    assert [one.kind for one in found.gaps] == ["open"]


def test_a_planted_log_file_is_said_to_be_named_by_no_digest(tmp_path, keys):
    made = trail()
    made.log(START + 2 * HOUR + timedelta(minutes=10))
    found = verified(made, tmp_path, keys)
    assert found.verdict == "intact"
    assert [(one.reason, one.count) for one in found.not_covered] == [("named_by_no_digest", 1)]


def test_backfill_digests_are_a_chain_of_their_own(tmp_path, keys):
    made = trail()
    late = [made.log(START + hour * HOUR + timedelta(minutes=50)) for hour in (1, 2, 3)]
    for hour, log in zip((3, 1, 2), late, strict=True):  # they are made in any order
        made.digest(START + (hour + 1) * HOUR, [log], backfill=True, starting=hour == 3)
    found = verified(made, tmp_path / "a", keys)
    assert (found.verdict, found.counts["backfill_digest"], found.not_covered) == ("intact", {"valid": 3}, [])
    assert found.gaps == []
    made.alter(made.backfills[0])
    found = verified(made, tmp_path / "b", keys)
    assert wrong(found) == [("backfill_digest", "altered", base(made.backfills[0]))]


def test_saved_files_begin_where_they_begin_unless_a_time_was_asked_for(tmp_path, keys):
    made = trail()
    for key in (*made.digests[:2], *made.logs[:4]):
        made.delete(key)
    found = verified(made, tmp_path / "a", keys)
    assert found.verdict == "intact"
    assert base(made.digests[1]) in found.chains[0].begins
    asked = verified(made, tmp_path / "b", keys, window=Window(START, None))
    assert wrong(asked) == [("digest", "missing", base(made.digests[1]))]


def test_a_window_an_account_and_a_region_narrow_it(tmp_path, keys):
    made, other = trail(), trail(region="us-west-2")
    other.alter(other.logs[0])
    folder = tmp_path / "saved"
    made.alter(made.logs[9])
    made.to_folder(folder), other.to_folder(folder)
    early = Window(START, START + 2 * HOUR + timedelta(minutes=1))

    def seen(**scope):
        return wrong(verify_digests(str(folder), scope=Scope(**scope), public_keys=[keys]))

    assert {one[2] for one in seen()} == {base(made.logs[9]), base(other.logs[0])}
    assert seen(region="us-west-2") == [("log_file", "altered", base(other.logs[0]))]
    assert seen(region="eu-west-1", window=early) == []
    assert verify_digests(str(folder), scope=Scope(account="999999999999"), public_keys=[keys]).verdict == "nothing"


def test_a_deleted_digest_outside_the_window_is_no_matter(tmp_path, keys):
    made = trail()
    made.delete(made.digests[0])
    found = verified(made, tmp_path, keys, window=Window(START + 2 * HOUR, START + 4 * HOUR))
    assert (found.verdict, found.entries, found.gaps) == ("intact", [], [])


def test_a_folder_without_digests_proves_nothing(tmp_path, keys):
    made = trail()
    for key in made.digests:
        made.delete(key)
    found = verified(made, tmp_path, keys)
    assert found.verdict == "nothing"
    assert [(one.reason, one.count) for one in found.not_covered] == [("no_digest_covers_the_time", 10)]


@pytest.mark.parametrize("text", ["{}", "no json", '{"PublicKeyList":[{"Fingerprint":"a"}]}', "[]"])
def test_files_that_hold_no_keys_are_refused(text, tmp_path, keys):
    keys.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="list-public-keys"):
        verified(trail(hours=1), tmp_path, keys)


def test_a_key_that_is_no_key_proves_nothing(tmp_path, keys):
    saved = key_list(rsa_key())
    saved["PublicKeyList"][0]["Value"] = "AAAA"
    keys.write_text(json.dumps(saved), encoding="utf-8")
    found = verified(trail(hours=1), tmp_path, keys)
    assert found.verdict == "partial"
    assert "no RSA key" in found.entries[0].detail


@pytest.mark.parametrize(("fault", "code"), [("none", 0), ("alter", 4), ("unsigned", 3), ("gone", 3)])
def test_exit_codes_and_the_first_words(fault, code, tmp_path, keys, capsys):
    made = trail()
    if fault == "alter":
        made.alter(made.logs[0])
    if fault == "gone":
        for key in made.digests:
            made.delete(key)
    folder = made.to_folder(tmp_path / "saved", signatures="none" if fault == "unsigned" else "all")
    assert run(["verify", str(folder), "--public-keys", str(keys)]) == code
    lines = capsys.readouterr().out.splitlines()
    expected = {
        "none": "INTACT",
        "alter": "FAILED: 1 log file altered",
        "unsigned": "NOT PROVEN",
        "gone": "NOT VERIFIED",
    }
    assert lines[2].startswith(expected[fault])
    assert lines[-1].startswith("checked: ")


def test_the_json_is_the_same_whatever_the_workers_and_the_order(tmp_path, keys, capsys):
    made = trail()
    made.alter(made.logs[1])
    made.delete(made.digests[2])
    folder = made.to_folder(tmp_path / "saved")
    answers = set()
    for workers in ("1", "7"):
        words = ["verify", str(folder), "--public-keys", str(keys), "--format", "json", "--workers", workers]
        assert run(words) == 4
        answers.add(capsys.readouterr().out)
    assert len(answers) == 1
    document = json.loads(answers.pop())
    assert document["schema"] == "ecs-trail/integrity/1"
    assert document["checked"]["log_file"]["altered"] == 1
    target = tmp_path / "answer.json"
    assert run(["verify", str(folder), "--public-keys", str(keys), "--format", "json", "--output", str(target)]) == 4
    assert json.loads(target.read_text(encoding="utf-8")) == document


def test_names_cannot_repaint_the_terminal(tmp_path, keys, capsys):
    made = trail(hours=2, name="trail\x1b[2J")
    made.alter(made.logs[0])
    made.delete(made.digests[0])
    folder = made.to_folder(tmp_path / "saved")
    run(["verify", str(folder), "--public-keys", str(keys)])
    assert "\x1b" not in capsys.readouterr().out
