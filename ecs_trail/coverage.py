"""What was looked at, as the contract's `evidence` object: counts, problems, and coverage by account and Region."""

import re
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ecs_trail.evidence.sources.base import Receipt
from ecs_trail.times import Window, format_time

if TYPE_CHECKING:
    from ecs_trail.evidence.integrity.verdict import Integrity

#: Account and Region in the name of a trail log file (CloudTrail User Guide, "CloudTrail log file names").
_TRAIL_FILE: Final = re.compile(r"(\d{12})_CloudTrail_([a-z0-9-]{1,30})_[^/]*$")


def evidence_summary(
    receipt: Receipt,
    *,
    events_selected: int,
    window: Window,
    as_of: datetime,
    integrity: "Integrity | None" = None,
) -> dict[str, Any]:
    """The contract's `evidence` object. Times are UTC; lists are sorted, so that equal reads print equally.

    `integrity` adds a field of that name: the verdict of the verification, where one was asked for.
    """
    places = sorted(receipt.spans, key=lambda one: (one[0] or "", one[1] or ""))
    firsts = [span.first for span in receipt.spans.values() if span.first is not None]
    start = window.start or min(firsts, default=as_of)
    end = window.end or as_of
    return {
        "window": {"start": format_time(start), "end": format_time(end)},
        "sources": list(receipt.sources),
        "files_seen": receipt.files_seen,
        "files_read": receipt.files_read,
        "files_left_out": receipt.files_left_out,
        "left_out": [{"kind": kind, "count": receipt.left_out[kind]} for kind in sorted(receipt.left_out)],
        "files_failed": receipt.files_failed,
        "records_read": receipt.records_read,
        "records_rejected": receipt.records_rejected,
        "events_selected": events_selected,
        "duplicates": receipt.duplicates,
        "problems": [
            {"source": problem.source, "kind": problem.kind, "detail": problem.detail} for problem in receipt.problems
        ],
        "coverage": [_covered(key, receipt) for key in places],
        "ledger": _ledger(receipt),
        "bill": [asdict(charge) for charge in receipt.bill],
        **({} if integrity is None else {"integrity": integrity.document()}),
    }


def _ledger(receipt: Receipt) -> dict[str, Any]:
    """Where everything went: the terms of each group sum to its first number, or `closes` is false."""
    outside = receipt.outside
    return {
        "objects": {
            "listed": receipt.files_seen + outside,
            "read": receipt.files_read,
            "left_out": receipt.files_left_out + outside,
            "left_out_by_name": outside,
            "failed": receipt.files_failed,
        },
        "records": {
            "found": receipt.records_read + receipt.records_rejected,
            "selected": receipt.events_selected,
            "not_selected": receipt.records_not_selected,
            "duplicate": receipt.duplicates,
            "rejected": receipt.records_rejected,
            "lost": receipt.records_lost,
        },
        "closes": receipt.closes,
        "partial": receipt.is_partial,
    }


def _covered(key: tuple[str, str], receipt: Receipt) -> dict[str, Any]:
    span = receipt.spans[key]
    starts = [moment for moment in (span.first, span.first_stamp) if moment is not None]
    ends = [moment for moment in (span.last, span.last_stamp) if moment is not None]
    return {
        "account": key[0] or None,
        "region": key[1] or None,
        "start": format_time(min(starts)) if starts else None,
        "end": format_time(max(ends)) if ends else None,
        "kinds": sorted(span.event_sources),
        "complete": not any(_may_lie_in(problem.source, key) for problem in receipt.problems if problem.is_partial),
    }


def _may_lie_in(source: str, key: tuple[str, str]) -> bool:
    """Whether what could not be read can hold records of an account and Region; its file name may rule it out."""
    named = _TRAIL_FILE.search(source)
    return named is None or named.groups() == key
