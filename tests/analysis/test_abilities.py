"""Each AWS managed policy allows all that its purpose needs; the one for volumes serves no other purpose."""

import pytest

from ecs_trail.analysis.policies import Verdict, decide
from ecs_trail.analysis.policies.managed import managed_policy
from ecs_trail.analysis.roles.abilities import Place, request_of
from ecs_trail.vocabulary import ASSUME_ROLE, MANAGED_POLICY_PURPOSES, REQUIRED_ACTIONS, Purpose

ROLE = "arn:aws:iam::111122223333:role/infra/ecs"
HERE = Place("111122223333", "eu-west-1", "prod")


def policy_of(purpose):
    name = next(name for name, served in MANAGED_POLICY_PURPOSES.items() if served is purpose)
    path = "service-role/" if purpose in {Purpose.VOLUMES, Purpose.TLS} else ""
    return managed_policy(f"arn:aws:iam::aws:policy/{path}{name}")


def needed(purpose):
    actions = {action for (served, _), listed in REQUIRED_ACTIONS.items() if served is purpose for action in listed}
    return sorted(actions - {ASSUME_ROLE})


@pytest.mark.parametrize("purpose", list(Purpose))
def test_the_managed_policy_of_a_purpose_allows_what_it_needs(purpose):
    policy = policy_of(purpose)
    assert needed(purpose)
    for action in needed(purpose):
        decided = decide(request_of(ROLE, purpose, action, HERE), identity=[policy])
        assert decided.verdict is Verdict.ALLOWED, (action, decided)


def test_the_volumes_policy_lets_ecs_touch_no_volume_without_its_tags():
    bare = Place(HERE.account, HERE.region, HERE.cluster, tagged=False)
    for action in ("ec2:DetachVolume", "ec2:DeleteVolume"):
        decided = decide(request_of(ROLE, Purpose.VOLUMES, action, bare), identity=[policy_of(Purpose.VOLUMES)])
        assert decided.verdict is Verdict.DENIED, action


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.VOLUMES])
def test_the_volumes_policy_serves_no_other_purpose(purpose):
    verdicts = [
        decide(request_of(ROLE, purpose, action, HERE), identity=[policy_of(Purpose.VOLUMES)]).verdict
        for action in needed(purpose)
    ]
    assert Verdict.DENIED in verdicts
