"""Checkpoints: safetensors with everything in the metadata that says what they are. No pickle anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tinyedge.errors import TrainingError
from tinyedge.files import replacing
from tinyedge.models.family import Member
from tinyedge.train.recipe import Recipe, recipe_from

FORMAT = "tinyedge-checkpoint/1"
_MODEL, _MOMENTUM = "model.", "momentum."


@dataclass(frozen=True)
class RunKey:
    """What decides the weights, next to the machine: a checkpoint belongs to exactly one key."""

    member: Member
    recipe: Recipe
    seed: int
    data: str
    data_digest: str
    precision: str

    @property
    def name(self) -> str:
        """The stem of the run's files, e.g. ``scalecnn-c6-seed0``."""
        return f"{self.member.name}-seed{self.seed}"


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an epoch: the model's state, the optimizer's momentum, and where it came from.

    Args:
        key: what decides the weights.
        epoch: finished epochs; a finished run has ``key.recipe.epochs``.
        seconds: wall-clock training time over all the slices of the run.
        model: the module's state dict, on the CPU.
        momentum: by parameter name; empty in a finished run's file, which is not resumed.
        facts: versions, device, threads and accuracies: reported, not compared.
    """

    key: RunKey
    epoch: int
    seconds: float
    model: dict[str, torch.Tensor] = field(repr=False)
    momentum: dict[str, torch.Tensor] = field(repr=False, default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` whole or not at all."""
    tensors = {_MODEL + n: t.contiguous() for n, t in checkpoint.model.items()}
    tensors |= {_MOMENTUM + n: t.contiguous() for n, t in checkpoint.momentum.items()}
    header = {
        "key": asdict(checkpoint.key),
        "epoch": checkpoint.epoch,
        "seconds": round(checkpoint.seconds, 1),
        "facts": checkpoint.facts,
    }
    metadata = {"format": FORMAT, "tinyedge": json.dumps(header, sort_keys=True)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        TrainingError: where the file is missing, truncated, or not a tinyedge checkpoint.
    """
    if not path.is_file():
        raise TrainingError("there is no such checkpoint", where=path, fix="tinyedge train writes one")
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  # not a mapping
    except (SafetensorError, OSError) as error:
        raise TrainingError("the checkpoint cannot be read", where=path, found=error, expected="safetensors") from error
    if metadata.get("format") != FORMAT:
        raise TrainingError(
            "the file is not a tinyedge checkpoint", where=path, found=metadata.get("format"), expected=FORMAT
        )
    header = json.loads(metadata["tinyedge"])
    key = header["key"]
    return Checkpoint(
        key=RunKey(
            **{**key, "member": Member(**key["member"]), "recipe": recipe_from(key["recipe"])},
        ),
        epoch=header["epoch"],
        seconds=header["seconds"],
        model={n.removeprefix(_MODEL): t for n, t in tensors.items() if n.startswith(_MODEL)},
        momentum={n.removeprefix(_MOMENTUM): t for n, t in tensors.items() if n.startswith(_MOMENTUM)},
        facts=header["facts"],
    )
