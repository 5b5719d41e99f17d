"""JSON values -> CloudTrail records: every wrapping the contract names, found by looking, not by file name.

A value is opened one level at a time (`msgspec.Raw`), so a record keeps the very bytes it stood in. What is recognised
and is no record is counted by kind (`vocabulary.LEFT_OUT_KINDS`). Inside a record nothing is searched: what a caller
wrote into request parameters is never a record.
"""

import base64
import binascii
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ecs_trail.evidence import ocsf
from ecs_trail.evidence.ledger import Found, Problem, Spans, TaskText
from ecs_trail.evidence.normal import NATIVE_FIELDS, canonical_key
from ecs_trail.evidence.saved import TASK_CHANGE, Fields, kind_of_list, kind_of_state
from ecs_trail.evidence.saved import fields_of as _fields
from ecs_trail.evidence.saved import items_of as _items
from ecs_trail.evidence.saved import text_of as _text
from ecs_trail.evidence.saved import word as _word
from ecs_trail.evidence.tables import Table, lacking, record_of, table_of_athena, table_of_lake, whole_event
from ecs_trail.evidence.texts import compact, is_json, lenient, read_values

MAX_DEPTH: Final = 12
#: Bytes of JSON text inside a JSON string; CloudTrail and CloudWatch keep such a text below 1 MB, and texts inside
#: texts are held all at once.
_MESSAGE_LIMIT: Final = 4 << 20
#: Bytes of base64 data after expansion; a subscription holds a few hundred messages.
_PAYLOAD_LIMIT: Final = 16 << 20
#: Members of an object that is spelled anew: it becomes Python objects on the way.
_ANEW: Final = 1_000_000
#: Records that may wait to be drained.
_WAITING: Final = 4096

#: Text fields that carry JSON text of their own, and binary fields that carry it in base64 (often gzipped).
_TEXT_FIELDS: Final = frozenset(
    {"CloudTrailEvent", "cloudTrailEvent", "message", "@message", "Message", "body", "Body", "eventjson", "eventJson",
     "_raw", "raw", "event.original", "original"}
)  # fmt: skip
_BINARY_FIELDS: Final = frozenset({"data", "Data", "rawData"})
#: Records of other services that also have `eventSource` and live in a list named `Records`.
_OTHER_SOURCES: Final = re.compile(r"aws:[a-z0-9]+")
_VIA_CLOUDTRAIL: Final = "via CloudTrail"


@dataclass(slots=True)
class Haul:
    """What was found in one text: records in order, saved task states, left-out items by kind, problems."""

    source: str
    records: list[Found] = field(default_factory=list)
    task_texts: list[TaskText] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    #: True when an empty wrapper was recognised as CloudTrail's: a log file that holds no record is still read.
    is_log: bool = False
    drained: int = 0
    #: Records of columns that were counted without being made (`sifting`), and what they say.
    set_aside: int = 0
    spans: Spans = field(default_factory=dict)
    #: Whether any OCSF 1.0 event here carries request parameters; None when there is no such event.
    carries_parameters: bool | None = None
    #: Called when many records wait, to `drain` them: a text may hold millions.
    relief: Callable[[], None] | None = None

    @property
    def count(self) -> int:
        """Records found so far, drained ones included."""
        return self.drained + len(self.records)

    def drain(self) -> list[Found]:
        """The records found so far, taken out; the next keep counting on from them."""
        taken, self.records = self.records, []
        self.drained += len(taken)
        return taken

    def put_aside(self, count: int) -> None:
        """Count records that nobody needs; those that follow have their places after them."""
        self.drained += count
        self.set_aside += count

    def take(self, text: bytes, *, is_rebuilt: bool = False) -> None:
        """Keep one record."""
        self.records.append(Found(text, self.source, self.count, is_rebuilt))
        if self.relief is not None and len(self.records) >= _WAITING:
            self.relief()

    def finish(self) -> None:
        """Name what can be said only when everything has been seen: an event may well have no parameters."""
        if self.carries_parameters is False:
            self.remark("OCSF 1.0 events without request parameters; they say less.")

    def remark(self, detail: str) -> None:
        """Name, once, what the source cannot say about its events."""
        problem = Problem(self.source, "lossy_source", detail)
        if problem not in self.problems:
            self.problems.append(problem)

    def take_state(self, text: bytes, kind: str) -> None:
        """Keep one saved state; its file counts as left out unless it holds records too."""
        self.task_texts.append(TaskText(text, self.source, kind))
        self.left_out[kind] += 1


def gather(value: bytes, haul: Haul, depth: int = 0) -> None:
    """Find every record inside one JSON value and add it to the haul, in order."""
    first = value[:1]
    if depth > MAX_DEPTH:
        haul.left_out["not_cloudtrail"] += 1
    elif first == b"{":
        _gather_object(value, haul, depth)
    elif first == b"[":
        items = _items(value)
        if not items:
            haul.left_out["empty"] += 1
        listed = kind_of_list(items)
        if listed is not None:
            haul.take_state(value, listed)
            return
        for item in items:
            gather(bytes(item), haul, depth + 1)
    elif not (first == b'"' and depth and _gather_field(value, haul, depth)):
        haul.left_out["not_cloudtrail"] += 1


