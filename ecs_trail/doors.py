"""The two doors: `read` gives events as one DataFrame, `investigate` gives a case."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd

from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.arns import role_key
from ecs_trail.case import STUCK_AFTER, Case, Focus
from ecs_trail.coverage import evidence_summary
from ecs_trail.errors import UsageError
from ecs_trail.evidence.integrity.shelves import Scope
from ecs_trail.evidence.integrity.verdict import Integrity, joined
from ecs_trail.evidence.integrity.verifying import WORKERS, verify_digests
from ecs_trail.evidence.snapshots import RoleSnapshot, read_role_state
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import Source, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.queries import parse_size
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.frames import to_frame
from ecs_trail.selection import Selection, bounded, default_selection
from ecs_trail.selection import session as session_selection
from ecs_trail.times import Window, aware_time, parse_duration

SourceLike = str | Path
Progress = Callable[[int, int], None]


def read(
    source: SourceLike | Sequence[SourceLike],
    *,
    selection: Selection | None = None,
    session: str | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    workers: int | None = None,
    max_scan: str | int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """CloudTrail events as one plain DataFrame, for ad hoc work: columns of `EVENT_SCHEMA`, Arrow-backed, UTC.

    By default the events an investigation reads; `session="ECSTaskVolumesForEBS"` gives one role session,
    `selection=et.everything()` all events. `since` is included, `until` is not. The receipt of the read (files and
    records counted, problems named, as plain values) stands in `frame.attrs["receipt"]`. `workers` processes read; left
    open, one for each processor once there is enough to do. Raises `UsageError` for a source that is not there and for
    times without a zone. `max_scan` (bytes, or `"10GB"`) stops a paid query.
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
    tasks: Sequence[SourceLike] = (),
    role_state: Sequence[SourceLike] = (),
    as_of: str | datetime | None = None,
    stuck_after: str | timedelta = STUCK_AFTER,
    verify: bool = False,
    public_keys: Sequence[SourceLike] = (),
    workers: int | None = None,
    max_scan: str | int | None = None,
    progress: Progress | None = None,
) -> Case:
    """Read evidence and investigate it: what broke the infrastructure role, when, by whom, and what hangs on it.

    `source` is a folder or file of CloudTrail records, or a list of them; the same event from two counts once. Times
    are ISO 8601 with zone, a date, or `-6h`; a naive time raises `UsageError`. `tasks` are files with saved
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
    source: SourceLike | Sequence[SourceLike], scope: Scope, public_keys: Sequence[SourceLike], *, workers: int | None
) -> Integrity:
    """The verdict on every source that can hold digests; the others have none."""
    listed = [source] if isinstance(source, (str, Path)) else list(source)
    opened = [(str(one), open_source(str(one))) for one in listed]
    keys = [Path(one) for one in public_keys]
    return joined(
        [
            verify_digests(text, scope=scope, public_keys=keys, workers=max(workers or 1, WORKERS))
            for text, made in opened
            if isinstance(made, (FilesSource, S3Source))
        ]
    )


def _sources(source: SourceLike | Sequence[SourceLike], max_scan: str | int | None = None) -> list[Source]:
    listed = [source] if isinstance(source, (str, Path)) else list(source)
    if not listed:
        raise UsageError("no source was given.", hint="give a folder or file with CloudTrail records.")
    limit = parse_size(max_scan) if isinstance(max_scan, str) else max_scan
    return [open_source(str(one), max_scan=limit) for one in listed]


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
