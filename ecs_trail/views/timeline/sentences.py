"""What a picked span or event means, in sentences. Every string of the evidence is cleaned."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import pandas as pd

from ecs_trail.calls import Outcome, outcome
from ecs_trail.frames import rows
from ecs_trail.times import format_time
from ecs_trail.views import words
from ecs_trail.views.document import to_json
from ecs_trail.views.text import clean, count, listed, shown_time
from ecs_trail.views.timeline.parts import Lane, Row, Span

_MESSAGE: Final = 1200
_CHANGES: Final = 12
_ROLE_STATES: Final = {
    "able": "ECS could do what it needs with this role",
    "broken": "ECS could not do all it needs with this role",
    "unable": "the role was there, but not set up for this purpose",
    "unknown": "the evidence does not say what the role could do",
    "absent": "there was no such role",
}


class Subject(Protocol):
    """What a timeline asks of a case."""

    @property
    def events(self) -> pd.DataFrame:
        """The selected events."""
        ...

    @property
    def tasks(self) -> pd.DataFrame:
        """The tasks."""
        ...

    @property
    def volumes(self) -> pd.DataFrame:
        """The volumes."""
        ...

    @property
    def tls(self) -> pd.DataFrame:
        """The Service Connect secrets."""
        ...

    @property
    def role_changes(self) -> pd.DataFrame:
        """The judged changes of roles."""
        ...

    @property
    def outages(self) -> pd.DataFrame:
        """The outages of roles."""
        ...

    @property
    def findings(self) -> pd.DataFrame:
        """The findings."""
        ...

    def explain(self, task_arn: str) -> str:
        """The chain of evidence of a task."""
        ...

    def raw(self, event_id: str) -> str:
        """A record as received."""
        ...


def lane_sentences(case: Subject, lane: Lane, span: Span | None) -> list[str]:
    """What a lane, or one span of it, means."""
    match lane.kind:
        case "task":
            told = [clean(line) for line in case.explain(lane.key).splitlines()]
        case "role":
            told = list(_role(case, lane, span))
        case "volume":
            told = list(_volume(_row(case.volumes, "volume_id", lane.key)))
        case "tls":
            told = list(_secret(_secret_row(case.tls, lane.key)))
        case _:
            told = [f"{clean(lane.label)}: {clean(lane.detail)}.", f"Identity: {clean(lane.key)}"]
    return told


def event_sentences(case: Subject, place: int) -> list[str]:
    """What one event says: who did what, from where, and how it ended."""
    row = rows(case.events.iloc[[place]].drop(columns=["raw"]))[0]
    who = words.actor(row["identity_arn"] or row["invoked_by"] or row["user_name"] or row["principal_id"])
    tool = words.tool(row["user_agent"])
    told = [f"{_time(row['event_time'])}: {clean(row['event_name'])} by {who}{f' with {tool}' if tool else ''}."]
    if row["source_ip_address"]:
        told.append(f"From {clean(row['source_ip_address'], 80)}, {clean(row['aws_region'])}.")
    ended = outcome(row["error_code"])
    if ended is not Outcome.OK:
        verb = "Denied" if ended is Outcome.DENIED else "Failed"
        message = clean(row["error_message"], _MESSAGE)
        told.append(f"{verb} with {clean(row['error_code'])}{f': {message}' if message else ''}")
    changed = [one for one in rows(case.role_changes) if one["event_id"] == row["event_id"]]
    return [*told, *(line for one in changed for line in _effect(one))]


def raw_text(case: Subject, event_id: str) -> str:
    """The record of an event as indented JSON, acting characters escaped. Secrets are the case's own business: they
    are taken out unless it was made with `unredacted`.
    """
    text = case.raw(event_id)
    try:
        value: Any = json.loads(text)
        return to_json(value).decode("utf-8").rstrip("\n")
    except (ValueError, RecursionError):
        return clean(text)


def _role(case: Subject, lane: Lane, span: Span | None) -> Iterator[str]:
    state = span.state if span else lane.state
    about = f"Role {clean(lane.label)}, purpose {clean(lane.detail)}"
    if span is None:
        yield f"{about}."
    else:
        since = "from before the evidence begins" if span.open_start else f"from {_time(span.start)}"
        until = "to the end of the evidence" if span.open_end else f"to {_time(span.end)}"
        yield f"{about}: {_ROLE_STATES.get(state, state)}, {since} {until}."
    yield f"{clean(lane.role_arn)}"
    mine = [one for one in rows(case.role_changes) if lane.role_arn in one["role_arns"]]
    if span is not None:
        mine = [one for one in mine if span.start <= one["event_time"] <= span.end]
        purpose = lane.key.rpartition("|")[2]
        for outage in rows(case.outages):
            ends = outage["end"] or span.end
            same = (outage["role_arn"], outage["purpose"]) == (lane.role_arn, purpose)
            if same and outage["start"] <= span.start and span.end <= ends:
                lost = listed([clean(action) for action in outage["actions"]], most=6)
                yield f"{outage['id']}, {outage['phase']}: lost {lost}."
    yield from _change_lines(mine)


def _change_lines(changes: Sequence[Row]) -> Iterator[str]:
    telling = sorted(changes, key=lambda one: (one["effect"] not in {"breaks", "restores"}, one["event_time"]))
    for one in sorted(telling[:_CHANGES], key=lambda one: (one["event_time"], one["event_id"])):
        yield f"{_time(one['event_time'])}: {clean(one['event_name'])} by {words.actor(one['actor'])}."
        yield from (f"  {line}" for line in _effect(one))
    if len(telling) > _CHANGES:
        yield f"… and {count(len(telling) - _CHANGES, 'more change')}."


def _effect(change: Row) -> Iterator[str]:
    verbs = {"breaks": "It broke what ECS needs", "restores": "It gave back what ECS needs"}
    if not change["applied"]:
        yield f"It was refused ({clean(change['error_code'])}) and changed nothing."
        return
    if change["effect"] in verbs:
        yield f"{verbs[change['effect']]}."
    for word in ("lost", "gained"):
        if change[word]:
            yield f"{word.capitalize()}: {listed([clean(one) for one in change[word]], most=6)}."


def _volume(row: Row) -> Iterator[str]:
    if not row:
        return
    size = f" of {row['size_gib']:g} GiB" if row["size_gib"] else ""
    yield f"Volume {clean(row['volume_id'])}{size} is {clean(row['state'])}."
    yield f"Task: {words.task_name(row['task_arn']) or 'unknown'}. Role: {clean(row['role_arn']) or 'unknown'}."
    steps = [(word, row[f"{word}_at"]) for word in ("created", "attached", "detached", "deleted")]
    known = [f"{word} {_time(moment)}" for word, moment in steps if moment]
    if known:
        yield _sentence(known)
    if row["deleted_by"]:
        yield f"Deleted by {words.actor(row['deleted_by'])}."
    yield f"{count(row['attempts'], 'call')}, {row['failures'] or 'none'} of them refused or failed.".capitalize()
    if row["last_error"]:
        yield f"Last error: {clean(row['last_error'], _MESSAGE)}"


def _secret(row: Row) -> Iterator[str]:
    if not row:
        return
    state = clean(row["state"]).replace("_", " ")
    yield f"Secret {clean(row['secret_name'])} of service {words.tail(row['service_arn']) or 'unknown'} is {state}."
    steps = (("issued", "issued_at"), ("last rotated", "last_rotation_at"), ("blocked", "blocked_since"))
    known = [f"{word} {_time(row[name])}" for word, name in (*steps, ("deleted", "deleted_at")) if row[name]]
    if known:
        yield _sentence(known)
    yield f"Role: {clean(row['role_arn']) or 'unknown'}."
    if row["last_error"]:
        yield f"Last error: {clean(row['last_error'], _MESSAGE)}"
    told = words.confidence(row["confidence"], row["basis"])
    if told and row["blocked_since"]:
        yield told


def _sentence(parts: Sequence[str]) -> str:
    text = listed(parts, most=4)
    return f"{text[:1].upper()}{text[1:]}."


def _row(frame: pd.DataFrame, column: str, value: str) -> Row:
    found = rows(frame[(frame[column] == value).fillna(value=False)])
    return found[0] if found else {}


def _secret_row(frame: pd.DataFrame, key: str) -> Row:
    return _row(frame, "secret_arn", key) or _row(frame, "secret_name", key)


def _time(moment: datetime) -> str:
    return shown_time(format_time(moment))
