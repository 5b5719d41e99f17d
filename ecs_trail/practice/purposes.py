"""How ECS serves load balancers, VPC Lattice and Managed Instances with an infrastructure role, with its retries.

Roles of these purposes and their sessions: *ECS Developer Guide*, "Amazon ECS infrastructure IAM role" and the pages of
its managed policies; call shapes: *Elastic Load Balancing*, *VPC Lattice* and *EC2 API Reference* (read on 2026-11-24).
The order of the calls is not documented.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ecs_trail.practice.agent import DENIED, Agent, Session
from ecs_trail.practice.papers import Scope
from ecs_trail.practice.records import Call, Caller, Json, done
from ecs_trail.practice.world import Process, Role
from ecs_trail.vocabulary import Purpose

SCHEDULER: Final = "ecs-service-scheduler"
_SESSIONS: Final = {
    Purpose.LATTICE: ("ECSNetworkingWithVPCLattice",),
    Purpose.LOAD_BALANCERS: ("ECSNetworkingWithELB",),
}
#: The documented name, and the one that real error messages show.
_COMPUTE: Final = ("ECSManagedInstancesForCompute", "ECSManagedInstances")


@dataclass(slots=True, eq=False)
class Work:
    """One thing ECS does for a purpose, until it is done. `blocks`: moments of refusal; `freed_at`: done after them."""

    purpose: Purpose
    role: Role
    scope: Scope
    blocks: list[int] = field(default_factory=list)
    freed_at: int | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One call of ECS within its work. `hidden`: it is answered, but the answer names what failed.

    `passed`: the role that the call hands on, `barred` where no policy covers its name.
    """

    session: str
    action: str
    target: str
    request: Json
    response: Json | None = None
    reading: bool = False
    hidden: bool = False
    passed: str = ""
    barred: bool = False


Asks: TypeAlias = Callable[[], Iterator[Ask]]
Attempt: TypeAlias = Generator[int, None, bool]


