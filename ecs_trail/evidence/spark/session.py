"""The Spark session: the one that runs already, else one of our own, made as Spark's own settings say.

The only door to pyspark. Where a cluster is and how large it is stands in Spark's usual places: `spark-submit`,
`PYSPARK_SUBMIT_ARGS`, `spark-defaults.conf`, `SPARK_REMOTE` (*Apache Spark documentation*, "Spark Configuration" and
"Submitting Applications", as known on 2026-11-24).
"""

import atexit
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ecs_trail.errors import AccessError, EcsTrailError, MissingExtraError, UsageError
from ecs_trail.evidence.spark.parcel import add_package

_JAVA: Final = "PySpark 4 needs Java 17 or newer: install a JDK, or set JAVA_HOME to one."
_WORDS: Final = 300
#: A remote session does not say how large its cluster is.
_REMOTE_SLOTS: Final = 32
_MOST_SLOTS: Final = 4096


def session() -> Any:
    """A SparkSession whose executors have this package. One made here goes on until the process ends, or until somebody
    stops it: a cluster takes minutes to start.

    Raises `MissingExtraError` without pyspark, `UsageError` where there is no Java to start Spark with, `AccessError`
    where the cluster cannot be reached.
    """
    sql = _door()
    spark = _running(sql)
    if spark is None:
        spark = _made(sql)
        atexit.register(spark.stop)
    add_package(spark)
    return spark


def failures() -> tuple[type[Exception], ...]:
    """What Spark raises, from its planner, its executors or the connection to it."""
    from py4j.protocol import Py4JError  # noqa: PLC0415 - optional
    from pyspark.errors import PySparkException  # noqa: PLC0415

    return (PySparkException, Py4JError)


def map_in_arrow(frame: Any, function: Callable[[Iterator[Any]], Iterator[Any]], ddl: str) -> Any:
    """`frame.mapInArrow`, without remarks about the version of pandas: no row takes the road through it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return frame.mapInArrow(function, ddl)


def slots(spark: Any) -> int:
    """How many tasks run at once; with dynamic allocation, how many may."""
    if not hasattr(type(spark), "sparkContext") or spark.conf.get("spark.remote", None):
        return _REMOTE_SLOTS
    conf = spark.sparkContext.getConf()
    now: int = spark.sparkContext.defaultParallelism
    if conf.get("spark.dynamicAllocation.enabled", "false") != "true":
        return max(1, now)
    most = int(conf.get("spark.dynamicAllocation.maxExecutors", "0") or 0)
    cores = int(conf.get("spark.executor.cores", "1") or 1)
    return max(1, now, min(most * cores, _MOST_SLOTS))


def words_of(error: Exception) -> str:
    """What a failure says; its words are asked of Java, which may have ended."""
    try:
        return str(error)
    except failures():
        return f"{type(error).__name__}: Spark's Java process has ended (SparkContext was shut down)."


def reason(error: Exception) -> str:
    """The line of a failure that says most: of a Python traceback in an executor its end, else the first."""
    lines = [line.strip() for line in words_of(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("File ", "at ", "Traceback")) and "Error" in line]
    return (told or lines or [type(error).__name__])[0][:_WORDS]


def explained(error: Exception, doing: str) -> EcsTrailError:
    """A failure of Spark as an error of this tool."""
    text = words_of(error)
    if "ModuleNotFoundError" in text or "ImportError" in text:
        return UsageError(
            f"the executors of Spark lack a Python package: {_line(text, 'ModuleNotFoundError', 'ImportError')}",
            hint="they need what this tool needs (pip install 'ecs-trail[aws,fast]' there, or an archive by venv-pack "
            "with --archives); the tool itself is sent to them.",
        )
    if "PYTHON_VERSION_MISMATCH" in text or "ClassNotFoundException: py" in text:
        return UsageError(
            "the executors of Spark run another version of Python.",
            hint=f"set PYSPARK_PYTHON to a Python {sys.version_info[0]}.{sys.version_info[1]} that is there.",
        )
    return AccessError(f"Spark failed {doing}: {reason(error)}", hint="the logs of the driver and executors say more.")


def _line(text: str, *words: str) -> str:
    return next(line.strip() for line in text.splitlines() if any(word in line for word in words))[:_WORDS]


def _door() -> Any:
    try:
        from pyspark import sql  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError.for_feature("Apache Spark", "spark") from error
    return sql


def _running(sql: Any) -> Any:
    try:
        return sql.SparkSession.active()
    except failures():
        return None


def _made(sql: Any) -> Any:
    if not os.environ.get("SPARK_REMOTE") and not has_java():
        raise UsageError("there is no Java here, and Spark runs on it.", hint=_JAVA)
    builder = sql.SparkSession.builder.appName("ecs-trail").config("spark.ui.showConsoleProgress", "false")
    try:
        with warnings.catch_warnings():  # see `map_in_arrow`
            warnings.simplefilter("ignore", FutureWarning)
            spark = builder.getOrCreate()
    except failures() as error:
        if "JAVA_GATEWAY_EXITED" in words_of(error):
            raise UsageError("Spark's Java process did not start; what it said stands above.", hint=_JAVA) from error
        raise explained(error, "to start") from error
    context = None if os.environ.get("SPARK_REMOTE") else spark.sparkContext
    if context is not None:
        context.setLogLevel("ERROR")
        if context.master.startswith("local") and "PYSPARK_PYTHON" not in os.environ:
            context.pythonExec = sys.executable  # Spark's own choice is whatever python3 comes first
    return spark


def has_java() -> bool:
    """True where Spark finds a Java to start."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which(str(Path(home) / "bin" / "java") if home else "java") is not None
