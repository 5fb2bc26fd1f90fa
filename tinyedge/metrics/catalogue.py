"""The table of metrics, which reports, gates and the command line read: a new metric is a function and an entry here.

Shares are in 0..1 (a report shows them in per cent, and differences of two in percentage points).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tinyedge.errors import PredictionsError
from tinyedge.metrics import accuracy, calibration, error_sets, numerics
from tinyedge.metrics.outcome import Outcome, check_pair
from tinyedge.metrics.spec import AloneMetric, MetricSpec, PairCompute, PairMetric

_PAPER = "docs/metrics.md"
_OURS = "docs/metrics.md"
_GUO = "Guo et al. 2017"


def evaluate(outcome: Outcome) -> dict[str, float]:
    """Every metric of one model that it has, by name.

    Raises:
        PredictionsError: where a figure is NaN or infinite.
    """
    return {m.name: _finite(m.name, m.compute(outcome)) for m in ALONE if m.applies(outcome)}


def compare(*, reference: Outcome, deployed: Outcome) -> dict[str, float]:
    """Every metric of two models on the same examples, by name.

    Raises:
        PredictionsError: where the two are not of the same examples, or a figure is NaN or infinite.
    """
    check_pair(reference, deployed)
    return {m.name: _finite(m.name, m.compute(reference=reference, deployed=deployed)) for m in PAIR}


def class_table(outcome: Outcome) -> accuracy.ClassAccuracies:
    """The accuracy of each class that has images."""
    return accuracy.class_accuracies(outcome.labels, outcome.correct, outcome.num_classes)


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise PredictionsError("a metric is not a number", where=name, found=value, expected="a finite value")
    return value


def _has_superclasses(outcome: Outcome) -> bool:
    return outcome.superclasses is not None


def _superclass_accuracy(outcome: Outcome) -> float:
    assert outcome.superclasses is not None  # asked only where _has_superclasses
    return accuracy.superclass_accuracy(outcome.labels, outcome.predicted, outcome.superclasses)


def _has_bottom(outcome: Outcome) -> bool:
    return int((outcome.class_counts > 0).sum()) > accuracy.BOTTOM


def _shows_noise(outcome: Outcome) -> bool:
    counts = outcome.class_counts
    counts = counts[counts > 0]
    return len(counts) >= 2 and int(counts.min()) >= 2


ALONE: tuple[AloneMetric, ...] = (
    AloneMetric(
        "accuracy", "Top-1 accuracy", "share", "higher", (0, 1), _PAPER, lambda o: accuracy.accuracy(o.correct)
    ),
    AloneMetric(
        "nll",
        "Negative log-likelihood",
        "nats",
        "lower",
        (0, -math.log(calibration.EPSILON)),
        _GUO + ", eq. 6",
        lambda o: calibration.nll(o.probabilities, o.labels),
    ),
    AloneMetric(
        "brier",
        "Brier score",
        "score",
        "lower",
        (0, 2),
        "Brier 1950, eq. 2",
        lambda o: calibration.brier(o.probabilities, o.labels),
    ),
    AloneMetric(
        "ece",
        "ECE, 15 bins",
        "share",
        "lower",
        (0, 1),
        _GUO + ", eq. 3",
        lambda o: calibration.ece(o.confidence, o.correct),
    ),
    AloneMetric(
        "ece_floor",
        "ECE of a calibrated model",
        "share",
        "none",
        (0, 1),
        _PAPER,
        lambda o: calibration.ece_floor(o.confidence),
    ),
    AloneMetric(
        "ece_debiased",
        "ECE, debiased",
        "share",
        "lower",
        (0, 1),
        _OURS,
        lambda o: calibration.ece_debiased(o.confidence, o.correct),
    ),
    AloneMetric(
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
        lambda o: calibration.mean_confidence(o.confidence),
    ),
    AloneMetric(
        "signed_gap",
        "Mean confidence less accuracy",
        "share",
        "none",
        (-1, 1),
        _PAPER,
        lambda o: calibration.signed_gap(o.confidence, o.correct),
    ),
    AloneMetric(
        "gini",
        "Gini of class accuracies",
        "score",
        "lower",
        (0, 1),
        _PAPER,
        lambda o: accuracy.gini(class_table(o).accuracy),
    ),
    AloneMetric(
        "gini_corrected",
        "Gini, less sampling noise",
        "score",
        "lower",
        (0, 1),
        _PAPER,
        lambda o: accuracy.gini_corrected(class_table(o)),
        _shows_noise,
    ),
    AloneMetric(
        "bottom5",
        "Five worst classes",
        "share",
        "higher",
        (0, 1),
        _PAPER,
        lambda o: accuracy.bottom(class_table(o)),
        _has_bottom,
    ),
    AloneMetric(
        "bottom5_shrunk",
        "Five worst classes, shrunk",
        "share",
        "higher",
        (0, 1),
        _PAPER,
        lambda o: accuracy.bottom_shrunk(class_table(o)),
        lambda o: _has_bottom(o) and _shows_noise(o),
    ),
    AloneMetric(
        "worst_class",
        "Worst class",
        "share",
        "higher",
        (0, 1),
        _PAPER,
        lambda o: accuracy.worst_class(class_table(o)),
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
    AloneMetric("tie_rate", "Top-1 ties", "share", "lower", (0, 1), _OURS, lambda o: numerics.tie_rate(o.tied)),
    AloneMetric(
        "saturation_rate",
        "Saturated top-1 logits",
        "share",
        "lower",
        (0, 1),
        _OURS,
        lambda o: numerics.saturation_rate(o.saturated),
    ),
)


def _of_errors(function: Callable[..., float]) -> PairCompute:
    """From a function of the two ``correct`` arrays."""

    def compute(*, reference: Outcome, deployed: Outcome) -> float:
        return function(reference=reference.correct, deployed=deployed.correct)

    return compute


def _flips(*, reference: Outcome, deployed: Outcome) -> float:
    return error_sets.flips(reference=reference.predicted, deployed=deployed.predicted)


def _accuracy_drop(*, reference: Outcome, deployed: Outcome) -> float:
    return accuracy.accuracy(reference.correct) - accuracy.accuracy(deployed.correct)


def _worst_class_drop(*, reference: Outcome, deployed: Outcome) -> float:
    _, change = error_sets.class_changes(
        reference.labels,
        reference=reference.correct,
        deployed=deployed.correct,
        num_classes=reference.num_classes,
    )
    return -float(change.min())


def _signed_gap_change(*, reference: Outcome, deployed: Outcome) -> float:
    after = calibration.signed_gap(deployed.confidence, deployed.correct)
    return after - calibration.signed_gap(reference.confidence, reference.correct)


PAIR: tuple[PairMetric, ...] = (
    PairMetric("accuracy_drop", "Accuracy lost", "share", "lower", (-1, 1), _PAPER, _accuracy_drop),
    PairMetric(
        "jaccard",
        "Overlap of the error sets (Jaccard)",
        "score",
        "higher",
        (0, 1),
        _PAPER,
        _of_errors(error_sets.jaccard),
        symmetric=True,
    ),
    PairMetric(
        "jaccard_nested",
        "Jaccard, were the errors nested",
        "score",
        "none",
        (0, 1),
        _PAPER,
        _of_errors(error_sets.jaccard_nested),
        symmetric=True,
    ),
    PairMetric(
        "jaccard_independent",
        "Jaccard, were the errors independent",
        "score",
        "none",
        (0, 1),
        _PAPER,
        _of_errors(error_sets.jaccard_independent),
        symmetric=True,
    ),
    PairMetric(
        "redistribution",
        "Redistribution (nested less actual Jaccard)",
        "score",
        "lower",
        (0, 1),
        _PAPER,
        _of_errors(error_sets.redistribution),
        symmetric=True,
    ),
    PairMetric(
        "discordance",
        "Discordance",
        "share",
        "lower",
        (0, 1),
        _PAPER,
        _of_errors(error_sets.discordance),
        symmetric=True,
    ),
    PairMetric("flips", "Flips of the predicted class", "share", "lower", (0, 1), _PAPER, _flips, symmetric=True),
    PairMetric(
        "negative_flips",
        "Negative flips (right before, wrong now)",
        "share",
        "lower",
        (0, 1),
        _PAPER,
        _of_errors(error_sets.negative_flips),
    ),
    PairMetric(
        "positive_flips",
        "Positive flips (wrong before, right now)",
        "share",
        "higher",
        (0, 1),
        _OURS,
        _of_errors(error_sets.positive_flips),
    ),
    PairMetric("worst_class_drop", "Largest drop of a class", "share", "lower", (-1, 1), _OURS, _worst_class_drop),
    PairMetric("signed_gap_change", "Change of the signed gap", "share", "none", (-2, 2), _OURS, _signed_gap_change),
)

_ALL: tuple[MetricSpec, ...] = (*ALONE, *PAIR)
METRICS: dict[str, MetricSpec] = {metric.name: metric for metric in _ALL}
