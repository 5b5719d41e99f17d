"""The data model of the timeline: lanes, spans and marks say what the frames say, and nothing else."""

import zlib
from array import array
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

import ecs_trail as et
from ecs_trail.case.exploring import board_of
from ecs_trail.frames import rows
from ecs_trail.practice import incident, write
from ecs_trail.views.timeline.codes import KINDS, MARKS, STATES
from ecs_trail.views.timeline.model import FRAMES, board
from ecs_trail.views.timeline.packing import NONE, millis, pack

KINDS_OF_INCIDENT = (
    "managed_detached",
    "failed_to_start",
    "role_deleted_silent",
    "at_risk_running",
    "two_outages_one_task",
    "older_role",
    "trust_emptied",
    "reserved_tags_removed",
    "pass_role_denied",
    "swap_new_first",
)


def at(text):
    """A time of the sample."""
    return datetime.fromisoformat(f"2026-03-02T{text}").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def made(case):
    """The board of the sample."""
    return board_of(case)


def lane(made, key):
    """The one lane of a key."""
    (found,) = [one for one in made.lanes if one.key == key]
    return found


def stretches(one):
    """The spans of a lane as plain values."""
    return [(span.state, span.start, span.end) for span in one.spans]


def test_a_role_is_able_until_the_first_cause_and_broken_to_the_end(made, case):
    role = lane(made, "arn:aws:iam::111122223333:role/ecsInfrastructureRole|volumes")
    assert [span.state for span in role.spans] == ["unable", "able", "broken"]
    assert stretches(role)[-1] == ("broken", at("14:20:07"), case.as_of)
    assert role.spans[-1].open_end
    assert role.state == "broken"
    told = [made.events.names[one] for one in role.spans[-1].causes]
    assert told == ["DetachRolePolicy", "DeleteRole"]
    assert [(mark.kind, mark.time) for mark in role.marks if mark.kind == "break"] == [
        ("break", at("14:20:07")),
        ("break", at("14:20:09")),
    ]


def test_a_role_that_was_restored_is_able_again(made, case):
    role = lane(made, "arn:aws:iam::444455556666:role/staging-ecs-infrastructure|volumes")
    assert stretches(role)[-2:] == [
        ("broken", at("09:12:31"), at("10:41:05")),
        ("able", at("10:41:05"), case.as_of),
    ]
    assert Counter(mark.kind for mark in role.marks) == {"change": 2, "break": 1, "restore": 1}


def test_a_stuck_task_runs_then_hangs_to_the_end(made, case):
    task = lane(made, "arn:aws:ecs:eu-west-1:111122223333:task/prod/ae219d4ea5a4aecc7bb7b0b1dfb170b1")
    assert [span.state for span in task.spans] == ["running", "stopping", "stuck"]
    assert stretches(task)[-1] == ("stuck", at("14:21:40"), case.as_of)
    assert task.spans[-1].open_end
    assert [made.events.names[one] for one in task.spans[-1].causes] == ["DetachRolePolicy", "DeleteRole"]


def test_a_task_at_risk_is_marked_from_the_outage_on(made, case):
    task = lane(made, "arn:aws:ecs:eu-west-1:111122223333:task/prod/36988970de101b3ade6fc05c8070d60e")
    assert task.state == "at_risk"
    assert stretches(task)[-1] == ("at_risk", at("14:20:07"), case.as_of)


def test_a_recovered_task_was_stuck_for_as_long_as_the_case_says(made):
    task = lane(made, "arn:aws:ecs:us-west-2:444455556666:task/staging/ffe605c5a922e928e770ba1666d577ea")
    assert stretches(task)[-1] == ("stuck", at("09:15:30"), at("10:05:12"))
    assert not task.spans[-1].open_end
    assert Counter(mark.kind for mark in task.marks)["recovered"] == 1


def test_every_denied_attempt_on_a_volume_is_a_mark_on_its_lane(made, case):
    denied = [row for row in rows(case.volume_calls) if row["outcome"] == "denied" and row["volume_id"]]
    wanted = Counter(row["volume_id"] for row in denied)
    shown = Counter(
        one.key for one in made.lanes if one.kind == "volume" for mark in one.marks if mark.kind == "denied"
    )
    assert shown == wanted
    assert sum(wanted.values()) > 40


def test_a_volume_blocked_in_silence_names_the_causes_of_its_task(made):
    volume = lane(made, "vol-013df04c9cdf112e0")
    assert [span.state for span in volume.spans] == ["created", "attached", "blocked"]
    assert [made.events.names[one] for one in volume.spans[-1].causes] == ["DetachRolePolicy", "DeleteRole"]


def test_a_secret_shows_issue_rotation_and_deletion(made):
    kinds = {one.label: Counter(mark.kind for mark in one.marks) for one in made.lanes if one.kind == "tls"}
    assert kinds["ecs-sc!ab95278ecb4770f6c534"]["rotate"] >= 1
    assert kinds["ecs-sc!9e90a555bfacc3e1fc7f"]["delete"] == 1
    assert all(one["issue"] >= 1 for one in kinds.values())


def test_callers_hold_every_event_once(made):
    events = sorted(mark.event for one in made.lanes if one.kind == "caller" for mark in one.marks)
    assert events == list(range(len(made.events.ids)))


