"""The accuracy report: the engine is right about practice incidents, and the report sees it when it is not."""

from dataclasses import replace

import pytest

from ecs_trail.accuracy import FIGURES, AccuracyReport, compare, document_of, measure
from ecs_trail.cli.main import run
from ecs_trail.errors import UsageError
from ecs_trail.practice import incident, kinds


def check(report):
    assert report.passed, report.text()
    assert report.misses == [], report.text()


def test_every_kind_is_judged_right():
    report = measure(kinds(), range(1), workers=2)
    assert [row.incidents for row in report.rows] == [1] * len(kinds())
    assert all(report.overall.total[figure] > 50 for figure in FIGURES)
    check(report)


@pytest.mark.slow
def test_every_kind_is_judged_right_many_times():
    check(measure(kinds(), range(10), workers=2))


@pytest.fixture(scope="module")
def detached():
    """An incident with two stories of a task: its investigation, and the incident with the answer."""
    made = incident("managed_detached", 3)
    return document_of(made), made


def changed(made, section, name, value, *, where=lambda row: True):
    """The incident with one field of the first fitting row of its answer changed."""
    rows = made.answer[section]
    keys = rows.keys() if isinstance(rows, dict) else range(len(rows))
    key = next(key for key in keys if where(rows[key]))
    copy = dict(rows) if isinstance(rows, dict) else list(rows)
    copy[key] = {**rows[key], name: value}
    return replace(made, answer={**made.answer, section: copy})


def harmed(row):
    return bool(row["cause_event_ids"])


CONDUCT = {
    "session_impersonation": "role_assumed_by_person",
    "secret_read_by_other": "secret_read_by_person",
    "logging_gap": "trail_stopped",
    "leaked_volumes": "launch_leftovers",
    "pass_role_denied": "pass_role_denied_service",
    "tls_blocked": "tls_key_disabled",
    "provisioning_blocked": "managed_instances_pass_role",
}


@pytest.fixture(scope="module", params=CONDUCT)
def told(request):
    """A kind of finding, the investigation of an incident that has it, and the incident with its answer."""
    made = incident(CONDUCT[request.param], 4)
    return request.param, document_of(made), made


def test_a_finding_left_out_is_caught(told):
    kind, document, made = told
    check(AccuracyReport([compare(document, made)]))
    left = [row for row in document["findings"] if row["kind"] != kind]
    found = compare({**document, "findings": left}, made)
    assert found.recall(kind) == 0
    assert found.share("recall") < 1
    assert not AccuracyReport([found]).passed
    assert kind in {miss.what for miss in found.misses}


def test_a_finding_too_many_is_caught_in_every_kind(told, detached):
    kind, document, _ = told
    quiet, made = detached
    more = [row for row in document["findings"] if row["kind"] == kind]
    found = compare({**quiet, "findings": [*quiet["findings"], *more]}, made)
    assert found.precision(kind) == 0
    assert not AccuracyReport([found]).passed
    assert kind in {miss.what for miss in found.misses}
    text = AccuracyReport([found]).text()
    (line,) = [line for line in text.splitlines() if line.split()[:1] == [kind] and len(line.split()) == 5]
    assert line.split()[2:4] == [str(len(more)), "0.0"]


def test_a_finding_about_another_subject_is_caught(told):
    kind, document, made = told
    wrong = {"evidence": OTHER, "volume_ids": ["vol-0"], "cause_event_ids": OTHER}
    swapped = [{**row, **wrong} if row["kind"] == kind else row for row in document["findings"]]
    found = compare({**document, "findings": swapped}, made)
    assert (found.precision(kind), found.recall(kind)) == (0, 0)


def test_people_are_accused_only_where_something_bears_it_out(told, detached):
    kind, document, _ = told
    quiet, made = detached
    more = [row for row in document["findings"] if row["kind"] == kind]
    found = compare({**quiet, "findings": [*quiet["findings"], *more]}, made, withheld=[made.records[0]["eventID"]])
    named = kind not in {"tls_blocked", "provisioning_blocked"}
    assert (f"unfounded {kind}" in {miss.what for miss in found.misses}) == named


LATER = "2031-01-01T00:00:00Z"
OTHER = ["00000000-0000-4000-8000-000000000000"]
PLANTED = {
    "a state": (("tasks", "state", "unknown"), {"states"}, "state"),
    "a cause of a task": (("tasks", "cause_event_ids", OTHER, harmed), {"first_causes", "causes"}, "first cause"),
    "the end of an outage": (("outages", "end", LATER), {"bounds"}, "end"),
    "the start of an outage": (("outages", "start", LATER), {"bounds"}, "start"),
    "a cause of an outage": (("outages", "cause_event_ids", OTHER), {"causes"}, "cause_event_ids"),
    "a repair": (("outages", "restore_event_ids", OTHER), {"facts"}, "restore_event_ids"),
    "a member of a finding": (("findings", "task_arns", []), {"precision", "recall"}, "stuck_tasks"),
    "the cause of a finding": (("findings", "cause_event_ids", OTHER), {"precision", "recall"}, "stuck_tasks"),
    "a stop": (("tasks", "stop_started_at", LATER), {"facts"}, "stop_started_at"),
    "a deletion": (("volumes", "deleted_at", LATER), {"facts"}, "deleted_at"),
}


