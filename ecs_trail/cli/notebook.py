"""`ecs-trail notebook` runs a notebook without a browser; `ecs-trail lab` opens them all in JupyterLab."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from ecs_trail.cli.results import write_all
from ecs_trail.errors import MissingExtraError, UsageError

_ENDINGS: Final = (".ipynb", ".html")
_SAMPLE: Final = "sample_logs"


@click.group()
def notebook() -> None:
    """Run the notebooks that come with ecs-trail."""


@notebook.command("list")
def list_notebooks() -> None:
    """Name the notebooks and the question each answers."""
    from ecs_trail.cli import notebooks

    for path in notebooks.paths():
        first = "".join(notebooks.load(path)["cells"][0]["source"]).partition("\n")[0]
        click.echo(f"{path.stem:<26}{first.removeprefix('# ')}")


@notebook.command()
@click.argument("name", metavar="NAME")
@click.option("--source", "sources", multiple=True, required=True, metavar="SOURCE", help="What to read; repeatable.")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the result goes: .ipynb or .html.",
)
@click.option(
    "-p",
    "--parameter",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another parameter of the notebook, JSON or text; repeatable.",
)
@click.option("--timeout", type=click.IntRange(min=1), metavar="SECONDS", help="The longest a cell may take.")
@click.option("--quiet", is_flag=True, help="Say nothing on stderr.")
def run(
    name: str, sources: tuple[str, ...], output: Path, *, given: tuple[str, ...], timeout: int | None, quiet: bool
) -> None:
    """Run a notebook on a source, headless.

    NAME is a notebook (05_stuck_tasks), its number (05), or its words (stuck_tasks). It runs in this folder, so files
    that it writes lie here.
    """
    from ecs_trail.cli import notebooks
    from ecs_trail.views.whole_files import write_atomically

    if output.suffix not in _ENDINGS:
        raise UsageError(f"'{output}' ends neither with .ipynb nor with .html.", hint="name the file that way.")
    path = notebooks.find(name)
    values = {"source": notebooks.source_value(sources)} | dict(_parameter(one) for one in given)
    ready = notebooks.filled(notebooks.load(path), values)
    if not quiet:
        click.echo(f"ecs-trail: running {path.stem} …", err=True)
    ran = notebooks.execute(ready, cwd=Path.cwd(), timeout=timeout)
    data = notebooks.to_bytes(ran) if output.suffix == ".ipynb" else notebooks.as_html(ran, path.stem).encode("utf-8")
    write_atomically(output, lambda stream: write_all(stream, data))


def _parameter(text: str) -> tuple[str, Any]:
    name, mark, value = text.partition("=")
    if not mark or not name.strip().isidentifier():
        raise UsageError(f"'{text}' is no parameter.", hint="write NAME=VALUE.")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("ecs-trail-lab"),
    show_default=True,
    metavar="DIR",
    help="Where the copies go.",
)
@click.option("--no-browser", is_flag=True, help="Start the server and print its address.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Port of the server.")
@click.option("--copy-only", is_flag=True, help="Make the copies and do not start JupyterLab.")
def lab(sources: tuple[str, ...], folder: Path, *, no_browser: bool, port: int | None, copy_only: bool) -> None:
    """Open the notebooks in JupyterLab on this evidence.

    The notebooks are copied into a folder with SOURCE filled in; a copy you have edited is never overwritten. Without
    SOURCE they look at made-up logs.
    """
    from ecs_trail.cli import notebooks

    if not copy_only and find_spec("jupyterlab") is None:
        raise MissingExtraError.for_feature("ecs-trail lab", "notebook")
    values = {"source": notebooks.source_value(sources)} if sources else {"source": _SAMPLE}
    done = notebooks.copy_all(folder, values)
    if not sources:
        _sample(folder / _SAMPLE)
    for name, what in done:
        click.echo(f"{folder / name}: {what}", err=True)
    if not copy_only:
        click.get_current_context().exit(_serve(folder, no_browser=no_browser, port=port))


def _sample(target: Path) -> None:
    if not target.exists():
        from ecs_trail.practice import write_sample

        write_sample(target)


def _serve(folder: Path, *, no_browser: bool, port: int | None) -> int:
    """JupyterLab until it ends; Ctrl+C reaches it as well, and it asks back or goes by itself."""
    words = [sys.executable, "-m", "jupyter", "lab", f"--ServerApp.root_dir={folder.resolve()}"]
    words += ["--no-browser"] if no_browser else []
    words += [f"--port={port}"] if port else []
    import subprocess

    with subprocess.Popen(words) as server:  # noqa: S603 - our own words, no shell
        while True:
            try:
                return server.wait()
            except KeyboardInterrupt:
                continue
