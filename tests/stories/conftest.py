"""One fixture: an empty story."""

from pathlib import Path

import pytest
from stories.builder import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "evidence")
