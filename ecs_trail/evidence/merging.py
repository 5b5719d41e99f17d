"""Copies of one event made one, and the rows put in the order every frame relies on."""

from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.records import canonical
from ecs_trail.event_names import IAM_CHANGE_RANKS, ORGANIZATION_CHANGE_RANKS

_KEYS: Final = ("event_id", "account_id", "event_time", "event_source", "event_name", "source", "position")
#: Rank of an event that is no change of a role or organization (`vocabulary`: grants have the same).
_USUAL_RANK: Final = 1
#: How many places of a conflict are spelled out.
_NAMED: Final = 3

Keys = tuple[str, str | None, datetime, str, str, str, int]


def merge(table: pa.Table, rebuilt: list[bool]) -> tuple[pa.Table, int, list[Problem]]:
    """The table with each event once, sorted by (event_time, causal rank, event_id); copies dropped; conflicts.

    The same event is the same `event_id` in the same `account_id`. Two different records under one id are both kept and
    named (`conflicting_event_id`). Of equal copies the one with the smallest source name is kept; a complete record is
    kept before one rebuilt from columns (`rebuilt`, one flag a row).
    """
    rows: list[Keys] = list(zip(*(table.column(name).to_pylist() for name in _KEYS), strict=True))
    groups: dict[tuple[str, str | None], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row[0], row[1]), []).append(index)
    kept: list[int] = []
    conflicts: list[Problem] = []
    for group in groups.values():
        if len(group) == 1:
            kept.extend(group)
            continue
        chosen = _choose(sorted(group, key=lambda index: (rows[index][5], rows[index][6])), table, rows, rebuilt)
        kept.extend(chosen)
        if len(chosen) > 1:
            conflicts.append(_conflict([rows[index] for index in chosen]))
    kept.sort(key=lambda index: _order(rows[index]))
    return table.take(pa.array(kept, type=pa.int64())), len(rows) - len(kept), conflicts


def rank_of(event_source: str, event_name: str) -> int:
    """The causal rank of an event within its second (contract, "Order within a second")."""
    if event_source == "iam.amazonaws.com":
        return IAM_CHANGE_RANKS.get(event_name, _USUAL_RANK)
    if event_source == "organizations.amazonaws.com":
        return ORGANIZATION_CHANGE_RANKS.get(event_name, _USUAL_RANK)
    return _USUAL_RANK


def _choose(group: list[int], table: pa.Table, rows: list[Keys], rebuilt: list[bool]) -> list[int]:
    """One index a distinct record. A rebuilt copy that agrees on time, source and name is a copy of any record."""
    raw: Any = table.column("raw")
    distinct: dict[str, int] = {}
    seen: set[tuple[datetime, str, str]] = set()
    for index in (index for index in group if not rebuilt[index]):
        distinct.setdefault(canonical(raw[index].as_py()), index)
        seen.add(_outline(rows[index]))
    chosen = list(distinct.values())
    for index in (index for index in group if rebuilt[index]):
        if _outline(rows[index]) not in seen:
            seen.add(_outline(rows[index]))
            chosen.append(index)
    return chosen


def _outline(row: Keys) -> tuple[datetime, str, str]:
    return row[2].replace(microsecond=0), row[3], row[4]


def _conflict(rows: list[Keys]) -> Problem:
    places = ", ".join(f"{row[5]} record {row[6]}" for row in rows[:_NAMED]) + (", ..." if len(rows) > _NAMED else "")
    return Problem(
        rows[0][5], "conflicting_event_id", f"event id {rows[0][0]} stands on {len(rows)} different records: {places}."
    )


def _order(row: Keys) -> tuple[datetime, int, str, str, str, int]:
    return row[2], rank_of(row[3], row[4]), row[0], row[1] or "", row[5], row[6]
