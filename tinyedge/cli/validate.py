"""``tinyedge validate``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tinyedge import foreign, probe
from tinyedge.artifact import Artifact
from tinyedge.board import find_board
from tinyedge.board_use import Aim, choose_target
from tinyedge.cli.options import (
    NORMALIZE,
    ArenaOption,
    BaudOption,
    BoardOption,
    ColorOption,
    CommandOption,
    DataDirOption,
    DataOption,
    FamilyOption,
    Format,
    FormatOption,
    FpsOption,
    ImagesOption,
    KernelsOption,
    LayoutOption,
    NormalizeOption,
    PolicyOption,
    PortOption,
    ResizeOption,
    TimeoutOption,
    parse_formats,
    print_json,
    stated_input,
    stderr,
    stdout,
    target_options,
)
from tinyedge.cli.progress import Steps, bars
from tinyedge.data import Dataset, load_dataset
from tinyedge.data.labels import in_order, read_labels
from tinyedge.errors import UsageError
from tinyedge.evaluate import Model
from tinyedge.files import check_writable
from tinyedge.gate import DEFAULT_POLICY, policy_toml, read_policy
from tinyedge.gate.policy_names import check_names
from tinyedge.models.family import nearest, parse_count
from tinyedge.registry import TARGETS, lookup
from tinyedge.report import terminal
from tinyedge.report.file import read_stored
from tinyedge.report.formats import FORMATS, check_formats, write_reports
from tinyedge.validate import PARITY_IMAGES, split_options
from tinyedge.validate import validate as run
from tinyedge.zoo import Entry, find

REFERENCE_TARGETS = {"onnx": "onnx-fp32", "tflite": "tflite-fp32", "checkpoint": "torch-fp32"}
"""What runs a float reference, by its format."""


def validate(
    target: Annotated[
        str | None,
        typer.Option(
            help="What runs the deployed model: see tinyedge targets (default: tflite-int8, or the board's own).",
            show_default=False,
        ),
    ] = None,
    board: BoardOption = None,
    fps: FpsOption = None,
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
    normalize: NormalizeOption = None,
    reference_normalize: Annotated[
        str | None,
        typer.Option(metavar=NORMALIZE, help="The reference's, where it is another one.", show_default=False),
    ] = None,
    color: ColorOption = None,
    layout: LayoutOption = None,
    resize: ResizeOption = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="The class names in the order of the outputs, one a line (default: the data's order)."),
    ] = None,
    look: Annotated[
        bool,
        typer.Option(
            "--probe/--no-probe", help="First try your files on 200 images under the usual input conventions too."
        ),
    ] = True,
    data: DataOption = "auto",
    data_dir: DataDirOption = None,
    images: ImagesOption = None,
    whole: Annotated[bool, typer.Option("--all", help="Evaluate all images in an emulator too.")] = False,
    policy: PolicyOption = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="The last release's report, of the same images: judge the step from it too ([baseline])."),
    ] = None,
    parity: Annotated[
        int, typer.Option(min=0, help="Images to run on TFLite Micro too (int8 TFLite); 0 for none.")
    ] = PARITY_IMAGES,
    arena_bytes: ArenaOption = None,
    kernels: KernelsOption = None,
    port: PortOption = None,
    baud: BaudOption = None,
    command: CommandOption = None,
    timeout_s: TimeoutOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the samples that --images and --parity draw.")] = 0,
    formats: Annotated[
        str | None,
        typer.Option(
            "--report",
            metavar="FORMATS",
            help="Write reports into --out: html, junit, md, intoto; several with commas. run.json, which tinyedge "
            "report and --baseline read, always goes with them.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of the reports (default with --report: here; alone: html).", show_default=False),
    ] = None,
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
      tinyedge validate --target tflm-int8 --params 50k \\
        --report html,junit,md --out reports
      tinyedge validate --reference float.onnx --deployed int8.tflite \\
        --normalize 0..1 --labels labels.txt --data my_images/
    """
    aim = _aim(board, fps)
    target = choose_target(aim, target)
    runtime = lookup(TARGETS, "target", target)
    options = target_options(
        arena_bytes=arena_bytes, kernels=kernels, port=port, baud=baud, command=command, timeout_s=timeout_s
    )
    own_options, _ = split_options(options, target, parity)
    chosen, folder = _reports(formats, out, baseline)
    rules = DEFAULT_POLICY if policy is None else read_policy(policy)
    if print_policy:
        typer.echo(policy_toml(rules), nl=False)
        return
    last = None if baseline is None else read_stored(baseline)
    _check_files(params, reference, deployed, reference_normalize)
    notes = stderr()
    dataset = load_dataset(data, "test", data_dir=data_dir)
    check_names(rules, class_names=dataset.class_names, superclass_names=dataset.superclass_names, file=policy)
    entry = None if params is None else from_zoo(params, family, dataset.name, dataset.num_classes, notes)
    if labels is not None:
        dataset = in_order(dataset, read_labels(labels), labels)
    stated = stated_input(normalize, color, layout, resize)
    # The zoo's ONNX file is the reference that needs no torch; judged itself, it is held against the checkpoint.
    if reference is None:
        float_model = _shipped(entry, "checkpoint" if runtime.format == "onnx" else "onnx-fp32")
    else:
        own = stated_input(reference_normalize, flag="--reference-normalize")
        float_model = foreign.load_reference(reference, stated, own, dataset, _reference_model, seed=seed)
    if deployed is None:
        shipped = _shipped(entry, "checkpoint" if target == "torch-fp32" else f"{runtime.format}-{runtime.precision}")
    else:
        shipped = foreign.load(deployed, stated, dataset, lambda found: Model(target, found, own_options), seed=seed)
    if reference is not None or deployed is not None:
        pair = _reference_model(float_model), Model(target, shipped, own_options)
        _say_input(pair, dataset, notes)
        if look:
            with notes.status("trying the input convention on a few images"):
                probe.check(reference=pair[0], deployed=pair[1], data=dataset, seed=seed)
    dataset = sampled(dataset, images, whole, runtime.default_images, seed, notes)
    with bars(notes) as bar:
        result = run(
            reference=float_model,
            deployed=shipped,
            reference_target=_reference_target(float_model),
            target=target,
            data=dataset,
            policy=rules,
            seed=seed,
            parity_images=parity,
            options=options,
            baseline=last,
            aim=aim,
            on_progress=Steps(bar),
        )
    if chosen:
        for path in write_reports(result, chosen, folder, dataset):
            notes.print(f"wrote {path}", markup=False, soft_wrap=True)
    if format is Format.JSON:
        print_json(result.to_json(), indent=None)  # it holds a few values for every image
    else:
        terminal.render(result, stdout())
    raise typer.Exit(result.verdict.exit_code)


