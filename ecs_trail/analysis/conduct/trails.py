"""Blind spots: spans in which a trail recorded less than it could, so that absence of events means nothing.

*AWS CloudTrail API Reference*: StopLogging, StartLogging, DeleteTrail, UpdateTrail, PutEventSelectors (basic and
advanced selectors), read on 2026-11-24. A trail that is stopped hides everything; selectors hide what they leave out.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ecs_trail.arns import last_part, parse_arn
from ecs_trail.calls import actor
from ecs_trail.event_names import TRAIL_WRITES
from ecs_trail.frames import COUNT, FLAG, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, rows
from ecs_trail.payloads import Object, json_object, objects, text, truth

LOGGING_GAPS: Final = FrameSpec(
    name="logging_gaps",
    doc="One row per trail and span in which it recorded less: what is hidden, since when, until when, by whom. "
    "`region` is null for every Region; `blind` is false where the evidence goes on inside the span.",
    key=("account", "trail", "start", "event_id"),
    columns={
        "account": TEXT,
        "region": TEXT,
        "trail": TEXT,
        "start": TIME,
        "end": TIME,
        "how": TEXT,
        "hides": TEXTS,
        "actor": TEXT,
        "source_ip": TEXT,
        "user_agent": TEXT,
        "event_id": TEXT,
        "end_event_id": TEXT,
        "seen_inside": COUNT,
        "blind": FLAG,
    },
)
#: What a gap can hide. Anything else in `hides` is an event source, such as `kms.amazonaws.com`.
EVERYTHING: Final = "everything"
MANAGEMENT: Final = "management_events"
WRITES: Final = "writes"
READS: Final = "reads"
GLOBAL: Final = "global_services"
OTHER_REGIONS: Final = "other_regions"

_COLUMNS: Final = (
    *("event_id", "event_time", "event_name", "aws_region", "account_id", "error_code", "invoked_by"),
    *("source_ip_address", "user_agent", "identity_arn", "principal_id", "user_name", "request_parameters"),
)
_SOURCE: Final = "cloudtrail.amazonaws.com"
#: Events of the first minutes may still be delivered: they do not show that another trail records.
_SETTLING: Final = timedelta(minutes=5)


@dataclass(slots=True)
class _Trail:
    """A trail as far as the evidence shows it: the spans still open, by the setting that opened them."""

    open: dict[str, Row]


def logging_gaps(events: Sheet) -> Sheet:
    """The blind spots of every trail, as `LOGGING_GAPS`, oldest first. A refused write opens none."""
    mine = events.where(event_source=_SOURCE, event_name=TRAIL_WRITES)
    trails: dict[tuple[str, str], _Trail] = {}
    gaps: list[Row] = []
    for row in sorted(rows(mine, _COLUMNS), key=lambda one: (one["event_time"], one["event_id"])):
        request = json_object(row["request_parameters"])
        named = text(request.get("name")) or text(request.get("trailName"))
        if row["error_code"] or named is None:
            continue
        arn = parse_arn(named)
        key = (arn.account if arn else row["account_id"] or "", last_part(named))
        trail = trails.setdefault(key, _Trail({}))
        for setting, hides in _settings(row, request):
            _turn(trail, gaps, row, key, setting=setting, hides=hides)
    gaps = [gap for gap in gaps if gap.get("end") != gap["start"]]
    seen = _seen(events) if gaps else {}
    for gap in gaps:
        gap["seen_inside"] = sum(_inside(gap, one) for one in seen.get(gap["account"], ()))
        gap["blind"] = bool({EVERYTHING, MANAGEMENT, WRITES} & set(gap["hides"])) and not gap["seen_inside"]
    return LOGGING_GAPS.sheet(gaps)


def _turn(
    trail: _Trail, gaps: list[Row], row: Row, key: tuple[str, str], *, setting: str, hides: Sequence[str]
) -> None:
    """Move one setting of a trail: close the span it opened before, and open a new one where it hides something."""
    before = trail.open.get(setting)
    if before is not None and before["hides"] == list(hides):
        return
    if before is not None:
        before["end"], before["end_event_id"] = row["event_time"], row["event_id"]
        del trail.open[setting]
    if hides:
        trail.open[setting] = {
            "account": key[0],
            # A trail's home Region says nothing of the Regions it covers; a trail of one Region is the exception.
            "region": None,
            "trail": key[1],
            "start": row["event_time"],
            "how": row["event_name"],
            "hides": list(hides),
            "actor": actor(row["identity_arn"], row["invoked_by"], row["principal_id"], row["user_name"]),
            "source_ip": row["source_ip_address"],
            "user_agent": row["user_agent"],
            "event_id": row["event_id"],
        }
        gaps.append(trail.open[setting])


def _settings(row: Mapping[str, Any], request: Object) -> Iterator[tuple[str, list[str]]]:
    """The settings a write sets, each with what it hides; an empty list means that nothing is hidden any more."""
    match row["event_name"]:
        case "StopLogging" | "DeleteTrail":
            yield "logging", [EVERYTHING]
        case "StartLogging":
            yield "logging", []
        case "UpdateTrail":
            for name, hidden in (("isMultiRegionTrail", OTHER_REGIONS), ("includeGlobalServiceEvents", GLOBAL)):
                if (wanted := truth(request.get(name))) is not None:
                    yield name, [] if wanted else [hidden]
        case "PutEventSelectors":
            hides = _hidden(request)
            if hides is not None:
                yield "selectors", hides
        case _:
            return


def _hidden(request: Object) -> list[str] | None:
    """What the selectors leave out; None where the record does not hold them."""
    basic = list(objects(request.get("eventSelectors")))
    if basic:
        return _left_out([_basic(one) for one in basic])
    advanced = list(objects(request.get("advancedEventSelectors")))
    return _left_out([_advanced(one) for one in advanced]) if advanced else None


_Kept = tuple[bool, bool, frozenset[str]] | None


def _left_out(kept: Sequence[_Kept]) -> list[str]:
    """What no selector takes in: each keeps reads, writes, and all sources but some; several add up."""
    managing = [one for one in kept if one is not None]
    if not managing:
        return [MANAGEMENT]
    reads, writes = any(one[0] for one in managing), any(one[1] for one in managing)
    excluded = frozenset.intersection(*(one[2] for one in managing))
    return [*([] if reads else [READS]), *([] if writes else [WRITES]), *sorted(excluded)]


def _basic(selector: Object) -> _Kept:
    if truth(selector.get("includeManagementEvents")) is False:
        return None
    kind = text(selector.get("readWriteType")) or "All"
    excluded = selector.get("excludeManagementEventSources")
    sources = frozenset(one for one in excluded if isinstance(one, str)) if isinstance(excluded, list) else frozenset()
    return kind != "WriteOnly", kind != "ReadOnly", sources


def _advanced(selector: Object) -> _Kept:
    fields = {text(one.get("field")): one for one in objects(selector.get("fieldSelectors"))}
    category = _words(fields.get("eventCategory"), "equals")
    if category and "Management" not in category:
        return None
    read_only = {word.lower() for word in _words(fields.get("readOnly"), "equals")}
    source = fields.get("eventSource")
    if _words(source, "equals"):
        return None  # a few sources only: the rest is hidden
    return "false" not in read_only, "true" not in read_only, frozenset(_words(source, "notEquals"))


def _words(selector: Object | None, operator: str) -> list[str]:
    value = selector.get(operator) if selector else None
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _seen(events: Sheet) -> dict[str, list[Row]]:
    """All events but trail writes, by account: what shows that something still recorded."""
    found: dict[str, list[Row]] = defaultdict(list)
    others = events.where(event_source=lambda source: source != _SOURCE)
    for row in rows(others, ("account_id", "event_time", "read_only")):
        found[row["account_id"] or ""].append(row)
    return found


def _inside(gap: Mapping[str, Any], event: Row) -> bool:
    """Whether an event lies inside a gap that should hide it."""
    hides = gap["hides"]
    hidden = EVERYTHING in hides or MANAGEMENT in hides or (WRITES in hides and event["read_only"] is False)
    begun = gap["start"] + _SETTLING < event["event_time"]
    return hidden and begun and (gap.get("end") is None or event["event_time"] < gap["end"])
