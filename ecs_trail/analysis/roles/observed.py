"""What ECS was seen to do, or refused, with a role: evidence about single actions at single moments."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from ecs_trail.analysis.roles.changes import RoleKey
from ecs_trail.analysis.roles.losses import Observation
from ecs_trail.arns import role_key, task_cluster
from ecs_trail.calls import Outcome, action_of, made_by_ecs, outcome, refusal
from ecs_trail.frames import FLAG, TEXT, Row, Sheet, each, is_known
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


def observations(events: Sheet, calls: Sheet) -> Observed:
    """ECS's calls by role and action, from the volume calls (which know their cluster) and from all other events."""
    found: Observed = defaultdict(lambda: defaultdict(list))
    _take_volume_calls(found, calls)
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


def _take_volume_calls(found: Observed, calls: Sheet) -> None:
    """Most of a large case are such calls, and few of them differ in role, action and outcome."""
    own = _with_tags(calls).where(by_ecs=bool, outcome=_TELLING, role_arn=lambda arn: role_key(arn) is not None)
    kinds, kind_of = own.kinds(("role_arn", "action", "event_name", "outcome"))
    places = [[found[key][action] for key, action in _shown(kind)] for kind in kinds.rows()]
    allowed = own.derived(("outcome",), lambda call: {"allowed": call["outcome"] == Outcome.OK}, {"allowed": FLAG})
    clusters = own.derived(("task_arn", "cluster"), _cluster, {"cluster": TEXT})
    seen = own.beside(allowed, clusters).tuples(Observation._fields)
    for kind, one in zip(kind_of, map(Observation._make, seen), strict=True):
        for place in places[kind]:
            place.append(one)


def _shown(kind: Row) -> Iterator[tuple[RoleKey, str]]:
    """The roles and actions of which a kind of call tells."""
    key = role_key(kind["role_arn"])
    if key is not None:
        yield key, kind["action"]
        if kind["outcome"] == Outcome.OK and kind["event_name"] == "CreateVolume":
            yield key, "ec2:CreateTags"


def _cluster(call: Row) -> Row:
    return {"cluster": task_cluster(call["task_arn"]) or call["cluster"]}


def _with_tags(calls: Sheet) -> Sheet:
    """The calls but those on a volume that lacks reserved tags: they say nothing of the role."""
    lost = calls.where(outcome=Outcome.OK.value, tags_lost=bool, volume_id=is_known).different("volume_id")
    touched = calls.where(volume_id=lost)
    untagged: set[str] = set()
    lacks = []
    for volume, how, tags_lost, tags_set in touched.tuples(("volume_id", "outcome", "tags_lost", "tags_set")):
        if how == Outcome.OK and tags_lost:
            untagged.add(volume)
        elif how == Outcome.OK and RESERVED_TAGS & set(tags_set):
            untagged.discard(volume)
        lacks.append(volume in untagged)
    return calls.without(touched.kept(lacks))


_TELLING: Final = frozenset({Outcome.OK.value, Outcome.DENIED.value})
