"""The notebooks run from top to bottom, and are stored without outputs and without code that belongs in the package."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ecs_trail.practice import incident, write

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
def desk(tmp_path_factory):
    """A folder beside the sample, as that of the notebooks is: what they write stays out of the project."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "sample_logs").symlink_to(FOLDER.parent / "sample_logs")
    (folder / "notebooks").mkdir()
    return folder / "notebooks"


def execute(path, desk, source=None):
    """A notebook after a run from top to bottom, on the sample or on another source."""
    ran = nbformat.read(path, as_version=4)
    if source is not None:
        code(ran)[0].source = f"source = {str(source)!r}"
    client = NotebookClient(ran, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(desk)}})
    client.execute(stderr=subprocess.DEVNULL)
    return ran


@pytest.fixture(scope="module")
def executed(desk):
    """Gives a notebook by name after its run; each is run once."""
    return cache(lambda name: execute(FOLDER / f"{name}.ipynb", desk))


def shown(notebook, cell_id, kind):
    """What a cell shows, as one MIME type or as printed text."""
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    if kind == "stdout":
        return "".join(output.text for output in cell.outputs if output.output_type == "stream")
    return "".join(output.data[kind] for output in cell.outputs if kind in output.get("data", {}))


def noise(notebook):
    """What a notebook says on stderr."""
    return [output.text for cell in code(notebook) for output in cell.outputs if output.get("name") == "stderr"]


def test_the_first_look_leads_from_the_answer_to_the_record(executed):
    notebook = executed("01_first_look")
    assert noise(notebook) == []
    card = shown(notebook, "investigate", "text/html")
    assert "then the role was deleted" in card
    assert "aws iam create-role" in card
    assert "stuck" in shown(notebook, "tasks", "text/html")
    assert "in cluster prod is stuck" in shown(notebook, "explain", "stdout")
    assert "DetachRolePolicy" in shown(notebook, "raw", "stdout")
    assert "Client.UnauthorizedOperation" in shown(notebook, "events", "text/html")


def test_stuck_tasks_leads_from_the_question_to_the_repair(executed):
    notebook = executed("05_stuck_tasks")
    assert noise(notebook) == []
    assert "4 tasks hang in DEPROVISIONING" in shown(notebook, "investigate", "text/html")
    assert shown(notebook, "explain", "stdout").count("is stuck: its cleanup is blocked.") == 4
    causes = shown(notebook, "causes", "text/html")
    assert "DetachRolePolicy" in causes
    assert "DeleteRole" in causes
    assert "TagRole" not in causes
    assert "TagRole" in shown(notebook, "innocent", "text/html")
    assert shown(notebook, "volumes", "stdout") == "4 volumes of 160 GiB are still there.\n"
    repair = shown(notebook, "repair", "stdout")
    assert "aws iam create-role --role-name ecsInfrastructureRole" in repair
    assert "aws iam attach-role-policy" in repair
    assert "Timeline of 67 lanes" in shown(notebook, "timeline", "text/plain")


@pytest.mark.slow
def test_the_others_answer_their_questions(executed):
    volumes = executed("02_volumes")
    assert "160 GiB" in shown(volumes, "left-age", "stdout")
    assert "ec2:DetachVolume" in shown(volumes, "denied", "text/html")
    assert "dmitri" in shown(volumes, "hand", "text/html")
    tls = executed("03_service_connect_tls")
    assert "ecs-sc!ab95278ecb4770f6c534" in shown(tls, "secrets", "text/html")
    assert "ecsServiceConnectTls" in shown(tls, "guard", "stdout")
    history = executed("04_role_history")
    assert shown(history, "allowed", "stdout").count(" denied: ") >= 2
    assert "carol" in shown(history, "actors", "text/html")
    ad_hoc = executed("06_ad_hoc_pandas_and_sql")
    assert "ecsInfrastructureRole" in shown(ad_hoc, "json", "text/html")
    assert "recovered" in shown(ad_hoc, "sql-states", "text/html")
    assert [noise(one) for one in (volumes, tls, history, ad_hoc)] == [[], [], [], []]


@pytest.mark.slow
def test_the_report_is_written_beside_the_notebook(executed, desk):
    assert shown(executed("07_report"), "write", "stdout") == "incident.html\n"
    assert "4 tasks hang in DEPROVISIONING" in (desk / "incident.html").read_text(encoding="utf-8")
    assert not (FOLDER / "incident.html").exists()


@pytest.mark.slow
def test_every_notebook_runs(executed):
    assert [path.stem for path in NOTEBOOKS if noise(executed(path.stem))] == []


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_where_nothing_is_wrong_they_run_as_well(path, desk, tmp_path):
    write(incident("superset", 1), tmp_path)
    assert noise(execute(path, desk, tmp_path)) == []
