"""ECS's calls for VPC Lattice, load balancers and Managed Instances, and under session names nobody documented.

`RegisterTargets` of VPC Lattice answers 200 and lists what it did not register under `unsuccessful` (*VPC Lattice API
Reference*, RegisterTargets, read on 2026-11-24): such a call counts as failed. Session names are data: the documented
ones, those seen in error messages, and any other that ECS uses with a role known to be an infrastructure role.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ecs_trail.arns import role_key
from ecs_trail.calls import Outcome, action_of, made_by_ecs, outcome, refusal
from ecs_trail.frames import COUNT, TEXT, TIME, FrameSpec, Row, Sheet, each, is_known
from ecs_trail.payloads import json_object, objects, text
from ecs_trail.vocabulary import REQUIRED_ACTIONS, SESSION_PURPOSES, Phase, Purpose

PURPOSE_CALLS: Final = FrameSpec(
    name="purpose_calls",
    doc="One row per call of ECS for a purpose other than volumes and TLS; purpose null for an unknown session name.",
    key=("event_id", "account"),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_name": TEXT,
        "action": TEXT,
        "purpose": TEXT,
        "phase": TEXT,
        "role_arn": TEXT,
        "session_name": TEXT,
        "account": TEXT,
        "region": TEXT,
        "resource": TEXT,
        "outcome": TEXT,
        "targets": COUNT,
        "targets_failed": COUNT,
        "error_code": TEXT,
        "error_message": TEXT,
        "policy_type": TEXT,
    },
)
_ELSEWHERE: Final = frozenset({Purpose.VOLUMES, Purpose.TLS})
_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_source",
    "event_name",
    "aws_region",
    "account_id",
    "error_code",
    "error_message",
    "session_name",
    "session_issuer_arn",
    "invoked_by",
    "source_ip_address",
    "request_parameters",
    "response_elements",
)
#: Where a request names what it works on, in the order of asking.
_RESOURCES: Final = (
    "targetGroupIdentifier",
    "targetGroupArn",
    "listenerArn",
    "ruleArn",
    "launchTemplateName",
    "launchTemplateId",
)


def purpose_calls(events: Sheet, role_arns: Iterable[str]) -> Sheet:
    """All such calls, as `PURPOSE_CALLS`, in the order of the events; `role_arns`: the known infrastructure roles."""
    known = {role_key(arn) for arn in role_arns}
    done = {name for name, purpose in SESSION_PURPOSES.items() if purpose in _ELSEWHERE}
    mine = events.where(
        session_issuer_arn=is_known,
        event_name=lambda name: name != "AssumeRole",
        session_name=lambda name: name not in done,
    )
    return PURPOSE_CALLS.sheet(call for event in each(mine, _COLUMNS) if (call := _call(event, known)) is not None)


def _call(event: Mapping[str, Any], known: set[tuple[str, str] | None]) -> Row | None:
    purpose = SESSION_PURPOSES.get(event["session_name"] or "")
    if not made_by_ecs(event["invoked_by"], event["source_ip_address"], event["session_name"]):
        return None
    if purpose is None and role_key(event["session_issuer_arn"]) not in known:
        return None
    request, response = json_object(event["request_parameters"]), json_object(event["response_elements"])
    said = refusal(event["error_message"])
    action = said.action or action_of(event["event_source"], event["event_name"])
    failed = len(list(objects(response.get("unsuccessful"))))
    ended = outcome(event["error_code"])
    return {
        "event_id": event["event_id"],
        "event_time": event["event_time"],
        "event_name": event["event_name"],
        "action": action,
        "purpose": purpose.value if purpose else None,
        "phase": _phase(purpose, action),
        "role_arn": event["session_issuer_arn"],
        "session_name": event["session_name"],
        "account": event["account_id"],
        "region": event["aws_region"],
        "resource": said.resource or next(filter(None, (text(request.get(name)) for name in _RESOURCES)), None),
        "outcome": (Outcome.ERROR if ended is Outcome.OK and failed else ended).value,
        "targets": len(list(objects(request.get("targets")))),
        "targets_failed": failed,
        "error_code": event["error_code"] or _failure_code(response),
        "error_message": event["error_message"],
        "policy_type": said.policy_type.value,
    }


def _failure_code(response: Mapping[str, Any]) -> str | None:
    """The first reason given for a target that was not registered."""
    return next(filter(None, (text(one.get("failureCode")) for one in objects(response.get("unsuccessful")))), None)


def _phase(purpose: Purpose | None, action: str) -> str | None:
    """The phase of the purpose's work that needs an action; provisioning where nothing says otherwise."""
    if purpose is None:
        return None
    folded = action.lower()
    needing = [
        phase
        for (served, phase), needed in REQUIRED_ACTIONS.items()
        if served is purpose and folded in {one.lower() for one in needed}
    ]
    return (needing[0] if needing else Phase.PROVISION).value
