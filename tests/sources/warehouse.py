"""Athena, CloudTrail Lake and CloudWatch Logs of our own on the loopback: their JSON protocols, and SQL that is run.

A query is parsed in Trino's dialect, transpiled to DuckDB by sqlglot and run over tables made of records: one as the
CloudTrail User Guide makes it in Glue, one as an event data store. The service's limits are kept; what was asked is
written down; it misbehaves where it is told to.
"""

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from log_patterns import matches
from loopback import JsonHandler, serve
from sqlglot.errors import SqlglotError

Record = dict[str, Any]

ISSUER = "struct<type:string,principalid:string,arn:string,accountid:string,username:string>"
CONTEXT = f"struct<attributes:struct<mfaauthenticated:string,creationdate:string>,sessionissuer:{ISSUER}>"
IDENTITY = (
    "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,"
    f"username:string,sessioncontext:{CONTEXT}>"
)
GLUE_COLUMNS = {
    "eventversion": "string",
    "useridentity": IDENTITY,
    "eventtime": "string",
    "eventsource": "string",
    "eventname": "string",
    "awsregion": "string",
    "sourceipaddress": "string",
    "useragent": "string",
    "errorcode": "string",
    "errormessage": "string",
    "requestparameters": "string",
    "responseelements": "string",
    "additionaleventdata": "string",
    "requestid": "string",
    "eventid": "string",
    "resources": "array<struct<arn:string,accountid:string,type:string>>",
    "eventtype": "string",
    "readonly": "string",
    "recipientaccountid": "string",
    "serviceeventdetails": "string",
    "sharedeventid": "string",
    "eventcategory": "string",
    "tlsdetails": "struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string>",
}
STORE = "0df2f852-4e8f-8bd1-bcf6-0123456789ab"
_TEXT = pa.string()


def _struct(*names: str, **nested: pa.DataType) -> pa.DataType:
    return pa.struct([*((name, _TEXT) for name in names), *nested.items()])


_ARROW_ISSUER = _struct("type", "principalid", "arn", "accountid", "username")
_ARROW_CONTEXT = _struct(attributes=_struct("mfaauthenticated", "creationdate"), sessionissuer=_ARROW_ISSUER)
_ARROW = {
    "useridentity": _struct(
        *("type", "principalid", "arn", "accountid", "invokedby", "accesskeyid", "username"),
        sessioncontext=_ARROW_CONTEXT,
    ),
    "resources": pa.list_(_struct("arn", "accountid", "type")),
    "tlsdetails": _struct("tlsversion", "ciphersuite", "clientprovidedhostheader"),
}
FREE = {"requestparameters", "responseelements", "additionaleventdata", "serviceeventdetails"}


