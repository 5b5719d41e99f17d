"""Kinds about the other purposes of the role: load balancers, VPC Lattice, Managed Instances, and all at once."""

from ecs_trail.practice.iam import aws_managed
from ecs_trail.practice.mesh import mesh
from ecs_trail.practice.papers import managed_for, trust
from ecs_trail.practice.records import Caller
from ecs_trail.practice.stage import HOUR, MINUTE, Stage
from ecs_trail.practice.world import Policy, Role
from ecs_trail.vocabulary import Purpose

_POLICIES = {
    Purpose.LOAD_BALANCERS: "AmazonECSInfrastructureRolePolicyForLoadBalancers",
    Purpose.LATTICE: "AmazonECSInfrastructureRolePolicyForVpcLattice",
    Purpose.MANAGED_INSTANCES: "AmazonECSInfrastructureRolePolicyForManagedInstances",
}
_GOOD_NAMES = ("ecsInstanceRole", "ecsInstanceRole-prod", "ecsInstanceRoleGpu")
_OTHER_NAMES = ("managed-instances-node", "prod-ec2-role", "EcsInstanceRole", "gpu-worker")


def _policy(stage: Stage, purpose: Purpose) -> Policy:
    return aws_managed(stage.world, _POLICIES[purpose], managed_for(purpose), "/")


def _second(stage: Stage, purpose: Purpose) -> tuple[Role, Policy]:
    """A role for a purpose: sometimes the main role itself, with one policy more."""
    dice, iam, policy = stage.dice, stage.iam, _policy(stage, purpose)
    who = stage.anyone()
    if dice.chance(0.4):
        stage.world.at(stage.dawn + 70, lambda: iam.attach(who, stage.role, policy))
        return stage.role, policy
    role = iam.new_role(
        dice.choice(("ecs-networking", "prod-ecs-lb", "infra-for-ecs", "computeInfra")), dice.choice(("/", "/ecs/"))
    )
    role.scopes = [stage.scope]

    def found() -> None:
        iam.create_role(who, role, trust(dice))
        iam.attach(who, role, policy)

    stage.world.at(stage.dawn + dice.randint(20, 60), found)
    return role, policy


def _scenery(stage: Stage) -> None:
    stage.decoys()
    stage.past()
    stage.runners()
    stage.bystander()
    stage.reach(stage.strike + stage.dice.randint(60, 110) * MINUTE)


def _broken(stage: Stage, role: Role, policy: Policy) -> None:
    """The policy goes at the strike and perhaps comes back."""
    stage.change(stage.strike, lambda who: stage.iam.detach(who, role, policy))
    stage.mend(lambda who: stage.iam.attach(who, role, policy), share=0.5)


def load_balancer_policy_detached(stage: Stage) -> None:
    """The policy for load balancers is detached; the next deployment cannot register its targets."""
    dice, purposes = stage.dice, stage.purposes
    stage.cast()
    role, policy = _second(stage, Purpose.LOAD_BALANCERS)
    name, who = stage.service_name(), stage.anyone()
    stage.world.at(stage.before_strike(), lambda: purposes.balanced_service(who, role, stage.scope, name))
    _broken(stage, role, policy)
    for _ in range(dice.randint(1, 2)):
        at = stage.strike + stage.world.lag + dice.randint(2, 20) * MINUTE
        stage.world.at(at, lambda: purposes.deploy(who, role, stage.scope, name))
    _scenery(stage)


def lattice_targets_refused(stage: Stage) -> None:
    """Lattice answers `RegisterTargets` with success and lists the targets it did not take."""
    dice, purposes = stage.dice, stage.purposes
    stage.cast()
    role, _ = _second(stage, Purpose.LATTICE)
    names, who = [stage.service_name(), stage.service_name()], stage.anyone()
    times = dice.choice((1, 2, 99))
    good = stage.before_strike()
    stage.world.at(good, lambda: purposes.lattice_service(who, role, stage.scope, names[0]))
    stage.world.at(stage.strike, lambda: purposes.lattice_service(who, role, stage.scope, names[1], failing=times))
    _scenery(stage)


def managed_instances_pass_role(stage: Stage) -> None:
    """The instance role has a name that the managed policy does not let ECS pass: no instance ever starts."""
    dice, purposes = stage.dice, stage.purposes
    stage.cast()
    role, _ = _second(stage, Purpose.MANAGED_INSTANCES)
    name, who = dice.choice(_OTHER_NAMES), stage.anyone()
    stage.world.at(stage.strike, lambda: purposes.capacity_provider(who, role, stage.scope, name))
    for _ in range(dice.randint(1, 2)):
        at = stage.strike + dice.randint(1, 15) * MINUTE
        stage.world.at(at, lambda: purposes.instances(role, stage.scope, name))
    _scenery(stage)


def managed_instances_policy_detached(stage: Stage) -> None:
    """The policy for Managed Instances is detached; ECS cannot launch instances any more."""
    dice, purposes = stage.dice, stage.purposes
    stage.cast()
    role, policy = _second(stage, Purpose.MANAGED_INSTANCES)
    name, who, good = dice.choice(_GOOD_NAMES), stage.anyone(), stage.before_strike()
    stage.world.at(good, lambda: purposes.capacity_provider(who, role, stage.scope, name))
    stage.world.at(good + 30, lambda: purposes.instances(role, stage.scope, name))
    _broken(stage, role, policy)
    for _ in range(dice.randint(1, 2)):
        at = stage.strike + stage.world.lag + dice.randint(1, 20) * MINUTE
        stage.world.at(at, lambda: purposes.instances(role, stage.scope, name))
    _scenery(stage)


def all_purposes_healthy(stage: Stage) -> None:
    """One role serves every purpose, and everything works."""
    dice, purposes, iam = stage.dice, stage.purposes, stage.iam
    made = mesh(stage)
    role, who, name = made.role, stage.anyone(), dice.choice(_GOOD_NAMES)

    def widen(caller: Caller) -> None:
        for purpose in dice.sample(list(_POLICIES), len(_POLICIES)):
            iam.attach(caller, role, _policy(stage, purpose))
        iam.attach(caller, role, stage.managed())

    stage.change(stage.dawn + 3 * MINUTE, widen, by=who)
    one, two = stage.service_name(), stage.service_name()
    begin = stage.dawn + dice.randint(20, 50) * MINUTE
    stage.world.at(begin, lambda: purposes.balanced_service(who, role, stage.scope, one))
    stage.world.at(begin + 40, lambda: purposes.lattice_service(who, role, stage.scope, two))
    stage.world.at(begin + 90, lambda: purposes.capacity_provider(who, role, stage.scope, name))
    stage.world.at(begin + 120, lambda: purposes.instances(role, stage.scope, name))
    stage.world.at(begin + 5 * HOUR, lambda: purposes.deploy(who, role, stage.scope, one))
    launch = begin + dice.randint(2, 9) * HOUR
    stage.crew(launch, launch + dice.randint(1, 9) * HOUR, count=dice.randint(1, 2), place=(role, stage.scope))
    tags = {"roleName": role.name, "tags": [{"key": "owner", "value": "platform"}]}
    stage.change(launch, lambda caller: iam.harmless(caller, "TagRole", tags), harmless=True)
