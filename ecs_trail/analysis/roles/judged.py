"""Role changes as a frame, each judged: what it took, what it gave, whether it broke or restored anything."""

from collections import defaultdict
from itertools import pairwise
from typing import Final

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.roles.abilities import ability, could_give, could_take
from ecs_trail.analysis.roles.changes import IAM, Change, RoleKey, affected_by_name
from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.losses import Certainty, Loss, Question, moment_at
from ecs_trail.analysis.roles.replay import Material, Moment
from ecs_trail.frames import FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet
from ecs_trail.vocabulary import REQUIRED_ACTIONS, Effect, Purpose

ROLE_CHANGES: Final = FrameSpec(
    name="role_changes",
    doc="One row per IAM or Organizations write that names or reaches an infrastructure role, judged.",
    key=("event_id",),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_name": TEXT,
        "role_arns": TEXTS,
        "actor": TEXT,
        "source_ip": TEXT,
        "user_agent": TEXT,
        "applied": FLAG,
        "error_code": TEXT,
        "effect": TEXT,
        "purposes": TEXTS,
        "lost": TEXTS,
        "gained": TEXTS,
        "account": TEXT,
        "policy": TEXT,
        "document": TEXT,
        "document_before": TEXT,
        "target": TEXT,
        "moved_from": TEXT,
        "moved_to": TEXT,
        "policy_known": FLAG,
    },
)
Step = tuple[RoleKey, Moment, Moment]


def role_changes(history: RoleHistory) -> Sheet:
    """Every write that names or reaches an infrastructure role, as `ROLE_CHANGES`, in causal order."""
    reached: dict[str, list[Step]] = defaultdict(list)
    for key, moments in history.moments.items():
        for before, after in pairwise(moments):
            if after.change is not None:
                reached[after.change.event_id].append((key, before, after))
    taken: dict[str, list[Loss]] = defaultdict(list)
    given: dict[str, list[Loss]] = defaultdict(list)
    for lost in history.losses.values():
        for loss in lost:
            for change in loss.causes:
                taken[change.event_id].append(loss)
            for change in loss.restored_by:
                given[change.event_id].append(loss)
    found = []
    for change in history.changes:
        steps = reached.get(change.event_id, [])
        names = [key for key, _, _ in steps] or affected_by_name(change, history.arns) or _holders(change, history)
        if names:
            found.append(_judged(change, names, steps, history, (taken[change.event_id], given[change.event_id])))
    return ROLE_CHANGES.sheet(found)


def _judged(
    change: Change,
    names: list[RoleKey],
    steps: list[Step],
    history: RoleHistory,
    lost_or_given: tuple[list[Loss], list[Loss]],
) -> Row:
    taken, given = lost_or_given
    gained: set[str] = set()
    unsure = False
    for key, before, after in steps:
        for question in history.questions(key):
            step = _step(before.material, after.material, question)
            if step is Effect.RESTORES:
                gained.add(question.action)
            unsure = unsure or step is Effect.UNKNOWN
    lost = {loss.action for loss in taken}
    sure = any(loss.certainty is not Certainty.POSSIBLE for loss in taken)
    restores = bool(gained & {loss.action for loss in given})
    effect = (
        Effect.BREAKS if sure else Effect.RESTORES if restores else Effect.UNKNOWN if lost or unsure else Effect.NONE
    )
    touched = lost | gained
    return {
        "event_id": change.event_id,
        "event_time": change.event_time,
        "event_name": change.event_name,
        "role_arns": sorted(history.arns[key] for key in names),
        "actor": change.actor,
        "source_ip": change.source_ip,
        "user_agent": change.user_agent,
        "applied": change.applied,
        "error_code": change.error_code or None,
        "effect": effect.value,
        "purposes": [
            purpose.value
            for purpose in Purpose
            if any(purpose in history.purposes[key] for key in names)
            and any(touched & set(needed) for (served, _), needed in REQUIRED_ACTIONS.items() if served is purpose)
        ],
        "lost": sorted(lost),
        "gained": sorted(gained),
        "account": change.account,
        "policy": change.policy_arn or change.policy_name or change.boundary or None,
        "document": change.document or None,
        "document_before": next(filter(None, (_former(change, before.material) for _, before, _ in steps)), None),
        "target": change.target_id or None,
        "moved_from": change.moved_from or None,
        "moved_to": change.boundary if change.event_name == "MoveAccount" else None,
        "policy_known": not any(change.policy_arn in after.material.opaque for _, _, after in steps),
    }


def _step(before: Material, after: Material, question: Question) -> Effect:
    """RESTORES where the action became allowed, UNKNOWN where it may have changed and nobody can say, else NONE."""
    takes, gives = could_take(before, after, question.action), could_give(before, after, question.action)
    if not takes and not gives:
        return Effect.NONE
    verdict, earlier = (
        ability(one, question.role_arn, question.purpose, question.action, question.place).verdict
        for one in (after, before)
    )
    if verdict is Verdict.UNKNOWN:
        return Effect.UNKNOWN
    return Effect.RESTORES if gives and verdict is Verdict.ALLOWED and earlier is not verdict else Effect.NONE


def _former(change: Change, before: Material) -> str | None:
    """The document a write replaced, where the evidence holds it."""
    if change.event_name == "UpdateAssumeRolePolicy":
        return before.state.trust
    if change.event_name in {"PutRolePolicy", "DeleteRolePolicy"}:
        return before.state.inline_document(change.policy_name)
    label = change.policy_arn if change.event_source == IAM else f"scp:{change.policy_arn}"
    limits = before.limits
    held = (*before.identity, *filter(None, (before.boundary,)), *limits.rcps, *limits.possible)
    listed = (*held, *(policy for level in limits.levels for policy in level))
    return next((policy.document for policy in listed if policy.label == label), None)


def _holders(change: Change, history: RoleHistory) -> list[RoleKey]:
    """The roles that held the policy a refused write was meant for."""
    if change.applied or not change.policy_arn:
        return []
    held = {key: moment_at(moments, change.event_time).material.state for key, moments in history.moments.items()}
    return [key for key, state in held.items() if change.policy_arn in {*state.attached, state.boundary}]
