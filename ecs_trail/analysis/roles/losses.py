"""Losses: spans in which a role could not do what it could do before, each with the changes that took and gave it.

Replay says what should have been possible; calls of ECS say what was. Where replay does not know, calls decide; where
calls contradict replay beyond the grace in which IAM spreads a change, calls win, as somebody must have acted outside
the evidence. IAM names no number for that grace (*IAM User Guide*, "Changes that I make are not always immediately
visible", read on 2026-11-24), so it is a parameter.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter
from typing import Final, NamedTuple

from ecs_trail.analysis.policies import Verdict
from ecs_trail.analysis.roles.abilities import Place, ability, could_give, could_take, drops_grant
from ecs_trail.analysis.roles.changes import Change
from ecs_trail.analysis.roles.replay import Moment
from ecs_trail.calls import PolicyType
from ecs_trail.vocabulary import ASSUME_ROLE, Purpose

GRACE: Final = timedelta(minutes=5)


_REMOVALS: Final = frozenset({"DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"})


class Certainty(StrEnum):
    """What a loss stands on: replayed state, calls that were refused, or neither."""

    REPLAYED = "replayed"
    OBSERVED = "observed"
    POSSIBLE = "possible"


class Observation(NamedTuple):
    """A call of ECS with a role: evidence about one action at one moment. A None Region or cluster fits any place."""

    event_id: str
    event_time: datetime
    allowed: bool
    policy_type: str
    region: str | None
    cluster: str | None

    def fits(self, place: Place) -> bool:
        """Whether the call says something about a place."""
        here = self.region is None or place.region in {None, self.region}
        return here and (self.cluster is None or place.cluster in {None, self.cluster})


_WHEN: Final = attrgetter("event_time")


@dataclass(slots=True)
class Loss:
    """One action that a role lost in one place, from `lost_at` until `regained_at` (None: not regained)."""

    action: str
    purpose: Purpose
    place: Place
    lost_at: datetime
    causes: list[Change]
    certainty: Certainty
    regained_at: datetime | None = None
    restored_by: list[Change] = field(default_factory=list)
    denials: int = 0
    last_denied_at: datetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Whether the action is lost at a moment."""
        return self.lost_at <= moment and (self.regained_at is None or moment < self.regained_at)


