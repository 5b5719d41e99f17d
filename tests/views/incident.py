"""One realistic investigation document, written by hand after the contract, and smaller variations of it."""

import copy
from typing import Any

Document = dict[str, Any]

ROLE = "arn:aws:iam::111122223333:role/service/payments-ecs-infra"
NAME = "payments-ecs-infra"
OTHER_ROLE = "arn:aws:iam::111122223333:role/orders-ecs-infra"
DETACH, DELETE, OLD_DETACH = (f"{n}f1c2d3e-4a5b-4c6d-8e7f-90a1b2c3d4e5" for n in (0, 1, 2))
ARN = "arn:aws:ecs:eu-west-1:111122223333"
POLICY = "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRolePolicyForVolumes"
TASKS = tuple(f"{ARN}:task/payments/{n:032x}" for n in (0xA1B2C3, 0xB2C3D4, 0xC3D4E5))
VOLUMES = tuple(f"vol-0{n:016x}" for n in (0xA1B2C3D4E5F6, 0xB1C2D3E4F5A6, 0xC1D2E3F4A5B6))
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},'
    '"Action":"sts:AssumeRole"}]}'
)
TEARDOWN = ["ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes"]


def change(event_id: str, time: str, name: str, **more: Any) -> Document:
    """A row of `changes`."""
    return {
        "event_id": event_id,
        "event_time": time,
        "event_name": name,
        "role_arns": [ROLE],
        "actor": "arn:aws:sts::111122223333:assumed-role/ci-deployer/pipeline-4711",
        "source_ip": "203.0.113.20",
        "user_agent": "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) terraform-provider-aws/5.67.0",
        "applied": True,
        "error_code": None,
        "effect": "breaks",
        "purposes": ["volumes"],
        "lost": [],
        "gained": [],
    } | more


def task(index: int, state: str, **more: Any) -> Document:
    """A row of `tasks`."""
    return {
        "task_arn": TASKS[index],
        "cluster": "payments",
        "service": "ledger-db",
        "role_arn": ROLE,
        "volume_ids": [VOLUMES[index]],
        "state": state,
        "at_risk": False,
        "stop_started_at": None,
        "blocked_since": None,
        "resolved_at": None,
        "outage_id": None,
        "cause_event_ids": [],
        "confidence": "certain",
        "evidence": [DETACH],
    } | more


def volume(index: int, state: str, **more: Any) -> Document:
    """A row of `volumes`."""
    return {
        "volume_id": VOLUMES[index],
        "task_arn": TASKS[index],
        "role_arn": ROLE,
        "account": "111122223333",
        "region": "eu-west-1",
        "size_gib": 20,
        "created_at": "2026-03-02T08:00:11Z",
        "attached_at": "2026-03-02T08:00:19Z",
        "detached_at": None,
        "deleted_at": None,
        "deleted_by": None,
        "delete_on_termination": True,
        "state": state,
        "attempts": 4,
        "failures": 4,
        "last_error": "Client.UnauthorizedOperation",
        "evidence": [DETACH],
    } | more


def finding(index: int, kind: str, **more: Any) -> Document:
    """A row of `findings`."""
    return {
        "id": f"finding-{index}",
        "kind": kind,
        "severity": "critical",
        "status": "ongoing",
        "title": "2 tasks hang in DEPROVISIONING: role payments-ecs-infra was deleted",
        "role_arn": ROLE,
        "outage_id": "outage-1",
        "cause_event_ids": [],
        "task_arns": [],
        "volume_ids": [],
        "secret_arns": [],
        "started_at": "2026-03-02T14:31:09Z",
        "ended_at": None,
        "confidence": "certain",
        "basis": ["policy_replay", "denied_calls"],
        "explanation": "ECS needs the role to detach and delete volumes.",
        "evidence": [DETACH, DELETE],
        "repair": [],
    } | more


def quiet() -> Document:
    """A healthy account: a role, a running task, nothing found."""
    return {
        "schema": "ecs-trail/investigation/1",
        "as_of": "2026-03-03T18:00:00Z",
        "evidence": {
            "window": {"start": "2026-03-01T00:00:04Z", "end": "2026-03-03T18:00:00Z"},
            "sources": ["sample_logs"],
            "files_seen": 101,
            "files_read": 97,
            "files_left_out": 4,
            "left_out": [{"kind": "digest", "count": 3}, {"kind": "empty", "count": 1}],
            "files_failed": 0,
            "records_read": 3412,
            "records_rejected": 0,
            "events_selected": 412,
            "duplicates": 2,
            "problems": [],
            "coverage": [
                {
                    "account": "111122223333",
                    "region": region,
                    "start": "2026-03-01T00:00:04Z",
                    "end": "2026-03-03T18:00:00Z",
                    "kinds": ["management"],
                    "complete": True,
                }
                for region in ("eu-west-1", "us-east-1")
            ],
        },
        "roles": [
            {
                "role_arn": ROLE,
                "role_name": "payments-ecs-infra",
                "purposes": ["volumes"],
                "exists": True,
                "trust": TRUST,
                "policies": [POLICY],
                "known": True,
            }
        ],
        "changes": [],
        "outages": [],
        "tasks": [task(0, "running")],
        "volumes": [volume(0, "attached", attempts=2, failures=0, last_error=None)],
        "tls": [],
        "pass_role_denials": [],
        "findings": [],
    }


