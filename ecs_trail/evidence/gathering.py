"""Readings in, the rows of a selection out: trimmed, packed, and at the end joined, with what was saved beside them.

Loaded by `sources.base.scan` once readers are at work: Arrow takes as long to load as a worker takes to start.
"""

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa

from ecs_trail.evidence.ledger import Problem, Reading, Receipt, Stored, TaskText
from ecs_trail.evidence.merging import merge
from ecs_trail.evidence.packing import Chunk, open_batch, pack, trim
from ecs_trail.evidence.snapshots.states import States, states_of
from ecs_trail.selection import Selection

#: Rows gathered before they are trimmed to the selection; bounds memory where a probe lets much through.
_TRIM_AFTER: Final = 4096
_SMALL_CHUNKS: Final = 8


class Gatherer:
    """Takes readings one by one, keeps only selected rows."""

    def __init__(self, selection: Selection, receipt: Receipt) -> None:
        """The receipt counts what is taken."""
        self.selection = selection
        self.receipt = receipt
        self.rows: list[tuple[Any, ...]] = []
        self.flags: list[bool] = []
        self.chunks: list[Chunk] = []
        self.task_texts: list[TaskText] = []

    def take(self, reading: Reading) -> None:
        """Take what one unit held."""
        self.receipt.add(reading)
        self.task_texts.extend(reading.task_texts)
        for chunk in reading.packed:
            self._hold(chunk)
        self.rows.extend(reading.rows)
        self.flags.extend(reading.rebuilt)
        # plain rows take most space, so the first chunks are small: many a scan finds no more than they hold
        if len(self.rows) >= (_TRIM_AFTER if len(self.chunks) >= _SMALL_CHUNKS else _TRIM_AFTER // 4):
            self._trim()

    def take_stored(self, stored: Stored) -> None:
        """Take what was read before; its chunks may hold too much as well."""
        self.receipt.merge(stored.receipt)
        self.task_texts.extend(stored.task_texts)
        for chunk in stored.chunks:
            self._hold(chunk)

    def joined(self) -> tuple[pa.Table, list[Problem]]:
        """The selected rows of all that was taken, each event once, in order; and the conflicts among them."""
        if self.rows:
            self._hold(open_batch(self.rows, self.flags))
        events, duplicates, conflicts = merge(self.chunks)
        self.receipt.duplicates += duplicates
        self.receipt.events_selected = events.num_rows
        return events, conflicts

    def states(self, given: Iterable[TaskText]) -> States:
        """The saved states of tasks, volumes, services and roles: those given, and those met on the way."""
        return states_of(given, self.task_texts)

    def _trim(self) -> None:
        self._hold(pack(self.rows, self.flags))
        self.rows, self.flags = [], []

    def _hold(self, chunk: Chunk) -> None:
        kept, others = trim(chunk, self.selection)
        self.receipt.records_not_selected += others
        if kept is not None:
            self.chunks.append(kept)
