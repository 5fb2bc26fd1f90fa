"""What runs that go on from finished ones are given: weights, a teacher, images to choose int8's ranges by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn
from torch.nn import functional

from tinyedge.data.dataset import Dataset
from tinyedge.errors import TrainingError
from tinyedge.train.batches import normalized
from tinyedge.train.checkpoint import Checkpoint, RunKey
from tinyedge.train.nets import State

RANGE_IMAGES = 1000
"""As many as the exporters draw, and by the same seed."""


@dataclass(frozen=True, eq=False)
class Teacher:
    """A trained model whose probabilities are learned.

    Args:
        module: in evaluation mode, on the training's device.
        temperature: of both softmaxes.
        weight: of this loss; the labels' has the rest.
        dtype: that the module computes in.
    """

    module: nn.Module = field(repr=False)
    temperature: float
    weight: float
    dtype: torch.dtype

    def mixed(self, losses: torch.Tensor, logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Each image's loss with the teacher's part: (1 - w) of the labels', w T^2 KL(teacher || student) at T.

        Args:
            losses: float32 ``(S*B,)``, the labels' loss, seed after seed.
            logits: the student's, float32 ``(S, B, K)``.
            images: what it saw, float32 ``(B, S*3, H, W)``.

        Reference:
            Hinton et al. 2015, section 2; T^2 keeps the size of the gradients.
        """
        seeds, batch, classes = logits.shape
        apart = images.view(batch, seeds, -1, *images.shape[2:]).transpose(0, 1).flatten(0, 1)
        with torch.no_grad(), torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
            known = self.module(apart.contiguous(memory_format=torch.channels_last)).float()
        student = functional.log_softmax(logits.reshape(-1, classes) / self.temperature, 1)
        target = functional.log_softmax(known / self.temperature, 1)
        divergence = functional.kl_div(student, target, reduction="none", log_target=True).sum(1)
        return (1 - self.weight) * losses + self.weight * self.temperature**2 * divergence


@dataclass(frozen=True, eq=False)
class Start:
    """What a group of tuned runs starts with.

    Args:
        states: the finished runs' state dicts, in the order of the keys.
        teacher: for distillation.
        images: float32 ``(N, 3, H, W)``, not augmented: what the ranges of activations follow; for ``qat``.
    """

    states: tuple[State, ...] = field(repr=False)
    teacher: Teacher | None = None
    images: torch.Tensor | None = field(default=None, repr=False)

    def part(self, positions: Sequence[int]) -> Start:
        """Of some of the keys."""
        return replace(self, states=tuple(self.states[i] for i in positions))

    @classmethod
    def of(
        cls,
        keys: Sequence[RunKey],
        starts: Sequence[Checkpoint],
        data: Dataset,
        device: torch.device,
        teacher: Checkpoint | None,
    ) -> Start:
        """What ``keys``, which say what is done, need of ``starts``, of ``teacher`` and of the training set.

        Raises:
            TrainingError: where a start is not of the key's member and seed.
        """
        for key, start in zip(keys, starts, strict=True):
            if (start.key.member, start.key.seed) != (key.member, key.seed):
                raise TrainingError(
                    "a run is tuned from the same member and seed", where=key.name, found=start.key.name
                )
        tuned = keys[0].tuned
        assert tuned is not None, "keys of tuned_key"
        states = tuple(start.model for start in starts)
        if teacher is not None:
            assert tuned.temperature is not None, "the key of a distillation"
            assert tuned.weight is not None, "the same"
            module = teacher.key.member.build()
            module.load_state_dict(teacher.model)
            module = module.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)
            dtype = torch.bfloat16 if keys[0].precision == "bf16" else torch.float32
            return cls(states, Teacher(module, tuned.temperature, tuned.weight, dtype))
        if tuned.method == "qat":
            images = data.sample(min(RANGE_IMAGES, len(data)), seed=0).images
            return cls(states, images=normalized(torch.tensor(images, device=device)))
        return cls(states)
