"""Sums that come out the same to the last bit in whatever order, and however divided, they are added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ONE = 1 << 52
"""What stands for 1.0: sums are integers in steps of 2.2e-16, float64's own precision just below 1."""
_HALF = 29


def exact_sums(values: NDArray[np.float64], groups: NDArray[np.int64], count: int) -> tuple[int, ...]:
    """The sum of each group's values, in units of ``1 / ONE``.

    Args:
        values: ``(N,)``, from -64 to 64.
        groups: ``(N,)``, 0 to ``count - 1``.
        count: how many groups.

    >>> exact_sums(np.array([0.5, 0.25, 1.0]), np.array([0, 0, 2]), 3) == (3 * ONE // 4, 0, ONE)
    True
    """
    fixed = np.rint(values * ONE).astype(np.int64)
    # In two halves, so that no int64 overflows below 2^34 values; beyond int64 Python's integers go on.
    high, low = np.zeros((2, count), np.int64)
    np.add.at(high, groups, fixed >> _HALF)
    np.add.at(low, groups, fixed & ((1 << _HALF) - 1))
    return tuple((h << _HALF) + low_ for h, low_ in zip(high.tolist(), low.tolist(), strict=True))


def exact_sum(values: NDArray[np.float64]) -> int:
    """The sum of all values, in units of ``1 / ONE``."""
    return exact_sums(values, np.zeros(len(values), np.int64), 1)[0]


def mean(total: int, count: int) -> float:
    """The mean of ``count`` values that sum to ``total / ONE``, correctly rounded.

    >>> mean(3 * ONE, 4)
    0.75
    """
    return total / (count * ONE)


def added(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """Element by element; both of one length."""
    return tuple(x + y for x, y in zip(a, b, strict=True))
