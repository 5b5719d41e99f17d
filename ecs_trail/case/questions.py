"""What a person asks a case: explain a task, show a record, judge an action, guard a change, give the answer.

Each question loads what it needs: the answer itself needs no picture, no page and no pandas.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from ecs_trail.analysis.policies import Decision
from ecs_trail.analysis.roles import tables
from ecs_trail.analysis.roles.changes import RoleKey
from ecs_trail.arns import last_part
from ecs_trail.case.frames import CaseFrames
from ecs_trail.collector import collector_paused
from ecs_trail.errors import UsageError
from ecs_trail.frames import rows
from ecs_trail.times import aware_time, format_time
from ecs_trail.views.investigation import investigation
from ecs_trail.views.secrets import scrub

#: Frames of the figures that show a whole case.
_PICTURED: Final = (
    *("roles", "role_states", "changes", "outages", "losses", "tasks", "volumes", "tls", "volume_calls", "events"),
)
#: Figure -> its frames, and whether it is judged at `as_of`.
_FIGURES: Final[Mapping[str, tuple[tuple[str, ...], bool]]] = {
    "volume_swimlanes": (("volumes", "volume_calls"), True),
    "tls_lifecycle": (("tls",), True),
    "denied_calls": (("events",), False),
    "time_to_recover": (("tasks",), False),
    "leak_inventory": (("volumes", "tasks"), True),
    "session_heatmap": (("events",), False),
    "caller_table": (("actors",), False),
}

if TYPE_CHECKING:
    import pandas as pd

    from ecs_trail.analysis.roles.guard import Guarded
    from ecs_trail.analysis.roles.proposals import Proposal
    from ecs_trail.views.timeline.widget import TimelineWidget


class Case(CaseFrames):
    """An investigation. Frames are plain pandas DataFrames, Arrow-backed, times in UTC; each is computed once."""

    def explain(self, task_arn: str) -> str:
        """The chain of evidence of one task (ARN or id), in words. Raises `UsageError` for an unknown task."""
        from ecs_trail.analysis.findings.explain import explain_task

        sheets = self.sheets
        found = [task for task in rows(sheets.tasks) if task_arn in {task["task_arn"], last_part(task["task_arn"])}]
        if not found:
            raise UsageError(
                f"no task '{task_arn}' in this case.", hint="case.tasks lists them; give an ARN or its last part."
            )
        task = found[0]
        calls = [call for call in rows(sheets.volume_calls) if call["task_arn"] == task["task_arn"]]
        changes = {one["event_id"]: one for one in (*rows(sheets.outside_changes), *calls, *rows(sheets.role_changes))}
        outage = next((one for one in rows(sheets.outages) if one["id"] == task["outage_id"]), None)
        mine = next(
            (one for one in rows(sheets.findings) if one["rivals"] and task["task_arn"] in one["task_arns"]), None
        )
        return explain_task(task, calls, changes, outage, rivals=mine["rivals"] if mine else (), as_of=self.as_of)

    def raw(self, event_id: str, *, unredacted: bool = False) -> str:
        """A record as received, JSON text, without its tokens, keys and passwords; `unredacted=True` gives it exactly.

        A record that holds nothing of the kind is always exact. Raises `UsageError` for an unknown id.
        """
        text = self.evidence.raw(event_id)
        return text if unredacted or self.unredacted else scrub(text)

    def allowed(self, action: str, *, at: str | datetime, role: str | None = None) -> Decision:
        """Whether ECS could take an action with a role at a moment, by replay: a `Decision` with verdict and reason.

        `role` (ARN or name) may be left out where the case has only one.
        """
        return self.history.allowed(self._role(role), action, _moment(at))

    def guard(self, *changes: "Proposal | str", role: str | None = None) -> "Guarded":
        """What changes (`"delete"`, `"detach:ARN"`, a `Proposal`) would break if they were made at `as_of`."""
        from ecs_trail.analysis.roles.guard import guard

        frames = {name: getattr(self.sheets, name) for name in ("tasks", "tls", "role_uses")}
        frames["events"] = self.sheets.events_read
        return guard(self.history, self._role(role), changes, frames, as_of=self.as_of, snapshots=self.snapshots)

    def timeline(self, *, notes: str | Path | None = None) -> "TimelineWidget":
        """The linked timeline, for notebooks: role, task, volume, TLS and caller lanes; pick a span, the tables follow.

        `notes` names a JSON file that keeps notes and stars on events. `selection`, `selected_events`, `linked(name)`
        and `notes` of the widget are frames. Raises `MissingExtraError` without the extra `notebook`.
        """
        from ecs_trail.case.exploring import board_of, show_board

        return show_board(board_of(self), self, notes)

    def sql(self, query: str) -> "pd.DataFrame":
        """The answer of a SQL query (DuckDB's dialect) over the frames of this case, by their names, in memory.

        Tables: `events` (without the raw records), `tasks`, `volumes`, `tls`, `outages`, `role_changes`, `findings` and
        every other frame. No file and no network can be reached. Raises `UsageError` for a wrong query and
        `MissingExtraError` without the extra `sql`.
        """
        from ecs_trail.case.exploring import sql_over

        return sql_over(self, query)

    def role_diff(self, start: str | datetime, end: str | datetime, *, role: str | None = None) -> "pd.DataFrame":
        """What differs in a role between two moments: one row per aspect, with the value before and after."""
        return tables.role_diff(self.history, self._role(role), _moment(start), _moment(end)).frame

    def report(
        self,
        path: str | Path,
        *,
        kind: str | None = None,
        redacted: bool = False,
        notes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Path:
        """Write a report to hand on, whole or not at all, and return its path.

        The suffix tells the kind (`.html`, `.pdf`, `.xlsx`, `.md`, `.json`, …; `kind="html"` overrides it). `redacted`
        puts pseudonyms for accounts, names and addresses; `notes` are those of the timeline, for the page. Raises
        `UsageError` for another kind and for a place that cannot be written, `MissingExtraError` where an optional
        package is missing.
        """
        from ecs_trail.case.tables import handout
        from ecs_trail.views.whole_files import write_atomically
        from ecs_trail.views.writers import writer_for

        target, write = Path(path), writer_for(path, kind)
        whole = self.document | ({"notes": dict(notes)} if notes else {})
        data = write(*handout(self, whole, redacted=redacted))

        def put(stream: IO[bytes]) -> None:
            stream.write(data)

        write_atomically(target, put)
        return target

    def figure(self, name: str = "incident_overview", **options: Any) -> Any:
        """A figure of `ecs_trail.views.figures` by its name, with the frames of this case: a plotly `Figure`.

        Options go to the figure: `theme="dark"`, `most=40`, `role=ARN`. Raises `UsageError` for another name,
        `MissingExtraError` without plotly.
        """
        from ecs_trail.views import figures

        if name not in figures.__all__:
            raise UsageError(f"there is no figure '{name}'.", hint=f"choose one of {', '.join(figures.__all__)}.")
        if name in {"incident_overview", "role_history"}:
            options = {"as_of": self.as_of} | options
            return getattr(figures, name)({one: self.frame(one) for one in _PICTURED}, **options)
        needed, judged = _FIGURES[name]
        options = ({"as_of": self.as_of} if judged else {}) | options
        return getattr(figures, name)(*(self.frame(one) for one in needed), **options)

    def frame(self, name: str) -> "pd.DataFrame":
        """A frame of the case by its name, as `case.tasks` gives it. Raises `UsageError` for an unknown name."""
        import pandas as pd

        found = getattr(self, name, None)
        if not isinstance(found, pd.DataFrame):
            raise UsageError(f"a case has no frame '{name}'.", hint="tasks, volumes, tls, outages, findings, …")
        return found

    @cached_property
    def document(self) -> dict[str, Any]:
        """The investigation as the contract's JSON document."""
        with collector_paused():
            sheets = self.sheets
            return investigation(sheets.all() | {"findings": sheets.findings}, sheets.summary(), self.as_of)

    def __repr__(self) -> str:
        """One line: how much was read and what was found."""
        sheets = self.sheets
        ongoing = sum(row["status"] == "ongoing" for row in rows(sheets.findings))
        return (
            f"<Case as of {format_time(self.as_of)}: {len(sheets.events)} events, {len(sheets.tasks)} tasks, "
            f"{len(sheets.findings)} findings, {ongoing} ongoing>"
        )

    def _repr_html_(self) -> str:
        from ecs_trail.views.card import html

        return html(self.document)

    def _role(self, role: str | None) -> RoleKey:
        known = list(self.history.arns)
        if role is None and len(known) == 1:
            return known[0]
        wanted = [key for key in known if role is not None and role in {key[1], self.history.arns[key]}]
        if len(wanted) == 1:
            return wanted[0]
        listed = ", ".join(sorted(self.history.arns.values())) or "none"
        raise UsageError(
            f"the role '{role}' is not one of this case." if role else "this case has not exactly one role.",
            hint=f"give role=; known roles: {listed}.",
        )


def _moment(given: str | datetime) -> datetime:
    return aware_time(given, now=datetime.now(UTC))
