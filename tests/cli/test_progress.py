"""The progress bar: for a person at a terminal who waits longer than a second, and for nobody else."""

import os
import pty
import subprocess
import sys

import pytest

from ecs_trail.cli.progress import ProgressBar

SCRIPT = """
import sys, time
from ecs_trail.cli.progress import ProgressBar
with ProgressBar(quiet={quiet}) as bar:
    bar(1, 3)
    time.sleep({wait})
    bar(2, 3)
    bar(3, 3)
print("rich" in sys.modules)
"""


def at_a_terminal(*, quiet, wait):
    """What a terminal on stderr receives, and whether rich was loaded."""
    ours, theirs = pty.openpty()
    script = SCRIPT.format(quiet=quiet, wait=wait)
    env = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=theirs, env=env, check=True)
    os.close(theirs)
    received = b""
    try:
        while chunk := os.read(ours, 4096):
            received += chunk
    except OSError:  # a terminal whose other end is closed ends with an error on Linux
        pass
    os.close(ours)
    return received.decode(), done.stdout.strip() == b"True"


def test_a_person_who_waits_sees_a_bar_that_clears_itself():
    text, _ = at_a_terminal(quiet=False, wait=1.1)
    assert "Reading evidence" in text
    assert "2/3" in text or "3/3" in text
    assert text.endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))


@pytest.mark.parametrize(("quiet", "wait"), [(True, 1.1), (False, 0)])
def test_nothing_is_drawn_for_quiet_or_quick_work(quiet, wait):
    assert at_a_terminal(quiet=quiet, wait=wait) == ("", False)


def test_nothing_is_drawn_in_a_pipe(capsys):
    with ProgressBar(quiet=False) as bar:
        bar(1, 2)
    assert capsys.readouterr().err == ""
