"""What a store holds, as plain values."""

from collections.abc import Mapping
from typing import Any

from ecs_trail.evidence.ledger import Receipt
from ecs_trail.evidence.store.manifest import Line, Manifest


def summary_of(place: str, manifest: Manifest, receipt: Receipt) -> dict[str, Any]:
    """The answer of `Store.info`."""
    events = list(manifest.parts("events"))
    spans = [part["span"] for part in events]
    header = manifest.lines[0]
    return {
        "path": place,
        "format": header["format"],
        "generation": header["generation"],
        "created_at": header["at"],
        "seal": manifest.chain,
        "batches": sum(1 for _ in manifest.kind("batch")),
        "parts": sum(1 for _ in manifest.parts()),
        "bytes": sum(part["bytes"] for part in manifest.parts()),
        "rows": sum(part["rows"] for part in events),
        "saved_states": sum(part["rows"] for part in manifest.parts("documents")),
        "first_event": min((span[0] for span in spans), default=None),
        "last_event": max((span[1] for span in spans), default=None),
        "files_seen": receipt.files_seen,
        "files_read": receipt.files_read,
        "files_left_out": receipt.files_left_out,
        "files_failed": receipt.files_failed,
        "records_read": receipt.records_read,
        "problems": [
            {"source": one.source, "kind": one.kind, "detail": one.detail} for one in sorted(set(receipt.problems))
        ],
        "sources": [_source(name, manifest) for name in sorted(_names(manifest))],
    }


def _names(manifest: Manifest) -> set[str]:
    return {line["source"] for line in manifest.lines if line["kind"] in {"batch", "run"} and line["source"]}


def _source(name: str, manifest: Manifest) -> Mapping[str, Any]:
    ended = [line for line in manifest.kind("run") if line["source"] == name]
    last: Line = ended[-1] if ended else {}
    over = {line["id"] for line in ended}
    open_runs = {line["run"]["id"] for line in manifest.kind("batch") if line["source"] == name and line["run"]}
    return {
        "source": name,
        "runs": len(ended),
        "last_started_at": last.get("started_at"),
        "last_ended_at": last.get("at"),
        "last_was_partial": last.get("partial"),
        "unfinished": bool(open_runs - over),
    }
