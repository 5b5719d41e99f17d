"""What the package is made of: every import is declared, licences are known, and what is built installs and starts."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Import name -> distribution, where they differ.
NAMES = {"botocore": "boto3", "dateutil": "python-dateutil", "yaml": "pyyaml"}
#: What reaches the user with another package and is asked for by it: traitlets by anywidget, nbformat by nbclient.
BROUGHT = {"traitlets": "anywidget", "nbformat": "nbclient", "jupyterlab": "jupyterlab"}
#: Functions that import by name.
LOADERS = {"import_module", "_optional"}
FREE = re.compile(
    r"apache|bsd|mit|mpl|mozilla|psf|python software|isc|zlib|unlicense|lgpl|hpnd|public domain", re.IGNORECASE
)


def name_of(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


def declared() -> dict[str, str]:
    """Distribution -> its requirement, of the package and every extra but `dev`."""
    extras = PROJECT["optional-dependencies"]
    listed = [*PROJECT["dependencies"], *(one for name, held in extras.items() if name != "dev" for one in held)]
    return {name_of(one): one for one in listed if not one.startswith("ecs-trail")}


def imported() -> set[str]:
    found = set()
    for path in (ROOT / "ecs_trail").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and len(node.args) == 1 and getattr(node.func, "id", "") in LOADERS:
                found |= {one.value.partition(".")[0] for one in node.args if isinstance(one, ast.Constant)}
    return found - set(sys.stdlib_module_names) - {"ecs_trail"}


def undeclared(names: set[str]) -> set[str]:
    known = declared()
    return {one for one in names if NAMES.get(one, BROUGHT.get(one, one)).lower().replace("_", "-") not in known}


def test_every_import_is_declared():
    assert undeclared(imported()) == set()
    assert undeclared({"leftpad"}) == {"leftpad"}


def test_every_dependency_has_a_floor_that_is_met_here_and_none_has_a_ceiling():
    extras = [one for held in PROJECT["optional-dependencies"].values() for one in held]
    for one in [*PROJECT["dependencies"], *extras]:
        if one.startswith("ecs-trail"):
            continue
        floor = re.search(r">=\s*([\d.]+)", one)
        assert floor, f"{one} has no floor"
        assert "<" not in one
        here = tuple(map(int, re.findall(r"\d+", metadata.version(name_of(one)))[:3]))
        assert here >= tuple(map(int, floor[1].split(".")))[:3], one


def licence(name: str) -> str:
    """The licence a distribution states: its expression, its classifiers, or its field."""
    told = metadata.metadata(name)
    classified = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier", []) if one.startswith("License ::")]
    return told.get("License-Expression") or ", ".join(classified) or (told.get("License") or "").partition("\n")[0]


def test_every_dependency_has_a_licence_that_allows_its_use():
    for name in declared():
        assert FREE.search(licence(name)), f"{name}: {licence(name)!r}"


def test_nothing_asks_the_network_by_itself():
    """No telemetry and no download: no module opens a connection but the sources in AWS, through boto3."""
    doors = {
        "socket",
        "urllib.request",
        "http.client",
        "requests",
        "httpx",
        "aiohttp",
        "ftplib",
        "smtplib",
        "telnetlib",
    }
    for path in (ROOT / "ecs_trail").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not doors & set(names), path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("hatchling", reason="needs hatchling: pip install 'ecs-trail[dev]'")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    return folder


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_they_should(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"ecs_trail", f"ecs_trail-{PROJECT['version']}.dist-info"}
    assert not [name for name in names if "/." in name or name.endswith(".pyc")]
    assert any(name.endswith("/py.typed") for name in names) or "Typing :: Typed" in PROJECT["classifiers"]
    assert sdist.stat().st_size < 8_000_000
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", *map(str, (wheel, sdist))], capture_output=True, check=False
    )
    if b"No module named twine" not in checked.stderr:
        assert checked.returncode == 0, checked.stdout


def pip_has_an_index() -> bool:
    asked = [sys.executable, "-m", "pip", "index", "versions", "click"]
    return subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["*.whl", "*.tar.gz"])
def test_what_is_built_installs_in_an_empty_environment_and_answers(suffix, built, tmp_path):
    if not pip_has_an_index():
        pytest.skip("pip reaches no package index here, so nothing was installed in an empty environment")
    (made,) = built.glob(suffix)
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", str(made)], check=True, capture_output=True, env=environment
    )
    words = [tmp_path / "env" / "bin" / "ecs-trail", "investigate", str(ROOT / "sample_logs"), "--format", "json"]
    done = subprocess.run(words, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert b'"schema": "ecs-trail/investigation/1"' in done.stdout
    subprocess.run([python, "-m", "pip", "check"], check=True, capture_output=True, env=environment)
