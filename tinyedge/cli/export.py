"""``tinyedge export``: a trained checkpoint, a module of one's own or a Keras model to an artifact."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyedge.artifact import Artifact, sidecar_path
from tinyedge.cli.options import (
    NORMALIZE,
    Color,
    ColorOption,
    DataDirOption,
    DataOption,
    Format,
    FormatOption,
    parse_convention,
    print_json,
    stderr,
)
from tinyedge.convention import InputConvention
from tinyedge.entry_point import is_entry_point
from tinyedge.errors import UsageError
from tinyedge.registry import EXPORTERS, lookup

if TYPE_CHECKING:
    from tinyedge.exporters.representative import Representative
    from tinyedge.exporters.source import Source

_FEW, _SATURATED = 500, 0.01
"""Measured (docs/converters.md): with 500 images one draw in 150 saturates 1 % of the images, with 100 two in five."""


def export(
    to: Annotated[str, typer.Option("--to", help=f"The exporter: {', '.join(EXPORTERS)}.")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="A checkpoint of tinyedge train (.safetensors); with --from module:function the state dict for it.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODULE:FUNCTION|PATH",
            help="A function of your own that returns a torch.nn.Module (imported from the current folder), or a "
            "Keras file or SavedModel folder (tf-fp32, tf-int8).",
            show_default=False,
        ),
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(
            metavar="H,W,C", help="With --from module:function: the images that it takes.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write (default: beside the source).", show_default=False),
    ] = None,
    representative: Annotated[
        int | None,
        typer.Option(min=1, help="Training images that decide the ranges (default: 1000).", show_default=False),
    ] = None,
    representative_seed: Annotated[int, typer.Option(min=0, help="Which of the training images.")] = 0,
    representative_balanced: Annotated[
        bool, typer.Option("--representative-balanced", help="As many of them of each class.")
    ] = False,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="How the ranges follow: minmax, minmax-plain, percentile, mse or moving-average "
            "(default: the exporter's first).",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[str, typer.Option(help="1, or dynamic (onnx-fp32, onnx-int8).")] = "1",
    normalize: Annotated[
        str | None,
        typer.Option(
            metavar=NORMALIZE,
            help="With --from: how a pixel becomes the model's input, in pixel units.",
            show_default=False,
        ),
    ] = None,
    color: ColorOption = None,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Export a trained model to ONNX, TFLite or ExecuTorch, check the file, and write its side-car.

    \b
    Examples:
      tinyedge export --to tflite-int8 --data shapes \\
        --checkpoint runs/shapes/scalecnn-c6-seed0.safetensors
      tinyedge export --to onnx-fp32 --batch dynamic \\
        --checkpoint c6.safetensors --out c6.onnx
      tinyedge export --to onnx-int8 --data cifar100 \\
        --checkpoint c6.safetensors --out c6-int8.onnx
      tinyedge export --to tf-int8 --from model.keras --normalize 0..255 \\
        --data photos/ --out model.tflite
      tinyedge export --to onnx-fp32 --from nets:small --input-shape 96,96,3 \\
        --normalize -1..1 --checkpoint small.safetensors
    """
    exporter = lookup(EXPORTERS, "exporter", to)()
    exporter.require()
    from tinyedge.exporters.base import Options

    console = stderr()
    source, origin = _source(checkpoint, start, normalize, color, input_shape)
    images: Representative | None = None
    if exporter.quantized:
        images = _representative(source, representative, representative_seed, representative_balanced, data, data_dir)
        console.print(
            f"{source.model}: {images.origin['count']} representative training images of {images.origin['data']}, "
            f"seed {representative_seed}{', as many of each class' if representative_balanced else ''}"
        )
    elif representative is not None or representative_balanced:
        raise UsageError(
            f"{to} does not quantize",
            where="--representative-balanced" if representative is None else "--representative",
            found=representative,
            expected="nothing",
        )
    destination = out or origin.with_name(f"{origin.stem}-{to}{exporter.suffix}")
    console.print(f"{source.model}: exporting to {to}")
    artifact = exporter.export(
        source, destination, representative=images, options=Options(batch=batch, calibration=calibration)
    )
    for warning in _warnings(artifact):
        console.print(f"warning: {warning}", style="yellow")
    if format is Format.JSON:
        print_json(_facts(artifact))
    else:
        _print(artifact)


def _source(
    checkpoint: Path | None, start: str | None, normalize: str | None, color: Color | None, input_shape: str | None
) -> tuple[Source, Path]:
    """What to export, and the path that the file is named after."""
    own = start is not None and is_entry_point(start)
    if (checkpoint is None) == (start is None) and not own:
        raise UsageError(
            "one model to export is needed",
            found="both --checkpoint and --from" if checkpoint else "neither --checkpoint nor --from",
            expected="one of the two; both only with --from module:function",
            fix="tinyedge train writes a checkpoint",
        )
    if start is None:
        assert checkpoint is not None, "one of the two is there"
        return _trained(checkpoint, normalize, color, input_shape), checkpoint
    if own:
        source = _own(start, checkpoint, normalize, color, input_shape)
        return source, Path(source.model)
    return _keras(Path(start), normalize, color, input_shape), Path(start)


