"""Saved task states: `DescribeTasks` output and `ECS Task State Change` events, as people keep them beside the logs.

Shapes: *Amazon ECS API Reference*, DescribeTasks, and *ECS Developer Guide*, "Amazon ECS task state change events"
(read on 2026-11-24). Saving a state is also a truth for the answer: it shows a stop that no API call shows.
"""

from datetime import UTC, datetime, timedelta

from ecs_trail.practice.dice import Dice, iso
from ecs_trail.practice.records import Json
from ecs_trail.practice.things import Task

_UNABLE = (
    "ECS was unable to assume the configured ECS Infrastructure Role '{}'. Please verify that the role being passed "
    "has the proper trust relationship with Amazon ECS"
)


def describe_tasks(tasks: list[Task], now: int, dice: Dice) -> tuple[Json, int]:
    """`aws ecs describe-tasks` of these tasks at a moment; also the latest time inside, seconds UTC."""
    rows = [_row(task, now, dice) for task in tasks]
    known = ((t.launched_at, t.stopping_at, t.resolved_at, t.failed_at, t.given_up_at) for t in tasks)
    latest = max(stamp for times in known for stamp in times if stamp is not None)
    return {"tasks": rows, "failures": []}, latest


def state_change(task: Task, now: int, dice: Dice) -> Json:
    """The EventBridge event of one task at a moment."""
    row = _row(task, now, dice)
    for attachment in row["attachments"]:
        attachment["type"] = dice.choice(("AmazonElasticBlockStorage", "ebs"))
    row["updatedAt"] = iso(now)
    return {
        "version": "0",
        "id": dice.uuid(),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": task.role.account.id,
        "time": iso(now),
        "region": task.scope.region,
        "resources": [task.arn],
        "detail": row,
    }


def _row(task: Task, now: int, dice: Dice) -> Json:
    volume = task.volume
    stopping = task.stopping_at is not None and task.stopping_at <= now
    if stopping and task.stopping_at is not None:
        task.stop_signs.append(task.stopping_at)
    ended = task.given_up_at or task.failed_at or task.resolved_at
    stopping = stopping or task.failed_at is not None
    status = "RUNNING" if not stopping else "STOPPED" if ended is not None else "DEPROVISIONING"
    row: Json = {
        "taskArn": task.arn,
        "clusterArn": task.arn.replace(":task/", ":cluster/").rsplit("/", 1)[0],
        "availabilityZone": volume.zone if volume is not None else f"{task.scope.region}a",
        "lastStatus": status,
        "desiredStatus": "STOPPED" if stopping else "RUNNING",
        "launchType": "EC2" if task.ec2 else "FARGATE",
        "group": f"service:{task.service.name}" if task.service is not None else "family:batch",
        "connectivity": "CONNECTED",
        "createdAt": _precise(task.launched_at, dice),
        "attachments": _attachments(task, dice, stopping=stopping),
        "containers": [{"name": "app", "lastStatus": "STOPPED" if stopping else "RUNNING"}],
        "version": 7 if stopping else 4,
    }
    if stopping and task.stopping_at is not None:
        row["stoppingAt"] = iso(task.stopping_at)
        row["stopCode"] = "UserInitiated" if len(task.stop_signs) > 1 else "EssentialContainerExited"
        row["stoppedReason"] = "Essential container in task exited"
    elif task.failed_at is not None:
        row["stopCode"] = "TaskFailedToStart"
        row["stoppedReason"] = _UNABLE.format(task.role.arn)
    if stopping and ended is not None:
        row["stoppedAt"] = iso(ended)
    return row


def _attachments(task: Task, dice: Dice, *, stopping: bool) -> list[Json]:
    volume = task.volume
    if volume is None and task.failed_at is None:
        return []
    details = {"roleArn": task.role.arn}
    if volume is not None:
        details["volumeId"] = volume.id
    details |= {"volumeName": "data", "deleteOnTermination": "false" if task.keep else "true"}
    if stopping and any(not block.recorded for block in task.blocks + task.start_blocks):
        details["statusReason"] = _UNABLE.format(task.role.arn)
    status = "FAILED"
    if volume is not None and task.failed_at is None:
        status = "DELETED" if volume.gone else "DETACHED" if volume.detached_at is not None else "ATTACHED"
    pairs = [{"name": name, "value": value} for name, value in details.items()]
    return [{"id": dice.uuid(), "type": "AmazonElasticBlockStorage", "status": status, "details": pairs}]


def _precise(at: int, dice: Dice) -> str:
    """The AWS command line prints fractions of a second and an offset."""
    moment = datetime.fromtimestamp(at, UTC) - timedelta(microseconds=dice.randrange(1, 999) * 1000)
    return moment.isoformat(timespec="milliseconds")