def lowered(value: Any) -> Any:
    """Names in lower case, scalars as text: what the Hive SerDe makes of a struct."""
    if isinstance(value, dict):
        return {key.lower(): lowered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [lowered(inner) for inner in value]
    return value if value is None or isinstance(value, str) else json.dumps(value)


def glue_row(record: Record, names: Iterable[str] = GLUE_COLUMNS) -> dict[str, Any]:
    """A record as a row of the User Guide's table."""
    by_name = {key.lower(): value for key, value in record.items()}
    row: dict[str, Any] = {}
    for name in names:
        value = by_name.get(name)
        if name in FREE and value is not None:
            row[name] = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        else:
            row[name] = lowered(value)
    return row


def delivered(record: Record) -> datetime:
    """When a record came into its folder: minutes after the event."""
    return datetime.fromisoformat(record["eventTime"]) + timedelta(minutes=11)


#: How a table is partitioned: partition columns of a record, the keys as Glue has them, and the table's parameters.
Partitioning = tuple[Callable[[Record], dict[str, str]], dict[str, str], dict[str, str]]
PROJECTED: Partitioning = (
    lambda record: {"timestamp": f"{delivered(record):%Y/%m/%d}"},
    {"timestamp": "string"},
    {"projection.enabled": "true", "projection.timestamp.type": "date", "projection.timestamp.format": "yyyy/MM/dd"},
)
CALENDAR: Partitioning = (
    lambda record: {
        "region": record["awsRegion"],
        "year": f"{delivered(record):%Y}",
        "month": f"{delivered(record):%m}",
        "day": f"{delivered(record):%d}",
    },
    {"region": "string", "year": "string", "month": "string", "day": "string"},
    {},
)
UNPADDED: Partitioning = (
    lambda record: {
        "year": str(delivered(record).year),
        "month": str(delivered(record).month),
        "day": str(delivered(record).day),
    },
    {"year": "string", "month": "string", "day": "string"},
    {},
)
DATED: Partitioning = (lambda record: {"dt": f"{delivered(record):%Y-%m-%d}"}, {"dt": "string"}, {})
BACKWARD: Partitioning = (
    lambda record: {"day": f"{delivered(record):%d-%m-%Y}"},
    {"day": "string"},
    {"projection.enabled": "true", "projection.day.type": "date", "projection.day.format": "dd-MM-yyyy"},
)
HOURLY: Partitioning = (
    lambda record: {"datehour": f"{delivered(record):%Y/%m/%d/%H}"},
    {"datehour": "string"},
    {"projection.enabled": "true", "projection.datehour.type": "date", "projection.datehour.format": "yyyy/MM/dd/HH"},
)
MONTHLY: Partitioning = (
    lambda record: {"m": f"{delivered(record):%Y-%m}"},
    {"m": "string"},
    {"projection.enabled": "true", "projection.m.type": "date", "projection.m.format": "yyyy-MM"},
)
NUMBERED: Partitioning = (lambda record: {"eventday": f"{delivered(record):%Y%m%d}"}, {"eventday": "string"}, {})
UNKNOWN: Partitioning = (lambda record: {"dt": f"{delivered(record):%d.%m.%Y}"}, {"dt": "string"}, {})
NONE: Partitioning = (lambda record: {}, {}, {})
PARTITIONINGS = {
    "projected": PROJECTED,
    "calendar": CALENDAR,
    "unpadded": UNPADDED,
    "dated": DATED,
    "backward": BACKWARD,
    "hourly": HOURLY,
    "monthly": MONTHLY,
    "numbered": NUMBERED,
    "unknown spelling": UNKNOWN,
    "none": NONE,
}


@dataclass(frozen=True)
class GlueTable:
    """A table: its rows, and what GetTableMetadata says."""

    rows: pa.Table
    metadata: dict[str, Any]


def glue_table(records: list[Record], partitioning: Partitioning = PROJECTED) -> GlueTable:
    """Records as the User Guide's table."""
    of, keys, parameters = partitioning
    rows = [glue_row(record) | of(record) for record in records]
    schema = pa.schema([(name, _ARROW.get(name, _TEXT)) for name in (*GLUE_COLUMNS, *keys)])
    return GlueTable(pa.Table.from_pylist(rows, schema=schema), metadata(GLUE_COLUMNS, keys, parameters))


def metadata(columns: dict[str, str], keys: dict[str, str], parameters: dict[str, str]) -> dict[str, Any]:
    """What GetTableMetadata says of a table."""
    return {
        "Name": "trail",
        "TableType": "EXTERNAL_TABLE",
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in keys.items()],
        "Parameters": parameters,
    }


def lake_table(records: list[Record]) -> pa.Table:
    """Records as an event data store: lower-case columns, maps of text, the whole event as text."""
    rows = []
    for record in records:
        row = glue_row(record)
        parameters = record.get("requestParameters")
        row["requestparameters"] = parameters and [
            (key, value if isinstance(value, str) else json.dumps(value)) for key, value in parameters.items()
        ]
        row["eventtime"] = datetime.fromisoformat(record["eventTime"]).replace(tzinfo=None)
        row["eventjson"] = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        rows.append(row)
    kinds = _ARROW | {"requestparameters": pa.map_(_TEXT, _TEXT), "eventtime": pa.timestamp("ms")}
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, _TEXT)) for name in rows[0]]))


def run_sql(sql: str, tables: dict[str, pa.Table], *, read: str = "trino") -> pa.Table:
    """Run a query of Trino's dialect on DuckDB; tables by name, `database.table` too."""
    (duck,) = sqlglot.transpile(sql, read=read, write="duckdb")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, rows in tables.items():
            database, _, table = name.rpartition(".")
            if database:
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{database}"')
            connection.register(f"given_{table}", rows)
            connection.execute(f'CREATE VIEW "{database or "main"}"."{table}" AS SELECT * FROM given_{table}')
        return connection.sql(duck).to_arrow_table()


class RefusedError(Exception):
    """An answer with an error code."""

    def __init__(self, code: str, message: str = "refused by the test server") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass
