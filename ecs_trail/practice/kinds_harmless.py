"""Kinds in which something changes and nothing breaks, or nothing hangs."""

from ecs_trail.practice.iam import Iam
from ecs_trail.practice.papers import (
    TEARDOWN,
    Scope,
    deny_in,
    full_volumes,
    superset_volumes,
    teardown_only,
    trust,
    trust_other,
)
from ecs_trail.practice.people import People
from ecs_trail.practice.records import Caller, Json
from ecs_trail.practice.stage import MINUTE, Stage


def swap_new_first(stage: Stage) -> None:
    """The new policy is attached before the old one is taken away."""
    dice, iam = stage.dice, stage.iam
    stage.cast()
    who = stage.anyone()
    if dice.chance(0.5):
        text = full_volumes(dice)

        def attach(caller: Caller) -> str:
            return iam.attach(caller, stage.role, iam.create_policy(caller, "volumes-v2", text))

        stage.change(stage.strike, attach, by=who, harmless=True)
    else:
        text = superset_volumes(dice)
        stage.change(stage.strike, lambda w: iam.put_inline(w, stage.role, "volumes-v2", text), by=who, harmless=True)
    stage.change(stage.strike + dice.randint(0, 90), stage.revoke, by=who, harmless=True)
    stage.usual()


def superset(stage: Stage) -> None:
    """A policy is replaced by one that grants more, written with wildcards."""
    paper = superset_volumes(stage.dice)
    if stage.dice.chance(0.5):
        stage.cast("inline")
        stage.change(
            stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, paper), harmless=True
        )
    else:
        stage.cast("customer")
        stage.change(stage.strike, lambda who: stage.iam.create_version(who, stage.policies[0], paper), harmless=True)
    stage.usual()


def minimal_teardown_kept(stage: Stage) -> None:
    """The big policy goes, a small one with the three cleanup actions stays: nothing hangs, but nothing new starts."""
    stage.cast()
    paper = teardown_only(stage.dice)
    who = stage.anyone()
    before = stage.strike - stage.dice.randint(0, 120)
    stage.change(before, lambda w: stage.iam.put_inline(w, stage.role, "teardown", paper), by=who, harmless=True)
    stage.change(stage.strike, stage.revoke, by=who)
    stage.usual()
    if stage.dice.chance(0.4):
        stage.crew(stage.strike + stage.world.lag + stage.dice.randint(60, 900), how="stop_task")


def trust_gains_principal(stage: Stage) -> None:
    """The trust policy is rewritten and names more services than before."""
    stage.cast()
    paper = trust(stage.dice, others=("ecs-tasks.amazonaws.com",))
    stage.change(stage.strike, lambda who: stage.iam.set_trust(who, stage.role, paper), harmless=True)
    stage.usual()


def failed_change(stage: Stage) -> None:
    """Changes that would break the role, all refused."""
    stage.cast()
    name = stage.role.name
    refusals: tuple[tuple[str, Json, tuple[str, str]], ...] = (
        (
            "DeleteRole",
            {"roleName": name},
            ("DeleteConflictException", "Cannot delete entity, must detach all policies."),
        ),
        ("DeleteRolePolicy", {"roleName": name, "policyName": stage.inline_name}, _denied("iam:DeleteRolePolicy")),
        ("DetachRolePolicy", {"roleName": name, "policyArn": stage.managed().arn}, _denied("iam:DetachRolePolicy")),
        (
            "UpdateAssumeRolePolicy",
            {"roleName": name, "policyDocument": '{"Version":"2012-10-17","Statement":[]}'},
            _denied("iam:UpdateAssumeRolePolicy"),
        ),
        (
            "DetachRolePolicy",
            {"roleName": name, "policyArn": stage.managed().arn},
            ("NoSuchEntityException", "Policy was not found."),
        ),
    )
    for event, request, error in stage.dice.sample(refusals, stage.dice.randint(2, 4)):
        at = stage.strike + stage.dice.randint(-60, 300)

        def refuse(who: Caller, event: str = event, request: Json = request, error: tuple[str, str] = error) -> str:
            return stage.iam.refused(who, event, request, error)

        stage.change(at, refuse, harmless=True)
    stage.usual()


def _denied(action: str) -> tuple[str, str]:
    return "AccessDenied", f"User is not authorized to perform: {action} because no identity-based policy allows it"


def lookalike_role(stage: Stage) -> None:
    """A role with nearly the same name, which never served ECS, loses its policy and is deleted."""
    stage.cast()
    suffix = stage.dice.choice(("-old", "2", "-legacy", "_v1", "Old"))
    other = stage.iam.new_role(stage.role.name + suffix, stage.role.path)
    other.scopes = [stage.scope]
    maker, policy = stage.anyone(), stage.managed()
    paper = trust_other("ec2.amazonaws.com")
    stage.change(stage.dawn + 20, lambda who: stage.iam.create_role(who, other, paper), by=maker)
    stage.change(stage.dawn + 25, lambda who: stage.iam.attach(who, other, policy), by=maker)
    stage.change(stage.strike, lambda who: stage.iam.detach(who, other, policy), by=maker, harmless=True)
    stage.change(stage.strike + 4, lambda who: stage.iam.delete_role(who, other), by=maker, harmless=True)
    stage.usual()


