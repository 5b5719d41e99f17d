"""Volumes that are left behind: their task is gone, they were not meant to be kept, and ECS will not delete them.

Two kinds of evidence: events (a task that ECS says has stopped while its volume never went), and saved volume states
(`DescribeVolumes`), which show what is there, and, where a Region was looked through in full, what is not. A volume
that ECS still tries to delete is `blocked`, not leaked. *Amazon ECS Developer Guide*, "Use Amazon EBS volumes with
Amazon ECS", read on 2026-11-24: volumes of services are always deleted, those of standalone tasks unless
`deleteOnTermination` is false.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.analysis.leaks.prices import monthly_cost
from ecs_trail.arns import last_part, parse_arn, role_key
from ecs_trail.frames import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    Frame,
    FrameSpec,
    Row,
    Sheet,
    as_sheet,
    rows,
    tuples,
)
from ecs_trail.vocabulary import Basis, Confidence, TaskState, VolumeState

LEAKS: Final = FrameSpec(
    name="leaks",
    doc="One row per volume left behind: how old, how large, roughly what it costs a month, and how that is known.",
    key=("volume_id", "account", "region"),
    columns={
        "volume_id": TEXT,
        "account": TEXT,
        "region": TEXT,
        "task_arn": TEXT,
        "role_arn": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "size_gib": COUNT,
        "volume_type": TEXT,
        "created_at": TIME,
        "age_days": NUMBER,
        "monthly_cost_usd": NUMBER,
        "state": TEXT,
        "is_attached": FLAG,
        "seen_at": TIME,
        "confidence": TEXT,
        "basis": TEXTS,
        "why": TEXT,
        "evidence": TEXTS,
    },
)
#: EC2's words for a volume that is there and stays (*Amazon EC2 API Reference*, "Volume").
_THERE: Final = frozenset({"available", "in-use", "error"})
_ENDED: Final = frozenset({TaskState.STOPPED, TaskState.RECOVERED, TaskState.FAILED_TO_START})
_FINAL: Final = frozenset({"STOPPED", "DELETED"})
#: A volume whose task nobody knows is between creation and attachment, or deletion, for minutes at most.
_UNKNOWN_FOR: Final = timedelta(days=1)
_DAY: Final = timedelta(days=1)
Place = tuple[str | None, str | None]


def with_absences(volumes: Frame, volume_states: Frame, calls: Frame) -> list[Row]:
    """The volumes, with those that saved states show to be no longer there marked as gone by that moment.

    Absence counts only where a Region was looked through in full after the volume was made or last acted on. Volumes
    are looked for by their reserved tags, so one that lost them (`calls`, as `VOLUME_CALLS`) may well be there.
    """
    there: dict[Place, list[tuple[datetime, set[str]]]] = defaultdict(list)
    states = rows(volume_states)
    for look in states:
        if look["volume_id"] is None:
            listed = {one["volume_id"] for one in states if _same_look(one, look) and one["status"] in _THERE}
            there[look["account"], look["region"]].append((look["seen_at"], listed))
    hidden = {call["volume_id"] for call in rows(calls, ("volume_id", "tags_lost")) if call["tags_lost"]}
    found = rows(volumes)
    for volume in found:
        if volume["volume_id"] in hidden:
            continue
        since = max(filter(None, (volume["created_at"], volume["attached_at"])), default=None)
        looks = [look for look in there[volume["account"], volume["region"]] if since is None or look[0] > since]
        if volume["gone_at"] is None and looks:
            moment, listed = max(looks, key=lambda look: look[0])
            if volume["volume_id"] not in listed:
                volume |= {"gone_at": moment, "detached_at": volume["detached_at"] or moment}
                volume["state"] = VolumeState.DELETED
    return found


def _same_look(one: Row, look: Row) -> bool:
    return all(one[name] == look[name] for name in ("account", "region", "seen_at")) and one["volume_id"] is not None


def with_leaks(volumes: Frame, found: Frame) -> list[Row]:
    """The volumes, those of the inventory in the state `leaked`."""
    leaked = {volume_id for (volume_id,) in tuples(found, ("volume_id",))}
    return [one | ({"state": VolumeState.LEAKED} if one["volume_id"] in leaked else {}) for one in rows(volumes)]


def leaks(frames: Mapping[str, Frame], as_of: datetime) -> Sheet:
    """The inventory, as `LEAKS`, the dearest first.

    `frames`: `volumes` with their final state, `tasks`, `task_states`, `missing_tasks`, `volume_states`.
    Ages count up to `as_of`, or the saved state where that is newer; costs are list prices (`prices`).
    """
    known = _known(frames)
    newest: dict[str, Row] = {}
    for state in sorted(rows(frames["volume_states"]), key=lambda one: (one["seen_at"] is not None, one["seen_at"])):
        if state["volume_id"] is not None:
            newest[state["volume_id"]] = state
    told = as_sheet(frames["volumes"]).where_any({"state": VolumeState.LEAKED}, {"volume_id": newest})
    found = {row["volume_id"]: row for row in told.rows()}
    leaked = [
        _row(volume, newest.get(key), _Reason(Confidence.LIKELY, "its task has stopped or never started"), as_of)
        for key, volume in found.items()
        if volume["state"] == VolumeState.LEAKED and (key not in newest or newest[key]["status"] in _THERE)
    ]
    for key, state in newest.items():
        held = found.get(key)
        if held is not None and held["state"] in {VolumeState.LEAKED, VolumeState.BLOCKED, VolumeState.DELETED}:
            continue
        reason = known.reason(state, held, as_of)
        if reason is not None:
            leaked.append(_row(held, state, reason, as_of))
    return LEAKS.sheet(sorted(leaked, key=lambda row: (-(row["monthly_cost_usd"] or 0), row["volume_id"])))


def narrowed(found: Frame, *, role: str | None, account: str | None, region: str | None, cluster: str | None) -> Sheet:
    """The rows of one role (ARN or name), account, Region and cluster; None narrows nothing."""
    places = {"account": account, "region": region, "cluster": cluster}
    mine = as_sheet(found).where(**{column: wanted for column, wanted in places.items() if wanted is not None})
    if role is None:
        return mine
    key = role_key(role)
    return mine.where(role_arn=lambda arn: role_key(arn) == key if key else last_part(arn) == role)


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a volume counts as left behind."""

    confidence: Confidence
    why: str


