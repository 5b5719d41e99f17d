"""When a stop begins, what blocks it, and whose causes are whose."""

from pathlib import Path

import pytest
from builder import INCORRECT_STATE, NOT_FOUND, THROTTLED, VOLUME_IN_USE, Story
from story_documents import (
    EVERYTHING_FOR_VOLUMES,
    TRUSTS_ECS,
    allowing,
    deny,
    document,
    trusts,
    without,
)

UNABLE = (
    "ECS was unable to assume the configured ECS Infrastructure Role 'arn:aws:iam::111122223333:role/ecsInfra'. "
    "Please verify that the role being passed has the proper trust relationship with Amazon ECS"
)


def test_a_healthy_life(story: Story) -> None:
    story.healthy_role().running("a", "b")
    story.stop("10:00", "a")
    story.cleaned("a", "10:01")
    answer = story.ask()
    answer.says("a", "stopped", stop_started_at="10:00", outage_id=None)
    answer.says("b", "running", stop_started_at=None, outage_id=None)
    answer.is_quiet()
    assert (answer.volume("a")["state"], answer.volume("b")["state"]) == ("deleted", "attached")
    assert answer.volume("a")["volume_id"] in answer.task("a")["volume_ids"]


def test_tasks_without_a_managed_volume_are_not_listed(story: Story) -> None:
    """'Other tasks of the account are not listed.'"""
    story.healthy_role().running("a")
    other = story.task("other")
    made = {"tasks": [{"taskArn": other}], "failures": []}
    story.tell("09:00", "ecs:RunTask", {"cluster": "prod", "taskDefinition": "web:1"}, made)
    story.tell("09:30", "ecs:StopTask", {"cluster": "prod", "task": other}, {"task": {"taskArn": other}})
    assert [row["task_arn"] for row in story.ask().document["tasks"]] == [story.task("a")]


# -- what a stop is -------------------------------------------------------------------------------------------


def test_stop_task_is_a_stop(story: Story) -> None:
    story.healthy_role().running("a")
    story.stop("10:00", "a")
    story.ask("10:05").says("a", "stopping", stop_started_at="10:00")


def test_failed_stop_task_is_no_stop(story: Story) -> None:
    """'a successful `StopTask`'."""
    story.healthy_role().running("a")
    story.stop("10:00", "a", failure=("AccessDeniedException", "no"))
    story.ask().says("a", "running", stop_started_at=None)


def test_stop_task_by_short_id(story: Story) -> None:
    """The request may carry the bare task id and the full cluster ARN; the response names the task."""
    story.healthy_role().running("a")
    arn = story.task("a")
    request = {"cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/prod", "task": arn.rsplit("/")[-1]}
    story.tell("10:00", "ecs:StopTask", request, {"task": {"taskArn": arn}})
    story.ask("10:05").says("a", "stopping", stop_started_at="10:00")


@pytest.mark.parametrize("word", ["delete", "scale"])
def test_service_deleted_or_scaled_to_nothing_is_a_stop_of_its_tasks(story: Story, word: str) -> None:
    """'DeleteService or desiredCount: 0 of its service'; other services' tasks run on."""
    story.healthy_role()
    story.create_service("08:50", "api")
    story.create_service("08:50", "web")
    story.running("a", "b", service="api").running("c", service="web")
    if word == "delete":
        story.delete_service("10:00", "api", id="service-gone")
    else:
        story.scale("10:00", "api", 0, id="scaled-down")
    answer = story.ask("10:05")
    for name in ("a", "b"):
        row = answer.says(name, "stopping", stop_started_at="10:00")
        assert row["service"] == "api"
    answer.says("c", "running")


def test_service_scaled_to_something_is_no_stop(story: Story) -> None:
    story.healthy_role()
    story.create_service("08:50", "api")
    story.running("a", service="api")
    story.scale("10:00", "api", 1, id="scaled")
    story.ask().says("a", "running", stop_started_at=None)


def test_service_deleted_after_its_role(story: Story) -> None:
    """The classic: Terraform removes the role before the service."""
    story.healthy_role()
    story.create_service("08:50", "api")
    story.running("a", "b", service="api")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:02", id="delete-1")
    story.delete_service("10:00:30", "api", id="service-gone")
    answer = story.ask()
    for name in ("a", "b"):
        answer.says(name, "stuck", "detach-1", "delete-1", stop_started_at="10:00:30")
    answer.reports("stuck_tasks", "ongoing", "a b", "detach-1", "delete-1")


