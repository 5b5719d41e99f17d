"""Redaction: known names planted everywhere survive in no format; links, AWS's words and the shape stay."""

import copy
import io
import itertools
import zipfile

import pandas as pd
import pytest
from handouts import document, frames, texts

import ecs_trail as et
from ecs_trail.views.exports import write_frame
from ecs_trail.views.redact import redact
from ecs_trail.views.writers import WRITERS

ACCOUNT, ADDRESS, SIXTH, MAIL = "998877665544", "203.0.113.77", "2001:db8:77::beef", "mona.planted@corp.example"
ROLE, USER, CLUSTER, SERVICE, LAPTOP = "zebra-infra", "quentinplanted", "Okapi", "wombat_api", "laptop-7.corp.internal"
BUCKET, KEY = "heron-archive", "AKIAPLANTED000000001"
SECRETS = (ACCOUNT, ADDRESS, SIXTH, MAIL, ROLE, USER, CLUSTER, SERVICE, LAPTOP, BUCKET, KEY)
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/teams/{ROLE}"
FORMS = (
    ROLE_ARN,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/{MAIL}",
    f"arn:aws:iam::{ACCOUNT}:user/staff/{USER}",
    f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/{CLUSTER}/0123456789abcdef0123456789abcdef",
    f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/{CLUSTER}/{SERVICE}",
    f"arn:aws:s3:::{BUCKET}/logs",
    *(ACCOUNT, ADDRESS, SIXTH, MAIL, ROLE, USER, CLUSTER, SERVICE, KEY, LAPTOP),
    f"s3://{BUCKET}/AWSLogs/{ACCOUNT}/CloudTrail/eu-west-1/x_{USER}.json.gz",
)
PROSE = (
    f"User: {ROLE_ARN} is not authorized to perform: ec2:DeleteVolume. Role {ROLE} of {ACCOUNT}, cluster "
    f"{CLUSTER.upper()}, service '{SERVICE}' by {USER} ({MAIL}) from {ADDRESS} and {SIXTH}, key {KEY}, "
    f"s3://{BUCKET}/, on {LAPTOP}"
)
AGENT = f"aws-cli/2.15.0 Python/3.11.6 ({LAPTOP}; {USER}) os/linux lang/python#3.11.6 {CLUSTER}/{ACCOUNT}"
POLICY = (
    f'{{"Version":"2012-10-17","Statement":[{{"Sid":"{USER}","Effect":"Allow","Action":"ec2:DeleteVolume","Resource":'
    f'"arn:aws:s3:::{BUCKET}/*","Condition":{{"IpAddress":{{"aws:SourceIp":"{ADDRESS}"}},"StringEquals":{{"aws:username":'
    f'"{USER}"}}}}}}]}}'
)
SENTENCES = {
    "why",
    "title",
    "explanation",
    "error_message",
    "saved_reason",
    "commands",
    "detail",
    "reason",
    "stopped_reason",
}


def planting():
    """A maker of texts: sentences where sentences stand, user agents where those do, names in turn everywhere else."""
    forms = itertools.cycle(FORMS)

    def text(name: str) -> str:
        if name in SENTENCES or name == "attachment_status_reason":
            return PROSE
        if name in {"user_agent", "user_agents"}:
            return AGENT
        if name in {"document", "trust", "request_parameters", "policies", "inline"}:
            return POLICY
        return next(forms)

    return text


def left(shown: str) -> set[str]:
    return {secret for secret in SECRETS if secret.casefold() in shown.casefold()}


def unpacked(data: bytes) -> str:
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return "\n".join(archive.read(name).decode() for name in archive.namelist())
    return data.decode()


@pytest.fixture(scope="module")
def planted():
    # several rounds, so that each name stands in each column once
    made = document(planting())
    for turn in range(1, len(FORMS)):
        text = planting()
        for _ in range(turn):
            text("")
        more = document(text)
        for name, value in more.items():
            if isinstance(value, list):
                made[name] = [*made[name], *value]
    return made, frames(planting())


@pytest.fixture(scope="module")
def hidden(planted):
    return redact(*planted)


def test_the_planted_names_are_there_before(planted):
    assert left("\n".join(texts(planted[0]))) == set(SECRETS)


@pytest.mark.parametrize("suffix", WRITERS)
def test_no_planted_name_survives_in_any_report(suffix, planted, hidden):
    assert left(unpacked(WRITERS[suffix](*planted)))
    assert left(unpacked(WRITERS[suffix](*hidden))) == set()


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_no_planted_name_survives_in_any_frame(kind, hidden):
    for name, frame in hidden[1].items():
        page = io.BytesIO()
        write_frame(frame, kind, page)
        shown = page.getvalue().decode("utf-8", "replace") if kind != "parquet" else str(frame.to_dict("list"))
        assert left(shown) == set(), name


def test_a_column_nobody_knows_gives_nothing_away():
    made = {"new_section": [{"brand_new": USER, "nested": {"also_new": [f"{ROLE}.x", ROLE_ARN]}, "free": MAIL}]}
    assert left("\n".join(texts(redact(made)[0]))) == set()
    frame = pd.DataFrame({"brand_new": [USER, None], "number": [1, 2]})
    shown = redact({}, {"x": frame})[1]["x"]
    assert shown["number"].to_list() == [1, 2]
    assert shown["brand_new"].isna().to_list() == [False, True]
    assert left(str(shown.to_dict("list"))) == set()


