from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from tinyedge.stats.proportion import mean_interval, share_interval


@settings(deadline=None)  # the machine may be busy
@given(st.integers(1, 300), st.data())
def test_share_interval_agrees_with_scipy(total: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, total))
    expected = binomtest(count, total).proportion_ci(0.9, method="exact")
    assert share_interval(count, total) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_share_interval_covers() -> None:
    drawn = np.random.default_rng(0).binomial(1000, 0.02, 2000)
    missed = np.mean([share_interval(int(x), 1000)[1] < 0.02 for x in drawn])
    assert missed <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


def test_mean_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).normal(size=30)
    expected = ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_interval(values) == pytest.approx((expected.low, expected.high))
