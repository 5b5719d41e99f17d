"""Every container shape in every compression gives the same rows."""

import json
from pathlib import Path

import pytest
from evidence_builders import (
    ACCOUNT,
    COMPRESSIONS,
    EXACT_SHAPES,
    REBUILT_SHAPES,
    ROLE,
    assume_role,
    content,
    dump,
    envelope,
    lookup_item,
    read,
    record,
    some_records,
    table_text,
)

from ecs_trail.evidence.sources.base import Evidence


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("expected")
    (folder / "trail.json").write_text(dump({"Records": some_records()}))
    return read(folder)


def test_the_plain_shape_reads_as_written(expected: Evidence) -> None:
    by_id = {made["eventID"]: made for made in some_records()}
    assert expected.events.num_rows == len(by_id)
    assert [json.loads(raw) for raw in expected.events.column("raw").to_pylist()] == [
        by_id[event_id] for event_id in expected.events.column("event_id").to_pylist()
    ]
    times = expected.events.column("event_time").to_pylist()
    assert times == sorted(times)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("shape", [*EXACT_SHAPES, *REBUILT_SHAPES])
def test_same_rows_from_every_shape(shape: str, compression: str, expected: Evidence, tmp_path: Path) -> None:
    text = (EXACT_SHAPES | REBUILT_SHAPES)[shape](some_records())
    (tmp_path / "evidence.bin").write_bytes(COMPRESSIONS[compression](text.encode()))

    evidence = read(tmp_path)

    assert evidence.receipt.problems == []
    assert evidence.receipt.files_read == 1
    assert evidence.receipt.records_read == len(some_records())
    assert content(evidence.events) == content(expected.events)
    if shape in EXACT_SHAPES:
        raws = [json.loads(raw) for raw in evidence.events.column("raw").to_pylist()]
        assert raws == [json.loads(raw) for raw in expected.events.column("raw").to_pylist()]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("shape", ["records pretty", "lines", "lookup page", "Athena CSV"])
def test_same_rows_from_every_encoding(shape: str, encoding: str, expected: Evidence, tmp_path: Path) -> None:
    text = (EXACT_SHAPES | REBUILT_SHAPES)[shape](some_records())
    mark = "\ufeff" if encoding in {"utf-16-be", "utf-16-le"} else ""
    (tmp_path / "evidence.json").write_bytes((mark + text).encode(encoding))
    assert content(read(tmp_path).events) == content(expected.events)


def test_raw_is_the_very_text_where_the_record_stood_alone(tmp_path: Path) -> None:
    text = """{ "eventVersion" : "1.08",
      "eventTime":"2026-03-02T09:00:00Z", "eventSource":"ec2.amazonaws.com", "eventName":"\\u0044eleteVolume",
      "eventID":"e1" }"""
    (tmp_path / "one.json").write_text('{"Records":[' + text + "]}")
    evidence = read(tmp_path)
    assert evidence.raw("e1") == text
    assert evidence.events.column("event_name").to_pylist() == ["DeleteVolume"]


def test_a_single_record_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(dump(record(1), indent=4))
    (tmp_path / "two.json").write_text(dump(envelope(record(2))))
    (tmp_path / "three.json").write_text(dump(lookup_item(record(3))))
    assert read(tmp_path).receipt.records_read == 3


def test_records_written_into_a_record_are_no_records(tmp_path: Path) -> None:
    inner = {"Records": [record(50)], "CloudTrailEvent": dump(record(51)), "detail": record(52)}
    (tmp_path / "log.json").write_text(dump({"Records": [record(1, requestParameters=inner)]}))
    assert read(tmp_path).events.column("event_id").to_pylist() == [record(1)["eventID"]]


def test_deep_flattened_names(tmp_path: Path) -> None:
    made = record(1)
    flat = {
        "event_id": "e1", "event_time": 1772442000000, "EVENT_SOURCE": "ec2.amazonaws.com",
        "Event_Name": "DeleteVolume",
        "user_identity_arn": made["userIdentity"]["arn"], "user_identity_type": "AssumedRole",
        "user_identity_session_context_session_issuer_arn": ROLE, "useridentity_principalid": "AROA:x",
        "user_identity_session_context_attributes_creation_date": "2026-03-02 08:00:00",
        "request_parameters": dump(made["requestParameters"]), "recipient_account_id": ACCOUNT,
        "aws_region": "eu-west-1", "read_only": "False", "error_code": "",
    }  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(dump(flat))
    (row,) = read(tmp_path).events.to_pylist()
    assert row["event_time"].isoformat() == "2026-03-02T09:00:00+00:00"
    assert (row["session_name"], row["session_issuer_arn"]) == ("ECSTaskVolumesForEBS", ROLE)
    assert (row["identity_type"], row["principal_id"], row["account_id"]) == ("AssumedRole", "AROA:x", ACCOUNT)
    assert row["session_created_at"].isoformat() == "2026-03-02T08:00:00+00:00"
    assert (row["read_only"], row["error_code"]) == (False, None)
    assert json.loads(row["request_parameters"]) == made["requestParameters"]


def test_a_forged_envelope_is_another_event(tmp_path: Path) -> None:
    forged = [
        {**envelope(record(1)), "source": "my.application"},
        {**envelope(record(2)), "detail-type": "Order Placed", "source": "my.application"},
    ]
    (tmp_path / "bus.json").write_text(dump(forged))
    evidence = read(tmp_path)
    assert evidence.events.num_rows == 0
    assert evidence.receipt.left_out == {"other_event": 1}


