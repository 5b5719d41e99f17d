"""One CloudTrail record (JSON text) -> one row of `EVENT_SCHEMA`.

A record in CloudTrail's own spelling is decoded with types in one step. Odd ones (text for booleans, empty strings for
objects, other spellings, flattened names) take a slower way through `normal.restore` to the same row.
Fields: *AWS CloudTrail User Guide*, "CloudTrail record contents" and "CloudTrail userIdentity element", read on
2026-11-24.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from ecs_trail.evidence.moments import parse_moment
from ecs_trail.evidence.normal import restore
from ecs_trail.evidence.parts import NOTHING, free_text, without_credentials
from ecs_trail.evidence.sameness import digest_id, time_of
from ecs_trail.evidence.texts import compact, lenient

Row = tuple[Any, ...]
_ROLE_IN_MESSAGE: Final = re.compile(r"on resource: (arn:[\w-]*:iam::\d*:role/[\w+=,.@/-]+)")
_ASSUMED: Final = ":assumed-role/"
_OPENING_TEXT: Final = frozenset({b'"{', b'"['})


class _Issuer(msgspec.Struct):
    arn: str | None = None
    principalId: str | None = None  # noqa: N815 - CloudTrail's spelling


class _Attributes(msgspec.Struct):
    creationDate: str | None = None  # noqa: N815


class _Context(msgspec.Struct):
    sessionIssuer: _Issuer | None = None  # noqa: N815
    attributes: _Attributes | None = None


class Identity(msgspec.Struct):
    """`userIdentity`, as far as it becomes columns."""

    type: str | None = None
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    principalId: str | None = None  # noqa: N815
    userName: str | None = None  # noqa: N815
    accessKeyId: str | None = None  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    sessionContext: _Context | None = None  # noqa: N815


class _Record(msgspec.Struct):
    """The typed decode; free-form parts stay bytes, and so does the identity: of two, only the later one counts."""

    eventTime: str  # noqa: N815
    eventName: str  # noqa: N815
    eventSource: str  # noqa: N815
    eventID: str | None = None  # noqa: N815
    eventVersion: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    userIdentity: msgspec.Raw = msgspec.Raw(b"null")  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    managementEvent: bool | None = None  # noqa: N815
    eventType: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    additionalEventData: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    serviceEventDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    resources: msgspec.Raw = msgspec.Raw(b"")
    tlsDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815


class Asked(msgspec.Struct, gc=False):
    """What an AssumeRole call asks for."""

    roleArn: str | None = None  # noqa: N815
    roleSessionName: str | None = None  # noqa: N815


class _Resource(msgspec.Struct):
    ARN: str | None = None
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    type: str | None = None


_RECORD: Final = msgspec.json.Decoder(_Record)
_MAYBE_IDENTITY: Final = msgspec.json.Decoder(Identity | None)
_ASKED: Final = msgspec.json.Decoder(Asked)
#: `userIdentity` by itself.
IDENTITY: Final = msgspec.json.Decoder(Identity)
_RESOURCES: Final = msgspec.json.Decoder(list[_Resource])


class Actor(NamedTuple):
    """Who acted: the columns that come from `userIdentity`, by their names in `EVENT_SCHEMA`."""

    session_name: str | None
    session_issuer_arn: str | None
    session_issuer_id: str | None
    session_created_at: datetime | None
    invoked_by: str | None
    identity_type: str | None
    identity_arn: str | None
    identity_account_id: str | None
    principal_id: str | None
    user_name: str | None
    access_key_id: str | None


class RejectedError(Exception):
    """A record that cannot become an event, with the reason in words."""


def row_of(text: bytes, source: str, position: int, *, is_rebuilt: bool = False) -> Row:
    """The row of a record, a tuple in the order of `schema.EVENT_COLUMNS`.

    `text` is the record's JSON; it becomes `raw` unchanged. `is_rebuilt` says that the spelling may be another than
    CloudTrail's (see `ledger.Found`). Raises `RejectedError` when the record has no usable time
    or is no JSON object.
    """
    if is_rebuilt:
        return _odd_row(text, source, position)
    try:
        record = _RECORD.decode(text)
        identity = _MAYBE_IDENTITY.decode(record.userIdentity) or Identity()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _odd_row(text, source, position)
    if not (record.eventID and record.eventName and record.eventSource) or _has_text_for_objects(record):
        return _odd_row(text, source, position)
    return _row(record, identity, text, (source, position))


def is_assumed(arn: str) -> bool:
    """True for the ARN of a role's session."""
    return _ASSUMED in arn


