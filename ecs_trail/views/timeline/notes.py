"""Notes and stars on events, kept in a JSON file of the user's choice.

Shape: `{"schema": "ecs-trail/notes/1", "notes": {EVENT_ID: {"star": true, "text": "…"}}}`, keys sorted. Every change is
laid over the file as it is at that moment, so that several notebooks may share one file: the last word on one event
wins, and no other event is touched. The file is written aside and renamed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypedDict

from ecs_trail.errors import UsageError
from ecs_trail.views.whole_files import write_atomically

SCHEMA: Final = "ecs-trail/notes/1"
_LONGEST: Final = 10_000
_HINT: Final = "name a new file, or one that ecs-trail wrote as notes."


class Note(TypedDict):
    """What a person wrote on one event."""

    star: bool
    text: str


Notes = dict[str, Note]


def read_notes(path: str | Path) -> Notes:
    """Event id -> note; empty where there is no file yet. Raises `UsageError` for a file that holds no notes."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"the notes '{path}' cannot be read: {error.strerror or error}.", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the notes '{path}' are no JSON: {error}.", hint=_HINT) from error
    listed = found.get("notes") if isinstance(found, dict) and found.get("schema") == SCHEMA else None
    if not isinstance(listed, dict):
        raise UsageError(f"'{path}' holds no notes of ecs-trail (schema {SCHEMA}).", hint=_HINT)
    return {event_id: _note(value) for event_id, value in listed.items() if isinstance(value, dict)}


def change_note(path: str | Path, event_id: str, note: Note) -> Notes:
    """Lay one note over the file and return all notes now in it; an empty note without a star is taken out."""
    with _locked(Path(path)):
        notes = read_notes(path)
        put(notes, event_id, note)
        document = {"schema": SCHEMA, "notes": dict(sorted(notes.items()))}
        text = json.dumps(document, ensure_ascii=True, indent=2, sort_keys=True) + "\n"
        write_atomically(path, lambda stream: _write(stream, text))
    return notes


def put(notes: Notes, event_id: str, note: Note) -> None:
    """Set or, where nothing is left to say, remove a note."""
    if note["text"].strip() or note["star"]:
        notes[event_id] = {"star": note["star"], "text": note["text"][:_LONGEST]}
    else:
        notes.pop(event_id, None)


def _note(value: Mapping[str, Any]) -> Note:
    text = value.get("text")
    return {"star": value.get("star") is True, "text": text[:_LONGEST] if isinstance(text, str) else ""}


def _write(stream: Any, text: str) -> None:
    stream.write(text.encode("utf-8"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, by a lock on a file beside the notes; the system lets go of it when a process dies.

    Where the system has no such locks (Windows), the window between reading and renaming stays unguarded.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        yield
        return
    beside = path.resolve().parent / f".{path.name}.lock"
    try:
        handle = os.open(beside, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"the notes '{path}' cannot be written: {reason}.", hint=_HINT) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
