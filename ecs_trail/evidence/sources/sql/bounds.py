"""Partition columns of a table -> a condition on them, one day padded: what keeps a query from reading everything.

A partition is the day of a folder, and files come late: a day more on each side (`layout.PAD_DAYS`). A bound never
leaves out a partition that may hold something: where the spelling of a column is not known, all its spellings count.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlglot import exp

from ecs_trail.errors import UsageError
from ecs_trail.evidence.sources.layout import ACCOUNT, PAD_DAYS
from ecs_trail.evidence.sources.sql.tables import Partition, Table
from ecs_trail.selection import Selection
from ecs_trail.times import Window

#: Java's letters of a date pattern, from coarse to fine -> strftime's.
_LETTERS: Final = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_ORDERS: Final = tuple(tuple(_LETTERS)[:count] for count in range(1, len(_LETTERS) + 1))
_TOKEN: Final = re.compile(r"yyyy|MM|dd|HH|mm|ss|'[^']*'|[^A-Za-z']+")
#: Spellings of a day whose order as text is that of time; others are read whole.
_SPELLINGS: Final = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d")
_SPELT: Final = "^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}/[0-9]{2}/[0-9]{2}|[0-9]{8})"
_MOST_DAYS: Final = 400
_Maker = Callable[[date], exp.Literal]
#: From here on global events are delivered into us-east-1's folder only (see `layout`).
_GLOBAL_AT_HOME: Final = datetime(2021, 11, 22, tzinfo=UTC)


def partition_bounds(selection: Selection, table: Table) -> list[exp.Expression]:
    """The conditions on partition columns. Raises `UsageError` where a table would be read whole, or where a column
    must be given values that the selection does not have.
    """
    window = selection.window
    if table.times and window.start is None:
        names = ", ".join(one.column.name for one in table.times)
        raise UsageError(
            f"the table is partitioned by {names}, and without a start all of it would be read and paid for.",
            hint="give --since; a date before the trail's first event reads everything on purpose.",
        )
    found = [_time_bound(one, window) for one in table.partitions if one.role == "time"]
    found.append(_calendar_bound(table, window))
    found.extend(_place_bound(one, selection) for one in table.partitions if one.role in {"region", "account"})
    kept = [one for one in found if one is not None]
    bounded = {column.name for one in kept for column in one.find_all(exp.Column)}
    for partition in table.partitions:
        if partition.is_injected and partition.column.name not in bounded:
            raise UsageError(
                f"the table's partition column {partition.column.name} must be given values (an injected projection).",
                hint="name them in the source: athena://WORKGROUP/DATABASE.TABLE?region=eu-west-1&account=111122223333.",
            )
    return kept


def padded(window: Window) -> tuple[date | None, date | None]:
    """The first and last day of partitions that may hold events of a window."""
    pad = timedelta(days=PAD_DAYS)
    first = None if window.start is None else _shifted(window.start.astimezone(UTC).date(), -pad)
    if window.end is None:
        return first, None
    return first, _shifted((window.end.astimezone(UTC) - timedelta(microseconds=1)).date(), pad)


def _shifted(day: date, by: timedelta) -> date:
    try:
        return day + by
    except OverflowError:
        return day


def _time_bound(partition: Partition, window: Window) -> exp.Expression | None:
    first, last = padded(window)
    column = exp.column(partition.column.name, quoted=True)
    if partition.column.kind == "date" or partition.column.is_time:
        kind = "DATE" if partition.column.kind == "date" else "TIMESTAMP"
        return _between(column, first, last, lambda day: exp.cast(exp.Literal.string(f"{day:%Y-%m-%d}"), kind))
    if partition.column.is_integer:  # 20260310, with hours or without
        return _integer_bound(column, first, last)
    if not partition.column.is_text:
        return None
    if partition.pattern:
        return _projected(column, partition.pattern, first, last)
    spelt = (_between(column, first, last, _spelling(one)) for one in _SPELLINGS)
    odd = exp.Not(this=exp.RegexpLike(this=column.copy(), expression=exp.Literal.string(_SPELT)))
    return exp.or_(*(one for one in spelt if one is not None), odd)


def _spelling(pattern: str) -> _Maker:
    return lambda day: exp.Literal.string(day.strftime(pattern))


def _integer_bound(column: exp.Column, first: date | None, last: date | None) -> exp.Expression:
    """Days as numbers; numbers of another length (hours, years, epoch seconds) are read whole."""
    inside = _between(column, first, last, lambda day: exp.Literal.number(f"{day:%Y%m%d}"))
    other = exp.or_(column < exp.Literal.number("10000000"), column > exp.Literal.number("99999999"))
    return other if inside is None else exp.or_(inside, other)


def _projected(column: exp.Column, pattern: str, first: date | None, last: date | None) -> exp.Expression | None:
    """A bound in the spelling of a partition projection; of a spelling that does not sort, all days one by one."""
    parts = _TOKEN.findall(pattern)
    letters = tuple(one for one in parts if one in _LETTERS)
    if "".join(parts) != pattern or not letters or len(set(letters)) < len(letters):
        return None
    spelling = "".join(_LETTERS.get(one, one.strip("'").replace("%", "%%")) for one in parts)

    def literal(day: date) -> exp.Literal:
        return exp.Literal.string(datetime(day.year, day.month, day.day, tzinfo=UTC).strftime(spelling))

    if letters in _ORDERS:
        return _between(column, _opening(first, letters), last, literal, step=letters[-1])
    if first is None or last is None or (last - first).days > _MOST_DAYS or set(letters) - {"yyyy", "MM", "dd"}:
        return None
    days = [first + timedelta(days=count) for count in range((last - first).days + 1)]
    return exp.In(this=column, expressions=list(dict.fromkeys(literal(day) for day in days)))


def _opening(first: date | None, letters: tuple[str, ...]) -> date | None:
    """The first day of the first partition, where one holds a month or a year."""
    if first is None or letters[-1] not in {"yyyy", "MM"}:
        return first
    return first.replace(day=1) if letters[-1] == "MM" else first.replace(month=1, day=1)


def _between(
    column: exp.Column, first: date | None, last: date | None, literal: _Maker, *, step: str = "dd"
) -> exp.Expression | None:
    """From the first day, to before what follows the last."""
    parts: list[exp.Expression] = []
    if first is not None:
        parts.append(column.copy() >= literal(first))
    if last is not None and last < date(9998, 1, 1):
        parts.append(column.copy() < literal(_following(last, step)))
    return exp.and_(*parts) if parts else None


def _following(last: date, step: str) -> date:
    if step == "yyyy":
        return date(last.year + 1, 1, 1)
    if step == "MM":
        return date(last.year + last.month // 12, last.month % 12 + 1, 1)
    return last + timedelta(days=1)


def _calendar_bound(table: Table, window: Window) -> exp.Expression | None:
    """A bound on columns for year, month and day of the month, as numbers or text, padded with zeros or not."""
    by_role = {one.role: one for one in table.partitions if one.role in {"year", "month", "day"}}
    year = by_role.get("year")
    first, last = padded(window)
    if year is None or first is None:
        return None
    column = exp.column(year.column.name, quoted=True)
    if last is None or (last - first).days > _MOST_DAYS:
        parts = [_compared(year, column, first.year, is_lower=True)]
        parts += [] if last is None else [_compared(year, column, last.year, is_lower=False)]
        return exp.and_(*parts)
    months = [_month_bound(by_role, *one) for one in _months(first, last)]
    years = _among(year, range(first.year, last.year + 1))
    # The years alone as well: a condition on one column is what a catalog can evaluate.
    return exp.and_(years, exp.or_(*months))


def _compared(year: Partition, column: exp.Column, value: int, *, is_lower: bool) -> exp.Expression:
    literal = exp.Literal.string(f"{value:04d}") if year.column.is_text else exp.Literal.number(str(value))
    return column.copy() >= literal if is_lower else column.copy() <= literal


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The first and last day of each month touched."""
    while first <= last:
        closing = min(_following(first, "MM") - timedelta(days=1), last)
        yield first, closing
        first = closing + timedelta(days=1)


