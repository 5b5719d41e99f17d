"""What every report is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Material:
    """What reports are made of: the document of the contract, and the frames of the case by name, on demand."""

    document: Mapping[str, Any]
    frame: Callable[[str], pd.DataFrame]

    def frames(self, *names: str) -> dict[str, pd.DataFrame]:
        """Several frames by name."""
        return {name: self.frame(name) for name in names}
