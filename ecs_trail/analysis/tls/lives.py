"""Lives of Service Connect secrets: which calls belong to which secret, of which service, issued and rotated when.

Calls of one rotation share no id, and those to a certificate authority name no secret: they are told apart by role,
Region, authority and nearness in time. A call that may belong to several secrets belongs to none. The order of the
calls is documented nowhere, so nothing rests on it alone. Rotation every five days: *ECS Developer Guide*, "Encrypt
Service Connect traffic"; service writes: *ECS API Reference*, CreateService; both read on 2026-11-24.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.analysis.tls.services import Ended, Setting, ended_services, settings
from ecs_trail.arns import last_part, parse_arn, role_key
from ecs_trail.calls import Outcome
from ecs_trail.frames import Row, Sheet

ROTATION: Final = timedelta(days=5)
#: Calls of one attempt lie seconds apart; ECS tries again after minutes.
NEAR: Final = timedelta(seconds=60)
_ISSUING: Final = timedelta(minutes=10)
_OPENING: Final = frozenset({"DescribeSecret", "GetSecretValue", "RotateSecret", "RotationStarted"})
_CLOSING: Final = frozenset({"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "RotationFailed"})
_WRITES: Final = frozenset({"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"})

Place = tuple[tuple[str, str] | None, str | None]


@dataclass(slots=True)
class Life:
    """One secret with its calls in time order. `secret` is an ARN or a name; empty where none was ever made."""

    secret: str
    account: str | None = None
    region: str | None = None
    role_arn: str | None = None
    service_arn: str | None = None
    authority: str | None = None
    keys: set[str] = field(default_factory=set)
    calls: list[Row] = field(default_factory=list)
    issued_at: datetime | None = None
    deleted: Row | None = None
    service_ended_at: datetime | None = None
    rotations: list[datetime] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """The role (account and name) and the Region in which ECS works for the secret."""
        return role_key(self.role_arn), self.region

    def renewed_before(self, moment: datetime) -> datetime | None:
        """The last rotation, else the issue, at or before a moment."""
        known = [one for one in (self.issued_at, *self.rotations) if one is not None and one <= moment]
        return max(known, default=None)

    def alive_at(self, moment: datetime) -> bool:
        """Whether nothing says that the secret was not there yet, or no longer."""
        made = self.issued_at is None or self.issued_at <= moment
        return made and (self.deleted is None or moment < self.deleted["event_time"])


def is_failure(call: Row) -> bool:
    """Whether a call of ECS failed. A certificate still in the making is none: GetCertificate is asked again."""
    passing = (call["error_code"] or "").startswith("RequestInProgress")
    return bool(call["by_ecs"] and call["outcome"] != Outcome.OK and not passing)


def tls_lives(events: Sheet, calls: Sequence[Row]) -> list[Life]:
    """The lives of all secrets, and of issues that never made one (`secret` empty), ordered by secret and service.

    `calls` are rows of `TLS_CALLS` in time order.
    """
    given, ended = settings(events), ended_services(events)
    named: dict[str, list[Row]] = defaultdict(list)
    for call in calls:
        if call["secret"] is not None:
            named[call["secret"]].append(call)
    lives = [_life(secret, mine) for secret, mine in named.items() if _is_there(mine)]
    _name_services(lives, given)
    for life in lives:
        _configure(life, given, ended)
    _place_loose(lives, given, ended, calls)
    for life in lives:
        life.calls.sort(key=lambda call: call["event_time"])
        _configure(life, given, ended)
    return sorted(lives, key=lambda life: (life.secret, life.service_arn or "", life.authority or ""))


# --- services -------------------------------------------------------------------------------------------------------


def _name_services(lives: Sequence[Life], given: Sequence[Setting]) -> None:
    """Where no tag tells it, the service is the only one that was given this role before the secret was made."""
    secrets_of: dict[Place, int] = defaultdict(int)
    for life in lives:
        secrets_of[life.place] += 1
    tagged = {life.secret for life in lives if life.service_arn}
    for life in lives:
        if life.secret in tagged or life.place[0] is None or not life.calls:
            continue
        first = life.issued_at or life.calls[0]["event_time"]
        fitting = {
            one.service_arn
            for one in given
            if (role_key(one.role_arn), one.region) == life.place and one.since <= first
        }
        alone = life.issued_at is not None or secrets_of[life.place] == 1
        if len(fitting) == 1 and alone:
            life.service_arn = fitting.pop()


def _configure(life: Life, given: Sequence[Setting], ended: Ended) -> None:
    """What the service's configuration says of role, authority and key, and when the service was deleted."""
    mine = [one for one in given if one.service_arn == life.service_arn]
    role = role_key(life.role_arn)
    for one in mine:
        # The configuration carries the role's path, which an assumed-role ARN lacks.
        if life.role_arn is None or (role_key(one.role_arn) == role and len(one.role_arn) > len(life.role_arn)):
            life.role_arn = one.role_arn
        if one.kms_key_id:
            life.keys.add(last_part(one.kms_key_id))
    told = [call["certificate_authority_arn"] for call in life.calls if call["certificate_authority_arn"]]
    authorities = {one.authority for one in mine if one.authority}
    life.authority = told[-1] if told else authorities.pop() if len(authorities) == 1 else life.authority
    began = life.issued_at or (life.calls[0]["event_time"] if life.calls else None)
    later = [one for one in ended.get(life.service_arn or "", ()) if began is None or one >= began]
    life.service_ended_at = min(later, default=None)


