"""Which images and classes a model gets wrong that another one got right: the float model, or the last release's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinyedge.report.schema import ClassChange, Examples, NewlyWrong


def class_changes(
    labels: NDArray[np.int64], *, reference: NDArray[np.bool_], deployed: NDArray[np.bool_], names: tuple[str, ...]
) -> tuple[ClassChange, ...]:
    """Every class that has images, largest drop first.

    Args:
        labels: ``(N,)``.
        reference: ``(N,)`` whether the model compared with is right.
        deployed: ``(N,)`` whether the deployed model is.
        names: K class names.
    """

    def count(mask: NDArray[np.bool_]) -> list[int]:
        return [int(n) for n in np.bincount(labels[mask], minlength=len(names))]

    images, lost, gained = (
        count(np.ones(len(labels), np.bool_)),
        count(reference & ~deployed),
        count(~reference & deployed),
    )
    before, now = count(reference), count(deployed)
    changes = [
        ClassChange(names[i], images[i], before[i] / images[i], now[i] / images[i], lost[i], gained[i])
        for i in range(len(names))
        if images[i]
    ]
    return tuple(sorted(changes, key=lambda c: (c.change, c.name)))


def newly_wrong(examples: Examples, lost: NDArray[np.bool_]) -> tuple[NewlyWrong, ...]:
    """The images that are lost, ``(N,)``, most confident first, as the deployed model names them."""
    index = sorted(np.flatnonzero(lost).tolist(), key=lambda i: (-examples.confidence[i], examples.ids[i]))
    return tuple(
        NewlyWrong(
            id=examples.ids[i],
            index=i,
            label=examples.class_names[examples.labels[i]],
            deployed=examples.class_names[examples.deployed[i]],
            confidence=examples.confidence[i],
        )
        for i in index
    )
