"""How roles stood over time: every moment has one state, outages are broken, and what is unknown stays unknown."""

from itertools import pairwise

import pytest

import ecs_trail as et
from ecs_trail.frames import rows
from ecs_trail.practice import incident, write


def investigated(kind, folder, seed=2):
    write(incident(kind, seed), folder)
    return et.investigate(folder)


def by_role(case):
    found = {}
    for row in rows(case.role_abilities):
        found.setdefault((row["role_arn"], row["purpose"]), []).append(row)
    return found


@pytest.mark.parametrize("kind", ["managed_detached", "older_role", "role_deleted", "two_outages_one_task", "superset"])
def test_spans_are_without_gap_and_outages_are_broken(kind, tmp_path):
    case = investigated(kind, tmp_path)
    outages = rows(case.outages)
    assert by_role(case)
    for (role, purpose), spans in by_role(case).items():
        assert spans[-1]["end"] == case.as_of
        for before, after in pairwise(spans):
            assert before["end"] == after["start"]
            assert (before["state"], before["outage_ids"]) != (after["state"], after["outage_ids"])
        named = {one for span in spans for one in span["outage_ids"]}
        assert named == {row["id"] for row in outages if (row["role_arn"], row["purpose"]) == (role, purpose)}
        for span in spans:
            assert (span["state"] == "broken") == bool(span["outage_ids"])


def test_a_swap_that_takes_nothing_away_leaves_the_role_able(tmp_path):
    case = investigated("superset", tmp_path)
    (spans,) = by_role(case).values()
    assert [span["state"] for span in spans if span["state"] != "unable"] == ["able"]


def test_a_deleted_role_is_broken_not_absent(tmp_path):
    case = investigated("role_deleted", tmp_path)
    states = [span["state"] for spans in by_role(case).values() for span in spans]
    assert "broken" in states
    assert states[0] in {"unable", "able", "absent"}


def test_a_role_older_than_the_evidence_is_able_only_where_it_was_seen_at_work(tmp_path):
    case = investigated("older_role", tmp_path)
    (spans,) = (spans for spans in by_role(case).values() if spans[0]["open_start"])
    for span in spans:
        if span["state"] == "able" and not span["basis"]:
            calls = [row for row in rows(case.volume_calls) if span["start"] <= row["event_time"] <= span["end"]]
            assert any(row["outcome"] == "ok" for row in calls)
    assert [(span["state"], span["basis"]) for span in spans] == [
        ("able", []),
        ("broken", ["denied_calls", "policy_replay"]),
    ]


def test_nothing_seen_gives_no_rows(tmp_path):
    case = investigated("superset", tmp_path)
    assert len(et.investigate(tmp_path, until="2000-01-01").role_abilities) == 0
    assert len(case.role_abilities) > 0