def same_name_other_account(stage: Stage) -> None:
    """A role of the same name in another account is taken apart; this account has nothing to do with it."""
    stage.cast()
    account = stage.world.account()
    iam = Iam(account)
    twin = iam.new_role(stage.role.name, stage.role.path)
    people = People(stage.dice, stage.world.partition, account.id, stage.dawn - 60)
    maker, policy = people.terraform(), stage.managed()
    twin.scopes = [stage.scope]
    served = stage.dice.chance(0.5)
    paper = trust(stage.dice) if served else trust_other("ecs-tasks.amazonaws.com")
    stage.change(stage.dawn + 20, lambda who: iam.create_role(who, twin, paper), by=maker)
    stage.change(stage.dawn + 25, lambda who: iam.attach(who, twin, policy), by=maker)
    if served:
        stop = stage.strike - stage.dice.randint(8, 30) * MINUTE
        stage.crew(stage.dawn + 10 * MINUTE, stop, place=(twin, stage.scope))
    stage.change(stage.strike, lambda who: iam.detach(who, twin, policy), by=maker, harmless=not served)
    stage.change(stage.strike + 3, lambda who: iam.delete_role(who, twin), by=maker, harmless=not served)
    stage.usual()


def deny_other_region(stage: Stage) -> None:
    """The cleanup is denied in a Region where the role has no tasks."""
    stage.cast()
    paper = deny_in(TEARDOWN, region=stage.other_region)
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, "region-guard", paper), harmless=True)
    stage.usual()


def repaired_before_stop(stage: Stage) -> None:
    """The rights are lost and given back before any task stops."""
    dice = stage.dice
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    back = stage.strike + dice.randint(3, 20) * MINUTE
    stage.change(back, stage.grant)
    stage.past()
    for _ in range(dice.randint(1, 3)):
        stage.crew(
            stage.before_strike(), back + stage.world.lag + dice.randint(7, 20) * MINUTE, count=dice.randint(1, 2)
        )
    stage.reach(back + dice.randint(32, 50) * MINUTE)
    stage.runners()
    stage.bystander()


def loss_after_all_stopped(stage: Stage) -> None:
    """Everything has stopped and is cleaned up; then the role goes."""
    stage.cast()
    for _ in range(stage.dice.randint(1, 3)):
        launch = stage.dawn + stage.dice.randint(11, 40) * MINUTE
        stop = stage.strike - stage.dice.randint(6, 50) * MINUTE
        stage.crew(launch, stop, count=stage.dice.randint(1, 3), visible=True)
    stage.change(stage.strike, stage.revoke)
    if stage.dice.chance(0.6):
        stage.change(stage.strike + 3, lambda who: stage.iam.delete_role(who, stage.role))
    stage.bystander()
    stage.reach(stage.strike + stage.dice.randint(10, 60) * MINUTE)


def success_within_grace(stage: Stage) -> None:
    """The rights are lost, but IAM has not yet spread the change when the tasks are cleaned up."""
    dice = stage.dice
    stage.world.lag = dice.randint(200, 280)
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.past()
    for _ in range(dice.randint(1, 2)):
        stage.crew(stage.before_strike(), stage.strike + dice.randint(5, 40), count=dice.randint(1, 2))
    stage.bystander()
    stage.reach(stage.strike + dice.randint(20, 60) * MINUTE)


def tags_and_description(stage: Stage) -> None:
    """Tags, description and session duration of the role change."""
    stage.cast()
    name = stage.role.name
    writes: tuple[tuple[str, Json], ...] = (
        ("TagRole", {"roleName": name, "tags": [{"key": "env", "value": "prod"}]}),
        ("UntagRole", {"roleName": name, "tagKeys": ["env"]}),
        ("UpdateRole", {"roleName": name, "maxSessionDuration": 7200, "description": "ECS volumes"}),
        ("UpdateRoleDescription", {"roleName": name, "description": "do not delete"}),
    )
    for event, request in stage.dice.sample(writes, stage.dice.randint(2, 4)):
        at = stage.strike + stage.dice.randint(-120, 120)

        def write(who: Caller, event: str = event, request: Json = request) -> str:
            return stage.iam.harmless(who, event, request)

        stage.change(at, write, harmless=True)
    stage.usual()


def two_regions_clusters(stage: Stage) -> None:
    """One role serves two Regions and two clusters; a deny reaches only one of them."""
    dice = stage.dice
    away = Scope(stage.other_region, stage.other_scope.cluster)
    stage.cast("managed", scopes=(stage.scope, stage.other_scope, away))
    lost = frozenset(dice.sample(["ec2:DeleteVolume", "ec2:DetachVolume"], dice.randint(1, 2)))
    # By tag: only volumes of services with ECS managed tags carry their cluster's name.
    by_tag = deny_in(lost, cluster=stage.scope.cluster)
    paper = deny_in(lost, region=stage.other_region) if dice.chance(0.4) else by_tag
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, "guard", paper))
    stage.mend(lambda who: stage.iam.delete_inline(who, stage.role, "guard"))
    for scope in (stage.scope, stage.other_scope, away):
        stop = stage.strike + stage.world.lag + dice.randint(30, 700)
        stage.crew(
            stage.before_strike(), stop, count=dice.randint(1, 2), how=dice.choice(("delete", "zero")),
            visible=True, place=(stage.role, scope),
        )  # fmt: skip
        if dice.chance(0.4):
            stage.crew(stage.before_strike(), how="zero", visible=True, place=(stage.role, scope))
    stage.reach(stage.strike + dice.randint(40, 90) * MINUTE)
