"""Broken, cut off, hostile and foreign files: what can be read counts, what cannot is named with its place."""

import bz2
import gzip
import io
import json
import os
import socket
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

import pytest
import zstandard
from evidence_builders import dump, envelope, read, record, subscription

from ecs_trail.cli.main import run
from ecs_trail.errors import UsageError
from ecs_trail.evidence.compression import Bounds
from ecs_trail.evidence.containers import unwrap
from ecs_trail.evidence.scanning import scan_bytes
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import everything
from ecs_trail.vocabulary import LEFT_OUT_KINDS

RECORDS = [record(number) for number in range(20)]
IDS = [made["eventID"] for made in RECORDS]
COMPACT = dump({"Records": RECORDS}).encode()
PRETTY = dump({"Records": RECORDS}, indent=2).encode()
LINES = "".join(dump(made) + "\n" for made in RECORDS).encode()


def ids(path: Path) -> list[str]:
    found: list[str] = read(path).events.column("event_id").to_pylist()
    return found


def kinds(path: Path) -> list[str]:
    return [problem.kind for problem in read(path).receipt.problems]


@pytest.mark.parametrize("text", [COMPACT, PRETTY, LINES], ids=["compact", "pretty", "lines"])
@pytest.mark.parametrize("share", [0.11, 0.37, 0.5, 0.83, 0.999])
def test_a_cut_text_gives_its_whole_records(text: bytes, share: float, tmp_path: Path) -> None:
    cut = text[: int(len(text) * share)]
    whole = sum(cut.count(event_id.encode()) and _is_closed(cut, number) for number, event_id in enumerate(IDS))
    (tmp_path / "log.json").write_bytes(cut)

    evidence = read(tmp_path)

    assert evidence.events.column("event_id").to_pylist() == IDS[:whole]
    assert whole >= int(20 * share) - 1
    (problem,) = evidence.receipt.problems
    assert problem.kind == "truncated_file"
    assert problem.source.endswith("log.json")
    assert evidence.receipt.files_read == 1


def _is_closed(cut: bytes, number: int) -> bool:
    """Whether the whole of one record lies in the beginning of a text: its last field and brace are there."""
    start = cut.find(IDS[number].encode())
    tail = cut.find(b'"eventCategory"', start)
    return start >= 0 and tail >= 0 and b"}" in cut[tail:]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress, bz2.compress], ids=["gzip", "zstd", "bzip2"])
def test_a_cut_stream_gives_what_it_holds(pack: object, tmp_path: Path) -> None:
    many = [record(number, requestID=os.urandom(16).hex()) for number in range(3000)]
    packed = pack(dump({"Records": many}).encode())  # type: ignore[operator]
    (tmp_path / "log.json.gz").write_bytes(packed[: int(len(packed) * 0.7)])
    evidence = read(tmp_path)
    assert 0 < evidence.events.num_rows < 3000 or pack is bz2.compress
    assert "truncated_file" in [problem.kind for problem in evidence.receipt.problems]
    assert any("byte" in problem.detail for problem in evidence.receipt.problems)


def test_damage_inside_gzip_gives_what_precedes_it(tmp_path: Path) -> None:
    many = [record(number, requestID=os.urandom(16).hex()) for number in range(3000)]
    packed = bytearray(gzip.compress(dump({"Records": many}).encode(), mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "log.json.gz").write_bytes(packed)
    evidence = read(tmp_path)
    assert evidence.events.num_rows > 500
    assert "truncated_file" in [problem.kind for problem in evidence.receipt.problems]


def test_a_wrong_checksum_is_named_and_the_records_count(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(COMPACT, mtime=0))
    packed[-6] ^= 0xFF
    (tmp_path / "log.json.gz").write_bytes(packed)
    assert ids(tmp_path) == IDS
    assert kinds(tmp_path) == ["truncated_file"]


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (b'"eventVersion":"1.11"', b'"eventVersion":"1.11""'),
        (b'"readOnly":false', b'"readOnly":fal'),
        (b'"2026', b"2026"),
    ],
)
@pytest.mark.parametrize("number", [0, 9, 19])
@pytest.mark.parametrize("text", [COMPACT, PRETTY.replace(b'": ', b'":'), LINES], ids=["compact", "pretty", "lines"])
def test_one_broken_record_costs_one_record(
    text: bytes, number: int, what: bytes, instead: bytes, tmp_path: Path
) -> None:
    start = text.rfind(b'"eventVersion"', 0, text.find(IDS[number].encode()))
    assert what in text[start:]
    (tmp_path / "log.json").write_bytes(text[:start] + text[start:].replace(what, instead, 1))

    evidence = read(tmp_path)

    assert evidence.events.column("event_id").to_pylist() == IDS[:number] + IDS[number + 1 :]
    (problem,) = evidence.receipt.problems
    assert problem.kind == "broken_json"
    assert "line" in problem.detail


