"""What the page says, made from the material: the template only sets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecs_trail.frames import Row, rows
from ecs_trail.times import format_time
from ecs_trail.views import words
from ecs_trail.views.denials import denials
from ecs_trail.views.lanes import incident_window, overview
from ecs_trail.views.policydiff import DiffLine, policy_diff
from ecs_trail.views.report import tables
from ecs_trail.views.report.drawing import svg
from ecs_trail.views.report.material import Material
from ecs_trail.views.report.records import anchor, records
from ecs_trail.views.report.tables import Cell, Links, citer
from ecs_trail.views.role_lanes import action_lanes, change_kind
from ecs_trail.views.scene import ROLES, TASKS, TLS, VOLUMES, Scene, moment_words
from ecs_trail.views.story import Cause, Repair, causes, causes_note, certainty, ranked, repairs, rivals, tell, titled
from ecs_trail.views.text import clean, listed, moment, shown_time, span

_FRAMES: Final = ("roles", "role_states", "changes", "outages", "losses", "tasks", "volumes", "tls", "volume_calls")
#: Role changes with their differences, for each role; the newest are kept.
_CHANGES: Final = 60
#: Records named in a finding.
_CITED: Final = 12
_KINDS: Final = {ROLES: "role", TASKS: "task", VOLUMES: "volume", TLS: "secret"}
_EFFECTS: Final = {
    "breaks": ("took abilities", "bad"),
    "restores": ("gave back", "good"),
    "refused": ("refused", "soft"),
    "granted": ("granted", "soft"),
    "other": ("no effect on ECS", "soft"),
}
_TONES: Final = {"critical": "bad", "high": "bad", "medium": "warn", "low": "soft"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as a section of its own."""

    anchor: str
    title: str
    kind: str
    severity: Cell
    status: Cell
    when: str
    certainty: str
    rivals: tuple[str, ...]
    explanation: str
    causes: tuple[Cause, ...]
    note: str
    tasks: tuple[Cell, ...]
    repairs: tuple[Repair, ...]
    evidence: Links


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a role: what, who, which abilities, and the lines of policy that differ."""

    time: str
    call: str
    subject: str
    who: str
    effect: Cell
    lost: str
    gained: str
    diff: tuple[DiffLine, ...]
    evidence: Links


@dataclass(frozen=True, slots=True)
class Role:
    """One role: what it is now and how it became so."""

    anchor: str
    arn: str
    state: Cell
    purposes: str
    policies: tuple[str, ...]
    unable: tuple[str, ...]
    changes: tuple[Change, ...]
    older: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing and what it shows."""

    title: str
    svg: str


def content(material: Material) -> dict[str, Any]:
    """Everything the template names, by name."""
    document = material.document
    appendix, unshown = records(document, material.frame("events"), material.notes)
    kept = {one.event_id: f"#{one.anchor}" for one in appendix}
    cite = citer(kept)
    refused = denials(material.frame("events"))
    frames = material.frames(*_FRAMES)
    scene = overview(frames, _as_of(document), refused)
    in_order = ranked(document)
    return {
        "story": tell(document),
        "tiles": tables.tiles(document),
        "findings": [_finding(document, row, citer(kept, _CITED)) for row in in_order],
        "pictures": _pictures(scene, kept),
        "tasks": tables.tasks(document, cite),
        "volumes": tables.volumes(document, cite),
        "tls": tables.tls(document, cite),
        "work": tables.work(rows(material.frame("blocked_work")), cite),
        "callers": tables.callers(rows(material.frame("actors")), cite),
        "denied": tables.denied(refused, cite),
        "passing": tables.passing(document, cite),
        "roles": _roles(document, frames, cite),
        "abilities": _abilities(frames, scene, kept),
        "records": appendix,
        "noted": [one for one in appendix if one.star or one.note],
        "unshown": unshown,
        "coverage": tables.coverage(document),
        "problems": [words.problem(row) for row in document["evidence"]["problems"]],
        "left_out": [words.left_out(row["kind"], row["count"]) for row in document["evidence"]["left_out"]],
        "evidence": document["evidence"],
        "schema": document["schema"],
        "kept": kept,
    }


def _as_of(document: Mapping[str, Any]) -> Any:
    return moment(document["as_of"])


# -- pictures ---------------------------------------------------------------------------------------------------------


def _link(kept: Mapping[str, str]) -> Any:
    def link(kind: str, key: str) -> str:
        if kind == "event":
            return kept.get(clean(key), "")
        return f"#{anchor(_KINDS[kind], key)}" if kind in _KINDS else ""

    return link


def _pictures(scene: Scene, kept: Mapping[str, str]) -> list[Picture]:
    """The incident, and all of the evidence where that is more; nothing where no lane was seen."""
    if not scene.lanes:
        return []
    link = _link(kept)
    start, end = incident_window(scene)
    whole = Picture("All of the evidence", svg(scene, name="whole", label=_said(scene), link=link))
    if (end - start) > (scene.end - scene.start) * 0.75:
        return [whole]
    near = scene.within(start, end)
    return [Picture("The incident", svg(near, name="near", label=_said(near), link=link)), whole]