def _gather_object(value: bytes, haul: Haul, depth: int) -> None:
    fields = _fields(value)
    if fields is None:  # control characters inside strings: readable, but no JSON text as it stands
        value = _spelled_anew(value)
        fields = _fields(value)
        if fields is None:
            haul.problems.append(Problem(haul.source, "broken_json", "an object cannot be read; it is left out."))
            return
    is_native = fields.keys() >= NATIVE_FIELDS
    kind = _kind_of_record(fields) if is_native else _kind(fields)
    if kind is None and is_native and not _OTHER_SOURCES.fullmatch(_word(fields, "eventSource")):
        haul.take(value)
    elif kind is not None:
        haul.left_out[kind] += 1
    elif (state := kind_of_state(fields)) is not None:
        haul.take_state(value, state)
    elif _gather_lookup_item(fields, haul, depth):
        return
    elif is_record(fields):
        # a record in another spelling passed through other hands; it may say less than the record itself
        haul.take(value, is_rebuilt="eventName" not in fields or any("." in name for name in fields))
    elif not _gather_known(fields, haul, depth):
        _gather_inside(fields, haul, depth)


def _spelled_anew(value: bytes) -> bytes:
    if value.count(b",") > _ANEW:
        return b""
    try:
        return compact(lenient(value))
    except (ValueError, RecursionError):
        return b""


def is_record(fields: Fields) -> bool:
    """True for an object that is one CloudTrail record, in CloudTrail's spelling or flattened, in any case."""
    if _OTHER_SOURCES.fullmatch(_word(fields, "eventSource")):  # Lambda's envelopes of SQS, SNS, Kinesis
        return False
    if "eventSource" in fields or "eventName" in fields:
        return len(fields.keys() & _MARKS) >= 2
    names = {canonical_key(name) for name in fields}
    return len(names & _MARKS) >= 3 and ("eventName" in names or "eventSource" in names)


_MARKS: Final = frozenset(
    {"eventVersion", "eventID", "eventId", "eventTime", "eventSource", "eventName", "userIdentity", "awsRegion",
     "recipientAccountId", "eventType", "requestParameters", "sourceIPAddress"}
)  # fmt: skip


def _kind(fields: Fields) -> str | None:
    """The kind for which an object is left out, or None."""
    if "digestStartTime" in fields and "logFiles" in fields:
        return "digest"
    kind = _kind_of_record(fields)
    if kind is not None:
        return kind
    if _word(fields, "messageType") == "CONTROL_MESSAGE":
        return "control_message"
    if _word(fields, "Event") == "s3:TestEvent":
        return "s3_notification"
    if "s3Bucket" in fields and "s3ObjectKey" in fields:  # the notification a trail sends to its SNS topic
        return "s3_notification"
    return _kind_of_envelope(fields)


def _kind_of_record(fields: Fields) -> str | None:
    category, event_type = _word(fields, "eventCategory"), _word(fields, "eventType")
    if category == "Insight" or event_type == "AwsCloudTrailInsight" or "insightDetails" in fields:
        return "insight"
    if category == "Aggregated" or event_type == "AwsAggregatedEvent":
        return "aggregated"
    return "s3_notification" if _word(fields, "eventSource") == "aws:s3" else None


def _kind_of_envelope(fields: Fields) -> str | None:
    if "detail-type" not in fields or "detail" not in fields:
        return None
    detail_type, origin = _word(fields, "detail-type"), _word(fields, "source")
    if detail_type == TASK_CHANGE and origin in {"aws.ecs", ""}:
        return None
    if origin == "aws.s3" and not detail_type.endswith(_VIA_CLOUDTRAIL):
        return "s3_notification"
    if detail_type == "AWS Insight via CloudTrail":
        return "insight"
    # Only AWS may use a source that starts with "aws."; anybody may put an event that merely looks like CloudTrail's.
    is_aws = origin.startswith("aws.") or not origin
    return None if detail_type.endswith(_VIA_CLOUDTRAIL) and is_aws else "other_event"


def _gather_lookup_item(fields: Fields, haul: Haul, depth: int) -> bool:
    """An item of LookupEvents: the record stands in its text `CloudTrailEvent`; without it the item says less."""
    inner = fields.get("CloudTrailEvent", fields.get("cloudTrailEvent"))
    if inner is not None and _gather_field(bytes(inner), haul, depth):
        return True
    if not {"EventId", "EventName", "EventTime"} <= fields.keys():
        return False
    haul.remark("LookupEvents items without CloudTrailEvent; their events say less.")
    haul.take(compact(lenient(_joined(fields))), is_rebuilt=True)
    return True


def _joined(fields: Fields) -> bytes:
    return b"{" + b",".join(compact(name) + b":" + bytes(value) for name, value in fields.items()) + b"}"


