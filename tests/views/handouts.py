"""Documents and frames made from the shapes of the package, so that a column added later is covered by itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from ecs_trail.case.tables import SPECS
from ecs_trail.frames import FrameSpec
from ecs_trail.views.investigation import investigation

Text = Callable[[str], str]
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AS_OF = BEGIN + timedelta(hours=6)
SECTIONS = tuple(name for name in investigation.__globals__["_SECTIONS"])


def value(kind: pa.DataType, name: str, at: int, text: Text) -> Any:
    """A value of an Arrow type; every text comes from `text`, given the column's name."""
    if pa.types.is_string(kind):
        return text(name)
    if pa.types.is_timestamp(kind):
        return BEGIN + timedelta(minutes=7 * at + sum(map(ord, name)) % 90)
    if pa.types.is_list(kind):
        return [value(kind.value_type, name, at, text)]
    if pa.types.is_struct(kind):
        return {field.name: value(field.type, field.name, at, text) for field in kind}
    return {"bool": bool(at % 2), "int64": at + 1, "double": at + 0.5}[str(kind)]


def frame(spec: FrameSpec, text: Text, count: int = 2) -> pd.DataFrame:
    """A frame of a shape with every cell filled."""
    return spec.frame({name: value(kind, name, at, text) for name, kind in spec.columns.items()} for at in range(count))


def frames(text: Text) -> dict[str, pd.DataFrame]:
    """Every frame that can be taken along."""
    return {name: frame(spec, text) for name, spec in SPECS.items()}


def evidence(text: Text) -> dict[str, Any]:
    """The evidence object, its texts from `text`."""
    return {
        "window": {"start": "2026-03-02T09:00:00Z", "end": "2026-03-02T15:00:00Z"},
        "sources": [text("sources")],
        **dict.fromkeys(("files_seen", "files_read", "files_left_out", "records_read"), 3),
        "left_out": [{"kind": text("kind"), "count": 1}],
        **dict.fromkeys(("files_failed", "records_rejected", "events_selected", "duplicates"), 1),
        "problems": [{"source": text("source"), "kind": text("kind"), "detail": text("detail")}],
        "coverage": [
            {
                **{name: text(name) for name in ("account", "region")},
                "start": "2026-03-02T09:00:00Z",
                "end": "2026-03-02T15:00:00Z",
                "kinds": [text("kinds")],
                "complete": False,
            }
        ],
    }


def document(text: Text) -> dict[str, Any]:
    """A document with every column of every section filled."""
    return investigation({name: frame(SPECS[name], text) for name in SECTIONS}, evidence(text), AS_OF)


def replaced(value: Any, text: Text, name: str = "") -> Any:
    """The document with every text that is no time replaced; for texts that Arrow cannot hold."""
    if isinstance(value, str):
        return value if name in {"schema", "as_of"} or value[10:11] == "T" else text(name)
    if isinstance(value, dict):
        return {key: replaced(inner, text, key) for key, inner in value.items()}
    return [replaced(inner, text, name) for inner in value] if isinstance(value, list) else value


def texts(value: Any) -> list[str]:
    """Every text in a value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [one for key, inner in value.items() for one in (str(key), *texts(inner))]
    return [one for inner in value for one in texts(inner)] if isinstance(value, (list, tuple)) else []
