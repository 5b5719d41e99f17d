"""Persons behind ECS's names: sessions with a copied name, and secrets of ECS that others read.

What a call of a service looks like: *AWS CloudTrail User Guide*, "CloudTrail record contents" (`tlsDetails` is absent
when a service calls on your behalf; `sourceIPAddress` is then a host name) and "CloudTrail userIdentity element"
(`invokedBy`), read on 2026-11-24. Whether ECS's own sessions carry an `accessKeyId` is not confirmed, so a key alone
is no sign.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ecs_trail.arns import parse_arn, role_key
from ecs_trail.calls import Outcome, actor, made_by_ecs, outcome, refusal
from ecs_trail.frames import COUNT, FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, rows
from ecs_trail.payloads import at, json_list, json_object, objects, text, texts
from ecs_trail.vocabulary import ECS_HOSTS, SECRET_PREFIX, SESSION_NAMES

IMPERSONATIONS: Final = FrameSpec(
    name="impersonations",
    doc="One row per role, ECS session name and credentials with which somebody else than ECS acted under that name.",
    key=("role_arn", "session_name", "access_key_id", "source_ip"),
    columns={
        "role_arn": TEXT,
        "session_name": TEXT,
        "access_key_id": TEXT,
        "source_ip": TEXT,
        "user_agent": TEXT,
        "account": TEXT,
        "principal": TEXT,
        "known_role": FLAG,
        "signs": TEXTS,
        "calls": COUNT,
        "refused": COUNT,
        "event_names": TEXTS,
        "first_at": TIME,
        "last_at": TIME,
        "event_ids": TEXTS,
    },
)
SECRET_READS: Final = FrameSpec(
    name="secret_reads",
    doc="One row per principal other than ECS and Service Connect secret that it read, or tried to.",
    key=("principal", "secret"),
    columns={
        "principal": TEXT,
        "secret": TEXT,
        "secret_arn": TEXT,
        "account": TEXT,
        "region": TEXT,
        "source_ip": TEXT,
        "user_agent": TEXT,
        "reads": COUNT,
        "refused": COUNT,
        "event_names": TEXTS,
        "first_at": TIME,
        "last_at": TIME,
        "event_ids": TEXTS,
    },
)
#: Host names AWS writes for its services, and the word it uses for itself.
_SERVICE_HOST: Final = re.compile(r"(?:[a-z0-9-]+\.)+amazonaws\.com(?:\.cn)?|(?:AWS Internal)", re.IGNORECASE)
_NO_INVOKER: Final = "no_invoked_by"
_ADDRESS: Final = "address_of_a_person"
_TLS: Final = "tls_details"
_KEY: Final = "access_key"
_READS: Final = frozenset({"GetSecretValue", "BatchGetSecretValue"})
_SUFFIX: Final = re.compile(r"-[A-Za-z0-9]{6}\Z")
_COLUMNS: Final = (
    *("event_id", "event_time", "event_source", "event_name", "aws_region", "account_id", "error_code"),
    *("error_message", "session_name", "requested_session_name", "session_issuer_arn", "target_role_arn"),
    *("invoked_by", "source_ip_address", "user_agent", "identity_type", "identity_arn", "principal_id", "user_name"),
    *("access_key_id", "has_tls_details", "request_parameters", "resources"),
)


def impersonations(events: Sheet, role_uses: Sheet, *, only_known: bool = False) -> Sheet:
    """Sessions under an ECS name that ECS did not hold, as `IMPERSONATIONS`, oldest first.

    A call counts when `invokedBy` is missing and its address is one of a person, or when the address is not known and
    TLS details and an access key are there. With `only_known`, roles that are not in `role_uses` are left out.
    """
    known = {(use["account"], use["role_name"]): use["role_arn"] for use in rows(role_uses)}
    groups: dict[tuple[Any, ...], list[tuple[Row, list[str]]]] = defaultdict(list)
    named = events.where_any({"session_name": SESSION_NAMES}, {"requested_session_name": SESSION_NAMES})
    # Nearly every call under such a name is ECS's own: AWS itself writes `invokedBy`, so those need no second look.
    mine = named.where(invoked_by=lambda host: host not in ECS_HOSTS)
    for row in rows(mine, _COLUMNS):
        signs = _signs(row)
        acting = row["session_name"] in SESSION_NAMES
        arn = (row["session_issuer_arn"] or row["identity_arn"]) if acting else row["target_role_arn"]
        key = role_key(arn)
        if not _is_person(row, signs) or key is None or (only_known and key not in known):
            continue
        name = row["session_name"] if acting else row["requested_session_name"]
        groups[key, known.get(key, arn), name, row["access_key_id"], row["source_ip_address"]].append((row, signs))
    found = [_impersonation(group, members, known=group[0] in known) for group, members in groups.items()]
    return IMPERSONATIONS.sheet(sorted(found, key=lambda one: (one["first_at"], one["event_ids"])))


def secret_reads(events: Sheet) -> Sheet:
    """Reads of `ecs-sc!` secrets by principals other than ECS, as `SECRET_READS`, oldest first.

    A `Decrypt` counts by the secret's ARN in its encryption context; the one that Secrets Manager makes for ECS is
    ECS's own. One principal's read and the decryption behind it are one row.
    """
    mine = events.where_any(
        {"event_source": "secretsmanager.amazonaws.com", "event_name": _READS},
        {"event_source": "kms.amazonaws.com", "event_name": "Decrypt"},
    )
    groups: dict[tuple[str, str], list[tuple[Row, str]]] = defaultdict(list)
    for row in rows(mine, _COLUMNS):
        if _of_ecs(row):
            continue
        who = actor(row["identity_arn"], row["invoked_by"], row["principal_id"], row["user_name"])
        for secret in sorted(set(_secrets(row))):
            groups[who, _bare_name(secret)].append((row, secret))
    found = [_reading(*group, members) for group, members in groups.items()]
    return SECRET_READS.sheet(sorted(found, key=lambda one: (one["first_at"], one["event_ids"], one["secret"])))


def _signs(row: Mapping[str, Any]) -> list[str]:
    """What speaks for a person, in a fixed order."""
    address = row["source_ip_address"]
    signs = {
        _NO_INVOKER: not row["invoked_by"],
        _ADDRESS: bool(address) and _SERVICE_HOST.fullmatch(address) is None,
        _TLS: bool(row["has_tls_details"]),
        _KEY: bool(row["access_key_id"]),
    }
    return [sign for sign, there in signs.items() if there]


def _is_person(row: Mapping[str, Any], signs: list[str]) -> bool:
    # AWS writes invokedBy itself: nobody who copies a session name can add it to a record.
    if _NO_INVOKER not in signs or row["identity_type"] == "AWSService":
        return False
    return _ADDRESS in signs or (not row["source_ip_address"] and _TLS in signs and _KEY in signs)


def _of_ecs(row: Mapping[str, Any]) -> bool:
    """ECS itself, an AWS service on its own behalf, or a service that works for ECS's session."""
    if row["identity_type"] == "AWSService":
        return True
    if row["session_name"] in SESSION_NAMES and row["invoked_by"]:
        return True
    return made_by_ecs(row["invoked_by"], row["source_ip_address"], row["session_name"])


