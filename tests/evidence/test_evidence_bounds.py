"""What an attacker shapes stays in bounds: each file is named, memory is bounded, and the log beside it is read."""

import bz2
import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from evidence_builders import Record, dump, read, record

from ecs_trail.cli.main import run
from ecs_trail.doors import read as read_frame
from ecs_trail.evidence.compression import Bounds, expand
from ecs_trail.evidence.scanning import scan_bytes, scan_path
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.selection import everything

#: Megabytes that a process may take at most, whatever it is given.
MOST = 400
SCRIPT = Path(__file__).parent / "measured.py"
RECORDS = [record(number) for number in range(20)]
COMPACT = dump({"Records": RECORDS}).encode()
ONE = dump(record(1)).encode()
MIB = 1 << 20


def wide(step: int, size: int) -> bytes:
    """Bytes that shrink some four-hundredfold: below what is refused for its growth alone."""
    return b"".join(os.urandom(step) + bytes(MIB) for _ in range(size))


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def endless() -> bytes:
    return b'{"Records":[' + b",".join([ONE] * 100) + b',{"a":"' + b"A" * (180 * MIB) + b'"}]}'


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(bytes(300 * MIB)),
    "gzip below the ratio": lambda: gzip.compress(wide(1024, 300)),
    "zstd": lambda: zstandard.compress(bytes(300 * MIB)),
    "bzip2": lambda: bz2.compress(bytes(300 * MIB)),
    "zip": lambda: zipped(("a.json", bytes(300 * MIB)), ("b.json", COMPACT)),
    "zip in zip": lambda: zipped(("a.zip", zipped(("b.zip", zipped(("c.json", bytes(300 * MIB))))))),
    "gzip in zip": lambda: zipped(("a.gz", gzip.compress(wide(1024, 300)))),
}
CROWDS: dict[str, Callable[[], bytes]] = {
    "objects": lambda: b"[" + b"{}," * (10 * MIB) + b"{}]",
    "lists in Records": lambda: b'{"Records":[' + b"[]," * (10 * MIB) + b"[]]}",
    "numbers": lambda: b'{"Records":[' + b"1," * (15 * MIB) + b"1]}",
    "lines": lambda: b"{}\n" * (10 * MIB),
    "lines of no JSON": lambda: b"ab\n" * (15 * MIB),
    "members": lambda: b'{"eventVersion":1,' + b",".join(b'"%020d":1' % n for n in range(2_000_000)) + b"}",
    "openers": lambda: b'{"Records":[' + b'{"eventVersion":1},' * (2 * MIB) + b'{"x',
    "one endless line": endless,
    "one rare character": lambda: b'{"Records":[{"a":"' + b"A" * (50 * MIB) + "😀".encode(),
    "a text in a text": lambda: b'{"CloudTrailEvent":"' + b"A" * (50 * MIB) + b'"}',
    "an open quote in a table": lambda: b'eventName,eventTime,eventID,eventSource\n"' + b"a,b,c,d\n" * (15 * MIB),
}


