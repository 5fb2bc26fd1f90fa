"""The table of metrics: reports, gates and the command line read it. A new metric is a function and a line here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinyedge.errors import PredictionsError
from tinyedge.metrics import accuracy, calibration, error_sets, numerics
from tinyedge.metrics.accuracy import ClassAccuracies
from tinyedge.metrics.outcome import Outcome, check_pair
from tinyedge.metrics.spec import AloneMetric, MetricSpec, PairMetric

_DEFINED = "PAPER.md, Definitions"


def _table(outcome: Outcome) -> ClassAccuracies:
    return accuracy.class_accuracies(outcome.labels, outcome.correct, outcome.num_classes)


def _has_superclasses(outcome: Outcome) -> bool:
    return outcome.superclasses is not None


def _superclass_accuracy(outcome: Outcome) -> float:
    assert outcome.superclasses is not None  # applies only then
    return accuracy.superclass_accuracy(outcome.labels, outcome.predicted, outcome.superclasses)


def _has_bottom(outcome: Outcome) -> bool:
    return int((outcome.class_counts > 0).sum()) > accuracy.BOTTOM


def _shows_noise(outcome: Outcome) -> bool:
    counts = outcome.class_counts
    counts = counts[counts > 0]
    return len(counts) >= 2 and int(counts.min()) >= 2


def _bottom_shows_noise(outcome: Outcome) -> bool:
    return _has_bottom(outcome) and _shows_noise(outcome)


# fmt: off
ALONE: tuple[AloneMetric, ...] = (
    AloneMetric("accuracy", "Top-1 accuracy", "share", "higher", (0, 1), _DEFINED, lambda o: accuracy.accuracy(o.correct)),
    AloneMetric("nll", "Negative log-likelihood", "nats", "lower", (0, None), "Guo et al. 2017, eq. 6", lambda o: calibration.nll(o.probabilities, o.labels)),
    AloneMetric("brier", "Brier score", "score", "lower", (0, 2), "Brier 1950, eq. 2", lambda o: calibration.brier(o.probabilities, o.labels)),
    AloneMetric("ece", "ECE, 15 bins", "share", "lower", (0, 1), "Guo et al. 2017, eq. 3", lambda o: calibration.ece(o.confidence, o.correct)),
    AloneMetric("ece_floor", "ECE of a perfectly calibrated model", "share", "none", (0, 1), _DEFINED, lambda o: calibration.ece_floor(o.confidence)),
    AloneMetric("ece_debiased", "ECE, debiased", "share", "lower", (0, 1), "docs/metrics.md", lambda o: calibration.ece_debiased(o.confidence, o.correct)),
    AloneMetric("adaptive_ece", "ECE, 15 bins of equal mass", "share", "lower", (0, 1), "Nguyen and O'Connor 2015", lambda o: calibration.adaptive_ece(o.confidence, o.correct)),
    AloneMetric("mean_confidence", "Mean confidence", "share", "none", (0, 1), _DEFINED, lambda o: calibration.mean_confidence(o.confidence)),
    AloneMetric("signed_gap", "Mean confidence less accuracy", "share", "none", (-1, 1), _DEFINED, lambda o: calibration.signed_gap(o.confidence, o.correct)),
    AloneMetric("gini", "Gini of class accuracies", "score", "lower", (0, 1), _DEFINED, lambda o: accuracy.gini(_table(o).accuracy)),
    AloneMetric("gini_corrected", "Gini, less sampling noise", "score", "lower", (0, 1), _DEFINED, lambda o: accuracy.gini_corrected(_table(o)), _shows_noise),
    AloneMetric("bottom5", "Five worst classes", "share", "higher", (0, 1), _DEFINED, lambda o: accuracy.bottom(_table(o)), _has_bottom),
    AloneMetric("bottom5_shrunk", "Five worst classes, shrunk", "share", "higher", (0, 1), _DEFINED, lambda o: accuracy.bottom_shrunk(_table(o)), _bottom_shows_noise),
    AloneMetric("worst_class", "Worst class", "share", "higher", (0, 1), _DEFINED, lambda o: accuracy.worst_class(_table(o))),
    AloneMetric("superclass_accuracy", "Superclass accuracy", "share", "higher", (0, 1), "docs/metrics.md", _superclass_accuracy, _has_superclasses),
    AloneMetric("tie_rate", "Top-1 ties", "share", "lower", (0, 1), "docs/metrics.md", lambda o: numerics.tie_rate(o.tied)),
    AloneMetric("saturation_rate", "Saturated top-1 logits", "share", "lower", (0, 1), "docs/metrics.md", lambda o: numerics.saturation_rate(o.saturated)),
)
# fmt: on


def _of_errors(name: str, title: str, better: str, function: object, *, symmetric: bool = True) -> PairMetric:
    """A metric of which examples each is right on."""

    def compute(*, reference: Outcome, deployed: Outcome) -> float:
        return float(function(reference=reference.correct, deployed=deployed.correct))  # type: ignore[operator]

    return PairMetric(name, title, "share", better, (0, 1), _DEFINED, compute, symmetric)  # type: ignore[arg-type]
