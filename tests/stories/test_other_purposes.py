"""Targets, listeners and Managed Instances: what ECS was refused, or did only in part, and through which change."""

import pytest
from builder import Story
from story_documents import EVERYTHING_FOR_VOLUMES

LB_POLICY = "AmazonECSInfrastructureRolePolicyForLoadBalancers"
TARGETS = [{"id": "10.0.0.7", "port": 8080}]
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/0123456789abcdef"
LATTICE_GROUP = "tg-0123456789abcdef0"


def managed(story: Story, name: str) -> str:
    return f"arn:{story.partition}:iam::aws:policy/{name}"


def balancer_role(story: Story) -> None:
    story.create_role("08:00", id="made")
    request = {"roleName": "ecsInfra", "policyArn": managed(story, LB_POLICY)}
    story.iam("08:01", "AttachRolePolicy", request, id="granted")
    register(story, "08:10")


def register(story: Story, at: str, **more) -> str:
    who = story.session(name="ecs-service-scheduler")
    request = {"targetGroupArn": GROUP, "targets": TARGETS}
    return story.tell(at, "elasticloadbalancing:RegisterTargets", request, {}, who=who, **more)


def refused(action: str, resource: str, why: str = "because no identity-based policy allows the {} action"):
    text = (
        f"User: arn:aws:sts::111122223333:assumed-role/ecsInfra/x is not authorized to perform: {action} on resource: "
    )
    return "AccessDenied", f"{text}{resource} {why.format(action)}"


def test_a_detached_balancer_policy_blocks_the_registration_of_targets(story: Story) -> None:
    balancer_role(story)
    request = {"roleName": "ecsInfra", "policyArn": managed(story, LB_POLICY)}
    story.iam("10:00", "DetachRolePolicy", request, id="detach")
    failure = refused("elasticloadbalancing:RegisterTargets", GROUP)
    ids = [register(story, at, failure=failure) for at in ("10:10", "10:20")]
    found = story.ask().finding("provisioning_blocked")
    assert (found["status"], found["cause_event_ids"], found["confidence"]) == ("ongoing", ["detach"], "certain")
    assert found["evidence"] == ids
    outage = next(one for one in story.ask().document["outages"] if one["id"] == found["outage_id"])
    assert (outage["purpose"], outage["phase"], outage["cause_event_ids"]) == (
        "load_balancers",
        "provision",
        ["detach"],
    )
    assert any(
        "attach-role-policy" in line and LB_POLICY in line for one in found["repair"] for line in one["commands"]
    )
    assert found["title"].startswith("ECS cannot register load balancer targets: ")


def test_it_is_over_once_the_policy_is_back(story: Story) -> None:
    balancer_role(story)
    request = {"roleName": "ecsInfra", "policyArn": managed(story, LB_POLICY)}
    story.iam("10:00", "DetachRolePolicy", request, id="detach")
    register(story, "10:10", failure=refused("elasticloadbalancing:RegisterTargets", GROUP))
    story.iam("10:30", "AttachRolePolicy", request, id="repair")
    register(story, "10:40")
    found = story.ask().finding("provisioning_blocked")
    assert (found["status"], found["cause_event_ids"], found["repair"]) == ("resolved", ["detach"], [])
    assert found["ended_at"].endswith("T10:40:00Z")


