"""Frames without secret material: columns are looked through whole, and only cells that may hold some by `scrub`."""

from typing import Any

import pandas as pd

from ecs_trail.frames import tuples
from ecs_trail.views.secrets import SIGN, scrub, scrub_value


def scrub_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with secret material replaced in every text of every column, lists and objects included.

    The frame itself is left as it is; where it holds nothing of the kind, its columns are shared.
    """
    changed = frame.copy(deep=False)
    for position in range(len(frame.columns)):
        new = _scrubbed_column(frame.iloc[:, position])
        if new is not None:
            changed.isetitem(position, new.array)
    return changed


def _scrubbed_column(column: "pd.Series[Any]") -> "pd.Series[Any] | None":
    if column.dtype != object and pd.api.types.is_string_dtype(column.dtype):
        texts = column if isinstance(column.dtype, pd.ArrowDtype) else column.astype("string")
        mask = texts.str.contains(SIGN, case=False, regex=True).fillna(value=False).to_numpy(dtype=bool)
        if not mask.any():
            return None
        known = {text: scrub(text) for text in column[mask].unique()}
        if all(text == made for text, made in known.items()):
            return None
        return column.map(lambda text: known.get(text, text), na_action="ignore").astype(column.dtype)
    if pd.api.types.is_numeric_dtype(column.dtype) or "timestamp" in str(column.dtype) or str(column.dtype) == "bool":
        return None
    values = [value for (value,) in tuples(column.to_frame("held"), ["held"])]
    made = [scrub_value(value) for value in values]
    return None if made == values else pd.Series(made, index=column.index, dtype=column.dtype)
