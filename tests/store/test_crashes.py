"""Whatever ends a collector, the next one ends at the same store."""

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from kept import content, log_folder, put, record

from ecs_trail import Store, collect
from ecs_trail.cli.main import run
from ecs_trail.errors import UsageError
from ecs_trail.evidence.collect import Limits
from ecs_trail.evidence.collect import collect as collect_sources
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import everything

SCRIPT = Path(__file__).parent / "collecting.py"


def gathered(logs, store, units=3):
    """Collect in small steps."""
    return collect_sources([FilesSource(logs)], store, everything(), limits=Limits(units=units))


@contextmanager
def collector(logs, folder, units=4, **how):
    """A process that stands ready to collect."""
    words = [sys.executable, str(SCRIPT), str(logs), str(folder), str(units)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how) as child:
        assert child.stdout.readline() == b"ready\n", child.stderr.read()
        try:
            yield child
        finally:
            child.kill()


def begin(child):
    """Let it go."""
    child.stdin.write(b"go\n")
    child.stdin.flush()


def until_it_has_begun(child, store):
    """Wait for the first batch."""
    path = store.path / "manifest.jsonl"
    while child.poll() is None and not (path.exists() and b'"kind":"batch"' in path.read_bytes()):
        time.sleep(0.001)


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_at_the_same_store(kills, tmp_path):
    dice = random.Random(kills)
    logs = log_folder(tmp_path / "logs", files=100)
    calm = Store(tmp_path / "calm")
    with collector(logs, calm.path) as child:
        since = time.monotonic()
        begin(child)
        assert child.stdout.readline() == b"400\n"
        lasting = time.monotonic() - since
    expected = content(calm)
    midway = done = 0
    while done < kills:
        store = Store(tmp_path / f"store-{done}")
        for _ in range(min(dice.randint(1, 3), kills - done)):
            with collector(logs, store.path) as child:
                begin(child)
                if done:
                    time.sleep(dice.uniform(0, 1.1 * lasting))
                else:
                    until_it_has_begun(child, store)  # one kill at least is neither too early nor too late
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
            done += 1
            if store.exists:
                manifest = store.manifest()
                midway += any(manifest.kind("batch")) and not any(manifest.kind("run"))
        gathered(logs, store, units=40)
        assert store.verify() == []
        assert content(store) == expected
        assert not [one for one in store.path.iterdir() if one.name.startswith(".")]
    assert midway


class DiedError(BaseException):
    """The process is gone: no handler of ours may run as if it were not."""


