"""Tasks that depend on an infrastructure role: when they were launched, provisioned, told to stop, and by what.

Known by the reserved tags of their volumes, by `volumeConfigurations` at launch, or by a saved task state (contract,
"tasks[]"). Record shapes: *Amazon ECS API Reference*, RunTask, StartTask, StopTask; states: *Amazon ECS Developer
Guide*, "Amazon ECS task lifecycle", both read on 2026-11-24.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple

from ecs_trail.analysis.tasks.services import COLUMNS, Service, ServiceKey, service_of_cluster, services
from ecs_trail.arns import is_task, last_part, parse_arn, task_cluster
from ecs_trail.calls import Outcome
from ecs_trail.frames import FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, grouped, rows
from ecs_trail.payloads import Object, at, json_object, objects, text, truth

TASK_LIVES: Final = FrameSpec(
    name="task_lives",
    doc="One row per task that depends on an infrastructure role: launch, provisioning, stop, saved state.",
    key=("task_arn",),
    columns={
        "task_arn": TEXT,
        "account": TEXT,
        "region": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "role_arn": TEXT,
        "volume_ids": TEXTS,
        "kms_key_id": TEXT,
        "kept_by_design": FLAG,
        "launched_at": TIME,
        "attached_at": TIME,
        "failed_at": TIME,
        "failed_action": TEXT,
        "failed_denied": FLAG,
        "failed_error": TEXT,
        "stop_started_at": TIME,
        "saved_status": TEXT,
        "saved_reason": TEXT,
        "saved_at": TIME,
        "saved_stopped_at": TIME,
        "saved_volume_left": FLAG,
        "evidence": TEXTS,
        "failed_event_ids": TEXTS,
        "stop_event_ids": TEXTS,
    },
)


class _Call(NamedTuple):
    """What the life of a task asks of a call on its volume: a tuple, as most of a large case are such calls."""

    task_arn: str
    event_id: str
    event_time: datetime
    event_name: str
    action: str
    role_arn: str | None
    cluster: str | None
    service: str | None
    by_ecs: bool
    outcome: str
    error_code: str | None
    kms_key_id: str | None


_VOLUME_COLUMNS: Final = (*("volume_id", "task_arn", "role_arn", "cluster", "service", "kms_key_id", "attached_at"),)
#: A volume is created and attached within minutes; later trouble belongs to the teardown.
_PROVISIONING: Final = timedelta(minutes=10)
_FINAL: Final = frozenset({"STOPPED", "DELETED"})
#: An attachment in one of these was not cleared away when its state was saved (*Amazon ECS API Reference*, Attachment).
_LEFT: Final = frozenset({"CREATED", "ATTACHING", "ATTACHED", "DETACHING", "DETACHED"})


def task_lives(events: Sheet, calls: Sheet, volumes: Sheet, task_states: Sheet) -> Sheet:
    """All such tasks, as `TASK_LIVES`, by ARN. Times are UTC; `stop_started_at` follows the contract's "A stop"."""
    launches, stops = _launches_and_stops(events)
    saved = _saved(task_states)
    owned: dict[str, list[Row]] = defaultdict(list)
    for volume in rows(volumes, _VOLUME_COLUMNS):
        if volume["task_arn"]:
            owned[volume["task_arn"]].append(volume)
    found = services(events)
    by_cluster = service_of_cluster(found)

    def life_of(arn: str, mine: Sequence[_Call]) -> Row:
        life = _start(arn, mine, owned.get(arn, ()), launches.get(arn), saved.get(arn))
        service = _service(life, found, by_cluster, standalone=arn in launches)
        if service is not None:
            life["service"] = life["service"] or service.name
            life["role_arn"] = life["role_arn"] or service.role_at(life["launched_at"] or service.first_at)
            life["kms_key_id"] = life["kms_key_id"] or (service.keys[-1] if service.keys else None)
        told = _told(life, stops, service)
        life.update(_failure(life, mine, saved.get(arn), told))
        life.update(_stop(life, mine, saved.get(arn), told))
        return life

    known = calls.where(task_arn=bool)
    by_task = grouped(known.without(_mere_looks(known)), _Call._fields)
    lives = {arn: life_of(arn, [_Call(*call) for call in mine]) for arn, mine in by_task}
    for arn, ids in known.listed("task_arn", "event_id").items():
        lives[arn]["evidence"] += ids
    others = {*owned, *launches, *(arn for arn, state in saved.items() if state["ebs"])} - lives.keys()
    lives |= {arn: life_of(arn, ()) for arn in others}
    return TASK_LIVES.sheet(lives[arn] for arn in sorted(lives))


