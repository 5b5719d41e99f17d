"""The verdict on integrity as text: the verdict first, then what exactly is wrong, sorted, then the counts."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ecs_trail.views.text import clean, count, listed, shown_time

Document = Mapping[str, Any]

_KINDS: Final = {
    "digest": ("digest", "digests"),
    "backfill_digest": ("backfill digest", "backfill digests"),
    "log_file": ("log file", "log files"),
    "store_part": ("part of a store", "parts of a store"),
}
_STATUSES: Final = {"missing": "deleted or not saved"}
_SHOWN: Final = 200
_INDENT: Final = "  "


def verdict_line(document: Document) -> str:
    """The verdict in one sentence."""
    match document["verdict"]:
        case "failed":
            tally = Counter((one["kind"], one["status"]) for one in document["failures"])
            words = [
                f"{count(tally[kind, status], *_KINDS[kind])} {_STATUSES.get(status, status)}"
                for kind in _KINDS
                for status in ("altered", "missing", "moved")
                if tally[kind, status]
            ]
            return f"FAILED: {listed(words, most=9)}."
        case "nothing":
            return "NOT VERIFIED: there is no digest for this evidence, so nothing can be proven or disproven."
        case "partial":
            open_ones = len(document["unproven"]) + len(document["problems"])
            return (
                f"NOT PROVEN IN FULL: nothing wrong was found, but {count(open_ones, 'thing')} could not be verified."
            )
        case _:
            return f"INTACT: {_valid(document)} hold{_beside(document)}."


def _valid(document: Document) -> str:
    words = [
        count(document["checked"][kind]["valid"], *names)
        for kind, names in _KINDS.items()
        if kind in document["checked"]
        and (document["checked"][kind]["total"] or (kind == "log_file" and "store_part" not in document["checked"]))
    ]
    return listed(words, most=9)


def _beside(document: Document) -> str:
    missed = sum(one["log_files"] for one in document["not_covered"])
    return f"; {count(missed, 'log file')} not covered by a digest" if missed else ""


def integrity_text(document: Document) -> str:
    """The whole verdict as plain lines, every string of the evidence cleaned."""
    return "\n".join((*_lines(document), ""))


def _lines(document: Document) -> Iterator[str]:
    yield f"ecs-trail verify {clean(listed(document['targets'], most=9))}; all times are UTC"
    yield ""
    yield verdict_line(document)
    for title, part, show in (
        ("WRONG", "failures", _entry),
        ("NOT PROVEN", "unproven", None),
        ("GAPS", "gaps", _gap),
        ("NOT COVERED", "not_covered", _uncovered),
        ("CHAINS", "chains", _chain),
        ("REMARKS", "problems", _problem),
    ):
        found = document[part]
        if found:
            yield ""
            yield title
            lines = _grouped(found) if show is None else (line for one in found[:_SHOWN] for line in show(one))
            yield from (f"{_INDENT}{line}" for line in lines)
            if show is not None and len(found) > _SHOWN:
                yield f"{_INDENT}… and {len(found) - _SHOWN:,} more: --format json"
    yield ""
    yield f"checked: {'; '.join(_counts(document))}"


def _entry(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_STATUSES.get(one['status'], one['status'])}  {_KINDS[one['kind']][0]}  {clean(one['name'])}"
    found = f"; it lies at {clean(one['found_at'])}" if one["found_at"] else ""
    if one["detail"] or found:
        yield f"{_INDENT}{clean(one['detail'], 400)}{found}"


def _grouped(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is not proven, by kind and reason: there may be as many as log files."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        groups.setdefault((one["kind"], one["status"], one["detail"]), []).append(one["name"])
    for (kind, status, detail), names in groups.items():
        yield f"{count(len(names), *_KINDS[kind])} {status}: {clean(detail, 400)}"
        yield f"{_INDENT}{clean(names[0])}{f'; and {len(names) - 1:,} more' if len(names) > 1 else ''}"


def _gap(one: Mapping[str, Any]) -> Iterator[str]:
    start = shown_time(one["start"]) if one["start"] else "an unknown time"
    yield f"{_place(one)}: from {start} to {shown_time(one['end'])}: {clean(one['detail'])}"


def _uncovered(one: Mapping[str, Any]) -> Iterator[str]:
    span = f"{shown_time(one['first'])} to {shown_time(one['last'])}"
    yield f"{clean(one['account'])} {clean(one['region'])}: {count(one['log_files'], 'log file')}, {span}"
    yield f"{_INDENT}{clean(one['detail'])}; such as {clean(one['names'][0])}"


def _chain(one: Mapping[str, Any]) -> Iterator[str]:
    kind = "backfill digest" if one["backfill"] else "digest"
    begins = f"; begins: {clean(one['begins'])}" if one["begins"] else ""
    span = f"{shown_time(one['start'])} to {shown_time(one['end'])}" if one["start"] else "no time known"
    yield f"{_place(one)}: {count(one['digests'], kind)}, {span}{begins}"


def _problem(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"{clean(one['source'])}: {clean(one['detail'], 400)}"


def _place(one: Mapping[str, Any]) -> str:
    return f"{clean(one['account'])} {clean(one['region'])} {clean(one['trail'], 128)}"


def _counts(document: Document) -> Iterator[str]:
    for kind, names in _KINDS.items():
        counts = document["checked"].get(kind)
        if counts is None:
            continue
        parts = [f"{number:,} {status}" for status, number in counts.items() if number and status != "total"]
        yield count(counts["total"], *names) + (f" ({', '.join(parts)})" if parts else "")