def test_the_shape_stays_and_nothing_given_is_changed(planted):
    before = copy.deepcopy(planted[0])
    made, shown = redact(*planted)
    assert planted[0] == before
    assert list(made) == list(before)
    for name, value in before.items():
        if isinstance(value, list):
            assert [list(row) for row in made[name]] == [list(row) for row in value]
    for name, frame in planted[1].items():
        assert shown[name].dtypes.to_dict() == frame.dtypes.to_dict()
        assert list(shown[name].index) == list(frame.index)
        assert "raw" not in shown[name].columns or shown[name]["raw"].isna().all()


@pytest.fixture(scope="module")
def case():
    return et.investigate("sample_logs")


@pytest.fixture(scope="module")
def sample(case):
    return redact(case.document, {"events": case.events, "volume_calls": case.volume_calls})


def test_links_hold_as_before(case, sample):
    made, shown = sample

    def links(one, events, calls):
        ids = set(events["event_id"])
        yield [row["outage_id"] in {o["id"] for o in one["outages"]} for row in one["tasks"]]
        yield [set(row["cause_event_ids"]) <= {c["event_id"] for c in one["changes"]} for row in one["tasks"]]
        yield [[r["role_arn"] for r in one["roles"]].index(row["role_arn"]) for row in one["tasks"] if row["role_arn"]]
        yield [row["cluster"] == row["task_arn"].split("/")[1] for row in one["tasks"] if row["cluster"]]
        yield [sorted(set(row["volume_ids"]) & {v["volume_id"] for v in one["volumes"]}) for row in one["tasks"]]
        yield [row["account"] == row["task_arn"].split(":")[4] for row in one["tasks"]]
        yield [set(row["evidence"]) <= ids for row in one["volumes"]]
        yield [len({row[name] for row in one["tasks"]}) for name in ("cluster", "service", "role_arn", "account")]
        yield [len({row["actor"] for row in one["changes"]}), len({row["source_ip"] for row in one["changes"]})]
        yield [arn in {row["task_arn"] for row in one["tasks"]} for arn in calls["task_arn"].dropna()]
        yield [
            len(set(events[name].dropna()))
            for name in ("identity_arn", "source_ip_address", "principal_id", "access_key_id")
        ]

    before = list(links(case.document, case.events, case.volume_calls))
    assert list(links(made, shown["events"], shown["volume_calls"])) == before
    assert any(any(one) for one in before)


def test_what_is_aws_s_own_stays(case, sample):
    made, shown = sample
    same = {
        "changes": ("event_id", "event_time", "event_name", "effect", "lost", "gained", "error_code", "purposes"),
        "tasks": ("state", "region", "confidence", "basis", "saved_status", "volume_ids", "outage_id", "evidence"),
        "volumes": ("volume_id", "state", "region", "last_error", "size_gib"),
        "findings": ("id", "kind", "severity", "status", "basis", "started_at"),
        "outages": ("id", "purpose", "phase", "actions", "start", "end"),
    }
    for section, names in same.items():
        for old, new in zip(case.document[section], made[section], strict=True):
            assert {name: new[name] for name in names} == {name: old[name] for name in names}
    for name in ("event_name", "event_source", "aws_region", "error_code", "identity_type", "event_time"):
        assert shown["events"][name].equals(case.events[name]), name
    sessions = set(case.events["session_name"].dropna()) & {"ECSTaskVolumesForEBS", "ECSServiceConnectForTLS"}
    assert sessions
    assert sessions <= set(shown["events"]["session_name"].dropna())
    assert "AmazonECSInfrastructureRolePolicyForVolumes was detached" in made["findings"][0]["title"]
    policies = [line for step in made["findings"][0]["repair"] for line in step["commands"]]
    assert any(
        "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRolePolicyForVolumes" in one for one in policies
    )


def test_titles_keep_their_words(case, sample):
    """Words of the sample that are nobody's name are left alone: a name is replaced, a sentence stays one."""
    for old, new in zip(case.document["findings"], sample[0]["findings"], strict=True):
        kept = [a for a, b in zip(old["title"].split(), new["title"].split(), strict=True) if a == b]
        assert len(kept) >= len(old["title"].split()) - 1


def test_no_name_of_the_sample_survives(case, sample):
    names = {row["role_name"] for row in case.document["roles"]} | {"terraform-deploy"}
    names |= {row["service"] for row in case.document["tasks"] if row["service"] and "-" in row["service"]}
    names |= {row["account"] for row in case.document["tasks"]} | {row["source_ip"] for row in case.document["changes"]}
    names -= {"ecs.amazonaws.com"}
    shown = "\n".join([*texts(sample[0]), sample[1]["events"].to_csv()])
    assert {name for name in names if name and name in shown} == set()


def test_the_same_evidence_gives_the_same_pseudonyms(case, sample):
    again = redact(copy.deepcopy(case.document), {"events": case.events, "volume_calls": case.volume_calls})
    assert again[0] == sample[0]
    assert again[1]["events"].equals(sample[1]["events"])


def test_an_encoded_reason_is_removed():
    made = {"findings": [{"error_message": "Denied. Encoded authorization failure message: " + "Ab3-_" * 60}]}
    assert redact(made)[0]["findings"][0]["error_message"].endswith("message: [removed]")


def test_names_that_look_like_our_words_do_not_break_our_words():
    made = {"tasks": [{"cluster": "stuck", "service": "volumes", "state": "stuck", "basis": ["denied_calls"]}]}
    shown = redact(made)[0]["tasks"][0]
    assert shown["cluster"] == "cluster-1"
    assert shown["service"] == "service-1"
    assert (shown["state"], shown["basis"]) == ("stuck", ["denied_calls"])
