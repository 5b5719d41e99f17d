"""Which finding of one answer is which of another: its number in a list says nothing, what it is about does.

Works on rows of the contract's `findings[]`, times as text or as `datetime` alike, since it reads none.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from ecs_trail.arns import role_key

#: Columns that name what a finding is about, the surest first.
SUBJECTS: Final = ("cause_event_ids", "task_arns", "volume_ids", "secret_arns", "evidence")


def finding_identity(finding: Mapping[str, Any]) -> str:
    """A short stable name of a finding: kind, role and the first thing it stands on, as 16 hexadecimal digits.

    The first cause is the change that first broke it, so the name holds while later causes and tasks are added.
    """
    first = next((f"{name}:{_first(name, finding)}" for name in SUBJECTS if finding.get(name)), "")
    parts = [finding.get("kind"), role_key(finding.get("role_arn")) or finding.get("role_arn"), first]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


def _first(name: str, finding: Mapping[str, Any]) -> str:
    """The oldest cause, or the least of a set."""
    values = [str(value) for value in finding[name]]
    return values[0] if name == "cause_event_ids" else min(values)


def same_finding(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """How surely two findings are the same; 0 means they are not.

    Kind and role must agree. Then a shared cause counts most, a shared task, volume or secret next, a shared event
    last; two findings that each name causes and share none are different, whatever else they share.
    """
    if one.get("kind") != other.get("kind") or _role(one) != _role(other):
        return 0
    shared = [len(_set(one, name) & _set(other, name)) for name in SUBJECTS]
    if shared[0] == 0 and _set(one, "cause_event_ids") and _set(other, "cause_event_ids"):
        return 0
    things = sum(shared[1:4])
    return shared[0] * 1_000_000 + things * 1_000 + min(shared[4], 999)


def _role(finding: Mapping[str, Any]) -> object:
    return role_key(finding.get("role_arn")) or finding.get("role_arn")


def _set(finding: Mapping[str, Any], name: str) -> set[str]:
    return {str(value) for value in finding.get(name) or ()}
