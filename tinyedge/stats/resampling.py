"""Resampling for figures that have no formula for their spread. Seeded; sums over images are matrix products.

For the paired bootstrap of what deployment does to Gini and ECE: both are functions of sums over images, and chance can
only increase them. No gate judges these two yet; the next ones do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 100
"""Resamples whose weights are held at once: 100 x 10,000 images in float32 are 4 MB."""


def bootstrap_sums(values: NDArray[np.float64], *, resamples: int, seed: int) -> NDArray[np.float64]:
    """Sums of per-image values over images drawn again with replacement, the same draws for every column.

    Columns share their weights, so a function of several sums (an ECE, a change between two models) keeps its pairing.

    Args:
        values: ``(N, C)``, a row an image.
        resamples: R.
        seed: of the draws.

    Returns:
        float64 ``(R, C)``.
    """
    n = len(values)
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, values.shape[1]))
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        # Counting n uniform draws a row is what a multinomial is, and faster than numpy's own at this many categories.
        drawn = rng.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
        sums[start : start + rows] = weights @ values
    return sums


def reflected_interval(estimate: float, replicates: NDArray[np.float64], *, tail: float = 0.05) -> tuple[float, float]:
    """The reflected (basic) bootstrap interval, ``2 estimate - quantiles``, each end missed with about ``tail``.

    For figures that chance can only increase, such as ECE or Gini, replicates are biased upwards once more; the
    percentile interval keeps that bias and never covers a small true value, the reflected one takes it off.

    Args:
        estimate: from the images themselves.
        replicates: ``(R,)`` the same figure from each resample.
        tail: on each side.

    >>> reflected_interval(1.0, np.array([1.0, 2.0, 3.0]), tail=0.0)
    (-1.0, 1.0)

    Reference: Davison and Hinkley 1997, section 5.2.
    """
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return 2 * estimate - float(high), 2 * estimate - float(low)
