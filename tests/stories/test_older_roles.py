"""Evidence that begins after the role was made: what a removal tells, and what saved IAM states add."""

import pytest
from builder import MANAGED, Story
from story_documents import EVERYTHING_FOR_VOLUMES, TEARDOWN, TRUSTS_ECS, allowing, document, trusts, without

LATTICE = "AmazonECSInfrastructureRolePolicyForVpcLattice"


def test_detach_followed_by_denials_counts_as_a_loss(story: Story) -> None:
    """'counts as a loss when that very action is denied afterwards … (the detached policy itself shows …)'."""
    story.running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    row = answer.says("a", "stuck", "detach-1")
    assert row["confidence"] in {"certain", "likely"}
    answer.broke("10:00", None, "detach-1")
    answer.reports("stuck_tasks", "ongoing", "a", "detach-1")


def test_deleted_inline_policy_of_unknown_content_followed_by_denials(story: Story) -> None:
    story.running("a")
    story.delete_inline("10:00", name="something", id="delete-inline")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    row = answer.says("a", "stuck", "delete-inline")
    assert row["confidence"] in {"certain", "likely"}
    answer.broke("10:00", None, "delete-inline")


def test_detach_without_denials_is_possible_at_most_with_its_outage(story: Story) -> None:
    """'without such denials it is confidence: possible at most, with its outage row and causes'."""
    story.running("a")
    story.detach("10:00", id="detach-1")
    answer = story.ask()
    row = answer.task("a")
    assert (row["state"], row["at_risk"]) == ("running", True)
    answer.broke("10:00", None, "detach-1")
    finding = answer.reports("tasks_at_risk", "ongoing", "a", "detach-1")
    assert finding["confidence"] == "possible"


def test_detach_and_a_stop_that_nobody_heard_of_again(story: Story) -> None:
    """READING: inside an outage (possible), older than --stuck-after, and silent: stuck, possible."""
    story.running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.ask().says("a", "stuck", "detach-1", confidence="possible")


def test_detach_of_a_policy_that_cannot_grant(story: Story) -> None:
    """'A change that cannot grant an action leaves what is known of it as it was.'"""
    story.create_policy("08:00", "logs", allowing("logs:*"))
    story.running("a", "b")
    story.detach("10:00", policy="logs", id="detach-logs")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    answer.says("b", "running")
    answer.reports("stuck_tasks", "ongoing", "a")
    assert answer.document["outages"] == []
    assert answer.change("detach-logs")["effect"] == "none"


def test_detach_of_an_aws_managed_policy_for_another_purpose(story: Story) -> None:
    story.running("a", "b")
    story.detach("10:00", policy=LATTICE, id="detach-lattice")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    answer.says("b", "running")
    assert not [row for row in answer.document["outages"] if row["purpose"] == "volumes"]


def test_success_beyond_the_grace_contradicts_the_loss(story: Story) -> None:
    """'and no success beyond the grace contradicts it': another grant was there, the later denial has another cause.

    READING: an outage row of `possible` for an action never tried again (ec2:DescribeVolumes) may stand, but it
    does not explain the denial of ec2:DetachVolume, which worked half an hour after the detach.
    """
    story.running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:30", "a")
    story.cleaned("a", "10:31")
    story.stop("11:00", "b")
    story.refused("b", "11:01")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "stuck", at_most="likely")
    answer.reports("stuck_tasks", "ongoing", "b")
    assert not [row for row in answer.outages() if {"ec2:DetachVolume", "ec2:DeleteVolume"} & set(row["actions"])]


def test_success_within_the_grace_does_not_contradict(story: Story) -> None:
    story.running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:01", "a")
    story.cleaned("a", "10:02")
    story.stop("10:30", "b")
    story.refused("b", "10:31")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "stuck", "detach-1")
    answer.broke("10:00", None, "detach-1")


def test_success_before_the_detach_says_nothing_about_after(story: Story) -> None:
    story.running("a", "b")
    story.stop("09:30", "a")
    story.cleaned("a", "09:31")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "b")
    story.refused("b", "10:06")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "stuck", "detach-1")


