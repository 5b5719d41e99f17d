"""A store of this package as a source: read once, asked many times."""

from collections.abc import Iterator

from ecs_trail.evidence.sources.base import Fetched, ScanPlan
from ecs_trail.evidence.store import Store
from ecs_trail.selection import Selection
from ecs_trail.times import EVER, format_time


class StoreSource:
    """`store:DIR`, or a folder that holds a store: its events, saved states, and what failed when collecting."""

    def __init__(self, store: Store) -> None:
        """The store is looked at only by `fetch`."""
        self.store = store

    @property
    def name(self) -> str:
        """The source as on the command line."""
        return self.store.name

    def plan(self, selection: Selection) -> ScanPlan:
        """Parts and row groups outside the window are skipped; of the others, long columns only where rows match."""
        window = selection.window
        start, end = (format_time(one) if one else "" for one in (window.start, window.end))
        span = "every part" if window == EVER else f"parts and row groups from {start or 'the first'} to {end or 'now'}"
        return ScanPlan(
            source=self.name,
            selection=selection,
            reads=(f"{span} of {self.name}", "its saved task states and the receipt of collecting"),
            trimmed=("exact times, within the row groups that touch the window",) if window != EVER else (),
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """What the store has for the selection. Raises `UsageError` without a store, `IntegrityError` for a manifest
        that was altered.
        """
        yield from self.store.fetch(plan.selection)
