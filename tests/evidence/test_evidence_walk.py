"""The compiled walk, the typed decoding and the full road over files one step off plain CloudTrail: one answer.

The walk is built here from its source, so that these tests do not hang on how this copy was installed.
"""

import ctypes
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from evidence_builders import SESSION, dump, record
from roads import Roads, compare, compare_in_bulk
from walk_builds import LIBRARY, SIMPLE, SOURCE, Fault, build

from ecs_trail.evidence import walk
from ecs_trail.evidence.sieve import sieve_of


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    found = walk.load(build(tmp_path_factory.mktemp("whole"), SOURCE / "walk.c", SIMPLE))
    assert found is not None
    return found


def test_the_walk_takes_nothing_that_others_read_otherwise(library: ctypes.CDLL) -> None:
    counts = compare(library, 1500, seed=1)
    assert 200 < counts["walked"] < counts["decoded"] < 900  # no road is idle


@pytest.mark.slow
def test_very_many_files_one_step_off(tmp_path: Path) -> None:
    installed = walk.load(build(tmp_path, SOURCE / "walk.c", LIBRARY))  # as it is inlined there, or nearly so
    counts = compare(installed, 12_000, seed=2)
    assert counts["records"] > 80_000


def test_a_store_is_the_same_on_all_roads(library: ctypes.CDLL) -> None:
    counts = compare_in_bulk(library, 150, seed=1)
    assert 50 < counts["taken"] <= counts["walked"]
    assert counts["taken"] < counts["decoded"]  # neither road is idle


@pytest.mark.slow
def test_very_many_stores_are_the_same_on_all_roads(library: ctypes.CDLL) -> None:
    assert compare_in_bulk(library, 500, seed=2)["taken"] > 400


def test_a_walk_for_machines_without_vectors_takes_the_same(tmp_path: Path, library: ctypes.CDLL) -> None:
    plain = walk.load(build(tmp_path, SOURCE / "walk.c", (*SIMPLE, "-U__SSE2__")))
    assert compare(plain, 500, seed=1) == compare(library, 500, seed=1)
    assert compare_in_bulk(plain, 100, seed=1) == compare_in_bulk(library, 100, seed=1)


def test_without_a_walk_the_typed_decoding_takes_the_same() -> None:
    counts = compare(None, 500, seed=3)
    assert not counts["walked"]
    assert counts["decoded"] > 100


def test_values_forgotten_after_every_text_are_numbered_anew(
    library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "_KEPT", -1)
    assert compare(library, 500, seed=1)["walked"] > 60


def is_found(fault: Fault, folder: Path, check: Callable[[ctypes.CDLL], object]) -> None:
    """A check of the walk fails for one with this fault."""
    faulty = walk.load(build(folder, SOURCE / "walk.c", SIMPLE, [fault]))
    assert faulty is not None
    with pytest.raises((AssertionError, ValueError, msgspec.MsgspecError)):
        check(faulty)


