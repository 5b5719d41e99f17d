"""Causes that are no change of the role: organization policies, reserved tags, keys, and the moment of judgement."""

import pytest
from builder import KEY_REVOKED, OTHER_ACCOUNT, RCP_DENY, SCP_DENY, SCP_NO_ALLOW, Story
from story_documents import allowing, deny, document, trusts

ACCOUNT = "111122223333"
UNIT = "ou-abcd-11112222"
DENY_DELETE = document(deny("ec2:DetachVolume", "ec2:DeleteVolume"))
ALLOW_ALL = allowing("*")


# -- organization policies ------------------------------------------------------------------------------------


def test_scp_attached_to_the_account(story: Story) -> None:
    """The events come from the management account's trail, given as a second source."""
    story.healthy_role().running("a", "b")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("10:00", "p-guard", ACCOUNT, id="scp-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    answer = story.ask()
    row = answer.says("a", "stuck", "scp-on")
    assert row["confidence"] in {"certain", "likely"}
    answer.broke("10:00", None, "scp-on")
    answer.reports("stuck_tasks", "ongoing", "a", "scp-on")
    assert answer.change("scp-on")["effect"] == "breaks"


def test_scp_taken_off_the_account_again(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("10:00", "p-guard", ACCOUNT, id="scp-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    story.organizations("10:30", "DetachPolicy", {"policyId": "p-guard", "targetId": ACCOUNT}, id="scp-off")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", "scp-on", resolved_at="10:40:30")
    answer.broke("10:00", "10:30", "scp-on", restored=("scp-off",))


def test_scp_updated(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", document(deny("s3:*")))
    story.attach_scp("07:30", "p-guard", ACCOUNT, id="scp-on")
    import json  # noqa: PLC0415

    request = {"policyId": "p-guard", "name": "p-guard", "content": json.dumps(DENY_DELETE)}
    story.organizations("10:00", "UpdatePolicy", request, id="scp-update")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    answer = story.ask()
    answer.says("a", "stuck", "scp-update")
    answer.broke("10:00", None, "scp-update")


def test_scp_attached_to_another_account(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("10:00", "p-guard", OTHER_ACCOUNT, id="scp-theirs")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()


def test_scp_about_something_else(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", document(deny("s3:*", "ec2:RunInstances")))
    story.attach_scp("10:00", "p-guard", ACCOUNT, id="scp-on")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []


@pytest.mark.parametrize("target", [UNIT, "r-abcd"])
def test_scp_on_a_unit_is_blamed_when_denials_name_it(story: Story, target: str) -> None:
    """'blamed only when denials name that policy type, and likely at most'."""
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("10:00", "p-guard", target, id="scp-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    answer = story.ask()
    answer.says("a", "stuck", "scp-on", at_most="likely")
    row = answer.reports("stuck_tasks", "ongoing", "a", "scp-on")
    assert "policy_type_in_error" in row["basis"]
    assert row["confidence"] != "certain"


def test_full_allow_taken_off_a_unit_is_blamed_when_denials_name_scps(story: Story) -> None:
    """Denials say that no SCP allows; the policy that allowed everything was taken off the unit."""
    story.healthy_role().running("a")
    request = {"policyId": "p-FullAWSAccess", "targetId": UNIT}
    story.organizations("10:00", "DetachPolicy", request, id="full-off")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_NO_ALLOW)
    story.ask().says("a", "stuck", "full-off", at_most="likely")


def test_scp_on_a_unit_is_not_blamed_for_an_identity_denial(story: Story) -> None:
    story.healthy_role().running("a", "b")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("10:00", "p-guard", UNIT, id="scp-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    answer.says("b", "running")
    answer.reports("stuck_tasks", "ongoing", "a")


def test_scp_on_a_unit_puts_nobody_at_risk_in_silence(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("10:00", "p-guard", UNIT, id="scp-on")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()


def test_scp_on_a_unit_does_not_take_the_blame_from_a_detach(story: Story) -> None:
    """Denials name the identity policy, the detach explains them."""
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-guard", DENY_DELETE)
    story.attach_scp("09:59", "p-guard", UNIT, id="scp-on")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.ask().says("a", "stuck", "detach-1", confidence="certain")


def test_account_moved(story: Story) -> None:
    """'MoveAccount is a cause too'; the tree is unknown: likely at most."""
    story.healthy_role().running("a")
    request = {"accountId": ACCOUNT, "sourceParentId": UNIT, "destinationParentId": "ou-abcd-99998888"}
    story.organizations("10:00", "MoveAccount", request, id="moved")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    story.ask().says("a", "stuck", "moved", at_most="likely")


def test_another_account_moved(story: Story) -> None:
    story.healthy_role().running("a")
    request = {"accountId": OTHER_ACCOUNT, "sourceParentId": UNIT, "destinationParentId": "ou-abcd-99998888"}
    story.organizations("10:00", "MoveAccount", request, id="moved")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    story.ask().says("a", "stuck", at_most="likely")


def test_account_moved_with_identity_denials(story: Story) -> None:
    story.healthy_role().running("a")
    request = {"accountId": ACCOUNT, "sourceParentId": UNIT, "destinationParentId": "ou-abcd-99998888"}
    story.organizations("10:00", "MoveAccount", request, id="moved")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.ask().says("a", "stuck", at_most="likely")


def test_denials_that_name_an_scp_outside_the_evidence(story: Story) -> None:
    """'without it, the error text names the policy type'; no change is blamed."""
    story.healthy_role().running("a")
    story.detach("09:30", id="detach-1", policy="never-attached")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=SCP_DENY)
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    row = answer.reports("stuck_tasks", "ongoing", "a")
    assert "policy_type_in_error" in row["basis"]
    assert answer.document["outages"] == []


def test_rcp_on_the_root_is_blamed_when_denials_name_it(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-rcp", DENY_DELETE, kind="RESOURCE_CONTROL_POLICY")
    story.attach_scp("10:00", "p-rcp", "r-abcd", id="rcp-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=RCP_DENY)
    story.ask().says("a", "stuck", "rcp-on", at_most="likely")


# -- reserved tags --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "tags"),
    [
        ("DeleteTags", [("AmazonECSManaged", "true")]),
        ("DeleteTags", [("AmazonECSCreated", "x")]),
        ("CreateTags", [("AmazonECSManaged", "false")]),
        ("CreateTags", [("AmazonECSCreated", "mine")]),
    ],
)
def test_reserved_tags_removed_or_overwritten_block_one_task(story: Story, event: str, tags: list) -> None:
    """'its cause is the tag event, there is no role outage'."""
    story.healthy_role().running("a", "b")
    if event == "DeleteTags" and tags[0][0] == "AmazonECSCreated":
        tags = [("AmazonECSCreated", story.task("a"))]
    story.retag("09:30", "a", event, tags, id="tag-event")
    story.stop("10:05", "a")
    created = tags[0][0] == "AmazonECSCreated"
    if created:
        story.assume("10:05:30")
        story.detach_volume("10:05:31", "a")
    story.refused("a", "10:06", call="DeleteVolume" if created else "DetachVolume")
    answer = story.ask()
    answer.says("a", "stuck", "tag-event", outage_id=None)
    answer.says("b", "running")
    row = answer.reports("stuck_tasks", "ongoing", "a", "tag-event")
    assert row["outage_id"] is None
    assert answer.document["outages"] == []


def test_reserved_tags_put_back(story: Story) -> None:
    story.healthy_role().running("a")
    story.retag("09:30", "a", "DeleteTags", [("AmazonECSManaged", "true")], id="tag-gone")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.retag("10:30", "a", "CreateTags", [("AmazonECSManaged", "true")], id="tag-back")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", "tag-gone", resolved_at="10:40:30")
    answer.reports("stuck_tasks", "resolved", "a", "tag-gone")


def test_reserved_tags_put_back_before_the_stop(story: Story) -> None:
    story.healthy_role().running("a")
    story.retag("09:30", "a", "DeleteTags", [("AmazonECSManaged", "true")], id="tag-gone")
    story.retag("09:40", "a", "CreateTags", [("AmazonECSManaged", "true")], id="tag-back")
    story.stop("10:05", "a")
    story.cleaned("a", "10:06")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.is_quiet()


@pytest.mark.parametrize("event", ["DeleteTags", "CreateTags"])
def test_other_tags_of_the_volume_are_harmless(story: Story, event: str) -> None:
    story.healthy_role().running("a")
    story.retag("09:30", "a", event, [("team", "blue")], id="tag-event")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.ask().says("a", "stuck", at_most="likely")


def test_reserved_tag_written_again_with_its_own_value_is_harmless(story: Story) -> None:
    story.healthy_role().running("a")
    story.retag("09:30", "a", "CreateTags", [("AmazonECSManaged", "true")], id="tag-same")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.ask().says("a", "stuck", at_most="likely")


def test_failed_tag_removal(story: Story) -> None:
    story.healthy_role().running("a")
    failure = ("Client.UnauthorizedOperation", "You are not authorized to perform this operation.")
    story.retag("09:30", "a", "DeleteTags", [("AmazonECSManaged", "true")], id="failed", failure=failure)
    story.stop("10:05", "a")
    story.cleaned("a", "10:06")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.is_quiet()


def test_one_call_that_untags_two_volumes_is_one_finding(story: Story) -> None:
    """'the tasks of one such cause form one finding'."""
    story.healthy_role().running("a", "b", "c")
    items = [{"resourceId": story.volume("a")}, {"resourceId": story.volume("b")}]
    request = {"resourcesSet": {"items": items}, "tagSet": {"items": [{"key": "AmazonECSManaged", "value": "true"}]}}
    story.tell("09:30", "ec2:DeleteTags", request, {"_return": True}, id="tag-gone")
    for name in ("a", "b"):
        story.stop("10:05", name)
        story.refused(name, "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "tag-gone")
    answer.says("b", "stuck", "tag-gone")
    answer.says("c", "running")
    answer.reports("stuck_tasks", "ongoing", "a b", "tag-gone")


def test_two_calls_that_untag_a_volume_each_are_two_findings(story: Story) -> None:
    story.healthy_role().running("a", "b")
    for name in ("a", "b"):
        story.retag("09:30", name, "DeleteTags", [("AmazonECSManaged", "true")], id=f"untag-{name}")
        story.stop("10:05", name)
        story.refused(name, "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "untag-a")
    answer.says("b", "stuck", "untag-b")
    assert sorted(row["cause_event_ids"] for row in answer.findings()) == [["untag-a"], ["untag-b"]]


# -- keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "request_more"),
    [
        ("DisableKey", {}),
        ("ScheduleKeyDeletion", {"pendingWindowInDays": 7}),
        ("PutKeyPolicy", {"policyName": "default", "policy": '{"Version":"2012-10-17","Statement":[]}'}),
    ],
)
def test_key_that_no_longer_serves_fails_the_launch(story: Story, event: str, request_more: dict) -> None:
    """'KMS key disabled, scheduled for deletion or its policy changed'; the launch fails, no stuck task."""
    story.healthy_role()
    story.launch("08:30", "before")
    story.assume("08:30:05")
    story.create_volume("08:30:06", "before", kms=True)
    story.attach_volume("08:30:15", "before")
    story.key("10:00", event, id="key-change", **request_more)
    story.launch("10:10", "new")
    story.assume("10:10:05")
    story.create_volume("10:10:06", "new", kms=True)
    story.attach_volume("10:10:20", "new", failure=KEY_REVOKED)
    answer = story.ask()
    answer.says("new", "failed_to_start", "key-change")
    answer.says("before", "running")
    answer.reports("provisioning_blocked", "ongoing", "new", "key-change")
    assert not answer.findings("stuck_tasks")


def test_another_key_disabled(story: Story) -> None:
    story.healthy_role().running("a")
    other = "arn:aws:kms:eu-west-1:111122223333:key/99999999-0000-0000-0000-000000000000"
    resources = [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": other}]
    story.tell("10:00", "kms:DisableKey", {"keyId": other}, id="other-key", resources=resources)
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()


# -- the moment of judgement ----------------------------------------------------------------------------------


def test_as_of_hides_what_came_later(story: Story) -> None:
    story.healthy_role().running("a")
    story.stop("09:55", "a")
    story.detach("10:00", id="detach-1")
    story.refused("a", "10:01")
    story.attach("10:30", id="attach-2")
    story.cleaned("a", "10:40")
    answer = story.ask("10:20")
    assert answer.document["as_of"] == "2026-03-02T10:20:00Z"
    answer.says("a", "stuck", "detach-1", resolved_at=None)
    answer.broke("10:00", None, "detach-1", restored=())


def test_as_of_is_the_newest_selected_event(story: Story) -> None:
    """Events of others are no evidence and do not move the moment."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.tell("11:30", "s3:PutObject", {"bucketName": "b"}, id="noise-1")
    story.tell("11:31", "ec2:DescribeInstances", {}, id="noise-2", read_only=True)
    story.tell("11:32", "lambda:Invoke", {}, id="noise-3")
    assert story.ask(None).document["as_of"] == "2026-03-02T10:00:00Z"


def test_as_of_is_the_stamp_of_a_trail_file_if_that_is_latest(story: Story) -> None:
    """'the stamp in the name of every trail log file found counts, even of one with no selected event'."""
    story.healthy_role().running("a")
    story.set_trust("10:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.stop("10:05", "a")
    name = "111122223333_CloudTrail_eu-west-1_20260302T{}Z_AbCdEfGh12345678.json.gz"
    story.write(name=name.format("1006"))
    noise = Story(story.folder.parent / "noise")
    noise.tell("11:40", "s3:PutObject", {"bucketName": "b"}, id="noise-1")
    story.write(noise.records, name=name.format("1145"))
    answer = story.ask(None)
    assert answer.document["as_of"] == "2026-03-02T11:45:00Z"
    answer.says("a", "stuck", "trust-cut")


def test_as_of_is_the_latest_time_inside_a_saved_state(story: Story) -> None:
    """'for `DescribeTasks`, the latest timestamp inside it'."""
    story.healthy_role().running("a")
    state = story.task_state("a", lastStatus="DEPROVISIONING", desiredStatus="STOPPED", stoppingAt="10:31")
    answer = story.ask(None, tasks=[story.save_tasks(state)])
    assert answer.document["as_of"] == "2026-03-02T10:31:00Z"
    answer.says("a", "stopping", stop_started_at="10:31")


def test_as_of_is_the_event_time_of_a_task_state_change(story: Story) -> None:
    """'a saved state counts as of its event `time`'."""
    import json  # noqa: PLC0415

    story.healthy_role().running("a")
    event = {
        "version": "0",
        "id": "e-1",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "region": "eu-west-1",
        "time": "2026-03-02T10:45:00Z",
        "detail": {
            **story.task_state("a", lastStatus="DEPROVISIONING", desiredStatus="STOPPED", stoppingAt="10:31"),
            "version": 7,
            "updatedAt": "2026-03-02T10:45:00Z",
        },
    }
    path = story.folder.parent / "states.ndjson"
    path.write_text(json.dumps(event) + "\n")
    answer = story.ask(None, tasks=[path])
    assert answer.document["as_of"] == "2026-03-02T10:45:00Z"
    assert answer.task("a")["stop_started_at"] == "2026-03-02T10:31:00Z"


def test_full_allow_attached_by_scp_is_harmless(story: Story) -> None:
    story.healthy_role().running("a")
    story.create_scp("07:00", "p-full", ALLOW_ALL)
    story.attach_scp("10:00", "p-full", ACCOUNT, id="scp-on")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