def test_targets_that_lattice_did_not_register_count_as_a_failure(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    who = story.session(name="ECSNetworkingWithVPCLattice")
    request = {"targetGroupIdentifier": LATTICE_GROUP, "targets": TARGETS}
    answered = {"successful": [], "unsuccessful": [{**TARGETS[0], "failureCode": "UnsupportedTarget"}]}
    event = story.tell("09:00", "vpc-lattice:RegisterTargets", request, answered, who=who)
    found = story.ask().finding("provisioning_blocked")
    assert (found["status"], found["cause_event_ids"], found["evidence"]) == ("ongoing", [], [event])
    assert "1 target not registered (UnsupportedTarget)" in found["title"]


@pytest.mark.parametrize("session", ["ECSManagedInstances", "ECSManagedInstancesForCompute"])
def test_an_instance_role_of_another_name_is_said_to_be_just_that(story: Story, session: str) -> None:
    story.create_role("08:00", id="made")
    policy = managed(story, "AmazonECSInfrastructureRolePolicyForManagedInstances")
    story.iam("08:01", "AttachRolePolicy", {"roleName": "ecsInfra", "policyArn": policy}, id="granted")
    instance_role = f"arn:{story.partition}:iam::{story.account}:role/web-instances"
    failure = ("Client.UnauthorizedOperation", refused("iam:PassRole", instance_role)[1])
    who = story.session(name=session)
    story.tell("09:00", "ec2:CreateFleet", {"type": "instant"}, who=who, failure=failure)
    answer = story.ask()
    found = answer.finding("provisioning_blocked")
    assert found["cause_event_ids"] == []
    assert "it may not pass role web-instances to the instances" in found["title"]
    assert (
        "lets ECS pass only roles whose name starts with ecsInstanceRole; web-instances does not"
        in found["explanation"]
    )
    (command,) = [line for step in found["repair"] for line in step["commands"]]
    assert "put-role-policy --role-name ecsInfra" in command
    assert instance_role in command
    assert '"iam:PassedToService":"ec2.*"' in command
    assert answer.document["outages"] == []


def test_an_unknown_session_of_ecs_on_a_known_role_is_reported(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    who = story.session(name="ECSSomethingNew")
    failure = ("Client.UnauthorizedOperation", refused("ec2:CreateTags", "arn:aws:ec2:eu-west-1:1:instance/*")[1])
    story.tell("09:00", "ec2:CreateTags", {"resourcesSet": {"items": []}}, who=who, failure=failure)
    assert "work under the session ECSSomethingNew" in story.ask().finding("provisioning_blocked")["title"]


def test_throttling_and_a_person_with_the_session_name_block_nothing(story: Story) -> None:
    balancer_role(story)
    register(story, "09:00", failure=("Throttling", "Rate exceeded"))
    person = story.session(name="ecs-service-scheduler", by_ecs=False)
    failure = refused("elasticloadbalancing:RegisterTargets", GROUP)
    story.tell("09:10", "elasticloadbalancing:RegisterTargets", {"targetGroupArn": GROUP}, who=person, failure=failure)
    assert story.ask().findings("provisioning_blocked") == []


def test_a_refusal_by_a_policy_outside_the_role_blames_no_change_of_it(story: Story) -> None:
    balancer_role(story)
    request = {"roleName": "ecsInfra", "policyArn": managed(story, LB_POLICY)}
    story.iam("10:00", "DetachRolePolicy", request, id="detach")
    why = "with an explicit deny in a VPC endpoint policy"
    register(story, "10:10", failure=refused("elasticloadbalancing:RegisterTargets", GROUP, why))
    assert story.ask().finding("provisioning_blocked")["cause_event_ids"] == []


def launch(
    story: Story, at: str, *, failures: list[dict], tasks: list[dict] | None = None, role: str = "ecsInfra"
) -> str:
    ebs = {"roleArn": story.role_arn(role), "sizeInGiB": 10}
    request = {
        "cluster": "prod",
        "taskDefinition": "job:1",
        "volumeConfigurations": [{"name": "data", "managedEBSVolume": ebs}],
    }
    return story.tell(at, "ecs:RunTask", request, {"tasks": tasks or [], "failures": failures})


def test_a_launch_answered_with_failures_counts_as_one_although_it_has_no_error_code(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    failures = [{"arn": "arn:aws:ecs:eu-west-1:111122223333:container-instance/x", "reason": "RESOURCE:MEMORY"}] * 2
    event = launch(story, "09:00", failures=failures)
    answer = story.ask()
    found = answer.finding("provisioning_blocked")
    assert (found["status"], found["cause_event_ids"], found["evidence"]) == ("ongoing", [], [event])
    assert found["title"] == "2 tasks of job:1 not started in cluster prod: RESOURCE:MEMORY"
    assert found["role_arn"] == story.role_arn()
    assert answer.document["tasks"] == []


def test_a_later_launch_that_works_ends_it_and_one_without_failures_is_no_finding(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    launch(story, "09:00", failures=[{"reason": "AGENT"}])
    launch(story, "09:10", failures=[])
    found = story.ask().finding("provisioning_blocked")
    assert (found["status"], found["ended_at"][11:16]) == ("resolved", "09:10")


def test_a_launch_without_a_managed_volume_is_none_of_ours(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.tell(
        "09:00",
        "ecs:RunTask",
        {"cluster": "prod", "taskDefinition": "x"},
        {"tasks": [], "failures": [{"reason": "AGENT"}]},
    )
    assert story.ask().findings("provisioning_blocked") == []
