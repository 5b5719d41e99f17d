"""One file per place where CloudTrail evidence lies."""

import re
from pathlib import Path
from typing import Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence.sources.base import Source
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.lookup import LookupSource, parse_regions
from ecs_trail.evidence.sources.s3 import parse_location
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store.manifest import holds_store

__all__ = ["open_source"]

#: Sources the command line names that are read by no code yet, with what to do instead.
_NOT_BUILT_IN: Final = {
    "athena": "save the query result as CSV or JSON and give that file.",
    "lake": "save the query result as JSON (aws cloudtrail get-query-results) and give that file.",
    "spark": "export the table as JSON lines and give that file.",
}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://)?")


def open_source(text: str) -> Source:
    """The source a user named: a path, or one of the schemes of the command line.

    Raises `UsageError` for a scheme that is unknown or not built in, and for an empty name.
    """
    cleaned = text.strip()
    if not cleaned:
        raise UsageError("an empty source was given.", hint="give a folder or file with CloudTrail records.")
    match = _SCHEME.match(cleaned)
    scheme = match.group(1).lower() if match else ""
    if match and scheme == "api":
        return LookupSource(parse_regions(cleaned[match.end() :]))
    if match and scheme == "s3":
        return parse_location(cleaned[match.end() :])
    if match and scheme == "store":
        return StoreSource(Store(cleaned[match.end() :]))
    if scheme in _NOT_BUILT_IN:
        raise UsageError(
            f"the source '{text}' ({scheme}) is not built in yet.", hint=_NOT_BUILT_IN[scheme].format(text=cleaned)
        )
    if scheme == "file":
        return FilesSource(Path(cleaned.partition(":")[2].removeprefix("//") or "/"))
    if "://" in cleaned and not Path(cleaned).exists():
        raise UsageError(
            f"'{text}' is no source this tool knows.",
            hint="sources are a path, s3://, api://, store:, athena://, lake:// and spark://.",
        )
    path = Path(cleaned)
    return StoreSource(Store(path)) if holds_store(path) else FilesSource(path)
