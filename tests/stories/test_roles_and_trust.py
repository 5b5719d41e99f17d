"""Roles deleted and made again, trust taken away: what ECS can no longer assume."""

import pytest
from builder import OTHER_ACCOUNT, Story
from story_documents import (
    ECS,
    EVERYTHING_FOR_VOLUMES,
    TEARDOWN,
    TRUSTS_ECS,
    allowing,
    document,
    trusts,
)


def statement(**parts: object) -> dict:
    """A trust statement for ECS with further parts."""
    return {"Effect": "Allow", "Principal": {"Service": ECS}, "Action": "sts:AssumeRole", **parts}


# -- the role deleted -----------------------------------------------------------------------------------------


def test_terraform_detach_then_delete_is_one_outage_with_both_events(story: Story) -> None:
    """'gives both, detach first'; silence and replayed state only: likely."""
    story.healthy_role().running("a")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:03", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", "delete-1", confidence="likely", stop_started_at="10:05")
    answer.broke("10:00:00", None, "detach-1", "delete-1", restored=())
    answer.broke("10:00:00", None, "detach-1", "delete-1", phase="provision", restored=())
    row = answer.reports("stuck_tasks", "ongoing", "a", "detach-1", "delete-1")
    assert "role_deleted" in row["basis"]
    assert answer.document["roles"][0]["exists"] is False


def test_detach_and_delete_within_one_second(story: Story) -> None:
    """Order within a second: removals, then deletions."""
    story.healthy_role().running("a")
    story.delete_role("10:00:00", id="a-delete")
    story.detach("10:00:00", id="z-detach")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "z-detach", "a-delete")
    answer.broke("10:00:00", None, "z-detach", "a-delete")


def test_delete_role_with_no_detach_in_the_evidence(story: Story) -> None:
    """'A trust document or a DeleteRole speaks for itself'."""
    story.healthy_role().running("a")
    story.delete_role("10:00", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "delete-1", confidence="likely")
    row = answer.broke("10:00", None, "delete-1")
    assert set(row["actions"]) >= {"sts:AssumeRole"}
    assert "role_deleted" in row["basis"]


def test_refused_assume_role_that_was_recorded_makes_it_certain(story: Story) -> None:
    """'refused AssumeRole recorded or not (both happen)'; 'certain (replayed state and denied calls agree)'."""
    story.healthy_role().running("a")
    story.delete_role("10:00", id="delete-1")
    story.stop("10:05", "a")
    story.assume("10:05:05", denied=True)
    story.assume("10:15:05", denied=True)
    answer = story.ask("10:20")
    answer.says("a", "stuck", "delete-1", confidence="certain")
    answer.reports("stuck_tasks", "ongoing", "a", "delete-1")


@pytest.mark.parametrize(("as_of", "state"), [("10:14", "stopping"), ("10:16", "stuck"), ("14:00", "stuck")])
def test_silent_stop_is_stopping_while_young_and_stuck_when_old(story: Story, as_of: str, state: str) -> None:
    """'stopping: a stop began less than --stuck-after before as_of and nothing has failed'."""
    story.healthy_role().running("a")
    story.delete_role("10:00", id="delete-1")
    story.stop("10:05", "a")
    answer = story.ask(as_of)
    row = answer.task("a")
    assert row["state"] == state
    if state == "stuck":
        assert row["cause_event_ids"] == ["delete-1"]


def test_stuck_after_is_the_users_word(story: Story) -> None:
    story.healthy_role().running("a")
    story.delete_role("10:00", id="delete-1")
    story.stop("10:05", "a")
    assert story.ask("10:40", stuck_after="1h").task("a")["state"] == "stopping"
    assert story.ask("10:40", stuck_after="30m").task("a")["state"] == "stuck"


def test_role_made_again_with_its_policy_ends_the_outage(story: Story) -> None:
    """'deleted and re-created under the same name (new AROA, same ARN)': ends when all is allowed again."""
    story.healthy_role().running("a")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:03", id="delete-1")
    story.stop("10:05", "a")
    story.create_role("11:00:00", id="remade")
    story.attach("11:00:10", id="regranted")
    story.cleaned("a", "11:05")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", "delete-1", confidence="likely", resolved_at="11:05:30")
    row = answer.broke("10:00:00", "11:00:10", "detach-1", "delete-1")
    assert row["restore_event_ids"][-1] == "regranted"
    assert set(row["restore_event_ids"]) <= {"remade", "regranted"}
    answer.reports("stuck_tasks", "resolved", "a", "detach-1", "delete-1")
    assert answer.document["roles"][0]["exists"] is True


