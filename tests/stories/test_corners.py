"""Corners where a quick engine is wrong: shared policies, one volume's resource, unknown conditions, quick swaps."""

import pytest
from builder import Story
from story_documents import EVERYTHING_FOR_VOLUMES, VOLUME_ACTIONS, allow, allowing, deny, document, without


def test_one_customer_policy_on_two_roles(story: Story) -> None:
    """One change, two roles: one outage of a phase and one finding for each."""
    story.create_policy("07:00", "volumes", EVERYTHING_FOR_VOLUMES)
    for role in ("ecsInfra", "second"):
        story.healthy_role(role=role, policy="volumes")
    story.running("a").running("b", role="second")
    story.new_version("10:00", "volumes", without("ec2:DetachVolume"), id="narrow-v2")
    for name in ("a", "b"):
        story.stop("10:05", name)
        story.refused(name, "10:06")
    answer = story.ask()
    for name in ("a", "b"):
        answer.says(name, "stuck", "narrow-v2", confidence="certain")
    assert sorted(row["role_arn"] for row in answer.outages()) == [story.role_arn(), story.role_arn("second")]
    assert sorted(answer.change("narrow-v2")["role_arns"]) == [story.role_arn(), story.role_arn("second")]
    assert len(answer.findings()) == 2


@pytest.mark.xfail(strict=True, reason="abilities are judged per Region and cluster, not per volume ARN")
def test_allow_narrowed_to_the_volume_of_another_task(story: Story) -> None:
    """'at_risk and causes are judged per task': the resource of the statement decides.

    READING: the contract names Region, cluster and tag; a volume's own ARN is judged per task in the same way.
    """
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a", "b")
    volume = f"arn:aws:ec2:eu-west-1:111122223333:volume/{story.volume('b')}"
    rest = [action for action in VOLUME_ACTIONS if action != "ec2:DeleteVolume"]
    text = document(allow(*rest), {"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": volume})
    story.put_inline("10:00", text, id="narrowed")
    answer = story.ask()
    answer.says("b", "running", at_risk=False)
    answer.reports("tasks_at_risk", "ongoing", "a", "narrowed")
    assert len(answer.outages()) == 1


