"""``tinyedge parity``: one int8 file on every set of kernels, byte against byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tinyedge import __version__
from tinyedge.artifact import Artifact, load_artifact
from tinyedge.cli.options import (
    ArenaOption,
    BaudOption,
    ColorOption,
    CommandOption,
    DataDirOption,
    DataOption,
    FamilyOption,
    Format,
    FormatOption,
    LayoutOption,
    NormalizeOption,
    PortOption,
    ResizeOption,
    TimeoutOption,
    print_json,
    stated_input,
    stderr,
    stdout,
    target_options,
)
from tinyedge.cli.progress import Steps, bars
from tinyedge.cli.validate import from_zoo
from tinyedge.data import Dataset, load_dataset
from tinyedge.errors import UsageError
from tinyedge.report.codec import encode
from tinyedge.report.kernels import KernelMatrix
from tinyedge.validate import artifact_facts, data_facts

SCHEMA = "tinyedge-parity/1"
_IMAGES = 200


def parity(
    params: Annotated[
        str | None, typer.Option(help="Shipped family member by size, e.g. 50k: the nearest is taken, and said.")
    ] = None,
    family: FamilyOption = "scalecnn",
    deployed: Annotated[Path | None, typer.Option(help="An int8 .tflite, in place of the zoo's.")] = None,
    paths: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="What runs it, with commas: targets of int8 TFLite; firmware with its kernels, e.g. "
            "cortex-m4-int8:portable. Default: reference, built-in, XNNPACK, TFLite Micro, Cortex-M4 portable and "
            "CMSIS-NN.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all-paths", help="Cortex-M7 and Cortex-M0+ too.")] = False,
    layers: Annotated[
        bool, typer.Option("--layers/--no-layers", help="Look for the first layer at which two paths part.")
    ] = True,
    normalize: NormalizeOption = None,
    color: ColorOption = None,
    layout: LayoutOption = None,
    resize: ResizeOption = None,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    images: Annotated[int, typer.Option(min=1, help="A seeded sample of this many images.")] = _IMAGES,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    arena_bytes: ArenaOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    command: CommandOption = None,
    timeout_s: TimeoutOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Run one int8 file on every set of kernels that can run it, and count where their outputs differ.

    Nothing is judged: see the parity gate of validate. A path that cannot run is named, with the reason.

    Exit code: 0, 2 bad input, 4 fewer than two paths could run.

    \b
    Examples:
      tinyedge parity --params 50k
      tinyedge parity --deployed int8.tflite --normalize -1..1 --data my_images/
      tinyedge parity --params 50k --paths tflm-int8,cortex-m7-int8:cmsis-nn
      tinyedge parity --params 50k --paths tflm-int8,serial-int8 \\
        --port /dev/ttyACM0
    """
    from tinyedge.parity import ALL_PATHS, DEFAULT_PATHS, compare_paths, parse_paths

    options = target_options(arena_bytes=arena_bytes, port=port, baud=baud, command=command, timeout_s=timeout_s)
    chosen = parse_paths(_names(paths, everything, DEFAULT_PATHS, ALL_PATHS), options)
    if (params is None) == (deployed is None):
        raise UsageError(
            "which model?",
            found="both --params and --deployed" if params else "neither --params nor --deployed",
            expected="one of the two",
            fix="tinyedge parity --params 50k",
        )
    notes = stderr()
    dataset = load_dataset(data, "test", data_dir=data_dir)
    if deployed is not None:
        artifact = load_artifact(deployed, stated=stated_input(normalize, color, layout, resize))
    else:
        artifact = from_zoo(str(params), family, dataset.name, dataset.num_classes, notes).load("tflite-int8")
    sample = dataset.sample(images, seed=seed)
    with bars(notes) as bar:
        found = compare_paths(artifact, sample, chosen, layers=layers, on_progress=Steps(bar))
    if format is Format.JSON:
        print_json(_content(artifact, sample, found))
    else:
        _print(artifact, sample, found)


def _names(paths: str | None, everything: bool, usual: Sequence[str], all_paths: Sequence[str]) -> Sequence[str]:
    if paths is not None and everything:
        raise UsageError("which paths?", found=f"--all-paths and --paths {paths}", expected="one of the two")
    if paths is not None:
        return [name.strip() for name in paths.split(",") if name.strip()]
    return all_paths if everything else usual


def _content(artifact: Artifact, data: Dataset, found: KernelMatrix) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "tinyedge": __version__,
        "artifact": encode(artifact_facts(artifact)),
        "data": data_facts(data),
        "kernels": encode(found),
    }


def _print(artifact: Artifact, data: Dataset, found: KernelMatrix) -> None:
    from tinyedge.report import terminal_kernels

    console = stdout()
    source = data_facts(data)["source"]
    console.print(f"{escape(artifact.path.name)}, {len(data):,} images of {escape(data.name)} ({escape(source)})")
    console.print()
    terminal_kernels.render(found, console)
