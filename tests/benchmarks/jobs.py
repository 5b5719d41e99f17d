"""What is measured against what: one job a process, `python -m tests.benchmarks.jobs NAME FOLDER OUTPUT WORKERS`.

Every job that answers writes a Parquet file with `event_id`, and with `raw` where it keeps the record; the caller
compares it with the truth. The yardsticks stand here in the best formulation known for each tool.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ecs_trail.event_names import SELECTED_EVENTS
from ecs_trail.vocabulary import SESSION_NAMES

_FIELDS: Final = {
    "eventID": "VARCHAR", "eventSource": "VARCHAR", "eventName": "VARCHAR", "errorCode": "VARCHAR",
    "userIdentity": {"arn": "VARCHAR"}, "requestParameters": "JSON",
}  # fmt: skip

#: A session of daily life.
FOREIGN: Final = "grace@example.com"


def igzip(folder: Path, output: Path, workers: int) -> None:
    """The bound: all files decompressed, nothing else."""
    from isal import isal_zlib

    for path in sorted(folder.rglob("*.gz")):
        data = path.read_bytes()
        while data:
            member = isal_zlib.decompressobj(31)
            member.decompress(data)
            data = member.unused_data


def ecs_trail(folder: Path, output: Path, workers: int) -> None:
    """Our scan of the contract's selection to Parquet, every record kept as it was received."""
    from ecs_trail.evidence.sources.base import scan
    from ecs_trail.evidence.sources.files import FilesSource
    from ecs_trail.selection import default_selection

    evidence = scan([FilesSource(folder)], default_selection(), workers=workers)
    import pyarrow.parquet as pq  # workers have begun long ago

    pq.write_table(evidence.events, output, compression="zstd")
    counts = {"records": evidence.receipt.records_read, "files": evidence.receipt.files_read}
    output.with_suffix(".json").write_text(json.dumps(counts), encoding="utf-8")


def s3_download(folder: Path, output: Path, workers: int) -> None:
    """Every object of the bucket at `AWS_ENDPOINT_URL_S3`, downloaded as a scan does, and let go."""
    from ecs_trail.evidence.sources.s3 import S3Source
    from ecs_trail.selection import default_selection

    source = S3Source("archive")
    found = sum(one.data is not None for one in source.fetch(source.plan(default_selection())))
    output.with_suffix(".json").write_text(json.dumps({"files": found}), encoding="utf-8")


def s3_scan(folder: Path, output: Path, workers: int) -> None:
    """Our scan of that bucket."""
    import pyarrow.parquet as pq

    from ecs_trail.evidence.sources.base import scan
    from ecs_trail.evidence.sources.s3 import S3Source
    from ecs_trail.selection import default_selection

    evidence = scan([S3Source("archive")], default_selection(), workers=workers)
    pq.write_table(evidence.events, output, compression="zstd")
    counts = {"records": evidence.receipt.records_read, "files": evidence.receipt.files_read}
    output.with_suffix(".json").write_text(json.dumps(counts), encoding="utf-8")


def store_build(folder: Path, output: Path, workers: int) -> None:
    """A store of every record; an older one is put aside before."""
    import shutil

    from ecs_trail.evidence.collect import collect
    from ecs_trail.evidence.sources.files import FilesSource
    from ecs_trail.evidence.store import Store
    from ecs_trail.selection import everything

    store = store_of(output)
    if store.exists():
        shutil.rmtree(store)
    collect([FilesSource(folder)], Store(store), everything(), workers=workers)


def store_of(output: Path) -> Path:
    """The store that stands beside an output."""
    return output.with_suffix(".store")


def store_ids(folder: Path, output: Path, workers: int) -> None:
    """The ids of the contract's selection, from the store that holds everything."""
    _ask_store(output, "default", ["event_id"])


def store_raw(folder: Path, output: Path, workers: int) -> None:
    """The same with every record as it was received."""
    _ask_store(output, "default", ["event_id", "raw"])


def store_session_ids(folder: Path, output: Path, workers: int) -> None:
    """The ids of a session that belongs to no selection known when the store was built: one in 80 records."""
    _ask_store(output, FOREIGN, ["event_id"])


def store_session_raw(folder: Path, output: Path, workers: int) -> None:
    """The same with every record as it was received."""
    _ask_store(output, FOREIGN, ["event_id", "raw"])


def _ask_store(output: Path, session_name: str, columns: list[str]) -> None:
    import pyarrow.parquet as pq

    from ecs_trail.evidence.store import Store
    from ecs_trail.selection import default_selection, session

    asked = default_selection() if session_name == "default" else session(session_name)
    found = Store(store_of(output)).events(asked, columns=columns)
    pq.write_table(found, output, compression="zstd")


def duckdb_ids(folder: Path, output: Path, workers: int) -> None:
    """DuckDB: whole documents as text, then `from_json` with the fields asked for."""
    inner = (
        f"SELECT unnest(from_json(json, '{json.dumps({'Records': [_FIELDS]})}').Records) AS s FROM {_duckdb(folder)}"
    )
    _duck(f"SELECT s.eventID AS event_id FROM ({inner}) WHERE {_condition()}", output, workers)


