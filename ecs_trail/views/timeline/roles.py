"""Lanes of roles: for each purpose of a role what ECS could do with it, and every change of it as a mark."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from ecs_trail.arns import last_part, parse_arn
from ecs_trail.frames import Row as Record
from ecs_trail.frames import rows
from ecs_trail.views.text import clean
from ecs_trail.views.timeline.parts import Events, Frames, Lane, Mark
from ecs_trail.vocabulary import Effect


def role_lanes(frames: Frames, events: Events, as_of: datetime) -> Iterator[Lane]:
    """One lane for each role and purpose, from `role_abilities`, `outages`, and `role_changes`."""
    spans: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for row in rows(frames["role_abilities"]):
        spans[row["role_arn"], row["purpose"]].append(row)
    outages = rows(frames["outages"])
    changes: dict[str, list[Record]] = defaultdict(list)
    for row in rows(frames["role_changes"]):
        for arn in row["role_arns"]:
            changes[arn].append(row)
    for (arn, purpose), listed in spans.items():
        mine = [row for row in outages if (row["role_arn"], row["purpose"]) == (arn, purpose)]
        lane = _lane(arn, purpose, mine, changes[arn], events)
        _spans(lane, listed, mine, events, as_of)
        yield lane


def _lane(arn: str, purpose: str, outages: list[Record], changes: list[Record], events: Events) -> Lane:
    account = parse_arn(arn)
    ids = [*(row["event_id"] for row in changes), *(one for row in outages for one in row["restore_event_ids"])]
    lane = Lane(
        "role",
        f"{arn}|{purpose}",
        clean(last_part(arn)),
        purpose.replace("_", " "),
        role_arn=arn,
        account=account.account if account else None,
    )
    lane.rest_on(events, [*ids, *(one for row in outages for one in row["cause_event_ids"])])
    lane.outage_id = next((one["id"] for one in reversed(outages)), None)
    lane.marks = sorted(_marks(changes, purpose, events), key=lambda mark: mark.time)
    return lane


def _spans(lane: Lane, listed: list[Record], outages: list[Record], events: Events, as_of: datetime) -> None:
    for row in listed:
        start, end = row["start"], row["end"]
        under = [one for one in outages if one["start"] <= start and (one["end"] is None or end <= one["end"])]
        causes = {event_id for one in under for event_id in (*one["cause_event_ids"], *one["restore_event_ids"])}
        lane.add(
            start,
            end,
            row["state"],
            open_start=row["open_start"],
            open_end=end >= as_of,
            causes=events.places(sorted(causes)),
        )
    lane.state = lane.spans[-1].state if lane.spans else "unknown"


def _marks(changes: list[Record], purpose: str, events: Events) -> Iterator[Mark]:
    kinds = {Effect.BREAKS: "break", Effect.RESTORES: "restore"}
    for row in changes:
        if row["event_id"] not in events.place:
            continue
        touches = purpose in row["purposes"] or not row["purposes"]
        kind = kinds.get(row["effect"], "change") if touches and row["applied"] else "change"
        if not row["applied"]:
            kind = "error"
        yield Mark(row["event_time"], kind, events.place[row["event_id"]])
