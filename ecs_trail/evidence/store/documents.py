"""Saved states kept beside the events: JSON evidence that is no CloudTrail record, with its date."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from ecs_trail.evidence.ledger import TaskText
from ecs_trail.evidence.store.disks import Disk
from ecs_trail.evidence.store.manifest import Manifest
from ecs_trail.evidence.store.plain import time_to_plain


@dataclass(frozen=True, order=True, slots=True)
class Document:
    """One saved state: its kind, where it was found, the moment it shows (ISO 8601, UTC; None when it does not say),
    and its JSON text as received.
    """

    kind: str
    source: str
    text: str
    captured_at: str | None = None

    @classmethod
    def of_state(cls, found: TaskText) -> "Document":
        """A saved state of tasks, volumes, services or a role."""
        # a question of a store needs none of the readers of states
        states = import_module("ecs_trail.evidence.snapshots.states").states_of([found], [])
        seen = [row["seen_at"] for row in (*states.tasks, *states.volumes, *states.services)]
        moments = [one for one in (*seen, *(role.captured_at for role in states.roles)) if one is not None]
        text = found.text.decode("utf-8", "surrogateescape")
        return cls(found.kind, found.source, text, time_to_plain(max(moments, default=None)))


def write_documents(target: Path | BinaryIO, documents: Iterable[Document]) -> None:
    """Write documents as JSON lines. Raises `OSError`."""
    lines = (
        json.dumps({"kind": one.kind, "source": one.source, "captured_at": one.captured_at, "text": one.text})
        for one in documents
    )
    data = "".join(f"{line}\n" for line in lines).encode("ascii")
    if isinstance(target, Path):
        target.write_bytes(data)
    else:
        target.write(data)


def read_documents(disk: Disk, manifest: Manifest) -> list[Document]:
    """All documents of a store, each once, sorted. Raises `OSError`, and `ValueError` for a file that was altered."""
    found: set[Document] = set()
    for part in manifest.parts("documents"):
        for line in disk.read(part).decode("ascii").splitlines():
            one = json.loads(line)
            found.add(Document(one["kind"], one["source"], one["text"], one["captured_at"]))
    return sorted(found, key=lambda one: (one.kind, one.source, one.text))


def task_texts(documents: Iterable[Document]) -> list[TaskText]:
    """The documents as a scan takes saved states."""
    return [TaskText(one.text.encode("utf-8", "surrogateescape"), one.source, one.kind) for one in documents]
