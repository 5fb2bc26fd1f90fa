"""Two parts of the evaluation images: what a repair is tuned on, and what it is judged on. No image is in both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.errors import UsageError

MOST_TUNING = 2000
"""Of the images, and a fifth at most: enough for one temperature, and to choose among a few files."""


def default_tuning(images: int) -> int:
    """How many of ``images`` tune: a fifth, at most ``MOST_TUNING``."""
    return min(MOST_TUNING, images // 5)


def split(data: Dataset, tuning: int, *, seed: int, least: int) -> tuple[Dataset, Dataset]:
    """The tuning images and the judged ones, each class in proportion, each part in the order of ``data``.

    Drawn over the ids: differently ordered copies of one dataset are split alike, and an image that the dataset holds
    twice is in one part.

    Args:
        data: the evaluation set.
        tuning: how many images tune; up to one more a class where the proportion is no whole number.
        seed: of the draw.
        least: images that either part needs at least: the policy's ``min_images``.

    Raises:
        UsageError: where too few are left for either part.
    """
    if not least <= tuning <= len(data) - least:
        raise UsageError(
            "the images cannot be split so",
            where="--tune-images",
            found=f"{tuning:,} of {len(data):,} images to tune on, {max(len(data) - tuning, 0):,} left to judge",
            expected=f"at least {least:,} in either part (the policy's min_images)",
            fix="more images, or another --tune-images; what a repair was tuned on cannot judge it",
        )
    chosen = np.isin(data.ids, _drawn(data, tuning, seed))
    parts = []
    for name, mask in (("tuning", chosen), ("judged", ~chosen)):
        part = data.take(np.flatnonzero(mask).astype(np.int64))
        parts.append(replace(part, source=f"{data.source}, {len(part):,} of {len(data):,} images, {name}, seed {seed}"))
    return parts[0], parts[1]


def _drawn(data: Dataset, tuning: int, seed: int) -> NDArray[np.str_]:
    """Ids of the tuning images: of each class its share, the largest remainders rounded up."""
    ids, first = np.unique(data.ids, return_index=True)  # sorted, each once
    labels = data.labels[first]
    generator = np.random.default_rng(seed)
    share = np.bincount(labels, minlength=data.num_classes) * (tuning / len(data))
    counts = np.floor(share).astype(int)
    up = np.argsort(counts - share, kind="stable")[: tuning - int(counts.sum())]
    counts[up] += 1
    drawn = [generator.permutation(ids[labels == k])[: counts[k]] for k in range(data.num_classes)]
    return np.concatenate(drawn)