def test_event_history_csv_says_less_and_says_so(tmp_path: Path) -> None:
    row = {
        "Event ID": "e1", "Event time": "2026-03-02T09:00:00Z", "User name": "ECSTaskVolumesForEBS",
        "Event name": "DeleteVolume", "Event source": "ec2.amazonaws.com", "AWS region": "eu-west-1",
        "AWS access key": "ASIAEXAMPLE", "Source IP address": "ecs.amazonaws.com", "Read-only": "false",
        "Error code": "Client.UnauthorizedOperation", "Request ID": "r1", "Resources": "",
    }  # fmt: skip
    user = {**row, "Event ID": "e2", "User name": "alice", "AWS access key": "AKIAEXAMPLE", "Error code": ""}
    (tmp_path / "event_history.csv").write_text(table_text([row, user]))
    evidence = read(tmp_path)
    assert [problem.kind for problem in evidence.receipt.problems] == ["lossy_source"]
    assert not evidence.receipt.is_partial
    rows = evidence.events.to_pylist()
    assert [row["session_name"] for row in rows] == ["ECSTaskVolumesForEBS", None]
    assert [row["user_name"] for row in rows] == [None, "alice"]
    assert [row["error_code"] for row in rows] == ["Client.UnauthorizedOperation", None]
    assert [row["read_only"] for row in rows] == [False, False]
    assert rows[0]["aws_region"] == "eu-west-1"
    assert rows[0]["access_key_id"] == "ASIAEXAMPLE"
    assert rows[0]["source_ip_address"] == "ecs.amazonaws.com"


def test_a_query_without_parameters_is_lossy(tmp_path: Path) -> None:
    rows = [[{"eventid": "e1"}, {"eventname": "RunTask"}, {"eventtime": "2026-03-02 09:00:00.000"},
             {"eventsource": "ecs.amazonaws.com"}]]  # fmt: skip
    (tmp_path / "lake.json").write_text(dump({"QueryResultRows": rows}))
    receipt = read(tmp_path).receipt
    assert [problem.kind for problem in receipt.problems] == ["lossy_source"]
    assert receipt.records_read == 1


def test_a_cut_csv_gives_its_whole_rows(tmp_path: Path) -> None:
    text = REBUILT_SHAPES["Athena CSV"]([record(1), record(2), record(3)])
    (tmp_path / "athena.csv").write_text(text[: len(text) - 400])
    receipt = read(tmp_path).receipt
    assert receipt.records_read == 2
    assert [problem.kind for problem in receipt.problems] == ["truncated_file"]


def test_a_csv_of_other_messages_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "app.csv").write_text(table_text([{"@timestamp": "t", "@message": "started"}]))
    (tmp_path / "app2.csv").write_text("level,message\ninfo,hello\n")
    assert read(tmp_path).receipt.left_out == {"not_cloudtrail": 2}


def test_a_rebuilt_copy_is_a_copy_and_the_whole_record_is_kept(tmp_path: Path) -> None:
    made = assume_role(1)
    (tmp_path / "a.csv").write_text(REBUILT_SHAPES["Athena CSV"]([made, record(2)]))
    (tmp_path / "b.json").write_text(dump({"Records": [made]}))
    evidence = read(tmp_path)
    assert evidence.receipt.duplicates == 1
    assert evidence.receipt.problems == []
    assert json.loads(evidence.raw(made["eventID"])) == made


def test_row_text_of_athena(tmp_path: Path) -> None:
    identity = (
        "{type=AssumedRole, principalid=AROAX:ECSTaskVolumesForEBS, "
        "arn=arn:aws:sts::111122223333:assumed-role/r/ECSTaskVolumesForEBS, accountid=111122223333, invokedby=null, "
        "sessioncontext={attributes={mfaauthenticated=false, creationdate=2026-03-02T08:00:00Z}, "
        "sessionissuer={type=Role, principalid=AROAX, arn=arn:aws:iam::111122223333:role/r}}}"
    )
    row = {
        "eventid": "e1", "eventtime": "2026-03-02 09:00:00.000", "eventsource": "ec2.amazonaws.com",
        "eventname": "DeleteVolume", "useridentity": identity, "requestparameters": '{"volumeId":"vol-1"}',
        "resources": "[{arn=arn:aws:ec2:x, accountid=111122223333, type=AWS::EC2::Volume}]", "readonly": "false",
    }  # fmt: skip
    (tmp_path / "athena.csv").write_text(table_text([row]))
    (found,) = read(tmp_path).events.to_pylist()
    assert found["session_name"] == "ECSTaskVolumesForEBS"
    assert found["session_issuer_arn"] == "arn:aws:iam::111122223333:role/r"
    assert found["session_created_at"].isoformat() == "2026-03-02T08:00:00+00:00"
    assert found["event_time"].isoformat() == "2026-03-02T09:00:00+00:00"
    assert found["account_id"] == "111122223333"
    assert found["invoked_by"] is None
    assert json.loads(found["resources"])[0]["ARN"] == "arn:aws:ec2:x"
    assert json.loads(found["request_parameters"]) == {"volumeId": "vol-1"}
