"""``tinyedge compare``: one release after another, by their reports alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyedge.cli.options import Format, FormatOption, print_json, stdout


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="The earlier release's run.json.", show_default=False)
    ],
    now: Annotated[Path, typer.Argument(metavar="NOW", help="The later release's run.json.", show_default=False)],
    policy: Annotated[
        Path | None, typer.Option(help="A policy file: its [baseline] section judges (default: the built-in).")
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Compare two releases' deployed models on the same images: accuracy, flips by class and image, size.

    Each file is the run.json of a tinyedge validate --report; both are of the same images, in any order.

    Exit code: 0 pass, 1 a limit of [baseline] is exceeded, 2 bad input, 3 inconclusive.

    \b
    Examples:
      tinyedge compare last/run.json new/run.json
      tinyedge compare last/run.json new/run.json --policy release.toml
    """
    from tinyedge.gate import DEFAULT_POLICY, read_policy
    from tinyedge.report import terminal_step
    from tinyedge.report.file import read_stored
    from tinyedge.report.releases import compare_reports

    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    step = compare_reports(read_stored(before), read_stored(now), rules)
    if format is Format.JSON:
        print_json(step.to_json())
    else:
        terminal_step.render(step, stdout())
    raise typer.Exit(step.verdict.exit_code)
