"""Frames as a folder of CSV or Parquet files, one per frame, with a README that explains every column.

The folder is written aside and swapped in whole. It is only ever replaced when everything in it is ours: a manifest
lists each file with its hash, and a file that is not on it, or was changed since, stops the run.
"""

import glob
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from ecs_trail.errors import UsageError
from ecs_trail.frames import FrameSpec
from ecs_trail.views.exports import write_frame
from ecs_trail.views.plain import dumped

KINDS: Final = ("csv", "parquet")
MANIFEST: Final = "ecs-trail-export.json"
README: Final = "README.md"
_OLD: Final = ".old"
_SCHEMA: Final = "ecs-trail/export/1"


@dataclass(frozen=True)
class Table:
    """A frame to write, its shape, and words about its columns where there are any."""

    spec: FrameSpec
    frame: pd.DataFrame
    meanings: Mapping[str, str] = field(default_factory=dict)


def write_folder(
    tables: Iterable[Table], target: str | Path, kind: str, *, as_of: str, unredacted: bool = False
) -> None:
    """Write the tables as `NAME.csv` or `NAME.parquet` into the folder `target`, all of them or none.

    `as_of` is the moment of the investigation, for the README. The same frames give the same bytes. Raises `UsageError`
    for another kind, for a place that cannot be written, and for a folder that holds anything but an earlier export.
    """
    if kind not in KINDS:
        raise UsageError(f"a folder of '{kind}' cannot be written.", hint=f"choose one of {', '.join(KINDS)}.")
    place = Path(target).resolve()
    try:
        _recover(place)
        _refuse_foreign(place, str(target))
        aside = Path(tempfile.mkdtemp(prefix=f".{place.name[:64]}.", suffix=".part", dir=place.parent))
        try:
            _fill(aside, [(one, _bytes(one.frame, kind, unredacted=unredacted)) for one in tables], kind, as_of)
            _swap(aside, place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"the folder '{target}' cannot be written: {reason}.", hint="name a new folder in a place that is yours."
        ) from error


def foreign_files(place: Path) -> list[str]:
    """What stands in a folder and is not an untouched file of an earlier export, by name."""
    if not place.exists():
        return []
    listed = _manifest(place)
    names = sorted(one.name for one in place.iterdir())
    return [name for name in names if name != MANIFEST and listed.get(name) != _hash(place / name)] + (
        [MANIFEST] if MANIFEST in names and not listed else []
    )


def _refuse_foreign(place: Path, shown: str) -> None:
    if place.exists() and not place.is_dir():
        raise UsageError(f"'{shown}' is a file.", hint="name a folder, new or written by an earlier export.")
    foreign = foreign_files(place)
    if foreign:
        some = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" if len(foreign) > 3 else "")
        raise UsageError(
            f"the folder '{shown}' holds files that no export wrote, or that were changed since: {some}.",
            hint="name a new folder; nothing there was touched.",
        )


def _manifest(place: Path) -> dict[str, str]:
    """The files of an earlier export with their hashes; empty where there is no manifest of ours."""
    with suppress(OSError, ValueError):
        read: Any = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(read, dict) and read.get("schema") == _SCHEMA and isinstance(read.get("files"), dict):
            return {str(name): str(digest) for name, digest in read["files"].items()}
    return {}


def _hash(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fill(aside: Path, tables: list[tuple[Table, bytes]], kind: str, as_of: str) -> None:
    files: dict[str, str] = {}
    for name, data in [
        *((f"{one.spec.name}.{kind}", data) for one, data in tables),
        (README, _readme([one for one, _ in tables], kind, as_of)),
    ]:
        (aside / name).write_bytes(data)
        files[name] = hashlib.sha256(data).hexdigest()
    manifest = {"schema": _SCHEMA, "as_of": as_of, "files": dict(sorted(files.items()))}
    (aside / MANIFEST).write_text(dumped(manifest, indent=2) + "\n", encoding="ascii")


def _recover(place: Path) -> None:
    """Bring back the folder that a run set aside and died before replacing; clear what such a run left beside it."""
    if not place.parent.is_dir():
        return
    left = sorted(place.parent.glob(f".{glob.escape(place.name[:64])}.*{_OLD}"))
    for one in left:
        if not place.exists() and _manifest(one):
            one.rename(place)
        elif _manifest(one):
            shutil.rmtree(one, ignore_errors=True)


def _swap(aside: Path, place: Path) -> None:
    """Put the new folder in the place of the old one; the old one waits beside it until that is done."""
    mask = os.umask(0)
    os.umask(mask)
    aside.chmod(0o777 & ~mask)
    if not place.exists():
        aside.rename(place)
        return
    old = aside.with_suffix(_OLD)
    place.rename(old)
    try:
        aside.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _bytes(frame: pd.DataFrame, kind: str, *, unredacted: bool) -> bytes:
    page = io.BytesIO()
    write_frame(frame, kind, page, unredacted=unredacted)
    return page.getvalue()


def _readme(tables: list[Table], kind: str, as_of: str) -> bytes:
    lines = [
        "# Export of ecs-trail",
        "",
        f"As of {as_of}. Times are UTC; in CSV, lists are JSON and an empty cell means unknown or none, and a text",
        "that a spreadsheet would run as a formula has an apostrophe in front. Credentials and raw records stay out.",
    ]
    for one in tables:
        rows = f"{len(one.frame):,} row{'' if len(one.frame) == 1 else 's'}"
        lines += ["", f"## {one.spec.name}.{kind}", "", f"{one.spec.doc} {rows}; key: {', '.join(one.spec.key)}.", ""]
        lines += [_column(one, str(name)) for name in one.frame.columns if name != "raw"]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _column(table: Table, name: str) -> str:
    kind = table.spec.columns.get(name, table.frame[name].dtype)
    meaning = table.meanings.get(name, "")
    return f"- `{name}` ({kind}){f': {meaning}' if meaning else ''}"
