"""A CloudTrail of our own on the loopback: LookupEvents as documented, for what the common mock server lacks.

It keeps AWS's limits: one attribute, 50 a page, newest first, the same parameters with a token, 90 days, two requests a
second for each Region. It counts what it saw, and refuses where it is told to.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from loopback import JsonHandler, serve

TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
ATTRIBUTES = {"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource"} | {
    "AccessKeyId"
}
HISTORY = timedelta(days=90)
_REGION = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/")

Record = dict[str, Any]


def moment(record: Record) -> datetime:
    """The eventTime of a record."""
    return datetime.fromisoformat(record["eventTime"])


def item(record: Record) -> dict[str, Any]:
    """A record as LookupEvents gives it."""
    identity = record.get("userIdentity", {})
    arn = identity.get("arn", "")
    user = arn.rpartition("/")[2] if identity.get("type") == "AssumedRole" else identity.get("userName")
    made = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record.get("readOnly") else "false",
        "EventTime": int(moment(record).timestamp()),
        "EventSource": record["eventSource"],
        "Resources": [{"ResourceType": "AWS::EC2::Volume", "ResourceName": name} for name in _volumes(record)],
        "CloudTrailEvent": json.dumps(record, separators=(",", ":")),
    }
    return made | ({"Username": user} if user else {})


def _volumes(record: Record) -> list[str]:
    if record["eventSource"] != "ec2.amazonaws.com" or record["eventName"] in {"CreateTags", "DeleteTags"}:
        return []
    parts = (record.get("requestParameters") or {}, record.get("responseElements") or {})
    return sorted({part["volumeId"] for part in parts if isinstance(part.get("volumeId"), str)})


class RefusedError(Exception):
    """An answer with an error code."""

    def __init__(self, code: str, message: str = "refused by the test server") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass
class History:
    """What the server holds, what it has seen, and how it misbehaves."""

    records: list[Record]
    rate: int = 2
    page: int = 50
    denied: set[str] = field(default_factory=set)
    #: request number -> error code to refuse it with
    refusals: dict[int, str] = field(default_factory=dict)
    #: access keys that no longer work
    expired: set[str] = field(default_factory=set)
    #: a token is taken that many times in all, then every older one is refused
    tokens_expire_after: int | None = None
    #: request number -> what is done to the page: "drop", "cut"
    faults: dict[int, str] = field(default_factory=dict)
    #: seconds that every answer takes
    pause: float = 0.0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    busiest: int = 0
    _arrivals: dict[str, list[float]] = field(default_factory=dict)
    _tokens: dict[str, tuple[str, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, key: str, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        """One request; raises `RefusedError`."""
        with self._lock:
            arrived = time.monotonic()
            self.asked.append((region, asked))
            number = len(self.asked)
            if key in self.expired:
                raise RefusedError("ExpiredTokenException", "The security token included in the request is expired")
            if region in self.denied:
                who = "arn:aws:iam::111122223333:user/reader"
                words = f"User: {who} is not authorized to perform: cloudtrail:LookupEvents because of a policy"
                raise RefusedError("AccessDeniedException", words)
            recent = [one for one in self._arrivals.get(region, []) if arrived - one < 1.0]
            self._arrivals[region] = [*recent, arrived]
            self.busiest = max(self.busiest, len(recent) + 1)
            if len(recent) >= self.rate:
                self.throttled += 1
                raise RefusedError("ThrottlingException", "Rate exceeded")
            if number in self.refusals:
                raise RefusedError(self.refusals[number])
            return self._page(region, asked, self.faults.get(number))

    def _page(self, region: str, asked: dict[str, Any], fault: str | None) -> dict[str, Any]:
        found = self._matching(region, asked)
        start = self._offset(asked)
        size = min(asked.get("MaxResults", 50), self.page)
        shown = [item(record) for record in found[start : start + size]]
        self.served.update(one["EventId"] for one in shown)
        if fault == "drop":
            shown = []
        answer: dict[str, Any] = {"Events": shown}
        if start + size < len(found) and fault != "cut":
            token = f"token-{len(self._tokens)}"
            self._tokens[token] = (self._same(asked), start + size)
            answer["NextToken"] = token
        return answer

    def _matching(self, region: str, asked: dict[str, Any]) -> list[Record]:
        attributes = asked.get("LookupAttributes", [])
        if len(attributes) > 1 or any(one["AttributeKey"] not in ATTRIBUTES for one in attributes):
            raise RefusedError("InvalidLookupAttributesException")
        if not 1 <= asked.get("MaxResults", 50) <= 50:
            raise RefusedError("InvalidMaxResultsException")
        oldest = self.now - HISTORY
        start, end = (asked.get(name) for name in ("StartTime", "EndTime"))
        since = oldest if start is None else datetime.fromtimestamp(start, UTC)
        until = datetime.max.replace(tzinfo=UTC) if end is None else datetime.fromtimestamp(end, UTC)
        if since > until or since < oldest:
            raise RefusedError("InvalidTimeRangeException")
        found = [
            record
            for record in self.records
            if record["awsRegion"] == region
            and since <= moment(record) <= until
            and all(_has(record, one["AttributeKey"], one["AttributeValue"]) for one in attributes)
        ]
        return sorted(found, key=lambda record: (moment(record), record["eventID"]), reverse=True)

    def _offset(self, asked: dict[str, Any]) -> int:
        token = asked.get("NextToken")
        if token is None:
            return 0
        same, offset = self._tokens.get(token, ("", 0))
        if self.tokens_expire_after is not None:
            self.tokens_expire_after -= 1
            if self.tokens_expire_after < 0:
                self.tokens_expire_after = None
                self._tokens.clear()
                raise RefusedError("InvalidNextTokenException")
        if same != self._same(asked):
            raise RefusedError("InvalidNextTokenException")
        return offset

    @staticmethod
    def _same(asked: dict[str, Any]) -> str:
        return json.dumps({name: value for name, value in asked.items() if name != "NextToken"}, sort_keys=True)


def _has(record: Record, key: str, value: str) -> bool:
    made = item(record)
    if key == "ResourceName":
        return any(one["ResourceName"] == value for one in made["Resources"])
    return made.get(key) == value


class _Handler(JsonHandler):
    history: History

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        match = _REGION.search(self.headers.get("Authorization", ""))
        if self.headers.get("X-Amz-Target") != TARGET or match is None:
            self._send(400, {"__type": "UnknownOperationException"})
            return
        time.sleep(self.history.pause)
        try:
            self._send(200, self.history.answer(match.group(1), match.group(2), asked))
        except RefusedError as error:
            self._send(400, {"__type": error.code, "message": error.message})


@contextmanager
def serving(history: History) -> Iterator[str]:
    """Run the server; gives its address."""
    with serve(_Handler, history=history) as address:
        yield address


def ids(records: Iterable[Record]) -> set[str]:
    """Event ids of records."""
    return {record["eventID"] for record in records}
