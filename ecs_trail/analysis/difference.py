"""What is new, still open and resolved between two investigations, and how far back the next one must read.

Both are documents of the contract (section 2). Findings are matched by what they are about, never by their number or
place. Absence is judged with care: a finding that the newer evidence cannot show, because its window begins later or
part of it could not be read, is *carried*, not resolved.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.errors import UsageError
from ecs_trail.identity import SUBJECTS, finding_identity, same_finding
from ecs_trail.times import format_time, parse_time

SCHEMA: Final = "ecs-trail/difference/1"
#: Key of the document under which a difference is kept.
KEY: Final = "difference"
OVERLAP: Final = timedelta(hours=1)
#: Kinds that report what happened once, not a state that lasts: told once, and never waited for.
_MOMENTARY: Final = frozenset({"pass_role_denied"})
_SEVERITIES: Final = ("low", "medium", "high", "critical")
#: What a finding can grow by. Causes are explanation, not damage.
_DAMAGE: Final = ("task_arns", "volume_ids", "secret_arns")
#: Section -> key column and the columns whose times an open finding may rest on.
_RESTS_ON: Final = {
    "tasks": ("task_arn", ("launched_at", "stop_started_at", "blocked_since")),
    "volumes": ("volume_id", ("created_at", "attached_at")),
    "tls": ("secret_arn", ("issued_at", "last_rotation_at", "blocked_since")),
    "changes": ("event_id", ("event_time",)),
}
#: States in which a task or volume is not done with.
_ALIVE: Final = frozenset({"running", "stopping", "stuck", "unknown", "created", "attached", "detached", "blocked"})

Document = Mapping[str, Any]
Row = dict[str, Any]


def difference(before: Document | None, now: Document) -> Row:
    """The difference of two documents as plain JSON values; `before` is None for a first run.

    `new`: findings never reported, and such that broke again. `open`: reported before and still there, each with what
    was added. `resolved`: over now, or no longer borne out by evidence that covers them. `carried`: open when last
    seen and out of sight now, as whole findings. `changed` says whether a reader must be told; `alarming` whether
    anything is new or grew worse.
    """
    old = [] if before is None else _reported(before)
    pairs = _matched(old, list(now["findings"]))
    found: Row = {"new": [], "open": [], "resolved": [], "carried": []}
    for was, finding in pairs:
        place = _place(was, finding)
        if place:
            found[place].append(_entry(was, finding, now))
    matched = {id(was) for was, _ in pairs if was is not None}
    for was in old:
        if id(was) not in matched and was.get("status") == "ongoing" and was.get("kind") not in _MOMENTARY:
            reason = _out_of_sight(was, before or {}, now)
            entry = _absent(was, reason)
            found["open" if reason else "resolved"].append(entry)
            if reason:
                found["carried"].append(dict(was) | {"identity": entry["identity"]})
    worse = any(entry["worse"] for entry in found["open"])
    alarming = bool(found["new"]) or worse
    head = {"schema": SCHEMA, "since": None if before is None else before["as_of"], "as_of": now["as_of"]}
    changed = alarming or bool(found["resolved"])
    return head | {"changed": changed, "alarming": alarming} | found


def with_difference(now: Document, found: Row) -> Row:
    """The newer document with its difference, and with the identity of each finding, ready to be compared next time."""
    names = {entry["finding_id"]: entry["identity"] for part in ("new", "open", "resolved") for entry in found[part]}
    named = [
        dict(row) | {"identity": names.get(row["id"]) or row.get("identity") or finding_identity(row)}
        for row in now["findings"]
    ]
    return dict(now) | {"findings": named, KEY: found}


def state(now: Document, found: Row) -> Row:
    """What the next run must know: the document with identities and what is carried; equal evidence, equal state."""
    kept = with_difference(now, found)
    return kept | {KEY: {"schema": SCHEMA, "carried": found["carried"]}}


def reach_back(last: Document, overlap: timedelta = OVERLAP) -> datetime:
    """Where the next reading must begin: the last moment minus an overlap, or earlier where something is unfinished.

    CloudTrail delivers late, hence the overlap. An open finding, and a task or volume still alive, can only be judged
    with the events it rests on, so the window begins before the oldest of them.
    """
    as_of = _time(last.get("as_of"))
    if as_of is None:
        raise UsageError(
            "the last report has no as_of.", hint="write it anew with ecs-trail investigate --format json."
        )
    times = [as_of, *_unfinished(last)]
    return min(times) - overlap


def _unfinished(last: Document) -> Iterable[datetime]:
    ongoing = [row for row in _reported(last) if row.get("status") == "ongoing" and row.get("kind") not in _MOMENTARY]
    outages = {row.get("outage_id") for row in ongoing}
    for row in (*ongoing, *(one for one in last.get("outages", ()) if not one.get("end") or one.get("id") in outages)):
        yield from _times(row, ("started_at", "start"))
    named = {value for row in ongoing for name in SUBJECTS for value in row.get(name) or ()}
    roles = {row.get("role_arn") for row in ongoing} - {None}
    for section, (key, columns) in _RESTS_ON.items():
        for row in last.get(section, ()):
            reaches = not roles.isdisjoint(row.get("role_arns") or ())  # what the role was before is part of the proof
            if row.get(key) in named or row.get("state") in _ALIVE or reaches:
                yield from _times(row, columns)


def _times(row: Mapping[str, Any], columns: Sequence[str]) -> Iterable[datetime]:
    return (time for time in (_time(row.get(name)) for name in columns) if time is not None)


def _time(text: Any) -> datetime | None:
    """A time of a document; None for anything else, for a document may have been edited."""
    if not isinstance(text, str) or text.startswith("-"):
        return None
    try:
        return parse_time(text, now=datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    except UsageError:
        return None


def _reported(document: Document) -> list[Mapping[str, Any]]:
    """The findings of a document and those it carried on from before."""
    return [*document.get("findings", ()), *(document.get(KEY) or {}).get("carried", ())]


def _matched(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any] | None, Mapping[str, Any]]]:
    """Each newer finding with the older one it is, the surest pairs first; each older one is used once."""
    scored = [
        (-score, at, place)
        for place, one in enumerate(new)
        for at, was in enumerate(old)
        if (score := same_finding(was, one))
    ]
    used: set[int] = set()
    partner: dict[int, int] = {}
    for _, at, place in sorted(scored):
        if place not in partner and at not in used:
            partner[place] = at
            used.add(at)
    return [(old[partner[place]] if place in partner else None, one) for place, one in enumerate(new)]


def _place(was: Mapping[str, Any] | None, finding: Mapping[str, Any]) -> str:
    """Where a finding belongs; empty for one that was over before and still is."""
    ongoing = finding.get("status") == "ongoing"
    if was is None:
        return "new"
    if was.get("status") == "ongoing":
        return "open" if ongoing else "resolved"
    return "new" if ongoing else ""


def _entry(was: Mapping[str, Any] | None, finding: Mapping[str, Any], now: Document) -> Row:
    added = {} if was is None else {name: _added(was, finding, name) for name in _DAMAGE}
    removed = {} if was is None else {name: _added(finding, was, name) for name in _DAMAGE}
    graver = was is not None and _rank(finding) > _rank(was)
    return _head(finding, _identity(was, finding)) | {
        "seen": True,
        "again": was is not None and was.get("status") == "resolved" and finding.get("status") == "ongoing",
        "worse": graver or any(added.values()),
        "added": {name: values for name, values in added.items() if values},
        "removed": {name: values for name, values in removed.items() if values},
        "reason": "" if finding.get("status") == "ongoing" else f"over since {finding.get('ended_at') or now['as_of']}",
    }


def _absent(was: Mapping[str, Any], reason: str) -> Row:
    why = reason or "no longer so, by evidence that covers it"
    more = {"seen": False, "again": False, "worse": False, "added": {}, "removed": {}, "reason": why}
    return _head(was, _identity(None, was)) | {"finding_id": None} | more


def _head(finding: Mapping[str, Any], identity: str) -> Row:
    names = ("kind", "severity", "status", "title", "role_arn", "started_at", "ended_at")
    return {"identity": identity, "finding_id": finding.get("id")} | {name: finding.get(name) for name in names}


def _identity(was: Mapping[str, Any] | None, finding: Mapping[str, Any]) -> str:
    """The name a finding was first reported under; a later cause or task does not rename it."""
    kept = (was or {}).get("identity") or finding.get("identity")
    return str(kept) if kept else finding_identity(was or finding)


def _added(was: Mapping[str, Any], finding: Mapping[str, Any], name: str) -> list[str]:
    return sorted(set(finding.get(name) or ()) - set(was.get(name) or ()))


def _rank(finding: Mapping[str, Any]) -> int:
    severity = finding.get("severity")
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else -1


def _out_of_sight(was: Mapping[str, Any], before: Document, now: Document) -> str:
    """Why the newer evidence cannot say that a finding is over; empty where it can."""
    evidence, ends, ended = now["evidence"], _time(now.get("as_of")), _time(before.get("as_of"))
    if ends is not None and ended is not None and ends < ended:
        return "the evidence ends before the last report"
    if evidence.get("files_failed") or evidence.get("records_rejected"):
        return "part of the evidence could not be read"
    start = _time(evidence.get("window", {}).get("start"))
    named = {value for name in SUBJECTS for value in was.get(name) or ()}
    changes = [row for row in before.get("changes", ()) if row.get("event_id") in named]
    began = min(
        [*_times(was, ("started_at",)), *(time for row in changes for time in _times(row, ("event_time",)))],
        default=None,
    )
    if start is not None and (began is None or start > began):
        return f"the evidence begins at {format_time(start)}, after it"
    if _gone(was, now):
        return "what it hangs on is not in the evidence"
    return ""


def _gone(was: Mapping[str, Any], now: Document) -> bool:
    """True when not one of the tasks, volumes or secrets of a finding is known to the newer evidence."""
    keys = {
        "tasks": ("task_arn", "task_arns"),
        "volumes": ("volume_id", "volume_ids"),
        "tls": ("secret_arn", "secret_arns"),
    }
    wanted = [(section, key, set(was.get(name) or ())) for section, (key, name) in keys.items()]
    if not any(values for _, _, values in wanted):
        return False
    return not any(row.get(key) in values for section, key, values in wanted for row in now.get(section, ()))
