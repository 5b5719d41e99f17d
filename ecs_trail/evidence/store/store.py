"""`Store`: the door to one store."""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa

from ecs_trail.arrays import empty
from ecs_trail.errors import AccessError, IntegrityError, UsageError
from ecs_trail.evidence.ledger import Fetched, Problem, Receipt, Stored, merge_spans
from ecs_trail.evidence.merging import KEYS, merge, order_of
from ecs_trail.evidence.packing import Chunk
from ecs_trail.evidence.store.batches import TOOL, WITHOUT, Batch, Run, end_lines, lines_of
from ecs_trail.evidence.store.compaction import PART_ROWS, Compacted, compacted
from ecs_trail.evidence.store.disks import FolderDisk, Opened, OvertakenError
from ecs_trail.evidence.store.documents import Document, read_documents, task_texts
from ecs_trail.evidence.store.folder import MANIFEST
from ecs_trail.evidence.store.manifest import FORMAT, Line, Manifest
from ecs_trail.evidence.store.parts import chunks, columns, found, span_of_part
from ecs_trail.evidence.store.plain import problems_from_plain, selection_from_plain, spans_from_plain, time_from_plain
from ecs_trail.evidence.store.remote import SCHEME, BucketDisk
from ecs_trail.evidence.store.summary import summary_of
from ecs_trail.evidence.store.units import held, read_units, receipt_of
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Selection, everything
from ecs_trail.times import Window

Made = TypeVar("Made")

#: How long parts that a manifest no longer names stay in a bucket, for who is reading them.
GRACE: Final = timedelta(days=1)
_ATTEMPTS: Final = 40
#: What reading a part raises that is not as it was written, or that a stranger made: cut short, other columns or types.
_BROKEN: Final = (pa.ArrowException, OSError, ValueError, LookupError, TypeError)


