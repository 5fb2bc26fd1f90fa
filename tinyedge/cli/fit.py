"""``tinyedge fit``: which size of a family to ship on a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tinyedge.board import find_board
from tinyedge.board_use import Aim, choose_target
from tinyedge.cli.options import (
    DataDirOption,
    DataOption,
    FamilyOption,
    Format,
    FormatOption,
    FpsOption,
    ImagesOption,
    KernelsOption,
    PolicyOption,
    print_json,
    stderr,
    stdout,
    target_options,
)
from tinyedge.cli.validate import sampled
from tinyedge.errors import UsageError
from tinyedge.files import check_writable, write_atomic
from tinyedge.registry import TARGETS, lookup
from tinyedge.validate import PARITY_IMAGES, split_options

FILES = ("fit.json", "fit.md", "fit.svg")


def fit(
    board: Annotated[
        str, typer.Option("--board", metavar="NAME|PATH", help="The board: tinyedge boards, or a .toml file.")
    ],
    policy: PolicyOption = None,
    fps: FpsOption = None,
    family: FamilyOption = "scalecnn",
    target: Annotated[
        str | None, typer.Option(help="What runs the models (default: the board's own).", show_default=False)
    ] = None,
    kernels: KernelsOption = None,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    images: ImagesOption = None,
    whole: Annotated[bool, typer.Option("--all", help="All images in an emulator too.")] = False,
    within_budget: Annotated[
        bool, typer.Option("--within-budget", help="Do not judge members that are beyond the budget: only size them.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for fit.json, fit.md and fit.svg, the plot.", show_default=False),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Hold every trained member of a family against a board: the largest and the smallest that keep budget and gates.

    Exit code: 0 a member passes, 1 none does, 2 bad input, 3 none is settled, 4 the target could not run.

    \b
    Examples:
      tinyedge fit --board nucleo-f446re --fps 10
      tinyedge fit --board raspberry-pi-pico --data shapes --out fit
    """
    from tinyedge.data import load_dataset
    from tinyedge.fit import check_precision
    from tinyedge.fit import fit as run
    from tinyedge.gate import DEFAULT_POLICY, read_policy
    from tinyedge.gate.policy_names import check_names
    from tinyedge.report import fit_chart, fit_table

    aim = Aim(find_board(board), fps)
    chosen = choose_target(aim, target)
    check_precision(chosen)
    _check_runs_alone(chosen, board)
    options = target_options(kernels=kernels)
    split_options(options, chosen, PARITY_IMAGES)
    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    if out is not None:
        check_writable(out / FILES[0])
    notes = stderr()
    dataset = load_dataset(data, "test", data_dir=data_dir)
    check_names(rules, class_names=dataset.class_names, superclass_names=dataset.superclass_names, file=policy)
    dataset = sampled(dataset, images, whole, lookup(TARGETS, "target", chosen).default_images, seed, notes)

    def on_member(name: str, done: int, total: int) -> None:
        notes.print(f"{done + 1} of {total}: {name} on {chosen}")

    found = run(
        aim,
        target=chosen,
        family=family,
        data=dataset,
        policy=rules,
        options=options,
        seed=seed,
        within_budget=within_budget,
        on_member=on_member,
    )
    if out is not None:
        texts = (json.dumps(found.to_json(), indent=1), fit_table.markdown(found), fit_chart.svg(found))
        for name, text in zip(FILES, texts, strict=True):
            write_atomic(out / name, text)
            notes.print(f"wrote {out / name}", markup=False, soft_wrap=True)
    if format is Format.JSON:
        print_json(found.to_json())
    else:
        fit_table.render(found, stdout())
    raise typer.Exit(found.exit_code)


def _check_runs_alone(target: str, board: str) -> None:
    """Whether the target runs any model without flags of its own.

    Raises:
        UsageError: where it cannot run without a port or a command, which are one model's.
    """
    try:
        lookup(TARGETS, "target", target)().check_options()
    except UsageError as error:
        needs = error.where or "flags of its own"
        raise UsageError(
            "the target runs one model, and fit holds a family against the board",
            where=f"--target {target}",
            found=f"a target that needs {needs}: a board on the desk, or an executable, holds one model",
            expected="a target that runs any model, such as the board's own",
            fix=f"leave --target out, or: tinyedge validate --target {target} {needs} ... --board {board}",
        ) from error
