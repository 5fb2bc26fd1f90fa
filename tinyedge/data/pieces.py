"""A dataset cut into pieces of bounded size, for whoever cannot hold all of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyedge.data.dataset import Dataset
from tinyedge.errors import UsageError

PIECE_BYTES = 16 << 20
"""Of a piece's pixels, where nobody says otherwise: 5,461 images of 32 x 32 x 3."""


def piece_images(image_shape: tuple[int, ...], stated: int | None = None) -> int:
    """How many images make a piece: ``stated``, else as many as ``PIECE_BYTES`` hold, at least one.

    Raises:
        UsageError: where ``stated`` is below 1.
    """
    if stated is not None and stated < 1:
        raise UsageError("a piece needs at least one image", found=stated, expected="1 or more")
    return stated or max(PIECE_BYTES // int(np.prod(image_shape)), 1)


def pieces(data: Dataset, images: int | None = None) -> Iterator[Dataset]:
    """A dataset that is in memory, in pieces of ``images`` images (see ``piece_images``), in its order."""
    size = piece_images(data.images.shape[1:], images)
    for start in range(0, len(data), size):
        yield data.take(np.arange(start, min(start + size, len(data))))
