"""The counts of one incident as they grow, and the reason of every miss."""

from collections.abc import Collection
from typing import Any, TypeAlias

from ecs_trail.accuracy.figures import KindAccuracy, Miss
from ecs_trail.practice import Incident
from ecs_trail.vocabulary import Confidence

Json: TypeAlias = dict[str, Any]


class Marks:
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

    def finding(self, kind: str, got: Json | None, wanted: Json | None, *, side: str = "") -> None:
        """Count one finding that was named, or expected, or both. `side`: count `precision` or `recall` only."""
        right = got is not None and wanted is not None
        if got is not None and side != "recall":
            self.result.named[kind] += 1
            self.result.borne_out[kind] += right
        if wanted is not None and side != "precision":
            self.result.expected[kind] += 1
            self.result.found[kind] += right
        figures = {"precision": got is not None, "recall": wanted is not None}
        for figure in (name for name, counts in figures.items() if counts and side in {"", name}):
            self.result.total[figure] += 1
            self.result.right[figure] += right
        if not right and not self.withheld:
            subject = got["id"] if got is not None else f"the expected {kind}"
            self.miss((kind, subject), got and self._brief(got), wanted and self._brief(wanted), got)

    def accused(self, row: Json) -> None:
        """A finding about people that nothing bears out is a wrong claim, also where records are held back."""
        if self.withheld and row["confidence"] != Confidence.POSSIBLE:
            self.result.unfounded += 1
            self.miss((f"unfounded {row['kind']}", row["id"]), self._brief(row), None, row)

    @staticmethod
    def _brief(row: Json) -> list[str]:
        names = ("status", "role_arn", "task_arns", "secret_arns", "volume_ids", "cause_event_ids", "event_ids")
        parts = [(name, row[name]) for name in names if row.get(name)]
        return [one for _, value in parts for one in (value if isinstance(value, list) else [value])]

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
