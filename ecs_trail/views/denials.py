"""Denied calls of ECS, told from the events: when, which action, by which kind of policy, of which role."""

from functools import lru_cache
from typing import Final

import pandas as pd

from ecs_trail.arns import role_key
from ecs_trail.calls import action_of, made_by_ecs, refusal
from ecs_trail.frames import Row, rows
from ecs_trail.vocabulary import DENIED_CODES

_COLUMNS: Final = (
    *("event_id", "event_time", "event_source", "event_name", "error_code", "error_message", "session_name"),
    *("session_issuer_arn", "identity_arn", "invoked_by", "source_ip_address"),
)
#: `policy_type` of a refusal -> words. *IAM User Guide*, "Troubleshoot access denied error messages".
POLICY_WORDS: Final = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "scp": "service control policy",
    "rcp": "resource control policy",
    "session": "session policy",
    "resource": "resource-based policy",
    "endpoint": "VPC endpoint policy",
    "trust": "role trust policy",
    "": "no policy named",
}
_remembered = lru_cache(maxsize=4096)(refusal)


def denials(events: pd.DataFrame) -> list[Row]:
    """The calls ECS was denied, in the order of the events: `event_id`, `event_time`, `action`, `policy_type`, `role`.

    `events` has the columns of `EVENT_SCHEMA`; `role` is `(account, name)` or None where the record tells no role.
    """
    if events.empty:
        return []
    denied = events[events["error_code"].isin(sorted(DENIED_CODES)).fillna(value=False)]
    return [_denial(row) for row in rows(denied, _COLUMNS) if _by_ecs(row) and row["event_time"] is not None]


def _by_ecs(row: Row) -> bool:
    return made_by_ecs(row["invoked_by"], row["source_ip_address"], row["session_name"])


def _denial(row: Row) -> Row:
    said = _remembered(row["error_message"])
    return {
        "event_id": row["event_id"],
        "event_time": row["event_time"],
        "action": said.action or action_of(row["event_source"] or "", row["event_name"] or ""),
        "policy_type": said.policy_type.value,
        "role": role_key(row["session_issuer_arn"]) or role_key(row["identity_arn"]),
    }
