"""`Store`: the door to one store."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ecs_trail.errors import IntegrityError
from ecs_trail.evidence.ledger import Fetched, Problem, Receipt, Stored, merge_spans
from ecs_trail.evidence.merging import merge
from ecs_trail.evidence.packing import Chunk
from ecs_trail.evidence.store import folder as disk
from ecs_trail.evidence.store import manifest as lines
from ecs_trail.evidence.store.batches import TOOL, Batch, Run, end_lines, lines_of
from ecs_trail.evidence.store.compaction import PART_ROWS, Compacted, compacted
from ecs_trail.evidence.store.documents import Document, read_documents, task_texts
from ecs_trail.evidence.store.manifest import Line, Manifest
from ecs_trail.evidence.store.parts import chunks, columns
from ecs_trail.evidence.store.plain import problems_from_plain, selection_from_plain, spans_from_plain, time_from_plain
from ecs_trail.evidence.store.summary import summary_of
from ecs_trail.evidence.store.units import held, read_units, receipt_of
from ecs_trail.selection import Selection, everything
from ecs_trail.times import Window

#: What reading a part raises that is not as it was written, or that a stranger made: cut short, other columns or types.
_BROKEN: Final = (pa.ArrowException, OSError, ValueError, LookupError, TypeError)


class Store:
    """An append-only folder of evidence: Parquet parts that any tool reads, and a manifest that says what counts.

    `Store("case-042")` names a store; the disk is touched only by what is asked of it. `et.investigate` and `et.read`
    take a store as a source, and so does the command line (`store:DIR`).
    """

    def __init__(self, path: Path | str) -> None:
        """`path`: the folder."""
        self.path = Path(path)
        self._known: Manifest | None = None

    def __repr__(self) -> str:
        """As it is written in code."""
        return f"Store({self.path.as_posix()!r})"

    @property
    def name(self) -> str:
        """The store as a source on the command line."""
        return f"store:{self.path.as_posix()}"

    @property
    def exists(self) -> bool:
        """True when the folder holds a store."""
        return lines.holds_store(self.path)

    # -- reading ------------------------------------------------------------------------------------------------------

    def manifest(self) -> Manifest:
        """The manifest as it is now. Raises `UsageError` without a store, `IntegrityError` when it was altered."""
        return lines.load(self.path)

    def fetch(self, selection: Selection) -> Iterator[Fetched]:
        """What the store has for a selection: rows, a row group at a time, then saved states with the receipt of
        collecting. A part that is gone or broken comes as a problem. Raises as `manifest`.
        """
        with disk.reading(self.path):
            manifest = self.manifest()
            yield from self._remarks(manifest, selection)
            tally = _Given()
            for part in manifest.parts("events"):
                if selection.window.overlaps(*_span(part)):
                    yield from tally.counted(part, self._rows(part, selection))
            yield from self._beside(manifest, tally)

    def events(self, selection: Selection | None = None) -> pa.Table:
        """The events as one table of `EVENT_SCHEMA`, each once, sorted; all of them, or a selection. Raises
        `IntegrityError` for a part that is gone or cannot be read.
        """
        wanted = selection or everything()
        found: list[Chunk] = []
        for one in self.fetch(wanted):
            if one.problem is not None and one.problem.is_partial:
                raise IntegrityError(one.problem.detail, hint="ecs-trail store verify names all that is wrong.")
            found.extend(one.stored.chunks if one.stored else ())
        return wanted.filter(merge(found)[0])

    def columns(self, names: list[str], window: Window) -> Iterator[pa.Table]:
        """Some columns of the rows that may lie in a window, copies included. Raises as `receipt`."""
        with disk.reading(self.path), self._intact():
            for part in self.manifest().parts("events"):
                if window.overlaps(*_span(part)):
                    yield from columns(self.path / part["name"], names, window)

    def documents(self) -> list[Document]:
        """The saved states kept beside the events. Raises as `receipt`."""
        with self._intact():
            return read_documents(self.path, self.manifest())

    def receipt(self) -> Receipt:
        """What collecting came to: files, failures, coverage. Raises as `manifest`, and `IntegrityError` for a
        part that is gone or broken.
        """
        with self._intact():
            return self._receipt(self.manifest())

    def _receipt(self, manifest: Manifest) -> Receipt:
        receipt = receipt_of(read_units(self.path, manifest), manifest)
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
            return held(read_units(self.path, manifest), manifest, asked)

    def info(self) -> dict[str, Any]:
        """What the store holds, as plain values: counts, bytes, spans, sources, runs, and `seal`, the SHA-256 that
        stands for all of it. Raises as `receipt`.
        """
        manifest = self.manifest()
        return summary_of(self.path, manifest, self.receipt())

    def verify(self) -> list[Problem]:
        """Read every part again and compare it with the manifest; nothing in the list means that all is as it was
        written. Kinds: `altered_manifest`, `missing_part`, `altered_part`, `extra_part`. Raises `UsageError` where
        there is no store.
        """
        with disk.reading(self.path):
            try:
                manifest = self.manifest()
            except IntegrityError as error:
                return [Problem((self.path / disk.MANIFEST).as_posix(), "altered_manifest", error.message)]
            return [*self._altered(manifest), *self._extra(manifest)]

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folder and an empty store, or leave the one that is there. Raises `UsageError`."""
        disk.make_folder(self.path)
        with disk.writing_to(self.path), disk.only_writer(self.path):
            disk.make_locks(self.path)
            if not (self.path / disk.MANIFEST).exists():
                header = {"kind": "store", "format": lines.FORMAT, "number": 1, "tool": TOOL, "generation": 1}
                lines.replace_all(self.path, [{**header, "at": datetime.now(UTC).isoformat()}])

    def commit(self, batch: Batch) -> int:
        """Add a batch, whole or not at all; gives its rows. Raises `UsageError` when the disk refuses."""
        with disk.writing_to(self.path), disk.only_writer(self.path):
            manifest = self._tidied()
            known = frozenset(self.documents() if batch.documents else ())
            made, rows = lines_of(self.path, manifest, batch, known)
            lines.append(self.path, manifest, made)
        return rows

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
        with disk.writing_to(self.path), disk.only_writer(self.path):
            manifest = self._tidied()
            lines.append(self.path, manifest, end_lines(manifest, run, remarks, is_partial=is_partial))

    def compact(self, *, rows: int = PART_ROWS) -> Compacted:
        """Make few large parts, of about so many rows, each event once. A crash leaves the old store or the new one.
        Raises `IntegrityError`, and changes nothing, when a part is not as it was written; else as `commit`.
        """
        self.manifest()
        with disk.writing_to(self.path), disk.only_writer(self.path):
            manifest = self._tidied()
            wrong = self._altered(manifest)
            if wrong:
                raise IntegrityError(f"{wrong[0].source}: {wrong[0].detail}", hint="nothing was changed.")
            new, made = compacted(self.path, manifest, rows=rows)
            if new:
                lines.replace_all(self.path, new)
                disk.remove(self.path, [part["name"] for part in manifest.parts()])
            return made

    @contextmanager
    def _intact(self) -> Iterator[None]:
        """Turn a part that is gone or broken into an `IntegrityError`."""
        try:
            yield
        except _BROKEN as error:
            reason = (str(error).splitlines() or ["?"])[0][:200]
            raise IntegrityError(
                f"a part of the store '{self.path}' is gone or cannot be read: {reason}.",
                hint="ecs-trail store verify names all that is wrong.",
            ) from error

    # -- inside -------------------------------------------------------------------------------------------------------

    def _tidied(self) -> Manifest:
        """The manifest, after what a crash left behind is removed; only under the writers' lock."""
        manifest = self._known = lines.load(self.path, self._known)
        known = {part["name"] for part in manifest.parts()}
        names = [one.name for one in self.path.iterdir()]
        left = [name for name in names if disk.is_aside(name) or (disk.is_part(name) and name not in known)]
        disk.remove(self.path, left)
        return manifest

    def _rows(self, part: Line, selection: Selection) -> Iterator[Fetched]:
        where = (self.path / part["name"]).as_posix()
        try:
            for chunk in chunks(self.path / part["name"], selection):
                yield Fetched(where, stored=Stored([chunk]))
        except FileNotFoundError:
            words = f"a part of the store with {part['rows']} events is gone."
            yield Fetched(where, problem=Problem(where, "vanished", words))
        except _BROKEN as error:
            words = f"a part of the store cannot be read: {(str(error).splitlines() or ['?'])[0][:200]}."
            yield Fetched(where, problem=Problem(where, "unreadable_file", words))

    def _beside(self, manifest: Manifest, tally: "_Given") -> Iterator[Fetched]:
        where = self.path.as_posix()
        stored = Stored()
        try:
            stored.receipt = self._receipt(manifest)
            stored.task_texts = task_texts(read_documents(self.path, manifest))
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
            path = self.path / part["name"]
            try:
                is_same = path.stat().st_size == part["bytes"] and disk.sha256_of(path) == part["sha256"]
            except FileNotFoundError:
                found.append(Problem(path.as_posix(), "missing_part", "the manifest names it, but it is gone."))
                continue
            except OSError as error:
                found.append(Problem(path.as_posix(), "missing_part", f"it cannot be read: {error.strerror}."))
                continue
            if not is_same:
                found.append(Problem(path.as_posix(), "altered_part", "its SHA-256 is not the one in the manifest."))
        return found

    def _extra(self, manifest: Manifest) -> list[Problem]:
        known = {part["name"] for part in manifest.parts()}
        words = "the manifest does not name it, so it never counts; the next collect removes what a crash left."
        return [
            Problem((self.path / name).as_posix(), "extra_part", words)
            for name in sorted(one.name for one in self.path.iterdir())
            if name not in known and not (disk.is_own(name) and not disk.is_part(name))
        ]


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


def _span(part: Line) -> tuple[datetime, datetime]:
    first, last = (datetime.fromisoformat(one) for one in part["span"])
    return first, last
