"""Rival explanations: the other changes that a reader would ask about, and why each is not the cause.

A cause stands only as firm as its rivals are weak. A rival is `ruled_out` where the evidence says why it cannot have
blocked the tasks, and `open` where the evidence does not hold what would decide it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.analysis.findings.known import Known
from ecs_trail.analysis.findings.words import counted, spell
from ecs_trail.arns import role_key
from ecs_trail.frames import Row
from ecs_trail.vocabulary import Basis, Confidence, Effect

RULED_OUT: Final = "ruled_out"
OPEN: Final = "open"
#: How far back a reader looks for a change that might have done it. Earlier ones had a week to show themselves.
_LOOK_BACK: Final = timedelta(days=7)
#: Rivals listed; a pipeline that touches a role every minute must not bury the answer.
_MOST: Final = 20


def rivals(
    known: Known, blocked: Sequence[Row], causes: Iterable[str], outage: Row | None, confidence: str | None
) -> list[Row]:
    """The rivals of one finding: open ones first, then the latest; at most twenty.

    `blocked` are the tasks or secrets of the finding, `causes` the event ids it names. Each rival has `event_id`,
    `event_time`, `event_name`, `actor`, `standing` (`open` or `ruled_out`) and `reason`, a clause.
    """
    since = [row["blocked_since"] for row in blocked if row["blocked_since"]]
    role = role_key(blocked[0]["role_arn"])
    if not since or role is None:
        return []
    first, last = min(since), max(since)
    named = {*causes, *(outage["cause_event_ids"] if outage else ())}
    needed = (
        set(outage["actions"]) if outage else {row["blocked_action"] for row in blocked if row.get("blocked_action")}
    )
    found = [
        _rival(change, *_standing(known, change, needed, first, explained=bool(named)))
        for change in known.changes_of(role)
        if change["event_id"] not in named
        and change["event_name"] != "CreateRole"
        and first - _LOOK_BACK <= change["event_time"] <= last
    ]
    found += _unrecorded(blocked, named, confidence)
    found.sort(key=lambda one: (one["event_time"] or first, one["event_id"]), reverse=True)
    return sorted(found, key=lambda one: one["standing"] != OPEN)[:_MOST]


def rivals_sentence(found: Sequence[Row]) -> str:
    """What became of the rivals, in a sentence with their event ids; empty where there is none."""
    still = [one for one in found if one["standing"] == OPEN]
    out = [one["event_id"] for one in found if one["standing"] == RULED_OUT]
    parts = []
    if out:
        ids = ", ".join(out[:3]) + (", …" if len(out) > 3 else "")
        parts.append(f"Ruled out as a cause: {counted(len(out), 'other change')} of the role [{ids}].")
    parts += [f"Not ruled out: {one['event_name']}, {one['reason']} [{one['event_id']}]." for one in still[:3]]
    return " ".join(parts)


def _rival(change: Row, standing: str, reason: str) -> Row:
    names = ("event_id", "event_time", "event_name", "actor")
    return {**{name: change[name] for name in names}, "standing": standing, "reason": reason}


def _standing(known: Known, change: Row, needed: set[str], first: datetime, *, explained: bool) -> tuple[str, str]:
    """Whether a change may have blocked what needed these actions, and why or why not."""
    if not change["applied"]:
        return RULED_OUT, f"the call failed with {change['error_code'] or 'an error'} and changed nothing"
    if change["event_time"] > first:
        return RULED_OUT, f"it came after {spell(first)}, when the first of them was already blocked"
    effect, lost = change["effect"], change["lost"]
    unread = change["policy_known"] is False and not explained  # a policy nobody read may deny as well as allow
    if effect == Effect.UNKNOWN or (effect == Effect.NONE and unread):
        what = ", ".join(lost) or ", ".join(sorted(needed)) or "what ECS needs"
        unheld = "whom it reaches or what it denies" if change["target"] else "what its policy says"
        return OPEN, f"the evidence does not hold {unheld}; it may have taken {what}"
    if effect == Effect.RESTORES:
        return RULED_OUT, f"it gave {', '.join(change['gained'])} and took nothing"
    if effect == Effect.NONE:
        return RULED_OUT, "no action that ECS needs was lost by it"
    folded = {action.lower() for action in needed}
    if not folded & {action.lower() for action in lost}:
        return RULED_OUT, f"it took {', '.join(lost)}, which was not what stopped them"
    back = _given_back(known, change["event_id"], first)
    if back:
        return RULED_OUT, back
    return RULED_OUT, f"what it took of {', '.join(lost)} does not reach these, or was of no use to them any more"


def _given_back(known: Known, event_id: str, first: datetime) -> str:
    """The repair that ended what a change had broken before anything was blocked."""
    for outage in known.outages.values():
        if event_id in outage["cause_event_ids"] and outage["end"] is not None and outage["end"] <= first:
            by = f" by [{', '.join(outage['restore_event_ids'])}]" if outage["restore_event_ids"] else ""
            return f"what it took was given back at {spell(outage['end'])}{by}, before anything was blocked"
    return ""


def _unrecorded(blocked: Sequence[Row], named: set[str], confidence: str | None) -> Iterator[Row]:
    """What no record can rule out: policies kept elsewhere, and silence that is a gap in the evidence."""
    if confidence == Confidence.CERTAIN:
        return
    refused = [event_id for row in blocked for event_id in row["denied_event_ids"]]
    basis = {one for row in blocked for one in row["basis"]}
    told: Row = {"event_time": None, "actor": None, "standing": OPEN}
    if refused and Basis.POLICY_TYPE_IN_ERROR not in basis:
        yield told | {
            "event_id": refused[0],
            "event_name": "a policy outside the evidence",
            "reason": "an organization or session policy would be refused in the same words",
        }
    elif not refused and Basis.SILENCE in basis and Basis.DENIED_CALLS not in basis:
        seen = [event_id for row in blocked for event_id in (row.get("stop_event_ids") or row["evidence"])]
        last = next((event_id for event_id in seen if event_id not in named), None)
        if last:
            yield told | {
                "event_id": last,
                "event_name": "records missing from the evidence",
                "reason": "the calls that ECS made after this may not have been delivered",
            }