def _impersonation(group: tuple[Any, ...], members: list[tuple[Row, list[str]]], *, known: bool) -> Row:
    _, role_arn, session_name, access_key_id, source_ip = group
    listed = [row for row, _ in members]
    order = (_NO_INVOKER, _ADDRESS, _TLS, _KEY)
    first = listed[0]
    seen = {sign for _, signs in members for sign in signs}
    return {
        "role_arn": _role_arn(role_arn),
        "session_name": session_name,
        "access_key_id": access_key_id,
        "source_ip": source_ip,
        "user_agent": first["user_agent"],
        "principal": actor(first["identity_arn"], first["invoked_by"], first["principal_id"], first["user_name"]),
        "known_role": known,
        "signs": [sign for sign in order if sign in seen],
        **_counted(listed),
    }


def _reading(who: str, secret: str, members: list[tuple[Row, str]]) -> Row:
    listed = [row for row, _ in members]
    counts = _counted(listed)
    arns = [told for _, told in members if parse_arn(told) is not None]
    return {
        "principal": who,
        "secret": secret,
        "secret_arn": max(arns, key=len, default=None),
        "region": listed[0]["aws_region"],
        "source_ip": listed[0]["source_ip_address"],
        "user_agent": listed[0]["user_agent"],
        "reads": counts["calls"] - counts["refused"],
        **counts,
    }


def _counted(listed: list[Row]) -> Row:
    return {
        "account": listed[0]["account_id"],
        "calls": len(listed),
        "refused": sum(outcome(row["error_code"]) is not Outcome.OK for row in listed),
        "event_names": sorted({row["event_name"] for row in listed}),
        "first_at": min(row["event_time"] for row in listed),
        "last_at": max(row["event_time"] for row in listed),
        "event_ids": [row["event_id"] for row in sorted(listed, key=lambda one: (one["event_time"], one["event_id"]))],
    }


def _role_arn(arn: str) -> str:
    """The role's ARN also where only the ARN of a session is known, which lacks the role's path."""
    parsed, key = parse_arn(arn), role_key(arn)
    if parsed is None or key is None or parsed.service == "iam":
        return arn
    return f"arn:{parsed.partition}:iam::{key[0]}:role/{key[1]}"


def _secrets(row: Mapping[str, Any]) -> Iterator[str]:
    """The Service Connect secrets a call names: id, ARN, encryption context, or the text of a refusal."""
    request = json_object(row["request_parameters"])
    told: Iterable[Any] = (
        request.get("secretId"),
        at(request, "encryptionContext", "SecretARN"),
        *texts(request.get("secretIdList")),
        *(item.get("ARN") or item.get("arn") for item in objects(json_list(row["resources"]))),
        refusal(row["error_message"]).resource,
    )
    yield from (one for one in map(text, told) if one is not None and SECRET_PREFIX in one)


def _bare_name(secret: str) -> str:
    """A secret by its name, so that name, ARN and partial ARN of one secret meet."""
    parsed = parse_arn(secret)
    name = parsed.resource.removeprefix("secret:") if parsed else secret
    return _SUFFIX.sub("", name) if parsed else name
