"""Events without secret material, as a scan gives them: like `secret_frames`, before anything is made a frame."""

from typing import Any

from ecs_trail.arrays import cleaned, replaced
from ecs_trail.views.secrets import SIGN, scrub


def scrub_table(table: Any) -> Any:
    """An Arrow table with secret material replaced in every text; columns that hold none are shared with it."""
    return replaced(table, SIGN, scrub)


def scrub_texts(different: Any) -> list[str]:
    """The different texts of an Arrow column, none null, with secret material replaced: for `Sheet.of_table`."""
    return cleaned(different, SIGN, scrub)
