"""The analyst's questions are sections of the answer: who changed the role, who used ECS's name, what was not seen."""

from builder import Story


def test_the_answer_holds_the_actors_and_the_gaps(story: Story) -> None:
    story.healthy_role().running("a")
    story.detach("10:00", id="detach")
    story.tell("10:30", "cloudtrail:StopLogging", {"name": "main"}, id="stopped")
    document = story.ask().document
    (actor,) = [one for one in document["actors"] if one["breaking"]]
    assert actor["actor"] == document["changes"][-1]["actor"]
    assert "detach" in actor["event_ids"]
    (gap,) = document["logging_gaps"]
    assert (gap["event_id"], gap["trail"]) == ("stopped", "main")
    assert document["secret_reads"] == document["impersonations"] == document["blocked_work"] == []


def test_a_person_under_ecs_s_name_is_listed_without_the_key(story: Story) -> None:
    story.healthy_role().running("a")
    who = story.session(by_ecs=False)
    story.tell(
        "09:30", "ec2:DescribeVolumes", {"volumeSet": {}}, who=who, id="copied", tlsDetails={"tlsVersion": "TLSv1.3"}
    )
    (row,) = story.ask().document["impersonations"]
    assert row["session_name"] == "ECSTaskVolumesForEBS"
    assert "copied" in row["event_ids"]
    assert "access_key_id" not in row
