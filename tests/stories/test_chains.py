"""Role chaining: the sessions behind a change are followed back to the first principal, where that is asked for."""

import io

import pytest
from builder import Story
from rich.console import Console

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.views.answer import print_answer

ALICE = "arn:aws:iam::111122223333:user/alice"


def opened(story: Story, at: str, role: str, name: str, who, event: str = "AssumeRole") -> dict:
    """Somebody opens a session; gives the identity that acts in it."""
    request = {"roleArn": story.role_arn(role), "roleSessionName": name}
    arn = f"arn:aws:sts::{story.account}:assumed-role/{role}/{name}"
    made = {"assumedRoleUser": {"arn": arn, "assumedRoleId": f"AROA{role.upper()}:{name}"}}
    story.tell(at, f"sts:{event}", request, made, who=who)
    session = story.session(role, by_ecs=False, name=name)
    session["sessionContext"]["attributes"]["creationDate"] = story.records[-1]["eventTime"]
    return session


def broken_through_a_chain(story: Story) -> None:
    story.healthy_role().running("a")
    alice = {
        "type": "IAMUser",
        "arn": ALICE,
        "accountId": story.account,
        "userName": "alice",
        "principalId": "AIDAALICE",
    }
    hub = opened(story, "09:50", "hub", "alice-laptop", alice)
    deployer = opened(story, "09:55", "deployer", "change-4711", hub)
    story.detach("10:00", id="detach", who=deployer)
    story.stop("10:05", "a")
    story.refused("a", "10:06")


def breaking(case):
    return next(row for row in case.document["actors"] if row["breaking"])


def test_a_chain_is_followed_to_the_person_behind_it(story: Story) -> None:
    broken_through_a_chain(story)
    story.ask()
    plain, followed = et.investigate(story.folder), et.investigate(story.folder, chains=True)
    assert breaking(plain)["chain"] == [breaking(plain)["actor"]]
    row = breaking(followed)
    assert [one.rsplit("/", 1)[1] for one in row["chain"]] == ["change-4711", "alice-laptop", "alice"]
    assert row["principal"] == ALICE
    page = io.StringIO()
    print_answer(followed.document, Console(file=page, width=200))
    assert "change-4711 (role deployer), opened by user alice" in page.getvalue()


def test_nothing_else_of_the_answer_changes(story: Story) -> None:
    broken_through_a_chain(story)
    story.ask()
    plain, followed = (et.investigate(story.folder, chains=one).document for one in (False, True))
    assert {**plain, "actors": []} == {**followed, "actors": []}


@pytest.mark.parametrize("event", ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"])
def test_a_federated_session_leads_to_the_identity_behind_it(story: Story, event: str) -> None:
    story.healthy_role().running("a")
    person = {"type": "SAMLUser", "principalId": "idp:carol@example.com", "userName": "carol@example.com"}
    session = opened(story, "09:55", "deployer", "carol", person, event)
    story.detach("10:00", id="detach", who=session)
    story.ask()
    assert breaking(et.investigate(story.folder, chains=True))["principal"] == "carol@example.com"


def test_a_session_of_the_same_name_opened_at_another_time_is_another_session(story: Story) -> None:
    broken_through_a_chain(story)
    mallory = {"type": "IAMUser", "arn": f"{ALICE}-not", "accountId": story.account, "userName": "mallory"}
    opened(story, "09:58", "deployer", "change-4711", mallory)
    story.ask()
    assert breaking(et.investigate(story.folder, chains=True))["principal"] == ALICE


def test_where_nobody_changed_a_role_nothing_is_read_again(story: Story, capsys) -> None:
    story.running("a")
    story.ask()
    assert run(["investigate", str(story.folder), "--chains", "--format", "json"]) == 0