def _gather_known(fields: Fields, haul: Haul, depth: int) -> bool:
    """Open a wrapping with a meaning of its own; False when the object is none."""
    if _word(fields, "field") == "@message" and "value" in fields:  # a cell of CloudWatch Logs Insights
        return _gather_field(bytes(fields["value"]), haul, depth)
    if "QueryResultRows" in fields:
        return _gather_table(table_of_lake(bytes(fields["QueryResultRows"])), haul)
    if "ResultSet" in fields:
        return _gather_table(table_of_athena(bytes(fields["ResultSet"])), haul)
    if ocsf.is_ocsf(fields):
        event = lenient(_joined(fields))
        return isinstance(event, dict) and gather_ocsf(event, haul)
    for name in ("Records", "Events", "events", "logEvents"):
        if name in fields and bytes(fields[name])[:1] == b"[":
            items = _items(bytes(fields[name]))
            haul.is_log = haul.is_log or not items
            for item in items:
                gather(bytes(item), haul, depth + 1)
            return True
    return False


def gather_ocsf(event: ocsf.Event, haul: Haul) -> bool:
    """Keep the record an OCSF event was made from; False when it was made from something else."""
    if not ocsf.is_cloudtrail(event):
        return False
    carries = ocsf.carries_parameters(event)
    if carries is not None:
        haul.carries_parameters = carries or bool(haul.carries_parameters)
    try:
        haul.take(compact(ocsf.record_of(event)), is_rebuilt=True)
    except RecursionError:
        haul.problems.append(Problem(haul.source, "broken_json", "an event is nested too deeply; it is left out."))
    return True


def gather_table(table: Table, haul: Haul) -> None:
    """Find the records of a table: in a column with the whole event, else made of the columns."""
    haul.is_log = True
    missing = lacking(table.columns)
    for row in table.rows:
        if missing:
            haul.remark(f"a table without {' and '.join(missing)}; its events say less.")
            missing = []
        whole = whole_event(row)
        if whole is not None:
            gather(whole, haul, 1)
        else:
            haul.take(record_of(row), is_rebuilt=True)
    if table.short:
        kind = "truncated_file" if table.is_cut else "broken_json"
        detail = f"{table.short} rows have too few cells, the first is row {table.first_short}; they are not read."
        haul.problems.append(Problem(haul.source, kind, detail))
    if table.trouble:
        haul.problems.append(Problem(haul.source, "broken_json", table.trouble))


def _gather_table(table: Table | None, haul: Haul) -> bool:
    if table is None:
        return False
    gather_table(table, haul)
    return True


def _gather_inside(fields: Fields, haul: Haul, depth: int) -> None:
    """Look into every value of an object that says nothing itself."""
    before = (haul.count, len(haul.problems), len(haul.task_texts), haul.left_out.total())
    was_log = haul.is_log
    for name, raw in fields.items():
        value = bytes(raw)
        if value[:1] in (b"{", b"[") and value not in (b"{}", b"[]"):
            kinds = haul.left_out.copy()
            gather(value, haul, depth + 1)
            # scraps of an unknown object are no items of their own
            haul.left_out["not_cloudtrail"] = kinds["not_cloudtrail"]
            haul.left_out["empty"] = kinds["empty"]
        elif value[:1] == b'"' and (name in _TEXT_FIELDS or name in _BINARY_FIELDS):
            _gather_field(value, haul, depth, is_binary=name in _BINARY_FIELDS)
    haul.left_out = +haul.left_out
    after = (haul.count, len(haul.problems), len(haul.task_texts), haul.left_out.total())
    if before == after and haul.is_log == was_log:
        haul.left_out["not_cloudtrail"] += 1


def _gather_field(value: bytes, haul: Haul, depth: int, *, is_binary: bool = False) -> bool:
    if value[:1] in (b"{", b"["):
        gather(value, haul, depth + 1)
        return True
    if len(value) > _MESSAGE_LIMIT:
        words = f"a text of {len(value)} bytes inside a value, more than any record has; it is not looked into."
        haul.problems.append(Problem(haul.source, "too_large", words))
        return True
    text = _text(value)
    if is_binary:
        text = _from_base64(text) or text
    return _gather_text(text, haul, depth)


def _gather_text(text: str, haul: Haul, depth: int) -> bool:
    """Records in a text that is JSON itself; False when it is not."""
    stripped = text.strip()
    if stripped[:1] not in ("{", "["):
        return False
    data = stripped.encode("utf-8", errors="replace")
    if is_json(data):
        gather(data, haul, depth + 1)
        return True
    inner = read_values(data, haul.source)
    haul.problems.extend(inner.problems)
    for value in inner.values:
        gather(value, haul, depth + 1)
    return True


def _from_base64(text: str) -> str | None:
    try:
        data = base64.b64decode(text, validate=True)
        if data.startswith(b"\x1f\x8b"):
            data = zlib.decompressobj(31).decompress(data, _PAYLOAD_LIMIT)
    except (binascii.Error, ValueError, zlib.error, gzip.BadGzipFile):
        return None
    return data.decode("utf-8", errors="replace")
