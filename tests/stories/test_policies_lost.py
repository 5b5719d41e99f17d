"""Policies that take capabilities away, and changes of policies that take none."""

from pathlib import Path

import pytest
from builder import Story
from story_documents import (
    EVERYTHING_FOR_VOLUMES,
    TEARDOWN,
    VOLUME_ACTIONS,
    allowing,
    deny,
    document,
    without,
)


def test_detached_managed_policy_leaves_a_stopping_task_stuck(story: Story) -> None:
    """'certain (replayed state and denied calls agree)'; one outage per phase, open."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06").refused("a", "10:16").refused("a", "10:46")
    answer = story.ask("11:00")
    row = answer.says("a", "stuck", "detach-1", confidence="certain", stop_started_at="10:05", resolved_at=None)
    teardown = answer.broke("10:00", None, "detach-1", restored=())
    answer.broke("10:00", None, "detach-1", phase="provision", restored=())
    assert set(teardown["actions"]) == set(TEARDOWN)
    assert set(teardown["basis"]) >= {"policy_replay", "denied_calls"}
    assert row["outage_id"] == teardown["id"]
    finding = answer.reports("stuck_tasks", "ongoing", "a", "detach-1")
    assert (finding["outage_id"], finding["confidence"]) == (teardown["id"], "certain")
    change = answer.change("detach-1")
    assert (change["effect"], change["applied"]) == ("breaks", True)
    assert set(change["lost"]) >= set(TEARDOWN)
    assert answer.change("granted-ecsInfra")["effect"] in {"restores", "none"}


def test_attached_again_and_cleaned_up_is_recovered(story: Story) -> None:
    """An outage 'ends at the eventTime of the change that gave it back (not at the first success after it)'."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.attach("10:30", id="attach-2")
    story.cleaned("a", "10:37")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", confidence="certain", resolved_at="10:37:30")
    answer.broke("10:00", "10:30", "detach-1", restored=("attach-2",))
    answer.broke("10:00", "10:30", "detach-1", phase="provision", restored=("attach-2",))
    answer.reports("stuck_tasks", "resolved", "a", "detach-1")
    assert answer.change("attach-2")["effect"] == "restores"
    assert set(answer.change("attach-2")["gained"]) >= set(TEARDOWN)
    assert not answer.findings("tasks_at_risk")


def test_inline_policy_deleted(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.delete_inline("10:00", id="delete-inline")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "delete-inline", confidence="certain")
    answer.broke("10:00", None, "delete-inline")
    answer.broke("10:00", None, "delete-inline", phase="provision")


