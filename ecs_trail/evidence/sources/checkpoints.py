"""How far the queries of LookupEvents are: what a later run need not ask again, and how much is still to come."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence.sources.asking import Question
from ecs_trail.times import format_time

_SCHEMA: Final = "ecs-trail/lookup-pages/1"

#: How far event history reaches back (*AWS CloudTrail API Reference*, "LookupEvents", read on 2026-11-24).
HISTORY: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one query is: pages taken, the token of the next, and the parameters it belongs to. Times are UTC."""

    pages: int = 0
    token: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    oldest: datetime | None = None
    is_done: bool = False


@dataclass
class Checkpoint:
    """The pages a consumer has taken, so that a later fetch of the same plan goes on at the next page.

    A page counts as taken when the consumer asks for the one after it. One checkpoint belongs to one plan.
    """

    taken: dict[str, Progress] = field(default_factory=dict)

    def to_json(self) -> str:
        """The checkpoint as JSON text."""
        return json.dumps({key: asdict(one) for key, one in sorted(self.taken.items())}, default=datetime.isoformat)

    @classmethod
    def from_json(cls, text: str) -> "Checkpoint":
        """Read what `to_json` wrote."""
        return cls({key: _progress_of(one) for key, one in json.loads(text).items()})

    @classmethod
    def from_marks(cls, marks: Mapping[str, str]) -> "Checkpoint":
        """The checkpoint made of the latest mark of each query (`to_json` of one query)."""
        return cls({key: one for text in marks.values() for key, one in cls.from_json(text).taken.items()})


class PageLog:
    """The pages a run was given, in a file that only grows: after a kill the next run reads them from there.

    One JSON line a page, on disk before the page is handed on; a line cut short by the kill is not counted. The file
    holds records as received, so nobody but its owner may read it. It belongs to one plan and is removed at the end.
    """

    def __init__(self, path: Path, plan: tuple[Question, ...], began: datetime) -> None:
        """Open or begin the file. Raises `UsageError` where it is another plan's, no such file, or unwritable."""
        self.path = path
        self.taken: dict[str, Progress] = {}
        self.is_resumed = False
        self._lines: list[dict[str, Any]] = []
        fingerprint = hashlib.sha256("\n".join(sorted(map(str, plan))).encode()).hexdigest()
        self.began = format_time(began)
        try:
            whole = self._load(fingerprint) if path.exists() else 0
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.ftruncate(handle, whole)
            self._stream = os.fdopen(handle, "ab")
            if not whole:
                self._write({"schema": _SCHEMA, "plan": fingerprint, "began": self.began})
        except OSError as error:
            raise UsageError(
                f"the checkpoint '{path}' cannot be used: {error.strerror or error}.",
                hint="--checkpoint names a file in a folder that exists and is yours.",
            ) from error

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """The names and bytes of the pages that earlier runs were given."""
        for line in self._lines:
            yield line["name"], line["page"].encode("utf-8", "surrogatepass")
        self._lines = []

    def add(self, key: str, progress: Progress, name: str, data: bytes) -> None:
        """Keep one page more. When this returns, it is on disk."""
        page = data.decode("utf-8", "surrogatepass")
        self._write({"key": key, "progress": asdict(progress), "name": name, "page": page})

    def close(self, *, is_done: bool) -> None:
        """Close the file; remove it when all pages were handed on."""
        self._stream.close()
        if is_done:
            self.path.unlink(missing_ok=True)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(line, default=datetime.isoformat).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _load(self, fingerprint: str) -> int:
        """Read the lines; gives the length of the whole ones."""
        length = 0
        lines: list[dict[str, Any]] = []
        with self.path.open("rb") as stream:
            for text in stream:
                line = _line(text)
                if line is None:
                    break
                length += len(text)
                lines.append(line)
        head = lines[0] if lines else {}
        if not lines and not length and not self.path.stat().st_size:
            return 0
        if head.get("schema") != _SCHEMA or head.get("plan") != fingerprint:
            raise UsageError(
                f"'{self.path}' is no checkpoint of this question.",
                hint="ask exactly as before, with times that are not relative, or name a new file.",
            )
        self.is_resumed, self.began, self._lines = len(lines) > 1, head["began"], lines[1:]
        self.taken = {line["key"]: _progress_of(line["progress"]) for line in self._lines}
        return length


def _line(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text) if text.endswith(b"\n") else None
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


class Estimate:
    """Pages in all, as far as can be said: a query is as far as its oldest event lies in its window."""

    def __init__(self, asked: tuple[Question, ...], taken: Mapping[str, Progress], now: datetime) -> None:
        """`taken`: what earlier runs took already; `now` as aware UTC."""
        self._lock = threading.Lock()
        self._now = now
        self._totals = dict.fromkeys((one.key for one in asked), 1.0)
        for key, progress in taken.items():
            if progress.is_done:
                self._totals[key] = 0.0

    def see(self, question: Question, progress: Progress) -> int:
        """One page more of a query; gives the pages expected in all."""
        end = min(question.window.end or self._now, self._now)
        start = max(question.window.start or self._now - HISTORY, self._now - HISTORY)
        covered = (end - (progress.oldest or start)) / max(end - start, timedelta(seconds=1))
        total = progress.pages if progress.is_done else progress.pages / min(max(covered, 0.001), 1.0)
        with self._lock:
            self._totals[question.key] = max(total, float(progress.pages))
            return round(sum(self._totals.values()))


def _progress_of(saved: Mapping[str, Any]) -> Progress:
    times = {name: saved[name] and datetime.fromisoformat(saved[name]) for name in ("start", "end", "oldest")}
    return Progress(pages=saved["pages"], token=saved["token"], is_done=saved["is_done"], **times)
