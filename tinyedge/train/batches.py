"""Batches from a dataset that stays on the training device as uint8; augmentation happens there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from tinyedge.train.recipe import Recipe


def normalized(images: torch.Tensor) -> torch.Tensor:
    """uint8 NHWC to float32 NCHW in channels-last memory by the family's convention (pixel - 128)/128.

    int8 input with scale 1/128 and zero point 0 is then pixel - 128, without loss.
    """
    return (images.permute(0, 3, 1, 2).float() - 128.0) * (1.0 / 128.0)


class Batches:
    """The training set as shuffled, augmented batches.

    An epoch's order, crops and flips follow from (seed, epoch) alone: a run that resumes at an epoch sees exactly what
    the uninterrupted one would have seen.
    """

    def __init__(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], recipe: Recipe, seed: int, device: torch.device
    ) -> None:
        self._recipe, self._seed, self._device = recipe, seed, device
        self._labels = torch.from_numpy(labels).to(device)
        self._size = images.shape[1]
        pad = recipe.crop_padding
        stored = torch.from_numpy(np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))).to(device)
        n, h, w, c = stored.shape
        offsets = 2 * pad + 1
        # Every crop as a view: [image, dy, dx] is one window of the padded image, and indexing it copies only that.
        self._windows = stored.as_strided(
            (n, offsets, offsets, self._size, self._size, c), (h * w * c, w * c, c, w * c, c, 1)
        )

    def __len__(self) -> int:
        """Steps in an epoch."""
        return len(self._labels) // self._recipe.batch

    def epoch(self, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """``(float32 (B, C, H, W), int64 (B,))`` for each step of ``epoch``, counted from 0."""
        n, batch = len(self._labels), self._recipe.batch
        generator = torch.Generator(self._device).manual_seed(epoch_seed(self._seed, epoch))
        options = {"generator": generator, "device": self._device}
        order = torch.randperm(n, **options)  # type: ignore[call-overload]  # the options of randperm and randint alike
        offsets = 2 * self._recipe.crop_padding + 1
        dy, dx = torch.randint(offsets, (2, n), **options)  # type: ignore[call-overload]
        flip = torch.randint(2, (n,), **options).bool()  # type: ignore[call-overload]
        for start in range(0, len(self) * batch, batch):
            step = slice(start, start + batch)
            index = order[step]
            crops = self._windows[index, dy[step], dx[step]]
            if self._recipe.flip:
                crops = torch.where(flip[step, None, None, None], crops.flip(2), crops)
            yield normalized(crops), self._labels[index]


def epoch_seed(seed: int, epoch: int) -> int:
    """One 63-bit seed for each pair, without the collisions that ``seed + epoch`` would have."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> 1)
