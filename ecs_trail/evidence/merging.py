"""Copies of one event made one, and the rows put in the order every frame relies on."""

from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import counted, number, numbers, plain, text, texts
from ecs_trail.event_names import IAM_CHANGE_RANKS, ORGANIZATION_CHANGE_RANKS
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.packing import REBUILT, Chunk, gather, gather_raw, opened
from ecs_trail.evidence.sameness import canonical
from ecs_trail.schema import EVENT_SCHEMA

#: The columns that say which row is which, and where it stands.
KEYS: Final = ("event_id", "account_id", "event_time", "event_source", "event_name", "source", "position")
#: The order of rows; `rank` is the causal rank within a second.
_ORDER: Final = ("event_time", "rank", "event_id", "account_id", "source", "position")
#: Rank of an event that is no change of a role or organization (`vocabulary`: grants have the same).
_USUAL_RANK: Final = 1
_RANKS: Final = {
    "iam.amazonaws.com": IAM_CHANGE_RANKS,
    "organizations.amazonaws.com": ORGANIZATION_CHANGE_RANKS,
}
#: How many places of a conflict are spelled out.
_NAMED: Final = 3

Keys = tuple[str, str | None, datetime, str, str, str, int]


def merge(packed: list[Chunk]) -> tuple[pa.Table, int, list[Problem]]:
    """Packed chunks as one table of `EVENT_SCHEMA` with each event once, sorted by (event_time, causal rank, event_id);
    the number of copies dropped; the conflicts.

    The same event is the same `event_id` in the same `account_id`. Two different records under one id are both kept and
    named (`conflicting_event_id`). Of equal copies the one with the smallest source name is kept; a complete record is
    kept before one rebuilt from columns.
    """
    if not packed:
        return EVENT_SCHEMA.empty_table(), 0, []
    order, dropped, conflicts = _arranged(packed)
    return _table(packed, order), dropped, conflicts


def order_of(table: pa.Table) -> pa.Array | None:
    """The order of rows that have the columns `KEYS`, as `merge` would put them; None where an id stands on two."""
    keys = table.select(KEYS).combine_chunks()
    is_once = pc.count_distinct(keys.column("event_id")).as_py() == keys.num_rows
    return _sorted_places(keys) if is_once else None


def merge_flagged(packed: list[Chunk]) -> tuple[pa.Table, int]:
    """As `merge`, with the column that says which records had to be rebuilt, so that the result can be merged again."""
    if not packed:
        empty = pa.array([], type=pa.bool_())
        return EVENT_SCHEMA.empty_table().append_column(REBUILT, empty), 0
    order, dropped, _ = _arranged(packed)
    flags = opened(packed, [REBUILT])[REBUILT].take(order)
    return _table(packed, order).append_column(REBUILT, flags), dropped


def _arranged(packed: list[Chunk]) -> tuple[pa.Array, int, list[Problem]]:
    """The places of the rows kept, in their order; the number dropped; the conflicts."""
    keys = pa.table(opened(packed, KEYS)).combine_chunks()
    dropped, conflicts = _copies(keys, packed)
    order = _sorted_places(keys)
    if dropped:
        order = order.filter(pc.invert(pc.is_in(order, value_set=numbers(dropped).cast(order.type))))
    return order, len(dropped), conflicts


def _table(packed: list[Chunk], order: pa.Array) -> pa.Table:
    if _is_in_place(order):  # a store that was compacted: nothing to move
        return pa.table(opened(packed, EVENT_SCHEMA.names), schema=EVENT_SCHEMA).slice(0, len(order))
    made = gather(packed, order)
    return pa.table([made[name] for name in EVENT_SCHEMA.names], schema=EVENT_SCHEMA)


def _is_in_place(order: pa.Array) -> bool:
    """True when the places count up from 0."""
    return bool(order.equals(counted(len(order)).cast(order.type)))