def _mere_looks(calls: Sheet) -> Sheet:
    """ECS's looks at volumes that went well and told nothing new of their tasks: most of a large case."""
    looks = calls.where(event_name="DescribeVolumes", outcome=Outcome.OK.value, by_ecs=bool)
    return looks.repeats(("task_arn", "role_arn", "cluster", "service", "kms_key_id"))


def _launches_and_stops(events: Sheet) -> tuple[dict[str, Row], dict[str, list[tuple[datetime, str]]]]:
    """Launches with managed volumes by task ARN, and successful `StopTask` calls by task ARN or id."""
    names = ("RunTask", "StartTask", "StopTask")
    mine = events.where(event_source="ecs.amazonaws.com", event_name=names, error_code=None)
    launches: dict[str, Row] = {}
    stops: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for row in rows(mine, COLUMNS):
        request, response = json_object(row["request_parameters"]), json_object(row["response_elements"])
        if row["event_name"] == "StopTask":
            told = text(at(response, "task", "taskArn")) or text(request.get("task"))
            if told:
                stops[told if is_task(told) else _full(told, row)].append((row["event_time"], row["event_id"]))
            continue
        managed = [at(item, "managedEBSVolume") for item in objects(request.get("volumeConfigurations"))]
        managed = [one for one in managed if isinstance(one, dict)]
        for task in objects(response.get("tasks")) if managed else ():
            arn = text(task.get("taskArn"))
            if is_task(arn) and arn is not None:
                launches[arn] = _launch(row, managed[0], task)
    return launches, stops


def _launch(row: Mapping[str, Any], managed: Object, task: Object) -> Row:
    return {
        "event_id": row["event_id"],
        "event_time": row["event_time"],
        "role_arn": text(managed.get("roleArn")),
        "kms_key_id": text(managed.get("kmsKeyId")),
        "keep": truth(at(managed, "terminationPolicy", "deleteOnTermination")) is False,
        "group": text(task.get("group")),
    }


def _full(task_id: str, row: Mapping[str, Any]) -> str:
    """A key for a task known by its id only: ids are unique within an account and Region."""
    return f"{row['account_id']}/{row['aws_region']}/{last_part(task_id)}"


def _saved(task_states: Sheet) -> dict[str, Row]:
    """The newest saved state of each task; `ebs` says whether any of them showed a managed volume."""
    newest: dict[str, Row] = {}
    for state in rows(task_states):
        arn = state["task_arn"]
        before = newest.get(arn)
        ebs = bool(state["volume_id"] or state["role_arn"]) or bool(before and before["ebs"])
        keep = before is None or _newer(state, before)
        chosen = dict(state) if keep or before is None else before
        if before is not None:
            for name in ("volume_id", "role_arn", "attachment_status_reason", "delete_on_termination", "stopping_at"):
                if chosen[name] is None:
                    chosen[name] = before[name] if keep else state[name]
        newest[arn] = {**chosen, "ebs": ebs}
    return newest


def _newer(state: Row, before: Row) -> bool:
    """ECS counts a task's state changes in `version`; where it is missing the time it was seen decides."""
    if state["version"] is not None and before["version"] is not None and state["version"] != before["version"]:
        return bool(state["version"] > before["version"])
    return (
        bool((state["seen_at"] or state["created_at"]) >= (before["seen_at"] or before["created_at"]))
        if ((state["seen_at"] or state["created_at"]) and (before["seen_at"] or before["created_at"]))
        else before["seen_at"] is None
    )


