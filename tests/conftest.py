"""What holds for every test: no network, no AWS account, and bugs stay visible."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ecs_trail

_LOOPBACK = ("127.", "::1", "localhost")


class NetworkRefusedError(AssertionError):
    """A test tried to leave this machine."""


def _is_local(family: int, address: Any) -> bool:
    if family == getattr(socket, "AF_UNIX", None):
        return True
    return isinstance(address, tuple) and str(address[0]).startswith(_LOOPBACK)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every connection that is neither a Unix socket nor the loopback (kernels of notebooks need those)."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: Any) -> None:
        if not _is_local(self.family, address):
            raise NetworkRefusedError(f"a test tried to connect to {address!r}; tests use no network.")
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        if not _is_local(self.family, address):
            raise NetworkRefusedError(f"a test tried to connect to {address!r}; tests use no network.")
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_aws_account() -> Iterator[None]:
    """Empty the AWS environment, also for subprocesses, and point the SDK's files at nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def _same_package() -> Iterator[None]:
    """Subprocesses and notebook kernels import the package that the tests import, installed or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(ecs_trail.__file__).parent.parent))
        patch.setenv("PYTHONSAFEPATH", "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _plain_terminal() -> Iterator[None]:
    """The terminal of the person who runs the tests must not change what they see."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "PYTHONWARNINGS"):
            patch.delenv(name, raising=False)
        # Unexpected errors are raised instead of apologised for, so that a bug fails the test that met it.
        patch.setenv("ECS_TRAIL_DEBUG", "1")
        yield
