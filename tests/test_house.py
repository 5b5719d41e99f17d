"""The rules of the house, read from the source with `ast`: who may import whom, how large, how documented.

`faults(package)` says what is wrong in a package laid out like ours. It is used on `ecs_trail` itself and, with one
fault planted at a time, on small made-up packages: a checker that finds nothing proves nothing.
"""

import ast
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "ecs_trail"
ROOT = Path(__file__).parent.parent / PACKAGE

MODULE_LINES = 400
FUNCTION_LINES = 60
FUNCTION_MEDIAN = 10
POSITIONAL = 5

#: Wing -> the modules (or packages) it is made of. The longest matching prefix wins.
WINGS = {
    "face": ("",),
    "ground": (
        "errors",
        "vocabulary",
        "arrays",
        "collector",
        "schema",
        "frames",
        "selection",
        "times",
        "arns",
        "calls",
        "payloads",
        "event_names",
        "version",
        "identity",
    ),
    "evidence": ("evidence",),
    "sources": ("evidence.sources",),
    "analysis": ("analysis",),
    "views": ("views",),
    "practice": ("practice",),
    "case": ("case", "coverage", "doors"),
    "accuracy": ("accuracy",),
    "cli": ("cli", "__main__"),
}
#: Wing -> the wings it may import, typing imports counted.
MAY_IMPORT = {
    "face": {"ground", "case"},
    "ground": {"ground"},
    "evidence": {"ground", "evidence", "sources"},
    "sources": {"ground", "evidence", "sources"},
    "analysis": {"ground", "analysis"},
    "views": {"ground", "views"},
    "practice": {"ground", "practice"},
    "case": {"ground", "evidence", "sources", "analysis", "views", "case"},
    "accuracy": {"ground", "evidence", "case", "practice", "accuracy"},
    "cli": set(WINGS),
}
#: Analyses are strangers: a room (a package below `analysis`, or modules of one first word, as `tls` and `tls_calls`)
#: may read itself, and the rooms named here.
FAMILY_MAY_READ = {"roles": {"policies"}}
#: Sources are strangers as well; what they share stands in these.
SHARED_SOURCES = {
    *("base", "asking", "bucket", "checkpoints", "fastget", "layout", "pacing", "patterns", "queries", "shelf", "sql")
}
#: Third-party package -> the modules (or packages) that may open its door.
DOORS = {
    "anywidget": ("views.timeline.widget",),
    # clients are made in one place, which a store in a bucket and the outbox need as sources and snapshots do
    "boto3": ("evidence.aws", "evidence.sources", "evidence.snapshots"),
    "botocore": ("evidence.aws", "evidence.sources", "evidence.snapshots"),
    "click": ("cli",),
    "cryptography": ("evidence.integrity.signatures",),
    "duckdb": ("views.tables",),
    "isal": ("evidence",),
    "jinja2": ("views.report.page",),
    # Arrow's buffers as numbers, where a row at a time is too slow; pandas and pyarrow bring it anyway.
    "numpy": (
        *("arrays", "frames", "evidence.blocks", "evidence.bulklane", "evidence.parquet", "evidence.pieces"),
        *("evidence.sifting", "evidence.store.parts", "evidence.wholes"),
    ),
    "msgspec": ("payloads", "evidence", "analysis", "views.investigation"),
    "nbclient": ("cli.notebooks",),
    "nbconvert": ("cli.notebooks",),
    "nbformat": ("cli.notebooks",),
    "obstore": ("evidence.sources.fastget",),
    "pandas": ("frames", "analysis", "views", "case", "doors"),
    "plotly": ("views.figures",),
    # the errors of the connection to Spark's Java process are those of another package
    "py4j": ("evidence.spark.session",),
    "pyarrow": ("arrays", "schema", "frames", "selection", "evidence"),
    # one file opens Spark; what runs in executors needs none of it
    "pyspark": ("evidence.spark.session",),
    "traitlets": ("views.timeline.widget", "cli.notebooks"),
    "rich": ("cli", "views.answer"),
    "sqlglot": ("evidence.sources.sql",),
    "weasyprint": ("views.report.paper",),
    "xlsxwriter": ("views.workbook",),
    "zstandard": ("evidence",),
}


