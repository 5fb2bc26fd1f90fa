"""Which classes and superclasses the smallest member gives up, against the largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError
from tinyedge.study.draws import shares
from tinyedge.study.estimate import Estimate, by_images, estimate
from tinyedge.study.members import Family, Width

GIVEN_UP = 0.05
"""A class of which a model gets at most this share right is given up."""
_ROUNDING = 1e-9
"""Means over seeds of 5 right of 100 must count as 5 %."""


@dataclass(frozen=True)
class Group:
    """The images of one class or superclass.

    Args:
        name: of it.
        images: how many.
        small: accuracy of the smallest width, mean over seeds: the class itself has to be right.
        large: of the largest width.
        loss: ``large - small``, the interval over images.
        relative: the loss as a share of ``large``; ``None`` where the largest gets none right.
        share: its part of all errors that the smallest makes more than the largest.
    """

    name: str
    images: int
    small: float
    large: float
    loss: Estimate
    relative: float | None
    share: float


@dataclass(frozen=True)
class GivenUp:
    """The smallest against the largest width, by group.

    Args:
        small: the smallest width's name.
        large: the largest's.
        seeds: of each.
        superclasses: the largest loss first; empty where the data has none.
        classes: the same of every class.
        abandoned: by width, how many classes it gets at most 5 % right (mean over its seeds).
        lost: those of the smallest width, the worst first.
    """

    small: str
    large: str
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    superclasses: tuple[Group, ...]
    classes: tuple[Group, ...]
    abandoned: tuple[tuple[str, int], ...]
    lost: tuple[Group, ...]


def given_up(family: Family) -> GivenUp:
    """Compare the smallest and the largest width group by group.

    Raises:
        PredictionsError: for a family with one width.
    """
    if len(family.widths) < 2:
        raise PredictionsError("one width gives nothing up against itself", found=1, expected="2 widths or more")
    small, large = family.widths[0], family.widths[-1]
    outcome = family.models[0].outcome
    classes = _groups(family, small, large, family.labels, outcome.class_names)
    supers: tuple[Group, ...] = ()
    if outcome.superclasses is not None:
        names = outcome.superclass_names or tuple(f"superclass {i}" for i in range(outcome.superclasses.max() + 1))
        supers = _groups(family, small, large, outcome.superclasses[family.labels], names)
    return GivenUp(
        small=small.label,
        large=large.label,
        seeds=(small.seeds, large.seeds),
        superclasses=supers,
        classes=classes,
        abandoned=tuple(
            (w.label, int((class_accuracy(w, family.labels) <= GIVEN_UP + _ROUNDING).sum())) for w in family.widths
        ),
        lost=tuple(sorted((g for g in classes if g.small <= GIVEN_UP + _ROUNDING), key=lambda g: g.small)),
    )


def class_accuracy(width: Width, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(M,)`` mean over the seeds of the accuracy of each class that has images."""
    right, images = np.bincount(labels, weights=1 - width.wrong.mean(axis=0)), np.bincount(labels)
    return np.asarray(right[images > 0] / images[images > 0])


def _groups(
    family: Family, small: Width, large: Width, group: NDArray[np.int64], names: tuple[str, ...]
) -> tuple[Group, ...]:
    """Every group that has images, the largest loss first."""
    more = small.wrong.mean(axis=0) - large.wrong.mean(axis=0)
    found = []
    for index, name in enumerate(names):
        rows = np.flatnonzero(group == index)
        if len(rows) == 0:
            continue
        accuracy = [float(1 - width.wrong[:, rows].mean()) for width in (small, large)]
        loss = float(more[rows].mean())
        drawn = _share_draws(family, small, rows) - _share_draws(family, large, rows)
        found.append(
            Group(
                name=name,
                images=len(rows),
                small=accuracy[0],
                large=accuracy[1],
                loss=estimate(loss, by_images(loss, drawn)),
                relative=loss / accuracy[1] if accuracy[1] > 0 else None,
                share=float(more[rows].sum() / more.sum()) if more.sum() else 0.0,
            )
        )
    return tuple(sorted(found, key=lambda g: -g.loss.value))


def _share_draws(family: Family, width: Width, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(R,)`` mean error rate of a group's images on each resample; draws keep each class's number of images."""
    return np.asarray(shares(family.draws[:, rows], width.wrong[:, rows]).mean(axis=1))
