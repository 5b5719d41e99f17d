"""Saved states of every kind together: from files given as such, and found on the way through a source."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ecs_trail.arns import role_key
from ecs_trail.errors import UsageError
from ecs_trail.evidence.ledger import ROLE_STATE, SERVICE_STATE, TASK_STATE, VOLUME_STATE, Problem, TaskText
from ecs_trail.evidence.snapshots.role_states import RoleSnapshot, role_state_of
from ecs_trail.evidence.snapshots.service_states import service_rows
from ecs_trail.evidence.snapshots.volume_states import volume_rows
from ecs_trail.evidence.tasks import missing_rows, task_rows
from ecs_trail.frames import Row


@dataclass(slots=True)
class States:
    """What was saved: rows of `TASK_STATES`, `MISSING_TASKS`, `VOLUME_STATES` and `SERVICE_STATES`, roles, and what was
    unreadable.
    """

    tasks: list[Row] = field(default_factory=list)
    missing: list[Row] = field(default_factory=list)
    volumes: list[Row] = field(default_factory=list)
    services: list[Row] = field(default_factory=list)
    roles: list[RoleSnapshot] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def states_of(given: Iterable[TaskText], found: Iterable[TaskText]) -> States:
    """Read the texts of `given` files and of what was `found`. A state that stands in two places counts once."""
    listed = [*given, *sorted(found, key=lambda text: (text.source, text.text))]
    tasks = [text for text in listed if text.kind == TASK_STATE]
    task_states, problems = task_rows(tasks)
    volumes, more = volume_rows([text for text in listed if text.kind == VOLUME_STATE])
    services, still = service_rows([text for text in listed if text.kind == SERVICE_STATE])
    roles, most = _roles([text for text in listed if text.kind == ROLE_STATE])
    return States(
        sorted(_once(task_states), key=_task_order),
        _once(missing_rows(tasks)),
        sorted(_once(volumes), key=lambda row: (str(row["volume_id"]), str(row["seen_at"]), str(row["region"]))),
        sorted(_once(services), key=lambda row: (row["service_arn"], row["settings"], str(row["seen_at"]))),
        roles,
        [*problems, *more, *still, *most],
    )


def _roles(texts: Sequence[TaskText]) -> tuple[list[RoleSnapshot], list[Problem]]:
    """The role states, oldest first. A file that merely lies in a folder and cannot be read never stops a run."""
    roles: dict[tuple[object, datetime], RoleSnapshot] = {}
    problems: list[Problem] = []
    for text in texts:
        try:
            state = role_state_of(text.text, text.source)
        except UsageError as error:
            problems.append(Problem(text.source, "broken_json", error.message))
            continue
        key = role_key(state.role_arn)
        if key is None:
            problems.append(Problem(text.source, "broken_json", "the saved role state names no role."))
        else:
            roles.setdefault((key, state.captured_at), state)
    return sorted(roles.values(), key=lambda one: (one.captured_at, one.role_arn)), problems


def _task_order(row: Row) -> tuple[str, str, str, str]:
    return str(row["task_arn"]), str(row["seen_at"]), str(row["volume_id"]), str(row["version"])


def _once(rows: Iterable[Row]) -> list[Row]:
    """Rows once each: a file given by an option may lie in a source folder too, under another name for its path."""
    seen: set[tuple[object, ...]] = set()
    kept: list[Row] = []
    for row in rows:
        key = tuple(value for name, value in row.items() if name != "source")
        if key not in seen:
            seen.add(key)
            kept.append(row)
    return kept
