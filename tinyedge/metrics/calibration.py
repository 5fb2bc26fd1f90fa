"""Whether a model's confidence means what it says. *Calibration* is about probabilities here, never about quantizers.

Confidence is the probability of the predicted class. Bins are ``[b/B, (b+1)/B)``, with confidence 1.0 in the last. What
can be had from sums over each bin is a function of ``Bins``, which add up over parts of an evaluation set.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from tinyedge.metrics.exact import ONE, added, exact_sums, mean

BINS = 15
EPSILON = float(np.finfo(np.float64).eps)
"""The smallest probability that the NLL tells from 0."""


@dataclass(frozen=True)
class Bins:
    """The images by confidence, in B bins of equal width; sums are in units of ``1 / ONE``.

    Args:
        counts: images of each bin.
        right: of those, how many the model gets right.
        confidence: sum of their confidences c.
        variance: sum of their c (1 - c), the variance of a coin that comes up right with probability c.
    """

    counts: tuple[int, ...] = field(repr=False)
    right: tuple[int, ...] = field(repr=False)
    confidence: tuple[int, ...] = field(repr=False)
    variance: tuple[int, ...] = field(repr=False)

    def __add__(self, other: Bins) -> Bins:
        """The bins of both sets of images."""
        return Bins(
            added(self.counts, other.counts),
            added(self.right, other.right),
            added(self.confidence, other.confidence),
            added(self.variance, other.variance),
        )

    @property
    def images(self) -> int:
        """N, the images of all bins."""
        return sum(self.counts)


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram; ``confidence`` and ``accuracy`` are ``None`` where it is empty."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def bins_of(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> Bins:
    """Sort images into bins.

    Args:
        confidence: ``(N,)``.
        correct: ``(N,)``.
        bins: B.

    >>> bins_of(np.array([0.1, 0.9, 1.0]), np.array([False, True, False]), bins=2).counts
    (1, 2)
    """
    index = bin_index(confidence, bins)
    # A confidence of 1 + 1e-16 from rounding must not become a negative variance.
    variance = np.maximum(confidence * (1 - confidence), 0)
    return Bins(
        tuple(np.bincount(index, minlength=bins).tolist()),
        tuple(np.bincount(index[correct], minlength=bins).tolist()),
        exact_sums(confidence, index, bins),
        exact_sums(variance, index, bins),
    )


def bin_index(confidence: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """``(N,)`` which bin each confidence is in."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def surprise(label_probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(N,)`` negative log-likelihood of each example, ``-log p_label``, in nats, 0 to 36.04; its mean is the NLL.

    Args:
        label_probability: ``(N,)``, the probability of each example's true label.

    A probability below 2.2e-16 (float64's epsilon) counts as that: a quantized softmax puts out exact zeros, and one
    of them would make the mean infinite. Logits never come near it.

    >>> surprise(np.array([0.5, 0.25])).round(4).tolist()  # ln 2, ln 4
    [0.6931, 1.3863]
    """
    return np.maximum(-np.log(np.maximum(label_probability, EPSILON)), 0)


def brier_scores(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(N,)`` Brier score of each example over all classes, ``sum_k (p_ik - [k = label_i])^2``, 0 to 2.

    Args:
        probabilities: ``(N, K)``.
        labels: ``(N,)``.

    >>> brier_scores(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0])).tolist()
    [0.5, 1.125]

    Reference: Brier 1950, equation 2 (the original form; twice the one-class form that some libraries print).
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return np.asarray((probabilities**2).sum(axis=1) - 2 * chosen + 1, np.float64)


def ece(bins: Bins) -> float:
    """Expected calibration error, ``sum_b n_b/N |mean confidence_b - accuracy_b|``, equal-width bins, 0 to 1.

    >>> round(ece(bins_of(np.array([0.9, 0.9, 0.6]), np.array([True, False, True]))), 4)  # 2/3 |.9 - .5| + 1/3 |.6 - 1|
    0.4

    Reference: Guo et al. 2017, equation 3. Never 0 for a finite sample: print ``ece_floor`` beside it.
    """
    return float(np.abs(_gaps(bins)).sum())


def ece_floor(bins: Bins) -> float:
    """What ``ece`` shows on average for a perfectly calibrated model with these very confidences.

    Each image is then right with probability c_i, so the gap of bin b has deviation ``s_b = sqrt(sum c_i (1 - c_i))/N``
    and an expected size of ``s_b sqrt(2/pi)`` (normal approximation). About 1.25 pp at N = 10,000 with confidences all
    over 0..1.
    """
    return float(_deviations(bins).sum() * np.sqrt(2 / np.pi))


def ece_floor_deviation(bins: Bins) -> float:
    """Standard deviation of ``ece`` for a perfectly calibrated model with these very confidences.

    ``sqrt((1 - 2/pi) sum_b s_b^2)``, of independent normal gaps' sizes; ``s_b`` as in ``ece_floor``.
    """
    return float(np.sqrt((1 - 2 / np.pi) * (_deviations(bins) ** 2).sum()))


def ece_debiased(bins: Bins) -> float:
    """ECE without what chance adds to it, 0 to ``ece``; 0 where ``ece`` is no larger than its floor.

    The observed gaps g_b are shrunk by the one factor t in 0..1 at which the expected ECE of a sample equals the
    observed one: ``sum_b E|N(t g_b, s_b)| = sum_b |g_b|``, s_b as in ``ece_floor``; the estimate is ``t ece``.

    Reference: a moment estimator of our own. Of those tried on simulated models (true ECE 0 to 8.8 pp, N = 10,000) it
    was off by at most 0.3 pp on average, where the plug-in is by 1.2 pp and the bootstrap correction of Kumar et al.
    2019 (2 ECE - E[ECE*]) by 0.7 pp.
    """
    gaps, deviations = np.abs(_gaps(bins)), _deviations(bins)
    observed = float(gaps.sum())
    low, high = 0.0, 1.0
    if folded_size(0 * gaps, deviations) >= observed:
        return 0.0
    for _ in range(50):  # the expected size grows with t: halving finds it to 1e-15
        middle = (low + high) / 2
        if folded_size(middle * gaps, deviations) < observed:
            low = middle
        else:
            high = middle
    return low * observed


def folded_size(means: NDArray[np.float64], deviations: NDArray[np.float64]) -> float:
    """``sum_b E|N(mean_b, deviation_b)|``: the ECE that is seen on average where the bins' true gaps are ``means``.

    Args:
        means: ``(B,)``, not negative.
        deviations: ``(B,)``, not negative.

    >>> round(folded_size(np.array([0.0, 3.0]), np.array([1.0, 0.0])), 4)  # sqrt(2/pi) + 3
    3.7979
    """
    s = np.where(deviations > 0, deviations, 1.0)
    z = np.minimum(means / s, 40.0)  # beyond 40 deviations exp is 0 and erf is 1, and the square would overflow
    size = s * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + means * erf(z / np.sqrt(2))
    return float(np.where(deviations > 0, size, means).sum())


def adaptive_ece(confidence: NDArray[np.float64], correct: NDArray[np.bool_], bins: int = BINS) -> float:
    """ECE with bins of equal mass instead of equal width, 0 to 1.

    Edges are the sorted confidences at ranks ``floor(b N / B)``. Images of equal confidence are never parted, so that
    the order of the images does not matter: with many equal confidences the bins are less equal.

    >>> round(adaptive_ece(np.array([0.9, 0.8, 0.6, 0.5]), np.array([True, False, True, False]), bins=2), 4)
    0.2

    Reference: Nguyen and O'Connor 2015 (adaptive binning), Nixon et al. 2019 on its use for ECE.
    """
    n = len(confidence)
    edges = np.sort(confidence)[np.arange(1, bins) * n // bins]
    index = np.searchsorted(edges, confidence, side="right")
    return float(np.abs(np.bincount(index, weights=confidence - correct, minlength=bins)).sum() / n)


def mean_confidence(bins: Bins) -> float:
    """Mean probability of the predicted class, 0 to 1."""
    return mean(sum(bins.confidence), bins.images)


def signed_gap(bins: Bins) -> float:
    """Mean confidence less accuracy, -1 to 1: above 0 the model is overconfident.

    >>> round(signed_gap(bins_of(np.array([0.9, 0.7]), np.array([True, False]))), 4)
    0.3
    """
    return mean(sum(bins.confidence) - sum(bins.right) * ONE, bins.images)


def reliability(bins: Bins) -> tuple[ReliabilityBin, ...]:
    """The table behind a reliability diagram: one row a bin."""
    width = len(bins.counts)
    return tuple(
        ReliabilityBin(
            b / width,
            (b + 1) / width,
            count,
            mean(bins.confidence[b], count) if count else None,
            bins.right[b] / count if count else None,
        )
        for b, count in enumerate(bins.counts)
    )


def _gaps(bins: Bins) -> NDArray[np.float64]:
    """``(B,)`` share of the images in a bin times its mean confidence less its accuracy."""
    pairs = zip(bins.confidence, bins.right, strict=True)
    return np.array([mean(confidence - right * ONE, bins.images) for confidence, right in pairs])


def _deviations(bins: Bins) -> NDArray[np.float64]:
    """``(B,)`` standard deviation of ``_gaps`` where confidence is the probability of being right."""
    return np.sqrt([total / ONE for total in bins.variance]) / bins.images
