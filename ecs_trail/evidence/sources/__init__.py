"""One file per place where CloudTrail evidence lies."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence.sources.base import Source
from ecs_trail.evidence.sources.files import FilesSource, is_there
from ecs_trail.evidence.store.manifest import holds_store

__all__ = ["open_source"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://)?")


def open_source(text: str, *, max_scan: int | None = None, checkpoint: Path | None = None) -> Source:
    """The source a user named: a path, or one of the schemes of the command line.

    `max_scan` is how many bytes a paid query may scan before it is stopped, None for no limit. `checkpoint` is the file
    in which an `api://` source keeps its pages; other sources need none.
    Raises `UsageError` for a scheme that is unknown, and for an empty name.
    """
    cleaned = text.strip()
    if not cleaned:
        raise UsageError("an empty source was given.", hint="give a folder or file with CloudTrail records.")
    match = _SCHEME.match(cleaned)
    scheme = match.group(1).lower() if match else ""
    if match and scheme in _NAMED:
        return _NAMED[scheme](cleaned[match.end() :], max_scan, checkpoint)
    if scheme == "file":
        return FilesSource(Path(cleaned.partition(":")[2].removeprefix("//") or "/"))
    if "://" in cleaned and not is_there(Path(cleaned)):
        raise UsageError(
            f"'{text}' is no source this tool knows.",
            hint="sources are a path, s3://, api://, store:, athena://, lake://, logs:// and spark://.",
        )
    path = Path(cleaned)
    return _store(cleaned, None, None) if holds_store(path) else FilesSource(path)


# Each loads its source when it is asked for: an investigation of a folder needs none of the others.


def _api(rest: str, _max_scan: int | None, checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.lookup import LookupSource, parse_regions

    return LookupSource(parse_regions(rest), page_log=checkpoint)


def _s3(rest: str, _max_scan: int | None, _checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.s3 import parse_location

    return parse_location(rest)


def _athena(rest: str, max_scan: int | None, _checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.athena import parse_athena

    return parse_athena(rest, max_scan)


def _lake(rest: str, max_scan: int | None, _checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.lake import LakeSource

    return LakeSource(rest.strip("/"), max_scan=max_scan)


def _spark(rest: str, _max_scan: int | None, _checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.spark import SparkSource

    return SparkSource(rest)


def _logs(rest: str, _max_scan: int | None, _checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.logs import parse_logs

    return parse_logs(rest)


def _store(rest: str, _max_scan: int | None, _checkpoint: Path | None) -> Source:
    from ecs_trail.evidence.sources.store import StoreSource
    from ecs_trail.evidence.store import Store

    return StoreSource(Store(rest))


_NAMED: Final[Mapping[str, Callable[[str, int | None, Path | None], Source]]] = {
    "api": _api,
    "athena": _athena,
    "lake": _lake,
    "logs": _logs,
    "s3": _s3,
    "spark": _spark,
    "store": _store,
}
