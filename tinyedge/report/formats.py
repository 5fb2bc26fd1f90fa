"""The table of report formats: a new renderer is a file and a line here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyedge.files import write_atomic
from tinyedge.registry import Entry, lookup
from tinyedge.report.pictures import Images, pictures_of
from tinyedge.report.schema import Report


@dataclass(frozen=True)
class Format(Entry):
    """A renderer, and the name of the file that it fills; ``pictures`` says whether it shows any."""

    file: str
    pictures: bool = False


FORMATS: dict[str, Format] = {
    "json": Format("tinyedge.report.file:report_text", "all of the report, to render or compare later", "run.json"),
    "html": Format("tinyedge.report.html:render", "one page that opens offline", "report.html", pictures=True),
    "junit": Format("tinyedge.report.junit:render", "JUnit XML, a test case a gate", "junit.xml"),
    "md": Format("tinyedge.report.markdown:render", "Markdown for a pull request or a job summary", "report.md"),
    "intoto": Format("tinyedge.report.intoto:render", "in-toto test-result statement", "statement.intoto.json"),
}


def check_formats(names: Sequence[str]) -> None:
    """Refuse an unknown format before the work whose result it would show.

    Raises:
        UsageError: for an unknown name, with the close ones.
    """
    for name in names:
        lookup(FORMATS, "report format", name)


def write_reports(report: Report, formats: Sequence[str], out: Path, data: Images | None = None) -> list[Path]:
    """Render ``report`` into the folder ``out``, made where it is not there.

    Args:
        report: what to render.
        formats: names of ``FORMATS``; one given twice is written once.
        out: a folder.
        data: the images that were judged, in any order and among any others: newly wrong ones are then shown.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        UsageError: for an unknown format, a folder that cannot be written to, or images that are not the report's.
    """
    check_formats(formats)
    chosen = list(dict.fromkeys(formats))
    pictures = pictures_of(report, data) if data is not None and any(FORMATS[f].pictures for f in chosen) else None
    written = []
    for name in chosen:
        render = lookup(FORMATS, "report format", name)
        path = out / FORMATS[name].file
        write_atomic(path, render(report, pictures) if FORMATS[name].pictures else render(report))
        written.append(path)
    return written
