"""Saved ECS states: `DescribeTasks` answers and `ECS Task State Change` events -> rows of `TASK_STATES`.

Shapes: *Amazon ECS API Reference*, "Task" and "Attachment"; *Amazon ECS Developer Guide*, "Amazon ECS task state
change events"; both read on 2026-11-24. An EBS attachment is known by its type or by its details, as no page confirms
the type's spelling in events.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ecs_trail.arns import is_task
from ecs_trail.errors import UsageError
from ecs_trail.evidence.containers import unwrap
from ecs_trail.evidence.given import read_given
from ecs_trail.evidence.ledger import TASK_STATE, Problem, TaskText
from ecs_trail.evidence.moments import moment_of
from ecs_trail.evidence.texts import lenient
from ecs_trail.frames import COUNT, FLAG, TEXT, TIME, FrameSpec, Row

TASK_STATES: Final = FrameSpec(
    name="task_states",
    doc="saved states of tasks, one row per task, moment and EBS attachment; null volume columns where a task has none",
    key=("task_arn", "seen_at", "version", "attachment_id"),
    columns={
        "task_arn": TEXT,
        "cluster_arn": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "group": TEXT,
        "started_by": TEXT,
        "last_status": TEXT,
        "desired_status": TEXT,
        "stop_code": TEXT,
        "stopped_reason": TEXT,
        "created_at": TIME,
        "started_at": TIME,
        "stopping_at": TIME,
        "execution_stopped_at": TIME,
        "stopped_at": TIME,
        "version": COUNT,
        "seen_at": TIME,
        "volume_id": TEXT,
        "role_arn": TEXT,
        "attachment_id": TEXT,
        "attachment_status": TEXT,
        "attachment_status_reason": TEXT,
        "delete_on_termination": FLAG,
        "source": TEXT,
    },
)

MISSING_TASKS: Final = FrameSpec(
    name="missing_tasks",
    doc="tasks that ECS was asked for and no longer knows, one row per task and moment",
    key=("task_arn", "seen_at"),
    columns={"task_arn": TEXT, "seen_at": TIME, "source": TEXT},
)

_EBS: Final = "amazonelasticblockstorage"
_EBS_DETAILS: Final = frozenset({"volumeId", "volumeName", "deleteOnTermination"})
_TIMES: Final = ("createdAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt")
_MAX_DEPTH: Final = 8


def read_task_states(paths: Iterable[Path]) -> tuple[list[Row], list[Problem]]:
    """Rows of `TASK_STATES` from files given as saved states, and what could not be read of them.

    Raises `UsageError` for a file that is not there, cannot be opened, or holds no saved task state.
    """
    texts, problems = task_texts(paths)
    rows, more = task_rows(texts)
    return rows, [*problems, *more]


def task_texts(paths: Iterable[Path]) -> tuple[list[TaskText], list[Problem]]:
    """The saved task states in files given as such, as text. Raises like `read_task_states`."""
    return state_texts(paths, TASK_STATE, "task states", _SAVE_TASKS)


def state_texts(paths: Iterable[Path], kind: str, what: str, how: str) -> tuple[list[TaskText], list[Problem]]:
    """The saved states of one kind in files; `what` they are and `how` to save them, in words, for the errors.

    Raises `UsageError` for a file that is not there, cannot be opened, or holds no state of this kind.
    """
    texts: list[TaskText] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            data = read_given(path)
        except OSError as error:
            raise UsageError(
                f"the saved {what} '{path}' cannot be read: {error.strerror or error}.", hint=f"save them with: {how}"
            ) from error
        contents = unwrap(data, path.as_posix())
        found = [text for text in contents.task_texts if text.kind == kind]
        if not found:
            trouble = "".join(f" {problem.detail}" for problem in contents.problems[:1])
            raise UsageError(f"'{path}' holds no saved {what}.{trouble}", hint=f"expected is the output of {how}")
        texts.extend(found)
        problems.extend(contents.problems)
    return texts, problems


_SAVE_TASKS: Final = (
    "aws ecs describe-tasks --cluster CLUSTER --tasks TASK ... > tasks.json, or ECS Task State Change events."
)


def task_rows(texts: Sequence[TaskText]) -> tuple[list[Row], list[Problem]]:
    """Rows of `TASK_STATES` from the texts a scan came across, and what could not be read of them."""
    return state_rows(texts, "task state", _rows_of)


def state_rows(
    texts: Sequence[TaskText], what: str, rows_of: Callable[[Any, str], Iterable[Row]]
) -> tuple[list[Row], list[Problem]]:
    """Rows of saved states of one kind, and what could not be read of them.

    `what` one of them is, in words; `rows_of` makes rows of an opened text and the name of its source.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            value = lenient(text.text)
        except ValueError as error:
            problems.append(Problem(text.source, "broken_json", f"a saved {what} cannot be read: {error}."))
            continue
        rows.extend(rows_of(value, text.source))
    return rows, problems