def _said(scene: Scene) -> str:
    return f"Lanes of roles, tasks, volumes and TLS from {format_time(scene.start)} to {format_time(scene.end)}"


def _abilities(frames: Mapping[str, Any], scene: Scene, kept: Mapping[str, str]) -> str:
    start, end = incident_window(scene)
    lanes = action_lanes(frames, scene.start, scene.end)
    drawn = Scene(scene.start, scene.end, lanes).within(start, end)
    label = "What each role was able to do, action by action"
    return svg(drawn, name="able", label=label, link=_link(kept)) if drawn.lanes else ""


# -- findings --------------------------------------------------------------------------------------------------------


def _finding(document: Mapping[str, Any], row: Mapping[str, Any], cite: tables.Cite) -> Finding:
    blamed = causes(document, row)
    started, ended = row.get("started_at"), row.get("ended_at")
    when = f"From {shown_time(started)}" if started else ""
    if ended:
        when += f" to {shown_time(ended)} ({span(started, ended)})"
    severity, status = clean(row.get("severity")), clean(row.get("status"))
    return Finding(
        anchor=anchor("finding", row["id"]),
        title=titled(row),
        kind=words.finding_kind(row.get("kind")),
        severity=Cell(severity, "tag", _TONES.get(severity, "soft")),
        status=Cell(status, "tag", "soft" if status == "resolved" else "bad"),
        when=f"{when}." if when else "",
        certainty=certainty(row),
        rivals=rivals(row),
        explanation=clean(row.get("explanation"), 1500),
        causes=tuple(blamed),
        note=causes_note(row, blamed) if not blamed else "",
        tasks=tuple(_affected(row)),
        repairs=repairs(row),
        evidence=cite(row["evidence"]),
    )


def _affected(row: Mapping[str, Any]) -> list[Cell]:
    found = [Cell(words.task_name(arn), "code", href=f"#{anchor('task', arn)}") for arn in row["task_arns"]]
    found += [Cell(clean(one), "code", href=f"#{anchor('volume', one)}") for one in row["volume_ids"]]
    return found + [
        Cell(words.tail(one.replace(":", "/")), "code", href=f"#{anchor('secret', one)}") for one in row["secret_arns"]
    ]


# -- roles -----------------------------------------------------------------------------------------------------------


def _roles(document: Mapping[str, Any], frames: Mapping[str, Any], cite: tables.Cite) -> list[Role]:
    changes = rows(frames["changes"])
    broken = {row["role_arn"] for row in document["outages"]}
    ordered = sorted(document["roles"], key=lambda row: (row["role_arn"] not in broken, row["role_arn"]))
    return [_role(row, [one for one in changes if row["role_arn"] in one["role_arns"]], cite) for row in ordered]


def _role(row: Row, changes: list[Row], cite: tables.Cite) -> Role:
    unable = tuple(clean(action) for action in row.get("unable") or ())
    exists = row.get("exists")
    state = Cell("deleted", "tag", "bad") if exists is False else Cell("able", "tag", "good")
    if exists is not False and unable:
        state = Cell("not able", "tag", "bad")
    elif exists is None:
        state = Cell("not fully known", "tag", "unknown")
    kept = changes[-_CHANGES:]
    return Role(
        anchor=anchor("role", row["role_arn"]),
        arn=clean(row["role_arn"]),
        state=state,
        purposes=listed([clean(one).replace("_", " ") for one in row["purposes"]], most=9),
        policies=tuple(_policy(one) for one in row["policies"]),
        unable=unable,
        changes=tuple(_change(one, cite) for one in kept),
        older=len(changes) - len(kept),
    )


def _policy(policy: object) -> str:
    if isinstance(policy, Mapping):
        inline = " (inline)" if policy.get("kind") == "inline" else ""
        return f"{clean(policy.get('policy_arn') or policy.get('policy_name'), 200)}{inline}"
    return clean(policy, 200)


def _change(row: Row, cite: tables.Cite) -> Change:
    kind = change_kind(row)
    word, tone = _EFFECTS["granted" if kind == "other" and row["gained"] else kind]
    error = f" ({clean(row.get('error_code'), 60)})" if row.get("error_code") else ""
    before, after = row.get("document_before"), row.get("document")
    return Change(
        time=moment_words(row["event_time"]),
        call=clean(row["event_name"]),
        subject=words.tail(row.get("policy")) if row.get("policy") else "",
        who=_who(row),
        effect=Cell(f"{word}{error}", "tag", tone),
        lost=listed([clean(one) for one in row["lost"]], most=6),
        gained=listed([clean(one) for one in row["gained"]], most=6),
        diff=policy_diff(before, after) if before or after else (),
        evidence=cite([row["event_id"]]),
    )


def _who(row: Row) -> str:
    tool, address = words.tool(row.get("user_agent")), clean(row.get("source_ip"), 48)
    return f"{words.actor(row.get('actor'))}{f' with {tool}' if tool else ''}{f', from {address}' if address else ''}"
