"""Files of plain CloudTrail text decoded whole: every record with all its fields, in two steps for a file.

As strict as the fast lane, and stricter where a column depends on it: what does not decode here is no fault of the
file, it takes the usual road.
"""

from typing import Final

import msgspec

from ecs_trail.evidence.glances import NOT_PLAIN, Absent, Category, Text, Type, is_unicode, slices
from ecs_trail.evidence.ledger import Reading, Span
from ecs_trail.evidence.moments import parse_moment

#: Larger texts are read in pieces, which the usual road knows how to do.
_LARGEST: Final = 48 << 20


class Whole(msgspec.Struct, gc=False):
    """One record; `userIdentity` and the free-form parts stay bytes."""

    eventVersion: str  # noqa: N815 - CloudTrail's spelling
    userIdentity: msgspec.Raw  # noqa: N815
    eventTime: str  # noqa: N815
    eventSource: Text  # noqa: N815
    eventName: Text  # noqa: N815
    awsRegion: Text  # noqa: N815
    eventID: Text  # noqa: N815
    recipientAccountId: Text  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    readOnly: bool | None = None  # noqa: N815
    managementEvent: bool | None = None  # noqa: N815
    eventType: Type | None = None  # noqa: N815
    eventCategory: Category | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    responseElements: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    additionalEventData: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    serviceEventDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    resources: msgspec.Raw = msgspec.Raw(b"")
    tlsDetails: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815
    insightDetails: Absent = 0  # noqa: N815


class _Wholes(msgspec.Struct, forbid_unknown_fields=True):
    Records: list[Whole]


_WHOLES: Final = msgspec.json.Decoder(_Wholes)
_WHOLE: Final = msgspec.json.Decoder(Whole)

Decoded = tuple[list[Whole], list[msgspec.Raw]]


def decoded(text: bytes) -> Decoded | None:
    """The records of a text, decoded and as they stand; None when it is not plain CloudTrail beyond doubt."""
    if not text.startswith(b"{") or len(text) > _LARGEST or not is_unicode(text):
        return None
    try:
        records = _WHOLES.decode(text).Records
    except NOT_PLAIN:
        try:
            records = _WHOLE.decode_lines(text)
        except NOT_PLAIN:
            return None
    # notifications of other services come as `Records` with an `eventSource` as well
    if not records or any(one.eventSource.startswith("aws:") for one in records):
        return None
    return records, slices(text)


def count(records: list[Whole], reading: Reading) -> bool:
    """Note in the reading of their file how many records there are, of which accounts, Regions, times and sources;
    False, with nothing noted, for a time in another spelling than CloudTrail's.
    """
    seen: dict[tuple[str, str], tuple[list[str], set[str]]] = {}
    for one in records:
        times, sources = seen.setdefault((one.recipientAccountId, one.awsRegion), ([], set()))
        times.append(one.eventTime)
        sources.add(one.eventSource)
    spans: dict[tuple[str, str], Span] = {}
    for where, (times, sources) in seen.items():
        # of times in one spelling the order of the texts is that of the times; another spelling is refused with the
        # block the records go into
        first, last = parse_moment(min(times)), parse_moment(max(times))
        if first is None or last is None:
            return False
        spans[where] = Span(first, last, event_sources=sources)
    for where, span in spans.items():
        reading.spans.setdefault(where, Span()).merge(span)
    reading.records_read += len(records)
    return True
