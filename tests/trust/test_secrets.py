"""Known secrets, planted in every field a record has: none is in any output, unless it was asked for."""

import contextlib
import io
import itertools
import json
import stat
import subprocess
import sys
import zlib

import pandas as pd
import pytest
from planted import behind, paths, put, texts_of, written

import ecs_trail as et
from ecs_trail.case.tables import SPECS
from ecs_trail.cli.main import run
from ecs_trail.views.secret_frames import scrub_frame
from ecs_trail.views.secrets import REMOVED, scrub, scrub_text, scrub_value
from ecs_trail.views.writers import KINDS

MARK = "Zq7planted"  # stands in each secret, so that one search finds what leaked
TOKEN = f"IQoJb3JpZ2luX2VjE{MARK}+token/value=="
SECRET_KEY = f"wJalr{MARK}K7MDENGbPxRfiCYEXAMPLEKEYxy"[:40].ljust(40, "x")
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{MARK}AAAA\n-----END RSA PRIVATE KEY-----"
#: What has the form of a secret in running text.
FORMS = {
    "token": f"token {TOKEN}",
    "pair": f"AKIAIOSFODNN7EXAMPLE/{SECRET_KEY}",
    "private key": PEM,
    "bearer": f"Authorization: Bearer {MARK}.abcdefgh",
    "basic": f"authorization: Basic {MARK}dXNlcjpw",
    "signed": f"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature={MARK}0af",
    "url": f"https://b.s3.amazonaws.com/k?X-Amz-Security-Token={MARK}tok&x=1",
    "password": f"DB_PASSWORD={MARK}",
    "in a URL": f"postgres://admin:{MARK}@db/x",
    "json": f'{{"secretString":"{MARK}"}}',
    "encoded": f"Encoded authorization failure message: {MARK}{'aB3' * 30}",
    "header": f'{{"Authorization": "{MARK}"}}',
}
#: What is a secret by the name it stands under, in requests and responses.
NAMED = {
    "credentials": {"accessKeyId": "ASIAIOSFODNN7EXAMPLE", "secretAccessKey": MARK, "sessionToken": MARK},
    "secretString": MARK,
    "SecretBinary": MARK,
    "keyPair": {"privateKey": MARK, "keyMaterial": MARK},
    "authorizationData": [{"authorizationToken": MARK}],
    "encodedMessage": MARK,
    "masterUserPassword": MARK,
    "headers": {"Authorization": MARK, "X-Amz-Security-Token": MARK},
    "overrides": {
        "containerOverrides": [
            {
                "name": "app",
                "environment": [
                    {"name": "DB_PASSWORD", "value": MARK},
                    {"name": "GITHUB_TOKEN", "value": MARK},
                    {"name": "AWS_SECRET_ACCESS_KEY", "value": MARK},
                ],
                "command": ["--password", "x", f"--api-key={MARK}"],
            }
        ]
    },
    "inside": json.dumps({"credentials": {"sessionToken": MARK}, "text": json.dumps({"password": MARK})}),
}
#: Where no AWS call is made and nothing is served: each command that reads evidence, as it is typed.
COMMANDS = {
    "investigate": ("investigate", "{e}"),
    "investigate json": ("investigate", "{e}", "--format", "json"),
    **{
        f"events {kind}{' raw' * raw}": ("events", "{e}", "--format", kind, *(("--raw",) * raw))
        for kind in ("table", "csv", "json", "jsonl", "parquet")
        for raw in (0, 1)
    },
    **{
        f"timeline {which}": ("timeline", which, "{e}", "--format", "jsonl")
        for which in ("volumes", "tls", "roles", "tasks", "leaks")
    },
    "guard": ("guard", "{e}", "--role", "{role}"),
    "plan": ("plan", "{e}"),
    "role": ("role", "check", "{e}", "--role", "{role}"),
    **{f"report {kind}": ("report", "{e}", "--output", "{out}/report" + kind) for kind in KINDS},
    **{
        f"folder {kind}": ("report", "{e}", "--format", kind, "--output", "{out}/folder") for kind in ("csv", "parquet")
    },
}


def leaky(record):
    """A record with a secret in every column of the schema and in every text of its request and response."""
    forms = itertools.cycle(FORMS.values())
    for _ in range(zlib.crc32(record["eventID"].encode()) % len(FORMS)):
        next(forms)
    named = dict(NAMED)
    for name in ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"):
        held = record.get(name)
        if held is not None or name != "responseElements":
            record[name] = {**behind(held or {}, lambda _: next(forms)), **named}
    for path in paths().values():
        if path[-1] in {"userAgent", "errorMessage", "sourceIPAddress", "requestID"}:
            put(record, path, next(forms))
    record["tlsDetails"] = {"clientProvidedHostHeader": next(forms)}
    return record


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return written(tmp_path_factory.mktemp("leaky"), leaky)


