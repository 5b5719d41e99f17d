"""What is installed from the wheel finds its notebooks and its scripts."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, built and unpacked as an installer unpacks it."""
    pytest.importorskip("hatchling", reason="needs hatchling: pip install 'ecs-trail[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_notebooks_scripts_and_style_are_inside(installed):
    package = installed / "ecs_trail"
    inside = {path.name for path in (package / "notebooks").glob("*.ipynb")}
    assert inside == {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    static = Path("views/timeline/static")
    assert {one.name for one in (package / static).iterdir()} == {
        one.name for one in (ROOT / "ecs_trail" / static).iterdir()
    }


def test_the_command_finds_its_notebooks_and_makes_a_lab(installed, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    words = [sys.executable, "-m", "ecs_trail", "lab", "--copy-only"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "05_stuck_tasks.ipynb: new" in done.stderr
    code = "import ecs_trail; print(ecs_trail.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert where.stdout.startswith(str(installed))
    code = (
        "import ecs_trail as et; made = et.investigate('ecs-trail-lab/sample_logs').timeline();"
        "print(made, len(made._esm) > 10_000)"
    )
    drawn = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert drawn.stdout == "Timeline of 67 lanes and 264 events. True\n"
