"""Kinds with another end: errors that heal, volumes deleted by people, volumes meant to stay, and TLS."""

from functools import partial

from ecs_trail.practice.agent import DENIED
from ecs_trail.practice.iam import aws_managed
from ecs_trail.practice.papers import Paper, document, managed_tls, trust, trust_principal, without
from ecs_trail.practice.records import Call, Caller
from ecs_trail.practice.stage import HOUR, MINUTE, Crew, Stage
from ecs_trail.practice.things import Secret, Task
from ecs_trail.practice.tls import ROTATION
from ecs_trail.practice.truth import Deed
from ecs_trail.vocabulary import FindingKind


def _hiccups(stage: Stage, crews: list[Crew], troubles: tuple[tuple[str, str, str], ...]) -> None:
    def act() -> None:
        for crew in crews:
            for task in crew.tasks:
                task.hiccups = stage.dice.sample(troubles, stage.dice.randint(1, min(2, len(troubles))))

    stage.world.at(stage.strike, act)


def volume_in_use_heals(stage: Stage) -> None:
    """The volume is still in use or in a wrong state at first; ECS tries again and succeeds."""
    stage.cast()
    stage.decoys()
    stage.past()
    crews = stage.victims()
    in_use = ("DeleteVolume", "Client.VolumeInUse", "Volume is currently attached to an instance")
    state = ("DetachVolume", "Client.IncorrectState", "Volume is in the 'busy' state.")
    deleting = ("DeleteVolume", "Client.IncorrectState", "The volume is in an incorrect state for this operation.")
    _hiccups(stage, crews, (in_use, state, deleting))
    stage.runners()
    stage.bystander()


def throttled_heals(stage: Stage) -> None:
    """ECS is throttled at first."""
    stage.cast()
    stage.decoys()
    stage.past()
    crews = stage.victims()
    code, text = "Client.RequestLimitExceeded", "Request limit exceeded."
    _hiccups(stage, crews, tuple((name, code, text) for name in ("DeleteVolume", "DetachVolume", "DescribeVolumes")))
    stage.runners()
    stage.bystander()


def deleted_by_person(stage: Stage) -> None:
    """The cleanup is blocked, and a person deletes some of the volumes by hand."""
    dice, fleet = stage.dice, stage.fleet
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.decoys()
    stage.past()
    crews = stage.victims()
    stage.runners()
    stage.bystander()
    person = stage.people.person()
    share = dice.choice((1.0, 0.5))

    def act() -> None:
        for task in [task for crew in crews for task in crew.tasks]:
            if task.stopping and dice.chance(share):
                if task.volume is not None and task.volume.detached_at is None:
                    fleet.detach_by_hand(person, task)
                at = stage.world.now + dice.randint(3, 120)
                stage.world.at(at, partial(fleet.delete_by_hand, person, task))

    stage.world.at(stage.strike + dice.randint(20, 33) * MINUTE, act)


def kept_by_design(stage: Stage) -> None:
    """Volumes of some tasks are meant to stay: without `ec2:DeleteVolume` these tasks stop, the others hang."""
    dice = stage.dice
    stage.cast("inline")
    paper = without(dice, frozenset({"ec2:DeleteVolume"}))
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, paper))
    stage.mend(stage.grant, share=0.4)
    stage.decoys()
    stage.past()
    stage.victims(crews=dice.randint(1, 2), keep=True)
    if dice.chance(0.7):
        stage.victims(crews=1)
    stage.crew(stage.before_strike(), keep=True)
    stage.runners()
    stage.bystander()


def tls_lifecycle_healthy(stage: Stage) -> None:
    """Service Connect TLS as it should be: issue, rotation, deletion with the service."""
    _tls(stage)
    if stage.dice.chance(0.5):
        end = stage.strike - stage.dice.randint(2, 10) * HOUR
        stage.world.at(end, lambda: stage.tls.delete_service(stage.anyone(), stage.tls.secrets[0]))


def tls_policy_detached(stage: Stage) -> None:
    """The TLS policy is detached; days later the next rotation fails."""
    dice = stage.dice
    _tls(stage)
    role = stage.tls_role
    policy = next(iter(stage.tls_policies))
    at = stage.dawn + dice.randint(20, 110) * HOUR
    stage.change(at, lambda who: stage.iam.detach(who, role, policy))
    if dice.chance(0.5):
        back = stage.dawn + ROTATION + dice.randint(2, 5) * HOUR
        stage.change(back, lambda who: stage.iam.attach(who, role, policy))
        stage.reach(back + 6 * HOUR)


def tls_role_deleted(stage: Stage) -> None:
    """The TLS role is taken apart in Terraform's order; the rotation that is due days later never comes."""
    _tls(stage)
    role, policy = stage.tls_role, stage.tls_policies[0]
    at, who = stage.dawn + stage.dice.randint(20, 110) * HOUR, stage.people.terraform()
    stage.change(at, lambda caller: stage.iam.detach(caller, role, policy), by=who)
    stage.change(at + 2, lambda caller: stage.iam.delete_role(caller, role), by=who)


def tls_authority_untagged(stage: Stage) -> None:
    """The private CA loses the tag that ECS needs: no role is to blame, and the rotation fails."""
    dice, tls = stage.dice, stage.tls
    _tls(stage)
    at = stage.dawn + dice.randint(20, 110) * HOUR
    stage.change(at, lambda who: stage.hands.untag(who, tls.secrets[0]), by=stage.people.person())
    if dice.chance(0.5):
        back = stage.dawn + ROTATION + dice.randint(2, 5) * HOUR
        stage.change(back, lambda who: stage.hands.tag(who, tls.secrets[0]), by=stage.people.person())
        stage.reach(back + 6 * HOUR)


