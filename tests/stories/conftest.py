"""One fixture: an empty story. The helpers of the stories stand beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from builder import Story


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "evidence")
