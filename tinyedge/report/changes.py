"""Who gains and who loses, from the report's columns: by class, by superclass, by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.report.schema import Examples


@dataclass(frozen=True)
class Group:
    """Images that belong together, before and after deployment.

    Args:
        index: of the class or superclass.
        name: its name.
        images: how many there are.
        reference: accuracy of the float model, a fraction.
        deployed: accuracy of the deployed model.
        newly_wrong: images that only the float model gets right.
        newly_right: images that only the deployed model gets right.
        near: of the newly wrong ones, those whose new class has the same superclass; ``None`` without superclasses.
    """

    index: int
    name: str
    images: int
    reference: float
    deployed: float
    newly_wrong: int
    newly_right: int
    near: int | None = None

    @property
    def change(self) -> float:
        """Deployed minus float accuracy."""
        return self.deployed - self.reference


def newly_wrong(examples: Examples) -> NDArray[np.int64]:
    """``(M,)`` positions of the images that only the float model gets right, most confident first."""
    labels, before, after = (np.asarray(column) for column in (examples.labels, examples.reference, examples.deployed))
    index = np.flatnonzero((before == labels) & (after != labels))
    return index[np.argsort(-np.asarray(examples.confidence)[index], kind="stable")]


def by_class(examples: Examples) -> list[Group]:
    """Every class that has images, largest drop first."""
    return _groups(examples, np.arange(len(examples.class_names)), examples.class_names, near=False)


def by_superclass(examples: Examples) -> list[Group]:
    """Every superclass that has images, largest drop first; empty without superclasses."""
    if examples.superclasses is None:
        return []
    return _groups(examples, np.asarray(examples.superclasses), examples.superclass_names, near=True)


def _groups(examples: Examples, group_of: NDArray[np.int64], names: tuple[str, ...], *, near: bool) -> list[Group]:
    """``group_of``: ``(K,)``, the group of each class."""
    labels, before, after = (np.asarray(column) for column in (examples.labels, examples.reference, examples.deployed))
    mine = group_of[labels]
    right_before, right_after = before == labels, after == labels
    lost = right_before & ~right_after

    def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(mine[mask], minlength=len(names))

    images, old, new = count(np.ones(len(labels), bool)), count(right_before), count(right_after)
    wrong, right, close = count(lost), count(~right_before & right_after), count(lost & (group_of[after] == mine))
    found = [
        Group(
            i, names[i], int(images[i]), old[i] / images[i], new[i] / images[i], int(wrong[i]), int(right[i]),
            int(close[i]) if near else None,
        )
        for i in range(len(names))
        if images[i]
    ]  # fmt: skip
    return sorted(found, key=lambda group: (group.change, -group.newly_wrong, group.name, group.index))
