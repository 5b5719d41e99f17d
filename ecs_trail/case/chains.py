"""Role chaining followed back: who opened the sessions that changed a role, and the sessions behind those.

An investigation does not read the `AssumeRole` calls of everybody: there are thousands an hour. Once the sessions that
changed a role are known, a few names are looked for in a second reading. A session lasts up to twelve hours (*IAM User
Guide*, "Methods to assume a role", read on 2026-11-24), so the reading begins that much earlier.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from ecs_trail.arns import last_part
from ecs_trail.calls import role_of_session
from ecs_trail.case.sheets import CaseSheets
from ecs_trail.event_names import SESSION_OPENINGS
from ecs_trail.frames import Row, Sheet, rows
from ecs_trail.schema import EVENT_COLUMNS
from ecs_trail.selection import Clause, Selection
from ecs_trail.times import Window

_STS: Final = frozenset({"sts.amazonaws.com"})
_LONGEST_SESSION: Final = timedelta(hours=12)
#: Steps followed; AWS lets roles be chained without end, but a chain of people and pipelines is short.
_STEPS: Final = 5


def openings_behind(case: CaseSheets, read: Callable[[Selection], Sheet]) -> Sheet | None:
    """The calls that opened the sessions behind the changes of a case's roles, step by step; None where there are none.

    `read` gives the events of a selection from the sources of the case.
    """
    start = case.window.start - _LONGEST_SESSION if case.window.start is not None else None
    window = Window(start, case.window.end)
    found: list[Row] = []
    asked: set[str] = set()
    wanted = _sessions(row["actor"] for row in rows(case.role_changes, ("actor",)))
    for _ in range(_STEPS):
        fresh = wanted - asked
        if not fresh:
            break
        asked |= fresh
        clause = Clause(frozenset(fresh), _STS, SESSION_OPENINGS, failed=False, window=window)
        sheet = read(Selection((clause,)))
        found += rows(sheet)
        wanted = _sessions(sheet.column("identity_arn"))
    columns = {name: kind for name, (kind, _) in EVENT_COLUMNS.items()}
    return Sheet.of_rows(found, columns).first_of(["event_id"]) if asked else None


def _sessions(arns: Iterable[str]) -> set[str]:
    """The names of the role sessions among principals."""
    return {last_part(arn) for arn in arns if role_of_session(arn) is not None}
