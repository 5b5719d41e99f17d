"""`python -m ecs_trail.practice --kind KIND --seed N --output DIR`: write one incident and its known answer."""

import argparse
import sys
from pathlib import Path

from ecs_trail.errors import EcsTrailError
from ecs_trail.practice import kinds, run


def main(arguments: list[str] | None = None) -> int:
    """Write evidence to `DIR/evidence` and the answer to `DIR/answer.json`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ecs_trail.practice", description=__doc__)
    parser.add_argument("--kind", required=True, help=f"one of: {', '.join(kinds())}")
    parser.add_argument("--seed", type=int, default=1, help="any whole number; the same one gives the same incident")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(arguments)
    try:
        made = run(options.seed, options.kind, options.output)
    except EcsTrailError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{made.title}\n{len(made.records)} records in {options.output / 'evidence'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
