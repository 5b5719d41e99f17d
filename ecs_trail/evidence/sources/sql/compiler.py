"""A selection -> one SQL expression over a table of CloudTrail events, for DuckDB, Trino (Athena) and Spark.

The expression may let too much through, never too little: where a table has no column for a facet, or one whose text
can be spelled in several ways, the facet is asked more widely or not at all. Every value is a literal made by sqlglot,
every name is quoted: what stands in a selection may come from an attacker.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlglot import exp

from ecs_trail.evidence.sources.sql.bounds import partition_bounds
from ecs_trail.evidence.sources.sql.tables import Column, Table, struct_fields
from ecs_trail.selection import Clause, Selection
from ecs_trail.times import EVER, Window

#: Words that every writer of JSON writes as they are; others may be escaped in the text of a column.
_PLAIN_WORD: Final = re.compile(r"[A-Za-z0-9_.-]+")
_ASSUME_ROLE: Final = "AssumeRole"


def statement(
    selection: Selection, table: Table, *, is_coarse: bool = False, is_bound: bool = True, is_sorted: bool = True
) -> exp.Select:
    """`SELECT … FROM table WHERE …`, sorted by time and id. `is_coarse` asks for places and times only.

    Without `is_bound` the bounds of partitions are left out: to show a plan, or where reading a table whole is meant.
    """
    conditions = list(partition_bounds(selection, table)) if is_bound else []
    asked = condition(selection, table, is_coarse=is_coarse)
    if asked is not None:
        conditions.append(asked)
    columns = _columns(table)
    query = exp.select(*columns).from_(_name(table))
    if conditions:
        query = query.where(exp.and_(*conditions))
    if not is_sorted:
        return query
    order = [one for one in (table.column("eventTime"), table.column("eventID")) if one is not None]
    return query.order_by(*(_of(one) for one in order)) if order else query


def condition(selection: Selection, table: Table, *, is_coarse: bool = False) -> exp.Expression | None:
    """What the events of a selection satisfy; None where nothing can be asked."""
    windows = {clause.window for clause in selection.clauses}
    shared = windows.pop() if len(windows) == 1 else None
    parts: list[exp.Expression] = []
    for clause in selection.clauses:
        one = _clause(clause, table, is_coarse=is_coarse, window=EVER if shared is not None else clause.window)
        if one is None:
            parts = []
            break
        parts.append(one)
    else:
        if not selection.clauses:
            return exp.false()
    # Equal windows stand once; a query has a length limit.
    bounds = _window(shared, table) if shared is not None else []
    whole = [*bounds, *([exp.or_(*dict.fromkeys(parts))] if parts else [])]
    return exp.and_(*whole) if whole else None


def _clause(clause: Clause, table: Table, *, is_coarse: bool, window: Window) -> exp.Expression | None:
    own = {one.name.lower(): one for one in table.columns} if table.is_own else {}
    parts: list[exp.Expression | None] = [
        _among(own["account_id"], clause.accounts) if own else _accounts(clause.accounts, table),
        _among(table.column("awsRegion"), clause.regions),
        *_window(window, table),
    ]
    if not is_coarse:
        parts += [
            _among(table.column("eventSource"), clause.event_sources),
            _among(table.column("eventName"), clause.event_names),
            *(_own_roles(clause, own) if own else _roles(clause, table)),
            _failed(clause, table.column("errorCode")),
        ]
    asked = [one for one in parts if one is not None]
    return exp.and_(*asked) if asked else None


def _roles(clause: Clause, table: Table) -> list[exp.Expression | None]:
    return [
        _sessions(clause.session_names, table),
        _acting(clause.acting_roles, table),
        _assume_role(table) if clause.target_roles is not None else None,
    ]


def _own_roles(clause: Clause, own: Mapping[str, Column]) -> list[exp.Expression | None]:
    """The facets of roles, over columns made for them."""
    acted = _among(own["session_name"], clause.session_names)
    asked = _among(own["requested_session_name"], clause.session_names)
    return [
        None if acted is None else exp.or_(acted, asked),
        _among(own["session_issuer_arn"], clause.acting_roles),
        _among(own["target_role_arn"], clause.target_roles),
    ]


def _columns(table: Table) -> list[exp.Expression]:
    """What is read: the whole event where a column has it, else every column, nested ones as JSON text."""
    if table.whole is not None:
        return [exp.alias_(_of(table.whole), "eventjson", quoted=True) if table.is_own else _of(table.whole)]
    own = {one.name.lower() for one in table.columns}
    places = [
        one.column
        for one in table.partitions
        if one.role in {"region", "account"} and one.column.name.lower() not in own and _lacks(table, one.role)
    ]
    return [_shown(one) for one in (*table.columns, *places) if not one.kind.startswith("binary")]


def _lacks(table: Table, role: str) -> bool:
    return table.column("awsRegion" if role == "region" else "recipientAccountId") is None


def _shown(column: Column) -> exp.Expression:
    if not column.is_nested:
        return _of(column)
    text = exp.JSONFormat(this=exp.cast(_of(column), "JSON"))
    return exp.alias_(text, column.name, quoted=True)


def _name(table: Table) -> exp.Table:
    parts = [exp.to_identifier(part, quoted=True) for part in table.name]
    names = dict(zip(("this", "db", "catalog"), reversed(parts), strict=False))
    return exp.Table(**names)


def _of(column: Column, *path: str) -> exp.Expression:
    found: exp.Expression = exp.column(column.name, quoted=True)
    for step in path:
        found = exp.Dot(this=found, expression=exp.to_identifier(step, quoted=True))
    return found


def _among(column: Column | None, values: Iterable[str] | None) -> exp.Expression | None:
    if column is None or values is None or not column.is_text:
        return None
    return _in(_of(column), values)


def _in(column: exp.Expression, values: Iterable[str]) -> exp.Expression:
    listed = [exp.Literal.string(value) for value in sorted(values)]
    return exp.In(this=column, expressions=listed) if listed else exp.false()


def _accounts(accounts: frozenset[str] | None, table: Table) -> exp.Expression | None:
    """Before eventVersion 1.02 the account stands elsewhere in a record; such rows are let through."""
    column = table.column("recipientAccountId")
    asked = _among(column, accounts)
    if asked is None or column is None:
        return None
    return exp.or_(asked, exp.Is(this=_of(column), expression=exp.null()), _of(column).eq(exp.Literal.string("")))


def _failed(clause: Clause, column: Column | None) -> exp.Expression | None:
    if clause.failed is None or column is None or not column.is_text:
        return None
    empty = exp.or_(exp.Is(this=_of(column), expression=exp.null()), _of(column).eq(exp.Literal.string("")))
    return exp.Not(this=exp.paren(empty)) if clause.failed else empty


def _window(window: Window | None, table: Table) -> list[exp.Expression]:
    column = table.column("eventTime")
    if window is None or column is None:
        return []
    if column.is_time:
        return _moments(window, column)
    return _spelt_moments(window, column) if column.is_text else []


def _moments(window: Window, column: Column) -> list[exp.Expression]:
    parts: list[exp.Expression] = []
    if window.start is not None:
        parts.append(_of(column) >= _timestamp(window.start, column))
    if window.end is not None:
        parts.append(_of(column) < _timestamp(_whole_second(window.end), column))
    return parts


def _timestamp(moment: datetime, column: Column) -> exp.Expression:
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if column.has_zone:
        return exp.cast(exp.Literal.string(f"{text}+00:00"), "TIMESTAMPTZ")
    return exp.cast(exp.Literal.string(text), "TIMESTAMP")


def _spelt_moments(window: Window, column: Column) -> list[exp.Expression]:
    """ISO texts in UTC compare as their times do, once a space is a T; the bounds carry no zone, so that fractions of
    the second sort behind them. What begins otherwise (epoch seconds) is let through.
    """
    spelt = exp.func("REPLACE", _of(column), exp.Literal.string(" "), exp.Literal.string("T"))
    odd = exp.Not(this=exp.StartsWith(this=_of(column), expression=exp.Literal.string("2")))
    parts: list[exp.Expression] = []
    if window.start is not None:
        parts.append(exp.or_(spelt >= _iso(window.start), odd))
    if window.end is not None:
        parts.append(exp.or_(spelt.copy() < _iso(_whole_second(window.end)), odd.copy()))
    return parts


def _iso(moment: datetime) -> exp.Literal:
    return exp.Literal.string(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"))


def _whole_second(moment: datetime) -> datetime:
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)


def _sessions(names: frozenset[str] | None, table: Table) -> exp.Expression | None:
    """Who acted, by the identity's ARN or principal id; or who was asked for, in the parameters of AssumeRole."""
    if names is None:
        return None
    if not names:
        return exp.false()
    acted = _acted(names, table)
    asked = _asked_for(names, table)
    return None if acted is None or asked is None else exp.or_(acted, asked)


