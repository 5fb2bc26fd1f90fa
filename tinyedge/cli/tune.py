"""``tinyedge tune``: a finished checkpoint, a few epochs on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tinyedge.cli.options import DataDirOption, DataOption, DeviceOption, Format, FormatOption, ThreadsOption
from tinyedge.cli.training_run import require_torch, train_and_print
from tinyedge.errors import UsageError
from tinyedge.train.tuning import METHODS, Tuning


def tune(
    checkpoint: Annotated[Path, typer.Argument(help="A finished checkpoint of tinyedge train (.safetensors).")],
    method: Annotated[
        str,
        typer.Option(
            help="qat: with int8's rounding in the network; distill: towards --teacher's probabilities; plain: "
            "neither, to tell what the epochs alone do."
        ),
    ],
    teacher: Annotated[
        Path | None,
        typer.Option(help="With distill: a finished checkpoint of a larger member.", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help=f"Default: {', '.join(f'{name} {r.epochs}' for name, r in METHODS.items())}.", show_default=False
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help=f"At the first step (default: {', '.join(f'{n} {r.learning_rate:g}' for n, r in METHODS.items())}).",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[float, typer.Option(help="With distill: of both softmaxes.")] = 4.0,
    weight: Annotated[float, typer.Option(help="With distill: of the teacher's loss; the labels' has the rest.")] = 0.9,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the result (default: the checkpoint's); an unfinished run there is resumed.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Train a finished checkpoint for a few epochs more; the result is a checkpoint that every exporter takes.

    \b
    Examples:
      tinyedge tune runs/cifar100/scalecnn-c6-seed0.safetensors --method qat
      tinyedge tune runs/cifar100/scalecnn-c4-seed0.safetensors \\
        --method distill --teacher runs/cifar100/scalecnn-c16-seed0.safetensors
    """
    tuning = Tuning(method, epochs, learning_rate, temperature, weight)
    require_torch()
    import torch

    from tinyedge.data import load_dataset
    from tinyedge.train.checkpoint import load_checkpoint
    from tinyedge.train.loop import pick_device
    from tinyedge.train.start import Start
    from tinyedge.train.tune import tuned_key

    where = pick_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    begun = load_checkpoint(checkpoint)
    taught = None if teacher is None else load_checkpoint(teacher)
    key = tuned_key(begun, tuning, where, taught)
    train_set = load_dataset(data, "train", data_dir=data_dir)
    test_set = load_dataset(data, "test", data_dir=data_dir)
    if train_set.digest != key.data_digest:
        raise UsageError(
            "the checkpoint was trained on other data",
            where=checkpoint,
            found=f"{train_set.name}, digest {train_set.digest[:12]}",
            expected=f"{key.data}, digest {key.data_digest[:12]}",
            fix=f"--data {key.data}",
        )
    start = Start.of([key], [begun], train_set, where, taught)
    folder = checkpoint.parent if out is None else out
    train_and_print(key, train_set, test_set, folder=folder, device=where, format=format, start=start)
