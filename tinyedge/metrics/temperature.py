"""Temperature scaling: the one number that logits are divided by so that confidences mean what they say.

It changes no prediction and no order of the classes. It is to be fitted on labelled images that the model was not
trained on (on those it is more often right than it will be again) and that nothing is judged on afterwards.

Reference: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv 1706.04599.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from tinyedge.errors import PredictionsError, UsageError

MIN_IMAGES = 100
"""Fewer leave the temperature to luck."""
LOWEST, HIGHEST = 0.01, 100.0
"""Beyond these a fit is no calibration of a classifier any more."""
_TOLERANCE = 1e-9
_EDGE = 1e-6


def fit_temperature(outputs: NDArray[Any], labels: NDArray[np.int64], *, kind: str = "logits") -> float:
    """The temperature T > 0 at which ``softmax(logits / T)`` has the smallest NLL.

    Args:
        outputs: real numbers ``(N, K)``: logits, or probabilities.
        labels: ``(N,)`` class indices.
        kind: ``logits`` or ``probabilities`` (their logarithms are logits but for one number a row, which no softmax
            sees).

    Returns:
        T: above 1 where the model is overconfident. The NLL is convex in 1/T, so that there is one.

    Raises:
        UsageError: for another kind.
        PredictionsError: for fewer than ``MIN_IMAGES`` images, labels of one class only, stored integers instead of
            reals, NaN, shapes that do not agree; for a label whose probability is 0, as a quantized softmax has them;
            or where no finite temperature is best: every image is right (T would shrink to 0) or the labels' logits
            lie no higher than the others' (T would grow without end).

    >>> logits = np.tile([2.0, 0.0], (100, 1))  # 75 % right: the best confidence is 0.75, so that 2/T = ln 3
    >>> labels = np.array([0] * 75 + [1] * 25)
    >>> round(fit_temperature(logits, labels), 4)
    1.8205
    """
    logits = _checked(outputs, labels, kind)
    _check_finite_optimum(logits, labels)
    found = minimize_scalar(
        lambda log_t: nll_at(logits, labels, float(np.exp(log_t))),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": _TOLERANCE},
    )
    temperature = float(np.exp(found.x))
    if not LOWEST * (1 + _EDGE) < temperature < HIGHEST * (1 - _EDGE):
        raise PredictionsError(
            "the best temperature is beyond reason",
            found=f"{temperature:.3g} or beyond",
            expected=f"{LOWEST:g} to {HIGHEST:g}",
            fix="check that the labels are those of the images, and the outputs logits in real numbers",
        )
    return temperature


def nll_at(logits: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    """Mean negative log-likelihood of ``softmax(logits / temperature)``, in nats.

    Args:
        logits: ``(N, K)``.
        labels: ``(N,)``.
        temperature: above 0.

    >>> round(nll_at(np.array([[np.log(3.0), 0.0]]), np.array([0]), 1.0), 4)  # -ln 3/4
    0.2877
    """
    scaled = logits / temperature
    return float((logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]).mean())


def _checked(outputs: NDArray[Any], labels: NDArray[np.int64], kind: str) -> NDArray[np.float64]:
    """The outputs as logits, float64."""
    if kind not in ("logits", "probabilities"):
        raise UsageError("not a kind of output", found=kind, expected="logits or probabilities")
    if outputs.ndim != 2 or labels.shape != (len(outputs),) or outputs.shape[1] < 2:
        raise PredictionsError(
            "outputs and labels do not agree",
            found=f"outputs {outputs.shape}, labels {labels.shape}",
            expected="(N, K) with 2 classes or more, and (N,)",
        )
    if not np.issubdtype(outputs.dtype, np.floating):
        raise PredictionsError(
            "a temperature is fitted on real numbers", found=outputs.dtype, expected="dequantized outputs"
        )
    if len(labels) < MIN_IMAGES:
        raise PredictionsError(
            "too few images to fit a temperature", found=len(labels), expected=f"{MIN_IMAGES} or more"
        )
    if labels.min() < 0 or labels.max() >= outputs.shape[1]:
        raise PredictionsError(
            "a label is not a class index",
            found=f"{labels.min()} to {labels.max()}",
            expected=f"0 to {outputs.shape[1] - 1}",
        )
    if (labels == labels[0]).all():
        raise PredictionsError(
            "all images to fit a temperature on are of one class",
            found=f"class {labels[0]}",
            expected="images of all classes, drawn at random",
        )
    real = outputs.astype(np.float64)
    if kind == "logits":
        _none(~np.isfinite(real).all(axis=1), "outputs are NaN or infinite", "finite numbers")
        return real
    probable = (np.isfinite(real) & (real >= 0)).all(axis=1)
    _none(~probable, "the outputs are not probabilities", "no negative number, no NaN")
    _none(
        real[np.arange(len(labels)), labels] == 0,
        "a label has the probability 0, so that no temperature is best",
        "probabilities above 0: a quantized softmax puts out 0 for all that is below its step",
        "fit on the float model's outputs: its logits are what the softmax gets, but for rounding",
    )
    with np.errstate(divide="ignore"):  # another class's 0 is a logit of minus infinity, as it should be
        return np.asarray(np.log(real))


def _none(bad: Any, what: str, expected: str, fix: str | None = None) -> None:
    if bad.any():
        raise PredictionsError(what, found=f"{int(bad.sum())} of {len(bad)} images", expected=expected, fix=fix)


def _check_finite_optimum(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    """The slope of the NLL in 1/T is below 0 at 1/T = 0 and above 0 at infinity, or there is no best T."""
    of_label = logits[np.arange(len(labels)), labels]
    if (of_label == logits.max(axis=1)).all():
        raise PredictionsError(
            "no temperature is best: every image is right, and the smaller it is the better",
            found=f"{len(labels)} of {len(labels)} right",
            expected="some images that the model gets wrong",
            fix="fit on more images, or on images that the model was not trained on",
        )
    if (of_label - logits.mean(axis=1)).mean() <= 0:
        raise PredictionsError(
            "no temperature is best: the outputs say nothing of the labels, and the larger it is the better",
            found="labels whose logits lie no higher than the average class's",
            expected="a model that is better than guessing",
            fix="check that the labels are those of the images",
        )