class PurposeWork:
    """ECS's work for the purposes beside volumes and TLS."""

    def __init__(self, agent: Agent) -> None:
        """Works are kept in order of beginning."""
        self.agent = agent
        self.world = agent.world
        self.dice = agent.world.dice
        self.works: list[Work] = []

    # --- load balancers ---------------------------------------------------------------------------------------------

    def balanced_service(self, caller: Caller, role: Role, scope: Scope, name: str) -> str:
        """`CreateService` for blue/green deployments behind a load balancer; returns the ARN of its target group."""
        group, listener = self._balancer(role, scope, name)
        advanced = {"alternateTargetGroupArn": group.replace("-blue/", "-green/"), "roleArn": role.arn}
        advanced["productionListenerRule"] = listener
        balancer: Json = {"targetGroupArn": group, "containerName": "app", "containerPort": 8080}
        balancer["advancedConfiguration"] = advanced
        self._service(caller, role, scope, name, {"loadBalancers": [balancer]})
        self._register(role, scope, group)
        return group

    def deploy(self, caller: Caller, role: Role, scope: Scope, name: str) -> None:
        """`UpdateService`: new tasks are registered, then the listener rule is turned to them."""
        group, listener = self._balancer(role, scope, name)
        request = {"cluster": scope.cluster, "service": name, "taskDefinition": f"{name}:{self.dice.randint(61, 90)}"}
        shown = {"service": {"serviceName": name, "status": "ACTIVE"}}
        self._ecs(caller, (role, scope), "UpdateService", request, shown)
        self._register(role, scope, group)
        weights = {"type": "forward", "targetGroupArn": group}
        rule = {"ruleArn": listener, "actions": [weights]}
        ask = Ask(
            _SESSIONS[Purpose.LOAD_BALANCERS][0], "elasticloadbalancing:ModifyRule", listener, rule, {"rules": [rule]}
        )
        self._begin(Purpose.LOAD_BALANCERS, role, scope, lambda: iter([ask]))

    def _register(self, role: Role, scope: Scope, group: str) -> None:
        target: Json = {"targetGroupArn": group, "targets": [{"id": self._address(), "port": 8080}]}
        looking = Ask(SCHEDULER, "elasticloadbalancing:DescribeTargetHealth", group, target, reading=True)
        register = Ask(SCHEDULER, "elasticloadbalancing:RegisterTargets", group, target, {})
        self._begin(Purpose.LOAD_BALANCERS, role, scope, lambda: iter([register, looking]))

    def _balancer(self, role: Role, scope: Scope, name: str) -> tuple[str, str]:
        place = f"arn:{self.world.partition}:elasticloadbalancing:{scope.region}:{role.account.id}"
        # One service always has the same group and rule; their ids are taken from what is fixed.
        tail = f"{sum(map(ord, name + role.account.id)):016x}"
        return f"{place}:targetgroup/{name}-blue/{tail}", f"{place}:listener-rule/app/{name}/{tail}/{tail}/{tail}"

    # --- VPC Lattice ------------------------------------------------------------------------------------------------

    def lattice_service(self, caller: Caller, role: Role, scope: Scope, name: str, *, failing: int = 0) -> None:
        """`CreateService` with a Lattice target group; the first `failing` registrations are answered, yet fail."""
        group = f"tg-0{self.dice.hex(16)}"
        arn = f"arn:{self.world.partition}:vpc-lattice:{scope.region}:{role.account.id}:targetgroup/{group}"
        configuration = {"roleArn": role.arn, "targetGroupArn": arn, "portName": "http"}
        self._service(caller, role, scope, name, {"vpcLatticeConfigurations": [configuration]})
        (session,), target = _SESSIONS[Purpose.LATTICE], {"id": self._address(), "port": 8080}
        look: Json = {"targetGroupIdentifier": arn}
        left = [failing]

        def asks() -> Iterator[Ask]:
            yield Ask(session, "vpc-lattice:GetTargetGroup", arn, look, reading=True)
            failed = left[0] > 0
            left[0] -= 1
            why = {"failureCode": "TargetNotReachable", "failureMessage": "The target could not be registered."}
            shown: Json = {
                "successful": [] if failed else [target],
                "unsuccessful": [{**target, **why}] if failed else [],
            }
            request = {**look, "targets": [target]}
            yield Ask(session, "vpc-lattice:RegisterTargets", arn, request, shown, hidden=failed)
            yield Ask(session, "vpc-lattice:ListTargets", arn, look, reading=True)

        self._begin(Purpose.LATTICE, role, scope, asks)

    # --- Managed Instances ------------------------------------------------------------------------------------------

    def capacity_provider(self, caller: Caller, role: Role, scope: Scope, instance_role: str) -> None:
        """`CreateCapacityProvider` for Managed Instances, which run with the instance role of that name."""
        account = role.account.id
        profile = f"arn:{self.world.partition}:iam::{account}:instance-profile/{instance_role}"
        network = {"subnets": [f"subnet-0{self.dice.hex(16)}"], "securityGroups": [f"sg-0{self.dice.hex(16)}"]}
        template = {"ec2InstanceProfileArn": profile, "networkConfiguration": network}
        name = self.dice.choice(("managed-ec2", "gpu-pool", "general"))
        provider = {"infrastructureRoleArn": role.arn, "instanceLaunchTemplate": template}
        request = {"name": name, "cluster": scope.cluster, "managedInstancesProvider": provider}
        arn = f"arn:{self.world.partition}:ecs:{scope.region}:{account}:capacity-provider/{name}"
        shown = {"capacityProvider": {"capacityProviderArn": arn, "name": name, "status": "ACTIVE"}}
        self._ecs(caller, (role, scope), "CreateCapacityProvider", request, shown)

    def instances(self, role: Role, scope: Scope, instance_role: str) -> None:
        """ECS needs instances: a launch template, then a fleet or single instances."""
        session = self.dice.choice(_COMPUTE)
        passed = f"arn:{self.world.partition}:iam::{role.account.id}:role/{instance_role}"
        # The managed policy lets ECS pass instance roles of that name only.
        barred = not instance_role.startswith("ecsInstanceRole")
        place = f"arn:{self.world.partition}:ec2:{scope.region}:{role.account.id}"
        template = f"lt-0{self.dice.hex(16)}"
        create = {"CreateLaunchTemplateRequest": {"LaunchTemplateName": f"ecs-{self.dice.hex(8)}"}}
        made = {"CreateLaunchTemplateResponse": {"launchTemplate": {"launchTemplateId": template}}}
        if self.dice.chance(0.5):
            name, request = "CreateFleet", {"CreateFleetRequest": {"Type": "instant", "LaunchTemplateId": template}}
            shown: Json = {"CreateFleetResponse": {"fleetId": f"fleet-{self.dice.uuid()}"}}
        else:
            name, request = "RunInstances", {"launchTemplate": {"launchTemplateId": template}}
            shown = {"instancesSet": {"items": [{"instanceId": f"i-0{self.dice.hex(16)}"}]}}
        first = Ask(
            session, "ec2:CreateLaunchTemplate", f"{place}:launch-template/*", create, {**done(self.dice), **made}
        )
        launch = Ask(
            session,
            f"ec2:{name}",
            f"{place}:instance/*",
            request,
            {**done(self.dice), **shown},
            passed=passed,
            barred=barred,
        )
        ready = [first]

        def asks() -> Iterator[Ask]:
            while ready:
                yield ready[0]
                ready.pop()
            yield launch

        self._begin(Purpose.MANAGED_INSTANCES, role, scope, asks)

    # --- trying until it is done ------------------------------------------------------------------------------------

    def _begin(self, purpose: Purpose, role: Role, scope: Scope, asks: Asks) -> None:
        work = Work(purpose, role, scope)
        self.works.append(work)
        role.used = True
        self.world.spawn(self._until_done(work, asks), self.world.now + self.dice.randint(5, 40))

    def _until_done(self, work: Work, asks: Asks) -> Process:
        pause = self.dice.randint(60, 240)
        while True:
            if (yield from self._once(work, asks)):
                if work.blocks:
                    work.freed_at = self.world.now
                return
            work.blocks.append(self.world.now)
            yield pause
            pause = min(int(pause * 1.6), 1800)

    def _once(self, work: Work, asks: Asks) -> Attempt:
        for ask in asks():
            session = self.agent.session(work.role, ask.session, work.scope)
            if session is None or not self._call(work, session, ask):
                return False
            yield self.dice.randint(1, 5)
        return True

    def _call(self, work: Work, session: Session, ask: Ask) -> bool:
        world, (source, name) = self.world, ask.action.split(":")
        action, reason, target = ask.action, world.refusal(work.role, ask.action, work.scope), ask.target
        if not reason and ask.passed:
            action, target = "iam:PassRole", ask.passed
            reason = world.refusal(work.role, action, work.scope)
            if ask.barred:
                reason = f"because no identity-based policy allows the {action} action"
        error: tuple[str, str] | None = None
        if reason and source == "ec2":
            error = (DENIED, self.agent.denied_text(session, action, target, reason))
        elif reason:
            text = f"User: {session.caller.arn} is not authorized to perform: {action} on resource: {target} {reason}"
            error = ("AccessDenied" if source == "elasticloadbalancing" else "AccessDeniedException", text)
        place = (work.role.account.id, work.scope.region)
        call = Call(source, name, *place, ask.request, None if ask.reading else ask.response, error, ask.reading)
        world.ledger.write(world.now, session.caller, call)
        return error is None and not ask.hidden

    # --- bodies -----------------------------------------------------------------------------------------------------

    def _address(self) -> str:
        return f"10.{self.dice.randint(0, 15)}.{self.dice.randint(0, 255)}.{self.dice.randint(4, 250)}"

    def _service(self, caller: Caller, role: Role, scope: Scope, name: str, more: Json) -> None:
        request: Json = {"cluster": scope.cluster, "serviceName": name, "taskDefinition": f"{name}:7"}
        request |= {"desiredCount": self.dice.randint(1, 4), **more}
        arn = f"arn:{self.world.partition}:ecs:{scope.region}:{role.account.id}:service/{scope.cluster}/{name}"
        shown = {"service": {"serviceArn": arn, "serviceName": name, "status": "ACTIVE"}}
        role.used = True
        self._ecs(caller, (role, scope), "CreateService", request, shown)

    def _ecs(self, caller: Caller, place: tuple[Role, Scope], name: str, request: Json, response: Json) -> None:
        role, scope = place
        call = Call("ecs", name, role.account.id, scope.region, request, response)
        self.world.ledger.write(self.world.now, caller, call)