@dataclass(slots=True)
class _Span:
    """A stretch in which nothing that matters to the action changed."""

    start: datetime | None
    change: Change | None
    verdict: Verdict
    takes: bool
    gives: bool
    drops_grant: bool
    observed: bool = False
    contradicted_at: datetime | None = None
    denied: list[Observation] = field(default_factory=list)
    worked: list[Observation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a role: an action, for a purpose, in one place."""

    role_arn: str
    purpose: Purpose
    action: str
    place: Place


def losses(
    moments: Sequence[Moment],
    question: Question,
    observed: Iterable[Observation] = (),
    *,
    grace: timedelta = GRACE,
    served_since: datetime | None = None,
) -> list[Loss]:
    """The losses of one action in one place, oldest first.

    `observed` holds ECS's calls for this action; since `served_since` ECS was seen to work with the role at all.
    """
    spans = _spans(moments, question)
    _observe(spans, fitting(observed, question.place), grace)
    return _walk(spans, question, served_since)


def fitting(observed: Iterable[Observation], place: Place) -> list[Observation]:
    """The calls that say something about a place (`Observation.fits`), oldest first."""
    anywhere, regions = place.region is None, {None, place.region}
    any_cluster, clusters = place.cluster is None, {None, place.cluster}
    fits = [one for one in observed if (anywhere or one.region in regions) and (any_cluster or one.cluster in clusters)]
    fits.sort(key=_WHEN)
    return fits


def shares(
    observed: Sequence[Observation], starts: Sequence[datetime | None], grace: timedelta
) -> Iterator[tuple[Sequence[Observation], Sequence[Observation]]]:
    """For each stretch of time the calls in it, and those of them that came later than the grace after its start.

    Calls are given the oldest first. A stretch ends where the next starts; the first holds all that came before.
    """
    times = list(map(_WHEN, observed))
    edges = [0, *(0 if start is None else bisect_left(times, start) for start in starts[1:]), len(times)]
    for since, (start, end) in zip(starts, pairwise(edges), strict=True):
        settled = start if since is None else max(start, bisect_right(times, since + grace))
        yield observed[start:end], observed[settled:end]


def moment_at(moments: Sequence[Moment], when: datetime) -> Moment:
    """The moment in force at a time (the last one of that second)."""
    starts = [one.since for one in moments[1:] if one.since is not None]
    return moments[bisect_right(starts, when)]


def _spans(moments: Sequence[Moment], question: Question) -> list[_Span]:
    spans: list[_Span] = []
    before: Moment | None = None
    action = question.action
    for moment in moments:
        takes = before is not None and could_take(before.material, moment.material, action)
        gives = before is not None and could_give(before.material, moment.material, action)
        if before is None or takes or gives:
            verdict = ability(moment.material, question.role_arn, question.purpose, action, question.place).verdict
            drops = before is not None and takes and drops_grant(before.material, moment.material, action)
            spans.append(_Span(moment.since, moment.change, verdict, takes, gives, drops))
        before = moment
    return spans


def _observe(spans: list[_Span], observed: Sequence[Observation], grace: timedelta) -> None:
    """Let ECS's calls speak where replay does not know, and overrule it where they contradict it."""
    for span, (mine, settled) in zip(spans, shares(observed, [span.start for span in spans], grace), strict=True):
        span.worked = [one for one in (settled if span.takes else mine) if one.allowed]
        told = settled if span.gives and not span.takes else mine
        span.denied = [one for one in told if not one.allowed and _speaks_of(span, one)]
        _judge(span)


def _judge(span: _Span) -> None:
    if span.verdict is Verdict.UNKNOWN and span.worked:
        span.verdict, span.observed = Verdict.ALLOWED, True
    elif span.verdict is Verdict.UNKNOWN and span.denied:
        span.verdict, span.observed = Verdict.DENIED, True
    elif span.verdict is Verdict.DENIED and span.worked:
        first = span.worked[0].event_time
        if any(one.event_time < first for one in span.denied):
            span.contradicted_at = first
        else:
            span.verdict, span.observed = Verdict.ALLOWED, True


def _speaks_of(span: _Span, one: Observation) -> bool:
    """Whether a refusal can come from the kind of policy the span's change touched."""
    if one.policy_type in {PolicyType.NONE, PolicyType.TRUST}:
        return True
    if span.change is not None and span.change.event_source.startswith("organizations"):
        return one.policy_type in {PolicyType.SCP, PolicyType.RCP}
    return one.policy_type in {PolicyType.IDENTITY, PolicyType.BOUNDARY}


def _walk(spans: list[_Span], question: Question, served_since: datetime | None) -> list[Loss]:
    found: list[Loss] = []
    current: Loss | None = None
    latent: list[Change] = []
    for before, span in pairwise(spans):
        change, start = span.change, span.start
        if change is None or start is None:
            continue
        if current is None:
            worked = served_since is not None and served_since < start
            certainty = _lost(before, span, question.action, worked=worked)
            if certainty is not None:
                current = Loss(question.action, question.purpose, question.place, start, [change], certainty)
                found.append(current)
                latent = []
        elif span.verdict is Verdict.ALLOWED or (span.verdict is Verdict.UNKNOWN and span.gives):
            current.restored_by.append(change)
            current.regained_at, current = start, None
        else:
            _go_on(current, before, span, latent)
        if current is not None:
            current.denials += len(span.denied)
            current.last_denied_at = span.denied[-1].event_time if span.denied else current.last_denied_at
            if span.contradicted_at is not None:
                current.regained_at, current = span.contradicted_at, None
    return [loss for loss in found if loss.regained_at is None or loss.regained_at > loss.lost_at]


def _go_on(current: Loss, before: _Span, span: _Span, latent: list[Change]) -> None:
    """A further change while the action is lost: a second lock on the door, or a key that does not open it."""
    change = span.change
    if change is None:
        return
    if change.event_name in {"CreateRole", "DeleteRole"}:
        # The role starts anew: what lay on the old one no longer matters.
        latent.clear()
        if change.event_name == "CreateRole":
            current.restored_by.append(change)
        elif current.action == ASSUME_ROLE:
            current.causes.append(change)  # a role that is gone cannot be assumed, whatever its trust policy said
    elif span.gives:
        # What looked harmless while the action was gone anyway is what keeps it gone now.
        current.causes.extend(latent)
        latent.clear()
        current.restored_by.append(change)
    elif current.certainty is Certainty.POSSIBLE and span.verdict is Verdict.DENIED is not before.verdict:
        if change.event_name in _REMOVALS:
            current.causes.append(change)  # a policy that was there for sure went, and only now calls are refused
    elif span.drops_grant or span.verdict is Verdict.DENIED:
        latent.append(change)


def _was_refused(span: _Span) -> bool:
    """Whether the last calls of a span were refused already: then the next change took nothing that worked."""
    last = span.worked[-1].event_time if span.worked else None
    return bool(span.denied) and (last is None or last < span.denied[-1].event_time)


def _lost(before: _Span, span: _Span, action: str, *, worked: bool) -> Certainty | None:
    """Whether the step into a span lost the action, and how sure that is."""
    if not span.takes or before.verdict is Verdict.DENIED or _was_refused(before):
        return None
    if span.change is not None and span.change.event_name == "DeletePolicy":
        return Certainty.POSSIBLE  # it proves that a detach came before, which the evidence does not hold
    if span.verdict is Verdict.DENIED:
        if span.observed:
            # A put may have made the policy anew: unlike a detach it does not show that anything was granted before.
            made = span.change is not None and span.change.event_name == "PutRolePolicy"
            return Certainty.POSSIBLE if made and span.drops_grant else Certainty.OBSERVED
        if before.verdict is Verdict.ALLOWED or action == ASSUME_ROLE or span.denied:
            return Certainty.REPLAYED
        return Certainty.POSSIBLE if worked else None
    # Nobody knows what is left on the role, or what the policy said that went: possible, no more (contract).
    return Certainty.POSSIBLE if span.verdict is Verdict.UNKNOWN and span.drops_grant else None
