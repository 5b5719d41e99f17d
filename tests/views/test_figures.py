"""Figures, by the facts in `fig.data`: what is drawn is what the frames say, nothing in it obeys an attacker."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from planting import NAME_POISON, POISON

import ecs_trail as et
from ecs_trail import practice
from ecs_trail.analysis.conduct.actors import ACTORS
from ecs_trail.analysis.links.judging import TASKS
from ecs_trail.analysis.tls.secrets import TLS
from ecs_trail.analysis.volumes import VOLUME_CALLS, VOLUMES
from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.frames import to_frame
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.views import figures
from ecs_trail.views.denials import denials
from ecs_trail.views.figures.theme import text
from ecs_trail.views.palette import DARK, LIGHT

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SINGLE = ("volume_swimlanes", "tls_lifecycle", "denied_calls", "time_to_recover", "leak_inventory", "session_heatmap")
DENIED = (
    "User: arn:aws:sts::111122223333:assumed-role/infra/ECSTaskVolumesForEBS is not authorized to perform: "
    "ec2:DeleteVolume on resource: arn because no identity-based policy allows the ec2:DeleteVolume action"
)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    practice.run(3, "managed_detached", folder)
    return et.investigate(folder / "evidence")


def events_frame(number, **more):
    row = {
        "event_source": "ec2.amazonaws.com",
        "event_name": "DeleteVolume",
        "error_code": "Client.UnauthorizedOperation",
        "error_message": DENIED,
        "session_name": "ECSTaskVolumesForEBS",
        "session_issuer_arn": "arn:aws:iam::111122223333:role/infra",
        "invoked_by": "ecs.amazonaws.com",
    } | more
    columns = {field.name: pa.array([row.get(field.name)] * number, type=field.type) for field in EVENT_SCHEMA}
    columns["event_id"] = pa.array([f"e-{at}" for at in range(number)])
    columns["event_time"] = pa.array(
        [NOON + MINUTE * (at % 9000) for at in range(number)], type=EVENT_SCHEMA.field("event_time").type
    )
    return to_frame(pa.table(columns, schema=EVENT_SCHEMA))


def volume(at, **more):
    return {
        "volume_id": f"vol-{at:017x}",
        "task_arn": f"arn:aws:ecs:eu-west-1:111122223333:task/prod/{at:032x}",
        "service": f"service-{at % 3}",
        "size_gib": 10 + at % 5,
        "created_at": NOON,
        "attached_at": NOON + MINUTE,
        "detached_at": NOON + MINUTE * 60,
        "state": "leaked",
    } | more


def task(at, **more):
    return {
        "task_arn": f"arn:aws:ecs:eu-west-1:111122223333:task/prod/{at:032x}",
        "state": "stuck",
        "at_risk": False,
        "launched_at": NOON,
        "stop_started_at": NOON + MINUTE * 30,
        "blocked_since": NOON + MINUTE * 31,
    } | more


def words_of(figure):
    """Every string plotly would show, wherever it stands."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
        elif isinstance(value, str):
            found.append(value)

    plain = json.loads(figure.to_json())
    plain["layout"].pop("template", None)
    walk(plain)
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_is_made_of_a_case_in_both_themes(name, theme, case):
    figure = case.figure(name, theme=theme)
    palette = {"light": LIGHT, "dark": DARK}[theme]
    assert figure.layout.template.layout.paper_bgcolor == palette.paper
    assert figure.layout.title.text
    assert len(figure.data) or figure.layout.annotations


def test_an_unknown_figure_or_theme_is_refused(case):
    with pytest.raises(UsageError, match="incident_overview"):
        case.figure("pie")
    with pytest.raises(UsageError, match="light, dark"):
        case.figure("denied_calls", theme="pink")
    with pytest.raises(UsageError, match="no role"):
        case.figure("role_history", role="arn:aws:iam::1:role/x")


EMPTY = {
    "incident_overview": lambda: figures.incident_overview({}, as_of=NOON),
    "role_history": lambda: figures.role_history({}, as_of=NOON),
    "volume_swimlanes": lambda: figures.volume_swimlanes(VOLUMES.frame([]), VOLUME_CALLS.frame([]), as_of=NOON),
    "tls_lifecycle": lambda: figures.tls_lifecycle(TLS.frame([]), as_of=NOON),
    "denied_calls": lambda: figures.denied_calls(events_frame(0)),
    "time_to_recover": lambda: figures.time_to_recover(TASKS.frame([])),
    "leak_inventory": lambda: figures.leak_inventory(VOLUMES.frame([]), TASKS.frame([]), as_of=NOON),
    "session_heatmap": lambda: figures.session_heatmap(events_frame(0)),
    "caller_table": lambda: figures.caller_table(ACTORS.frame([])),
}


