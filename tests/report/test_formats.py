import subprocess
import sys

import pytest

from tests.support.reports import pool, report
from tinyedge.errors import UsageError
from tinyedge.report.formats import FORMATS, check_formats, write_reports


def test_every_format_becomes_its_file(tmp_path):
    given = report(lost=0.05)
    written = write_reports(given, list(FORMATS), tmp_path / "new" / "folder", pool(given))
    assert [path.name for path in written] == [
        "run.json",
        "report.html",
        "junit.xml",
        "report.md",
        "statement.intoto.json",
    ]
    for path in written:
        assert path.stat().st_size > 500
    assert "data:image/png" in written[1].read_text()


def test_one_named_twice_is_written_once(tmp_path):
    assert [path.name for path in write_reports(report(), ["md", "md"], tmp_path)] == ["report.md"]


def test_an_unknown_format_is_refused_with_the_close_one(tmp_path):
    with pytest.raises(UsageError, match="did you mean junit"):
        check_formats(["html", "junti"])
    with pytest.raises(UsageError, match="unknown report format"):
        write_reports(report(), ["md", "pdf"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folder_s_place_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_reports(report(), ["md"], tmp_path / "out")


def test_only_the_page_needs_the_plotting_library():
    code = (
        "import sys; from tinyedge.registry import lookup; from tinyedge.report.formats import FORMATS\n"
        "for name in set(FORMATS) - {'html'}: lookup(FORMATS, 'report format', name)\n"
        "assert not {'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
