"""What tests of benchmarks share."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "paper"
MODULES = (
    "bars", "build", "comparison", "comparison_tables", "gaps", "page", "reported", "style", "tables", "worked_out",
)  # fmt: skip


@pytest.fixture(scope="session")
def paper():
    """The benchmark's modules, imported as its script does."""
    sys.path.insert(0, str(FOLDER))
    try:
        return SimpleNamespace(**{name: __import__(name) for name in MODULES})
    finally:
        sys.path.remove(str(FOLDER))
        for path in FOLDER.glob("*.py"):  # other benchmarks have modules of these names
            sys.modules.pop(path.stem, None)
