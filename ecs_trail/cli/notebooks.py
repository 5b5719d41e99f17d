"""The notebooks that come with the package: found, filled with parameters, run, made into pages, copied for a person.

Parameters stand in the one cell tagged `parameters`, as *papermill* has it (papermill documentation, "Parameterize",
read on 2026-11-24); here the assignments of that cell are replaced instead of a second cell being put behind it.
"""

import ast
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import ecs_trail
from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.views.text import clean, listed
from ecs_trail.views.whole_files import write_atomically

Notebook = dict[str, Any]

_PARAMETERS: Final = "parameters"
#: What only a live kernel can show; dead in a file.
_LIVE: Final = "application/vnd.jupyter.widget-view+json"
_RECORD: Final = ".ecs-trail-lab.json"
_COPIES: Final = 1000
#: Scripts and fonts that nbconvert would load from other hosts; a page of evidence asks nobody for anything.
_REMOTE: Final = (
    "jquery_url",
    "jupyter_widgets_base_url",
    "mathjax_url",
    "mermaid_js_url",
    "mermaid_layout_elk_js_url",
    "require_js_url",
    "widget_renderer_url",
)


def folder() -> Path:
    """Where the notebooks lie: inside an installed package, or beside it in a checkout."""
    package = Path(ecs_trail.__file__).parent
    places = (package / "notebooks", package.parent / "notebooks")
    for place in places:
        if any(place.glob("*.ipynb")):
            return place
    raise UsageError("the notebooks of ecs-trail are not installed.", hint="install ecs-trail again from its wheel.")


def paths() -> list[Path]:
    """Every notebook, in the order of their numbers."""
    return sorted(folder().glob("*.ipynb"))


def find(name: str) -> Path:
    """A notebook by name (`05_stuck_tasks`), number (`05`) or the words after it. Raises `UsageError` for another."""
    wanted = name.removesuffix(".ipynb")
    known = {path.stem: path for path in paths()}
    fits = [stem for stem in known if wanted in {stem, stem.partition("_")[0], stem.partition("_")[2]}]
    if len(fits) != 1:
        raise UsageError(f"'{name}' is no notebook of ecs-trail.", hint=f"choose one of {listed(known, most=99)}.")
    return known[fits[0]]


