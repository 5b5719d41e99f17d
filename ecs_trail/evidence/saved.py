"""Saved states among other JSON: which of the shapes that `ecs-trail snapshot` and the AWS CLI write an object has.

A state is known by the members AWS gives it, never by a file's name: `DescribeTasks`, `DescribeVolumes` and
`DescribeServices` answers, `ECS Task State Change` events, and the role state of `snapshots.role_states`.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from ecs_trail.evidence.ledger import ROLE_STATE, SERVICE_STATE, TASK_STATE, VOLUME_STATE

Fields = dict[str, msgspec.Raw]

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
TASK_CHANGE: Final = "ECS Task State Change"
#: Bytes of an object beyond which its members are counted first, and how many it may have.
_LARGE: Final = 2 << 20
_MEMBERS: Final = 100_000
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]', re.DOTALL)
#: Members that an answer may have beside its list; an object with others is something else.
_BESIDE: Final = frozenset({"failures", "ResponseMetadata", "nextToken", "NextToken"}) | {
    "capturedAt",
    "CapturedAt",
    "Region",
    "Account",
    "Complete",
}
#: List of an answer -> the kind of state, and members of each entry.
_ANSWERS: Final = (
    ("tasks", TASK_STATE, frozenset({"taskArn"})),
    ("Volumes", VOLUME_STATE, frozenset({"VolumeId"})),
    ("services", SERVICE_STATE, frozenset({"serviceArn"})),
    ("capacityProviders", SERVICE_STATE, frozenset({"capacityProviderArn"})),
)
_ENTRIES: Final = (
    (TASK_STATE, frozenset({"taskArn", "lastStatus"})),
    (VOLUME_STATE, frozenset({"VolumeId", "State", "CreateTime"})),
    (SERVICE_STATE, frozenset({"serviceArn", "clusterArn", "deployments"})),
    (SERVICE_STATE, frozenset({"capacityProviderArn", "managedInstancesProvider"})),
)
_ROLE_PARTS: Final = frozenset({"Role", "GetRole", "AttachedPolicies", "RolePolicies"})


def kind_of_state(fields: Fields) -> str | None:
    """The kind of saved state an object is, or None."""
    if word(fields, "detail-type") == TASK_CHANGE:
        return TASK_STATE if "detail" in fields else None
    if "CapturedAt" in fields and fields.keys() & _ROLE_PARTS:
        return ROLE_STATE
    for kind, members in _ENTRIES:
        if members <= fields.keys():
            return kind
    for name, kind, members in _ANSWERS:
        if name in fields and fields.keys() <= _BESIDE | {name}:
            entries = items_of(bytes(fields[name]))
            if all(members <= (fields_of(entry) or {}).keys() for entry in entries):
                return kind
    return None


def kind_of_list(items: Sequence[msgspec.Raw]) -> str | None:
    """The kind of a list of states (`aws … --query tasks`): one answer, so one moment; None for any other list."""
    if not items:
        return None
    for kind, members in _ENTRIES:
        if all(members <= (fields_of(item) or {}).keys() for item in items):
            return kind
    return None


def fields_of(value: bytes | msgspec.Raw) -> Fields | None:
    """The members of a JSON object, each as the bytes it stands in; None for anything else, also for an object with
    so many members that no service wrote it.
    """
    if len(memoryview(value)) > _LARGE and _is_vast(bytes(value)):
        return None
    try:
        return _OBJECT.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _is_vast(value: bytes) -> bool:
    """True for an object with more members than any wrapper or record has. They would all be held at once."""
    if value.count(b'":') < _MEMBERS:
        return False
    depth = members = 0
    for token in _TOKEN.finditer(value):
        found = token.group()
        if found in {b"{", b"["}:
            depth += 1
        elif found in {b"}", b"]"}:
            depth -= 1
        elif found == b"," and depth == 1:
            members += 1
            if members > _MEMBERS:
                return True
    return False


def items_of(value: bytes) -> Sequence[msgspec.Raw]:
    """The entries of a JSON list, each as the bytes it stands in; empty for anything else."""
    try:
        return _LIST.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return []


def text_of(value: bytes) -> str:
    """A JSON string as text; empty for anything else."""
    try:
        return _TEXT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def word(fields: Fields, name: str) -> str:
    """A member that is text; empty where it is none."""
    raw = fields.get(name)
    return text_of(bytes(raw)) if raw is not None else ""
