"""Checkpoints: safetensors with everything in the metadata that says what they are. No pickle anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from tinyedge.errors import TrainingError, UsageError
from tinyedge.files import write_atomic
from tinyedge.models.family import Member
from tinyedge.train.recipe import Recipe, recipe_from
from tinyedge.train.tuning import Tuned

FORMAT = "tinyedge-checkpoint/1"
_MODEL, _MOMENTUM = "model.", "momentum."


@dataclass(frozen=True)
class RunKey:
    """What decides the weights, next to the machine: a checkpoint belongs to exactly one key.

    ``tuned`` is there where the run started from a finished one.
    """

    member: Member
    recipe: Recipe
    seed: int
    data: str
    data_digest: str
    precision: str
    tuned: Tuned | None = None

    @property
    def name(self) -> str:
        """The stem of the run's files, e.g. ``scalecnn-c6-seed0``, or ``scalecnn-c6-seed0-qat`` where it was tuned."""
        stem = f"{self.member.name}-seed{self.seed}"
        return stem if self.tuned is None else f"{stem}-{self.recipe.name}"

    @property
    def fuses(self) -> bool:
        """Whether several seeds may share their steps."""
        return self.member.family == "scalecnn" and (self.tuned is None or self.tuned.method != "qat")

    def goes_with(self, other: RunKey) -> bool:
        """Whether the two differ in their seed, and what they started from, and in nothing else."""
        tuned = other.tuned
        if self.tuned is not None and tuned is not None:
            tuned = replace(tuned, start=self.tuned.start)
        return replace(other, seed=self.seed, tuned=tuned) == self


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an epoch: the model's state, the optimizer's momentum, and where it came from.

    Args:
        key: what decides the weights.
        epoch: finished epochs; a finished run has ``key.recipe.epochs``.
        seconds: wall-clock training time over all the slices of the run; ``None`` where it was read from a finished
            run's file, whose bytes depend on nothing but the key and the machine.
        model: the module's state dict, on the CPU.
        momentum: by parameter name; empty in a finished run's file, which is not resumed.
        facts: versions, device, threads and accuracies: reported, not compared.
    """

    key: RunKey
    epoch: int
    seconds: float | None
    model: dict[str, torch.Tensor] = field(repr=False)
    momentum: dict[str, torch.Tensor] = field(repr=False, default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` whole or not at all."""
    write_atomic(path, checkpoint_bytes(checkpoint))


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """``checkpoint`` as a file's content: equal ones give equal bytes; a finished one's leave out ``seconds``."""
    tensors = {_MODEL + n: t.contiguous() for n, t in checkpoint.model.items()}
    tensors |= {_MOMENTUM + n: t.contiguous() for n, t in checkpoint.momentum.items()}
    key = asdict(checkpoint.key)
    if checkpoint.key.tuned is None:
        del key["tuned"]  # an ordinary run's file is what it was before there were tuned ones
    header = {"key": key, "epoch": checkpoint.epoch, "facts": checkpoint.facts}
    if checkpoint.epoch < checkpoint.key.recipe.epochs and checkpoint.seconds is not None:
        header["seconds"] = round(checkpoint.seconds, 1)
    metadata = {"format": FORMAT, "tinyedge": json.dumps(header, sort_keys=True)}
    return _in_order(safetensors.torch.save(tensors, metadata=metadata))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        TrainingError: where the file is missing, truncated, or not a tinyedge checkpoint.
    """
    if not path.is_file():
        raise TrainingError("there is no such checkpoint", where=path, fix="tinyedge train writes one")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TrainingError("the checkpoint cannot be read", where=path, found=error) from error
    return checkpoint_from_bytes(content, str(path))


def checkpoint_from_bytes(content: bytes, where: str) -> Checkpoint:
    """The checkpoint that ``checkpoint_bytes`` made; ``where`` is what errors call it.

    Raises:
        TrainingError: where the content is truncated, or not a tinyedge checkpoint.
    """
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise TrainingError(
            "the checkpoint cannot be read", where=where, found=error, expected="safetensors"
        ) from error
    metadata = _header(content).get("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise TrainingError(
            "the file is not a tinyedge checkpoint", where=where, found=metadata.get("format"), expected=FORMAT
        )
    try:
        header = json.loads(metadata["tinyedge"])
        key = header["key"]
        tuned = Tuned(**key["tuned"]) if "tuned" in key else None
        made = {"member": Member(**key["member"]), "recipe": recipe_from(key["recipe"]), "tuned": tuned}
        return Checkpoint(
            key=RunKey(**{**key, **made}),
            epoch=header["epoch"],
            seconds=header.get("seconds"),
            model={n.removeprefix(_MODEL): t for n, t in tensors.items() if n.startswith(_MODEL)},
            momentum={n.removeprefix(_MOMENTUM): t for n, t in tensors.items() if n.startswith(_MOMENTUM)},
            facts=header["facts"],
        )
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise TrainingError("the checkpoint's metadata are broken", where=where, found=repr(error)) from error


def check_key(checkpoint: Checkpoint, key: RunKey, where: object) -> Checkpoint:
    """``checkpoint``, if it is of ``key``; a run is never mixed with another one's state.

    Raises:
        TrainingError: where it is another run's.
    """
    for name in ("member", "recipe", "seed", "data_digest", "precision", "tuned"):
        found, expected = getattr(checkpoint.key, name), getattr(key, name)
        if found != expected:
            raise TrainingError(
                f"the file is of another run: its {name} differs",
                where=where,
                found=found,
                expected=expected,
                fix="choose another --out, or remove the file",
            )
    return checkpoint


def _header(content: bytes) -> dict[str, Any]:
    """The JSON at the start of a safetensors file: its length in 8 bytes, little-endian, comes before it."""
    header: dict[str, Any] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return header


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors writes them in another order each time."""
    header = _header(content)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    length = int.from_bytes(content[:8], "little")
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(text) <= length
    return content[:8] + text.ljust(length) + content[8 + length :]
