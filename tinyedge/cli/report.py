"""``tinyedge report``: render a report that a run has written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyedge.cli.options import DataDirOption, parse_formats, stdout
from tinyedge.errors import UsageError


def report(
    file: Annotated[Path, typer.Argument(help="The JSON file that tinyedge validate has written.", show_default=False)],
    formats: Annotated[
        str, typer.Option("--report", metavar="FORMATS", help="html, junit, md, intoto; several with commas.")
    ] = "html",
    out: Annotated[Path, typer.Option(help="The folder that the files go to.")] = Path(),
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="The images of the run (cifar100, shapes, or the path of an image folder, .npz or pack): "
            "the page then shows those that are newly wrong.",
        ),
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Render the report of a run: a page, JUnit XML, Markdown, an in-toto statement.

    Its exit code says whether the files were written, never the verdict: 0 or 2.

    \b
    Examples:
      tinyedge report run.json
      tinyedge report run.json --report html,junit,md,intoto --out reports \\
        --data cifar100
    """
    from tinyedge.data import load_dataset
    from tinyedge.data.labels import in_order
    from tinyedge.report.file import read_report
    from tinyedge.report.formats import check_formats, write_reports

    chosen = parse_formats(formats)
    check_formats(chosen)
    content = read_report(file)
    if data_dir is not None and data is None:
        raise UsageError("--data-dir without --data", found=data_dir, expected="--data, for pictures")
    images = None if data is None else load_dataset(data, str(content.data["split"]), data_dir=data_dir)
    names = content.examples.class_names
    if images is not None and set(images.class_names) == set(names):
        images = in_order(images, names, file)  # as --labels had it in the run
    console = stdout()
    for path in write_reports(content, chosen, out, images):
        console.print(str(path), markup=False, soft_wrap=True)
