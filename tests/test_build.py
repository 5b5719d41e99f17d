"""The walk is compiled while a wheel is built, where there is a compiler; nothing fails where there is none."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from ecs_trail.evidence import walk

ROOT = Path(__file__).parent.parent
INSIDE = "ecs_trail/evidence/walk"
SOURCES = {"walk.c", "callers.h", "fields.h", "json.h", "parts.h", "shapes.h", "tables.h"}
PURE = "ecs_trail-0.1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install 'ecs-trail[dev]'")
    spec = importlib.util.spec_from_file_location("walk_hook", ROOT / ".build" / "walk.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def _compiler(hook):
    if not any(shutil.which(words[0]) for words in hook.compilers() if words):
        pytest.skip("there is no C compiler here")


@pytest.fixture
def c(tmp_path) -> Path:
    """A copy of the C."""
    for name in SOURCES:
        (tmp_path / "c").mkdir(exist_ok=True)
        shutil.copy(ROOT / INSIDE / name, tmp_path / "c")
    return tmp_path / "c"


def source_said(library: Path) -> str:
    """Which C a library says it was made of."""
    said = ctypes.CDLL(str(library)).walk_source
    said.restype = ctypes.c_char_p
    return said().decode()


def test_a_library_that_is_here_was_made_of_the_c_that_is_here(hook):
    """In the tree and where the package is installed: one of other C could read numbers as places."""
    places = {Path(walk.__file__).parent / walk.LIBRARY, ROOT / INSIDE / walk.LIBRARY}
    for library in filter(Path.is_file, places):
        assert source_said(library) == hook.source_of(ROOT / INSIDE), f"{library} is stale: python .build/walk.py"


@pytest.mark.slow
@pytest.mark.usefixtures("_compiler")
def test_a_stale_library_is_known_and_taken_away(hook, c, tmp_path, monkeypatch):
    monkeypatch.delenv(walk.SWITCH, raising=False)
    made, nothing = tmp_path / walk.LIBRARY, tmp_path / "nothing"
    hook.compiled(c, made)
    assert source_said(made) == hook.source_of(c) == hook.source_of(ROOT / INSIDE)
    assert hook.lay_beside(made, c)
    assert hook.lay_beside(nothing, c)  # of the same C: it stays
    (c / "json.h").write_text((c / "json.h").read_text() + "/* newer */\n")
    assert source_said(made) != hook.source_of(c)
    assert not hook.lay_beside(nothing, c)
    assert {path.name for path in c.iterdir()} == SOURCES


@pytest.mark.slow
@pytest.mark.usefixtures("_compiler")
def test_a_library_names_no_folder(hook, c, tmp_path, monkeypatch):
    monkeypatch.delenv(walk.SWITCH, raising=False)
    monkeypatch.setenv("CFLAGS", "-g")
    hook.compiled(c, tmp_path / walk.LIBRARY)
    data = (tmp_path / walk.LIBRARY).read_bytes()
    assert str(tmp_path).encode() not in data
    assert b"walk_source" in data


def hatchling(tree: Path, *words: str, **environment: str) -> str:
    """Build in a tree; what was said of the walk."""
    kept = {name: value for name, value in os.environ.items() if name not in (walk.SWITCH, "CC", "CFLAGS")}
    words = [sys.executable, "-m", "hatchling", "build", *words]
    done = subprocess.run(words, cwd=tree, env=kept | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return "\n".join(line for line in done.stderr.splitlines() if "compiled walk" in line)


def build(tree: Path, out: Path, what: str = "wheel", **environment: str) -> tuple[Path, str]:
    """What was made, and what was said of the walk."""
    said = hatchling(tree, "-t", what, "-d", str(out), **environment)
    (made,) = out.iterdir()
    return made, said


def hooked(tree: Path, **environment: str) -> str:
    """What was said of the walk for an editable install."""
    return hatchling(tree, "-t", "wheel:editable", "--hooks-only", **environment)


@pytest.fixture(scope="module")
def sdist(hook, tmp_path_factory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")[0]


@pytest.fixture
def tree(sdist, tmp_path) -> Path:
    """What the sdist holds, with a library in it that is none."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (made,) = tmp_path.iterdir()
    (made / INSIDE / walk.LIBRARY).write_bytes(b"of another version")
    return made