class Edge:
    """The calls by which anything reaches the disk; the process dies at a given one."""

    def __init__(self, patch, die_at, *, torn=False):
        self.count = 0
        self.die_at = die_at
        self.torn = torn
        for name in ("fsync", "replace", "write", "ftruncate", "open", "mkdir", "unlink"):
            patch.setattr(os, name, self.around(name, getattr(os, name)))

    @property
    def is_dead(self):
        return 0 < self.die_at <= self.count

    def around(self, name, real):
        def call(*words, **named):
            if self.is_dead:
                if name == "unlink":
                    return None
                raise DiedError
            self.count += 1
            if self.is_dead:
                if name == "write" and self.torn:
                    real(words[0], words[1][: len(words[1]) // 2])
                raise DiedError
            return real(*words, **named)

        return call


def steps_of(work, monkeypatch):
    """How many calls reach the disk in a piece of work."""
    with monkeypatch.context() as patch:
        edge = Edge(patch, 0)
        work()
    return edge.count


STRIDES = [5, pytest.param(1, marks=pytest.mark.slow)]


def deaths(logs, folder, monkeypatch, steps):
    """Die at each of some steps, then collect; gives (step, store)."""
    for step in steps:
        store = Store(folder / f"store-{step}")
        with monkeypatch.context() as patch:
            Edge(patch, step, torn=True)
            with pytest.raises(DiedError):
                gathered(logs, store)
        done = gathered(logs, store, units=100)
        assert done.units_read + done.units_known == 6, step
        yield step, store


@pytest.mark.parametrize("stride", STRIDES)
def test_death_at_every_step_to_the_disk(stride, tmp_path, monkeypatch):
    logs = log_folder(tmp_path / "logs", files=4)
    calm = Store(tmp_path / "calm")
    steps = steps_of(lambda: gathered(logs, calm), monkeypatch)
    expected = content(calm)
    assert steps > 30
    for step, store in deaths(logs, tmp_path, monkeypatch, range(1, steps + 1, stride)):
        assert content(store) == expected, step
        assert store.verify() == [], step


def test_the_law_of_deaths_can_fail(tmp_path, monkeypatch):
    """Units that count before their events are on the disk, and a crash whose remains stay: both are seen."""
    logs = log_folder(tmp_path / "logs", files=4)
    calm = Store(tmp_path / "calm")
    steps = steps_of(lambda: gathered(logs, calm), monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("ecs_trail.evidence.store.folder.remove", lambda folder, names: None)
        assert any(store.verify() for _, store in deaths(logs, tmp_path / "a", patch, range(10, steps, 4)))
    real = Store.commit

    def early(self, batch):
        real(self, replace(batch, chunks=[], documents=[]))
        return real(self, replace(batch, units=[]))

    monkeypatch.setattr(Store, "commit", early)
    found = deaths(logs, tmp_path / "b", monkeypatch, range(10, steps, 3))
    assert any(store.events().num_rows < 16 for _, store in found)


@pytest.mark.parametrize("stride", STRIDES)
def test_death_at_every_step_of_compacting(stride, tmp_path, monkeypatch):
    logs = log_folder(tmp_path / "logs", files=4)
    put(tmp_path / "more.json", record(3, minute=3))
    whole = Store(tmp_path / "whole")
    gathered(logs, whole)
    expected = content(whole)
    shutil.copytree(whole.path, tmp_path / "probe")
    steps = steps_of(lambda: Store(tmp_path / "probe").compact(rows=10), monkeypatch)
    assert steps > 10
    for step in range(1, steps + 1, stride):
        store = Store(shutil.copytree(whole.path, tmp_path / f"store-{step}"))
        with monkeypatch.context() as patch:
            Edge(patch, step)
            with pytest.raises(DiedError):
                store.compact(rows=10)
        assert content(store) == expected, step
        collect(tmp_path / "more.json", store, selection=everything())
        assert store.verify() == [], step
        assert store.events().num_rows == 16, step


@pytest.mark.parametrize("kind", ["keyboard", "terminal"])
def test_ctrl_c_keeps_what_was_read(kind, tmp_path, monkeypatch, capsys):
    logs = log_folder(tmp_path / "logs")
    store = Store(tmp_path / "store")

    def interrupted(done, total):
        if done == 7:
            raise KeyboardInterrupt

    if kind == "keyboard":
        with pytest.raises(KeyboardInterrupt):
            collect(logs, store, selection=everything(), progress=interrupted)
    else:
        monkeypatch.setattr(
            "ecs_trail.cli.progress.ProgressBar.__call__", lambda self, done, total: interrupted(done, total)
        )
        words = ["collect", logs.as_posix(), "--store", store.path.as_posix(), "--all-events"]
        assert run(words) == 130
        assert "the same command goes on" in capsys.readouterr().err
        monkeypatch.undo()
        monkeypatch.setenv("ECS_TRAIL_DEBUG", "1")
    kept = store.events().num_rows
    assert 20 <= kept < 48
    again = collect(logs, store, selection=everything())
    assert 6 <= again.units_known < 14
    assert again.units_known + again.units_read == 14
    assert store.events().num_rows == 48


def test_a_full_disk_keeps_what_was_kept(tmp_path):
    logs = log_folder(tmp_path / "logs", files=40)
    folder = tmp_path / "store"
    # The system itself refuses to let a file grow: what a full disk does, at the same place.
    limit = 9_000

    def small():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = [sys.executable, "-m", "ecs_trail", "collect", str(logs), "--store", str(folder), "--all-events"]
    done = subprocess.run(words, check=False, capture_output=True, text=True, preexec_fn=small)
    assert done.returncode == 2, done.stderr
    assert "cannot be written: File too large" in done.stderr
    assert "run the same command again" in done.stderr
    store = Store(folder)
    assert not [one for one in folder.iterdir() if one.name.startswith(".aside")]
    assert store.verify() == []
    collect(logs, store, selection=everything())
    assert store.events().num_rows == 160
    assert store.verify() == []


def test_no_space_left_at_any_write(tmp_path, monkeypatch):
    logs = log_folder(tmp_path / "logs", files=6)
    calm = Store(tmp_path / "calm")
    gathered(logs, calm)
    expected = content(calm)
    for fail_at in range(1, 12):
        store = Store(tmp_path / f"store-{fail_at}")
        count = 0
        real = os.fsync

        def full(handle, real=real, fail_at=fail_at):
            nonlocal count
            count += 1
            if count >= fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(handle)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(UsageError, match="No space left on device"):
                gathered(logs, store)
        gathered(logs, store)
        assert content(store) == expected, fail_at
        assert store.verify() == []


def test_a_read_only_folder_is_said(tmp_path, monkeypatch, capsys):
    logs = log_folder(tmp_path / "logs")
    store = Store(tmp_path / "store")
    gathered(logs, store)
    before = content(store)
    put(logs / "new.json", record(900, minute=1))
    real = os.open

    def read_only(path, flags, *words, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and str(path).startswith(str(store.path)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *words, **named)

    monkeypatch.setattr(os, "open", read_only)
    assert run(["collect", logs.as_posix(), "--store", store.path.as_posix(), "--all-events"]) == 2
    assert "Read-only file system" in capsys.readouterr().err
    assert run(["collect", logs.as_posix(), "--store", "/proc/store"]) == 2
    assert content(store) == before  # reading needs no writing
    assert store.verify() == []


def test_two_collectors_at_once_do_no_harm(tmp_path):
    left, right = log_folder(tmp_path / "logs", files=40), tmp_path / "right"
    for number in range(200, 240):
        put(right / f"log-{number}.json", record(number, minute=number))
    both, calm = Store(tmp_path / "both"), Store(tmp_path / "calm")
    with (
        collector(left, both.path, 2) as first,
        collector(right, both.path, 2) as second,
        collector(left, both.path, 3) as third,
    ):
        for child in (first, second, third):
            begin(child)
        for child in (first, second, third):
            assert child.stdout.readline().strip(), child.stderr.read()
    order = [line["source"] for line in both.manifest().kind("batch")]
    assert sum(one != other for one, other in pairwise(order)) > 2, order  # none waited for the other's end
    assert both.verify() == []
    for logs in (left, right):
        gathered(logs, calm, units=50)
    assert content(both) == content(calm)
    together, apart = both.receipt(), calm.receipt()
    assert (together.files_seen, together.files_failed) == (apart.files_seen, apart.files_failed)
    assert together.problems == apart.problems
    both.compact()
    assert content(both) == content(calm)
