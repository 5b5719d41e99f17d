"""Guard agrees with the engine: what is foreseen before a change is what is found after it."""

import json
from datetime import timedelta

import pytest

import ecs_trail as et
from ecs_trail.analysis.roles.changes import Change
from ecs_trail.analysis.roles.guard import foresee
from ecs_trail.analysis.roles.proposals import Proposal
from ecs_trail.practice import incident, kinds, write

SECOND = timedelta(seconds=1)
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
MANAGED = "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRolePolicyForVolumes"
TEARDOWN = ("ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes")


def policy(*actions: str, effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def as_proposal(change: Change, case: et.Case) -> Proposal | None:
    """The change as a person would have asked guard about it; None where there are no words for it."""
    match change.event_name:
        case "DetachRolePolicy":
            return Proposal("detach", change.policy_arn)
        case "DeleteRolePolicy":
            return Proposal("detach", change.policy_name)
        case "AttachRolePolicy":
            return Proposal("attach", change.policy_arn)
        case "UpdateAssumeRolePolicy":
            return Proposal("trust", document=change.document)
        case "PutRolePolicy":
            return Proposal("policy", change.policy_name, change.document)
        case "CreatePolicyVersion" if change.set_as_default:
            return Proposal("policy", change.policy_arn, change.document)
        case "PutRolePermissionsBoundary":
            return Proposal("boundary", change.boundary)
        case "DeleteRole":
            return Proposal("delete")
        case _:
            return None


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize("kind", kinds())
def test_guarding_a_change_beforehand_predicts_what_the_engine_finds_afterwards(kind, seed, tmp_path):
    made = incident(kind, seed)
    write(made, tmp_path)
    harmless = set(made.harmless_event_ids)
    after = et.investigate(str(tmp_path))
    for key, moments in after.history.moments.items():
        for change in [moment.change for moment in moments if moment.change is not None]:
            when = change.event_time - SECOND
            before = et.investigate(str(tmp_path), as_of=when)
            if key not in before.history.moments:
                continue
            # Where ECS was not yet seen to work with the role, nobody can be told about.
            known = {(purpose, one.region) for purpose, listed in before.history.places[key].items() for one in listed}
            here = [
                loss
                for loss in after.history.losses[key]
                if (loss.purpose, loss.place.region) in known and loss.lost_at == change.event_time
            ]
            together = [one for one in after.history.changes if one.applied and one.event_time == change.event_time]
            policies = [one for one in after.history.changes if one.event_name.startswith("CreatePolicy")]
            ahead = foresee(
                before.history, key, [*(one for one in policies if one.event_time <= when), *together], when
            )
            said = {(loss.purpose, loss.action, loss.place) for loss in ahead.losses}
            open_questions = {(one.purpose, one.action, one.place) for one in ahead.unclear}
            real = {(loss.purpose, loss.action, loss.place) for loss in here}
            # What only refused calls have shown afterwards, guard could not know; it must have left it open.
            shown = {(loss.purpose, loss.action, loss.place) for loss in here if loss.certainty == "observed"}
            asked_there = {one for one in real if one[2] in before.history.places[key][one[0]]}
            assert said <= real, (change.event_name, key)
            assert asked_there - shown <= said, (change.event_name, key)
            assert asked_there <= said | open_questions, (change.event_name, key)
            asked = as_proposal(change, before)
            if asked is not None and len(together) == 1:
                answer = before.guard(asked, role=before.history.arns[key])
                actions = {action for one in answer.broken for action in one.actions}
                assert actions == {one[1] for one in said}, (change.event_name, key)
                assert answer.breaks or not actions or answer.verdict == "nobody_depends"
            if change.event_id in harmless:
                assert not said, change.event_name
