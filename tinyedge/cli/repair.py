"""``tinyedge repair``: from a file that fails its gates to one that does not, the cheapest on the device first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyedge.cli.options import (
    ArenaOption,
    DataDirOption,
    DataOption,
    FamilyOption,
    Format,
    FormatOption,
    ImagesOption,
    KernelsOption,
    NormalizeOption,
    PolicyOption,
    print_json,
    stated_input,
    stderr,
    stdout,
    target_options,
)
from tinyedge.errors import UsageError
from tinyedge.files import check_writable, write_atomic
from tinyedge.registry import TARGETS, lookup
from tinyedge.repair.steps import COSTLY_STEPS, DEFAULT_STEPS, STEPS, TEACHER_STEPS
from tinyedge.validate import PARITY_IMAGES

if TYPE_CHECKING:
    from tinyedge.data import Dataset
    from tinyedge.evaluate import Model
    from tinyedge.report.repair import Repair

FORMATS = ("html", "md")
"""Beside repair.json, which always goes with them."""


def repair(
    deployed: Annotated[Path, typer.Option(help="The file that fails (.tflite or .onnx, quantized to integers).")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="What it was exported from (.safetensors of tinyedge train).", show_default=False),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(help="In its place a shipped family member by size, e.g. 50k, and its checkpoint."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="The float model to judge against (default: the checkpoint). Without a checkpoint only steps that "
            "need the file alone are tried.",
            show_default=False,
        ),
    ] = None,
    family: FamilyOption = "scalecnn",
    target: Annotated[str, typer.Option(help="What runs the file: see tinyedge targets.")] = "tflite-int8",
    kernels: KernelsOption = None,
    arena_bytes: ArenaOption = None,
    normalize: NormalizeOption = None,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    images: ImagesOption = None,
    tune_images: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Evaluation images that fit and choose, and judge nothing (default: a fifth, at most 2,000).",
            show_default=False,
        ),
    ] = None,
    policy: PolicyOption = None,
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help=f"Steps to try, with commas: {', '.join(DEFAULT_STEPS)} (the default), "
            f"{', '.join(step.name for step in STEPS if not step.free)}.",
            show_default=False,
        ),
    ] = None,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help=f"Try {' and '.join(COSTLY_STEPS)} too, and {', '.join(TEACHER_STEPS)} where there is a --teacher.",
        ),
    ] = False,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help=f"A larger model's checkpoint to learn from ({', '.join(TEACHER_STEPS)}).", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of qat and distill (default: the method's own).", show_default=False)
    ] = None,
    go_on: Annotated[bool, typer.Option("--all", help="Try every step, past a file that passes.")] = False,
    parity: Annotated[
        int, typer.Option(min=0, help="Images to run on TFLite Micro too (int8 TFLite); 0 for none.")
    ] = PARITY_IMAGES,
    seed: Annotated[int, typer.Option(min=0, help="Of the split into tuning and judged images, and of samples.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for the better file, where there is one, and repair.json.", show_default=False),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option("--report", metavar="FORMATS", help="Write html, md, or both into --out.", show_default=False),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Try on a failing file what costs nothing on the device, and show what each step does to every gate.

    Steps add up, one that helps nothing is undone, and the first file that passes is the result.

    Some of the images fit and choose and are never judged; the others judge, more strictly the more is tried.

    Exit code: that of the result: 0 pass, 1 a gate fails, 3 inconclusive; 2 bad input, 4 the target could not run.

    \b
    Examples:
      tinyedge repair --deployed bad-int8.tflite --params 50k --out repaired
      tinyedge repair --deployed bad-int8.tflite --checkpoint c6.safetensors \\
        --data cifar100 --steps ranges,temperature --report html,md --out repaired
      tinyedge repair --deployed int8.tflite --reference float.onnx \\
        --steps temperature --data my_images/
    """
    from tinyedge import foreign
    from tinyedge.cli.progress import Steps, bars
    from tinyedge.cli.validate import sampled
    from tinyedge.data import load_dataset
    from tinyedge.evaluate import Model
    from tinyedge.gate import DEFAULT_POLICY, read_policy
    from tinyedge.gate.policy_names import check_names
    from tinyedge.repair import Job, chosen
    from tinyedge.repair import repair as run
    from tinyedge.report import repair_table

    runtime = lookup(TARGETS, "target", target)
    ladder = chosen(_names(steps, retrain, teacher))
    written = _formats(formats, out)
    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    notes = stderr()
    dataset = load_dataset(data, "test", data_dir=data_dir)
    check_names(rules, class_names=dataset.class_names, superclass_names=dataset.superclass_names, file=policy)
    options = target_options(kernels=kernels, arena_bytes=arena_bytes)
    stated = stated_input(normalize)
    start, float_model = _float(checkpoint, params, reference, family, dataset, normalize, seed)
    failing = foreign.load(deployed, stated, dataset, lambda found: Model(target, found, options), seed=seed)
    sample = sampled(dataset, images, False, runtime.default_images, seed, notes)
    with bars(notes) as bar:
        found = run(
            Job(
                deployed=failing,
                reference=float_model,
                target=target,
                data=sample,
                policy=rules,
                steps=ladder,
                checkpoint=start,
                train=_train(data, data_dir),
                teacher=teacher,
                epochs=epochs,
                tuning=tune_images,
                parity_images=parity,
                seed=seed,
                options=options,
                go_on=go_on,
                out=out,
            ),
            on_progress=Steps(bar),
            on_step=lambda line: notes.print(line, markup=False, soft_wrap=True),
        )
    if out is not None:
        for path, text in _texts(found, written, out):
            write_atomic(path, text)
            notes.print(f"wrote {path}", markup=False, soft_wrap=True)
    if format is Format.JSON:
        print_json(found.to_json(), indent=None)
    else:
        repair_table.render(found, stdout())
    raise typer.Exit(found.exit_code)