def nothing() -> Document:
    """Evidence in which no infrastructure role appears."""
    return quiet() | {"roles": [], "tasks": [], "volumes": []}


def broken() -> Document:
    """A role deleted by Terraform while two tasks stop; an older incident, a risk and a leak beside it."""
    document = quiet()
    causes = [DETACH, DELETE]
    document["roles"][0] |= {"exists": False, "policies": []}
    document["changes"] = [
        change(OLD_DETACH, "2026-03-01T10:00:00Z", "DetachRolePolicy", role_arns=[OTHER_ROLE], lost=TEARDOWN),
        change(DETACH, "2026-03-02T14:31:09Z", "DetachRolePolicy", lost=TEARDOWN),
        change(DELETE, "2026-03-02T14:31:11Z", "DeleteRole", lost=["sts:AssumeRole"]),
    ]
    document["outages"] = [
        {
            "id": "outage-1",
            "role_arn": ROLE,
            "purpose": "volumes",
            "phase": "teardown",
            "start": "2026-03-02T14:31:09Z",
            "end": None,
            "actions": TEARDOWN,
            "basis": ["policy_replay"],
            "cause_event_ids": causes,
            "restore_event_ids": [],
        }
    ]
    stuck = {
        "stop_started_at": "2026-03-02T14:31:40Z",
        "blocked_since": "2026-03-02T14:31:52Z",
        "outage_id": "outage-1",
        "cause_event_ids": causes,
    }
    document["tasks"] = [task(0, "stuck", **stuck), task(1, "stuck", **stuck), task(2, "running", at_risk=True)]
    document["volumes"] = [volume(0, "blocked"), volume(1, "blocked", size_gib=40), volume(2, "attached", failures=0)]
    repair = [
        {
            "title": "Re-create the role as it was, then ECS finishes the cleanup by itself.",
            "commands": [
                f"aws iam create-role --path /service/ --role-name {NAME} --assume-role-policy-document '{TRUST}'",
                f"aws iam attach-role-policy --role-name {NAME} --policy-arn {POLICY}",
            ],
        }
    ]
    document["findings"] = [
        finding(
            3,
            "stuck_tasks",
            status="resolved",
            severity="high",
            title="3 tasks were stuck because orders-ecs-infra lost a policy",
            role_arn=OTHER_ROLE,
            cause_event_ids=[OLD_DETACH],
            started_at="2026-03-01T10:00:00Z",
            ended_at="2026-03-01T11:20:00Z",
        ),
        finding(
            2,
            "tasks_at_risk",
            severity="high",
            title="1 running task will get stuck when it stops",
            task_arns=[TASKS[2]],
            cause_event_ids=causes,
        ),
        finding(
            1,
            "stuck_tasks",
            started_at="2026-03-02T14:31:40Z",
            task_arns=list(TASKS[:2]),
            volume_ids=list(VOLUMES[:2]),
            cause_event_ids=causes,
            repair=repair,
        ),
    ]
    return document


def over() -> Document:
    """The same incident after its repair."""
    document = broken()
    document["tasks"] = [task(index, "recovered", blocked_since="2026-03-02T14:31:52Z") for index in (0, 1)]
    for row in document["tasks"]:
        row |= {"resolved_at": "2026-03-02T16:02:00Z", "cause_event_ids": [DETACH, DELETE]}
    document["volumes"] = [volume(i, "deleted", deleted_at="2026-03-02T16:02:00Z") for i in (0, 1)]
    document["outages"][0]["end"] = "2026-03-02T16:01:30Z"
    main = next(row for row in document["findings"] if row["id"] == "finding-1")
    document["findings"] = [main | {"status": "resolved", "ended_at": "2026-03-02T16:01:30Z", "repair": []}]
    return document


def partial() -> Document:
    """The broken account with files that could not be read."""
    document = copy.deepcopy(broken())
    document["evidence"] |= {
        "files_failed": 1,
        "records_rejected": 2,
        "problems": [
            {"source": "logs/a.json.gz", "kind": "truncated_file", "detail": "gzip ends early"},
            {"source": "logs/b.json.gz:17", "kind": "rejected_record", "detail": "eventTime is no time"},
            {"source": "logs/c.json.gz", "kind": "rejected_record", "detail": "eventTime is missing"},
            {"source": "history.csv", "kind": "lossy_source", "detail": "event history without request data"},
        ],
    }
    document["evidence"]["coverage"][0]["complete"] = False
    return document
