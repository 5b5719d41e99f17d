"""The practice range: whole incidents as CloudTrail writes them, with their known answer.

It shares no code with the analysis. A small world (`world`, `iam`, `agent`, `volumes`, `fleet`, `tls`) is simulated;
the answer comes from what happened in it, the records from what CloudTrail would have shown of it. One seed gives one
incident, on every machine.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_trail.errors import UsageError
from ecs_trail.practice.answers import answer
from ecs_trail.practice.delivery import write_files, write_task_files
from ecs_trail.practice.dice import Dice
from ecs_trail.practice.kinds import FAR, PLOTS
from ecs_trail.practice.sample import sample_answer, write_sample
from ecs_trail.practice.stage import Stage

__all__ = ["Incident", "incident", "kinds", "run", "sample_answer", "write", "write_answer", "write_sample"]


@dataclass(frozen=True, slots=True)
class Incident:
    """One whole incident.

    `records`: CloudTrail records as received, in random order, each event once. `task_files`: file name -> saved task
    state (`DescribeTasks` output or an EventBridge event). `answer`: schema `ecs-trail/answer/1`; its `as_of` is that
    of the written files, so readers of `records` alone pass it on as theirs. `harmless_event_ids`: changes that must
    never be named as a cause.
    """

    kind: str
    seed: int
    title: str
    records: list[dict[str, Any]]
    task_files: dict[str, dict[str, Any]]
    answer: dict[str, Any]
    harmless_event_ids: tuple[str, ...]


def kinds() -> tuple[str, ...]:
    """Names of all kinds of incident."""
    return tuple(PLOTS)


def incident(kind: str, seed: int) -> Incident:
    """Make the incident of a kind and seed. Raises `UsageError` for an unknown kind."""
    plot = PLOTS.get(kind)
    if plot is None:
        raise UsageError(f"'{kind}' is no kind of practice incident.", hint=f"choose one of: {', '.join(PLOTS)}.")
    stage = Stage(kind, seed, anywhere=kind in FAR)
    plot(stage)
    records, truth = stage.finish()
    known = answer(truth)
    stage.dice.shuffle(records)
    title = (plot.__doc__ or kind).strip()
    return Incident(kind, seed, title, records, stage.task_files, known, tuple(stage.harmless))


def write(made: Incident, folder: Path, *, late: bool = True, duplicated: bool = True, shuffled: bool = True) -> None:
    """Write the evidence in the layout of a trail's bucket (`AWSLogs/…`) and saved task states beside it.

    `late`: some records come half an hour after the others; `duplicated`: some are delivered twice; `shuffled`: files
    are unsorted inside. The answer is never written here.
    """
    dice = Dice(f"delivery/{made.kind}/{made.seed}")
    write_files(list(made.records), folder, dice, late=late, duplicated=duplicated, shuffled=shuffled)
    write_task_files(made.task_files, folder)


def write_answer(made: Incident, path: Path) -> None:
    """Write the known answer as JSON to a file, which should lie outside the evidence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made.answer, indent=2) + "\n", encoding="utf-8")


def run(seed: int, kind: str, output: Path) -> Incident:
    """Write an incident to `output/evidence` and its answer to `output/answer.json`; what `ecs-trail practice` does."""
    made = incident(kind, seed)
    write(made, output / "evidence")
    write_answer(made, output / "answer.json")
    return made