def _names(steps: str | None, retrain: bool, teacher: Path | None) -> list[str]:
    """The steps that were asked for."""
    names = list(DEFAULT_STEPS) if steps is None else [n.strip() for n in steps.split(",") if n.strip()]
    return [*names, *COSTLY_STEPS, *(TEACHER_STEPS if teacher is not None else ())] if retrain else names


def _formats(formats: str | None, out: Path | None) -> tuple[str, ...]:
    """The reports to write, refused before any work is done for them."""
    if out is not None:
        check_writable(out / "repair.json")
    if formats is None:
        return ()
    names = [name.strip() for name in formats.split(",") if name.strip()]
    for name in names or [""]:
        if name not in FORMATS:
            raise UsageError(
                "unknown report format" if name else "no report format",
                where="--report",
                found=repr(name),
                expected=" or ".join((*FORMATS, ",".join(FORMATS))),
            )
    if out is None:
        raise UsageError("reports go into a folder", where="--report", found="no --out", fix="--out repaired")
    for name in names:
        check_writable(out / f"repair.{name}")
    return tuple(dict.fromkeys(names))


def _float(
    checkpoint: Path | None,
    params: str | None,
    reference: Path | None,
    family: str,
    data: Dataset,
    normalize: str | None,
    seed: int,
) -> tuple[Path | None, Model]:
    """The checkpoint to export from, where there is one, and the float model to judge against."""
    from tinyedge import foreign
    from tinyedge.artifact import load_artifact
    from tinyedge.cli.validate import REFERENCE_TARGETS, from_zoo
    from tinyedge.evaluate import Model

    if (checkpoint is not None) + (params is not None) > 1 or (checkpoint, params, reference) == (None, None, None):
        raise UsageError(
            "what was the file exported from?",
            found="both --checkpoint and --params" if checkpoint else "neither --checkpoint, --params nor --reference",
            expected="--checkpoint, or --params for a shipped one; --reference alone allows the temperature only",
        )

    def model(path: Path) -> Model:
        found = foreign.load(path, stated_input(normalize), data, lambda a: Model(REFERENCE_TARGETS[a.format], a))
        return Model(REFERENCE_TARGETS[found.format], found)

    if params is not None:
        entry = from_zoo(params, family, data.name, data.num_classes, stderr())
        start = entry.load("checkpoint").path
        own = entry.load("onnx-fp32")
        return start, model(reference) if reference else Model("onnx-fp32", own)
    if reference is not None:
        return checkpoint, model(reference)
    assert checkpoint is not None, "one of the three is there"
    return checkpoint, Model("torch-fp32", load_artifact(checkpoint))


def _train(data: str, data_dir: Path | None) -> Callable[[], Dataset] | None:
    """What loads the training set, once; ``None`` where the data have none."""
    from functools import cache

    from tinyedge.data import load_dataset
    from tinyedge.data.load import dataset_splits, resolved

    if "train" not in dataset_splits(resolved(data, data_dir)):
        return None
    return cache(lambda: load_dataset(data, "train", data_dir=data_dir))


def _texts(found: Repair, formats: tuple[str, ...], out: Path) -> list[tuple[Path, str]]:
    from tinyedge.report import repair_table

    texts = [(out / "repair.json", json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n")]
    if "md" in formats:
        texts.append((out / "repair.md", repair_table.markdown(found)))
    if "html" in formats:
        from tinyedge.report import repair_html

        texts.append((out / "repair.html", repair_html.render(found)))
    return texts
