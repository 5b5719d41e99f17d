"""Keys of a bucket are chosen by whoever may write to it: they name an object and nothing else, anywhere."""

import csv
import gzip
import io
import json
import re
from pathlib import Path

import openpyxl
import pytest
from flaky import FlakyBucket, serving_bucket, serving_fast
from storms import objects, records

from ecs_trail import Store
from ecs_trail.case import Case
from ecs_trail.cli.main import run
from ecs_trail.evidence.collect import collect
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.selection import everything

#: In each of them an object is read; the broken one beside it becomes a problem that names it.
KEYS = {
    "up": "logs/../../../../tmp/pwned.json",
    "up at the end": "logs/a/..",
    "this": "logs/./x.json",
    "absolute": "logs//etc/cron.d/pwned",
    "backslash": "logs/..\\..\\pwned.json",
    "drive": "logs/C:\\pwned.json",
    "device": "logs/CON",
    "device with a suffix": "logs/NUL.json.gz",
    "newline": "logs/a\r\nb\n.json",
    "ANSI": "logs/\x1b[2J\x1b]0;pwned\x07.json",
    "NUL": "logs/a\x00b.json",
    "bidi": "logs/\u202egnp.nosj",
    "percent": "logs/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "percent that is no UTF-8": "logs/%ff%fe%c3%28.json",
    "query": "logs/x?versionId=1&prefix=/#y",
    "markup": "logs/<script>alert(1)</script>&\"'.json",
    "formula": "logs/=cmd|' /C calc'!A0",
    "zip inside": "logs/a.zip!../../b.json",
    "shell": "logs/$(touch pwned);`touch pwned`|& -rf",
    "blanks": "logs/  x .json ",
    "very long": "logs/" + "k" * 1019,
    "astral": "logs/\U0001f600\ue000\ufdd0.json",
    "option": "logs/--output=pwned",
}
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
BROKEN = b'{"Records":[{"eventVersion":'


def content(number: int) -> bytes:
    listed = [{**records()[number % len(records())], "eventID": f"k-{number}"}]
    return gzip.compress(json.dumps({"Records": listed}).encode(), mtime=0)


def hostile_bucket() -> FlakyBucket:
    held = {key: content(number) for number, key in enumerate(KEYS.values())}
    return FlakyBucket(held | {f"{key}~broken": BROKEN for key in KEYS.values()} | objects(), page=7)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture(params=[serving_bucket, serving_fast])
def client(request):
    with request.param(hostile_bucket()) as made:
        yield made


def test_every_object_is_read_whatever_its_key(client):
    receipt = scan([S3Source("some-bucket", "logs", client=client)], everything()).receipt
    assert (receipt.files_seen, receipt.files_read) == (2 * len(KEYS) + 12, len(KEYS) + 12)
    assert receipt.events_selected == len(KEYS) + 72
    assert {one.kind for one in receipt.problems} == {"truncated_file"}
    named = {one.source for one in receipt.problems}
    assert named == {f"s3://some-bucket/{key}~broken" for key in KEYS.values()}
    assert receipt.closes


def test_a_store_and_its_exports_build_no_path_from_keys(client, tmp_path, monkeypatch):
    """Nothing outside the store, only names of our own in it, and what was kept gives the same answer."""
    monkeypatch.chdir(tmp_path)
    source = S3Source("some-bucket", "logs", client=client)
    store = Store(tmp_path / "in" / "store")
    collect([source], store, everything())
    collect([source], store, everything())
    store.compact()
    assert store.verify() == []
    own = re.compile(r"manifest\.jsonl|\w+\.lock|(events|units|documents)-\d{8}-[0-9a-f]{12}\.(parquet|jsonl)")
    assert files(tmp_path) == {"in", "in/store"} | {f"in/store/{one.name}" for one in store.path.iterdir()}
    assert all(own.fullmatch(one.name) for one in store.path.iterdir())
    assert set(store.events().column("source").to_pylist()) >= {f"s3://some-bucket/{key}" for key in KEYS.values()}
    for kind in ("csv", "parquet"):
        assert run(["report", str(store.path), "--output", f"{tmp_path / kind}/", "--format", kind]) == 3
    assert {name.partition("/")[0] for name in files(tmp_path)} == {"in", "csv", "parquet"}
    for row in csv.reader(io.StringIO((tmp_path / "csv" / "events.csv").read_text(encoding="utf-8"), newline="")):
        assert not [cell for cell in row if cell[:1] in set("=+@\t\r")]
    assert not [name for name in files(tmp_path) if "pwned" in name or "etc" in name]
    assert not Path("/tmp/pwned.json").exists()


@pytest.mark.parametrize("words", [("investigate",), ("events",), ("timeline", "roles")], ids=" ".join)
def test_every_key_is_named_and_none_acts(words, client, tmp_path, capsys):
    store = Store(tmp_path / "store")
    collect([S3Source("some-bucket", "logs", client=client)], store, everything())
    assert run([*words, str(store.path)]) == 3
    said = capsys.readouterr()
    assert not ACTING.search(said.out)
    assert not ACTING.search(said.err)
    assert "~broken" in said.err


def test_reports_name_them_as_text(client, tmp_path):
    made = scan([S3Source("some-bucket", "logs", client=client)], everything())
    case = Case(made)
    problems = case.document["evidence"]["problems"]
    assert {one["source"] for one in problems} == {f"s3://some-bucket/{key}~broken" for key in KEYS.values()}
    page = case.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert not ACTING.search(page)
    assert "~broken" in page
    book = openpyxl.load_workbook(case.report(tmp_path / "report.xlsx"))
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)
    assert not ACTING.search(case.report(tmp_path / "report.md").read_text(encoding="utf-8"))
    assert not ACTING.search(case._repr_html_() + repr(case))


def test_an_investigation_of_such_a_bucket_by_the_command_line(tmp_path, monkeypatch, capsys):
    """As a user does it: the SDK finds the server by its environment."""
    with serving_bucket(hostile_bucket()) as client:
        address = client().meta.endpoint_url
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        monkeypatch.chdir(tmp_path)
        assert run(["investigate", "s3://some-bucket/logs", "--format", "json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["evidence"]["files_seen"] == 2 * len(KEYS) + 12
    assert files(tmp_path) == set()
