"""``tinyedge sweep``: families x widths x seeds x targets, trained, exported and run; resumable, joinable, scalable."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from typer.core import TyperCommand

from tinyedge.cli.options import DataDirOption, DataOption, Format, FormatOption, print_json, stderr, stdout
from tinyedge.data import load_dataset
from tinyedge.data.folder import SPLITS
from tinyedge.data.load import resolved
from tinyedge.errors import INCONCLUSIVE, INTERNAL, PASS, SweepError, TargetUnavailable, TinyedgeError, UsageError
from tinyedge.models.family import FAMILIES
from tinyedge.sweep.drive import Summary, Sweep, Training
from tinyedge.sweep.folder import SweepFolder
from tinyedge.sweep.local import LocalRunner
from tinyedge.sweep.merge import merge
from tinyedge.sweep.plan import DEFAULT_TARGETS, Basis, Plan, Selection
from tinyedge.sweep.settle import Asked, make_training, settle, training_device
from tinyedge.sweep.status import left, model_rows

if TYPE_CHECKING:
    from rich.console import Console

    from tinyedge.data.dataset import Dataset
    from tinyedge.sweep.runner import Runner

_LOCAL = "local"
_UNITS = {"s": 1, "m": 60, "h": 3600}


class RayCommand(TyperCommand):
    """``--ray`` with or without an address: the parser knows options with a value and options without one only."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare ``--ray`` its value."""
        for i, arg in reversed(list(enumerate(args))):
            if arg == "--ray" and (i + 1 == len(args) or args[i + 1].startswith("-")):
                args.insert(i + 1, _LOCAL)
        return super().parse_args(ctx, args)


def sweep(
    families: Annotated[
        str | None, typer.Option(metavar="A,B", help=f"Default: {','.join(FAMILIES)}.", show_default=False)
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="4,6,0.25", help="Of these families (default: all).", show_default=False)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="0-4|0,2", help="A training run each (default: 0-4).", show_default=False)
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help=f"What each model is run on (default: {','.join(DEFAULT_TARGETS)}).", show_default=False
        ),
    ] = None,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    recipe: Annotated[
        str | None, typer.Option(help="paper or shapes (default: the data's own).", show_default=False)
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Other than the recipe's; its name then says so.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The sweep's folder (default: runs/<data>).", show_default=False)
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="25m", help="Stop cleanly after this long; s, m or h.", show_default=False)
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda; with --ray auto goes by the cluster's GPUs.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bf16 (autocast) or fp32.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, max=1024, help="CPU threads of a training task.")] = 1,
    fuse: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Seeds trained in one step (default: by width).", show_default=False),
    ] = None,
    stem_stride: Annotated[int, typer.Option(help="MobileNetV2's first stride: 1 or 2.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]", help="Perform the tasks on Ray: here, or a cluster's address.", show_default=False
        ),
    ] = None,
    join: Annotated[
        list[Path] | None,
        typer.Option("--merge", metavar="DIR", help="First take what another folder's sweep finished; repeatable."),
    ] = None,
    train: Annotated[bool, typer.Option("--train/--no-train", help="Or only export and run what is trained.")] = True,
    status: Annotated[bool, typer.Option("--status", help="Only say what is done and what is left.")] = False,
    format: FormatOption = Format.TEXT,
) -> int:
    """Train, export and run whole families; goes on where an earlier sweep stopped.

    The folder's manifest grows by what is asked for; finished work is never done
    again. Where nothing is asked for, all that the manifest lists is done.
    Exit code 3: the budget ended first; run it again.

    \b
    Examples:
      tinyedge sweep --data shapes --widths 4,6 --seeds 0-1
      tinyedge sweep --data cifar100 --widths 4,6,8 --budget 25m
      tinyedge sweep --status --data cifar100
      tinyedge sweep --merge gpu-box/runs/cifar100 --status
      tinyedge sweep --ray head:6379 --families scalecnn
    """
    selection = Selection(
        families=_words(families),
        widths=None if widths is None else tuple(_number("--widths", text) for text in _words(widths) or ()),
        seeds=None if seeds is None else _seeds(seeds),
        targets=() if targets == "none" else _words(targets),
        stem_stride=stem_stride,
    )
    seconds = None if budget is None else _duration(budget)
    console = stderr()
    with ExitStack() as stack:
        if status:
            folder = SweepFolder(out or Path("runs") / Path(resolved(data, data_dir)).resolve().name)
            if join:
                stack.enter_context(folder.lock())
            _join(folder, join or [], stack, console)
            return _show(folder, format)
        _need_torch()
        if precision not in ("auto", "bf16", "fp32"):
            raise UsageError("unknown precision", where="--precision", found=precision, expected="auto, bf16 or fp32")
        sets = {split: load_dataset(data, split, data_dir=data_dir) for split in SPLITS}
        folder = SweepFolder(out or Path("runs") / sets["train"].name)
        stack.enter_context(folder.lock())
        _join(folder, join or [], stack, console)
        asked = Asked(selection, recipe, epochs, None if precision == "auto" else precision)
        asked.plan(folder, sets["train"].num_classes)  # a wrong name is said before a cluster is started or joined
        runner = _runner(ray, sets)
        stack.callback(runner.close)
        trains_on = training_device(device, runner.gpus())
        basis, plan = settle(folder, sets["train"], sets["test"], asked, trains_on)
        plan = plan if train else plan.only_trained(folder.root)
        summary = _run(folder, basis, plan, runner, make_training(trains_on, threads, fuse), seconds, console)
    _show(folder, format)
    return _ended(summary, console)