def duckdb_raw(folder: Path, output: Path, workers: int) -> None:
    """DuckDB, the record kept: documents are taken apart as JSON, then every record with `from_json`."""
    records = f"SELECT unnest(json->'$.Records[*]') AS r FROM {_duckdb(folder)}"
    typed = f"SELECT r, from_json(r, '{json.dumps(_FIELDS)}') AS s FROM ({records})"
    _duck(f"SELECT s.eventID AS event_id, r AS raw FROM ({typed}) WHERE {_condition()}", output, workers)


def chdb_ids(folder: Path, output: Path, workers: int) -> None:
    """chdb (ClickHouse) with typed columns; it keeps no record."""
    import chdb

    columns = (
        "Records Array(Tuple(eventID Nullable(String), eventSource Nullable(String), eventName Nullable(String), "
        "errorCode Nullable(String), userIdentity Tuple(arn Nullable(String)), "
        "requestParameters Tuple(roleSessionName Nullable(String))))"
    )
    writes = " OR ".join(
        f"(s.eventSource = '{source}' AND s.eventName IN ({_listed(names)}))"
        for source, names in SELECTED_EVENTS.items()
    )
    sessions = _listed(SESSION_NAMES)
    chdb.query(
        f"SELECT s.eventID AS event_id FROM (SELECT arrayJoin(Records) AS s FROM file('{folder}/**/*.json.gz', "
        f"'JSONEachRow', '{columns}')) WHERE arrayElement(splitByChar('/', ifNull(s.userIdentity.arn, '')), -1) IN "
        f"({sessions}) OR s.requestParameters.roleSessionName IN ({sessions}) OR (s.eventSource = 'sts.amazonaws.com' "
        f"AND s.eventName = 'AssumeRole' AND s.errorCode IS NOT NULL) OR {writes} "
        f"INTO OUTFILE '{output}' TRUNCATE FORMAT Parquet SETTINGS max_threads={workers}, "
        "input_format_skip_unknown_fields=1, input_format_json_ignore_unknown_keys_in_named_tuple=1"
    )


def pandas_notebook(folder: Path, output: Path, workers: int) -> None:
    """What a notebook does: `json_normalize` of every file, joined, filtered."""
    import gzip

    import pandas as pd

    frames = []
    for path in sorted(folder.rglob("*.gz")):
        records = json.loads(gzip.decompress(path.read_bytes()))["Records"]
        if records:
            frame = pd.json_normalize(records)
            frames.append(frame[_wanted(frame)])
    frame = pd.concat(frames)
    pd.DataFrame({"event_id": frame["eventID"]}).to_parquet(output, index=False)


def _wanted(frame: Any) -> Any:
    import pandas as pd

    def column(name: str) -> Any:
        return frame[name] if name in frame else pd.Series(None, index=frame.index, dtype=object)

    wanted = column("userIdentity.arn").astype("string").str.rpartition("/")[2].isin(SESSION_NAMES)
    wanted |= column("requestParameters.roleSessionName").isin(SESSION_NAMES)
    wanted |= (
        (frame["eventSource"] == "sts.amazonaws.com")
        & (frame["eventName"] == "AssumeRole")
        & column("errorCode").notna()
    )
    for source, names in SELECTED_EVENTS.items():
        wanted |= (frame["eventSource"] == source) & frame["eventName"].isin(names)
    return wanted


def _duckdb(folder: Path) -> str:
    return f"read_json_objects('{folder}/**/*.json.gz', format='unstructured', maximum_object_size=67108864)"


def _duck(query: str, output: Path, workers: int) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute(f"SET threads={workers}")
    connection.execute(f"COPY ({query}) TO '{output}' (FORMAT parquet, COMPRESSION zstd)")


def _condition() -> str:
    sessions = _listed(SESSION_NAMES)
    writes = " OR ".join(
        f"(s.eventSource = '{source}' AND s.eventName IN ({_listed(names)}))"
        for source, names in SELECTED_EVENTS.items()
    )
    return (
        f"split_part(s.userIdentity.arn, '/', -1) IN ({sessions}) OR s.requestParameters->>'roleSessionName' IN "
        f"({sessions}) OR (s.eventSource = 'sts.amazonaws.com' AND s.eventName = 'AssumeRole' AND s.errorCode IS NOT "
        f"NULL) OR {writes}"
    )


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


JOBS: Final[dict[str, Callable[[Path, Path, int], None]]] = {
    "igzip": igzip,
    "ecs_trail": ecs_trail,
    "store_build": store_build,
    "store_ids": store_ids,
    "store_raw": store_raw,
    "store_session_ids": store_session_ids,
    "store_session_raw": store_session_raw,
    "duckdb_ids": duckdb_ids,
    "duckdb_raw": duckdb_raw,
    "chdb_ids": chdb_ids,
    "pandas": pandas_notebook,
    "s3_download": s3_download,
    "s3_scan": s3_scan,
}


#: Jobs of others; ours run as our commands do (`cli.main`).
_OTHERS: Final = frozenset({"igzip", "duckdb_ids", "duckdb_raw", "chdb_ids", "pandas"})


def main() -> None:
    """Run one job."""
    name, folder, output, workers = sys.argv[1:]
    if name not in _OTHERS:
        os.environ |= {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    JOBS[name](Path(folder).resolve(), Path(output).resolve(), int(workers))
    if name not in _OTHERS:
        gc.freeze()


if __name__ == "__main__":
    main()
