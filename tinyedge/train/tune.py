"""Short training that starts from finished runs: plain, towards a teacher, or with int8's rounding in the network.

The result is an ordinary checkpoint of the same member, which every exporter takes; its key says what was done to what.

References:
    Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, section 2.
    Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    arXiv 1712.05877, section 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import safetensors.torch
import torch

from tinyedge.data.dataset import Dataset
from tinyedge.errors import TrainingError, UsageError
from tinyedge.machine import has_bf16
from tinyedge.train.checkpoint import Checkpoint, RunKey
from tinyedge.train.start import Start
from tinyedge.train.steps import Progress
from tinyedge.train.together import Stage, train_together
from tinyedge.train.tuning import Tuned, Tuning


def tune(
    start: Checkpoint,
    data: Dataset,
    test: Dataset,
    *,
    tuning: Tuning,
    device: torch.device,
    teacher: Checkpoint | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Tune one finished run to the end.

    Args:
        start: a finished run.
        data: the training set that it was trained on.
        test: accuracy at the end is measured on it; nothing is ever selected by it.
        tuning: method and schedule.
        device: of the model and the data.
        teacher: a finished run on the same data; for ``distill``, and for no other method.
        on_step: called after a step.
        on_note: one line for a person.

    Raises:
        UsageError: where method and teacher do not belong together.
        TrainingError: where ``start`` or ``teacher`` is not finished, or of other data.
        TrainingDiverged: where the loss is no longer finite.
    """
    keys = [tuned_key(start, tuning, device, teacher)]
    for stage in tune_together(
        keys, [start], data, test, device=device, teacher=teacher, on_step=on_step, on_note=on_note
    ):
        if stage.finished:
            break
    (done,) = stage.checkpoints()
    return done


def tuned_key(start: Checkpoint, tuning: Tuning, device: torch.device, teacher: Checkpoint | None = None) -> RunKey:
    """What decides the weights of a tuned run. ``qat`` computes in float32: int8's steps are finer than bfloat16's.

    Raises:
        UsageError, TrainingError: as ``tune``.
    """
    distills = tuning.method == "distill"
    if distills != (teacher is not None):
        raise UsageError(
            "a teacher goes with distillation, and distillation with a teacher",
            where=f"method {tuning.method}",
            found="no teacher" if teacher is None else f"a teacher, {teacher.key.name}",
            fix="--teacher with a checkpoint of a larger member" if distills else "--method distill, or no --teacher",
        )
    key = start.key
    for part, run in (("start", start), ("teacher", teacher)):
        if run is not None:
            _check_finished(part, run, key.data_digest)
    tuned = Tuned(tuning.method, digest(start), key.recipe.name, start.epoch)
    if teacher is not None:
        tuned = replace(tuned, teacher=digest(teacher), temperature=tuning.temperature, weight=tuning.weight)
    bf16 = tuning.method != "qat" and (device.type == "cuda" or has_bf16())
    return replace(key, recipe=tuning.recipe, precision="bf16" if bf16 else "fp32", tuned=tuned)


def tune_together(
    keys: Sequence[RunKey],
    starts: Sequence[Checkpoint],
    data: Dataset,
    test: Dataset,
    *,
    device: torch.device,
    teacher: Checkpoint | None = None,
    states: Sequence[Checkpoint] | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[Stage]:
    """As ``train_together``, for keys of ``tuned_key``: several seeds of one member share their steps.

    Args:
        keys: equal in all but the seed and what they start from.
        starts: one a key.
        data: the training set.
        test: for the accuracy at the end.
        device: of the model and the data.
        teacher: the same for all seeds.
        states: where each key stands; ``None`` from the start.
        on_step: called after a step.
        on_note: one line for a person.
    """
    start = Start.of(keys, starts, data, device, teacher)
    yield from train_together(
        keys, data, test, device=device, states=states, start=start, on_step=on_step, on_note=on_note
    )


def digest(checkpoint: Checkpoint) -> str:
    """SHA-256 over the weights, by name: the same whichever version wrote the file."""
    return hashlib.sha256(safetensors.torch.save(checkpoint.model)).hexdigest()


def _check_finished(part: str, run: Checkpoint, data_digest: str) -> None:
    if run.epoch != run.key.recipe.epochs:
        raise TrainingError(
            f"the {part} of a tuning is a finished run",
            where=run.key.name,
            found=f"{run.epoch} epochs",
            expected=f"{run.key.recipe.epochs} epochs",
        )
    if run.key.data_digest != data_digest:
        raise TrainingError(
            f"the {part} of a tuning was trained on other data",
            where=run.key.name,
            found=f"{run.key.data}, digest {run.key.data_digest[:12]}",
            expected=f"digest {data_digest[:12]}",
        )
