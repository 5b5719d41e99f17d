"""The text answer: what a tired person reads first, and that nothing in it obeys an attacker."""

import io

import incident
import pytest
from rich.console import Console

from ecs_trail.views.answer import print_answer


def shown(document, *, width=100, colour=False):
    """The answer as text."""
    page = io.StringIO()
    system = "standard" if colour else None
    print_answer(document, Console(file=page, width=width, color_system=system, force_terminal=colour))
    return page.getvalue()


def test_the_first_lines_say_what_since_when_by_whom_and_how_many():
    head = " ".join(shown(incident.broken()).split("CAUSE")[0].split())
    assert "2 tasks hang in DEPROVISIONING: role payments-ecs-infra was deleted." in head
    assert "Broken since 2026-03-02 14:31:09 (1 d 3 h); the first task hung at 2026-03-02 14:31:40." in head
    assert f"Role: {incident.ROLE}" in head
    assert "pipeline-4711 (role ci-deployer) with Terraform" in head
    assert "2 volumes (60 GiB) are still there" in head


def test_the_causes_stand_in_order_with_actor_tool_and_event():
    text = shown(incident.broken())
    assert text.index("DetachRolePolicy by pipeline-4711") < text.index("DeleteRole by pipeline-4711")
    assert incident.DETACH in text
    assert "took ec2:DetachVolume, ec2:DeleteVolume and ec2:DescribeVolumes" in text
    assert "203.0.113.20" in text
    assert "Certain: replay and observation agree" in text


def test_the_answer_fits_one_screen():
    lines = shown(incident.broken()).splitlines()
    commands = [line for line in lines if line.startswith("aws ")]
    assert len(lines) <= 42
    assert len(commands) == 2
    assert all(len(line) <= 100 for line in lines if line not in commands)


@pytest.mark.parametrize("width", [40, 100, 300])
def test_commands_can_be_copied_as_they_stand(width):
    for colour in (False, True):
        text = shown(incident.broken(), width=width, colour=colour)
        main = next(f for f in incident.broken()["findings"] if f["id"] == "finding-1")
        for command in main["repair"][0]["commands"]:
            assert command in text


def test_many_tasks_are_cut_and_the_rest_is_pointed_to():
    document = incident.broken()
    main = next(f for f in document["findings"] if f["id"] == "finding-1")
    arns = [f"{incident.ARN}:task/payments/{n:032x}" for n in range(500)]
    document["tasks"] = [incident.task(0, "stuck", task_arn=arn) for arn in arns]
    main["task_arns"] = arns
    document["evidence"]["sources"] = ["logs of march"]
    text = shown(document)
    assert "… and 494 more: ecs-trail timeline tasks 'logs of march'" in text
    assert len(text.splitlines()) < 55


def test_an_incident_that_is_over_says_so_first():
    text = " ".join(shown(incident.over()).split())
    assert "Over since 2026-03-02 16:01:30 UTC. 2 tasks hang" in text
    assert "Broken from 2026-03-02 14:31:09 to 2026-03-02 16:01:30 (1 h 30 min)" in text
    assert "are gone now" in text


def test_health_is_said_clearly_with_what_was_looked_at():
    text = " ".join(shown(incident.quiet()).split())
    assert "Nothing broken found." in text
    assert "3,412 records in 97 files" in text
    assert "1 role; 1 task (1 running); 1 volume (1 attached)" in text


def test_no_evidence_is_not_health():
    assert "no work of an ECS infrastructure role was seen" in shown(incident.nothing())


def test_what_could_not_be_seen_is_named():
    text = " ".join(shown(incident.partial()).split("NOT SEEN")[1].split())
    assert "1 file could not be read" in text
    assert "logs/a.json.gz: truncated file: gzip ends early." in text
    assert "and 1 more problem" in text
    assert "3 digests and 1 empty file" in text
    assert "111122223333 eu-west-1" in text


def test_an_unexplained_block_blames_nobody():
    document = incident.broken()
    document["findings"] = [
        incident.finding(
            1, "stuck_tasks", task_arns=list(incident.TASKS[:1]), confidence="likely", basis="denied_calls"
        )
    ]
    text = shown(document)
    assert "No change in the evidence explains this." in text
    assert "pipeline" not in text


def test_a_cause_outside_the_role_changes_is_still_named():
    document = incident.broken()
    document["changes"] = []
    text = shown(document)
    assert incident.DETACH in text
    assert "ECS needs the role to detach and delete volumes." in text
    assert "unknown" not in text


def test_colour_only_where_asked():
    assert "\x1b[" not in shown(incident.broken())
    assert "\x1b[" in shown(incident.broken(), colour=True)


KINDS = [
    "stuck_tasks",
    "tasks_at_risk",
    "leaked_volumes",
    "tls_blocked",
    "pass_role_denied",
    "provisioning_blocked",
    "session_impersonation",
    "secret_read_by_other",
    "logging_gap",
    "integrity_failure",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["ongoing", "resolved"])
def test_every_kind_of_finding_can_lead(kind, status):
    document = incident.broken()
    end = "2026-03-02T16:00:00Z" if status == "resolved" else None
    document["findings"] = [
        incident.finding(
            1,
            kind,
            status=status,
            ended_at=end,
            role_arn=None,
            title="What the engine says.",
            volume_ids=list(incident.VOLUMES[:1]),
        )
    ]
    text = shown(document)
    assert "CAUSE" in text
    assert ("Over since" in text) == (status == "resolved")


def hostile(value, poison):
    """A document whose every free string carries a poison; keys, times, states and numbers stay."""
    if isinstance(value, dict):
        fixed = {"schema", "as_of", "status", "severity", "state", "confidence", "start", "end", "kind"}
        return {
            key: inner if key in fixed or key.endswith(("_at", "_time", "_since")) else hostile(inner, poison)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [hostile(inner, poison) for inner in value]
    return f"{value}{poison}" if isinstance(value, str) else value


def test_nothing_from_the_evidence_steers_the_terminal():
    text = shown(hostile(incident.partial(), "\x1b]0;owned\x07\u202e[red]x[/red]\r\n"))
    assert not set(text) & set("\x1b\x07\u202e\r")
    assert "[red]x[/red]" in text