class Query:
    """One query under way."""

    sql: str
    looks: int = 0
    state: str = "QUEUED"
    rows: pa.Table | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Warehouse:
    """What the services hold, what they have seen, and how they misbehave."""

    tables: dict[str, GlueTable] = field(default_factory=dict)
    store: pa.Table | None = None
    logs: list[tuple[datetime, str]] = field(default_factory=list)
    page: int = 1000
    #: bytes scanned with each look at a running query, and how many looks it runs
    scanned: int = 7_000_000
    runs: int = 2
    #: the state a query ends in, and the reason
    ending: tuple[str, str] = ("SUCCEEDED", "")
    #: number of a call of any kind -> error code to refuse it with
    refusals: dict[int, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    #: numbers of result pages to give without their rows
    dropped: set[int] = field(default_factory=set)
    #: what is done to the text of a query or pattern before it is obeyed
    alter: Callable[[str], str] = str
    #: where UNLOAD writes: an S3 client
    s3: Any = None
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    queries: dict[str, Query] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    _pages: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def called(self) -> set[str]:
        """The IAM actions of the calls seen."""
        return {name for name, _ in self.asked}

    @property
    def first(self) -> Query:
        """The first query that was started."""
        return next(iter(self.queries.values()))

    def answer(self, service: str, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """One request; raises `RefusedError`."""
        with self._lock:
            action = f"{service}:{operation}"
            self.asked.append((action, asked))
            if action in self.denied:
                who = "arn:aws:iam::111122223333:user/reader"
                raise RefusedError("AccessDeniedException", f"User: {who} is not authorized to perform: {action}")
            if len(self.asked) in self.refusals:
                raise RefusedError(self.refusals[len(self.asked)])
            made: dict[str, Any] = getattr(self, f"_{service}_{operation}")(asked)
            return made

    def _athena_GetTableMetadata(self, asked: dict[str, Any]) -> dict[str, Any]:
        table = self.tables.get(f"{asked['DatabaseName']}.{asked['TableName']}")
        if table is None:
            raise RefusedError("MetadataException", "EntityNotFoundException: Entity Not Found")
        return {"TableMetadata": table.metadata}

    def _athena_StartQueryExecution(self, asked: dict[str, Any]) -> dict[str, Any]:
        sql, token = asked["QueryString"], asked["ClientRequestToken"]
        if len(sql.encode()) > 262_144 or not 32 <= len(token) <= 128:
            raise RefusedError("InvalidRequestException")
        if token not in self.tokens:
            self.tokens[token] = f"{len(self.queries):08d}-1111-2222-3333-444444444444"
            self.queries[self.tokens[token]] = Query(sql, parameters=asked)
        return {"QueryExecutionId": self.tokens[token]}

    def _athena_GetQueryExecution(self, asked: dict[str, Any]) -> dict[str, Any]:
        query = self._looked_at(asked["QueryExecutionId"], self._unload_or_run)
        status = {"State": query.state} | ({"StateChangeReason": self.ending[1]} if self.ending[1] else {})
        statistics = {"DataScannedInBytes": self.scanned * query.looks}
        return {"QueryExecution": {"Status": status, "Statistics": statistics}}

    def _looked_at(self, query_id: str, run: Callable[[Query], pa.Table]) -> Query:
        query = self.queries[query_id]
        if query.state in {"QUEUED", "RUNNING"}:
            query.looks += 1
            query.state = "RUNNING" if query.looks <= self.runs else self.ending[0]
            if query.state in {"SUCCEEDED", "FINISHED"}:
                query.rows = run(query)
        return query

    def _unload_or_run(self, query: Query) -> pa.Table:
        match = re.fullmatch(r"UNLOAD \((.*)\) TO '([^']+)' WITH \((.*)\)", query.sql, re.DOTALL)
        tables = {name: table.rows for name, table in self.tables.items()}
        rows = run_sql(self.alter(match.group(1) if match else query.sql), tables, read="athena")
        if match is None:
            return rows
        bucket, _, prefix = match.group(2).removeprefix("s3://").partition("/")
        assert prefix.endswith("/")
        size = max(self.page, 1)
        for number, start in enumerate(range(0, max(rows.num_rows, 1), size)):
            sink = pa.BufferOutputStream()
            pq.write_table(rows.slice(start, size), sink)
            if number + 1 not in self.dropped:
                self.s3.put_object(Bucket=bucket, Key=f"{prefix}{number:04d}", Body=sink.getvalue().to_pybytes())
        return rows.slice(0, 0)

    def _athena_GetQueryResults(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows = self._rows(asked["QueryExecutionId"], "SUCCEEDED")
        start, size = int(asked.get("NextToken", 0)), min(asked.get("MaxResults", 1000), self.page)
        self._pages += 1
        taken = size - (start == 0)  # the header counts as a row
        shown = [] if self._pages in self.dropped else rows.slice(start, taken).to_pylist()
        data = [{"Data": [_cell(value) for value in row.values()]} for row in shown]
        if start == 0:
            data.insert(0, {"Data": [{"VarCharValue": name} for name in rows.column_names]})
        columns = [{"Name": name, "Type": "varchar"} for name in rows.column_names]
        result = {"ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": columns}}}
        return result | ({"NextToken": f"{start + taken:08d}"} if start + taken < rows.num_rows else {})

    def _athena_StopQueryExecution(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.queries[asked["QueryExecutionId"]].state = "CANCELLED"
        return {}

    def _rows(self, query_id: str, state: str) -> pa.Table:
        query = self.queries[query_id]
        if query.state != state or query.rows is None:
            raise RefusedError("InvalidRequestException", f"Query has not yet finished. Current state: {query.state}")
        return query.rows

    def _cloudtrail_StartQuery(self, asked: dict[str, Any]) -> dict[str, Any]:
        sql = asked["QueryStatement"]
        if len(sql) > 10_000:
            raise RefusedError("InvalidQueryStatementException")
        if f"FROM {STORE}" not in sql:
            raise RefusedError("EventDataStoreNotFoundException")
        name = f"{len(self.queries):08d}-1111-2222-3333-444444444444"
        self.queries[name] = Query(sql, parameters=asked)
        return {"QueryId": name}

    def _cloudtrail_DescribeQuery(self, asked: dict[str, Any]) -> dict[str, Any]:
        def run(query: Query) -> pa.Table:
            assert self.store is not None
            return run_sql(self.alter(query.sql.replace(f"FROM {STORE}", "FROM store")), {"store": self.store})

        query = self._looked_at(asked["QueryId"], run)
        found = {"QueryId": asked["QueryId"], "QueryStatus": query.state}
        found |= {"ErrorMessage": self.ending[1]} if self.ending[1] else {}
        return found | {"QueryStatistics": {"BytesScanned": self.scanned * query.looks}}

    def _cloudtrail_GetQueryResults(self, asked: dict[str, Any]) -> dict[str, Any]:
        rows = self._rows(asked["QueryId"], "FINISHED")
        start, size = int(asked.get("NextToken", 0)), min(asked.get("MaxQueryResults", 1000), self.page)
        self._pages += 1
        shown = [] if self._pages in self.dropped else rows.slice(start, size).to_pylist()
        statistics = {"ResultsCount": len(shown), "TotalResultsCount": rows.num_rows}
        table = [[{name: value} for name, value in row.items()] for row in shown]
        answer = {"QueryStatus": "FINISHED", "QueryStatistics": statistics, "QueryResultRows": table}
        return answer | ({"NextToken": f"{start + size:08d}"} if start + size < rows.num_rows else {})

    def _cloudtrail_CancelQuery(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.queries[asked["QueryId"]].state = "CANCELLED"
        return {"QueryId": asked["QueryId"], "QueryStatus": "CANCELLED"}

    def _logs_FilterLogEvents(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("logGroupName", asked.get("logGroupIdentifier", "")).rpartition(":")[2] != "CloudTrail/Management":
            raise RefusedError("ResourceNotFoundException", "The specified log group does not exist.")
        pattern = asked.get("filterPattern", "")
        if len(pattern) > 1024 or not 1 <= asked.get("limit", 10_000) <= 10_000:
            raise RefusedError("InvalidParameterException")
        first, last = asked.get("startTime", 0), asked.get("endTime", 2**53)
        searched = [(stamp, text) for stamp, text in self.logs if first <= _milliseconds(stamp) <= last]
        start = int(asked.get("nextToken", 0))
        self._pages += 1
        # A page holds what was found among so many events searched: it may be empty and not the last.
        part = [] if self._pages in self.dropped else searched[start : start + self.page]
        events = [
            {"logStreamName": "111122223333_CloudTrail_eu-west-1", "timestamp": _milliseconds(stamp), "message": text}
            for stamp, text in part
            if matches(self.alter(pattern), text)
        ]
        return {"events": events} | ({"nextToken": str(start + self.page)} if start + self.page < len(searched) else {})


def _milliseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _cell(value: object) -> dict[str, str]:
    return {} if value is None else {"VarCharValue": value if isinstance(value, str) else json.dumps(value)}


_TARGETS = {
    "AmazonAthena": "athena",
    "CloudTrail_20131101": "cloudtrail",
    "Logs_20140328": "logs",
}


class _Handler(JsonHandler):
    warehouse: Warehouse

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        target, _, operation = self.headers.get("X-Amz-Target", "").rpartition(".")
        service = _TARGETS.get(target.rpartition(".")[2])
        try:
            if service is None or not hasattr(self.warehouse, f"_{service}_{operation}"):
                raise RefusedError("UnknownOperationException")
            self._send(200, self.warehouse.answer(service, operation, asked))
        except RefusedError as error:
            self._send(400, {"__type": error.code, "message": error.message, "Message": error.message})
        except (duckdb.Error, SqlglotError, ValueError, LookupError, AssertionError) as error:
            self._send(400, {"__type": "TestServerBroke", "message": f"{type(error).__name__}: {error}"})


@contextmanager
def serving_warehouse(warehouse: Warehouse) -> Iterator[str]:
    """Run the server; gives its address."""
    with serve(_Handler, warehouse=warehouse) as address:
        yield address