# --- secrets --------------------------------------------------------------------------------------------------------


def _is_there(calls: Sequence[Row]) -> bool:
    """Whether a secret is known to exist: a refused creation or a stranger's failed guess makes none."""
    return any(
        call["outcome"] == Outcome.OK
        or (call["by_ecs"] and call["event_name"] != "CreateSecret")
        or call["event_name"].startswith("Rotation")
        for call in calls
    )


def _life(secret: str, calls: Sequence[Row]) -> Life:
    own = [call for call in calls if call["by_ecs"]]
    done = [call for call in calls if call["outcome"] == Outcome.OK]
    arn = parse_arn(secret)
    life = Life(secret, calls=list(calls))
    life.account = arn.account if arn else calls[0]["account"]
    life.region = arn.region if arn else calls[0]["region"]
    life.role_arn = next((call["role_arn"] for call in reversed(own) if call["role_arn"]), None)
    life.service_arn = next(
        (call["service_arn"] for call in own if call["service_arn"] and call["outcome"] == Outcome.OK), None
    )
    life.keys = {last_part(call["kms_key_id"]) for call in done if call["kms_key_id"]}
    life.issued_at = next((call["event_time"] for call in done if call["event_name"] == "CreateSecret"), None)
    for call in done:
        if call["event_name"] == "DeleteSecret" and life.deleted is None:
            life.deleted = call
        elif call["event_name"] == "RestoreSecret":
            life.deleted = None
    life.rotations = list(_rotations(calls, life.issued_at))
    return life


def _rotations(calls: Sequence[Row], issued_at: datetime | None) -> Iterator[datetime]:
    """When rotations were finished: by Secrets Manager's own word, or by a write of ECS that no failure followed."""
    failed = [call["event_time"] for call in calls if is_failure(call) or call["event_name"] == "RotationFailed"]
    for call in calls:
        moment, name = call["event_time"], call["event_name"]
        if issued_at is not None and moment - issued_at < _ISSUING:
            continue
        wrote = name in _WRITES and call["by_ecs"] and call["outcome"] == Outcome.OK
        if name == "RotationSucceeded" or (wrote and not _within(failed, moment, moment + NEAR)):
            yield moment


# --- calls that name no secret --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Marks:
    """ECS's work on the secrets of one role and Region, by time."""

    times: list[datetime]
    marks: list[tuple[Life, str]]


def _place_loose(lives: list[Life], given: Sequence[Setting], ended: Ended, calls: Sequence[Row]) -> None:
    """Give every call that names no secret to its secret; failures that fit none become issues of their own."""
    there = {life.secret for life in lives}
    loose = [call for call in calls if call["by_ecs"] and call["secret"] not in there and _at_home(call)]
    marks = _marks(lives)
    asked = _issue_marks(loose)
    orphans: list[Row] = []
    by_place: dict[Place, list[Life]] = defaultdict(list)
    for life in lives:
        by_place[life.place].append(life)
    for call in loose:
        place = (role_key(call["role_arn"]), call["region"])
        near = _nearest(call, marks.get(place))
        if is_failure(call) and (call["event_name"] == "CreateSecret" or _beside(call, asked.get(place, []))):
            orphans.append(call)
        elif near is not None:
            near.calls.append(call)
        elif is_failure(call):
            mine = by_place.get(place, [])
            pending = _pending(call, mine, given, ended)
            owners = [] if pending else _due(call, mine)
            for life in owners:
                life.calls.append(call)
            if pending or not any(life.alive_at(call["event_time"]) for life in mine):
                orphans.append(call)
    _place_orphans(orphans, lives, given, ended)


def _at_home(call: Row) -> bool:
    """A CA shared by another account leaves a second record there; the role's own account is enough."""
    key = role_key(call["role_arn"])
    return key is not None and call["account"] in {None, key[0]}


