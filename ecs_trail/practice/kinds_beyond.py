"""Kinds in which the cause lies outside the role: the organization, a volume's tags, a key, the caller's own rights."""

from ecs_trail.practice.keys import Keys
from ecs_trail.practice.organization import Organization
from ecs_trail.practice.papers import VOLUMES, Paper, Rule, document, inert
from ecs_trail.practice.people import People
from ecs_trail.practice.records import Caller
from ecs_trail.practice.stage import MINUTE, Crew, Stage
from ecs_trail.practice.things import Task
from ecs_trail.vocabulary import TAG_CREATED, TAG_MANAGED


def _guardrail(stage: Stage) -> Paper:
    """A control policy that stops the cleanup, or everything outside some Regions."""
    if stage.dice.chance(0.4):
        statement = {
            "Sid": "OnlyApprovedRegions",
            "Effect": "Deny",
            "NotAction": ["iam:*", "sts:*", "organizations:*", "support:*"],
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:RequestedRegion": [stage.other_region, "ca-central-1"]}},
        }
        return Paper(document(statement), (Rule(False, VOLUMES, frozenset({stage.region})),))
    lost = frozenset(stage.dice.sample(["ec2:DeleteVolume", "ec2:DetachVolume"], stage.dice.randint(1, 2)))
    statement = {"Sid": "ProtectVolumes", "Effect": "Deny", "Action": sorted(lost), "Resource": "*"}
    return Paper(document(statement), (Rule(False, lost),))


def _boss(stage: Stage, organization: Organization) -> Caller:
    return People(stage.dice, stage.world.partition, organization.management.id, stage.dawn - 60).person()


def scp_attached(stage: Stage) -> None:
    """A service control policy is attached to the account, or one that hangs there is made stricter."""
    stage.cast()
    organization = Organization(stage.world)
    boss, target, paper = _boss(stage, organization), stage.home.id, _guardrail(stage)
    if stage.dice.chance(0.6):
        policy = organization.create(boss, "guardrails", paper)
        stage.change(stage.strike, lambda who: organization.attach(who, policy, target), by=boss)
    else:
        mild = Paper(document({"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"}), ())
        policy = organization.create(boss, "guardrails", mild)
        stage.change(stage.dawn + 120, lambda who: organization.attach(who, policy, target), by=boss, harmless=True)
        stage.change(stage.strike, lambda who: organization.update(who, policy, paper), by=boss)
    stage.mend(lambda _: organization.detach(boss, policy, target))
    stage.usual()


def scp_unseen(stage: Stage) -> None:
    """The same, but the management account's trail is not part of the evidence: the refusals alone name the policy."""
    scp_attached(stage)
    stage.hidden.append(stage.world.accounts[-1])


def account_moved(stage: Stage) -> None:
    """The account is moved into a unit whose control policy stops the cleanup."""
    stage.cast()
    # Which policies reach a unit is known in part only, so that denied calls have to confirm it.
    stage.cautious = True
    organization = Organization(stage.world)
    boss, (source, target) = _boss(stage, organization), organization.units
    stage.home.parent = source
    policy = organization.create(boss, "restricted", _guardrail(stage))
    stage.change(stage.dawn + 60, lambda who: organization.attach(who, policy, target), by=boss)
    stage.change(stage.strike, lambda who: organization.move(who, stage.home, target), by=boss)
    stage.mend(lambda _: organization.move(boss, stage.home, source))
    stage.usual()


