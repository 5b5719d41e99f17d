"""The role history as frames: role changes, role states, roles, losses and outages (contract, section 2)."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.roles.abilities import Place, ability
from ecs_trail.analysis.roles.changes import IAM, Change, RoleKey
from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.losses import Loss, moment_at
from ecs_trail.analysis.roles.outages import Outage, basis, confidence
from ecs_trail.analysis.roles.replay import Moment
from ecs_trail.arns import role_key
from ecs_trail.calls import PolicyType
from ecs_trail.event_names import IAM_POLICY_WRITES
from ecs_trail.frames import COUNT, COUNTS, FLAG, TEXT, TEXTS, TIME, TIMES, FrameSpec, Row, Sheet
from ecs_trail.vocabulary import ASSUME_ROLE, Purpose

ROLE_STATES: Final = FrameSpec(
    name="role_states",
    doc="One row per role and span in which it stayed the same; `since` is null for the start of the evidence. "
    "`documents` (inline policies) and `versions` (defaults of customer managed policies) are JSON objects by name.",
    key=("role_arn", "since", "event_id"),
    columns={
        "role_arn": TEXT,
        "since": TIME,
        "until": TIME,
        "event_id": TEXT,
        "exists": FLAG,
        "trust": TEXT,
        "attached": TEXTS,
        "inline": TEXTS,
        "boundary": TEXT,
        "complete": FLAG,
        "documents": TEXT,
        "versions": TEXT,
        "lets_ecs_assume": TEXT,
    },
)
ROLES: Final = FrameSpec(
    name="roles",
    doc="One row per infrastructure role: what it was at `as_of`, and how much of that is known.",
    key=("role_arn",),
    columns={
        "role_arn": TEXT,
        "role_name": TEXT,
        "account": TEXT,
        "purposes": TEXTS,
        "exists": FLAG,
        "trust": TEXT,
        "policies": TEXTS,
        "boundary": TEXT,
        "known": TEXT,
        "unable": TEXTS,
    },
)
OUTAGES: Final = FrameSpec(
    name="outages",
    doc="One row per role, purpose, phase and span in which ECS could not do all it needs.",
    key=("id",),
    columns={
        "id": TEXT,
        "role_arn": TEXT,
        "purpose": TEXT,
        "phase": TEXT,
        "start": TIME,
        "end": TIME,
        "actions": TEXTS,
        "basis": TEXTS,
        "confidence": TEXT,
        "cause_event_ids": TEXTS,
        "restore_event_ids": TEXTS,
    },
)
LOSSES: Final = FrameSpec(
    name="losses",
    doc="One row per outage, needed action and place: the span in which it was lost, and by which changes.",
    key=("outage_id", "action", "region", "cluster", "lost_at"),
    columns={
        "outage_id": TEXT,
        "role_arn": TEXT,
        "purpose": TEXT,
        "phase": TEXT,
        "action": TEXT,
        "region": TEXT,
        "cluster": TEXT,
        "lost_at": TIME,
        "regained_at": TIME,
        "certainty": TEXT,
        "denials": COUNT,
        "last_denied_at": TIME,
        "last_worked_at": TIME,
        "cause_event_ids": TEXTS,
        "cause_times": TIMES,
        "cause_ranks": COUNTS,
        "policy_types": TEXTS,
        "basis": TEXTS,
    },
)
TAG_NEEDS: Final = FrameSpec(
    name="tag_needs",
    doc="One row per role, Region and action that the role may take only while a volume carries the reserved tags.",
    key=("role_arn", "region", "action", "since"),
    columns={"role_arn": TEXT, "region": TEXT, "action": TEXT, "since": TIME, "until": TIME},
)

_TAGGED_ACTIONS: Final = ("ec2:AttachVolume", "ec2:DetachVolume", "ec2:DeleteVolume")


def role_states(history: RoleHistory) -> Sheet:
    """The states of every role over time, as `ROLE_STATES`."""
    found: list[Row] = []
    for key, moments in history.moments.items():
        for at, moment in enumerate(moments):
            state = moment.material.state
            found.append(
                {
                    "role_arn": history.arns[key],
                    "since": moment.since,
                    "until": moments[at + 1].since if at + 1 < len(moments) else None,
                    "event_id": moment.change.event_id if moment.change else None,
                    "exists": state.exists,
                    "trust": state.trust,
                    "attached": sorted(state.attached),
                    "inline": [name for name, _ in state.inline],
                    "boundary": state.boundary or None,
                    "complete": state.complete,
                    "documents": msgspec.json.encode(dict(state.inline)).decode(),
                    "versions": msgspec.json.encode(dict(moment.material.versions)).decode(),
                    "lets_ecs_assume": _trusts_ecs(history, key, moment),
                }
            )
    return ROLE_STATES.sheet(found)


def _trusts_ecs(history: RoleHistory, key: RoleKey, moment: Moment) -> str:
    """Whether the trust policy lets ECS assume the role in every place: allowed, denied or unknown."""
    found = {
        ability(moment.material, history.arns[key], purpose, ASSUME_ROLE, place).verdict
        for purpose, places in (history.places[key] or {Purpose.VOLUMES: (Place(key[0]),)}).items()
        for place in places
    }
    return next((one.value for one in (Verdict.DENIED, Verdict.UNKNOWN) if one in found), Verdict.ALLOWED.value)


def roles(history: RoleHistory, as_of: datetime) -> Sheet:
    """Every infrastructure role as it was at `as_of`, as `ROLES`, by ARN. `policies` and `known` are JSON texts."""
    found: list[Row] = []
    for key in sorted(history.arns, key=lambda one: history.arns[one]):
        moments = history.moments[key]
        moment = moment_at(moments, as_of)
        state = moment.material.state
        sure = state.complete and not moment.material.opaque
        exists = state.exists if len(moments) > 1 or key in history.seen_working else None
        known = {
            "trust": "known" if state.trust is not None else "unknown",
            "policies": "known" if sure else "partly" if state.attached or state.inline else "unknown",
            "boundary": "known" if state.complete or state.boundary else "unknown",
        }
        found.append(
            {
                "role_arn": history.arns[key],
                "role_name": key[1],
                "account": key[0],
                "purposes": [purpose.value for purpose in history.purposes[key]],
                "exists": exists,
                "trust": state.trust if state.exists else None,
                "policies": list(_policies(moment)),
                "boundary": state.boundary or None,
                "known": msgspec.json.encode(known).decode(),
                "unable": sorted({loss.action for loss in history.losses[key] if loss.holds_at(as_of)}),
            }
        )
    return ROLES.sheet(found)


def _policies(moment: Moment) -> Iterator[str]:
    """Attached and inline policies as JSON texts: kind, ARN or name, and the document where it is known and inline."""
    for arn in sorted(moment.material.state.attached):
        yield msgspec.json.encode({"kind": "attached", "policy_arn": arn}).decode()
    for name, document in moment.material.state.inline:
        yield msgspec.json.encode({"kind": "inline", "policy_name": name, "document": document}).decode()


def outage_ids(history: RoleHistory) -> dict[int, str]:
    """A stable id for each outage, by its place in time."""
    return {at: f"outage-{at + 1}" for at in range(len(history.outages))}


def outages(history: RoleHistory) -> Sheet:
    """All outages, as `OUTAGES`, oldest first."""
    ids = outage_ids(history)
    return OUTAGES.sheet(_outage_row(ids[at], outage) for at, outage in enumerate(history.outages))


def _outage_row(name: str, outage: Outage) -> Row:
    return {
        "id": name,
        "role_arn": outage.role_arn,
        "purpose": outage.purpose.value,
        "phase": outage.phase.value,
        "start": outage.start,
        "end": outage.end,
        "actions": outage.actions,
        "basis": basis(outage.losses),
        "confidence": confidence(outage.losses).value,
        "cause_event_ids": [change.event_id for change in outage.causes],
        "restore_event_ids": [change.event_id for change in outage.restores],
    }


def losses(history: RoleHistory) -> Sheet:
    """All losses inside outages, as `LOSSES`: what links judge tasks by."""
    ids = outage_ids(history)
    return LOSSES.sheet(
        _loss_row(ids[at], outage, loss, _last_worked(history, outage, loss))
        for at, outage in enumerate(history.outages)
        for loss in outage.losses
    )


def _last_worked(history: RoleHistory, outage: Outage, loss: Loss) -> datetime | None:
    """When ECS last worked with the role inside a loss of `sts:AssumeRole`: it still held a session then."""
    if loss.action != ASSUME_ROLE:
        return None
    seen = history.observed.get(role_key(outage.role_arn) or ("", ""), {})
    times = [
        one.event_time
        for action, listed in seen.items()
        if action != ASSUME_ROLE
        for one in listed
        if one.allowed and one.fits(loss.place) and loss.holds_at(one.event_time)
    ]
    return max(times, default=None)


def _loss_row(name: str, outage: Outage, loss: Loss, last_worked_at: datetime | None) -> Row:
    return {
        "outage_id": name,
        "role_arn": outage.role_arn,
        "purpose": outage.purpose.value,
        "phase": outage.phase.value,
        "action": loss.action,
        "region": loss.place.region,
        "cluster": loss.place.cluster,
        "lost_at": loss.lost_at,
        "regained_at": loss.regained_at,
        "certainty": loss.certainty.value,
        "denials": loss.denials,
        "last_denied_at": loss.last_denied_at,
        "last_worked_at": last_worked_at,
        "cause_event_ids": [change.event_id for change in loss.causes],
        "cause_times": [change.event_time for change in loss.causes],
        "cause_ranks": [change.rank for change in loss.causes],
        "policy_types": sorted({kind.value for change in loss.causes for kind in _policy_types(change)}),
        "basis": basis((loss,)),
    }


def _policy_types(change: Change) -> tuple[PolicyType, ...]:
    """The kinds of policy a refusal can name after a change of this kind."""
    if change.event_source != IAM:
        return (PolicyType.SCP, PolicyType.RCP)
    if "PermissionsBoundary" in change.event_name:
        return (PolicyType.BOUNDARY,)
    if change.event_name in IAM_POLICY_WRITES:
        return (PolicyType.IDENTITY, PolicyType.BOUNDARY)
    return (PolicyType.TRUST,) if change.event_name == "UpdateAssumeRolePolicy" else (PolicyType.IDENTITY,)


DELETED_POLICIES: Final = FrameSpec(
    name="deleted_policies",
    doc="One row per customer managed policy that no longer exists, with its last document where it is known.",
    key=("policy_arn",),
    columns={"policy_arn": TEXT, "document": TEXT},
)


def deleted_policies(history: RoleHistory) -> Sheet:
    """The customer managed policies deleted by the end of the evidence, as `DELETED_POLICIES`, by ARN."""
    gone = sorted(history.deleted_policies.items())
    return DELETED_POLICIES.sheet({"policy_arn": arn, "document": document} for arn, document in gone)


def tag_needs(history: RoleHistory) -> Sheet:
    """When each role could work on a volume only because of its reserved tags, as `TAG_NEEDS`."""
    found: list[Row] = []
    for key, places in history.places.items():
        for region in sorted({place.region for place in places.get(Purpose.VOLUMES, ())}, key=str):
            for action in _TAGGED_ACTIONS:
                found.extend(_needed(history, key, region, action))
    return TAG_NEEDS.sheet(found)


def _needed(history: RoleHistory, key: RoleKey, region: str | None, action: str) -> Iterable[Row]:
    arn, moments = history.arns[key], history.moments[key]
    for at, moment in enumerate(moments):
        with_tags, without = (
            ability(moment.material, arn, Purpose.VOLUMES, action, Place(key[0], region, tagged=tagged)).verdict
            for tagged in (True, False)
        )
        if without is not Verdict.ALLOWED and (with_tags is not without or with_tags is Verdict.UNKNOWN):
            yield {
                "role_arn": arn,
                "region": region,
                "action": action,
                "since": moment.since,
                "until": moments[at + 1].since if at + 1 < len(moments) else None,
            }


ROLE_DIFF: Final = FrameSpec(
    name="role_diff",
    doc="One row per aspect of a role that differs between two moments.",
    key=("aspect", "name"),
    columns={"aspect": TEXT, "name": TEXT, "before": TEXT, "after": TEXT},
)


def role_diff(history: RoleHistory, key: RoleKey, start: datetime, end: datetime) -> Sheet:
    """What differs in a role between two moments, as `ROLE_DIFF`: existence, trust, policies, boundary, abilities."""
    before, after = (_aspects(history, key, moment) for moment in (start, end))
    found = [
        {"aspect": aspect, "name": name, "before": before.get((aspect, name)), "after": after.get((aspect, name))}
        for aspect, name in sorted({*before, *after})
        if before.get((aspect, name)) != after.get((aspect, name))
    ]
    return ROLE_DIFF.sheet(found)


def _aspects(history: RoleHistory, key: RoleKey, moment: datetime) -> dict[tuple[str, str], str]:
    material = moment_at(history.moments[key], moment).material
    state = material.state
    found = {("role", "exists"): "yes" if state.exists else "no"}
    if state.trust:
        found["trust", "document"] = state.trust
    if state.boundary:
        found["boundary", "policy"] = state.boundary
    for arn in state.attached:
        found["attached", arn] = dict(material.versions).get(arn, "attached")
    for name, document in state.inline:
        found["inline", name] = document or "(document not in the evidence)"
    for action in sorted({question.action for question in history.questions(key)}):
        found["ability", action] = history.allowed(key, action, moment).verdict.value
    return found
