"""The leak inventory from frames alone: what counts, what does not, and how sure it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecs_trail.analysis.leaks.inventory import LEAKS, leaks, narrowed, with_absences, with_leaks
from ecs_trail.analysis.leaks.prices import monthly_cost
from ecs_trail.analysis.links.judging import TASKS
from ecs_trail.analysis.volumes import VOLUME_CALLS, VOLUMES
from ecs_trail.evidence.snapshots.volume_states import VOLUME_STATES
from ecs_trail.evidence.tasks import MISSING_TASKS, TASK_STATES
from ecs_trail.frames import rows

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ROLE = "arn:aws:iam::111122223333:role/infra"
Row = dict[str, Any]


def arn(number: int) -> str:
    return f"arn:aws:ecs:eu-west-1:111122223333:task/prod/{number:032x}"


def volume(number: int, state: str = "created", **more: Any) -> Row:
    return {
        "volume_id": f"vol-{number}", "task_arn": arn(number), "role_arn": ROLE, "account": "111122223333",
        "region": "eu-west-1", "size_gib": 10, "state": state, "created_at": NOW - timedelta(days=3), **more,
    }  # fmt: skip


def there(number: int, status: str = "available", **more: Any) -> Row:
    return {
        "volume_id": f"vol-{number}", "account": "111122223333", "region": "eu-west-1", "task_arn": arn(number),
        "managed": True, "status": status, "attachments": int(status == "in-use"), "size_gib": 10,
        "volume_type": "gp3", "created_at": NOW - timedelta(days=3), "seen_at": NOW, **more,
    }  # fmt: skip


def look(**more: Any) -> Row:
    return {"account": "111122223333", "region": "eu-west-1", "seen_at": NOW, **more}


def inventory(**frames: list[Row]) -> dict[str, Row]:
    specs = {"volumes": VOLUMES, "tasks": TASKS, "task_states": TASK_STATES, "missing_tasks": MISSING_TASKS,
             "volume_states": VOLUME_STATES}  # fmt: skip
    found = leaks({name: spec.frame(frames.get(name, [])) for name, spec in specs.items()}, NOW)
    LEAKS.check(found)
    return {row["volume_id"]: row for row in rows(found)}


def judged(number: int, state: str, **more: Any) -> Row:
    return {"task_arn": arn(number), "state": state, "kept_by_design": False, **more}


def test_a_leak_from_events_has_age_size_and_cost():
    (leak,) = inventory(volumes=[volume(1, "leaked")], tasks=[judged(1, "stopped")]).values()
    assert (leak["age_days"], leak["size_gib"], leak["monthly_cost_usd"]) == (3.0, 10, 0.88)
    assert (leak["state"], leak["is_attached"], leak["confidence"]) == ("unknown", None, "likely")


@pytest.mark.parametrize(
    ("frames", "confidence"),
    [
        ({"missing_tasks": [{"task_arn": arn(1), "seen_at": NOW}]}, "likely"),
        ({"task_states": [{"task_arn": arn(1), "last_status": "STOPPED", "seen_at": NOW}]}, "certain"),
        ({"tasks": [judged(1, "recovered")]}, "likely"),
        ({}, "possible"),
    ],
)
def test_a_volume_that_is_there_though_its_task_is_gone(frames, confidence):
    (leak,) = inventory(volume_states=[there(1)], **frames).values()
    assert (leak["confidence"], leak["state"], leak["is_attached"]) == (confidence, "available", False)


@pytest.mark.parametrize(
    "frames",
    [
        {"task_states": [{"task_arn": arn(1), "last_status": "RUNNING", "seen_at": NOW}]},
        {"task_states": [{"task_arn": arn(1), "last_status": "DEPROVISIONING", "seen_at": NOW}]},
        {"tasks": [judged(1, "stuck")], "volumes": [volume(1, "blocked")]},
        {"tasks": [judged(1, "running")]},
        {"tasks": [judged(1, "stopped", kept_by_design=True)]},
        {"missing_tasks": [{"task_arn": arn(1), "seen_at": NOW}],
         "task_states": [{"task_arn": arn(1), "last_status": "STOPPED", "delete_on_termination": False}]},
        {"volumes": [volume(1, "kept")], "missing_tasks": [{"task_arn": arn(1), "seen_at": NOW}]},
    ],
)  # fmt: skip
def test_what_is_needed_kept_or_being_deleted_is_no_leak(frames):
    assert inventory(volume_states=[there(1)], **frames) == {}


@pytest.mark.parametrize("status", ["deleting", "deleted", "creating"])
def test_a_volume_on_its_way_is_no_leak(status):
    assert inventory(volume_states=[there(1, status)], missing_tasks=[{"task_arn": arn(1), "seen_at": NOW}]) == {}


def test_a_fresh_volume_of_an_unknown_task_is_no_leak():
    assert inventory(volume_states=[there(1, created_at=NOW - timedelta(hours=1))]) == {}
    assert inventory(volume_states=[there(1, "in-use")]) == {}


def test_the_newest_state_of_a_volume_counts():
    earlier = there(1, "available", seen_at=NOW - timedelta(hours=2))
    gone = {"missing_tasks": [{"task_arn": arn(1), "seen_at": NOW}]}
    assert inventory(volume_states=[there(1, "deleting"), earlier], **gone) == {}
    assert inventory(volumes=[volume(1, "leaked")], volume_states=[there(1, "deleting")]) == {}


def test_absence_counts_only_where_somebody_looked():
    def state(*states: Row, calls: tuple[Row, ...] = (), **more: Any) -> str:
        frames = (VOLUMES.frame([volume(1, **more)]), VOLUME_STATES.frame(states), VOLUME_CALLS.frame(calls))
        (one,) = with_absences(*frames)
        return str(one["state"])

    assert state(look()) == "deleted"
    assert state(look(), there(1)) == "created"
    assert state(look(), there(1, "deleted")) == "deleted"
    assert state(there(2)) == "created"  # a volume was seen, but nobody says that the Region was looked through
    assert state(look(region="us-east-1")) == "created"
    assert state(look(account="444455556666")) == "created"
    assert state(look(), created_at=NOW + timedelta(minutes=1)) == "created"
    untagged = {"volume_id": "vol-1", "event_name": "DeleteTags", "tags_lost": ["AmazonECSManaged"]}
    assert state(look(), calls=(untagged,)) == "created"  # it is looked for by its tags
    later = look(seen_at=NOW + timedelta(hours=1))
    assert state(look(), there(1), later) == "deleted"


def test_marked_and_narrowed():
    volumes = VOLUMES.frame([volume(1), volume(2)])
    found = leaks(
        {
            "volumes": volumes,
            "tasks": TASKS.frame([]),
            "task_states": TASK_STATES.frame([]),
            "missing_tasks": MISSING_TASKS.frame([{"task_arn": arn(1), "seen_at": NOW}]),
            "volume_states": VOLUME_STATES.frame([there(1)]),
        },
        NOW,
    )
    assert [one["state"] for one in with_leaks(volumes, found)] == ["leaked", "created"]
    nothing = {"role": None, "account": None, "region": None, "cluster": None}
    for narrow, count in (({"role": ROLE}, 1), ({"role": "infra"}, 1), ({"role": "other"}, 0), ({"region": "x"}, 0)):
        assert len(narrowed(found, **(nothing | narrow))) == count
    empty = narrowed(LEAKS.frame([]), **(nothing | {"role": ROLE}))
    LEAKS.check(empty)


def test_prices_have_a_fallback():
    assert monthly_cost(100, "gp3", "us-east-1") == 8.0
    assert monthly_cost(100, "sc1", "us-east-1") == 1.5
    assert monthly_cost(100, None, "us-east-1") == 8.0
    assert monthly_cost(100, "gp9", "xx-new-1") == 9.6
    assert monthly_cost(None, "gp3", "us-east-1") is None