@dataclass(frozen=True)
class Module:
    """One source file: its name inside the package (dotted, without the package), its text and tree."""

    name: str
    text: str
    tree: ast.Module
    is_package: bool


def modules(root: Path) -> list[Module]:
    """Every module under a package folder."""
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        text = path.read_text(encoding="utf-8")
        found.append(Module(".".join(parts[:-1] if is_package else parts), text, ast.parse(text), is_package))
    return found


def imports(module: Module) -> Iterator[tuple[str, int]]:
    """Every dotted name a module imports, absolute, wherever the import stands."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = [PACKAGE, *filter(None, module.name.split("."))]
                up = here[: len(here) - node.level + (1 if module.is_package else 0)]
                base = ".".join([*up, *filter(None, [base])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def own_imports(module: Module, names: set[str]) -> Iterator[tuple[str, int]]:
    """The modules of this package that a module imports, cut back to what is a module."""
    for dotted, line in imports(module):
        if dotted != PACKAGE and not dotted.startswith(f"{PACKAGE}."):
            continue
        inside = dotted[len(PACKAGE) + 1 :]
        while inside and inside not in names:
            inside = inside.rpartition(".")[0]
        if inside != module.name:
            yield inside, line


def _under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def wing(name: str) -> str | None:
    """The wing a module belongs to, or None for a module nobody planned."""
    if name == "":
        return "face"
    fits = [(len(p), w) for w, prefixes in WINGS.items() for p in prefixes if p and _under(name, (p,))]
    return max(fits)[1] if fits else None


def family(name: str) -> str | None:
    """The room of an analysis: the package below `analysis` it stands in, or the first word of its module's name."""
    parts = name.split(".")
    return parts[1].partition("_")[0] if parts[0] == "analysis" and len(parts) > 1 else None


def direction_faults(found: list[Module]) -> Iterator[str]:
    """Imports against the direction of the house."""
    names = {module.name for module in found}
    for module in found:
        mine = wing(module.name)
        if mine is None:
            yield f"{module.name}: belongs to no wing of the house"
            continue
        for target, line in own_imports(module, names):
            theirs = wing(target)
            if theirs not in MAY_IMPORT[mine]:
                yield f"{module.name}:{line}: {mine} may not import {theirs} ({target or PACKAGE})"


def stranger_faults(found: list[Module]) -> Iterator[str]:
    """Analyses and sources that read their neighbours."""
    names = {module.name for module in found}
    for module in found:
        for target, line in own_imports(module, names):
            mine, theirs = family(module.name), family(target)
            if mine and theirs and mine != theirs and theirs not in FAMILY_MAY_READ.get(mine, set()):
                yield f"{module.name}:{line}: analyses are strangers, it reads {target}"
            source = "evidence.sources."
            if module.name.startswith(source) and target.startswith(source):
                tail = target.removeprefix(source).split(".")[0]
                if tail not in SHARED_SOURCES and module.name.removeprefix(source).split(".")[0] != tail:
                    yield f"{module.name}:{line}: sources are strangers, it reads {target}"


def door_faults(found: list[Module]) -> Iterator[str]:
    """Third-party packages opened outside their door, or never declared."""
    for module in found:
        for dotted, line in imports(module):
            top = dotted.split(".")[0]
            if top == PACKAGE or top in sys.stdlib_module_names:
                continue
            if top not in DOORS:
                yield f"{module.name}:{line}: {top} has no door in this house"
            elif not _under(module.name, DOORS[top]):
                yield f"{module.name}:{line}: {top} may be imported in {', '.join(DOORS[top])} only"


def circle_faults(found: list[Module]) -> Iterator[str]:
    """Import circles, typing imports counted."""
    names = {module.name for module in found}
    graph = {module.name: {target for target, _ in own_imports(module, names)} for module in found}
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            yield "circle: " + " -> ".join([*path[path.index(name) :], name])
        elif name not in done:
            for target in sorted(graph.get(name, ())):
                yield from walk(target, (*path, name))
            done.add(name)

    for name in sorted(graph):
        yield from walk(name, ())


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a body, docstring left out."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def size_faults(found: list[Module]) -> Iterator[str]:
    """Modules, functions and signatures over the budget."""
    for module in found:
        lines = len(module.text.splitlines())
        if lines > MODULE_LINES:
            yield f"{module.name}: {lines} lines, {MODULE_LINES} are the limit"
        for node in functions(module.tree):
            if body_lines(node) > FUNCTION_LINES:
                yield f"{module.name}:{node.lineno}: {node.name} has {body_lines(node)} lines"
            positional = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
            if positional[:1] in (["self"], ["cls"]):
                positional = positional[1:]
            if len(positional) > POSITIONAL:
                yield f"{module.name}:{node.lineno}: {node.name} takes {len(positional)} positional arguments"


