"""What reading so many bytes of trail logs would take, by engine: worked out from measured figures and list prices."""

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence import prices

#: Measured on 2026-11-28 (`tests/benchmarks/README.md`, "Last table"): 1,000,000 records, one worker with the compiled
#: walk, on a virtual machine with 2 CPUs (x86_64, AMD EPYC), Python 3.11, isal 1.9. MB of unpacked JSON for each second
#: of one processor, and how many times smaller the log files are.
MEASURED_ON: Final = "2026-11-28, a virtual machine with 2 CPUs (AMD EPYC)"
RAW_MB_A_CORE_SECOND: Final = 810.0
PACKED: Final = 9.6
#: Seconds of a processor for each GET of such an object and its way to a worker: obstore (extra `fast`) with 16 threads
#: against a server on the loopback, plain HTTP, measured on 2026-11-28 on such a machine. boto3 alone takes more than
#: twice as long.
GET_SECONDS: Final = 0.0005
#: Seconds by the clock for each object at the least, as one process fetches them for all workers of a machine; measured
#: with it, and bound by that server as well.
FETCH_SECONDS: Final = 0.0004
#: Bytes of a log file, gzip, of the same archive; those of small accounts are smaller, and then there are more.
OBJECT_BYTES: Final = 120_000
#: What a task of Spark takes beside the scan, as a part of it: measured 0.07 of processor time on 2026-11-24
#: (`python -m tests.benchmarks.spark`, for 400,000 records more), rounded up. Until a cluster has started: assumed.
SPARK_EXTRA: Final = 0.1
SPARK_START_HOURS: Final = 2 / 60
EXECUTOR_CORES: Final = 4
EXECUTOR_GB: Final = 16
LOCAL_WORKERS: Final = 8
EXECUTORS: Final = 4

ATHENA: Final = "athena"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes as they lie there, requests, hours of processors and of the clock, dollars. What is not known is None."""

    engine: str
    bytes: int
    raw_bytes: int
    objects: int
    list_requests: int
    get_requests: int
    cores: int | None
    core_hours: float | None
    executors: int | None
    executor_hours: float | None
    hours: float | None
    requests_usd: float
    compute_usd: float
    total_usd: float
    rests_on: tuple[str, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @property
    def lines(self) -> list[str]:
        """For a person."""
        who = {
            "local": f"local, {self.cores} workers",
            "spark": f"spark, {self.executors} executors of {EXECUTOR_CORES} cores",
        }.get(self.engine, self.engine)
        size = f"{amount(self.bytes)} in about {self.objects:,} objects, {amount(self.raw_bytes)} unpacked"
        return [
            f"estimate ({who}): {size}",
            f"  requests: {self.list_requests:,} LIST and {self.get_requests:,} GET, {usd(self.requests_usd)}",
            f"  compute: {self.compute}, {usd(self.compute_usd)}",
            f"  total: about {usd(self.total_usd)}; transfer within the Region costs nothing",
            *(f"  rests on: {line}" for line in self.rests_on),
        ]

    @property
    def compute(self) -> str:
        """Hours of processors, of executors, and on the clock."""
        if self.core_hours is None:
            return "by bytes scanned; the time was not measured"
        executors = "" if self.executor_hours is None else f", {hours(self.executor_hours)} executor-hours"
        return f"{hours(self.core_hours)} core-hours{executors}, {clock(self.hours)} on the clock"


def estimate(
    engine: str, size: int, *, objects: int | None = None, workers: int | None = None, executors: int | None = None
) -> Estimate:
    """What `engine` (`local`, `spark`, `athena`) needs for `size` bytes of log files as they lie in S3.

    `objects` is how many there are, by default as many as files of the usual size would be. Raises `UsageError` for
    numbers below one, and executors of another engine.
    """
    if any(given is not None and given < 1 for given in (objects, workers, executors)) or size < 1:
        raise UsageError("an estimate needs numbers above zero.", hint="--bytes 1TB --executors 16.")
    if executors is not None and engine != "spark":
        raise UsageError(f"--executors are those of Spark, not of '{engine}'.", hint="--engine spark.")
    count = objects or ceil(size / OBJECT_BYTES)
    lists = ceil(count / 1000)
    requests = lists * prices.S3_LIST + count * prices.S3_GET
    scan = (size * PACKED / (RAW_MB_A_CORE_SECOND * 1e6) + count * GET_SECONDS) / 3600
    cores: int | None = None
    core_hours: float | None = None
    machines: int | None = None
    on_the_clock: float | None = None
    rates = f"{RAW_MB_A_CORE_SECOND:.0f} MB/s unpacked, {GET_SECONDS * 1000:.2f} ms for each GET"
    rests = [f"one core: {rates}; measured on {MEASURED_ON}"]
    if engine == "local":
        cores = workers or LOCAL_WORKERS
        core_hours, on_the_clock = scan, max(scan / cores, count * FETCH_SECONDS / 3600)
        compute = on_the_clock * cores * prices.EC2_VCPU_HOUR
        rests.append(f"one process fetches for all workers, {1 / FETCH_SECONDS:,.0f} objects a second, as measured")
        rests.append("EC2 in the bucket's Region whose network keeps up with the scan")
    elif engine == "spark":
        machines = executors or EXECUTORS
        cores = machines * EXECUTOR_CORES
        core_hours = scan * (1 + SPARK_EXTRA)
        on_the_clock = SPARK_START_HOURS + core_hours / cores
        vcpu = prices.EMR_VCPU_HOUR + EXECUTOR_GB / EXECUTOR_CORES * prices.EMR_GB_HOUR
        compute = on_the_clock * (cores + EXECUTOR_CORES) * vcpu
        rests.append(
            f"EMR Serverless, executors and driver of {EXECUTOR_CORES} vCPU and {EXECUTOR_GB} GB; Spark itself takes "
            f"{SPARK_EXTRA:.0%}, as measured, and {SPARK_START_HOURS * 60:.0f} minutes to start, assumed"
        )
    else:
        compute = size / 2**40 * prices.ATHENA_TB
        rests[0] = "the query scans all of it; partitions outside the window are not scanned, give --bytes of the rest"
    rests.append(f"list prices of us-east-1 as known on {prices.AS_KNOWN_ON}, not read from a page that day")
    return Estimate(
        engine=engine,
        bytes=size,
        raw_bytes=round(size * PACKED),
        objects=count,
        list_requests=lists,
        get_requests=count,
        cores=cores,
        core_hours=core_hours,
        executors=machines,
        executor_hours=None if machines is None or on_the_clock is None else machines * on_the_clock,
        hours=on_the_clock,
        requests_usd=requests,
        compute_usd=compute,
        total_usd=requests + compute,
        rests_on=tuple(rests),
    )


def amount(size: int) -> str:
    """Bytes for a person, large ones in TB."""
    for unit, factor in (("PB", 10**15), ("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}".replace(".0 ", " ")
    return f"{size:,} bytes"


def usd(price: float) -> str:
    """Dollars for a person."""
    return f"${price:,.2f}"


def hours(number: float) -> str:
    """Hours of work for a person."""
    return f"{number:,.1f}"


def clock(number: float | None) -> str:
    """Hours on the clock for a person."""
    if number is None:
        return "not measured"
    minutes = max(1, round(number * 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
