"""The table of metrics, which reports, gates and the command line read: a new metric is a function and an entry here.

Shares are in 0..1 (a report shows them in per cent, and differences of two in percentage points).
"""

from __future__ import annotations

import math

from tinyedge.errors import PredictionsError
from tinyedge.metrics import accuracy, calibration, error_sets
from tinyedge.metrics.exact import ONE, mean
from tinyedge.metrics.outcome import Outcome
from tinyedge.metrics.spec import AloneMetric, ColumnMetric, MetricSpec, PairMetric
from tinyedge.metrics.tally import PairTally, Tally

_PAPER = "docs/metrics.md"
_OURS = "docs/metrics.md"
_GUO = "Guo et al. 2017"


def evaluate(seen: Outcome | Tally) -> dict[str, float]:
    """Every metric of one model that it has, by name; the few that take all examples at once only from an ``Outcome``.

    Raises:
        PredictionsError: where a figure is NaN or infinite.
    """
    tally = Tally.of(seen) if isinstance(seen, Outcome) else seen
    found: dict[str, float] = {}
    for metric in ALONE:
        if isinstance(metric, AloneMetric):
            if metric.applies(tally):
                found[metric.name] = _finite(metric.name, metric.compute(tally))
        elif isinstance(seen, Outcome):
            found[metric.name] = _finite(metric.name, metric.compute(seen))
    return found


def compare(*, reference: Outcome, deployed: Outcome) -> dict[str, float]:
    """Every metric of two models on the same examples, by name.

    Raises:
        PredictionsError: where the two are not of the same examples, or a figure is NaN or infinite.
    """
    return compare_counted(PairTally.of(reference=reference, deployed=deployed))


def compare_counted(pair: PairTally) -> dict[str, float]:
    """As ``compare``, of examples that are already counted.

    Raises:
        PredictionsError: where a figure is NaN or infinite.
    """
    return {m.name: _finite(m.name, m.compute(pair)) for m in PAIR}


def class_table(seen: Outcome | Tally) -> accuracy.ClassAccuracies:
    """The accuracy of each class that has images."""
    tally = Tally.of(seen) if isinstance(seen, Outcome) else seen
    return accuracy.class_accuracies(tally.class_counts, tally.class_right)


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise PredictionsError("a metric is not a number", where=name, found=value, expected="a finite value")
    return value


def _has_brier(tally: Tally) -> bool:
    return tally.brier is not None


def _brier(tally: Tally) -> float:
    assert tally.brier is not None  # asked only where _has_brier
    return mean(tally.brier, tally.images)


def _has_superclasses(tally: Tally) -> bool:
    return tally.superclass_right is not None


def _superclass_accuracy(tally: Tally) -> float:
    assert tally.superclass_right is not None  # asked only where _has_superclasses
    return sum(tally.superclass_right) / tally.images


def _has_bottom(tally: Tally) -> bool:
    return sum(count > 0 for count in tally.class_counts) > accuracy.BOTTOM


def _shows_noise(tally: Tally) -> bool:
    counts = [count for count in tally.class_counts if count > 0]
    return len(counts) >= 2 and min(counts) >= 2