def _marks(lives: Iterable[Life]) -> dict[Place, _Marks]:
    listed: dict[Place, list[tuple[datetime, Life, str]]] = defaultdict(list)
    for life in lives:
        gone = [call["event_time"] for call in life.calls if call["by_ecs"] and call["event_name"] == "DeleteSecret"]
        for call in life.calls:
            ours = call["by_ecs"] or call["event_name"].startswith("Rotation")
            if ours and not any(abs(call["event_time"] - one) <= NEAR for one in gone):
                listed[life.place].append((call["event_time"], life, call["event_name"]))
    found: dict[Place, _Marks] = {}
    for place, marks in listed.items():
        marks.sort(key=lambda mark: mark[0])
        found[place] = _Marks([mark[0] for mark in marks], [(mark[1], mark[2]) for mark in marks])
    return found


def _nearest(call: Row, marks: _Marks | None) -> Life | None:
    """The secret whose attempt, seconds before or after, the call belongs to."""
    if marks is None:
        return None
    moment = call["event_time"]
    after = bisect_right(marks.times, moment)
    low, high = bisect_left(marks.times, moment - NEAR), bisect_right(marks.times, moment + NEAR)
    before = [life for life, name in marks.marks[low:after] if name in _OPENING and _may_own(life, call)]
    if before:
        return before[-1]
    same = bisect_left(marks.times, moment)
    for life, name in marks.marks[same:high]:
        if (name in _CLOSING or (name == "CreateSecret" and not is_failure(call))) and _may_own(life, call):
            return life
    return None


def _may_own(life: Life, call: Row) -> bool:
    told, known = call["certificate_authority_arn"], life.authority
    return told is None or known is None or told == known


def _issue_marks(loose: Iterable[Row]) -> dict[Place, list[datetime]]:
    """When ECS described a CA, which it does for issues only (managed policy and phases of the contract)."""
    found: dict[Place, list[datetime]] = defaultdict(list)
    for call in loose:
        if call["event_name"] == "DescribeCertificateAuthority":
            found[role_key(call["role_arn"]), call["region"]].append(call["event_time"])
    return found


def _beside(call: Row, times: Sequence[datetime]) -> bool:
    return _within(times, call["event_time"] - NEAR, call["event_time"] + NEAR)


def _within(times: Sequence[datetime], start: datetime, end: datetime) -> bool:
    found = bisect_left(times, start)
    return found < len(times) and times[found] <= end


def _pending(call: Row, mine: Sequence[Life], given: Sequence[Setting], ended: Ended) -> list[str]:
    """Services with TLS of this role that have no secret yet at the moment of a call."""
    moment, place = call["event_time"], (role_key(call["role_arn"]), call["region"])
    served = {life.service_arn for life in mine if life.issued_at is None or life.issued_at <= moment}
    unsure = any(life.service_arn is None and life.alive_at(moment) for life in mine)
    found = {
        one.service_arn
        for one in given
        if (role_key(one.role_arn), one.region) == place
        and one.since <= moment
        and one.service_arn not in served
        and (one.created or not unsure)
        and call["certificate_authority_arn"] in {None, one.authority}
        and not any(one.since <= end <= moment for end in ended.get(one.service_arn, ()))
    }
    return sorted(found)


def _due(call: Row, mine: Sequence[Life]) -> list[Life]:
    """The secret a failed call must be for: the only one, else those whose rotation is due."""
    moment = call["event_time"]
    alive = [life for life in mine if life.alive_at(moment) and _may_own(life, call)]
    if len(alive) == 1:
        return alive
    slack = timedelta(hours=1)
    renewed = [(life, life.renewed_before(moment)) for life in alive]
    return [life for life, since in renewed if since is not None and moment - since >= ROTATION - slack]


def _place_orphans(orphans: Iterable[Row], lives: list[Life], given: Sequence[Setting], ended: Ended) -> None:
    """Failed issues go to the secret that came of them later; else each service has a row without a secret."""
    issued = [(life.issued_at, at, life) for at, life in enumerate(lives) if life.issued_at is not None]
    made = [life for _, _, life in sorted(issued, key=lambda one: one[:2])]
    open_issues: dict[tuple[Place, str | None, str | None], Life] = {}
    for call in orphans:
        place = (role_key(call["role_arn"]), call["region"])
        mine = [life for life in lives if life.place == place]
        pending = _pending(call, mine, given, ended)
        service = call["service_arn"] or (pending[0] if len(pending) == 1 else None)
        later = next((life for life in made if life.place == place and _came_of(life, call, service)), None)
        if later is not None:
            later.calls.append(call)
            continue
        key = (place, service, call["certificate_authority_arn"])
        if key not in open_issues:
            life = Life("", call["account"], call["region"], call["role_arn"], service)
            life.authority = call["certificate_authority_arn"]
            open_issues[key] = life
        open_issues[key].calls.append(call)
    lives.extend(open_issues.values())


def _came_of(life: Life, call: Row, service: str | None) -> bool:
    same = service is None or life.service_arn is None or service == life.service_arn
    return bool(life.issued_at is not None and life.issued_at >= call["event_time"] and same and _may_own(life, call))