@pytest.mark.parametrize("name", figures.__all__)
def test_an_empty_frame_says_so(name):
    figure = EMPTY[name]()
    assert len(figure.data) == 0
    assert figure.layout.annotations[0].text.startswith("No")


def test_the_overview_draws_states_and_changes_at_their_times(case):
    figure = case.figure("incident_overview")
    by_name = {trace.name: trace for trace in figure.data}
    outage = case.outages.iloc[0]
    assert outage["start"].strftime("%Y-%m-%d %H:%M:%S") in by_name["unable"].base
    assert outage["start"].strftime("%Y-%m-%d %H:%M:%S") in by_name["change that took an ability"].x
    assert len(by_name["stuck"].y) == sum(case.tasks["blocked_since"].notna())
    assert by_name["unable"].marker.pattern.shape == "/"
    assert by_name["unable"].marker.color == LIGHT.bad


def test_role_history_shows_the_difference_of_a_policy_on_hover(tmp_path):
    practice.run(1, "inline_narrowed", tmp_path)
    case = et.investigate(tmp_path / "evidence")
    figure = case.figure("role_history")
    hover = [one for trace in figure.data if trace.name == "change that took an ability" for one in trace.hovertext]
    assert any("<br>- " in one or "<br>+ " in one for one in hover)
    role = case.outages["role_arn"].iloc[0]
    assert len(case.figure("role_history", role=role).layout.yaxis.ticktext) <= len(figure.layout.yaxis.ticktext)


def test_denied_calls_count_every_denied_call_once(case):
    figure = case.figure("denied_calls")
    assert sum(sum(trace.y) for trace in figure.data) == len(denials(case.events))
    one = figures.denied_calls(events_frame(1))
    assert [tuple(trace.y) for trace in one.data] == [(1,)]
    assert one.data[0].name == "ec2:DeleteVolume, identity-based policy"


def test_what_a_person_was_denied_is_no_denied_call_of_ecs():
    person = {"invoked_by": None, "source_ip_address": "203.0.113.7", "session_name": "alice"}
    assert len(figures.denied_calls(events_frame(3, **person)).data) == 0
    assert len(figures.denied_calls(events_frame(3, error_code="Client.VolumeInUse")).data) == 0


def test_more_kinds_than_colours_are_counted_together():
    many = pd.concat(
        [
            events_frame(at + 1, event_name=f"Call{at}", error_message=f"not authorized to perform: ec2:Call{at}")
            for at in range(12)
        ],
        ignore_index=True,
    )
    figure = figures.denied_calls(many)
    assert len(figure.data) == 8
    assert figure.data[-1].name.startswith("other")
    assert sum(sum(trace.y) for trace in figure.data) == 78


def test_recoveries_fall_into_their_span_and_waiting_tasks_are_kept_apart():
    tasks = TASKS.frame(
        [
            task(1, state="recovered", resolved_at=NOON + MINUTE * 41),
            task(2, state="recovered", resolved_at=NOON + MINUTE * 41, resolved_by="arn:aws:iam::1:user/x"),
            task(3, state="recovered", resolved_at=NOON + timedelta(days=30)),
            task(4),
            task(5, state="failed_to_start"),
        ]
    )
    figure = figures.time_to_recover(tasks)
    found = {trace.name: {x: y for x, y in zip(trace.x, trace.y, strict=True) if y} for trace in figure.data}
    assert found == {
        "by ECS": {"5–15 min": 1, "over 7 d": 1},
        "by hand": {"5–15 min": 1},
        "waiting": {"still waiting": 1},
    }


def test_leaks_are_summed_in_gib_and_money():
    volumes = VOLUMES.frame(
        [volume(1, size_gib=100), volume(2, size_gib=50), volume(3, state="deleted"), volume(4, size_gib=None)]
    )
    figure = figures.leak_inventory(volumes, as_of=NOON + MINUTE * 60 + timedelta(days=30), usd_per_gib_month=0.1)
    assert sorted(figure.data[0].x) == [0, 50, 100]
    assert "150 GiB: 15.00 USD a month, 15.00 USD so far" in figure.layout.title.subtitle.text
    assert "size of 1 not known" in figure.layout.title.subtitle.text


