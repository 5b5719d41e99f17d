"""The main table: how fast a scan is, against the bound and against the best of others, in one run.

    python -m tests.benchmarks --records 1000000 --rounds 5
    python -m tests.benchmarks --quick

Answers are compared with the truth of the archive before anything is measured; a wrong one ends the run. Commands of a
group run in turn, round by round; a ratio is the median of the ratios of the rounds. On a busy machine read the
processor's column. Archives are made once below `--folder` and used again.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from tests.benchmarks.archive import USUAL, digests, make, truth_file, truth_of
from tests.benchmarks.jobs import store_of
from tests.benchmarks.running import Series, interleaved, peak_memory, python, run
from tests.benchmarks.s3 import serving

#: Title, mine, against, must, aim, and whether the ratio says how many times faster I am.
Row = tuple[str, str, str, float, float, bool]
MAIN: Final[tuple[Row, ...]] = (
    ("scan to Parquet with the raw record, 1 worker / igzip, 1 process", "scan 1", "igzip", 3.0, 2.0, False),
    ("the same, 2 workers / igzip, 1 process", "scan 2", "igzip", 2.0, 1.3, False),
    ("2 workers: faster than DuckDB with raw records, 2 threads", "scan 2", "DuckDB raw", 3.5, 5.0, True),
    ("2 workers: faster than chdb with typed columns, 2 threads, ids", "scan 2", "chdb", 1.0, 1.5, True),
)


class Bench:
    """One run: its archives, its rounds, and the lines of its table."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.lines: list[str] = []
        self.out = folder / "out.parquet"

    def archive(self, records: int, size: int = USUAL) -> Path:
        """An archive of this size, made when it is not there."""
        folder = self.folder / f"{records}x{size}"
        if not truth_file(folder).exists():
            self.say(f"making {folder.name}")
            make(folder, records, size=size)
        return folder

    def job(self, name: str, folder: Path, workers: int = 1) -> list[str]:
        """The words of a job."""
        return python("tests.benchmarks.jobs", name, folder, self.out, workers)

    def check(self, name: str, folder: Path, workers: int) -> None:
        """Run a job once and compare its answer with the truth; ends the run when it is wrong."""
        truth = truth_of(folder)
        run(self.job(name, folder, workers))
        table = pq.read_table(self.out)
        ids = [one.decode() if isinstance(one, bytes) else one for one in table.column("event_id").to_pylist()]
        is_right = digests([(one, "") for one in ids])[0] == truth.ids
        if name in {"ecs_trail", "s3_scan"}:
            counts = json.loads(self.out.with_suffix(".json").read_text())
            kept = list(zip(ids, table.column("raw").to_pylist(), strict=True))
            is_right = is_right and digests(kept)[1] == truth.raws
            is_right = is_right and counts == {"records": truth.records, "files": truth.files}
        if not is_right:
            sys.exit(f"{name} with {workers} workers gives a wrong answer over {folder}: {len(ids)} events.")

    def compare(self, rows: tuple[Row, ...], commands: dict[str, list[str]]) -> dict[str, Series]:
        """Measure the commands in turn and add the rows."""
        series = interleaved(commands, self.rounds, self.say)
        for title, mine, other, must, aim, is_faster in rows:
            wall, cpu = series[other].ratio(series[mine]) if is_faster else series[mine].ratio(series[other])
            wanted = ("≥ " if is_faster else "≤ ") + f"{must:g} / {aim:g}"
            seconds = f"{series[mine].seconds:.2f} / {series[other].seconds:.2f}"
            self.line(title, f"{wall:.2f}", f"{cpu:.2f}", wanted, seconds)
        return series

    def line(self, *cells: str) -> None:
        """One row of the table."""
        self.lines.append("| " + " | ".join(cells) + " |")
        self.say(self.lines[-1])

    def say(self, text: str) -> None:
        """Progress, on stderr."""
        print(text, file=sys.stderr, flush=True)


