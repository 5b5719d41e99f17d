"""A probe, asked of the few different values that a file holds instead of its records; each of them is judged once."""

from threading import local
from typing import Final, get_args

from ecs_trail.evidence.glances import Category, Glance, Type
from ecs_trail.evidence.probes import ClauseProbe, Probe
from ecs_trail.evidence.records import is_assumed, session_of
from ecs_trail.evidence.walk import Found, Value, Walker, walker

#: (account, Region, event source, event name, error code): the same for many records of a file.
Kind = tuple[str, str, str, str, str | None]
#: ARN and type of an identity.
Caller = tuple[str | None, str | None]
#: Verdicts on kinds and callers kept for one selection; more than any archive has, unless somebody invents them.
_KEPT: Final = 50_000
_TYPES: Final = frozenset[str | None]((*get_args(Type), None))
_CATEGORIES: Final = frozenset[str | None]((*get_args(Category), None))


class Sieve:
    """The verdicts on one probe. Not to be shared by threads."""

    def __init__(self, probe: Probe) -> None:
        """Judge nothing yet."""
        self.probe = probe
        self.sessions = frozenset[str]().union(*(clause.session_names or () for clause in probe))
        self._known: dict[Kind, tuple[ClauseProbe, ...] | None] = {}
        self._others: set[Caller] = set()
        self._walker = walker()
        self._is_at_work = False
        self.numbers = Numbers(self)

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
        verdict = self._known[kind] = None if is_notification(source) else found
        return verdict

    def acts(self, caller: Caller) -> bool | None:
        """Whether a caller is one of the sessions asked for; None for a session without an ARN, whose name only the
        principal's id says.
        """
        arn, kind = caller
        if kind == "AssumedRole" and not (arn and is_assumed(arn)):
            return None
        return arn is not None and session_of(arn, None, None) in self.sessions

    def acting(self, glances: list[Glance]) -> list[int] | None:
        """The places of the records whose caller is one of the sessions asked for; None when that cannot be said."""
        callers = {(who.arn, who.type) for glance in glances for who in (glance.userIdentity,)}
        verdicts = {caller: self.acts(caller) for caller in callers - self._others}
        if None in verdicts.values():
            return None
        sought = {arn for (arn, _), is_acting in verdicts.items() if is_acting}
        if len(self._others) > _KEPT:
            self._others.clear()
        self._others.update(caller for caller in verdicts if caller[0] not in sought)
        return [number for number, glance in enumerate(glances) if glance.userIdentity.arn in sought] if sought else []

    def walk(self, text: bytes | memoryview) -> Found | None:
        """What a text holds, where a walk is compiled and takes it; then `numbers` knows all its values."""
        if self._walker is None:
            return None
        # what Ctrl-C breaks off, forgetting included, leaves numbers missing: then all is forgotten
        is_broken, self._is_at_work = self._is_at_work, True
        if self._walker.is_full or is_broken:
            self._walker.forget()
            self.numbers = Numbers(self)
        found = self._walker.walk(text)
        if found is not None:
            self.numbers.learn(self._walker)
        self._is_at_work = False
        return found


class Numbers:
    """The verdicts of a sieve on the values that its walker knows, by their numbers."""

    def __init__(self, sieve: Sieve) -> None:
        """Know nothing yet."""
        self._sieve = sieve
        #: (account, Region, event source) of homes, and the clauses of kinds.
        self.homes: list[Value] = []
        self.clauses: list[tuple[ClauseProbe, ...]] = []
        #: Kinds that are not plain, whose every record needs a look, and with which it depends on the session.
        self.odd, self.hot, self.sought = set[int](), set[int](), set[int]()
        #: Callers that are sessions asked for, and those of which that cannot be said.
        self.acting, self.unclear = set[int](), set[int]()
        #: Sessions of the calls that ask for one that is asked for.
        self.asked = set[int]()
        self._callers = self._asked = 0

    def learn(self, known: Walker) -> None:
        """Judge what is new."""
        self.homes += known.homes[len(self.homes) :]
        for number, kind in enumerate(known.kinds[len(self.clauses) :], len(self.clauses)):
            self._learn_kind(number, kind)
        for number, (kind_of, arn) in enumerate(known.callers[self._callers :], self._callers):
            acts = self._sieve.acts((arn, kind_of))
            if acts or acts is None:
                (self.acting if acts else self.unclear).add(number)
        for number, (name,) in enumerate(known.asked[self._asked :], self._asked):
            if name in self._sieve.sessions:
                self.asked.add(number)
        self._callers, self._asked = len(known.callers), len(known.asked)

    def _learn_kind(self, number: int, fields: tuple[str | None, ...]) -> None:
        account, region, source, name, error, kind, category = fields
        clauses = self._sieve.clauses((account or "", region or "", source or "", name or "", error))
        self.clauses.append(clauses or ())
        if not is_plain_kind(source or "", kind, category):
            self.odd.add(number)
        for clause in clauses or ():
            (self.hot if clause.session_names is None else self.sought).add(number)


def is_plain_kind(event_source: str, event_type: str | None, category: str | None) -> bool:
    """Whether records with these fields may be plain CloudTrail."""
    return event_type in _TYPES and category in _CATEGORIES and not is_notification(event_source)


def is_notification(event_source: str) -> bool:
    """True for those of other services, which also come as `Records` with an `eventSource`."""
    return event_source.startswith("aws:")


class _Latest(local):
    def __init__(self) -> None:  # it is called in every thread
        self.sieve = Sieve(())


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