@lru_cache(maxsize=16384)
def session_of(arn: str | None, principal_id: str | None, identity_type: str | None) -> str | None:
    """Who acted: the last part of an assumed-role ARN; else what follows the colon in an AssumedRole's principalId."""
    if arn is not None and is_assumed(arn):
        return arn.rpartition("/")[2] or None
    if identity_type == "AssumedRole" and principal_id is not None and ":" in principal_id:
        return principal_id.partition(":")[2] or None
    return None


def actor_of(identity: Identity) -> Actor:
    """The columns that come from `userIdentity`."""
    context = identity.sessionContext or _Context()
    issuer = context.sessionIssuer or _Issuer()
    created = context.attributes.creationDate if context.attributes else None
    return Actor(
        session_of(identity.arn, identity.principalId, identity.type),
        issuer.arn or None,
        issuer.principalId or None,
        parse_moment(created) if created else None,
        identity.invokedBy or None,
        identity.type or None,
        identity.arn or None,
        identity.accountId or None,
        identity.principalId or None,
        identity.userName or None,
        identity.accessKeyId or None,
    )


def _row(record: _Record, identity: Identity, text: bytes, place: tuple[str, int]) -> Row:
    moment = parse_moment(record.eventTime)
    raw = text.decode("utf-8", errors="replace")
    if moment is None:
        raise RejectedError(f"eventTime {record.eventTime[:40]!r} is no time")
    actor = actor_of(identity)
    resources = bytes(record.resources)
    asked = (
        asked_of(bytes(record.requestParameters), resources, record.errorMessage)
        if record.eventName.startswith("AssumeRole")
        else Asked()
    )
    account = record.recipientAccountId or identity.accountId or _account(resources)
    return (
        record.eventID or digest_id(raw),
        moment,
        record.eventSource,
        record.eventName,
        record.awsRegion or None,
        account or None,
        record.errorCode or None,
        record.errorMessage or None,
        actor.session_name,
        asked.roleSessionName or None,
        actor.session_issuer_arn,
        actor.session_issuer_id,
        actor.session_created_at,
        asked.roleArn or None,
        actor.invoked_by,
        record.sourceIPAddress or None,
        record.userAgent or None,
        actor.identity_type,
        actor.identity_arn,
        actor.identity_account_id,
        actor.principal_id,
        actor.user_name,
        actor.access_key_id,
        bytes(record.tlsDetails) not in NOTHING,
        record.readOnly,
        record.managementEvent,
        record.eventType or None,
        record.eventCategory or None,
        record.eventVersion or None,
        record.requestID or None,
        record.sharedEventID or None,
        free_text(bytes(record.requestParameters)),
        without_credentials(bytes(record.responseElements)),
        free_text(bytes(record.additionalEventData)),
        free_text(bytes(record.serviceEventDetails)),
        free_text(resources),
        *place,
        raw,
    )


def _has_text_for_objects(record: _Record) -> bool:
    """True when a free part is JSON inside a JSON string, as string columns give it."""
    return (
        bytes(record.requestParameters)[:2] in _OPENING_TEXT
        or bytes(record.responseElements)[:2] in _OPENING_TEXT
        or bytes(record.additionalEventData)[:2] in _OPENING_TEXT
        or bytes(record.serviceEventDetails)[:2] in _OPENING_TEXT
        or bytes(record.resources)[:2] in _OPENING_TEXT
    )


def asked_of(parameters: bytes, resources: bytes, error_message: str | None) -> Asked:
    """Session name and role of an AssumeRole call; a refused one often has them elsewhere only."""
    try:
        asked = _ASKED.decode(parameters)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        asked = Asked()
    if not asked.roleArn:
        roles = (
            item.ARN or item.arn
            for item in _resources(resources)
            if item.type == "AWS::IAM::Role" or ":role/" in (item.ARN or item.arn or "")
        )
        asked.roleArn = next((role for role in roles if role), None)
    if not asked.roleArn and error_message:
        named = _ROLE_IN_MESSAGE.findall(error_message)
        asked.roleArn = named[-1].rstrip(".,") if named else None
    return asked


