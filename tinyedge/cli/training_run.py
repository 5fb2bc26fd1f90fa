"""What ``tinyedge train`` and ``tinyedge tune`` show of a run, and print at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tinyedge.cli.options import Format, print_json, stderr
from tinyedge.errors import TargetUnavailable

if TYPE_CHECKING:
    import torch

    from tinyedge.data import Dataset
    from tinyedge.train.checkpoint import RunKey
    from tinyedge.train.loop import Progress as Step
    from tinyedge.train.start import Start


def require_torch() -> None:
    """Stop here where PyTorch is missing.

    Raises:
        TargetUnavailable: with the command that installs it.
    """
    try:
        import torch  # noqa: F401  # that it can be imported
    except ImportError as error:
        raise TargetUnavailable(
            "training needs PyTorch", found="no torch here", fix="pip install 'tinyedge[train]'"
        ) from error


def train_and_print(
    key: RunKey,
    data: Dataset,
    test: Dataset,
    *,
    folder: Path,
    device: torch.device,
    format: Format,
    start: Start | None = None,
) -> None:
    """Train ``key`` under the folder's lock with a progress bar; print where the checkpoint is and what it scores."""
    from tinyedge.sweep.folder import SweepFolder
    from tinyedge.train.loop import Files, train

    console = stderr()
    console.print(
        f"{key.member.name}: {key.member.plan.params:,} parameters, {data.name} ({len(data):,} training images), "
        f"recipe {key.recipe.name} ({key.recipe.epochs} epochs), seed {key.seed}, {device.type} {key.precision}"
    )
    with SweepFolder(folder).lock(), _bar(console) as bar:
        task = bar.add_task("training", total=None, epoch="-", loss="-", accuracy="-")
        done = train(
            key,
            data,
            test,
            folder=folder,
            device=device,
            start=start,
            on_step=lambda step: _show(bar, task, step, console),
            on_note=console.print,
        )
    path = Files(folder, key.name).final
    facts = {
        "checkpoint": str(path),
        "member": key.member.name,
        "params": key.member.plan.params,
        "data": data.name,
        "recipe": key.recipe.name,
        "epochs": done.epoch,
        "seed": key.seed,
        "seconds": None if done.seconds is None else round(done.seconds, 1),
        "test_accuracy": done.facts["test_accuracy"],
        "test_images": len(test),
    }
    if format is Format.JSON:
        print_json(facts)
    else:
        typer.echo(
            f"{path}: {done.facts['test_accuracy']:.2%} of {len(test):,} test images of {data.name} right, "
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
