"""The report on paper: the same page, set by WeasyPrint with its print style, so that no browser is needed."""

import contextlib
import logging
from collections.abc import Iterator

from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.views.report.material import Material
from ecs_trail.views.report.page import page


def pdf(material: Material) -> bytes:
    """The report as PDF; the same evidence gives the same bytes. Raw records stay in the HTML report.

    Raises `MissingExtraError` where WeasyPrint is not installed, `UsageError` where its system libraries (Pango) are
    missing.
    """
    try:
        import weasyprint
    except ImportError as error:
        raise MissingExtraError.for_feature("a PDF report", "pdf") from error
    except OSError as error:
        raise UsageError(
            f"a PDF report needs the system library Pango: {error}.",
            hint="install it (Debian: apt install libpango-1.0-0 libpangoft2-1.0-0), or print the .html report.",
        ) from error
    with _quiet():
        data: bytes | None = weasyprint.HTML(string=page(material), url_fetcher=_nothing).write_pdf()
    return data or b""


def _nothing(url: str, *_more: object, **_options: object) -> dict[str, object]:
    """The page asks for nothing; should evidence ever make it ask, nothing is fetched."""
    raise ValueError(f"a report loads nothing, and '{url[:80]}' is outside of it")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """WeasyPrint warns of every style rule that only screens understand; those are meant."""
    loggers = [logging.getLogger(name) for name in ("weasyprint", "fontTools")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
