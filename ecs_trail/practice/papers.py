"""Policy documents of the simulated account. Each is written down together with what it does, so that nothing here
ever has to *evaluate* a document: `Paper.json` is what CloudTrail shows, `Paper.rules` is the truth.
"""

from dataclasses import dataclass
from typing import Final

from ecs_trail.practice.dice import Dice
from ecs_trail.practice.records import Json
from ecs_trail.vocabulary import ASSUME_ROLE, REQUIRED_ACTIONS, TAG_MANAGED, Purpose

TEARDOWN: Final = frozenset({"ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes"})
CREATION: Final = frozenset({"ec2:CreateVolume", "ec2:CreateTags", "ec2:AttachVolume"})
VOLUMES: Final = TEARDOWN | CREATION


def needed_for(purpose: Purpose) -> frozenset[str]:
    """Every action ECS needs for a purpose in any phase, apart from `sts:AssumeRole`."""
    wanted = (actions for (one, _), actions in REQUIRED_ACTIONS.items() if one is purpose)
    return frozenset(action for actions in wanted for action in actions) - {ASSUME_ROLE}


TLS: Final = needed_for(Purpose.TLS)
#: Every action the simulation keeps truth about, apart from `sts:AssumeRole`.
UNIVERSE: Final = VOLUMES.union(*map(needed_for, Purpose))
EVERY_EC2: Final = frozenset(action for action in UNIVERSE if action.startswith("ec2:"))

_HELPERS: Final = ("ec2:DescribeInstances", "ec2:DescribeAvailabilityZones")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a call is made: Region and cluster name."""

    region: str
    cluster: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What one statement does. Empty `regions` or `clusters` mean: everywhere."""

    allow: bool
    actions: frozenset[str]
    regions: frozenset[str] = frozenset()
    clusters: frozenset[str] = frozenset()
    needs_tags: bool = False

    def covers(self, action: str, scope: Scope) -> bool:
        """True when the rule speaks about this action at this place."""
        return (
            action in self.actions
            and (not self.regions or scope.region in self.regions)
            and (not self.clusters or scope.cluster in self.clusters)
        )


@dataclass(frozen=True, slots=True)
class Paper:
    """A policy document and its truth."""

    json: Json
    rules: tuple[Rule, ...]


def document(*statements: Json) -> Json:
    """Wrap statements as IAM wants them."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(dice: Dice, actions: frozenset[str], *, extra: tuple[str, ...] = ()) -> Paper:
    """A plain allow of exactly these actions (and of `extra`, which nobody needs)."""
    listed = sorted(actions | set(extra))
    dice.shuffle(listed)
    shown: str | list[str] = listed[0] if len(listed) == 1 and dice.chance(0.5) else listed
    return Paper(document({"Effect": "Allow", "Action": shown, "Resource": "*"}), (Rule(True, actions),))


def full_volumes(dice: Dice, partition: str = "aws") -> Paper:
    """Everything ECS needs for volumes, written in one of several ways."""
    writing = dice.randrange(4)
    if writing == 0:
        return allow(dice, VOLUMES, extra=_HELPERS)
    if writing == 1:
        actions = ["ec2:*Volume", "ec2:*Volumes", "ec2:CreateTags", *_HELPERS]
        return Paper(document({"Effect": "Allow", "Action": actions, "Resource": "*"}), (Rule(True, VOLUMES),))
    if writing == 2:
        return Paper(
            document({"Sid": "Ec2", "Effect": "Allow", "Action": "ec2:*", "Resource": "*"}), (Rule(True, EVERY_EC2),)
        )
    tagged = {"StringEquals": {f"aws:ResourceTag/{TAG_MANAGED}": "true"}}
    volume = f"arn:{partition}:ec2:*:*:volume/*"
    create = sorted({*CREATION, "ec2:DescribeVolumes", *_HELPERS})
    return Paper(
        document(
            {"Sid": "Create", "Effect": "Allow", "Action": create, "Resource": "*"},
            {
                "Sid": "CleanUp",
                "Effect": "Allow",
                "Action": "ec2:DeleteVolume",
                "Resource": volume,
                "Condition": tagged,
            },
            {"Sid": "Detach", "Effect": "Allow", "Action": ["ec2:DetachVolume"], "Resource": "*"},
        ),
        (Rule(True, VOLUMES),),
    )


def superset_volumes(dice: Dice) -> Paper:
    """More than is needed, by wildcards that a careless reader takes for a loss."""
    writing = dice.choice(
        (
            ["ec2:De*Volume*", "ec2:CreateVolume", "ec2:CreateTags", "ec2:AttachVolume", *_HELPERS],
            ["ec2:*"],
            ["EC2:*volume*", "ec2:createtags"],
            ["ec2:De?achVolume", "ec2:Delete?olume", "ec2:Describe*", "ec2:Create*", "ec2:A*"],
        )
    )
    return Paper(document({"Effect": "Allow", "Action": writing, "Resource": ["*"]}), (Rule(True, VOLUMES),))


def without(dice: Dice, lost: frozenset[str]) -> Paper:
    """Everything for volumes except `lost`."""
    return allow(dice, VOLUMES - lost, extra=_HELPERS)


def deny_cleanup(dice: Dice) -> tuple[Paper, frozenset[str]]:
    """An explicit deny that stops the cleanup, in one of IAM's many spellings, and the needed actions it denies."""
    keep = ["ec2:Describe*", "ec2:CreateVolume", "ec2:CreateTags", "ec2:AttachVolume", "acm-pca:*", "secretsmanager:*"]
    shown, denied = dice.choice(
        (
            ({"Action": "ec2:DeleteVolume"}, {"ec2:DeleteVolume"}),
            ({"Action": ["ec2:DetachVolume", "ec2:DeleteVolume"]}, {"ec2:DetachVolume", "ec2:DeleteVolume"}),
            ({"Action": ["ec2:Delete*", "ec2:Terminate*"]}, {"ec2:DeleteVolume"}),
            ({"Action": "EC2:deletevolume"}, {"ec2:DeleteVolume"}),
            ({"Action": ["ec2:D?tachVolume", "ec2:StopInstances"]}, {"ec2:DetachVolume"}),
            ({"NotAction": keep}, {"ec2:DetachVolume", "ec2:DeleteVolume"}),
            ({"NotAction": [*keep, "ec2:detachvolume"]}, {"ec2:DeleteVolume"}),
        )
    )
    statement = {"Sid": "Guard", "Effect": "Deny", **shown, "Resource": "*"}
    lost = frozenset(denied)
    return Paper(document(statement), (Rule(False, lost),)), lost


