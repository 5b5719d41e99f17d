"""Parquet and OCSF: one set of records laid out in every table shape gives the same rows."""

import gzip
import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evidence_builders import (
    ACCOUNT,
    ROLE,
    SESSION,
    Record,
    assume_role,
    content,
    denied,
    dump,
    envelope,
    read,
    record,
    some_records,
)
from evidence_builders import _flat as flat
from evidence_builders import _zipped as zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecs_trail.evidence.ocsf import UNNAMED_FAILURE
from ecs_trail.evidence.parquet import partitions
from ecs_trail.selection import default_selection, everything, session
from ecs_trail.times import Window

Table = Callable[[Sequence[Record]], pa.Table]
_FREE = ("requestParameters", "responseElements", "additionalEventData", "resources", "userIdentity")


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table with every name that occurs."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def text_columns(made: Record, spell: Callable[[str], str]) -> dict[str, Any]:
    """Free parts and structs as JSON text, scalars as they are."""
    return {
        spell(name): dump(value) if isinstance(value, dict | list) else value
        for name, value in made.items()
        if value is not None
    }


def snake(name: str) -> str:
    plain = name.replace("ID", "Id").replace("IP", "Ip")
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in plain)


def deep(made: Record, join: str, spell: Callable[[str], str]) -> dict[str, Any]:
    """The identity flattened to its leaves, the free parts as JSON text."""
    rest = {name: value for name, value in made.items() if name != "userIdentity"}
    leaves = flat({"userIdentity": made["userIdentity"]})
    return text_columns(rest, spell) | {
        join.join(spell(step) for step in path.split(".")): value for path, value in leaves.items()
    }


def timed(made: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    """The table with its time column as another type."""
    place = made.column_names.index(name)
    moments = [datetime.fromisoformat(text) for text in made.column(name).to_pylist()]
    if kind == pa.int64():
        return made.set_column(place, name, pa.array([int(moment.timestamp() * 1000) for moment in moments]))
    if kind.tz is None:
        moments = [moment.replace(tzinfo=None) for moment in moments]
    return made.set_column(place, name, pa.array(moments, type=kind))


def recast(made: pa.Table, change: Callable[[Any], Any]) -> pa.Table:
    """The table with its text columns changed."""
    return pa.table(
        {name: change(made[name]) if pa.types.is_string(made[name].type) else made[name] for name in made.column_names}
    )


def text_table(records: Sequence[Record], spell: Callable[[str], str] = str) -> pa.Table:
    return table([text_columns(made, spell) for made in records])


def identity_struct(records: Sequence[Record]) -> pa.Table:
    """Free parts as text, the identity and the resources as structs with lower-case names, as Glue has them."""
    rows = [text_columns({k: v for k, v in m.items() if k not in {"userIdentity", "resources"}}, str.lower)
            for m in records]  # fmt: skip
    for row, made in zip(rows, records, strict=True):
        row["useridentity"] = lowered(made["userIdentity"])
        row["resources"] = lowered(made["resources"]) if made.get("resources") else None
    return table(rows)


def lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): lowered(inner) for name, inner in value.items()}
    return [lowered(item) for item in value] if isinstance(value, list) else value


