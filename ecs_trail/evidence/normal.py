"""Odd spellings of a record -> CloudTrail's own: other case, snake case, dotted or flattened names, JSON inside text.

Only records that do not decode as they stand come here: query results, CSV rows, exports of other tools, edited files.
Spelling of CloudTrail fields: *AWS CloudTrail User Guide*, "CloudTrail record contents" and "CloudTrail userIdentity
element", read on 2026-11-24.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ecs_trail.evidence.rowtext import parse_row
from ecs_trail.evidence.texts import lenient

TOP_FIELDS: Final = (
    "eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode",
    "errorMessage", "requestParameters", "responseElements", "additionalEventData", "requestID", "eventID", "eventType",
    "apiVersion", "managementEvent", "readOnly", "resources", "recipientAccountId", "serviceEventDetails",
    "sharedEventID", "vpcEndpointId", "eventCategory", "addendum", "sessionCredentialFromConsole", "tlsDetails",
    "userIdentity", "insightDetails",
)  # fmt: skip
#: Fields that every record of eventVersion 1.02 and later has; an object with all of them is a record as it stands.
NATIVE_FIELDS: Final = frozenset(
    {"eventVersion", "eventTime", "eventSource", "eventName", "eventID", "awsRegion", "recipientAccountId",
     "userIdentity"}
)  # fmt: skip
_IDENTITY_PATHS: Final = (
    ("type",), ("principalId",), ("arn",), ("accountId",), ("accessKeyId",), ("userName",), ("invokedBy",),
    ("sessionContext",), ("sessionContext", "attributes"), ("sessionContext", "attributes", "creationDate"),
    ("sessionContext", "attributes", "mfaAuthenticated"), ("sessionContext", "sessionIssuer"),
    ("sessionContext", "sessionIssuer", "type"), ("sessionContext", "sessionIssuer", "principalId"),
    ("sessionContext", "sessionIssuer", "arn"), ("sessionContext", "sessionIssuer", "accountId"),
    ("sessionContext", "sessionIssuer", "userName"), ("sessionContext", "webIdFederationData"),
)  # fmt: skip
#: Fields whose inside is free; a dotted name that begins with one is a path into it.
FREE_FIELDS: Final = frozenset(
    {"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails", "resources", "tlsDetails",
     "addendum"}
)  # fmt: skip
#: Other names in use: event-history CSV, LookupEvents items, query tools.
_ALIASES: Final = {
    "region": "awsRegion",
    "awsaccesskey": "accessKeyId",
    "accesskeyid": "accessKeyId",
    "username": "userName",
    "accountid": "accountId",
    "account": "accountId",
}
_STRUCTS: Final = frozenset({"userIdentity", "resources", "tlsDetails"})
#: Parameters that are JSON text by their own nature and stay text.
TEXT_PARAMETERS: Final = frozenset(
    {"policyDocument", "assumeRolePolicyDocument", "policy", "content", "policyText", "resourcePolicy", "document"}
)
#: Fields in which AWS itself writes booleans as text.
_TEXT_FLAGS: Final = frozenset({"mfaAuthenticated", "sessionCredentialFromConsole"})
_NUMBERS: Final = re.compile(r"(?:durationSeconds|desiredCount|count|sizeInGiB|maxResults|recoveryWindowInDays|"
                             r"pendingWindowInDays|throughput|iops|launchTemplateVersion)$")  # fmt: skip

#: Brackets in a text up to which nothing can be nested too deeply to read.
_DEEP: Final = 200

#: Steps of a dotted name that are followed; no API nests deeper, and what is left is the name of one field.
_STEPS: Final = 30

Path = tuple[str, ...]


@lru_cache(maxsize=8192)
def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_TOP_BY_PLAIN: Final = {_plain(name): name for name in TOP_FIELDS} | _ALIASES
_PATH_BY_PLAIN: Final[Mapping[str, Path]] = {
    _plain("".join(("userIdentity", *path))): ("userIdentity", *path) for path in _IDENTITY_PATHS
} | {
    _plain("".join(("userIdentity", *path[1:]))): ("userIdentity", *path)
    for path in _IDENTITY_PATHS
    if len(path) > 2 and path[0] == "sessionContext"
}


@lru_cache(maxsize=8192)
def canonical_key(name: str) -> str:
    """CloudTrail's spelling of a field name (`event_name`, `Event name` -> `eventName`), or the name itself."""
    if name in _TOP_SET:
        return name
    return _TOP_BY_PLAIN.get(_plain(name.removeprefix("aws.cloudtrail.")), name)


_TOP_SET: Final = frozenset(TOP_FIELDS)


