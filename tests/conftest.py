"""What all tests share: the real data where it is, and the rule about skips."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: a timed assertion is no test. The same examples every time: a failure is somebody's change.
settings.register_profile("tinyedge", deadline=None, derandomize=True)
settings.load_profile("tinyedge")

collect_ignore_glob = ["support/*"]
"""Scripts and doubles that tests use: some run when they are imported."""

NEEDS_ARM = "needs the Arm compiler and QEMU"
NEEDS_EXECUTORCH = "needs executorch"
ALLOWED_SKIPS = ("needs TINYEDGE_DATA", "needs a CUDA device", "needs chromium", NEEDS_ARM, NEEDS_EXECUTORCH)
"""Any other skip fails the run: a test that silently does not run proves nothing."""


@pytest.fixture(scope="session")
def cifar100_dir() -> Path:
    """The folder with the real CIFAR-100."""
    folder = os.environ.get("TINYEDGE_DATA")
    if not folder:
        pytest.skip("needs TINYEDGE_DATA: a folder with the real CIFAR-100")
    return Path(folder)


@pytest.fixture(scope="session")
def arm_tools() -> None:
    """What builds and runs firmware."""
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(program) is None:
            pytest.skip(f"{NEEDS_ARM}: no {program}; make debian")


@pytest.fixture(scope="session")
def executorch() -> None:
    """ExecuTorch, an extra of its own."""
    if find_spec("executorch") is None:
        pytest.skip(f"{NEEDS_EXECUTORCH}: pip install 'tinyedge[executorch]'")


@pytest.fixture(scope="session")
def cifar100_test(cifar100_dir):
    """All 10,000 test images."""
    from tinyedge.data import load_dataset

    return load_dataset("cifar100", "test", data_dir=cifar100_dir)


_refused: dict[str, None] = {}  # a set in order: one module can be reported twice


def pytest_runtest_logreport(report):
    _judge(report)


def pytest_collectreport(report):  # a skip of a whole module, by pytest.skip or importorskip, is seen only here
    _judge(report)


def _judge(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED_SKIPS):
            _refused[f"{report.nodeid}: {reason}"] = None


def pytest_terminal_summary(terminalreporter):
    if _refused:
        terminalreporter.section("skips that are not allowed")
        for line in _refused:
            terminalreporter.line(line)


def pytest_sessionfinish(session):
    if _refused and session.exitstatus == 0:
        session.exitstatus = 1


@pytest.fixture(scope="session")
def zoo_entry():
    """The shipped 50k member for the embedded data."""
    from tinyedge.models.family import Member
    from tinyedge.zoo import find

    return find(Member("scalecnn", 6), "shapes")


@pytest.fixture(scope="session")
def shapes_test():
    """The embedded test set."""
    from tinyedge.data import load_dataset

    return load_dataset("shapes", "test")
