"""A few thousand records as one Arrow table, made column by column.

It is for collecting everything, where each record becomes a row: to make a tuple of every record (`records.row_of`)
costs several times what its columns cost. A block is refused (`NotPlainError`) where one of its records is not beyond
doubt what `row_of` would make of it in the plain way; then its files take the usual road, with the same rows.

Where columns come from is another matter: from pieces of text that a compiled walk has found (`pieces`), or from
records decoded with types (`wholes`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import Places, array_of, counted, flags, joined, text, texts, values_of, whole_numbers
from ecs_trail.evidence.glances import NOT_PLAIN
from ecs_trail.evidence.ledger import Reading
from ecs_trail.evidence.packing import REBUILT
from ecs_trail.evidence.records import IDENTITY, Actor, actor_of
from ecs_trail.schema import EVENT_SCHEMA
from ecs_trail.selection import Selection

#: Columns of `EVENT_SCHEMA` that are a field as it stands and say the same for many records.
KINDS: Final = {
    "event_source": "eventSource", "event_name": "eventName", "aws_region": "awsRegion",
    "account_id": "recipientAccountId", "error_code": "errorCode", "error_message": "errorMessage",
    "source_ip_address": "sourceIPAddress", "user_agent": "userAgent", "event_type": "eventType",
    "event_category": "eventCategory", "event_version": "eventVersion", "read_only": "readOnly",
    "management_event": "managementEvent",
}  # fmt: skip
#: Those that differ from record to record.
SINGLE: Final = {"event_id": "eventID", "request_id": "requestID", "shared_event_id": "sharedEventID"}
FREE: Final = {
    "request_parameters": "requestParameters", "response_elements": "responseElements",
    "additional_event_data": "additionalEventData", "service_event_details": "serviceEventDetails",
    "resources": "resources",
}  # fmt: skip
#: By what like rows are put together; those that are alike in all of it stand in the order of time.
ALIKE: Final = ("session_name", "event_source", "event_name")


class NotPlainError(Exception):
    """A record of a block needs the usual road."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Columns that say together the same for many rows: the number of its kind for each row, and the kinds."""

    codes: pa.Array
    values: dict[str, pa.Array]

    @property
    def kinds(self) -> int:
        """How many kinds there are."""
        return len(next(iter(self.values.values())))

    def column(self, name: str, places: pa.Array) -> pa.Array:
        """One column at some places."""
        return self.values[name].take(self.codes.take(places))

    def columns(self, places: pa.Array) -> dict[str, pa.Array]:
        """All columns at some places."""
        codes = self.codes.take(places)
        return {name: values.take(codes) for name, values in self.values.items()}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a block: those of few values, those that are whole already (both as the records stand), and what
    makes all others at some places.
    """

    coded: Sequence[Coded]
    plain: dict[str, pa.Array]
    others: Callable[[Places], dict[str, pa.Array]]

    def column(self, name: str, places: pa.Array) -> pa.Array:
        """One of the first two sorts at some places."""
        found = self.plain.get(name)
        return self._coded(name).column(name, places) if found is None else found.take(places)

    def ranks(self, name: str) -> Places:
        """The place of each row's value of a coded column among the different values, in their order."""
        coded = self._coded(name)
        made: Places = _ranks(coded.values[name])[values_of(coded.codes)]
        return made

    def at(self, order: Places) -> dict[str, pa.Array]:
        """All columns at some places."""
        places = whole_numbers(order)
        made = {name: column.take(places) for name, column in self.plain.items()}
        for coded in self.coded:
            made |= coded.columns(places)
        return made | self.others(order)

    def _coded(self, name: str) -> Coded:
        return next(coded for coded in self.coded if name in coded.values)


