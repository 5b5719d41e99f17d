"""The compiled walk under sanitizers: no byte outside the text, and the answer of a fresh walk whatever came before."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from evidence_builders import EXACT_SHAPES, assume_role, denied, dump, record
from walk_builds import SANITIZED, Fault, build

from ecs_trail.evidence.compression import expand

HERE = Path(__file__).parent
HARNESS = HERE / "walk_harness.c"
LOGS = HERE.parents[1] / "sample_logs"
LONG = ("userAgent", "requestID", "sourceIPAddress", "resources", "responseElements")


def crowd(count: int) -> bytes:
    """Records with more different values than tables have room for when they begin."""
    plain = {name: value for name, value in assume_role(1).items() if name not in (*LONG, "sharedEventID")}
    return dump(
        [
            plain
            | {"awsRegion": f"r-{number}", "userIdentity": {"arn": str(number)}, "eventTime": one["eventTime"]}
            | {"requestParameters": {"roleSessionName": str(number)}}
            for number in range(count)
            for one in (record(number),)
        ]
    ).encode()


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Texts to begin with: small ones, the corpus of what scans files, and files of the sample."""
    short = [
        {name: value for name, value in one.items() if name not in LONG}
        for one in (record(1), assume_role(2), denied(3))
    ]
    full = [record(1), assume_role(2, responseElements={"credentials": {"a b": 1}}), denied(3, readOnly=True)]
    found = [b"", b"{}", b"[]", b'{"Records":[]}', *map(crowd, (60, 100, 140))]
    for shape in ("records", "records pretty", "records non-ASCII", "list", "lines", "lines CRLF"):
        found += [EXACT_SHAPES[shape](some).encode() for some in (short, short[:1], short[1:2])]
    found.append(
        dump({**{name: value for name, value in full[1].items() if name != LONG[-1]}, LONG[-1]: {"a": 1}}).encode()
    )
    found += [EXACT_SHAPES[shape](full).encode() for shape in ("records", "records pretty", "lines")]
    for path in sorted(path for name in ("scan", "walk") for path in (HERE / "corpus" / name).iterdir()):
        found += [part.data for part in expand(path.read_bytes()[1:], "log.json")]
    found += [gzip.decompress(path.read_bytes()) for path in sorted(LOGS.rglob("*.gz"))[::20]]
    folder = tmp_path_factory.mktemp("texts")
    for number, text in enumerate(found):
        (folder / f"{number:04d}").write_bytes(text)
    return sorted(folder.iterdir())


def run(harness: Path, seed: int, rounds: int, texts: list[Path]) -> subprocess.CompletedProcess[str]:
    words = [str(harness), str(seed), str(rounds), *map(str, texts)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("-U__SSE2__",)], ids=["vectors", "bytes"])
def test_hostile_texts_under_sanitizers(flags: tuple[str, ...], tmp_path: Path, texts: list[Path]) -> None:
    done = run(build(tmp_path, HARNESS, (*SANITIZED, *flags)), 1, 250_000, texts)
    assert done.returncode == 0, done.stderr[-4000:]
    judged, taken, records, short = map(int, done.stdout.split())
    assert judged > 250_000
    assert taken > judged / 20
    assert records > taken
    assert short > 100  # memory was refused too


PLANTED = {
    "the end inside of a string": Fault("json.h", "while (end - p >= 16)", "while (end - p >= 8)"),
    "the end inside of an escape": Fault("json.h", "if (end - p < 6 ||", "if (0 ||"),
    "a field of any length": Fault("tables.h", "if (mark > LONGEST_FIELD)", "if (0)"),
    "times of the first homes only": Fault("walk.c", "&walk->times_room, homes->seen_count,", "&walk->times_room, 1,"),
    "values of the text before": Fault("tables.h", "if (entry->text != text)", "if (!entry->text)"),
    "the end inside of a pair": Fault("parts.h", "end - p > 16", "end - p > 2"),
    "pieces of other texts": Fault("walk.c", "one->at - walk->text.begin)", "one->at - walk->text.begin + 1)"),
    "more than is given": Fault("walk.c", "(size_t)(bounds[i + 1] - bounds[i])", "(size_t)bounds[i + 1]"),
    "the end inside of a name": Fault("shapes.h", "if (left >= SHAPE_ROOM)", "if (left)"),
    "the end inside of a caller": Fault("callers.h", "&& (size_t)(end - p) >= one->length", ""),
    "the end inside of what is compared first": Fault("callers.h", "if (end - p < SHORTEST_CALLER)", "if (0)"),
    "a caller as long as any": Fault("callers.h", "|| length > LONGEST_CALLER", ""),
    "a name as long as any": Fault("shapes.h", "length > SHAPE_ROOM ||", ""),
    "more names than there is room for": Fault("shapes.h", "|| shapes->count == SHAPES", ""),
    "callers numbered before all was forgotten": Fault(
        "walk.c", "memset(walk, 0, sizeof(*walk));", "memset(walk, 0, sizeof(*walk) - sizeof(walk->callers));"
    ),
    "a table that forgets what it told": Fault("walk.c", "table->told = table->filled;", "table->told = 0;"),
}


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_fault_is_found(plant: str, tmp_path: Path, texts: list[Path]) -> None:
    done = run(build(tmp_path, HARNESS, SANITIZED, [PLANTED[plant]]), 1, 500_000, texts)
    assert done.returncode == 1, done.stderr[-4000:]
    assert "text of" in done.stderr or "runtime error" in done.stderr


_HASHES = "import sys; print(sys.hash_info.algorithm, *map(hash, map(str.encode, sys.argv[1:])))"


def test_values_are_hashed_as_python_hashes(tmp_path: Path) -> None:
    """Nobody may know which values meet without knowing the seed, and no hash of our own is trusted with that."""
    words = ["a", "abcdefg", "abcdefgh", "AwsApiCall and some more", "x" * 4095]
    environment = {"PYTHONHASHSEED": "0"}  # a seed of zeros
    done = subprocess.run([sys.executable, "-c", _HASHES, *words], env=environment, capture_output=True, check=True)
    algorithm, *wanted = done.stdout.split()
    if algorithm != b"siphash13":
        pytest.skip("this Python hashes otherwise")
    built = build(tmp_path, HARNESS, ("-O1",))
    assert subprocess.run([built, "hash", *words], capture_output=True, check=True).stdout.split() == wanted
