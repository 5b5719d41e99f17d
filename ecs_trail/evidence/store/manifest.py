"""The manifest of a store: JSON lines, each chained to the one before by SHA-256.

A line is one step that happened whole or not at all: a batch of parts with the receipt of their reading, the end of a
run, a selection that later lines name by its digest. A last line that a crash cut short never happened.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from ecs_trail.errors import IntegrityError, UsageError
from ecs_trail.evidence.store.folder import MANIFEST, sync_folder, write_part
from ecs_trail.evidence.store.shapes import is_ours

FORMAT: Final = "ecs-trail/store/1"
_TAIL: Final = ',"chain":"'
_TAIL_LENGTH: Final = len(_TAIL) + 64 + len('"}')

Line = dict[str, Any]


@dataclass
class Manifest:
    """The lines of a manifest, in order; `size` is the bytes of whole lines, `chain` the digest of the last."""

    lines: list[Line] = field(default_factory=list)
    size: int = 0
    chain: str = ""

    def kind(self, kind: str) -> Iterator[Line]:
        """The lines of one kind: `store`, `selection`, `batch` or `run`."""
        return (line for line in self.lines if line["kind"] == kind)

    def parts(self, kind: str | None = None) -> Iterator[Line]:
        """The parts of all batches, or those of one kind (`events`, `units`, `documents`)."""
        return (part for line in self.kind("batch") for part in line["parts"] if kind is None or part["kind"] == kind)

    @property
    def selections(self) -> dict[str, list[dict[str, Any]]]:
        """The clauses of every selection that lines name, by digest."""
        return {line["id"]: line["clauses"] for line in self.kind("selection")}

    @property
    def next_number(self) -> int:
        """The number of the next line."""
        return max((int(line["number"]) for line in self.lines), default=0) + 1


def holds_store(folder: Path) -> bool:
    """True for a folder whose manifest is one of ours."""
    try:
        with (folder / MANIFEST).open("rb") as stream:
            return is_manifest(stream.readline(4096))
    except OSError:
        return False


def is_manifest(data: bytes) -> bool:
    """True for bytes that begin as a manifest of ours."""
    return b'"format":"ecs-trail/store/' in data[:4096].partition(b"\n")[0]


def load(folder: Path, known: Manifest | None = None) -> Manifest:
    """The manifest of a store. Raises `UsageError` where there is none, `IntegrityError` for one that was altered.

    `known` is what was loaded before: where it is still the beginning, only what was added is read.
    """
    try:
        with (folder / MANIFEST).open("rb") as stream:
            made = _still(stream, known) or Manifest()
            stream.seek(made.size)
            data = stream.read()
    except OSError as error:
        raise UsageError(
            f"there is no store in '{folder}': {error.strerror or error}.", hint="ecs-trail collect makes one."
        ) from error
    return _taken(made, data, str(folder))


def parsed(data: bytes, where: str, known: Manifest | None = None) -> Manifest:
    """The manifest made of all its bytes. Raises as `load`."""
    made = _still(io.BytesIO(data), known) or Manifest()
    return _taken(made, data[made.size :], where)


def _taken(made: Manifest, data: bytes, where: str) -> Manifest:
    _take(made, data.split(b"\n")[:-1], where)  # what follows the last end of line was cut short
    if not made.lines or made.lines[0].get("format") != FORMAT:
        raise UsageError(f"'{where}' holds no store this version can read.", hint=f"expected is {FORMAT}.")
    return made


def _still(stream: BinaryIO, known: Manifest | None) -> Manifest | None:
    """What is known, when the file still begins with it: the digest of its last line stands for all before."""
    if known is None or not known.chain:
        return None
    tail = f'{_TAIL}{known.chain}"}}\n'.encode()
    stream.seek(max(known.size - len(tail), 0))
    return Manifest([*known.lines], known.size, known.chain) if stream.read(len(tail)) == tail else None


def _take(made: Manifest, texts: list[bytes], where: str) -> None:
    known = set(made.selections)
    for number, text in enumerate(texts, 1):
        line = _parsed(text)
        if line is None and number == len(texts):
            return  # a crash of the machine can leave the last line as zeros
        if line is None or line.get("chain") != _next(made.chain, text[:-_TAIL_LENGTH] + b"}"):
            raise IntegrityError(
                f"line {len(made.lines) + 1} of the manifest of '{where}' was altered, or does not follow the one "
                "before.",
                hint="restore it from a copy; its parts can still be read as Parquet files.",
            )
        if not (is_ours(line) and _asked(line) <= known):
            raise IntegrityError(
                f"line {len(made.lines) + 1} of the manifest of '{where}' names what no store of this tool holds.",
                hint="it was not written by ecs-trail; nothing of it was read or changed.",
            )
        if line["kind"] == "selection":
            known.add(line["id"])
        made.lines.append(line)
        made.chain = line.pop("chain")
        made.size += len(text) + 1


def append(folder: Path, manifest: Manifest, lines: Sequence[Line]) -> None:
    """Add lines and bring them to the disk; only under the writers' lock. Raises `OSError`; then nothing was added."""
    data, chain = encoded(lines, manifest.chain)
    handle = os.open(folder / MANIFEST, os.O_RDWR)
    try:
        os.ftruncate(handle, manifest.size)  # what a crash cut short, or this very call failed to write before
        os.lseek(handle, manifest.size, os.SEEK_SET)
        try:
            written = os.write(handle, data)
            if written < len(data):  # the disk is full
                os.write(handle, data[written:])
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, manifest.size)
            raise
    finally:
        os.close(handle)
    manifest.lines.extend(lines)
    manifest.size += len(data)
    manifest.chain = chain


def replace_all(folder: Path, lines: Sequence[Line]) -> None:
    """Put a new manifest in place of the old one, in one step. Raises `OSError`."""
    data, _ = encoded(lines, "")
    write_part(folder, lambda _: MANIFEST, lambda path: _put(path, data))
    sync_folder(folder)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def encoded(lines: Iterable[Line], chain: str) -> tuple[bytes, str]:
    """Lines as bytes, each chained to the one before, and the digest of the last."""
    texts: list[bytes] = []
    for line in lines:
        body = json.dumps(line, separators=(",", ":"), sort_keys=True).encode()
        chain = _next(chain, body)
        texts.append(body[:-1] + f'{_TAIL}{chain}"}}\n'.encode())
    return b"".join(texts), chain


def _asked(line: Line) -> set[str]:
    """The selections that a line names; they must stand in lines before."""
    run = line if line["kind"] == "run" else line.get("run") if line["kind"] == "batch" else None
    return {run["selection"], run["planned"]} if run else set()


def _parsed(text: bytes) -> Line | None:
    """One line, or None for what is no JSON object."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _next(chain: str, body: bytes) -> str:
    return hashlib.sha256(chain.encode() + b"\n" + body).hexdigest()
