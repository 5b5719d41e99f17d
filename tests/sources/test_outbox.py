"""Reports in a bucket and news on a topic: only on request, compared on a condition, told in AWS's words."""

import json
from urllib.request import Request, urlopen

import boto3
import pytest

import ecs_trail as et
from ecs_trail.cli.main import run
from ecs_trail.cli.permissions import policy
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.outbox import BucketShelf, publish, topic

BUCKET = "report-bucket"


@pytest.fixture
def bucket(s3):
    s3.create_bucket(Bucket=BUCKET)
    return s3


@pytest.fixture
def topics(s3_server, monkeypatch):
    """A topic with a queue that hears it; the clients are closed at the end."""
    urlopen(Request(f"{s3_server}/moto-api/reset", method="POST")).close()
    for service in ("SNS", "SQS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", s3_server)
    sns, sqs = boto3.client("sns", region_name="us-east-1"), boto3.client("sqs", region_name="us-east-1")
    arn = sns.create_topic(Name="news")["TopicArn"]
    url = sqs.create_queue(QueueName="ears")["QueueUrl"]
    ears = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=ears)

    def heard():
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
        return [json.loads(one["Body"]) for one in messages]

    yield arn, heard
    sns.close()
    sqs.close()


def keys(client):
    return sorted(one["Key"] for one in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()))


def test_a_series_in_a_bucket(bucket, capsys):
    arguments = ["report", "sample_logs", "--output", f"s3://{BUCKET}/daily/", "--since-last", "--exit-code"]
    assert run(arguments) == 1
    first = keys(bucket)
    assert len(first) == 5
    assert first[-1] == "daily/last.json"
    assert {key.split("/")[-1] for key in first} >= {"report.md", "report.json", "changes.md", "changes.json"}
    stamps = [bucket.head_object(Bucket=BUCKET, Key=key)["ETag"] for key in first]
    capsys.readouterr()
    assert run([*arguments, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert keys(bucket) == first
    assert [bucket.head_object(Bucket=BUCKET, Key=key)["ETag"] for key in first] == stamps


def test_of_two_runs_at_once_one_is_refused(bucket):
    one, other = BucketShelf(f"s3://{BUCKET}/x"), BucketShelf(f"s3://{BUCKET}/x")
    with one.held(), other.held():
        assert one.last() is None
        assert other.last() is None
        one.commit(b"1")
        with pytest.raises(AccessError, match="meanwhile"):
            other.commit(b"2")
        assert other.last() == b"1"
        other.commit(b"3")
        with pytest.raises(AccessError, match="meanwhile"):
            one.commit(b"4")
    assert bucket.get_object(Bucket=BUCKET, Key="x/last.json")["Body"].read() == b"3"


def test_what_a_bucket_cannot_do_is_refused_before_anything_is_read(capsys):
    for more, words in (
        (["--keep", "3"], "lifecycle rule"),
        (["--redact"], "real names"),
        (["--compare", "x"], "beside them"),
    ):
        assert run(["report", "nowhere", "--output", f"s3://{BUCKET}/x", "--since-last", *more]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(UsageError, match="names no bucket"):
        BucketShelf("s3://Not_A_Bucket!/x")


def test_a_bucket_that_is_not_there_is_named(s3, capsys):
    assert run(["report", "sample_logs", "--output", "s3://no-such-bucket/x", "--since-last", "--quiet"]) == 2
    assert "no bucket" in capsys.readouterr().err


def test_news_go_to_the_topic_once(topics, tmp_path):
    arn, heard = topics
    arguments = ["report", "sample_logs", "--output", str(tmp_path / "out"), "--since-last", "--notify", f"sns:{arn}"]
    for _ in range(2):
        assert run([*arguments, "--quiet"]) == 0
    (message,) = heard()
    assert message["Subject"] == "ecs-trail: 3 new, 0 still open, 0 resolved"
    assert "stuck" not in message["Subject"]
    assert "4 tasks hang in DEPROVISIONING" in message["Message"]


def test_when_telling_fails_the_next_run_tells_again(topics, tmp_path, capsys):
    arn, heard = topics
    out = tmp_path / "out"
    wrong = f"sns:{arn.replace(':news', ':gone')}"
    arguments = ["report", "sample_logs", "--output", str(out), "--since-last", "--quiet", "--notify"]
    assert run([*arguments, wrong]) == 5
    assert "sns:Publish" in capsys.readouterr().err
    assert not (out / "last.json").exists()
    assert run([*arguments, f"sns:{arn}"]) == 0
    assert len(heard()) == 1
    assert len([one for one in out.iterdir() if one.is_dir()]) == 1


def test_subject_and_message_are_cut_to_what_sns_takes(topics):
    arn, heard = topics
    publish(arn, "a\nb\x1b é" + "x" * 200, "ü" * 200_000)
    (message,) = heard()
    assert len(message["Subject"]) == 99
    assert message["Subject"].isascii()
    assert len(message["Message"].encode()) <= 262_144
    assert message["Message"].endswith("[cut]")


@pytest.mark.parametrize(
    "given", ["sns:", "sns:x", "arn:aws:sns:us-east-1:111122223333:t", "sns:arn:aws:sqs:us-east-1:1:q"]
)
def test_what_is_no_topic_is_refused(given):
    with pytest.raises(UsageError, match="names no topic"):
        topic(given)


def test_without_the_options_nothing_writes_to_aws(bucket, tmp_path):
    assert run(["report", "sample_logs", "--output", str(tmp_path / "a.md"), "--quiet"]) == 0
    assert keys(bucket) == []


def test_writes_are_listed_for_the_places_that_are_named_and_for_no_other(capsys):
    arn = "arn:aws:sns:eu-west-1:111122223333:oncall"
    assert run(["permissions", "--report", f"s3://{BUCKET}/daily", "--report", f"sns:{arn}"]) == 0
    listed = {one["Action"][0]: one["Resource"] for one in json.loads(capsys.readouterr().out)["Statement"]}
    assert listed["s3:PutObject"] == f"arn:aws:s3:::{BUCKET}/daily/*"
    assert listed["s3:GetObject"] == f"arn:aws:s3:::{BUCKET}/daily/last.json"
    assert listed["sns:Publish"] == arn
    usual = [action for one in policy(("api", "s3"))["Statement"] for action in one["Action"]]
    assert not {"s3:PutObject", "sns:Publish"} & set(usual)
    assert et.__version__
