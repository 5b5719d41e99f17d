"""What a catalog says of a table of CloudTrail events: its columns, its partition columns, and what these bound.

Names of partition columns and the parameters of partition projection: *Amazon Athena User Guide*, "Create a table for
CloudTrail logs in Athena using partition projection" and "Supported types for partition projection", read on
2026-11-24.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence.normal import canonical_key
from ecs_trail.evidence.tables import is_table
from ecs_trail.schema import EVENT_COLUMNS

_TEXTS: Final = ("string", "varchar", "char")
_INTEGERS: Final = frozenset({"tinyint", "smallint", "int", "integer", "bigint"})
_NESTED: Final = ("struct", "array", "map", "row")
_DAYS: Final = frozenset(
    {"timestamp", "date", "dt", "ds", "day", "datehour", "eventday", "eventdate", "partitiondate", "logdate", "datekey"}
    | {"partitiondatetime", "datetime"}
)
_YEARS: Final = frozenset({"year", "yyyy", "y"})
_MONTHS: Final = frozenset({"month", "mm", "m"})
_DAYS_OF_MONTH: Final = frozenset({"day", "dd", "d"})
_WHOLE_EVENT: Final = frozenset({"eventjson", "cloudtrailevent"})
#: The columns by which this package's own events (`schema.EVENT_COLUMNS`) are known; they answer every facet exactly.
_OWN: Final = frozenset(
    {
        "event_time",
        "session_name",
        "requested_session_name",
        "session_issuer_arn",
        "target_role_arn",
        "account_id",
        "raw",
    }
)
_OWN_KINDS: Final = {"bool": "boolean", "int64": "bigint", "string": "string"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name as the catalog has it, and Glue's type in lower case."""

    name: str
    kind: str

    @property
    def is_text(self) -> bool:
        """True for the types of text."""
        return self.kind.startswith(_TEXTS)

    @property
    def is_integer(self) -> bool:
        """True for whole numbers."""
        return self.kind in _INTEGERS

    @property
    def is_nested(self) -> bool:
        """True for structs, arrays and maps."""
        return self.kind.startswith(_NESTED)

    @property
    def is_map_of_text(self) -> bool:
        """True for `map<string,string>`."""
        return self.kind.replace(" ", "") == "map<string,string>"

    @property
    def is_time(self) -> bool:
        """True for a timestamp, with a zone or without."""
        return self.kind.startswith("timestamp")

    @property
    def has_zone(self) -> bool:
        """True for a timestamp with a zone."""
        return self.is_time and ("zone" in self.kind or self.kind.endswith("tz"))


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition column. `role` says what it holds: `time` (a day, or finer or coarser, in `pattern`), `year`,
    `month`, `day` (of the month), `region`, `account`, or nothing known (`other`).

    `pattern` is the Java date pattern of partition projection, empty where there is none. An `is_injected` column must
    be given values in every query.
    """

    column: Column
    role: str
    pattern: str = ""
    is_injected: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog describes it; `name` is (catalog, database, table) or a shorter end of it."""

    name: tuple[str, ...]
    columns: tuple[Column, ...]
    partitions: tuple[Partition, ...] = ()
    #: False for a name that the service takes only as it stands (an event data store's id).
    is_quoted: bool = True
    _by_field: dict[str, Column] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Know the columns by CloudTrail's own names for them."""
        for column in reversed(self.columns):
            self._by_field[canonical_key(column.name)] = column

    def column(self, name: str) -> Column | None:
        """The column that holds a CloudTrail field, whatever its spelling; None where there is none."""
        return self._by_field.get(name)

    def flat(self, *path: str) -> Column | None:
        """The column that holds a nested field under a flattened name (`useridentity_arn`)."""
        wanted = _plain("".join(path))
        return next((one for one in self.columns if _plain(one.name) == wanted), None)

    @property
    def is_own(self) -> bool:
        """True for a table of this package's own events, as its store writes them."""
        return {one.name.lower() for one in self.columns} >= _OWN

    @property
    def whole(self) -> Column | None:
        """The column that holds the whole event as JSON text, if any."""
        if self.is_own:
            return next(one for one in self.columns if one.name.lower() == "raw")
        return next((one for one in self.columns if _plain(one.name) in _WHOLE_EVENT and one.is_text), None)

    @property
    def times(self) -> tuple[Partition, ...]:
        """The partition columns that bound time."""
        return tuple(one for one in self.partitions if one.role in {"time", "year", "month", "day"})