def test_the_incident_of_the_planted_faults_is_sound(detached):
    check(AccuracyReport([compare(*detached)]))


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_fault_is_caught(plant, detached):
    document, made = detached
    (section, name, value, *where), figures, what = PLANTED[plant]
    found = compare(document, changed(made, section, name, value, **({"where": where[0]} if where else {})))
    assert {figure for figure in FIGURES if found.share(figure) < 1} >= figures
    report = AccuracyReport([found])
    assert not report.passed
    assert what in {miss.what for miss in report.misses}
    assert all(miss.reason for miss in report.misses)
    assert all(f"{made.kind} seed {made.seed}: {miss.what}" in report.text() for miss in report.misses)


@pytest.mark.parametrize("section", ["tasks", "outages", "volumes"])
def test_a_row_the_investigation_lacks_is_caught(section, detached):
    document, made = detached
    emptied = {**document, section: []}
    assert not AccuracyReport([compare(emptied, made)]).passed


def test_a_row_too_many_is_caught(detached):
    document, made = detached
    more = [{**document["tasks"][0], "task_arn": "x"}], [{**document["outages"][0], "start": LATER}]
    for section, rows in zip(("tasks", "outages"), more, strict=True):
        assert not AccuracyReport([compare({**document, section: [*document[section], *rows]}, made)]).passed


def test_a_blamed_harmless_change_is_caught(detached):
    document, made = detached
    cause = next(row for row in made.answer["tasks"].values() if harmed(row))["cause_event_ids"][0]
    found = compare(document, replace(made, answer={**made.answer, "harmless_event_ids": [cause]}))
    assert found.blamed > 0
    assert not AccuracyReport([found]).passed
    assert any("a harmless change is named" in miss.reason for miss in found.misses)


@pytest.mark.parametrize(("confidence", "passed"), [("certain", False), ("likely", False), ("possible", True)])
def test_where_records_are_held_back_only_firm_claims_are_wrong(confidence, passed, detached):
    document, made = detached
    wrong = {"cause_event_ids": OTHER, "confidence": confidence, "state": "unknown", "id": "outage-1"}
    tasks = [{**row, **wrong} if row["cause_event_ids"] else row for row in document["tasks"]]
    held_back = [made.records[0]["eventID"]]
    found = compare({**document, "tasks": tasks}, made, withheld=held_back)
    assert found.share("states") < 1
    assert AccuracyReport([found], withhold=0.1).passed is passed
    assert {miss.what for miss in found.misses} == (set() if passed else {"unfounded cause"})


def test_open_fields_and_maybe_outages_are_not_held_against_the_engine(detached):
    document, made = detached
    opened = changed(made, "tasks", "unsure", ["cause_event_ids", "outage"], where=harmed)
    arn = next(arn for arn, row in opened.answer["tasks"].items() if row["unsure"])
    weaker = [{**r, "cause_event_ids": [], "outage_id": None} if r["task_arn"] == arn else r for r in document["tasks"]]
    assert compare({**document, "tasks": weaker}, opened).misses == []
    lost = document["outages"][0]
    maybe = changed(made, "outages", "maybe", True, where=lambda row: row["phase"] == lost["phase"])
    fewer = {**document, "outages": document["outages"][1:]}
    assert not any(miss.what == "start" for miss in compare(fewer, maybe).misses)
    assert any(miss.what == "start" for miss in compare(fewer, made).misses)
    alone = {**lost, "confidence": "certain", "basis": ["policy_replay"]}
    too_sure = {**document, "outages": [alone]}
    assert any(miss.what == "confidence" for miss in compare(too_sure, maybe).misses)


def test_two_workers_give_the_same_report_as_one():
    asked = (["swap_new_first", "role_deleted"], range(3))
    assert measure(*asked, withhold=0.3, workers=2).text() == measure(*asked, withhold=0.3).text()


def test_a_share_that_is_none_is_refused():
    with pytest.raises(UsageError):
        measure(["role_deleted"], [0], withhold=1.5)


def test_the_command_prints_the_table(capsys):
    words = ["practice", "--accuracy", "--kind", "role_deleted", "--seeds", "2", "--exit-code"]
    assert run(words) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split() == ["role_deleted", "2", *["100.0"] * 7, "0", "0"]
    stuck = next(line for line in shown.splitlines() if line.startswith("stuck_tasks"))
    assert stuck.split() == ["stuck_tasks", "2", "2", "100.0", "100.0"]
    assert shown.endswith("No miss.\n")
    assert run([*words, "--withhold", "0.2"]) == 0
    assert "20% of the records were held back" in capsys.readouterr().out