def test_role_made_again_without_its_policies_is_still_in_the_old_outage(story: Story) -> None:
    """'a role re-created without its policies is still in the old one'."""
    story.healthy_role().running("a")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:03", id="delete-1")
    story.stop("10:05", "a")
    story.create_role("11:00:00", id="remade")
    story.refused("a", "11:05")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", "delete-1")
    row = answer.broke("10:00:00", None, "detach-1", "delete-1")
    assert set(row["restore_event_ids"]) <= {"remade"}, "a partial repair may be named, the outage goes on"
    assert len(answer.findings()) == 1


def test_role_made_again_with_only_a_part_of_what_it_had(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:03", id="delete-1")
    story.stop("10:05", "a")
    story.create_role("11:00:00", id="remade")
    story.put_inline("11:00:10", allowing("ec2:DetachVolume", "ec2:DescribeVolumes"), id="part")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", "delete-1")
    assert answer.outage()["end"] is None


# -- the trust taken away -------------------------------------------------------------------------------------

BREAKING = {
    "no-statement": document(),
    "other-service": trusts("ec2.amazonaws.com"),
    "tasks-are-not-ecs": trusts("ecs-tasks.amazonaws.com"),
    "list-without-ecs": trusts("ec2.amazonaws.com", "lambda.amazonaws.com"),
    "a-person": document(
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}
    ),
    "deny-beside-allow": document(
        statement(), {"Effect": "Deny", "Principal": {"Service": ECS}, "Action": "sts:AssumeRole"}
    ),
    "deny-everybody": document(statement(), {"Effect": "Deny", "Principal": "*", "Action": "sts:*"}),
    "only-allow-turned-deny": document(statement(Effect="Deny")),
    "source-account-of-another": document(statement(Condition={"StringEquals": {"aws:SourceAccount": OTHER_ACCOUNT}})),
    "source-arn-of-another": document(
        statement(Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:eu-west-1:{OTHER_ACCOUNT}:*"}})
    ),
    "external-id": document(statement(Condition={"StringEquals": {"sts:ExternalId": "secret"}})),
    "mfa": document(statement(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})),
    "other-action": document(statement(Action="sts:AssumeRoleWithWebIdentity")),
}


@pytest.mark.parametrize("name", BREAKING)
def test_trust_that_no_longer_lets_ecs_in(story: Story, name: str) -> None:
    """'emptied of ecs.amazonaws.com, given to another service, given a deny or a condition ECS cannot meet'."""
    story.healthy_role().running("a", "b")
    story.set_trust("10:00", BREAKING[name], id="trust-cut")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "trust-cut", confidence="likely")
    row = answer.broke("10:00", None, "trust-cut")
    assert row["actions"] == ["sts:AssumeRole"]
    assert "trust_replay" in row["basis"]
    answer.broke("10:00", None, "trust-cut", phase="provision")
    answer.reports("tasks_at_risk", "ongoing", "b", "trust-cut")
    assert answer.change("trust-cut")["effect"] == "breaks"
    assert answer.change("trust-cut")["lost"] == ["sts:AssumeRole"]


