"""Reports on disk: one JSON file, written whole or not at all, and read back strictly."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tinyedge.errors import ReportError
from tinyedge.files import write_atomic
from tinyedge.report.codec import parse
from tinyedge.report.schema import Report


def report_text(report: Report) -> str:
    """The file's content: JSON without spaces, since it holds a few values for every image."""
    return json.dumps(report.to_json(), separators=(",", ":"), allow_nan=False) + "\n"


def write_report(path: Path, report: Report) -> None:
    """Write ``report`` to ``path``: whole, or not at all.

    Raises:
        UsageError: where nothing can be written there.
    """
    write_atomic(path, report_text(report))


@dataclass(frozen=True)
class StoredReport:
    """A report that was read, and which file it is.

    Args:
        path: where it was read from, for messages alone: a report names files, not paths.
        sha256: of its bytes.
        report: what it holds.
    """

    path: Path
    sha256: str
    report: Report

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.path.name


def read_report(path: Path) -> Report:
    """The report in a file; raises as ``read_stored``."""
    return read_stored(path).report


def read_stored(path: Path) -> StoredReport:
    """The report in a file, with the file's name and hash.

    Raises:
        ReportError: where it cannot be read, is not JSON, or as ``Report.from_json``.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(
            "the report cannot be read",
            where=path,
            found=error,
            expected="the run.json of tinyedge validate --report",
        ) from error
    report = Report.from_json(parse(text, str(path)), where=str(path))
    return StoredReport(path, hashlib.sha256(content).hexdigest(), report)
