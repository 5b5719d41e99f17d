"""How ECS makes and clears away the volume of a task, with its retries. Call shapes: *EC2 API Reference* and the EBS
pages on CloudTrail (read on 2026-11-24). The pauses between retries are not documented, so they are random and grow.
"""

from collections.abc import Generator
from typing import TypeAlias

from ecs_trail.practice.agent import DENIED, Agent, Session
from ecs_trail.practice.records import Call, Json, done
from ecs_trail.practice.things import Block, Task, Volume
from ecs_trail.practice.world import Process, tags_needed
from ecs_trail.vocabulary import ASSUME_ROLE

SESSION = "ECSTaskVolumesForEBS"
_NO_TAG_REASON = "because no identity-based policy allows the {} action"

Attempt: TypeAlias = Generator[int, None, bool]


class VolumeWork:
    """ECS's volume work for tasks."""

    def __init__(self, agent: Agent) -> None:
        """`describe_first`: whether this ECS looks at a volume before it detaches it."""
        self.agent = agent
        self.world = agent.world
        self.dice = agent.world.dice
        self.describe_first = self.dice.chance(0.5)
        self.longest_pause = self.dice.choice((300, 420, 600))

    # --- making -------------------------------------------------------------------------------------------------

    def provision(self, task: Task) -> Process:
        """Create, wait, attach; a few tries, then the task fails to start."""
        dice = self.dice
        yield dice.randint(3, 12)
        for _ in range(dice.randint(2, 4)):
            session = self.agent.session(task.role, SESSION, task.scope)
            if session is None:
                task.start_blocks.append(Block(self.world.now, ASSUME_ROLE, recorded=False))
            elif (yield from self._provision_once(task, session)):
                task.started = True
                return
            yield dice.randint(15, 60)
        task.failed_at = self.world.now
        yield from self._drop_leftover(task)

    def _provision_once(self, task: Task, session: Session) -> Attempt:
        dice = self.dice
        if task.volume is not None and task.volume.gone:
            return self._same_token(task, session)
        if task.volume is None and not self._create(task, session):
            return False
        volume = task.volume
        if volume is None:
            return False
        yield dice.randint(2, 6)
        if task.key is not None and not task.key.usable:
            return self._key_trouble(task, session, volume)
        for _ in range(dice.randint(1, 2)):
            if not self._describe(task, session, volume, starting=True):
                return False
            yield dice.randint(1, 4)
        request: Json = {"volumeId": volume.id, "instanceId": task.instance, "device": volume.device}
        request["deleteOnTermination"] = False
        at = self.world.now * 1000 + dice.randrange(1000)
        response = {"requestId": dice.uuid(), **request, "status": "attaching", "attachTime": at}
        if not self._call(task, session, "AttachVolume", request, response, volume=volume, starting=True):
            return False
        volume.attached_at, volume.instance = self.world.now, task.instance
        return True

    def _create_request(self, task: Task) -> Json:
        tags = [{"key": key, "value": value} for key, value in task.tags.items()]
        request: Json = {"size": str(task.size), "zone": task.zone, "volumeType": task.volume_type}
        request["encrypted"] = task.key is not None or task.encrypted
        if task.key is not None:
            request["kmsKeyId"] = task.key.arn
        request["clientToken"] = task.token
        request["tagSpecificationSet"] = {"items": [{"resourceType": "volume", "tags": tags}]}
        return request

    def _create(self, task: Task, session: Session) -> bool:
        dice, world = self.dice, self.world
        request, volume_id = self._create_request(task), f"vol-0{dice.hex(16)}"
        response: Json = {
            "requestId": dice.uuid(),
            "volumeId": volume_id,
            "size": str(task.size),
            "zone": task.zone,
            "status": "creating",
            "createTime": world.now * 1000 + dice.randrange(1000),
            "volumeType": task.volume_type,
            "iops": 3000,
            "encrypted": request["encrypted"],
            "tagSet": {"items": request["tagSpecificationSet"]["items"][0]["tags"]},
            "multiAttachEnabled": False,
        }
        if not self._call(task, session, "CreateVolume", request, response, starting=True):
            return False
        task.volume = Volume(volume_id, task.size, task.zone, dict(task.tags), world.now, instance=task.instance)
        return True

    def _key_trouble(self, task: Task, session: Session, volume: Volume) -> bool:
        """EBS checks the key after it has answered: the volume is never available and soon gone."""
        dice = self.dice
        task.failed_by_key = True
        if dice.chance(0.6):
            self._error(task, session, "DescribeVolumes", volume, _not_found(volume))
        text = f"Volume {volume.id} cannot be attached. The encrypted volume was unable to access the KMS key."
        self._error(task, session, "AttachVolume", volume, ("Client.CustomerKeyHasBeenRevoked", text))
        volume.deleted_at, volume.deleted_by = self.world.now, ""
        return False

    def _same_token(self, task: Task, session: Session) -> bool:
        """ECS asks again with the token it used before (*ECS Developer Guide*, troubleshooting EBS volumes)."""
        text = (
            "The client token you have provided is associated with a resource that is already deleted. "
            "Please use a different client token."
        )
        error = ("Client.IdempotentParameterMismatch", text)
        self._record(task, session, Call("ec2", "CreateVolume", "", "", self._create_request(task), None, error))
        return False

    def _drop_leftover(self, task: Task) -> Process:
        """A volume that could not be attached is deleted again (*ECS Developer Guide*, troubleshooting EBS volumes)."""
        volume = task.volume
        if volume is None or volume.deleted_at is not None:
            return
        yield self.dice.randint(5, 20)
        session = self.agent.session(task.role, SESSION, task.scope)
        if session is not None and self._call(
            task, session, "DeleteVolume", _delete_request(volume), done(self.dice), volume=volume, starting=True
        ):
            volume.deleted_at, volume.deleted_by = self.world.now, session.caller.arn

    # --- clearing away ------------------------------------------------------------------------------------------

    def stop(self, task: Task, *, after: int) -> None:
        """The task stops; ECS begins to clear away `after` seconds from now."""
        if not task.stopping:
            task.stopping_at = self.world.now
            self.world.spawn(self._teardown(task), self.world.now + after)

    def _teardown(self, task: Task) -> Process:
        pause = self.dice.randint(15, 45)
        while task.given_up_at is None:
            session = self.agent.session(task.role, SESSION, task.scope)
            if session is None:
                task.blocks.append(Block(self.world.now, ASSUME_ROLE, recorded=self.agent.record_refused_assume))
            elif (yield from self._clear_once(task, session)):
                return
            yield pause + self.dice.randint(0, 9)
            pause = min(int(pause * self.dice.uniform(1.3, 1.9)), self.longest_pause)

    def _clear_once(self, task: Task, session: Session) -> Attempt:
        dice, volume = self.dice, task.volume
        if volume is None:
            task.resolved_at = self.world.now
            return True
        if volume.gone:
            return self._already_gone(task, session, volume)
        if self.describe_first and not self._describe(task, session, volume):
            return False
        if volume.detached_at is None:
            if not self._detach(task, session, volume):
                return False
            yield dice.randint(3, 8)
            for _ in range(dice.randint(1, 2)):
                if not self._describe(task, session, volume):
                    return False
                yield dice.randint(1, 6)
        return (yield from self._delete(task, session, volume))

    def _delete(self, task: Task, session: Session, volume: Volume) -> Attempt:
        dice = self.dice
        if task.keep:
            task.resolved_at = volume.detached_at
            return True
        if volume.gone:  # deleted by somebody while ECS was waiting
            return self._already_gone(task, session, volume)
        if not self._call(task, session, "DeleteVolume", _delete_request(volume), done(dice), volume=volume):
            return False
        volume.deleted_at, volume.deleted_by = self.world.now, session.caller.arn
        task.resolved_at = self.world.now
        if dice.chance(0.4):
            yield dice.randint(1, 4)
            self._error(task, session, "DescribeVolumes", volume, _not_found(volume))
        return True

    def _already_gone(self, task: Task, session: Session, volume: Volume) -> bool:
        """Somebody else deleted it: ECS sees 'not found' and is content. The task was free from that deletion on."""
        name = self.dice.choice(("DescribeVolumes", "DeleteVolume"))
        task.resolved_at = volume.deleted_at
        reason = self.world.refusal(task.role, f"ec2:{name}", task.scope)
        if reason:
            # Without the right to look, ECS cannot know that it is done; it gives up some time later.
            resource = "" if name == "DescribeVolumes" else self._volume_arn(task, volume)
            text = self.agent.denied_text(session, f"ec2:{name}", resource, reason)
            self._error(task, session, name, volume, (DENIED, text))
            return self.dice.chance(0.4)
        self._error(task, session, name, volume, _not_found(volume))
        return True

    def _detach(self, task: Task, session: Session, volume: Volume) -> bool:
        dice = self.dice
        request: Json = {"volumeId": volume.id, "force": False}
        if task.ec2 and dice.chance(0.7):
            request["instanceId"] = volume.instance
        response = {
            "requestId": dice.uuid(),
            "volumeId": volume.id,
            "instanceId": volume.instance,
            "device": volume.device,
            "status": "detaching",
            "attachTime": (volume.attached_at or self.world.now) * 1000,
        }
        if not self._call(task, session, "DetachVolume", request, response, volume=volume):
            return False
        volume.detached_at = self.world.now
        return True

    def _describe(self, task: Task, session: Session, volume: Volume, *, starting: bool = False) -> bool:
        request = _describe_request(volume)
        return self._call(task, session, "DescribeVolumes", request, None, volume=volume, starting=starting)

    # --- one call -----------------------------------------------------------------------------------------------

    def _call(
        self,
        task: Task,
        session: Session,
        name: str,
        request: Json,
        response: Json | None,
        *,
        volume: Volume | None = None,
        starting: bool = False,
    ) -> bool:
        """Make one call; a refusal is recorded and remembered, an unlucky moment is recorded only."""
        world, reading = self.world, name == "DescribeVolumes"
        hiccup = next((item for item in task.hiccups if item[0] == name), None)
        action, reason = f"ec2:{name}", world.refusal(task.role, f"ec2:{name}", task.scope)
        if not reason and name == "CreateVolume":
            action, reason = "ec2:CreateTags", world.refusal(task.role, "ec2:CreateTags", task.scope)
        by_tags = not reason and volume is not None and self._blocked_by_tags(task, action, volume)
        if by_tags:
            reason = _NO_TAG_REASON.format(action)
        error: tuple[str, str] | None = None
        if reason:
            resource = "" if reading else self._volume_arn(task, volume)
            error = (DENIED, self.agent.denied_text(session, action, resource, reason))
            block = Block(world.now, action, recorded=True, tag_event=task.tag_event if by_tags else "")
            (task.start_blocks if starting else task.blocks).append(block)
            self._sign_of_stop(task, name, starting=starting)
        elif hiccup is not None and not starting:
            task.hiccups.remove(hiccup)
            error = (hiccup[1], hiccup[2])
            if not reading:
                self._sign_of_stop(task, name, starting=starting)
        elif not reading:
            self._sign_of_stop(task, name, starting=starting)
        self._record(task, session, Call("ec2", name, "", "", request, response, error, reading))
        return error is None

    def _blocked_by_tags(self, task: Task, action: str, volume: Volume) -> bool:
        if action not in {"ec2:DetachVolume", "ec2:DeleteVolume"} or not tags_needed(task.role, action, task.scope):
            return False
        # Detaching is bound to one reserved tag, deleting to both.
        return not volume.reserved if action == "ec2:DeleteVolume" else volume.tags.get("AmazonECSManaged") != "true"

    def _sign_of_stop(self, task: Task, name: str, *, starting: bool) -> None:
        if not starting and name in {"DetachVolume", "DeleteVolume", "DescribeVolumes"}:
            task.stop_signs.append(self.world.now)

    def _error(self, task: Task, session: Session, name: str, volume: Volume, error: tuple[str, str]) -> None:
        requests = {"DescribeVolumes": _describe_request(volume), "DeleteVolume": _delete_request(volume)}
        request = requests.get(name) or {"volumeId": volume.id, "instanceId": task.instance, "device": volume.device}
        self._record(task, session, Call("ec2", name, "", "", request, None, error, name == "DescribeVolumes"))

    def _record(self, task: Task, session: Session, call: Call) -> None:
        filled = Call(
            call.source, call.name, task.role.account.id, task.scope.region, call.request, call.response, call.error,
            call.read_only,
        )  # fmt: skip
        self.world.ledger.write(self.world.now, session.caller, filled)

    def _volume_arn(self, task: Task, volume: Volume | None) -> str:
        tail = volume.id if volume is not None else "*"
        return f"arn:{self.world.partition}:ec2:{task.scope.region}:{task.role.account.id}:volume/{tail}"


def _describe_request(volume: Volume) -> Json:
    return {"volumeSet": {"items": [{"volumeId": volume.id}]}, "filterSet": {}}


def _delete_request(volume: Volume) -> Json:
    return {"volumeId": volume.id, "reportVolumeFailure": False}


def _not_found(volume: Volume) -> tuple[str, str]:
    return ("Client.InvalidVolume.NotFound", f"The volume '{volume.id}' does not exist.")
