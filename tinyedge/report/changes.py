"""Who gains and who loses by class, by superclass and by image: against the float model, or the last release."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.report.schema import ClassChange, Examples, NewlyWrong


@dataclass(frozen=True)
class Group(ClassChange):
    """A class or superclass before and after, against the model compared with.

    Args:
        index: of the class or superclass.
    """

    index: int


@dataclass(frozen=True)
class Superclass(Group):
    """Classes that belong together.

    Args:
        near: of the newly wrong images, those whose new class has the same superclass.
    """

    near: int = 0


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


def class_changes(
    labels: NDArray[np.int64], *, reference: NDArray[np.bool_], deployed: NDArray[np.bool_], names: tuple[str, ...]
) -> tuple[ClassChange, ...]:
    """Every class that has images, largest drop first, as the report stores it.

    Args:
        labels: ``(N,)``.
        reference: ``(N,)`` whether the model compared with is right.
        deployed: ``(N,)`` whether the deployed model is.
        names: K class names.
    """
    return tuple(
        ClassChange(g.name, g.images, g.reference, g.deployed, g.newly_wrong, g.newly_right)
        for g in _groups(labels, reference=reference, deployed=deployed, names=names)
    )


def by_class(examples: Examples) -> list[Group]:
    """Every class that has images, largest drop first."""
    labels, before, now = rights(examples)
    return _groups(labels, reference=before, deployed=now, names=examples.class_names)


def by_superclass(examples: Examples) -> list[Superclass]:
    """Every superclass that has images, largest drop first; empty without superclasses."""
    if examples.superclasses is None:
        return []
    labels, before, now = rights(examples)
    group_of = np.asarray(examples.superclasses)
    mine, names = group_of[labels], examples.superclass_names
    near = np.bincount(mine[before & ~now & (group_of[np.asarray(examples.deployed)] == mine)], minlength=len(names))
    groups = _groups(mine, reference=before, deployed=now, names=names)
    return [Superclass(**vars(group), near=int(near[group.index])) for group in groups]


def rights(examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """``(N,)`` labels, and on which images the float model and the deployed one are right."""
    labels, before, now = (np.asarray(column) for column in (examples.labels, examples.reference, examples.deployed))
    return labels, before == labels, now == labels


def _groups(
    labels: NDArray[np.int64], *, reference: NDArray[np.bool_], deployed: NDArray[np.bool_], names: tuple[str, ...]
) -> list[Group]:
    def count(mask: NDArray[np.bool_]) -> list[int]:
        return [int(n) for n in np.bincount(labels[mask], minlength=len(names))]

    images, before, now = count(np.ones(len(labels), np.bool_)), count(reference), count(deployed)
    lost, gained = count(reference & ~deployed), count(~reference & deployed)
    groups = [
        Group(names[i], images[i], before[i] / images[i], now[i] / images[i], lost[i], gained[i], index=i)
        for i in range(len(names))
        if images[i]
    ]
    return sorted(groups, key=lambda group: (group.change, -group.newly_wrong, group.name, group.index))
