"""Actors: who changed an infrastructure role, through what, from where, and who stood behind the session.

User agents and identities: *AWS CloudTrail User Guide*, "CloudTrail userIdentity element" and "record contents"; names
of the CDK's bootstrap roles: *AWS CDK Developer Guide*, "Bootstrapping"; names that CloudFormation makes:
*AWS CloudFormation User Guide*, "Name type". Read on 2026-11-24. An unknown agent is never guessed.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from ecs_trail.arns import last_part, role_key
from ecs_trail.calls import actor, role_of_session
from ecs_trail.event_names import SESSION_OPENINGS
from ecs_trail.frames import COUNT, TEXT, TEXTS, TIME, Frame, FrameSpec, Row, Sheet, as_sheet, rows
from ecs_trail.payloads import json_object, objects, text
from ecs_trail.vocabulary import Effect

ACTORS: Final = FrameSpec(
    name="actors",
    doc="One row per actor, tool and address that wrote to an infrastructure role. `chain` leads from the actor back "
    "to `principal`, the first one the evidence shows.",
    key=("actor", "via", "stack", "source_ip"),
    columns={
        "actor": TEXT,
        "principal": TEXT,
        "chain": TEXTS,
        "via": TEXT,
        "stack": TEXT,
        "source_ip": TEXT,
        "user_agents": TEXTS,
        "changes": COUNT,
        "refused": COUNT,
        "breaking": COUNT,
        "role_arns": TEXTS,
        "event_names": TEXTS,
        "first_at": TIME,
        "last_at": TIME,
        "event_ids": TEXTS,
    },
)
#: First match wins: tools name the SDK they are built on, so they come before it.
_TOOLS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"opentofu", "opentofu"),
        (r"pulumi", "pulumi"),
        (r"terraform", "terraform"),
        (r"cloudformation", "cloudformation"),
        (r"\bcdk\b|aws-cdk", "cdk"),
        (r"ansible", "ansible"),
        (r"cloudshell", "cloudshell"),
        (r"aws-cli", "cli"),
        (r"powershell", "powershell"),
        (r"console\.|^aws internal$|^mozilla/|signin\.amazonaws", "console"),
        (r"boto3|botocore|aws-sdk", "sdk"),
    )
)
_CDK_ROLE: Final = re.compile(r"cdk-[a-z0-9]{1,32}-(?:cfn-exec|deploy)-role-")
_STACK_NAME: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,127})-[A-Za-z0-9]{1,64}-[A-Za-z0-9]{8,13}")
_STACK_TAG: Final = "aws:cloudformation:stack-name"
_OPENED_WITHIN: Final = timedelta(seconds=5)
_DEPTH: Final = 8
_COLUMNS: Final = (
    *("event_id", "event_time", "event_name", "invoked_by", "source_ip_address", "user_agent", "identity_arn"),
    *("identity_type", "principal_id", "user_name", "session_issuer_arn", "session_created_at", "request_parameters"),
)
_ASSUMED: Final = (
    *("event_time", "identity_arn", "invoked_by", "principal_id", "user_name", "target_role_arn"),
    *("requested_session_name", "session_created_at"),
)


def actors(events: Frame, role_changes: Frame, assumed: "Frame | None" = None) -> Sheet:
    """Who wrote to the roles, as `ACTORS`, oldest first.

    `assumed` holds the `AssumeRole` events a session is followed back through; by default those among `events`. An
    investigation reads only few of them, so a chain often ends at the role behind the session.
    """
    events = as_sheet(events)
    judged = {row["event_id"]: row for row in rows(role_changes)}
    steps = _openings(events if assumed is None else as_sheet(assumed))
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows(events.where(event_id=judged), _COLUMNS):
        who = actor(row["identity_arn"], row["invoked_by"], row["principal_id"], row["user_name"])
        via = _tool(row)
        stack = _stack(row) if via in {"cloudformation", "cdk"} else None
        groups[who, via, stack, row["source_ip_address"]].append(row)
    found = [_actor(group, members, judged, steps) for group, members in groups.items()]
    return ACTORS.sheet(sorted(found, key=lambda one: (one["first_at"], one["event_ids"])))


def _actor(
    group: tuple[Any, ...],
    members: Sequence[Row],
    judged: Mapping[str, Row],
    steps: Mapping[tuple[Any, ...], list[Row]],
) -> Row:
    who, via, stack, source_ip = group
    changes = [judged[row["event_id"]] for row in members]
    chain = _chain(members[0], who, steps)
    return {
        "actor": who,
        "principal": chain[-1],
        "chain": chain,
        "via": via,
        "stack": stack,
        "source_ip": source_ip,
        "user_agents": sorted({row["user_agent"] for row in members if row["user_agent"]}),
        "changes": sum(bool(one["applied"]) for one in changes),
        "refused": sum(not one["applied"] for one in changes),
        "breaking": sum(one["effect"] == Effect.BREAKS for one in changes),
        "role_arns": sorted({arn for one in changes for arn in one["role_arns"]}),
        "event_names": sorted({row["event_name"] for row in members}),
        "first_at": min(row["event_time"] for row in members),
        "last_at": max(row["event_time"] for row in members),
        "event_ids": [row["event_id"] for row in members],
    }


def _tool(row: Mapping[str, Any]) -> str:
    """Console, CLI, Terraform, CloudFormation, CDK, `service:NAME`, or `unknown`."""
    invoker, agent = row["invoked_by"] or "", row["user_agent"] or ""
    if _CDK_ROLE.match(last_part(row["session_issuer_arn"])):
        return "cdk"
    if invoker.startswith("cloudformation."):
        return "cloudformation"
    if invoker and invoker != "AWS Internal":
        return f"service:{invoker}"
    return next((name for pattern, name in _TOOLS if pattern.search(agent)), "unknown")


def _stack(row: Mapping[str, Any]) -> str | None:
    """The stack behind a CloudFormation write: by its tag, else by the name CloudFormation gives what it makes."""
    request = json_object(row["request_parameters"])
    for tag in objects(request.get("tags")):
        if tag.get("key") == _STACK_TAG:
            return text(tag.get("value"))
    named = _STACK_NAME.fullmatch(text(request.get("roleName")) or "")
    return named.group(1) if named else None


def _openings(events: Sheet) -> dict[tuple[Any, ...], list[Row]]:
    """Successful calls that open a session, by account, role name and session name, in the order of the events."""
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows(events.where(event_name=SESSION_OPENINGS, error_code=None), _ASSUMED):
        key = role_key(row["target_role_arn"])
        if key is not None and row["requested_session_name"]:
            found[*key, row["requested_session_name"]].append(row)
    return found


def _chain(row: Mapping[str, Any], who: str, steps: Mapping[tuple[Any, ...], list[Row]]) -> list[str]:
    """From the actor back through `AssumeRole` calls; where they end, the role behind the last session is named."""
    chain, current = [who], row
    while len(chain) < _DEPTH:
        session = role_of_session(current["identity_arn"])
        if session is None:
            break
        created = current["session_created_at"]
        opened = [
            one
            for one in steps.get((*session, last_part(current["identity_arn"])), ())
            if one["event_time"] <= row["event_time"]
            and (created is None or abs(one["event_time"] - created) <= _OPENED_WITHIN)
        ]
        if not opened:
            break
        current = opened[-1]
        before = actor(current["identity_arn"], current["invoked_by"], current["principal_id"], current["user_name"])
        if before in chain:
            break
        chain.append(before)
    return chain
