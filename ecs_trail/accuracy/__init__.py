"""How right the engine is, measured on practice incidents whose answer is known.

`measure` makes incidents, has them investigated through the public door and compares every row with the answer.
Fields an answer leaves open (`unsure`) are not compared; what it calls `maybe` may be absent, and needs `possible`
unless a call was denied through the same changes.
"""

from ecs_trail.accuracy.comparing import compare, unfounded
from ecs_trail.accuracy.figures import FIGURES, MARK, AccuracyReport, KindAccuracy, Miss
from ecs_trail.accuracy.measuring import document_of, measure, without

__all__ = [
    "FIGURES",
    "MARK",
    "AccuracyReport",
    "KindAccuracy",
    "Miss",
    "compare",
    "document_of",
    "measure",
    "unfounded",
    "without",
]
