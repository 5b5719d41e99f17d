"""CloudTrail event history, asked by LookupEvents: ninety days of management events of one account.

Limits (*AWS CloudTrail API Reference*, "LookupEvents", read on 2026-11-24): one attribute a call, 50 events a page,
newest first, two requests a second for each account and Region, the same parameters with every `NextToken`.
"""

import json
import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final

from ecs_trail.arns import partition_of_region
from ecs_trail.errors import AccessError, EcsTrailError, UsageError
from ecs_trail.evidence.aws import (
    BAD_CREDENTIALS,
    EXPIRED,
    THROTTLED,
    DeniedError,
    access_error,
    error_code,
    make_client,
)
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.sources.asking import Question, home_region, is_home_confirmed, questions
from ecs_trail.evidence.sources.base import Fetched, Kept, ScanPlan
from ecs_trail.evidence.sources.checkpoints import HISTORY, Checkpoint, Estimate, PageLog, Progress
from ecs_trail.evidence.sources.pacing import LOOKUP_RATE, Pacer, shared_pacer
from ecs_trail.selection import Selection
from ecs_trail.times import format_time

ACTION: Final = "cloudtrail:LookupEvents"
_PAGE: Final = 50
#: Refusals for speed, or broken connections, in a row before giving up; about four minutes of waiting.
_PATIENCE: Final = 12
_REGION: Final = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}")
_WAITING_PAGES: Final = 4
_PASSING: Final = frozenset({"InternalFailure", "InternalError", "ServiceUnavailable", "500", "502", "503", "504"})
_BUSY: Final = frozenset({"AssumeRole", "Decrypt", "DescribeVolumes", "Encrypt", "GenerateDataKey", "CreateTags"})

ClientMaker = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class LookupPlan(ScanPlan):
    """The plan of a LookupEvents source, with its queries in the order of asking, Region by Region."""

    questions: tuple[Question, ...] = ()