ALONE: tuple[AloneMetric | ColumnMetric, ...] = (
    AloneMetric("accuracy", "Top-1 accuracy", "share", "higher", (0, 1), _PAPER, lambda t: t.right / t.images),
    AloneMetric(
        "nll",
        "Negative log-likelihood",
        "nats",
        "lower",
        (0, -math.log(calibration.EPSILON)),
        _GUO + ", eq. 6",
        lambda t: mean(t.nll, t.images),
    ),
    AloneMetric(
        "brier",
        "Brier score",
        "score",
        "lower",
        (0, 2),
        "Brier 1950, eq. 2",
        _brier,
        _has_brier,
    ),
    AloneMetric(
        "ece",
        "ECE, 15 bins",
        "share",
        "lower",
        (0, 1),
        _GUO + ", eq. 3",
        lambda t: calibration.ece(t.bins),
    ),
    AloneMetric(
        "ece_floor",
        "ECE of a calibrated model",
        "share",
        "none",
        (0, 1),
        _PAPER,
        lambda t: calibration.ece_floor(t.bins),
    ),
    AloneMetric(
        "ece_debiased",
        "ECE, debiased",
        "share",
        "lower",
        (0, 1),
        _OURS,
        lambda t: calibration.ece_debiased(t.bins),
    ),
    ColumnMetric(
        "adaptive_ece",
        "ECE, 15 bins of equal mass",
        "share",
        "lower",
        (0, 1),
        "Nguyen and O'Connor 2015",
        lambda o: calibration.adaptive_ece(o.confidence, o.correct),
    ),
    AloneMetric(
        "mean_confidence",
        "Mean confidence",
        "share",
        "none",
        (0, 1),
        _PAPER,
        lambda t: calibration.mean_confidence(t.bins),
    ),
    AloneMetric(
        "signed_gap",
        "Mean confidence less accuracy",
        "share",
        "none",
        (-1, 1),
        _PAPER,
        lambda t: calibration.signed_gap(t.bins),
    ),
    AloneMetric(
        "gini",
        "Gini of class accuracies",
        "score",
        "lower",
        (0, 1),
        _PAPER,
        lambda t: accuracy.gini(class_table(t).accuracy),
    ),
    AloneMetric(
        "gini_corrected",
        "Gini, less sampling noise",
        "score",
        "lower",
        (0, 1),
        _PAPER,
        lambda t: accuracy.gini_corrected(class_table(t)),
        _shows_noise,
    ),
    AloneMetric(
        "bottom5",
        "Five worst classes",
        "share",
        "higher",
        (0, 1),
        _PAPER,
        lambda t: accuracy.bottom(class_table(t)),
        _has_bottom,
    ),
    AloneMetric(
        "bottom5_shrunk",
        "Five worst classes, shrunk",
        "share",
        "higher",
        (0, 1),
        _PAPER,
        lambda t: accuracy.bottom_shrunk(class_table(t)),
        lambda t: _has_bottom(t) and _shows_noise(t),
    ),
    AloneMetric(
        "worst_class",
        "Worst class",
        "share",
        "higher",
        (0, 1),
        _PAPER,
        lambda t: accuracy.worst_class(class_table(t)),
    ),
    AloneMetric(
        "superclass_accuracy",
        "Superclass accuracy",
        "share",
        "higher",
        (0, 1),
        _OURS,
        _superclass_accuracy,
        _has_superclasses,
    ),
    AloneMetric("tie_rate", "Top-1 ties", "share", "lower", (0, 1), _OURS, lambda t: t.tied / t.images),
    AloneMetric(
        "saturation_rate",
        "Saturated top-1 logits",
        "share",
        "lower",
        (0, 1),
        _OURS,
        lambda t: t.saturated / t.images,
    ),
)


def _worst_class_drop(pair: PairTally) -> float:
    _, change = error_sets.class_changes(pair.class_counts, pair.lost, pair.gained)
    return -float(change.min())


def _signed_gap_change(pair: PairTally) -> float:
    confidence = pair.deployed_confidence - pair.reference_confidence
    right = sum(pair.gained) - sum(pair.lost)
    return mean(confidence - right * ONE, pair.joint.images)


PAIR: tuple[PairMetric, ...] = (
    PairMetric(
        "accuracy_drop", "Accuracy lost", "share", "lower", (-1, 1), _PAPER, lambda p: error_sets.accuracy_drop(p.joint)
    ),
    PairMetric(
        "jaccard",
        "Overlap of the error sets (Jaccard)",
        "score",
        "higher",
        (0, 1),
        _PAPER,
        lambda p: error_sets.jaccard(p.joint),
        symmetric=True,
    ),
    PairMetric(
        "jaccard_nested",
        "Jaccard, were the errors nested",
        "score",
        "none",
        (0, 1),
        _PAPER,
        lambda p: error_sets.jaccard_nested(p.joint),
        symmetric=True,
    ),
    PairMetric(
        "jaccard_independent",
        "Jaccard, were the errors independent",
        "score",
        "none",
        (0, 1),
        _PAPER,
        lambda p: error_sets.jaccard_independent(p.joint),
        symmetric=True,
    ),
    PairMetric(
        "redistribution",
        "Redistribution (nested less actual Jaccard)",
        "score",
        "lower",
        (0, 1),
        _PAPER,
        lambda p: error_sets.redistribution(p.joint),
        symmetric=True,
    ),
    PairMetric(
        "discordance",
        "Discordance",
        "share",
        "lower",
        (0, 1),
        _PAPER,
        lambda p: error_sets.discordance(p.joint),
        symmetric=True,
    ),
    PairMetric(
        "flips",
        "Flips of the predicted class",
        "share",
        "lower",
        (0, 1),
        _PAPER,
        lambda p: p.flips / p.joint.images,
        symmetric=True,
    ),
    PairMetric(
        "negative_flips",
        "Negative flips (right before, wrong now)",
        "share",
        "lower",
        (0, 1),
        _PAPER,
        lambda p: error_sets.negative_flips(p.joint),
    ),
    PairMetric(
        "positive_flips",
        "Positive flips (wrong before, right now)",
        "share",
        "higher",
        (0, 1),
        _OURS,
        lambda p: error_sets.positive_flips(p.joint),
    ),
    PairMetric("worst_class_drop", "Largest drop of a class", "share", "lower", (-1, 1), _OURS, _worst_class_drop),
    PairMetric("signed_gap_change", "Change of the signed gap", "share", "none", (-2, 2), _OURS, _signed_gap_change),
)

_ALL: tuple[MetricSpec, ...] = (*ALONE, *PAIR)
METRICS: dict[str, MetricSpec] = {metric.name: metric for metric in _ALL}
