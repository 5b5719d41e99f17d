"""The frames of a case that people take along, each with its shape and the meaning of its columns."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from ecs_trail.analysis.conduct.actors import ACTORS
from ecs_trail.analysis.conduct.persons import IMPERSONATIONS, SECRET_READS
from ecs_trail.analysis.conduct.trails import LOGGING_GAPS
from ecs_trail.analysis.findings.known import FINDINGS
from ecs_trail.analysis.launches import LAUNCH_FAILURES, PASS_ROLE_DENIALS
from ecs_trail.analysis.leaks.inventory import LEAKS
from ecs_trail.analysis.links.judging import TASKS
from ecs_trail.analysis.outside import OUTSIDE_CHANGES
from ecs_trail.analysis.purposes.blocks import BLOCKED_WORK
from ecs_trail.analysis.roles.contradictions import CONTRADICTIONS
from ecs_trail.analysis.roles.judged import ROLE_CHANGES
from ecs_trail.analysis.roles.tables import OUTAGES, ROLE_STATES, ROLES
from ecs_trail.analysis.tls.secrets import TLS
from ecs_trail.analysis.tls.steps import TLS_STEPS
from ecs_trail.analysis.volumes import VOLUME_CALLS, VOLUMES
from ecs_trail.case.frames import CaseFrames
from ecs_trail.evidence.tasks import TASK_STATES
from ecs_trail.frames import FrameSpec
from ecs_trail.schema import EVENT_COLUMNS
from ecs_trail.views.folder import Table
from ecs_trail.views.meanings import MEANINGS
from ecs_trail.views.redact import redact

EVENTS: Final = FrameSpec(
    name="events",
    doc="The events of CloudTrail the investigation stands on.",
    key=("event_id",),
    columns={name: kind for name, (kind, _) in EVENT_COLUMNS.items()},
)
CHANGES: Final = FrameSpec(
    name="changes",
    doc="Changes of roles, and the changes of tags, keys, certificate authorities and secrets that are blamed.",
    key=ROLE_CHANGES.key,
    columns=ROLE_CHANGES.columns,
)
#: Attribute of a case -> its shape.
SPECS: Final = {
    "findings": FINDINGS,
    "tasks": TASKS,
    "volumes": VOLUMES,
    "tls": TLS,
    "tls_steps": TLS_STEPS,
    "leaks": LEAKS,
    "outages": OUTAGES,
    "changes": CHANGES,
    "roles": ROLES,
    "role_states": ROLE_STATES,
    "pass_role_denials": PASS_ROLE_DENIALS,
    "launch_failures": LAUNCH_FAILURES,
    "actors": ACTORS,
    "contradictions": CONTRADICTIONS,
    "impersonations": IMPERSONATIONS,
    "secret_reads": SECRET_READS,
    "logging_gaps": LOGGING_GAPS,
    "outside_changes": OUTSIDE_CHANGES,
    "volume_calls": VOLUME_CALLS,
    "blocked_work": BLOCKED_WORK,
    "task_states": TASK_STATES,
    "events": EVENTS,
}


class LazyFrames(Mapping[str, pd.DataFrame]):
    """The frames of a case by name, each made when it is asked for. It lists those of `SPECS` and knows all others."""

    def __init__(self, case: CaseFrames) -> None:
        """Hold the case; nothing is computed yet."""
        self._case = case

    def __getitem__(self, name: str) -> pd.DataFrame:
        """A frame by its name, as `case.tasks` gives it. Raises `KeyError` for an unknown one."""
        found = getattr(self._case, name, None)
        if not isinstance(found, pd.DataFrame):
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        """The names of `SPECS`, and the losses that pictures are drawn from."""
        return iter((*SPECS, "losses"))

    def __len__(self) -> int:
        """How many frames are listed."""
        return len(SPECS) + 1


def tables(case: CaseFrames) -> list[Table]:
    """Every frame worth taking along, in a fixed order; the raw records stay behind."""
    return [Table(spec, getattr(case, name), MEANINGS) for name, spec in SPECS.items()]


def handout(
    case: CaseFrames, document: Mapping[str, Any], *, redacted: bool
) -> tuple[Mapping[str, Any], Mapping[str, pd.DataFrame]]:
    """What a writer of reports takes: a document and the frames, made on demand; `redacted` with pseudonyms in both."""
    frames = LazyFrames(case)
    return redact(document, frames) if redacted else (document, frames)