def rank_of(event_source: str, event_name: str) -> int:
    """The causal rank of an event within its second (contract, "Order within a second")."""
    return _RANKS.get(event_source, {}).get(event_name, _USUAL_RANK)


def _sorted_places(keys: pa.Table) -> pa.Array:
    """The places of the rows in their order; Arrow sorts text by UTF-8 bytes, which is the order of Python's text."""
    ranks = numbers([_USUAL_RANK] * keys.num_rows)
    for source, known in _RANKS.items():
        place = pc.index_in(keys.column("event_name"), value_set=texts(list(known)))
        rank = pc.fill_null(numbers(list(known.values())).take(place), number(_USUAL_RANK))
        ranks = pc.if_else(pc.equal(keys.column("event_source"), text(source)), rank, ranks)
    keys = keys.append_column("rank", ranks)
    account = pc.fill_null(keys.column("account_id"), text(""))
    keys = keys.set_column(keys.schema.get_field_index("account_id"), "account_id", account)
    return pc.sort_indices(keys.select(list(_ORDER)), sort_keys=[(name, "ascending") for name in _ORDER])


def _copies(keys: pa.Table, packed: list[Chunk]) -> tuple[list[int], list[Problem]]:
    """The places of copies not kept, and the conflicts. Only rows that share an id are looked at one by one."""
    # counted here and not grouped by both columns, as that would load Arrow's query engine
    counts = pc.value_counts(keys.column("event_id").combine_chunks())
    if len(counts) == keys.num_rows:
        return [], []
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), number(1)))
    places = pc.indices_nonzero(pc.is_in(keys.column("event_id"), value_set=repeated))
    flags = opened(packed, [REBUILT])[REBUILT].take(places).to_pylist()
    texts = gather_raw(packed, places)
    candidates = zip(
        places.to_pylist(), zip(*(plain(keys.column(name).take(places)) for name in KEYS), strict=True), flags,
        texts, strict=True,
    )  # fmt: skip
    groups: dict[tuple[str, str | None], list[_Copy]] = {}
    for place, row, flag, record in candidates:
        groups.setdefault((row[0], row[1]), []).append((place, row, flag, record))
    dropped: list[int] = []
    conflicts: list[Problem] = []
    for group in groups.values():
        group.sort(key=lambda copy: copy[1][5:])
        chosen = _choose(group) if len(group) > 1 else group
        kept = {copy[0] for copy in chosen}
        dropped.extend(copy[0] for copy in group if copy[0] not in kept)
        if len(chosen) > 1:
            conflicts.append(_conflict([copy[1] for copy in chosen]))
    return dropped, conflicts


_Copy = tuple[int, Keys, bool, Any]


def _choose(group: list[_Copy]) -> list[_Copy]:
    """One copy a distinct record. A rebuilt copy that agrees on time, source and name is a copy of any record."""
    whole = [copy for copy in group if not copy[2]]
    texts = [copy[3].as_py() for copy in whole]
    distinct: dict[str, _Copy] = {}
    if len(set(texts)) == 1:  # the usual case: one file delivered twice
        distinct[texts[0]] = whole[0]
    else:
        for copy, text in zip(whole, texts, strict=True):
            distinct.setdefault(canonical(text), copy)
    seen = {_outline(copy[1]) for copy in whole}
    chosen = list(distinct.values())
    for copy in group:
        if copy[2] and _outline(copy[1]) not in seen:
            seen.add(_outline(copy[1]))
            chosen.append(copy)
    return chosen


def _outline(row: Keys) -> tuple[datetime, str, str]:
    return row[2].replace(microsecond=0), row[3], row[4]


def _conflict(rows: list[Keys]) -> Problem:
    places = ", ".join(f"{row[5]} record {row[6]}" for row in rows[:_NAMED]) + (", ..." if len(rows) > _NAMED else "")
    return Problem(
        rows[0][5], "conflicting_event_id", f"event id {rows[0][0]} stands on {len(rows)} different records: {places}."
    )
