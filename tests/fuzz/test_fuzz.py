"""The corpus, replayed: every input that once found new ground or a fault passes through its target again."""

import io
import zipfile
from pathlib import Path

import pytest

from fuzz.seeds import seeds
from fuzz.targets import TARGETS, texts, times

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file())


def test_every_target_has_a_corpus_and_it_is_small():
    assert {path.parent.name for path in FILES} == set(TARGETS)
    assert sum(path.stat().st_size for path in FILES) < 300_000


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_and_the_seeds_pass(target):
    for path in FILES:
        if path.parent.name == target:
            try:
                TARGETS[target](path.read_bytes())
            except Exception as error:
                raise AssertionError(f"{path.relative_to(CORPUS)}: {error!r}") from error
    for seed in seeds(target):
        TARGETS[target](seed)


def test_a_target_raises_where_its_promise_is_broken(monkeypatch):
    """The targets can fail: a scrubber that never comes to rest, a time that loses its zone."""
    monkeypatch.setattr("fuzz.targets.scrub", lambda text: f"{text}.")
    with pytest.raises(AssertionError):
        texts(b"x")
    monkeypatch.setattr("fuzz.targets.format_time", lambda moment: "no time")
    with pytest.raises(AssertionError):
        times(b"2026-03-02T09:10:00Z")


def test_a_zip_whose_directory_points_before_its_start_is_a_named_problem():
    """What the fuzzer found first: zipfile raises ValueError for it, and the run ended."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("log.json", b"{}" * 40)
    data = bytearray(made.getvalue())
    directory = data.find(b"PK\x01\x02")
    data[directory + 42 : directory + 46] = b"\x00\x00\x00\x00"
    end = data.find(b"PK\x05\x06")
    data[end + 16 : end + 20] = (directory + 64).to_bytes(4, "little")  # the archive seems to begin 64 bytes later
    TARGETS["containers"](bytes(data))
