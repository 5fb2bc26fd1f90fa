from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import bootstrap

from tinyedge.metrics.accuracy import bottoms, ginis
from tinyedge.stats.resampling import (
    accuracies,
    draw_classes,
    draw_right,
    p_value,
    paired_cells,
    reflected,
    swapped_drops,
)


def smallest_two(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return bottoms(values, 2)


@settings(max_examples=20, deadline=None)
@given(arrays(np.bool_, 9), arrays(np.bool_, 9))
def test_swapping_agrees_with_every_permutation(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> None:
    # Three classes of three images; the figure is the mean of the two worst.
    labels = np.repeat(np.arange(3), 3)

    def drop(x: NDArray[np.bool_], y: NDArray[np.bool_]) -> float:
        before, after = x.reshape(1, 3, 3).mean(axis=2), y.reshape(1, 3, 3).mean(axis=2)
        return float((smallest_two(before) - smallest_two(after))[0])

    swaps = [np.array(s) for s in product((False, True), repeat=9)]
    every = [drop(np.where(s, b, a), np.where(s, a, b)) for s in swaps]
    expected = np.mean(np.array(every) >= drop(a, b) - 1e-12)
    cells = paired_cells(labels, reference=a, deployed=b, num_classes=3)
    found = p_value(drop(a, b), swapped_drops(cells, smallest_two))
    assert found == pytest.approx(expected, abs=4 * 0.5 / 5000**0.5)


def test_a_p_value_is_small_as_often_as_it_says_in_an_unchanged_model() -> None:
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(200):
        right = rng.beta(4, 5, 20)
        cells = rng.multinomial(100, np.stack([right * 0.9, right * 0.1, right * 0.1, 1 - right * 1.1], axis=1))
        before, after = accuracies(cells[None])
        drop = float((smallest_two(before) - smallest_two(after))[0])
        rejected += p_value(drop, swapped_drops(cells, smallest_two, swaps=500)) < 0.05
    assert rejected / 200 <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_cells_count_who_is_right_and_drop_empty_classes() -> None:
    labels = np.array([0, 0, 0, 0, 2])
    a, b = np.array([1, 1, 0, 0, 1], bool), np.array([1, 0, 1, 0, 1], bool)
    cells = paired_cells(labels, reference=a, deployed=b, num_classes=4)
    assert cells.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert [x.tolist() for x in accuracies(cells)] == [[0.5, 1.0], [0.5, 1.0]]


def test_drawing_counts_is_drawing_images() -> None:
    # Means and variances of the change of Gini: by counts, and by images as anybody would.
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(5), 40)
    a = rng.random(200) < (0.2 + 0.15 * labels)
    b = a ^ (rng.random(200) < 0.2)
    drawn = accuracies(draw_classes(paired_cells(labels, reference=a, deployed=b, num_classes=5)))
    by_count = ginis(drawn[1]) - ginis(drawn[0])
    index = np.concatenate([rng.integers(40 * k, 40 * (k + 1), (3000, 40)) for k in range(5)], axis=1)
    x, y = (c[index].reshape(3000, 5, 40).mean(axis=2) for c in (a, b))
    by_image = ginis(y) - ginis(x)
    assert by_count.mean() == pytest.approx(by_image.mean(), abs=5 * by_image.std() / 1000**0.5)
    assert by_count.std() == pytest.approx(by_image.std(), rel=0.1)


def test_reflected_agrees_with_scipys_basic_bootstrap() -> None:
    values = np.random.default_rng(2).exponential(size=200)
    expected = bootstrap(
        (values,), np.mean, confidence_level=0.9, method="basic", n_resamples=5000, rng=np.random.default_rng(3)
    )
    drawn = values[np.random.default_rng(4).integers(0, 200, (5000, 200))].mean(axis=1)
    found = reflected(float(values.mean()), drawn)
    low, high = expected.confidence_interval
    assert found == pytest.approx((low, high), abs=0.01)


def test_drawn_accuracies_are_binomial() -> None:
    counts, accuracy = np.array([50, 400]), np.array([0.2, 0.9])
    drawn = draw_right(counts, accuracy, resamples=4000)
    assert drawn.mean(axis=0) == pytest.approx(accuracy, abs=0.004)
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / counts), rel=0.06)


def test_all_of_it_is_pure() -> None:
    cells = np.array([[30, 4, 5, 11], [10, 3, 2, 35]])
    assert np.array_equal(draw_classes(cells), draw_classes(cells))
    assert np.array_equal(swapped_drops(cells, ginis), swapped_drops(cells, ginis))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20), st.floats(-1, 1))
def test_a_p_value_is_never_zero(null: list[float], observed: float) -> None:
    found = p_value(observed, np.array(null))
    assert 1 / (len(null) + 1) <= found <= 1
    assert p_value(min(null), np.array(null)) == 1
