"""Parquet files -> records, whatever the table: this package's own events, columns of query engines, OCSF.

Row groups are read one after the other, only the columns that say something, and no group whose statistics show that
it lies outside every window asked for. Each row becomes a record again and takes the road of all records. Columns that
a table keeps only in its path (Hive partitions, `region=eu-west-1/`) count as columns.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecs_trail.evidence import ocsf
from ecs_trail.evidence.ledger import Problem, Spans, merge_spans
from ecs_trail.evidence.moments import moment_of
from ecs_trail.evidence.normal import TOP_FIELDS, canonical_key
from ecs_trail.evidence.probes import ClauseProbe, Probe
from ecs_trail.evidence.shapes import Haul, gather, gather_ocsf
from ecs_trail.evidence.sifting import OWN_KEYS, OWN_SESSIONS, Mask, Sifter, sifter_of
from ecs_trail.evidence.tables import WHOLE_COLUMNS, has_messages, is_table, lacking, record_of, whole_event
from ecs_trail.evidence.texts import compact
from ecs_trail.schema import EVENT_SCHEMA

#: Rows turned into records at a time.
_BATCH: Final = 2048
#: Rows compared by columns at a time.
_SIFTED: Final = 16384
#: Rows of the largest row group that is read at once.
_GROUP: Final = 1 << 17
#: The columns by which this package's own tables are known.
_OWN_MARKS: Final = frozenset({"event_id", "event_time", "event_source", "event_name", "identity_arn", "session_name"})
#: Where a record holds what this package's own columns say (see `schema.EVENT_COLUMNS`).
_OWN_PATHS: Final[dict[str, tuple[str, ...]]] = {
    "event_id": ("eventID",),
    "account_id": ("recipientAccountId",),
    "source_ip_address": ("sourceIPAddress",),
    "request_id": ("requestID",),
    "shared_event_id": ("sharedEventID",),
    "identity_type": ("userIdentity", "type"),
    "identity_arn": ("userIdentity", "arn"),
    "identity_account_id": ("userIdentity", "accountId"),
    "principal_id": ("userIdentity", "principalId"),
    "user_name": ("userIdentity", "userName"),
    "access_key_id": ("userIdentity", "accessKeyId"),
    "invoked_by": ("userIdentity", "invokedBy"),
    "session_issuer_arn": ("userIdentity", "sessionContext", "sessionIssuer", "arn"),
    "session_issuer_id": ("userIdentity", "sessionContext", "sessionIssuer", "principalId"),
    "session_created_at": ("userIdentity", "sessionContext", "attributes", "creationDate"),
}
#: Partition names in use, other than CloudTrail's own field names.
_PARTITIONS: Final = {
    "region": "awsRegion",
    "account": "recipientAccountId",
    "accountid": "recipientAccountId",
    "account_id": "recipientAccountId",
    "aws_account_id": "recipientAccountId",
}
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"
_TIMES: Final = ("event_time", "eventtime", "time_dt", "time")

_ASKS_NOTHING: Final = ClauseProbe(None, None, None, None, None, None, None, None)

Row = dict[str, Any]


def batches(file: Path | bytes, name: str, probe: Probe, haul: Haul) -> Iterator[None]:
    """Fill the haul batch by batch, so that a caller can take `haul.records` away in between. Never raises for what the
    bytes are.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(file) if isinstance(file, bytes) else file) as opened:
            reader = _reader(opened, name, haul)
            if reader is None:
                haul.left_out["not_cloudtrail"] += 1
                return
            haul.is_log = reader.is_certain
            if not (reader.is_certain or opened.metadata.num_rows):
                haul.left_out["empty"] += 1
            yield from reader.read(opened, probe)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        haul.problems.append(Problem(name, "unreadable_file", f"Parquet file cannot be read to its end: {reason}."))


def partitions(name: str) -> dict[str, str]:
    """What the folders of a path say in Hive's way (`key=value`), as CloudTrail fields: Region, account and others."""
    found: dict[str, str] = {}
    for folder in name.replace("\\", "/").split("/")[:-1]:
        key, mark, value = folder.partition("=")
        key = key.lower()
        field = _PARTITIONS.get(key) or canonical_key(key)
        if mark and value not in ("", _NO_VALUE) and field in TOP_FIELDS:
            found[field] = unquote(value)
    return found


