"""Laws of the verification: what was done is found and nothing else; a verifier that believes too much is caught."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trails import Trail, key_list, rsa_key, trail

from ecs_trail.evidence.integrity import chain, collecting, logs, verifying
from ecs_trail.evidence.integrity.verdict import Integrity
from ecs_trail.evidence.integrity.verifying import verify_digests

HOURS = 5
#: What may be done to a digest, and to a log file.
TO_DIGESTS = ("keep", "keep", "delete", "alter", "forge")
TO_LOGS = ("keep", "keep", "keep", "delete", "alter")

Deeds = tuple[tuple[str, ...], tuple[str, ...]]
deeds = st.tuples(
    st.tuples(*[st.sampled_from(TO_DIGESTS)] * HOURS), st.tuples(*[st.sampled_from(TO_LOGS)] * (HOURS * 2))
)
ROOMY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def suffered(done: Deeds) -> Trail:
    """A trail to which these things were done."""
    made = trail(hours=HOURS)
    for key, deed in zip(made.digests, done[0], strict=True):
        if deed == "forge":
            made.forge(key, logFiles=[])
        elif deed != "keep":
            getattr(made, deed)(key)
    for key, deed in zip(made.logs, done[1], strict=True):
        if deed != "keep":
            getattr(made, deed)(key)
    return made


def expected(made: Trail, done: Deeds) -> set[tuple[str, str]]:
    """Status and key of every failure where all signatures were saved, worked out from what was done alone."""
    found = set()
    for index, (key, deed) in enumerate(zip(made.digests, done[0], strict=True)):
        if deed in {"alter", "forge"}:
            found.add(("altered", key))
        is_named = index + 1 < HOURS and done[0][index + 1] == "keep"
        has_older = any(one != "delete" for one in done[0][:index])  # else the saved files begin with the next
        if deed == "delete" and is_named and has_older:
            found.add(("missing", key))
        for place in (2 * index, 2 * index + 1):
            fault = {"alter": "altered", "delete": "missing"}.get(done[1][place])
            if deed == "keep" and fault is not None:
                found.add((fault, made.logs[place]))
    return found


def verified(made: Trail, folder: Path, signatures: str) -> Integrity:
    shutil.rmtree(folder, ignore_errors=True)
    made.to_folder(folder / "saved", signatures=signatures)
    folder.mkdir(exist_ok=True)
    keys = folder / "keys.json"
    keys.write_text(json.dumps(key_list(rsa_key())), encoding="utf-8")
    (folder / "saved").mkdir(exist_ok=True)
    return verify_digests(str(folder / "saved"), public_keys=[keys])


def failures(found: Integrity) -> set[tuple[str, str]]:
    return {(one.status, "AWSLogs" + one.name.partition("AWSLogs")[2]) for one in found.failures}


def holds(done: Deeds, folder: Path) -> None:
    """The law where every signature is there: exactly what was done is found."""
    made = suffered(done)
    found = verified(made, folder, "all")
    assert failures(found) == expected(made, done)
    has_digests = any(one != "delete" for one in done[0])
    sound = "intact" if has_digests else "nothing"
    assert found.verdict == ("failed" if expected(made, done) else sound)


@ROOMY
@given(done=deeds)
def test_exactly_what_was_done_is_found(done, tmp_path):
    holds(done, tmp_path / "law")


@ROOMY
@given(done=deeds)
def test_with_one_signature_nothing_untouched_is_blamed_and_nothing_touched_is_proven(done, tmp_path):
    made = suffered(done)
    found = verified(made, tmp_path / "law", "newest")
    touched = {
        key for key, deed in zip((*made.digests, *made.logs), (*done[0], *done[1]), strict=True) if deed != "keep"
    }
    # Where neither is proven, one of two neighbours was changed, and the newer is named.
    neighbours = {made.digests[at + 1] for at in range(HOURS - 1) if made.digests[at] in touched}
    assert {key for _, key in failures(found)} <= touched | neighbours
    proven = {each.found.digest.key for one in found.chains for each in one.digests if each.is_proven}
    assert not proven & touched
    changed = {key for key in touched if key in made.objects}
    if any(key in made.digests for key in changed):
        assert found.verdict in {"failed", "partial"}


@ROOMY
@given(kept=st.integers(0, HOURS - 1), signatures=st.sampled_from(("all", "newest")))
def test_sound_files_hold_wherever_they_were_cut_off(kept, signatures, tmp_path):
    made = trail(hours=HOURS)
    for index in range(kept):
        made.delete(made.digests[index])
        made.delete(made.logs[2 * index])
        made.delete(made.logs[2 * index + 1])
    assert verified(made, tmp_path / "law", signatures).verdict == "intact"


KEEP = ("keep",) * (HOURS * 2)


def one(place: int, deed: str, of: tuple[str, ...]) -> tuple[str, ...]:
    return (*of[:place], deed, *of[place + 1 :])


#: A verifier that believes too much -> what it then overlooks.
PLANTED = {
    "every signature fits": (
        lambda patch: patch.setattr(collecting, "fits", lambda *_: True),
        (one(4, "forge", KEEP[:HOURS]), KEEP),
    ),
    "every hash is right": (
        lambda patch: patch.setattr(
            verifying, "judge_log", lambda named, read: logs.JudgedLog(named, chain.Status.VALID)
        ),
        (KEEP[:HOURS], one(3, "alter", KEEP)),
    ),
    "nothing is ever missing": (
        lambda patch: patch.setattr(chain, "_find_missing", lambda *_: None),
        (one(2, "delete", KEEP[:HOURS]), KEEP),
    ),
    "what is absent is well": (
        lambda patch: patch.setattr(
            verifying.FolderShelf, "find", lambda self, _: self._by_base[next(iter(self._by_base))]
        ),
        (KEEP[:HOURS], one(5, "delete", KEEP)),
    ),
    "everything is altered": (
        lambda patch: patch.setattr(verifying, "sha256_of", lambda _: ""),
        (KEEP[:HOURS], KEEP),
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_law_catches_a_planted_fault(fault, tmp_path, monkeypatch):
    plant, done = PLANTED[fault]
    holds(done, tmp_path / "law")
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        holds(done, tmp_path / "law")
