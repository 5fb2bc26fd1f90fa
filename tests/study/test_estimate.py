"""Intervals: each against a formula worked elsewhere, what it says of one seed, and how often it holds the truth."""

import numpy as np
import pytest
from scipy import stats

from tinyedge.study.estimate import (
    BORROWED,
    FIXED,
    by_images,
    by_jackknife,
    by_seed_pairs,
    by_seeds,
    contrast,
    estimate,
    resampled_seeds,
    seed_bootstrap,
)


def groups_of(rng, counts, deviation=0.01):
    return [rng.normal(0.5, deviation, size) for size in counts]


def test_the_difference_of_two_widths_is_welchs_interval():
    a, b = groups_of(np.random.default_rng(0), (5, 4))
    value = float(a.mean() - b.mean())
    found = contrast(np.array([1.0, -1.0]), [a, b], value)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.over, found.caution) == ("seeds", None)


def test_a_width_with_one_seed_borrows_the_pooled_spread_and_says_so():
    a, b, c = groups_of(np.random.default_rng(1), (5, 3, 1))
    found = contrast(np.array([1.0, 0.0, -1.0]), [a, b, c], float(a.mean() - c.mean()))
    pooled = (4 * a.var(ddof=1) + 2 * b.var(ddof=1)) / 6
    half = stats.t.ppf(0.975, 6) * np.sqrt(pooled * (1 / 5 + 1))
    assert found.high - found.low == pytest.approx(2 * half)
    assert found.caution == BORROWED


def test_widths_without_weight_do_not_count():
    a, b = groups_of(np.random.default_rng(2), (5, 5))
    single = np.array([0.3])
    with_it = contrast(np.array([1.0, -1.0, 0.0]), [a, b, single], 0.0)
    assert with_it == contrast(np.array([1.0, -1.0]), [a, b], 0.0)


def test_one_seed_a_width_gives_no_interval_over_seeds():
    single = [np.array([0.5]), np.array([0.4])]
    assert contrast(np.array([1.0, -1.0]), single, 0.1) is None
    assert seed_bootstrap(resampled_seeds(single)[:, 0], single) is None
    assert by_seeds(single[0]) is None
    assert by_seed_pairs(np.array([[0.4]]), "c4", "c6") is None
    assert estimate(0.1, None, None).best is None


def test_the_bootstrap_of_seeds_has_the_deviation_of_a_mean():
    (group,) = groups_of(np.random.default_rng(3), (5,))
    draws = resampled_seeds([group], resamples=20_000)[:, 0]
    assert draws.mean() == pytest.approx(group.mean(), abs=2e-4)
    assert draws.std() == pytest.approx(group.std(ddof=1) / np.sqrt(5), rel=0.03)  # not ddof = 0


def test_a_bootstrap_in_which_a_width_does_not_vary_is_not_given():
    groups = groups_of(np.random.default_rng(4), (5, 1))
    draws = resampled_seeds(groups)
    assert (draws[:, 1] == groups[1][0]).all()
    assert seed_bootstrap(draws @ [1.0, -1.0], groups) is None


def test_an_interval_that_holds_something_fixed_is_never_the_one_to_quote():
    without = np.random.default_rng(9).random(4)
    fixed = by_jackknife(0.5, {"c4": without}, fixed=True)
    other = by_images(0.5, np.linspace(0.4, 0.6, 11))
    assert (fixed.sound, other.sound) == (False, True)
    assert estimate(0.5, fixed).best is None
    assert estimate(0.5, fixed, other).best is other
    borrowed = by_jackknife(0.5, {"c4": without}, borrowed=1e-4)
    assert borrowed.sound
    assert borrowed.caution == BORROWED
    assert borrowed.high - borrowed.low > fixed.high - fixed.low


def test_pairs_that_share_a_seed_are_not_independent():
    """Worked by hand: rows differ, columns and the rest do not, so that only the rows' seeds carry information."""
    rows = np.array([0.1, 0.2, 0.3])
    grid = np.repeat(rows[:, None], 4, axis=1)
    found = by_seed_pairs(grid, "c4", "c6")
    half = stats.t.ppf(0.975, 2) * rows.std(ddof=1) / np.sqrt(3)  # three seeds, however many pairs there are
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half))


def test_the_variance_over_pairs_is_that_of_the_two_way_layout():
    grid = np.random.default_rng(5).normal(size=(4, 3)) * 0.1 + np.arange(4)[:, None] + 2 * np.arange(3)
    found = by_seed_pairs(grid, "c4", "c6")
    residual = grid - grid.mean(1, keepdims=True) - grid.mean(0) + grid.mean()
    squares = 3 * grid.mean(1).var(ddof=1), 4 * grid.mean(0).var(ddof=1), (residual**2).sum() / 6
    variance = squares[0] + squares[1] - squares[2]
    df = variance**2 / (squares[0] ** 2 / 3 + squares[1] ** 2 / 2 + squares[2] ** 2 / 6)
    assert found.high - grid.mean() == pytest.approx(stats.t.ppf(0.975, df) * np.sqrt(variance / 12))


def test_the_order_of_the_two_widths_does_not_matter():
    grid = np.random.default_rng(6).random((5, 3))
    a, b = by_seed_pairs(grid, "c4", "c6"), by_seed_pairs(grid.T, "c6", "c4")
    assert (a.low, a.high) == pytest.approx((b.low, b.high))
    row = by_seed_pairs(grid[:, :1], "c4", "c16")
    assert row.caution == BORROWED
    assert "c16 taken to vary" in row.method


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(7).random(6)
    without = np.array([np.delete(values, i).mean() for i in range(6)])
    found, expected = by_jackknife(values.mean(), {"c4": without}), by_seeds(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert by_jackknife(0.5, {}) is None
    assert by_jackknife(0.5, {"c4": without}, fixed=True).caution == FIXED


def test_the_interval_over_images_is_reflected():
    found = by_images(1.0, np.linspace(1.0, 2.0, 1001))
    assert (found.low, found.high, found.over) == (pytest.approx(0.025), pytest.approx(0.975), "images")


def test_the_interval_of_a_plug_in_figure_is_around_the_figure_and_not_around_what_it_would_be_without_noise():
    draws = np.linspace(1.5, 2.5, 1001)  # larger by 1 than the figure: so few images make it so, again
    found = by_images(1.0, draws, plug_in=True)
    assert (found.low, found.high) == (pytest.approx(0.525), pytest.approx(1.475))
    assert not by_images(1.0, draws).holds(1.0)


@pytest.mark.parametrize("counts", [(5, 5, 5), (5, 5, 1)])
def test_a_contrast_holds_the_truth_about_95_times_in_100(counts):
    rng, weights = np.random.default_rng(8), np.array([1.0, 0.0, -1.0])
    held = 0
    for _ in range(1000):
        groups = groups_of(rng, counts)
        held += contrast(weights, groups, float(groups[0].mean() - groups[2].mean())).holds(0.0)
    assert 930 <= held <= 970
