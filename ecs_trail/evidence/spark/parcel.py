"""This package as an archive that Spark hands to its executors, so that they run the very code of the driver.

What the package depends on has compiled parts and cannot be sent so; executors have it installed. The compiled walk
goes along where this machine has one: executors unpack it, and those of another kind of machine read without it.
"""

import atexit
import hashlib
import py_compile
import shutil
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, Final

from ecs_trail.evidence.walk import LIBRARY, walker

_DATE: Final = (1980, 1, 1, 0, 0, 0)
#: What executors run stands in these; the rest of the package is imported by none of it.
_LEFT_OUT: Final = ("analysis", "case", "cli", "notebooks", "practice", "views")


def add_package(spark: Any) -> None:
    """Send this package to the executors of a session, once for each content."""
    spark.addArtifacts(str(_parcel()), pyfile=True)


@cache
def _parcel() -> Path:
    """The archive; it stays as long as this process, as every executor fetches it when its first task starts."""
    folder = tempfile.mkdtemp(prefix="ecs-trail-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return write_parcel(Path(folder))


def write_parcel(folder: Path) -> Path:
    """The archive, named after its content; the same bytes for the same package. Raises `OSError`."""
    root = Path(__file__).parents[2]
    modules = [
        path
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).parts[0] not in _LEFT_OUT and path.parent.name != "__pycache__"
    ]
    library = root / "evidence" / "walk" / LIBRARY
    others = [library] if walker() is not None and library.is_file() else []
    digest = hashlib.sha256()
    for path in (*modules, *others):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    made = folder / f"ecs_trail_{digest.hexdigest()[:16]}.zip"
    with zipfile.ZipFile(made, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        for path in modules:
            name = f"{root.name}/{path.relative_to(root).as_posix()}"
            # compiled as well: an executor starts Python for every slot
            compiled = folder / "compiled.pyc"
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(path), cfile=str(compiled), dfile=name, doraise=True, invalidation_mode=mode)
            for member, data in ((name, path.read_bytes()), (f"{name}c", compiled.read_bytes())):
                archive.writestr(zipfile.ZipInfo(member, _DATE), data, zipfile.ZIP_DEFLATED)
        for path in others:
            name = f"{root.name}/{path.relative_to(root).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name, _DATE), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made
