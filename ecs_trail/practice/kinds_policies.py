"""Kinds in which a permissions policy breaks the role."""

from ecs_trail.practice.papers import TEARDOWN, deny_cleanup, full_volumes, without
from ecs_trail.practice.stage import Stage


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