def test_the_worst_comes_first_within_its_kind(made):
    places = [(KINDS.index(one.kind), STATES.index(one.state)) for one in made.lanes]
    assert places == sorted(places)
    assert next(one.state for one in made.lanes if one.kind == "task") == "stuck"


def check_laws(made, case):
    """What holds on every board."""
    assert made.start < made.end
    for one in made.lanes:
        assert one.state in STATES
        for before, after in pairwise(one.spans):
            assert before.end <= after.start, (one.key, before, after)
        for span in one.spans:
            assert made.start <= span.start <= span.end <= made.end
            assert span.state in STATES
        assert all(mark.time == made.events.times[mark.event] for mark in one.marks)
        assert all(mark.kind in MARKS for mark in one.marks)
        assert [mark.time for mark in one.marks] == sorted(mark.time for mark in one.marks)
    keys = Counter((one.kind, one.key) for one in made.lanes)
    assert max(keys.values(), default=1) == 1
    assert {one.key for one in made.lanes if one.kind == "task"} == set(case.tasks["task_arn"])
    assert {one.key for one in made.lanes if one.kind == "volume"} == set(case.volumes["volume_id"])
    outages = rows(case.outages)
    for one in made.lanes:
        if one.kind != "role":
            continue
        role, purpose = one.key.split("|")
        mine = [row for row in outages if (row["role_arn"], row["purpose"]) == (role, purpose)]
        broken = [span for span in one.spans if span.state == "broken"]
        assert bool(mine) == bool(broken)
        for row in mine:
            assert any(span.start <= row["start"] < span.end for span in broken)


def test_the_sample_keeps_the_laws(made, case):
    check_laws(made, case)


def test_the_laws_can_fail(made, case):
    task = next(one for one in made.lanes if one.kind == "task")
    task.spans.reverse()
    try:
        with pytest.raises(AssertionError):
            check_laws(made, case)
    finally:
        task.spans.reverse()


@pytest.mark.parametrize("kind", KINDS_OF_INCIDENT)
def test_whole_incidents_keep_the_laws(kind, tmp_path):
    write(incident(kind, 3), tmp_path)
    found = et.investigate(tmp_path)
    made = board_of(found)
    check_laws(made, found)
    for row in rows(found.tasks):
        mine = lane(made, row["task_arn"])
        states = {span.state for span in mine.spans}
        if row["state"] in {"stuck", "recovered"}:
            assert "stuck" in states
            assert [span.start for span in mine.spans if span.state == "stuck"] == [row["blocked_since"]]
        if row["state"] == "failed_to_start":
            assert states == {"failed_to_start"}
        if row["state"] in {"running", "stopped"}:
            assert "stuck" not in states


def test_an_empty_case_has_an_empty_board(case):
    empty = {name: getattr(case, name).head(0) for name in FRAMES}
    made = board(empty, case.as_of)
    assert made.lanes == ()
    assert made.start < case.as_of < made.end
    assert pack(made).table["labels"] == []


# -- packing ------------------------------------------------------------------------------------------------------


def unpacked(packed):
    """The arrays of a packed board by name, read as the browser reads them."""
    data = zlib.decompress(packed.data)
    assert len(data) == packed.table["bytes"]
    codes = {"u1": "B", "u4": "I", "f8": "d"}
    found = {}
    for name, (kind, offset, length) in packed.table["columns"].items():
        assert offset % 8 == 0
        one = array(codes[kind])
        one.frombytes(data[offset : offset + length * one.itemsize])
        found[name] = one
    return found


def test_the_arrays_hold_the_board(made):
    packed = pack(made)
    arrays = unpacked(packed)
    assert [KINDS[one] for one in arrays["lane_kind"]] == [one.kind for one in made.lanes]
    for place, one in enumerate(made.lanes):
        first, last = arrays["spans_at"][place], arrays["spans_at"][place + 1]
        assert [STATES[code] for code in arrays["span_state"][first:last]] == [span.state for span in one.spans]
        assert list(arrays["span_start"][first:last]) == [millis(span.start) for span in one.spans]
        first, last = arrays["marks_at"][place], arrays["marks_at"][place + 1]
        assert list(arrays["mark_event"][first:last]) == [mark.event for mark in one.marks]
        first, last = arrays["evidence_at"][place], arrays["evidence_at"][place + 1]
        assert tuple(arrays["evidence"][first:last]) == one.evidence
        role = arrays["lane_role"][place]
        assert (packed.table["roles"][role] if role != NONE else None) == one.role_arn
    ids = arrays["ids"].tobytes().decode()
    assert [ids[a:b] for a, b in pairwise(arrays["ids_at"])] == made.events.ids


def test_the_same_board_packs_to_the_same_bytes(case):
    first, second = pack(board_of(case)), pack(board_of(case))
    assert (first.data, first.table) == (second.data, second.table)


def test_acting_characters_never_leave_python(case):
    frames = {name: getattr(case, name) for name in FRAMES}
    hostile = frames["volumes"].copy()
    hostile["service"] = "a\u202eb\x1b[31m"
    made = board(frames | {"volumes": hostile}, case.as_of)
    table = pack(made).table
    assert "a\\u202eb\\x1b[31m" in table["services"]
    assert not any("\u202e" in one or "\x1b" in one for one in table["services"])
