"""The chain of evidence of one task, in words: every sentence about cause carries its event ids."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from ecs_trail.analysis.findings.words import counted, done, role_label, spell
from ecs_trail.arns import last_part
from ecs_trail.calls import Outcome
from ecs_trail.frames import Row
from ecs_trail.vocabulary import TaskState

_STATES = {
    TaskState.RUNNING: "is running",
    TaskState.STOPPING: "is stopping; nothing has failed so far",
    TaskState.STOPPED: "stopped and was cleaned up",
    TaskState.STUCK: "is stuck: its cleanup is blocked",
    TaskState.RECOVERED: "was stuck and has recovered",
    TaskState.FAILED_TO_START: "failed to start: its volume could not be created or attached",
    TaskState.UNKNOWN: "cannot be judged: the evidence does not say what became of it",
}


def explain_task(
    task: Row,
    calls: Sequence[Row],
    changes: Mapping[str, Row],
    outage: Row | None,
    *,
    rivals: Sequence[Row] = (),
    as_of: datetime,
) -> str:
    """The story of one task, a sentence a line.

    `calls` are its volume calls, `changes` all changes by event id, `rivals` those of the finding it belongs to.
    """
    told = [*_lines(task, calls, changes, outage, as_of), *(_rival(one) for one in rivals)]
    return "\n".join(
        [*told, f"Confidence: {task['confidence']}; basis: {', '.join(task['basis']) or 'the calls of ECS'}."]
    )


def _lines(
    task: Row, calls: Sequence[Row], changes: Mapping[str, Row], outage: Row | None, as_of: datetime
) -> Iterator[str]:
    label = role_label(task["role_arn"])
    place = f" of service {task['service']}" if task["service"] else ""
    yield f"Task {last_part(task['task_arn'])}{place} in cluster {task['cluster']} {_STATES[task['state']]}."
    yield f"It depends on {label} ({task['role_arn']})."
    if task["launched_at"]:
        yield f"Launched at {spell(task['launched_at'])}; volumes: {', '.join(task['volume_ids']) or 'none created'}."
    causes = [changes[one] for one in task["cause_event_ids"] if one in changes]
    for cause in causes:
        yield f"{spell(cause['event_time'])}: {done(cause, label)}, by {cause['actor']} [{cause['event_id']}]."
    if task["stop_started_at"]:
        told = f" [{', '.join(task['stop_event_ids'][:3])}]" if task["stop_event_ids"] else ""
        yield f"{spell(task['stop_started_at'])}: the stop began{told}."
    yield from _refusals(task, calls)
    if task["blocked_since"] and not task["denied_event_ids"]:
        yield f"{spell(task['blocked_since'])}: blocked in silence; ECS made no cleanup call it could have made."
    if task["saved_reason"]:
        yield f"The saved task state says: {task['saved_status']}, {task['saved_reason']}."
    if task["blocked_since"] and not causes:
        yield "No change in the evidence explains this."
    if outage is not None and outage["end"] is not None:
        given = f" by [{', '.join(outage['restore_event_ids'])}]" if outage["restore_event_ids"] else ""
        yield f"{spell(outage['end'])}: what the role had lost was given back{given}."
    if task["state"] == TaskState.RECOVERED:
        who = f" by {task['resolved_by']}" if task["resolved_by"] else " by ECS"
        waited = task["resolved_at"] - task["blocked_since"]
        yield f"{spell(task['resolved_at'])}: cleaned up{who}, {_length(waited)} after it was blocked."
    elif task["state"] == TaskState.STUCK:
        yield f"Still waiting at {spell(as_of)}, {_length(as_of - task['blocked_since'])} after it was blocked."
    if task["at_risk"]:
        yield "Its role cannot do the cleanup now: it will hang when it is stopped."


def _rival(rival: Row) -> str:
    standing = "Ruled out" if rival["standing"] == "ruled_out" else "Not ruled out"
    when = f" at {spell(rival['event_time'])}" if rival["event_time"] else ""
    return f"{standing}: {rival['event_name']}{when}, for {rival['reason']} [{rival['event_id']}]."


def _refusals(task: Row, calls: Sequence[Row]) -> Iterator[str]:
    known = set(task["denied_event_ids"])
    denied = [call for call in calls if call["event_id"] in known and call["outcome"] == Outcome.DENIED]
    if not denied:
        return
    first, last = denied[0], denied[-1]
    kind = f" ({first['policy_type']} policy)" if first["policy_type"] else ""
    yield f"{spell(first['event_time'])}: ECS was refused {first['action']}{kind} [{first['event_id']}]."
    if len(denied) > 1:
        gaps = [after["event_time"] - before["event_time"] for before, after in pairwise(denied)]
        usual = sorted(gaps)[len(gaps) // 2]
        yield (
            f"{counted(len(denied) - 1, 'further refusal')} until {spell(last['event_time'])}, "
            f"usually {_length(usual)} apart [last {last['event_id']}]."
        )


def _length(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