def test_the_heat_map_counts_events_of_each_session(case):
    figure = case.figure("session_heatmap")
    assert sum(n or 0 for row in figure.data[0].z for n in row) == case.events["session_name"].notna().sum()
    assert figure.layout.yaxis.ticktext[0].startswith("ECS")


def test_callers_who_broke_something_come_first(case):
    figure = case.figure("caller_table")
    breaking = [int(one) for one in figure.data[0].cells.values[4]]
    assert breaking == sorted(breaking, reverse=True)
    assert breaking[0] == case.actors["breaking"].max()


HOSTILE = {
    "volume_swimlanes": lambda: figures.volume_swimlanes(
        VOLUMES.frame(
            [volume(1, volume_id=f"vol-1{POISON}", service=POISON, deleted_by=POISON, gone_at=NOON + MINUTE * 90)]
        ),
        as_of=NOON + timedelta(days=1),
    ),
    "tls_lifecycle": lambda: figures.tls_lifecycle(
        TLS.frame([{"secret_arn": f"a:secret:{POISON}", "service_arn": POISON, "issued_at": NOON, "state": "healthy"}]),
        as_of=NOON + timedelta(days=1),
    ),
    "denied_calls": lambda: figures.denied_calls(
        events_frame(1, event_name=POISON, error_message=POISON, session_issuer_arn=POISON)
    ),
    "leak_inventory": lambda: figures.leak_inventory(
        VOLUMES.frame([volume(1, volume_id=POISON, service=POISON, task_arn=f"x:task/{POISON}")]), as_of=NOON
    ),
    "leak_inventory by service": lambda: figures.leak_inventory(
        VOLUMES.frame([volume(at, service=f"{at % 50}{NAME_POISON}") for at in range(200)]), as_of=NOON
    ),
    "session_heatmap": lambda: figures.session_heatmap(events_frame(2, session_name=POISON)),
    "caller_table": lambda: figures.caller_table(
        ACTORS.frame(
            [
                {
                    "actor": POISON,
                    "source_ip": POISON,
                    "user_agents": [POISON],
                    "role_arns": [f"a/{POISON}"],
                    "changes": 1,
                    "refused": 0,
                    "breaking": 0,
                }
            ]
        )
    ),
    "incident_overview": lambda: figures.incident_overview(
        {
            "tasks": TASKS.frame([task(1, task_arn=f"x:task/{POISON}", service=POISON)]),
            "events": events_frame(1, session_issuer_arn=f"arn:aws:iam::1:role/{POISON}"),
        },
        as_of=NOON + timedelta(days=1),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_words_stay_words(name):
    shown = words_of(HOSTILE[name]())
    assert any("&lt;img" in one or "&lt;script" in one or "&lt;b" in one for one in shown), "the poison never arrived"
    for one in shown:
        assert "<script" not in one
        assert "<img" not in one
        assert "<b>B<" not in one
        assert "</title" not in one
        assert "$" not in one


def test_text_is_neither_html_nor_mathematics_nor_acting():
    assert text("<a href='javascript:x'>$x$ & \x1b\u202e") == (
        "&lt;a href='javascript:x'&gt;&#36;x&#36; &amp; \\x1b\\u202e"
    )


def test_a_hundred_thousand_are_gathered_quickly_and_small():
    number = 100_000
    events = events_frame(number)
    volumes = VOLUMES.frame([volume(at) for at in range(number)])
    tasks = TASKS.frame([task(at) for at in range(number)])
    as_of = NOON + timedelta(days=30)
    begun = time.monotonic()
    made = [
        figures.incident_overview({"tasks": tasks, "volumes": volumes, "events": events}, as_of=as_of),
        figures.volume_swimlanes(volumes, as_of=as_of),
        figures.denied_calls(events),
        figures.time_to_recover(tasks),
        figures.leak_inventory(volumes, tasks, as_of=as_of),
        figures.session_heatmap(events),
    ]
    assert time.monotonic() - begun < 30
    for figure in made:
        assert len(figure.to_json()) < 300_000, figure.layout.title.text
    assert sum(sum(trace.y) for trace in made[2].data) == number
    assert sum(sum(trace.y) for trace in made[3].data) == number
    assert sum(n or 0 for row in made[5].data[0].z for n in row) == number
    assert any("99,960 more volumes" in one for one in made[1].layout.yaxis.ticktext)


def test_without_plotly_the_extra_is_named(case, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("ecs_trail.views.figures")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("ecs_trail.views.figures", None, raising=False)
    monkeypatch.delattr("ecs_trail.views.figures")
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(EcsTrailError, match=r"ecs-trail\[report\]"):
        case.figure("denied_calls")
