"""Launches that came to nothing: refused for `iam:PassRole`, or answered with failures instead of tasks.

CloudTrail has no `PassRole` event; the refused `RunTask`, `CreateService` or `UpdateService` carries it in its error
text (*IAM User Guide*, "Grant a user permissions to pass a role to an AWS service", read on 2026-11-24). `RunTask` and
`StartTask` answer without an error code and list under `failures` what was not started (*ECS API Reference*, "API
failures messages", read on 2026-11-24).
"""

from typing import Final

from ecs_trail.arns import last_part
from ecs_trail.calls import Outcome, actor, outcome, refusal
from ecs_trail.frames import COUNT, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, is_known, rows
from ecs_trail.payloads import at, json_object, objects, text

PASS_ROLE_DENIALS: Final = FrameSpec(
    name="pass_role_denials",
    doc="One row per ECS call refused because the caller may not pass a role.",
    key=("event_id",),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_name": TEXT,
        "principal_arn": TEXT,
        "role_arn": TEXT,
        "cluster": TEXT,
        "service": TEXT,
        "error_message": TEXT,
        "account": TEXT,
        "region": TEXT,
    },
)
_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_name",
    "aws_region",
    "account_id",
    "error_code",
    "error_message",
    "identity_arn",
    "invoked_by",
    "principal_id",
    "user_name",
    "request_parameters",
)


def pass_role_denials(events: Sheet) -> Sheet:
    """All such refusals, as `PASS_ROLE_DENIALS`, in the order of the events."""
    mine = events.where(event_source="ecs.amazonaws.com", error_code=is_known)
    return PASS_ROLE_DENIALS.sheet(row for event in rows(mine, _COLUMNS) if (row := _denial(event)) is not None)


def _denial(event: Row) -> Row | None:
    said = refusal(event["error_message"])
    if said.action.lower() != "iam:passrole" or outcome(event["error_code"]) is not Outcome.DENIED:
        return None
    request = json_object(event["request_parameters"])
    return {
        "event_id": event["event_id"],
        "event_time": event["event_time"],
        "event_name": event["event_name"],
        "principal_arn": actor(event["identity_arn"], event["invoked_by"], event["principal_id"], event["user_name"]),
        "role_arn": said.resource or None,
        "cluster": last_part(text(request.get("cluster"))) or None,
        "service": text(request.get("serviceName")) or text(request.get("service")),
        "error_message": event["error_message"],
        "account": event["account_id"],
        "region": event["aws_region"],
    }


LAUNCH_FAILURES: Final = FrameSpec(
    name="launch_failures",
    doc="One row per launch with an infrastructure role that ECS answered with failures instead of all its tasks.",
    key=("event_id",),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_name": TEXT,
        "principal_arn": TEXT,
        "role_arn": TEXT,
        "cluster": TEXT,
        "task_definition": TEXT,
        "failures": COUNT,
        "started": COUNT,
        "reasons": TEXTS,
        "account": TEXT,
        "region": TEXT,
    },
)


def launch_failures(events: Sheet) -> Sheet:
    """All such launches, as `LAUNCH_FAILURES`, and the launches of the same tasks that worked, in the order of events.

    Those that worked have no failures; they tell when a failure was over.
    """
    mine = events.where(event_source="ecs.amazonaws.com", event_name=("RunTask", "StartTask"), error_code=None)
    columns = (*_COLUMNS, "response_elements")
    return LAUNCH_FAILURES.sheet(row for event in rows(mine, columns) if (row := _launch(event)) is not None)


def _launch(event: Row) -> Row | None:
    request, response = json_object(event["request_parameters"]), json_object(event["response_elements"])
    ebs = (at(one, "managedEBSVolume", "roleArn") for one in objects(request.get("volumeConfigurations")))
    role = next((arn for one in ebs if (arn := text(one)) is not None), None)
    if role is None:
        return None  # the infrastructure role has no part in it
    failed = list(objects(response.get("failures")))
    return {
        "event_id": event["event_id"],
        "event_time": event["event_time"],
        "event_name": event["event_name"],
        "principal_arn": actor(event["identity_arn"], event["invoked_by"], event["principal_id"], event["user_name"]),
        "role_arn": role,
        "cluster": last_part(text(request.get("cluster"))) or "default",
        "task_definition": text(request.get("taskDefinition")),
        "failures": len(failed),
        "started": len(list(objects(response.get("tasks")))),
        "reasons": sorted({reason for one in failed if (reason := text(one.get("reason"))) is not None}),
        "account": event["account_id"],
        "region": event["aws_region"],
    }