def _join(folder: SweepFolder, sources: list[Path], stack: ExitStack, console: Console) -> None:
    for path in sources:
        source = SweepFolder(path)
        if not path.is_dir() or path.resolve() == folder.root.resolve():
            raise SweepError(
                "there is no such folder to merge",
                where=path,
                found="the sweep's own folder" if path.is_dir() else "nothing",
                fix="check the path given to --merge",
            )
        with source.lock():
            done = merge(folder, source)
        console.print(
            f"{path}: {done.taken} units taken, {done.both} there already, {done.states} unfinished runs taken"
        )
        for name in done.differing:
            console.print(f"{name}: differs from what is here, which stays", style="yellow")


def _runner(ray: str | None, sets: dict[str, Dataset]) -> Runner:
    if ray is None:
        return LocalRunner(sets)
    from tinyedge.sweep.on_ray import RayRunner

    return RayRunner(sets, None if ray == _LOCAL else ray)


def _run(
    folder: SweepFolder,
    basis: Basis,
    plan: Plan,
    runner: Runner,
    training: Training,
    seconds: float | None,
    console: Console,
) -> Summary:
    units, undone = sum(1 for _ in plan.units()), left(folder, basis, plan)
    console.print(
        f"{folder.root}: {len(plan.models)} models, {units} units, recipe {basis.recipe.name} "
        f"({basis.recipe.epochs} epochs), {basis.precision}, {training.device}; {undone} not done yet"
    )
    live = console.status("") if console.is_terminal else None
    with live or nullcontext():

        def note(task: str, line: str) -> None:
            if live is not None and line.startswith("epoch"):
                live.update(f"{task}: {line}")
            else:
                console.print(f"{time.strftime('%H:%M:%S')} {task}: {line}")

        return Sweep(folder, basis, plan, runner, training, budget_s=seconds, on_note=note).run()


def _show(folder: SweepFolder, format: Format) -> int:
    known = folder.read_manifest()
    if known is None:
        raise SweepError("there is no sweep in this folder", where=folder.root, fix="start one without --status")
    basis, plan = known
    rows = list(model_rows(folder, basis, plan))
    undone = left(folder, basis, plan)
    if format is Format.JSON:
        print_json({"basis": asdict(basis), "left": undone, "models": [asdict(row) for row in rows]})
        return PASS
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    table.add_column("model", no_wrap=True)
    table.add_column("params", justify="right", vertical="bottom", no_wrap=True)
    for title in ("seconds", *(target.replace("-", "\n") for target in plan.targets)):
        table.add_column(title, justify="right", vertical="bottom", overflow="fold", min_width=5)
    waiting = [row for row in rows if row.state == "waiting"]
    for row in (row for row in rows if row.state != "waiting"):
        figures = ("" if share is None else f"{100 * share:.2f}" for share in row.accuracy.values())
        seconds = row.training.get("seconds")
        spent = row.state if seconds is None else f"{seconds:,.0f}"
        table.add_row(row.model, f"{row.params:,}", spent, *figures)
    console = stdout()
    console.print(table)
    units = sum(1 for _ in plan.units())
    console.print(
        f"{basis.data}, recipe {basis.recipe.name}, {basis.recipe.epochs} epochs, {basis.precision}; accuracy in "
        f"per cent on the test split. {len(waiting)} models not begun; {undone} of {units} units left."
    )
    return PASS


def _ended(summary: Summary, console: Console) -> int:
    """The exit code: of the first failure, else 3 where units are left because time ran out."""
    for error, units in _by_error(summary.failed):
        console.print(f"{', '.join(units)} failed:\n{error}", style="red", markup=False)
    for error in summary.failed.values():
        return error.exit_code if isinstance(error, TinyedgeError) else INTERNAL
    if summary.left:
        console.print(f"the budget is spent; {summary.left} units are left: run the same command again")
        return INCONCLUSIVE
    return PASS


def _by_error(failed: Mapping[str, Exception]) -> Sequence[tuple[Exception, list[str]]]:
    """Each error once, with the units that it failed: a task of several seeds has one for all of them."""
    found: dict[int, tuple[Exception, list[str]]] = {}
    for unit, error in failed.items():
        found.setdefault(id(error), (error, []))[1].append(unit)
    return list(found.values())


def _need_torch() -> None:
    if find_spec("torch") is None:
        raise TargetUnavailable("a sweep needs PyTorch", found="no torch here", fix="pip install 'tinyedge[all]'")


def _words(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(word.strip() for word in text.split(",") if word.strip())


def _number(flag: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError("not a number", where=flag, found=text, expected="numbers such as 4,6,0.25") from error


def _seeds(text: str) -> tuple[int, ...]:
    """``0-4``, ``3`` or ``0,2-3``."""
    found: list[int] = []
    for word in _words(text) or ():
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", word)
        last = int(match[2] or match[1]) if match else -1
        if match is None or not int(match[1]) <= last < int(match[1]) + 1000:
            raise UsageError("not seeds", where="--seeds", found=text, expected="e.g. 0-4 or 0,2")
        found += range(int(match[1]), last + 1)
    return tuple(dict.fromkeys(found))


def _duration(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh])", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError("not a duration", where="--budget", found=text, expected="a number with s, m or h, e.g. 25m")
    return float(match[1]) * _UNITS[match[2]]