def deny_in(lost: frozenset[str], *, region: str = "", cluster: str = "") -> Paper:
    """A deny bound to one Region or to the tag of one cluster."""
    condition: Json = (
        {"StringEquals": {"aws:RequestedRegion": region}}
        if region
        else {"StringEquals": {"aws:ResourceTag/aws:ecs:clusterName": cluster}}
    )
    statement = {"Effect": "Deny", "Action": sorted(lost), "Resource": "*", "Condition": condition}
    rule = Rule(False, lost, frozenset({region} - {""}), frozenset({cluster} - {""}))
    return Paper(document(statement), (rule,))


def inert(dice: Dice) -> Paper:
    """A policy that has nothing to do with ECS infrastructure."""
    actions = dice.choice(
        (["logs:CreateLogStream", "logs:PutLogEvents"], ["s3:GetObject"], ["cloudwatch:PutMetricData"])
    )
    return Paper(document({"Effect": "Allow", "Action": actions, "Resource": "*"}), ())


def managed_volumes() -> Paper:
    """`AmazonECSInfrastructureRolePolicyForVolumes`: its text never shows in CloudTrail, so only the truth is kept.

    Detaching and deleting are bound to the reserved tags (*ECS Developer Guide*, page of that policy).
    """
    tagged = frozenset({"ec2:DetachVolume", "ec2:DeleteVolume"})
    return Paper({}, (Rule(True, VOLUMES - tagged), Rule(True, tagged, needs_tags=True)))


def managed_tls() -> Paper:
    """`AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity`, truth only."""
    return Paper({}, (Rule(True, TLS),))


def managed_for(purpose: Purpose) -> Paper:
    """The AWS managed policy for a purpose, truth only."""
    return managed_volumes() if purpose is Purpose.VOLUMES else Paper({}, (Rule(True, needed_for(purpose)),))


def full_tls(dice: Dice) -> Paper:
    """Everything ECS needs for Service Connect TLS, listed or by wildcards."""
    if dice.chance(0.5):
        return allow(dice, TLS, extra=("acm-pca:ListTags",))
    actions = dice.choice(
        (["acm-pca:*", "secretsmanager:*"], ["acm-pca:*Certificate*", "SecretsManager:*secret*", "secretsmanager:Tag*"])
    )
    return Paper(document({"Effect": "Allow", "Action": actions, "Resource": "*"}), (Rule(True, TLS),))


def tls_without(dice: Dice, lost: frozenset[str]) -> Paper:
    """Everything for TLS except `lost`."""
    return allow(dice, TLS - lost, extra=("acm-pca:ListTags",))


def teardown_only(dice: Dice) -> Paper:
    """The least that the guide asks to keep until the last task has stopped."""
    return allow(dice, TEARDOWN)


_TRUSTED: Final = (Rule(True, frozenset({ASSUME_ROLE})),)


def trust(dice: Dice, *, others: tuple[str, ...] = ()) -> Paper:
    """Trust for `ecs.amazonaws.com`, and for other services beside it."""
    service: str | list[str] = "ecs.amazonaws.com"
    if others:
        service = ["ecs.amazonaws.com", *others]
        dice.shuffle(service)
    action: str | list[str] = dice.choice(("sts:AssumeRole", ["sts:AssumeRole"], "sts:AssumeRole", "sts:*"))
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action}
    if dice.chance(0.4):
        statement = {"Sid": dice.choice(("AllowAccessToECSForInfrastructureManagement", "ECS", "")), **statement}
    return Paper(document(statement), _TRUSTED)


def trust_nobody() -> Paper:
    """A trust policy without a statement."""
    return Paper(document(), ())


def trust_other(service: str) -> Paper:
    """Trust for another service only."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return Paper(document(statement), ())


def trust_principal(arn: str) -> Paper:
    """Trust for an IAM principal only."""
    return Paper(document({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}), ())


def trust_denied(dice: Dice) -> Paper:
    """ECS is allowed in one statement and denied in the next: the deny wins."""
    allowed = {"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    principal: str | Json = dice.choice(({"Service": "ecs.amazonaws.com"}, "*", {"Service": ["ecs.amazonaws.com"]}))
    denied = {"Effect": "Deny", "Principal": principal, "Action": dice.choice(("sts:AssumeRole", "sts:*"))}
    statements: list[Json] = [allowed, denied]
    dice.shuffle(statements)
    return Paper(document(*statements), ())


def trust_for_account(account: str) -> Paper:
    """ECS is trusted, but only on behalf of the given account (which is not the role's own)."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "ecs.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return Paper(document(statement), ())
