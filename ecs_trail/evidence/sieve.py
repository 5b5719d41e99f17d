"""A probe, asked of the few different values that a file holds instead of its records; each of them is judged once."""

from threading import local
from typing import Final, NamedTuple, get_args

from ecs_trail.evidence.glances import Category, Glance, Type
from ecs_trail.evidence.probes import ClauseProbe, Probe
from ecs_trail.evidence.records import is_assumed, session_of
from ecs_trail.evidence.walk import Found, Value, walker

#: (account, Region, event source, event name, error code): the same for many records of a file.
Kind = tuple[str, str, str, str, str | None]
#: ARN and type of an identity.
Caller = tuple[str | None, str | None]
#: Verdicts on kinds and callers kept for one selection; more than any archive has, unless somebody invents them.
_KEPT: Final = 50_000
_TYPES: Final = frozenset[str | None]((*get_args(Type), None))
_CATEGORIES: Final = frozenset[str | None]((*get_args(Category), None))


class Judged(NamedTuple):
    """A kind, and the clauses that its records may satisfy."""

    kind: Kind
    clauses: tuple[ClauseProbe, ...]
    #: Whether every record needs a look, whoever called; whether it depends on the session.
    is_hot: bool
    is_sought: bool


class Sieve:
    """The verdicts on one probe. Not to be shared by threads."""

    def __init__(self, probe: Probe) -> None:
        """Judge nothing yet."""
        self.probe = probe
        self.sessions = frozenset[str]().union(*(clause.session_names or () for clause in probe))
        self._known: dict[Kind, tuple[ClauseProbe, ...] | None] = {}
        self._others: set[Caller] = set()
        self._walker = walker()
        #: Verdicts on the values that the walker knows, by their numbers: kinds, None for one that is not plain;
        #: whether callers act, see `_acts`; whether a session that is asked for matters.
        self.kinds: list[Judged | None] = []
        self.callers: list[bool | None] = []
        self.asked: list[bool] = []

    def clauses(self, kind: Kind) -> tuple[ClauseProbe, ...] | None:
        """The clauses that a record of this kind may still satisfy; None when it is no plain record."""
        if len(self._known) > _KEPT:
            self._known.clear()
        if kind in self._known:
            return self._known[kind]
        account, region, source, name, error = kind
        found = tuple(
            clause
            for clause in self.probe
            if clause.admits_call(source, name, bool(error)) and clause.admits_place(account, region)
        )
        # notifications of other services, which also come as `Records` with an `eventSource`
        verdict = self._known[kind] = None if source.startswith("aws:") else found
        return verdict

    def acting(self, glances: list[Glance]) -> list[int] | None:
        """The places of the records whose caller is one of the sessions asked for; None for a session without an ARN,
        of which a glance does not say the name.
        """
        callers = {(who.arn, who.type) for glance in glances for who in (glance.userIdentity,)}
        verdicts = {caller: self._acts(caller) for caller in callers - self._others}
        if None in verdicts.values():
            return None
        sought = {arn for (arn, _), is_acting in verdicts.items() if is_acting}
        if len(self._others) > _KEPT:
            self._others.clear()
        self._others.update(caller for caller in verdicts if caller[0] not in sought)
        return [number for number, glance in enumerate(glances) if glance.userIdentity.arn in sought] if sought else []

    def walk(self, text: bytes | memoryview) -> Found | None:
        """What a text holds, where a walk is compiled and takes it; all its values are judged then."""
        walking = self._walker
        if walking is None:
            return None
        if walking.is_full:
            for verdicts in (self.kinds, self.callers, self.asked):
                verdicts.clear()  # first: verdicts that are missing are given again, others would be of other values
            walking.forget()
        found = walking.walk(text)
        if found is None:
            return None
        for value in walking.kinds[len(self.kinds) :]:
            self.kinds.append(self._judged(value))
        for kind, arn in walking.callers[len(self.callers) :]:
            self.callers.append(self._acts((arn, kind)))
        for (name,) in walking.asked[len(self.asked) :]:
            self.asked.append(name in self.sessions)
        return found

    def _judged(self, value: Value) -> Judged | None:
        account, region, source, name, error, kind, category = value
        if kind not in _TYPES or category not in _CATEGORIES:
            return None
        found = (account or "", region or "", source or "", name or "", error)
        clauses = self.clauses(found)
        if clauses is None:
            return None
        needs = {clause.session_names is not None for clause in clauses}
        return Judged(found, clauses, False in needs, True in needs)

    def _acts(self, caller: Caller) -> bool | None:
        """Whether a caller is one of the sessions asked for; None where only the principal's id says so."""
        arn, kind = caller
        if kind == "AssumedRole" and not (arn and is_assumed(arn)):
            return None
        return arn is not None and session_of(arn, None, None) in self.sessions


class _Latest(local):
    def __init__(self) -> None:
        self.sieve = Sieve(())  # one a thread, also for the empty probe


_latest = _Latest()


def sieve_of(probe: Probe) -> Sieve:
    """The sieve of a probe; the latest of a thread is kept. Compared and not looked up, as to hash a probe takes longer
    than to read a small file; a worker gets an equal one, and no more the same, with every batch.
    """
    sieve = _latest.sieve
    if sieve.probe is not probe:
        if sieve.probe != probe:
            sieve = _latest.sieve = Sieve(probe)
        sieve.probe = probe
    return sieve
