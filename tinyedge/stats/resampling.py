"""Bounds and p-values for figures that have no formula of their own: the bootstrap, and swapping the two models.

Images are drawn within their class, as counts: the images of a class that both models get right, only one, or none are
all that a class's accuracies depend on, so that a resample is four numbers a class however many images there are. Every
function is pure: the same counts give the same answer, since the generator starts anew from a constant.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BOOTSTRAPS = 1000
"""Resamples of a bootstrap: a 95 % bound then moves by a fifteenth of the figure's standard deviation at most."""

SWAPS = 5000
"""Random swaps of a permutation test: a p-value of 0.05 has a standard error of 0.003."""

_SEED = 20260307

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From class accuracies ``(R, M)`` to a figure of each row, ``(R,)``."""


def reflected(estimate: float, resampled: NDArray[np.float64], *, tail: float = 0.05) -> tuple[float, float]:
    """The basic bootstrap's bounds, ``2 estimate - quantile``, each missed with probability about ``tail``.

    A figure that is too large on a sample (ECE, Gini) is again too large by as much on a resample. Reflecting takes
    that off; the percentile bootstrap adds it a second time, and never covers a small true value.

    Args:
        estimate: the figure on the sample.
        resampled: ``(R,)`` the figure on each resample.
        tail: on each side.

    >>> reflected(1.0, np.array([0.5, 1.0, 2.0]), tail=0.0)
    (0.0, 1.5)

    Reference: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 5.2 (basic limits).
    """
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return float(2 * estimate - high), float(2 * estimate - low)


def draw_classes(cells: NDArray[np.int64], *, resamples: int = BOOTSTRAPS) -> NDArray[np.int64]:
    """Each class's images drawn with replacement, counted by kind: int64 ``(R, M, C)``.

    Args:
        cells: int64 ``(M, C)``, how many images of each class are of each kind; at least one a class.
        resamples: R.
    """
    counts = cells.sum(axis=1)
    return np.random.default_rng(_SEED).multinomial(counts, cells / counts[:, None], size=(resamples, len(cells)))


def draw_right(
    counts: NDArray[np.int64], accuracy: NDArray[np.float64], *, resamples: int = BOOTSTRAPS
) -> NDArray[np.float64]:
    """Class accuracies ``(R, M)`` of samples of ``counts`` images from classes whose true accuracies are ``accuracy``.

    Args:
        counts: int64 ``(M,)``, at least one a class.
        accuracy: float64 ``(M,)``, 0 to 1.
        resamples: R.
    """
    drawn = np.random.default_rng(_SEED).binomial(counts, accuracy, size=(resamples, len(counts)))
    return np.asarray(drawn / counts)


def paired_cells(
    labels: NDArray[np.int64], *, reference: NDArray[np.bool_], deployed: NDArray[np.bool_], num_classes: int
) -> NDArray[np.int64]:
    """Images by class and by who is right: int64 ``(M, 4)`` of both, lost, gained, none, for the classes with images.

    Args:
        labels: ``(N,)``.
        reference: ``(N,)`` whether the reference is right.
        deployed: ``(N,)`` whether the deployed model is right.
        num_classes: K.

    >>> paired_cells(np.array([0, 0, 2]), reference=np.array([True, True, False]),
    ...              deployed=np.array([True, False, False]), num_classes=3).tolist()
    [[1, 1, 0, 0], [0, 0, 0, 1]]
    """
    kind = np.where(reference, np.where(deployed, 0, 1), np.where(deployed, 2, 3))
    cells = np.bincount(labels * 4 + kind, minlength=4 * num_classes).reshape(num_classes, 4)
    return np.asarray(cells[cells.sum(axis=1) > 0], np.int64)


def accuracies(cells: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Class accuracies ``(..., M)`` of the reference and of the deployed model, from cells ``(..., M, 4)``."""
    counts = cells.sum(axis=-1)
    return (cells[..., 0] + cells[..., 1]) / counts, (cells[..., 0] + cells[..., 2]) / counts


def swapped_drops(cells: NDArray[np.int64], statistic: Statistic, *, swaps: int = SWAPS) -> NDArray[np.float64]:
    """Reference less deployed of a figure of the class accuracies, the two swapped at random on each image ``(R,)``.

    If deployment changed nothing, the drop that was seen is one of these. A swap changes only the images on which
    exactly one is right: of the m of a class a binomial(m, 1/2) number is lost then.

    Args:
        cells: as ``paired_cells``.
        statistic: the figure.
        swaps: R.
    """
    both, lost, gained, _ = np.moveaxis(cells, -1, 0)
    counts, discordant = cells.sum(axis=1), lost + gained
    drawn = np.random.default_rng(_SEED).binomial(discordant, 0.5, size=(swaps, len(cells)))
    return statistic((both + drawn) / counts) - statistic((both + discordant - drawn) / counts)


def p_value(observed: float, null: NDArray[np.float64]) -> float:
    """One-sided Monte Carlo p-value, ``(1 + reached) / (1 + R)``: exact at any R, and never 0.

    >>> p_value(2.0, np.array([0.0, 1.0, 2.0]))
    0.5

    Reference: Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9, article 39.
    """
    # Equal figures of different sums must not count as smaller for rounding.
    return float((1 + (null >= observed - 1e-12).sum()) / (1 + len(null)))