def table_of(metadata: Mapping[str, Any], name: tuple[str, ...]) -> Table:
    """The table of a `TableMetadata` of Athena. Raises `UsageError` for one that cannot be a table of CloudTrail's."""
    columns = tuple(_column(one) for one in metadata.get("Columns") or ())
    keys = tuple(_column(one) for one in metadata.get("PartitionKeys") or ())
    names = [one.name for one in (*columns, *keys)]
    if not is_table(names):
        raise UsageError(
            f"the table {'.'.join(name[-2:])} is none of CloudTrail's: it has no eventname and eventtime.",
            hint="a table as in the CloudTrail User Guide is read; for Security Lake give its bucket as s3://.",
        )
    parameters = {str(key).lower(): str(value) for key, value in (metadata.get("Parameters") or {}).items()}
    has_year = any(_plain(one.name) in _YEARS for one in keys)
    return Table(name, columns, tuple(_partition(one, parameters, has_year=has_year) for one in keys))


def struct_fields(kind: str) -> dict[str, str]:
    """Field -> type of a Hive `struct<name:type,…>`; empty for anything else."""
    text = kind.strip().lower()
    if not (text.startswith("struct<") and text.endswith(">")):
        return {}
    fields: dict[str, str] = {}
    for part in _split(text[len("struct<") : -1]):
        name, mark, inner = part.partition(":")
        if mark:
            fields[name.strip().strip("`")] = inner.strip()
    return fields


def documented_table(name: tuple[str, ...]) -> Table:
    """The table of the User Guide's statement, partitioned by projected days: what a plan shows before any look."""
    issuer = "struct<type:string,principalid:string,arn:string,accountid:string,username:string>"
    context = f"struct<attributes:struct<mfaauthenticated:string,creationdate:string>,sessionissuer:{issuer}>"
    identity = (
        "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,"
        f"username:string,sessioncontext:{context}>"
    )
    texts = (
        *("eventtime", "eventsource", "eventname", "awsregion", "sourceipaddress", "useragent", "errorcode"),
        *("errormessage", "requestparameters", "responseelements", "additionaleventdata", "requestid", "eventid"),
        *("readonly", "eventtype", "apiversion", "recipientaccountid", "serviceeventdetails", "sharedeventid"),
        *("vpcendpointid", "eventcategory"),
    )
    columns = (
        Column("eventversion", "string"),
        Column("useridentity", identity),
        *(Column(text, "string") for text in texts),
        Column("resources", "array<struct<arn:string,accountid:string,type:string>>"),
        Column("tlsdetails", "struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string>"),
    )
    return Table(name, columns, (Partition(Column("timestamp", "string"), "time", "yyyy/MM/dd"),))


def own_table(name: tuple[str, ...]) -> Table:
    """A table of this package's own events, not partitioned: a store's Parquet files in DuckDB, say."""
    kinds = {column: str(kind) for column, (kind, _) in EVENT_COLUMNS.items()}
    columns = tuple(Column(column, _OWN_KINDS.get(kind, "timestamp with time zone")) for column, kind in kinds.items())
    return Table(name, columns)


def _column(described: Mapping[str, Any]) -> Column:
    return Column(str(described.get("Name", "")), str(described.get("Type") or "string").strip().lower())


def _partition(column: Column, parameters: Mapping[str, str], *, has_year: bool) -> Partition:
    prefix = f"projection.{column.name.lower()}."
    projected = parameters.get("projection.enabled", "").lower() == "true"
    kind = parameters.get(f"{prefix}type", "").lower() if projected else ""
    pattern = parameters.get(f"{prefix}format", "") if projected else ""
    role = "time" if kind == "date" else _role(_plain(column.name), has_year=has_year)
    return Partition(column, role, pattern, is_injected=kind == "injected")


def _role(name: str, *, has_year: bool) -> str:
    if name in _YEARS:
        return "year"
    if has_year and name in _MONTHS:
        return "month"
    if has_year and name in _DAYS_OF_MONTH:
        return "day"
    if name in _DAYS:
        return "time"
    if name in {"region", "awsregion"}:
        return "region"
    return "account" if name in {"account", "accountid", "awsaccountid", "recipientaccountid"} else "other"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no angle brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