@pytest.mark.parametrize("action", ["ec2:DetachVolume", "ec2:DeleteVolume"])
def test_inline_policy_narrowed_by_one_teardown_action(story: Story, action: str) -> None:
    """Only the phase that needs the action is out."""
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("10:00", without(action), id="narrowed")
    story.stop("10:05", "a")
    call = action.removeprefix("ec2:")
    if call == "DeleteVolume":
        story.assume("10:05:30")
        story.detach_volume("10:05:31", "a")
    story.refused("a", "10:06", call=call)
    answer = story.ask()
    answer.says("a", "stuck", "narrowed", confidence="certain")
    row = answer.broke("10:00", None, "narrowed")
    assert row["actions"] == [action]
    assert not answer.outages("provision")
    change = answer.change("narrowed")
    assert (change["effect"], change["lost"]) == ("breaks", [action])


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        (deny("ec2:DeleteVolume"), {"ec2:DeleteVolume"}),
        (deny("EC2:deletevolume"), {"ec2:DeleteVolume"}),
        (deny("ec2:Del*"), {"ec2:DeleteVolume"}),
        (deny("ec2:De*Volume"), {"ec2:DeleteVolume", "ec2:DetachVolume"}),
        (deny("ec2:D?leteVolume"), {"ec2:DeleteVolume"}),
        (deny("ec2:*"), set(TEARDOWN)),
        (deny("*"), set(TEARDOWN)),
        ({"Effect": "Deny", "NotAction": ["s3:*", "sts:*"], "Resource": "*"}, set(TEARDOWN)),
        (
            {
                "Effect": "Deny",
                "NotAction": ["ec2:Create*", "ec2:Describe*", "ec2:Attach*", "ec2:DetachVolume"],
                "Resource": "*",
            },
            {"ec2:DeleteVolume"},
        ),
        ({"Effect": "Deny", "Action": "ec2:DeleteVolume", "NotResource": "arn:aws:s3:::*"}, {"ec2:DeleteVolume"}),
        (
            {"Effect": "Deny", "Action": "ec2:DeleteVolume", "Resource": "arn:aws:ec2:*:*:volume/*"},
            {"ec2:DeleteVolume"},
        ),
    ],
)
def test_explicit_deny_in_an_inline_policy_beside_the_managed_one(
    story: Story, statement: dict, lost: set[str]
) -> None:
    """`Action`, `NotAction`, wildcards, case-insensitive; removing the deny repairs."""
    story.healthy_role().running("a")
    story.put_inline("10:00", document(statement), name="guard", id="deny-1")
    story.stop("10:05", "a")
    why = "with an explicit deny in an identity-based policy"
    if "ec2:DetachVolume" not in lost:
        story.assume("10:05:30")
        story.detach_volume("10:05:31", "a")
        story.refused("a", "10:06", call="DeleteVolume", why=why)
    else:
        story.refused("a", "10:06", why=why)
    story.delete_inline("10:40", name="guard", id="deny-gone")
    story.cleaned("a", "10:47")
    answer = story.ask()
    answer.says("a", "recovered", "deny-1", confidence="certain")
    row = answer.broke("10:00", "10:40", "deny-1", restored=("deny-gone",))
    assert set(row["actions"]) == lost
    assert answer.change("deny-gone")["effect"] == "restores"


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny", "Action": "ec2:DeleteSnapshot", "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2:DeleteVolume", "Resource": "arn:aws:s3:::*"},
        {"Effect": "Deny", "NotAction": ["ec2:*", "sts:*"], "Resource": "*"},
        deny("ec2:*", Condition={"StringEquals": {"aws:RequestedRegion": "us-west-2"}}),
        deny("ec2:DeleteVolume", Condition={"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        deny(
            "ec2:DeleteVolume",
            Condition={"ArnLike": {"aws:ResourceTag/AmazonECSCreated": "arn:aws:ecs:*:*:task/blue/*"}},
        ),
        deny("ec2:DeleteVolume", Condition={"StringNotEquals": {"aws:ResourceTag/AmazonECSManaged": "true"}}),
    ],
)
def test_a_deny_that_does_not_reach_the_volume_is_never_blamed(story: Story, statement: dict) -> None:
    """'a deny limited to another Region' and its like."""
    story.healthy_role().running("a", "b")
    story.put_inline("10:00", document(statement), name="guard", id="deny-1")
    story.stop("10:20", "a")
    story.cleaned("a", "10:21")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "running")
    answer.is_quiet()


def test_customer_policy_narrowed_by_a_new_default_version_and_set_back(story: Story) -> None:
    story.customer_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.new_version("10:00", "volumes", without("ec2:DetachVolume", "ec2:DeleteVolume"), id="narrow-v2")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.set_default("10:30", "volumes", "v1", id="back-to-v1")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", "narrow-v2", confidence="certain")
    answer.broke("10:00", "10:30", "narrow-v2", restored=("back-to-v1",))
    assert not answer.outages("provision")
    assert answer.change("narrow-v2")["role_arns"] == [story.role_arn()]
    assert answer.change("back-to-v1")["effect"] == "restores"


def test_customer_policy_version_that_is_not_the_default_changes_nothing(story: Story) -> None:
    story.customer_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.new_version("10:00", "volumes", allowing("s3:GetObject"), id="draft-v2", default=False)
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.change("draft-v2")["effect"] == "none"
    assert not answer.outages()


def test_a_draft_made_default_later_is_blamed_not_the_draft(story: Story) -> None:
    story.customer_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.new_version("09:30", "volumes", allowing("s3:GetObject"), id="draft-v2", default=False)
    story.set_default("10:00", "volumes", "v2", id="use-v2")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "use-v2", confidence="certain")
    answer.broke("10:00", None, "use-v2")


