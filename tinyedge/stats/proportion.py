"""Intervals for a share and for a mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit


def share_interval(count: int, total: int, *, tail: float = 0.05) -> tuple[float, float]:
    """Exact (Clopper-Pearson) bounds of a share, each missed with probability at most ``tail``.

    Args:
        count: images that have the property.
        total: images looked at, at least 1.
        tail: on each side; 0.05 makes each end a one-sided 95 % bound.

    >>> [round(bound, 5) for bound in share_interval(0, 10)]  # upper: 1 - 0.05 ** (1/10)
    [0.0, 0.25887]

    Reference: Clopper and Pearson 1934.
    """
    low = float(betaincinv(count, total - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def mean_interval(values: NDArray[np.float64], *, tail: float = 0.05) -> tuple[float, float]:
    """Student's bounds of a mean, each missed with probability about ``tail`` where there are a fair number of values.

    Args:
        values: ``(N,)``, N at least 2.
        tail: on each side.

    >>> [round(bound, 4) for bound in mean_interval(np.array([0.0, 1.0, 2.0]))]  # 1 -+ 2.9200 / sqrt(3)
    [-0.6859, 2.6859]
    """
    n = len(values)
    half = float(stdtrit(n - 1, 1 - tail)) * float(values.std(ddof=1)) / float(np.sqrt(n))
    mean = float(values.mean())
    return mean - half, mean + half
