"""Which events we want: an OR of clauses, each an AND of facets. There is no NOT, which keeps every compiler small.

The reference meaning is the Arrow expression of `Selection.expression()` over `EVENT_SCHEMA`. Every source may return
too much; `evidence.sources.base` applies the selection once, exactly.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final

from ecs_trail.arns import HOME_REGIONS, partition_of_region, role_key
from ecs_trail.errors import UsageError
from ecs_trail.event_names import SELECTED_EVENTS
from ecs_trail.times import EVER, Window
from ecs_trail.vocabulary import SESSION_NAMES

# Arrow is loaded where a selection is asked of columns: workers are to have their first files before that.
if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

_IAM: Final = "iam.amazonaws.com"
_ORGANIZATIONS: Final = "organizations.amazonaws.com"
_CLOUDTRAIL: Final = "cloudtrail.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Clause:
    """An AND of facets; a facet left at None asks nothing. Sets mean "one of these"; the empty set matches nothing.

    `session_names` matches who acted or what was asked for in `AssumeRole`. `acting_roles` and `target_roles` are
    full role ARNs. `failed` asks for calls with (True) or without (False) an `errorCode`.
    """

    session_names: frozenset[str] | None = None
    event_sources: frozenset[str] | None = None
    event_names: frozenset[str] | None = None
    acting_roles: frozenset[str] | None = None
    target_roles: frozenset[str] | None = None
    accounts: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    failed: bool | None = None
    window: Window = EVER

    @property
    def facets(self) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        """The sets asked for, each with the columns of which one must hold one of its values."""
        every = (
            (("session_name", "requested_session_name"), self.session_names),
            (("event_source",), self.event_sources),
            (("event_name",), self.event_names),
            (("session_issuer_arn",), self.acting_roles),
            (("target_role_arn",), self.target_roles),
            (("account_id",), self.accounts),
            (("aws_region",), self.regions),
        )
        return [(columns, values) for columns, values in every if values is not None]

    def expression(self) -> "pc.Expression":
        """The clause as an Arrow filter expression over `EVENT_SCHEMA`."""
        import pyarrow.compute as pc  # noqa: PLC0415

        test = self.test(pc.field)
        return pc.scalar(True) if test is None else test

    def test(self, column: Callable[[str], Any]) -> Any | None:
        """The clause asked of columns: of `pc.field` it gives an expression, of a table's columns an array of answers;
        None when it asks nothing.
        """
        import pyarrow.compute as pc  # noqa: PLC0415

        from ecs_trail.arrays import moment, texts  # noqa: PLC0415

        parts = [
            reduce(pc.or_kleene, (pc.is_in(column(name), value_set=texts(sorted(values))) for name in columns))
            for columns, values in self.facets
        ]
        if self.failed is not None:
            parts.append((pc.is_valid if self.failed else pc.is_null)(column("error_code")))
        if self.window.start is not None:
            parts.append(pc.greater_equal(column("event_time"), moment(self.window.start)))
        if self.window.end is not None:
            parts.append(pc.less(column("event_time"), moment(self.window.end)))
        return reduce(pc.and_kleene, parts) if parts else None

    def covers(self, other: "Clause") -> bool:
        """True when every event of the other clause is one of this clause."""
        sets = ((getattr(self, name), getattr(other, name)) for name in _SET_FACETS)
        return (
            all(mine is None or (theirs is not None and theirs <= mine) for mine, theirs in sets)
            and self.failed in {None, other.failed}
            and self.window.intersect(other.window) == other.window
        )

    def narrowed(self, other: "Clause") -> "Clause | None":
        """Both clauses at once, or None when no event can satisfy both."""
        window = self.window.intersect(other.window)
        if window is None or (self.failed is not None and other.failed is not None and self.failed != other.failed):
            return None
        merged: dict[str, frozenset[str] | None] = {}
        for name in _SET_FACETS:
            mine: frozenset[str] | None = getattr(self, name)
            theirs: frozenset[str] | None = getattr(other, name)
            merged[name] = theirs if mine is None else mine if theirs is None else mine & theirs
            if merged[name] is not None and not merged[name]:
                return None
        return Clause(**merged, failed=other.failed if self.failed is None else self.failed, window=window)


_SET_FACETS: Final = tuple(field.name for field in fields(Clause) if field.name not in {"failed", "window"})


@dataclass(frozen=True, slots=True)
class Selection:
    """An OR of clauses. `a | b` widens, `a & b` narrows, `.during(window)` bounds the time."""

    clauses: tuple[Clause, ...]

    def expression(self) -> "pc.Expression":
        """The reference meaning: an Arrow filter expression over `EVENT_SCHEMA`."""
        import pyarrow.compute as pc  # noqa: PLC0415

        return reduce(or_, (clause.expression() for clause in self.clauses), pc.scalar(False))

    def filter(self, table: "pa.Table") -> "pa.Table":
        """The rows of a table of `EVENT_SCHEMA` that belong to the selection, in their order."""
        import pyarrow.compute as pc  # noqa: PLC0415

        # asked column by column: to evaluate the expression would load Arrow's query engine
        tests = [clause.test(table.column) for clause in self.clauses]
        if any(test is None for test in tests):
            return table
        return table.filter(reduce(pc.or_kleene, tests)) if tests else table.slice(0, 0)

    def __or__(self, other: "Selection") -> "Selection":
        """Events of either."""
        return Selection(tuple(dict.fromkeys((*self.clauses, *other.clauses))))

    def __and__(self, other: "Selection") -> "Selection":
        """Events of both."""
        both = (mine.narrowed(theirs) for mine in self.clauses for theirs in other.clauses)
        return Selection(tuple(dict.fromkeys(clause for clause in both if clause is not None)))

    def covers(self, other: "Selection") -> bool:
        """True when each clause of the other selection lies within one of these; false may also mean "not seen"."""
        return all(any(mine.covers(theirs) for mine in self.clauses) for theirs in other.clauses)

    def during(self, window: Window) -> "Selection":
        """The same events within a span of time."""
        return self & Selection((Clause(window=window),))

    def where(self, *, accounts: Iterable[str] | None = None, regions: Iterable[str] | None = None) -> "Selection":
        """The same events within some accounts and Regions."""
        clause = Clause(
            accounts=None if accounts is None else frozenset(accounts),
            regions=None if regions is None else frozenset(regions),
        )
        return self & Selection((clause,))

    @property
    def columns(self) -> frozenset[str]:
        """The columns that tell whether an event belongs to the selection."""
        asked = {name for clause in self.clauses for columns, _ in clause.facets for name in columns}
        if any(clause.failed is not None for clause in self.clauses):
            asked.add("error_code")
        if any(clause.window != EVER for clause in self.clauses):
            asked.add("event_time")
        return frozenset(asked)

    @property
    def window(self) -> Window:
        """The smallest span that holds every clause."""
        starts = [clause.window.start for clause in self.clauses]
        ends = [clause.window.end for clause in self.clauses]
        return Window(
            None if None in starts else min((s for s in starts if s is not None), default=None),
            None if None in ends else max((e for e in ends if e is not None), default=None),
        )


def everything() -> Selection:
    """Every event."""
    return Selection((Clause(),))


def session(*names: str) -> Selection:
    """Events of the named role sessions: made by them, or asking for them in `AssumeRole`."""
    if not names:
        raise UsageError("no session name was given.", hint=f"for example session('{sorted(SESSION_NAMES)[3]}').")
    return Selection((Clause(session_names=frozenset(names)),))


def default_selection(session_names: Iterable[str] = SESSION_NAMES) -> Selection:
    """The events an investigation stands on (contract, section 3), before ids are known.

    `session_names` are the ECS infrastructure sessions to look for; the documented set by default.
    """
    sessions = Clause(session_names=frozenset(session_names))
    writes = (Clause(event_sources=frozenset({source}), event_names=names) for source, names in SELECTED_EVENTS.items())
    # A refused AssumeRole often carries no requestParameters, so the session name asked for is not known.
    refused = Clause(event_sources=frozenset({"sts.amazonaws.com"}), event_names=frozenset({"AssumeRole"}), failed=True)
    return Selection((sessions, refused, *writes))


def bounded(selection: Selection, window: Window) -> Selection:
    """The selection within the window; the selection itself where the window is unbounded."""
    return (
        selection
        if window == EVER
        else Selection(
            tuple(
                replace(clause, window=span)
                for clause in selection.clauses
                if (span := clause.window.intersect(window)) is not None
            )
        )
    )


def focused(
    selection: Selection, *, account: str | None = None, region: str | None = None, role: str | None = None
) -> Selection:
    """The selection within one account and one Region, as far as that may be narrowed; None narrows nothing.

    The ARN of a role stands for its account: only there can it be passed to ECS (*IAM User Guide*, "Grant a user
    permissions to pass a role to an AWS service", read on 2026-11-24), so its tasks are there.

    What reaches into a place from elsewhere stays: IAM's events are those of the whole account, wherever its partition
    keeps them; Organizations' events are in the management account; a trail of many Regions is changed in its home
    Region, which is looked for in the Region itself and in the partition's home.
    """
    key = role_key(role)
    account = key[0] if account is None and key is not None else account
    if account is None and region is None:
        return selection
    mine = None if account is None else frozenset({account})
    here = None if region is None else frozenset({region})
    home = None if region is None else frozenset({region, HOME_REGIONS.get(partition_of_region(region), region)})
    parts = (
        Clause(accounts=mine, regions=here),
        Clause(accounts=mine, event_sources=frozenset({_IAM})),
        Clause(event_sources=frozenset({_ORGANIZATIONS})),
        Clause(accounts=mine, regions=home, event_sources=frozenset({_CLOUDTRAIL})),
    )
    found: list[Clause] = []
    for clause in selection.clauses:
        kept = [one for part in parts if (one := clause.narrowed(part)) is not None]
        # A clause that another of the same origin holds in full would only make a plan longer.
        found.extend(one for one in kept if not any(one != other and one.narrowed(other) == one for other in kept))
    return Selection(tuple(dict.fromkeys(found)))