def test_set_default_policy_version_to_an_older_narrow_one(story: Story) -> None:
    story.create_policy("07:50", "volumes", allowing("ec2:DescribeVolumes"))
    story.new_version("07:55", "volumes", EVERYTHING_FOR_VOLUMES, id="wide-v2")
    story.healthy_role(policy="volumes").running("a")
    story.set_default("10:00", "volumes", "v1", id="back-to-v1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "back-to-v1", confidence="certain")
    assert set(answer.broke("10:00", None, "back-to-v1")["actions"]) == {"ec2:DetachVolume", "ec2:DeleteVolume"}


def test_deleting_a_version_that_is_not_the_default_is_harmless(story: Story) -> None:
    story.customer_role(EVERYTHING_FOR_VOLUMES)
    story.new_version("08:30", "volumes", EVERYTHING_FOR_VOLUMES, id="same-v2")
    story.running("a")
    story.delete_version("10:00", "volumes", "v1", id="v1-gone")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert not answer.outages()


def test_policy_detached_and_deleted_only_the_detach_took_the_capability(story: Story) -> None:
    """Causes are 'the changes that together took away a capability': a policy nobody holds takes nothing away."""
    story.customer_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.detach("10:00", policy="volumes", id="detach-1")
    story.delete_policy("10:00:02", "volumes", id="policy-gone")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", confidence="certain")
    answer.broke("10:00", None, "detach-1")


def test_policy_deleted_with_its_detach_missing_from_the_evidence(story: Story) -> None:
    """READING: a policy can be deleted only when nothing holds it, so its deletion is the first change that is seen."""
    story.customer_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.delete_policy("10:00", "volumes", id="policy-gone")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "policy-gone")


def test_boundary_put_on_and_taken_off(story: Story) -> None:
    why = "because no permissions boundary allows the {action} action"
    story.create_policy("07:00", "limits", allowing("s3:*", "ec2:Describe*"))
    story.healthy_role().running("a")
    story.put_boundary("10:00", "limits", id="boundary-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=why)
    story.remove_boundary("10:30", id="boundary-off")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", "boundary-on", confidence="certain")
    row = answer.broke("10:00", "10:30", "boundary-on", restored=("boundary-off",))
    assert set(row["actions"]) == {"ec2:DetachVolume", "ec2:DeleteVolume"}
    assert answer.outage("provision")["end"] is not None


def test_boundary_that_allows_all_of_ec2_is_harmless(story: Story) -> None:
    story.create_policy("07:00", "limits", allowing("ec2:*"))
    story.healthy_role().running("a")
    story.put_boundary("10:00", "limits", id="boundary-on")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert not answer.outages()
    assert answer.change("boundary-on")["effect"] == "none"


def test_version_of_the_boundary_policy_changed(story: Story) -> None:
    why = "because no permissions boundary allows the {action} action"
    story.create_policy("07:00", "limits", allowing("ec2:*"))
    story.create_role("08:00:00", id="made", boundary="limits")
    story.attach("08:00:05", id="granted")
    story.running("a")
    story.new_version("10:00", "limits", allowing("s3:*"), id="limits-v2")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=why)
    story.new_version("10:30", "limits", allowing("ec2:*", "s3:*"), id="limits-v3", version="v3")
    answer = story.ask("10:32")
    answer.says("a", "stuck", "limits-v2", confidence="certain")
    answer.broke("10:00", "10:30", "limits-v2", restored=("limits-v3",))


def test_boundary_of_unknown_content_with_denials_that_name_it(story: Story) -> None:
    """'likely (one of the two)': the denied calls speak, the replayed state cannot."""
    why = "because no permissions boundary allows the {action} action"
    story.healthy_role().running("a")
    story.put_boundary("10:00", "never-seen", id="boundary-on")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why=why)
    answer = story.ask()
    row = answer.says("a", "stuck", "boundary-on", at_most="likely")
    assert "boundary-on" in answer.finding()["cause_event_ids"]
    assert row["confidence"] in {"likely", "possible"}


