"""How often a model is right: overall, class by class, and how unequally.

Class-wise figures are over the classes that the evaluation set has; a class without images has no accuracy, and a
made-up one would move every figure here. ``ClassAccuracies.classes`` says which were counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError

BOTTOM = 5
"""How many classes "the worst classes" are."""


@dataclass(frozen=True)
class ClassAccuracies:
    """The accuracy of each class that has images, in class order (M of K classes).

    Args:
        classes: int64 ``(M,)`` class indices.
        counts: int64 ``(M,)`` images of each.
        accuracy: float64 ``(M,)``.
    """

    classes: NDArray[np.int64] = field(repr=False)
    counts: NDArray[np.int64] = field(repr=False)
    accuracy: NDArray[np.float64] = field(repr=False)

    def __len__(self) -> int:
        """M, the classes that have images."""
        return len(self.classes)


def class_accuracies(counts: Sequence[int], right: Sequence[int]) -> ClassAccuracies:
    """Accuracy class by class, of the classes that have images.

    Args:
        counts: images of each of the K classes.
        right: of those, how many the model gets right.

    >>> table = class_accuracies([2, 0, 1], [1, 0, 1])
    >>> table.classes.tolist(), table.counts.tolist(), table.accuracy.tolist()
    ([0, 2], [2, 1], [0.5, 1.0])
    """
    images = np.asarray(counts, np.int64)
    present = np.flatnonzero(images)
    return ClassAccuracies(
        present.astype(np.int64), images[present], np.asarray(right, np.int64)[present] / images[present]
    )


def worst_class(table: ClassAccuracies) -> float:
    """The smallest class accuracy."""
    return float(table.accuracy.min())


def gini(values: NDArray[np.float64]) -> float:
    """Gini coefficient: 0 where all are equal, up to 1 - 1/M where one has everything; 0 for all zeros.

    ``G = sum_ij |a_i - a_j| / (2 M^2 mean(a))``, computed from the sorted values in M log M.

    >>> round(gini(np.array([0.2, 0.4])), 4)  # 2 * |0.2 - 0.4| / (2 * 4 * 0.3)
    0.1667

    Reference: docs/metrics.md; Gini 1912. The population form (divided by M^2), as the study's 0.26 and 0.09.
    """
    return float(ginis(values[None])[0])


def ginis(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``gini`` of each row: ``(R, M)`` to ``(R,)``."""
    m = values.shape[1]
    total = values.sum(axis=1)
    weighted = ((2 * np.arange(1, m + 1) - m - 1) * np.sort(values, axis=1)).sum(axis=1)
    # Rounding may leave -1e-17 for equal values.
    return np.asarray(np.maximum(weighted / np.where(total > 0, m * total, 1.0), 0.0))


def spread_kept(table: ClassAccuracies) -> float:
    """k: the share, in 0..1, of the classes' spread (a standard deviation) that sampling noise does not explain.

    ``k = sqrt(max(s2 - mean(a (1 - a) / (n - 1)), 0) / s2)``, s2 the unbiased variance of the class accuracies a, n
    the images of each class; a (1 - a) / (n - 1) estimates without bias the variance that drawing n images adds.
    0 where all classes are equal.

    Raises:
        PredictionsError: below two classes or two images a class: noise cannot be told from spread then.

    Reference: docs/metrics.md. The unbiased s2 (divided by M - 1) is ours, for both sides to be unbiased.
    """
    if len(table) < 2 or table.counts.min() < 2:
        smallest = int(table.counts.min()) if len(table) else 0
        raise PredictionsError(
            "the sampling noise of the class accuracies cannot be estimated",
            found=f"{len(table)} classes, {smallest} images in the smallest",
            expected="at least 2 classes with at least 2 images each",
        )
    a = table.accuracy
    spread = float(a.var(ddof=1))
    noise = float(np.mean(a * (1 - a) / (table.counts - 1)))
    return float(np.sqrt(max(spread - noise, 0.0) / spread)) if spread > 0 else 0.0


def gini_corrected(table: ClassAccuracies) -> float:
    """Gini of the class accuracies with the part that sampling noise adds taken off: k times the plug-in.

    100 images a class add 0.062 where all classes are truly 45 % right.

    Raises:
        PredictionsError: as ``spread_kept``.
    """
    return spread_kept(table) * gini(table.accuracy)


def bottom(table: ClassAccuracies, count: int = BOTTOM) -> float:
    """Mean of the ``count`` smallest class accuracies: the model's own worst classes. Biased low by that selection.

    Raises:
        PredictionsError: where there are not more classes than ``count``.
    """
    return _bottom(table.accuracy, count)


def bottom_shrunk(table: ClassAccuracies, count: int = BOTTOM) -> float:
    """``bottom`` of the class accuracies pulled towards their mean by ``spread_kept``, against the selection bias.

    Raises:
        PredictionsError: as ``bottom`` and ``spread_kept``.
    """
    mean = table.accuracy.mean()
    return _bottom(mean + spread_kept(table) * (table.accuracy - mean), count)


def bottoms(values: NDArray[np.float64], count: int = BOTTOM) -> NDArray[np.float64]:
    """Mean of the ``count`` smallest of each row: ``(R, M)`` to ``(R,)``, M above ``count``."""
    # Sorted, not only parted: the sum must not depend on the order of the classes.
    return np.asarray(np.sort(values, axis=1)[:, :count].mean(axis=1))


def _bottom(values: NDArray[np.float64], count: int) -> float:
    if len(values) <= count:
        raise PredictionsError(
            f"there are no {count} worst classes", found=f"{len(values)} classes", expected=f"more than {count}"
        )
    return float(bottoms(values[None], count)[0])