def test_allow_by_not_action(story: Story) -> None:
    story.inline_role(document({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"})).running("a")
    story.put_inline(
        "10:00", document({"Effect": "Allow", "NotAction": ["iam:*", "EC2:delete*"], "Resource": "*"}), id="narrowed"
    )
    answer = story.ask()
    answer.reports("tasks_at_risk", "ongoing", "a", "narrowed")
    assert answer.broke("10:00", None, "narrowed")["actions"] == ["ec2:DeleteVolume"]


def test_deny_under_a_condition_nobody_can_judge_accuses_nobody_in_silence(story: Story) -> None:
    """READING: conditions that cannot be judged are unknown; unknown alone is 'possible' at most."""
    story.healthy_role().running("a")
    condition = {"StringEquals": {"aws:PrincipalTag/frozen": "yes"}}
    story.put_inline("10:00", document(deny("ec2:*", Condition=condition)), name="guard", id="deny-1")
    answer = story.ask()
    for row in answer.findings("tasks_at_risk"):
        assert row["confidence"] == "possible"
    assert answer.task("a")["state"] == "running"


def test_deny_under_a_condition_nobody_can_judge_with_denials_that_name_it(story: Story) -> None:
    """READING: denied by an explicit deny of an identity policy, and one explicit deny came just before: likely."""
    story.healthy_role().running("a")
    condition = {"StringEquals": {"aws:PrincipalTag/frozen": "yes"}}
    story.put_inline("10:00", document(deny("ec2:*", Condition=condition)), name="guard", id="deny-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why="with an explicit deny in an identity-based policy")
    answer = story.ask()
    row = answer.task("a")
    assert row["state"] == "stuck"
    assert row["cause_event_ids"] in ([], ["deny-1"])
    assert row["confidence"] != "certain"


def test_describe_volumes_denied_during_provisioning_is_no_stop(story: Story) -> None:
    """'or denied `DescribeVolumes`, after provisioning'."""
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    story.put_inline("08:30", without("ec2:DescribeVolumes"), id="narrowed")
    story.launch("09:00", "new")
    story.assume("09:00:05")
    story.create_volume("09:00:06", "new")
    story.describe_volume("09:00:08", "new", denied=True)
    answer = story.ask("09:01")
    assert answer.task("new")["state"] not in {"stuck", "recovered"}
    assert answer.task("new")["stop_started_at"] is None


def test_swap_in_the_wrong_order_within_two_seconds(story: Story) -> None:
    """A gap of a second in which nothing stopped hurts nobody."""
    story.create_policy("07:00", "wide", allowing("ec2:*"))
    story.healthy_role().running("a", "b")
    story.detach("10:00:00", id="detach-1")
    story.attach("10:00:01", policy="wide", id="attach-wide")
    story.stop("10:10", "a")
    story.cleaned("a", "10:11")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "running")
    answer.is_quiet()
    answer.broke("10:00:00", "10:00:01", "detach-1", restored=("attach-wide",))


def test_boundary_put_on_while_the_policy_was_gone_keeps_the_outage_open(story: Story) -> None:
    """'ends when all are allowed again'; READING: the boundary took part, as without it the repair had worked."""
    story.create_policy("07:00", "limits", allowing("s3:*"))
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:01", "a")
    story.refused("a", "10:02")
    story.put_boundary("10:10", "limits", id="boundary-on")
    story.attach("10:20", id="attach-2")
    story.refused("a", "10:30", why="because no permissions boundary allows the {action} action")
    answer = story.ask()
    row = answer.outage()
    assert (row["start"], row["end"]) == ("2026-03-02T10:00:00Z", None)
    assert row["cause_event_ids"] == ["detach-1", "boundary-on"]
    answer.says("a", "stuck", "detach-1", "boundary-on", confidence="certain")


def test_stop_asked_for_twice(story: Story) -> None:
    """'A stop begins at the earliest'."""
    story.healthy_role().running("a")
    story.stop("10:00", "a")
    story.stop("10:03", "a")
    story.ask("10:05").says("a", "stopping", stop_started_at="10:00")


def test_task_launched_into_a_role_that_cannot_delete(story: Story) -> None:
    """The task came after the loss; its role is in the outage all the same."""
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    story.put_inline("08:30", without("ec2:DeleteVolume"), id="narrowed")
    story.running("late")
    answer = story.ask()
    answer.reports("tasks_at_risk", "ongoing", "late", "narrowed")


def test_policy_attached_twice_and_detached_once(story: Story) -> None:
    """Attaching what is attached already changes nothing; one detach takes it away."""
    story.healthy_role()
    story.attach("08:30", id="attach-again")
    story.running("a")
    story.detach("10:00", id="detach-1")
    answer = story.ask()
    answer.reports("tasks_at_risk", "ongoing", "a", "detach-1")
    assert answer.change("attach-again")["effect"] == "none"


def test_detached_twice_only_the_first_took_it(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.detach("10:01", id="detach-again")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", confidence="certain")
    answer.broke("10:00", None, "detach-1")


def test_inline_policy_of_another_name_narrows_nothing(story: Story) -> None:
    """A new narrow policy beside a wide one adds; it does not replace."""
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("10:00", allowing("ec2:DescribeVolumes"), name="extra", id="extra-on")
    story.delete_inline("10:10", name="extra", id="extra-off")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []


def test_a_name_is_case_insensitive_nowhere_it_should_not_be(story: Story) -> None:
    """Resources are case-sensitive: a deny on an upper-case ARN reaches nothing."""
    story.healthy_role().running("a")
    text = document({"Effect": "Deny", "Action": "ec2:DeleteVolume", "Resource": "arn:aws:ec2:*:*:VOLUME/*"})
    story.put_inline("10:00", text, name="guard", id="deny-1")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()


def test_denied_call_names_the_outage_action_not_another(story: Story) -> None:
    """Only DeleteVolume was lost, yet DetachVolume is denied: the loss does not explain that denial.

    READING: the lost action is needed too (the volume must be deleted), so the change may be named, but the denied call
    does not agree with the replayed state: never `certain`.
    """
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("10:00", without("ec2:DeleteVolume"), id="narrowed")
    story.stop("10:05", "a")
    story.refused("a", "10:06", call="DetachVolume")
    answer = story.ask()
    row = answer.task("a")
    assert row["state"] == "stuck"
    assert row["confidence"] != "certain"


def test_withheld_repair_is_not_invented(story: Story) -> None:
    """The cleanup works long after the loss, no repair is in the evidence: recovered, and no repair is made up."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", resolved_at="10:40:30")
    assert answer.outage()["restore_event_ids"] == []