def _tls(stage: Stage) -> None:
    """A TLS role with one or two services; the evidence spans the first rotation."""
    dice, tls = stage.dice, stage.tls
    stage.strike = stage.dawn + ROTATION + dice.randint(2, 20) * HOUR
    stage.reach(stage.strike + 8 * HOUR)
    stage.cast()
    role = stage.tls_role = stage.iam.new_role("ecsServiceConnectTls", dice.choice(("/", "/mesh/")))
    role.scopes = [stage.scope]
    name = "AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity"
    policy = aws_managed(stage.world, name, managed_tls())
    stage.tls_policies.append(policy)
    who = stage.anyone()
    authority: list[str] = []

    def begin() -> None:
        stage.iam.create_role(who, role, trust(dice))
        stage.iam.attach(who, role, policy)
        authority.append(tls.authority(who, stage.home.id, stage.scope))

    stage.world.at(stage.dawn + 50, begin)

    def serve(name: str) -> Secret:
        return tls.create_service(who, role, stage.scope, name, authority[0])

    for number in range(dice.randint(1, 2)):
        stage.world.at(stage.dawn + (10 + 7 * number) * MINUTE, partial(serve, f"gateway-{number}"))
    stage.past()
    stage.runners()


def loss_mid_cleanup(stage: Stage) -> None:
    """Some volumes are detached already when the right to detach goes: only the later loss, of deleting, hurts them."""
    dice = stage.dice
    stage.world.lag = dice.randint(0, 5)
    stage.cast("inline")
    second = stage.strike + dice.randint(20, 90)
    no_detach = without(dice, frozenset({"ec2:DetachVolume"}))
    neither = without(dice, frozenset({"ec2:DetachVolume", "ec2:DeleteVolume"}))
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, no_detach))
    stage.change(second, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, neither))
    stop = stage.strike - dice.randint(90, 150)
    crew = stage.crew(stage.before_strike(), stop, count=dice.randint(1, 2), how=dice.choice(("stop_task", "exit")))
    trouble = ("DeleteVolume", "Client.VolumeInUse", "Volume is currently attached to an instance")

    def hold(times: int) -> None:
        for task in crew.tasks:
            task.hiccups = [trouble] * times

    stage.world.at(stop - 1, lambda: hold(30))
    stage.world.at(second + stage.world.lag + 1, lambda: hold(0))
    stage.mend(stage.grant, share=0.5)
    stage.decoys()
    stage.past()
    for _ in range(dice.randint(1, 2)):
        stage.crew(stage.before_strike(), second + stage.world.lag + dice.randint(30, 600), count=dice.randint(1, 2))
    stage.reach(stage.strike + dice.randint(40, 90) * MINUTE)
    stage.runners()


def session_impersonated(stage: Stage) -> None:
    """A person assumes the role under ECS's session name and touches volumes; these calls are not ECS's own."""
    dice, world = stage.dice, stage.world
    stage.cast()
    root = trust_principal(f"arn:{world.partition}:iam::{stage.home.id}:root")
    both = trust(dice)
    paper = Paper(document(*both.json["Statement"], *root.json["Statement"]), both.rules)
    stage.change(stage.strike - 60, lambda who: stage.iam.set_trust(who, stage.role, paper), harmless=True)
    crew = stage.crew(stage.before_strike(), count=dice.randint(1, 2))
    stage.world.at(stage.strike, lambda: _impersonate(stage, crew.tasks))
    stage.usual()


def _impersonate(stage: Stage, tasks: list[Task]) -> None:
    role, place, dice = stage.role, stage.scope, stage.dice
    identity = stage.people.role_session(role.name, "ECSTaskVolumesForEBS", path=role.path)
    issuer = identity["sessionContext"]["sessionIssuer"]
    issuer["principalId"] = role.role_id
    identity["principalId"] = f"{role.role_id}:ECSTaskVolumesForEBS"
    person = Caller(identity, dice.public_ip(), "aws-cli/2.24.11 ua/2.0 os/linux#6.1 lang/python#3.12.9")
    for task in tasks:
        if task.volume is None:
            continue
        looking = {"volumeSet": {"items": [{"volumeId": task.volume.id}]}, "filterSet": {}}
        text = (
            f"You are not authorized to perform this operation. User: {person.arn} is not authorized to perform: "
            "ec2:DeleteVolume because no session policy allows the ec2:DeleteVolume action."
        )
        calls = (
            Call("ec2", "DescribeVolumes", role.account.id, place.region, looking, read_only=True),
            Call(
                "ec2", "DeleteVolume", role.account.id, place.region, {"volumeId": task.volume.id}, error=(DENIED, text)
            ),
        )
        ids = tuple(stage.world.ledger.write(stage.world.now, person, call) for call in calls)
        stage.deeds.append(Deed(FindingKind.SESSION_IMPERSONATION, ids, role=role))


def two_roles_broken(stage: Stage) -> None:
    """Two roles of one account lose their rights within minutes of each other, each through its own change."""
    dice = stage.dice
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    other = stage.iam.new_role(stage.names[2], "/")
    stage.found(other, "inline", at=stage.dawn + 30, scopes=(stage.scope,))
    second = stage.strike + dice.randint(-300, 300)
    stage.change(second, lambda who: stage.iam.delete_inline(who, other, stage.inline_name))
    for _ in range(dice.randint(1, 2)):
        stop = second + stage.world.lag + dice.randint(30, 600)
        stage.crew(stage.before_strike(), stop, count=dice.randint(1, 2), place=(other, stage.scope))
    stage.usual()
