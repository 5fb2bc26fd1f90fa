"""``tinyedge scaling``: how a trained family's mistakes change with its size, and what its target does to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyedge.cli.options import (
    DataDirOption,
    FamilyOption,
    Format,
    FormatOption,
    print_json,
    stdout,
)

_NONE = "none"


def scaling(
    runs: Annotated[
        Path, typer.Argument(metavar="RUNS", help="The folder of a tinyedge sweep: its records and outcomes.")
    ],
    target: Annotated[str, typer.Option(help="What the models ran on.")] = "tflm-int8",
    reference: Annotated[
        str, typer.Option(help="What they are compared with, as a rule float; none: look at the target alone.")
    ] = "onnx-fp32",
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH", help="The evaluation set (default: the one that the sweep names).", show_default=False
        ),
    ] = None,
    data_dir: DataDirOption = None,
    family: FamilyOption = "scalecnn",
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Go on where models ran on different runtimes, versions or kernels.")
    ] = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Say how error, error sets, classes and calibration change with size, in float and as deployed.

    From the outcomes of a sweep alone: no model is run. docs/scaling.md has the definitions. Models of different
    recipes or epochs are refused.

    Exit code: 0, 2 bad input (no outcomes on the target, other images, one width, mixed runs).

    \b
    Examples:
      tinyedge scaling benchmarks/results/shapes
      tinyedge scaling runs/cifar100 --target tflite-int8-xnnpack --format json
    """
    from tinyedge.data import load_dataset
    from tinyedge.errors import UsageError
    from tinyedge.study import terminal
    from tinyedge.study.family import open_sweep, read_family
    from tinyedge.study.scaling import scaling as study

    if not reference:
        raise UsageError(
            "an empty reference", where="--reference", found="''", expected=f"a target, or {_NONE} to look at one alone"
        )
    _, basis, _ = open_sweep(runs)
    images = load_dataset(data or basis.data, "test", data_dir=data_dir)
    deployed = read_family(runs, target, images, family=family, mixed=mixed)
    beside = None
    if reference not in (_NONE, target):
        beside = read_family(runs, reference, images, family=family, mixed=mixed)
    found = study(deployed, reference=beside)
    if format is Format.JSON:
        print_json(found.to_json())
    else:
        terminal.render(found, stdout())
