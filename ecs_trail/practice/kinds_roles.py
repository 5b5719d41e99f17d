"""Kinds in which the role itself or its trust goes: ECS falls silent."""

from ecs_trail.practice.papers import (
    Paper,
    trust,
    trust_denied,
    trust_for_account,
    trust_nobody,
    trust_other,
    trust_principal,
)
from ecs_trail.practice.records import Caller
from ecs_trail.practice.stage import MINUTE, Crew, Stage


def _destroy(stage: Stage, by: Caller | None = None) -> int:
    """Detach, then delete, as Terraform does; returns when the role is gone."""
    who = by or stage.dice.choice((stage.people.terraform, stage.people.cloudformation, stage.people.user))()
    gone = stage.strike + stage.dice.randint(0, 6)
    stage.change(stage.strike, stage.revoke, by=who)
    stage.change(gone, lambda caller: stage.iam.delete_role(caller, stage.role), by=who)
    return gone


def _recreate(stage: Stage, caller: Caller) -> None:
    stage.iam.create_role(caller, stage.role, trust(stage.dice))
    stage.world.at(stage.world.now + stage.dice.randint(1, 30), lambda: stage.grant(caller))


def _cut_trust(stage: Stage, paper: Paper, *, mended: float = 0.6) -> None:
    """Replace the trust policy; tasks stop when no session from before can be left."""
    stage.cast()
    stage.agent.session_seconds = 900
    stage.change(stage.strike, lambda who: stage.iam.set_trust(who, stage.role, paper))
    stage.mend(lambda who: stage.iam.set_trust(who, stage.role, trust(stage.dice)), share=mended)
    stage.decoys()
    stage.past()
    stage.victims(visible=True, crews=1)
    _late_victims(stage)
    stage.runners()
    stage.later()
    stage.bystander()
    stage.fresh = stage.dice.chance(0.3)


def _late_victims(stage: Stage) -> None:
    for _ in range(stage.dice.randint(1, 2)):
        stop = stage.strike + stage.world.lag + stage.dice.randint(910, 1700)
        stage.crew(stage.before_strike(), stop, count=stage.dice.randint(1, 3), visible=True)
    stage.reach(stage.strike + stage.dice.randint(50, 110) * MINUTE)


def role_deleted(stage: Stage) -> None:
    """Terraform order: the policy is detached, the role deleted, and only then the tasks stop."""
    stage.cast()
    _destroy(stage)
    stage.usual(visible=True)


def role_deleted_silent(stage: Stage) -> None:
    """The role is deleted; tasks end without any call, and only a saved task state shows that they hang."""
    stage.cast()
    gone = _destroy(stage)
    stage.decoys()
    stage.past()
    crews: list[Crew] = []
    for _ in range(stage.dice.randint(1, 3)):
        stop = gone + stage.dice.randint(1, 20) * MINUTE
        crews.append(stage.crew(stage.before_strike(), stop, count=stage.dice.randint(1, 2), how="exit"))
    if stage.dice.chance(0.5):
        crews.append(stage.crew(stage.before_strike()))
    stage.bystander()
    saved = gone + stage.dice.randint(35, 80) * MINUTE
    stage.save(saved, crews)
    if stage.dice.chance(0.7):
        stage.reach(saved + stage.dice.randint(1, 10) * MINUTE)


def role_recreated_with_policies(stage: Stage) -> None:
    """The role is made again with trust and policies: a new role object, and ECS finishes."""
    stage.cast()
    _destroy(stage)
    stage.repair_at(lambda who: _recreate(stage, who))
    if stage.repair is not None:
        # Tasks that stop later must find the policy in place, which comes up to half a minute after the role.
        stage.repair += 60
    stage.usual(visible=True)


def role_recreated_without_policies(stage: Stage) -> None:
    """The role is made again, but its policies are forgotten: from silence to denied calls."""
    stage.cast()
    gone = _destroy(stage)
    again = gone + stage.dice.randint(5, 15) * MINUTE
    stage.change(again, lambda who: stage.iam.create_role(who, stage.role, trust(stage.dice)))
    stage.mend(stage.grant, share=0.4)
    stage.usual(visible=True)


def trust_emptied(stage: Stage) -> None:
    """The trust policy names nobody any more, or only a person's role."""
    admin = f"arn:aws:iam::{stage.home.id}:root"
    _cut_trust(stage, stage.dice.choice((trust_nobody(), trust_principal(admin))))


def trust_other_service(stage: Stage) -> None:
    """The trust policy names another service, often the one for tasks."""
    _cut_trust(stage, trust_other(stage.dice.choice(("ecs-tasks.amazonaws.com", "ec2.amazonaws.com"))))


def trust_deny(stage: Stage) -> None:
    """The trust policy allows ECS and denies it: the deny wins."""
    _cut_trust(stage, trust_denied(stage.dice))


def trust_condition(stage: Stage) -> None:
    """ECS is trusted only on behalf of another account."""
    _cut_trust(stage, trust_for_account(stage.dice.account()))


def assume_role_denied_recorded(stage: Stage) -> None:
    """The trust is cut and, in this trail, the refused AssumeRole calls are recorded."""
    stage.agent.record_refused_assume = True
    _cut_trust(stage, stage.dice.choice((trust_nobody(), trust_other("ecs-tasks.amazonaws.com"))))


def session_held_finishes(stage: Stage) -> None:
    """The trust is cut, but a session that ECS holds finishes the work of some tasks."""
    stage.cast()
    stage.agent.session_seconds = 3600
    stage.change(stage.strike, lambda who: stage.iam.set_trust(who, stage.role, trust_other("ecs-tasks.amazonaws.com")))
    stage.past()
    # A launch just before the cut gives ECS a fresh session, whatever it held before.
    stage.world.at(stage.strike - 3 * MINUTE, stage.agent.drop_sessions)
    stage.crew(stage.strike - 2 * MINUTE)
    for _ in range(stage.dice.randint(1, 2)):
        stop = stage.strike + stage.dice.randint(60, 1800)
        stage.crew(stage.before_strike(), stop, count=stage.dice.randint(1, 2), visible=True)
    if stage.dice.chance(0.6):
        stage.crew(stage.before_strike(), stage.strike + stage.dice.randint(65, 80) * MINUTE, visible=True)
    stage.reach(stage.strike + stage.dice.randint(100, 140) * MINUTE)
