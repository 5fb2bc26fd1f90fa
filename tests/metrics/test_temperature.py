from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import softmax

from tinyedge.errors import PredictionsError, UsageError
from tinyedge.metrics.temperature import MIN_IMAGES, fit_temperature, nll_at


def drawn(n: int = 600, k: int = 7, temperature: float = 1.0, seed: int = 0):
    """Logits, and labels drawn from ``softmax(logits / temperature)``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (n, k))
    chances = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > chances).sum(axis=1).clip(max=k - 1)


@given(st.floats(0.2, 6.0), st.integers(60, 95))
def test_two_classes_have_a_closed_form(margin, right):
    """The best confidence is the share p that is right: margin / T = ln(p / (1 - p))."""
    logits = np.tile([margin, 0.0], (100, 1))
    labels = np.array([0] * right + [1] * (100 - right))
    assert fit_temperature(logits, labels) == pytest.approx(margin / np.log(right / (100 - right)), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7, 5.0])
def test_it_is_where_the_slope_is_zero(temperature):
    """An independent way: the NLL's derivative in b = 1/T is the mean logit under the softmax less the label's."""
    logits, labels = drawn(temperature=temperature)

    def slope(b):
        return ((softmax(b * logits, axis=1) * logits).sum(axis=1) - logits[np.arange(len(labels)), labels]).mean()

    assert fit_temperature(logits, labels) == pytest.approx(1 / brentq(slope, 1e-3, 1e2, xtol=1e-14), rel=1e-6)


def test_it_finds_the_temperature_that_the_labels_were_drawn_at():
    logits, labels = drawn(20_000, temperature=1.8)
    assert fit_temperature(logits, labels) == pytest.approx(1.8, rel=0.03)


def test_no_other_temperature_has_a_smaller_nll():
    logits, labels = drawn(temperature=2.2)
    best = fit_temperature(logits, labels)
    assert all(nll_at(logits, labels, best) < nll_at(logits, labels, best * f) for f in (0.5, 0.99, 1.01, 2.0))


def test_scaled_logits_scale_the_temperature_and_shifted_rows_do_not():
    logits, labels = drawn()
    fitted = fit_temperature(logits, labels)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * fitted, rel=1e-6)
    assert fit_temperature(logits + np.arange(600)[:, None], labels) == pytest.approx(fitted, rel=1e-6)


def test_probabilities_give_what_their_logits_give():
    logits, labels = drawn()
    probabilities = softmax(logits, axis=1)
    assert fit_temperature(probabilities, labels, kind="probabilities") == pytest.approx(
        fit_temperature(logits, labels)
    )


def test_a_probability_of_zero_is_minus_infinity_unless_it_is_the_labels():
    logits, labels = drawn()
    logits[:, 0] = -np.inf
    labels = np.maximum(labels, 1)
    probabilities = softmax(logits, axis=1)
    expected = fit_temperature(logits[:, 1:], labels - 1)
    assert fit_temperature(probabilities, labels, kind="probabilities") == pytest.approx(expected)
    labels[3] = 0
    with pytest.raises(PredictionsError, match=r"(?s)probability 0.*1 of 600.*float model's outputs"):
        fit_temperature(probabilities, labels, kind="probabilities")


def test_every_image_right_has_no_best_temperature():
    logits, _ = drawn()
    with pytest.raises(PredictionsError, match=r"(?s)the smaller it is.*600 of 600 right"):
        fit_temperature(logits, logits.argmax(axis=1))


def test_labels_that_have_nothing_to_do_with_the_logits_have_none():
    logits, _ = drawn()
    with pytest.raises(PredictionsError, match="the larger it is the better"):
        fit_temperature(logits, logits.argmin(axis=1))


def test_a_temperature_beyond_reason_is_said_so():
    logits, labels = drawn()
    with pytest.raises(PredictionsError, match="beyond reason"):
        fit_temperature(1e4 * logits, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, y: (z[: MIN_IMAGES - 1], y[: MIN_IMAGES - 1]), "too few images"),
        (lambda z, y: (z, np.zeros_like(y)), "of one class"),
        (lambda z, y: (np.where(np.arange(7) == 2, np.nan, z), y), r"(?s)NaN or infinite.*600 of 600"),
        (lambda z, y: (np.where(np.arange(7) == 2, np.inf, z), y), "NaN or infinite"),
        (lambda z, y: (z.astype(np.int8), y), "(?s)real numbers.*dequantized"),
        (lambda z, y: (z, y[:-1]), "do not agree"),
        (lambda z, y: (z[:, :1], y * 0), "do not agree"),
        (lambda z, y: (z, y + 1), "not a class index"),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(PredictionsError, match=message):
        fit_temperature(*change(*drawn()))


def test_what_is_no_probability_is_refused():
    logits, labels = drawn()
    with pytest.raises(PredictionsError, match="not probabilities"):
        fit_temperature(logits, labels, kind="probabilities")


def test_another_kind_is_refused():
    with pytest.raises(UsageError, match=r"(?s)scores.*logits or probabilities"):
        fit_temperature(*drawn(), kind="scores")