def _trained(checkpoint: Path, normalize: str | None, color: Color | None, input_shape: str | None) -> Source:
    from tinyedge.exporters.source import from_checkpoint

    for flag, given in (("--normalize", normalize), ("--color", color), ("--input-shape", input_shape)):
        if given is not None:
            raise UsageError(
                "a checkpoint fixes its own normalization" if flag == "--normalize" else "a checkpoint fixes its input",
                where=flag,
                found=given,
                expected="nothing",
            )
    return from_checkpoint(checkpoint)


def _own(
    start: str, checkpoint: Path | None, normalize: str | None, color: Color | None, input_shape: str | None
) -> Source:
    from tinyedge.exporters.torch_function import from_function

    return from_function(start, checkpoint, _shape(input_shape), _convention(normalize, color))


def _keras(path: Path, normalize: str | None, color: Color | None, input_shape: str | None) -> Source:
    from tinyedge.exporters.source import KerasSource

    if input_shape is not None:
        raise UsageError("a Keras model states its own size", where="--input-shape", found=input_shape)
    source = KerasSource(path.stem, path)
    return replace(source, convention=_convention(normalize, color))


def _convention(normalize: str | None, color: Color | None) -> InputConvention:
    if normalize is None:
        raise UsageError(
            "how a pixel becomes the model's input is not stated",
            expected="--normalize: the side-car records it, and quantizing runs by it",
            fix="--normalize 0..255, 0..1, -1..1 or MEAN,STD in pixel units, as the model was trained with",
        )
    convention = parse_convention(normalize)
    return convention if color is None else replace(convention, color=color.value)


def _shape(text: str | None) -> tuple[int, int, int]:
    try:
        h, w, c = (int(part) for part in (text or "").split(","))
        if min(h, w) < 1 or c not in (1, 3):
            raise ValueError(text)
    except ValueError as error:
        raise UsageError(
            "the size of the images is not stated",
            where="--input-shape",
            found=text,
            expected="H,W,C with 1 or 3 channels, e.g. 32,32,3",
        ) from error
    return h, w, c


def _representative(
    source: Source, count: int | None, seed: int, balanced: bool, data: str, data_dir: Path | None
) -> Representative:
    from tinyedge.data import load_dataset
    from tinyedge.data.load import dataset_splits, resolved
    from tinyedge.exporters.representative import DEFAULT_COUNT, draw_representative

    trained_on = source.training.get("data")
    name = trained_on if data == "auto" and trained_on is not None else data
    dataset = load_dataset(name, "train", data_dir=data_dir)
    drawn = draw_representative(dataset, count=DEFAULT_COUNT if count is None else count, seed=seed, balanced=balanced)
    if "train" in dataset_splits(resolved(name, data_dir)):
        return drawn
    return replace(drawn, origin=drawn.origin | {"split": "none stated"})


def _warnings(artifact: Artifact) -> list[str]:
    """What makes it likely that the file will not pass, said before anybody ships it."""
    training, found = artifact.origin.get("training", {}), artifact.origin["verified"]
    images = artifact.origin.get("representative") or {}
    said = []
    if training.get("finished") is False:
        said.append(f"the checkpoint is unfinished: epoch {training['epochs']} of {training['recipe']['epochs']}")
    if images and training.get("data_digest") not in (None, images["data_digest"]):
        said.append(f"trained on {training['data']}, but the ranges are those of {images['data']}: is --data right?")
    if images and images["split"] != "train":
        said.append(f"{images['data']} has no train split: that these are no test images is on your word")
    if images and images["count"] < _FEW:
        said.append(f"{images['count']} representative images leave the ranges to luck: {_FEW} or more are better")
    if found.get("saturated_top1", 0) > _SATURATED:
        said.append(
            f"the largest logit is cut off on {found['saturated_top1']:.1%} of the images: "
            "check --calibration, --data and --normalize"
        )
    return said


def _facts(artifact: Artifact) -> dict[str, Any]:
    return {
        "artifact": str(artifact.path),
        "sidecar": str(sidecar_path(artifact.path)),
        "model": artifact.model,
        "format": artifact.format,
        "precision": artifact.precision,
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "params": artifact.params,
        "input": asdict(artifact.input),
        "output": asdict(artifact.output),
        "origin": artifact.origin,
    }


def _print(artifact: Artifact) -> None:
    per_parameter = f", {artifact.size_bytes / artifact.params:.2f} bytes a parameter" if artifact.params else ""
    typer.echo(
        f"{artifact.path}: {artifact.model}, {artifact.format} {artifact.precision}, "
        f"{artifact.size_bytes:,} bytes{per_parameter}, sha256 {artifact.sha256[:16]}"
    )
    verified = artifact.origin["verified"]
    if "same_top1" in verified:
        typer.echo(
            f"on {verified['images']} representative images: top-1 as in float {verified['same_top1']:.1%}, "
            f"largest logit saturated {verified['saturated_top1']:.1%}, tied {verified['tied_top1']:.1%}"
        )
    else:
        typer.echo(
            f"differs from the float module by {verified['largest_difference']:.1e} of the largest output "
            f"on {verified['images']} images"
        )
