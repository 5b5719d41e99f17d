"""One file per place where CloudTrail evidence lies."""

import re
from pathlib import Path
from typing import Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence.sources.athena import parse_athena
from ecs_trail.evidence.sources.base import Source
from ecs_trail.evidence.sources.files import FilesSource, is_there
from ecs_trail.evidence.sources.lake import LakeSource
from ecs_trail.evidence.sources.logs import parse_logs
from ecs_trail.evidence.sources.lookup import LookupSource, parse_regions
from ecs_trail.evidence.sources.s3 import parse_location
from ecs_trail.evidence.sources.spark import SparkSource
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.evidence.store import Store
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
    if match and scheme == "api":
        return LookupSource(parse_regions(cleaned[match.end() :]), page_log=checkpoint)
    if match and scheme == "s3":
        return parse_location(cleaned[match.end() :])
    if match and scheme == "athena":
        return parse_athena(cleaned[match.end() :], max_scan)
    if match and scheme == "lake":
        return LakeSource(cleaned[match.end() :].strip("/"), max_scan=max_scan)
    if match and scheme == "spark":
        return SparkSource(cleaned[match.end() :])
    if match and scheme == "logs":
        return parse_logs(cleaned[match.end() :])
    if match and scheme == "store":
        return StoreSource(Store(cleaned[match.end() :]))
    if scheme == "file":
        return FilesSource(Path(cleaned.partition(":")[2].removeprefix("//") or "/"))
    if "://" in cleaned and not is_there(Path(cleaned)):
        raise UsageError(
            f"'{text}' is no source this tool knows.",
            hint="sources are a path, s3://, api://, store:, athena://, lake://, logs:// and spark://.",
        )
    path = Path(cleaned)
    return StoreSource(Store(path)) if holds_store(path) else FilesSource(path)
