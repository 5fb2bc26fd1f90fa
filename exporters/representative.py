"""Representative images: what a quantizer looks at to choose the ranges of activations. Training images only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset
from tinyedge.errors import ExportError

DEFAULT_COUNT = 1000
"""Measured (docs/converters.md): of 300 draws none saturated the largest logit of more than 1 % of the test images."""
MIN_COUNT = 100
"""Fewer leave the ranges to luck: of 300 draws of 20 images more than 80 % saturated over 1 %, the worst a quarter."""


@dataclass(frozen=True)
class Representative:
    """Images with where they came from.

    Args:
        images: uint8 ``(N, H, W, C)``.
        num_classes: of the dataset that they were drawn from.
        origin: data name, digest, split, count, seed: recorded in the artifact.
    """

    images: NDArray[np.uint8] = field(repr=False)
    num_classes: int
    origin: dict[str, Any]


def draw_representative(
    data: Dataset, *, count: int = DEFAULT_COUNT, seed: int = 0, balanced: bool = False
) -> Representative:
    """``count`` training images without replacement; ``seed`` decides which.

    Args:
        data: the train split.
        count: how many.
        seed: of the draw.
        balanced: as many of each class as of any other, but for one where ``count`` is no multiple of the classes. A
            class with fewer images than that gives all that it has, and the others the rest.

    Raises:
        ExportError: for another split than ``train``, for fewer than ``MIN_COUNT`` images, or a dataset too small;
            balanced, for fewer images than classes, or a class without any.
    """
    if data.split != "train":
        raise ExportError(
            "representative images must come from training data",
            where=f"{data.name} ({data.split})",
            found=f"the {data.split} split",
            expected="the train split: ranges chosen on test images would flatter the test",
        )
    if count < MIN_COUNT:
        raise ExportError(
            "too few representative images",
            where="--representative",
            found=count,
            expected=f"{MIN_COUNT} or more ({DEFAULT_COUNT} by default)",
        )
    if count > len(data):
        raise ExportError(
            "the training data has fewer images than asked for",
            where=f"{data.name} ({data.split})",
            found=f"{len(data)} images",
            expected=f"{count} representative images",
            fix=f"--representative {len(data)}" if len(data) >= MIN_COUNT else "more training images",
        )
    drawn = data.take(_balanced(data, count, seed)) if balanced else data.sample(count, seed=seed)
    origin: dict[str, Any] = {
        "data": data.name,
        "data_digest": data.digest,
        "split": data.split,
        "count": count,
        "seed": seed,
        "images_digest": drawn.digest,
    }
    if balanced:
        origin["balanced"] = True
    return Representative(drawn.images, data.num_classes, origin)


def _balanced(data: Dataset, count: int, seed: int) -> NDArray[np.int64]:
    """``(count,)`` indices, sorted: each class gives an image in turn, until there are enough.

    Drawn over the sorted ids, as ``Dataset.draw`` does: differently ordered copies of one dataset give the same.
    """
    held = np.bincount(data.labels, minlength=data.num_classes)
    if count < data.num_classes or not held.all():
        raise ExportError(
            "the representative images cannot hold every class",
            where=f"{data.name} ({data.split})",
            found=f"{count} images for {data.num_classes} classes"
            if held.all()
            else f"no image of {data.class_names[int(held.argmin())]}",
            expected="one image of each class, or more",
            fix="more representative images" if held.all() else "draw them at random, or complete the data",
        )
    shuffled = np.argsort(data.ids, kind="stable")[np.random.default_rng(seed).permutation(len(data))]
    turn = np.empty(len(data), np.int64)
    for label in range(data.num_classes):
        own = data.labels[shuffled] == label
        turn[own] = np.arange(held[label])
    # Whose turn is last is left to the shuffle: it decides among equal turns.
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:count]])
