"""How right the engine is, measured on practice incidents whose answer is known.

`measure` makes incidents, has them investigated through the public door and compares every row with the answer.
Fields an answer leaves open (`unsure`) are not compared; what it calls `maybe` may be absent, and needs `possible`
unless a call was denied through the same changes.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias

from ecs_trail.doors import investigate
from ecs_trail.errors import UsageError
from ecs_trail.event_names import IAM_CHANGE_RANKS
from ecs_trail.evidence.workers import map_ordered
from ecs_trail.practice import Incident, incident, write
from ecs_trail.vocabulary import Basis, Confidence, FindingKind, TaskState

#: The lowest share a figure may have.
MARK: Final = 0.995
#: Figure -> its head in the table. All are shares of right answers.
FIGURES: Final[Mapping[str, str]] = {
    "states": "states",
    "first_causes": "first cause",
    "causes": "causes",
    "bounds": "bounds",
    "precision": "precision",
    "recall": "recall",
    "facts": "other facts",
}
_NAMING: Final = frozenset({Confidence.CERTAIN, Confidence.LIKELY})
_KEPT: Final = "grants and changes of documents, trust and boundary"
_HURT: Final = frozenset({TaskState.STUCK, TaskState.RECOVERED, TaskState.FAILED_TO_START})
#: Findings the answers speak of; of a kind that is not listed they say nothing.
_TOLD_FINDINGS: Final = frozenset(
    {
        FindingKind.STUCK_TASKS,
        FindingKind.TASKS_AT_RISK,
        FindingKind.PROVISIONING_BLOCKED,
        FindingKind.PASS_ROLE_DENIED,
        FindingKind.TLS_BLOCKED,
    }
)
#: Sections of the document whose rows name causes.
_CLAIMING: Final = ("tasks", "outages", "findings", "tls")
_OUTAGE_KEY: Final = ("role_arn", "purpose", "phase", "start")
_TLS_FACTS: Final = ("role_arn", "service_arn", "issued_at", "last_rotation_at", "deleted_at")

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Miss:
    """One difference between an investigation and the answer. `subject`: the ARN, id or outage it is about."""

    kind: str
    seed: int
    what: str
    subject: str
    got: str
    wanted: str
    reason: str

    def __str__(self) -> str:
        """Two lines: what differs, and why as far as the investigation tells."""
        where = f"{self.kind} seed {self.seed}: {self.what} of {self.subject}"
        return f"{where}: got {self.got}, wanted {self.wanted}\n    {self.reason}"


@dataclass(slots=True)
class KindAccuracy:
    """The figures of one kind of incident.

    `right`, `total`: by figure (`FIGURES`); `blamed`: harmless changes named as a cause (firmly, where records are held
    back); `unfounded`: claims with confidence `certain` or `likely` that name a cause the answer does not.
    """

    kind: str
    incidents: int = 0
    right: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)
    blamed: int = 0
    unfounded: int = 0
    misses: list[Miss] = field(default_factory=list)

    def share(self, figure: str) -> float:
        """Right answers by all answers, 0 to 1; 1 where there was nothing to answer."""
        return self.right[figure] / self.total[figure] if self.total[figure] else 1.0

    def add(self, other: "KindAccuracy") -> None:
        """Take in the counts and misses of another."""
        self.incidents += other.incidents
        self.right += other.right
        self.total += other.total
        self.blamed += other.blamed
        self.unfounded += other.unfounded
        self.misses += other.misses


@dataclass(slots=True)
class AccuracyReport:
    """The figures of every kind, in the order asked for. `withhold`: the share of records that was held back."""

    rows: list[KindAccuracy]
    withhold: float = 0.0

    @property
    def overall(self) -> KindAccuracy:
        """All kinds together."""
        every = KindAccuracy("all")
        for row in self.rows:
            every.add(row)
        return every

    @property
    def misses(self) -> list[Miss]:
        """Every miss, kind by kind."""
        return [miss for row in self.rows for miss in row.misses]

    @property
    def passed(self) -> bool:
        """True when no harmless change is blamed, no claim is unfounded and every figure of every kind is at the mark.

        With records held back, answers may be missing, so there the shares do not count.
        """
        enough = self.withhold > 0 or all(row.share(figure) >= MARK for row in self.rows for figure in FIGURES)
        return enough and not any(row.blamed or row.unfounded for row in self.rows)

    def text(self) -> str:
        """The table, one row per kind, then every miss with its reason. Shares are in per cent, cut and not rounded."""
        width = max(len(row.kind) for row in [*self.rows, KindAccuracy("kind")])
        heads = ["incidents", *FIGURES.values(), "harmless blamed", "unfounded"]
        lines = [f"{'kind':<{width}}  " + "  ".join(heads)]
        for row in [*self.rows, self.overall]:
            shares = [_percent(row, figure) for figure in FIGURES]
            cells = [str(row.incidents), *shares, str(row.blamed), str(row.unfounded)]
            padded = (f"{cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True))
            lines.append(f"{row.kind:<{width}}  " + "  ".join(padded))
        if self.withhold:
            lines.append(
                f"\n{self.withhold:.0%} of the records were held back, {_KEPT} aside: only wrong claims are listed."
            )
        misses = self.misses
        lines.append(f"\n{len(misses)} misses." if misses else "\nNo miss.")
        return "\n".join([*lines, *map(str, misses)]) + "\n"


def _percent(row: KindAccuracy, figure: str) -> str:
    # "100.0" must mean that nothing was wrong, so the last digit is cut.
    return f"{int(1000 * row.share(figure)) / 10:.1f}" if row.total[figure] else "-"


def measure(kinds: Sequence[str], seeds: Iterable[int], *, withhold: float = 0.0, workers: int = 1) -> AccuracyReport:
    """Investigate one incident for every kind and seed and compare each with its answer.

    `withhold` (0 to 1) holds that share of the records back (`without` says which stay); then only wrong claims are
    misses, as what is not in the evidence cannot be known. Raises `UsageError` for an unknown kind or a share outside
    0 to 1.
    """
    if not 0 <= withhold < 1:
        raise UsageError(f"{withhold} is no share of the records.", hint="give a number from 0 to below 1, as in 0.1.")
    rows = {kind: KindAccuracy(kind) for kind in kinds}
    units = product(rows, tuple(seeds))
    for one in map_ordered(_measure_one, units, withhold, workers=workers):
        rows[one.kind].add(one)
    return AccuracyReport(list(rows.values()), withhold)


def _measure_one(unit: tuple[str, int], withhold: float) -> KindAccuracy:
    made = incident(*unit)
    shown = without(made, withhold)
    kept = {record["eventID"] for record in shown.records}
    withheld = [record["eventID"] for record in made.records if record["eventID"] not in kept]
    return compare(document_of(shown), made, withheld=withheld)


def without(made: Incident, share: float) -> Incident:
    """The incident with a share of its records held back, by kind and seed; grants stay: nothing else tells a swap."""
    dice = random.Random(f"withhold/{made.kind}/{made.seed}/{share}")  # noqa: S311 - a repeatable choice, no secret
    kept = [one for one in made.records if dice.random() >= share or IAM_CHANGE_RANKS.get(one["eventName"]) in {1, 2}]
    return replace(made, records=kept)


def document_of(made: Incident) -> Json:
    """The investigation of an incident, written as CloudTrail delivers it and judged at the `as_of` of its answer."""
    with tempfile.TemporaryDirectory(prefix="ecs-trail-") as folder:
        write(made, Path(folder))
        return investigate(folder, as_of=made.answer["as_of"]).document


def compare(document: Json, made: Incident, *, withheld: Collection[str] = ()) -> KindAccuracy:
    """Compare an investigation document with the answer of an incident. `withheld`: ids of records it did not see."""
    marks = _Marks(made, withheld)
    answer = made.answer
    _compare_tasks(marks, document, answer)
    _compare_outages(marks, document["outages"], answer["outages"])
    _compare_findings(marks, document["findings"], answer["findings"])
    _compare_rows(marks, {row["secret_arn"]: row for row in document["tls"]}, answer["tls"], _TLS_FACTS)
    _compare_rest(marks, document, answer)
    _count_claims(marks, document, answer)
    return marks.result


class _Marks:
    """The counts of one incident as they grow."""

    def __init__(self, made: Incident, withheld: Collection[str]) -> None:
        self.result = KindAccuracy(made.kind, incidents=1)
        self.seed = made.seed
        self.names = {record["eventID"]: f"{record['eventName']} {record['eventTime']}" for record in made.records}
        self.withheld = withheld
        self.harmless = set(made.answer["harmless_event_ids"])

    def same(self, figure: str, what: tuple[str, str], got: object, wanted: object, row: Json | None = None) -> None:
        """Count one answer; `what`: the field and whose it is; `row`: the row of the document, for the reason."""
        self.result.total[figure] += 1
        if got == wanted:
            self.result.right[figure] += 1
        elif not self.withheld:
            self.miss(what, got, wanted, row)

    def miss(self, what: tuple[str, str], got: object, wanted: object, row: Json | None = None) -> None:
        """Write down a miss with its reason."""
        reason = self._reason(got, wanted, row)
        told = self._told(got), self._told(wanted)
        self.result.misses.append(Miss(self.result.kind, self.seed, *what, *told, reason))

    def _told(self, value: object) -> str:
        if isinstance(value, (list, tuple, set, frozenset)):
            return "[" + ", ".join(self._told(one) for one in value) + "]"
        return f"{value} ({self.names[value]})" if isinstance(value, str) and value in self.names else str(value)

    def _events(self, value: object) -> set[str]:
        if isinstance(value, (list, tuple)):
            return set().union(*map(self._events, value))
        return {value} if isinstance(value, str) and value in self.names else set()

    def _reason(self, got: object, wanted: object, row: Json | None) -> str:
        parts = []
        mine, theirs = self._events(got), self._events(wanted)
        for words, ids in (
            ("a harmless change is named", mine & self.harmless),
            ("named without ground", mine - theirs - self.harmless),
            ("left out", theirs - mine),
            ("held back from the evidence", theirs & set(self.withheld)),
        ):
            if ids:
                parts.append(f"{words}: {self._told(sorted(ids))}")
        if mine and mine == theirs:
            parts.append("the order or what stands beside them differs")
        if row is None:
            return "; ".join([*parts, "no row of the investigation stands for it"])
        known = [(name, row[name]) for name in ("confidence", "basis", "state", "last_error") if row.get(name)]
        parts += [f"{name}: {', '.join(value) if isinstance(value, list) else value}" for name, value in known]
        return "; ".join(parts) or "the investigation gives no basis for it"


def _compare_tasks(marks: _Marks, document: Json, answer: Json) -> None:
    rows = {row["task_arn"]: row for row in document["tasks"]}
    outages = {row["id"]: row for row in document["outages"]}
    _compare_rows(marks, rows, answer["tasks"], ("at_risk", "stop_started_at", "resolved_at", "volume_ids"))
    for arn, wanted in answer["tasks"].items():
        if arn in rows and "outage" not in wanted["unsure"]:
            outage = outages.get(rows[arn]["outage_id"])
            got = outage and {name: outage[name] for name in _OUTAGE_KEY}
            marks.same("facts", ("outage", arn), got, wanted["outage"], rows[arn])


def _compare_rows(marks: _Marks, rows: Mapping[str, Json], answers: Mapping[str, Json], facts: tuple[str, ...]) -> None:
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


def _compare_outages(marks: _Marks, rows: Sequence[Json], answers: Sequence[Json]) -> None:
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


def _compare_findings(marks: _Marks, rows: Sequence[Json], answers: Sequence[Json]) -> None:
    mine, theirs = _members(rows), _members(answers)
    for cause, arn in sorted(mine):
        marks.same("precision", ("stuck_tasks", arn), [cause], [cause] if (cause, arn) in theirs else None)
    for cause, arn in sorted(theirs):
        marks.same("recall", ("stuck_tasks", arn), [cause] if (cause, arn) in mine else None, [cause])
    unsure = {row["kind"] for row in answers if "status" in row.get("unsure", ())}
    ours, known = _told_findings(rows, unsure), _told_findings(answers, unsure)
    for key in sorted({*ours, *known}, key=str):
        if key in ours or not known[key].get("maybe", False):
            got, told = (key if key in side else None for side in (ours, known))
            marks.same("facts", ("finding", key[0]), got, told, ours.get(key))


def _members(rows: Sequence[Json]) -> set[tuple[str, str]]:
    """Pairs of first cause ("" for none) and task: a task in the wrong finding is no member."""
    stuck = [row for row in rows if row["kind"] == FindingKind.STUCK_TASKS]
    return {("".join(row["cause_event_ids"][:1]), arn) for row in stuck for arn in row["task_arns"]}


def _told_findings(rows: Sequence[Json], unsure: Collection[str]) -> dict[tuple[Any, ...], Json]:
    """The findings answers speak of, by all they say; `unsure`: kinds whose status is left open."""
    found = {}
    for row in rows:
        if row["kind"] in _TOLD_FINDINGS:
            lists = (tuple(row.get(name, ())) for name in ("task_arns", "secret_arns", "cause_event_ids"))
            found[row["kind"], None if row["kind"] in unsure else row["status"], *lists] = row
    return found


def _compare_rest(marks: _Marks, document: Json, answer: Json) -> None:
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


def _count_claims(marks: _Marks, document: Json, answer: Json) -> None:
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
    """What a row is about: the ARN of a task or secret, else the id of the outage or finding."""
    return str(row.get("task_arn") or row.get("secret_arn") or row["id"])
