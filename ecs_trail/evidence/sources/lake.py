"""An event data store of CloudTrail Lake: the selection as one SQL query, read back as whole events.

Closed to new customers since 2026-05-31 (*AWS CloudTrail User Guide*, "CloudTrail Lake availability change"); existing
stores go on. Columns: same guide, "Supported SQL schemas for event data stores"; both read on 2026-11-24. Calls, states
and limits: *AWS CloudTrail API Reference*, "StartQuery", "DescribeQuery" and "GetQueryResults", as known on that day.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.ledger import Charge, Fetched, Problem
from ecs_trail.evidence.sources.base import Kept, ScanPlan
from ecs_trail.evidence.sources.queries import (
    LAKE_USD_PER_GB,
    SPAN,
    Caller,
    Pause,
    charged,
    end_unwanted,
    format_size,
    lake_usd,
    over_limit,
    place_of,
    waits,
)
from ecs_trail.evidence.sources.sql import Column, Table, compile_sql
from ecs_trail.selection import Selection

#: The IAM actions of the calls made here.
ACTIONS: Final = (
    "cloudtrail:CancelQuery",
    "cloudtrail:DescribeQuery",
    "cloudtrail:GetQueryResults",
    "cloudtrail:StartQuery",
)
STATEMENT_LIMIT: Final = 10_000
_PAGE: Final = 1000
_ENDED: Final = frozenset({"FINISHED", "FAILED", "CANCELLED", "TIMED_OUT"})
_ID: Final = re.compile(r"[0-9A-Za-z]{1,64}(?:-[0-9A-Za-z]{1,64}){0,8}")
_ARN: Final = re.compile(r"arn:[\w-]+:cloudtrail:([\w-]+):(\d{12}):eventdatastore/([0-9A-Za-z-]+)")
_IDENTITY: Final = "struct<arn:string,principalid:string,sessioncontext:struct<sessionissuer:struct<arn:string>>>"
_COLUMNS: Final = (
    Column("eventjson", "string"),
    Column("eventtime", "timestamp"),
    Column("eventsource", "string"),
    Column("eventname", "string"),
    Column("awsregion", "string"),
    Column("errorcode", "string"),
    Column("eventid", "string"),
    Column("recipientaccountid", "string"),
    Column("useridentity", _IDENTITY),
    Column("requestparameters", "map<string,string>"),
)


class LakeSource:
    """`lake://EVENT_DATA_STORE`: an id, or the ARN, which tells the Region and the owner as well."""

    has_queries = True
    _span = ""

    def __init__(
        self,
        store: str,
        *,
        max_scan: int | None = None,
        client: Callable[[str | None], Any] | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        """`client` makes a CloudTrail client for a Region; `pause` waits between looks at the query."""
        match = _ARN.fullmatch(store)
        self.region: str | None = match.group(1) if match else None
        self.owner: str = match.group(2) if match else ""
        self.store: str = match.group(3) if match else store
        if _ID.fullmatch(self.store) is None:  # it stands in the query as it is
            raise UsageError(
                f"'{store}' is no event data store.", hint="lake://ID or lake://ARN of an event data store."
            )
        self.name = f"lake://{store}"
        self.max_scan = max_scan
        self._client = client or (lambda region: make_client("cloudtrail", region, own_retries=True))
        self._pause = pause

    def resume(self, kept: Kept) -> None:  # noqa: ARG002 - a query has no pages that last
        """From now on pages carry the span they were asked for: a store asks for one span after the other."""
        self._span = SPAN

    def plan(self, selection: Selection) -> ScanPlan:
        """The one query, as it will be sent."""
        guard = "no --max-scan" if self.max_scan is None else f"stopped at --max-scan {format_size(self.max_scan)}"
        return ScanPlan(
            source=self.name,
            selection=selection,
            reads=(f"StartQuery: {self._statement(selection)}", f"GetQueryResults, {_PAGE} rows a page"),
            widened=("sessions and roles are looked for as text in the identity and the parameters",),
            trimmed=("sessions, roles, fractions of seconds",),
            bill=(
                f"bytes unknown until it runs; about ${LAKE_USD_PER_GB:.3f} for each GB scanned (us-east-1, "
                f"2026-11-24); {guard}"
            ),
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """The events, page by page; last, what it cost. A query that is left early is cancelled.

        Fewer rows than CloudTrail counted are a problem (`truncated_file`). Raises `UsageError` for a store that is not
        there and for a query that reads more than it may; `AccessError` where AWS refuses, or the query fails.
        """
        statement = self._statement(plan.selection)
        caller = Caller(lambda: self._client(self.region), "cloudtrail", self.name, self._pause)
        try:
            query_id = self._start(caller, statement)
            scanned = self._wait(caller, query_id)
            yield from self._pages(caller, query_id, place_of(self.name, self._span, plan.selection.window))
            charge = Charge(self.name, "cloudtrail-lake", query_id, scanned, lake_usd(scanned), statement)
            yield charged(charge)
        finally:
            caller.close()

    @property
    def _owner(self) -> dict[str, str]:
        return {"EventDataStoreOwnerAccountId": self.owner} if self.owner else {}

    def _statement(self, selection: Selection) -> str:
        table = Table((self.store,), _COLUMNS, is_quoted=False)
        return compile_sql(selection, table, limit=STATEMENT_LIMIT)

    def _start(self, caller: Caller, statement: str) -> str:
        try:
            query_id: str = caller("StartQuery", QueryStatement=statement, **self._owner)["QueryId"]
        except AccessError as error:
            if "EventDataStoreNotFound" in error.message or "EventDataStoreARNInvalid" in error.message:
                raise UsageError(
                    f"there is no event data store {self.store}.",
                    hint="aws cloudtrail list-event-data-stores shows them; the ARN tells the Region as well.",
                ) from error
            raise
        return query_id

    def _wait(self, caller: Caller, query_id: str) -> int:
        """Bytes scanned, once the query has ended well."""
        state = ""

        def cancel() -> str:
            return end_unwanted(lambda: caller("CancelQuery", QueryId=query_id, **self._owner))

        try:
            for seconds in waits():
                found = caller("DescribeQuery", QueryId=query_id, **self._owner)
                state = found.get("QueryStatus", "")
                scanned: int = found.get("QueryStatistics", {}).get("BytesScanned", 0) or 0
                if state in _ENDED:
                    break
                if self.max_scan is not None and scanned > self.max_scan:
                    state = "CANCELLED"
                    raise over_limit(self.name, scanned, self.max_scan, cancel())
                caller.pause(seconds)
        finally:
            if state not in _ENDED:  # nobody waits for it any more, and it costs
                cancel()
        if state != "FINISHED":
            reason = " ".join(str(found.get("ErrorMessage") or "no reason given").split())[:500]
            raise AccessError(f"the query {query_id} of {self.name} ended as {state}: {reason}")
        return scanned

    def _pages(self, caller: Caller, query_id: str, place: str) -> Iterator[Fetched]:
        token: str | None = None
        number = rows = total = 0
        while token is not None or number == 0:
            more = {"NextToken": token} if token else {}
            answer = caller("GetQueryResults", QueryId=query_id, MaxQueryResults=_PAGE, **more, **self._owner)
            number += 1
            token = answer.get("NextToken") or None
            rows += len(answer.get("QueryResultRows", ()))
            total = answer.get("QueryStatistics", {}).get("TotalResultsCount") or total
            data = json.dumps({"QueryResultRows": answer.get("QueryResultRows", [])}, ensure_ascii=False)
            expected = max(number + (token is not None), -(-total // _PAGE))
            yield Fetched(f"{place}/page-{number:05d}", data=data.encode("utf-8", "surrogatepass"), expected=expected)
        if rows < total:
            words = f"{rows:,} of {total:,} rows of the result came; the rest is missing."
            yield Fetched(self.name, problem=Problem(self.name, "truncated_file", words))
