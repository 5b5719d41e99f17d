"""The frames of a case as people hold them: the sheets of an investigation, made DataFrames when they are asked for."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ecs_trail.analysis.roles.history import RoleHistory
from ecs_trail.analysis.roles.states import Snapshot
from ecs_trail.case.focus import Focus
from ecs_trail.case.sheets import CaseSheets
from ecs_trail.evidence.sources.base import Evidence, Receipt
from ecs_trail.times import Window

if TYPE_CHECKING:
    import pandas as pd

    from ecs_trail.evidence.integrity.verdict import Integrity


class CaseFrames:
    """The frames of one investigation: Arrow-backed DataFrames, times in UTC. None is made before it is asked for."""

    def __init__(self, evidence: Evidence, **asked: Any) -> None:
        """Hold the evidence; `asked` as `CaseSheets` takes it."""
        self.sheets = CaseSheets(evidence, **asked)

    @property
    def evidence(self) -> Evidence:
        """What was read."""
        return self.sheets.evidence

    @property
    def receipt(self) -> Receipt:
        """What was read, left out, failed and counted."""
        return self.sheets.receipt

    @property
    def integrity(self) -> "Integrity | None":
        """The verdict on the evidence itself, where it was verified."""
        return self.sheets.integrity

    @property
    def history(self) -> RoleHistory:
        """The roles over time, replayed."""
        return self.sheets.history

    @property
    def as_of(self) -> datetime:
        """The moment everything is judged at, UTC: as given, else the newest event, task state or log-file stamp."""
        return self.sheets.as_of

    @property
    def window(self) -> Window:
        """What the evidence was asked for."""
        return self.sheets.window

    @property
    def focus(self) -> Focus:
        """What the investigation was narrowed to."""
        return self.sheets.focus

    @property
    def snapshots(self) -> Sequence[Snapshot]:
        """The saved states of roles that count."""
        return self.sheets.snapshots

    @property
    def stuck_after(self) -> timedelta:
        """How long a stop may take before its silence counts."""
        return self.sheets.stuck_after

    @property
    def grace(self) -> timedelta:
        """How long a change of a role may take to spread."""
        return self.sheets.grace

    @property
    def unredacted(self) -> bool:
        """True where tokens, keys and passwords of the records were left in."""
        return self.sheets.unredacted

    @cached_property
    def events(self) -> "pd.DataFrame":
        """The selected events (`EVENT_SCHEMA`), trimmed to what this investigation is about, in causal order."""
        return self.sheets.whole_events.frame

    @cached_property
    def volume_calls(self) -> "pd.DataFrame":
        """Every call on an ECS-managed volume, one row per call and volume."""
        return self.sheets.volume_calls.frame

    @cached_property
    def role_uses(self) -> "pd.DataFrame":
        """How each infrastructure role is known, and where ECS works with it."""
        return self.sheets.role_uses.frame

    @cached_property
    def role_changes(self) -> "pd.DataFrame":
        """Every IAM or Organizations write that names or reaches an infrastructure role, judged."""
        return self.sheets.role_changes.frame

    @cached_property
    def changes(self) -> "pd.DataFrame":
        """The role changes and, beside them, the blamed changes of tags, keys, certificate authorities and secrets."""
        return self.sheets.changes.frame

    @cached_property
    def role_states(self) -> "pd.DataFrame":
        """What every role was over time."""
        return self.sheets.role_states.frame

    @cached_property
    def roles(self) -> "pd.DataFrame":
        """Every infrastructure role as it was at `as_of`."""
        return self.sheets.roles.frame

    @cached_property
    def outages(self) -> "pd.DataFrame":
        """Spans in which ECS could not do all it needs, by role, purpose and phase."""
        return self.sheets.outages.frame

    @cached_property
    def losses(self) -> "pd.DataFrame":
        """The single actions lost inside outages, by place."""
        return self.sheets.losses.frame

    @cached_property
    def role_abilities(self) -> "pd.DataFrame":
        """How every role stood for each purpose, from the first selected event to `as_of`."""
        return self.sheets.role_abilities.frame

    @cached_property
    def contradictions(self) -> "pd.DataFrame":
        """Calls of ECS that ended otherwise than the replayed policies say: something outside the evidence acts."""
        return self.sheets.contradictions.frame

    @cached_property
    def outside_changes(self) -> "pd.DataFrame":
        """Writes of others to keys, certificate authorities and secrets."""
        return self.sheets.outside_changes.frame

    @cached_property
    def key_outages(self) -> "pd.DataFrame":
        """Spans in which an encryption key could not be used."""
        return self.sheets.key_outages.frame

    @cached_property
    def task_lives(self) -> "pd.DataFrame":
        """Launch, provisioning and stop of every task that depends on an infrastructure role."""
        return self.sheets.task_lives.frame

    @cached_property
    def tasks(self) -> "pd.DataFrame":
        """Tasks with state, block, outage, causes and confidence."""
        return self.sheets.tasks.frame

    @cached_property
    def volumes(self) -> "pd.DataFrame":
        """Lifecycles of ECS-managed volumes, with their final state."""
        return self.sheets.volumes.frame

    @cached_property
    def leaks(self) -> "pd.DataFrame":
        """Volumes left behind by tasks that are gone: age, size, rough monthly cost, and how that is known."""
        return self.sheets.leaks.frame

    @cached_property
    def tls(self) -> "pd.DataFrame":
        """Service Connect secrets: issue, rotation, deletion, and what blocked them."""
        return self.sheets.tls.frame

    @cached_property
    def tls_steps(self) -> "pd.DataFrame":
        """Issues, rotations and deletions of certificates, the calls of each gathered into one step."""
        return self.sheets.tls_steps.frame

    @cached_property
    def pass_role_denials(self) -> "pd.DataFrame":
        """Launches refused because the caller may not pass the role."""
        return self.sheets.pass_role_denials.frame

    @cached_property
    def purpose_calls(self) -> "pd.DataFrame":
        """ECS's calls for targets, listeners and Managed Instances, and under unknown session names."""
        return self.sheets.purpose_calls.frame

    @cached_property
    def blocked_work(self) -> "pd.DataFrame":
        """What ECS was refused, or did only in part, for these purposes, and through which outage."""
        return self.sheets.blocked_work.frame

    @cached_property
    def launch_failures(self) -> "pd.DataFrame":
        """Launches with an infrastructure role that ECS answered with failures, and those like them that worked."""
        return self.sheets.launch_failures.frame

    @cached_property
    def actors(self) -> "pd.DataFrame":
        """Who wrote to the roles: through what, from where, and who stood behind the session."""
        return self.sheets.actors.frame

    @cached_property
    def impersonations(self) -> "pd.DataFrame":
        """Sessions under an ECS session name that ECS did not hold."""
        return self.sheets.impersonations.frame

    @cached_property
    def secret_reads(self) -> "pd.DataFrame":
        """Service Connect secrets read by others than ECS."""
        return self.sheets.secret_reads.frame

    @cached_property
    def logging_gaps(self) -> "pd.DataFrame":
        """Spans in which a trail recorded less than it could."""
        return self.sheets.logging_gaps.frame

    @cached_property
    def integrity_failures(self) -> "pd.DataFrame":
        """Log files and digests that were altered, deleted or moved; empty where nothing was verified."""
        return self.sheets.integrity_failures.frame

    @cached_property
    def findings(self) -> "pd.DataFrame":
        """What a person must know first, the most urgent first."""
        return self.sheets.findings.frame

    @cached_property
    def task_states(self) -> "pd.DataFrame":
        """Saved task states."""
        return self.sheets.task_states.frame

    @cached_property
    def missing_tasks(self) -> "pd.DataFrame":
        """Tasks that ECS was asked for and no longer knew."""
        return self.sheets.missing_tasks.frame

    @cached_property
    def volume_states(self) -> "pd.DataFrame":
        """Saved volume states."""
        return self.sheets.volume_states.frame

    @cached_property
    def service_states(self) -> "pd.DataFrame":
        """Saved configurations of services."""
        return self.sheets.service_states.frame