def load(path: Path) -> Notebook:
    """A notebook as plain values. Raises `UsageError` for a file that is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the notebook '{path}' cannot be read: {error}.", hint="it must be a .ipynb file.") from error
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list):
        raise UsageError(f"'{path}' is no notebook.", hint="it must be a .ipynb file of format 4.")
    return found


def filled(notebook: Notebook, values: Mapping[str, Any]) -> Notebook:
    """A copy whose parameters have these values (plain Python values).

    Raises `UsageError` for a name that the parameters cell does not assign.
    """
    made: Notebook = json.loads(json.dumps(notebook))
    cell = _parameters(made)
    source = "".join(cell["source"])
    assigned = dict(_assignments(source))
    unknown = sorted(set(values) - set(assigned))
    if unknown:
        known = listed(sorted(assigned), most=20) or "none"
        raise UsageError(f"the notebook has no parameter '{unknown[0]}'.", hint=f"its parameters: {known}.")
    lines = source.splitlines(keepends=True)
    for name in sorted(values, key=lambda one: assigned[one], reverse=True):
        first, last = assigned[name]
        end = "\n" if lines[last - 1].endswith("\n") else ""
        lines[first - 1 : last] = [f"{name} = {values[name]!r}{end}"]
    cell["source"] = "".join(lines).splitlines(keepends=True)
    return made


def parameters(notebook: Notebook) -> dict[str, str]:
    """The parameters of a notebook as they are written: name -> Python text of the value."""
    source = "".join(_parameters(notebook)["source"])
    lines = source.splitlines()
    return {
        name: "\n".join(lines[first - 1 : last]).partition("=")[2].strip()
        for name, (first, last) in _assignments(source)
    }


def _parameters(notebook: Notebook) -> dict[str, Any]:
    tagged: list[dict[str, Any]] = [
        cell for cell in notebook["cells"] if _PARAMETERS in cell.get("metadata", {}).get("tags", [])
    ]
    if not tagged:
        raise UsageError("the notebook has no cell tagged 'parameters'.", hint="tag the cell that holds them.")
    return tagged[0]


def _assignments(source: str) -> Iterator[tuple[str, tuple[int, int]]]:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UsageError(
            f"the parameters cell is no Python: {error.msg}.", hint="write NAME = VALUE, a line each."
        ) from (error)
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, (node.lineno, node.end_lineno or node.lineno)


def execute(notebook: Notebook, *, cwd: Path, timeout: int | None = None) -> Notebook:
    """Run every cell, from top to bottom, in a kernel of this very Python that works in `cwd`.

    `timeout` is in seconds for a cell, None for no limit. Raises `UsageError` where a cell fails.
    """
    try:
        import nbclient
        import nbformat
        from nbclient.exceptions import CellControlSignal, CellExecutionError, CellTimeoutError, DeadKernelError
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_feature("running a notebook", "notebook") from error
    node = nbformat.reads(json.dumps(notebook), as_version=4)  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(
        node,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(cwd)}},
    )
    try:
        # What the kernel's own machinery says on stderr is no part of the notebook.
        client.execute(stderr=subprocess.DEVNULL)
    except CellTimeoutError as error:
        raise UsageError("a cell took too long.", hint="give --timeout more seconds.") from error
    except CellExecutionError as error:
        raise UsageError(
            f"the notebook stopped at {_failed(node)}: {error.ename}: {_one_line(error.evalue)}",
            hint="try the same source with ecs-trail investigate.",
        ) from error
    except (CellControlSignal, DeadKernelError) as error:
        raise UsageError("the kernel of the notebook died.", hint="it may have run out of memory.") from error
    ran: Notebook = json.loads(nbformat.writes(node))  # type: ignore[no-untyped-call]
    return _without_live(ran)


def _one_line(text: object) -> str:
    return clean(" ".join(str(text).split()), 600)


def _failed(notebook: Mapping[str, Any]) -> str:
    for cell in notebook["cells"]:
        if any(output["output_type"] == "error" for output in cell.get("outputs", ())):
            return f"cell '{clean(cell.get('id'), 40)}'"
    return "a cell"


def _without_live(notebook: Notebook) -> Notebook:
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if len(data) > 1:
                data.pop(_LIVE, None)
    return notebook


def as_html(notebook: Notebook, title: str) -> str:
    """A notebook as one HTML page that loads nothing from elsewhere. Raises `MissingExtraError` without nbconvert."""
    try:
        import nbformat
        from nbconvert import HTMLExporter
    except ModuleNotFoundError as error:
        raise MissingExtraError.for_feature("a notebook as HTML", "notebook") from error
    exporter = HTMLExporter(**dict.fromkeys(_REMOTE, ""))  # type: ignore[no-untyped-call]
    node = nbformat.reads(json.dumps(notebook), as_version=4)  # type: ignore[no-untyped-call]
    page, _ = exporter.from_notebook_node(node, resources={"metadata": {"name": title}})
    return str(page)


def to_bytes(notebook: Notebook) -> bytes:
    """A notebook as Jupyter writes it."""
    return (json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode(
        "utf-8", "backslashreplace"
    )


def copy_all(target: Path, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Put filled copies of all notebooks into a folder: (file name, what was done with it) in order.

    A copy nobody has touched is made anew; one that was edited is never overwritten: it is kept where it has these
    parameters already, and a numbered copy is put beside it where not.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder '{target}' cannot be made: {error.strerror}.", hint="name another.") from error
    record = _read_record(target)
    done = [_copy(path, target, values, record) for path in paths()]
    text = json.dumps(record, indent=1, sort_keys=True) + "\n"
    _put(target / _RECORD, text.encode())
    return done


def _copy(path: Path, target: Path, values: Mapping[str, Any], record: dict[str, str]) -> tuple[str, str]:
    wanted = filled(load(path), values)
    data = to_bytes(wanted)
    for number in range(1, _COPIES):
        place = target / (path.name if number == 1 else f"{path.stem}-{number}.ipynb")
        if place.exists():
            there = place.read_bytes()
            if _digest(there) != record.get(place.name) and there != data:
                if _same_parameters(place, wanted):
                    return place.name, "kept as you edited it"
                continue
            said = "unchanged" if there == data else "filled anew"
        else:
            said = "new" if number == 1 else "new, beside the one you edited"
        _put(place, data)
        record[place.name] = _digest(data)
        return place.name, said
    raise UsageError(f"'{target}' holds too many copies of {path.name}.", hint="name another folder.")


def _same_parameters(place: Path, wanted: Notebook) -> bool:
    try:
        return parameters(load(place)) == parameters(wanted)
    except UsageError:
        return False


def _read_record(target: Path) -> dict[str, str]:
    try:
        found = json.loads((target / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: one for name, one in found.items() if isinstance(one, str)} if isinstance(found, dict) else {}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _put(path: Path, data: bytes) -> None:
    write_atomically(path, lambda stream: _write(stream, data))


def _write(stream: Any, data: bytes) -> None:
    stream.write(data)


def source_value(sources: Sequence[str]) -> str | list[str]:
    """Sources as the value of a notebook's `source`: one text or a list; paths made absolute, since kernels move."""
    values = [_absolute(one) for one in sources]
    return values[0] if len(values) == 1 else values


def _absolute(source: str) -> str:
    kind, mark, rest = source.partition(":")
    if mark and kind == "store" and not rest.startswith("//"):
        return f"store:{Path(rest).resolve()}"
    return source if "://" in source else str(Path(source).resolve())
