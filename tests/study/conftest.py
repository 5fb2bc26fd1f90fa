"""A sweep's folder with results that can be spoilt: a copy of the committed ones of the embedded data."""

import shutil
from pathlib import Path

import pytest

SHAPES = Path(__file__).parents[2] / "benchmarks" / "results" / "shapes"


@pytest.fixture
def runs(tmp_path):
    """Two widths of one seed each, on five targets."""
    return Path(shutil.copytree(SHAPES, tmp_path / "runs"))