class Store:
    """An append-only folder of evidence: Parquet parts that any tool reads, and a manifest that says what counts.

    `Store("case-042")` names a store, and so does `Store("s3://bucket/prefix")`; the place is touched only by what is
    asked of it. `et.investigate` and `et.read` take a store as a source, and so does the command line (`store:DIR`).
    """

    def __init__(self, place: Path | str | FolderDisk | BucketDisk) -> None:
        """`place`: the folder, or `s3://BUCKET/PREFIX`. Raises `UsageError` for a place that names no bucket."""
        self.disk = place if isinstance(place, (FolderDisk, BucketDisk)) else _disk(place)
        self._known: Manifest | None = None

    def __repr__(self) -> str:
        """As it is written in code."""
        return f"Store({self.disk.name!r})"

    @property
    def name(self) -> str:
        """The store as a source on the command line."""
        return f"store:{self.disk.name}"

    @property
    def path(self) -> Path:
        """The folder. Raises `UsageError` for a store in a bucket."""
        if isinstance(self.disk, FolderDisk):
            return self.disk.path
        raise UsageError(f"'{self.disk.name}' is no folder.", hint="aws s3 sync copies a store to one.")

    @property
    def exists(self) -> bool:
        """True when there is a store at the place. Raises `AccessError`."""
        return self.disk.holds_store()

    def no_source(self) -> UsageError:
        """What to say to who would collect a store into a store."""
        return UsageError(
            f"{self.name} is a store already.",
            hint="collect from where the evidence came from, or give both stores to investigate.",
        )

    # -- reading ------------------------------------------------------------------------------------------------------

    def manifest(self) -> Manifest:
        """The manifest as it is now. Raises `UsageError` without a store, `IntegrityError` when it was altered."""
        return self.disk.load()

    def fetch(self, selection: Selection) -> Iterator[Fetched]:
        """What the store has for a selection: rows, a row group at a time, then saved states with the receipt of
        collecting. A part that is gone or broken comes as a problem. Raises as `manifest`.
        """
        with self.disk.reading():
            manifest = self.manifest()
            yield from self._remarks(manifest, selection)
            tally = _Given()
            for part, opening in self.disk.ahead(_touched(manifest, selection)):
                yield from tally.counted(part, self._rows(part, opening, selection))
            yield from self._beside(manifest, tally)

    def events(self, selection: Selection | None = None, *, columns: Sequence[str] | None = None) -> pa.Table:
        """The events as one table of `EVENT_SCHEMA`, or of some of its columns, each once, sorted; all of them, or a
        selection. Few columns are read much faster than all. Raises `IntegrityError` for a part that is gone or cannot
        be read, `UsageError` for a column that is none.
        """
        wanted = selection or everything()
        if columns is not None:
            few = self._few(wanted, columns)
            if few is not None:
                return few
        read: list[Chunk] = []
        for one in self.fetch(wanted):
            if one.problem is not None and one.problem.is_partial:
                raise IntegrityError(one.problem.detail, hint="ecs-trail store verify names all that is wrong.")
            read.extend(one.stored.chunks if one.stored else ())
        table = wanted.filter(merge(read)[0])
        return table if columns is None else table.select([*columns])

    def _few(self, selection: Selection, columns: Sequence[str]) -> pa.Table | None:
        """Some columns of a selection; None where copies of an event have to be looked at as a whole."""
        unknown = [name for name in columns if name not in EVENT_SCHEMA.names]
        if unknown:
            raise UsageError(
                f"events have no column '{unknown[0]}'.", hint=f"they have {', '.join(EVENT_SCHEMA.names)}."
            )
        names = list(dict.fromkeys([*KEYS, *columns]))
        with self.disk.reading(), self._intact():
            manifest = self.manifest()
            tables = [
                table
                for part in _touched(manifest, selection)
                for table in found(self.disk.opened(part), selection, names)
            ]
        table = pa.concat_tables(tables) if tables else empty(EVENT_SCHEMA)
        order = order_of(table)
        return None if order is None else table.select([*columns]).take(order)

    def columns(self, names: list[str], window: Window) -> Iterator[pa.Table]:
        """Some columns of the rows that may lie in a window, copies included. Raises as `receipt`."""
        with self.disk.reading(), self._intact():
            for part in self.manifest().parts("events"):
                if window.overlaps(*span_of_part(part)):
                    yield from columns(self.disk.opened(part), names, window)

    def documents(self) -> list[Document]:
        """The saved states kept beside the events. Raises as `receipt`."""
        with self._intact():
            return read_documents(self.disk, self.manifest())

    def receipt(self) -> Receipt:
        """What collecting came to: files, failures, coverage. Raises as `manifest`, and `IntegrityError` for a
        part that is gone or broken.
        """
        with self._intact():
            return self._receipt(self.manifest())

    def _receipt(self, manifest: Manifest) -> Receipt:
        receipt = receipt_of(read_units(self.disk, manifest), manifest)
        remarks: dict[str, list[Problem]] = {}
        for line in sorted(manifest.lines, key=lambda one: int(one["number"])):
            if "remarks" in line:
                remarks[line["source"]] = problems_from_plain(line["remarks"])
        receipt.problems.extend(one for some in remarks.values() for one in some)
        for line in manifest.kind("batch"):
            merge_spans(receipt.spans, spans_from_plain(line["spans"]))
            receipt.see_stamp(time_from_plain(line["newest_stamp"]))
            receipt.duplicates += line["receipt"]["duplicates"]
            receipt.records_read += line["records_superseded"]
        return receipt

    def held(self, asked: Selection) -> frozenset[tuple[str, str]]:
        """(name, identity) of each unit that need not be read again for a selection. Raises as `receipt`."""
        manifest = self.manifest()
        with self._intact():
            return held(read_units(self.disk, manifest), manifest, asked)

    def info(self) -> dict[str, Any]:
        """What the store holds, as plain values: counts, bytes, spans, sources, runs, and `seal`, the SHA-256 that
        stands for all of it. Raises as `receipt`.
        """
        manifest = self.manifest()
        return summary_of(self.disk.name, manifest, self.receipt())

    def verify(self) -> list[Problem]:
        """Read every part again and compare it with the manifest; nothing in the list means that all is as it was
        written. Kinds: `altered_manifest`, `missing_part`, `altered_part`, `extra_part`. Raises `UsageError` where
        there is no store.
        """
        with self.disk.reading():
            try:
                manifest = self.manifest()
            except IntegrityError as error:
                return [Problem(self.disk.where(MANIFEST), "altered_manifest", error.message)]
            return [*self._altered(manifest), *self._extra(manifest)]

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folder and an empty store, or leave the one that is there. Raises `UsageError`."""
        header = {"kind": "store", "format": FORMAT, "number": 1, "tool": TOOL, "generation": 1}
        self.disk.create({**header, "at": datetime.now(UTC).isoformat()})

    def commit(self, batch: Batch) -> int:
        """Add a batch, whole or not at all; gives its rows. Raises `UsageError` when the disk refuses."""

        def step() -> int:
            manifest = self._tidied()
            known = frozenset(self.documents() if batch.documents else ())
            made, rows = lines_of(self.disk, manifest, batch, known)
            self.disk.append(manifest, made)
            return rows

        return self._landed(step)

    def keep(self, documents: Sequence[Document], source: str) -> None:
        """Keep saved states, such as snapshots of ECS or IAM, beside the events; those kept already are left out.
        `source` says who made them. Raises as `commit`.
        """
        nothing = Selection(())
        run = Run(uuid.uuid4().hex, source, nothing, nothing, self.manifest().next_number - 1, datetime.now(UTC))
        if set(documents) - set(self.documents()):
            self.commit(Batch(run, "saved states", documents=[*documents]))

    def end(self, run: Run, remarks: list[Problem], *, is_partial: bool) -> None:
        """Note that a run came to its end. Raises as `commit`."""

        def step() -> None:
            manifest = self._tidied()
            self.disk.append(manifest, end_lines(manifest, run, remarks, is_partial=is_partial))

        self._landed(step)

    def compact(self, *, rows: int = PART_ROWS, grace: timedelta = GRACE) -> Compacted:
        """Make few large parts, of about so many rows, each event once. A crash leaves the old store or the new one.

        In a bucket, parts that were replaced stay for who reads them; they, and what killed writers left, are deleted
        by the first compacting that comes `grace` later. Raises `IntegrityError`, and changes nothing, when a part is
        not as it was written; else as `commit`.
        """
        self.manifest()

        def sweep() -> int:
            return self.disk.swept(self._tidied(), grace)

        def step() -> Compacted:
            manifest = self._tidied()
            wrong = self._altered(manifest)
            if wrong:
                raise IntegrityError(f"{wrong[0].source}: {wrong[0].detail}", hint="nothing was changed.")
            new, made = compacted(self.disk, manifest, rows=rows)
            if new:
                self.disk.replace_all(manifest, new)
                self.disk.discard(manifest.parts())
            return made

        swept = self._landed(sweep)
        return replace(self._landed(step), swept=swept)

    @contextmanager
    def _intact(self) -> Iterator[None]:
        """Turn a part that is gone or broken into an `IntegrityError`."""
        try:
            yield
        except _BROKEN as error:
            reason = (str(error).splitlines() or ["?"])[0][:200]
            raise IntegrityError(
                f"a part of the store '{self.disk.name}' is gone or cannot be read: {reason}.",
                hint="ecs-trail store verify names all that is wrong.",
            ) from error

    # -- inside -------------------------------------------------------------------------------------------------------

    def _landed(self, step: Callable[[], Made]) -> Made:
        """A step of writing, repeated while others are faster. Raises `AccessError` when they always are."""
        for attempt in range(_ATTEMPTS):
            try:
                with self.disk.writing():
                    return step()
            except OvertakenError:
                time.sleep(random.uniform(0, min(2.0, 0.02 * 2**attempt)))  # noqa: S311 - only so that two part
        raise AccessError(
            f"others write to '{self.disk.name}' all the time; nothing was lost.", hint="run the same command again."
        )

    def _tidied(self) -> Manifest:
        """The manifest, after what a crash left behind is removed; only while writing."""
        manifest = self._known = self.disk.load(self._known)
        self.disk.tidy(manifest)
        return manifest

    def _rows(self, part: Line, opening: Callable[[], Opened], selection: Selection) -> Iterator[Fetched]:
        where = self.disk.where(part["name"])
        try:
            for chunk in chunks(opening(), selection):
                yield Fetched(where, stored=Stored([chunk]))
        except FileNotFoundError:
            words = f"a part of the store with {part['rows']} events is gone."
            yield Fetched(where, problem=Problem(where, "vanished", words))
        except _BROKEN as error:
            words = f"a part of the store cannot be read: {(str(error).splitlines() or ['?'])[0][:200]}."
            yield Fetched(where, problem=Problem(where, "unreadable_file", words))

    def _beside(self, manifest: Manifest, tally: "_Given") -> Iterator[Fetched]:
        where = self.disk.name
        stored = Stored()
        try:
            stored.receipt = self._receipt(manifest)
            stored.task_texts = task_texts(read_documents(self.disk, manifest))
        except _BROKEN as error:
            words = f"what was noted when collecting cannot be read: {(str(error).splitlines() or ['?'])[0][:200]}."
            yield Fetched(where, problem=Problem(where, "unreadable_file", words))
        tally.account(stored.receipt, sum(part["rows"] for part in manifest.parts("events")))
        yield Fetched(where, stored=stored)

    def _remarks(self, manifest: Manifest, selection: Selection) -> Iterator[Fetched]:
        """Say it when less was collected than is asked for."""
        ended = {line["selection"] for line in manifest.kind("run")}
        if not any(selection_from_plain(manifest.selections[one]).covers(selection) for one in ended):
            words = "less was collected than is asked for, or collecting did not end; ecs-trail store info says what."
            yield Fetched(self.name, problem=Problem(self.name, "not_collected", words))

    def _altered(self, manifest: Manifest) -> list[Problem]:
        found: list[Problem] = []
        for part in manifest.parts():
            where = self.disk.where(part["name"])
            try:
                is_same = self.disk.measured(part["name"]) == (part["bytes"], part["sha256"])
            except FileNotFoundError:
                found.append(Problem(where, "missing_part", "the manifest names it, but it is gone."))
                continue
            except OSError as error:
                found.append(Problem(where, "missing_part", f"it cannot be read: {error.strerror}."))
                continue
            if not is_same:
                found.append(Problem(where, "altered_part", "its SHA-256 is not the one in the manifest."))
        return found

    def _extra(self, manifest: Manifest) -> list[Problem]:
        words = "the manifest does not name it, so it never counts; the next collect removes what a crash left."
        return [Problem(self.disk.where(name), "extra_part", words) for name in self.disk.strangers(manifest)]


def _disk(place: Path | str) -> FolderDisk | BucketDisk:
    text = str(place)
    return BucketDisk(text) if text.startswith(SCHEME) else FolderDisk(Path(place))


@dataclass(slots=True)
class _Given:
    """How many of the rows kept were given to a reader, and how many a broken part no longer gives."""

    rows: int = 0
    lost: int = 0

    def counted(self, part: Line, found: Iterator[Fetched]) -> Iterator[Fetched]:
        """Pass on what is found of one part."""
        before = self.rows
        for one in found:
            self.rows += sum(chunk.num_rows for chunk in one.stored.chunks) if one.stored else 0
            self.lost += part["rows"] - (self.rows - before) if one.problem is not None else 0
            yield one

    def account(self, receipt: Receipt, held: int) -> None:
        """Say in the receipt of collecting where its records are now. `held` are all rows kept.

        Rows of a reading that a later one of the same name took the place of are still held: they were read as well.
        """
        others = receipt.records_read - receipt.duplicates - held
        receipt.records_read += max(-others, 0)
        receipt.records_not_selected += max(others, 0) + held - self.rows - self.lost
        receipt.records_lost += self.lost


def _touched(manifest: Manifest, selection: Selection) -> Iterator[Line]:
    """The parts that may hold an event of a selection, by what the manifest says of them."""
    wider = {digest for digest, plain in manifest.selections.items() if selection_from_plain(plain).covers(selection)}
    for part in manifest.parts("events"):
        if part.get(WITHOUT) not in wider and selection.window.overlaps(*span_of_part(part)):
            yield part