def test_not_principal_deny_of_everybody_but_another_service(story: Story) -> None:
    """READING: a deny for all but EC2 reaches ECS."""
    story.healthy_role().running("a")
    but = {"Effect": "Deny", "NotPrincipal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    story.set_trust("10:00", document(statement(), but), id="trust-cut")
    story.stop("10:05", "a")
    answer = story.ask()
    answer.says("a", "stuck", "trust-cut")


HARMLESS = {
    "the-same": TRUSTS_ECS,
    "gains-a-principal": document(
        {
            "Effect": "Allow",
            "Principal": {"Service": ECS, "AWS": "arn:aws:iam::111122223333:root"},
            "Action": "sts:AssumeRole",
        }
    ),
    "gains-a-service": trusts("ec2.amazonaws.com", ECS),
    "service-list": trusts(ECS, "ecs-tasks.amazonaws.com"),
    "everybody": document({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}),
    "action-wildcard": document(statement(Action="sts:*")),
    "action-case": document(statement(Action=["STS:assumerole"])),
    "gains-an-action": document(statement(Action=["sts:AssumeRole", "sts:TagSession"])),
    "second-statement": document(statement(), statement(Principal={"Service": "ec2.amazonaws.com"})),
    "deny-for-another": document(
        statement(), {"Effect": "Deny", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ),
    "own-source-account": document(statement(Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}})),
    "own-source-arn": document(
        statement(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:ecs:eu-west-1:111122223333:*"}})
    ),
    "deny-all-but-ecs": document(
        statement(), {"Effect": "Deny", "NotPrincipal": {"Service": ECS}, "Action": "sts:AssumeRole"}
    ),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_trust_that_still_lets_ecs_in_is_never_blamed(story: Story, name: str) -> None:
    story.healthy_role().running("a", "b")
    story.set_trust("10:00", HARMLESS[name], id="trust-edit")
    story.stop("10:20", "a")
    story.cleaned("a", "10:21")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.says("b", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []
    assert answer.change("trust-edit")["effect"] != "breaks"


def test_stop_inside_an_assume_role_outage_cleaned_up_after_the_repair(story: Story) -> None:
    """'A stop inside an outage of sts:AssumeRole that is cleaned up only after the repair … is recovered even without
    a denied call'."""
    story.healthy_role().running("a")
    story.set_trust("10:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.stop("10:05", "a")
    story.set_trust("10:30", TRUSTS_ECS, id="trust-back")
    story.cleaned("a", "10:34")
    answer = story.ask()
    answer.says("a", "recovered", "trust-cut", confidence="likely", resolved_at="10:34:30")
    answer.broke("10:00", "10:30", "trust-cut", restored=("trust-back",))
    answer.reports("stuck_tasks", "resolved", "a", "trust-cut")


def test_stop_inside_an_assume_role_outage_cleaned_up_by_hand(story: Story) -> None:
    """'… or by hand'; 'a person deleting the volume by hand (recovered, and by whom)'."""
    story.healthy_role().running("a")
    story.set_trust("10:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.stop("10:05", "a")
    story.detach_volume("10:40", "a", who=story.person("maria"))
    story.delete_volume("10:41", "a", who=story.person("maria"), id="by-hand")
    answer = story.ask()
    answer.says("a", "recovered", "trust-cut", resolved_at="10:41")
    assert answer.outage()["end"] is None
    assert "maria" in answer.volume("a")["deleted_by"]


def test_held_session_finishes_after_the_trust_was_cut(story: Story) -> None:
    """'A session ECS already held when the trust was cut may still finish its work: that task is stopped.'"""
    story.healthy_role().running("a")
    story.stop("09:59:50", "a")
    story.assume("09:59:52")
    story.set_trust("10:00:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.detach_volume("10:00:05", "a")
    story.delete_volume("10:08", "a")
    answer = story.ask()
    answer.says("a", "stopped")
    answer.broke("10:00:00", None, "trust-cut")
    assert not answer.findings("stuck_tasks")


def test_held_session_finishes_a_stop_that_began_after_the_trust_was_cut(story: Story) -> None:
    """READING: the stop came later, yet the held session did all its work without any denial: `stopped`."""
    story.healthy_role().running("a")
    story.assume("09:58")
    story.set_trust("10:00:00", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.stop("10:01", "a")
    story.cleaned("a", "10:02", held_session=True)
    answer = story.ask()
    answer.says("a", "stopped")
    assert not answer.findings("stuck_tasks")


def test_held_session_after_role_deletion_is_denied_nothing(story: Story) -> None:
    """A role deleted in the middle of a cleanup: detached by the held session, deletion never comes: stuck."""
    story.healthy_role().running("a")
    story.stop("09:59", "a")
    story.assume("09:59:02")
    story.detach_volume("09:59:03", "a")
    story.detach("10:00:00", id="detach-1")
    story.delete_role("10:00:03", id="delete-1")
    story.delete_volume("10:00:30", "a", denied=True)
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", "delete-1", confidence="certain", stop_started_at="09:59")


def test_path_of_the_role(story: Story) -> None:
    """IAM and STS name the role without its path; the launch names the ARN with it."""
    role = "teams/infra/ecsInfra"
    made = {
        "path": "/teams/infra/",
        "roleName": "ecsInfra",
        "roleId": "AROAPATH",
        "arn": story.role_arn(role),
    }
    import json  # noqa: PLC0415

    request = {"roleName": "ecsInfra", "path": "/teams/infra/", "assumeRolePolicyDocument": json.dumps(TRUSTS_ECS)}
    story.iam("08:00", "CreateRole", request, {"role": made}, id="made")
    story.attach("08:00:05", id="granted")
    story.running("a", role=role)
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    row = answer.says("a", "stuck", "detach-1", confidence="certain")
    assert row["role_arn"] == story.role_arn(role)
    assert answer.broke("10:00", None, "detach-1")["role_arn"] == story.role_arn(role)


def test_losing_trust_and_policy_is_one_outage_until_both_are_back(story: Story) -> None:
    """'A repair that gives back only some of the needed actions does not end an outage'."""
    story.healthy_role().running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:02", "a")
    story.refused("a", "10:03")
    story.set_trust("10:10", trusts("ec2.amazonaws.com"), id="trust-cut")
    story.attach("10:20", id="attach-2")
    story.set_trust("10:30", TRUSTS_ECS, id="trust-back")
    story.cleaned("a", "10:40")
    answer = story.ask()
    answer.says("a", "recovered", "detach-1", "trust-cut")
    row = answer.broke("10:00", "10:30", "detach-1", "trust-cut")
    assert set(row["actions"]) == {*TEARDOWN, "sts:AssumeRole"}
    assert row["restore_event_ids"] == ["attach-2", "trust-back"]


# -- order within a second ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [("a-detach", "z-attach"), ("z-detach", "a-attach")])
def test_swap_within_one_second_is_harmless(story: Story, ids: tuple[str, str]) -> None:
    """'Order within a second: creations, then grants, …, then removals'."""
    detach, attach = ids
    story.create_policy("07:00", "wide", EVERYTHING_FOR_VOLUMES)
    story.healthy_role().running("a")
    story.detach("10:00:00", id=detach)
    story.attach("10:00:00", policy="wide", id=attach)
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []


def test_role_and_grant_made_in_one_second(story: Story) -> None:
    """Creations come before grants, whatever the ids say."""
    story.attach("08:00:00", id="a-attach")
    story.create_role("08:00:00", id="z-create")
    story.running("a")
    story.detach("10:00", id="detach-1")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    answer.says("a", "stuck", "detach-1", confidence="certain")
    answer.broke("10:00", None, "detach-1")


def test_policy_made_and_attached_in_one_second(story: Story) -> None:
    story.create_role("08:00:00", id="c-role")
    story.attach("08:00:00", policy="wide", id="a-attach")
    story.create_policy("08:00:00", "wide", EVERYTHING_FOR_VOLUMES, id="z-policy")
    story.running("a")
    story.detach("10:00", policy="wide", id="detach-1")
    answer = story.ask()
    answer.reports("tasks_at_risk", "ongoing", "a", "detach-1")


def test_grant_and_narrowing_version_in_one_second_is_harmless(story: Story) -> None:
    """A grant comes before a default-version change of the same second."""
    story.customer_role(EVERYTHING_FOR_VOLUMES)
    story.running("a")
    story.set_default("10:00:00", "volumes", "v1", id="c-nothing")
    story.new_version("10:00:01", "volumes", allowing("s3:*"), id="a-narrow")
    story.attach("10:00:01", id="z-attach")
    answer = story.ask()
    answer.says("a", "running")
    answer.is_quiet()
    assert answer.document["outages"] == []


def test_grant_and_trust_edit_and_removal_in_one_second(story: Story) -> None:
    """Trust before removal before deletion: the trust is the first that broke.

    READING: whether the deletion took anything that the trust had left is open, so it may be named last or not at all.
    """
    story.healthy_role().running("a")
    story.delete_role("10:00:00", id="a-delete")
    story.detach("10:00:00", id="b-detach")
    story.set_trust("10:00:00", trusts("ec2.amazonaws.com"), id="z-trust")
    story.stop("10:05", "a")
    answer = story.ask()
    row = answer.task("a")
    assert row["state"] == "stuck"
    for causes in (row["cause_event_ids"], answer.outage()["cause_event_ids"]):
        assert causes in (["z-trust", "b-detach"], ["z-trust", "b-detach", "a-delete"])


def test_boundary_and_grant_in_one_second(story: Story) -> None:
    """A new role, its grant and a boundary that lets all of it through."""
    story.create_policy("07:00", "limits", allowing("ec2:*"))
    story.put_boundary("08:00:00", "limits", id="a-boundary")
    story.attach("08:00:00", id="b-attach")
    story.create_role("08:00:00", id="c-create")
    story.running("a")
    story.new_version("10:00", "limits", allowing("s3:*"), id="limits-v2")
    answer = story.ask()
    answer.reports("tasks_at_risk", "ongoing", "a", "limits-v2")
