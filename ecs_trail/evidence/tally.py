"""What a file turned out to be, gathered while it is read."""

from collections import Counter
from dataclasses import dataclass, field

from ecs_trail.evidence.compression import USUAL, Bounds


@dataclass(slots=True)
class Tally:
    """What decides in the end whether a file was read, left out or failed."""

    bounds: Bounds = USUAL
    parts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    is_log: bool = False
