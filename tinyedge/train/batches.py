"""Batches from a dataset that stays on the training device as uint8; augmentation happens there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from tinyedge.data.dataset import Dataset
from tinyedge.train.recipe import Recipe


def normalized(images: torch.Tensor) -> torch.Tensor:
    """uint8 NHWC to float32 NCHW in channels-last memory by the family's convention (pixel - 128)/128.

    int8 input with scale 1/128 and zero point 0 is then pixel - 128, without loss.
    """
    return (images.permute(0, 3, 1, 2).float() - 128.0) * (1.0 / 128.0)


@dataclass(frozen=True)
class Order:
    """An epoch's random choices: int64 ``(steps, B, S)`` each, for S seeds side by side.

    Args:
        index: which image.
        dy: the crop's offset from the top of the padded image.
        dx: from its left.
        flip: 1 where the crop is mirrored.
    """

    index: torch.Tensor
    dy: torch.Tensor
    dx: torch.Tensor
    flip: torch.Tensor

    def tensors(self) -> tuple[torch.Tensor, ...]:
        """All four."""
        return self.index, self.dy, self.dx, self.flip


class Batches:
    """The training set as shuffled, augmented batches for one seed or several side by side.

    A seed's order, crops and flips in an epoch follow from (seed, epoch) alone: a run that resumes at an epoch, or that
    shares its steps with other seeds, sees exactly what the uninterrupted run on its own would have seen.
    """

    def __init__(self, data: Dataset, recipe: Recipe, device: torch.device) -> None:
        self._recipe, self._device = recipe, device
        self._labels = torch.tensor(data.labels, device=device)
        self._size, self._channels = data.images.shape[1], data.images.shape[3]
        pad = recipe.crop_padding
        padded = np.pad(data.images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))  # a copy: never read-only
        stored = torch.from_numpy(padded).to(device)
        n, h, w, c = stored.shape
        offsets = 2 * pad + 1
        # Every crop as a view: [image, dy, dx] is one window of the padded image, and indexing it copies only that.
        self._windows = stored.as_strided(
            (n, offsets, offsets, self._size, self._size, c), (h * w * c, w * c, c, w * c, c, 1)
        )

    def __len__(self) -> int:
        """Steps in an epoch."""
        return len(self._labels) // self._recipe.batch

    def order(self, seeds: Sequence[int], epoch: int) -> Order:
        """What the seeds see in ``epoch``, counted from 0."""
        drawn = [self._draw(seed, epoch) for seed in seeds]
        shape = (len(self), self._recipe.batch, len(seeds))
        used = shape[0] * shape[1]
        return Order(*(torch.stack(column, 1)[:used].view(shape) for column in zip(*drawn, strict=True)))

    def take(
        self, index: torch.Tensor, dy: torch.Tensor, dx: torch.Tensor, flip: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A step's images and labels from ``(B, S)`` rows of an ``Order``.

        Returns:
            float32 ``(B, S*C, H, W)`` in channels-last memory, seed after seed; int64 ``(S, B)``.
        """
        batch, seeds = index.shape
        crops = self._windows[index, dy, dx]
        if self._recipe.flip:
            crops = torch.where(flip.bool()[..., None, None, None], crops.flip(3), crops)
        side_by_side = crops.permute(0, 2, 3, 1, 4).reshape(batch, self._size, self._size, seeds * self._channels)
        return normalized(side_by_side), self._labels[index].t()

    def _draw(self, seed: int, epoch: int) -> tuple[torch.Tensor, ...]:
        n = len(self._labels)
        generator = torch.Generator(self._device).manual_seed(epoch_seed(seed, epoch))
        options = {"generator": generator, "device": self._device}
        index = torch.randperm(n, **options)  # type: ignore[call-overload]  # the options of randperm and randint alike
        offsets = 2 * self._recipe.crop_padding + 1
        dy, dx = torch.randint(offsets, (2, n), **options)  # type: ignore[call-overload]
        return index, dy, dx, torch.randint(2, (n,), **options)  # type: ignore[call-overload]


def epoch_seed(seed: int, epoch: int) -> int:
    """One 63-bit seed for each pair, without the collisions that ``seed + epoch`` would have."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> 1)
