"""Servers on the loopback that real boto3 talks to."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.request import Request, urlopen

import boto3
import pytest
from history import History, serving
from moto.server import ThreadedMotoServer
from warehouse import Warehouse, serving_warehouse


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of nobody; both servers take any."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000001")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def cloudtrail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[History], History]]:
    """Starts a server of event history and points the SDK at it."""
    with ExitStack() as stack:

        def start(history: History) -> History:
            monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", stack.enter_context(serving(history)))
            return history

        yield start


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Warehouse], Warehouse]]:
    """Starts a server of queries (Athena, CloudTrail Lake, CloudWatch Logs) and points the SDK at it."""
    with ExitStack() as stack:

        def started(warehouse: Warehouse) -> Warehouse:
            address = stack.enter_context(serving_warehouse(warehouse))
            for service in ("ATHENA", "CLOUDTRAIL", "CLOUDWATCH_LOGS"):
                monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", address)
            return warehouse

        yield started


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The common mock server, in threads."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An S3 client of the test's own, on an empty server."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    client = boto3.client("s3", region_name="us-east-1")
    urlopen(Request(f"{s3_server}/moto-api/reset", method="POST")).close()
    yield client
    client.close()
