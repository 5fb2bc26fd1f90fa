"""What a dataset holds: counts and duplicates, inside each split and across the two."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.data.dataset import Dataset


@dataclass(frozen=True)
class SplitInfo:
    """One split.

    Args:
        split: ``train`` or ``test``.
        images: how many.
        fewest, most: images of the rarest and of the commonest class.
        duplicates: images whose pixels stand earlier in the split.
        relabelled: of those, how many have a label that none of the earlier copies has.
        digest: of the examples, whatever their order.
    """

    split: str
    images: int
    fewest: int
    most: int
    duplicates: int
    relabelled: int
    digest: str


@dataclass(frozen=True)
class Overlap:
    """Images of ``inside`` whose pixels also stand in ``of``; ``relabelled`` of them only under other labels."""

    inside: str
    of: str
    images: int
    relabelled: int


def split_info(dataset: Dataset) -> SplitInfo:
    """Count one split; two images are duplicates when every pixel is equal."""
    counts = np.bincount(dataset.labels, minlength=dataset.num_classes)
    seen: dict[bytes, set[int]] = {}
    duplicates = relabelled = 0
    for pixels, label in zip(pixel_digests(dataset.images), dataset.labels.tolist(), strict=True):
        labels = seen.setdefault(pixels, set())
        duplicates += bool(labels)
        relabelled += bool(labels) and label not in labels
        labels.add(label)
    return SplitInfo(
        dataset.split, len(dataset), int(counts.min()), int(counts.max()), duplicates, relabelled, dataset.digest
    )


def overlaps(datasets: Sequence[Dataset]) -> list[Overlap]:
    """For every split after the first: how many of its images also stand in an earlier one.

    Labels are compared by class name, so that two splits with other label orders compare rightly.
    """
    found = []
    for i, later in enumerate(datasets):
        for earlier in datasets[:i]:
            labels: dict[bytes, set[str]] = {}
            for pixels, label in zip(pixel_digests(earlier.images), earlier.labels.tolist(), strict=True):
                labels.setdefault(pixels, set()).add(earlier.class_names[label])
            shared = [
                later.class_names[label] in labels[pixels]
                for pixels, label in zip(pixel_digests(later.images), later.labels.tolist(), strict=True)
                if pixels in labels
            ]
            found.append(Overlap(later.split, earlier.split, len(shared), len(shared) - sum(shared)))
    return found


def pixel_digests(images: NDArray[np.uint8]) -> list[bytes]:
    """One digest an image: of its shape and pixels, without the label."""
    shape = np.asarray(images.shape[1:], dtype="<i8").tobytes()
    return [hashlib.sha256(shape + image.tobytes()).digest() for image in np.ascontiguousarray(images)]
