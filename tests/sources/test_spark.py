"""Apache Spark on a real cluster of executor processes: the same answer as without it, whatever happens to them.

One test, as one cluster serves all checks and pytest-xdist would start one a worker; each check is a function, all of
them run, and all that fail are named.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import spark_cluster
from evidence_builders import content, read
from spark_cluster import executors_of, kill_one, local_cluster, processor_seconds
from stories import facts, from_files, spread, story, to_bucket
from test_athena import carried
from test_evidence_parquet import TABLES
from test_evidence_parquet import story as some_records
from warehouse import PARTITIONINGS, glue_table

from ecs_trail.cli.main import run
from ecs_trail.errors import AccessError, EcsTrailError, UsageError
from ecs_trail.evidence.collect import collect
from ecs_trail.evidence.engines import open_engine
from ecs_trail.evidence.ledger import Fetched, Remote
from ecs_trail.evidence.scanning import failed, read_unit
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources import spark as source_module
from ecs_trail.evidence.sources.base import Evidence, ScanPlan, scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.evidence.sources.s3 import S3Source
from ecs_trail.evidence.sources.shelf import BucketShelf
from ecs_trail.evidence.sources.spark import SparkSource
from ecs_trail.evidence.spark import engine, session
from ecs_trail.evidence.spark.parcel import write_parcel
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.walk import walker
from ecs_trail.practice import write
from ecs_trail.selection import default_selection, everything
from ecs_trail.selection import session as session_selection
from ecs_trail.times import Window

EARLY = Window(datetime(2020, 1, 1, tzinfo=UTC))
BROKEN = "broken_CloudTrail.json.gz"


@dataclass
class Place:
    """Where a check works: the session, a folder of its own, a bucket's client."""

    spark: Any
    folder: Path
    s3: Any
    patch: pytest.MonkeyPatch

    def trail(self) -> Path:
        """An archive with a broken file, one that is no evidence, and one with a rejected record."""
        folder = self.folder / "trail"
        write(story("managed_detached"), folder)
        whole = next(folder.rglob("*.json.gz")).read_bytes()
        (folder / BROKEN).write_bytes(whole[: len(whole) // 2])
        (folder / "README.txt").write_text("hello")
        odd = [story("managed_detached").records[0] | {"eventTime": "never"}]
        (folder / "odd.json").write_text(json.dumps({"Records": odd}))
        return folder

    def bucket(self) -> str:
        """The same in a bucket. Gives its source."""
        folder = self.folder / "put"
        to_bucket(self.s3, "trail-bucket", story("managed_detached"), folder)
        self.s3.put_object(Bucket="trail-bucket", Key=f"AWSLogs/{BROKEN}", Body=b"\x1f\x8b\x08broken")
        return "s3://trail-bucket"


def same(one: Evidence, other: Evidence) -> None:
    """Everything is the same: events with their places, saved states, every number, problem and span."""
    assert one.receipt == other.receipt
    assert one.receipt.closes
    assert one.events.equals(other.events)
    assert one.task_states == other.task_states


def spread_scan(source: Any, selection: Any = None) -> Evidence:
    return scan([source], selection or default_selection(), engine=open_engine("spark", None))


def check_files(place: Place) -> None:
    folder = place.trail()
    for selection in (default_selection(), everything()):
        found = spread_scan(FilesSource(folder), selection)
        same(scan([FilesSource(folder)], selection), found)
        assert any(BROKEN in one.source for one in found.receipt.problems)
        assert found.receipt.records_rejected
        assert found.events.num_rows


def check_a_bucket(place: Place) -> None:
    name = place.bucket()
    place.s3.put_object(Bucket="trail-bucket", Key="AWSLogs/x/y.json.gz", Body=b"")
    local, found = scan([open_source(name)], default_selection()), spread_scan(open_source(name))
    same(local, found)
    plain = f"{name}/AWSLogs/"
    same(scan([open_source(plain)], everything()), spread_scan(open_source(plain), everything()))
    assert any(BROKEN in one.source for one in spread_scan(open_source(f"{name}/AWSLogs/{BROKEN}")).receipt.problems)


def check_collecting(place: Place) -> None:
    name = place.bucket()
    stores = [Store(place.folder / one) for one in ("local", "spark")]
    made = []
    for store in stores:
        chosen = open_engine(store.path.name, 1)
        first = collect([open_source(name)], store, default_selection(), engine=chosen)
        assert first.units_read
        assert first.events_added
        again = collect([open_source(name)], store, default_selection(), engine=chosen)
        assert (again.units_read, again.events_added) == (0, 0)
        made.append((store.receipt(), store.verify()))
    assert made[0] == made[1]
    evidence = [scan([open_source(f"store:{store.path}")], default_selection()) for store in stores]
    assert facts(evidence[0]) == facts(evidence[1])
    # the command, with the session that runs
    assert run(["collect", name, "--store", str(place.folder / "third"), "--engine", "spark", "--quiet"]) in {0, 3}
    assert Store(place.folder / "third").receipt() == made[0][0]


def check_a_killed_executor(place: Place) -> None:
    """In small waves, so that answers kept there, and tasks at work there, die with it."""
    folder = place.trail()
    for name, value in (("_WAVE_UNITS", 6), ("_FEW_UNITS", 4)):
        place.patch.setattr(engine, name, value)
    killed: list[int] = []

    def progress(done: int, expected: int) -> None:
        if done in (expected // 3, expected // 2) and len(killed) < 2:
            killed.append(kill_one(place.spark))

    found = scan([FilesSource(folder)], everything(), engine=open_engine("spark", None), progress=progress)
    assert len(set(killed)) == 2
    same(scan([FilesSource(folder)], everything()), found)


def check_an_object_that_kills(place: Place) -> None:
    """It is named, and all others are read."""
    place.spark.addArtifacts(spark_cluster.__file__, pyfile=True)
    folder = place.trail()
    paths = [str(path) for path in sorted(folder.rglob("*.json.gz"))][:5]
    shelf = spark_cluster.PoisonShelf("poison", paths[2])

    class Poisoned:
        name = "poison"

        def plan(self, selection: Any) -> ScanPlan:
            return ScanPlan("poison", selection, ("poison",))

        def fetch(self, plan: ScanPlan) -> Iterator[Fetched]:
            yield from (Fetched(path, remote=Remote(shelf, path, 10)) for path in paths)

    found = spread_scan(Poisoned(), everything())
    assert [one.source for one in found.receipt.problems] == [paths[2]]
    assert found.receipt.files_seen == len(paths)
    assert found.receipt.files_failed == 1
    for path in [*paths[:2], *paths[3:]]:
        to = place.folder / "rest" / Path(path).relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    rest = scan([FilesSource(place.folder / "rest")], everything())
    assert facts(rest) == facts(found)


def check_refusals(place: Place) -> None:
    """Objects that may not be listed, read or seen are no silence."""
    with pytest.raises(UsageError, match="no bucket"):
        spread_scan(S3Source("nobody-has-it"))
    place.patch.setattr(Path, "exists", lambda _: True)
    gone = place.folder / "gone.json"
    unit = Fetched("gone.json", path=str(gone))
    reading = engine.SparkEngine().read(read_unit, [unit], (), lost=lambda _: None)
    with pytest.raises(UsageError, match="do not see gone"):
        list(reading)


def check_everything_refused(place: Place) -> None:
    denied = engine._Refusals()
    unit = Fetched("k", remote=Remote(BucketShelf("s3://trail-bucket", "trail-bucket"), None, 1), expected=2)
    denied.see(unit, failed("k", "no_permission", "s3:GetObject is not allowed."))
    denied.conclude()  # the other one was read earlier
    denied.see(unit, failed("k", "no_permission", "s3:GetObject is not allowed."))
    with pytest.raises(AccessError, match="all of s3://trail-bucket"):
        denied.conclude()


def check_planted_faults(place: Place) -> None:
    """An answer that comes twice, or not at all, is seen."""
    folder = place.trail()
    whole = engine._readings
    for fault in (lambda found: found[1:], lambda found: [*found, found[-1]], lambda found: found[::-1]):
        place.patch.setattr(engine, "_readings", lambda rows, fault=fault: iter(fault(list(whole(rows)))))
        with pytest.raises(EcsTrailError, match="one reading for each"):
            spread_scan(FilesSource(folder))


def check_what_is_sent(place: Place) -> None:
    """Executors run this very package, wherever another one is installed, and its compiled walk."""

    def where(batches: Iterator[Any]) -> Iterator[Any]:
        import ecs_trail.evidence.walk  # noqa: PLC0415 - this runs elsewhere

        has = ecs_trail.evidence.walk.walker() is not None
        yield from (pa.RecordBatch.from_pydict({"at": [ecs_trail.__file__], "walks": [has]}) for _ in batches)

    spread_scan(FilesSource(place.trail()))
    (row, *_) = session.map_in_arrow(place.spark.range(0, 2, 1, 2), where, "at string, walks boolean").collect()
    assert write_parcel(place.folder).name in row["at"]
    assert row["walks"] is (walker() is not None)


UNKNOWN = ("messages", "envelopes", "OCSF")
#: Shapes that are another one's by the time Spark has read the Parquet file, or as it compares names.
NO_SHAPES = {"dictionaries", "text columns in upper case"}


def as_view(place: Place, table: pa.Table, name: str = "trail") -> SparkSource:
    """A table that the session knows under a name."""
    path = place.folder / f"{name}.parquet"
    pq.write_table(table, path, coerce_timestamps="us")
    place.spark.read.parquet(str(path)).createOrReplaceTempView(name)
    return SparkSource(name)


def check_tables_of_every_shape(place: Place) -> None:
    records = some_records()
    folder = place.folder / "reference"
    folder.mkdir()
    (folder / "log.json").write_text(json.dumps({"Records": records}))
    expected = read(folder, default_selection())
    for shape, make in TABLES.items():
        if shape.startswith(UNKNOWN):
            with pytest.raises(UsageError, match="none of CloudTrail's"):
                scan([as_view(place, make(records))], default_selection())
        elif shape == "binary text":
            with pytest.raises(UsageError, match="bytes, not text"):
                scan([as_view(place, make(records))], default_selection())
        elif shape not in NO_SHAPES:
            found = scan([as_view(place, make(records))], default_selection())
            assert content(found.events) == content(expected.events), shape
            assert found.receipt.closes


def check_a_glue_table(place: Place) -> None:
    records = spread(story("managed_detached").records, 50)
    times = sorted(record["eventTime"] for record in records)
    middle = Window(*(datetime.fromisoformat(times[len(times) * part // 3]) for part in (1, 2)))
    for which in ("projected", "calendar", "none"):
        source = as_view(place, glue_table(records, PARTITIONINGS[which]).rows)
        for selection in (default_selection(), everything().during(middle), session_selection("x' OR 1=1 --\\")):
            found = scan([source], selection)
            assert carried(facts(found)) == carried(from_files(records, selection, place.folder / "files")), which
            assert found.receipt.closes
    # the part names and places are the same every time
    first, second = (scan([source], default_selection()).events for _ in range(2))
    assert first.equals(second)


def check_a_partitioned_table_in_the_catalog(place: Place) -> None:
    records = spread(story("managed_detached").records, 20)
    rows = glue_table(records, PARTITIONINGS["calendar"]).rows
    as_view(place, rows, "loose")
    where = (place.folder / "warehouse").as_uri()
    place.spark.sql("CREATE DATABASE IF NOT EXISTS security")
    try:
        loose = place.spark.table("loose").write.partitionBy("region", "year", "month", "day").option("path", where)
        loose.saveAsTable("security.trail")
        source = open_source("spark://security.trail")
        assert {one.column.name for one in source._table(place.spark).partitions} == {"region", "year", "month", "day"}
        times = sorted(record["eventTime"] for record in records)
        late = default_selection().during(Window(datetime.fromisoformat(times[-len(times) // 4])))
        for selection in (default_selection(), late):
            expected = carried(from_files(records, selection, place.folder / "files"))
            assert carried(facts(scan([source], selection))) == expected
        with pytest.raises(UsageError, match="knows no table"):
            scan([open_source("spark://security.nothing")], default_selection())
    finally:
        place.spark.sql("DROP DATABASE security CASCADE")
        shutil.rmtree("spark-warehouse", ignore_errors=True)


def check_a_planted_fault_in_the_query(place: Place) -> None:
    records = list(story("managed_detached").records)
    source = as_view(place, glue_table(records).rows)
    selection = session_selection("ECSTaskVolumesForEBS")
    expected = carried(from_files(records, selection, place.folder / "files"))
    assert carried(facts(scan([source], selection))) == expected
    whole = source_module._statement
    place.patch.setattr(
        source_module, "_statement", lambda *given: whole(*given).replace("ECSTaskVolumesForEBS", "ecstaskvolumes")
    )
    assert carried(facts(scan([source], selection))) != expected


CHECKS: dict[str, Callable[[Place], None]] = {
    name.removeprefix("check_"): check for name, check in globals().items() if name.startswith("check_")
}


@pytest.mark.slow
@pytest.mark.skipif(not session.has_java(), reason="no Java here, and Spark runs on it")
@pytest.mark.filterwarnings("ignore::FutureWarning:pyspark", "ignore::ResourceWarning")
def test_on_a_cluster_of_executors(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = []
    with local_cluster() as spark:
        for name, check in CHECKS.items():
            folder = tmp_path / name
            folder.mkdir()
            begun, worked = time.monotonic(), processor_seconds()
            for one in s3.list_buckets()["Buckets"]:
                for key in s3.list_objects_v2(Bucket=one["Name"]).get("Contents", []):
                    s3.delete_object(Bucket=one["Name"], Key=key["Key"])
                s3.delete_bucket(Bucket=one["Name"])
            try:
                with pytest.MonkeyPatch.context() as patch:
                    check(Place(spark, folder, s3, patch))
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised below, with the others
                # its words are in Java, which has ended by then
                error.add_note(f"in check_{name}: {str(error)[:2000]}")
                failures.append(error)
            print(f"{name}: {time.monotonic() - begun:.1f} s, {processor_seconds() - worked:.1f} s of processors")
        processes = executors_of(spark)
        assert processes
    assert not [one for one in processes if Path(f"/proc/{one}").exists()]
    if failures:
        raise BaseExceptionGroup("checks failed", failures)
