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
        typer.Option(metavar="FIGURE", help="Also: the images that settle a true figure of so much, e.g. 0.5pp."),
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of --drop: the gate, e.g. worst_class or ties (default: accuracy)."),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Tell what each gate can detect with so many images, and how many images it takes.

    \b
    Examples:
      tinyedge power --images 10000 --classes 100
      tinyedge power --images 2000 --classes 10 --discordance 0.03 --drop 0.5pp
      tinyedge power --drop 15pp --gate worst_class
    """
    from tinyedge.errors import UsageError
    from tinyedge.gate import DEFAULT_POLICY, read_policy
    from tinyedge.gate.power import images_for, power_table

    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    rows = power_table(images=images, classes=classes, discordance=discordance, policy=rules)
    row, figure, needed = None, 0.0, None
    if drop is not None:
        row = _row(rows, gate or "accuracy")
        figure = parse_figure(drop, row.unit)
        needed = images_for(gate=row.gate, figure=figure, classes=classes, discordance=discordance, policy=rules)
    elif gate is not None:
        raise UsageError("a gate is asked nothing", where="--gate", found=gate, fix="add --drop, e.g. --drop 0.5pp")
    if format is Format.JSON:
        content = {"images": images, "classes": classes, "discordance": discordance, "policy": rules.digest}
        asked = {"gate": row.gate, "figure": figure, "unit": row.unit, "images": needed} if row else None
        print_json(content | {"rows": [asdict(row) for row in rows]} | ({"asked": asked} if asked else {}))
        return
    _print(rows, f"{images:,} images of {classes} classes, discordance {discordance:.1%}, policy {rules.name!r}")
    if row:
        told = "No practical number of images settles" if needed is None else f"About {needed:,} images settle"
        allowed = f"{_figure(figure, row.unit)} where {_figure(row.limit, row.unit)} is allowed"
        stdout().print(f"{told} a true figure of {allowed} ({row.title}).", markup=False)


def parse_figure(text: str, unit: str) -> float:
    """``0.5pp`` or ``0.5`` where the unit is ``pp``; likewise for ``%``, and a plain number for ``score``.

    Raises:
        UsageError: for anything else, another unit among them: of what would not be clear.
    """
    from tinyedge.errors import UsageError

    word, top, example = {
        "pp": ("percentage points", 100, "0.5pp"),
        "%": ("per cent of the images", 100, "2%"),
        "score": ("a plain number", 1, "0.01"),
    }[unit]
    try:
        figure = float(text.strip().removesuffix(unit))
        if not 0 <= figure <= top:  # a NaN is not either
            raise ValueError(text)
    except ValueError as error:
        raise UsageError(
            "not a figure of this gate",
            where="--drop",
            found=repr(text),
            expected=f"{word} from 0 to {top}, e.g. {example}",
        ) from error
    return figure


def _row(rows: tuple[PowerRow, ...], gate: str) -> PowerRow:
    from tinyedge.errors import UsageError

    for row in rows:
        if row.gate == gate:
            return row
    known = ", ".join(row.gate for row in rows)
    raise UsageError(
        "the policy has no such gate, or it is off", where="--gate", found=gate, expected=f"one of {known}"
    )


def _print(rows: tuple[PowerRow, ...], headline: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from tinyedge.report.words import inert

    console = stdout()
    console.print(escape(inert(headline)))
    console.print("A model with such a true figure does so with a probability of 80 %; one in between may be", end=" ")
    console.print("inconclusive.\n")
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