def scans(bench: Bench, records: int) -> None:
    """Our scan against the bound and the others, and ten times the data."""
    folder = bench.archive(records)
    jobs = {
        "scan 1": ("ecs_trail", 1),
        "scan 2": ("ecs_trail", 2),
        "DuckDB raw": ("duckdb_raw", 2),
        "chdb": ("chdb_ids", 2),
    }
    for name, workers in jobs.values():
        bench.check(name, folder, workers)
    commands = {"igzip": bench.job("igzip", folder)}
    commands |= {title: bench.job(name, folder, workers) for title, (name, workers) in jobs.items()}
    whole = bench.compare(MAIN, commands)
    tenth = bench.archive(records // 10)
    bench.check("ecs_trail", tenth, 2)
    small = interleaved({"scan 2": bench.job("ecs_trail", tenth, 2)}, bench.rounds, bench.say)
    factor = truth_of(folder).raw_bytes / truth_of(tenth).raw_bytes
    wall = whole["scan 2"].seconds / small["scan 2"].seconds
    cpu = whole["scan 2"].cpu_seconds / small["scan 2"].cpu_seconds
    bench.line(f"{factor:.1f} times the data, 2 workers: time", f"{wall:.2f}", f"{cpu:.2f}", "≤ 10.5 / 10", "")
    peaks = [peak_memory(bench.job("ecs_trail", one, 2)) for one in (tenth, folder)]
    bench.line(f"{factor:.1f} times the data: memory", f"{peaks[1] / peaks[0]:.2f}", "", "≤ 1.6 / 1", "")
    bench.line("peak memory of all processes, 2 workers, MB", f"{peaks[1]:.0f}", "", "≤ 250 / 180", "")


def stored(bench: Bench, records: int) -> None:
    """A store of every record: how long it takes to build, and questions of it, against decompressing its source."""
    folder = bench.archive(records)
    build = bench.job("store_build", folder, 2)
    peak = peak_memory(build)
    check_store(bench, folder)
    jobs = ("store_ids", "store_raw", "store_session_ids", "store_session_raw")
    commands = {"igzip": bench.job("igzip", folder), "build": build}
    commands |= {name: bench.job(name, folder) for name in jobs}
    rows: tuple[Row, ...] = (
        ("store of all records, 2 workers / igzip, 1 process", "build", "igzip", 10.0, 6.0, False),
        ("second question: ids of the selection / igzip", "store_ids", "igzip", 0.4, 0.2, False),
        ("the same with the raw records / igzip", "store_raw", "igzip", 1.0, 0.4, False),
        ("a session of no selection, 1 record in 80: ids / igzip", "store_session_ids", "igzip", 0.4, 0.2, False),
        ("the same with the raw records / igzip", "store_session_raw", "igzip", 1.0, 0.4, False),
    )
    bench.compare(rows, commands)
    bench.line("peak memory of all processes of the build, MB", f"{peak:.0f}", "", "≤ 600", "")
    size = sum(path.stat().st_size for path in store_of(bench.out).iterdir())
    bench.line("size of the store / size of its source", f"{size / truth_of(folder).gzip_bytes:.2f}", "", "", "")


def check_store(bench: Bench, folder: Path) -> None:
    """Ends the run when the store does not hold every record, each once and as received, or answers wrongly."""
    from ecs_trail.evidence.store import Store

    truth = truth_of(folder)
    ids = Store(store_of(bench.out)).events(columns=["event_id"]).column("event_id")
    if len(ids) != truth.records or len(ids.unique()) != truth.records:
        sys.exit(f"the store holds {len(ids)} events of {truth.records}.")
    run(bench.job("store_raw", folder))
    kept = pq.read_table(bench.out).to_pydict()
    found = digests(list(zip(kept["event_id"], kept["raw"], strict=True)))
    run(bench.job("store_ids", folder))
    only = digests([(one, "") for one in pq.read_table(bench.out).column("event_id").to_pylist()])
    if found != (truth.ids, truth.raws) or only[0] != truth.ids:
        sys.exit(f"the store gives a wrong answer: {len(kept['event_id'])} events.")


def tiny(bench: Bench, files: int) -> None:
    """Very many files of five records."""
    folder = bench.archive(files * 5, 5)
    bench.check("ecs_trail", folder, 1)
    title = f"{files} files of 5 records, 1 worker / igzip"
    rows: tuple[Row, ...] = ((title, "scan 1", "igzip", 3.0, 2.0, False),)
    bench.compare(rows, {"igzip": bench.job("igzip", folder), "scan 1": bench.job("ecs_trail", folder)})


def notebook(bench: Bench, records: int) -> None:
    """Against what people write in a notebook."""
    folder = bench.archive(records)
    for name in ("ecs_trail", "pandas"):
        bench.check(name, folder, 1)
    title = f"1 worker, {records} records: faster than pandas json_normalize"
    rows: tuple[Row, ...] = ((title, "scan 1", "pandas", 20, 40, True),)
    bench.compare(rows, {"pandas": bench.job("pandas", folder), "scan 1": bench.job("ecs_trail", folder)})


def overlaps(bench: Bench, records: int) -> None:
    """The whole, where the work counts, and a fifth of it, where the starts count as well."""
    for some in (max(records // 5, 10_000), records):
        overlap(bench, some)


def overlap(bench: Bench, records: int) -> None:
    """Downloading and scanning at once, against the slower of both alone; the server is a process of its own."""
    folder = bench.archive(records)
    with serving(folder) as address:
        os.environ |= {"AWS_ENDPOINT_URL_S3": address, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        os.environ |= {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1"}
        bench.check("s3_scan", folder, 1)
        jobs = {"download": "s3_download", "scan": "ecs_trail", "both": "s3_scan"}
        commands = {title: bench.job(name, folder) for title, name in jobs.items()}
        series = interleaved(commands, bench.rounds, bench.say)
    slower = max(("download", "scan"), key=lambda name: series[name].seconds)
    wall, cpu = series["both"].ratio(series[slower])
    seconds = " / ".join(f"{series[name].seconds:.2f}" for name in ("both", "download", "scan"))
    title = f"s3://, {records:,} records, 1 worker: download and scan at once / the slower alone ({slower})"
    title += "; seconds: both, download, scan"
    bench.line(title, f"{wall:.2f}", f"{cpu:.2f}", "≤ 1.3", seconds)


def starts(bench: Bench) -> None:
    """What a small investigation and the help cost beside Python itself."""
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "imports": [sys.executable, "-c", "import pyarrow, pandas"],
        "help": python("ecs_trail", "--help"),
        "investigate": python("ecs_trail", "investigate", "sample_logs", "--format", "json"),
    }
    rows: tuple[Row, ...] = (
        ("investigate sample_logs --format json / import pyarrow, pandas", "investigate", "imports", 1.8, 1.4, False),
        ("ecs-trail --help / python -c pass", "help", "python", 5.0, 3.0, False),
    )
    bench.compare(rows, commands)


def analysis(bench: Bench, tasks: int) -> None:
    """The analysis of an incident of very many tasks, in a process of its own."""
    from tests.benchmarks.analysis import measured, write

    with tempfile.TemporaryDirectory(prefix="ecs-trail-") as folder:
        path = Path(folder) / "incident.jsonl.gz"
        write(tasks, path)
        row = measured(path)
    title = f"analysis of {row['events']:,} events, {tasks:,} tasks: seconds"
    bench.line(title, f"{row['analysis']:.1f}", f"{row['analysis_cpu']:.1f}", "≤ 10 / 3", "")
    bench.line("its peak memory, MB", f"{row['peak']:.0f}", "", "≤ 1500 / 800", "")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ecs-trail-benchmarks")
    parser.add_argument("--quick", action="store_true", help="a small archive and one round: exactness, rough ratios")
    parser.add_argument(
        "--only",
        choices=("scans", "store", "tiny", "notebook", "s3", "starts", "analysis"),
        help="one group of rows",
    )
    given = parser.parse_args()
    records, rounds, tasks, files = given.records, given.rounds, 10_000, 20_000
    if given.quick:
        records, rounds, tasks, files = min(records, 20_000), 1, 200, 300
    given.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(given.folder, rounds)
    measures = {
        "scans": lambda: scans(bench, records),
        "store": lambda: stored(bench, records),
        "tiny": lambda: tiny(bench, files),
        "notebook": lambda: notebook(bench, max(records // 5, 10_000)),
        "s3": lambda: overlaps(bench, records),
        "starts": lambda: starts(bench),
        "analysis": lambda: analysis(bench, tasks),
    }
    for name, measure in measures.items():
        if given.only in (None, name):
            measure()
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}, {os.cpu_count()} CPUs, Python "
          f"{platform.python_version()}, load {load}, {rounds} rounds, {records} records\n")  # fmt: skip
    print(
        "| what | ratio or value | of processor time | must / aim | seconds (median) |\n| --- | --- | --- | --- | --- |"
    )
    print("\n".join(bench.lines))


if __name__ == "__main__":
    main()
