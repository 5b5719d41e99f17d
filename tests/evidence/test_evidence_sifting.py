"""Rows set aside by their columns change nothing: the reading is that of every row made a record."""

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from evidence_builders import ACCOUNT, SESSION, Record, assume_role, denied, dump, record
from hostile import _record
from test_evidence_hostile import PROBES
from test_evidence_parquet import TABLES, table, text_table

from ecs_trail.evidence import parquet
from ecs_trail.evidence.ledger import Reading
from ecs_trail.evidence.scanning import scan_parquet

#: Tables whose columns say enough; the others take the slow way whole.
SHAPES = [
    "text columns", "text columns in lower case", "text columns in snake case", "dictionaries", "timestamps",
    "nanoseconds without a zone", "timestamps of another zone", "structs", "identity as struct in lower case",
    "deep names in snake case", "deep names with dots",
]  # fmt: skip


def both(path: Path, probe: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Reading, Reading]:
    """The reading with and without sifting."""
    sifted = scan_parquet(path, path.name, probe)
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "sifter_of", lambda *_: None)
        return sifted, scan_parquet(path, path.name, probe)


def noise(number: int, **changes: Any) -> Record:
    """A record nobody looks for."""
    identity = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/ann"}
    return record(number, userIdentity=identity, eventName="DescribeInstances", **changes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_sifting_changes_nothing(shape: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(f"{shape}/{seed}")
    made = [_record(dice, number, 0.0) for number in range(40)]
    made += [assume_role(50), denied(51), assume_role(52, errorCode="AccessDenied"), noise(53, awsRegion="us-east-1")]
    dice.shuffle(made)
    made = [{key: "x\ufffd" if key == "userAgent" else value for key, value in one.items()} for one in made]
    if shape in ("structs", "identity as struct in lower case"):
        made = [
            {**one, "requestParameters": {"roleSessionName": dice.choice((SESSION, "b")), "x": "y"}} for one in made
        ]
    path = tmp_path / "x.parquet"
    pq.write_table(TABLES[shape](made), path, row_group_size=16)
    for probe in PROBES:
        sifted, whole = both(path, probe, monkeypatch)
        assert sifted == whole
        assert whole.records_read == len(made)


@pytest.mark.parametrize(
    "change",
    [{"eventTime": ""}, {"eventTime": "soon"}, {"eventTime": "1772442000"}, {"recipientAccountId": None},
     {"recipientAccountId": ""}, {"awsRegion": None}, {"eventSource": None}, {"eventName": ""}, {"errorCode": ""},
     {"requestParameters": "[" * 3000 + "]" * 3000}, {"responseElements": '{"a":' * 3000 + "1" + "}" * 3000},
     {"userIdentity": f'{{"type":"AssumedRole","principalId":"A:\\u0045{SESSION[1:]}"}}'}],
)  # fmt: skip
def test_unusual_rows_take_the_slow_way(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{name: value if value is None or isinstance(value, str) else dump(value) for name, value in one.items()}
            for one in (noise(1), noise(2) | change, noise(3))]  # fmt: skip
    path = tmp_path / "x.parquet"
    pq.write_table(table(rows), path)
    for probe in PROBES:
        sifted, whole = both(path, probe, monkeypatch)
        assert sifted == whole


def test_most_rows_are_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the laws above would hold for want of sifting."""
    pq.write_table(text_table([noise(number) for number in range(300)]), tmp_path / "x.parquet")
    made: list[object] = []
    monkeypatch.setattr(parquet._Reader, "take", lambda *given: made.append(given))
    reading = scan_parquet(tmp_path / "x.parquet", "x.parquet", PROBES[0])
    assert reading.records_read == 300
    assert made == []


def test_accounts_of_the_path_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "region=eu-west-1"
    folder.mkdir()
    pq.write_table(text_table([noise(1), assume_role(2)]).drop_columns(["awsRegion"]), folder / "x.parquet")
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "sifter_of", lambda *_: None)
        whole = scan_parquet(folder / "x.parquet", str(folder / "x.parquet"), PROBES[0])
    assert scan_parquet(folder / "x.parquet", str(folder / "x.parquet"), PROBES[0]) == whole
    assert list(whole.spans) == [(ACCOUNT, "eu-west-1")]


@pytest.mark.parametrize("shape", ["our own", "our own without records"])
def test_sifting_our_own_tables_changes_nothing(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [noise(number) for number in range(40)] + [assume_role(50), denied(51), record(52), noise(53)]
    path = tmp_path / "x.parquet"
    pq.write_table(TABLES[shape](made), path, row_group_size=10)
    read = parquet._OwnReader.read
    for probe in PROBES:
        sifted = scan_parquet(path, path.name, probe)
        with monkeypatch.context() as patch:
            patch.setattr(parquet._OwnReader, "read", parquet._Reader.read)
            patch.setattr(parquet, "Sifter", lambda *_: None)
            whole = scan_parquet(path, path.name, probe)
        assert sifted == whole
    assert parquet._OwnReader.read is read


def test_records_of_groups_without_a_wanted_row_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [noise(number) for number in range(40)] + [record(41)]
    pq.write_table(TABLES["our own"](made), tmp_path / "x.parquet", row_group_size=10)
    groups: list[int] = []
    whole = pq.ParquetFile.read_row_group

    def watched(self: pq.ParquetFile, number: int, columns: list[str]) -> Any:
        if columns == ["raw"]:
            groups.append(number)
        return whole(self, number, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", watched)
    reading = scan_parquet(tmp_path / "x.parquet", "x.parquet", PROBES[0])
    assert (reading.records_read, len(reading.rows), groups) == (41, 1, [4])
