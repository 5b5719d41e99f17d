"""A table of CloudTrail events in Athena: the selection as one SQL query, its result as pages or Parquet.

Calls, states and limits: *Amazon Athena API Reference*, "StartQueryExecution", "GetQueryExecution", "GetQueryResults"
and "GetTableMetadata", as known on 2026-11-24; `UNLOAD`: *Amazon Athena User Guide*, "UNLOAD", read on that day. The
query is bounded by the partitions of the table, which the catalog is asked for first.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from ecs_trail.errors import AccessError, EcsTrailError, UsageError
from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.ledger import Charge, Fetched, Problem
from ecs_trail.evidence.sources.base import Kept, ScanPlan
from ecs_trail.evidence.sources.bucket import Bucket
from ecs_trail.evidence.sources.layout import PAD_DAYS
from ecs_trail.evidence.sources.queries import (
    ATHENA_USD_PER_TB,
    SPAN,
    Caller,
    Pause,
    athena_usd,
    charged,
    end_unwanted,
    format_size,
    over_limit,
    place_of,
    waits,
)
from ecs_trail.evidence.sources.sql import compile_sql, documented_table, table_of, text_literal
from ecs_trail.selection import Selection

#: The IAM actions of the calls made here.
ACTIONS: Final = (
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:GetTableMetadata",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
_PAGE: Final = 1000
_STATEMENT_LIMIT: Final = 262_144
_WORKGROUP: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_S3: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[^\s'?]*)?")
_ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_HINT: Final = "for example athena://primary/security.cloudtrail_logs."
_OPTIONS: Final = ("account", "catalog", "output", "region", "unload")


@dataclass(frozen=True, slots=True)
class AthenaSettings:
    """How a table is asked. `regions` and `accounts` narrow to partitions of these; `output` and `unload` are S3
    locations: for the results where the workgroup sets none, and for a result written as Parquet. `max_scan` is in
    bytes, None for no limit.
    """

    catalog: str = "AwsDataCatalog"
    regions: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    output: str = ""
    unload: str = ""
    max_scan: int | None = None


class AthenaSource:
    """`athena://WORKGROUP/DATABASE.TABLE`."""

    has_queries = True
    _span = ""

    def __init__(
        self,
        workgroup: str,
        database: str,
        table: str,
        *,
        settings: AthenaSettings | None = None,
        client: Callable[[str], Any] | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        """`client` makes a client of a service (`athena`, `s3`); `pause` waits between looks at the query."""
        if _WORKGROUP.fullmatch(workgroup) is None or not database.strip() or not table.strip():
            raise UsageError(f"'{workgroup}/{database}.{table}' names no workgroup and table.", hint=_HINT)
        self.workgroup = workgroup
        self.database = database
        self.table = table
        self.settings = settings or AthenaSettings()
        self._client = client or _client
        self._pause = pause

    @property
    def name(self) -> str:
        """The source as the user wrote it, without options."""
        return f"athena://{self.workgroup}/{self.database}.{self.table}"

    def resume(self, kept: Kept) -> None:  # noqa: ARG002 - a query has no pages that last
        """From now on pages carry the span they were asked for: a store asks for one span after the other."""
        self._span = SPAN

    def plan(self, selection: Selection) -> ScanPlan:
        """The query for a table as the User Guide makes it; the table's own columns are known only after a look."""
        asked = self._narrowed(selection)
        is_bound = asked.window.start is not None
        shown = compile_sql(asked, documented_table(self._names), dialect="athena", is_bound=is_bound)
        bound = (
            f"partition bound: days of the window, {PAD_DAYS} more on each side; or year, month, day, region and "
            "account, as the table has them"
        )
        limit = self.settings.max_scan
        guard = "no --max-scan" if limit is None else f"stopped at --max-scan {format_size(limit)}"
        return ScanPlan(
            source=self.name,
            selection=selection,
            reads=(
                f"GetTableMetadata {self.database}.{self.table}: its columns and partitions",
                bound if is_bound else "no partition bound without --since: a partitioned table is then refused",
                f"StartQueryExecution in workgroup {self.workgroup}; for a table as in the User Guide: {shown}",
                f"UNLOAD as Parquet to {self.settings.unload}, then its objects"
                if self.settings.unload
                else f"GetQueryResults, {_PAGE} rows a page",
            ),
            widened=(
                "sessions and roles are looked for as text in the identity and the parameters",
                "columns that the table lacks are not asked for",
            ),
            trimmed=("sessions, roles, exact times",),
            bill=(
                f"bytes unknown until it runs; about ${ATHENA_USD_PER_TB:.2f} for each TB scanned (us-east-1, "
                f"2026-11-24), 10 MB at least; {guard}"
            ),
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """The result, page by page or as Parquet objects; last, what it cost.

        A query that is left early is stopped. Raises `UsageError` for a table or workgroup that is not there and for a
        query that reads more than it may; `AccessError` where AWS refuses, or the query fails.
        """
        caller = Caller(lambda: self._client("athena"), "athena", self.name, self._pause)
        try:
            metadata = self._ask(caller, "GetTableMetadata", **self._place, TableName=self.table)
            table = table_of(metadata["TableMetadata"], self._names)
            statement = compile_sql(self._narrowed(plan.selection), table, dialect="athena", limit=_STATEMENT_LIMIT)
            folder = self._folder()
            query = _Query(caller, self.name, statement, self.settings.max_scan)
            query.start(self._started(_unloaded(statement, folder) if folder else statement))
            try:
                query.wait()
            finally:
                query.stop()
            place = place_of(self.name, self._span, plan.selection.window)
            yield from (self._objects(folder, place) if folder else self._pages(caller, query.query_id, place))
            yield from query.conclusion()
        finally:
            caller.close()

    @property
    def _names(self) -> tuple[str, ...]:
        return (self.database, self.table)

    @property
    def _place(self) -> dict[str, str]:
        return {"CatalogName": self.settings.catalog, "DatabaseName": self.database, "WorkGroup": self.workgroup}

    def _narrowed(self, selection: Selection) -> Selection:
        settings = self.settings
        if not (settings.regions or settings.accounts):
            return selection
        return selection.where(accounts=settings.accounts or None, regions=settings.regions or None)

    def _folder(self) -> str:
        """A folder of its own below `unload`: UNLOAD writes into an empty one only."""
        return f"{self.settings.unload.rstrip('/')}/ecs-trail-{uuid.uuid4().hex}/" if self.settings.unload else ""

    def _started(self, statement: str) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "QueryString": statement,
            "QueryExecutionContext": {"Database": self.database, "Catalog": self.settings.catalog},
            "WorkGroup": self.workgroup,
            # The same in every repetition of this call, so that a lost answer starts no second query.
            "ClientRequestToken": uuid.uuid4().hex,
        }
        if self.settings.output:
            parameters["ResultConfiguration"] = {"OutputLocation": self.settings.output}
        return parameters

    def _ask(self, caller: Caller, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return caller(operation, **parameters)
        except AccessError as error:
            if "MetadataException" in error.message or "InvalidRequestException" in error.message:
                raise UsageError(
                    f"the table {self.database}.{self.table} is not known to {self.workgroup}: {error.message}",
                    hint="aws athena list-table-metadata shows the tables; --profile and AWS_REGION pick the place.",
                ) from error
            raise

    def _pages(self, caller: Caller, query_id: str, place: str) -> Iterator[Fetched]:
        """The rows, each page with the header that Athena gives only once."""
        token: str | None = None
        number = 0
        while token is not None or number == 0:
            more = {"NextToken": token} if token else {}
            answer = caller("GetQueryResults", QueryExecutionId=query_id, MaxResults=_PAGE, **more)
            number += 1
            token = answer.get("NextToken") or None
            expected = number + (token is not None)
            yield Fetched(
                f"{place}/page-{number:05d}", data=_page_bytes(answer["ResultSet"], number), expected=expected
            )

    def _objects(self, folder: str, place: str) -> Iterator[Fetched]:
        match = _S3.fullmatch(folder)
        name, prefix = (match.group(1), (match.group(2) or "/")[1:]) if match else ("", "")
        client = self._client("s3")
        try:
            bucket = Bucket(client, name, requester_pays=False)
            found = list(bucket.objects(prefix))
            for number, one in enumerate(found, 1):
                if isinstance(one, Problem):
                    yield Fetched(one.source, problem=one, expected=len(found))
                    continue
                read = bucket.read(one)
                source = f"{place}/part-{number:05d}"
                problem = read.problem and Problem(source, read.problem.kind, f"{one.key}: {read.problem.detail}")
                yield Fetched(source, data=read.data, problem=problem, expected=len(found))
        finally:
            client.close()


@dataclass
class _Query:
    """One query at Athena, from its start to its end."""

    caller: Caller
    name: str
    statement: str
    max_scan: int | None
    query_id: str = ""
    state: str = ""
    scanned: int = 0
    reason: str = field(default="", repr=False)

    def start(self, parameters: Mapping[str, Any]) -> None:
        """Start it; `parameters` are those of StartQueryExecution."""
        self.query_id = self.caller("StartQueryExecution", **parameters)["QueryExecutionId"]

    def wait(self) -> None:
        """Until it has ended well. Raises `UsageError` past the limit, and `AccessError` with Athena's reason."""
        for seconds in waits():
            self._look()
            if self.state in _ENDED:
                break
            if self.max_scan is not None and self.scanned > self.max_scan:
                raise over_limit(self.name, self.scanned, self.max_scan, self.stop())
            self.caller.pause(seconds)
        if self.state != "SUCCEEDED":
            raise self._failure()

    def stop(self) -> str:
        """Stop it, unless it has ended: nobody waits for it, and it costs. Gives why it could not be stopped, if so."""
        if not self.query_id or self.state in _ENDED:
            return ""
        self.state = "CANCELLED"
        return end_unwanted(lambda: self.caller("StopQueryExecution", QueryExecutionId=self.query_id))

    def conclusion(self) -> Iterator[Fetched]:
        """What it cost, and that it read more than it should where it ended before it could be stopped."""
        if self.max_scan is not None and self.scanned > self.max_scan:
            words = (
                f"the query read {format_size(self.scanned)} and ended before --max-scan {format_size(self.max_scan)} "
                "could stop it."
            )
            yield Fetched(self.name, problem=Problem(self.name, "over_max_scan", words))
        usd = athena_usd(self.scanned)
        yield charged(Charge(self.name, "athena", self.query_id, self.scanned, usd, self.statement))

    def _look(self) -> None:
        execution = self.caller("GetQueryExecution", QueryExecutionId=self.query_id)["QueryExecution"]
        status = execution.get("Status", {})
        self.state = status.get("State", "")
        self.scanned = execution.get("Statistics", {}).get("DataScannedInBytes", 0) or 0
        self.reason = status.get("StateChangeReason") or status.get("AthenaError", {}).get("ErrorMessage") or ""

    def _failure(self) -> EcsTrailError:
        reason = " ".join(self.reason.split())[:500] or "no reason given"
        words = f"the query {self.query_id} of {self.name} ended as {self.state}: {reason}"
        if "bytes scanned limit" in reason.lower():
            return UsageError(words, hint="the workgroup limits what a query may scan; a shorter window reads less.")
        return AccessError(words, hint="aws athena get-query-execution shows all of it.")


def parse_athena(text: str, max_scan: int | None = None) -> AthenaSource:
    """The source named by `WORKGROUP/DATABASE.TABLE[?option=value&…]`. Raises `UsageError` for anything else."""
    place, _, query = text.partition("?")
    workgroup, _, table = place.strip("/").partition("/")
    database, _, name = table.rpartition(".")
    options = parse_qsl(query, keep_blank_values=True)
    for key, value in options:
        if key not in _OPTIONS or not value:
            raise UsageError(f"'?{key}={value}' is no option of athena://.", hint=f"one of: {', '.join(_OPTIONS)}.")
        if key in {"output", "unload"} and _S3.fullmatch(value) is None:
            raise UsageError(f"'{value}' is no S3 location.", hint=f"?{key}=s3://BUCKET/PREFIX.")
    listed = {key: tuple(part for part in value.split(",") if part) for key, value in options}
    single = {key: value for key, value in options if key in {"catalog", "output", "unload"}}
    settings = AthenaSettings(
        regions=listed.get("region", ()), accounts=listed.get("account", ()), max_scan=max_scan, **single
    )
    return AthenaSource(workgroup, database, name, settings=settings)


def _client(service: str) -> Any:
    return make_client(service, own_retries=service == "athena")


def _unloaded(statement: str, folder: str) -> str:
    return f"UNLOAD ({statement}) TO {text_literal(folder, 'athena')} WITH (format = 'PARQUET', compression = 'ZSTD')"


def _page_bytes(result: Mapping[str, Any], number: int) -> bytes:
    """A page as it would be with its header; the first page has it as its first row."""
    header = [column["Name"] for column in result["ResultSetMetadata"]["ColumnInfo"]]
    rows = list(result.get("Rows", ()))
    if number == 1 and rows and [cell.get("VarCharValue") for cell in rows[0].get("Data", ())] == header:
        rows = rows[1:]
    whole = [{"Data": [{"VarCharValue": name} for name in header]}, *rows]
    return json.dumps({"ResultSet": {"Rows": whole}}, ensure_ascii=False).encode("utf-8", "surrogatepass")
