"""An investigation as a story: what a tired person must know, in the order they ask for it.

`tell(document)` reads the document of the contract (section 2) and decides the words once; the text answer and the
notebook card only set them. Every string of the result is cleaned (`views.text.clean`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ecs_trail.views import words
from ecs_trail.views.seen import looked_at, unseen
from ecs_trail.views.text import clean, count, listed, shown_time, span
from ecs_trail.vocabulary import PARTIAL_PROBLEMS

Document = Mapping[str, Any]
Row = Mapping[str, Any]

BROKEN: Final = "broken"
OVER: Final = "over"
HEALTHY: Final = "healthy"
NOTHING: Final = "nothing"

_SEVERITIES: Final = ("critical", "high", "medium", "low")
_STATE_PLACE: Final = {
    state: place
    for place, state in enumerate(
        ("stuck", "failed_to_start", "stopping", "running", "recovered", "stopped", "unknown")
    )
}
_OPEN: Final = "open"
_OPEN_SHOWN: Final = 3
#: Kind of finding -> words about its first moment.
_FIRST: Final = {
    "stuck_tasks": "the first task hung at",
    "provisioning_blocked": "the first task failed at",
    "tls_blocked": "the first certificate was affected at",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One change that took an ability away: time, call, actor, tool, source address, lost actions, event id.

    All but the id are empty where the document holds no row of the change.
    """

    time: str
    call: str
    who: str
    tool: str
    address: str
    took: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Item:
    """One task, volume or secret that hangs on the main finding; empty strings where nothing is known.

    `since` is a phrase with a time, `length` only the span.
    """

    state: str
    name: str
    owner: str
    volume: str
    since: str
    length: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """One step of repair and its commands, each one line, ready for a shell."""

    title: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A further finding in one line; `repairable` when the JSON answer holds commands for it."""

    severity: str
    status: str
    title: str
    repairable: bool


@dataclass(frozen=True, slots=True)
class Story:
    """The whole answer. `verdict` is one of `broken`, `over`, `healthy`, `nothing`."""

    verdict: str
    as_of: str
    headline: str
    details: tuple[str, ...]
    causes: tuple[Cause, ...]
    causes_note: str
    items_title: str
    items: tuple[Item, ...]
    certainty: str
    rivals: tuple[str, ...]
    repairs: tuple[Repair, ...]
    others: tuple[Other, ...]
    looked_at: tuple[str, ...]
    unseen: tuple[str, ...]
    sources: tuple[str, ...]


def tell(document: Document) -> Story:
    """The story of an investigation document."""
    in_order = ranked(document)
    main = in_order[0] if in_order else None
    verdict = _verdict(document, main)
    blamed = causes(document, main)
    items_title, items = _items(document, main)
    return Story(
        verdict=verdict,
        as_of=shown_time(document["as_of"]),
        headline=_headline(main, verdict),
        details=(*_partial(document["evidence"]), *_details(document, main, blamed)),
        causes=tuple(blamed),
        causes_note=causes_note(main, blamed),
        items_title=items_title,
        items=tuple(items),
        certainty=certainty(main),
        rivals=rivals(main),
        repairs=repairs(main),
        others=tuple(_other(finding) for finding in in_order[1:]),
        looked_at=tuple(looked_at(document)),
        unseen=tuple(unseen(document["evidence"])),
        sources=tuple(_source(source) for source in document["evidence"]["sources"]),
    )


def ranked(document: Document) -> list[Row]:
    """The findings, the most urgent first: ongoing before over, then by severity."""
    return sorted(document["findings"], key=_weight)


def certainty(finding: Row | None) -> str:
    """How sure a finding is, and on what it stands, as a sentence; empty where it stands on nothing."""
    basis = [] if finding is None else _basis(finding)
    return words.confidence((finding or {}).get("confidence"), basis) if basis else ""


def repairs(finding: Row | None) -> tuple[Repair, ...]:
    """The steps that repair a finding, with their commands."""
    return tuple(_repair(step) for step in (finding or {}).get("repair", ()))


def _weight(finding: Row) -> tuple[bool, int]:
    severity = finding.get("severity")
    place = _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)
    return finding.get("status") != "ongoing", place


def _verdict(document: Document, main: Row | None) -> str:
    if main is not None:
        return BROKEN if main.get("status") == "ongoing" else OVER
    seen = any(document[part] for part in ("roles", "tasks", "volumes", "tls"))
    return HEALTHY if seen else NOTHING


def _basis(finding: Row) -> list[str]:
    basis = finding.get("basis") or []
    return [basis] if isinstance(basis, str) else list(basis)


def _headline(main: Row | None, verdict: str) -> str:
    if main is not None:
        sentence = f"{titled(main)}."
        return sentence if verdict == BROKEN else f"Over since {shown_time(main.get('ended_at'))}. {sentence}"
    if verdict == HEALTHY:
        return "Nothing broken found."
    return "Nothing broken found, but no work of an ECS infrastructure role was seen either."


def titled(finding: Row) -> str:
    """The title of a finding, cleaned, without a full stop."""
    return clean(finding.get("title"), 240).rstrip(".") or words.finding_kind(finding.get("kind"))


def _partial(evidence: Row) -> Iterable[str]:
    """That evidence is missing, as the first sentence below the headline."""
    lost = sum(problem["kind"] in PARTIAL_PROBLEMS for problem in evidence["problems"])
    if lost:
        yield f"This answer is partial: {count(lost, 'problem')} in the evidence; what was not seen is named below."


def _details(document: Document, main: Row | None, blamed: Sequence[Cause]) -> Iterable[str]:
    if main is None:
        return
    yield _times(main, _outage(document, main), document["as_of"])
    if main.get("role_arn"):
        yield f"Role: {clean(main['role_arn'])}"
    actors = list(dict.fromkeys(_by(cause) for cause in blamed if cause.who))
    if actors:
        yield f"Done by {listed(actors, most=2)}."
    yield from _left_behind([row for row in document["volumes"] if row["volume_id"] in set(main["volume_ids"])])


def _times(main: Row, outage: Row, as_of: str) -> str:
    """Since when the role is broken, and when the first thing failed; only the latter where no role is."""
    started, ended = main.get("started_at"), main.get("ended_at")
    broke, mended = outage.get("start"), outage.get("end")
    first = f"{_FIRST.get(main.get('kind') or '', 'first seen at')} {_short(started)}" if started else ""
    if not broke:
        over = f"From {_short(started or '')} to {shown_time(ended)} ({span(started, ended)})." if ended else ""
        return over or f"{first[:1].upper()}{first[1:]}, {span(started, as_of)} before the evidence ends."
    length = span(broke, mended or as_of)
    state = f"Broken from {_short(broke)} to {_short(mended)}" if mended else f"Broken since {_short(broke)}"
    return f"{state} ({length}){f'; {first}' if first and started != broke else ''}."


def _by(cause: Cause) -> str:
    return f"{cause.who}{f' with {cause.tool}' if cause.tool else ''}"


def _outage(document: Document, main: Row) -> Row:
    empty: Row = {}
    return next((row for row in document["outages"] if row["id"] == main.get("outage_id")), empty)


def _left_behind(volumes: Sequence[Row]) -> Iterable[str]:
    left = [row for row in volumes if not row.get("deleted_at")]
    if left:
        size = sum(row.get("size_gib") or 0 for row in left)
        verb = "is" if len(left) == 1 else "are"
        yield f"{count(len(left), 'volume')}{f' ({size:,.0f} GiB)' if size else ''} {verb} still there."
    elif volumes:
        yield f"{count(len(volumes), 'volume')} hung on it and {'is' if len(volumes) == 1 else 'are'} gone now."


def causes(document: Document, main: Row | None) -> list[Cause]:
    """The changes a finding blames, oldest first."""
    if main is None:
        return []
    known = {row["event_id"]: row for row in document["changes"]}
    needed = set(_outage(document, main).get("actions", ()))
    behind = {
        one: row["principal"] for row in document.get("actors", ()) if row["chain"][1:] for one in row["event_ids"]
    }
    return [_cause(one, known.get(one, {}), needed, behind.get(one)) for one in main["cause_event_ids"]]


def _cause(event_id: str, row: Row, needed: set[str], principal: str | None) -> Cause:
    """One cause; of what it took, what the outage is made of comes first. What is no role change has only an id."""
    if not row:
        return Cause("", "", "", "", "", "", clean(event_id))
    lost = sorted(row.get("lost", ()), key=lambda action: action not in needed)
    return Cause(
        time=_short(row["event_time"]) if row.get("event_time") else "",
        call=clean(row.get("event_name")),
        who=words.actor(row.get("actor")) + (f", opened by {words.actor(principal)}" if principal else ""),
        tool=words.tool(row.get("user_agent")),
        address=clean(row.get("source_ip"), 48),
        took=listed([clean(action) for action in lost], most=3),
        event_id=clean(event_id),
    )


def causes_note(main: Row | None, blamed: Sequence[Cause]) -> str:
    """What the rows of causes cannot say: that there are none, or what a change of something else than a role did."""
    if main is None:
        return ""
    if not blamed and main.get("kind") in _FIRST:
        return "No change in the evidence explains this."
    return "" if blamed and all(cause.call for cause in blamed) else clean(main.get("explanation"), 600)


def rivals(finding: Row | None) -> tuple[str, ...]:
    """What else might have been the cause of a finding, in sentences: ruled out, or still open."""
    return tuple(_rivals(finding or {}))


def _rivals(main: Row) -> Iterable[str]:
    """What else might have been the cause: the ruled out ones in a line, each open one in its own."""
    listed_rivals = main.get("rivals") or ()
    out = [clean(rival["event_name"]) for rival in listed_rivals if rival["standing"] != _OPEN]
    still = [rival for rival in listed_rivals if rival["standing"] == _OPEN]
    if out:
        names = listed(list(dict.fromkeys(out)), most=4)
        yield f"Ruled out as a cause: {count(len(out), 'other change')} of the role ({names})."
    for rival in still[:_OPEN_SHOWN]:
        when = f" at {_short(rival['event_time'])}" if rival.get("event_time") else ""
        who = f" by {words.actor(rival['actor'])}" if rival.get("actor") else ""
        yield f"Not ruled out: {clean(rival['event_name'])}{who}{when}: {clean(rival['reason'], 200)}."


def _tasks_of(document: Document, main: Row) -> list[Row]:
    wanted = set(main["task_arns"])
    rows = [row for row in document["tasks"] if row["task_arn"] in wanted]
    return sorted(rows, key=lambda row: (_STATE_PLACE.get(row["state"], 99), row.get("blocked_since") or ""))


def _items(document: Document, main: Row | None) -> tuple[str, list[Item]]:
    if main is None:
        return "", []
    if main["task_arns"]:
        volumes = {row["volume_id"]: row for row in document["volumes"]}
        return "TASKS AND VOLUMES", [_task_item(row, volumes, document["as_of"]) for row in _tasks_of(document, main)]
    if main["volume_ids"]:
        wanted = set(main["volume_ids"])
        return "VOLUMES", [_volume_item(row) for row in document["volumes"] if row["volume_id"] in wanted]
    wanted = set(main["secret_arns"])
    return "SECRETS", [_secret_item(row) for row in document["tls"] if row.get("secret_arn") in wanted]


def _task_item(row: Row, volumes: Mapping[str, Row], as_of: str) -> Item:
    blocked, ended = row.get("blocked_since"), row.get("resolved_at")
    length = span(blocked, ended or as_of)
    since = f"blocked for {length} since {_short(blocked)}" if blocked else ""
    if not since and row.get("stop_started_at"):
        since = f"stop began {_short(row['stop_started_at'])}"
    state = "at risk" if row.get("at_risk") else clean(row["state"]).replace("_", " ")
    names = [_volume_name(volume_id, volumes.get(volume_id, {})) for volume_id in row["volume_ids"]]
    name, service = words.task_name(row["task_arn"]), words.tail(row.get("service"))
    return Item(state, name, service, listed(names, most=2), since, length)


def _short(time: str) -> str:
    return shown_time(time).removesuffix(" UTC")


def _volume_name(volume_id: str, row: Row) -> str:
    size = row.get("size_gib")
    return f"{clean(volume_id)}{f' {size:g} GiB' if size else ''}{' (deleted)' if row.get('deleted_at') else ''}"


def _volume_item(row: Row) -> Item:
    created = f"created {_short(row['created_at'])}" if row.get("created_at") else ""
    name, size = clean(row["volume_id"]), f"{row['size_gib']:g} GiB" if row.get("size_gib") else ""
    return Item(clean(row.get("state")), name, words.task_name(row.get("task_arn")), size, created)


def _secret_item(row: Row) -> Item:
    rotated = row.get("last_rotation_at") or row.get("issued_at")
    since = f"last rotation {_short(rotated)}" if rotated else ""
    name = clean((row.get("secret_arn") or row.get("secret_name") or "").rpartition(":secret:")[2], 80)
    return Item(clean(row.get("state")).replace("_", " "), name, words.tail(row.get("service_arn")), "", since)


def _repair(step: Row) -> Repair:
    return Repair(clean(step.get("title"), 200), tuple(clean(command) for command in step.get("commands", ())))


def _other(finding: Row) -> Other:
    severity, status = clean(finding.get("severity")), clean(finding.get("status"))
    return Other(severity, status, f"{titled(finding)}.", bool(finding.get("repair")))


def _source(source: object) -> str:
    named = source.get("source") or source.get("name") if isinstance(source, Mapping) else source
    return clean(named)
