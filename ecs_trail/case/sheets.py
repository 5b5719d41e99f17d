"""One investigation: evidence and task states in, every sheet out, each computed once.

The only place where evidence and analysis meet.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

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
from ecs_trail.arrays import whole_numbers
from ecs_trail.case.focus import Focus
from ecs_trail.case.saved import SavedStates
from ecs_trail.coverage import evidence_summary
from ecs_trail.evidence.sources.base import Evidence
from ecs_trail.frames import Sheet, rows
from ecs_trail.times import Window
from ecs_trail.views.secret_tables import scrub_table
from ecs_trail.views.secrets import scrub, scrub_value

if TYPE_CHECKING:
    from ecs_trail.evidence.integrity.verdict import Integrity

_BLAME: Final = ("role_arn", "cause_event_ids")
STUCK_AFTER: Final = timedelta(minutes=10)


def _scrubbed(state: Snapshot) -> Snapshot:
    return replace(
        state,
        trust=None if state.trust is None else scrub(state.trust),
        inline=tuple((name, text and scrub(text)) for name, text in state.inline),
        documents=tuple((arn, version, scrub(text), default) for arn, version, text, default in state.documents),
    )


class CaseSheets(SavedStates):
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
        integrity: "Integrity | None" = None,
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
        self.openings: Sheet | None = None

    # -- evidence -----------------------------------------------------------------------------------------------

    @property
    def events_read(self) -> Sheet:
        """All selected events, those that have nothing to do with this investigation included."""
        return self._shown(self.evidence.events)

    @cached_property
    def whole_events(self) -> Sheet:
        """The events with their raw records, secret material taken out: all of it leaves in one piece."""
        events = self.evidence.events.take(whole_numbers(self.events.places))
        return Sheet.of_table(events if self.unredacted else scrub_table(events))

    @property
    def events(self) -> Sheet:
        """The selected events, trimmed to what this investigation is about, in causal order, without raw records, which
        no analysis needs.
        """
        return self._read["events"]

    @cached_property
    def volume_calls(self) -> Sheet:
        """Every call on an ECS-managed volume, one row per call and volume."""
        return self._read["volume_calls"]

    @cached_property
    def role_uses(self) -> Sheet:
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
    def _read(self) -> dict[str, Sheet]:
        events = self._shown(self.evidence.events.drop_columns(["raw"]))
        until = self._as_of
        if until is not None:
            events = events.where(event_time=lambda moment: moment <= until)
        if self.focus.account is not None:
            events = events.where_any(
                {"account_id": self.focus.account}, {"event_source": "organizations.amazonaws.com"}
            )
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
        return role_history(self.events, self.role_uses, self.volume_calls, snapshots=self.snapshots, grace=self.grace)

    @cached_property
    def role_changes(self) -> Sheet:
        """Every IAM or Organizations write that names or reaches an infrastructure role, judged."""
        return role_changes(self.history)

    @cached_property
    def changes(self) -> Sheet:
        """The role changes and, beside them, the blamed changes of tags, keys, certificate authorities and secrets."""
        blamed: dict[str, list[str]] = defaultdict(list)
        for row in (*rows(self.tasks, _BLAME), *rows(self.tls, _BLAME)):
            for event_id in row["cause_event_ids"]:
                if row["role_arn"] and row["role_arn"] not in blamed[event_id]:
                    blamed[event_id].append(row["role_arn"])
        outside = outside_causes(self.outside_changes, self.volume_calls, blamed)
        both = [*rows(self.role_changes), *outside]
        return ROLE_CHANGES.sheet(sorted(both, key=lambda one: one["event_time"]) if outside else both)

    @cached_property
    def role_states(self) -> Sheet:
        """What every role was over time."""
        return tables.role_states(self.history)

    @cached_property
    def roles(self) -> Sheet:
        """Every infrastructure role as it was at `as_of`."""
        return tables.roles(self.history, self.as_of)

    @cached_property
    def outages(self) -> Sheet:
        """Spans in which ECS could not do all it needs, by role, purpose and phase."""
        return tables.outages(self.history)

    @cached_property
    def losses(self) -> Sheet:
        """The single actions lost inside outages, by place."""
        return tables.losses(self.history)

    @cached_property
    def role_abilities(self) -> Sheet:
        """How every role stood for each purpose, from the first selected event to `as_of`."""
        since = min([self.as_of, *self.events.column("event_time")])
        return role_abilities(self.history, rows(self.outages), since, self.as_of)

    @cached_property
    def contradictions(self) -> Sheet:
        """Calls of ECS that ended otherwise than the replayed policies say: something outside the evidence acts."""
        return contradictions(self.history, self.grace)

    @cached_property
    def outside_changes(self) -> Sheet:
        """Writes of others to keys, certificate authorities and secrets."""
        return outside_changes(self.events)

    @cached_property
    def key_outages(self) -> Sheet:
        """Spans in which an encryption key could not be used."""
        return key_outages(self.events, list(self.history.arns.values()))

    @cached_property
    def task_lives(self) -> Sheet:
        """Launch, provisioning and stop of every task that depends on an infrastructure role."""
        lives = task_lives(self.events, self.volume_calls, self._volumes, self.task_states)
        for column, wanted in (("region", self.focus.region), ("cluster", self.focus.cluster)):
            if wanted is not None:
                lives = lives.where(**{column: wanted})
        return lives if self.focus.role is None else lives.where(role_arn=self._is_known)

    @cached_property
    def tasks(self) -> Sheet:
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
    def _volumes(self) -> Sheet:
        found = volumes(self.volume_calls, self.task_states)
        return (
            found
            if self.volume_states.empty
            else VOLUMES.sheet(with_absences(found, self.volume_states, self.volume_calls))
        )

    @cached_property
    def _judged_volumes(self) -> Sheet:
        found = finished_volumes(self._volumes, self.tasks, self.task_lives, self.volume_calls)
        return found if self.focus == Focus() else found.where(task_arn=self.task_lives.different("task_arn"))

    @cached_property
    def volumes(self) -> Sheet:
        """Lifecycles of ECS-managed volumes, with their final state."""
        if self.leaks.empty:
            return self._judged_volumes
        return VOLUMES.sheet(with_leaks(self._judged_volumes, self.leaks))

    @cached_property
    def leaks(self) -> Sheet:
        """Volumes left behind by tasks that are gone: age, size, rough monthly cost, and how that is known."""
        names = ("tasks", "task_states", "missing_tasks", "volume_states")
        frames = {name: getattr(self, name) for name in names} | {"volumes": self._judged_volumes}
        return narrowed(leaks(frames, self.as_of), **vars(self.focus))

    @cached_property
    def tls(self) -> Sheet:
        """Service Connect secrets: issue, rotation, deletion, and what blocked them."""
        found = tls(self.events, self._tls_calls, self.losses, self.key_outages, as_of=self.as_of, grace=self.grace)
        return found if self.focus.role is None else found.where(role_arn=self._is_known)

    @cached_property
    def _tls_calls(self) -> Sheet:
        return tls_calls(self.events)

    @cached_property
    def tls_steps(self) -> Sheet:
        """Issues, rotations and deletions of certificates, the calls of each gathered into one step."""
        return tls_steps(self.events, self._tls_calls, as_of=self.as_of)

    @cached_property
    def pass_role_denials(self) -> Sheet:
        """Launches refused because the caller may not pass the role."""
        return pass_role_denials(self.events)

    @cached_property
    def purpose_calls(self) -> Sheet:
        """ECS's calls for targets, listeners and Managed Instances, and under unknown session names."""
        return purpose_calls(self.events, list(self.history.arns.values()))

    @cached_property
    def blocked_work(self) -> Sheet:
        """What ECS was refused, or did only in part, for these purposes, and through which outage."""
        return blocked_work(self.purpose_calls, self.losses, as_of=self.as_of, grace=self.grace)

    @cached_property
    def launch_failures(self) -> Sheet:
        """Launches with an infrastructure role that ECS answered with failures, and those like them that worked."""
        return launch_failures(self.events)

    @cached_property
    def actors(self) -> Sheet:
        """Who wrote to the roles: through what, from where, and who stood behind the session."""
        return actors(self.events, self.role_changes, self.openings)

    @cached_property
    def impersonations(self) -> Sheet:
        """Sessions under an ECS session name that ECS did not hold."""
        return impersonations(self.events, self.role_uses, only_known=self.focus.role is not None)

    @cached_property
    def secret_reads(self) -> Sheet:
        """Service Connect secrets read by others than ECS."""
        return secret_reads(self.events)

    @cached_property
    def logging_gaps(self) -> Sheet:
        """Spans in which a trail recorded less than it could."""
        return logging_gaps(self.events)

    @cached_property
    def integrity_failures(self) -> Sheet:
        """Log files and digests that were altered, deleted or moved; empty where nothing was verified."""
        return INTEGRITY_FAILURES.sheet([] if self.integrity is None else self.integrity.failure_rows())

    @property
    def _blind_spots(self) -> Sheet:
        """The logging gaps, and beside them the spans that no proven digest covers."""
        if self.integrity is None:
            return self.logging_gaps
        unproven = integrity_gaps(self.integrity.gap_rows())
        return LOGGING_GAPS.sheet([*rows(self.logging_gaps), *rows(unproven)])

    @cached_property
    def findings(self) -> Sheet:
        """What a person must know first, the most urgent first."""
        return findings(self.all(), self.as_of)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _is_known(self, arn: str | None) -> bool:
        """Whether a role is one of this case."""
        return role_key(arn) in self.history.arns

    def all(self) -> dict[str, Sheet]:
        """The sheets that findings and the document are made of, by name."""
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

    def summary(self) -> dict[str, Any]:
        """What was looked at: the contract's `evidence` object."""
        summary = evidence_summary(
            self.receipt,
            events_selected=len(self.events),
            window=self.window,
            as_of=self.as_of,
            integrity=self.integrity,
        )
        return summary if self.unredacted else dict(scrub_value(summary))

    def _newest(self, name: str) -> datetime | None:
        return max(self._read[name].column("event_time"), default=None)
