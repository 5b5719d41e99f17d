"""Links: task × outage × cause, with state, basis and confidence (contract, "Words with one meaning").

Frames in, frames out. A wrong name in a report at 3 a.m. does harm, so what the evidence does not explain stays
unexplained.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.analysis.links.blocks import Block, Case, block_of, by_hand, cleanup_began, fits, resolved_at
from ecs_trail.arns import last_part, role_key
from ecs_trail.calls import Outcome
from ecs_trail.frames import FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, is_known, rows
from ecs_trail.vocabulary import ASSUME_ROLE, Basis, Confidence, Phase, Purpose, TaskState, VolumeState

TASKS: Final = FrameSpec(
    name="tasks",
    doc="One row per task that depends on an infrastructure role: its state, what blocked it, and how sure that is.",
    key=("task_arn",),
    columns={
        "task_arn": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "role_arn": TEXT,
        "volume_ids": TEXTS,
        "state": TEXT,
        "at_risk": FLAG,
        "stop_started_at": TIME,
        "blocked_since": TIME,
        "resolved_at": TIME,
        "cleaned_up_at": TIME,
        "outage_id": TEXT,
        "cause_event_ids": TEXTS,
        "confidence": TEXT,
        "evidence": TEXTS,
        "account": TEXT,
        "region": TEXT,
        "launched_at": TIME,
        "basis": TEXTS,
        "denied_event_ids": TEXTS,
        "blocked_action": TEXT,
        "resolved_by": TEXT,
        "kept_by_design": FLAG,
        "saved_status": TEXT,
        "saved_reason": TEXT,
        "failed_error": TEXT,
        "stop_event_ids": TEXTS,
    },
)
_VOLUME_COLUMNS: Final = (
    *("created_at", "detached_at", "detached_by", "deleted_at", "deleted_by", "deleted_by_ecs", "gone_at"),
)
_CALL_COLUMNS: Final = (
    *("event_id", "event_time", "event_name", "action", "volume_id", "by_ecs", "outcome", "policy_type"),
    *("tags_lost", "tags_set"),
)
_SAVED_RUNNING: Final = frozenset({"RUNNING", "PROVISIONING", "PENDING", "ACTIVATING"})


def links(frames: dict[str, Sheet], *, as_of: datetime, stuck_after: timedelta, grace: timedelta) -> Sheet:
    """Judge every task, as `TASKS`, by ARN.

    `frames` holds `task_lives`, `volumes`, `volume_calls`, `losses`, `tag_needs`, `key_outages` and `logging_gaps`;
    `as_of` is UTC.
    """
    volumes = _by_task(frames["volumes"], _VOLUME_COLUMNS)
    calls = _by_task(_telling(frames["volume_calls"]), _CALL_COLUMNS)
    losses: dict[tuple[str, str] | None, list[Row]] = defaultdict(list)
    for loss in rows(frames["losses"]):
        if loss["purpose"] == Purpose.VOLUMES:
            losses[role_key(loss["role_arn"])].append(loss)
    needs: dict[tuple[str, str] | None, list[Row]] = defaultdict(list)
    for need in rows(frames["tag_needs"]):
        needs[role_key(need["role_arn"])].append(need)
    keys = rows(frames["key_outages"])
    gaps = [gap for gap in rows(frames["logging_gaps"]) if gap["blind"]]
    judged = []
    for life in rows(frames["task_lives"]):
        arn, role = life["task_arn"], role_key(life["role_arn"])
        case = Case(life, volumes[arn], calls[arn], losses[role], needs[role], as_of, stuck_after, grace)
        judged.append(_unseen(_judge(case, keys), case, gaps))
    return TASKS.sheet(judged)


def finished_volumes(volumes: Sheet, tasks: Sheet, lives: Sheet, calls: Sheet) -> Sheet:
    """The volumes with their final state: blocked, kept and leaked are known only once their task is judged.

    A volume is leaked when ECS says its task has stopped, or when its task never started and its deletion was refused.
    """
    task_of = {arn: (state, kept) for arn, state, kept in tasks.tuples(("task_arn", "state", "kept_by_design"))}
    stopped = lives.where(saved_stopped_at=is_known).different("task_arn")
    refused = calls.where(event_name="DeleteVolume", outcome=Outcome.DENIED, by_ecs=bool).different("volume_id")

    def finished(volume: Row) -> Row:
        if volume["task_arn"] not in task_of:
            return volume
        task_state, kept = task_of[volume["task_arn"]]
        if volume["delete_on_termination"] is None:
            volume["delete_on_termination"] = not kept
        if volume["gone_at"] is not None:
            return volume
        never_started = task_state == TaskState.FAILED_TO_START and volume["volume_id"] in refused
        if kept:
            volume["state"] = VolumeState.KEPT if volume["detached_at"] is not None else volume["state"]
        elif volume["task_arn"] in stopped or never_started:
            volume["state"] = VolumeState.LEAKED
        elif task_state == TaskState.STUCK:
            volume["state"] = VolumeState.BLOCKED
        return volume

    names = ("volume_id", "task_arn", "gone_at", "detached_at", "delete_on_termination", "state")
    return volumes.beside(volumes.derived(names, finished, {"delete_on_termination": FLAG, "state": TEXT}))


def _telling(calls: Sheet) -> Sheet:
    """The calls that can block a task or explain a block: refusals, and writes to tags."""
    return calls.where_any({"outcome": Outcome.DENIED}, {"event_name": ("CreateTags", "DeleteTags")})


def _by_task(frame: Sheet, columns: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows(frame.where(task_arn=is_known), ("task_arn", *columns)):
        found[row["task_arn"]].append(row)
    return found


def _judge(case: Case, keys: Sequence[Row]) -> Row:
    life = case.life
    row = {name: life.get(name) for name in TASKS.columns}
    row |= {"at_risk": False, "cause_event_ids": [], "basis": [], "denied_event_ids": []}
    if life["failed_at"] is not None or _never_provisioned(case):
        return row | _failed(case, keys)
    resolved = resolved_at(case)
    row["cleaned_up_at"] = resolved
    if life["stop_started_at"] is None and resolved is None:
        return row | _running(case)
    block = block_of(case)
    if block is not None:
        row |= _blocked(case, block)
        row["state"] = TaskState.STUCK if resolved is None else TaskState.RECOVERED
        row["resolved_at"] = resolved
        row["resolved_by"] = by_hand(case) if resolved is not None else None
        return row
    row["confidence"] = Confidence.CERTAIN if resolved is not None else Confidence.LIKELY
    if resolved is not None:
        row["state"] = TaskState.STOPPED
    elif case.as_of - life["stop_started_at"] < case.stuck_after:
        row["state"] = TaskState.STOPPING
    else:
        row["state"], row["confidence"] = TaskState.UNKNOWN, Confidence.POSSIBLE
    return row


def _unseen(row: Row, case: Case, gaps: Sequence[Row]) -> Row:
    """Silence says nothing where the trail did not record: the cleanup may have come and gone unseen.

    A gap matters when it begins before the silence was long enough to count and does not end before the block.
    """
    since = row["blocked_since"]
    silent = row["state"] == TaskState.STUCK and Basis.SILENCE in row["basis"] and not row["denied_event_ids"]
    if not silent or since is None or row["saved_status"] is not None or {Basis.DENIED_CALLS} & set(row["basis"]):
        return row
    blind = any(
        gap["account"] == case.life["account"]
        and gap["region"] in {None, case.life["region"]}
        and gap["start"] <= since + case.stuck_after
        and (gap["end"] is None or gap["end"] > since)
        for gap in gaps
    )
    if not blind:
        return row
    unsaid: Row = {"blocked_since": None, "outage_id": None, "cause_event_ids": [], "basis": []}
    return row | unsaid | {"state": TaskState.UNKNOWN, "confidence": Confidence.POSSIBLE}


def _running(case: Case) -> Row:
    """A task without a sign of a stop: running, if anything shows that it ever ran."""
    life = case.life
    seen = life["attached_at"] is not None or any(volume["created_at"] is not None for volume in case.volumes)
    young = life["launched_at"] is not None and case.as_of - life["launched_at"] < case.stuck_after
    if not (seen or young or life["saved_status"] in _SAVED_RUNNING):
        return {"state": TaskState.UNKNOWN, "confidence": Confidence.POSSIBLE}
    wanted = {ASSUME_ROLE, "ec2:DescribeVolumes", "ec2:DetachVolume"}
    if not life["kept_by_design"]:
        wanted.add("ec2:DeleteVolume")
    threats = [
        loss
        for loss in case.losses
        if loss["phase"] == Phase.TEARDOWN
        and loss["action"] in wanted
        and fits(loss, life)
        and loss["lost_at"] <= case.as_of
        and (loss["regained_at"] is None or loss["regained_at"] > case.as_of)
    ]
    return {"state": TaskState.RUNNING, "confidence": Confidence.LIKELY, "at_risk": bool(threats)}


def _blocked(case: Case, block: Block) -> Row:
    resolved = resolved_at(case)
    end = resolved or case.as_of
    causes = list(block.tag_event_ids) or _causes(block.losses, end)
    return {
        "blocked_since": block.since,
        "outage_id": block.outage_id if causes else None,
        "cause_event_ids": causes,
        "confidence": _confidence(case, block, causes),
        "basis": _basis(block),
        "denied_event_ids": [call["event_id"] for call in block.denied],
        "blocked_action": block.denied[0]["action"] if block.denied else None,
        "evidence": [*causes, *(one for one in case.life["evidence"] if one not in causes)],
    }


def _causes(losses: Sequence[Row], end: datetime) -> list[str]:
    """The changes behind losses, oldest first, each once, none after the task was done."""
    seen: dict[str, tuple[datetime, int, str]] = {}
    for loss in losses:
        for event_id, moment, rank in zip(
            loss["cause_event_ids"], loss["cause_times"], loss["cause_ranks"], strict=True
        ):
            if moment <= end:
                seen[event_id] = (moment, rank, event_id)
    return sorted(seen, key=lambda event_id: seen[event_id])


def _confidence(case: Case, block: Block, causes: Sequence[str]) -> Confidence:
    if block.tag_event_ids:
        return Confidence.CERTAIN if block.tags_needed and block.denied else Confidence.LIKELY
    if not causes:
        return Confidence.LIKELY if block.denied or block.by_status else Confidence.POSSIBLE
    sure = {loss["certainty"] for loss in block.losses}
    agreeing = {loss["certainty"] for _, loss in block.explained}
    if block.denied and not block.explained:
        return Confidence.POSSIBLE
    if block.denied and block.explained[0][0] is not block.denied[0]:
        return Confidence.POSSIBLE  # it was refused before any change that explains it
    if not block.denied and not block.by_status and _only_silence(case, block):
        return Confidence.POSSIBLE
    if "replayed" in agreeing or ("replayed" in sure and (block.by_status or _role_refused(block))):
        return Confidence.CERTAIN
    return Confidence.LIKELY if sure & {"replayed", "observed"} else Confidence.POSSIBLE


def _basis(block: Block) -> list[str]:
    found = {one for loss in block.losses for one in loss["basis"]} - {Basis.DENIED_CALLS.value}
    if block.tags_needed:
        found.add(Basis.POLICY_REPLAY.value)
    if block.denied:
        found.add(Basis.DENIED_CALLS.value)
        if any(call["policy_type"] for call in block.denied):
            found.add(Basis.POLICY_TYPE_IN_ERROR.value)
    elif _role_refused(block):
        found.add(Basis.DENIED_CALLS.value)
    elif not block.by_status:
        found.add(Basis.SILENCE.value)
    if block.by_status:
        found.add(Basis.TASK_STATUS_REASON.value)
    return [one.value for one in Basis if one.value in found]


def _only_silence(case: Case, block: Block) -> bool:
    """Whether ECS could still call after the stop, so that its silence may be a gap in the evidence."""
    stop: datetime = case.life["stop_started_at"]
    cut = [loss for loss in block.losses if loss["action"] == ASSUME_ROLE]
    held = any(loss["last_worked_at"] is not None and loss["last_worked_at"] > stop for loss in cut)
    return not cut or held or cleanup_began(case)


def _role_refused(block: Block) -> bool:
    """Whether ECS's refused AssumeRole calls are on record for what blocked the task."""
    return any(loss["action"] == ASSUME_ROLE and loss["denials"] for loss in block.losses)