def test_two_broken_records_are_two_problems(tmp_path: Path) -> None:
    broken = [dump(made) for made in RECORDS]
    broken[3] = broken[3].replace('"readOnly":', '"readOnly"')
    broken[11] = broken[11].replace('"readOnly":', '"readOnly"')
    (tmp_path / "log.json").write_text('{"Records":[' + ",".join(broken) + "]}")
    assert ids(tmp_path) == [event_id for number, event_id in enumerate(IDS) if number not in (3, 11)]
    assert kinds(tmp_path) == ["broken_json", "broken_json"]


@pytest.mark.parametrize("end", [",", "\n"])
def test_a_thousand_breaks_are_a_few_problems_and_little_work(end: str, tmp_path: Path) -> None:
    broken = [dump(record(number)).replace('"readOnly":', '"readOnly"' if number % 2 else '"readOnly":')
              for number in range(3000)]  # fmt: skip
    body = end.join(broken)
    (tmp_path / "log.json").write_text(body if end == "\n" else f'{{"Records":[{body}]}}')
    started = time.monotonic()
    evidence = read(tmp_path)
    assert time.monotonic() - started < 20
    assert evidence.events.num_rows == 1500
    assert len(evidence.receipt.problems) == 21
    assert "1480 more" in str(evidence.receipt.problems)


@pytest.mark.parametrize(
    "text",
    [b'{"id":' * 200_000, b'[{"id":1,' * 100_000, b'{"id" ' * 100_000, b'{"id":"' * 100_000,
     b'{"id":{"id":1},' * 100_000, b'{"Records":[' * 100_000, b'{"a":1}x' * 100_000,
     b'"' * 100_001 + b'{"eventVersion":', b"\x00{[" * 100_000],
)  # fmt: skip
def test_hostile_text_costs_little(text: bytes) -> None:
    started = time.monotonic()
    unwrap(text, "x.json")
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("place", ["middle", "end", "cut"])
@pytest.mark.parametrize("nesting", ["list", "object", "deep"])
def test_records_inside_a_broken_record_are_never_taken(place: str, nesting: str, tmp_path: Path) -> None:
    """A caller can write records into request parameters; damage must not bring them to light."""
    forged = [record(number, eventName="DeleteRole") for number in (70, 71, 72)]
    inside = {"list": {"items": forged}, "object": {"a": forged[0]}, "deep": {"a": {"b": [forged]}}}[nesting]
    host = dump({**record(50), "requestParameters": inside}).replace('"userAgent":', '"userAgent"', 1)
    if place == "cut":
        host = dump({**record(50), "requestParameters": inside}).partition('"responseElements":{"requestId":"req-50"')[
            0
        ]
    text = {
        "middle": f"{dump(RECORDS[0])},{host},{dump(RECORDS[1])}]}}",
        "end": f"{dump(RECORDS[0])},{dump(RECORDS[1])},{host}]}}",
        "cut": f"{dump(RECORDS[0])},{dump(RECORDS[1])},{host}",
    }[place]
    (tmp_path / "log.json").write_text('{"Records":[' + text)
    evidence = read(tmp_path)
    assert set(evidence.events.column("event_id").to_pylist()) <= set(IDS[:2])
    assert evidence.receipt.is_partial