@pytest.fixture(scope="module")
def case(evidence):
    return et.investigate(evidence)


def leaks(data: bytes | str) -> list[str]:
    """Where the mark stands, with what is around it."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
    found = []
    for text in texts_of(raw):
        at = text.find(MARK)
        if at >= 0:
            found.append(text[max(at - 120, 0) : at + 40])
    return found


def test_the_evidence_is_full_of_secrets(case):
    """The plants are really there: every form and every name, so that the tests below search for something."""
    whole = "\n".join(case.raw(one, unredacted=True) for one in case.events["event_id"])
    for form in FORMS.values():
        assert json.dumps(form)[1:-1] in whole, form
    for name in ("secretAccessKey", "secretString", "DB_PASSWORD", "encodedMessage", "privateKey"):
        assert f'"{name}"' in whole


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_gives_a_secret_away(name, evidence, case, tmp_path, capsysbinary):
    values = {"e": str(evidence), "out": str(tmp_path), "role": case.roles["role_arn"].iloc[0]}
    code = run([word.format(**values) for word in COMMANDS[name]])
    said = capsysbinary.readouterr()
    assert code in {0, 1}, said.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert said.out or files or name in {"timeline tls", "timeline leaks"}  # this incident has none
    assert not leaks(said.out)
    assert not leaks(said.err)
    for file in files:
        assert not leaks(file.read_bytes()), file.name
        assert not leaks(file.name)


def test_the_pdf_holds_no_secret_in_its_text(case, tmp_path):
    """A PDF's streams are compressed: unpacked, with the page it is made of, they hold none either."""
    data = case.report(tmp_path / "report.pdf").read_bytes()
    for piece in data.split(b"stream")[1::2]:
        with contextlib.suppress(zlib.error):
            assert not leaks(zlib.decompress(piece.strip(b"\r\n")))


@pytest.mark.parametrize("name", [*SPECS, "losses", "role_changes", "role_uses"])
def test_no_frame_of_a_case_holds_a_secret(name, case):
    frame = case.frame(name)
    assert not leaks(json.dumps(frame.to_dict("list"), default=str))
    assert not leaks(frame.to_html())


def test_notebook_views_show_no_secret(case):
    widget = case.timeline()
    state = {key: value for key, value in widget.get_state().items() if not key.startswith("_esm")}
    shown = [repr(case), case._repr_html_(), str(case.document), str(state), repr(widget), str(case.figure().to_dict())]
    shown += [case.explain(arn) for arn in case.tasks["task_arn"]]
    shown += [zlib.decompress(widget._data).decode("utf-8", "replace")] if widget._data[:1] == b"x" else []
    shown += [str(case.sql("select * from events"))]
    for text in shown:
        assert not leaks(text)
    said = []
    widget.send = lambda content, buffers=None: said.append(content)
    for place in range(len(case.events)):
        widget._answer(widget, {"ask": "raw", "event": place, "id": place}, [])
        widget._answer(widget, {"ask": "evidence", "lane": None, "span": None, "event": place, "id": place}, [])
    assert said
    assert not leaks(str(said))


def test_a_record_is_shown_without_and_given_with_its_secrets(case, evidence):
    for event_id in case.events["event_id"]:
        assert not leaks(case.raw(event_id))
        assert leaks(case.raw(event_id, unredacted=True))
        assert json.loads(case.raw(event_id))["eventID"] == event_id
    assert not leaks(json.dumps(et.read(evidence).to_dict("list"), default=str))
    assert leaks(json.dumps(et.read(evidence, unredacted=True).to_dict("list"), default=str))


def test_unredacted_leaves_them(evidence, capsysbinary):
    """Only on request, by name: the same command then shows what it found."""
    assert run(["events", str(evidence), "--format", "jsonl", "--raw", "--unredacted"]) == 0
    assert leaks(capsysbinary.readouterr().out)


@pytest.mark.parametrize("kind", [".html", ".timesketch.jsonl", ".xlsx", ".json", "csv", "parquet"])
def test_every_view_follows_the_same_switch(kind, evidence, tmp_path):
    """What is taken out of a report is in it where it was asked for, whatever the kind: one rule, kept in the case."""
    words = ["--output", f"{tmp_path}/x{kind}"] if kind[:1] == "." else ["--output", f"{tmp_path}/x/", "--format", kind]
    for switch, is_there in (([], False), (["--unredacted"], True)):
        assert run(["report", str(evidence), *words, *switch]) == 0
        found = [leaks(path.read_bytes()) for path in tmp_path.rglob("*") if path.is_file()]
        assert found
        assert any(found) == is_there, switch


def test_the_timeline_panel_follows_it_too(evidence, case):
    for made, is_there in ((case, False), (et.investigate(evidence, unredacted=True), True)):
        widget, said = made.timeline(), []
        widget.send = lambda content, buffers=None, said=said: said.append(content)
        for place in range(len(made.events)):
            widget._answer(widget, {"ask": "raw", "event": place, "number": 1}, [])
        assert bool(leaks(str(said))) == is_there


