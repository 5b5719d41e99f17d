"""Events without secret material, as a scan gives them: like `secret_frames`, before anything is made a frame."""

from typing import Any

from ecs_trail.arrays import matching, plain, texts
from ecs_trail.views.secrets import SIGN, scrub


def scrub_table(table: Any) -> Any:
    """An Arrow table with secret material replaced in every text; columns that hold none are shared with it."""
    for at, field in enumerate(table.schema):
        places = matching(table.column(at), SIGN)
        if not places:
            continue
        values = plain(table.column(at))
        known = {text: scrub(text) for text in {values[place] for place in places}}
        if any(text != made for text, made in known.items()):
            table = table.set_column(at, field, texts([known.get(text, text) for text in values]))
    return table
