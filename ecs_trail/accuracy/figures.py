"""The figures of an accuracy report: shares of right answers kind by kind, finding by finding, and every miss."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ecs_trail.vocabulary import FindingKind

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
KEPT: Final = "grants and changes of documents, trust and boundary"

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
    #: findings of the investigations and those of them that are right, by kind of finding
    named: Counter[str] = field(default_factory=Counter)
    borne_out: Counter[str] = field(default_factory=Counter)
    #: findings of the answers and those of them that were found, by kind of finding
    expected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)

    def share(self, figure: str) -> float:
        """Right answers by all answers, 0 to 1; 1 where there was nothing to answer."""
        return self.right[figure] / self.total[figure] if self.total[figure] else 1.0

    def precision(self, kind: str) -> float:
        """Right findings of a kind by those named; 1 where none was named."""
        return self.borne_out[kind] / self.named[kind] if self.named[kind] else 1.0

    def recall(self, kind: str) -> float:
        """Found findings of a kind by those expected; 1 where none was expected."""
        return self.found[kind] / self.expected[kind] if self.expected[kind] else 1.0

    def add(self, other: "KindAccuracy") -> None:
        """Take in the counts and misses of another."""
        self.incidents += other.incidents
        for name in ("right", "total", "named", "borne_out", "expected", "found"):
            getattr(self, name).update(getattr(other, name))
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
        """True when no harmless change is blamed, no claim is unfounded and every figure of every kind is at the mark,
        and so is every kind of finding over all incidents.

        With records held back, answers may be missing, so there the shares do not count.
        """
        enough = self.withhold > 0 or all(row.share(figure) >= MARK for row in self.rows for figure in FIGURES)
        every = self.overall
        whole = self.withhold > 0 or all(min(every.precision(kind), every.recall(kind)) >= MARK for kind in FindingKind)
        return enough and whole and not any(row.blamed or row.unfounded for row in self.rows)

    def _findings(self) -> list[str]:
        """A table with one row per kind of finding, over all kinds of incident."""
        every, width = self.overall, max(map(len, FindingKind))
        lines = [f"{'finding':<{width}}  expected  named  precision  recall"]
        for kind in FindingKind:
            precision = _cut(every.borne_out[kind], every.named[kind])
            recall = _cut(every.found[kind], every.expected[kind])
            counts = f"{every.expected[kind]:>8}  {every.named[kind]:>5}"
            lines.append(f"{kind:<{width}}  {counts}  {precision:>9}  {recall:>6}")
        return lines

    def text(self) -> str:
        """Incidents by kind, findings by kind, then every miss with its reason. Per cent are cut, not rounded."""
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
                f"\n{self.withhold:.0%} of the records were held back, {KEPT} aside: only wrong claims are listed."
            )
        lines += ["", *self._findings()]
        misses = self.misses
        lines.append(f"\n{len(misses)} misses." if misses else "\nNo miss.")
        return "\n".join([*lines, *map(str, misses)]) + "\n"


def _percent(row: KindAccuracy, figure: str) -> str:
    return _cut(row.right[figure], row.total[figure])


def _cut(right: int, total: int) -> str:
    # "100.0" must mean that nothing was wrong, so the last digit is cut.
    return f"{1000 * right // total / 10:.1f}" if total else "-"
