"""What every report is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Material:
    """What reports are made of: the document of the contract, and the frames of the case by name, on demand."""

    document: Mapping[str, Any]
    frame: Callable[[str], pd.DataFrame]
    #: What people wrote beside events: event id -> `star` (a truth value) and `text`, as the timeline keeps them.
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def frames(self, *names: str) -> dict[str, pd.DataFrame]:
        """Several frames by name."""
        return {name: self.frame(name) for name in names}
