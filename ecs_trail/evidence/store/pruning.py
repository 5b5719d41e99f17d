"""Row groups that cannot hold what is asked for, told by the statistics of their columns."""

from typing import Any

from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Clause, Selection
from ecs_trail.times import EVER


def may_hold(group: Any, selection: Selection) -> bool:
    """False when the statistics of a row group (of a file whose columns begin with those of `EVENT_SCHEMA`) show that
    none of its rows belongs to the selection.
    """
    bounds = _Bounds(group)
    return any(_may_hold(bounds, clause) for clause in selection.clauses)


class _Bounds:
    """What the statistics of a row group say of its columns, each read once."""

    def __init__(self, group: Any) -> None:
        self._group = group
        self._known: dict[str, tuple[Any, Any] | None] = {}
        self._empty: set[str] = set()

    def of(self, name: str) -> tuple[Any, Any] | None:
        """Smallest and largest value of a column; None when they are not known, or there are none."""
        if name not in self._known:
            found = self._group.column(EVENT_SCHEMA.get_field_index(name)).statistics
            has_both = found is not None and found.has_min_max
            self._known[name] = (found.min, found.max) if has_both else None
            if found is not None and not has_both and found.has_null_count and found.null_count == self._group.num_rows:
                self._empty.add(name)
        return self._known[name]

    def is_empty(self, name: str) -> bool:
        """True when a column is known to have no value at all."""
        return self.of(name) is None and name in self._empty

    def may_be(self, name: str, values: frozenset[str]) -> bool:
        """False when a column is known to have none of some values."""
        both = self.of(name)
        if both is None:
            return name not in self._empty
        return any(both[0] <= value <= both[1] for value in values)


def _may_hold(bounds: _Bounds, clause: Clause) -> bool:
    if not all(any(bounds.may_be(name, values) for name in columns) for columns, values in clause.facets):
        return False
    if clause.failed and bounds.is_empty("error_code"):
        return False
    span = None if clause.window == EVER else bounds.of("event_time")
    return span is None or clause.window.overlaps(*span)
