"""A Spark cluster of several executor processes on this machine, for one test, and what befalls it."""

import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from ecs_trail.evidence.ledger import Fetched

_QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_EXECUTOR = b"CoarseGrainedExecutorBackend"


@contextmanager
def local_cluster(executors: int = 2) -> Iterator[Any]:
    """A session on executors of one core each, which find this package only in what is sent to them."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about versions of pandas
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.delenv("PYTHONPATH")
        builder = SparkSession.builder.master(f"local-cluster[{executors},1,1024]").appName("tests")
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "OFF",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.session.timeZone": "Asia/Tokyo",
            # for a minute of small jobs, compiling costs more than it gains
            "spark.driver.extraJavaOptions": _QUICK,
            "spark.executor.extraJavaOptions": _QUICK,
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.adaptive.enabled": "false",
        }
        spark = builder.config(map=settings).getOrCreate()
        home = Path(SparkContext._jvm.java.lang.System.getenv("SPARK_HOME"))
        name = spark.sparkContext.applicationId
        gateway = SparkContext._gateway
        try:
            yield spark
        finally:
            spark.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(timeout=30)
            SparkContext._gateway = SparkContext._jvm = None
            shutil.rmtree(home / "work" / name, ignore_errors=True)
            with suppress(OSError):  # others may run one as well
                (home / "work").rmdir()


def executors_of(spark: Any) -> list[int]:
    """The process ids of a session's executors."""
    application = spark.sparkContext.applicationId.encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes()
            if _EXECUTOR in words and application in words:
                found.append(int(path.parent.name))
    return found


def kill_one(spark: Any) -> int:
    """Kill an executor as the kernel does where memory is short, and wait until it is gone."""
    victim = executors_of(spark)[0]
    os.kill(victim, signal.SIGKILL)
    for _ in range(200):
        if victim not in executors_of(spark):
            break
        time.sleep(0.05)
    return victim


def processor_seconds() -> float:
    """Processor time of this process and all below it, those that ended included."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
            ticks[int(path.parent.name)] = sum(map(int, fields[11:15]))
    mine = {os.getpid()}
    while more := {one for one, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(ticks.get(one, 0) for one in mine) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class PoisonShelf:
    """Objects of which one ends the process that fetches it. Executors are given this file."""

    name: str
    poison: str

    def fetch(self, items: Iterable[Any]) -> Iterator[Fetched]:
        for item in items:
            if item == self.poison:
                os._exit(9)
            yield Fetched(str(item), data=Path(item).read_bytes())
