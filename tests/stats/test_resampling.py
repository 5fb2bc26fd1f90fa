from __future__ import annotations

import numpy as np
import pytest

from tinyedge.stats.resampling import bootstrap_sums, reflected_interval


def test_bootstrap_sums_have_the_mean_and_spread_of_drawing_with_replacement() -> None:
    values = np.random.default_rng(0).normal(2, 3, (400, 1))
    sums = bootstrap_sums(values, resamples=4000, seed=1)[:, 0]
    assert sums.mean() == pytest.approx(values.sum(), rel=0.01)
    assert sums.std() == pytest.approx(np.sqrt(400) * values.std(), rel=0.05)


def test_columns_share_their_draws_and_each_draw_has_n_images() -> None:
    values = np.stack([np.ones(50), np.arange(50.0), 3 * np.arange(50.0)], axis=1)
    sums = bootstrap_sums(values, resamples=130, seed=2)  # more than one chunk
    assert sums.shape == (130, 3)
    assert (sums[:, 0] == 50).all()
    np.testing.assert_allclose(sums[:, 2], 3 * sums[:, 1])
    np.testing.assert_array_equal(sums, bootstrap_sums(values, resamples=130, seed=2))
    assert not np.array_equal(sums, bootstrap_sums(values, resamples=130, seed=3))


def test_reflected_interval_of_a_mean_covers() -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for seed in range(200):
        values = rng.exponential(1.0, (200, 1))
        _, high = reflected_interval(float(values.mean()), bootstrap_sums(values, resamples=200, seed=seed)[:, 0] / 200)
        missed += high < 1.0
    assert missed / 200 < 0.13  # 5 % nominal; an exponential of 200 values misses a little more