def _reader(opened: pq.ParquetFile, name: str, haul: Haul) -> "_Reader | None":
    """The way to read this table, or None when it is none of CloudTrail's."""
    columns = list(opened.schema_arrow.names)
    by_path = partitions(name)
    if set(columns) >= _OWN_MARKS:
        wanted = ["raw"] if "raw" in columns else [column for column in columns if column in EVENT_SCHEMA.names]
        if "raw" not in columns:
            _remark_missing([column for column in columns if column not in {"source", "position"}], haul)
        asked = [*OWN_KEYS.values(), *OWN_SESSIONS]
        return _OwnReader(
            haul, wanted, by_path, Sifter(OWN_KEYS, {}, OWN_SESSIONS) if set(columns) >= set(asked) else None
        )
    if ocsf.is_ocsf(frozenset(columns)):
        return _OcsfReader(haul, [column for column in columns if column in ocsf.FIELDS], by_path)
    if "detail" in columns and "detail-type" in columns:
        return _EnvelopeReader(haul, columns, by_path)
    if is_table([*columns, *by_path]):
        missing = lacking([*columns, *by_path])
        if missing:
            haul.remark(f"a table without {' and '.join(missing)}; its events say less.")
        _remark_lower_names(opened.schema_arrow, haul)
        sifter = (
            None
            if any(name.strip().lower() in WHOLE_COLUMNS for name in columns)
            else sifter_of(opened.schema_arrow, by_path)
        )
        return _Reader(haul, columns, by_path, sifter)
    return _MessageReader(haul, columns, by_path) if has_messages(columns) else None


def _remark_missing(columns: list[str], haul: Haul) -> None:
    gone = [name for name in ("request_parameters", "response_elements", "identity_arn") if name not in columns]
    if gone:
        haul.remark(f"a table without {' and '.join(gone)}; its events say less.")


def _remark_lower_names(schema: pa.Schema, haul: Haul) -> None:
    """Glue writes the names of struct fields in lower case; inside free parts nobody can spell them again."""
    for field in schema:
        free = canonical_key(field.name) in {"requestParameters", "responseElements"}
        if free and field.name.islower() and pa.types.is_struct(field.type):
            inner = [field.type.field(number).name for number in range(field.type.num_fields)]
            if inner and all(name == name.lower() for name in inner) and any(len(name) > 6 for name in inner):
                haul.remark(f"the names inside {field.name} are in lower case; what they say is not understood.")


class _Reader:
    """Rows of columns named as CloudTrail names its fields, in any spelling; nested or JSON text."""

    #: Whether the columns alone show that the table is CloudTrail's.
    is_certain = True

    def __init__(
        self, haul: Haul, columns: list[str], by_path: Mapping[str, str], sifter: Sifter | None = None
    ) -> None:
        self.haul = haul
        self.columns = columns
        self.by_path = by_path
        self.sifter = sifter

    def read(self, opened: pq.ParquetFile, probe: Probe) -> Iterator[None]:
        groups = [number for number in range(opened.num_row_groups) if _may_matter(opened, number, probe)]
        if not groups:
            return
        if self.sifter is not None and any(clause == _ASKS_NOTHING for clause in probe):
            self.sifter = None  # all rows are wanted
        step = _BATCH if self.sifter is None else _SIFTED
        for batch in opened.iter_batches(batch_size=step, row_groups=groups, columns=self.columns):
            if self.sifter is None:
                self._take_all(batch)
            else:
                self._take_some(batch, *self.sifter.sift(batch, probe))
            yield

    def _take_all(self, batch: pa.RecordBatch) -> None:
        for row in _rows(batch):
            self.take(row)

    def _take_some(self, batch: pa.RecordBatch, wanted: Mask, spans: Spans) -> None:
        """Make records of the rows wanted, and count the others, each in its place."""
        merge_spans(self.haul.spans, spans)
        places = np.flatnonzero(wanted)
        before = 0
        for place, row in zip(places.tolist(), _rows(batch.take(pa.array(places))), strict=True):
            self.haul.put_aside(place - before)
            self.take(row)
            before = place + 1
        self.haul.put_aside(batch.num_rows - before)

    def take(self, row: Row) -> None:
        """Give the haul what one row holds."""
        known = {canonical_key(name) for name, value in row.items() if value not in (None, "")}
        row = {**row, **{name: value for name, value in self.by_path.items() if name not in known}}
        whole = whole_event(row)
        if whole is not None:
            gather(whole, self.haul, 1)
        else:
            self.haul.take(record_of(row), is_rebuilt=True)


