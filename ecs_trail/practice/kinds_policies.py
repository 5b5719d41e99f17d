"""Kinds in which a permissions policy breaks the role."""

from ecs_trail.practice.papers import CREATION, TEARDOWN, allow, deny_cleanup, full_volumes, without
from ecs_trail.practice.stage import MINUTE, Stage


def managed_detached(stage: Stage) -> None:
    """A managed policy is detached while tasks still run."""
    stage.cast("managed")
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    stage.usual()


def inline_deleted(stage: Stage) -> None:
    """The inline policy is deleted."""
    stage.cast("inline")
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    stage.usual()


def inline_narrowed(stage: Stage) -> None:
    """The inline policy is replaced by one that lacks a cleanup action."""
    stage.cast("inline")
    lost = frozenset(stage.dice.sample(sorted(TEARDOWN), stage.dice.randint(1, 2)))
    paper = without(stage.dice, lost)
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, paper))
    stage.mend(stage.grant)
    stage.usual()


def inline_explicit_deny(stage: Stage) -> None:
    """A second inline policy denies the cleanup: by action, by everything but, by wildcard, in odd case."""
    stage.cast()
    paper, _ = deny_cleanup(stage.dice)
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, "guardrail", paper))
    stage.mend(lambda who: stage.iam.delete_inline(who, stage.role, "guardrail"))
    stage.usual()


def customer_version_created(stage: Stage) -> None:
    """A new default version of the customer's policy lacks cleanup actions."""
    stage.cast("customer")
    lost = frozenset(stage.dice.sample(sorted(TEARDOWN), stage.dice.randint(1, 3)))
    paper = without(stage.dice, lost)
    stage.change(stage.strike, lambda who: stage.iam.create_version(who, stage.policies[0], paper))
    if stage.dice.chance(0.5):
        stage.mend(lambda who: stage.iam.set_default(who, stage.policies[0], "v1"))
    else:
        stage.mend(lambda who: stage.iam.create_version(who, stage.policies[0], full_volumes(stage.dice)))
    stage.usual()


def default_version_set_back(stage: Stage) -> None:
    """The policy began too narrow, got a good version, and is set back to the first."""
    dice = stage.dice
    lost = frozenset(dice.sample(sorted(TEARDOWN), dice.randint(1, 2)))
    stage.cast("customer", paper=without(dice, lost))
    good = full_volumes(dice)
    stage.change(stage.dawn + 60, lambda who: stage.iam.create_version(who, stage.policies[0], good))
    stage.change(stage.strike, lambda who: stage.iam.set_default(who, stage.policies[0], "v1"))
    stage.mend(lambda who: stage.iam.set_default(who, stage.policies[0], "v2"))
    stage.usual()


def customer_policy_deleted(stage: Stage) -> None:
    """The customer's policy is detached and then deleted; only the detach takes anything away."""
    stage.cast("customer")
    who = stage.anyone()
    stage.change(stage.strike, stage.revoke, by=who)
    gone = stage.strike + stage.dice.randint(0, 5)
    stage.change(gone, lambda caller: stage.iam.delete_policy(caller, stage.policies[0]), by=who, harmless=True)
    stage.mend(lambda caller: stage.iam.put_inline(caller, stage.role, "volumes", full_volumes(stage.dice)))
    stage.usual()


def describe_only_lost(stage: Stage) -> None:
    """Only `ec2:DescribeVolumes` is lost: ECS cannot see what it clears away."""
    stage.cast("inline")
    stage.work.describe_first = True
    paper = without(stage.dice, frozenset({"ec2:DescribeVolumes"}))
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, paper))
    stage.mend(stage.grant)
    stage.usual()


def boundary_put(stage: Stage) -> None:
    """A permissions boundary is put on the role that does not reach as far as the cleanup."""
    stage.cast()
    lost = frozenset(stage.dice.sample(sorted(TEARDOWN), stage.dice.randint(1, 3)))
    boundary = stage.boundary(without(stage.dice, lost))
    stage.change(stage.strike, lambda who: stage.iam.put_boundary(who, stage.role, boundary))
    stage.mend(lambda who: stage.iam.delete_boundary(who, stage.role))
    stage.usual()


def boundary_version_changed(stage: Stage) -> None:
    """The role has a boundary since it was made; a new version of the boundary's policy is narrower."""
    dice = stage.dice
    boundary = stage.boundary(full_volumes(dice))
    stage.found(stage.role, "managed", at=stage.dawn + 5, scopes=(stage.scope,), boundary=boundary)
    lost = frozenset(dice.sample(sorted(TEARDOWN), dice.randint(1, 2)))
    narrow = without(dice, lost)
    stage.change(stage.strike, lambda who: stage.iam.create_version(who, boundary, narrow))
    stage.mend(lambda who: stage.iam.set_default(who, boundary, "v1"))
    stage.usual()