def test_boundary_of_unknown_content_without_denials_accuses_nobody_for_certain(story: Story) -> None:
    """READING: nothing failed, so at most 'possible'."""
    story.healthy_role().running("a")
    story.put_boundary("10:00", "never-seen", id="boundary-on")
    answer = story.ask()
    row = answer.task("a")
    assert row["state"] == "running"
    if row["at_risk"]:
        assert row["confidence"] == "possible"
    assert answer.change("boundary-on")["effect"] in {"unknown", "breaks"}


def test_only_describe_volumes_lost(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("10:00", without("ec2:DescribeVolumes"), id="narrowed")
    story.stop("10:05", "a")
    story.refused("a", "10:06", call="DescribeVolumes")
    answer = story.ask()
    answer.says("a", "stuck", "narrowed", confidence="certain")
    assert answer.broke("10:00", None, "narrowed")["actions"] == ["ec2:DescribeVolumes"]
    assert answer.broke("10:00", None, "narrowed", phase="provision")["actions"] == ["ec2:DescribeVolumes"]


# -- harmless -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "actions",
    [
        VOLUME_ACTIONS,
        ("ec2:*",),
        ("EC2:*",),
        ("*",),
        ("ec2:*Volume*", "ec2:CreateTags"),
        ("ec2:De*Volume*", "ec2:CreateVolume", "ec2:AttachVolum?", "ec2:CreateTags"),
        ("ec2:D*", "ec2:?ttachVolume", "ec2:C*"),
    ],
    ids=str,
)
def test_a_swap_for_a_superset_is_harmless(story: Story, actions: tuple[str, ...]) -> None:
    """'A change that left every needed action allowed (a swap of policies, a superset, …) is never a cause.'"""
    story.create_policy("07:00", "wide", allowing(*actions))
    story.healthy_role().running("a", "b")
    story.attach("09:59", policy="wide", id="attach-wide")
    story.detach("10:00", id="detach-managed")
    story.stop("10:20", "a")
    story.cleaned("a", "10:21")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []
    assert answer.change("detach-managed")["effect"] == "none"


def test_a_swap_where_the_old_policy_went_first_breaks_until_the_new_one_comes(story: Story) -> None:
    story.create_policy("07:00", "wide", allowing("ec2:*"))
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-managed")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    story.attach("10:20", policy="wide", id="attach-wide")
    story.cleaned("a", "10:30")
    answer = story.ask()
    answer.says("a", "recovered", "detach-managed", confidence="certain")
    answer.broke("10:00", "10:20", "detach-managed", restored=("attach-wide",))


def test_a_minimal_teardown_policy_left_in_place(story: Story) -> None:
    """The managed policy goes, teardown goes on; only provisioning is out."""
    story.healthy_role()
    story.put_inline("08:10", allowing(*TEARDOWN), name="teardown", id="keep-teardown")
    story.running("a", "b")
    story.detach("10:00", id="detach-managed")
    story.stop("10:20", "a")
    story.cleaned("a", "10:21")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "running")
    answer.is_quiet()
    assert not answer.outages("teardown")
    answer.broke("10:00", None, "detach-managed", phase="provision")


def test_two_policies_granting_the_same_action_the_second_is_the_cause(story: Story) -> None:
    """'the first to go is harmless and the second is the cause'."""
    story.healthy_role()
    story.put_inline("08:10", EVERYTHING_FOR_VOLUMES, id="second-grant")
    story.running("a")
    story.detach("10:00", id="first-to-go")
    story.delete_inline("10:10", id="second-to-go")
    story.stop("10:15", "a")
    story.refused("a", "10:16")
    answer = story.ask()
    answer.says("a", "stuck", "second-to-go", confidence="certain")
    answer.broke("10:10", None, "second-to-go")
    answer.broke("10:10", None, "second-to-go", phase="provision")
    assert answer.change("first-to-go")["effect"] == "none"
    assert answer.change("second-to-go")["effect"] == "breaks"


