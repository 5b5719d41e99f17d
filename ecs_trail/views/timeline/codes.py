"""What lanes, spans and marks can be. Their numbers in the arrays are their places in these tuples."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecs_trail.calls import Outcome

#: Kinds of lane, in the order in which they are shown.
KINDS: Final = ("role", "task", "volume", "tls", "caller")
GROUP_TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "role": "Roles, by purpose",
        "task": "Tasks",
        "volume": "Volumes",
        "tls": "Service Connect TLS",
        "caller": "Callers",
    }
)
#: States of a span, the worst first: of several in one pixel the first of this order is drawn.
STATES: Final = (
    "broken",
    "stuck",
    "blocked",
    "leaked",
    "failed_to_start",
    "rotation_overdue",
    "removed_by_other",
    "at_risk",
    "stopping",
    "recovered",
    "unable",
    "unknown",
    "able",
    "running",
    "healthy",
    "attached",
    "created",
    "detached",
    "kept",
    "stopped",
    "deleted",
    "active",
    "absent",
)
#: States for which a change can be to blame.
TROUBLE: Final = frozenset({"broken", "stuck", "blocked", "leaked", "failed_to_start", "recovered"})
#: What a mark stands for, the most telling first.
MARKS: Final = (
    "break",
    "denied",
    "restore",
    "stop",
    "launch",
    "recovered",
    "create",
    "attach",
    "detach",
    "delete",
    "issue",
    "rotate",
    "change",
    "error",
    "call",
)
OUTCOMES: Final = tuple(one.value for one in Outcome)

#: Event name -> mark, for calls on volumes, secrets and tasks that worked.
MARK_OF_EVENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CreateVolume": "create",
        "AttachVolume": "attach",
        "DetachVolume": "detach",
        "DeleteVolume": "delete",
        "CreateSecret": "issue",
        "IssueCertificate": "issue",
        "PutSecretValue": "rotate",
        "UpdateSecret": "rotate",
        "RotateSecret": "rotate",
        "UpdateSecretVersionStage": "rotate",
        "RotationSucceeded": "rotate",
        "DeleteSecret": "delete",
        "RunTask": "launch",
        "StartTask": "launch",
        "CreateService": "launch",
        "StopTask": "stop",
        "DeleteService": "stop",
    }
)


def mark_of(event_name: str, outcome: str) -> str:
    """The mark of a call by its name and outcome: a refusal is a refusal whatever was asked."""
    if outcome == Outcome.DENIED:
        return "denied"
    if outcome in {Outcome.ERROR, Outcome.THROTTLED}:
        return "error"
    return MARK_OF_EVENT.get(event_name, "call") if outcome == Outcome.OK else "call"
