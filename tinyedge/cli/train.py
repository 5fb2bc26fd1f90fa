"""``tinyedge train``: one member, one seed, one recipe, to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tinyedge.cli.options import DataDirOption, DataOption, FamilyOption, Format, FormatOption, print_json, stderr
from tinyedge.errors import TargetUnavailable, UsageError
from tinyedge.models.family import Member
from tinyedge.train.recipe import RECIPES, chosen_recipe

if TYPE_CHECKING:
    from tinyedge.train.loop import Progress as Step


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
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 (autocast) or fp32.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="CPU threads (default: PyTorch's).")] = None,
    stem_stride: Annotated[int, typer.Option(help="MobileNetV2's first stride: 1 or 2.")] = 1,
    format: FormatOption = Format.TEXT,
) -> None:
    """Train one member of a family to a checkpoint; resumes where a killed run left off.

    \b
    Examples:
      tinyedge train --family scalecnn --width 6 --seed 0
      tinyedge train --width 6 --data shapes --out runs/shapes
    """
    try:
        import torch
    except ImportError as error:
        raise TargetUnavailable(
            "training needs PyTorch", found="no torch here", fix="pip install 'tinyedge[train]'"
        ) from error
    from tinyedge.data import load_dataset
    from tinyedge.sweep.folder import SweepFolder
    from tinyedge.train.checkpoint import RunKey
    from tinyedge.train.loop import Files, pick_device, pick_precision
    from tinyedge.train.loop import train as run

    if precision not in ("auto", "bf16", "fp32"):
        raise UsageError("unknown precision", where="--precision", found=precision, expected="auto, bf16 or fp32")
    where = pick_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    console = stderr()
    train_set = load_dataset(data, "train", data_dir=data_dir)
    test_set = load_dataset(data, "test", data_dir=data_dir)
    member = Member(family, width, train_set.num_classes, stem_stride)
    chosen = chosen_recipe(recipe, epochs, train_set.name)
    key = RunKey(member, chosen, seed, train_set.name, train_set.digest, pick_precision(precision, where))
    folder = out / train_set.name if out == Path("runs") else out
    console.print(
        f"{member.name}: {member.plan.params:,} parameters, {train_set.name} ({len(train_set):,} training images), "
        f"recipe {chosen.name} ({chosen.epochs} epochs), seed {seed}, {where.type} {key.precision}"
    )
    with SweepFolder(folder).lock(), _bar(console) as bar:
        task = bar.add_task("training", total=None, epoch="-", loss="-", accuracy="-")
        done = run(
            key,
            train_set,
            test_set,
            folder=folder,
            device=where,
            on_step=lambda step: _show(bar, task, step, console),
            on_note=console.print,
        )
    path = Files(folder, key.name).final
    facts = {
        "checkpoint": str(path),
        "member": member.name,
        "params": member.plan.params,
        "data": train_set.name,
        "recipe": chosen.name,
        "epochs": done.epoch,
        "seed": seed,
        "seconds": None if done.seconds is None else round(done.seconds, 1),
        "test_accuracy": done.facts["test_accuracy"],
        "test_images": len(test_set),
    }
    if format is Format.JSON:
        print_json(facts)
    else:
        typer.echo(
            f"{path}: {done.facts['test_accuracy']:.2%} of {len(test_set):,} test images of {train_set.name} right, "
            f"after {done.epoch} epochs" + ("" if done.seconds is None else f" in {done.seconds:.0f} s")
        )


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("epoch {task.fields[epoch]}", justify="left"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>5.1f}%  loss {task.fields[loss]}  acc {task.fields[accuracy]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=console,
    )


def _show(bar: Progress, task: TaskID, step: Step, console: Console) -> None:
    done, total = step.epoch * step.steps + step.step, step.epochs * step.steps
    bar.update(task, completed=done, total=total)
    fields = bar.tasks[task].fields
    fields["epoch"] = f"{step.epoch + 1}/{step.epochs}"
    if step.loss is not None and step.train_accuracy is not None:
        fields |= {"loss": f"{step.loss:.3f}", "accuracy": f"{step.train_accuracy:.1%}"}
    if step.step == step.steps and not console.is_terminal:  # a log file gets a line an epoch in place of the bar
        left = bar.tasks[task].time_remaining
        eta = "" if left is None else f"  ETA {left / 60:.0f} min"
        console.print(f"epoch {fields['epoch']}  loss {fields['loss']}  acc {fields['accuracy']}{eta}")
