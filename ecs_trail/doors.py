"""The doors: `read` gives events as one DataFrame, `investigate` gives a case, `collect` fills a store.

Behind each door only what it needs is loaded: an investigation of a folder knows no store, no bucket and no digest.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.arns import role_key
from ecs_trail.case import STUCK_AFTER, Case, Focus
from ecs_trail.coverage import evidence_summary
from ecs_trail.errors import UsageError
from ecs_trail.evidence.compression import USUAL, Bounds
from ecs_trail.evidence.engines import LOCAL, open_engine
from ecs_trail.evidence.snapshots import RoleSnapshot, read_role_state
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import Source, scan
from ecs_trail.evidence.sources.queries import parse_size
from ecs_trail.frames import Sheet, to_frame
from ecs_trail.selection import Selection, bounded, default_selection, focused
from ecs_trail.selection import session as session_selection
from ecs_trail.times import Window, aware_time, parse_duration
from ecs_trail.views.secret_tables import scrub_table
from ecs_trail.views.secrets import scrub_value

if TYPE_CHECKING:
    import pandas as pd

    from ecs_trail.evidence.collect import Collected
    from ecs_trail.evidence.integrity.verdict import Integrity
    from ecs_trail.evidence.snapshots.taking import Taken
    from ecs_trail.evidence.store import Store

__all__ = ["Store", "collect", "investigate", "read"]

SourceLike: TypeAlias = "str | Path | Store"
Progress = Callable[[int, int], None]


def read(  # noqa: PLR0913 - the options of the command line, each by name
    source: "SourceLike | Sequence[SourceLike]",
    *,
    selection: Selection | None = None,
    session: str | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    workers: int | None = None,
    engine: str = LOCAL,
    max_scan: str | int | None = None,
    max_expansion: str | int | None = None,
    progress: Progress | None = None,
    unredacted: bool = False,
) -> "pd.DataFrame":
    """CloudTrail events as one plain DataFrame, for ad hoc work: columns of `EVENT_SCHEMA`, Arrow-backed, UTC.

    By default the events an investigation reads; `session="ECSTaskVolumesForEBS"` gives one role session,
    `selection=et.everything()` all events. `since` is included, `until` is not. The receipt of the read (files and
    records counted, problems named, as plain values) stands in `frame.attrs["receipt"]`. `workers` processes read; left
    open, one for each processor once there is enough to do; or the executors of Spark with `engine="spark"`. Raises
    `UsageError` for a source that is not there and for times without a zone. `max_scan` (bytes, or `"10GB"`) stops a
    paid query; `max_expansion` is how large one file may be or become when it is expanded, 192 MiB if left open.
    Tokens, keys and passwords of the records are taken out, unless `unredacted`.
    """
    if selection is not None and session is not None:
        raise UsageError("selection and session exclude each other.", hint="use selection=et.session(...) & ...")
    chosen = selection or (session_selection(session) if session else default_selection())
    window = _window(since, until)
    evidence = scan(
        _sources(source, max_scan),
        bounded(chosen, window),
        engine=open_engine(engine, workers),
        progress=progress,
        bounds=_bounds(max_expansion),
    )
    frame = to_frame(evidence.events if unredacted else scrub_table(evidence.events))
    newest = evidence.receipt.newest_stamp or datetime.now(UTC)
    summary = evidence_summary(evidence.receipt, events_selected=len(frame), window=window, as_of=window.end or newest)
    frame.attrs["receipt"] = summary if unredacted else scrub_value(summary)
    return frame


def investigate(  # noqa: PLR0913 - the options of the command line, each by name
    source: "SourceLike | Sequence[SourceLike]",
    *,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    role: str | None = None,
    account: str | None = None,
    region: str | None = None,
    cluster: str | None = None,
    tasks: Sequence[str | Path] = (),
    volumes: Sequence[str | Path] = (),
    role_state: Sequence[str | Path] = (),
    checkpoint: str | Path | None = None,
    as_of: str | datetime | None = None,
    stuck_after: str | timedelta = STUCK_AFTER,
    verify: bool = False,
    public_keys: Sequence[str | Path] = (),
    chains: bool = False,
    workers: int | None = None,
    engine: str = LOCAL,
    max_scan: str | int | None = None,
    max_expansion: str | int | None = None,
    progress: Progress | None = None,
    unredacted: bool = False,
) -> Case:
    """Read evidence and investigate it: what broke the infrastructure role, when, by whom, and what hangs on it.

    `source` is a folder or file of CloudTrail records, a `Store`, or a list of them; the same event from two counts
    once. Times are ISO 8601 with zone, a date, or `-6h`; a naive time raises `UsageError`. `tasks` are files with saved
    `DescribeTasks` output or `ECS Task State Change` events, `volumes` files with saved `DescribeVolumes` output,
    `role_state` files with a role's saved IAM state; all three are also found inside a source folder. `checkpoint` is a
    file that keeps how far `api://` sources were read, for a later run of the same question. `as_of` is the moment to
    judge at; by default the newest selected event, saved task or volume state, or log-file stamp. `verify` checks
    folders and buckets against CloudTrail's digests, and stores against their manifest: the verdict stands in
    `case.integrity`; `public_keys` are saved
    `list-public-keys` answers for it. `chains` follows the sessions that changed a role back to the first principal
    (`case.actors`), which reads the sources again, once a step. `max_scan` (bytes, or `"10GB"`) stops a query of Athena
    or CloudTrail Lake that reads more. `workers` processes read, or the executors of Spark with `engine="spark"`; the
    answer is the same. `max_expansion` is how large one file may be or become when it is expanded, 192
    MiB if left open. Tokens, keys and passwords of the records enter no frame, document or report, unless `unredacted`.
    """
    window = _window(since, until)
    selection = focused(bounded(default_selection(), window), account=account, region=region, role=role)
    integrity = _integrity(source, window, account, public_keys, workers=workers) if verify else None
    reader = open_engine(engine, workers)
    evidence = scan(
        _sources(source, max_scan, None if checkpoint is None else Path(checkpoint)),
        selection,
        engine=reader,
        progress=progress,
        task_files=[Path(one) for one in tasks],
        volume_files=[Path(one) for one in volumes],
        bounds=_bounds(max_expansion),
    )
    given = [read_role_state(Path(one)) for one in role_state]
    judged_at = _moment(as_of)
    snapshots = _snapshots(given, evidence.role_states, judged_at or window.end)
    case = Case(
        evidence,
        window=window,
        focus=Focus(role, account, region, cluster),
        snapshots=snapshots,
        as_of=judged_at,
        stuck_after=parse_duration(stuck_after) if isinstance(stuck_after, str) else stuck_after,
        integrity=integrity,
        unredacted=unredacted,
    )
    if chains:
        from ecs_trail.case.chains import openings_behind

        def again(asked: Selection) -> Sheet:
            read_again = scan(
                _sources(source, max_scan), asked, engine=reader, progress=progress, bounds=_bounds(max_expansion)
            )
            return Sheet.of_table(read_again.events if unredacted else scrub_table(read_again.events))

        case.sheets.openings = openings_behind(case.sheets, again)
    return case


def _integrity(
    source: "SourceLike | Sequence[SourceLike]",
    window: Window,
    account: str | None,
    public_keys: Sequence[str | Path],
    *,
    workers: int | None,
) -> "Integrity":
    """The verdict on every source that can hold digests, or is a store with a manifest; the others have none."""
    from ecs_trail.evidence.integrity.shelves import Scope
    from ecs_trail.evidence.integrity.stores import verify_store
    from ecs_trail.evidence.integrity.verdict import joined
    from ecs_trail.evidence.integrity.verifying import WORKERS, verify_digests
    from ecs_trail.evidence.sources.files import FilesSource
    from ecs_trail.evidence.sources.s3 import S3Source
    from ecs_trail.evidence.store import Store

    scope = Scope(window, account, None)
    keys = [Path(one) for one in public_keys]
    found: list[Integrity] = []
    for one in _listed(source):
        made = _opened(one)
        kept = made.held_store() if isinstance(made, S3Source) else getattr(made, "store", None)
        if isinstance(kept, Store):
            found.append(verify_store(kept))
        elif isinstance(made, (FilesSource, S3Source)):
            found.append(verify_digests(str(one), scope=scope, public_keys=keys, workers=max(workers or 1, WORKERS)))
    return joined(found)


def collect(  # noqa: PLR0913 - the options of the command line, each by name
    source: "SourceLike | Sequence[SourceLike]",
    store: "str | Path | Store",
    *,
    selection: Selection | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    tasks: Sequence[str | Path] = (),
    volumes: Sequence[str | Path] = (),
    account: str | None = None,
    region: str | None = None,
    overlap: str | timedelta | None = None,
    workers: int = 1,
    engine: str = LOCAL,
    max_expansion: str | int | None = None,
    progress: Progress | None = None,
) -> "Collected":
    """Read evidence into a store, which is made where there is none; a further call reads only what is new.

    By default the events an investigation reads. A call that was ended in any way is continued by the same call.
    Sources that are asked by time are asked from their last complete run on, less `overlap` (six hours if left open),
    as events come late.
    `account` and `region` narrow it as they narrow an investigation: what reaches into the place from elsewhere stays.
    `workers` processes read, or the executors of Spark with `engine="spark"`: the store is the same. Raises
    `UsageError` for a source that is not there and a store that cannot be written, `AccessError` where AWS
    refuses; what was read until then is kept.
    """
    from ecs_trail.evidence.collect import OVERLAP
    from ecs_trail.evidence.collect import collect as collect_sources
    from ecs_trail.evidence.store import Store

    before = OVERLAP if overlap is None else overlap
    return collect_sources(
        _sources(source),
        store if isinstance(store, Store) else Store(store),
        focused(bounded(selection or default_selection(), _window(since, until)), account=account, region=region),
        engine=open_engine(engine, workers),
        progress=progress,
        task_files=[Path(one) for one in tasks],
        volume_files=[Path(one) for one in volumes],
        overlap=parse_duration(before) if isinstance(before, str) else before,
        bounds=_bounds(max_expansion),
    )


def snapshot(
    output: str | Path,
    regions: str | Sequence[str],
    *,
    clusters: Sequence[str] = (),
    roles: Sequence[str] = (),
) -> "Taken":
    """Save the state of ECS tasks and services, ECS-managed EBS volumes and infrastructure roles now; reads only.

    Dated JSON files go into the folder `output`; they are what `tasks`, `volumes` and `role_state` of `investigate`
    take, and such a folder can be a source. `clusters` narrow tasks and services; `roles` are saved beside the roles
    that tasks and services name. What AWS refuses is in `problems`, with the missing action. Raises `AccessError` when
    nothing at all could be read.
    """
    from ecs_trail.evidence.snapshots.taking import take_snapshot

    listed = [regions] if isinstance(regions, str) else list(regions)
    return take_snapshot(Path(output), listed, clusters=clusters, roles=roles)


def _sources(
    source: "SourceLike | Sequence[SourceLike]", max_scan: str | int | None = None, checkpoint: Path | None = None
) -> list[Source]:
    listed = _listed(source)
    if not listed:
        raise UsageError("no source was given.", hint="give a folder or file with CloudTrail records.")
    limit = parse_size(max_scan) if isinstance(max_scan, str) else max_scan
    opened = [_opened(one, limit, checkpoint) for one in listed]
    if checkpoint is not None and sum(one.name.startswith("api://") for one in opened) != 1:
        raise UsageError(
            "a checkpoint belongs to exactly one api:// source.", hint="api://REGION,REGION reads several Regions."
        )
    return opened


def _listed(source: "SourceLike | Sequence[SourceLike]") -> "list[SourceLike]":
    return list(source) if isinstance(source, Iterable) and not isinstance(source, str) else [source]


def _opened(one: "SourceLike", max_scan: int | None = None, checkpoint: Path | None = None) -> Source:
    if isinstance(one, (str, Path)):
        return open_source(str(one), max_scan=max_scan, checkpoint=checkpoint)
    from ecs_trail.evidence.sources.store import StoreSource

    return StoreSource(one)


def _bounds(given: str | int | None) -> Bounds:
    size = parse_size(given) if isinstance(given, str) else given
    if size is not None and size < 1:
        raise UsageError(f"a file may not have {size} bytes.", hint="max_expansion is a size such as 500MB.")
    return USUAL if size is None else Bounds.of(size)


def _window(since: str | datetime | None, until: str | datetime | None) -> Window:
    return Window(_moment(since), _moment(until))


def _moment(given: str | datetime | None) -> datetime | None:
    return None if given is None else aware_time(given, now=datetime.now(UTC))


def _snapshots(given: Sequence[RoleSnapshot], found: Sequence[RoleSnapshot], until: datetime | None) -> list[Snapshot]:
    """Role states as the analysis takes them, the newest of each role last; a given one counts before a found one.

    What merely lies in a folder counts only up to the moment judged at; what was given, the user stands for.
    """
    named = {role_key(one.role_arn) for one in given}
    usable = [one for one in found if role_key(one.role_arn) not in named]
    usable = [one for one in usable if until is None or one.captured_at <= until]
    newest = {role_key(one.role_arn): one for one in sorted(usable, key=lambda one: one.captured_at)}
    return [_snapshot(one) for one in (*newest.values(), *sorted(given, key=lambda one: one.captured_at))]


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
        complete=saved.complete,
    )


def __getattr__(name: str) -> Any:
    """`Store` is one of the doors as well (PEP 562)."""
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("ecs_trail.evidence.store").Store