def creation_rights_lost(stage: Stage) -> None:
    """Only the rights to create are lost: new tasks fail to start, old ones stop as they should."""
    dice = stage.dice
    stage.cast("inline")
    lost = frozenset(dice.sample(sorted(CREATION), dice.randint(1, 3)))
    paper = without(dice, lost)
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, paper))
    stage.mend(stage.grant, share=0.5)
    stage.usual()
    for _ in range(dice.randint(0, 2)):
        stage.crew(stage.strike + stage.world.lag + dice.randint(60, 1200), count=dice.randint(1, 2), how="stop_task")


def failed_to_start(stage: Stage) -> None:
    """All rights are lost, nothing stops, and new tasks cannot get their volume."""
    dice = stage.dice
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant, share=0.4)
    stage.past()
    stage.runners(0.7)
    stage.bystander()
    for _ in range(dice.randint(1, 2)):
        stage.crew(stage.strike + stage.world.lag + dice.randint(60, 1200), count=dice.randint(1, 3))
    stage.reach(stage.strike + dice.randint(40, 90) * MINUTE)


def two_policies_same_action(stage: Stage) -> None:
    """Two policies grant the same: the first to go is harmless, the second is the cause."""
    dice = stage.dice
    stage.cast("managed")
    second = full_volumes(dice)
    stage.change(stage.dawn + 90, lambda who: stage.iam.put_inline(who, stage.role, "extra", second))
    first_at = stage.strike - dice.randint(2, 60) * MINUTE
    if dice.chance(0.5):
        stage.change(first_at, lambda who: stage.iam.delete_inline(who, stage.role, "extra"), harmless=True)
        stage.change(stage.strike, stage.revoke)
    else:
        stage.change(first_at, stage.revoke, harmless=True)
        stage.change(stage.strike, lambda who: stage.iam.delete_inline(who, stage.role, "extra"))
    stage.mend(stage.grant)
    stage.usual()


def partial_repair(stage: Stage) -> None:
    """A first repair gives back only a part; the outage goes on until all is back."""
    dice = stage.dice
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    part = allow(dice, frozenset(dice.sample(sorted(TEARDOWN), dice.randint(1, 2))))
    first = stage.strike + dice.randint(14, 25) * MINUTE
    stage.change(first, lambda who: stage.iam.put_inline(who, stage.role, "emergency", part))
    stage.mend(stage.grant, share=0.8)
    stage.usual()


def loss_in_stop_second(stage: Stage) -> None:
    """Tasks are stopped in the very second of the loss."""
    stage.world.lag = 0
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    stage.crew(stage.before_strike(), stage.strike, count=stage.dice.randint(1, 2), how="stop_task")
    stage.usual()


def old_wording(stage: Stage) -> None:
    """Refusals come in EC2's older wording, without user, action and policy type."""
    stage.agent.old_wording = True
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    stage.usual()


def china_partition(stage: Stage) -> None:
    """The same in the China partition: other ARNs, other Regions, IAM in cn-north-1."""
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    stage.usual()


def at_risk_running(stage: Stage) -> None:
    """The rights are gone, but all tasks still run."""
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.past()
    stage.runners(1.0)
    stage.crew(stage.before_strike(), count=2)
    stage.bystander()
    stage.reach(stage.strike + stage.dice.randint(10, 90) * MINUTE)


def two_outages_one_task(stage: Stage) -> None:
    """A repair is undone by another change before ECS has noticed it; the tasks wait through both."""
    dice = stage.dice
    stage.world.lag = dice.randint(60, 120)
    stage.cast()
    stage.change(stage.strike, stage.revoke)
    stage.past()
    stage.victims(crews=dice.randint(1, 2))
    first = stage.strike + dice.randint(20, 30) * MINUTE
    stage.change(first, stage.grant)
    again = first + dice.randint(5, 50)
    if dice.chance(0.5):
        stage.change(again, stage.revoke)
        stage.mend(stage.grant, share=0.7)
    else:
        paper, _ = deny_cleanup(dice)
        stage.change(again, lambda who: stage.iam.put_inline(who, stage.role, "guardrail", paper))
        stage.mend(lambda who: stage.iam.delete_inline(who, stage.role, "guardrail"), share=0.7)
    stage.runners()


def older_role(stage: Stage) -> None:
    """The evidence begins after the role was made; denied calls show what the detached policy had granted."""
    stage.cast()
    stage.evidence_from = stage.dawn + stage.dice.randint(100, 280)
    stage.change(stage.strike, stage.revoke)
    stage.mend(stage.grant)
    stage.usual()


def older_role_no_denials(stage: Stage) -> None:
    """The same, but nothing stops after the loss, so no denied call confirms it."""
    stage.cast()
    stage.evidence_from = stage.dawn + stage.dice.randint(100, 280)
    stage.change(stage.strike, stage.revoke)
    stage.past()
    stage.runners(1.0)
    stage.reach(stage.strike + stage.dice.randint(10, 60) * MINUTE)
