"""Which report a file name asks for. Another kind of report is one line in `WRITERS`."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from ecs_trail.errors import UsageError
from ecs_trail.views.exports import write_atomically
from ecs_trail.views.report.material import Material

#: Writes a whole report to a path, aside and renamed.
Writer = Callable[[Material, Path], None]


def _html(material: Material, path: Path) -> None:
    from ecs_trail.views.report.page import page

    _write(path, page(material).encode("utf-8"))


def _json(material: Material, path: Path) -> None:
    from ecs_trail.views.document import to_json

    _write(path, to_json(material.document))


def _pdf(material: Material, path: Path) -> None:
    from ecs_trail.views.report.paper import pdf

    _write(path, pdf(material))


def _write(path: Path, data: bytes) -> None:
    def put(stream: IO[bytes]) -> None:
        stream.write(data)

    write_atomically(path, put)


#: Suffix of the output, in lower case -> its writer.
WRITERS: Final[dict[str, Writer]] = {
    ".html": _html,
    ".json": _json,
    ".pdf": _pdf,
}


def writer_for(path: str | Path, kind: str | None = None) -> Writer:
    """The writer of a report: by `kind` (`html`, `json`, …) where given, else by the suffix of the path.

    Raises `UsageError` for a kind or suffix nobody writes, naming those there are.
    """
    asked = f".{kind}" if kind else Path(path).suffix
    writer = WRITERS.get(asked.lower())
    if writer is None:
        known = ", ".join(WRITERS)
        told = f"'{kind}' is not a kind of report." if kind else f"the name '{path}' does not tell the kind of report."
        raise UsageError(told, hint=f"end the name of the output in one of {known}.")
    return writer
