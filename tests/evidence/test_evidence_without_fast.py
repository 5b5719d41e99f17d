"""Without the packages of the extra `fast` the standard library gives the same answer, only slower."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

from evidence_builders import assume_role, denied, dump, record

_READ = """
import json, sys
from pathlib import Path
if sys.argv[2] == "without":
    sys.modules["isal"] = None  # what an import finds where the package is not there
from ecs_trail.evidence import compression
from ecs_trail.evidence.sources.base import scan
from ecs_trail.evidence.sources.files import FilesSource
from ecs_trail.selection import default_selection
evidence = scan([FilesSource(Path(sys.argv[1]))], default_selection())
receipt = evidence.receipt
print(json.dumps([compression._inflate.__name__, evidence.events.column("raw").to_pylist(), receipt.records_read,
                  receipt.files_read, receipt.files_failed, [str(one) for one in receipt.problems]]))
"""


def read(folder: Path, how: str) -> list[object]:
    words = [sys.executable, "-c", _READ, str(folder), how]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: list[object] = json.loads(done.stdout)
    return found


def test_the_standard_library_gives_the_same(tmp_path: Path) -> None:
    text = dump({"Records": [record(1), assume_role(2), denied(3)] * 40}).encode()
    packed = gzip.compress(text)
    (tmp_path / "a.json.gz").write_bytes(packed)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text[:9000]) + gzip.compress(text[9000:]))
    (tmp_path / "c.json.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "d.json.gz").write_bytes(packed[:-6] + b"damage")
    with_isal, without = read(tmp_path, "with"), read(tmp_path, "without")
    assert without[0] == "zlib"
    assert with_isal[0] == "isal.isal_zlib"
    assert with_isal[1:] == without[1:]
    assert without[2:4] != [0, 0]
