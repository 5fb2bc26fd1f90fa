from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, recall_score

from tinyedge.errors import PredictionsError
from tinyedge.metrics import Outcome, accuracy, class_table, evaluate, outcome_of
from tinyedge.metrics.accuracy import ClassAccuracies

shares = arrays(np.float64, st.integers(2, 30), elements=st.floats(0, 1, width=32))


def table(values: list[float] | NDArray[np.float64], images: int = 100) -> ClassAccuracies:
    a = np.asarray(values, np.float64)
    return ClassAccuracies(np.arange(len(a)), np.full(len(a), images), a)


def seen(labels: NDArray[np.int64], predicted: NDArray[np.int64], superclasses: tuple[int, ...]) -> Outcome:
    """One-hot outputs that name ``predicted``."""
    outputs = np.eye(len(superclasses))[predicted]
    names = tuple(f"class {i}" for i in range(len(superclasses)))
    return outcome_of(
        outputs=outputs, labels=labels, probabilities=outputs, class_names=names, superclasses=superclasses
    )


def test_accuracy_and_class_accuracies_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 7, 500), rng.integers(0, 7, 500)
    predicted[::2] = labels[::2]
    outcome = seen(labels, predicted, tuple(range(7)))
    found = class_table(outcome)
    assert evaluate(outcome)["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    np.testing.assert_allclose(found.accuracy, recall_score(labels, predicted, average=None))
    assert found.counts.sum() == 500


def test_a_class_without_images_is_left_out_not_zero() -> None:
    found = accuracy.class_accuracies([1, 0, 2, 0], [1, 0, 1, 0])
    assert found.classes.tolist() == [0, 2]
    assert accuracy.worst_class(found) == 0.5


def test_superclass_accuracy_by_hand() -> None:
    # classes 0, 1 -> superclass 0; 2 -> superclass 1. Right superclass: images 0 (right), 1 (0 for 1); not 2, 3.
    labels, predicted = np.array([0, 1, 2, 0]), np.array([0, 0, 1, 2])
    assert evaluate(seen(labels, predicted, (0, 0, 1)))["superclass_accuracy"] == 0.5


@settings(deadline=None)  # the machine may be busy
@given(shares)
def test_gini_agrees_with_the_double_sum_and_keeps_its_bounds(a: NDArray[np.float64]) -> None:
    found = accuracy.gini(a)
    pairs = sum(abs(x - y) for x in a for y in a)
    expected = pairs / (2 * len(a) ** 2 * a.mean()) if a.sum() > 0 else 0.0
    assert found == pytest.approx(expected, abs=1e-9)
    assert 0 <= found <= 1 - 1 / len(a) + 1e-12


@settings(deadline=None)  # the machine may be busy
@given(shares, st.randoms(use_true_random=False))
def test_class_figures_do_not_depend_on_the_order_of_the_classes(a: NDArray[np.float64], random: object) -> None:
    other = a.copy()
    random.shuffle(other)  # type: ignore[attr-defined]
    assert accuracy.gini(a) == pytest.approx(accuracy.gini(other), abs=1e-9)
    assert accuracy.spread_kept(table(a)) == pytest.approx(accuracy.spread_kept(table(other)), abs=1e-6)


def test_gini_by_hand() -> None:
    # |differences| over all ordered pairs of (0, .5, 1): 2 * (.5 + 1 + .5) = 4; 4 / (2 * 9 * .5) = 4/9
    assert accuracy.gini(np.array([1.0, 0.0, 0.5])) == pytest.approx(4 / 9)
    assert accuracy.gini(np.zeros(5)) == 0.0
    assert accuracy.gini(np.full(7, 0.3)) == pytest.approx(0.0, abs=1e-12)


def test_spread_kept_by_hand() -> None:
    # a = .2, .4, .6 with 11 images: s2 = .04; noise = mean(.16, .24, .24) / 10 = .021333; k = sqrt(.018667 / .04)
    assert accuracy.spread_kept(table([0.2, 0.4, 0.6], images=11)) == pytest.approx((0.56 / 1.2) ** 0.5)


def test_noise_alone_shows_a_gini_that_the_correction_takes_off() -> None:
    # known beforehand: 0.062 where all classes are truly equal at 100 images a class.
    rng = np.random.default_rng(1)
    drawn = [table(rng.binomial(100, 0.45, 100) / 100) for _ in range(200)]
    assert np.mean([accuracy.gini(t.accuracy) for t in drawn]) == pytest.approx(0.062, abs=0.002)
    assert np.mean([accuracy.gini_corrected(t) for t in drawn]) < 0.02


def test_corrections_recover_the_truth_under_noise() -> None:
    rng = np.random.default_rng(2)
    truth = rng.beta(4, 5, 100)
    gini_plug, gini_true, bottom_plug, bottom_shrunk = [], accuracy.gini(truth), [], []
    corrected = []
    for _ in range(200):
        t = table(rng.binomial(50, truth) / 50, images=50)
        gini_plug.append(accuracy.gini(t.accuracy))
        corrected.append(accuracy.gini_corrected(t))
        bottom_plug.append(accuracy.bottom(t))
        bottom_shrunk.append(accuracy.bottom_shrunk(t))
    assert abs(np.mean(corrected) - gini_true) < abs(np.mean(gini_plug) - gini_true) / 3
    bottom_true = np.sort(truth)[:5].mean()
    assert abs(np.mean(bottom_shrunk) - bottom_true) < abs(np.mean(bottom_plug) - bottom_true)


def test_bottom_by_hand() -> None:
    t = table([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8])
    assert accuracy.bottom(t) == pytest.approx(0.3)
    k, mean = accuracy.spread_kept(t), 3.2 / 7
    assert accuracy.bottom_shrunk(t) == pytest.approx(mean + k * (0.3 - mean))


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, st.integers(6, 30), elements=st.floats(0, 1, width=32)))
def test_shrinking_never_lowers_the_bottom_nor_leaves_the_range(a: NDArray[np.float64]) -> None:
    t = table(a)
    assert accuracy.bottom(t) - 1e-12 <= accuracy.bottom_shrunk(t) <= a.mean() + 1e-9
    assert accuracy.worst_class(t) <= accuracy.bottom(t) + 1e-12


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(PredictionsError, match="sampling noise"):
        accuracy.spread_kept(table([0.5, 1.0], images=1))
    with pytest.raises(PredictionsError, match="no 5 worst classes"):
        accuracy.bottom(table([0.1, 0.2, 0.3, 0.4, 0.5]))