@pytest.mark.parametrize(
    "word", ["detach", "delete_inline", "put_inline", "set_trust", "delete_role", "boundary", "version"]
)
def test_a_change_that_failed_is_never_a_cause(story: Story, word: str) -> None:
    failure = ("AccessDenied", "User is not authorized")
    story.create_policy("07:00", "limits", allowing("s3:*"))
    story.customer_role(EVERYTHING_FOR_VOLUMES)
    story.running("a")
    match word:
        case "detach":
            story.detach("10:00", policy="volumes", id="failed", failure=failure)
        case "delete_inline":
            story.delete_inline("10:00", id="failed", failure=("NoSuchEntityException", "no such policy"))
        case "put_inline":
            story.put_inline("10:00", document(deny("*")), id="failed", failure=failure)
        case "set_trust":
            story.set_trust("10:00", document(), id="failed", failure=("MalformedPolicyDocumentException", "bad"))
        case "delete_role":
            story.delete_role(
                "10:00", id="failed", failure=("DeleteConflictException", "must detach all policies first")
            )
        case "boundary":
            story.put_boundary("10:00", "limits", id="failed", failure=failure)
        case _:
            story.new_version(
                "10:00", "volumes", allowing("s3:*"), id="failed", failure=("LimitExceededException", "5")
            )
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []
    change = answer.change("failed")
    assert (change["applied"], change["effect"]) == (False, "none")
    assert change["error_code"]


def test_failed_change_before_denials_that_nothing_explains(story: Story) -> None:
    """'the tool says so and never picks the nearest change for want of a better one'."""
    story.healthy_role().running("a")
    story.detach("10:00", id="failed", failure=("AccessDenied", "no"))
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    answer.reports("stuck_tasks", "ongoing", "a")


@pytest.mark.parametrize("event", ["TagRole", "UntagRole", "UpdateRole", "UpdateRoleDescription"])
def test_tags_and_descriptions_are_never_blamed(story: Story, event: str) -> None:
    story.healthy_role().running("a")
    requests = {
        "TagRole": {"roleName": "ecsInfra", "tags": [{"key": "team", "value": "x"}]},
        "UntagRole": {"roleName": "ecsInfra", "tagKeys": ["team"]},
        "UpdateRole": {"roleName": "ecsInfra", "description": "x", "maxSessionDuration": 3600},
        "UpdateRoleDescription": {"roleName": "ecsInfra", "description": "x"},
    }
    story.iam("10:00", event, requests[event], id="cosmetic")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    answer.reports("stuck_tasks", "ongoing", "a")
    assert answer.document["outages"] == []


def test_look_alike_role_names(story: Story) -> None:
    story.healthy_role().running("a")
    for role in ("ecsInfra-2", "ecsInfraOld", "my-ecsInfra"):
        story.create_role("08:30", role=role, id=f"made-{role}")
        story.attach("08:31", role=role, id=f"granted-{role}")
        story.detach("10:00", role=role, id=f"detach-{role}")
        story.delete_role("10:01", role=role, id=f"delete-{role}")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert not [row for row in answer.document["outages"] if row["role_arn"] == story.role_arn()]


