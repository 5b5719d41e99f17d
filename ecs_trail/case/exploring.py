"""What a person explores a case with: the linked timeline and SQL. Both need optional packages."""

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from ecs_trail.case.frames import CaseFrames
from ecs_trail.errors import MissingExtraError
from ecs_trail.views.tables import query_frames
from ecs_trail.views.timeline.model import FRAMES, board
from ecs_trail.views.timeline.parts import Board
from ecs_trail.views.timeline.sentences import Subject

if TYPE_CHECKING:
    from ecs_trail.views.timeline.widget import TimelineWidget

#: Frames of a case that SQL can name: every public one.
SQL_TABLES: Final = tuple(
    sorted(
        name
        for owner in CaseFrames.__mro__
        for name, held in vars(owner).items()
        if not name.startswith("_")
        and isinstance(held, cached_property)
        and held.func.__annotations__.get("return") in {pd.DataFrame, "pd.DataFrame"}
    )
)
_WORD: Final = re.compile(r"[a-z_]+")


def board_of(case: CaseFrames) -> Board:
    """The timeline of a case as lanes, spans and marks."""
    return board({name: getattr(case, name) for name in FRAMES}, case.as_of)


def show_board(made: Board, case: Subject, notes: str | Path | None) -> "TimelineWidget":
    """A board of a case as a widget; raises `MissingExtraError` without the extra `notebook`."""
    try:
        from ecs_trail.views.timeline.widget import TimelineWidget  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_feature("the timeline", "notebook") from error
    return TimelineWidget(made, case, notes=notes)


def sql_over(case: CaseFrames, query: str) -> pd.DataFrame:
    """The answer of a query over the frames it names; only those are computed."""
    named = set(_WORD.findall(query.lower()))
    frames = {name: getattr(case, name) for name in SQL_TABLES if name in named}
    if "events" in frames:
        frames["events"] = frames["events"].drop(columns=["raw"])
    return query_frames(frames, query, known=SQL_TABLES)
