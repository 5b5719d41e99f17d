"""Glances: of a record the few fields that a selection asks for, decoded with types; all others are skipped.

What a glance accepts is plain CloudTrail; whatever it refuses is read by the full road.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from ecs_trail.evidence.probes import ClauseProbe, Glimpse
from ecs_trail.evidence.records import Asked, session_of

Text = Annotated[str, msgspec.Meta(min_length=1)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
#: The types and categories of records (*AWS CloudTrail User Guide*, "CloudTrail record contents for management, data,
#: and network activity events", read on 2026-11-24). Insights are no records; a file with a type that is new takes the
#: full road.
Type = Literal["AwsApiCall", "AwsServiceEvent", "AwsConsoleAction", "AwsConsoleSignIn", "AwsVpceEvent"]
Category = Literal["Management", "Data", "NetworkActivity"]
#: Whatever stands there, the decoder refuses it. These four say what plain CloudTrail is, here and in the bulk lane.
Absent = Annotated[int, msgspec.Meta(gt=0, lt=0)]


class _Who(msgspec.Struct, gc=False):
    type: str | None = None
    arn: str | None = None


class Glance(msgspec.Struct, gc=False):
    """What is asked of every record. Fields without a default must be there, or the file is not plain CloudTrail."""

    eventVersion: str  # noqa: N815 - CloudTrail's spelling
    userIdentity: _Who  # noqa: N815
    eventTime: _Moment  # noqa: N815
    eventSource: Text  # noqa: N815
    eventName: Text  # noqa: N815
    awsRegion: Text  # noqa: N815
    eventID: Text  # noqa: N815
    recipientAccountId: Text  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    eventType: Type | None = None  # noqa: N815
    eventCategory: Category | None = None  # noqa: N815
    requestParameters: Asked | None = None  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    insightDetails: Absent = 0  # noqa: N815


class _Glances(msgspec.Struct, forbid_unknown_fields=True):
    Records: list[Glance]


class _Slices(msgspec.Struct):
    Records: list[msgspec.Raw]


_GLANCES: Final = msgspec.json.Decoder(_Glances)
_SLICES: Final = msgspec.json.Decoder(_Slices)
_GLANCE_LIST: Final = msgspec.json.Decoder(list[Glance])
_SLICE_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
#: A single record.
GLANCE: Final = msgspec.json.Decoder(Glance)
_SLICE: Final = msgspec.json.Decoder(msgspec.Raw)
NOT_PLAIN: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def is_unicode(text: bytes | memoryview) -> bool:
    """True for valid UTF-8; what the decoder skips it does not look at that closely."""
    text = bytes(text)
    if text.isascii():
        return True
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def glances(text: bytes | memoryview) -> list[Glance] | None:
    """A glance at every record of a text; None for one that is not plain."""
    first = bytes(text[:1])
    try:
        if first == b"{":
            return _GLANCES.decode(text).Records
        return _GLANCE_LIST.decode(text) if first == b"[" else None
    except NOT_PLAIN:
        pass
    try:
        return GLANCE.decode_lines(text) if first == b"{" else None
    except NOT_PLAIN:
        return None


def slices(text: bytes | memoryview) -> list[msgspec.Raw]:
    """The bytes of every record of a text that was decoded with types before."""
    if bytes(text[:1]) == b"[":
        return _SLICE_LIST.decode(text)
    try:
        return _SLICES.decode(text).Records
    except NOT_PLAIN:
        return _SLICE.decode_lines(text)


def requested(glance: Glance) -> str | None:
    """The session name a call asks for."""
    return (glance.requestParameters.roleSessionName or None) if glance.requestParameters else None


def admits(clauses: tuple[ClauseProbe, ...], glance: Glance) -> bool:
    """Whether any of the clauses its kind may satisfy holds for a record."""
    seen = Glimpse(
        glance.eventSource,
        glance.eventName,
        session_of(glance.userIdentity.arn, None, None),
        requested(glance) if glance.eventName.startswith("AssumeRole") else None,
        bool(glance.errorCode),
        glance.eventTime,
        glance.recipientAccountId,
        glance.awsRegion,
    )
    return any(clause.admits(seen) for clause in clauses)