class LookupSource:
    """`api://REGION[,REGION…]`: the event history of the account of the current credentials."""

    has_queries = True

    def __init__(
        self,
        regions: tuple[str, ...],
        *,
        volume_ids: frozenset[str] = frozenset(),
        checkpoint: Checkpoint | None = None,
        page_log: Path | None = None,
        client: ClientMaker | None = None,
        pacer: Callable[[str], Pacer] = shared_pacer,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`volume_ids`: ask for these volumes instead of all volume calls; volume calls on others are then not found.

        `checkpoint` tells pages that another place holds already and are not given again; `page_log` is a file that
        keeps pages, so that a run after a kill gives all of them and asks only for the rest. `client` makes a
        CloudTrail client for a Region, `pacer` gives the pacer of a Region, `now` the time that history reaches back
        from.
        """
        self.regions = _checked(regions)
        self.volume_ids = volume_ids
        self.checkpoint = checkpoint or Checkpoint()
        self.page_log = page_log
        self._client = client or _cloudtrail
        self._pacer = pacer
        self._now = now

    def resume(self, kept: Kept) -> None:
        """Go on at the page after the last one kept of each query."""
        self.checkpoint = Checkpoint.from_marks(kept.marks)

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        return f"api://{','.join(self.regions)}"

    def plan(self, selection: Selection) -> LookupPlan:
        """The fewest calls that find everything of the selection, and why there are more than one would think."""
        asked = questions(selection, self.regions, self.volume_ids)
        seconds = max((sum(one.region == region for one in asked) for region in {q.region for q in asked}), default=0)
        return LookupPlan(
            source=self.name,
            selection=selection,
            reads=tuple(str(one) for one in asked),
            widened=tuple(self._widened(asked)),
            trimmed=(
                "sessions, roles, accounts, errors, and services that share an event name",
                "event history holds 90 days and no data events; older evidence is in a trail's bucket",
            ),
            bill=(
                f"no charge; at least {len(asked)} requests, one more for every further {_PAGE} events; "
                f"{LOOKUP_RATE} a second for each Region: {seconds / LOOKUP_RATE:.0f} seconds or more"
            ),
            questions=asked,
        )

    def _widened(self, asked: tuple[Question, ...]) -> Iterator[str]:
        home = home_region(self.regions)
        if home is not None and any(one.region == home for one in asked) and home not in self.regions:
            yield f"{home} is asked as well: the events of IAM and Organizations are there"
        if not is_home_confirmed(self.regions):
            where = f"{home} is likely (UNCONFIRMED)" if home else "no AWS page names it"
            yield f"IAM's Region in this partition: {where}; IAM is asked for in every Region named"
        if any(one.value == "AssumeRole" for one in asked):
            yield "AssumeRole is asked for by name: ECS requests a session without a user name"
            yield "sessions requested over the global STS endpoint are in the home Region; name it to see them"
        busy = sorted({one.value for one in asked if one.attribute == "EventName" and one.value in _BUSY})
        if busy:
            yield f"{', '.join(busy)}: these calls of everybody are read, which may be many pages"
        if self.volume_ids:
            yield f"volume calls: only those on {len(self.volume_ids)} known volumes"

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """Pages as they come, Regions side by side. Raises `AccessError` when AWS refuses, throttles on, or is away.

        A Region that is denied while others answer comes as a problem (`no_permission`).
        """
        made = plan if isinstance(plan, LookupPlan) else self.plan(plan.selection)
        yield from self._remarks(made)
        now = self._now()
        log = None if self.page_log is None else PageLog(self.page_log, made.questions, now)
        is_done = False
        try:
            if log is not None:
                yield from self._resumed(log)
            work = _Work(made, {**self.checkpoint.taken, **(log.taken if log else {})}, self._client, self._pacer, now)
            try:
                is_done = yield from self._pages(work, log)
            finally:
                work.stop()
        finally:
            if log is not None:
                log.close(is_done=is_done)

    def _resumed(self, log: PageLog) -> Iterator[Fetched]:
        if log.is_resumed:
            words = f"goes on where an earlier run ended; that run began at {log.began}, later events may be missing."
            yield Fetched(self.name, problem=Problem(self.name, "resumed", words))
        for name, data in log.pages():
            yield Fetched(name, data=data)

    def _pages(self, work: "_Work", log: PageLog | None) -> Generator[Fetched, None, bool]:
        """The pages; true in the end when every Region has answered."""
        denied: list[tuple[str, EcsTrailError]] = []
        for page in work.pages():
            if isinstance(page, _Denied):
                denied.append((page.region, page.error))
                if len(denied) == len(work.regions):
                    raise denied[0][1]
                continue
            if log is not None:
                log.add(page.key, page.progress, page.fetched.source, page.fetched.data or b"")
            yield replace(page.fetched, mark=Checkpoint({page.key: page.progress}).to_json())
            self.checkpoint.taken[page.key] = page.progress
        for region, error in denied:
            where = f"api://{region}"
            yield Fetched(where, problem=Problem(where, "no_permission", error.message))
        return not denied

    def _remarks(self, plan: LookupPlan) -> Iterator[Fetched]:
        oldest = self._now() - HISTORY
        start = plan.selection.window.start
        if start is not None and start < oldest:
            words = f"event history holds 90 days: nothing before {format_time(oldest)} was seen."
            yield Fetched(self.name, problem=Problem(self.name, "lossy_source", words))


def parse_regions(text: str) -> tuple[str, ...]:
    """The Regions in the part after `api://`. Raises `UsageError` for none, and for what is no Region."""
    return _checked(tuple(dict.fromkeys(part.strip() for part in text.strip("/").split(",") if part.strip())))


def _checked(regions: tuple[str, ...]) -> tuple[str, ...]:
    hint = "for example api://eu-west-1 or api://eu-west-1,us-east-1."
    if not regions:
        raise UsageError("api:// names no Region.", hint=hint)
    for region in regions:
        if _REGION.fullmatch(region) is None:
            raise UsageError(f"'{region}' is no AWS Region.", hint=hint)
    if len({partition_of_region(region) for region in regions}) > 1:
        raise UsageError("these Regions belong to different partitions.", hint="one api:// source for each partition.")
    return regions


def _cloudtrail(region: str) -> Any:
    return make_client("cloudtrail", region, own_retries=True)


@dataclass(frozen=True, slots=True)
class _Page:
    key: str
    progress: Progress
    fetched: Fetched


@dataclass(frozen=True, slots=True)
class _Denied:
    region: str
    error: EcsTrailError


class _StoppedError(Exception):
    """The consumer has left."""


class _Work:
    """One thread a Region, pages in a short queue."""

    def __init__(
        self,
        plan: LookupPlan,
        taken: Mapping[str, Progress],
        client: ClientMaker,
        pacer: Callable[[str], Pacer],
        now: datetime,
    ) -> None:
        self.now = now
        self.regions = list(dict.fromkeys(one.region for one in plan.questions))
        self.queue: Queue[_Page | _Denied | EcsTrailError | None] = Queue(_WAITING_PAGES * max(len(self.regions), 1))
        self.stopping = threading.Event()
        self.estimate = Estimate(plan.questions, taken, now)
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(_RegionReader(self, region, client, pacer(region)), taken, plan.questions),
                name=f"lookup-{region}",
                daemon=True,
            )
            for region in self.regions
        ]

    def pages(self) -> Iterator[_Page | _Denied]:
        """What the threads find, until all have ended. Raises the first error that is no denial."""
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        while running:
            item = self.queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, EcsTrailError):
                raise item
            else:
                yield item

    def stop(self) -> None:
        """End the threads, whatever they wait for."""
        self.stopping.set()
        for thread in self._threads:
            while thread.is_alive():
                try:
                    self.queue.get_nowait()  # a thread may wait for room
                except Empty:
                    thread.join(0.02)

    def pause(self, seconds: float) -> None:
        """Wait, unless the consumer leaves."""
        if self.stopping.wait(seconds):
            raise _StoppedError

    def _run(self, reader: "_RegionReader", taken: Mapping[str, Progress], asked: tuple[Question, ...]) -> None:
        try:
            for question in asked:
                if question.region == reader.region:
                    reader.read(question, taken.get(question.key))
        except _StoppedError:
            pass
        except DeniedError as error:
            self.queue.put(_Denied(reader.region, error))
        except EcsTrailError as error:
            self.queue.put(error)
        finally:
            self.queue.put(None)


class _TokenRefusedError(Exception):
    """AWS no longer takes a `NextToken`."""


class _RegionReader:
    """The queries of one Region, one after the other."""

    def __init__(self, work: _Work, region: str, client: ClientMaker, pacer: Pacer) -> None:
        self.work = work
        self.region = region
        self._make_client = client
        self._client: Any = None
        self._pacer = pacer

    def read(self, question: Question, before: Progress | None) -> None:
        """All pages of a query that are not taken yet, into the queue."""
        progress = before or Progress(start=_reachable(question.window.start, self.work.now), end=question.window.end)
        restarts = 0
        while not progress.is_done:
            if self.work.stopping.is_set():
                raise _StoppedError
            try:
                answer = self._ask(_parameters(question, progress))
            except _TokenRefusedError as error:
                restarts += 1
                if restarts > _PATIENCE:
                    raise AccessError(f"AWS refuses to go on with {question}.", hint="try again later.") from error
                # All from the oldest second seen comes again; copies count once.
                progress = replace(progress, token=None, end=progress.oldest or progress.end)
                continue
            further = _further(progress, answer)
            restarts = 0 if further.oldest != progress.oldest else restarts
            progress = further
            expected = self.work.estimate.see(question, progress)
            name = f"api://{question.key}/page-{progress.pages:05d}"
            fetched = Fetched(name, data=_page_bytes(answer), expected=expected)
            self.work.queue.put(_Page(question.key, progress, fetched))

    def _ask(self, parameters: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - optional

        is_renewed = False
        while True:
            client = self._client = self._client or self._make_client(self.region)
            try:
                with self._pacer.turn(self.work.pause):
                    answer: dict[str, Any] = client.lookup_events(**parameters)
            except (BotoCoreError, ClientError) as error:
                is_renewed = self._survive(error, is_renewed=is_renewed)
                continue
            self._pacer.answered()
            return answer

    def _survive(self, error: Exception, *, is_renewed: bool) -> bool:
        """Prepare for another try, or raise. True when the credentials were renewed."""
        code, where = error_code(error), f"CloudTrail in {self.region}"
        explained = access_error(error, ACTION, where)
        if code == "InvalidNextTokenException":
            raise _TokenRefusedError from error
        if code in EXPIRED or code in BAD_CREDENTIALS:
            if is_renewed or code in BAD_CREDENTIALS:
                raise explained from error
            self._client = None  # a new session reads the profile again, where somebody may have signed in
            return True
        passing = code in THROTTLED or code in _PASSING or (not code and "reached" in explained.message)
        if passing and self._pacer.back_off() <= _PATIENCE:
            return is_renewed
        raise explained from error


def _reachable(start: datetime | None, now: datetime) -> datetime | None:
    """The start, where event history reaches it: one that lies before is refused by AWS, and none means everything."""
    return None if start is None or start <= now - HISTORY + timedelta(minutes=5) else start


def _parameters(question: Question, progress: Progress) -> dict[str, Any]:
    parameters: dict[str, Any] = {"MaxResults": _PAGE}
    if question.attribute:
        parameters["LookupAttributes"] = [{"AttributeKey": question.attribute, "AttributeValue": question.value}]
    if progress.start is not None:
        parameters["StartTime"] = progress.start.replace(microsecond=0)
    if progress.end is not None:
        parameters["EndTime"] = progress.end
    if progress.token is not None:
        parameters["NextToken"] = progress.token
    return parameters


def _further(progress: Progress, answer: Mapping[str, Any]) -> Progress:
    times = [item["EventTime"].astimezone(UTC) for item in answer.get("Events", ()) if "EventTime" in item]
    token = answer.get("NextToken") or None
    oldest = min([*times, *([progress.oldest] if progress.oldest else [])], default=None)
    return replace(progress, pages=progress.pages + 1, token=token, oldest=oldest, is_done=token is None)


def _page_bytes(answer: Mapping[str, Any]) -> bytes:
    items = [{name: item[name] for name in ("EventId", "CloudTrailEvent") if name in item} for item in answer["Events"]]
    return json.dumps({"Events": items}, ensure_ascii=False).encode("utf-8", "surrogatepass")
