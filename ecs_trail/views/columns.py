"""What the columns of documents and frames hold, for redaction: words, sentences, names. Any other one holds names."""

import re
from typing import Final

from ecs_trail.event_names import IAM_WRITES, SELECTED_EVENTS, VOLUME_EVENTS
from ecs_trail.views.owned import ACTION, CAMEL, HOST, REGION, UUID
from ecs_trail.vocabulary import (
    DENIED_CODES,
    LEFT_OUT_KINDS,
    NOT_FOUND_CODES,
    PARTIAL_PROBLEMS,
    Basis,
    Confidence,
    Effect,
    FindingKind,
    Phase,
    Purpose,
    Severity,
    TaskState,
    TlsState,
    VolumeState,
)

#: Words of ours that a name may look like.
WORDS: Final = frozenset(
    str(word)
    for group in (TaskState, TlsState, VolumeState, Severity, Confidence, Basis, Effect, FindingKind, Phase, Purpose)
    for word in group
) | {*LEFT_OUT_KINDS, *PARTIAL_PROBLEMS, "ongoing", "resolved", "known", "unknown", "ecs", "hand", "allowed", "denied"}
#: Columns of our own words.
VOCABULARY: Final = frozenset(
    {
        "state",
        "kind",
        "severity",
        "status",
        "phase",
        "purpose",
        "purposes",
        "confidence",
        "basis",
        "effect",
        "known",
        "outcome",
    }
    | {
        "replayed",
        "observed",
        "saved_status",
        "last_status",
        "desired_status",
        "attachment_status",
        "stop_code",
        "via",
        "hides",
    }
    | {"signs", "how", "resolved_by", "policy_type", "standing"}
)
#: The form of a word of AWS in such a column.
FIXED: Final = re.compile(r"[a-z_]{3,40}|[A-Z_]{3,40}|[A-Z][A-Za-z]{2,40}")
#: Columns of sentences, written by us or by AWS.
PROSE: Final = frozenset(
    {
        "title",
        "explanation",
        "commands",
        "error_message",
        "saved_reason",
        "stopped_reason",
        "attachment_status_reason",
        "detail",
    }
    | {"reason", "desc", "message", "why"}
)
#: Columns of user agents.
AGENTS: Final = frozenset({"user_agent", "user_agents"})
#: Columns of names -> kind of name.
NAMED: Final = {
    "role_name": "role",
    "cluster": "cluster",
    "service": "service",
    "user_name": "user",
    "session_name": "session",
    "requested_session_name": "session",
    "secret_name": "secret",
    "secret": "secret",
    "policy": "policy",
    "account": "account",
    "account_id": "account",
    "identity_account_id": "account",
    "source_ip": "address",
    "source_ip_address": "address",
    "access_key_id": "key",
    "source": "path",
    "sources": "path",
}

#: Columns of calls, types and errors. A word there that is also somebody's name, and none of `KNOWN_CALLS`, is a name.
CALLS: Final = frozenset(
    {"event_name", "event_names", "event_type", "event_category", "identity_type", "error_code", "last_error"}
    | {"failed_error"}
)
#: Calls and errors this tool knows: AWS's own, whatever else bears such a name.
KNOWN_CALLS: Final = (
    frozenset().union(*SELECTED_EVENTS.values()) | IAM_WRITES | VOLUME_EVENTS | DENIED_CODES | NOT_FOUND_CODES
)
#: Columns that hold words of AWS or of ours, and the form such a word has. A text of another form is no such word.
KEPT: Final = {
    **dict.fromkeys(CALLS, re.compile(rf"(?:Client\.|Server\.|Aws)?{CAMEL}(?:\.{CAMEL})*")),
    **dict.fromkeys(("lost", "gained", "actions", "action", "unable", "blocked_action"), re.compile(ACTION)),
    **dict.fromkeys(("region", "aws_region", "regions"), re.compile(REGION)),
    **dict.fromkeys(("event_source", "kinds", "invoked_by"), re.compile(HOST)),
    **dict.fromkeys(
        (
            "event_id",
            "evidence",
            "cause_event_ids",
            "restore_event_ids",
            "denied_event_ids",
            "stop_event_ids",
            "event_ids",
            "end_event_id",
            "request_id",
            "shared_event_id",
            "attachment_id",
            "identity",
            "previous_id",
        ),
        re.compile(rf"{UUID}|[0-9a-f]{{16,64}}"),
    ),
    **dict.fromkeys(("id", "outage_id", "finding_id"), re.compile(r"[a-z_]{1,30}-\d{1,9}")),
    "schema": re.compile(r"ecs-trail/[a-z]{1,20}/\d{1,3}"),
    "event_version": re.compile(r"\d{1,2}\.\d{1,3}"),
}
