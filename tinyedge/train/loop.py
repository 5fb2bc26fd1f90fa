"""One training run: from a key to a checkpoint, resumable at every epoch.

Dataset on the device as uint8, augmentation there, channels-last, bf16 autocast where the processor has it. Everything
random in an epoch follows from (seed, epoch), so a run that was killed and resumed on the same machine ends in the same
weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from tinyedge.data.dataset import Dataset
from tinyedge.errors import TrainingError, UsageError
from tinyedge.machine import has_bf16
from tinyedge.train.batches import Batches, epoch_seed, normalized
from tinyedge.train.checkpoint import Checkpoint, RunKey, load_checkpoint, save_checkpoint

STATE_EVERY_S = 15.0
"""A state file at most this often: what a kill can cost."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands, for the progress bar: after each step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None
    train_accuracy: float | None


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
        on_step: called after every step (the loss is known every 50th: reading it waits for the device).
        on_note: one line for a person, e.g. that the run goes on from an epoch.

    Raises:
        TrainingError: where the loss is no longer finite, or the folder holds a run of another key.
    """
    files = Files(folder, key.name)
    if files.final.is_file():
        done = _matching(load_checkpoint(files.final), key, files.final)
        on_note(f"{files.final.name} is already finished; nothing to train")
        return done
    torch.manual_seed(key.seed)
    model = key.member.build().to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=key.recipe.learning_rate,
        momentum=key.recipe.momentum,
        nesterov=True,
        weight_decay=key.recipe.weight_decay,
        fused=True,
    )
    first, before = 0, 0.0
    if files.state.is_file():
        state = _matching(load_checkpoint(files.state), key, files.state)
        _restore(model, optimizer, state, device)
        first, before = state.epoch, state.seconds
        on_note(f"resumes after epoch {first} of {key.recipe.epochs}")
    batches = Batches(data.images, data.labels, key.recipe, key.seed, device)
    start = saved = time.monotonic()
    for epoch in range(first, key.recipe.epochs):
        _epoch(model, optimizer, batches, key, epoch, on_step)
        now = time.monotonic()
        if now - saved >= STATE_EVERY_S and epoch + 1 < key.recipe.epochs:
            save_checkpoint(files.state, _snapshot(key, epoch + 1, before + now - start, model, optimizer))
            saved = time.monotonic()
    seconds = before + time.monotonic() - start
    finished = _snapshot(key, key.recipe.epochs, seconds, model)
    finished.facts["test_accuracy"] = accuracy(model, test, device)
    finished.facts["test_digest"] = test.digest
    save_checkpoint(files.final, finished)
    files.state.unlink(missing_ok=True)
    return finished


def accuracy(model: nn.Module, test: Dataset, device: torch.device) -> float:
    """Share of ``test`` that the float32 model gets right."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(test), 1000):
            images = torch.from_numpy(test.images[start : start + 1000]).to(device)
            predicted = model(normalized(images)).argmax(1).cpu().numpy()
            right += int((predicted == test.labels[start : start + 1000]).sum())
    return right / len(test)


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    key: RunKey,
    epoch: int,
    on_step: Callable[[Progress], None],
) -> None:
    model.train()
    torch.manual_seed(epoch_seed(key.seed, epoch))  # dropout (MobileNetV2) draws from the global generator
    device_type = next(model.parameters()).device.type
    steps = len(batches)
    for step, (images, labels) in enumerate(batches.epoch(epoch)):
        for group in optimizer.param_groups:
            group["lr"] = key.recipe.rate(epoch * steps + step, key.recipe.epochs * steps)
        with torch.autocast(device_type, torch.bfloat16, enabled=key.precision == "bf16"):
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        looked = step % 50 == 49 or step + 1 == steps
        value = float(loss.detach()) if looked else None
        if value is not None and not math.isfinite(value):
            raise TrainingError(
                "the loss is no longer finite",
                where=f"{key.name}, epoch {epoch + 1}, step {step + 1}",
                found=value,
                expected="a number",
                fix="--precision fp32",
            )
        right = float((logits.argmax(1) == labels).float().mean()) if looked else None
        on_step(Progress(epoch, key.recipe.epochs, step + 1, steps, value, right))


def _snapshot(
    key: RunKey,
    epoch: int,
    seconds: float,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
) -> Checkpoint:
    device = next(model.parameters()).device
    momentum = {}
    if optimizer is not None:
        momentum = {name: optimizer.state[p]["momentum_buffer"].detach().cpu() for name, p in model.named_parameters()}
    facts = {
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }
    weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
    return Checkpoint(key, epoch, seconds, weights, momentum, facts)


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, state: Checkpoint, device: torch.device) -> None:
    model.load_state_dict(state.model)
    for name, parameter in model.named_parameters():
        # The layout must be the parameter's: the fused update walks both in memory order.
        buffer = torch.empty_like(parameter.detach())
        optimizer.state[parameter]["momentum_buffer"] = buffer.copy_(state.momentum[name].to(device))


def _matching(checkpoint: Checkpoint, key: RunKey, path: Path) -> Checkpoint:
    """``checkpoint``, if it is of ``key``; a run is never mixed with another one's state."""
    for field in ("member", "recipe", "seed", "data_digest", "precision"):
        found, expected = getattr(checkpoint.key, field), getattr(key, field)
        if found != expected:
            raise TrainingError(
                f"the file is of another run: its {field} differs",
                where=path,
                found=found,
                expected=expected,
                fix="choose another --out, or remove the file",
            )
    return checkpoint
