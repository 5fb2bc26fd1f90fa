"""``tinyedge train``: one member, one seed, one recipe, to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyedge.cli.options import (
    DataDirOption,
    DataOption,
    DeviceOption,
    FamilyOption,
    Format,
    FormatOption,
    ThreadsOption,
)
from tinyedge.cli.training_run import require_torch, train_and_print
from tinyedge.errors import UsageError
from tinyedge.models.family import Member
from tinyedge.train.recipe import RECIPES, chosen_recipe


def train(
    width: Annotated[float, typer.Option(help="ScaleCNN's base width c, or MobileNetV2's multiplier.")],
    family: FamilyOption = "scalecnn",
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of the weights, the order and the augmentation.")
    ] = 0,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help=f"{' or '.join(RECIPES)} (default: shapes for --data shapes, else paper).", show_default=False
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Fewer or more than the recipe's; its name then says so.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint; an unfinished run there is resumed.")] = Path(
        "runs"
    ),
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 (autocast) or fp32.")] = "auto",
    threads: ThreadsOption = None,
    stem_stride: Annotated[int, typer.Option(help="MobileNetV2's first stride: 1 or 2.")] = 1,
    format: FormatOption = Format.TEXT,
) -> None:
    """Train one member of a family to a checkpoint; resumes where a killed run left off.

    \b
    Examples:
      tinyedge train --family scalecnn --width 6 --seed 0
      tinyedge train --width 6 --data shapes --out runs/shapes
    """
    require_torch()
    import torch

    from tinyedge.data import load_dataset
    from tinyedge.train.checkpoint import RunKey
    from tinyedge.train.loop import pick_device, pick_precision

    if precision not in ("auto", "bf16", "fp32"):
        raise UsageError("unknown precision", where="--precision", found=precision, expected="auto, bf16 or fp32")
    where = pick_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    train_set = load_dataset(data, "train", data_dir=data_dir)
    test_set = load_dataset(data, "test", data_dir=data_dir)
    member = Member(family, width, train_set.num_classes, stem_stride)
    chosen = chosen_recipe(recipe, epochs, train_set.name)
    key = RunKey(member, chosen, seed, train_set.name, train_set.digest, pick_precision(precision, where))
    folder = out / train_set.name if out == Path("runs") else out
    train_and_print(key, train_set, test_set, folder=folder, device=where, format=format)
