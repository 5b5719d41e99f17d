"""Which file name means which writer: one small table, the longest suffix first.

A writer takes the investigation document and the frames that add detail (`events`, `volume_calls`; both may be
missing) and gives bytes; equal evidence gives equal bytes.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

import pandas as pd

from ecs_trail.errors import UsageError
from ecs_trail.views.document import to_json
from ecs_trail.views.ocsf import ocsf_json, ocsf_lines
from ecs_trail.views.plain import Document, sound
from ecs_trail.views.report.material import Material
from ecs_trail.views.ticket import ticket
from ecs_trail.views.timesketch import timesketch
from ecs_trail.views.trace import trace
from ecs_trail.views.workbook import workbook

Frames = Mapping[str, pd.DataFrame]
Writer = Callable[[Document, Frames], bytes]

#: Suffix -> writer. `.jsonl` alone is Timesketch's, the one JSON-lines format that opens without a mapping.
WRITERS: Final[Mapping[str, Writer]] = MappingProxyType(
    {
        ".ocsf.jsonl": lambda document, _: ocsf_lines(document),
        ".ocsf.json": lambda document, _: ocsf_json(document),
        ".trace.json": trace,
        ".timesketch.jsonl": timesketch,
        ".jsonl": timesketch,
        ".json": lambda document, _: to_json(sound(document)),
        ".xlsx": lambda document, _: workbook(document),
        ".md": lambda document, _: ticket(document),
    }
)


def _page(document: Document, frames: Frames) -> bytes:
    from ecs_trail.views.report.page import page  # noqa: PLC0415 - jinja2 is an extra

    return page(Material(document, frames.__getitem__, document.get("notes", {}))).encode("utf-8")


def _paper(document: Document, frames: Frames) -> bytes:
    from ecs_trail.views.report.paper import pdf  # noqa: PLC0415 - weasyprint is an extra

    return pdf(Material(document, frames.__getitem__, document.get("notes", {})))


#: Suffix -> writer of a page for people; these need all frames that a case lists.
PAGES: Final[Mapping[str, Writer]] = MappingProxyType({".html": _page, ".pdf": _paper})
KINDS: Final = (*PAGES, *WRITERS)


def writer_for(path: str | PurePath, kind: str | None = None) -> Writer:
    """The writer of a file name, or of a `kind` (`html`, `xlsx`, …) where one is given.

    Raises `UsageError` for a suffix or kind that none has, and lists those there are.
    """
    name = f"report.{kind}".lower() if kind else PurePath(path).name.lower()
    suffix = next((one for one in sorted(KINDS, key=len, reverse=True) if name.endswith(one)), None)
    if suffix is None:
        told = f"'{kind}' is no kind of report." if kind else f"'{name}' names no kind of report."
        raise UsageError(told, hint=f"end the name with one of {', '.join(KINDS)}.")
    return PAGES[suffix] if suffix in PAGES else WRITERS[suffix]
