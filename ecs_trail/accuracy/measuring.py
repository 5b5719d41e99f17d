"""Practice incidents made, investigated through the public door and compared, one by one or by several workers."""

import random
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from ecs_trail.accuracy.comparing import compare
from ecs_trail.accuracy.figures import AccuracyReport, KindAccuracy
from ecs_trail.doors import investigate
from ecs_trail.errors import UsageError
from ecs_trail.event_names import IAM_CHANGE_RANKS
from ecs_trail.evidence.workers import map_ordered
from ecs_trail.practice import Incident, incident, write

Json: TypeAlias = dict[str, Any]


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
