from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from tinyedge.metrics import calibration
from tinyedge.metrics.calibration import Bins, bins_of

confidences = arrays(np.float64, 40, elements=st.floats(0, 1))
answers = arrays(np.bool_, 40)
coarse = arrays(np.float64, 40, elements=st.sampled_from([0.1, 0.3, 0.30001, 0.8, 1.0]))


def random_model(n: int, k: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(k, 0.3), n), rng.integers(0, k, n)


def guessed(confidence: NDArray[np.float64]) -> Bins:
    """Where it does not matter which images are right."""
    return bins_of(confidence, np.zeros(len(confidence), np.bool_))


def test_nll_and_brier_agree_with_scikit_learn() -> None:
    p, labels = random_model(400, 6, 0)
    assert calibration.surprise(p[np.arange(400), labels]).mean() == pytest.approx(log_loss(labels, p, labels=range(6)))
    expected = brier_score_loss(labels, p, labels=range(6), scale_by_half=False)
    assert calibration.brier_scores(p, labels).mean() == pytest.approx(expected)


def test_nll_of_an_impossible_label_is_clipped_and_finite() -> None:
    assert calibration.surprise(np.array([0.0]))[0] == pytest.approx(-np.log(2**-52))
    assert calibration.surprise(np.array([1.0]))[0] == 0.0


def test_ece_agrees_with_torchmetrics() -> None:
    p, labels = random_model(2000, 10, 1)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    expected = multiclass_calibration_error(torch.tensor(p), torch.tensor(labels), 10, n_bins=15, norm="l1")
    assert calibration.ece(bins_of(confidence, correct)) == pytest.approx(float(expected), abs=1e-6)


@settings(deadline=None)  # the machine may be busy
@given(confidences, answers)
def test_ece_agrees_with_a_loop_and_with_its_reliability_table(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> None:
    total = 0.0
    for b in range(15):
        inside = [i for i, c in enumerate(confidence) if int(min(c * 15, 14)) == b]
        if inside:
            total += abs(sum(confidence[i] - correct[i] for i in inside)) / len(confidence)
    found = calibration.ece(bins_of(confidence, correct))
    assert found == pytest.approx(total, abs=1e-9)
    assert 0 <= found <= 1
    bars = calibration.reliability(bins_of(confidence, correct))
    assert sum(bar.count for bar in bars) == len(confidence)
    again = sum(b.count * abs(b.confidence - b.accuracy) for b in bars if b.confidence is not None) / len(confidence)  # type: ignore[operator]
    assert again == pytest.approx(total, abs=1e-9)


def test_confidence_one_is_in_the_last_bin_and_edges_belong_to_the_upper_bin() -> None:
    bars = calibration.reliability(bins_of(np.array([1.0, 0.5, 0.0]), np.array([True, True, False]), bins=2))
    assert [bar.count for bar in bars] == [1, 2]
    assert (bars[1].confidence, bars[1].accuracy) == (0.75, 1.0)


def test_an_empty_bin_has_no_confidence() -> None:
    bars = calibration.reliability(bins_of(np.array([0.9]), np.array([True]), bins=3))
    assert (bars[0].count, bars[0].confidence, bars[0].accuracy) == (0, None, None)


def test_the_floor_is_what_a_calibrated_model_shows() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(10_000)
    shown = [calibration.ece(bins_of(confidence, rng.random(10_000) < confidence)) for _ in range(100)]
    floor = calibration.ece_floor(guessed(confidence))
    assert floor == pytest.approx(0.0125, abs=0.0006)  # known beforehand: 1.25 pp at n = 10,000 with 15 bins
    assert np.mean(shown) == pytest.approx(floor, rel=0.05)
    assert np.std(shown) == pytest.approx(calibration.ece_floor_deviation(guessed(confidence)), rel=0.25)


def test_floor_by_hand() -> None:
    # one bin of four at 0.5: sqrt(4 * .25) / 4 = .25
    assert calibration.ece_floor(guessed(np.full(4, 0.5))) == pytest.approx(0.25 * (2 / np.pi) ** 0.5)
    assert calibration.ece_floor(guessed(np.ones(4))) == 0.0


@pytest.mark.parametrize(("shift", "truth"), [(0.0, 0.0), (0.03, 0.03), (0.08, 0.08)])
def test_debiased_ece_is_nearer_the_truth_than_the_plug_in(shift: float, truth: float) -> None:
    rng = np.random.default_rng(4)
    plug, debiased = [], []
    for _ in range(60):
        confidence = 0.1 + 0.9 * rng.random(2000)
        correct = rng.random(2000) < confidence - shift
        plug.append(calibration.ece(bins_of(confidence, correct)))
        debiased.append(calibration.ece_debiased(bins_of(confidence, correct)))
    bias, bias_plug = abs(np.mean(debiased) - truth), abs(np.mean(plug) - truth)
    assert bias < 0.011
    assert bias < bias_plug or bias_plug < 0.004


@settings(deadline=None)  # the machine may be busy
@given(confidences, answers)
def test_debiased_ece_lies_between_zero_and_the_plug_in(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_]
) -> None:
    found = calibration.ece_debiased(bins_of(confidence, correct))
    assert 0 <= found <= calibration.ece(bins_of(confidence, correct)) + 1e-12


