"""The doors: `read` gives events as one DataFrame, `investigate` gives a case, `collect` fills a store."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.arns import role_key
from ecs_trail.case import STUCK_AFTER, Case, Focus
from ecs_trail.coverage import evidence_summary
from ecs_trail.errors import UsageError
from ecs_trail.evidence.collect import OVERLAP, Collected
from ecs_trail.evidence.collect import collect as collect_sources
from ecs_trail.evidence.integrity.shelves import Scope
from ecs_trail.evidence.integrity.verdict import Integrity, joined
from ecs_trail.evidence.integrity.verifying import WORKERS, verify_digests
from ecs_trail.evidence.snapshots import RoleSnapshot, read_role_state
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import Source, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.queries import parse_size
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.evidence.store import Store
from ecs_trail.frames import to_frame
from ecs_trail.selection import Selection, bounded, default_selection
from ecs_trail.selection import session as session_selection
from ecs_trail.times import Window, aware_time, parse_duration

__all__ = ["Store", "collect", "investigate", "read"]

SourceLike = str | Path | Store
Progress = Callable[[int, int], None]


def read(
    source: SourceLike | Sequence[SourceLike],
    *,
    selection: Selection | None = None,
    session: str | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    workers: int = 1,
    max_scan: str | int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """CloudTrail events as one plain DataFrame, for ad hoc work: columns of `EVENT_SCHEMA`, Arrow-backed, UTC.

    By default the events an investigation reads; `session="ECSTaskVolumesForEBS"` gives one role session,
    `selection=et.everything()` all events. `since` is included, `until` is not. The receipt of the read (files and
    records counted, problems named, as plain values) stands in `frame.attrs["receipt"]`. Raises `UsageError` for a
    source that is not there and for times without a zone. `max_scan` (bytes, or `"10GB"`) stops a paid query.
    """
    if selection is not None and session is not None:
        raise UsageError("selection and session exclude each other.", hint="use selection=et.session(...) & ...")
    chosen = selection or (session_selection(session) if session else default_selection())
    window = _window(since, until)
    evidence = scan(_sources(source, max_scan), bounded(chosen, window), workers=workers, progress=progress)
    frame = to_frame(evidence.events)
    newest = evidence.receipt.newest_stamp or datetime.now(UTC)
    frame.attrs["receipt"] = evidence_summary(
        evidence.receipt, events_selected=len(frame), window=window, as_of=window.end or newest
    )
    return frame


def investigate(  # noqa: PLR0913 - the options of the command line, each by name
    source: SourceLike | Sequence[SourceLike],
    *,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    role: str | None = None,
    account: str | None = None,
    region: str | None = None,
    cluster: str | None = None,
    tasks: Sequence[str | Path] = (),
    role_state: Sequence[str | Path] = (),
    as_of: str | datetime | None = None,
    stuck_after: str | timedelta = STUCK_AFTER,
    verify: bool = False,
    public_keys: Sequence[str | Path] = (),
    workers: int = 1,
    max_scan: str | int | None = None,
    progress: Progress | None = None,
) -> Case:
    """Read evidence and investigate it: what broke the infrastructure role, when, by whom, and what hangs on it.

    `source` is a folder or file of CloudTrail records, a `Store`, or a list of them; the same event from two counts
    once. Times are ISO 8601 with zone, a date, or `-6h`; a naive time raises `UsageError`. `tasks` are files with saved
    `DescribeTasks` output or `ECS Task State Change` events, `role_state` files with a role's saved IAM state. `as_of`
    is the moment to judge at; by default the newest selected event, saved task state or log-file stamp. `verify`
    checks folders and buckets against CloudTrail's digests: the verdict stands in `case.integrity`; `public_keys` are
    saved `list-public-keys` answers for it. `max_scan` (bytes, or `"10GB"`) stops a query of Athena or CloudTrail Lake
    that reads more.
    """
    window = _window(since, until)
    scope = Scope(window, account, None)
    integrity = _integrity(source, scope, public_keys, workers=workers) if verify else None
    evidence = scan(
        _sources(source, max_scan),
        bounded(default_selection(), window),
        workers=workers,
        progress=progress,
        task_files=[Path(one) for one in tasks],
    )
    snapshots = [_snapshot(read_role_state(Path(one))) for one in role_state]
    return Case(
        evidence,
        window=window,
        focus=Focus(role, account, region, cluster),
        snapshots=snapshots,
        as_of=_moment(as_of),
        stuck_after=parse_duration(stuck_after) if isinstance(stuck_after, str) else stuck_after,
        integrity=integrity,
    )


def _integrity(
    source: SourceLike | Sequence[SourceLike], scope: Scope, public_keys: Sequence[str | Path], *, workers: int
) -> Integrity:
    """The verdict on every source that can hold digests; the others have none."""
    listed = [source] if isinstance(source, (str, Path, Store)) else list(source)
    opened = [(str(one), open_source(str(one))) for one in listed if not isinstance(one, Store)]
    keys = [Path(one) for one in public_keys]
    return joined(
        [
            verify_digests(text, scope=scope, public_keys=keys, workers=max(workers, WORKERS))
            for text, made in opened
            if isinstance(made, (FilesSource, S3Source))
        ]
    )


def collect(  # noqa: PLR0913 - the options of the command line, each by name
    source: SourceLike | Sequence[SourceLike],
    store: str | Path | Store,
    *,
    selection: Selection | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    tasks: Sequence[str | Path] = (),
    overlap: str | timedelta = OVERLAP,
    workers: int = 1,
    progress: Progress | None = None,
) -> Collected:
    """Read evidence into a store, which is made where there is none; a further call reads only what is new.

    By default the events an investigation reads. A call that was ended in any way is continued by the same call.
    Sources that are asked by time are asked from their last complete run on, less `overlap`, as events come late.
    Raises `UsageError` for a source that is not there and a store that cannot be written, `AccessError` where AWS
    refuses; what was read until then is kept.
    """
    return collect_sources(
        _sources(source),
        store if isinstance(store, Store) else Store(store),
        bounded(selection or default_selection(), _window(since, until)),
        workers=workers,
        progress=progress,
        task_files=[Path(one) for one in tasks],
        overlap=parse_duration(overlap) if isinstance(overlap, str) else overlap,
    )


def _sources(source: SourceLike | Sequence[SourceLike], max_scan: str | int | None = None) -> list[Source]:
    listed = [source] if isinstance(source, (str, Path, Store)) else list(source)
    if not listed:
        raise UsageError("no source was given.", hint="give a folder or file with CloudTrail records.")
    limit = parse_size(max_scan) if isinstance(max_scan, str) else max_scan
    return [StoreSource(one) if isinstance(one, Store) else open_source(str(one), max_scan=limit) for one in listed]


def _window(since: str | datetime | None, until: str | datetime | None) -> Window:
    return Window(_moment(since), _moment(until))


def _moment(given: str | datetime | None) -> datetime | None:
    return None if given is None else aware_time(given, now=datetime.now(UTC))


def _snapshot(saved: RoleSnapshot) -> Snapshot:
    key = role_key(saved.role_arn)
    if key is None:
        raise UsageError("the saved role state names no role.", hint="add the output of aws iam get-role as Role.")
    return Snapshot(
        account=key[0],
        role_name=key[1],
        captured_at=saved.captured_at,
        trust=saved.trust_document,
        attached=frozenset(saved.attached),
        inline=saved.inline,
        boundary=saved.boundary or "",
        role_id=saved.role_id,
        documents=saved.policy_documents,
        role_arn=saved.role_arn,
    )
