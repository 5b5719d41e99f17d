"""An investigation held against the answer of its incident, row by row."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ecs_trail.accuracy.figures import KindAccuracy
from ecs_trail.accuracy.finding_marks import compare_findings
from ecs_trail.accuracy.marks import Marks
from ecs_trail.practice import Incident
from ecs_trail.vocabulary import Basis, Confidence, TaskState

_NAMING: Final = frozenset({Confidence.CERTAIN, Confidence.LIKELY})
_HURT: Final = frozenset({TaskState.STUCK, TaskState.RECOVERED, TaskState.FAILED_TO_START})
#: Sections of the document whose rows name causes.
_CLAIMING: Final = ("tasks", "outages", "findings", "tls")
_OUTAGE_KEY: Final = ("role_arn", "purpose", "phase", "start")
_TLS_FACTS: Final = ("role_arn", "service_arn", "issued_at", "last_rotation_at", "deleted_at")

Json: TypeAlias = dict[str, Any]


def compare(document: Json, made: Incident, *, withheld: Collection[str] = ()) -> KindAccuracy:
    """Compare an investigation document with the answer of an incident. `withheld`: ids of records it did not see."""
    marks = Marks(made, withheld)
    answer = made.answer
    _compare_tasks(marks, document, answer)
    _compare_outages(marks, document["outages"], answer["outages"])
    compare_findings(marks, document["findings"], answer["findings"])
    _compare_rows(marks, _secrets(document["tls"]), answer["tls"], _TLS_FACTS)
    _compare_rest(marks, document, answer)
    _count_claims(marks, document, answer)
    return marks.result


def _compare_tasks(marks: Marks, document: Json, answer: Json) -> None:
    rows = {row["task_arn"]: row for row in document["tasks"]}
    outages = {row["id"]: row for row in document["outages"]}
    _compare_rows(marks, rows, answer["tasks"], ("at_risk", "stop_started_at", "resolved_at", "volume_ids"))
    for arn, wanted in answer["tasks"].items():
        if arn in rows and "outage" not in wanted["unsure"]:
            outage = outages.get(rows[arn]["outage_id"])
            got = outage and {name: outage[name] for name in _OUTAGE_KEY}
            marks.same("facts", ("outage", arn), got, wanted["outage"], rows[arn])


def _compare_rows(marks: Marks, rows: Mapping[str, Json], answers: Mapping[str, Json], facts: tuple[str, ...]) -> None:
    """Tasks or secrets, by ARN."""
    for arn in sorted({*rows, *answers}):
        row, wanted = rows.get(arn), answers.get(arn)
        unsure = set(wanted.get("unsure", ())) if wanted else set()
        if "state" not in unsure:
            marks.same("states", ("state", arn), row and row["state"], wanted and wanted["state"], row)
        if row is None or wanted is None:
            continue
        got, known = row["cause_event_ids"], wanted["cause_event_ids"]
        if "cause_event_ids" not in unsure and (got or known or {row["state"], wanted["state"]} & _HURT):
            marks.same("first_causes", ("first cause", arn), got[:1], known[:1], row)
            marks.same("causes", ("causes", arn), got, known, row)
        if wanted["state"] == TaskState.STOPPED:
            # The answer keeps this time for tasks that were blocked.
            unsure.add("resolved_at")
        for name in facts:
            if name not in unsure:
                marks.same("facts", (name, arn), row[name], wanted[name], row)


def _compare_outages(marks: Marks, rows: Sequence[Json], answers: Sequence[Json]) -> None:
    mine, theirs = ({tuple(row[name] for name in _OUTAGE_KEY): row for row in some} for some in (rows, answers))
    # Where a call was denied through the same changes in any phase, these changes did bite.
    witnessed = [(row["role_arn"], row["cause_event_ids"]) for row in rows if Basis.DENIED_CALLS in row["basis"]]
    for key in sorted({*mine, *theirs}):
        row, wanted = mine.get(key), theirs.get(key)
        name = "the {1} {2} outage of {0} from {3}".format(*key)
        if row is None and wanted is not None and wanted.get("maybe", False):
            continue
        marks.same("bounds", ("start", name), row and key[-1], wanted and key[-1], row)
        if row is None or wanted is None:
            continue
        if wanted.get("maybe", False) and (row["role_arn"], row["cause_event_ids"]) not in witnessed:
            marks.same("facts", ("confidence", name), row["confidence"], Confidence.POSSIBLE, row)
        for figure, one in (("bounds", "end"), ("causes", "cause_event_ids"), ("facts", "restore_event_ids")):
            if one not in wanted.get("unsure", ()):
                marks.same(figure, (one, name), row[one], wanted[one], row)


def _compare_rest(marks: Marks, document: Json, answer: Json) -> None:
    rows = {row["volume_id"]: row for row in document["volumes"]}
    for volume, wanted in answer["volumes"].items():
        row = rows.get(volume)
        for name in ("task_arn", "deleted_at", "deleted_by"):
            marks.same("facts", (name, volume), row and row[name], wanted[name], row)
    whole = "the whole incident"
    refused = sorted(row["event_id"] for row in document["pass_role_denials"])
    marks.same("facts", ("pass_role_denials", whole), refused, sorted(answer["pass_role_denials"]))
    marks.same("facts", ("as_of", whole), document["as_of"], answer["as_of"])
    marks.same("facts", ("roles", whole), sorted(row["role_arn"] for row in document["roles"]), answer["roles"])


def _count_claims(marks: Marks, document: Json, answer: Json) -> None:
    harmless = set(answer["harmless_event_ids"])
    for section in _CLAIMING:
        for row in document[section]:
            blamed = sorted(harmless.intersection(row["cause_event_ids"]))
            if marks.withheld and not _is_firm(row):
                continue  # what makes the change harmless may be among the records held back
            marks.result.blamed += len(blamed)
            if blamed:
                marks.miss(("harmless change blamed", _subject(row)), blamed, [], row)
    for subject, row, wrong, allowed in unfounded(document, answer):
        marks.result.unfounded += len(wrong)
        marks.miss(("unfounded cause", subject), wrong, allowed, row)


def unfounded(document: Json, answer: Json) -> list[tuple[str, Json, list[str], list[str]]]:
    """Claims of a document that its answer does not bear out: subject, row, wrong cause ids, causes of the answer.

    A claim is a cause named with confidence `certain` or `likely`, or without a confidence. A task and a secret may
    only name causes of their own; an outage and a finding any cause the answer knows.
    """
    every = [*answer["tasks"].values(), *answer["tls"].values(), *answer["outages"], *answer["findings"]]
    anywhere = {event_id for row in every for event_id in row["cause_event_ids"]}
    own = {
        subject: set(row["cause_event_ids"])
        for subject, row in [*answer["tasks"].items(), *answer["tls"].items()]
        if "cause_event_ids" not in row.get("unsure", ())
    }
    found = []
    for row in (row for section in _CLAIMING for row in document[section]):
        allowed = own.get(_subject(row), anywhere)
        wrong = [event_id for event_id in row["cause_event_ids"] if event_id not in allowed]
        if wrong and _is_firm(row):
            found.append((_subject(row), row, wrong, sorted(allowed)))
    return found


def _is_firm(row: Json) -> bool:
    return row.get("confidence", Confidence.CERTAIN) in _NAMING


def _subject(row: Json) -> str:
    """What a row is about: the ARN of a task, ARN or name of a secret, else the id of the outage or finding."""
    names = ("task_arn", "secret_arn", "secret_name", "id")
    return next(str(row[name]) for name in names if row.get(name))


def _secrets(rows: Sequence[Json]) -> dict[str, Json]:
    """Rows by ARN, or by name where the ARN is unknown."""
    return {row["secret_arn"] or row["secret_name"]: row for row in rows}