@dataclass(frozen=True)
class _Known:
    """What is known of tasks."""

    states: Mapping[str, str]
    kept: frozenset[str]
    stopped: frozenset[str]
    missing: frozenset[str]
    alive: frozenset[str]

    def reason(self, state: Row, held: Row | None, as_of: datetime) -> _Reason | None:
        """Why a volume that is there is left behind, or None where it is not, or where that cannot be said."""
        task = state["task_arn"] or (held["task_arn"] if held else None)
        if state["status"] not in _THERE or task is None or task in self.kept or task in self.alive:
            return None
        if held is not None and held["state"] == VolumeState.KEPT:
            return None
        free = state["status"] == "available" and not state["attachments"]
        if task in self.missing:
            sure = Confidence.CERTAIN if free and state["service"] else Confidence.LIKELY
            return _Reason(sure, "ECS no longer knows its task")
        if task in self.stopped:
            return _Reason(Confidence.CERTAIN if free else Confidence.LIKELY, "ECS says that its task has stopped")
        if self.states.get(task) in _ENDED:
            return _Reason(Confidence.LIKELY, "its task was cleaned up, and it is still there")
        moment = max(filter(None, (as_of, state["seen_at"])))
        old = state["created_at"] is not None and moment - state["created_at"] >= _UNKNOWN_FOR
        if task not in self.states and free and old:
            return _Reason(Confidence.POSSIBLE, "it is attached to nothing, and its task is not in the evidence")
        return None


def _known(frames: Mapping[str, Frame]) -> _Known:
    saved: dict[str, tuple[Any, str | None]] = {}
    for state in rows(frames["task_states"], ("task_arn", "seen_at", "version", "last_status")):
        moment = (state["version"] or 0, state["seen_at"].timestamp() if state["seen_at"] else 0.0)
        if state["task_arn"] and (state["task_arn"] not in saved or moment >= saved[state["task_arn"]][0]):
            saved[state["task_arn"]] = (moment, state["last_status"])
    missing = frozenset(row["task_arn"] for row in rows(frames["missing_tasks"]))
    judged = rows(frames["tasks"], ("task_arn", "state", "kept_by_design"))
    ended = {task["task_arn"] for task in judged if task["state"] in _ENDED}
    kept = {
        state["task_arn"] for state in rows(frames["task_states"], ("task_arn", "delete_on_termination"))
        if state["delete_on_termination"] is False
    }  # fmt: skip
    return _Known(
        states={task["task_arn"]: task["state"] for task in judged},
        kept=frozenset({*kept, *(task["task_arn"] for task in judged if task["kept_by_design"])}),
        stopped=frozenset(arn for arn, (_, status) in saved.items() if status in _FINAL),
        missing=missing,
        alive=frozenset(arn for arn, (_, status) in saved.items() if status not in _FINAL) - missing - ended,
    )


def _row(volume: Row | None, state: Row | None, reason: _Reason, as_of: datetime) -> Row:
    held, saved = volume or {}, state or {}
    row: Row = {name: saved.get(name) if saved.get(name) is not None else held.get(name) for name in LEAKS.columns}
    seen, created = saved.get("seen_at"), row["created_at"]
    age = max(filter(None, (as_of, seen))) - created if created is not None else None
    arn = parse_arn(row["task_arn"])
    row |= {
        "account": row["account"] or (arn.account if arn else None),
        "state": saved.get("status") or "unknown",
        "is_attached": bool(saved["attachments"]) if saved else None,
        "age_days": round(max(age, timedelta()) / _DAY, 2) if age is not None else None,
        "monthly_cost_usd": monthly_cost(row["size_gib"], row["volume_type"], row["region"]),
        "confidence": reason.confidence,
        "basis": [Basis.SILENCE],  # a deletion that did not come
        "why": reason.why,
        "evidence": list(held.get("evidence") or ()),
    }
    return row