PLANTED = {
    "a field twice": Fault("walk.c", "(field != OTHER && known & 1u << field)", "0"),
    "a control character": Fault("json.h", "0x1f", "0x08"),
    "a day that no month has": Fault("fields.h", "day > days[month - 1] + (month == 2 ? leap : 0)", "0"),
    "a time before the first": Fault("walk.c", "if (time < times->first)", "if (0)"),
    "half a pair of surrogates": Fault("json.h", "(p[2] == 'd' || p[2] == 'D') && p[3] >= '8'", "0"),
    "a session asked for is missed": Fault("walk.c", "(uint32_t)(session + 1);", "0;"),
    "a home of the text before": Fault("walk.c", "if (homes->seen_count != before)", "if (!times->first)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_fault_is_found(plant: str, tmp_path: Path) -> None:
    is_found(PLANTED[plant], tmp_path, lambda faulty: compare(faulty, 4000, seed=9))


PLANTED_IN_BULK = {
    "a field of another name": Fault("fields.h", "? MESSAGE : OTHER", "? SHARED : OTHER"),
    "a leap year": Fault("fields.h", "(is_leap && month > 2)", "(is_leap && month > 3)"),
    "a century": Fault("fields.h", "- past / 100 + past / 400", "- past / 100"),
    "no value spelled out": Fault("parts.h", '!memcmp(part->at, "null", 4)', "0"),
    "a part that is a text": Fault("parts.h", "part->at[1] == '{' || part->at[1] == '['", "part->at[1] == '{'"),
    "a blank behind a backslash": Fault("parts.h", "else if (*p == '\\\\')", "else if (0)"),
    "a blank that is not looked for": Fault("parts.h", "*p == '\\r' || *p == '\\t'", "*p == '\\r'"),
    "a credential in capitals": Fault("parts.h", "c >= 'A' && c <= 'Z' ? c | 0x20 : c", "c"),
    "an escape that spells a credential": Fault("parts.h", "(p[0] == '\\\\' && p[1] == 'u') || ", ""),
    "the end of a credential": Fault("parts.h", '"sessiontoken", 9', '"sessiontokens", 9'),
    "details of TLS": Fault("walk.c", "!is_nothing(&fields[TLS])", "!!fields[TLS].length"),
    "an escape in a column": Fault("walk.c", "is_marked = one->is_escaped", "is_marked = 0"),
    "where a call came from": Fault("fields.h", "ORIGIN = AGENT + 1 - ADDRESS", "ORIGIN = AGENT - ADDRESS"),
    "an answer to another question": Fault("fields.h", '"readOnly") ? READ_ONLY', '"readOnly") ? MANAGEMENT'),
}


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTED_IN_BULK)
def test_a_fault_planted_in_columns_is_found(plant: str, tmp_path: Path) -> None:
    fault = PLANTED_IN_BULK[plant]
    is_found(fault, tmp_path, lambda faulty: compare_in_bulk(faulty, 1500, seed=9, is_decoded=False))


def text_of(*names: str) -> bytes:
    return dump({"Records": [record(number, eventName=name) for number, name in enumerate(names)]}).encode()


_CALLER = (
    b'"userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEEXAMPLE000:x","accountId":"111122223333",'
    b'"accessKeyId":"ASIAEXAMPLE","sessionContext":{"attributes":{}},"arn":"arn:aws:sts::1:assumed-role/r/@"},'
)


def with_member(member: bytes) -> bytes:
    """A text of one record that has this member too, or this caller."""
    text = text_of("A")
    if not member.startswith(b'"userIdentity"'):
        return text.replace(b'{"event', b"{" + member + b',"event', 1)
    begin = text.index(b'"userIdentity"')
    return text[:begin] + member + text[text.index(b'"eventTime"') :]


#: Texts of which the second would be read otherwise, had the first left behind what it must not.
LEFT_BEHIND = {
    "a caller of the same first bytes": (_CALLER, _CALLER.replace(b"@", SESSION.encode())),
    "another caller": (_CALLER.replace(b"0:x", b"0:y"), _CALLER.replace(b"@", SESSION.encode())),
    "a caller that is no UTF-8": (_CALLER.replace(b"@", b"\xff"),) * 2,
    "a name that is no UTF-8": (b'"a\xff":1',) * 2,
    "a name inside that is no UTF-8": (b'"a":{"a\xff":1}',) * 2,
    "a name with an escape": (b'"event\\u0049D":"x"', b'"eventID":"x"'),
    "a name that is the beginning of another": (b'"abcdefghijklmnop":1', b'"abcdefgh":1'),
    "a name that ends otherwise": (b'"abcdefghijklmnopq":1', b'"abcdefghijklmnopr":1'),
    "a name with a blank behind it": (b'"ab" :1',) * 2,
    "many names in one place": (b'"a":[' + b",".join(b'{"a%d":1}' % one for one in range(2000)) + b"]", b'"eventID":1'),
    "a long name": (b'"' + b"a" * 40 + b'":1', b'"' + b"a" * 40 + b'":{}'),
}


def leaves_nothing_behind(library: ctypes.CDLL) -> None:
    for first, second in LEFT_BEHIND.values():
        roads = Roads(library)
        fresh = [Roads(library).compare(with_member(one), 0) for one in (first, second)]
        for _ in range(2):
            assert [roads.compare(with_member(one), 0) for one in (first, second)] == fresh, (first, second)


def test_what_a_text_leaves_behind_changes_no_answer(library: ctypes.CDLL) -> None:
    leaves_nothing_behind(library)


PLANTED_MEMORY = {
    "a caller known by half its text": Fault("callers.h", "p, one->text, one->length)", "p, one->text, 99)"),
    "a caller of a text before": Fault("walk.c", "*by = known->number;", "*by = 0;"),
    "a caller that is no UTF-8 is kept": Fault("walk.c", "if (!text->has_high)\n        keep", "keep"),
    "a name known by its beginning": Fault("shapes.h", "shape->bytes & ~(low", "shape->bytes & 0xff & ~(low"),
    "a name that is no UTF-8 is kept": Fault("json.h", "&& !text->has_high", ""),
    "blanks before a colon are forgotten": Fault("json.h", "after == colon &&", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize("plant", PLANTED_MEMORY)
def test_a_fault_planted_in_what_is_remembered_is_found(plant: str, tmp_path: Path) -> None:
    is_found(PLANTED_MEMORY[plant], tmp_path, leaves_nothing_behind)


def test_an_escape_beside_a_byte_that_is_no_utf8_ends_no_scan(library: ctypes.CDLL) -> None:
    roads = Roads(library)
    assert roads.compare(text_of("A").replace(b'"A"', b'"\\n\xff"'), 2) == (False, False)
    assert roads.compare(text_of("B", "A"), 2) == (True, True)


def interrupted(*given: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["walk._fields", "sieve.Numbers.learn", "sieve.Numbers", "walk.Walker.forget"])
def test_a_walk_broken_off_is_begun_anew(place: str, library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the values of the next text would be taken for those that are missing."""
    roads = Roads(library)
    assert roads.compare(text_of("A", "B"), 2) == (True, True)
    with monkeypatch.context() as short:
        short.setattr(f"ecs_trail.evidence.{place}", interrupted)
        if place in ("sieve.Numbers", "walk.Walker.forget"):
            short.setattr(walk, "_KEPT", -1)  # so all is to be forgotten first
        with pytest.raises(KeyboardInterrupt):
            roads.compare(text_of("C", "D"), 2)
    elsewhere = text_of("E", "A").replace(b"eu-west-1", b"us-east-1")
    assert roads.compare(elsewhere, 2) == (True, True)
    walking = roads.walking[2]._walker
    assert walking is not None
    assert [kind[3] for kind in walking.kinds] == ["E", "A"]


def test_texts_that_are_all_refused_fill_no_memory(library: ctypes.CDLL) -> None:
    walking = walk.Walker(library)
    for number in range(100):
        text = dump([record(one, eventName=f"{number}/{one}") for one in range(100)]).encode()
        assert walking.walk(text[:-1]) is None
        if walking.is_full:
            break
    assert 40 < number < 99


def test_a_part_of_bytes_is_walked_like_bytes(library: ctypes.CDLL) -> None:
    walking = walk.Walker(library)
    text = text_of("A", "B")
    whole, part = walking.walk(text), walking.walk(memoryview(b"[{" + text + b"}")[2:-1])
    assert whole is not None
    assert whole == part
    assert walking.walk(b"") is walking.walk(memoryview(b"")) is walking.walk(memoryview(text)[:0]) is None


@pytest.mark.parametrize("length", [2**31, 2**32, 2**32 + 2, 2**63, 2**64 - 1])
def test_a_text_too_long_for_its_numbers_is_not_looked_at(library: ctypes.CDLL, length: int) -> None:
    walking = walk.Walker(library)
    assert library.walk_text(walking._walk, b"[]", length, ctypes.byref(walking._report)) == -1


def test_threads_walk_by_themselves(library: ctypes.CDLL) -> None:
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: compare(library, 100, seed=4), range(4)))
    assert all(counts == found[0] for counts in found)


def test_no_thread_has_the_sieve_of_another() -> None:
    """Not even that of the empty probe, which every thread begins with."""
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(sieve_of, ()).result() is not sieve_of(())


_EXIT = """
import sys, threading
from pathlib import Path
from ecs_trail.evidence import walk
library = walk.load(Path(sys.argv[1]))
text = sys.stdin.buffer.read()
walking = walk.Walker(library)
text = b"[" + b",".join(text.replace(b"@", b"%d" % number) for number in range(20_000)) + b"]"
threading.Thread(target=lambda: [(walking.walk(text), walking.forget()) for _ in range(1000)], daemon=True).start()
"""


def test_a_thread_may_walk_while_the_interpreter_ends(tmp_path: Path) -> None:
    made = build(tmp_path, SOURCE / "walk.c", SIMPLE)
    text = dump(record(1, eventName="@")).encode()
    assert subprocess.run([sys.executable, "-c", _EXIT, str(made)], input=text, check=False).returncode == 0
