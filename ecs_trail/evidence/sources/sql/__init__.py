"""SQL for tables of CloudTrail events, one expression for DuckDB, Trino (Athena) and Spark; sqlglot writes it."""

from importlib import import_module
from typing import Any, Final

from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.evidence.sources.sql.tables import Column, Partition, Table, documented_table, own_table, table_of
from ecs_trail.selection import Selection

__all__ = [
    "DIALECTS",
    "Column",
    "Partition",
    "Table",
    "compile_sql",
    "documented_table",
    "own_table",
    "table_of",
    "text_literal",
]

DIALECTS: Final = ("athena", "duckdb", "spark", "trino")


def compile_sql(
    selection: Selection,
    table: Table,
    *,
    dialect: str = "trino",
    limit: int | None = None,
    is_bound: bool = True,
    is_sorted: bool = True,
) -> str:
    """The SQL that finds every event of a selection in a table, and maybe more.

    `limit` is the longest text the service takes, in bytes: beyond it, places and times alone are asked for.
    `is_bound=False` leaves the bounds of partitions out, to show a plan or to read a table whole on purpose;
    `is_sorted=False` the order, for who sorts what is found. Raises `UsageError` where a partitioned table
    would be read whole, or where no query is short enough, and `MissingExtraError` without sqlglot.
    """
    compiler = _compiler()
    for is_coarse in (False, True):
        made = compiler.statement(selection, table, is_coarse=is_coarse, is_bound=is_bound, is_sorted=is_sorted)
        text: str = made.sql(dialect=dialect)
        if not table.is_quoted:
            text = text.replace(f'"{table.name[-1]}"', table.name[-1], 1)
        if limit is None or len(text.encode()) <= limit:
            return text
    raise UsageError(
        f"the query has {len(text.encode()):,} bytes, and the service takes {limit:,}.",
        hint="ask for fewer accounts or Regions at a time.",
    )


def text_literal(text: str, dialect: str = "trino") -> str:
    """A text as a literal of a dialect."""
    exp: Any = _door().exp
    literal: str = exp.Literal.string(text).sql(dialect=dialect)
    return literal


def _door() -> Any:
    try:
        return import_module("sqlglot")
    except ImportError as error:
        raise MissingExtraError.for_feature("asking a table in SQL", "athena") from error


def _compiler() -> Any:
    _door()
    return import_module("ecs_trail.evidence.sources.sql.compiler")