class _OwnReader(_Reader):
    """Rows of `EVENT_SCHEMA`, with the record itself or without.

    The columns were made of the records, so they decide which rows are wanted; the records, which are most of the
    bytes, are read only of row groups that hold such a row.
    """

    def read(self, opened: pq.ParquetFile, probe: Probe) -> Iterator[None]:
        sizes = [opened.metadata.row_group(number).num_rows for number in range(opened.num_row_groups)]
        if self.sifter is None or max(sizes, default=0) > _GROUP or any(clause == _ASKS_NOTHING for clause in probe):
            self.sifter = None
            yield from super().read(opened, probe)
            return
        asked = [*OWN_KEYS.values(), *OWN_SESSIONS]
        for number in range(opened.num_row_groups):
            if not _may_matter(opened, number, probe):
                continue
            (keys,) = opened.read_row_group(number, columns=asked).combine_chunks().to_batches() or (None,)
            if keys is None:
                continue
            wanted, spans = self.sifter.sift(keys, probe)
            if wanted.any():
                (rows,) = opened.read_row_group(number, columns=self.columns).combine_chunks().to_batches()
                self._take_some(rows, wanted, spans)
            else:
                merge_spans(self.haul.spans, spans)
                self.haul.put_aside(keys.num_rows)
            yield

    def take(self, row: Row) -> None:
        raw = row.get("raw")
        if isinstance(raw, str):
            gather(raw.encode(), self.haul, 1)
            return
        record: Row = {}
        for name, value in row.items():
            if value is not None and name in _OWN_PATHS:
                _put(record, _OWN_PATHS[name], value)
            elif value is not None and canonical_key(name) in TOP_FIELDS:
                record[canonical_key(name)] = value
        if row.get("has_tls_details"):
            record["tlsDetails"] = {"tlsVersion": "not carried"}
        self.haul.take(compact(record), is_rebuilt=True)


class _OcsfReader(_Reader):
    """Rows of OCSF; the Region and account of the path are those of Security Lake's own folders."""

    def take(self, row: Row) -> None:
        cloud = row.get("cloud") if isinstance(row.get("cloud"), dict) else {}
        if "awsRegion" in self.by_path and not (cloud or {}).get("region"):
            row = {**row, "cloud": {**(cloud or {}), "region": self.by_path["awsRegion"]}}
        if not gather_ocsf(row, self.haul):
            self.haul.left_out["other_event"] += 1


class _MessageReader(_Reader):
    """Rows of a log export: messages that hold whole events, or those of other applications."""

    is_certain = False

    def take(self, row: Row) -> None:
        whole = whole_event(row)
        if whole is None:
            self.haul.left_out["not_cloudtrail"] += 1
        else:
            gather(whole, self.haul, 1)


class _EnvelopeReader(_Reader):
    """Rows of EventBridge envelopes, as Firehose writes them."""

    def take(self, row: Row) -> None:
        detail = row.get("detail")
        text = detail.encode() if isinstance(detail, str) else compact(detail)
        head = {name: value for name, value in row.items() if name != "detail" and value is not None}
        gather(compact(head)[:-1] + b',"detail":' + text + b"}", self.haul, 1)


def _put(record: Row, path: tuple[str, ...], value: object) -> None:
    for step in path[:-1]:
        record = record.setdefault(step, {})
    record[path[-1]] = value


def _may_matter(opened: pq.ParquetFile, number: int, probe: Probe) -> bool:
    """False when the statistics of a row group show that all of it lies outside every window asked for."""
    if any(clause.start is None and clause.end is None for clause in probe):
        return True
    group = opened.metadata.row_group(number)
    for place in range(group.num_columns):
        column = group.column(place)
        if column.path_in_schema.lower() in _TIMES and column.is_stats_set and column.statistics.has_min_max:
            first, last = _moment(column.statistics.min), _moment(column.statistics.max)
            if first is not None and last is not None and first.year > 2000:
                return any(
                    (clause.start is None or last >= clause.start) and (clause.end is None or first < clause.end)
                    for clause in probe
                )
    return True


def _moment(value: object) -> datetime | None:
    """A bound of the statistics as a time; text counts only in the one spelling whose order is that of time."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str) and not (len(value) == 20 and value.endswith("Z") and value[10] == "T"):
        return None
    return moment_of(value)


def _rows(batch: pa.RecordBatch) -> Iterator[Row]:
    """The rows of a batch as JSON-like values: nulls inside objects dropped, times as text, maps as objects."""
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    values: list[Any] = column.to_pylist()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return values
    return [_value(value, kind) for value in values]


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_struct(kind):
        inner = ((field.name, _value(value.get(field.name), field.type)) for field in _fields(kind))
        return {name: item for name, item in inner if item is not None} or None
    if pa.types.is_map(kind):
        pairs = value.items() if isinstance(value, dict) else value
        return {str(key): _value(item, kind.item_type) for key, item in pairs}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_value(item, kind.value_type) for item in value]
    if isinstance(value, bytes):  # older writers leave text without its mark
        return value.decode("utf-8", errors="replace")
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Decimal | date) else value


def _fields(kind: pa.StructType) -> list[pa.Field]:
    return [kind.field(number) for number in range(kind.num_fields)]
