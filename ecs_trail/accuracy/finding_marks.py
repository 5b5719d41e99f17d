"""Findings of an investigation against those of the answer: each expected one found, none too many, in every kind.

Findings that name a cause are compared by what they say. How many findings tell of posed sessions, read secrets, gaps,
refused launches and volumes left behind, the contract leaves open: there the expected events and volumes must be
covered, and each finding must stand on one of them.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from ecs_trail.accuracy.marks import Marks
from ecs_trail.vocabulary import FindingKind

Json: TypeAlias = dict[str, Any]

#: Kinds that are compared by the events or volumes they stand on.
COVERED: Final = frozenset(
    {
        FindingKind.PASS_ROLE_DENIED,
        FindingKind.SESSION_IMPERSONATION,
        FindingKind.SECRET_READ_BY_OTHER,
        FindingKind.LOGGING_GAP,
        FindingKind.LEAKED_VOLUMES,
        FindingKind.INTEGRITY_FAILURE,
    }
)
_SAID: Final = ("task_arns", "secret_arns", "cause_event_ids")


def compare_findings(marks: Marks, rows: Sequence[Json], answers: Sequence[Json]) -> None:
    """Count right findings, by kind of finding, and the members of `stuck_tasks`."""
    _compare_members(marks, rows, answers)
    for kind in FindingKind:
        mine = [row for row in rows if row["kind"] == kind]
        wanted = [row for row in answers if row["kind"] == kind]
        if kind in COVERED:
            _compare_covered(marks, kind, mine, wanted)
        else:
            _compare_said(marks, kind, mine, wanted)


def _compare_members(marks: Marks, rows: Sequence[Json], answers: Sequence[Json]) -> None:
    mine, theirs = _members(rows), _members(answers)
    for cause, arn in sorted(mine):
        marks.same("precision", ("stuck_tasks", arn), [cause], [cause] if (cause, arn) in theirs else None)
    for cause, arn in sorted(theirs):
        marks.same("recall", ("stuck_tasks", arn), [cause] if (cause, arn) in mine else None, [cause])


def _members(rows: Sequence[Json]) -> set[tuple[str, str]]:
    """Pairs of first cause ("" for none) and task: a task in the wrong finding is no member."""
    stuck = [row for row in rows if row["kind"] == FindingKind.STUCK_TASKS]
    return {("".join(row["cause_event_ids"][:1]), arn) for row in stuck for arn in row["task_arns"]}


def _compare_said(marks: Marks, kind: str, rows: list[Json], answers: list[Json]) -> None:
    left = list(rows)
    for wanted in answers:
        fitting = [row for row in left if _says(row, wanted)]
        if fitting:
            left.remove(fitting[0])
            marks.finding(kind, fitting[0], wanted)
        elif not wanted.get("maybe", False):
            marks.finding(kind, None, wanted)
    for row in left:
        marks.finding(kind, row, None)


def _says(row: Json, wanted: Json) -> bool:
    unsure = wanted.get("unsure", ())
    lists = all(row[name] == wanted.get(name, []) for name in _SAID if name not in unsure)
    single = (name for name in ("status", "role_arn") if name in wanted and name not in unsure)
    return lists and all(row[name] == wanted[name] for name in single)


def _compare_covered(marks: Marks, kind: str, rows: list[Json], answers: list[Json]) -> None:
    for wanted in answers:
        fitting = [row for row in rows if _stands_on(row, wanted)]
        events = {event_id for row in fitting for event_id in row["evidence"]}
        volumes = {volume_id for row in fitting for volume_id in row["volume_ids"]}
        whole = events.issuperset(wanted.get("event_ids", ())) and volumes.issuperset(wanted.get("volume_ids", ()))
        marks.finding(kind, fitting[0] if fitting and whole else None, wanted, side="recall")
        if fitting and "status" not in wanted["unsure"]:
            got = {row["status"] for row in fitting}
            marks.same("facts", ("status", fitting[0]["id"]), got, {wanted["status"]}, fitting[0])
    for row in rows:
        fitting = [wanted for wanted in answers if _stands_on(row, wanted)]
        expected = {volume_id for wanted in fitting for volume_id in wanted.get("volume_ids", ())}
        right = fitting and (kind != FindingKind.LEAKED_VOLUMES or expected.issuperset(row["volume_ids"]))
        marks.finding(kind, row, fitting[0] if right else None, side="precision")
        if not right:
            marks.accused(row)


def _stands_on(row: Json, wanted: Json) -> bool:
    """True when a finding is about what was expected: its events or volumes, and its role and secrets where told."""
    events = {*wanted.get("event_ids", ()), *wanted.get("beside_event_ids", ())}
    volumes = set(wanted.get("volume_ids", ()))
    if not (events.intersection(row["evidence"]) or volumes.intersection(row["volume_ids"])):
        return False
    secrets = wanted.get("secret_arns")
    if secrets is not None and not set(secrets).intersection(row["secret_arns"]):
        return False
    told = "role_arn" in wanted and "role_arn" not in wanted["unsure"]
    return not told or row["role_arn"] == wanted["role_arn"]
