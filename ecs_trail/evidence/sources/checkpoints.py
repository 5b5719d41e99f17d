"""How far the queries of LookupEvents are: what a later run need not ask again, and how much is still to come."""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.evidence.sources.asking import Question

#: How far event history reaches back (*AWS CloudTrail API Reference*, "LookupEvents", read on 2026-11-24).
HISTORY: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one query is: pages taken, the token of the next, and the parameters it belongs to. Times are UTC."""

    pages: int = 0
    token: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    oldest: datetime | None = None
    is_done: bool = False


@dataclass
class Checkpoint:
    """The pages a consumer has taken, so that a later fetch of the same plan goes on at the next page.

    A page counts as taken when the consumer asks for the one after it. One checkpoint belongs to one plan.
    """

    taken: dict[str, Progress] = field(default_factory=dict)

    def to_json(self) -> str:
        """The checkpoint as JSON text."""
        return json.dumps({key: asdict(one) for key, one in sorted(self.taken.items())}, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> "Checkpoint":
        """Read what `to_json` wrote."""
        return cls({key: _progress_of(one) for key, one in json.loads(text).items()})

    @classmethod
    def from_marks(cls, marks: Mapping[str, str]) -> "Checkpoint":
        """The checkpoint made of the latest mark of each query (`to_json` of one query)."""
        return cls({key: one for text in marks.values() for key, one in cls.from_json(text).taken.items()})


class Estimate:
    """Pages in all, as far as can be said: a query is as far as its oldest event lies in its window."""

    def __init__(self, asked: tuple[Question, ...], taken: Mapping[str, Progress], now: datetime) -> None:
        """`taken`: what earlier runs took already; `now` as aware UTC."""
        self._lock = threading.Lock()
        self._now = now
        self._totals = dict.fromkeys((one.key for one in asked), 1.0)
        for key, progress in taken.items():
            if progress.is_done:
                self._totals[key] = 0.0

    def see(self, question: Question, progress: Progress) -> int:
        """One page more of a query; gives the pages expected in all."""
        end = min(question.window.end or self._now, self._now)
        start = max(question.window.start or self._now - HISTORY, self._now - HISTORY)
        covered = (end - (progress.oldest or start)) / max(end - start, timedelta(seconds=1))
        total = progress.pages if progress.is_done else progress.pages / min(max(covered, 0.001), 1.0)
        with self._lock:
            self._totals[question.key] = max(total, float(progress.pages))
            return round(sum(self._totals.values()))


def _progress_of(saved: Mapping[str, Any]) -> Progress:
    times = {name: saved[name] and datetime.fromisoformat(saved[name]) for name in ("start", "end", "oldest")}
    return Progress(pages=saved["pages"], token=saved["token"], is_done=saved["is_done"], **times)