def _month_bound(by_role: dict[str, Partition], first: date, last: date) -> exp.Expression:
    parts = [_among(by_role["year"], [first.year])]
    if "month" in by_role:
        parts.append(_among(by_role["month"], [first.month]))
        is_whole = first.day == 1 and _following(first, "MM") == last + timedelta(days=1)
        if "day" in by_role and not is_whole:
            parts.append(_among(by_role["day"], range(first.day, last.day + 1)))
    return exp.and_(*parts)


def _among(partition: Partition, values: range | list[int]) -> exp.Expression:
    column = exp.column(partition.column.name, quoted=True)
    if partition.column.is_text:
        texts = dict.fromkeys(text for value in values for text in (f"{value:02d}", str(value)))
        return exp.In(this=column, expressions=[exp.Literal.string(text) for text in texts])
    return exp.In(this=column, expressions=[exp.Literal.number(str(value)) for value in values])


def _place_bound(partition: Partition, selection: Selection) -> exp.Expression | None:
    """Regions or accounts, where every clause names them."""
    wanted: set[str] = set()
    for clause in selection.clauses:
        values = clause.regions if partition.role == "region" else clause.accounts
        if values is None:
            return None
        before = clause.window.start is None or clause.window.start < _GLOBAL_AT_HOME
        if partition.role == "region" and "us-east-1" in values and before:
            return None  # events of global services lie in the folders of other Regions as well
        wanted |= values
    if partition.role == "account" and not all(ACCOUNT.fullmatch(value) for value in wanted):
        return None
    column = exp.column(partition.column.name, quoted=True)
    if partition.column.is_text:
        return exp.In(this=column, expressions=[exp.Literal.string(value) for value in sorted(wanted)])
    if partition.column.is_integer and partition.role == "account":
        return exp.In(this=column, expressions=[exp.Literal.number(str(int(value))) for value in sorted(wanted)])
    return None
