"""A log group of CloudWatch Logs that a trail writes to, asked by FilterLogEvents.

Calls and limits: *Amazon CloudWatch Logs API Reference*, "FilterLogEvents", read on 2026-11-24 (1 MB or 10,000 events a
page; a page may be empty and not the last). What a trail sends there: *AWS CloudTrail User Guide*, "Monitoring
CloudTrail Log Files with Amazon CloudWatch Logs", as known on that day.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.ledger import Fetched
from ecs_trail.evidence.sources.base import Kept, ScanPlan
from ecs_trail.evidence.sources.layout import LEAD, PAD_DAYS
from ecs_trail.evidence.sources.patterns import patterns
from ecs_trail.evidence.sources.queries import SPAN, Caller, Pause, place_of
from ecs_trail.selection import Selection
from ecs_trail.times import EVER, Window, format_time

#: The IAM action of the one call made here.
ACTION: Final = "logs:FilterLogEvents"
_PAGE: Final = 10_000
_REGION: Final = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}")
_GROUP: Final = re.compile(r"[A-Za-z0-9_./#-]{1,512}")
_GROUP_ARN: Final = re.compile(r"arn:[\w-]+:logs:([\w-]+):\d{12}:log-group:([A-Za-z0-9_./#-]{1,512})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogsPlan(ScanPlan):
    """The plan of a log group, with its patterns in the order of asking, and the span of time stamps."""

    patterns: tuple[str, ...] = ()
    stamps: Window = EVER


class LogsSource:
    """`logs://REGION/LOG_GROUP`: a name as it stands, or the ARN of a log group of another account."""

    has_queries = True
    _span = ""

    def __init__(
        self,
        region: str,
        group: str,
        *,
        client: Callable[[str], Any] | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        """`client` makes a CloudWatch Logs client for a Region; `pause` waits after a refusal for speed."""
        hint = (
            "for example logs://eu-west-1/CloudTrail/Management, or logs://eu-west-1//aws/cloudtrail for a name with /."
        )
        if _REGION.fullmatch(region) is None:
            raise UsageError(f"'{region}' is no AWS Region.", hint=hint)
        if _GROUP.fullmatch(group) is None and _GROUP_ARN.fullmatch(group) is None:
            raise UsageError(f"'{group}' is no log group.", hint=hint)
        self.region = region
        self.group = group
        self._client = client or (lambda place: make_client("logs", place, own_retries=True))
        self._pause = pause

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        return f"logs://{self.region}/{self.group}"

    def resume(self, kept: Kept) -> None:  # noqa: ARG002 - a query has no pages that last
        """From now on pages carry the span they were asked for: a store asks for one span after the other."""
        self._span = SPAN

    def plan(self, selection: Selection) -> LogsPlan:
        """The patterns, each asked over the whole span, and why the span is wider than the window."""
        asked = patterns(selection)
        stamps = _stamps(selection.window)
        start, end = (format_time(one) if one else "" for one in (stamps.start, stamps.end))
        span = f"{start or 'as far back as it goes'} to {end or 'now'}"
        widened = [f"time stamps from an hour before the window to {PAD_DAYS} day after it, as events come late"]
        if asked == ("",):
            widened.append("every event of the log group: the selection cannot be put into patterns")
        return LogsPlan(
            source=self.name,
            selection=selection,
            reads=tuple(f"FilterLogEvents, {span}: {one or 'no pattern'}" for one in asked),
            widened=tuple(widened),
            trimmed=(
                "sessions, roles, exact times",
                "no event over 256 KB is sent to CloudWatch Logs, and a log group keeps what its retention says",
            ),
            bill=(
                f"FilterLogEvents has no price of its own; at least {len(asked)} requests, "
                f"one more for every further {_PAGE:,} events or 1 MB"
            ),
            patterns=asked,
            stamps=stamps,
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """The log events, page by page, following every token: a page may be empty and not the last.

        Raises `UsageError` for a log group that is not there, and `AccessError` where AWS refuses.
        """
        made = plan if isinstance(plan, LogsPlan) else self.plan(plan.selection)
        caller = Caller(lambda: self._client(self.region), "logs", self.name, self._pause)
        try:
            for number, pattern in enumerate(made.patterns, 1):
                yield from self._pages(caller, _parameters(self.group, pattern, made.stamps), number, made)
        finally:
            caller.close()

    def _pages(self, caller: Caller, parameters: Mapping[str, Any], number: int, plan: LogsPlan) -> Iterator[Fetched]:
        token: str | None = None
        page = 0
        while token is not None or page == 0:
            more = {"nextToken": token} if token else {}
            try:
                answer = caller("FilterLogEvents", **parameters, **more)
            except AccessError as error:
                if "ResourceNotFoundException" in error.message:
                    raise UsageError(
                        f"there is no log group '{self.group}' in {self.region}.",
                        hint="aws logs describe-log-groups shows them; a name with a leading / needs it: logs://REGION//NAME.",
                    ) from error
                raise
            page += 1
            token = answer.get("nextToken") or None
            items = [{"message": one.get("message", "")} for one in answer.get("events", ())]
            data = json.dumps({"logEvents": items}, ensure_ascii=False).encode("utf-8", "surrogatepass")
            place = place_of(self.name, self._span, plan.selection.window)
            name = f"{place}/pattern-{number:02d}/page-{page:05d}"
            yield Fetched(name, data=data, expected=page + (token is not None) + len(plan.patterns) - number)


def parse_logs(text: str) -> LogsSource:
    """The source named by `REGION/LOG_GROUP`, or by the ARN of a log group."""
    match = _GROUP_ARN.fullmatch(text.removesuffix(":*"))
    if match is not None:
        return LogsSource(match.group(1), match.group(0))
    region, _, group = text.partition("/")
    return LogsSource(region, group)


def _stamps(window: Window) -> Window:
    start = None if window.start is None else window.start - LEAD
    end = None if window.end is None else window.end + timedelta(days=PAD_DAYS)
    return Window(start, end)


def _parameters(group: str, pattern: str, stamps: Window) -> dict[str, Any]:
    key = "logGroupIdentifier" if group.startswith("arn:") else "logGroupName"
    parameters: dict[str, Any] = {key: group, "limit": _PAGE}
    if pattern:
        parameters["filterPattern"] = pattern
    for name, moment in (("startTime", stamps.start), ("endTime", stamps.end)):
        if moment is not None:
            parameters[name] = max((moment - _EPOCH) // timedelta(milliseconds=1), 0)
    return parameters
