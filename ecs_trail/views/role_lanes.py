"""Lanes of roles: what each could do for ECS over time, the changes of it, and the calls it was denied."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Final

import pandas as pd

from ecs_trail.frames import Row, rows
from ecs_trail.views import words
from ecs_trail.views.policydiff import policy_diff
from ecs_trail.views.scene import DENIED, ROLES, Lane, Mark, Span, from_to, gathered, moment_words, thinned
from ecs_trail.views.text import clean, listed

Frames = Mapping[str, pd.DataFrame]

#: Lines of a policy difference in the words of one mark.
_DIFF_LINES: Final = 14


def _rows(frames: Frames, name: str) -> list[Row]:
    frame = frames.get(name)
    return [] if frame is None or frame.empty else rows(frame)


def role_lanes(frames: Frames, start: datetime, end: datetime, *, most: int = 12) -> tuple[Lane, ...]:
    """What each role was able to do, one lane for each role and purpose; broken roles come first."""
    states, outages, changes = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in _rows(frames, "role_states"):
        states[row["role_arn"]].append(row)
    for row in _rows(frames, "outages"):
        outages[row["role_arn"], row["purpose"]].append(row)
    for row in _rows(frames, "changes" if "changes" in frames else "role_changes"):
        for arn in row["role_arns"]:
            changes[arn].append(row)
    found = [
        Lane(
            *(ROLES, words.tail(row["role_arn"]), clean(purpose).replace("_", " ")),
            ability_spans(states[row["role_arn"]], outages[row["role_arn"], purpose], (start, end)),
            (),
            key=row["role_arn"],
        )
        for row in _rows(frames, "roles")
        for purpose in row["purposes"] or [""]
    ]
    found = [replace(lane, marks=_change_marks(changes[lane.key], start, end)) for lane in found]
    found.sort(key=lambda lane: not any(span.state == "broken" for span in lane.spans))
    return gathered(found, most, ROLES, "role")


def action_lanes(frames: Frames, start: datetime, end: datetime, *, most: int = 12) -> tuple[Lane, ...]:
    """Every action a role lost, one lane each, grouped by role, with the role's changes as marks of the group's first.

    A role that lost nothing has one lane for all it needs. `frames` holds `roles`, `role_states`, `losses` and
    `changes`; at most `most` roles are told, the broken ones first.
    """
    states, changes = defaultdict(list), defaultdict(list)
    losses: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(frames, "role_states"):
        states[row["role_arn"]].append(row)
    for row in _rows(frames, "losses"):
        spell = {"start": row["lost_at"], "end": row["regained_at"], "phase": row["phase"], "actions": []}
        losses[row["role_arn"]][row["action"]].append(spell)
    for row in _rows(frames, "changes" if "changes" in frames else "role_changes"):
        for arn in row["role_arns"]:
            changes[arn].append(row)
    arns = sorted((row["role_arn"] for row in _rows(frames, "roles")), key=lambda arn: (arn not in losses, arn))
    lanes: list[Lane] = []
    for arn in arns[:most]:
        lost = losses.get(arn) or {"all that ECS needs": []}
        marks = _change_marks(changes[arn], start, end, _told_in_full)
        for action, spells in sorted(lost.items()):
            spans = ability_spans(states[arn], spells, (start, end), lost="lost")
            lanes.append(Lane(words.tail(arn), clean(action), "", spans, marks, key=arn))
            marks = ()
    return tuple(lanes)


def ability_spans(
    states: Sequence[Row], outages: Sequence[Row], bounds: tuple[datetime, datetime], lost: str = "broken"
) -> tuple[Span, ...]:
    """When a role was able, unable or not known; nothing is drawn while it did not exist and was not missed."""
    start, end = bounds
    clipped = [(max(o["start"], start), min(o["end"] or end, end), o) for o in outages if o["start"] < end]
    spells = [(max(s["since"] or start, start), min(s["until"] or end, end), s) for s in states]
    cuts = sorted({start, end, *(at for one in (*clipped, *spells) for at in one[:2] if start <= at <= end)})
    spells.sort(key=lambda one: one[:2])
    spans: list[Span] = []
    at = 0
    for left, right in pairwise(cuts):
        out = [o for begin, stop, o in clipped if begin <= left and right <= stop]
        while at + 1 < len(spells) and spells[at][1] < right:
            at += 1
        state = spells[at][2] if spells and spells[at][0] <= left and right <= spells[at][1] else None
        word = lost if out else _ability(state)
        if word is None:
            continue
        told = _ability_words(out, word)
        if spans and spans[-1].state == word and spans[-1].words[0] == told and spans[-1].end == left:
            spans[-1] = Span(spans[-1].start, right, word, (told, from_to(spans[-1].start, right)))
        else:
            spans.append(Span(left, right, word, (told, from_to(left, right))))
    return tuple(spans)


def _ability(state: Row | None) -> str | None:
    if state is None:
        return "unknown"
    return None if state["exists"] is False else "able" if state["complete"] else "unknown"


def _ability_words(out: Sequence[Row], word: str) -> str:
    if not out:
        return "able to do what ECS needs" if word == "able" else "not fully known from this evidence"
    actions = sorted({clean(action) for one in out for action in one["actions"]})
    phases = listed(sorted({clean(one["phase"]) for one in out}))
    return f"unable to {phases}: lost {listed(actions, most=4)}" if actions else f"unable to {phases}"


def _told(row: Row) -> tuple[str, ...]:
    what = f"{clean(row['event_name'])} at {moment_words(row['event_time'])}"
    return what, f"by {words.actor(row.get('actor'))}"


def _told_in_full(row: Row) -> tuple[str, ...]:
    """Also what was lost and gained, and the lines of policy that differ."""
    lost, gained = (listed([clean(one) for one in row.get(name) or ()], most=4) for name in ("lost", "gained"))
    before, after = row.get("document_before"), row.get("document")
    diff = policy_diff(before, after, context=0) if before or after else ()
    lines = [f"{line.kind} {line.text}" for line in diff if line.kind != "@"]
    more = [f"… and {len(lines) - _DIFF_LINES} more lines"] if len(lines) > _DIFF_LINES else []
    abilities = [f"{word} {what}" for word, what in (("lost", lost), ("gained", gained)) if what]
    policy = [clean(row["policy"])] if row.get("policy") else []
    return (*_told(row), *policy, *abilities, *lines[:_DIFF_LINES], *more)


def _change_marks(
    changes: Sequence[Row], start: datetime, end: datetime, told: Callable[[Row], tuple[str, ...]] = _told
) -> tuple[Mark, ...]:
    marks = [
        Mark(row["event_time"], change_kind(row), told(row), row["event_id"] or "")
        for row in changes
        if row["event_time"] is not None and start <= row["event_time"] <= end
    ]
    return thinned(marks, start, end)


def change_kind(row: Row) -> str:
    """The kind of mark of a role change: `breaks`, `restores`, `refused` or `other`."""
    if row.get("applied") is False:
        return "refused"
    return row["effect"] if row.get("effect") in {"breaks", "restores"} else "other"


def denied_lanes(denied: Iterable[Row], start: datetime, end: datetime, *, most: int = 12) -> tuple[Lane, ...]:
    """The calls ECS was denied, one lane for each role, the most denied first."""
    by_role: dict[str, list[Mark]] = defaultdict(list)
    for row in denied:
        if start <= row["event_time"] <= end:
            told = (f"{clean(row['action'])} denied at {moment_words(row['event_time'])}",)
            name = row["role"][1] if row["role"] else ""
            by_role[name].append(Mark(row["event_time"], "denied", told, row["event_id"] or ""))
    found = [
        Lane(DENIED, clean(name) or "role not told", f"{len(marks):,}", (), thinned(marks, start, end))
        for name, marks in sorted(by_role.items(), key=lambda one: (-len(one[1]), one[0]))
    ]
    return gathered(found, most, DENIED, "role")
