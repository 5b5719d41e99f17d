"""The shape of a manifest's lines, looked at before anything is believed.

The chain says that nobody changed a line since it was written, not who wrote it: a store may come from a stranger, and
the files its manifest names are read, hashed and removed.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from ecs_trail.evidence.store.folder import is_part

Check = Callable[[Any], bool]
_FACETS: Final = frozenset({"failed", "window"})


def is_ours(line: Mapping[str, Any]) -> bool:
    """Whether a line has the shape of its kind. Lines of a kind not known here count for nothing and pass."""
    check = _KINDS.get(line["kind"]) if isinstance(line.get("kind"), str) else _never
    return _number(line.get("number")) and (check is None or check(line))


def _never(_value: Any) -> bool:
    return False


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _moment(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _row(*checks: Check) -> Check:
    """A list of so many values."""
    return lambda value: (
        isinstance(value, list)
        and len(value) == len(checks)
        and all(check(one) for check, one in zip(checks, value, strict=True))
    )


def _map(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _object(**fields: Check) -> Check:
    """An object with at least these fields."""
    return lambda value: (
        isinstance(value, dict) and all(name in value and check(value[name]) for name, check in fields.items())
    )


def _part(value: Any) -> bool:
    """A part under a name this package gives to parts of its kind, so that no name leads out of the folder."""
    if not _PART(value) or not is_part(value["name"]) or not value["name"].startswith(f"{value['kind']}-"):
        return False
    return bool(value["kind"] != "events" or _row(_moment, _moment)(value.get("span")))


def _clause(value: Any) -> bool:
    if not isinstance(value, dict) or not _WINDOW(value.get("window")):
        return False
    facets = (inner for name, inner in value.items() if name not in _FACETS)
    return _maybe(_flag)(value.get("failed")) and all(map(_list(_text), facets))


_PART: Final = _object(name=_text, kind=_text, sha256=_text, bytes=_number, rows=_number)
_WINDOW: Final = _row(_maybe(_moment), _maybe(_moment))
_PROBLEMS: Final = _list(_row(_text, _text, _text))
_SPAN: Final = _row(*[_maybe(_text)] * 2, *[_maybe(_moment)] * 4, _list(_text))
_COUNTS: Final = (
    "files_seen",
    "files_read",
    "files_failed",
    "records_read",
    "records_rejected",
    "events",
    "duplicates",
)
_RUN: Final = _object(id=_text, selection=_text, planned=_text, began_at_number=_number, started_at=_moment)
_BATCH: Final = _object(
    at=_moment,
    source=_text,
    plan=_text,
    window=_WINDOW,
    run=lambda value: value in ({}, None) or _RUN(value),
    parts=_list(_part),
    marks=_map(_text),
    receipt=_object(**dict.fromkeys(_COUNTS, _number), left_out=_map(_number), problems=_PROBLEMS),
    spans=_list(_SPAN),
    newest_stamp=_maybe(_moment),
    records_superseded=_number,
)


def _batch(value: Any) -> bool:
    """A batch; one that compaction made has no remarks of its own."""
    return _BATCH(value) and ("remarks" not in value or _PROBLEMS(value["remarks"]))


_KINDS: Final[Mapping[str, Check]] = {
    "store": _object(format=_text, generation=_number, at=_moment, tool=_text),
    "selection": _object(id=_text, clauses=_list(_clause)),
    "batch": _batch,
    "run": lambda value: _RUN(value) and _object(at=_moment, source=_text, partial=_flag, remarks=_PROBLEMS)(value),
}