def _resources(text: bytes) -> list[_Resource]:
    try:
        return _RESOURCES.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []


def _account(resources: bytes) -> str | None:
    if resources in NOTHING:
        return None
    return next((item.accountId for item in _resources(resources) if item.accountId), None)


def _odd_row(text: bytes, source: str, position: int) -> Row:
    """The slow way: spell the record as CloudTrail does, make every value the type it should be, then the usual row."""
    try:
        loose = lenient(text)
    except ValueError as error:
        raise RejectedError(f"no readable JSON object ({error})") from error
    if not isinstance(loose, dict):
        raise RejectedError("no JSON object")
    try:
        spelled = restore(loose)
    except RecursionError as error:
        raise RejectedError("nested too deeply") from error
    moment = time_of(spelled)
    if moment is None:
        raise RejectedError(f"no usable eventTime ({str(spelled.get('eventTime'))[:40]!r})")
    typed = {name: _typed(name, spelled.get(name)) for name in _Record.__struct_fields__ if name != "userIdentity"}
    typed["eventTime"] = moment.isoformat()
    identity = _loose_identity(spelled)
    record = msgspec.convert({name: value for name, value in typed.items() if value is not None}, _Record)
    if "userIdentity" not in spelled and spelled.get("userName"):
        return _named_row(_row(record, identity, text, (source, position)), spelled)
    return _row(record, identity, text, (source, position))


_FREE_NAMES: Final = frozenset(
    {"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails", "resources", "tlsDetails"}
)


def _typed(name: str, value: object) -> object:
    if name in _FREE_NAMES:
        return msgspec.Raw(b"") if value in (None, "") else msgspec.Raw(compact(value))
    if name in {"readOnly", "managementEvent"}:
        return _flag(value)
    if name in {"eventName", "eventSource"}:
        return _word(value) or ""
    return _word(value)


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(str(value).strip().lower())


def _word(value: object) -> str | None:
    """A scalar as text; a number loses nothing, an object or list is no word."""
    if isinstance(value, str):
        # a lone surrogate is no Unicode text and no Arrow string
        return value.encode("utf-8", errors="replace").decode("utf-8")
    return None if value is None or isinstance(value, dict | list) else str(value)


def _loose_identity(spelled: dict[str, Any]) -> Identity:
    identity = _object(spelled.get("userIdentity"))
    context = _object(identity.get("sessionContext"))
    issuer, attributes = _object(context.get("sessionIssuer")), _object(context.get("attributes"))
    return Identity(
        type=_word(identity.get("type")),
        arn=_word(identity.get("arn")),
        accountId=_word(identity.get("accountId") or (None if identity else spelled.get("accountId"))),
        principalId=_word(identity.get("principalId")),
        userName=_word(identity.get("userName")),
        accessKeyId=_word(identity.get("accessKeyId") or spelled.get("accessKeyId")),
        invokedBy=_word(identity.get("invokedBy")),
        sessionContext=_Context(
            sessionIssuer=_Issuer(arn=_word(issuer.get("arn")), principalId=_word(issuer.get("principalId"))),
            attributes=_Attributes(creationDate=_word(attributes.get("creationDate"))),
        ),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _named_row(row: Row, spelled: dict[str, Any]) -> Row:
    """A row of a shape that gives only a user name (event-history CSV, bare LookupEvents items).

    For an assumed role that name is the session name; a temporary access key (`ASIA...`) tells it from a user's.
    *AWS CloudTrail API Reference*, "Event", read on 2026-11-24.
    """
    name = _word(spelled["userName"])
    columns = list(row)
    if str(spelled.get("accessKeyId") or "").startswith("ASIA"):
        columns[_SESSION_NAME] = name
    else:
        columns[_USER_NAME] = name
    return tuple(columns)


_SESSION_NAME: Final = 8
_USER_NAME: Final = 21
