"""A store may come from a stranger: its manifest is chained by whoever wrote it, and says whatever they like."""

import contextlib
import copy
import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kept import log_folder

from ecs_trail import Store, collect
from ecs_trail.cli.main import run
from ecs_trail.errors import EcsTrailError, IntegrityError
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.store import StoreSource
from ecs_trail.evidence.store.manifest import encoded
from ecs_trail.selection import everything


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    store = Store(folder / "store")
    collect(log_folder(folder / "logs", files=4), store, selection=everything())
    return store


def forged(whole: Store, folder: Path, lines: list[dict[str, Any]]) -> Store:
    """The store with other lines in its manifest, rightly chained."""
    store = Store(shutil.copytree(whole.path, folder))
    (store.path / "manifest.jsonl").write_bytes(encoded(lines, "")[0])
    return store


NAMES = ("../victim.parquet", "/etc/hostname", "events-00000002-0123456789ab.parquet/../../victim.parquet", "..", "")


@pytest.mark.parametrize("name", [*NAMES, "manifest.jsonl", "units-00000002-0123456789ab.parquet"])
def test_no_line_names_a_file_outside(name, whole, tmp_path, capsys):
    """Neither read, nor hashed, nor removed, whatever its hash."""
    victim = tmp_path / "victim.parquet"
    lines = copy.deepcopy(whole.manifest().lines)
    part = next(one for line in lines for one in line.get("parts", ()) if one["kind"] == "events")
    shutil.copyfile(whole.path / part["name"], victim)
    part["name"] = name
    store = forged(whole, tmp_path / "store", lines)
    for act in (store.compact, store.info, store.events, lambda: scan([StoreSource(store)], everything())):
        with pytest.raises(IntegrityError, match="no store of this tool"):
            act()
    assert [one.kind for one in store.verify()] == ["altered_manifest"]
    assert run(["verify", str(store.path)]) == 4
    assert run(["store", "compact", str(store.path)]) == 4
    assert victim.exists()


def spoiled(value: Any) -> Iterator[Any]:
    """The value with each of its parts in turn replaced by something else, or taken out."""
    if isinstance(value, dict):
        for name in value:
            yield {other: inner for other, inner in value.items() if other != name}
            for inner in spoiled(value[name]):
                yield {**value, name: inner}
    if isinstance(value, list):
        for place, held in enumerate(value):
            for inner in spoiled(held):
                yield [*value[:place], inner, *value[place + 1 :]]
    for other in (None, -1, 10**30, "x", [], {}, ["x"], {"x": "y"}):
        if other != value:
            yield other


def test_whatever_a_manifest_says_is_read_or_refused_in_words(whole, tmp_path, monkeypatch):
    lines = whole.manifest().lines
    store = forged(whole, tmp_path / "store", lines)
    tried = refused = 0
    for number, line in enumerate(lines):
        for other in spoiled(line):
            if not isinstance(other, dict):
                continue
            data, _ = encoded([*lines[:number], other, *lines[number + 1 :]], "")
            (store.path / "manifest.jsonl").write_bytes(data)
            for act in (store.verify, store.info, lambda: scan([StoreSource(store)], everything()).receipt.closes):
                tried += 1
                try:
                    act()
                except EcsTrailError:
                    refused += 1
                except Exception as error:
                    raise AssertionError(json.dumps(other)[:1500]) from error
    assert tried > 1000
    assert refused > 100


OTHERS = {
    "other columns": pa.table({"x": [1]}),
    "other types": pa.table({"event_time": ["never"], "name": [7], "identity": [None]}),
    "nothing": pa.table({"event_time": pa.array([None], pa.timestamp("us", "UTC"))}),
}


@pytest.mark.parametrize("kind", ["events", "units"])
@pytest.mark.parametrize("other", OTHERS)
def test_a_part_of_another_shape_is_named(kind, other, whole, tmp_path):
    lines = copy.deepcopy(whole.manifest().lines)
    part = next(one for line in lines for one in line.get("parts", ()) if one["kind"] == kind)
    page = io.BytesIO()
    pq.write_table(OTHERS[other], page)
    part |= {"sha256": hashlib.sha256(page.getvalue()).hexdigest(), "bytes": len(page.getvalue())}
    store = forged(whole, tmp_path / "store", lines)
    (store.path / part["name"]).write_bytes(page.getvalue())
    receipt = scan([StoreSource(store)], everything()).receipt
    assert receipt.is_partial
    assert receipt.closes
    for act in (store.compact, store.info, store.events):
        with contextlib.suppress(EcsTrailError):
            act()
