"""What people do with ECS and with its volumes: run, stop, scale, delete; and volumes touched by hand.

Shapes: *Amazon ECS API Reference* (RunTask, StopTask, CreateService, UpdateService, DeleteService) and *EC2 API
Reference* (read on 2026-11-24). A launch by the service scheduler leaves no RunTask record.
"""

from typing import Final

from ecs_trail.practice.dice import clock_text
from ecs_trail.practice.papers import Scope
from ecs_trail.practice.records import Call, Caller, Json, done
from ecs_trail.practice.things import Key, Service, Task
from ecs_trail.practice.volumes import VolumeWork
from ecs_trail.practice.world import Role, World
from ecs_trail.vocabulary import TAG_CREATED, TAG_MANAGED

_SIZES: Final = (5, 10, 10, 20, 50, 100, 250)


class Fleet:
    """All tasks and services of the incident, and the calls that steer them."""

    def __init__(self, work: VolumeWork) -> None:
        """Tasks are kept in launch order."""
        self.work = work
        self.world: World = work.world
        self.dice = work.world.dice
        self.tasks: list[Task] = []
        self.services: list[Service] = []

    # --- launching ----------------------------------------------------------------------------------------------

    def make_task(
        self, role: Role, scope: Scope, *, service: Service | None = None, keep: bool = False, key: Key | None = None
    ) -> Task:
        """A task that is about to start."""
        dice, account = self.dice, role.account.id
        arn = f"arn:{self.world.partition}:ecs:{scope.region}:{account}:task/{scope.cluster}/{dice.hex(32)}"
        size = service.size if service is not None else dice.choice(_SIZES)
        task = Task(arn, role, scope, service, size, keep, key, dice.chance(0.5), self.world.now)
        task.token, task.instance = dice.uuid(), f"i-0{dice.hex(16)}"
        task.zone, task.volume_type = scope.region + dice.choice("abc"), dice.choice(("gp3", "gp3", "gp2", "io2"))
        task.encrypted = dice.chance(0.5)
        role.used = True
        self.tasks.append(task)
        if service is not None:
            service.tasks.append(task)
        return task

    def run_task(
        self, caller: Caller, role: Role, scope: Scope, *, count: int = 1, keep: bool = False, key: Key | None = None
    ) -> list[Task]:
        """`RunTask` with a managed volume for each task."""
        tasks = [self.make_task(role, scope, keep=keep, key=key) for _ in range(count)]
        request = self._run_request(role, scope, count=count, keep=keep, size=tasks[0].size)
        if key is not None:
            request["volumeConfigurations"][0]["managedEBSVolume"]["kmsKeyId"] = key.arn
        for task in tasks:
            task.size = tasks[0].size
        response: Json = {"tasks": [self._shown(task, request) for task in tasks], "failures": []}
        self._ecs(caller, "RunTask", (role, scope), request, response)
        for task in tasks:
            self.world.spawn(self.work.provision(task), self.world.now)
        return tasks

    def refused_run(self, caller: Caller, role: Role, scope: Scope) -> str:
        """A launch refused because the caller may not pass the role: there is no task."""
        name = self.dice.choice(("RunTask", "RunTask", "CreateService"))
        request = self._run_request(role, scope, count=1, keep=False, size=10)
        if name == "CreateService":
            request = self._service_request(Service("api", role, scope, tagged=True), count=2)
        text = (
            f"User: {caller.arn} is not authorized to perform: iam:PassRole on resource: {role.arn} "
            "because no identity-based policy allows the iam:PassRole action"
        )
        code = self.dice.choice(("AccessDenied", "AccessDeniedException"))
        call = Call("ecs", name, role.account.id, scope.region, request, error=(code, text))
        return self.world.ledger.write(self.world.now, caller, call)

    def create_service(
        self, caller: Caller, role: Role, scope: Scope, *, name: str, count: int, tagged: bool = True
    ) -> Service:
        """`CreateService`; its scheduler then launches the tasks on its own."""
        service = Service(name, role, scope, tagged, self.dice.choice(_SIZES))
        self.services.append(service)
        request = self._service_request(service, count=count)
        self._ecs(caller, "CreateService", (role, scope), request, {"service": self._service_shown(service, count)})
        for _ in range(count):
            self.world.at(self.world.now + self.dice.randint(4, 40), lambda: self.start_service_task(service))
        return service

    def start_service_task(self, service: Service) -> Task:
        """The scheduler starts one task of the service."""
        task = self.make_task(service.role, service.scope, service=service)
        self.world.spawn(self.work.provision(task), self.world.now)
        return task

    def service(self, name: str, role: Role) -> Service:
        """The service of that name that uses the role."""
        return next(service for service in self.services if service.name == name and service.role is role)

    def alone(self, role: Role) -> list[Task]:
        """Tasks of the role that no service launched, in launch order."""
        return [task for task in self.tasks if task.role is role and task.service is None]

    # --- stopping -----------------------------------------------------------------------------------------------

    def stop_task(self, caller: Caller, task: Task) -> None:
        """`StopTask`: visible in the trail."""
        name = task.arn if self.dice.chance(0.5) else task.arn.rsplit("/", 1)[1]
        request = {
            "cluster": task.scope.cluster,
            "task": name,
            "reason": self.dice.choice(("deploy", "manual", "drain")),
        }
        shown = {
            "taskArn": task.arn,
            "clusterArn": self._cluster_arn(task),
            "lastStatus": "RUNNING",
            "desiredStatus": "STOPPED",
            "stopCode": "UserInitiated",
            "startedBy": f"ecs-svc/{self.dice.hex(16)}" if task.service else "",
        }
        self._ecs(caller, "StopTask", (task.role, task.scope), request, {"task": shown})
        task.stop_signs.append(self.world.now)
        self.work.stop(task, after=self.dice.randint(6, 40))

    def let_exit(self, task: Task) -> None:
        """The task ends by itself: no record of the stop, only what ECS then does."""
        self.work.stop(task, after=self.dice.randint(2, 12))

    def scale(self, caller: Caller, service: Service, count: int) -> None:
        """`UpdateService` to a lower count; to zero it is a visible stop of all its tasks."""
        request = {"cluster": service.scope.cluster, "service": service.name, "desiredCount": count}
        shown = {"service": self._service_shown(service, count)}
        self._ecs(caller, "UpdateService", (service.role, service.scope), request, shown)
        alive = [task for task in service.tasks if not task.stopping and task.failed_at is None]
        for task in alive[count:]:
            self._end_service_task(task, visible=count == 0)

    def delete_service(self, caller: Caller, service: Service) -> None:
        """`DeleteService`: all its tasks stop."""
        request = {"cluster": service.scope.cluster, "service": service.name, "force": True}
        shown = {"service": {**self._service_shown(service, 0), "status": "DRAINING"}}
        self._ecs(caller, "DeleteService", (service.role, service.scope), request, shown)
        service.gone = True
        for task in service.tasks:
            if not task.stopping and task.failed_at is None:
                self._end_service_task(task, visible=True)

    def _end_service_task(self, task: Task, *, visible: bool) -> None:
        service = task.service
        if visible:
            if service is not None and not service.tagged:
                # Without managed tags nothing in the trail ties the task to its service for sure.
                task.unsure.append("stop_started_at")
            task.stop_signs.append(self.world.now)
        self.work.stop(task, after=self.dice.randint(6, 40))

    # --- by hand ------------------------------------------------------------------------------------------------

    def detach_by_hand(self, caller: Caller, task: Task) -> str:
        """A person detaches the volume."""
        volume = task.volume
        if volume is None:
            return ""
        volume.detached_at = volume.detached_at or self.world.now
        request: Json = {"volumeId": volume.id, "instanceId": volume.instance, "force": True}
        response = {"requestId": self.dice.uuid(), **request, "status": "detaching"}
        return self._ec2(caller, "DetachVolume", task, request, response)

    def delete_by_hand(self, caller: Caller, task: Task) -> str:
        """A person deletes the volume; the task is free from then on."""
        volume = task.volume
        if volume is None:
            return ""
        volume.deleted_at, volume.deleted_by = self.world.now, caller.arn
        if task.stopping:
            task.resolved_at = self.world.now
        return self._ec2(caller, "DeleteVolume", task, {"volumeId": volume.id}, done(self.dice))

    def untag(self, caller: Caller, tasks: list[Task], keys: tuple[str, ...]) -> str:
        """`DeleteTags` of reserved tags, on several volumes at once."""
        items = [{"key": key} for key in keys]
        event_id = self._tags(caller, "DeleteTags", tasks, items)
        for task in tasks:
            if task.volume is not None:
                for key in keys:
                    task.volume.tags.pop(key, None)
                task.tag_event = event_id
        return event_id

    def retag(self, caller: Caller, tasks: list[Task], tags: dict[str, str]) -> str:
        """`CreateTags`: overwrites tags; with the right values it is a repair."""
        event_id = self._tags(caller, "CreateTags", tasks, [{"key": k, "value": v} for k, v in tags.items()])
        for task in tasks:
            if task.volume is not None:
                task.volume.tags.update(tags)
                if not task.volume.reserved:
                    task.tag_event = event_id
        return event_id

    def restore_tags(self, caller: Caller, task: Task) -> str:
        """Put the reserved tags of one task back."""
        return self.retag(caller, [task], {TAG_CREATED: task.arn, TAG_MANAGED: "true"})

    def _tags(self, caller: Caller, name: str, tasks: list[Task], items: list[dict[str, str]]) -> str:
        ids = [{"resourceId": task.volume.id} for task in tasks if task.volume is not None]
        request: Json = {"resourcesSet": {"items": ids}, "tagSet": {"items": items}}
        return self._ec2(caller, name, tasks[0], request, done(self.dice))

    # --- bodies -------------------------------------------------------------------------------------------------

    def _ec2(self, caller: Caller, name: str, task: Task, request: Json, response: Json) -> str:
        call = Call("ec2", name, task.role.account.id, task.scope.region, request, response)
        return self.world.ledger.write(self.world.now, caller, call)

    def _ecs(self, caller: Caller, name: str, place: tuple[Role, Scope], request: Json, response: Json) -> str:
        role, scope = place
        call = Call("ecs", name, role.account.id, scope.region, request, response)
        return self.world.ledger.write(self.world.now, caller, call)

    def _cluster_arn(self, task: Task) -> str:
        return f"arn:{self.world.partition}:ecs:{task.scope.region}:{task.role.account.id}:cluster/{task.scope.cluster}"

    def _volume_configuration(self, role: Role, size: int) -> Json:
        return {"roleArn": role.arn, "sizeInGiB": size, "volumeType": "gp3", "encrypted": True, "filesystemType": "xfs"}

    def _run_request(self, role: Role, scope: Scope, *, count: int, keep: bool, size: int) -> Json:
        volume = self._volume_configuration(role, size)
        if keep or self.dice.chance(0.6):
            volume["terminationPolicy"] = {"deleteOnTermination": not keep}
        family = self.dice.choice(("batch-import", "nightly-report", "etl", "backfill"))
        return {
            "cluster": scope.cluster,
            "taskDefinition": f"{family}:{self.dice.randint(1, 90)}",
            "count": count,
            "launchType": self.dice.choice(("FARGATE", "EC2")),
            "enableECSManagedTags": self.dice.chance(0.3),
            "enableExecuteCommand": False,
            "volumeConfigurations": [{"name": "data", "managedEBSVolume": volume}],
        }

    def _service_request(self, service: Service, *, count: int) -> Json:
        volume = self._volume_configuration(service.role, service.size)
        request: Json = {
            "cluster": service.scope.cluster,
            "serviceName": service.name,
            "taskDefinition": f"{service.name}:{self.dice.randint(1, 90)}",
            "desiredCount": count,
            "launchType": self.dice.choice(("FARGATE", "EC2")),
            "volumeConfigurations": [{"name": "data", "managedEBSVolume": volume}],
        }
        if service.tagged:
            request["enableECSManagedTags"] = True
        return request

    def _service_shown(self, service: Service, count: int) -> Json:
        place = f"arn:{self.world.partition}:ecs:{service.scope.region}:{service.role.account.id}"
        return {
            "serviceArn": f"{place}:service/{service.scope.cluster}/{service.name}",
            "serviceName": service.name,
            "clusterArn": f"{place}:cluster/{service.scope.cluster}",
            "status": "ACTIVE",
            "desiredCount": count,
            "enableECSManagedTags": service.tagged,
        }

    def _shown(self, task: Task, request: Json) -> Json:
        details = [
            {"name": "roleArn", "value": task.role.arn},
            {"name": "volumeName", "value": "data"},
            {"name": "deleteOnTermination", "value": "false" if task.keep else "true"},
        ]
        place = f"arn:{self.world.partition}:ecs:{task.scope.region}:{task.role.account.id}"
        attachment = {"id": self.dice.uuid(), "type": "AmazonElasticBlockStorage", "status": "PRECREATED"}
        return {
            "taskArn": task.arn,
            "clusterArn": self._cluster_arn(task),
            "taskDefinitionArn": f"{place}:task-definition/{request['taskDefinition']}",
            "attachments": [{**attachment, "details": details}],
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "launchType": request["launchType"],
            "createdAt": clock_text(self.world.now, comma=True),
        }