def _aim(board: str | None, fps: float | None) -> Aim | None:
    if board is None:
        if fps is not None:
            raise UsageError("a frame rate of which board?", where="--fps", found="no --board", fix="tinyedge boards")
        return None
    return Aim(find_board(board), fps)


def _check_files(
    params: str | None, reference: Path | None, deployed: Path | None, reference_normalize: str | None
) -> None:
    both = reference is not None and deployed is not None
    if both == (params is not None):
        raise UsageError(
            "which model?",
            found="--params and both files" if both else "neither --params nor both of --reference and --deployed",
            expected="--params, where one file may take the place of the zoo's; or both --reference and --deployed",
            fix="tinyedge validate --target tflite-int8 --params 50k",
        )
    if reference is None and reference_normalize is not None:
        raise UsageError(
            "the zoo's reference states its own input",
            where="--reference-normalize",
            found=reference_normalize,
            expected="nothing, or a model of your own as --reference",
        )


def sampled(data: Dataset, images: int | None, whole: bool, enough: int | None, seed: int, notes: Console) -> Dataset:
    """As many images as are asked for; ``enough`` of them where nothing is."""
    if images is not None and whole:
        raise UsageError("all images, or how many?", found=f"--all and --images {images}", expected="one of the two")
    if images is None and not whole and enough is not None and len(data) > enough:
        notes.print(f"{enough:,} of {len(data):,} images, drawn with seed {seed}; all of them with --all")
        images = enough
    return data if images is None else data.sample(images, seed=seed)


def _reports(formats: str | None, out: Path | None, baseline: Path | None) -> tuple[list[str], Path]:
    """The formats to write, none where neither option is given, and the folder, before any work is done for them."""
    if formats is None and out is None:
        return [], Path()
    chosen = ["json", *parse_formats(formats or "html")]
    folder = out or Path()
    check_formats(chosen)
    written = folder / FORMATS["json"].file
    check_writable(written)
    if baseline is not None and written.resolve() == baseline.resolve():
        raise UsageError(
            "the new report would replace the last release's",
            where="--out",
            found=f"{written}, which is --baseline",
            expected="another folder",
        )
    return chosen, folder


def from_zoo(params: str, family: str, data: str, num_classes: int, notes: Console) -> Entry:
    """The shipped member nearest to ``params``; which one, and how near, is noted."""
    found = nearest(parse_count(params), family, num_classes=num_classes)
    member = found.member
    notes.print(f"{params} parameters: {member.name} with {member.plan.params:,}, {found.factor:.2f} times that")
    return find(member, data)


def _shipped(entry: Entry | None, format: str) -> Artifact:
    assert entry is not None, "checked before: without --params both files are given"
    return entry.load(format)


def _reference_target(artifact: Artifact) -> str:
    return REFERENCE_TARGETS[artifact.format]


def _reference_model(artifact: Artifact) -> Model:
    return Model(_reference_target(artifact), artifact)


def _say_input(pair: tuple[Model, Model], data: Dataset, notes: Console) -> None:
    """How the images go in, before anything runs: the report has it too."""
    for side, model in zip(("reference", "deployed"), pair, strict=True):
        artifact = model.artifact
        steps = "; ".join(artifact.preparation(data.images.shape[1:]))
        notes.print(f"{side}: {artifact.path.name}: {steps}; {artifact.output_kind} out", markup=False, soft_wrap=True)
