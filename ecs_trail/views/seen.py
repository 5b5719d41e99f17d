"""What was looked at, and what could not be seen: the last words of every answer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ecs_trail.views import words
from ecs_trail.views.integrity import verdict_line
from ecs_trail.views.text import clean, count, listed, shown_time

Row = Mapping[str, Any]

_PROBLEMS_SHOWN: Final = 3
#: Saved task states are no CloudTrail files, so they are counted as left out, but they are used.
_TASK_STATE: Final = "task_state"


def looked_at(document: Row) -> Iterable[str]:
    """How much was read and what of ECS was in it, in sentences."""
    evidence = document["evidence"]
    window = evidence["window"]
    saved = sum(row["count"] for row in evidence["left_out"] if row["kind"] == _TASK_STATE)
    beside = f" and {count(saved, 'saved task state')}" if saved else ""
    start, end = window.get("start"), window.get("end")
    reach = (
        f", {shown_time(start).removesuffix(' UTC')} to {shown_time(end).removesuffix(' UTC')}" if start and end else ""
    )
    files = f"{count(evidence['files_read'], 'file')}{beside}"
    yield f"{count(evidence['records_read'], 'record')} in {files}{reach}."
    parts = [
        count(len(document["roles"]), "role"),
        _states(document["tasks"], "task"),
        _states(document["volumes"], "volume"),
        _states(document["tls"], "TLS secret"),
    ]
    if "integrity" in evidence:
        by = "" if "store_part" in evidence["integrity"]["checked"] else " by CloudTrail's digests"
        yield f"Integrity{by}: {verdict_line(evidence['integrity'])}"
    selected = count(evidence["events_selected"], "event")
    yield f"{selected} about ECS infrastructure: {'; '.join(parts)}."


def _states(rows: Sequence[Row], name: str) -> str:
    tally: dict[str, int] = {}
    for row in rows:
        state = clean(row.get("state")).replace("_", " ")
        tally[state] = tally.get(state, 0) + 1
    states = ", ".join(f"{number:,} {state}" for state, number in tally.items())
    return f"{count(len(rows), name)}{f' ({states})' if states else ''}"


def unseen(evidence: Row) -> Iterable[str]:
    """What could not be seen, in sentences; nothing where nothing is known to be missing."""
    failed, rejected = evidence["files_failed"], evidence["records_rejected"]
    if failed:
        yield f"{count(failed, 'file')} could not be read: the answer is partial."
    if rejected:
        yield f"{count(rejected, 'record')} could not be read: the answer is partial."
    problems = evidence["problems"]
    yield from (words.problem(row) for row in problems[:_PROBLEMS_SHOWN])
    if len(problems) > _PROBLEMS_SHOWN:
        yield f"… and {count(len(problems) - _PROBLEMS_SHOWN, 'more problem')}, listed in the JSON answer."
    left_out = [words.left_out(row["kind"], row["count"]) for row in evidence["left_out"] if row["kind"] != _TASK_STATE]
    if left_out:
        yield f"Left out as no evidence: {listed(left_out, most=6)}."
    gaps = [row for row in evidence["coverage"] if row.get("complete") is False]
    if 0 < len(gaps) < len(evidence["coverage"]):  # where every place has gaps, the lines above have said so
        places = dict.fromkeys(f"{clean(row.get('account'))} {clean(row.get('region'))}".strip() for row in gaps)
        yield f"Seen only in part: {listed(places, most=4)}."
