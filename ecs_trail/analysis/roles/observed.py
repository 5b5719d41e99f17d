"""What ECS was seen to do, or refused, with a role: evidence about single actions at single moments."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from ecs_trail.analysis.roles.changes import RoleKey
from ecs_trail.analysis.roles.losses import Observation
from ecs_trail.arns import role_key, task_cluster
from ecs_trail.calls import Outcome, PolicyType, action_of, made_by_ecs, outcome, refusal
from ecs_trail.frames import Row, Sheet, each, is_known, tuples
from ecs_trail.vocabulary import ASSUME_ROLE, RESERVED_TAGS

Observed = dict[RoleKey, dict[str, list[Observation]]]

_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_source",
    "event_name",
    "aws_region",
    "error_code",
    "error_message",
    "session_name",
    "session_issuer_arn",
    "session_created_at",
    "requested_session_name",
    "target_role_arn",
    "invoked_by",
    "source_ip_address",
)


_CALL_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_name",
    "action",
    "volume_id",
    "task_arn",
    "role_arn",
    "region",
    "cluster",
    "by_ecs",
    "outcome",
    "policy_type",
    "tags_lost",
    "tags_set",
)


def observations(events: Sheet, calls: Sheet) -> Observed:
    """ECS's calls by role and action, from the volume calls (which know their cluster) and from all other events."""
    found: Observed = defaultdict(lambda: defaultdict(list))
    for role, action, seen in _of_volumes(calls):
        found[role][action].append(seen)
    own = events.where_any({"session_issuer_arn": is_known}, {"event_name": "AssumeRole"})
    for row in each(own.where(event_source=lambda source: source != "ec2.amazonaws.com"), _COLUMNS):
        key = _role_of(row)
        if key is not None:
            for action, seen in _of_event(row):
                found[key][action].append(seen)
    # A session that exists was granted at its creation: proof of the trust at that moment.
    sessions = own.where(session_created_at=is_known).first_of(_SESSION)
    for row in each(sessions, _COLUMNS):
        key = _role_of(row)
        if key is not None:
            found[key][ASSUME_ROLE].append(
                Observation(
                    row["event_id"],
                    row["session_created_at"],
                    allowed=True,
                    policy_type="",
                    region=row["aws_region"],
                    cluster=None,
                )
            )
    return found


_SESSION: Final = ("session_issuer_arn", "session_created_at", "aws_region", "invoked_by", "source_ip_address")


def _role_of(row: Row) -> RoleKey | None:
    """The role ECS used in a call; None where somebody else made it."""
    session = row["requested_session_name"] or row["session_name"]
    if not made_by_ecs(row["invoked_by"], row["source_ip_address"], session):
        return None
    return role_key(row["target_role_arn"] if row["event_name"] == "AssumeRole" else row["session_issuer_arn"])


def _of_event(row: Row) -> Iterator[tuple[str, Observation]]:
    how = outcome(row["error_code"])
    if how not in {Outcome.OK, Outcome.DENIED}:
        return
    said = refusal(row["error_message"])
    action = said.action if how is Outcome.DENIED and said.action else action_of(row["event_source"], row["event_name"])
    yield (
        action,
        Observation(
            row["event_id"],
            row["event_time"],
            allowed=how is Outcome.OK,
            policy_type=said.policy_type.value,
            region=row["aws_region"],
            cluster=None,
        ),
    )


def _of_volumes(calls: Sheet) -> Iterator[tuple[RoleKey, str, Observation]]:
    untagged: dict[str, datetime] = {}
    # Plain tuples: most of a large case are such calls, and a dictionary for each of them takes half the time.
    for event_id, moment, name, action, volume, task, role, region, cluster, by_ecs, how, kind, lost, kept in tuples(
        calls, _CALL_COLUMNS
    ):
        if how == Outcome.OK and volume is not None:
            if lost:
                untagged.setdefault(volume, moment)
            elif kept and RESERVED_TAGS & set(kept):
                untagged.pop(volume, None)
        if not by_ecs or how not in _TELLING or volume in untagged:
            continue  # one volume's missing tags say nothing of the role
        key = role_key(role)
        if key is None:
            continue
        allowed = how == Outcome.OK
        seen = Observation(
            event_id, moment, allowed, kind or PolicyType.NONE.value, region, task_cluster(task) or cluster
        )
        yield key, action, seen
        if allowed and name == "CreateVolume":
            yield key, "ec2:CreateTags", seen


_TELLING: Final = frozenset({Outcome.OK.value, Outcome.DENIED.value})
