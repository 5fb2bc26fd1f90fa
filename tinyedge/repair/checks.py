"""Everything about a repair that can be refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyedge.artifact import Artifact, load_artifact
from tinyedge.data.dataset import Dataset
from tinyedge.errors import UsageError
from tinyedge.evaluate import build_target, check_fit
from tinyedge.repair.origin import read_origin
from tinyedge.repair.write import check_folder
from tinyedge.tempered import reference_temperature, temperature_of
from tinyedge.validate import split_options

if TYPE_CHECKING:
    from tinyedge.repair.run import Job

_INT8 = ("int8", "int16x8")


def check(job: Job) -> None:
    """Whether file, data, checkpoint, teacher, steps and folder go together.

    Raises:
        UsageError: where they do not.
        ArtifactError: where a file or its side-car cannot be read.
        ClassCountMismatch, ImageSizeMismatch: where a model does not fit the data.
    """
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
    for read in (read_origin, temperature_of, reference_temperature):
        read(deployed)  # raises where the side-car is none
    if job.checkpoint is not None:
        _check_origin(deployed, _weights(job.checkpoint, "--checkpoint", job.data))
    if job.teacher is not None:
        _weights(job.teacher, "--teacher", job.data)
    _check_steps(job)
    if job.out is not None:
        check_folder(job.out, deployed)


def lacks(job: Job) -> str | None:
    """Why steps that export again cannot be tried; ``None`` where they can."""
    if job.checkpoint is None:
        return "needs --checkpoint"
    return None if job.train is not None else "needs training images, and the data have no train split"


def _check_steps(job: Job) -> None:
    names = [step.name for step in job.steps]
    learns = any(step.needs_teacher for step in job.steps)
    if (job.teacher is not None) != learns:
        raise UsageError(
            "a teacher goes with distillation, and distillation with a teacher",
            where="--teacher" if job.teacher is not None else "--steps",
            found="no step that learns from one" if job.teacher is not None else "distill, and no teacher",
            expected="--steps ...,distill --teacher CHECKPOINT, or neither",
        )
    if job.epochs is not None and not any(step.trains for step in job.steps):
        raise UsageError(
            "epochs are of a short training",
            where="--epochs",
            found=f"none among the steps: {', '.join(names)}",
            expected="--steps ...,qat, or --retrain; or no --epochs",
        )
    if all(step.needs_checkpoint for step in job.steps) and (why := lacks(job)) is not None:
        raise UsageError("none of the steps can be tried", where="--steps", found=", ".join(names), expected=why)


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
    recorded, found = read_origin(deployed).checkpoint_sha256, checkpoint.sha256
    if recorded is not None and recorded != found:
        raise UsageError(
            "the file was exported from another checkpoint",
            where=checkpoint.path,
            found=f"{checkpoint.model}, SHA-256 {found[:16]}",
            expected=f"{recorded[:16]}, which the side-car of {deployed.path.name} records ({deployed.model})",
            fix="give that checkpoint; what another one is exported to repairs nothing in this file",
        )