def _undocumented(node: ast.Module | ast.ClassDef, where: str) -> Iterator[str]:
    if ast.get_docstring(node) is None:
        yield f"{where}: no docstring"
    for child in node.body:
        named = isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if not named or child.name.startswith("_"):
            continue
        if isinstance(child, ast.ClassDef):
            yield from _undocumented(child, f"{where}.{child.name}")
        elif ast.get_docstring(child) is None and not _is_overload(child):
            yield f"{where}.{child.name}: no docstring"


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(mark).split(".")[-1] == "overload" for mark in node.decorator_list)


def docstring_faults(found: list[Module]) -> Iterator[str]:
    """Public names without a docstring."""
    for module in found:
        if not module.name.rpartition(".")[2].startswith("_"):
            yield from _undocumented(module.tree, module.name or PACKAGE)


RULES = (direction_faults, stranger_faults, door_faults, circle_faults, size_faults, docstring_faults)


def faults(root: Path) -> list[str]:
    """Everything that is wrong in a package, one line each."""
    found = modules(root)
    return [fault for rule in RULES for fault in rule(found)]


def test_the_package_keeps_the_rules_of_the_house():
    found = modules(ROOT)  # read once: that takes longer than to ask all rules
    assert [fault for rule in RULES for fault in rule(found)] == []
    assert statistics.median(body_lines(n) for m in found for n in functions(m.tree)) <= FUNCTION_MEDIAN


