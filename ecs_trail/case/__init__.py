"""The case: one investigation. `frames` makes what it holds, `questions` answers what is asked of it."""

from ecs_trail.case.focus import Focus
from ecs_trail.case.frames import STUCK_AFTER
from ecs_trail.case.questions import Case

__all__ = ["STUCK_AFTER", "Case", "Focus"]
