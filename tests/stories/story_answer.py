"""Reading an investigation document with the names of the story, and what holds for every story."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder import Story

Row = dict[str, Any]
RANK = {"possible": 0, "likely": 1, "certain": 2}


class Answer:
    """The contract document of a story. Raises at once when a law that holds for every story is broken."""

    def __init__(self, document: Row, story: "Story") -> None:
        self.document = document
        self.story = story
        self._laws()

    def task(self, name: str) -> Row:
        rows = [row for row in self.document["tasks"] if row["task_arn"] == self.story.task(name)]
        assert len(rows) == 1, f"task {name!r} has {len(rows)} rows"
        return rows[0]

    def has_task(self, name: str) -> bool:
        return any(row["task_arn"] == self.story.task(name) for row in self.document["tasks"])

    def volume(self, name: str) -> Row:
        return next(row for row in self.document["volumes"] if row["volume_id"] == self.story.volume(name))

    def change(self, event_id: str) -> Row:
        return next(row for row in self.document["changes"] if row["event_id"] == event_id)

    def outages(self, phase: str = "teardown", role: str | None = None) -> list[Row]:
        arn = self.story.role_arn(role) if role else None
        return [row for row in self.document["outages"] if row["phase"] == phase and arn in (None, row["role_arn"])]

    def outage(self, phase: str = "teardown") -> Row:
        rows = self.outages(phase)
        assert len(rows) == 1, f"{len(rows)} {phase} outages: {[(row['start'], row['end']) for row in rows]}"
        return rows[0]

    def findings(self, kind: str = "stuck_tasks") -> list[Row]:
        return [row for row in self.document["findings"] if row["kind"] == kind]

    def finding(self, kind: str = "stuck_tasks") -> Row:
        rows = self.findings(kind)
        assert len(rows) == 1, f"{len(rows)} findings of kind {kind}"
        return rows[0]

    # -- sentences of expectation -----------------------------------------------------------------------------

    def says(
        self,
        name: str,
        state: str,
        *causes: str,
        at_risk: bool = False,
        confidence: str | None = None,
        at_most: str | None = None,
        **fields: str | None,
    ) -> Row:
        """A task's state, its exact causes in order, its risk; `fields` are clock times or null of further columns."""
        row = self.task(name)
        got = (row["state"], tuple(row["cause_event_ids"]), row["at_risk"])
        assert got == (state, causes, at_risk), f"task {name}: (state, causes, at_risk) = {got}"
        if confidence:
            assert row["confidence"] == confidence
        if at_most:
            assert RANK[row["confidence"]] <= RANK[at_most], row["confidence"]
        for field, at in fields.items():
            assert row[field] == _moment(at), f"task {name}: {field} = {row[field]}"
        return row

    def broke(
        self,
        start: str,
        end: str | None,
        *causes: str,
        phase: str = "teardown",
        restored: tuple[str, ...] | None = None,
    ) -> Row:
        """Exactly one outage of this phase, with these bounds, causes in order, and restoring changes."""
        row = self.outage(phase)
        got = (row["start"], row["end"], row["cause_event_ids"])
        assert got == (_moment(start), _moment(end), list(causes)), f"{phase} outage: {got}"
        if restored is not None:
            assert row["restore_event_ids"] == list(restored), row["restore_event_ids"]
        return row

    def reports(self, kind: str, status: str, tasks: str, *causes: str) -> Row:
        """Exactly one finding of this kind, with this status, exactly these tasks (names parted by a space), causes."""
        row = self.finding(kind)
        got = (row["status"], sorted(row["task_arns"]), row["cause_event_ids"])
        expected = (status, sorted(self.story.task(name) for name in tasks.split()), list(causes))
        assert got == expected, f"{kind}: {got}"
        return row

    def is_quiet(self) -> None:
        """No task is blocked or at risk, and nobody is blamed."""
        blaming = {"stuck_tasks", "tasks_at_risk", "provisioning_blocked", "leaked_volumes"}
        assert [row["kind"] for row in self.document["findings"] if row["kind"] in blaming] == []
        for row in self.document["tasks"]:
            assert (row["cause_event_ids"], row["at_risk"], row["blocked_since"]) == ([], False, None), row

    # -- laws -------------------------------------------------------------------------------------------------

    def _laws(self) -> None:
        told = {record["eventID"]: record for record in self.story.records}
        document = self.document
        for kind in ("outages", "tasks", "findings", "tls"):
            for row in document[kind]:
                causes = row["cause_event_ids"]
                assert all(one in told for one in causes), f"{kind}: a cause nobody told: {causes}"
                assert not [one for one in causes if "errorCode" in told[one]], "a failed change is never a cause"
                order = [told[one]["eventTime"] for one in causes]
                assert order == sorted(order), f"{kind}: causes are oldest first: {causes}"
                assert len(causes) == len(set(causes)), f"{kind}: a cause twice: {causes}"
        ids = {row["id"] for row in document["outages"]}
        blocked = {row["task_arn"] for row in document["tasks"] if row["state"] in ("stuck", "recovered")}
        found = [arn for row in self.findings("stuck_tasks") for arn in row["task_arns"]]
        assert sorted(found) == sorted(blocked), "stuck_tasks findings hold exactly the stuck and recovered tasks"
        risky = {row["task_arn"] for row in document["tasks"] if row["at_risk"]}
        at_risk = {arn for row in self.findings("tasks_at_risk") for arn in row["task_arns"]}
        assert at_risk == risky, "tasks_at_risk findings hold exactly the tasks at risk"
        states = {row["task_arn"]: row["state"] for row in document["tasks"]}
        for row in document["tasks"]:
            assert row["outage_id"] is None or row["outage_id"] in ids
            assert not row["at_risk"] or row["state"] == "running", "at_risk: the task runs"
            if row["state"] == "failed_to_start":
                assert row["task_arn"] not in found
        for row in self.findings("stuck_tasks"):
            ongoing = any(states[arn] == "stuck" for arn in row["task_arns"])
            assert row["status"] == ("ongoing" if ongoing else "resolved"), "ongoing while a task is stuck"
            assert row["outage_id"] is None or row["outage_id"] in ids
        for row in document["outages"]:
            assert row["actions"], "an outage names the actions lost"
            assert row["end"] is None or row["start"] <= row["end"]


def _moment(at: str | None) -> str | None:
    from builder import moment  # noqa: PLC0415 - the builder needs this module

    return None if at is None else moment(at)
