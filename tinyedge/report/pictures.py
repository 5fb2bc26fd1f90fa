"""Small pictures of the images that only the deployed model gets wrong, within a budget."""

from __future__ import annotations

import io
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import UsageError
from tinyedge.report.schema import Report

BUDGET_BYTES = 3_700_000
"""Of the newly wrong images on a page: their rows, and their pictures in base64; 5 MB have room for the rest."""
ROWS, ROWS_PER_CLASS, PER_CLASS = 20_000, 200, 40
"""At most so many newly wrong images are listed, in all and of a class, and so many of a class have a picture."""
ROW_BYTES = 48
"""At most, without its picture."""
SIDE = 64
"""Longest side in pixels: larger images are made smaller."""


class Images(Protocol):
    """What is needed of a dataset; ``tinyedge.data.Dataset`` is one."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def images(self) -> NDArray[np.uint8]:
        """``(N, H, W, 1 or 3)``."""

    @property
    def ids(self) -> NDArray[np.str_]:
        """``(N,)`` digests of pixels and label."""


@dataclass(frozen=True)
class Pictures:
    """PNG files.

    Args:
        png: base64 by the image's position in the report.
        left_out: how many newly wrong images have none, for want of room.
    """

    png: dict[int, str]
    left_out: int


def pictures_of(report: Report, data: Images, *, budget_bytes: int = BUDGET_BYTES) -> Pictures:
    """The newly wrong images, each class's most confident first: every class gets its first before any its second.

    Args:
        report: whose images.
        data: where they are, in any order and among any others.
        budget_bytes: of all of them in base64, and of the rows of those that are listed.

    Raises:
        UsageError: where an image of the report is not in the data.
    """
    where = {str(name): i for i, name in enumerate(data.ids)}
    missing = [name for name in report.examples.ids if name not in where]
    if missing:
        raise UsageError(
            "these are not the images that were judged",
            where="--data",
            found=f"{data.name}: {len(missing):,} of the report's {len(report.examples.ids):,} images are not in it",
            expected=f"{report.data['name']} {report.data['split']}, digest {str(report.data['digest'])[:16]}",
            fix="give the data of the run, or leave --data out: the report then has no pictures",
        )
    png: dict[int, str] = {}
    spent = ROW_BYTES * len(listed(report))
    for position in _in_turn(report, PER_CLASS)[:ROWS]:
        encoded = _png(data.images[where[report.examples.ids[position]]])
        spent += len(encoded)
        if spent > budget_bytes:
            break
        png[position] = encoded
    return Pictures(png, len(report.newly_wrong) - len(png))


def listed(report: Report) -> list[int]:
    """Positions of the newly wrong images that a page lists, each class's most confident first, the classes in turn."""
    return _in_turn(report, ROWS_PER_CLASS)[:ROWS]


def _in_turn(report: Report, most: int) -> list[int]:
    """Positions of the newly wrong images, the classes taking turns; at most ``most`` of each."""
    seen: Counter[int] = Counter()
    turns: list[tuple[int, int]] = []
    for example in report.newly_wrong:
        label = report.examples.labels[example.index]
        if seen[label] < most:
            turns.append((seen[label], example.index))
        seen[label] += 1
    return [position for _, position in sorted(turns, key=lambda pair: pair[0])]


def _png(image: NDArray[np.uint8]) -> str:
    """Base64 of ``image``, uint8 ``(H, W, 1 or 3)``; matplotlib writes it, since no image library is at hand here."""
    from matplotlib.image import imsave

    stream = io.BytesIO()
    options: dict[str, Any] = {"metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
    imsave(stream, np.repeat(_small(image), 3 // image.shape[2], axis=2), format="png", **options)
    return b64encode(stream.getvalue()).decode()


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means of square blocks; what does not fill a block at the right and lower edge falls away."""
    block = -(-max(image.shape[:2]) // SIDE)
    if block == 1:
        return image
    height, width = (max(side // block, 1) for side in image.shape[:2])
    whole = image[: height * block, : width * block].astype(np.float64)
    blocks = whole.reshape(height, -1, width, whole.shape[1] // width, image.shape[2])
    return np.asarray(blocks.mean(axis=(1, 3)).round(), np.uint8)
