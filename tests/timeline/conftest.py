"""The sample as a case, read once."""

from pathlib import Path

import pytest

import ecs_trail as et

SAMPLE = Path(__file__).parent.parent.parent / "sample_logs"


@pytest.fixture(scope="session")
def case():
    """The made-up incident that comes with the project."""
    return et.investigate(SAMPLE)
