"""Saved task states: `DescribeTasks` output and `ECS Task State Change` events, as people keep them beside the logs.

Shapes: *Amazon ECS API Reference*, DescribeTasks, and *ECS Developer Guide*, "Amazon ECS task state change events"
(read on 2026-11-24). Saving a state is also a truth for the answer: it shows a stop that no API call shows.
"""

from datetime import UTC, datetime, timedelta

from ecs_trail.practice.dice import Dice, iso
from ecs_trail.practice.records import Json
from ecs_trail.practice.things import Task, Volume

_UNABLE = (
    "ECS was unable to assume the configured ECS Infrastructure Role '{}'. Please verify that the role being passed "
    "has the proper trust relationship with Amazon ECS"
)


def describe_tasks(tasks: list[Task], now: int, dice: Dice) -> tuple[Json, int]:
    """`aws ecs describe-tasks` of these tasks at a moment; also the latest time inside, seconds UTC."""
    rows = [_row(task, now, dice) for task in tasks]
    known = ((task.launched_at, task.stopping_at or 0, task.resolved_at or 0) for task in tasks)
    latest = max(stamp for times in known for stamp in times)
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
    status = "RUNNING" if not stopping else "STOPPED" if task.resolved_at is not None else "DEPROVISIONING"
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
        "attachments": [] if volume is None else [_attachment(task, volume, dice, stopping=stopping)],
        "containers": [{"name": "app", "lastStatus": "STOPPED" if stopping else "RUNNING"}],
        "version": 7 if stopping else 4,
    }
    if stopping and task.stopping_at is not None:
        row["stoppingAt"] = iso(task.stopping_at)
        row["stopCode"] = "UserInitiated" if len(task.stop_signs) > 1 else "EssentialContainerExited"
        row["stoppedReason"] = "Essential container in task exited"
        if task.resolved_at is not None:
            row["stoppedAt"] = iso(task.resolved_at)
    return row


def _attachment(task: Task, volume: Volume, dice: Dice, *, stopping: bool) -> Json:
    details = {
        "roleArn": task.role.arn,
        "volumeId": volume.id,
        "volumeName": "data",
        "deleteOnTermination": "false" if task.keep else "true",
    }
    if stopping and any(not block.recorded for block in task.blocks):
        details["statusReason"] = _UNABLE.format(task.role.arn)
    status = "DELETED" if volume.gone else "DETACHED" if volume.detached_at is not None else "ATTACHED"
    pairs = [{"name": name, "value": value} for name, value in details.items()]
    return {"id": dice.uuid(), "type": "AmazonElasticBlockStorage", "status": status, "details": pairs}


def _precise(at: int, dice: Dice) -> str:
    """The AWS command line prints fractions of a second and an offset."""
    moment = datetime.fromtimestamp(at, UTC) - timedelta(microseconds=dice.randrange(1, 999) * 1000)
    return moment.isoformat(timespec="milliseconds")
