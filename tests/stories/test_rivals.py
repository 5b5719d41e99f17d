"""Rival explanations: the other changes a reader would ask about are listed, each with the reason that decides it."""

import io

import pytest
from builder import Story
from rich.console import Console
from story_documents import EVERYTHING_FOR_VOLUMES, VOLUME_ACTIONS, allowing, deny, document, without

import ecs_trail as et
from ecs_trail.accuracy import document_of
from ecs_trail.practice import incident, kinds, write
from ecs_trail.views.answer import print_answer

BLOCKS = {"stuck_tasks", "provisioning_blocked", "tls_blocked"}


def rivals(answer, kind="stuck_tasks"):
    return {one["event_id"]: (one["standing"], one["reason"]) for one in answer.finding(kind)["rivals"]}


def shown(answer) -> str:
    page = io.StringIO()
    print_answer(answer.document, Console(file=page, width=200))
    return page.getvalue()


def test_a_refused_call_and_a_tag_are_ruled_out_beside_the_cause(story: Story) -> None:
    story.healthy_role().running("a")
    story.iam("09:00", "TagRole", {"roleName": "ecsInfra", "tags": [{"key": "team", "value": "x"}]}, id="tag")
    story.delete_role("09:30", id="failed", failure=("DeleteConflictException", "must detach first"))
    story.detach("10:00", id="detach")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    found = rivals(answer)
    assert {event: standing for event, (standing, _) in found.items() if event in {"tag", "failed", "detach"}} == {
        "tag": "ruled_out",
        "failed": "ruled_out",
    }
    assert "DeleteConflictException" in found["failed"][1]
    assert "[failed" in answer.finding()["explanation"]
    assert "Ruled out as a cause:" in shown(answer)


def test_a_loss_that_was_repaired_before_anything_stopped_is_ruled_out_with_its_repair(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("09:00", id="first-loss")
    story.attach("09:30", id="first-repair")
    story.detach("10:00", id="detach")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    standing, reason = rivals(story.ask())["first-loss"]
    assert standing == "ruled_out"
    assert "given back at" in reason
    assert "first-repair" in reason


def test_a_loss_of_other_actions_is_ruled_out(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    story.put_inline("09:00", without("ec2:CreateVolume"), id="no-create")
    rest = [action for action in VOLUME_ACTIONS if action not in {"ec2:CreateVolume", "ec2:DetachVolume"}]
    story.put_inline("10:00", allowing(*rest), id="no-detach")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    assert answer.task("a")["cause_event_ids"] == ["no-detach"]
    assert rivals(answer)["no-create"] == ("ruled_out", "it took ec2:CreateVolume, which was not what stopped them")


def test_a_deny_for_another_region_is_ruled_out(story: Story) -> None:
    story.inline_role(EVERYTHING_FOR_VOLUMES).running("a")
    elsewhere = deny("ec2:*", Condition={"StringEquals": {"aws:RequestedRegion": "us-west-2"}})
    story.put_inline("09:00", document(elsewhere), name="elsewhere", id="elsewhere")
    story.put_inline("10:00", without("ec2:DetachVolume"), id="no-detach")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    assert rivals(story.ask())["elsewhere"][0] == "ruled_out"


def test_a_policy_whose_text_is_not_in_the_evidence_stays_open(story: Story) -> None:
    story.healthy_role().running("a")
    story.attach("09:00", policy="somebody-elses", id="unknown-policy")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    assert answer.task("a")["state"] == "stuck"
    standing, reason = rivals(answer)["unknown-policy"]
    assert (standing, "what its policy says" in reason) == ("open", True)
    assert "Not ruled out: AttachRolePolicy by" in shown(answer)
    assert "Not ruled out: AttachRolePolicy" in answer.finding()["explanation"]


def test_a_refusal_that_names_no_policy_type_leaves_policies_outside_the_evidence_open(story: Story) -> None:
    story.healthy_role().running("a")
    story.stop("10:05", "a")
    story.refused("a", "10:06", why="")
    answer = story.ask()
    denied = answer.task("a")["denied_event_ids"][0]
    assert rivals(answer)[denied][0] == "open"


def test_a_certain_cause_has_no_open_rival(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    answer = story.ask()
    assert answer.finding()["confidence"] == "certain"
    assert {standing for standing, _ in rivals(answer).values()} <= {"ruled_out"}


def test_many_rivals_do_not_bury_the_answer_and_open_ones_come_first(story: Story) -> None:
    story.healthy_role().running("a")
    story.attach("08:30", policy="somebody-elses", id="unknown-policy")
    for minute in range(40):
        request = {"roleName": "ecsInfra", "tags": [{"key": "build", "value": str(minute)}]}
        story.iam(f"09:{minute:02}", "TagRole", request, id=f"tag-{minute}")
    story.stop("10:05", "a")
    story.refused("a", "10:06")
    listed = story.ask().finding()["rivals"]
    assert len(listed) == 20
    assert listed[0]["event_id"] == "unknown-policy"
    times = [one["event_time"] for one in listed if one["standing"] == "ruled_out"]
    assert times == sorted(times, reverse=True)


def test_explain_tells_the_rivals_with_their_events(tmp_path) -> None:
    write(incident("managed_detached", 3), tmp_path)
    case = et.investigate(tmp_path)
    finding = next(one for one in case.document["findings"] if one["kind"] == "stuck_tasks" and one["rivals"])
    told = case.explain(finding["task_arns"][0])
    assert f"[{finding['rivals'][0]['event_id']}]" in told
    assert told.splitlines()[-1].startswith("Confidence:")


@pytest.mark.parametrize("kind", kinds())
def test_no_true_cause_is_ruled_out_and_every_rival_can_be_followed(kind: str) -> None:
    made = incident(kind, 5)
    found = document_of(made)
    changes = {row["event_id"]: row for row in found["changes"]}
    records = {record["eventID"] for record in made.records}
    for finding in (one for one in found["findings"] if one["kind"] in BLOCKS):
        listed = {one["event_id"] for one in finding["rivals"]}
        out = {one["event_id"] for one in finding["rivals"] if one["standing"] == "ruled_out"}
        true = [made.answer["tasks"][arn]["cause_event_ids"][:1] for arn in finding["task_arns"]]
        assert listed <= records
        assert out <= set(changes)
        assert not listed & set(finding["cause_event_ids"])
        assert not out & {event for first in true for event in first}
