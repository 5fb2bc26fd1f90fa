"""A repair from its inputs to its result: checks, the two sets of images, the ladder, the file that is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyedge import __version__
from tinyedge.artifact import Artifact, load_artifact, sidecar_path
from tinyedge.data.dataset import Dataset
from tinyedge.errors import UsageError
from tinyedge.evaluate import Model, build_target, check_fit
from tinyedge.files import check_writable
from tinyedge.gate import Policy
from tinyedge.registry import EXPORTERS, TARGETS, lookup
from tinyedge.repair.bench import Bench, Candidate, OnProgress, silent
from tinyedge.repair.climb import Climb, OnStep, climb
from tinyedge.repair.ladder import at_share
from tinyedge.repair.make import Maker
from tinyedge.repair.split import default_tuning, split
from tinyedge.repair.steps import DEFAULT_COUNT, Kit, Recipe, Step
from tinyedge.report.repair import Repair, Split
from tinyedge.validate import PARITY_IMAGES, data_facts, split_options

_INT8 = ("int8", "int16x8")


@dataclass(frozen=True)
class Job:
    """What is to be repaired, and with what.

    Args:
        deployed: the file.
        reference: the float model that it is judged against.
        target: that runs the file.
        data: the evaluation set, or the sample of it to use.
        policy: the gates and their limits.
        steps: to try, in order.
        checkpoint: that the file was exported from; without it only steps that need the file alone are tried.
        train: the training set, loaded where it is asked for; ``None`` where the data have none.
        teacher: a checkpoint, for ``distill``.
        epochs: of a short training; ``None`` is the method's own.
        tuning: images that tune; ``None``: ``default_tuning``.
        parity_images: as ``validate`` takes it.
        seed: of the split and the parity sample.
        options: of the target's constructor.
        go_on: try all steps, past a file that passes.
        out: a folder for the repaired file, or ``None``.
    """

    deployed: Artifact
    reference: Model
    target: str
    data: Dataset
    policy: Policy
    steps: tuple[Step, ...]
    checkpoint: Path | None = None
    train: Callable[[], Dataset] | None = None
    teacher: Path | None = None
    epochs: int | None = None
    tuning: int | None = None
    parity_images: int = PARITY_IMAGES
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    go_on: bool = False
    out: Path | None = None


def repair(
    job: Job,
    *,
    on_progress: OnProgress = silent,
    on_step: OnStep = silent,
) -> Repair:
    """Try the steps on the file, and write what is better into ``job.out``.

    Args:
        job: what is to be repaired.
        on_progress: for a progress bar.
        on_step: one line for a person.

    Raises:
        UsageError: where file, checkpoint, teacher, images or folder do not fit, or nothing can be repaired.
        ClassCountMismatch, ImageSizeMismatch: where file and data do not fit.
        TargetError, ArtifactError, PredictionsError: where the file itself cannot be run.
    """
    destination = _checked(job)
    count = default_tuning(len(job.data)) if job.tuning is None else job.tuning
    tuning, judged = split(job.data, count, seed=job.seed, least=job.policy.min_images)
    tried = [step for step in job.steps if _lacks(job) is None or not step.needs_checkpoint]
    bench = Bench(
        reference=job.reference,
        tuning=tuning,
        judged=judged,
        policy=job.policy,
        candidates=max(1, len(tried)),
        parity_images=job.parity_images,
        seed=job.seed,
        options=job.options,
        on_progress=on_progress,
    )
    recipe = recipe_of(job.deployed, job.target, job.checkpoint)
    given = Candidate(job.deployed, job.target)
    with tempfile.TemporaryDirectory(prefix="tinyedge-repair-") as folder:
        maker = Maker(
            given,
            recipe,
            train=lambda: _train(job)(),
            bench=bench,
            folder=Path(folder),
            teacher=job.teacher,
            epochs=job.epochs,
            on_note=on_step,
        )
        kit = Kit(
            calibrations=_calibrations,
            images=lambda: len(_train(job)()),
            teacher=job.teacher,
            format=job.deployed.format,
            lacks=_lacks(job),
        )
        found = climb(
            given, recipe, bench=bench, maker=maker, kit=kit, steps=job.steps, go_on=job.go_on, on_step=on_step
        )
        written = None
        if destination is not None and found.final:
            written = _write(found, maker, destination)
    return _result(job, bench, found, written)


def recipe_of(deployed: Artifact, target: str, checkpoint: Path | None) -> Recipe:
    """How the file was made, as far as its side-car says; the exporter is that of the target's files.

    A temperature that is in it already may be a wrong one: another is folded in beside it, and an export has none.
    """
    images, runtime = deployed.origin.get("representative") or {}, lookup(TARGETS, "target", target)
    return Recipe(
        exporter=f"{runtime.format}-{runtime.precision}",
        target=target,
        checkpoint=checkpoint,
        calibration=images.get("calibration"),
        count=images.get("count", DEFAULT_COUNT),
        seed=images.get("seed", 0),
        balanced=bool(images.get("balanced", False)),
    )


def _checked(job: Job) -> Path | None:
    """Everything that can be refused before anything runs; the path of the repaired file, or ``None``."""
    deployed = job.deployed
    if deployed.precision not in _INT8:
        raise UsageError(
            "the file is not quantized to integers: there is nothing to repair in its ranges or scales",
            where=deployed.path,
            found=deployed.precision,
            expected=" or ".join(_INT8),
            fix="tinyedge export --to tflite-int8",
        )
    build_target(job.target, split_options(job.options, job.target, job.parity_images)[0]).check(deployed)
    check_fit(deployed, job.data)
    check_fit(job.reference.artifact, job.data)
    if job.checkpoint is not None:
        _check_origin(deployed, _weights(job.checkpoint, "--checkpoint", job.data))
    if job.teacher is not None:
        _weights(job.teacher, "--teacher", job.data)
    names = [step.name for step in job.steps]
    if (job.teacher is not None) != ("distill" in names):
        raise UsageError(
            "a teacher goes with distillation, and distillation with a teacher",
            where="--teacher" if job.teacher is not None else "--steps",
            found="no step that learns from one" if job.teacher is not None else "distill, and no teacher",
            expected="--steps ...,distill --teacher CHECKPOINT, or neither",
        )
    if all(step.needs_checkpoint for step in job.steps) and (lacks := _lacks(job)) is not None:
        raise UsageError("none of the steps can be tried", where="--steps", found=", ".join(names), expected=lacks)
    return None if job.out is None else _destination(job.out, deployed)


def _weights(path: Path, flag: str, data: Dataset) -> Artifact:
    """A checkpoint of a model for these data.

    Raises:
        UsageError, ArtifactError: where it is something else.
        ClassCountMismatch, ImageSizeMismatch: where it does not fit the data.
    """
    found = load_artifact(path)
    if found.format != "checkpoint":
        raise UsageError(
            "weights are exported from a checkpoint",
            where=f"{flag} {path}",
            found=f"a {found.format} file",
            expected=".safetensors of tinyedge train",
            fix="an exported float model goes with --reference" if flag == "--checkpoint" else None,
        )
    check_fit(found, data)
    return found


def _check_origin(deployed: Artifact, checkpoint: Artifact) -> None:
    """Whether the file says that it was exported from the checkpoint; where it says nothing, it is on the user's word.

    Raises:
        UsageError: where it says another one.
    """
    training = deployed.origin.get("training") or {}
    recorded, found = training.get("checkpoint_sha256"), checkpoint.sha256
    if recorded not in (None, found):
        raise UsageError(
            "the file was exported from another checkpoint",
            where=checkpoint.path,
            found=f"{checkpoint.model}, SHA-256 {found[:16]}",
            expected=f"{recorded[:16]}, which the side-car of {deployed.path.name} records ({deployed.model})",
            fix="give that checkpoint; what another one is exported to repairs nothing in this file",
        )


def _destination(out: Path, deployed: Artifact) -> Path:
    path = out / f"{deployed.path.stem}-repaired{deployed.path.suffix}"
    for taken in (path, sidecar_path(path)):
        if taken.exists():
            raise UsageError(
                "there is a repaired file already", where=taken, expected="none", fix="another --out, or remove it"
            )
    check_writable(path)
    return path


def _lacks(job: Job) -> str | None:
    """Why steps that export again cannot be tried; ``None`` where they can."""
    if job.checkpoint is None:
        return "needs --checkpoint"
    return None if job.train is not None else "needs training images, and the data have no train split"


def _train(job: Job) -> Callable[[], Dataset]:
    assert job.train is not None, "steps that export are not reached without"
    return job.train


def _calibrations(exporter: str) -> tuple[str, ...]:
    known: tuple[str, ...] = lookup(EXPORTERS, "exporter", exporter).calibrations
    return known


def _write(found: Climb, maker: Maker, destination: Path) -> str:
    """The file with its side-car, and the weights where they were trained; returns the file's name."""
    rung = found.rungs[found.final]
    source = rung.candidate.artifact.path
    # The side-car first: a file without one is no artifact.
    shutil.copyfile(sidecar_path(source), sidecar_path(destination))
    shutil.copyfile(source, destination)
    if rung.recipe.tuning is not None:
        weights = maker.checkpoint(rung.recipe)
        shutil.copyfile(weights, destination.with_name(weights.name))
    return destination.name


def _result(job: Job, bench: Bench, found: Climb, written: str | None) -> Repair:
    policy, strict = job.policy, at_share(job.policy, bench.candidates)
    return Repair(
        run={
            "tinyedge": __version__,
            "file": job.deployed.path.name,
            "model": job.deployed.model,
            "params": job.deployed.params,
            "target": job.target,
            "options": dict(job.options),
            "reference": job.reference.artifact.path.name,
            "reference_target": job.reference.target,
            "policy": policy.name,
            "policy_digest": policy.digest,
            "steps": [step.name for step in job.steps],
            "seed": job.seed,
            "parity_images": job.parity_images,
        },
        data=data_facts(job.data),
        split=Split(
            tuning=len(bench.tuning),
            judged=len(bench.judged),
            seed=job.seed,
            candidates=bench.candidates,
            confidence=policy.confidence,
            shared=strict.confidence,
        ),
        trials=tuple(found.trials),
        untried=tuple(found.untried),
        final=found.final,
        repaired=written,
        note=found.note,
    )
