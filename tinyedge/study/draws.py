"""Images drawn again: one matrix of weights for every figure, so that resamples of two models are of the same images.

A resample draws each class's images with replacement, within the class: the evaluation set's balance stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyedge.metrics import Outcome
from tinyedge.metrics.accuracy import bottoms, ginis
from tinyedge.metrics.calibration import BINS, bin_index, surprise
from tinyedge.stats.resampling import BOOTSTRAPS

_SEED = 20260307
Draws = NDArray[np.float32]
"""``(R, N)``, how often each image is in each resample."""


def image_draws(labels: NDArray[np.int64], *, resamples: int = BOOTSTRAPS) -> Draws:
    """``(R, N)`` weights: images of each class drawn with replacement, as often as the class has images."""
    rng = np.random.default_rng(_SEED)
    weights: Draws = np.zeros((resamples, len(labels)), np.float32)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        n = len(members)
        drawn = rng.integers(0, n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
        weights[:, members] = np.bincount(drawn.ravel(), minlength=n * resamples).reshape(resamples, n)
    return weights


def shares(draws: Draws, columns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(R, M)`` share of each resample's images that each of the columns ``(M, N)`` holds."""
    # float32 is exact here: sums are counts below 2^24.
    counts = np.asarray(draws @ columns.astype(np.float32).T, np.float64)
    return np.asarray(counts / columns.shape[1])


def quotient(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """``part / whole``, and 1 where both are 0: as ``metrics.error_sets.jaccard`` of two empty sets."""
    return np.divide(part, whole, out=np.ones(np.broadcast(part, whole).shape), where=whole > 0)


def figure_draws(metric: str, outcome: Outcome, draws: Draws) -> NDArray[np.float64]:
    """``(R,)`` a metric of ``DRAWN`` on each resample."""
    return DRAWN[metric](outcome, draws)


def _accuracy(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    return shares(draws, o.correct[None])[:, 0]


def _signed_gap(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    return np.asarray(draws @ (o.confidence - o.correct), np.float64) / len(o)


def _nll(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    return np.asarray(draws @ surprise(o.label_probability), np.float64) / len(o)


def _ece(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    gaps = np.zeros((len(o), BINS))
    gaps[np.arange(len(o)), bin_index(o.confidence)] = o.confidence - o.correct
    return np.asarray(np.abs(draws @ gaps).sum(axis=1), np.float64) / len(o)


def _classes(o: Outcome, draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """``(R, M)`` accuracy of the classes that have images, and ``(M,)`` their images."""
    right = np.zeros((len(o), o.num_classes), np.float32)
    right[np.arange(len(o)), o.labels] = o.correct
    counts = o.class_counts
    present = counts > 0
    return np.asarray((draws @ right)[:, present] / counts[present], np.float64), counts[present]


def _gini(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    return ginis(_classes(o, draws)[0])


def _bottom5(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    return bottoms(_classes(o, draws)[0])


def _gini_corrected(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    values, counts = _classes(o, draws)
    return _kept(values, counts) * ginis(values)


def _bottom5_shrunk(o: Outcome, draws: Draws) -> NDArray[np.float64]:
    values, counts = _classes(o, draws)
    means = values.mean(axis=1, keepdims=True)
    return bottoms(means + _kept(values, counts)[:, None] * (values - means))


def _kept(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """``metrics.accuracy.spread_kept`` of each row."""
    spread = values.var(axis=1, ddof=1)
    noise = (values * (1 - values) / (counts - 1)).mean(axis=1)
    return np.asarray(np.sqrt(np.maximum(spread - noise, 0) / np.where(spread > 0, spread, 1.0)))


DRAWN: dict[str, Callable[[Outcome, Draws], NDArray[np.float64]]] = {
    "accuracy": _accuracy,
    "gini": _gini,
    "gini_corrected": _gini_corrected,
    "bottom5": _bottom5,
    "bottom5_shrunk": _bottom5_shrunk,
    "ece": _ece,
    "signed_gap": _signed_gap,
    "nll": _nll,
}
"""The metrics that can be drawn again over images."""

PLUG_IN = ("gini", "bottom5")
"""Those that are quoted with the noise of few images a class in them; their corrected twins are quoted without."""