def ocsf_event(made: Record, version: int = 2, **options: Any) -> dict[str, Any]:
    """A record as Security Lake stores it, by its published mapping. `unmapped` may be dotted or JSON (`style`)."""
    style, as_object = options.get("style", "dotted"), options.get("as_object", False)
    identity = made["userIdentity"]
    context = identity.get("sessionContext", {})
    attributes, issuer = context.get("attributes", {}), context.get("sessionIssuer", {})
    left: dict[str, Any] = {
        name: made[name]
        for name in ("recipientAccountId", "readOnly", "managementEvent", "sharedEventID", "tlsDetails",
                     "additionalEventData", "serviceEventDetails")
        if made.get(name) is not None
    }  # fmt: skip
    if issuer:
        rest = {name: value for name, value in issuer.items() if name != "arn"}
        left["userIdentity"] = {"sessionContext": {"sessionIssuer": rest}}
    moment = datetime.fromisoformat(made["eventTime"])
    created = attributes.get("creationDate")
    user = {"type": identity.get("type"), "credential_uid": identity.get("accessKeyId"),
            "name": identity.get("userName")}  # fmt: skip
    api: dict[str, Any] = {
        "operation": made["eventName"],
        "service": {"name": made["eventSource"]},
        "request": {"uid": made.get("requestID")},
        "response": {"error": made.get("errorCode"), "message": made.get("errorMessage")},
    }
    if version == 1:
        user |= {"uuid": identity.get("arn"), "uid": identity.get("principalId"),
                 "account_uid": identity.get("accountId")}  # fmt: skip
        started = created and int(datetime.fromisoformat(created).timestamp() * 1000)
        session_part = {"issuer": issuer.get("arn"), "mfa": attributes.get("mfaAuthenticated") == "true",
                        "created_time": started}  # fmt: skip
        left |= {name: made[name] for name in ("requestParameters", "responseElements") if made.get(name) is not None}
    else:
        user |= {"uid": identity.get("arn"), "uid_alt": identity.get("principalId"),
                 "account": {"uid": identity.get("accountId")}}  # fmt: skip
        session_part = {"issuer": issuer.get("arn"), "is_mfa": attributes.get("mfaAuthenticated") == "true",
                        "created_time_dt": created}  # fmt: skip
        for part, name in (("request", "requestParameters"), ("response", "responseElements")):
            if made.get(name) is not None:
                api[part]["data"] = made[name] if as_object else dump(made[name])
    account = "account_uid" if version == 1 else "owner"
    left |= {"eventType": made["eventType"]} if version == 1 else {}
    return {
        "class_uid": options.get("class_uid", 6003),
        "time": int(moment.timestamp() * 1000),
        "metadata": {"uid": made["eventID"], "version": "1.0.0-rc.2" if version == 1 else "1.1.0",
                     "event_code": None if version == 1 else made["eventType"],
                     "product": {"name": "CloudTrail", "vendor_name": "AWS", "version": made["eventVersion"],
                                 "feature": {"name": made["eventCategory"]}}},
        "api": api,
        "status": "Failure" if made.get("errorCode") else "Success",
        "actor": {"user": user, "session": session_part if context else None, "invoked_by": identity.get("invokedBy")},
        "cloud": {"region": made["awsRegion"], "provider": "AWS"},
        "src_endpoint": {"ip": None, "domain": made["sourceIPAddress"]},
        "http_request": {"user_agent": made["userAgent"]},
        "resources": [
            {"uid": item["ARN"], "type": item["type"],
             account: item["accountId"] if version == 1 else {"account": {"uid": item["accountId"]}}}
            for item in made.get("resources") or []
        ] or None,
        "observables": [{"name": "src_endpoint.domain", "value": "x"}],
        "unmapped": unmapped(left, style),
    }  # fmt: skip


def unmapped(left: Record, style: str) -> Any:
    """What OCSF has no place for: dotted names, JSON text a field, or JSON text of all."""
    text = {True: "true", False: "false"}
    if style == "text":
        return dump(left)
    if style == "json":
        return {name: value if isinstance(value, str) else dump(value) for name, value in left.items()}
    return {
        name: dump(value) if isinstance(value, list | dict) else text.get(value, str(value))
        for name, value in flat(left).items()
        if value is not None
    }


def ocsf_table(records: Sequence[Record], version: int = 2, **options: Any) -> pa.Table:
    """Events of one or several classes as one table; `unmapped` is a map as in Security Lake."""
    events = [
        ocsf_event(made, version, class_uid=(6003, 3001, 3002)[number % 3], **options)
        for number, made in enumerate(records)
    ]
    spread = pa.array([list(event.pop("unmapped").items()) for event in events], type=pa.map_(pa.string(), pa.string()))
    return pa.Table.from_pylist(events).append_column("unmapped", spread)


