"""One training run by files: from a key to a checkpoint in a folder, resumable at every epoch.

A run that was killed and resumed on the same machine ends in the same file, byte for byte, as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tinyedge.data.dataset import Dataset
from tinyedge.errors import TrainingError, UsageError
from tinyedge.machine import has_bf16
from tinyedge.train.checkpoint import Checkpoint, RunKey, check_key, load_checkpoint, save_checkpoint
from tinyedge.train.start import Start
from tinyedge.train.steps import Progress
from tinyedge.train.together import train_together

__all__ = ["Files", "Progress", "pick_device", "pick_precision", "train"]

STATE_EVERY_S = 15.0
"""A state file at most this often: what a kill can cost."""


@dataclass(frozen=True)
class Files:
    """The two files of a run: its end, and the state that it can resume from."""

    folder: Path
    name: str

    @property
    def final(self) -> Path:
        """The finished run."""
        return self.folder / f"{self.name}.safetensors"

    @property
    def state(self) -> Path:
        """The unfinished run; removed at the end."""
        return self.folder / f"{self.name}.state.safetensors"


def pick_device(name: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` as a device.

    Raises:
        UsageError: for another name.
        TrainingError: where CUDA is asked for and is not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError("unknown device", where="--device", found=name, expected="auto, cpu or cuda")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("no CUDA device here", where="--device", found=name, expected="cpu or auto")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """``auto`` as ``bf16`` where the device multiplies it natively, else ``fp32``."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" or has_bf16() else "fp32"


def train(
    key: RunKey,
    data: Dataset,
    test: Dataset,
    *,
    folder: Path,
    device: torch.device,
    start: Start | None = None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train ``key`` on ``data``, or go on where ``folder`` has its state; return what was written.

    Args:
        key: member, recipe, seed, data digest, precision.
        data: the training set; its digest must be the key's.
        test: accuracy at the end is measured on it; nothing is ever selected by it.
        folder: receives ``<name>.safetensors``.
        device: of the model, the data and the augmentation.
        start: what a tuned run starts with; ``None`` from fresh weights.
        on_step: called after every step (the loss is known every 50th: reading it waits for the device).
        on_note: one line for a person, e.g. that the run goes on from an epoch.

    Raises:
        TrainingDiverged: where the loss is no longer finite.
        TrainingError: where the folder holds a run of another key.
    """
    files = Files(folder, key.name)
    if files.final.is_file():
        done = check_key(load_checkpoint(files.final), key, files.final)
        on_note(f"{files.final.name} is already finished; nothing to train")
        return done
    states = None
    if files.state.is_file():
        states = [check_key(load_checkpoint(files.state), key, files.state)]
        on_note(f"resumes after epoch {states[0].epoch} of {key.recipe.epochs}")
    saved = time.monotonic()
    for stage in train_together(
        [key], data, test, device=device, states=states, start=start, on_step=on_step, on_note=on_note
    ):
        if stage.finished:
            break
        if time.monotonic() - saved >= STATE_EVERY_S:
            save_checkpoint(files.state, stage.checkpoints()[0])
            saved = time.monotonic()
    (finished,) = stage.checkpoints()
    save_checkpoint(files.final, finished)
    files.state.unlink(missing_ok=True)
    return finished
