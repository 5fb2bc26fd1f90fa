"""``tinyedge power``: what each gate can tell with so many images, before any model is run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyedge.cli.options import Format, FormatOption, print_json, stdout

if TYPE_CHECKING:
    from tinyedge.gate.power import PowerRow


def power(
    images: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="Of the evaluation set.")] = 10_000,
    classes: Annotated[int, typer.Option(min=2, max=10_000, help="Of the data, with equally many images each.")] = 100,
    discordance: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Expected share of images on which exactly one of float and deployed is right."
        ),
    ] = 0.05,
    policy: Annotated[Path | None, typer.Option(help="A policy file (TOML; default: the built-in policy).")] = None,
    drop: Annotated[
        str | None,
        typer.Option(metavar="PP", help="Also: the images that settle a true drop in accuracy of so much, e.g. 0.5pp."),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Tell what each gate can detect with so many images, and how many images it takes.

    \b
    Examples:
      tinyedge power --images 10000 --classes 100
      tinyedge power --images 2000 --classes 10 --discordance 0.03 --drop 0.5pp
    """
    from tinyedge.gate import DEFAULT_POLICY, read_policy
    from tinyedge.gate.power import images_for, power_table

    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    true_drop = None if drop is None else parse_drop(drop)
    rows = power_table(images=images, classes=classes, discordance=discordance, policy=rules)
    needed = None
    if true_drop is not None:
        needed = images_for(gate="accuracy", figure=true_drop, classes=classes, discordance=discordance, policy=rules)
    if format is Format.JSON:
        content = {"images": images, "classes": classes, "discordance": discordance, "policy": rules.digest}
        asked = {} if true_drop is None else {"drop_pp": true_drop, "images_for_drop": needed}
        print_json(content | {"rows": [asdict(row) for row in rows]} | asked)
        return
    _print(rows, f"{images:,} images of {classes} classes, discordance {discordance:.1%}, policy {rules.name!r}")
    if true_drop is not None:
        told = "No practical number of images settles" if needed is None else f"About {needed:,} images settle"
        limit = rules.as_dict()["accuracy"]["max_drop_pp"]
        stdout().print(f"{told} a true drop in accuracy of {true_drop:g} pp where {limit:g} pp are allowed.")


def parse_drop(text: str) -> float:
    """``0.5pp`` or ``0.5``: percentage points.

    Raises:
        UsageError: for anything else, a percentage among them: of what would not be clear.
    """
    from tinyedge.errors import UsageError

    try:
        drop = float(text.strip().removesuffix("pp"))
        if not 0 <= drop <= 100:  # a NaN is not either
            raise ValueError(text)
    except ValueError as error:
        raise UsageError(
            "not a drop in accuracy",
            where="--drop",
            found=repr(text),
            expected="percentage points from 0 to 100, e.g. 0.5pp",
        ) from error
    return drop


def _print(rows: tuple[PowerRow, ...], headline: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from tinyedge.report.words import inert

    console = stdout()
    console.print(escape(inert(headline)))
    console.print("Each with a probability of 80 %; a model in between may be inconclusive.\n", style="dim")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("gate", "limit", "passes up to", "fails from", "images for no change"):
        table.add_column(title, justify="left" if title == "gate" else "right", no_wrap=True)
    for row in rows:
        needed = "-" if row.images_for_limit is None else f"{row.images_for_limit:,}"
        table.add_row(
            row.title,
            _figure(row.limit, row.unit),
            _figure(row.passes, row.unit),
            _figure(row.detects, row.unit),
            needed,
        )
    console.print(table)
    console.print()
    for row in rows:
        console.print(f"{row.title}: {row.note}", style="dim", markup=False)
    console.print()


def _figure(value: float | None, unit: str) -> str:
    from tinyedge.report.words import quantity

    return "-" if value is None else quantity(value, unit).lstrip("+")
