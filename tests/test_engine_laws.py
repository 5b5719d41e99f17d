"""Laws of the engine, through the public door, on practice incidents.

* How the evidence is packed, ordered, split and repeated changes no byte of the investigation.
* Less evidence never makes a wrong cause firm (`certain` or `likely`), whether records are missing at random (grants
  and changes of documents aside: `ecs_trail.accuracy.without`) or the evidence begins late.
* Every event id in the investigation can be followed to its record; causes and repairs are calls that succeeded.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from evidence_builders import COMPRESSIONS, EXACT_SHAPES, REBUILT_SHAPES
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import ecs_trail as et
from ecs_trail.accuracy import document_of, measure, unfounded
from ecs_trail.practice import incident, kinds, write
from ecs_trail.views.document import to_json

SHAPES = EXACT_SHAPES | REBUILT_SHAPES
FEW, MANY = range(1), range(8)


# --- packing ------------------------------------------------------------------------------------------------------


def judged(folder, made) -> bytes:
    """The investigation as bytes, at the moment of the answer; what it says of the files themselves left out."""
    document = et.investigate(folder, as_of=made.answer["as_of"]).document
    return to_json({name: part for name, part in document.items() if name != "evidence"})


def plain(made, folder):
    """All records in one file, oldest first."""
    folder.mkdir(parents=True)
    records = sorted(made.records, key=lambda record: (record["eventTime"], record["eventID"]))
    (folder / "all.json").write_text(json.dumps({"Records": records}), encoding="utf-8")
    for name, content in made.task_files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def packed(made, folder, dice):
    """The same records shuffled, some of them repeated, in up to six files of any shape and compression."""
    records = [*made.records, *(record for record in made.records if dice.random() < 0.2)]
    dice.shuffle(records)
    parts = [[] for _ in range(dice.randint(1, 6))]
    for record in records:
        dice.choice(parts).append(record)
    for number, part in enumerate(filter(None, parts)):
        home = folder / dice.choice(("", "a", "a/b", "zz"))
        home.mkdir(parents=True, exist_ok=True)
        text = SHAPES[dice.choice(list(SHAPES))](part).encode("utf-8")
        (home / f"{dice.choice('abc')}{number}").write_bytes(COMPRESSIONS[dice.choice(list(COMPRESSIONS))](text))
    for name, content in made.task_files.items():
        home = folder / dice.choice(("", "states", "a"))
        home.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(json.dumps(content, indent=dice.choice((None, 2))), encoding="utf-8")
    return folder


def differences(one: bytes, other: bytes) -> list[str]:
    """The lines that differ, for a message that can be read."""
    pairs = zip(one.decode().splitlines(), other.decode().splitlines(), strict=False)
    return [f"{a.strip()} != {b.strip()}" for a, b in pairs if a != b][:10]


# A smaller seed is no simpler incident, so there is nothing to shrink.
@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(kind=st.sampled_from(kinds()), seed=st.integers(0, 10**6), deal=st.integers(0, 10**6))
def test_packing_changes_no_byte(kind, seed, deal, tmp_path_factory):
    check_packing(kind, seed, deal, tmp_path_factory.mktemp("packing"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_packing_changes_no_byte_of_any_kind(kind, tmp_path):
    for seed in range(3):
        check_packing(kind, seed, seed, tmp_path / str(seed))


def check_packing(kind, seed, deal, folder):
    made = incident(kind, seed)
    wanted = judged(plain(made, folder / "plain"), made)
    got = judged(packed(made, folder / "packed", random.Random(f"{kind}/{seed}/{deal}")), made)
    assert got == wanted, (kind, seed, deal, differences(wanted, got))


def test_the_check_of_packing_can_fail(tmp_path):
    made = incident("managed_detached", 1)
    fewer = replace(made, records=[one for one in made.records if one["eventName"] != "DetachRolePolicy"])
    assert judged(plain(made, tmp_path / "all"), made) != judged(plain(fewer, tmp_path / "fewer"), made)


# --- less evidence --------------------------------------------------------------------------------------------------


def begun_late(made):
    """The incident as evidence that begins at some moment after its first event."""
    times = sorted(record["eventTime"] for record in made.records)
    start = random.Random(f"begin/{made.kind}/{made.seed}").choice(times)
    return replace(made, records=[record for record in made.records if record["eventTime"] >= start])


def told(made, shown, claims) -> list[str]:
    """Wrong claims with what was taken from the evidence, one line each."""
    names = {record["eventID"]: f"{record['eventName']} {record['eventTime']}" for record in made.records}
    shown_ids = {record["eventID"] for record in shown.records}
    missing = [name for event_id, name in names.items() if event_id not in shown_ids]
    return [
        f"{made.kind} seed {made.seed}: {subject} is said to be caused by {[names[one] for one in wrong]} "
        f"({row.get('confidence')}, {row.get('basis')}), wanted {[names[one] for one in allowed]}; missing: {missing}"
        for subject, row, wrong, allowed in claims
    ]


def wrong_claims_of_late_evidence(seeds, some) -> list[str]:
    found = []
    for kind in some:
        for seed in seeds:
            made = incident(kind, seed)
            shown = begun_late(made)
            found += told(made, shown, unfounded(document_of(shown), made.answer))
    return found


def check_withholding(seeds):
    report = measure(kinds(), seeds, withhold=0.1, workers=2)
    assert report.passed, "\n".join(map(str, report.misses))


def test_missing_records_make_no_wrong_cause_firm():
    check_withholding(FEW)


@pytest.mark.slow
def test_missing_records_make_no_wrong_cause_firm_many_times():
    check_withholding(MANY)


def test_late_evidence_makes_no_wrong_cause_firm():
    assert wrong_claims_of_late_evidence([7], kinds()[::3]) == []


@pytest.mark.slow
def test_late_evidence_makes_no_wrong_cause_firm_many_times():
    assert wrong_claims_of_late_evidence(range(3), kinds()) == []


def test_the_check_of_claims_can_fail():
    made = incident("managed_detached", 3)
    document = document_of(made)
    innocent = {**made.answer, "tasks": {arn: {**r, "cause_event_ids": []} for arn, r in made.answer["tasks"].items()}}
    assert unfounded(document, made.answer) == []
    claims = unfounded(document, innocent)
    assert {row["task_arn"] for _, row, _, _ in claims} == {
        arn for arn, row in made.answer["tasks"].items() if row["cause_event_ids"]
    }
    assert "DetachRolePolicy" in told(made, made, claims)[0]


# --- ids --------------------------------------------------------------------------------------------------------------


def ids_of(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every event id in a document, with the field it stands in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ids_of(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from ids_of(inner, name)
    elif isinstance(value, str) and (name == "event_id" or name.endswith("event_ids") or name == "evidence"):
        yield name, value


def untraceable(case, made) -> list[tuple[str, str, str]]:
    """Ids that lead nowhere, and causes and repairs that are no successful call."""
    records = {record["eventID"]: record for record in made.records}
    found = []
    document = {name: part for name, part in case.document.items() if name != "evidence"}
    for name, event_id in sorted(set(ids_of(document))):
        record = records.get(event_id)
        if record is None:
            found.append((name, event_id, "is no record"))
        elif record.get("errorCode") and name in {"cause_event_ids", "restore_event_ids"}:
            found.append((name, event_id, f"{record['eventName']} failed"))
        elif json.loads(case.raw(event_id, unredacted=True)) != record:
            found.append((name, event_id, "raw is another record"))
    return found


def check_ids(kind, seeds, folder):
    for seed in seeds:
        made = incident(kind, seed)
        write(made, folder / str(seed))
        case = et.investigate(folder / str(seed))
        assert len(set(ids_of(case.document))) > 3
        assert untraceable(case, made) == [], (kind, seed)


@pytest.mark.parametrize("kind", kinds())
def test_every_id_leads_to_its_record(kind, tmp_path):
    check_ids(kind, [11], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_every_id_leads_to_its_record_again(kind, tmp_path):
    check_ids(kind, range(2), tmp_path)


def test_the_check_of_ids_can_fail(tmp_path):
    made = incident("managed_detached", 2)
    write(made, tmp_path)
    case = et.investigate(tmp_path)
    causes = {event_id for name, event_id in ids_of(case.document) if name == "cause_event_ids"}
    failed = [{**r, "errorCode": "AccessDenied"} if r["eventID"] in causes else r for r in made.records]
    assert {reason for _, _, reason in untraceable(case, replace(made, records=failed))} >= {"DetachRolePolicy failed"}
    gone = [record for record in made.records if record["eventID"] not in causes]
    assert {(one, why) for _, one, why in untraceable(case, replace(made, records=gone))} == {
        (one, "is no record") for one in causes
    }