def _acted(names: frozenset[str], table: Table) -> exp.Expression | None:
    arn, principal = _identity(table, "arn"), _identity(table, "principalid")
    if arn is not None and principal is not None:
        found = [_holds(arn, f"/{name}") for name in sorted(names)]
        return exp.or_(*found, *(_holds(principal, f":{name}") for name in sorted(names)))
    whole = table.column("userIdentity")
    if whole is None or not whole.is_text:
        return None
    return exp.or_(*(_mentions(_of(whole), name) for name in sorted(names)))


def _asked_for(names: frozenset[str], table: Table) -> exp.Expression | None:
    calls = _assume_role(table)
    if calls is None:
        return None
    column = table.column("requestParameters")
    if column is None:
        return calls
    if column.is_text:
        return exp.and_(calls, exp.or_(*(_mentions(_of(column), name) for name in sorted(names))))
    if column.is_map_of_text:
        # How a value is spelled inside such a map is confirmed by no page: its text must hold the name.
        value = exp.Bracket(this=_of(column), expressions=[exp.Literal.string("roleSessionName")], offset=1, safe=True)
        return exp.and_(calls, exp.or_(*(_mentions(value, name) for name in sorted(names))))
    return calls


def _assume_role(table: Table) -> exp.Expression | None:
    """The calls that ask for a session; the role they ask for may stand in three places of a record."""
    column = table.column("eventName")
    if column is None or not column.is_text:
        return None
    return exp.StartsWith(this=_of(column), expression=exp.Literal.string(_ASSUME_ROLE))


def _acting(roles: frozenset[str] | None, table: Table) -> exp.Expression | None:
    if roles is None:
        return None
    if not roles:
        return exp.false()
    issuer = _identity(table, "sessioncontext", "sessionissuer", "arn")
    return None if issuer is None else _in(issuer, roles)


def _identity(table: Table, *path: str) -> exp.Expression | None:
    """A text inside the identity: a field of a struct, or a column under a flattened name."""
    whole = table.column("userIdentity")
    if whole is None:
        flat = table.flat("useridentity", *path)
        return _of(flat) if flat is not None and flat.is_text else None
    kind = whole.kind
    for step in path:
        kind = struct_fields(kind).get(step, "")
    return _of(whole, *path) if kind.startswith(("string", "varchar")) else None


def _holds(text: exp.Expression, word: str) -> exp.Expression:
    return exp.StrPosition(this=text.copy(), substr=exp.Literal.string(word)) > exp.Literal.number(0)


def _mentions(text: exp.Expression, word: str) -> exp.Expression:
    """JSON or ROW text that may hold a word; of a word that can be spelled in several ways, any text."""
    if _PLAIN_WORD.fullmatch(word):
        return _holds(text, word)
    return exp.Not(this=exp.Is(this=text.copy(), expression=exp.null()))