def test_every_cut_of_a_hostile_file_stays_honest(tmp_path: Path) -> None:
    forged = [record(number, eventName="DeleteRole") for number in (70, 71)]
    text = dump({"Records": [record(1, requestParameters={"items": forged, "more": [forged]}), record(2)]}).encode()
    allowed = {record(1)["eventID"], record(2)["eventID"]}
    for end in range(1, len(text), 7):
        found = {json.loads(item.text)["eventID"] for item in unwrap(text[:end], "log.json").records}
        assert found <= allowed


def test_trailing_commas_and_line_ends_inside_strings(tmp_path: Path) -> None:
    text = PRETTY.decode().replace("  ]\n}", "  ],\n}").replace("quotes", "quotes\nand\ttabs")
    (tmp_path / "log.json").write_text(text)
    evidence = read(tmp_path)
    assert evidence.events.column("event_id").to_pylist() == IDS
    for raw in evidence.events.column("raw").to_pylist():
        assert "and\ttabs" in json.loads(raw)["requestParameters"]["note"]


@pytest.mark.parametrize("time", [None, "...", "", "yesterday", "2026-13-01T00:00:00Z", [], {}, True])
def test_a_record_without_a_time_is_rejected_and_named(time: object, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(dump({"Records": [record(1), record(2, eventTime=time)]}))
    evidence = read(tmp_path)
    assert evidence.receipt.records_read == 1
    assert evidence.receipt.records_rejected == 1
    (problem,) = evidence.receipt.problems
    assert (problem.kind, "record 1" in problem.detail) == ("rejected_record", True)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-02T09:00:00.123Z", "2026-03-02T09:00:00.123000+00:00"),
        ("2026-03-02T09:00:00.123456789Z", "2026-03-02T09:00:00.123457+00:00"),
        ("2026-03-02 09:00:00.000", "2026-03-02T09:00:00+00:00"),
        ("2026-03-02 10:00:00+01:00", "2026-03-02T09:00:00+00:00"),
        ("2026-03-02T09:00:00", "2026-03-02T09:00:00+00:00"),
        ("2026-03-02 09:00:00.000 UTC", "2026-03-02T09:00:00+00:00"),
        (1772442000, "2026-03-02T09:00:00+00:00"),
        (1772442000000, "2026-03-02T09:00:00+00:00"),
        ("1772442000000", "2026-03-02T09:00:00+00:00"),
        (1772442000.5, "2026-03-02T09:00:00.500000+00:00"),
    ],
)
def test_times_as_they_come(time: object, expected: str, tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text(dump([record(1, eventTime=time)]))
    (row,) = read(tmp_path).events.to_pylist()
    assert row["event_time"].isoformat() == expected


def test_a_logstash_record_takes_its_time_from_the_shipper(tmp_path: Path) -> None:
    made = {**record(1), "@timestamp": "2026-03-02T09:00:01.000Z", "@version": "1"}
    del made["eventTime"]
    (tmp_path / "a.json").write_text(dump(made))
    (tmp_path / "b.json").write_text(dump([record(1)]))
    evidence = read(tmp_path)
    assert evidence.receipt.duplicates == 1
    assert evidence.receipt.problems == []


DIGEST = {"awsAccountId": "1", "digestStartTime": "t", "digestEndTime": "t", "logFiles": [{"s3Object": "x"}]}
INSIGHT = {
    "eventVersion": "1.08", "eventTime": "2026-03-02T09:00:00Z", "awsRegion": "eu-west-1", "eventID": "i",
    "eventType": "AwsCloudTrailInsight", "insightDetails": {"eventName": "x", "eventSource": "y"},
    "eventCategory": "Insight",
}  # fmt: skip
S3_NOTIFICATION = {
    "Records": [
        {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-1", "eventTime": "2026-03-02T09:00:00Z",
         "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "AWS:X"}, "s3": {"bucket": {"name": "b"}}}
    ]
}  # fmt: skip
TASKS = {"tasks": [{"taskArn": "arn:aws:ecs:eu-west-1:1:task/c/1", "lastStatus": "RUNNING"}], "failures": []}


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("digest.json.gz", gzip.compress(dump(DIGEST).encode(), mtime=0), "digest"),
        ("insight.json", dump({"Records": [INSIGHT]}).encode(), "insight"),
        ("aggregated.json", dump([{"eventCategory": "Aggregated", "eventId": "x"}]).encode(), "aggregated"),
        ("s3.json", dump(S3_NOTIFICATION).encode(), "s3_notification"),
        ("s3-in-sqs.json", dump({"Records": [{"body": dump(S3_NOTIFICATION), "eventSource": "aws:sqs"}]}).encode(),
         "s3_notification"),
        ("s3-lines.json", (dump(S3_NOTIFICATION) + "\n" + dump(S3_NOTIFICATION)).encode(), "s3_notification"),
        ("sns.json", dump({"Type": "Notification", "Message": dump({"s3Bucket": "b", "s3ObjectKey": ["k"]})}).encode(),
         "s3_notification"),
        ("control.json", dump({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL"}]}).encode(),
         "control_message"),
        ("empty.json", b"", "empty"),
        ("space.json", b" \r\n\t ", "empty"),
        ("empty.json.gz", gzip.compress(b"", mtime=0), "empty"),
        ("bom.json", b"\xef\xbb\xbf", "empty"),
        ("list.json", b"[]", "empty"),
        ("other.json", dump({**envelope(record(1)), "detail-type": "EC2 Instance State-change Notification"}).encode(),
         "other_event"),
        ("tasks.json", dump(TASKS).encode(), "task_state"),
        ("README.md", b"# Logs\n\n[see](x) the {folder}\n", "not_cloudtrail"),
        ("LICENSE", b"Apache License\n", "not_cloudtrail"),
        ("notes.yaml", b"- a: 1\n  b: [1, 2]\n", "not_cloudtrail"),
        ("flow.yaml", b"{a: 1}\n", "not_cloudtrail"),
        ("image.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not_cloudtrail"),
        ("settings.json", b'{"a": {"b": [1, {"c": "x"}]}}', "not_cloudtrail"),
        ("number.json", b"12", "not_cloudtrail"),
        ("words.json", b'["a", "b"]', "not_cloudtrail"),
        ("named.json", b'{"Records": ["a"]}', "not_cloudtrail"),
        ("table.csv", b"name,event,size\na,b,1\n", "not_cloudtrail"),
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_left_out_by_kind(name: str, data: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    receipt = read(tmp_path).receipt
    assert receipt.left_out == {kind: 1}
    assert receipt.problems == []
    assert kind in LEFT_OUT_KINDS


def test_an_empty_log_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "log.json").write_text('{"Records":[]}')
    receipt = read(tmp_path).receipt
    assert (receipt.files_read, receipt.records_read) == (1, 0)


def test_items_left_out_beside_records_are_counted_apart(tmp_path: Path) -> None:
    control = {"messageType": "CONTROL_MESSAGE", "logEvents": []}
    (tmp_path / "log.json").write_text("\n".join(map(dump, (subscription(RECORDS[:2]), control, INSIGHT, TASKS))))
    evidence = read(tmp_path)
    assert evidence.receipt.files_read == 1
    assert evidence.receipt.items_left_out == {"control_message": 1, "insight": 1, "task_state": 1}
    assert len(evidence.task_states) == 1


def test_network_activity_is_a_record(tmp_path: Path) -> None:
    made = record(1, eventCategory="NetworkActivity", eventType="AwsVpceEvent", errorCode="VpceAccessDenied")
    (tmp_path / "log.json").write_text(dump({"Records": [made]}))
    assert read(tmp_path).receipt.records_read == 1


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.json", b'{"Records": [ {"eventVersion": ', "truncated_file"),
        ("b.json", b'{"Records": [ {"eventVersion" "x"}]}', "broken_json"),
        ("c.json.gz", os.urandom(100), "unreadable_file"),
        ("d.json.gz", gzip.compress(COMPACT, mtime=0)[:15], "truncated_file"),
        ("e.txt", b'"eventVersion": "1.05",\n "eventName": "AssumeRole"', "broken_json"),
        ("f.parquet", b"PAR1" + bytes(40), "unreadable_file"),
        ("g.zip", b"PK\x03\x04" + bytes(40), "unreadable_file"),
        ("h.tar", b"log.json".ljust(257, b"\0") + b"ustar\x0000" + bytes(200), "unreadable_file"),
        ("h.gnu.tar", b"log.json".ljust(257, b"\0") + b"ustar  \0" + bytes(200), "unreadable_file"),
    ],
    ids=["json", "quotes", "noise", "gzip", "text", "parquet", "zip", "tar", "GNU tar"],
)
def test_evidence_that_cannot_be_read_is_named(name: str, data: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    receipt = read(tmp_path).receipt
    assert receipt.files_failed == 1
    assert kind in [problem.kind for problem in receipt.problems]
    assert receipt.is_partial


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zstandard.compress], ids=["gzip", "bzip2", "zstd"])
def test_bombs_are_too_large(pack: object, tmp_path: Path) -> None:
    bomb = pack(bytes(80 << 20))  # type: ignore[operator]
    (tmp_path / "bomb.json.gz").write_bytes(bomb)
    (tmp_path / "log.json").write_bytes(COMPACT)
    evidence = read(tmp_path)
    assert [problem.kind for problem in evidence.receipt.problems] == ["too_large"]
    assert evidence.receipt.files_failed == 1
    assert evidence.events.num_rows == 20


def test_the_limit_holds_over_all_members_and_layers() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.json", gzip.compress(COMPACT, mtime=0))
    whole = scan_bytes(out.getvalue(), "x.zip", probe_of(everything()), bounds=Bounds(1 << 20))
    assert (whole.records_read, whole.problems) == (80, [])
    small = scan_bytes(out.getvalue(), "x.zip", probe_of(everything()), bounds=Bounds(len(COMPACT) * 2))
    assert 0 < small.records_read < 80
    assert {problem.kind for problem in small.problems} == {"too_large"}


def test_archives_nested_without_end_are_too_large(tmp_path: Path) -> None:
    data = COMPACT
    for _ in range(6):
        data = gzip.compress(data, mtime=0)
    (tmp_path / "log.json.gz").write_bytes(data)
    assert kinds(tmp_path) == ["too_large"]


def test_deep_nesting_ends_no_scan(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_bytes(b'{"a":' * 100_000)
    (tmp_path / "lists.json").write_bytes(b"[" * 100_000)
    (tmp_path / "closed.json").write_bytes(b"[" * 50_000 + b"]" * 50_000)
    deep = dump(record(1)).replace('"eventSource"', '"x":' + "[" * 5000 + "]" * 5000 + ',"eventSource"')
    (tmp_path / "log.json").write_text('{"Records":[' + deep + "," + dump(record(2)) + "]}")
    evidence = read(tmp_path)
    assert evidence.receipt.files_seen == 4
    assert record(2)["eventID"] in evidence.events.column("event_id").to_pylist()


def test_bytes_that_are_no_utf8_cost_nothing_else(tmp_path: Path) -> None:
    text = dump({"Records": [record(1, userAgent="agent"), record(2)]}).encode().replace(b'"agent"', b'"ag\xff\xfent"')
    (tmp_path / "log.json").write_bytes(text)
    rows = read(tmp_path).events.to_pylist()
    assert [row["event_id"] for row in rows] == IDS[1:3]
    assert rows[0]["user_agent"] == "ag\ufffd\ufffdnt"


def test_half_a_surrogate_is_no_text(tmp_path: Path) -> None:
    text = dump({"Records": [record(1, userAgent="agent", requestParameters={"a": "agent"})]})
    (tmp_path / "log.json").write_text(text.replace('"agent"', '"\\ud800"'))
    (row,) = read(tmp_path).events.to_pylist()
    assert row["event_id"] == IDS[1]


def test_members_of_a_zip_are_one_file_and_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.json", dump({"Records": RECORDS[:2]}))
        archive.writestr("b.json", '{"Records":[{"eventVersion":')
        archive.writestr("README.md", "# hello")
    evidence = read(tmp_path)
    assert (evidence.receipt.files_seen, evidence.receipt.files_read) == (1, 1)
    assert evidence.events.column("source").to_pylist() == [f"{(tmp_path / 'all.zip').as_posix()}!a.json"] * 2
    assert [problem.source.rpartition("!")[2] for problem in evidence.receipt.problems] == ["b.json"]


def test_pipes_sockets_and_circles(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.json").write_bytes(COMPACT)
    os.mkfifo(tmp_path / "logs" / "pipe")
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs", target_is_directory=True)
    (tmp_path / "logs" / "self").symlink_to(tmp_path / "logs" / "self")
    (tmp_path / "logs" / "gone").symlink_to(tmp_path / "nowhere")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "logs" / "sock"))
        evidence = read(tmp_path / "logs")
    assert evidence.events.num_rows == 20
    assert evidence.receipt.files_failed == 4
    assert {Path(problem.source).name: problem.kind for problem in evidence.receipt.problems} == {
        "pipe": "unreadable_file",
        "sock": "unreadable_file",
        "self": "unreadable_file",
        "gone": "vanished",
    }


def test_a_file_that_vanishes_between_listing_and_reading(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(COMPACT)
    (tmp_path / "b.json").write_bytes(LINES)
    seen: list[tuple[int, int]] = []

    def remove(done: int, total: int) -> None:
        seen.append((done, total))
        (tmp_path / "b.json").unlink(missing_ok=True)

    evidence = read(tmp_path, progress=remove)
    assert seen == [(1, 2), (2, 2)]
    assert [problem.kind for problem in evidence.receipt.problems] == ["vanished"]


def test_files_without_permission() -> None:
    me, nobody = os.geteuid(), 65534
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "a.json").write_bytes(COMPACT)
        (path / "a.json").chmod(0)
        (path / "closed").mkdir(mode=0)
        if me == 0:  # nothing is forbidden to root
            os.seteuid(nobody)
        try:
            found = kinds(path)
        finally:
            os.seteuid(me)
            (path / "closed").chmod(0o700)
    assert found == ["no_permission", "no_permission"]


@pytest.mark.parametrize(
    "text", ["athena://w", "lake://", "logs://", "spark://", "spark://host:7077", "spark://a.b.c.d", "gopher://x", ""]
)
def test_sources_that_mean_nothing_say_so(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(text)
    assert caught.value.hint


def test_a_missing_path_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        read(tmp_path / "nothing")


def test_a_plan_touches_no_disk() -> None:
    plan = FilesSource("/nowhere/at/all").plan(everything())
    assert "/nowhere/at/all" in str(plan)
    assert "bill" in str(plan)


def test_folders_nested_deeper_than_python_calls(tmp_path: Path) -> None:
    """Anyone can unpack such a tree; what lies at its end is read, or named where the system refuses the path."""
    here, deep = os.open(".", os.O_RDONLY), 3000
    try:
        os.chdir(tmp_path)
        for level in range(deep):
            os.mkdir("a")  # noqa: PTH102 - a path of this length has no name that the system takes
            os.chdir("a")
            if level == 1200:
                Path("log.json").write_bytes(COMPACT)
    finally:
        os.fchdir(here)
        os.close(here)
    receipt = read(tmp_path).receipt
    assert receipt.events_selected == 20
    assert [one.kind for one in receipt.problems] == ["unreadable_file"]
    assert receipt.closes
    subprocess.run(["rm", "-rf", str(tmp_path / "a")], check=True)  # shutil's way of removing it is recursive


@pytest.mark.parametrize("option", ["--tasks", "--volumes", "--role-state"])
def test_a_file_without_end_is_refused(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.json").write_bytes(COMPACT)
    assert run(["investigate", str(tmp_path), option, "/dev/zero"]) == 2
    assert "File too large" in capsys.readouterr().err
