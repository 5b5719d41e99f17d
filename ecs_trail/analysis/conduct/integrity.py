"""Evidence that does not hold: log files, digests and parts of a store altered, deleted or moved, and the spans that
they leave unproven.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ecs_trail.analysis.conduct.trails import EVERYTHING, LOGGING_GAPS
from ecs_trail.frames import TEXT, TIME, FrameSpec, Sheet

INTEGRITY_FAILURES: Final = FrameSpec(
    name="integrity_failures",
    doc="One row per log file, digest or part of a store that was altered, deleted or moved; `found_at` is where a "
    "moved one lies.",
    key=("kind", "name"),
    columns={
        "kind": TEXT,
        "name": TEXT,
        "status": TEXT,
        "detail": TEXT,
        "account": TEXT,
        "region": TEXT,
        "trail": TEXT,
        "start": TIME,
        "end": TIME,
        "found_at": TEXT,
    },
)
#: Spans without a proven digest in which the trail may simply have been off: blind only where no log file lies in them.
_HARMLESS: Final = frozenset({"restart", "undigested"})
#: Log files do lie there; that their number is complete is not proven, as without any digest.
_SEEN: Final = frozenset({"open"})
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def integrity_gaps(spans: Iterable[Mapping[str, Any]]) -> Sheet:
    """Spans without proof as `LOGGING_GAPS`: what happened in them may have been taken out of the evidence.

    `spans` have `account`, `region`, `trail`, `start`, `end`, `how` and `has_logs`; a start of None is unknown.
    """
    found = []
    for span in spans:
        blind = span["how"] not in _SEEN and not (span["how"] in _HARMLESS and span["has_logs"])
        end = span["end"]
        found.append(
            {
                **{name: span[name] for name in ("account", "region", "trail", "how")},
                "start": span["start"] or _EVER,
                "end": None if end is None else end + timedelta(seconds=1),  # the last second is lost as well
                "hides": [EVERYTHING],
                "seen_inside": 0,
                "blind": blind,
            }
        )
    return LOGGING_GAPS.sheet(found)