def missing_rows(texts: Sequence[TaskText]) -> list[Row]:
    """Rows of `MISSING_TASKS`: the tasks that `DescribeTasks` was asked for and no longer knows.

    The spelling of the reason is confirmed by no page, so anything that says "missing" counts.
    """
    rows: list[Row] = []
    for text in texts:
        if b'"failures"' not in text.text:
            continue
        with suppress(ValueError):  # `task_rows` names what cannot be read
            value = lenient(text.text)
            if isinstance(value, dict) and "detail" not in value:
                rows.extend(_missing(value, text.source))
    return sorted(rows, key=lambda row: (row["task_arn"], str(row["seen_at"])))


def _missing(value: Mapping[str, Any], source: str) -> Iterator[Row]:
    seen = _seen(value)
    for failure in _objects(value.get("failures")):
        arn = _text(failure.get("arn"))
        if is_task(arn) and "missing" in str(failure.get("reason", "")).lower():
            yield {"task_arn": arn, "seen_at": seen, "source": source}


def _seen(value: Mapping[str, Any]) -> datetime | None:
    """When an answer was given: as the file says, else the latest moment inside it."""
    return moment_of(value.get("capturedAt")) or _latest(value.get("tasks"))


def _rows_of(value: Any, source: str) -> list[Row]:
    if isinstance(value, list):
        value = {"tasks": value}
    if not isinstance(value, dict):
        return []
    detail = value.get("detail")
    if isinstance(detail, dict):
        return _task(detail, moment_of(value.get("time")) or _latest(detail), source)
    listed = value.get("tasks")
    tasks = [task for task in listed if isinstance(task, dict)] if isinstance(listed, list) else [value]
    seen = _seen({**value, "tasks": tasks})
    return [row for task in tasks for row in _task(task, seen, source)]


def _task(task: Mapping[str, Any], seen: datetime | None, source: str) -> list[Row]:
    group = _text(task.get("group"))
    cluster_arn = _text(task.get("clusterArn"))
    times = [moment_of(task.get(name)) for name in _TIMES]
    common: Row = {
        "task_arn": _text(task.get("taskArn")),
        "cluster_arn": cluster_arn,
        "cluster": cluster_arn.rpartition("/")[2] if cluster_arn else None,
        "service": group.removeprefix("service:") if group and group.startswith("service:") else None,
        "group": group,
        "started_by": _text(task.get("startedBy")),
        "last_status": _text(task.get("lastStatus")),
        "desired_status": _text(task.get("desiredStatus")),
        "stop_code": _text(task.get("stopCode")),
        "stopped_reason": _text(task.get("stoppedReason")),
        "created_at": times[0],
        "started_at": times[1],
        "stopping_at": times[2],
        "execution_stopped_at": times[3],
        "stopped_at": times[4],
        "version": _count(task.get("version")),
        "seen_at": seen,
    }
    attachments = [_attachment(item) for item in _objects(task.get("attachments")) if _is_volume(item)]
    return [{**common, **volume, "source": source} for volume in attachments or [_NO_VOLUME]]


_NO_VOLUME: Final[Row] = {
    "volume_id": None,
    "role_arn": None,
    "attachment_id": None,
    "attachment_status": None,
    "attachment_status_reason": None,
    "delete_on_termination": None,
}


def _is_volume(attachment: Mapping[str, Any]) -> bool:
    return str(attachment.get("type", "")).lower() == _EBS or bool(_EBS_DETAILS & _details(attachment).keys())


def _attachment(attachment: Mapping[str, Any]) -> Row:
    details = _details(attachment)
    return {
        "volume_id": details.get("volumeId"),
        "role_arn": details.get("roleArn"),
        "attachment_id": _text(attachment.get("id")),
        "attachment_status": _text(attachment.get("status")),
        "attachment_status_reason": details.get("statusReason"),
        "delete_on_termination": {"true": True, "false": False}.get(details.get("deleteOnTermination", "").lower()),
    }


def _details(attachment: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(item["name"]): str(item["value"]).lower() if isinstance(item["value"], bool) else str(item["value"])
        for item in _objects(attachment.get("details"))
        if item.get("name") and item.get("value") is not None
    }


def _latest(value: object, depth: int = 0) -> datetime | None:
    """The latest moment inside a described state: fields named `...At`, also those of containers and agents."""
    if depth > _MAX_DEPTH:
        return None
    moments: list[datetime | None] = []
    if isinstance(value, list):
        moments = [_latest(item, depth + 1) for item in value]
    elif isinstance(value, dict):
        moments = [
            moment_of(inner) if name.endswith("At") else _latest(inner, depth + 1) for name, inner in value.items()
        ]
    return max((moment for moment in moments if moment is not None), default=None)


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None
