"""SQL over frames, through DuckDB in memory: no file, no network, no extension, no setting can be reached from a query.

*DuckDB documentation*, "Securing DuckDB" (`enable_external_access`, `lock_configuration`), read on 2026-11-24.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.frames import to_frame, to_table
from ecs_trail.views.text import clean, listed


def query_frames(frames: Mapping[str, pd.DataFrame], query: str, *, known: Sequence[str] = ()) -> pd.DataFrame:
    """The answer of one query over frames by their names, Arrow-backed, times in UTC.

    `known` are the names a wrong query is told of. Raises `UsageError` for a query DuckDB refuses.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_feature("case.sql", "sql") from error
    connection = duckdb.connect(":memory:")
    try:
        for name, frame in frames.items():
            connection.register(name, to_table(frame))
        _lock(connection)
        answer = connection.sql(query)
        if answer is None:
            raise UsageError("the query gives no table.", hint="write one that begins with SELECT, WITH or FROM.")
        return to_frame(answer.to_arrow_table())
    except duckdb.Error as error:
        names = listed(sorted(known or frames), most=40)
        message = clean(str(error).strip().partition("\n")[0], 400)
        raise UsageError(f"the query was refused: {message}", hint=f"tables: {names}.") from error
    finally:
        connection.close()


def _lock(connection: Any) -> None:
    for setting in (
        "SET TimeZone = 'UTC'",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
        "SET python_enable_replacements = false",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ):
        connection.execute(setting)
