"""``tinyedge validate``: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tinyedge.artifact import Artifact, InputConvention, load_artifact
from tinyedge.cli.options import (
    DataDirOption,
    DataOption,
    FamilyOption,
    Format,
    FormatOption,
    parse_convention,
    print_json,
    stderr,
    stdout,
)
from tinyedge.data import load_dataset
from tinyedge.errors import UsageError
from tinyedge.files import check_writable, write_atomic
from tinyedge.gate import DEFAULT_POLICY, policy_toml, read_policy
from tinyedge.models.family import nearest, parse_count
from tinyedge.registry import TARGETS, lookup
from tinyedge.report import terminal
from tinyedge.validate import PARITY_IMAGES
from tinyedge.validate import validate as run
from tinyedge.zoo import Entry, find

REFERENCE_TARGETS = {"onnx": "onnx-fp32", "tflite": "tflite-fp32", "checkpoint": "torch-fp32"}
"""What runs a float reference, by its format."""


def validate(
    target: Annotated[str, typer.Option(help="What runs the deployed model: see tinyedge targets.")] = "tflite-int8",
    params: Annotated[
        str | None, typer.Option(help="Shipped family member by size, e.g. 50k: the nearest is taken, and said.")
    ] = None,
    family: FamilyOption = "scalecnn",
    deployed: Annotated[
        Path | None, typer.Option(help="The model that ships (.tflite or .onnx), in place of the zoo's.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Its float model (.onnx, .tflite or .safetensors), in place of the zoo's.")
    ] = None,
    normalize: Annotated[
        str | None,
        typer.Option(
            metavar="MEAN,STD",
            help="A model without a side-car: its input is (pixel - MEAN)/STD, e.g. 128,128 or 0,255.",
        ),
    ] = None,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Evaluate a seeded sample of this many images (default: all).")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file (TOML; default: the built-in policy).")] = None,
    parity: Annotated[
        int, typer.Option(min=0, help="Images to run on TFLite Micro too (int8 TFLite); 0 for none.")
    ] = PARITY_IMAGES,
    arena_bytes: Annotated[
        int | None,
        typer.Option(min=1, help="The firmware's tensor arena: TFLite Micro refuses a model that needs more."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples that --images and --parity draw.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write the whole report as JSON to this file.")] = None,
    print_policy: Annotated[
        bool,
        typer.Option(
            "--print-policy", help="Print the policy in use as commented TOML, to start your own from; no run."
        ),
    ] = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Run the deployed artifact and its float reference on one evaluation set, and judge the difference.

    Exit code: 0 pass, 1 a gate failed, 2 bad input, 3 inconclusive, 4 the target could not run.

    \b
    Examples:
      tinyedge validate --target tflite-int8 --params 50k
      tinyedge validate --target tflm-int8 --params 50k --report report.json
      tinyedge validate --reference float.onnx --deployed int8.tflite \\
        --normalize 128,128 --data my_images/
    """
    runtime = lookup(TARGETS, "target", target)
    if report is not None:
        check_writable(report)
    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    if print_policy:
        typer.echo(policy_toml(rules), nl=False)
        return
    both = reference is not None and deployed is not None
    if both == (params is not None):
        raise UsageError(
            "which model?",
            found="--params and both files" if both else "neither --params nor both of --reference and --deployed",
            expected="--params, where one file may take the place of the zoo's; or both --reference and --deployed",
            fix="tinyedge validate --target tflite-int8 --params 50k",
        )
    notes = stderr()
    dataset = load_dataset(data, "test", data_dir=data_dir)
    entry = None if params is None else _from_zoo(params, family, dataset.name, dataset.num_classes, notes)
    convention = None if normalize is None else parse_convention(normalize)
    # The zoo's ONNX file is the reference that needs no torch; judged itself, it is held against the checkpoint.
    float_model = _model(reference, convention, entry, "checkpoint" if runtime.format == "onnx" else "onnx-fp32")
    shipped = _model(deployed, convention, entry, f"{runtime.format}-{runtime.precision}")
    if images is not None:
        dataset = dataset.sample(images, seed=seed)
    with _bar(notes) as bar:
        result = run(
            reference=float_model,
            deployed=shipped,
            reference_target=REFERENCE_TARGETS[float_model.format],
            target=target,
            data=dataset,
            policy=rules,
            seed=seed,
            parity_images=parity,
            arena_bytes=arena_bytes,
            on_progress=_Steps(bar),
        )
    content = result.to_json()
    if report is not None:
        write_atomic(report, json.dumps(content, indent=1, allow_nan=False) + "\n")
    if format is Format.JSON:
        print_json(content)
    else:
        terminal.render(result, stdout())
    raise typer.Exit(result.verdict.exit_code)


def _from_zoo(params: str, family: str, data: str, num_classes: int, notes: Console) -> Entry:
    found = nearest(parse_count(params), family, num_classes=num_classes)
    member = found.member
    notes.print(f"{params} parameters: {member.name} with {member.plan.params:,}, {found.factor:.2f} times that")
    return find(member, data)


def _model(path: Path | None, convention: InputConvention | None, entry: Entry | None, format: str) -> Artifact:
    if path is not None:
        return load_artifact(path, convention=convention)
    assert entry is not None, "checked before: without --params both files are given"
    return entry.load("checkpoint" if format == "checkpoint-fp32" else format)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


class _Steps:
    """One bar a step, as the steps report themselves."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(step, total=total)
        self._bar.update(self._tasks[step], completed=done, total=total)
