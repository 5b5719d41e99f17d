"""`ecs-trail notebook` and `ecs-trail lab`: parameters filled in, copies that never overwrite a person's work."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from ecs_trail.cli import notebooks
from ecs_trail.cli.main import run
from ecs_trail.errors import MissingExtraError, UsageError

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "sample_logs"


def parameters_of(path):
    return notebooks.parameters(notebooks.load(path))


def a_notebook(source):
    cell = {
        "cell_type": "code",
        "id": "p",
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "execution_count": None,
    }
    return {
        "cells": [cell | {"source": source.splitlines(keepends=True)}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.mark.parametrize("name", ["05", "05_stuck_tasks", "stuck_tasks", "05_stuck_tasks.ipynb"])
def test_a_notebook_is_found_by_name_number_and_words(name):
    assert notebooks.find(name).name == "05_stuck_tasks.ipynb"


def test_an_unknown_notebook_is_told_the_known_ones():
    with pytest.raises(UsageError, match="05_stuck_tasks"):
        notebooks.find("nothing")


def test_only_the_named_assignments_change():
    made = notebooks.filled(
        a_notebook("# where\nsource = [\n    'a',\n]\nlimit = 3  # rows\nend = 1"), {"source": "x'y", "end": 2}
    )
    assert "".join(made["cells"][0]["source"]) == '# where\nsource = "x\'y"\nlimit = 3  # rows\nend = 2'


def test_a_value_is_data_and_never_code():
    evil = "'); import os; os.system('true') #"
    made = notebooks.filled(a_notebook("source = 1"), {"source": evil})
    space = {}
    exec("".join(made["cells"][0]["source"]), space)
    assert space["source"] == evil


def test_a_parameter_that_is_not_there_is_named():
    with pytest.raises(UsageError, match=r"(?s)'depth'.*source"):
        notebooks.filled(a_notebook("source = 1"), {"depth": 2})


def test_a_notebook_without_parameters_is_refused():
    with pytest.raises(UsageError, match="tagged 'parameters'"):
        notebooks.filled({"cells": []}, {})


def test_paths_become_absolute_and_addresses_stay(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = ["logs", "s3://bucket/x", "store:kept", "api://eu-west-1"]
    assert notebooks.source_value(given) == [
        str(tmp_path / "logs"),
        "s3://bucket/x",
        f"store:{tmp_path / 'kept'}",
        given[3],
    ]
    assert notebooks.source_value(["s3://b"]) == "s3://b"


def test_copies_are_made_once_and_edited_ones_stay(tmp_path):
    first = dict(notebooks.copy_all(tmp_path, {"source": "/a"}))
    assert set(first.values()) == {"new"}
    assert parameters_of(tmp_path / "02_volumes.ipynb") == {"source": "'/a'"}
    assert set(dict(notebooks.copy_all(tmp_path, {"source": "/a"})).values()) == {"unchanged"}

    edited = tmp_path / "02_volumes.ipynb"
    mine = edited.read_text().replace("# Volumes", "# My volumes")
    edited.write_text(mine)
    again = dict(notebooks.copy_all(tmp_path, {"source": "/a"}))
    assert again["02_volumes.ipynb"] == "kept as you edited it"
    other = dict(notebooks.copy_all(tmp_path, {"source": "/b"}))
    assert other["02_volumes-2.ipynb"] == "new, beside the one you edited"
    assert other["05_stuck_tasks.ipynb"] == "filled anew"
    assert edited.read_text() == mine
    assert parameters_of(tmp_path / "02_volumes-2.ipynb") == {"source": "'/b'"}
    assert parameters_of(tmp_path / "05_stuck_tasks.ipynb") == {"source": "'/b'"}


def test_a_file_of_somebody_else_is_never_overwritten(tmp_path):
    (tmp_path / "02_volumes.ipynb").write_text("mine")
    (tmp_path / ".ecs-trail-lab.json").write_text("[]")
    done = dict(notebooks.copy_all(tmp_path, {"source": "/a"}))
    assert (tmp_path / "02_volumes.ipynb").read_text() == "mine"
    assert "02_volumes-2.ipynb" in done


def test_lab_without_a_source_brings_its_own_logs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["lab", "--copy-only"]) == 0
    assert (tmp_path / "ecs-trail-lab" / "sample_logs" / "AWSLogs").is_dir()
    assert parameters_of(tmp_path / "ecs-trail-lab" / "01_first_look.ipynb") == {"source": "'sample_logs'"}
    assert "01_first_look.ipynb: new" in capsys.readouterr().err


def test_list_names_every_notebook(capsys):
    assert run(["notebook", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [path.stem for path in notebooks.paths()]


@pytest.mark.slow
def test_a_notebook_is_run_into_a_page_that_asks_nobody(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["notebook", "run", "stuck_tasks", "--source", str(SAMPLE), "--output", "out.html"]) == 0
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "4 tasks hang in DEPROVISIONING" in page
    assert "Timeline of 67 lanes" in page
    for remote in (
        'src="http',
        "src='http",
        'href="http',
        '"https://cdn',
        "import 'http",
        'from "http',
        "@import url(http",
    ):
        assert remote not in page
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["05", "--source", "nowhere", "--output", "a.html"],
            "stopped at cell 'investigate': UsageError: there is no file",
        ),
        (["05", "--source", "x", "--output", "a.txt"], "neither with .ipynb nor with .html"),
        (["05", "--source", "x", "--output", "a.html", "-p", "depth=2"], "no parameter 'depth'"),
        (["05", "--source", "x", "--output", "a.html", "-p", "depth"], "write NAME=VALUE"),
        (["99", "--source", "x", "--output", "a.html"], "no notebook of ecs-trail"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["notebook", "run", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "words"), [("nbclient", ["notebook", "run", "05", "--source", "x", "--output", "a.html"])]
)
def test_a_missing_extra_is_named(missing, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, missing, None)
    assert run(words) == MissingExtraError.exit_code
    assert "ecs-trail[notebook]" in capsys.readouterr().err


def _address(server, log):
    """Where the server says it listens."""
    for _ in range(240):
        text = log.read_text()
        assert server.poll() is None, text
        found = [
            line.split()[-1] for line in text.splitlines() if "http://127.0.0.1" in line or "http://localhost" in line
        ]
        if found:
            return found[0]
        time.sleep(0.25)
    raise AssertionError(log.read_text())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jupyterlab") is None, reason="needs jupyterlab: pip install 'ecs-trail[notebook]'")
def test_lab_serves_the_copies(tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": {"allow_root": True}}))
    folders = {"JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "run", "IPYTHONDIR": "ipython"}
    environment = os.environ | {name: str(tmp_path / one) for name, one in folders.items()}
    environment |= {"JUPYTER_TOKEN": "t", "JUPYTER_CONFIG_DIR": str(config)}
    words = [sys.executable, "-m", "ecs_trail", "lab", str(SAMPLE), "--folder", str(tmp_path / "mine"), "--no-browser"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            base = _address(server, tmp_path / "log").partition("/lab")[0]
            code = (
                f"import urllib.request as net; print(net.urlopen({base + '/api/contents?token=t'!r}).read().decode())"
            )
            asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            listed = asked.stdout
            names = {one["name"] for one in json.loads(listed)["content"]}
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)
    assert {path.name for path in notebooks.paths()} <= names
    assert parameters_of(tmp_path / "mine" / "05_stuck_tasks.ipynb") == {"source": repr(str(SAMPLE))}