def _never_provisioned(case: Case) -> bool:
    """Launched with a volume while ECS could not assume the role or create one, and no volume ever appeared."""
    life = case.life
    if (
        case.volumes
        or case.calls
        or life["launched_at"] is None
        or life["saved_status"] in {"RUNNING", "DEPROVISIONING"}
    ):
        return False
    return case.as_of - life["launched_at"] >= case.stuck_after and bool(
        _provision_losses(case, life["launched_at"], (ASSUME_ROLE, "ec2:CreateVolume"))
    )


def _provision_losses(case: Case, moment: datetime, actions: Sequence[str]) -> list[Row]:
    folded = {action.lower() for action in actions}
    return [
        loss
        for loss in case.losses
        if loss["phase"] == Phase.PROVISION
        and loss["action"].lower() in folded
        and fits(loss, case.life)
        and loss["lost_at"] <= moment
        and (loss["regained_at"] is None or moment < loss["regained_at"] + case.grace)
    ]


def _failed(case: Case, keys: Sequence[Row]) -> Row:
    """A task whose volume could not be created or attached, and why."""
    life = case.life
    moment: datetime = life["failed_at"] or life["launched_at"]
    action = life["failed_action"]
    row: Row = {
        "state": TaskState.FAILED_TO_START,
        "blocked_since": moment,
        "stop_started_at": None,
        "denied_event_ids": life["failed_event_ids"] if life["failed_denied"] else [],
        "blocked_action": action,
        "confidence": Confidence.LIKELY,
        "basis": [Basis.DENIED_CALLS.value] if life["failed_denied"] and action else [],
    }
    actions = [action] if action else [ASSUME_ROLE, "ec2:CreateVolume"]
    by_role = life["failed_denied"] or not life["failed_event_ids"]
    lost = _provision_losses(case, moment, actions) if by_role else []
    if lost:
        chosen = min(lost, key=lambda loss: (loss["lost_at"], loss["outage_id"]))
        same = [loss for loss in lost if loss["outage_id"] == chosen["outage_id"]]
        block = Block(moment, losses=same, denied=[{"policy_type": ""}] if action else [])
        certain = any(loss["certainty"] == "replayed" for loss in same) and bool(life["failed_denied"])
        weak = all(loss["certainty"] == "possible" for loss in same)
        row |= {
            "outage_id": chosen["outage_id"],
            "cause_event_ids": _causes(same, moment),
            "basis": _basis(block),
            "confidence": Confidence.CERTAIN if certain else Confidence.POSSIBLE if weak else Confidence.LIKELY,
        }
    elif not (life["failed_denied"] and (action or "").startswith("ec2:")):
        row["cause_event_ids"] = _key_causes(case, keys, moment)
    causes = row.get("cause_event_ids", [])
    return row | {"evidence": [*causes, *(one for one in life["evidence"] if one not in causes)]}


def _key_causes(case: Case, keys: Sequence[Row], moment: datetime) -> list[str]:
    """The writes that had put the volume's key out of use at a moment."""
    used = last_part(case.life["kms_key_id"])
    role = role_key(case.life["role_arn"])
    return [
        span["cause_event_id"]
        for span in keys
        if used
        and span["key_id"] == used
        and span["start"] <= moment
        and (span["end"] is None or moment < span["end"])
        and (span["role_arn"] is None or role_key(span["role_arn"]) == role)
    ]