def test_the_answer_is_the_same_without_them(case, evidence):
    """Taking secrets out changes no judgement."""
    whole = et.investigate(evidence, unredacted=True).document
    mine = case.document
    for section in ("tasks", "outages", "volumes", "tls", "findings"):
        kept = ("state", "id", "kind", "severity", "cause_event_ids", "task_arn", "volume_id", "start", "end", "basis")
        for one, other in zip(mine[section], whole[section], strict=True):
            assert {k: one[k] for k in kept if k in one} == {k: other[k] for k in kept if k in other}


def test_problems_and_errors_name_no_secret(tmp_path, capsysbinary):
    """A file whose name and bytes are secrets is named as a problem, on stderr and in the answer, without them."""
    broken = tmp_path / f"DB_PASSWORD={MARK}.json"
    broken.write_text(f'{{"Records":[{{"eventName":"x","sessionToken":"{TOKEN}"', encoding="utf-8")
    assert run(["investigate", str(tmp_path), "--format", "json"]) == 3
    said = capsysbinary.readouterr()
    assert not leaks(said.out)
    assert not leaks(said.err)
    assert run(["investigate", f"{tmp_path}/password={MARK}-is-not-there"]) == 2
    assert not leaks(capsysbinary.readouterr().err)


def test_a_mistake_of_ours_names_no_secret(evidence, capsys, monkeypatch):
    """The sentence for an unexpected error carries the error's own words, and these may carry a value."""
    monkeypatch.delenv("ECS_TRAIL_DEBUG", raising=False)

    def fails(*_args, **_options):
        raise ValueError(f"bad value {PEM} password={MARK}")

    monkeypatch.setattr("ecs_trail.doors.investigate", fails)
    assert run(["investigate", str(evidence)]) == 2
    assert not leaks(capsys.readouterr().err)


def test_the_store_keeps_them_and_keeps_them_private(evidence, tmp_path, capsysbinary):
    """The evidence is exact in the store, and the store is its owner's alone."""
    code = "import sys; from ecs_trail.cli.main import run; sys.exit(run(sys.argv[1:]))"
    words = [sys.executable, "-c", f"import os; os.umask(0); {code}", "collect", str(evidence)]
    subprocess.run([*words, "--store", str(tmp_path / "kept")], check=True, capture_output=True)
    for path in [tmp_path / "kept", *(tmp_path / "kept").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    again = et.investigate(et.Store(tmp_path / "kept"))
    first = again.events["event_id"].iloc[0]
    assert leaks(again.raw(first, unredacted=True))
    assert not leaks(again.raw(first))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_known_wherever_it_stands(form):
    text = FORMS[form]
    shapes = (text, f"x {text} y", json.dumps({"a": text}), json.dumps({"a": json.dumps([text])}), f"é{text}\u202e")
    for shape in shapes:
        assert not leaks(scrub(shape)), shape
        assert REMOVED in scrub(shape)
    assert not leaks(scrub_text(text))
    frame = pd.DataFrame({"a": [text, None, "x"], "b": [[text], [], ["y"]], "c": [1, 2, 3]})
    assert not leaks(str(scrub_frame(frame).to_dict("list")))
    assert frame["a"].iloc[0] == text


@pytest.mark.parametrize("name", NAMED)
def test_each_name_is_known_at_any_depth(name):
    value = {"a": [{name: NAMED[name]}]}
    assert not leaks(json.dumps(scrub_value(value)))
    assert not leaks(scrub(json.dumps(value, indent=2)))
    assert not leaks(scrub(json.dumps({"x": json.dumps(value)})))


@pytest.mark.parametrize(
    "text",
    [
        '{"clientToken": "abc", "nextToken": null, "secretArn": "arn:aws:secretsmanager:eu-west-1:1:secret:a-b"}',
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:api-key:json-key::",
        '{"Action":["secretsmanager:GetSecretValue","iam:CreateAccessKey"],  "Resource":"*"}',
        "User: arn:aws:sts::1:assumed-role/tokens/secret is not authorized to perform: sts:GetSessionToken on x",
        '{"passwordLastUsed": "2026-03-02", "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}',
        '{"credentials": null, "sessionToken": null, "password": ""}',
        '{"a":1.50,"b":"\\u00e9 secret token password"}',
        "https://docs.aws.amazon.com:443/a@b",
        "",
    ],
)
def test_what_is_no_secret_comes_back_byte_for_byte(text):
    assert scrub(text) == text


def test_a_planted_leak_is_found():
    """The search can fail: an archive, a table and an escaped page that hold the mark are all seen."""
    stream = io.BytesIO()
    pd.DataFrame({"a": [MARK]}).to_parquet(stream)
    assert leaks(stream.getvalue())
    assert leaks(json.dumps({"a": TOKEN}))
