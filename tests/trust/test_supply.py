"""What the package is made of: every import is declared, licences are known, and what is built installs and starts."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: Import name -> distribution, where they differ.
NAMES = {"botocore": "boto3", "dateutil": "python-dateutil", "yaml": "pyyaml"}
#: What reaches the user with another package and is asked for by it: traitlets by anywidget, nbformat by nbclient.
BROUGHT = {"traitlets": "anywidget", "nbformat": "nbclient", "jupyterlab": "jupyterlab"}
#: Extras for whoever works on the project.
OURS = {"dev", "fuzz"}
LOCK = ROOT / ".ci" / "requirements.lock"
#: Functions that import by name.
LOADERS = {"import_module", "_optional"}
FREE = re.compile(
    r"apache|bsd|mit|mpl|mozilla|psf|python software|isc|zlib|unlicense|lgpl|hpnd|public domain", re.IGNORECASE
)


def name_of(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


def declared() -> dict[str, str]:
    """Distribution -> its requirement, of the package and every extra that users take."""
    extras = PROJECT["optional-dependencies"]
    listed = [*PROJECT["dependencies"], *(one for name, held in extras.items() if name not in OURS for one in held)]
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
    extras = [one for name, held in PROJECT["optional-dependencies"].items() if name != "fuzz" for one in held]
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


def test_the_licences_are_listed():
    """The table of `tests/README.md` has a row for each, and what is installed says the same."""
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8").partition("| dependency | licence |")[2]
    rows = dict(re.findall(r"^\| ([a-z][a-z0-9-]*) \| ([^|]+?) \|", text.partition("\n\n")[0], re.MULTILINE))
    assert set(rows) == set(declared())
    for name, told in rows.items():
        family = re.match(r"[A-Z0]+", told)[0]  # a release may say "BSD License" where the next says "BSD-3-Clause"
        assert family.lower() in licence(name).lower(), f"{name}: {told!r} is listed, {licence(name)!r} is installed"


def locked(text: str) -> dict[str, set[Version]]:
    """Distribution -> the releases chosen for it, one for each marker."""
    found: dict[str, set[Version]] = {}
    for line in text.splitlines():
        if line[:1].isalnum():
            one = Requirement(line.removesuffix("\\").strip())
            (pin,) = one.specifier
            assert pin.operator == "==", line
            found.setdefault(canonicalize_name(one.name), set()).add(Version(pin.version))
    return found


@lru_cache
def needed() -> dict[str, list[Requirement]]:
    """What the extra `dev` asks for, the extras it names included: distribution -> requirements."""
    found: dict[str, list[Requirement]] = {}
    todo = [Requirement(one) for one in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"])]
    while todo:
        one = todo.pop()
        if canonicalize_name(one.name) == "ecs-trail":
            todo += [Requirement(more) for extra in one.extras for more in PROJECT["optional-dependencies"][extra]]
        else:
            found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


def brought(roots: dict[str, list[Requirement]]) -> set[str]:
    """Everything the roots pull in here, by what the installed distributions say of themselves."""
    seen: set[tuple[str, str]] = set()
    todo = [(name, extra) for name, wanted in roots.items() for one in wanted for extra in ("", *one.extras)]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in metadata.requires(name) or []:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(one.name), more) for more in ("", *one.extras)]
    return {name for name, _ in seen}


def unlocked(text: str) -> list[str]:
    """What the lock lacks or holds below its floor."""
    held = locked(text)
    lacking = sorted(brought(needed()) - set(held))
    below = [
        f"{one} is not met by {version}"
        for name, wanted in needed().items()
        for one in wanted
        for version in held.get(name, ())
        if not one.specifier.contains(version)
    ]
    return lacking + below


def test_the_lock_names_all_that_is_needed_above_its_floors():
    text = LOCK.read_text(encoding="utf-8")
    assert unlocked(text) == []
    assert unlocked(text.replace("\npandas==", "\npandas==0.1.")) != []
    assert unlocked(re.sub(r"(?m)^botocore==.*$", "", text)) == ["botocore"]


@pytest.mark.parametrize("name", ["requirements.lock", "fuzz.lock"])
def test_a_lock_names_no_place_and_checks_every_file(name):
    """Nothing of the machine it was made on; and nothing is installed whose bytes are not PyPI's."""
    text = (LOCK.parent / name).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find-links|--extra|\bfile:|@ |/\w+/", text)
    entries = re.split(r"(?m)^(?=\w)", text)[1:]
    assert entries
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.partition("\n")[0]


def test_nothing_asks_the_network_by_itself():
    """No telemetry and no download: no module opens a connection but the sources in AWS, through boto3, and through
    obstore where boto3 has just been (`sources/test_fastget.py`).
    """
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
    words = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True, env=clean())
    return folder


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_they_should(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"ecs_trail", f"ecs_trail-{PROJECT['version']}.dist-info"}
    assert not [name for name in names if "/." in name or name.endswith(".pyc")]
    native = [name for name in names if name.endswith((".so", ".dll", ".dylib", ".pyd"))]
    assert native == ([] if wheel.name.endswith("-any.whl") else ["ecs_trail/evidence/walk/walk.so"])
    assert any(name.endswith("/py.typed") for name in names) or "Typing :: Typed" in PROJECT["classifiers"]
    assert sdist.stat().st_size < 8_000_000