def _start(arn: str, calls: Sequence[_Call], owned: Sequence[Row], launch: Row | None, saved: Row | None) -> Row:
    parsed = parse_arn(arn)
    own = [call for call in calls if call.by_ecs]
    first = [call.event_time for call in own if call.event_name == "CreateVolume"]
    attached = [volume["attached_at"] for volume in owned if volume["attached_at"] is not None]
    launched = launch["event_time"] if launch else min(first, default=saved["created_at"] if saved else None)
    group = launch["group"] if launch else None
    kept = bool(launch and launch["keep"]) or bool(
        saved and saved["delete_on_termination"] is False and not saved["service"]
    )
    return {
        "task_arn": arn,
        "account": parsed.account if parsed else None,
        "region": parsed.region if parsed else None,
        "cluster": task_cluster(arn) or _first_of("cluster", owned, calls) or (saved and saved["cluster"]),
        "service": _first_of("service", owned, calls)
        or (saved and saved["service"])
        or (last_part(group.partition(":")[2]) if group and group.startswith("service:") else None),
        "role_arn": next((call.role_arn for call in own if call.role_arn), None)
        or _first_of("role_arn", owned)
        or (saved and saved["role_arn"])
        or (launch and launch["role_arn"]),
        "volume_ids": sorted(
            {volume["volume_id"] for volume in owned}
            | ({saved["volume_id"]} if saved and saved["volume_id"] else set())
        ),
        "kms_key_id": _first_of("kms_key_id", owned, calls) or (launch and launch["kms_key_id"]),
        "kept_by_design": kept,
        "launched_at": launched,
        "attached_at": min(attached, default=None),
        "saved_status": saved and saved["last_status"],
        "saved_reason": saved and (saved["attachment_status_reason"] or saved["stopped_reason"]),
        "saved_at": saved and saved["seen_at"],
        "saved_stopped_at": saved and (saved["stopped_at"] if saved["last_status"] in _FINAL else None),
        "saved_volume_left": bool(
            saved and saved["last_status"] in _FINAL and saved["attachment_status"] in _LEFT and not kept
        ),
        "evidence": [launch["event_id"]] if launch else [],
    }


def _first_of(name: str, volumes: Sequence[Row], calls: Sequence[_Call] = ()) -> Any:
    told = chain((volume[name] for volume in volumes), (getattr(call, name) for call in calls))
    return next((one for one in told if one is not None), None)


def _service(
    life: Row,
    found: Mapping[ServiceKey, Service],
    by_cluster: Mapping[tuple[str, str, str], list[Service]],
    *,
    standalone: bool,
) -> Service | None:
    """The service of a task: by name, else the only one of its cluster that gives tasks volumes with this role."""
    place = (life["account"] or "", life["region"] or "", life["cluster"] or "default")
    if life["service"]:
        return found.get((*place, life["service"]))
    if standalone or life["saved_status"] is not None:
        return None
    launched, role = life["launched_at"], last_part(life["role_arn"])
    if launched is None:
        return None  # launched before the evidence begins: a RunTask may be there that nobody saw
    fitting = [
        service
        for service in by_cluster.get(place, ())
        if service.first_at <= launched and last_part(service.role_at(launched)) == role
    ]
    return fitting[0] if len(fitting) == 1 else None


