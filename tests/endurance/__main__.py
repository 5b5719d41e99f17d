"""Storms and long runs against local servers, longer than tests may take. Needs the extra `dev`.

    python -m tests.endurance storms --seeds 400        # faults of network, bucket and disk; nothing may be missing
    python -m tests.endurance pages --count 10000       # LookupEvents pages; memory and handles stay flat
    python -m tests.endurance objects --count 100000    # S3 objects, read and not selected

Each prints one line of figures, and ends with 1 where what it says does not hold.
"""

import argparse
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: Where the helpers of other tests stand.
PATHS: Final = (ROOT / "tests", ROOT / "tests/evidence", ROOT / "tests/sources")
#: No AWS but the local servers, whatever the user of this machine has set up.
ALONE: Final = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE000000001",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def main() -> int:
    """Run one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("storms", "pages", "objects"))
    parser.add_argument("--seeds", type=int, default=400, help="storms of each kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=10_000, help="pages or objects")
    given = parser.parse_args()
    sys.path[:0] = map(str, PATHS)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(ALONE)
    warnings.simplefilter("error")  # a file or socket left open is a find as well
    since = time.monotonic()
    if given.what == "storms":
        holds = storms(range(given.first, given.first + given.seeds))
    else:
        holds = (pages if given.what == "pages" else objects)(given.count)
    print(f"{time.monotonic() - since:.0f} seconds; {'holds' if holds else 'DOES NOT HOLD'}")
    return 0 if holds else 1


def storms(seeds: range) -> bool:
    """Storms of both kinds; each that breaks a promise is named by its seed."""
    from storms import folder_storm, storm  # noqa: PLC0415 - after the path is set

    happened, broken = Counter[str](), 0
    memory = Path("/dev/shm")
    for kind in (storm, folder_storm):
        for seed in seeds:
            with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
                try:
                    happened += kind(seed, Path(folder))
                except Exception as error:  # noqa: BLE001 - that is what is looked for; the next seed is tried
                    broken += 1
                    print(f"{kind.__name__} {seed}: {type(error).__name__}: {str(error)[:600]}", flush=True)
    listed = ", ".join(f"{name} {count:,}" for name, count in happened.most_common())
    print(f"{2 * len(seeds)} storms, {happened.total():,} faults ({listed}); {broken} broken")
    return broken == 0


def pages(count: int) -> bool:
    """Event history in so many pages of two events. None is kept: what is kept is memory that may grow."""
    from history import serving  # noqa: PLC0415
    from long_runs import Gauge, Remembering, records  # noqa: PLC0415
    from stories import TODAY, quick  # noqa: PLC0415

    from ecs_trail.evidence.sources.base import scan  # noqa: PLC0415
    from ecs_trail.selection import Clause, Selection  # noqa: PLC0415

    wanted = Selection((Clause(failed=True),))  # AWS cannot be asked for failures, so every page comes
    gauge = Gauge(max(count // 64, 1))
    server = Remembering(records(2 * count), now=TODAY, rate=100_000, page=2)
    with serving(server) as address:
        os.environ["AWS_ENDPOINT_URL_CLOUDTRAIL"] = address
        receipt = scan([quick(("us-east-1",))], wanted, progress=gauge).receipt
    print(f"{len(server.asked):,} pages, {receipt.records_read:,} records; {gauge}")
    return len(server.asked) >= count and receipt.records_read == 2 * count and receipt.closes and gauge.is_flat


def objects(count: int) -> bool:
    """A bucket of so many objects that are read and hold nothing of the selection."""
    from flaky import FlakyBucket, serving_bucket  # noqa: PLC0415
    from long_runs import Gauge  # noqa: PLC0415
    from long_runs import objects as made  # noqa: PLC0415

    from ecs_trail.evidence.sources.base import scan  # noqa: PLC0415
    from ecs_trail.evidence.sources.s3 import S3Source  # noqa: PLC0415
    from ecs_trail.selection import session  # noqa: PLC0415

    gauge = Gauge(max(count // 64, 1))
    with serving_bucket(FlakyBucket(made(count))) as client:
        receipt = scan([S3Source("some-bucket", "logs", client=client)], session("nobody"), progress=gauge).receipt
    print(f"{receipt.files_read:,} objects, {receipt.records_read:,} records; {gauge}")
    return (receipt.files_read, receipt.records_read) == (count, count) and receipt.closes and gauge.is_flat


sys.exit(main())