def ours(records: Sequence[Record], *dropped: str) -> pa.Table:
    """This package's own table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.json"
        path.write_text(dump({"Records": list(records)}))
        return read(path).events.drop_columns(list(dropped))


TABLES: dict[str, Table] = {
    "our own": ours,
    "our own without records": lambda r: ours(r, "raw", "position"),
    "text columns": text_table,
    "text columns in lower case": lambda r: text_table(r, str.lower),
    "text columns in upper case": lambda r: text_table(r, str.upper),
    "text columns in snake case": lambda r: text_table(r, snake),
    "dictionaries": lambda r: recast(text_table(r, str.lower), lambda column: column.dictionary_encode()),
    "binary text": lambda r: recast(text_table(r, str.lower), lambda column: column.cast(pa.binary())),
    "booleans as text": lambda r: table(
        [{n: str(v).lower() if isinstance(v, bool) else v for n, v in text_columns(m, str.lower).items()} for m in r]),
    "deep names in snake case": lambda r: table([deep(m, "_", snake) for m in r]),
    "deep names in lower case": lambda r: table([deep(m, "_", str.lower) for m in r]),
    "deep names with dots": lambda r: table([deep(m, ".", str) for m in r]),
    "timestamps": lambda r: timed(text_table(r, str.lower), "eventtime", pa.timestamp("us", tz="UTC")),
    "nanoseconds without a zone": lambda r: timed(text_table(r, snake), "event_time", pa.timestamp("ns")),
    "timestamps of another zone": lambda r: timed(text_table(r), "eventTime", pa.timestamp("ms", tz="Asia/Tokyo")),
    "milliseconds": lambda r: timed(text_table(r), "eventTime", pa.int64()),
    "structs": lambda r: table([{name: value for name, value in made.items() if value is not None} for made in r]),
    "identity as struct in lower case": identity_struct,
    "whole event as text": lambda r: table([{"eventid": m["eventID"], "eventjson": dump(m)} for m in r]),
    "messages of a log group": lambda r: table([{"timestamp": 1, "message": dump(m)} for m in r]),
    "envelopes": lambda r: table(
        [{n: dump(v) if n == "detail" else v for n, v in envelope(m).items() if n != "resources"} for m in r]),
    "OCSF 2": ocsf_table,
    "OCSF 2 with JSON in unmapped": lambda r: ocsf_table(r, style="json"),
    "OCSF 1": lambda r: ocsf_table(r, 1),
    "OCSF 1 with JSON in unmapped": lambda r: ocsf_table(r, 1, style="json"),
}  # fmt: skip


def story() -> list[Record]:
    """The usual records, plus a session that asked for nothing and TLS details; keys inside objects have no nulls."""
    return [*some_records(), record(21, tlsDetails={"tlsVersion": "TLSv1.3", "cipherSuite": "x"}),
            denied(22, eventName="DetachVolume"), assume_role(23, resources=None)]  # fmt: skip


def reference(records: Sequence[Record], folder: Path) -> list[dict[str, Any]]:
    path = folder / "reference.json"
    path.write_text(dump({"Records": list(records)}))
    return content(read(path).events)


@pytest.mark.parametrize("shape", TABLES)
def test_every_table_gives_the_same_rows(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecs_trail.evidence.parquet._BATCH", 2)
    records = story()
    path = tmp_path / "evidence" / "part-0"
    path.parent.mkdir()
    pq.write_table(TABLES[shape](records), path, row_group_size=4)
    evidence = read(path)
    assert content(evidence.events) == reference(records, tmp_path)
    assert evidence.receipt.records_read == len(records)
    assert evidence.receipt.problems == []
    assert evidence.receipt.files_read == 1
    assert sorted(evidence.events.column("position").to_pylist()) == list(range(len(records)))


def test_lists_and_texts_under_dotted_names(tmp_path: Path) -> None:
    """A list stands as JSON text; a parameter that is text by nature stays text."""
    event = ocsf_event(record(1, requestParameters=None), 1)
    event["unmapped"] |= {"requestParameters.items": '[{"a":1}]', "requestParameters.policyDocument": "[1]",
                          "requestParameters.force": "true", "requestParameters.note": '{"b":2}'}  # fmt: skip
    (tmp_path / "x.json").write_text(dump(event))
    (row,) = content(read(tmp_path).events)
    assert row["request_parameters"] == {"items": [{"a": 1}], "policyDocument": "[1]", "force": True, "note": '{"b":2}'}


@pytest.mark.parametrize("shape", TABLES)
def test_a_selection_reads_the_same_from_every_table(shape: str, tmp_path: Path) -> None:
    pq.write_table(TABLES[shape](story()), tmp_path / "a.parquet")
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "log.json").write_text(dump({"Records": story()}))
    for selection in (session(SESSION), default_selection()):
        found = read(tmp_path / "a.parquet", selection)
        assert content(found.events) == content(read(tmp_path / "0", selection).events)
    together = read(tmp_path)
    assert together.receipt.problems == []
    assert together.receipt.duplicates == len(story())
    assert all("/0/" in source for source in together.events.column("source").to_pylist())


@pytest.mark.parametrize("style", ["dotted", "json", "text"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("as_object", [True, False])
def test_ocsf_as_json(version: int, style: str, as_object: bool, tmp_path: Path) -> None:
    events = [ocsf_event(made, version, style=style, as_object=as_object) for made in story()]
    for number, text in enumerate(["\n".join(dump(e) for e in events), dump(events), dump({"Records": events})]):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        evidence = read(path)
        assert content(evidence.events) == reference(story(), tmp_path)
        assert evidence.receipt.problems == []


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=6), st.sampled_from(["true", "{", "a, b=c", "[x]"])),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(st.sampled_from(["volumeId", "tagSet", "key", "a b"]), inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)
_PARAMETERS = st.dictionaries(st.sampled_from(["roleName", "items", "policyDocument", "x"]), _VALUES, min_size=1)
#: Shapes that keep every value as it is: no text made of booleans, no structs with one type a field.
_FAITHFUL = [name for name in TABLES if name != "structs" and not name.startswith("OCSF 1")]


@given(asked=_PARAMETERS, answered=_PARAMETERS, shape=st.sampled_from(_FAITHFUL), group=st.integers(1, 4))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_parameters_survive(
    asked: Record, answered: Record, shape: str, group: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    records = [record(1, requestParameters=asked), record(2, responseElements=answered), assume_role(3)]
    pq.write_table(TABLES[shape](records), folder / "x.parquet", row_group_size=group)
    assert content(read(folder / "x.parquet").events) == reference(records, folder)


def test_columns_that_only_the_path_carries(tmp_path: Path) -> None:
    made = record(1)
    del made["awsRegion"], made["recipientAccountId"]
    folder = tmp_path / "region=eu-west-1" / f"account={ACCOUNT}" / "year=2026" / "eventname=%3Ano"
    folder.mkdir(parents=True)
    pq.write_table(text_table([made], str.lower), folder / "x.parquet")
    evidence = read(tmp_path)
    assert content(evidence.events) == reference([record(1)], tmp_path)


def test_what_the_file_says_goes_before_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "region=us-east-1" / "account_id=999999999999"
    folder.mkdir(parents=True)
    for shape in ("text columns in lower case", "OCSF 2", "our own"):
        pq.write_table(TABLES[shape]([record(1)]), folder / "x.parquet")
        assert read(tmp_path).events.column("aws_region").to_pylist() == ["eu-west-1"]


def test_partitions_are_read_from_folders_only() -> None:
    assert partitions("a/region=eu-west-1/accountId=1/eventDay=20260302/region=x.parquet") == {
        "awsRegion": "eu-west-1", "recipientAccountId": "1",
    }  # fmt: skip
    assert partitions("eventName=Delete%20It/region=__HIVE_DEFAULT_PARTITION__/x") == {"eventName": "Delete It"}


def test_ocsf_1_without_parameters_is_named_once(tmp_path: Path) -> None:
    made = [record(number, requestParameters=None, responseElements=None) for number in (1, 2)]
    pq.write_table(ocsf_table(made, 1), tmp_path / "x.parquet")
    evidence = read(tmp_path)
    (problem,) = evidence.receipt.problems
    assert problem.kind == "lossy_source"
    assert "request parameters" in problem.detail
    assert not evidence.receipt.is_partial
    assert evidence.events.column("session_name").to_pylist() == [SESSION, SESSION]


def test_a_failure_without_a_code_is_no_success(tmp_path: Path) -> None:
    event = ocsf_event(record(1))
    event["status"] = "failed"
    (tmp_path / "x.json").write_text(dump(event))
    assert read(tmp_path).events.column("error_code").to_pylist() == [UNNAMED_FAILURE]


@pytest.mark.parametrize("time", [1772442000000, 1772442000000000, "2026-03-02T09:00:00Z", None])
def test_times_of_ocsf(time: Any, tmp_path: Path) -> None:
    event = ocsf_event(record(1)) | {"time": time, "time_dt": "2026-03-02T18:00:00+09:00"}
    (tmp_path / "x.json").write_text(dump(event))
    assert read(tmp_path).events.column("event_time").to_pylist() == [datetime(2026, 3, 2, 9, tzinfo=UTC)]


def test_ocsf_of_other_products_is_left_out(tmp_path: Path) -> None:
    event = ocsf_event(record(1))
    event["metadata"]["product"]["name"] = "Amazon EKS"
    (tmp_path / "x.json").write_text(dump([event]))
    event["unmapped"] = [("a", "b")]
    pq.write_table(pa.Table.from_pylist([{**event, "unmapped": None}]), tmp_path / "x.parquet")
    evidence = read(tmp_path)
    assert evidence.events.num_rows == 0
    assert evidence.receipt.problems == []


def test_tables_of_other_things_are_left_out(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "x.parquet")
    assert read(tmp_path).receipt.left_out == {"not_cloudtrail": 1}


def test_messages_of_other_applications_are_left_out(tmp_path: Path) -> None:
    pq.write_table(pa.table({"message": ["hello", None, "{}"]}), tmp_path / "x.parquet")
    pq.write_table(pa.table({"message": pa.array([], pa.string())}), tmp_path / "y.parquet")
    receipt = read(tmp_path).receipt
    assert receipt.left_out == {"not_cloudtrail": 1, "empty": 1}
    assert receipt.problems == []


def test_an_empty_table_is_read(tmp_path: Path) -> None:
    pq.write_table(ours(story()).slice(0, 0), tmp_path / "x.parquet")
    receipt = read(tmp_path).receipt
    assert (receipt.files_read, receipt.records_read, receipt.problems) == (1, 0, [])


@pytest.mark.parametrize("keep", [4, 12, 300, 0.5, 0.9, -1])
def test_a_damaged_file_is_named(keep: float, tmp_path: Path) -> None:
    pq.write_table(text_table(story()), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data[: int(keep) if abs(keep) >= 1 else int(len(data) * keep)])
    receipt = read(tmp_path).receipt
    assert [problem.kind for problem in receipt.problems] == ["unreadable_file"]
    assert receipt.files_failed == 1


def test_damage_inside_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    pq.write_table(ours(story()), tmp_path / "x.parquet", row_group_size=3, compression="zstd")
    data = bytearray((tmp_path / "x.parquet").read_bytes())
    group = pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(1)
    column = next(group.column(n) for n in range(group.num_columns) if group.column(n).path_in_schema == "raw")
    start = column.dictionary_page_offset or column.data_page_offset
    data[start + 40 : start + 60] = b"\xff" * 20
    (tmp_path / "x.parquet").write_bytes(data)
    receipt = read(tmp_path).receipt
    assert [problem.kind for problem in receipt.problems] == ["unreadable_file"]
    assert receipt.is_partial


def test_rows_without_a_time_are_rejected_and_named(tmp_path: Path) -> None:
    made = text_table(story(), str.lower)
    place = made.column_names.index("eventtime")
    times = made.column("eventtime").to_pylist()
    pq.write_table(made.set_column(place, "eventtime", pa.array(["...", None, *times[2:]])), tmp_path / "x.parquet")
    receipt = read(tmp_path).receipt
    assert receipt.records_rejected == 2
    assert [problem.kind for problem in receipt.problems] == ["rejected_record"]


def test_names_inside_structs_in_lower_case_are_named(tmp_path: Path) -> None:
    made = text_columns(record(1), str.lower) | {"requestparameters": {"volumeid": "vol-1", "instanceid": "i-1"}}
    pq.write_table(pa.Table.from_pylist([made]), tmp_path / "x.parquet")
    (problem,) = read(tmp_path).receipt.problems
    assert problem.kind == "lossy_source"


def test_in_archives_it_is_read_as_well(tmp_path: Path) -> None:
    pq.write_table(ours(story()), tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").unlink()
    (tmp_path / "x.gz").write_bytes(gzip.compress(data))
    (tmp_path / "x.zip").write_bytes(zipped(data, "x.parquet"))
    receipt = read(tmp_path).receipt
    assert (receipt.files_read, receipt.duplicates, receipt.problems) == (2, len(story()), [])


def test_icebergs_own_files_are_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "snap-1.avro").write_bytes(b'Obj\x01..."name":"eventName"...')
    (tmp_path / "metadata" / "v1.metadata.json").write_text(dump({"schemas": [{"fields": [{"name": "eventName"}]}]}))
    receipt = read(tmp_path).receipt
    assert receipt.left_out == {"not_cloudtrail": 2}
    assert not receipt.is_partial


@pytest.mark.parametrize("shape", ["our own", "timestamps", "text columns in lower case", "OCSF 2"])
def test_row_groups_outside_the_window_are_not_read(shape: str, tmp_path: Path) -> None:
    records = [record(number) for number in range(60)]
    pq.write_table(TABLES[shape](records), tmp_path / "x.parquet", row_group_size=10)
    window = Window(datetime(2026, 3, 2, 9, 0, 25, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, 30, tzinfo=UTC))
    evidence = read(tmp_path, everything().during(window))
    assert evidence.events.column("event_id").to_pylist() == [m["eventID"] for m in records[25:30]]
    assert evidence.receipt.records_read == 10
    ends = Window(datetime(2026, 3, 2, 9, 0, 29, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, 31, tzinfo=UTC))
    assert read(tmp_path, everything().during(ends)).events.num_rows == 2


def test_times_in_other_spellings_are_not_pruned_by_their_text(tmp_path: Path) -> None:
    """Text bounds say nothing when the zone differs from row to row."""
    made = [record(1, eventTime="2026-03-03T00:30:00+09:00"), record(2, eventTime="2026-03-02T16:30:00.000Z")]
    pq.write_table(text_table(made), tmp_path / "x.parquet")
    window = Window(datetime(2026, 3, 2, 15, tzinfo=UTC), datetime(2026, 3, 2, 16, tzinfo=UTC))
    assert read(tmp_path, everything().during(window)).events.num_rows == 1


def test_workers_read_parquet_too(tmp_path: Path) -> None:
    for number, shape in enumerate(TABLES):
        pq.write_table(TABLES[shape]([record(number)]), tmp_path / f"{number:02}.parquet")
    one, two = read(tmp_path), read(tmp_path, workers=2)
    assert one.events.equals(two.events)
    assert one.receipt == two.receipt
    assert one.events.num_rows == len(TABLES)
    assert one.events.column("session_issuer_arn").to_pylist() == [ROLE] * len(TABLES)
    assert json.loads(one.events.column("raw")[0].as_py())
