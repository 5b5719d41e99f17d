"""The case: one investigation. `sheets` judges, `frames` are its DataFrames, `questions` answers what it is asked."""

from ecs_trail.case.focus import Focus
from ecs_trail.case.questions import Case
from ecs_trail.case.sheets import STUCK_AFTER

__all__ = ["STUCK_AFTER", "Case", "Focus"]