def reserved_tags_removed(stage: Stage) -> None:
    """Somebody removes or overwrites the reserved tags of some volumes: ECS may no longer touch just these."""
    dice, fleet = stage.dice, stage.fleet
    stage.cast("managed")
    stage.decoys()
    stage.past()
    crews = [
        stage.crew(stage.before_strike(), stage.strike + dice.randint(2, 15) * MINUTE, count=dice.randint(1, 2))
        for _ in range(dice.randint(1, 2))
    ]
    keys = dice.choice(((TAG_MANAGED,), (TAG_CREATED,), (TAG_CREATED, TAG_MANAGED)))

    def harm(who: Caller) -> None:
        if dice.chance(0.7):
            fleet.untag(who, _tasks(crews), keys)
        else:
            fleet.retag(who, _tasks(crews), {TAG_MANAGED: dice.choice(("false", "no", ""))})

    stage.change(stage.strike, harm, by=stage.people.person())

    def restore(who: Caller) -> None:
        for task in _tasks(crews):
            fleet.restore_tags(who, task)

    stage.mend(restore)
    stage.reach(stage.strike + dice.randint(40, 80) * MINUTE)
    stage.crew(stage.before_strike(), stage.strike + dice.randint(3, 12) * MINUTE)
    stage.runners()
    stage.bystander()


def _tasks(crews: list[Crew]) -> list[Task]:
    return [task for crew in crews for task in crew.tasks]


def _key_story(stage: Stage, harm: str, heal: str) -> None:
    dice = stage.dice
    stage.cast()
    keys = Keys(stage.home, stage.region)
    key = keys.create(stage.people.terraform(), stage.role)
    stage.keys.append(key)
    stage.crew(stage.before_strike(), stage.strike + dice.randint(5, 25) * MINUTE, key=key)
    stage.crew(stage.before_strike(), stage.strike - 3 * MINUTE, key=key)
    stage.change(stage.strike, lambda who: getattr(keys, harm)(who, key))
    for _ in range(dice.randint(1, 2)):
        stage.crew(stage.strike + dice.randint(2, 20) * MINUTE, key=key, count=dice.randint(1, 2))
    extra = (stage.role,) if heal == "remember" else ()
    stage.mend(lambda who: getattr(keys, heal)(who, key, *extra), share=0.4)
    if stage.repair is not None:
        stage.crew(stage.repair + dice.randint(3, 10) * MINUTE, key=key)
    stage.reach(stage.strike + dice.randint(40, 80) * MINUTE)
    stage.past()
    stage.runners()
    stage.bystander()


def kms_key_disabled(stage: Stage) -> None:
    """The key of the volumes is disabled: new tasks fail to start, old ones stop as they should."""
    _key_story(stage, "disable", "enable")


def kms_key_deletion(stage: Stage) -> None:
    """The key of the volumes is scheduled for deletion."""
    _key_story(stage, "schedule", "enable")


def kms_key_policy(stage: Stage) -> None:
    """The key policy no longer names the role."""
    _key_story(stage, "forget", "remember")


def pass_role_denied(stage: Stage) -> None:
    """Somebody launches tasks and may not pass the role: refused, and no task comes of it."""
    stage.cast()
    callers = (stage.people.user, stage.people.sso, lambda: stage.people.workload("stepfunctions-batch", "run"))
    for _ in range(stage.dice.randint(1, 3)):
        caller = stage.dice.choice(callers)()
        at = stage.strike + stage.dice.randint(0, 1800)

        def refuse(who: Caller = caller) -> None:
            stage.pass_role_denials.append(stage.fleet.refused_run(who, stage.role, stage.scope))

        stage.world.at(at, refuse)
    stage.usual()


def denied_no_change(stage: Stage) -> None:
    """Calls are refused for a reason that no change in the evidence explains; changes nearby are innocent."""
    dice = stage.dice
    stage.cast()
    lost = dice.sample(["ec2:DetachVolume", "ec2:DeleteVolume"], dice.randint(1, 2))
    words = dice.choice(
        (
            "because no session policy allows the {} action",
            "with an explicit deny in a session policy",
            "with an explicit deny in a resource control policy",
        )
    )

    def curse() -> None:
        stage.role.veto = {action: words.format(action) for action in lost}
        stage.world.note("")

    stage.world.at(stage.strike, curse)
    paper = inert(dice)
    near = stage.strike - dice.randint(30, 300)
    stage.change(near, lambda who: stage.iam.put_inline(who, stage.role, "logs", paper), harmless=True)
    if dice.chance(0.5):
        later = stage.strike + dice.randint(1, 60)
        stage.change(later, lambda who: stage.iam.delete_inline(who, stage.role, "logs"), harmless=True)
    stage.usual()