def measured(folder: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_bounded(folder: Path, name: str) -> dict[str, Any]:
    """The bounds of memory; the hostile file named; the log beside it read whole."""
    (folder / "log.json").write_bytes(COMPACT)
    found = measured(folder)
    assert found["peak"] <= MOST, found
    assert found["selected"] >= 20
    assert found["closes"] is True
    assert found["partial"] is True
    assert {one[0].partition("!")[0] for one in found["problems"]} == {name}
    return found


@pytest.mark.parametrize(
    "which", ["gzip below the ratio", *(pytest.param(one, marks=pytest.mark.slow) for one in BOMBS)]
)
def test_bombs(which: str, tmp_path: Path) -> None:
    (tmp_path / "bomb").write_bytes(BOMBS[which]())
    found = assert_bounded(tmp_path, "bomb")
    assert "too_large" in [one[1] for one in found["problems"]]
    assert found["selected"] == 20  # the other member of the zip holds the same records


@pytest.mark.parametrize("which", ["objects", *(pytest.param(one, marks=pytest.mark.slow) for one in CROWDS)])
def test_crowds(which: str, tmp_path: Path) -> None:
    (tmp_path / "crowd.json").write_bytes(CROWDS[which]())
    assert_bounded(tmp_path, "crowd.json")


@pytest.mark.slow
def test_a_sparse_gigabyte_in_one_line(tmp_path: Path) -> None:
    with (tmp_path / "crowd.json").open("wb") as stream:
        stream.write(b'{"Records":[' + ONE + b',{"a":"')
        stream.truncate(1 << 30)
    (problem,) = assert_bounded(tmp_path, "crowd.json")["problems"]
    assert problem[1] == "too_large"
    assert "--max-expansion" in problem[2]


@pytest.mark.slow
def test_a_gigabyte_of_lines_is_read_whole(tmp_path: Path) -> None:
    other = dump({**record(2), "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/a"}}).encode() + b"\n"
    with (tmp_path / "log.jsonl").open("wb") as stream:
        stream.write(ONE + b"\n")
        block = other * 1000
        while stream.tell() < 1 << 30:
            stream.write(block)
    script = (
        "import sys; from ecs_trail.evidence.sources.base import scan\n"
        "from ecs_trail.evidence.sources.files import FilesSource; from ecs_trail.selection import session\n"
        "r = scan([FilesSource(sys.argv[1])], session('ECSTaskVolumesForEBS')).receipt\n"
        "peak = int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) >> 10\n"
        "print(r.records_read, r.events_selected, len(r.problems), peak)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True)
    records, selected, problems, peak = map(int, done.stdout.split())
    assert (selected, problems) == (1, 0)
    assert records > 900_000
    assert peak <= MOST


def small(part: int = 40_000) -> Bounds:
    return Bounds(part=part)


def test_lines_in_pieces_are_read_as_lines_at_once(tmp_path: Path) -> None:
    """Also with broken lines, rejected records and lines that are no records, from memory and from disk."""
    lines = [dump(record(number % 3000, eventID=f"e-{number}")) for number in range(400)]
    lines[17] = lines[17].replace('"readOnly":', '"readOnly"')
    lines[250] = dump(record(1, eventTime="never"))
    lines[300] = dump({"messageType": "CONTROL_MESSAGE", "logEvents": []})
    text = ("\n".join(lines) + "\n").encode()
    path = tmp_path / "log.jsonl"
    path.write_bytes(text)
    probe = probe_of(everything())
    whole = scan_bytes(text, path.as_posix(), probe)
    for pieces in (
        scan_bytes(text, path.as_posix(), probe, bounds=small()),
        scan_path(path, path.as_posix(), probe, bounds=small()),
    ):
        assert pieces.rows == whole.rows  # places of records included
        assert len(whole.rows) == 397
        counts = ("records_read", "records_rejected", "items_left_out", "spans", "failed")
        assert [getattr(pieces, one) for one in counts] == [getattr(whole, one) for one in counts]
        assert [one.kind for one in pieces.problems] == [one.kind for one in whole.problems]


def test_a_line_that_is_too_long_ends_the_reading_with_its_place(tmp_path: Path) -> None:
    text = b"".join(dump(made).encode() + b"\n" for made in RECORDS) + b'{"a":"' + b"A" * 90_000
    reading = scan_bytes(text, "log.jsonl", probe_of(everything()), bounds=small(100_000))
    assert reading.records_read == 20
    (problem,) = reading.problems
    assert (problem.kind, "begins at byte" in problem.detail) == ("too_large", True)


def test_the_bound_is_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.json").write_bytes(COMPACT)
    words = ["investigate", tmp_path.as_posix(), "--quiet"]
    assert run([*words, "--max-expansion", "10KB"]) == 3
    assert "too_large" in capsys.readouterr().err
    assert run([*words, "--max-expansion", "1MB"]) == 0
    assert run([*words, "--max-expansion", "much"]) == 2
    assert len(read_frame(tmp_path, selection=everything(), max_expansion="1MB")) == 20
    assert len(read_frame(tmp_path, selection=everything(), max_expansion=10_000)) == 0


@pytest.mark.parametrize("size", [4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 8 * MIB, 13 * MIB + 7])
def test_expansion_in_steps_loses_nothing(size: int) -> None:
    data = (os.urandom(1000) + bytes(9000)) * (size // 10_000 + 1)
    for packed in (gzip.compress(data[:size]), bz2.compress(data[:size]), zstandard.compress(data[:size]),
                   gzip.compress(data[:size]) + gzip.compress(b"more")):  # fmt: skip
        (part,) = expand(packed, "x")
        assert part.problems == []
        assert part.data.removesuffix(b"more") == data[:size]


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "lone surrogates": (lambda: COMPACT.replace(b'"quotes', b'"\\ud800\\udc00\\udfff'), ""),
    "NUL": (lambda: COMPACT.replace(b'"quotes', b'"\\u0000'), ""),
    "huge numbers": (lambda: COMPACT.replace(b'"readOnly":false', b'"readOnly":' + b"9" * 5000), ""),
    "exponents": (lambda: COMPACT.replace(b'"readOnly":false', b'"readOnly":1e999999'), ""),
    "a BOM": (lambda: b"\xef\xbb\xbf" + COMPACT, ""),
    "UTF-16": (lambda: COMPACT.decode().encode("utf-16"), ""),
    "duplicate keys": (lambda: COMPACT.replace(b'"readOnly":false', b'"readOnly":true,"readOnly":false'), ""),
    "keys that differ by case": (lambda: COMPACT.replace(b'"readOnly":', b'"READONLY":1,"readonly":2,"readOnly":'), ""),
    "records of 1 MB": (lambda: COMPACT.replace(b'"quotes', b'"' + b"q" * MIB), ""),
}  # fmt: skip


@pytest.mark.parametrize("which", ODD)
def test_odd_values_cost_no_record(which: str, tmp_path: Path) -> None:
    data = ODD[which][0]()
    assert data != COMPACT
    (tmp_path / "odd.json").write_bytes(data)
    evidence = read(tmp_path)
    assert evidence.receipt.events_selected == 20, evidence.receipt.problems
    assert evidence.receipt.closes


def test_depth_in_every_record(tmp_path: Path) -> None:
    deep = dump({"Records": RECORDS}).replace('"readOnly":false', '"readOnly":' + "[" * 10_000 + "]" * 10_000, 1)
    (tmp_path / "deep.json").write_text(deep)
    (tmp_path / "log.json").write_text(dump({"Records": [record(30)]}))
    receipt = read(tmp_path).receipt
    assert receipt.events_selected == 20  # all but the deep one
    assert receipt.is_partial
    assert all(one.source.endswith("deep.json") for one in receipt.problems)


def made(name: str) -> bytes:
    return zipped((name, COMPACT))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/cron.d/x", "C:\\x.json", "CON", "a\nb.json", "\x1b[2J.json", "..", "a" * 9000]
)
def test_names_in_archives_build_no_path(name: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.zip").write_bytes(made(name))
    before = sorted(tmp_path.rglob("*"))
    receipt = read(logs).receipt
    assert receipt.events_selected == 20
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file name is bytes, and a zip's may be anything."""
    for name in (b"\xff\xfe.json", b"a\nb.json", b"\x1b[2J.json", b"-rf"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as stream:  # noqa: PTH118, PTH123
            stream.write(COMPACT)
    receipt = read(tmp_path).receipt
    assert (receipt.files_read, receipt.events_selected, receipt.duplicates) == (4, 20, 60)
    assert run(["investigate", tmp_path.as_posix(), "--format", "json"]) == 0
    json.loads(capsys.readouterr().out)


def test_files_that_grow_shrink_or_turn_into_pipes_meanwhile(tmp_path: Path) -> None:
    def lines(*numbers: int) -> str:
        return "".join(dump(_numbered(number)) + "\n" for number in numbers)

    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.jsonl").write_text(lines(ord(name)))

    def meddle(done: int, _total: int) -> None:
        if done == 1:
            with (tmp_path / "b.jsonl").open("a") as stream:
                stream.write(lines(1000) + '{"half')
            (tmp_path / "c.jsonl").unlink()
            os.mkfifo(tmp_path / "c.jsonl")
            os.truncate(tmp_path / "d.jsonl", 40)

    evidence = read(tmp_path, progress=meddle)
    assert {f"n-{ord('a')}", f"n-{ord('b')}"} <= set(evidence.events.column("event_id").to_pylist())
    kinds = {Path(one.source).name: one.kind for one in evidence.receipt.problems}
    assert kinds["c.jsonl"] == "unreadable_file"
    assert kinds["d.jsonl"] == "truncated_file"
    assert evidence.receipt.closes


def _numbered(number: int) -> Record:
    return record(1, eventID=f"n-{number}")
