"""A table of CloudTrail events that Spark knows: the selection as one SQL query, its rows home as Parquet.

The session is the one that runs already, else one made as Spark's own settings say (`evidence.spark.session`), so the
table is found in whatever catalog that session has: Glue's, Hive's, Iceberg's, or a temporary view. Functions used:
*Apache Spark documentation*, "Spark SQL Guide" and "Apache Arrow in PySpark", as known on 2026-11-24.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.evidence.ledger import Fetched
from ecs_trail.evidence.normal import TOP_FIELDS, canonical_key
from ecs_trail.evidence.prices import AS_KNOWN_ON, S3_GET
from ecs_trail.evidence.sources.base import ScanPlan
from ecs_trail.evidence.sources.layout import PAD_DAYS
from ecs_trail.evidence.sources.sql import Table, compile_sql, documented_table, table_of
from ecs_trail.evidence.spark.session import explained, failures, map_in_arrow, session, words_of
from ecs_trail.selection import Selection

_PART: Final = re.compile(r"[^\s.`/:?]{1,255}")
_HINT: Final = "for example spark://glue_catalog.security.cloudtrail_logs, or the name of a temporary view."
#: Spark's types in the words of Glue's; its `timestamp` is a moment, and a variant is nested.
_KINDS: Final = {"timestamp": "timestamp with time zone", "timestamp_ntz": "timestamp", "variant": "map<variant>"}


class SparkSource:
    """`spark://TABLE`, `spark://DATABASE.TABLE` or `spark://CATALOG.DATABASE.TABLE`."""

    def __init__(self, table: str) -> None:
        """Raises `UsageError` for what is no name of a table, such as the address of a cluster."""
        self.parts = tuple(table.strip("/").split("."))
        if not 1 <= len(self.parts) <= 3 or not all(_PART.fullmatch(part) for part in self.parts):
            more = " The cluster stands in Spark's own settings." if ":" in table else ""
            raise UsageError(f"'{table}' is no name of a table.", hint=f"{_HINT}{more}")

    @property
    def name(self) -> str:
        """The source as the user wrote it."""
        return f"spark://{'.'.join(self.parts)}"

    def plan(self, selection: Selection) -> ScanPlan:
        """The query for a table as the User Guide makes it; the table's own columns are known only after a look."""
        is_bound = selection.window.start is not None
        shown = _statement(selection, documented_table(self.parts))
        return ScanPlan(
            source=self.name,
            selection=selection,
            reads=(
                f"the columns and partitions of {'.'.join(self.parts)} in the catalog of the Spark session",
                f"partition bound: days of the window, {PAD_DAYS} more on each side; or year, month, day, region and "
                "account, as the table has them"
                if is_bound
                else "no partition bound without --since: every partition is read",
                f"one query; for a table as in the User Guide: {shown}",
            ),
            widened=(
                "sessions and roles are looked for as text in the identity and the parameters",
                "columns that the table lacks are not asked for",
            ),
            trimmed=("sessions, roles, exact times",),
            bill=f"what the cluster costs while it reads; S3 asks ${1000 * S3_GET:.4f} for 1,000 GET (us-east-1, "
            f"{AS_KNOWN_ON})",
        )

    def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
        """The rows, sorted, as Parquet parts of some thousands, one in memory at a time.

        Raises `UsageError` for a table that is not there or none of CloudTrail's, `MissingExtraError` without pyspark,
        and `AccessError` where the query fails.
        """
        spark = session()
        try:
            rows = spark.sql(_statement(plan.selection, self._table(spark))).persist()
            try:
                yield from self._parts(rows)
            finally:
                rows.unpersist()
        except failures() as error:
            raise self._explained(error) from error

    def _parts(self, rows: Any) -> Iterator[Fetched]:
        """The table is read once, by all executors; only what was found is sorted and taken part by part."""
        # a name with dots would be taken for a path into a struct; the readers know both spellings
        rows = rows.toDF(*(name.replace(".", "_") for name in rows.columns))
        columns = [name for name, kind in rows.dtypes if kind in {"string", "timestamp", "timestamp_ntz"}]
        first = sorted(columns, key=lambda name: name.lower() not in _ORDER)
        ordered = rows.sort(*(f"`{name}`" for name in first)) if first and rows.count() else rows
        packed = map_in_arrow(ordered, _as_parquet(), "part binary")
        for number, row in enumerate(packed.toLocalIterator(), 1):
            yield Fetched(f"{self.name}/part-{number:05d}", data=bytes(row["part"]))

    def _table(self, spark: Any) -> Table:
        quoted = ".".join(f"`{part}`" for part in self.parts)
        fields = [
            {"Name": field.name, "Type": _kind(field.dataType.simpleString())} for field in spark.table(quoted).schema
        ]
        unread = [one["Name"] for one in fields if one["Type"] == "binary" and canonical_key(one["Name"]) in TOP_FIELDS]
        if unread:
            raise UsageError(
                f"the columns {', '.join(unread)} of {'.'.join(self.parts)} are bytes, not text.",
                hint="set spark.sql.parquet.binaryAsString to true before the table is made or read.",
            )
        keys = {one.name for one in spark.catalog.listColumns(quoted) if one.isPartition}
        described = {
            "Columns": [one for one in fields if one["Name"] not in keys],
            "PartitionKeys": [one for one in fields if one["Name"] in keys],
        }
        return table_of(described, self.parts)

    def _explained(self, error: Exception) -> EcsTrailError:
        text = words_of(error)
        if "TABLE_OR_VIEW_NOT_FOUND" in text or "CATALOG_NOT_FOUND" in text or "SCHEMA_NOT_FOUND" in text:
            return UsageError(
                f"the Spark session knows no table {'.'.join(self.parts)}.",
                hint="spark.catalog.listTables() shows them; catalogs stand in Spark's own settings.",
            )
        return explained(error, f"asking {self.name}")


#: Columns by which the rows are sorted before others.
_ORDER: Final = frozenset({"eventtime", "event_time", "eventid", "event_id"})


def _statement(selection: Selection, table: Table) -> str:
    is_bound = selection.window.start is not None
    return compile_sql(selection, table, dialect="spark", is_bound=is_bound, is_sorted=False)


def _kind(text: str) -> str:
    return _KINDS.get(text, text)


def _as_parquet() -> Any:
    """A function for executors, which need pyarrow for it and nothing of ours."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as arrow  # noqa: PLC0415 - this runs elsewhere
        from pyarrow import parquet  # noqa: PLC0415

        for batch in batches:
            if batch.num_rows:
                sink = arrow.BufferOutputStream()
                parquet.write_table(arrow.Table.from_batches([batch]), sink, compression="zstd")
                yield arrow.RecordBatch.from_arrays([[sink.getvalue().to_pybytes()]], ["part"])

    return run
