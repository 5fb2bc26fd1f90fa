"""What metrics and gates look at: how one model did on every example, as columns of one value an example."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.errors import PredictionsError
from tinyedge.metrics.calibration import brier_scores

_ROW_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Outcome:
    """One model on N examples of K classes. Build it with ``outcome_of``, which checks.

    Args:
        labels: int64 ``(N,)``.
        predicted: int64 ``(N,)``, the class of the largest output, the lowest index where several tie.
        confidence: float64 ``(N,)``, the probability of ``predicted``.
        correct: bool ``(N,)``.
        tied: bool ``(N,)``, whether two or more classes share the largest stored output.
        saturated: bool ``(N,)``, whether the largest stored output is the largest value of its integer type, so that
            a larger logit would have been cut off. All False for float outputs and for probabilities, whose largest
            value means "certain" and cuts nothing off.
        label_probability: float64 ``(N,)``, the probability of the true label.
        brier: float64 ``(N,)``, the Brier score of each example, or ``None`` where it is not known.
        quantized: whether the outputs are stored as integers.
        class_names: K names.
        superclasses: int64 ``(K,)``, the superclass of each class, or ``None``.
        superclass_names: names in the order of those indices; empty where there are none, or they have no names.
        output_kind: what the outputs are, ``logits`` or ``probabilities``.
    """

    labels: NDArray[np.int64] = field(repr=False)
    predicted: NDArray[np.int64] = field(repr=False)
    confidence: NDArray[np.float64] = field(repr=False)
    correct: NDArray[np.bool_] = field(repr=False)
    tied: NDArray[np.bool_] = field(repr=False)
    saturated: NDArray[np.bool_] = field(repr=False)
    label_probability: NDArray[np.float64] = field(repr=False)
    brier: NDArray[np.float64] | None = field(repr=False)
    quantized: bool
    class_names: tuple[str, ...] = field(repr=False)
    superclasses: NDArray[np.int64] | None = field(default=None, repr=False)
    superclass_names: tuple[str, ...] = field(default=(), repr=False)
    output_kind: str = "logits"

    def __len__(self) -> int:
        """N, the examples."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """``(K,)`` examples of each class; 0 for a class that the evaluation set lacks."""
        return np.bincount(self.labels, minlength=self.num_classes).astype(np.int64)


def outcome_of(
    *,
    outputs: NDArray[Any],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    class_names: tuple[str, ...],
    superclasses: tuple[int, ...] | None = None,
    superclass_names: tuple[str, ...] = (),
    output_kind: str = "logits",
) -> Outcome:
    """What metrics need, from a model's outputs.

    Args:
        outputs: ``(N, K)`` in the dtype that the runtime put out: ties and saturation are read off stored values.
        labels: ``(N,)`` class indices.
        probabilities: ``(N, K)`` what the outputs mean, rows summing to 1.
        class_names: K names in label order.
        superclasses: the superclass index of each class.
        superclass_names: names in the order of those indices.
        output_kind: ``logits`` or ``probabilities``.

    Raises:
        PredictionsError: for no examples, shapes that do not agree, a label that is no class, NaN, or rows that are
            not probabilities.
    """
    _check(outputs, labels, probabilities, class_names, superclasses)
    largest = outputs.max(axis=1, keepdims=True)
    predicted = outputs.argmax(axis=1).astype(np.int64)
    quantized = bool(np.issubdtype(outputs.dtype, np.integer))
    can_saturate = quantized and output_kind == "logits"
    rows = np.arange(len(labels))
    return Outcome(
        labels=labels.astype(np.int64),
        predicted=predicted,
        confidence=probabilities[rows, predicted].astype(np.float64),
        correct=np.asarray(predicted == labels),
        tied=np.asarray((outputs == largest).sum(axis=1) >= 2),
        saturated=np.asarray(largest[:, 0] == np.iinfo(outputs.dtype).max)
        if can_saturate
        else np.zeros(len(labels), np.bool_),
        label_probability=probabilities[rows, labels].astype(np.float64),
        brier=brier_scores(probabilities, labels),
        quantized=quantized,
        class_names=tuple(class_names),
        superclasses=None if superclasses is None else np.asarray(superclasses, np.int64),
        superclass_names=tuple(superclass_names),
        output_kind=output_kind,
    )


def check_pair(reference: Outcome, deployed: Outcome) -> None:
    """Both must be of the same examples in the same order.

    Raises:
        PredictionsError: where labels or class names differ.
    """
    if reference.class_names != deployed.class_names or not np.array_equal(reference.labels, deployed.labels):
        raise PredictionsError(
            "reference and deployed are not of the same examples in the same order",
            found=f"{len(reference)} examples of {reference.num_classes} classes, "
            f"{len(deployed)} of {deployed.num_classes}",
            expected="equal labels and class names",
            fix="pair them by example id first (tinyedge.predictions.paired)",
        )


def _check(
    outputs: NDArray[Any],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    class_names: tuple[str, ...],
    superclasses: tuple[int, ...] | None,
) -> None:
    n, k = len(labels), len(class_names)
    if n == 0:
        raise PredictionsError("there are no predictions to measure", found=0, expected="at least 1 example")
    if outputs.shape != (n, k) or probabilities.shape != (n, k):
        raise PredictionsError(
            "outputs, probabilities, labels and class names do not agree",
            found=f"outputs {outputs.shape}, probabilities {probabilities.shape}, {n} labels, {k} class names",
            expected=f"({n}, {k}) twice",
        )
    if superclasses is not None and len(superclasses) != k:
        raise PredictionsError("superclasses do not cover the classes", found=len(superclasses), expected=k)
    if labels.min() < 0 or labels.max() >= k:
        outside = labels[(labels < 0) | (labels >= k)]
        raise PredictionsError("a label is not a class index", found=int(outside[0]), expected=f"0 to {k - 1}")
    if np.issubdtype(outputs.dtype, np.floating) and not np.isfinite(outputs).all():
        bad = int((~np.isfinite(outputs).all(axis=1)).sum())
        raise PredictionsError("outputs are NaN or infinite", found=f"{bad} of {n} examples", expected="finite outputs")
    # Written so that a NaN, which compares false with everything, is caught as well.
    if not ((probabilities >= 0).all() and (np.abs(probabilities.sum(axis=1) - 1) <= _ROW_SUM_TOLERANCE).all()):
        raise PredictionsError(
            "the probabilities are not probabilities",
            found=f"smallest {probabilities.min():.4g}, row sums {probabilities.sum(axis=1).min():.6g} "
            f"to {probabilities.sum(axis=1).max():.6g}",
            expected="no negative value, rows summing to 1",
        )
