"""``tinyedge evaluate``: one model's figures on an evaluation set of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tinyedge import __version__
from tinyedge.artifact import load_artifact
from tinyedge.cli.options import (
    ArenaOption,
    BaudOption,
    ColorOption,
    CommandOption,
    DataDirOption,
    DataOption,
    Format,
    FormatOption,
    KernelsOption,
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
from tinyedge.data import Dataset, load_dataset
from tinyedge.data.load import resolved
from tinyedge.data.stream import stream_dataset
from tinyedge.evaluate import Model, build_target, check_fit, evaluate_stream
from tinyedge.files import check_writable
from tinyedge.metrics import METRICS
from tinyedge.metrics import evaluate as figures
from tinyedge.outcomes import outcome, outcome_facts, write_outcomes
from tinyedge.validate import artifact_facts, predict

SCHEMA = "tinyedge-evaluation/1"


def evaluate(
    model: Annotated[Path, typer.Option(help="The model file: .tflite, .onnx or .safetensors.")],
    target: Annotated[str, typer.Option(help="What runs it: see tinyedge targets.")] = "tflite-int8",
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    split: Annotated[str, typer.Option(help="train or test.")] = "test",
    normalize: NormalizeOption = None,
    color: ColorOption = None,
    layout: LayoutOption = None,
    resize: ResizeOption = None,
    piece: Annotated[
        int | None, typer.Option(min=1, help="Images in memory at a time (default: 16 MiB of pixels).")
    ] = None,
    arena_bytes: ArenaOption = None,
    kernels: KernelsOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    command: CommandOption = None,
    timeout_s: TimeoutOption = None,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write what every image got to this file (4 bytes an image); reads the whole set into memory."
        ),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Run one model on an evaluation set, piece by piece, and print every metric. Nothing is judged: see validate.

    Exit code: 0, 2 bad input, 4 the target could not run.

    \b
    Examples:
      tinyedge evaluate --model int8.tflite --data my_images/
      tinyedge evaluate --model int8.tflite --target tflm-int8 --data photos.npz
      tinyedge evaluate --model int8.tflite --save int8.outcomes.npz
    """
    options = target_options(
        arena_bytes=arena_bytes, kernels=kernels, port=port, baud=baud, command=command, timeout_s=timeout_s
    )
    build_target(target, options)
    if save is not None:
        check_writable(save)
    artifact = load_artifact(model, stated=stated_input(normalize, color, layout, resize))
    runs, name = Model(target, artifact, options), resolved(data, data_dir)
    seen: dict[str, Any] = {}
    if save is None:
        parts = stream_dataset(name, split, data_dir=data_dir, images=piece)
        with stderr().status(f"{target}: reading") as line:
            found = evaluate_stream(runs, _noted(parts, seen), lambda done: line.update(f"{target}: {done:,} images"))
        metrics, facts = figures(found.tally), found.facts
    else:
        whole = load_dataset(name, split, data_dir=data_dir)
        check_fit(artifact, whole)
        predictions = predict(target, artifact, whole, options=options)
        write_outcomes(save, predictions, whole, outcome_facts(artifact))
        metrics, facts = figures(outcome(predictions, whole)), predictions.provenance
        _note(whole, seen)
    content = {
        "schema": SCHEMA,
        "tinyedge": __version__,
        "artifact": artifact_facts(artifact),
        "target": facts,
        "data": seen,
        "metrics": metrics,
    }
    if format is Format.JSON:
        print_json(content)
    else:
        _print(content)


def _noted(parts: Iterable[Dataset], seen: dict[str, Any]) -> Iterator[Dataset]:
    """The pieces as they are, and what they are of in ``seen``."""
    for part in parts:
        _note(part, seen)
        yield part


def _note(part: Dataset, seen: dict[str, Any]) -> None:
    seen["images"] = seen.get("images", 0) + len(part)
    seen.update(
        name=part.name, split=part.split, classes=part.num_classes, synthetic=part.synthetic, source=part.source
    )


def _print(content: dict[str, Any]) -> None:
    console, data, target = stdout(), content["data"], content["target"]
    console.print(f"{escape(content['artifact']['file'])} on {target['target']}: {escape(str(target['kernels']))}")
    synthetic = ", synthetic" if data["synthetic"] else ""
    console.print(f"{data['images']:,} images of {escape(data['name'])} ({data['split']}{synthetic})")
    console.print()
    rows = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    rows.add_column()
    rows.add_column(justify="right")
    for name, value in content["metrics"].items():
        metric = METRICS[name]
        rows.add_row(metric.title, f"{value:.2%}" if metric.unit == "share" else f"{value:.4f}")
    console.print(rows)
