"""The rule about skips in conftest.py: a run with another skip than the allowed ones fails."""

import subprocess
import sys
from pathlib import Path

import pytest

KINDS = {
    "in a test": "import pytest\ndef test_one(): pytest.skip({reason!r})",
    "by a mark": "import pytest\n@pytest.mark.skip(reason={reason!r})\ndef test_one(): pass",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip({reason!r})\ndef test_one(f): pass",
    "of a module": "import pytest\npytest.skip({reason!r}, allow_module_level=True)",
    "by importorskip": "import pytest\npytest.importorskip('no_such_module', reason={reason!r})",
}


def run(folder, files):
    """Pytest on ``files`` and a test that passes, under a copy of this project's conftest.py."""
    (folder / "conftest.py").write_text(Path(__file__).with_name("conftest.py").read_text())
    (folder / "test_passes.py").write_text("def test_passes(): pass")
    for name, content in files.items():
        (folder / f"test_{name.replace(' ', '_')}.py").write_text(content)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:anyio", "--rootdir", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("kind", KINDS)
def test_another_skip_fails_the_run_and_is_named(tmp_path, kind):
    done = run(tmp_path, {"skips": KINDS[kind].format(reason="not today")})
    assert done.returncode == 1, done.stdout
    assert "1 passed, 1 skipped" in done.stdout
    refused = done.stdout.partition("skips that are not allowed")[2]
    assert refused.count("test_skips.py") == 1
    assert "not today" in refused


def test_the_allowed_skips_and_expected_failures_do_not(tmp_path):
    files = {kind: content.format(reason="needs TINYEDGE_DATA: a folder") for kind, content in KINDS.items()}
    files["expected"] = "import pytest\n@pytest.mark.xfail\ndef test_one(): raise ValueError"
    done = run(tmp_path, files)
    assert done.returncode == 0, done.stdout
    assert f"1 passed, {len(KINDS)} skipped, 1 xfailed" in done.stdout
    assert "not allowed" not in done.stdout
