"""What a case was given: the evidence with its receipt, and the saved states in it up to the moment judged at."""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any

from ecs_trail.evidence.snapshots.service_states import SERVICE_STATES
from ecs_trail.evidence.snapshots.volume_states import VOLUME_STATES
from ecs_trail.evidence.sources.base import Evidence, Receipt
from ecs_trail.evidence.tasks import MISSING_TASKS, TASK_STATES
from ecs_trail.frames import Row, Sheet, rows
from ecs_trail.times import Window
from ecs_trail.views.secret_tables import scrub_texts
from ecs_trail.views.secrets import scrub_value


class SavedStates:
    """Evidence and saved states, none later than `as_of` or the window's end where these were given."""

    def __init__(self, evidence: Evidence, *, window: Window, as_of: datetime | None, unredacted: bool = False) -> None:
        """`as_of` is the moment that was given, if any. Times are aware UTC. `unredacted` leaves secrets in frames."""
        self.evidence = evidence
        self.window = window
        self._as_of = as_of
        self.unredacted = unredacted

    @property
    def receipt(self) -> Receipt:
        """What was read, left out, failed and counted."""
        return self.evidence.receipt

    @cached_property
    def task_states(self) -> Sheet:
        """Saved task states."""
        return TASK_STATES.sheet(self._seen_by_then(self.evidence.task_states))

    @cached_property
    def missing_tasks(self) -> Sheet:
        """Tasks that ECS was asked for and no longer knew."""
        return MISSING_TASKS.sheet(self._seen_by_then(self.evidence.missing_tasks))

    @cached_property
    def volume_states(self) -> Sheet:
        """Saved volume states."""
        return VOLUME_STATES.sheet(self._seen_by_then(self.evidence.volume_states))

    @cached_property
    def service_states(self) -> Sheet:
        """Saved configurations of services."""
        return SERVICE_STATES.sheet(self._seen_by_then(self.evidence.service_states))

    def _seen_by_then(self, states: Iterable[Row]) -> list[Row]:
        until = self._as_of or self.window.end
        seen = [one for one in states if until is None or one["seen_at"] is None or one["seen_at"] <= until]
        return seen if self.unredacted else [dict(scrub_value(one)) for one in seen]

    def _shown(self, events: Any) -> Sheet:
        """Events as they may be seen: secret material is taken out of a column as soon as it is asked for."""
        return Sheet.of_table(events, None if self.unredacted else scrub_texts)

    def _newest_state(self) -> datetime | None:
        saved = (self.task_states, self.missing_tasks, self.volume_states)
        return max((row["seen_at"] for frame in saved for row in rows(frame) if row["seen_at"]), default=None)