def test_detach_denied_then_attached_again(story: Story) -> None:
    story.running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.attach("10:30", id="attach-2")
    story.cleaned("a", "10:36")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", resolved_at="10:36:30")
    answer.broke("10:00", "10:30", "detach-1", restored=("attach-2",))
    answer.reports("stuck_tasks", "resolved", "a", "detach-1")


def test_swap_of_an_older_role_is_harmless(story: Story) -> None:
    story.create_policy("08:00", "wide", allowing("ec2:*"))
    story.running("a")
    story.attach("09:59", policy="wide", id="attach-wide")
    story.detach("10:00", id="detach-1")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []


def test_trust_document_speaks_for_itself(story: Story) -> None:
    """'A trust document … speaks for itself': no history is needed to read it."""
    story.running("a", "b")
    story.set_trust("10:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "trust-cut", confidence="likely")
    answer.broke("10:00", None, "trust-cut")
    row = answer.reports("tasks_at_risk", "ongoing", "b", "trust-cut")
    assert row["confidence"] == "likely"


def test_trust_given_back_to_an_older_role(story: Story) -> None:
    story.running("a")
    story.set_trust("10:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.stop("10:05", "a")
    story.set_trust("10:30", TRUSTS_ECS, id="trust-back")
    story.cleaned("a", "10:36")
    answer = story.ask()
    answer.says("a", "recovered", "trust-cut", resolved_at="10:36:30")
    answer.broke("10:00", "10:30", "trust-cut", restored=("trust-back",))


def test_delete_role_speaks_backward(story: Story) -> None:
    """'a role can be deleted only when nothing hangs on it, so an earlier detach … took the capability away'."""
    story.running("a", "b")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:04", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", "delete-1", confidence="likely")
    answer.broke("10:00:00", None, "detach-1", "delete-1")
    answer.reports("tasks_at_risk", "ongoing", "b", "detach-1", "delete-1")


def test_delete_role_speaks_backward_of_an_unknown_inline_policy(story: Story) -> None:
    """READING: the role worked at 09:00 and had nothing left at 10:00:04, and this is the only removal between."""
    story.running("a")
    story.delete_inline("10:00:00", name="something", id="delete-inline")
    story.delete_role("10:00:04", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "delete-inline", "delete-1")
    answer.broke("10:00:00", None, "delete-inline", "delete-1")


def test_delete_role_alone(story: Story) -> None:
    story.running("a")
    story.delete_role("10:00", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "delete-1", confidence="likely")
    answer.broke("10:00", None, "delete-1")


def test_delete_role_does_not_blame_a_detach_that_cannot_have_granted(story: Story) -> None:
    story.create_policy("08:00", "logs", allowing("logs:*"))
    story.running("a")
    story.detach("10:00:00", policy="logs", id="detach-logs")
    story.detach("10:00:02", id="detach-1")
    story.delete_role("10:00:04", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", "delete-1")
    answer.broke("10:00:02", None, "detach-1", "delete-1")


def test_inline_policy_of_an_older_role_put_narrow(story: Story) -> None:
    """What the policy held before is unknown; the denials of that very action follow: blamed, not for certain."""
    story.running("a")
    story.put_inline("10:00", without("ec2:DetachVolume"), id="narrowed")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    row = answer.task("a")
    assert row["state"] == "stuck"
    assert row["cause_event_ids"] in ([], ["narrowed"])
    if row["cause_event_ids"]:
        assert row["confidence"] in {"likely", "possible"}


def test_denials_from_the_first_moment_of_an_older_role(story: Story) -> None:
    """No change in the window: cause unknown."""
    story.running("a", "b")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", confidence="likely")
    answer.says("b", "running")
    answer.reports("stuck_tasks", "ongoing", "a")
    assert answer.document["outages"] == []


def test_denials_before_the_detach_are_not_its_work(story: Story) -> None:
    """READING: what was denied already before the change was not taken away by it."""
    story.running("a")
    story.stop("09:30", "a")
    story.refused("a", "09:31")
    story.refused("a", "09:41")
    story.detach("10:00", id="detach-1")
    story.refused("a", "10:16")
    answer = story.ask()
    answer.says("a", "stuck")


# -- saved IAM states -----------------------------------------------------------------------------------------


def test_state_saved_before_the_change_plays_forward(story: Story) -> None:
    story.running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask(role_state=[story.save_role("08:00", attached=[MANAGED])])
    answer.says("a", "stuck", "detach-1", confidence="certain")
    answer.broke("10:00", None, "detach-1")
    row = answer.reports("tasks_at_risk", "ongoing", "b", "detach-1")
    assert row["confidence"] in {"certain", "likely"}


def test_state_saved_after_the_change_plays_backward(story: Story) -> None:
    """A snapshot 'can start it forward or backward, so a role older than the logs is still known'."""
    story.running("a")
    story.detach("10:00", id="detach-1")
    answer = story.ask(role_state=[story.save_role("11:00")])
    row = answer.reports("tasks_at_risk", "ongoing", "a", "detach-1")
    assert row["confidence"] == "likely"
    answer.broke("10:00", None, "detach-1")


def test_state_saved_after_the_change_with_another_grant(story: Story) -> None:
    """The inline policy was there all along: the detach is harmless."""
    story.running("a")
    story.detach("10:00", id="detach-1")
    saved = story.save_role("11:00", inline={"volumes": EVERYTHING_FOR_VOLUMES})
    answer = story.ask(role_state=[saved])
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []


def test_state_saved_before_with_another_grant(story: Story) -> None:
    story.running("a")
    story.detach("10:00", id="detach-1")
    saved = story.save_role("08:00", attached=[MANAGED], inline={"volumes": allowing(*TEARDOWN)})
    answer = story.ask(role_state=[saved])
    answer.says("a", "running")
    answer.is_quiet()
    assert not answer.outages("teardown")
    answer.broke("10:00", None, "detach-1", phase="provision")


def test_state_saved_with_the_text_of_a_customer_policy(story: Story) -> None:
    story.running("a")
    story.new_version("10:00", "volumes", without("ec2:DeleteVolume"), id="narrow-v2")
    saved = story.save_role("08:00", attached=["volumes"], versions={"volumes": EVERYTHING_FOR_VOLUMES})
    answer = story.ask(role_state=[saved])
    answer.reports("tasks_at_risk", "ongoing", "a", "narrow-v2")
    assert answer.broke("10:00", None, "narrow-v2")["actions"] == ["ec2:DeleteVolume"]


def test_inline_narrowed_with_the_state_saved_before(story: Story) -> None:
    story.running("a")
    story.put_inline("10:00", without("ec2:DetachVolume"), id="narrowed")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask(role_state=[story.save_role("08:00", inline={"volumes": EVERYTHING_FOR_VOLUMES})])
    answer.says("a", "stuck", "narrowed", confidence="certain")
    answer.broke("10:00", None, "narrowed")


def test_state_saved_while_the_role_was_broken_by_nothing_we_know(story: Story) -> None:
    """No change in the evidence explains it: no outage is invented for a state."""
    story.running("a")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask(role_state=[story.save_role("11:00")])
    answer.says("a", "stuck")
    answer.reports("stuck_tasks", "ongoing", "a")


@pytest.mark.parametrize("text", [document(), trusts("ec2.amazonaws.com")])
def test_trust_given_back_by_the_evidence_and_the_broken_state_saved_before(story: Story, text: dict) -> None:
    """READING: the loss itself lies before the evidence; the repair is a repair and nobody is blamed."""
    story.running("a", at="09:10")
    story.set_trust("09:00", TRUSTS_ECS, id="trust-back")
    answer = story.ask(role_state=[story.save_role("08:00", attached=[MANAGED], trust=text)])
    answer.says("a", "running")
    answer.is_quiet()