DOC = '"""Words."""\n'
LONG = "def long():\n    'Words.'\n" + "    x = 1\n" * (FUNCTION_LINES + 1)
PLANTED = {
    "ground imports a wing": ({"times": "from ecs_trail.views import text"}, "ground may not import views"),
    "evidence knows analysis": (
        {"evidence.store": "from ecs_trail.analysis.tls.secrets import x"},
        "evidence may not import analysis",
    ),
    "analysis knows evidence": (
        {"analysis.tls": "import ecs_trail.evidence.store"},
        "analysis may not import evidence",
    ),
    "views call analysis": ({"views.text": "from ecs_trail.analysis import tls"}, "views may not import analysis"),
    "a wing climbs the roof": ({"analysis.tls": "from ecs_trail import cli"}, "analysis may not import"),
    "hidden in a function": (
        {"times": "def f():\n    'Words.'\n    from ecs_trail.views.text import clean"},
        "ground may not import views",
    ),
    "only for typing": (
        {"times": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ecs_trail.views.text"},
        "ground may not import views",
    ),
    "relative": ({"analysis.tls": "from ..evidence import store"}, "analysis may not import evidence"),
    "analyses are strangers": ({"analysis.tls": "from ecs_trail.analysis.volumes import x"}, "analyses are strangers"),
    "policies do not know roles": (
        {"analysis.policies": "from ecs_trail.analysis.roles import x"},
        "analyses are strangers",
    ),
    "relative strangers": ({"analysis.tls": "from .volumes import x"}, "analyses are strangers"),
    "sources are strangers": (
        {"evidence.sources.files": "from ecs_trail.evidence.sources.lake import x"},
        "sources are strangers",
    ),
    "boto3 in analysis": ({"analysis.tls": "import boto3"}, "boto3 may be imported in"),
    "boto3 in evidence at large": ({"evidence.store": "from boto3.session import Session"}, "boto3 may be imported in"),
    "pandas in evidence": ({"evidence.store": "import pandas as pd"}, "pandas may be imported in"),
    "plotly in the report": ({"views.report": "import plotly.graph_objects as go"}, "plotly may be imported in"),
    "pyarrow in views": ({"views.text": "import pyarrow.parquet"}, "pyarrow may be imported in"),
    "an undeclared package": ({"views.text": "import requests"}, "requests has no door"),
    "circle": ({"times": "import ecs_trail.errors", "errors": "import ecs_trail.times"}, "circle: "),
    "circle through typing": (
        {
            "times": "from ecs_trail.errors import x",
            "errors": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ecs_trail.times import y",
        },
        "circle: ",
    ),
    "a large module": ({"times": "x = 1\n" * MODULE_LINES}, "400 are the limit"),
    "a long function": ({"times": LONG}, "long has 61 lines"),
    "many arguments": ({"times": "def f(a, b, c, d, e, g):\n    'Words.'"}, "6 positional arguments"),
    "a silent function": ({"times": "def f():\n    return 1"}, "times.f: no docstring"),
    "a silent method": (
        {"times": "class C:\n    'Words.'\n    def f(self):\n        return 1"},
        "times.C.f: no docstring",
    ),
    "a module nobody planned": ({"helpers": "x = 1"}, "helpers: belongs to no wing"),
}
SOUND = {
    "errors": "x = 1",
    "times": "import ecs_trail.errors",
    "evidence.store": "import pyarrow\nfrom ecs_trail.times import y",
    "evidence.sources.base": "x = 1",
    "evidence.sources.files": "import boto3\nfrom ecs_trail.evidence.sources.base import x",
    "evidence.sources.lake": "x = 1",
    "analysis.policies": "x = 1",
    "analysis.roles": "import pandas\nfrom ecs_trail.analysis.policies import x",
    "analysis.tls": "def _private(a, b, c, d, e, *, f, g):\n    return 1",
    "analysis.volumes": "x = 1",
    "views.text": "x = 1",
    "case": "from ecs_trail.views import text\nimport ecs_trail.analysis.roles\nimport ecs_trail.evidence.store",
    "cli": "import click\nfrom ecs_trail.case import x",
}


def lay_out(root: Path, sources: dict[str, str]) -> Path:
    """Write a made-up package: dotted names to module texts."""
    package = root / PACKAGE
    for name, text in sources.items():
        path = package.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DOC + text + "\n", encoding="utf-8")
    for folder in {package, *(path.parent for path in package.rglob("*.py"))}:
        (folder / "__init__.py").write_text(DOC, encoding="utf-8")
    return package


def test_a_sound_package_has_no_faults(tmp_path):
    assert faults(lay_out(tmp_path, SOUND)) == []


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_fault_is_found(plant, tmp_path):
    sources, expected = PLANTED[plant]
    found = faults(lay_out(tmp_path, SOUND | sources))
    assert any(expected in fault for fault in found), found


HEAVY = {
    *("boto3", "botocore", "cryptography", "duckdb", "jinja2", "msgspec", "numpy", "pandas", "plotly", "pyarrow"),
    *("anywidget", "obstore", "pyspark", "rich", "sqlglot", "weasyprint", "xlsxwriter"),
}


def loaded_after(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter holds after a statement."""
    script = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stderr.splitlines()[-1])} & HEAVY


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import ecs_trail") == set()


HELP = ("investigate", "timeline", "report", "verify", "collect", "store")


@pytest.mark.parametrize("words", [["--help"], ["--version"], [], *([word, "--help"] for word in HELP)])
def test_help_loads_nothing_heavy(words):
    assert loaded_after(f"from ecs_trail.cli.main import run\nassert run({words!r}) == 0") == set()


def test_the_answer_as_json_loads_no_pandas():
    words = ["investigate", str(ROOT.parent / "sample_logs"), "--format", "json", "--quiet", "--output", os.devnull]
    assert loaded_after(f"from ecs_trail.cli.main import run\nassert run({words!r}) == 0") == {
        *("msgspec", "numpy", "pyarrow")
    }


def test_a_scan_is_begun_before_arrow_is_loaded():
    modules = ("sources.base", "sources.files", "sources.s3")
    imports = "\n".join(f"import {PACKAGE}.evidence.{module}" for module in modules)
    assert loaded_after(f"import {PACKAGE}.selection\n{imports}") == {"msgspec"}


def test_the_check_for_heavy_imports_can_fail():
    assert "pandas" in loaded_after("import pandas")