def restore(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record in CloudTrail's spelling and nesting; unknown names stay.

    In a record that has the fields of every record in their proper spelling, other spellings beside them mean nothing:
    only what is text inside is opened.
    """
    is_native = record.keys() >= NATIVE_FIELDS
    plain = dict(record) if is_native else nested(record)
    for name in (*FREE_FIELDS, "userIdentity"):
        if name in plain:
            is_map = not is_native and name.lower() in record and name not in _STRUCTS
            plain[name] = _opened(plain[name], is_map=is_map)
    identity = plain.get("userIdentity")
    if isinstance(identity, dict) and not (is_native and isinstance(record["userIdentity"], dict)):
        plain["userIdentity"] = _identity(identity)
    resources = plain.get("resources")
    if isinstance(resources, list):
        plain["resources"] = [_resource(item) for item in resources]
    return plain


def nested(record: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in CloudTrail's spelling, dotted and flattened names as paths; the first value of a field stays."""
    plain: dict[str, Any] = {}
    for name, value in record.items():
        path = _path(name.removeprefix("aws.cloudtrail."))
        _put(plain, path, _turned_back(path, value) if len(path) > 1 and path[0] in FREE_FIELDS else value)
    return plain


def _path(name: str) -> Path:
    key = canonical_key(name)
    if key in _TOP_SET or key in _ALIASES.values():
        return (key,)
    known = _PATH_BY_PLAIN.get(_plain(name))
    if known is not None:
        return known
    head, _, tail = name.partition(".")
    head = canonical_key(head)
    return (head, *tail.split(".", _STEPS)) if tail and head in (FREE_FIELDS | {"userIdentity"}) else (name,)


def _put(target: dict[str, Any], path: Path, value: object) -> None:
    for step in path[:-1]:
        inner = target.get(step)
        if not isinstance(inner, dict):
            opened = _opened(inner, is_map=False) if isinstance(inner, str) else None
            inner = opened if isinstance(opened, dict) else {}
            target[step] = inner
        target = inner
    if target.get(path[-1]) in (None, ""):
        target[path[-1]] = value


def _turned_back(path: Path, value: object) -> object:
    """Flattening makes text of everything; booleans and the few known numbers are made themselves again."""
    if value in ("true", "false") and path[-1] not in _TEXT_FLAGS:
        return value == "true"
    if isinstance(value, str) and value.isdecimal() and _NUMBERS.search(path[-1]):
        return int(value)
    return value


def _opened(value: object, *, is_map: bool) -> object:
    """JSON or ROW text as the value it stands for; lists that were flattened by number. A `map<string,string>` column
    (`is_map`, CloudTrail Lake) keeps nested values as JSON text.
    """
    if isinstance(value, str):
        text = value.strip()
        if text[:1] not in ("{", "["):
            return None if text in ("", "null", "None") else value
        try:
            opened = lenient(text)
            return _listed(opened) if _may_hold_numbered(text) else opened
        except ValueError:
            row = parse_row(text)
            return value if row is None else row
    if isinstance(value, dict) and is_map:
        value = {key: inner if key in TEXT_PARAMETERS else _nested(inner) for key, inner in value.items()}
    return _listed(value)


def _nested(value: object) -> object:
    if isinstance(value, str) and value[:1] in ("{", "[") and value[-1:] in ("}", "]"):
        try:
            return lenient(value)
        except ValueError:
            return value
    return value


def _may_hold_numbered(text: str) -> bool:
    """Whether JSON text may hold a list flattened by number, or is so deep that `_listed` finds it too deep."""
    return '"0"' in text or "\\u00" in text or text.count("[") + text.count("{") > _DEEP


def _listed(value: object) -> object:
    if isinstance(value, list):
        return [_listed(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    if inner and all(isinstance(key, str) and key.isdecimal() for key in inner):
        numbers = sorted(inner, key=int)
        if numbers == [str(number) for number in range(len(numbers))]:
            return [inner[number] for number in numbers]
    return inner


def _identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    spelled: dict[str, Any] = {}
    for name, value in identity.items():
        path = _PATH_BY_PLAIN.get(_plain(f"userIdentity{name}"), ("userIdentity", name))[1:]
        inner = _identity_below(path, value) if isinstance(value, dict) else value
        if inner not in (None, "") or path not in _IDENTITY_PATHS:
            _put(spelled, path, inner)
    return spelled


def _identity_below(path: Path, value: Mapping[str, Any]) -> dict[str, Any]:
    below: dict[str, Any] = {}
    for name, inner in value.items():
        known = _PATH_BY_PLAIN.get(_plain("".join(("userIdentity", *path, name))))
        below[known[-1] if known else name] = (
            _identity_below((*path, known[-1] if known else name), inner) if isinstance(inner, dict) else inner
        )
    return below


def _resource(item: object) -> object:
    if not isinstance(item, dict):
        return item
    spelled = {"arn": "ARN", "accountid": "accountId", "type": "type", "arnprefix": "ARNPrefix"}
    return {spelled.get(_plain(str(name)), name): value for name, value in item.items()}
