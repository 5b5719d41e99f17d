"""The evidence appendix: the records a report stands on, as the case gives them, each with its address."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from ecs_trail.calls import Outcome, outcome
from ecs_trail.frames import rows
from ecs_trail.views import words
from ecs_trail.views.scene import moment_words
from ecs_trail.views.text import clean

#: A page must open in any browser: this many records and characters of them are in it, the most cited first.
MOST_RECORDS: Final = 600
MOST_CHARACTERS: Final = 3_000_000
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_COLUMNS: Final = (
    *("event_id", "event_time", "event_source", "event_name", "error_code", "identity_arn", "invoked_by"),
    *("principal_id", "user_name", "aws_region", "account_id", "raw"),
)
_OUTCOMES: Final = {Outcome.OK: "", Outcome.DENIED: "denied"}


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the appendix; every text is cleaned, `body` is JSON over several lines."""

    anchor: str
    event_id: str
    time: str
    call: str
    who: str
    place: str
    error: str
    body: str
    star: bool = False
    note: tuple[str, ...] = ()


def anchor(kind: str, key: str) -> str:
    """The address of something inside the page. Keys come from the evidence: what is not plain becomes its hash."""
    if _PLAIN.fullmatch(key):
        return f"{kind}-{key}"
    return f"{kind}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:20]}"


def cited(document: Mapping[str, Any]) -> list[str]:
    """The event ids a document stands on, each once, the most important first."""
    return list(dict.fromkeys(_cited(document)))


def _cited(document: Mapping[str, Any]) -> Iterator[str]:
    for row in document["findings"]:
        yield from row["cause_event_ids"]
    for row in document["findings"]:
        yield from row["evidence"]
    yield from (row["event_id"] for row in document["changes"] if row["effect"] != "none")
    for section in ("outages", "pass_role_denials", "contradictions"):
        for row in document[section]:
            yield from (row["event_id"],) if "event_id" in row else row["restore_event_ids"]
    yield from (row["event_id"] for row in document["changes"])
    for section in ("tasks", "tls", "volumes"):
        for row in document[section]:
            yield from row.get("cause_event_ids", ())
            yield from row["evidence"]


def records(
    document: Mapping[str, Any], events: pd.DataFrame, notes: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Record], int]:
    """The records that people noted and a document cites, in order of time, and how many of these have no room.

    `events` has the columns of `EVENT_SCHEMA`, `raw` among them; `notes` are those of `Material`.
    """
    wanted = list(dict.fromkeys((*notes, *cited(document))))
    place = {event_id: at for at, event_id in enumerate(wanted)}
    found = events[events["event_id"].isin(wanted[: MOST_RECORDS * 4])]
    listed = sorted(rows(found, _COLUMNS), key=lambda row: place[row["event_id"]])
    kept, room = [], MOST_CHARACTERS
    for row in listed[:MOST_RECORDS]:
        room -= len(row["raw"] or "")
        if room < 0:
            break
        kept.append(row)
    kept.sort(key=lambda row: (str(row["event_time"]), row["event_id"]))
    seen: set[str] = set()
    shown = [_record(row, notes.get(row["event_id"], {})) for row in kept if _first(row["event_id"], seen)]
    return shown, len(wanted) - len(seen)


def _first(event_id: str, seen: set[str]) -> bool:
    fresh = event_id not in seen
    seen.add(event_id)
    return fresh


def _record(row: Mapping[str, Any], note: Mapping[str, Any]) -> Record:
    ended = outcome(row["error_code"])
    who = row["identity_arn"] or row["invoked_by"] or row["user_name"] or row["principal_id"]
    return Record(
        anchor=anchor("event", row["event_id"]),
        event_id=clean(row["event_id"]),
        time=moment_words(row["event_time"]) if row["event_time"] else "",
        call=clean(row["event_name"], 80),
        who=words.actor(who),
        place=" ".join(filter(None, (clean(row["account_id"]), clean(row["aws_region"])))),
        error=_OUTCOMES.get(ended, clean(row["error_code"], 60)),
        body=readable(row["raw"] or ""),
        star=bool(note.get("star")),
        note=tuple(clean(line) for line in str(note.get("text") or "").splitlines()),
    )


def readable(raw: str) -> str:
    """A record over several lines, acting characters shown; broken text as it is."""
    try:
        laid_out = json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        laid_out = raw
    return "\n".join(clean(line) for line in laid_out.split("\n"))
