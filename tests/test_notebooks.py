"""The notebooks run from top to bottom, and are stored without outputs and without code that belongs in the package."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    """A notebook as it is stored."""
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    """Its code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_notebooks_and_each_is_listed():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS
    assert [path.name for path in NOTEBOOKS if path.name not in text] == []


def test_it_is_stored_without_outputs(notebook):
    assert [cell.id for cell in code(notebook) if cell.outputs or cell.execution_count is not None] == []


def test_it_defines_nothing(notebook):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    for cell in code(notebook):
        assert not any(isinstance(node, kinds) for node in ast.walk(ast.parse(cell.source))), cell.id


def test_it_starts_on_the_sample(notebook):
    first = code(notebook)[0]
    assert first.source == 'source = "../sample_logs"'
    assert first.metadata.tags == ["parameters"]


@pytest.fixture(scope="module")
def executed():
    """Every notebook after a run from top to bottom, by name."""
    results = {}
    for path in NOTEBOOKS:
        ran = nbformat.read(path, as_version=4)
        client = NotebookClient(ran, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
        client.execute()
        results[path.stem] = ran
    return results


def shown(notebook, cell_id, kind):
    """What a cell shows, as one MIME type or as printed text."""
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    if kind == "stdout":
        return "".join(output.text for output in cell.outputs if output.output_type == "stream")
    return "".join(output.data[kind] for output in cell.outputs if kind in output.get("data", {}))


def test_they_run_without_warnings(executed):
    for name, notebook in executed.items():
        for cell in code(notebook):
            noise = [output.text for output in cell.outputs if output.get("name") == "stderr"]
            assert noise == [], f"{name}: {cell.id}"


def test_the_first_look_leads_from_the_answer_to_the_record(executed):
    notebook = executed["01_first_look"]
    card = shown(notebook, "investigate", "text/html")
    assert "then the role was deleted" in card
    assert "aws iam create-role" in card
    assert "stuck" in shown(notebook, "tasks", "text/html")
    assert "in cluster prod is stuck" in shown(notebook, "explain", "stdout")
    assert "DetachRolePolicy" in shown(notebook, "raw", "stdout")
    assert "Client.UnauthorizedOperation" in shown(notebook, "events", "text/html")
