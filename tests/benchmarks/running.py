"""Processes run in interleaved rounds and measured from outside: seconds, the processor's seconds, and peak memory."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LOOK_EVERY: Final = 0.005


@dataclass(slots=True)
class Series:
    """What the rounds of one command gave; the processor's seconds are those of all its processes."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median by the clock."""
        return statistics.median(self.wall)

    @property
    def cpu_seconds(self) -> float:
        """Median of the processor."""
        return statistics.median(self.cpu)

    def ratio(self, other: "Series") -> tuple[float, float]:
        """Medians of the ratios of each round: by the clock, and of the processor."""
        return (
            statistics.median(mine / theirs for mine, theirs in zip(self.wall, other.wall, strict=True)),
            statistics.median(mine / theirs for mine, theirs in zip(self.cpu, other.cpu, strict=True)),
        )


def interleaved(commands: Mapping[str, Sequence[str]], rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
    """Every command once a round, in order, after one round that warms caches and does not count."""
    series = {name: Series() for name in commands}
    for number in range(rounds + 1):
        for name, words in commands.items():
            wall, cpu = run(words)
            if number:
                series[name].wall.append(wall)
                series[name].cpu.append(cpu)
        say(f"round {number} of {rounds}")
    return series


def run(words: Sequence[str]) -> tuple[float, float]:
    """Seconds and processor seconds of one process and those it waited for. Raises when it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(words))
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime


def peak_memory(words: Sequence[str]) -> float:
    """The most memory, in MB, that a process and its children held together; shared pages count once (Linux only)."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(_held(pid) for pid in _family(process.pid)))
        time.sleep(_LOOK_EVERY)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(words))
    return peak / 1024


def python(*words: str | Path | int) -> list[str]:
    """The words that run a module with this interpreter."""
    return [sys.executable, "-m", *map(str, words)]


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:  # it has just ended
                continue
    return found


def _held(pid: int) -> int:
    """Proportional memory in KiB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
