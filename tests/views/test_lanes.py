"""Scenes: the lanes every overview draws, whoever draws them."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import ecs_trail as et
from ecs_trail import practice
from ecs_trail.views import scene as scenes
from ecs_trail.views.denials import denials
from ecs_trail.views.lanes import incident_window, overview, reach, task_lanes, volume_lanes
from ecs_trail.views.policydiff import policy_diff
from ecs_trail.views.report.drawing import shortened, svg, ticks
from ecs_trail.views.role_lanes import action_lanes
from ecs_trail.views.scene import Lane, Mark, Scene, Span, thinned

FRAMES = ("roles", "role_states", "changes", "outages", "losses", "tasks", "volumes", "tls", "volume_calls")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lanes")
    practice.run(3, "managed_detached", folder)
    return et.investigate(folder / "evidence")


@pytest.fixture(scope="module")
def frames(case):
    return {name: case.frame(name) for name in FRAMES}


def lanes_of(scene, group):
    return [lane for lane in scene.lanes if lane.group == group]


def test_a_role_is_unable_exactly_while_it_has_an_outage(case, frames):
    scene = overview(frames, case.as_of)
    outage = case.outages.iloc[0]
    lane = next(lane for lane in lanes_of(scene, scenes.ROLES) if lane.key == outage["role_arn"])
    broken = [span for span in lane.spans if span.state == "broken"]
    assert [span.start for span in broken] == [outage["start"].to_pydatetime()]
    assert broken[-1].end == (case.as_of if pd.isna(outage["end"]) else outage["end"].to_pydatetime())
    assert any(mark.kind == "breaks" and mark.at == broken[0].start for mark in lane.marks)
    for left, right in zip(lane.spans, lane.spans[1:], strict=False):
        assert left.end <= right.start


def test_every_stuck_task_is_drawn_from_its_block_on(case, frames):
    lanes = {lane.key: lane for lane in task_lanes(frames, *reach(frames, case.as_of), most=500)}
    blocked = case.tasks[case.tasks["blocked_since"].notna()]
    assert len(blocked)
    for row in blocked.to_dict("records"):
        stuck = [span for span in lanes[row["task_arn"]].spans if span.state == "stuck"]
        assert stuck[0].start == row["blocked_since"].to_pydatetime()
        end = row["resolved_at"]
        assert stuck[0].end == (case.as_of if end is None or pd.isna(end) else end.to_pydatetime())


def test_denied_attempts_are_marks_of_their_volume(case, frames):
    lanes = {lane.key: lane for lane in volume_lanes(frames, *reach(frames, case.as_of), most=500)}
    denied = case.volume_calls[case.volume_calls["outcome"] == "denied"].groupby("volume_id").size()
    assert len(denied)
    for volume_id, number in denied.items():
        assert sum(m.number for m in lanes[volume_id].marks if m.kind == "denied") == number


def test_denials_agree_with_the_calls_of_ecs(case):
    found = denials(case.events)
    assert {row["event_id"] for row in found} >= set(
        case.volume_calls[(case.volume_calls["outcome"] == "denied") & case.volume_calls["by_ecs"]]["event_id"]
    )
    assert {row["action"] for row in found} >= {"ec2:DetachVolume"}
    assert denials(case.events.iloc[:0]) == []


def test_what_has_no_lane_is_counted_by_state(case, frames):
    few, all_of = (task_lanes(frames, *reach(frames, case.as_of), most=most) for most in (1, 500))
    assert sum(lane.number for lane in few) == sum(lane.number for lane in all_of) == len(case.tasks)
    assert len(few) < len(all_of)
    assert few[0].key == all_of[0].key


def test_lost_actions_have_a_lane_each(case, frames):
    lanes = action_lanes(frames, *reach(frames, case.as_of))
    lost = {lane.name for lane in lanes if any(span.state == "lost" for span in lane.spans)}
    assert lost == set(case.losses["action"])
    told = [word for lane in lanes for mark in lane.marks for word in mark.words]
    assert any(word.startswith("lost ec2:") for word in told)


def test_many_marks_become_few_that_count_them():
    marks = [Mark(NOON + MINUTE * at, "denied", (f"call {at}",)) for at in range(1000)]
    thin = thinned(marks, NOON, NOON + MINUTE * 1000)
    assert len(thin) <= 50
    assert sum(mark.number for mark in thin) == 1000
    assert thinned(marks[:5], NOON, NOON + MINUTE * 5) == tuple(marks[:5])


def test_a_shorter_window_cuts_spans_and_leaves_empty_lanes_out():
    span = Span(NOON, NOON + MINUTE * 60, "stuck", ())
    scene = Scene(NOON, NOON + MINUTE * 60, (Lane("Tasks", "a", "", (span,), ()), Lane("Tasks", "b", "", (), ())))
    near = scene.within(NOON + MINUTE * 10, NOON + MINUTE * 20)
    assert [(one.name, one.spans[0].start, one.spans[0].end) for one in near.lanes] == [("a", near.start, near.end)]
    assert incident_window(scene) == (scene.start, scene.end)


def test_empty_frames_give_an_empty_scene():
    scene = overview({}, NOON)
    assert scene.lanes == ()
    assert scene.start < scene.end == NOON
    assert svg(scene, name="x", label="nothing").startswith("<svg")


@pytest.mark.parametrize("days", [0.001, 0.1, 1, 9, 100, 4000])
def test_ticks_are_few_round_and_inside(days):
    end = NOON + timedelta(days=days)
    found = ticks(NOON, end)
    assert len(found) <= 9
    assert all(NOON <= one <= end and one.second == 0 for one in found)
    assert days < 0.001 or found


def test_a_long_name_keeps_both_ends():
    assert shortened("vol-0123456789abcdef", 12) == "vol-012…cdef"
    assert shortened("short", 12) == "short"


def test_a_policy_differs_only_where_it_says_something_else():
    old = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:DeleteVolume","Resource":"*"}]}'
    same = (
        '{"Statement": [{"Action": "ec2:DeleteVolume", "Resource": "*", "Effect": "Allow"}], "Version": "2012-10-17"}'
    )
    new = old.replace("DeleteVolume", "DescribeVolumes")
    assert policy_diff(old, same) == ()
    assert [(line.kind, line.text.strip()) for line in policy_diff(old, new, context=0) if line.kind in "+-"] == [
        ("-", '"Action": "ec2:DeleteVolume"'),
        ("+", '"Action": "ec2:DescribeVolumes"'),
    ]
    assert {line.kind for line in policy_diff(None, new)} == {"+"}
    one, other = '{"Action":["ec2:A","ec2:B"]}', '{"Action":["ec2:C","ec2:B","ec2:A"]}'
    assert [line.text.strip() for line in policy_diff(one, other) if line.kind in "+-"] == ['"ec2:C"']
    assert [line.text for line in policy_diff("broken \x1b[2J", None) if line.kind == "-"] == ["broken \\x1b[2J"]
    assert len(policy_diff(None, "\n".join(map(str, range(5000))))) == 401