def test_failed_delete_service_is_no_stop(story: Story) -> None:
    story.healthy_role()
    story.create_service("08:50", "api")
    story.running("a", service="api")
    story.delete_service("10:00", "api", id="failed", failure=("InvalidParameterException", "scaled above 0"))
    story.ask().says("a", "running", stop_started_at=None)


def test_first_detach_volume_by_ecs_is_a_stop(story: Story) -> None:
    story.healthy_role().running("a")
    story.assume("10:00:01")
    story.detach_volume("10:00:02", "a")
    story.ask("10:03").says("a", "stopping", stop_started_at="10:00:02")


def test_first_denied_delete_volume_by_ecs_is_a_stop(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("09:30", without("ec2:DeleteVolume"), id="narrowed")
    story.refused("a", "10:00", call="DeleteVolume")
    story.ask("10:03").says("a", "stuck", "narrowed", stop_started_at="10:00:02")


def test_denied_describe_volumes_after_provisioning_is_a_stop(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("09:30", without("ec2:DescribeVolumes"), id="narrowed")
    story.refused("a", "10:00", call="DescribeVolumes")
    story.ask("10:03").says("a", "stuck", "narrowed", stop_started_at="10:00:02")


def test_successful_describe_volumes_is_no_stop(story: Story) -> None:
    story.healthy_role().running("a")
    story.assume("10:00:01")
    story.describe_volume("10:00:02", "a")
    story.ask().says("a", "running", stop_started_at=None)


def test_a_person_with_the_session_name_is_not_ecs(story: Story) -> None:
    """'Only calls with invokedBy ECS count as ECS's own.'"""
    story.healthy_role().running("a")
    copied = story.session(by_ecs=False)
    story.delete_volume("10:00", "a", who=copied, denied=True, id="denied-copy")
    answer = story.ask()
    answer.says("a", "running", stop_started_at=None)
    answer.is_quiet()
    assert "denied-copy" in answer.finding("session_impersonation")["evidence"]


def test_saved_state_tells_when_the_stop_began(story: Story) -> None:
    """'a saved state's stoppingAt' is the earliest sign."""
    story.healthy_role().running("a")
    story.detach("09:50", id="detach-1")
    story.refused("a", "10:06")
    state = story.task_state("a", lastStatus="DEPROVISIONING", desiredStatus="STOPPED", stoppingAt="10:01")
    answer = story.ask(tasks=[story.save_tasks(state)])
    answer.says("a", "stuck", "detach-1", confidence="certain", stop_started_at="10:01")


def test_saved_state_of_a_running_task(story: Story) -> None:
    story.healthy_role().running("a")
    answer = story.ask(tasks=[story.save_tasks(story.task_state("a"))])
    answer.says("a", "running", stop_started_at=None)
    answer.is_quiet()


def test_status_reason_unable_to_assume(story: Story) -> None:
    """The saved state says what no call recorded."""
    story.healthy_role().running("a")
    story.set_trust("09:50", trusts("ec2.amazonaws.com"), id="trust-cut")
    state = story.task_state(
        "a", lastStatus="DEPROVISIONING", desiredStatus="STOPPED", stoppingAt="10:01", reason=UNABLE
    )
    answer = story.ask(tasks=[story.save_tasks(state)])
    answer.says("a", "stuck", "trust-cut", stop_started_at="10:01")
    row = answer.reports("stuck_tasks", "ongoing", "a", "trust-cut")
    assert set(row["basis"]) >= {"trust_replay", "task_status_reason"}


def test_saved_state_stopped_and_deleted(story: Story) -> None:
    """READING: STOPPED comes after DEPROVISIONING, so with the attachment DELETED the volume is cleaned up."""
    story.healthy_role().running("a")
    state = story.task_state(
        "a",
        lastStatus="STOPPED",
        desiredStatus="STOPPED",
        stoppingAt="10:01",
        stoppedAt="10:02",
        attachment="DELETED",
    )
    answer = story.ask(tasks=[story.save_tasks(state)])
    answer.says("a", "stopped", stop_started_at="10:01")
    answer.is_quiet()


def test_task_known_only_from_a_saved_state(story: Story) -> None:
    """'or by a saved task state'."""
    story.healthy_role().running("a")
    story.detach("09:50", id="detach-1")
    story._know("old")
    state = story.task_state("old")
    answer = story.ask(tasks=[story.save_tasks(state)])
    row = answer.says("old", "running", *answer.task("old")["cause_event_ids"], at_risk=True)
    assert row["role_arn"] == story.role_arn()
    answer.reports("tasks_at_risk", "ongoing", "a old", "detach-1")


def test_task_state_files_inside_the_folder_are_used_as_well(story: Story) -> None:
    story.healthy_role().running("a")
    state = story.task_state("a", lastStatus="DEPROVISIONING", desiredStatus="STOPPED", stoppingAt="10:01")
    story.write()
    story.save_tasks(state).rename(story.folder / "tasks.json")
    story.ask("10:04").says("a", "stopping", stop_started_at="10:01")


def test_old_stop_with_no_call_no_outage_and_no_saved_state_is_unknown(story: Story) -> None:
    """'a stop older than --stuck-after with no call, no outage and no saved state is unknown'."""
    story.healthy_role().running("a")
    story.stop("10:00", "a")
    answer = story.ask()
    answer.says("a", "unknown")
    answer.is_quiet()


# -- what blocks ----------------------------------------------------------------------------------------------


def test_denied_cleanup_makes_a_task_stuck_however_young(story: Story) -> None:
    """'A denied cleanup call makes a task stuck at once, however young'."""
    story.healthy_role().running("a")
    story.detach("09:50", id="detach-1")
    story.stop("10:05:00", "a")
    story.assume("10:05:01")
    story.detach_volume("10:05:02", "a", denied=True)
    story.ask("10:05:03").says("a", "stuck", "detach-1")


@pytest.mark.parametrize("failure", [VOLUME_IN_USE, INCORRECT_STATE, THROTTLED, NOT_FOUND], ids=lambda pair: pair[0])
@pytest.mark.parametrize("healed", [True, False])
def test_trouble_that_is_no_block(story: Story, failure: tuple[str, str], healed: bool) -> None:
    """'`VolumeInUse`, `IncorrectState`, throttling and not-found are no block'."""
    story.healthy_role().running("a", "b")
    story.stop("10:00", "a")
    story.assume("10:00:10")
    story.detach_volume("10:00:11", "a")
    story.delete_volume("10:00:15", "a", failure=failure)
    if healed and failure is not NOT_FOUND:
        story.delete_volume("10:00:45", "a")
    answer = story.ask("10:05")
    if healed and failure is not NOT_FOUND:
        answer.says("a", "stopped")
    else:
        assert answer.task("a")["state"] != "stuck"
    answer.is_quiet()


def test_denials_with_no_change_in_the_window(story: Story) -> None:
    """'Denials without a change make no outage and no at_risk'; 'one finding per role', without causes."""
    story.healthy_role().running("a", "b", "c")
    for name in ("a", "b"):
        story.stop("10:00", name)
        story.refused(name, "10:10")
    answer = story.ask()
    for name in ("a", "b"):
        row = answer.says(name, "stuck", at_most="likely", outage_id=None)
        assert row["confidence"] == "likely"
    answer.says("c", "running")
    row = answer.reports("stuck_tasks", "ongoing", "a b")
    assert (row["outage_id"], row["role_arn"]) == (None, story.role_arn())
    assert answer.document["outages"] == []
    assert not answer.findings("tasks_at_risk")


def test_unexplained_denials_of_two_roles_are_two_findings(story: Story) -> None:
    story.healthy_role().healthy_role(role="second")
    story.running("a").running("b", role="second")
    for name in ("a", "b"):
        story.stop("10:00", name)
        story.refused(name, "10:10")
    answer = story.ask()
    rows = answer.findings()
    assert sorted(row["role_arn"] for row in rows) == [story.role_arn(), story.role_arn("second")]
    assert all(len(row["task_arns"]) == 1 and not row["cause_event_ids"] for row in rows)


def test_unexplained_denials_that_end_by_themselves(story: Story) -> None:
    """Blocked and later resolved: recovered, cause unknown."""
    story.healthy_role().running("a")
    story.stop("10:00", "a")
    story.refused("a", "10:10")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", resolved_at="10:40:30")
    answer.reports("stuck_tasks", "resolved", "a")


def test_stuck_task_whose_volume_a_person_deletes(story: Story) -> None:
    """'by hand'; 'Deletion implies detachment'; the outage goes on."""
    story.healthy_role().running("a", "b")
    story.detach("09:50", id="detach-1")
    story.stop("10:00", "a")
    story.refused("a", "10:01")
    story.delete_volume("10:30", "a", who=story.person("maria"))
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", confidence="certain", resolved_at="10:30")
    assert "maria" in answer.volume("a")["deleted_by"]
    answer.broke("09:50", None, "detach-1")
    answer.reports("stuck_tasks", "resolved", "a", "detach-1")
    answer.reports("tasks_at_risk", "ongoing", "b", "detach-1")


def test_person_deletes_the_volume_of_a_stopping_task_of_a_healthy_role(story: Story) -> None:
    """Nothing was blocked: stopped."""
    story.healthy_role().running("a")
    story.stop("10:00", "a")
    story.delete_volume("10:02", "a", who=story.person("maria"))
    answer = story.ask()
    answer.says("a", "stopped")
    answer.is_quiet()


def test_one_stuck_and_one_recovered_keep_the_finding_ongoing(story: Story) -> None:
    """'its task_arns are exactly the tasks whose state is stuck or recovered through it'."""
    story.healthy_role().running("a", "b", "c", "d")
    story.stop("09:30", "d")
    story.cleaned("d", "09:31")
    story.detach("09:50", id="detach-1")
    for name in ("a", "b"):
        story.stop("10:00", name)
        story.refused(name, "10:01")
    story.delete_volume("10:30", "a", who=story.person("maria"))
    answer = story.ask()
    answer.says("a", "recovered", "detach-1")
    answer.says("b", "stuck", "detach-1")
    answer.says("d", "stopped")
    answer.reports("stuck_tasks", "ongoing", "a b", "detach-1")
    answer.reports("tasks_at_risk", "ongoing", "c", "detach-1")


# -- whose causes ---------------------------------------------------------------------------------------------


def test_partial_repair_in_several_steps(story: Story) -> None:
    """'it ends when all are allowed again'."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.put_inline("10:20", allowing("ec2:DescribeVolumes"), name="one", id="repair-1")
    story.refused("a", "10:26")
    story.put_inline("10:30", allowing("ec2:DetachVolume"), name="two", id="repair-2")
    story.assume("10:36:01")
    story.detach_volume("10:36:02", "a")
    story.delete_volume("10:36:20", "a", denied=True)
    story.put_inline("10:40", allowing("ec2:DeleteVolume"), name="three", id="repair-3")
    story.assume("10:46:01")
    story.delete_volume("10:46:02", "a")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", confidence="certain", resolved_at="10:46:02")
    answer.broke("10:00", "10:40", "detach-1", restored=("repair-1", "repair-2", "repair-3"))
    assert answer.outage("provision")["end"] is None


@pytest.mark.parametrize(("as_of", "end"), [("10:35", None), ("12:00", "10:40")])
def test_partial_repair_seen_half_way(story: Story, as_of: str, end: str | None) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.put_inline("10:20", allowing("ec2:DescribeVolumes", "ec2:DetachVolume"), name="one", id="repair-1")
    story.put_inline("10:40", allowing("ec2:DeleteVolume"), name="two", id="repair-2")
    answer = story.ask(as_of)
    assert answer.task("a")["at_risk"] is (end is None)
    answer.broke("10:00", end, "detach-1")


def test_repair_in_part_then_lost_again_stays_one_outage(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.put_inline("10:20", allowing("ec2:DetachVolume"), name="one", id="repair-1")
    story.delete_inline("10:30", name="one", id="lost-again")
    story.refused("a", "10:36")
    story.attach("10:50", id="attach-2")
    story.cleaned("a", "11:00")
    answer = story.ask()
    row = answer.outage()
    assert (row["start"], row["end"]) == ("2026-03-02T10:00:00Z", "2026-03-02T10:50:00Z")
    assert row["cause_event_ids"] == ["detach-1", "lost-again"]
    answer.says("a", "recovered", "detach-1", "lost-again")


def test_detach_lost_only_after_the_volume_was_detached(story: Story) -> None:
    """'a volume already detached no longer needs ec2:DetachVolume'."""
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a", "b")
    for name in ("a", "b"):
        story.stop("10:00", name)
    story.assume("10:00:01")
    story.detach_volume("10:00:02", "a")
    story.put_inline("10:00:10", without("ec2:DetachVolume"), id="lost-detach")
    story.refused("b", "10:01")
    story.put_inline("10:02", without("ec2:DetachVolume", "ec2:DeleteVolume"), id="lost-delete")
    story.refused("a", "10:03", call="DeleteVolume")
    answer = story.ask()
    answer.says("a", "stuck", "lost-delete", confidence="certain")
    answer.says("b", "stuck", "lost-detach", "lost-delete", confidence="certain")
    answer.broke("10:00:10", None, "lost-detach", "lost-delete")
    assert len(answer.findings()) == 1


def test_detach_lost_after_detaching_and_the_deletion_works(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.stop("10:00", "a")
    story.assume("10:00:01")
    story.detach_volume("10:00:02", "a")
    story.put_inline("10:00:10", without("ec2:DetachVolume"), id="lost-detach")
    story.delete_volume("10:01", "a")
    answer = story.ask()
    answer.says("a", "stopped")
    assert not answer.findings("stuck_tasks")
    assert answer.broke("10:00:10", None, "lost-detach")["actions"] == ["ec2:DetachVolume"]


def test_changes_after_the_task_was_resolved_are_not_its_causes(story: Story) -> None:
    """'up to the moment it was resolved'."""
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a", "b")
    story.put_inline("10:00", without("ec2:DetachVolume"), id="lost-detach")
    for name in ("a", "b"):
        story.stop("10:05", name)
        story.refused(name, "10:06")
    story.delete_volume("10:20", "a", who=story.person("maria"))
    story.delete_inline("10:30", id="lost-all")
    answer = story.ask()
    answer.says("a", "recovered", "lost-detach")
    answer.says("b", "stuck", "lost-detach", "lost-all")


def test_kept_volume_with_only_delete_lost_runs_without_risk(story: Story) -> None:
    """'a volume kept by design is not at risk when only ec2:DeleteVolume is lost'."""
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    story.running("kept", keep=True).running("other")
    story.put_inline("10:00", without("ec2:DeleteVolume"), id="lost-delete")
    answer = story.ask()
    answer.says("kept", "running", at_risk=False)
    assert answer.task("other")["at_risk"] is True
    answer.reports("tasks_at_risk", "ongoing", "other", "lost-delete")


def test_kept_volume_with_only_delete_lost_stops_when_detached(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    story.running("kept", keep=True)
    story.put_inline("10:00", without("ec2:DeleteVolume"), id="lost-delete")
    story.stop("10:05", "kept")
    story.assume("10:05:01")
    story.detach_volume("10:05:02", "kept")
    answer = story.ask()
    answer.says("kept", "stopped")
    assert not answer.findings("stuck_tasks")
    assert not answer.findings("leaked_volumes")
    row = answer.volume("kept")
    assert (row["state"], row["delete_on_termination"]) == ("kept", False)


def test_kept_volume_with_detach_lost_is_stuck(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    story.running("kept", keep=True)
    story.put_inline("10:00", without("ec2:DetachVolume"), id="lost-detach")
    story.stop("10:05", "kept")
    story.refused("kept", "10:06")
    story.ask().says("kept", "stuck", "lost-detach", confidence="certain")


def test_kept_volume_of_a_healthy_role(story: Story) -> None:
    story.healthy_role().running("kept", keep=True)
    story.stop("10:05", "kept")
    story.assume("10:05:01")
    story.detach_volume("10:05:02", "kept")
    answer = story.ask()
    answer.says("kept", "stopped")
    answer.is_quiet()


@pytest.mark.parametrize("works", [True, False])
def test_stop_in_the_very_second_of_the_loss(story: Story, works: bool) -> None:
    """'counts as blocked when its calls then fail'."""
    story.healthy_role().running("a")
    story.stop("10:00:00", "a")
    story.detach("10:00:00", id="detach-1")
    if works:
        story.cleaned("a", "10:01")
    else:
        story.refused("a", "10:01")
    answer = story.ask()
    if works:
        answer.says("a", "stopped")
        assert not answer.findings("stuck_tasks")
    else:
        answer.says("a", "stuck", "detach-1", confidence="certain")


def test_stop_just_before_the_loss(story: Story) -> None:
    """The stop came first, the cleanup met the loss: stuck by it."""
    story.healthy_role().running("a")
    story.stop("09:59:58", "a")
    story.detach("10:00:00", id="detach-1")
    story.refused("a", "10:01")
    story.ask().says("a", "stuck", "detach-1", confidence="certain")


def test_success_within_the_grace_after_a_loss(story: Story) -> None:
    """'a success within the IAM propagation grace' is no contradiction: the outage stands, the task stopped."""
    story.healthy_role().running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:01", "a")
    story.cleaned("a", "10:02")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.broke("10:00", None, "detach-1")
    answer.reports("tasks_at_risk", "ongoing", "b", "detach-1")
    assert not answer.findings("stuck_tasks")


def test_denial_shortly_after_the_repair_does_not_start_a_new_outage(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.attach("10:30", id="attach-2")
    story.refused("a", "10:31")
    story.cleaned("a", "10:41")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", confidence="certain", resolved_at="10:41:30")
    answer.broke("10:00", "10:30", "detach-1", restored=("attach-2",))
    answer.reports("stuck_tasks", "resolved", "a", "detach-1")


def test_denial_shortly_after_the_repair_of_a_task_that_stopped_after_it(story: Story) -> None:
    """READING: propagation of the repair; one outage, its change stays the cause."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.attach("10:30", id="attach-2")
    story.stop("10:30:30", "a")
    story.refused("a", "10:31")
    story.cleaned("a", "10:41")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1")
    answer.broke("10:00", "10:30", "detach-1")


def test_task_caught_in_two_outages(story: Story) -> None:
    """'outage_id is the first that blocked it and causes of a later one are added while it is unresolved'."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.attach("10:30", id="attach-2")
    story.set_trust("10:32", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.set_trust("11:10", TRUSTS_ECS, id="trust-back")
    story.cleaned("a", "11:20")
    answer = story.ask()
    row = answer.says("a", "recovered", "detach-1", "trust-cut", resolved_at="11:20:30")
    first, second = answer.outages()
    assert (first["start"], first["end"]) == ("2026-03-02T10:00:00Z", "2026-03-02T10:30:00Z")
    assert (second["start"], second["end"]) == ("2026-03-02T10:32:00Z", "2026-03-02T11:10:00Z")
    assert row["outage_id"] == first["id"]
    assert [one["outage_id"] for one in answer.findings()] == [first["id"]]


def test_two_outages_each_with_its_own_task(story: Story) -> None:
    """'One stuck_tasks finding per outage'."""
    story.healthy_role().running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:01", "a")
    story.refused("a", "10:02")
    story.attach("10:30", id="attach-2")
    story.cleaned("a", "10:40")
    story.detach("11:00", id="detach-3")
    story.stop("11:01", "b")
    story.refused("b", "11:02")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1")
    answer.says("b", "stuck", "detach-3")
    by_cause = {tuple(row["cause_event_ids"]): row for row in answer.findings()}
    assert by_cause.keys() == {("detach-1",), ("detach-3",)}
    assert by_cause["detach-1",]["task_arns"] == [story.task("a")]
    assert by_cause["detach-3",]["task_arns"] == [story.task("b")]
    assert (by_cause["detach-1",]["status"], by_cause["detach-3",]["status"]) == ("resolved", "ongoing")


def test_two_broken_roles(story: Story) -> None:
    story.healthy_role().healthy_role(role="second")
    story.running("a").running("b", role="second")
    story.detach("10:00", id="detach-1")
    story.detach("10:01", role="second", id="detach-2")
    for name in ("a", "b"):
        story.stop("10:05", name)
        story.refused(name, "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1")
    answer.says("b", "stuck", "detach-2")
    assert len(answer.findings()) == 2


# -- Regions and clusters -------------------------------------------------------------------------------------


def test_one_role_at_work_in_two_regions_and_two_clusters(story: Story) -> None:
    story.healthy_role()
    story.running("ireland").running("oregon", region="us-west-2").running("blue", cluster="blue")
    story.detach("10:00", id="detach-1")
    for name in ("ireland", "oregon", "blue"):
        story.stop("10:05", name)
        story.refused(name, "10:06")
    answer = story.ask()
    for name in ("ireland", "oregon", "blue"):
        answer.says(name, "stuck", "detach-1", confidence="certain")
    answer.broke("10:00", None, "detach-1")
    answer.reports("stuck_tasks", "ongoing", "ireland oregon blue", "detach-1")
    assert answer.task("blue")["cluster"] == "blue"


def test_deny_limited_to_one_of_two_regions(story: Story) -> None:
    """'An outage that holds only in one Region … is still one row of the role; at_risk and causes … per task'."""
    story.healthy_role()
    story.running("ireland", "ireland-2").running("oregon", "oregon-2", region="us-west-2")
    text = document(deny("ec2:*", Condition={"StringEquals": {"aws:RequestedRegion": "us-west-2"}}))
    story.put_inline("10:00", text, name="guard", id="deny-1")
    story.stop("10:05", "ireland")
    story.cleaned("ireland", "10:06")
    story.stop("10:05", "oregon")
    story.refused("oregon", "10:06", why="with an explicit deny in an identity-based policy")
    answer = story.ask()
    answer.says("ireland", "stopped")
    answer.says("ireland-2", "running", at_risk=False)
    answer.says("oregon", "stuck", "deny-1", confidence="certain")
    assert answer.task("oregon-2")["at_risk"] is True
    answer.broke("10:00", None, "deny-1")
    answer.reports("stuck_tasks", "ongoing", "oregon", "deny-1")
    answer.reports("tasks_at_risk", "ongoing", "oregon-2", "deny-1")


def test_deny_limited_to_one_cluster_by_a_tag_condition(story: Story) -> None:
    story.healthy_role()
    story.running("green", "green-2", cluster="green").running("blue", "blue-2", cluster="blue")
    condition = {"ArnLike": {"aws:ResourceTag/AmazonECSCreated": "arn:aws:ecs:*:*:task/blue/*"}}
    story.put_inline("10:00", document(deny("ec2:DetachVolume", Condition=condition)), name="guard", id="deny-1")
    story.stop("10:05", "green")
    story.cleaned("green", "10:06")
    story.stop("10:05", "blue")
    story.refused("blue", "10:06", why="with an explicit deny in an identity-based policy")
    answer = story.ask()
    answer.says("green", "stopped")
    answer.says("green-2", "running", at_risk=False)
    answer.says("blue", "stuck", "deny-1", confidence="certain")
    assert answer.task("blue-2")["at_risk"] is True
    answer.broke("10:00", None, "deny-1")


# -- the launch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
@pytest.mark.parametrize("event", ["RunTask", "CreateService"])
def test_pass_role_denied(story: Story, code: str, event: str) -> None:
    """'A launch refused for iam:PassRole is listed under pass_role_denials and makes no task.'"""
    story.healthy_role().running("a")
    text = (
        f"User: arn:aws:iam::111122223333:user/ci is not authorized to perform: iam:PassRole on resource: "
        f"{story.role_arn()} because no identity-based policy allows the iam:PassRole action"
    )
    ebs = [{"name": "data", "managedEBSVolume": {"roleArn": story.role_arn()}}]
    request = {"cluster": "prod", "serviceName": "api", "taskDefinition": "job:1", "volumeConfigurations": ebs}
    story.tell("10:00", f"ecs:{event}", request, id="refused", who="ci", failure=(code, text))
    answer = story.ask()
    (row,) = answer.document["pass_role_denials"]
    assert (row["event_id"], row["event_name"], row["role_arn"]) == ("refused", event, story.role_arn())
    assert row["principal_arn"] == "arn:aws:iam::111122223333:user/ci"
    assert [one["task_arn"] for one in answer.document["tasks"]] == [story.task("a")]
    finding = answer.finding("pass_role_denied")
    assert finding["task_arns"] == []
    answer.is_quiet()


def test_launch_during_a_trust_outage(story: Story) -> None:
    """failed_to_start 'has its causes in a provision outage'; a saved state tells that the attachment failed."""
    story.healthy_role()
    story.set_trust("10:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.launch("10:20", "new")
    state = story.task_state(
        "new",
        lastStatus="STOPPED",
        desiredStatus="STOPPED",
        stopCode="TaskFailedToStart",
        createdAt="10:20",
        stoppingAt="10:21",
        stoppedAt="10:22",
        attachment="FAILED",
        reason=UNABLE,
        volume=False,
    )
    answer = story.ask(tasks=[story.save_tasks(state)])
    row = answer.says("new", "failed_to_start", "trust-cut")
    assert row["outage_id"] == answer.outage("provision")["id"]
    answer.reports("provisioning_blocked", "ongoing", "new", "trust-cut")
    assert not answer.findings("stuck_tasks")


def test_volume_creation_retried_until_repaired(story: Story) -> None:
    """READING: its volume was created and attached in the end, so it runs."""
    story.healthy_role()
    story.detach("10:00", id="detach-1")
    story.launch("10:20", "new")
    story.assume("10:20:05")
    story.create_volume("10:20:06", "new", denied=True)
    story.attach("10:25", id="attach-2")
    story.assume("10:26:05")
    story.create_volume("10:26:06", "new")
    story.attach_volume("10:26:20", "new")
    story.ask().says("new", "running")


# -- one document for one evidence ----------------------------------------------------------------------------


def _incident(folder: Path) -> Story:
    story = Story(folder)
    story.healthy_role().running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.attach("10:30", id="attach-2")
    story.cleaned("a", "10:40")
    story.set_trust("11:00:00", document(), id="trust-cut")
    story.delete_role("11:00:00", id="delete-1")
    return story


@pytest.mark.parametrize("order", ["shuffled", "reversed", "doubled", "split", "gz"])
def test_shuffled_doubled_and_split_evidence_gives_the_same_document(tmp_path: Path, order: str) -> None:
    """Apart from `evidence`, which tells what was read."""
    import random  # noqa: PLC0415

    plain = _incident(tmp_path / "plain").ask().document
    story = _incident(tmp_path / order)
    records = list(story.records)
    match order:
        case "shuffled":
            random.Random(7).shuffle(records)
            story.write(records)
        case "reversed":
            story.write(records[::-1])
        case "doubled":
            story.write(records + records[::2])
            story.write(records[::3])
        case "split":
            for start in range(3):
                story.write(records[start::3])
        case _:
            story.write(records, name="part.json.gz")
    told = story.ask().document
    told.pop("evidence")
    plain.pop("evidence")
    assert told == plain


def _unable_at(story: Story, at: str) -> dict:
    facts = {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "TaskFailedToStart", "createdAt": at}
    return story.task_state(
        "new", **facts, stoppingAt=at, stoppedAt=at, attachment="FAILED", reason=UNABLE, volume=False
    )


def test_a_role_made_a_minute_ago_is_told_apart_from_a_wrong_trust_policy(story: Story) -> None:
    story.create_role("10:00", id="made")
    story.attach("10:00:05", id="granted")
    story.launch("10:01", "new")
    answer = story.ask(tasks=[story.save_tasks(_unable_at(story, "10:01"))])
    found = answer.finding("provisioning_blocked")
    assert found["cause_event_ids"] == []
    assert "had been made 60 s before, which IAM may not have spread yet" in found["title"]
    assert "[made]" in found["explanation"]


def test_a_trust_policy_that_never_named_ecs_is_said_to_be_the_reason(story: Story) -> None:
    story.create_role("10:00", id="made", trust=trusts("ec2.amazonaws.com"))
    story.attach("10:00:05", id="granted")
    story.launch("10:01", "new")
    answer = story.ask(tasks=[story.save_tasks(_unable_at(story, "10:01"))])
    found = answer.finding("provisioning_blocked")
    assert found["cause_event_ids"] == []
    assert "the trust policy of role ecsInfra does not let ECS assume it" in found["title"]
    assert "[made]" in found["explanation"]


def test_a_role_made_long_ago_is_not_called_young(story: Story) -> None:
    story.healthy_role()
    story.launch("10:30", "new")
    answer = story.ask(tasks=[story.save_tasks(_unable_at(story, "10:30"))])
    title = answer.finding("provisioning_blocked")["title"]
    assert "had been made" not in title
    assert "trust policy" not in title
