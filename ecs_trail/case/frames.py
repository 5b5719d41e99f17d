"""One investigation: evidence and task states in, every frame out, each computed once.

The only place where evidence and analysis meet.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import pandas as pd

from ecs_trail.analysis.conduct.actors import actors
from ecs_trail.analysis.conduct.integrity import INTEGRITY_FAILURES, integrity_gaps
from ecs_trail.analysis.conduct.persons import impersonations, secret_reads
from ecs_trail.analysis.conduct.trails import LOGGING_GAPS, logging_gaps
from ecs_trail.analysis.findings.table import findings
from ecs_trail.analysis.launches import launch_failures, pass_role_denials
from ecs_trail.analysis.leaks.inventory import leaks, narrowed, with_absences, with_leaks
from ecs_trail.analysis.links.judging import finished_volumes, links
from ecs_trail.analysis.outside import outside_causes, outside_changes
from ecs_trail.analysis.purposes.blocks import blocked_work
from ecs_trail.analysis.purposes.calls import purpose_calls
from ecs_trail.analysis.roles import tables
from ecs_trail.analysis.roles.contradictions import contradictions
from ecs_trail.analysis.roles.history import RoleHistory, role_history
from ecs_trail.analysis.roles.judged import ROLE_CHANGES, role_changes
from ecs_trail.analysis.roles.keys import key_outages
from ecs_trail.analysis.roles.losses import GRACE
from ecs_trail.analysis.roles.standing import role_abilities
from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.analysis.scope import role_uses, scope_of, trim
from ecs_trail.analysis.tasks.lives import task_lives
from ecs_trail.analysis.tls import tls, tls_calls, tls_steps
from ecs_trail.analysis.volumes import VOLUMES, volume_calls, volumes
from ecs_trail.arns import role_key
from ecs_trail.case.focus import Focus
from ecs_trail.case.saved import SavedStates
from ecs_trail.coverage import evidence_summary
from ecs_trail.evidence.integrity.verdict import Integrity
from ecs_trail.evidence.sources.base import Evidence
from ecs_trail.frames import rows, to_frame
from ecs_trail.times import Window
from ecs_trail.views.secrets import scrub, scrub_value

_BLAME: Final = ("role_arn", "cause_event_ids")
STUCK_AFTER: Final = timedelta(minutes=10)


def _scrubbed(state: Snapshot) -> Snapshot:
    return replace(
        state,
        trust=None if state.trust is None else scrub(state.trust),
        inline=tuple((name, text and scrub(text)) for name, text in state.inline),
        documents=tuple((arn, version, scrub(text), default) for arn, version, text, default in state.documents),
    )


class CaseFrames(SavedStates):
    """The frames of one investigation, each computed once from the evidence and the frames before it."""

    def __init__(  # noqa: PLR0913 - what an investigation was asked, each by name
        self,
        evidence: Evidence,
        *,
        window: Window | None = None,
        focus: Focus | None = None,
        snapshots: Sequence[Snapshot] = (),
        as_of: datetime | None = None,
        stuck_after: timedelta = STUCK_AFTER,
        grace: timedelta = GRACE,
        integrity: Integrity | None = None,
        unredacted: bool = False,
    ) -> None:
        """Hold the evidence; nothing is judged before a frame is asked for.

        `integrity` is the verdict on the evidence itself, where it was verified. `unredacted` leaves tokens, keys and
        passwords of the records in the frames; by default none enters them.
        """
        super().__init__(evidence, window=window or Window(), as_of=as_of, unredacted=unredacted)
        self.focus = focus or Focus()
        self.stuck_after = stuck_after
        self.grace = grace
        self.snapshots = snapshots if unredacted else [_scrubbed(one) for one in snapshots]
        self.integrity = integrity
        #: Calls that opened the sessions behind role changes, where they were looked for (`case.chains`).
        self.openings: pd.DataFrame | None = None

    # -- evidence -----------------------------------------------------------------------------------------------

    @cached_property
    def events(self) -> pd.DataFrame:
        """The selected events (`EVENT_SCHEMA`), trimmed to what this investigation is about, in causal order."""
        # The working frame keeps the row numbers of the evidence.
        return self._shown(to_frame(self.evidence.events.take(self._events.index.to_numpy())))

    @property
    def _events(self) -> pd.DataFrame:
        """The same without the raw records, which no analysis needs."""
        return self._read["events"]

    @cached_property
    def volume_calls(self) -> pd.DataFrame:
        """Every call on an ECS-managed volume, one row per call and volume."""
        return self._read["volume_calls"]

    @cached_property
    def role_uses(self) -> pd.DataFrame:
        """How each infrastructure role is known, and where ECS works with it."""
        return self._read["role_uses"]

    @cached_property
    def as_of(self) -> datetime:
        """The moment everything is judged at, UTC: as given, else the newest event, task state or log-file stamp."""
        if self._as_of is not None:
            return self._as_of
        newest = [
            moment for moment in (self.receipt.newest_stamp, self._newest("events"), self._newest_state()) if moment
        ]
        latest = max(newest, default=datetime(1970, 1, 1, tzinfo=UTC))
        return min(latest, self.window.end) if self.window.end is not None else latest

    @cached_property
    def _read(self) -> dict[str, pd.DataFrame]:
        events = self._shown(to_frame(self.evidence.events.drop_columns(["raw"])))
        if self._as_of is not None:
            events = events[events["event_time"] <= pd.Timestamp(self._as_of)]
        if self.focus.account is not None:
            mine = (events["account_id"] == self.focus.account) | (
                events["event_source"] == "organizations.amazonaws.com"
            )
            events = events[mine.fillna(value=False)]
        calls = volume_calls(events, self.task_states)
        named = [arn for arn in (self.focus.role_in(events), *(one.role_arn for one in self.snapshots)) if arn]
        uses = role_uses(events, calls, self.task_states, named, service_states=self.service_states)
        uses = self.focus.narrowed(uses)
        policies = [arn for one in self.snapshots for arn in (*one.attached, one.boundary) if arn]
        return {
            "events": trim(events, scope_of(events, uses, calls, policies), calls),
            "volume_calls": calls,
            "role_uses": uses,
        }

    # -- what happened --------------------------------------------------------------------------------------------

    @cached_property
    def history(self) -> RoleHistory:
        """The roles over time, replayed."""
        return role_history(self._events, self.role_uses, self.volume_calls, snapshots=self.snapshots, grace=self.grace)

    @cached_property
    def role_changes(self) -> pd.DataFrame:
        """Every IAM or Organizations write that names or reaches an infrastructure role, judged."""
        return role_changes(self.history)

    @cached_property
    def changes(self) -> pd.DataFrame:
        """The role changes and, beside them, the blamed changes of tags, keys, certificate authorities and secrets."""
        blamed: dict[str, list[str]] = defaultdict(list)
        for row in (*rows(self.tasks, _BLAME), *rows(self.tls, _BLAME)):
            for event_id in row["cause_event_ids"]:
                if row["role_arn"] and row["role_arn"] not in blamed[event_id]:
                    blamed[event_id].append(row["role_arn"])
        outside = outside_causes(self.outside_changes, self.volume_calls, blamed)
        both = [*rows(self.role_changes), *outside]
        return ROLE_CHANGES.frame(sorted(both, key=lambda one: one["event_time"]) if outside else both)

    @cached_property
    def role_states(self) -> pd.DataFrame:
        """What every role was over time."""
        return tables.role_states(self.history)

    @cached_property
    def roles(self) -> pd.DataFrame:
        """Every infrastructure role as it was at `as_of`."""
        return tables.roles(self.history, self.as_of)

    @cached_property
    def outages(self) -> pd.DataFrame:
        """Spans in which ECS could not do all it needs, by role, purpose and phase."""
        return tables.outages(self.history)

    @cached_property
    def losses(self) -> pd.DataFrame:
        """The single actions lost inside outages, by place."""
        return tables.losses(self.history)

    @cached_property
    def role_abilities(self) -> pd.DataFrame:
        """How every role stood for each purpose, from the first selected event to `as_of`."""
        first = self._events["event_time"].min() if len(self._events) else self.as_of
        since = min(pd.Timestamp(first), pd.Timestamp(self.as_of)).to_pydatetime()
        return role_abilities(self.history, rows(self.outages), since, self.as_of)

    @cached_property
    def contradictions(self) -> pd.DataFrame:
        """Calls of ECS that ended otherwise than the replayed policies say: something outside the evidence acts."""
        return contradictions(self.history, self.grace)

    @cached_property
    def outside_changes(self) -> pd.DataFrame:
        """Writes of others to keys, certificate authorities and secrets."""
        return outside_changes(self._events)

    @cached_property
    def key_outages(self) -> pd.DataFrame:
        """Spans in which an encryption key could not be used."""
        return key_outages(self._events, list(self.history.arns.values()))

    @cached_property
    def task_lives(self) -> pd.DataFrame:
        """Launch, provisioning and stop of every task that depends on an infrastructure role."""
        lives = task_lives(self._events, self.volume_calls, self._volumes, self.task_states)
        for column, wanted in (("region", self.focus.region), ("cluster", self.focus.cluster)):
            if wanted is not None:
                lives = lives[(lives[column] == wanted).fillna(value=False)]
        if self.focus.role is not None:
            keys = set(self.history.arns)
            lives = lives.loc[[role_key(arn) in keys for arn in lives["role_arn"].to_list()]]
        return lives

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """Tasks with state, block, outage, causes and confidence."""
        frames = {
            "task_lives": self.task_lives,
            "volumes": self._volumes,
            "volume_calls": self.volume_calls,
            "losses": self.losses,
            "tag_needs": tables.tag_needs(self.history),
            "key_outages": self.key_outages,
            "logging_gaps": self._blind_spots,
        }
        return links(frames, as_of=self.as_of, stuck_after=self.stuck_after, grace=self.grace)

    @cached_property
    def _volumes(self) -> pd.DataFrame:
        found = volumes(self.volume_calls, self.task_states)
        return (
            found
            if self.volume_states.empty
            else VOLUMES.frame(with_absences(found, self.volume_states, self.volume_calls))
        )

    @cached_property
    def _judged_volumes(self) -> pd.DataFrame:
        found = finished_volumes(self._volumes, self.tasks, self.task_lives, self.volume_calls)
        shown = set(self.task_lives["task_arn"].to_list())
        is_whole = self.focus == Focus()
        return VOLUMES.frame(one for one in found if is_whole or one["task_arn"] in shown)

    @cached_property
    def volumes(self) -> pd.DataFrame:
        """Lifecycles of ECS-managed volumes, with their final state."""
        if self.leaks.empty:
            return self._judged_volumes
        return VOLUMES.frame(with_leaks(self._judged_volumes, self.leaks))

    @cached_property
    def leaks(self) -> pd.DataFrame:
        """Volumes left behind by tasks that are gone: age, size, rough monthly cost, and how that is known."""
        names = ("tasks", "task_states", "missing_tasks", "volume_states")
        frames = {name: getattr(self, name) for name in names} | {"volumes": self._judged_volumes}
        return narrowed(leaks(frames, self.as_of), **vars(self.focus))

    @cached_property
    def tls(self) -> pd.DataFrame:
        """Service Connect secrets: issue, rotation, deletion, and what blocked them."""
        found = tls(self._events, self._tls_calls, self.losses, self.key_outages, as_of=self.as_of, grace=self.grace)
        if self.focus.role is None:
            return found
        return found.loc[[role_key(arn) in self.history.arns for arn in found["role_arn"].to_list()]]

    @cached_property
    def _tls_calls(self) -> pd.DataFrame:
        return tls_calls(self._events)

    @cached_property
    def tls_steps(self) -> pd.DataFrame:
        """Issues, rotations and deletions of certificates, the calls of each gathered into one step."""
        return tls_steps(self._events, self._tls_calls, as_of=self.as_of)

    @cached_property
    def pass_role_denials(self) -> pd.DataFrame:
        """Launches refused because the caller may not pass the role."""
        return pass_role_denials(self._events)

    @cached_property
    def purpose_calls(self) -> pd.DataFrame:
        """ECS's calls for targets, listeners and Managed Instances, and under unknown session names."""
        return purpose_calls(self._events, list(self.history.arns.values()))

    @cached_property
    def blocked_work(self) -> pd.DataFrame:
        """What ECS was refused, or did only in part, for these purposes, and through which outage."""
        return blocked_work(self.purpose_calls, self.losses, as_of=self.as_of, grace=self.grace)

    @cached_property
    def launch_failures(self) -> pd.DataFrame:
        """Launches with an infrastructure role that ECS answered with failures, and those like them that worked."""
        return launch_failures(self._events)

    @cached_property
    def actors(self) -> pd.DataFrame:
        """Who wrote to the roles: through what, from where, and who stood behind the session."""
        return actors(self._events, self.role_changes, self.openings)

    @cached_property
    def impersonations(self) -> pd.DataFrame:
        """Sessions under an ECS session name that ECS did not hold."""
        return impersonations(self._events, self.role_uses, only_known=self.focus.role is not None)

    @cached_property
    def secret_reads(self) -> pd.DataFrame:
        """Service Connect secrets read by others than ECS."""
        return secret_reads(self._events)

    @cached_property
    def logging_gaps(self) -> pd.DataFrame:
        """Spans in which a trail recorded less than it could."""
        return logging_gaps(self._events)

    @cached_property
    def integrity_failures(self) -> pd.DataFrame:
        """Log files and digests that were altered, deleted or moved; empty where nothing was verified."""
        return INTEGRITY_FAILURES.frame([] if self.integrity is None else self.integrity.failure_rows())

    @property
    def _blind_spots(self) -> pd.DataFrame:
        """The logging gaps, and beside them the spans that no proven digest covers."""
        if self.integrity is None:
            return self.logging_gaps
        unproven = integrity_gaps(self.integrity.gap_rows())
        return LOGGING_GAPS.frame([*rows(self.logging_gaps), *rows(unproven)])

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What a person must know first, the most urgent first."""
        return findings(self._frames(), self.as_of)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _frames(self) -> dict[str, pd.DataFrame]:
        names = ("roles", "changes", "role_changes", "role_states", "outages", "tasks", "volumes", "tls")
        more = (
            "leaks",
            "pass_role_denials",
            "contradictions",
            "outside_changes",
            "volume_calls",
            "blocked_work",
            "launch_failures",
        )
        conduct = ("actors", "impersonations", "secret_reads", "logging_gaps", "integrity_failures")
        frames = {name: getattr(self, name) for name in (*names, *more, *conduct)}
        return frames | {"deleted_policies": tables.deleted_policies(self.history)}

    def _evidence(self) -> dict[str, Any]:
        summary = evidence_summary(
            self.receipt,
            events_selected=len(self._events),
            window=self.window,
            as_of=self.as_of,
            integrity=self.integrity,
        )
        return summary if self.unredacted else dict(scrub_value(summary))

    def _newest(self, name: str) -> datetime | None:
        times = self._read[name]["event_time"]
        return None if times.empty else times.max().to_pydatetime()
