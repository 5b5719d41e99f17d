"""Saved digests and log files in a folder, with what was saved of their S3 metadata beside them.

S3 keeps the signature of a digest in the metadata of the object, and a downloaded file has none. Beside the digest
`NAME.json.gz` any of these is taken, where `*` is any text:

* `NAME*.json`: what `aws s3api head-object` or `get-object` prints (`{"Metadata": {"signature": …}}`), or the metadata
  alone, also with the header's names (`x-amz-meta-signature`),
* `NAME*.sig` or `NAME*.signature`: the signature alone, in hexadecimal.

Only the newest digest of a chain needs one: each digest holds the signature of the one before (*AWS CloudTrail User
Guide*, "Custom implementations of CloudTrail log file integrity validation", read on 2026-11-24).
"""

import json
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Final

from ecs_trail.evidence.compression import EXPANSION_LIMIT
from ecs_trail.evidence.integrity.digests import FOLDER, Location, digest_name, is_hex
from ecs_trail.evidence.integrity.shelves import Item, Listing, Piece, Scope
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.layout import LOGS, ROOT
from ecs_trail.selection import everything

_HEADER: Final = "x-amz-meta-"
_SIGNATURE: Final = "signature"
_HEX_SUFFIXES: Final = (".sig", ".signature")
#: Below the folder of a kind: REGION/YYYY/MM/DD/NAME.
_BELOW_KIND: Final = 5
_SIDECAR_LIMIT: Final = 1 << 20


class FolderShelf:
    """A folder of saved files. Paths are judged as far as they keep the layout of the bucket, names always."""

    may_be_plain = True
    is_original = False
    readers = 1

    def __init__(self, path: Path) -> None:
        """`path` is looked at only when it is listed."""
        self.path = path
        self._files: dict[str, Path] = {}
        self._by_base: dict[str, list[Item]] = defaultdict(list)
        self._beside: dict[Path, list[str]] = defaultdict(list)

    @property
    def name(self) -> str:
        """The path as given."""
        return self.path.as_posix()

    def listing(self, scope: Scope) -> Listing:
        """Everything below the folder that bears a name of CloudTrail. Raises `UsageError` where nothing is."""
        found = Listing()
        source = FilesSource(self.path)
        for fetched in source.fetch(source.plan(everything())):
            if fetched.problem is not None or fetched.path is None:
                found.problems.extend([fetched.problem] if fetched.problem else [])
                continue
            path = Path(fetched.path)
            self._beside[path.parent].append(path.name)
            self._take(path, found, scope)
        return found

    def _take(self, path: Path, found: Listing, scope: Scope) -> None:
        item = Item(path.as_posix(), "", path.absolute().as_posix())
        digest, log = digest_name(item.key), stamp_of(item.key)
        if digest is None and (log is None or not item.base.removesuffix(".gz").endswith(".json")):
            return
        self._files[item.key] = path
        self._by_base[_base(item.base)].append(item)
        if digest is not None and scope.has(digest.chain.account, digest.chain.region):
            found.digests.append(item)
        elif log is not None and scope.has(log[0], log[1]):
            found.logs.append(item)

    def find(self, location: Location) -> list[Item]:
        """Every copy of a file of that name at its place; none means that it is not in the folder."""
        return [item for item in self._by_base.get(_base(location[1]), ()) if self.is_at(item, location)]

    def is_at(self, item: Item, location: Location) -> bool:
        """True when the path agrees with the key as far as it keeps the bucket's layout."""
        here, there = PurePosixPath(item.key).parts, PurePosixPath(location[1]).parts
        if not there or _base(here[-1]) != _base(there[-1]):
            return False
        kept = _kept(here)
        return kept == 1 or here[-kept:-1] == there[-kept:-1]

    def read(self, item: Item) -> Piece:
        """The bytes of a file; for a digest also the metadata saved beside it."""
        path = self._files[item.key]
        try:
            if path.stat().st_size > EXPANSION_LIMIT:
                words = f"more than {EXPANSION_LIMIT} bytes are not read."
                return Piece(problem=Problem(item.name, "too_large", words))
            data = path.read_bytes()
        except FileNotFoundError:
            return Piece(is_absent=True)
        except OSError as error:
            kind = "no_permission" if isinstance(error, PermissionError) else "unreadable_file"
            return Piece(problem=Problem(item.name, kind, f"the file cannot be read: {error.strerror or error}."))
        return Piece(data, self._metadata(path) if digest_name(item.key) is not None else {})

    def close(self) -> None:
        """Nothing is held open."""

    def _metadata(self, path: Path) -> dict[str, str]:
        stem = path.name.removesuffix(".gz").removesuffix(".json")
        for name in sorted(self._beside[path.parent]):
            if name.startswith(f"{stem}.") and name != path.name and digest_name(name) is None:
                found = _saved_metadata(path.parent / name)
                if _SIGNATURE in found:
                    return found
        return {}


def _base(name: str) -> str:
    """The last part of a name, the same for a file that was unpacked."""
    return name.rpartition("/")[2].removesuffix(".gz")


def _kept(parts: tuple[str, ...]) -> int:
    """How many parts at the end of a path are those of the key; 1 where only the file's name is."""
    for at in range(len(parts) - 1, -1, -1):
        if parts[at] in {FOLDER, LOGS}:
            if len(parts) - 1 - at != _BELOW_KIND:
                return 1
            above = [index for index in range(at) if parts[index] == ROOT]
            return len(parts) - (above[-1] if above else at)
    return 1


def _saved_metadata(path: Path) -> dict[str, str]:
    """What a file beside a digest says of its metadata, names in small letters and without the header's prefix."""
    try:
        if path.stat().st_size > _SIDECAR_LIMIT:
            return {}
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return {}
    if path.suffix in _HEX_SUFFIXES:
        return {_SIGNATURE: text} if is_hex(text) else {}
    if path.suffix != ".json":
        return {}
    try:
        saved = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(saved, dict):
        return {}
    inner = saved.get("Metadata", saved.get("metadata", saved))
    listed = inner.items() if isinstance(inner, dict) else ()
    return {name.lower().removeprefix(_HEADER): value for name, value in listed if isinstance(value, str)}