def clean() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "PYENV_VERSION", "ECS_TRAIL_COMPILED"))
    }


@lru_cache
def pip_has_an_index() -> bool:
    asked = [sys.executable, "-m", "pip", "index", "versions", "click"]
    return subprocess.run(asked, capture_output=True, check=False, timeout=60).returncode == 0


def pythons() -> dict[str, Path]:
    """Version -> interpreter: this one, those on the path, those of pyenv; each CPython 3.11 or later that works."""
    folders = [Path(one) for one in os.get_exec_path()]
    root = os.environ.get("PYENV_ROOT") or next(iter(_said([shutil.which("pyenv") or "pyenv", "root"])), "")
    folders += sorted(Path(root, "versions").glob("3.*/bin")) if root else []
    listed = (one for folder in folders for one in sorted(folder.glob("python3.*")))
    names = [one for one in listed if re.fullmatch(r"python3\.\d+", one.name)]
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": Path(sys.executable)}
    code = "import ensurepip, sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    for path in names:
        kind, _, version = next(iter(_said([str(path), "-I", "-c", code])), "").partition(" ")
        if kind == "cpython" and tuple(map(int, version.split("."))) >= (3, 11):
            found.setdefault(version, path)
    return found


def _said(words: list[str]) -> list[str]:
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=60, text=True, env=clean())
    except OSError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def installed(python: Path, folder: Path, *what: str) -> Path:
    """An empty environment of an interpreter with something installed, by the pip of this one; its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True, capture_output=True, env=clean())
    made = folder / "bin" / "python"
    pip(made, "install", "--quiet", "--no-compile", *what)
    return made


def pip(python: Path, *words: str, **environment: str) -> None:
    words = [sys.executable, "-m", "pip", "--python", python, *words]
    subprocess.run(words, check=True, capture_output=True, env=clean() | environment)


def walks(python: Path, folder: Path) -> bool:
    """Whether the walk is compiled there."""
    words = [python, "-c", "import ecs_trail.evidence.walk as walk; print(walk.walker() is not None)"]
    done = subprocess.run(words, capture_output=True, env=clean(), cwd=folder, check=True)
    return done.stdout.split() == [b"True"]


def answer(python: Path, folder: Path, **environment: str) -> bytes:
    words = [python.with_name("ecs-trail"), "investigate", str(ROOT / "sample_logs"), "--format", "json"]
    done = subprocess.run(words, capture_output=True, env=clean() | environment, cwd=folder, check=False)
    assert done.returncode == 0, (python, done.stderr)
    return done.stdout


@pytest.mark.slow
def test_what_is_built_answers_alike_on_every_python_here(built, tmp_path):
    """One wheel in an empty environment of each CPython from 3.11 on, and the sdist: the sample, byte for byte, also
    without the compiled walk.
    """
    if not pip_has_an_index():
        pytest.skip("pip reaches no package index here, so nothing was installed in an empty environment")
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    listed = pythons()
    with ThreadPoolExecutor(2) as pool:
        made = [*pool.map(lambda one: installed(listed[one], tmp_path / one, str(wheel)), listed)]
    answers = {version: answer(python, tmp_path) for version, python in zip(listed, made, strict=True)}
    for python in made:
        imported = [python, "-W", "error", "-c", "import ecs_trail, ecs_trail.cli.main"]
        subprocess.run(imported, check=True, capture_output=True, env=clean(), cwd=tmp_path)
        pip(python, "check")
        assert walks(python, tmp_path) is not wheel.name.endswith("-any.whl")
    answers["switched off"] = answer(made[0], tmp_path, ECS_TRAIL_COMPILED="0")
    # `CC` asks for a compiler, and this one always fails
    for name, environment, has in (("sdist", {}, walks(made[0], tmp_path)), ("no compiler", {"CC": "false"}, False)):
        pip(
            made[0], "install", "--quiet", "--force-reinstall", "--no-deps", "--no-cache-dir", str(sdist), **environment
        )
        assert walks(made[0], tmp_path) is has
        answers[name] = answer(made[0], tmp_path)
    assert all(b'"schema": "ecs-trail/investigation/1"' in one for one in answers.values())
    assert len(set(answers.values())) == 1, sorted(answers)


@pytest.mark.slow
def test_the_distributions_pass_twine(built, tmp_path):
    """In an environment of its own: twine asks for a docutils that awscli does not allow beside it."""
    if not pip_has_an_index():
        pytest.skip("pip reaches no package index here, so twine was not installed")
    python = installed(Path(sys.executable), tmp_path / "env", "twine")
    made = sorted(map(str, (*built.glob("*.whl"), *built.glob("*.tar.gz"))))
    words = [python, "-m", "twine", "check", "--strict", *made]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=clean())
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2
    Path(made[1]).write_bytes(b"no wheel")
    assert subprocess.run(words, capture_output=True, check=False, env=clean()).returncode != 0