def test_debiased_ece_of_certain_answers_is_the_plug_in() -> None:
    # Confidence 1 has no chance in it: one of four wrong is a gap of 0.25, all of it real.
    confidence, correct = np.ones(4), np.array([True, True, True, False])
    assert calibration.ece_debiased(bins_of(confidence, correct)) == pytest.approx(0.25)


def test_the_folded_size_is_the_mean_of_a_simulation() -> None:
    means, deviations = np.array([0.0, 0.5, 3.0, 1.0]), np.array([1.0, 1.0, 0.5, 0.0])
    drawn = np.abs(np.random.default_rng(6).normal(means, deviations, (40_000, 4))).sum(axis=1)
    assert calibration.folded_size(means, deviations) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / 200)


def test_adaptive_ece_agrees_with_equal_splits_where_confidences_differ() -> None:
    rng = np.random.default_rng(5)
    confidence, correct = rng.random(300), rng.random(300) < 0.4
    order = np.argsort(confidence)
    parts = np.array_split(order, 15)  # 300 / 15 = 20 each
    expected = sum(len(p) / 300 * abs(confidence[p].mean() - correct[p].mean()) for p in parts)
    assert calibration.adaptive_ece(confidence, correct) == pytest.approx(expected)


def test_adaptive_ece_never_parts_equal_confidences() -> None:
    confidence, correct = np.full(30, 0.6), np.arange(30) < 12
    assert calibration.adaptive_ece(confidence, correct) == pytest.approx(0.2)


def test_signed_gap_by_hand() -> None:
    confidence, correct = np.array([0.5, 0.6, 0.7]), np.array([True, False, False])
    assert calibration.signed_gap(bins_of(confidence, correct)) == pytest.approx(0.6 - 1 / 3)
    assert calibration.mean_confidence(bins_of(confidence, correct)) == pytest.approx(0.6)


@settings(max_examples=50, deadline=None)
@given(coarse, answers, st.permutations(range(40)))
def test_order_does_not_matter(confidence: NDArray[np.float64], correct: NDArray[np.bool_], order: list[int]) -> None:
    c, y = confidence[order], correct[order]
    assert bins_of(c, y) == bins_of(confidence, correct)
    assert calibration.adaptive_ece(c, y) == pytest.approx(calibration.adaptive_ece(confidence, correct), abs=1e-9)


def test_gap_is_a_lower_bound_of_ece() -> None:
    p, labels = random_model(500, 5, 6)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == labels
    bins = bins_of(confidence, correct)
    assert abs(calibration.signed_gap(bins)) <= calibration.ece(bins) + 1e-12
