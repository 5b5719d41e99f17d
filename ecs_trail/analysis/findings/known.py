"""What findings are made from: the frames of a case as rows, with the look-ups they need, and the row they become."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from ecs_trail.arns import role_key
from ecs_trail.frames import RIVALS, STEPS, TEXT, TEXTS, TIME, FrameSpec, Row, Sheet, rows
from ecs_trail.vocabulary import (
    Confidence,
    FindingKind,
    Severity,
)

FINDINGS: Final = FrameSpec(
    name="findings",
    doc="One row per finding, the most urgent first.",
    key=("id",),
    columns={
        "id": TEXT,
        "kind": TEXT,
        "severity": TEXT,
        "status": TEXT,
        "title": TEXT,
        "role_arn": TEXT,
        "outage_id": TEXT,
        "cause_event_ids": TEXTS,
        "task_arns": TEXTS,
        "volume_ids": TEXTS,
        "secret_arns": TEXTS,
        "started_at": TIME,
        "ended_at": TIME,
        "confidence": TEXT,
        "basis": TEXTS,
        "explanation": TEXT,
        "evidence": TEXTS,
        "repair": STEPS,
        "rivals": RIVALS,
    },
)
ONGOING: Final = "ongoing"
RESOLVED: Final = "resolved"
_SEVERITIES: Final = {one: at for at, one in enumerate(Severity)}
_KINDS: Final = {one: at for at, one in enumerate(FindingKind)}
_CONFIDENCES: Final = {one: at for at, one in enumerate(Confidence)}


@dataclass(frozen=True)
class Known:
    """The frames findings are made from, as rows, with the look-ups they need."""

    tasks: Sequence[Row]
    volumes: Sequence[Row]
    leaks: Sequence[Row]
    tls: Sequence[Row]
    outages: Mapping[str, Row]
    roles: Mapping[tuple[str, str] | None, Row]
    changes: Mapping[str, Row]
    states: Mapping[tuple[str, str] | None, Sequence[Row]]
    denials: Sequence[Row]
    blocked_work: Sequence[Row]
    launches: Sequence[Row]
    key_changes: Mapping[str, Row]
    calls: Mapping[str, Row]
    contradictions: Mapping[str, Row]
    impersonations: Sequence[Row]
    secret_reads: Sequence[Row]
    logging_gaps: Sequence[Row]
    integrity_failures: Sequence[Row]
    gone_policies: Mapping[str, str | None]
    as_of: datetime

    @cached_property
    def _by_role(self) -> Mapping[tuple[str, str] | None, list[Row]]:
        found: dict[tuple[str, str] | None, list[Row]] = defaultdict(list)
        for change in self.changes.values():
            for role in {role_key(arn) for arn in change["role_arns"]}:
                found[role].append(change)
        return found

    def changes_of(self, role: tuple[str, str]) -> Sequence[Row]:
        """The changes that name or reach a role, in causal order."""
        return self._by_role.get(role, ())

    def trust_at(self, role: tuple[str, str], moment: datetime) -> Row | None:
        """The first of the states since which the trust policy said the same of ECS as at a moment; None: unknown."""
        fitting = [one for one in self.states.get(role, ()) if one["since"] is None or one["since"] <= moment]
        since = None
        for state in reversed(fitting):
            if since is not None and any(state[name] != since[name] for name in ("exists", "lets_ecs_assume")):
                break
            since = state
        return since

    def causes(self, blocked: Sequence[Row]) -> list[Row]:
        """The changes behind tasks or secrets as rows, oldest first, wherever they were made."""
        ids = dict.fromkeys(event for one in blocked for event in one["cause_event_ids"])
        found = [self.changes.get(one) or self.key_changes.get(one) or self.calls.get(one) for one in ids]
        return sorted((one for one in found if one is not None), key=lambda one: one["event_time"])


def known_from(frames: Mapping[str, Sheet], as_of: datetime) -> Known:
    """The frames of a case, by name, as rows and look-ups."""
    states: dict[tuple[str, str] | None, list[Row]] = defaultdict(list)
    for state in rows(frames["role_states"]):
        states[role_key(state["role_arn"])].append(state)
    return Known(
        tasks=rows(frames["tasks"]),
        volumes=rows(frames["volumes"]),
        leaks=rows(frames["leaks"]),
        tls=rows(frames["tls"]),
        outages={row["id"]: row for row in rows(frames["outages"])},
        roles={role_key(row["role_arn"]): row for row in rows(frames["roles"])},
        changes={row["event_id"]: row for row in rows(frames["role_changes"])},
        states=states,
        denials=rows(frames["pass_role_denials"]),
        blocked_work=rows(frames["blocked_work"]),
        launches=rows(frames["launch_failures"]),
        key_changes={row["event_id"]: row for row in rows(frames["outside_changes"])},
        calls={row["event_id"]: row for row in rows(_tag_writes(frames["volume_calls"]))},
        contradictions={row["event_id"]: row for row in rows(frames["contradictions"])},
        impersonations=rows(frames["impersonations"]),
        secret_reads=rows(frames["secret_reads"]),
        logging_gaps=rows(frames["logging_gaps"]),
        integrity_failures=rows(frames["integrity_failures"]),
        gone_policies={row["policy_arn"]: row["document"] for row in rows(frames["deleted_policies"])},
        as_of=as_of,
    )


def _tag_writes(calls: Sheet) -> Sheet:
    """The only volume calls that can be causes."""
    return calls.where(event_name=("CreateTags", "DeleteTags"))


def finding_row(kind: FindingKind, severity: Severity, status: str, **more: Any) -> Row:
    """A finding with its empty parts filled in."""
    base: Row = {
        "kind": kind.value,
        "severity": severity.value,
        "status": status,
        "cause_event_ids": [],
        "task_arns": [],
        "volume_ids": [],
        "secret_arns": [],
        "repair": [],
        "rivals": [],
        "basis": [],
        "evidence": [],
    }
    return base | more