def _failure(life: Row, calls: Sequence[_Call], saved: Row | None, told: Sequence[tuple[datetime, str]]) -> Row:
    """Whether provisioning failed for good: no volume, or a volume that never came to be attached."""
    none: Row = {
        "failed_at": None,
        "failed_action": None,
        "failed_denied": None,
        "failed_error": None,
        "failed_event_ids": [],
    }
    never = saved is not None and (saved["stop_code"] == "TaskFailedToStart" or saved["attachment_status"] == "FAILED")
    if life["attached_at"] is not None or (saved and saved["started_at"] is not None and not never):
        return none
    own = [call for call in calls if call.by_ecs]
    created = [call for call in own if call.event_name == "CreateVolume" and call.outcome == Outcome.OK]
    bad = _bad_calls(own, created, min((moment for moment, _ in told), default=None))
    if bad:
        worst = next((call for call in bad if call.outcome == Outcome.DENIED), bad[0])
        return {
            "failed_at": worst.event_time,
            "failed_action": worst.action,
            "failed_denied": worst.outcome == Outcome.DENIED,
            "failed_error": worst.error_code,
            "failed_event_ids": [call.event_id for call in bad],
        }
    if saved is not None and never:
        when = saved["stopping_at"] or saved["stopped_at"] or saved["seen_at"]
        return {**none, "failed_at": when, "failed_denied": _unable(saved), "failed_error": saved["stop_code"]}
    return none


def _bad_calls(own: Sequence[_Call], created: Sequence[_Call], told: datetime | None) -> list[_Call]:
    """The failed calls that kept a volume from being created or attached; retries that healed are none."""
    if not created:
        return [call for call in own if call.event_name == "CreateVolume" and call.outcome in _BLOCKING]
    attach = [call for call in own if call.event_name == "AttachVolume" and call.outcome in _BLOCKING]
    if attach or any(call.event_name == "DetachVolume" for call in own):
        return attach  # what is detached had been attached, even if that record is missing
    deleted = [call.event_time for call in own if call.event_name == "DeleteVolume"]
    until = min([created[-1].event_time + _PROVISIONING, *deleted, *([told] if told else [])])
    polls = {Outcome.DENIED.value, Outcome.NOT_FOUND.value}
    return [
        call
        for call in own
        if call.event_name == "DescribeVolumes" and call.outcome in polls and call.event_time < until
    ]


_BLOCKING: Final = frozenset({Outcome.DENIED, Outcome.ERROR, Outcome.NOT_FOUND})


def _unable(saved: Row) -> bool:
    """ECS's status reason for a role it cannot assume (ECS Developer Guide, EBS volume status reasons)."""
    reason = " ".join(filter(None, (saved["attachment_status_reason"], saved["stopped_reason"])))
    return "unable to assume" in reason or "not authorized" in reason


def _told(
    life: Row, stops: Mapping[str, list[tuple[datetime, str]]], service: Service | None
) -> list[tuple[datetime, str]]:
    """When somebody told the task to stop: by `StopTask`, or all tasks of its service at once."""
    arn = life["task_arn"]
    found = list(stops.get(arn, ())) + list(stops.get(f"{life['account']}/{life['region']}/{last_part(arn)}", ()))
    if service is not None:
        whole = service.stop_after(life["launched_at"] or service.first_at)
        if whole is not None:
            found.append(whole)
    return found


def _stop(life: Row, calls: Sequence[_Call], saved: Row | None, told: Iterable[tuple[datetime, str]]) -> Row:
    signs = list(told)
    if saved and saved["stopping_at"] is not None:
        signs.append((saved["stopping_at"], ""))
    elif saved and saved["last_status"] in {*_FINAL, "DEPROVISIONING", "STOPPING", "DEACTIVATING"}:
        moment = saved["execution_stopped_at"] or saved["stopped_at"] or saved["seen_at"]
        if moment is not None:
            signs.append((moment, ""))
    if life["failed_at"] is None:
        for call in calls:
            if call.by_ecs and _is_teardown(call, life):
                signs.append((call.event_time, call.event_id))
                break
    if not signs:
        return {"stop_started_at": None, "stop_event_ids": []}
    first = min(moment for moment, _ in signs)
    return {"stop_started_at": first, "stop_event_ids": [event for moment, event in sorted(signs) if event]}


def _is_teardown(call: _Call, life: Row) -> bool:
    if call.event_name in {"DetachVolume", "DeleteVolume"}:
        return True
    if call.event_name != "DescribeVolumes" or call.outcome != Outcome.DENIED:
        return False
    provisioned = life["attached_at"] or (life["launched_at"] and life["launched_at"] + _PROVISIONING)
    return bool(provisioned is None or call.event_time >= provisioned)