class Records(Protocol):
    """Records that wait to become the rows of a block."""

    @property
    def size(self) -> int:
        """Bytes that they hold."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def add(self, text: bytes, reading: Reading) -> int:
        """Take the records of a text, and note in its reading how many there are, of which accounts, Regions, times
        and sources; how many. None is taken, and nothing noted, where one of them is not plain.
        """
        ...

    def ids(self) -> pa.Array:
        """The event ids."""
        ...

    def raw(self, number: int) -> bytes:
        """A record as received."""
        ...

    def without(self, numbers: Iterable[int]) -> None:
        """Leave some out."""
        ...

    def columns(self) -> Columns:
        """Make columns. Raises `NotPlainError` and what is an error to `table_of`."""
        ...


def table_of(records: Records, origin: tuple[pa.Array, pa.Array], apart: Selection) -> tuple[pa.Table, int]:
    """The rows of records, with `packing.REBUILT`, and how many of them belong to `apart`.

    `origin` is the name of each one's file and its place in it. Rows of `apart`
    stand first, then all are ordered by session, event source, event name and time, so that like rows stand together.
    Raises `NotPlainError`.
    """
    try:
        columns = records.columns()
        order, count = _order(columns, len(records), apart)
        made = columns.at(order)
    except (pa.ArrowException, UnicodeEncodeError, *NOT_PLAIN) as error:
        raise NotPlainError from error
    places = whole_numbers(order)
    made |= {"source": origin[0].take(places), "position": origin[1].take(places)}
    made[REBUILT] = flags([False] * len(order))
    names = [*EVENT_SCHEMA.names, REBUILT]
    return pa.table([made[name] for name in names], schema=EVENT_SCHEMA.append(pa.field(REBUILT, pa.bool_()))), count


def actors(identities: Iterable[bytes | str]) -> list[Actor]:
    """What different texts of `userIdentity` say. Raises `NotPlainError` and `NOT_PLAIN`."""
    return [actor_of(IDENTITY.decode(one)) for one in identities]


def actor_columns(found: Iterable[Actor]) -> dict[str, pa.Array]:
    """Actors as columns; there must be one at least."""
    columns = zip(Actor._fields, zip(*found, strict=True), strict=True)
    return {name: array_of(some, EVENT_SCHEMA.field(name).type) for name, some in columns}


def words(name: str, values: Sequence[Any]) -> pa.Array:
    """A column of words or flags; null for an empty word."""
    column = array_of(values, EVENT_SCHEMA.field(name).type)
    if pa.types.is_string(column.type):
        is_empty = pc.equal(column, text(""))
        if pc.any(is_empty).as_py():
            return pc.if_else(pc.fill_null(is_empty, flags([False])[0]), texts([None])[0], column)
    return column


def _order(columns: Columns, size: int, apart: Selection) -> tuple[Places, int]:
    """The order of the rows, and how many come first as they belong to `apart`."""
    is_first = _belonging(columns, size, apart)
    likeness = (~is_first).astype(np.int64)
    for name in ALIKE:
        ranks = columns.ranks(name)
        likeness = likeness * (int(ranks.max()) + 1) + ranks
    return np.lexsort((values_of(columns.plain["event_time"].cast(pa.int64())), likeness)), int(is_first.sum())


def _belonging(columns: Columns, size: int, apart: Selection) -> npt.NDArray[np.bool_]:
    """Which rows belong to a selection, asked of one row for all that have the same of what it asks for."""
    keys = np.zeros(size, dtype=np.int64)
    for coded in columns.coded:
        if not apart.columns.isdisjoint(coded.values):
            keys = keys * coded.kinds + values_of(coded.codes)
    for name in apart.columns.intersection(columns.plain):  # a value of such a column is hardly another row's
        given = values_of(pc.indices_nonzero(columns.plain[name].is_valid()))
        keys[given] = -1 - given
    _, rows, same = np.unique(keys, return_index=True, return_inverse=True)
    places = whole_numbers(rows)
    asked = {name: columns.column(name, places) for name in sorted(apart.columns)}
    found = apart.filter(pa.table({**asked, "index": counted(len(rows))}))
    belongs = np.zeros(len(rows), dtype=np.bool_)
    belongs[values_of(joined(found.column("index")))] = True
    made: npt.NDArray[np.bool_] = belongs[same]
    return made


def _ranks(values: pa.Array) -> Places:
    """The place of each value among the different values, in their order."""
    coded = pc.fill_null(values, text("")).dictionary_encode()
    words = coded.dictionary.to_pylist()
    ranks = np.empty(len(words), dtype=np.int64)
    ranks[sorted(range(len(words)), key=words.__getitem__)] = np.arange(len(words))
    made: Places = ranks[values_of(coded.indices)]
    return made