def answer(wheel: Path, site: Path, **environment: str) -> tuple[str, bytes]:
    """Whether a wheel, unpacked as an installer does, has a walk; and its answer to the sample."""
    if not site.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    kept = {name: value for name, value in os.environ.items() if name != walk.SWITCH}
    env = kept | {"PYTHONPATH": str(site)} | environment
    code = "import ecs_trail.evidence.walk as walk; print(walk.__file__, walk.walker() is not None)"
    words = [sys.executable, "-c", code]
    place, has = subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout.split()
    assert Path(place).is_relative_to(site)
    words = [sys.executable, "-m", "ecs_trail", "investigate", str(ROOT / "sample_logs"), "--format", "json"]
    return has, subprocess.run(words, env=env, capture_output=True, check=True).stdout


@pytest.mark.slow
def test_the_sdist_holds_the_c_its_hook_and_no_library(sdist, tree, tmp_path):
    (tree / ".gitignore").unlink()  # which leaves libraries out as well
    for made in (sdist, build(tree, tmp_path / "again", "sdist")[0]):
        with tarfile.open(made) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        assert {f"{INSIDE}/{name}" for name in SOURCES} | {".build/walk.py"} <= names
        assert not [name for name in names if name.endswith((".so", ".dll"))]


@pytest.mark.slow
@pytest.mark.usefixtures("_compiler")
def test_a_wheel_of_the_sdist_has_a_walk_and_answers_as_without(tree, tmp_path):
    wheel, said = build(tree, tmp_path / "dist")
    assert said == ""
    assert wheel.name.startswith("ecs_trail-0.1.0-py3-none-")
    assert wheel.name != PURE
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith("/WHEEL"))
        assert f"Tag: {wheel.stem.partition('0.1.0-')[2]}" in archive.read(record).decode().splitlines()
        assert archive.namelist().count(f"{INSIDE}/{walk.LIBRARY}") == 1
    with_walk, without = answer(wheel, tmp_path / "site"), answer(wheel, tmp_path / "site", **{walk.SWITCH: "0"})
    assert (with_walk[0], without[0]) == ("True", "False")
    assert with_walk[1] == without[1]
    # two at once in another folder: the same bytes, and nothing half in the tree
    other = tree.rename(tmp_path / "elsewhere")
    with ThreadPoolExecutor(2) as pool:
        both = [made for made, _ in pool.map(lambda out: build(other, tmp_path / out), "ab")]
    assert {made.read_bytes() for made in both} == {wheel.read_bytes()}
    assert {path.name for path in (other / INSIDE).iterdir()} == {"__init__.py", walk.LIBRARY} | SOURCES


@pytest.mark.slow
@pytest.mark.usefixtures("_compiler")
def test_an_editable_install_has_the_walk_in_its_tree(tree, hook):
    """The hook alone: the rest of such a build is pip's and hatchling's, and takes a package more."""
    library = tree / INSIDE / walk.LIBRARY
    assert hooked(tree) == ""
    assert source_said(library) == hook.source_of(tree / INSIDE)
    (tree / INSIDE / "json.h").write_text((tree / INSIDE / "json.h").read_text() + "/* newer */\n")
    assert "false: exit code 1" in hooked(tree, CC="false")
    assert not library.exists()


#: A compiler that fails and leaves something behind.
HALF = '#!/bin/sh\nfor word; do case $word in *.so) echo half >"$word";; esac; done\nexit 1\n'


@pytest.mark.slow
def test_without_a_compiler_that_works_the_wheel_is_pure(tree, tmp_path):
    """Whatever ails it: a wheel, one line that says why, and none of a library, also of one that lay in the tree."""
    (tmp_path / "half").write_text(HALF)
    (tmp_path / "half").chmod(0o755)
    ails = {
        "false: exit code 1": {"CC": "false"},
        "nowhere: No such file": {"CC": "nowhere"},
        "cc: No such file": {"PATH": str(tmp_path / "empty")},
        "true: made nothing": {"CC": "true"},
        "half: exit code 1": {"CC": str(tmp_path / "half")},
        "No closing quotation": {"CFLAGS": "'"},
        f"{walk.SWITCH} is 0": {walk.SWITCH: "0"},
    }
    made = []
    for number, (told, environment) in enumerate(ails.items()):
        wheel, said = build(tree, tmp_path / str(number), **environment)
        assert wheel.name == PURE
        assert told in said
        assert "\n" not in said
        made.append(wheel)
    assert len({wheel.read_bytes() for wheel in made}) == 1
    with zipfile.ZipFile(made[0]) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]
    assert not (tree / INSIDE / walk.LIBRARY).exists()
    has, said = answer(made[0], tmp_path / "site")
    assert has == "False"
    assert b'"schema": "ecs-trail/investigation/1"' in said