def test_same_role_name_in_another_account(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", account="444455556666", id="their-detach")
    story.delete_role("10:01", account="444455556666", id="their-delete")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    answer.reports("stuck_tasks", "ongoing", "a")
    assert not [row for row in answer.document["outages"] if row["role_arn"] == story.role_arn()]


def test_only_creation_rights_lost_blocks_provisioning_not_teardown(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a", "b")
    story.put_inline("10:00", without("ec2:CreateVolume", "ec2:CreateTags"), id="narrowed")
    story.stop("10:10", "a")
    story.cleaned("a", "10:11")
    story.launch("10:20", "new", id="run-new")
    story.assume("10:20:05")
    story.create_volume("10:20:06", "new", denied=True, id="create-denied")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "running")
    row = answer.says("new", "failed_to_start", "narrowed", confidence="certain")
    assert not answer.outages("teardown")
    outage = answer.broke("10:00", None, "narrowed", phase="provision")
    assert set(outage["actions"]) == {"ec2:CreateVolume", "ec2:CreateTags"}
    assert row["outage_id"] == outage["id"]
    answer.reports("provisioning_blocked", "ongoing", "new", "narrowed")
    assert not answer.findings("stuck_tasks")


def test_attach_volume_denied_is_failed_to_start(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES)
    story.put_inline("10:00", without("ec2:AttachVolume"), id="narrowed")
    story.launch("10:20", "new")
    story.assume("10:20:05")
    story.create_volume("10:20:06", "new")
    story.attach_volume("10:20:15", "new", denied=True)
    story.delete_volume("10:21", "new")
    answer = story.ask()
    answer.says("new", "failed_to_start", "narrowed", confidence="certain")
    answer.reports("provisioning_blocked", "ongoing", "new", "narrowed")
    assert not answer.outages("teardown")


def test_provisioning_repaired(story: Story) -> None:
    """A later task starts; the failed one keeps its cause, and the finding is resolved with the outage."""
    story.healthy_role()
    story.detach("10:00", id="detach-1")
    story.launch("10:20", "new")
    story.assume("10:20:05")
    story.create_volume("10:20:06", "new", denied=True)
    story.attach("10:40", id="attach-2")
    story.running("next", at="10:50")
    answer = story.ask()
    answer.says("new", "failed_to_start", "detach-1", confidence="certain")
    answer.says("next", "running")
    answer.broke("10:00", "10:40", "detach-1", phase="provision", restored=("attach-2",))
    answer.reports("provisioning_blocked", "resolved", "new", "detach-1")


def test_a_role_that_never_could_provision_has_no_outage_and_no_cause(story: Story) -> None:
    """'A role that never had an action since it was made is not in an outage for it'."""
    story.create_role("08:00", id="made")
    story.launch("09:00", "new")
    story.assume("09:00:05")
    story.create_volume("09:00:06", "new", denied=True)
    answer = story.ask("09:05")
    answer.says("new", "failed_to_start", at_most="likely")
    answer.reports("provisioning_blocked", "ongoing", "new")
    assert answer.document["outages"] == []


def test_a_role_that_never_could_tear_down(story: Story) -> None:
    story.inline_role(without("ec2:DetachVolume", "ec2:DeleteVolume")).running("a")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck")
    answer.reports("stuck_tasks", "ongoing", "a")
    assert answer.document["outages"] == []


def test_loss_repaired_before_anything_stopped(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.attach("10:20", id="attach-2")
    story.stop("10:40", "a")
    story.cleaned("a", "10:41")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.is_quiet()
    answer.broke("10:00", "10:20", "detach-1", restored=("attach-2",))


def test_loss_after_everything_had_stopped(story: Story) -> None:
    story.healthy_role().running("a")
    story.stop("09:30", "a")
    story.cleaned("a", "09:31")
    story.detach("10:00", id="detach-1")
    story.delete_role("10:00:03", id="delete-role")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.is_quiet()


def test_running_tasks_of_a_broken_role_are_at_risk(story: Story) -> None:
    story.healthy_role().running("a", "b")
    story.detach("10:00", id="detach-1")
    answer = story.ask()
    for name in ("a", "b"):
        row = answer.task(name)
        assert (row["state"], row["at_risk"]) == ("running", True)
    answer.reports("tasks_at_risk", "ongoing", "a b", "detach-1")
    assert not answer.findings("stuck_tasks")


def test_at_risk_ends_with_the_repair(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.attach("10:30", id="attach-2")
    answer = story.ask()
    answer.says("a", "running")
    assert not answer.findings("tasks_at_risk")


def test_denied_in_the_old_wording_without_the_action(story: Story) -> None:
    """'denials in the old wording without the action': the event name tells it."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06", old_wording=True)
    story.ask().says("a", "stuck", "detach-1", confidence="certain")


def test_china(tmp_path: Path) -> None:
    """'both partitions `aws` and `aws-cn` (global events elsewhere)'."""
    story = Story(tmp_path / "cn", partition="aws-cn", region="cn-northwest-1", home="cn-north-1")
    story.healthy_role().running("a", "b")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", confidence="certain")
    answer.broke("10:00", None, "detach-1")
    answer.reports("tasks_at_risk", "ongoing", "b", "detach-1")


def test_identity_denial_is_not_explained_by_a_policy_that_cannot_grant(story: Story) -> None:
    """A detached policy that never granted the action is no cause, however near."""
    story.create_policy("07:00", "logs", allowing("logs:*"))
    story.healthy_role()
    story.attach("08:10", policy="logs", id="attach-logs")
    story.running("a")
    story.detach("10:00", policy="logs", id="detach-logs")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", at_most="likely")
    assert answer.change("detach-logs")["effect"] == "none"
