from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tinyedge.stats.paired import tango_interval
from tinyedge.stats.power import (
    images_for_bound,
    images_for_drop,
    images_for_share,
    images_to_settle,
    mean_power,
    unlucky_count,
)
from tinyedge.stats.proportion import share_interval


@pytest.mark.parametrize(("d", "images"), [(0.03, 1855), (0.08, 4947), (0.15, 9274), (0.30, 18548)])
def test_images_at_one_point_margin_are_those_measured(d: float, images: int) -> None:
    assert images_for_drop(discordance=d, margin=0.01) == images  # measured for the design


def test_that_many_images_have_that_power() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(4947, [0.04, 0.04, 0.92], size=2000)
    passed = np.mean([tango_interval(int(b), int(c), 4947)[1] <= 0.01 for b, c, _ in drawn])
    assert passed == pytest.approx(0.8, abs=0.035)


def test_a_share_is_settled_with_that_power() -> None:
    n = images_for_share(share=0.03, limit=0.05)
    assert n is not None
    drawn = np.random.default_rng(1).binomial(n, 0.03, 2000)
    passed = np.mean([share_interval(int(x), n)[1] <= 0.05 for x in drawn])
    assert passed == pytest.approx(0.8, abs=0.05)


def test_nearer_the_limit_takes_more_and_at_the_limit_nothing_helps() -> None:
    assert images_for_drop(discordance=0.05, margin=0.01, drop=0.005) > images_for_drop(discordance=0.05, margin=0.01)  # type: ignore[operator]
    assert images_for_drop(discordance=0.05, margin=0.01, drop=0.01) is None
    assert images_for_drop(discordance=0.05, margin=0.01, drop=0.01 - 1e-9) is None
    assert images_for_share(share=0.05, limit=0.05) is None


def test_the_search_finds_the_fewest_images_above_those_there_are() -> None:
    for fewest in (6, 7, 10, 11, 270, 9999):
        assert images_to_settle(lambda n, fewest=fewest: n >= fewest, now=5, formula=1) == fewest  # type: ignore[misc]
    assert images_to_settle(lambda n: n >= 270, now=5, formula=300) == 300
    assert images_to_settle(lambda n: n >= 270, now=5, formula=None) is None
    assert images_to_settle(lambda n: False, now=5, formula=1) is None


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.02, 0.4, 0.97, 1.0])
@pytest.mark.parametrize("images", [1, 30, 5000])
def test_an_unlucky_count_is_the_binomials_quantile(share: float, images: int) -> None:
    assert unlucky_count(share, images, more=True) == binom.ppf(0.8, images, share)
    few = unlucky_count(share, images, more=False)
    assert binom.sf(few - 1, images, share) >= 0.8 - 1e-9
    assert few == images or binom.sf(few, images, share) < 0.8


@pytest.mark.parametrize("mean", [0.0, 0.015, -0.025, 0.04])
def test_the_power_of_a_mean_is_that_of_a_simulation(mean: float) -> None:
    images, deviation, limit = 2000, 0.5, 0.03
    drawn = np.random.default_rng(2).normal(mean, deviation, (2000, images))
    half = 1.6456 * drawn.std(axis=1, ddof=1) / images**0.5
    centre = np.abs(drawn.mean(axis=1))
    settled = np.mean((centre + half <= limit) | (centre - half > limit))
    expected = mean_power(images, mean=mean, deviation=deviation, limit=limit)
    assert settled == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(("estimate", "bias"), [(0.0, 0.0), (0.01, 0.0), (0.05, 0.0), (0.0, 0.01)])
def test_a_bound_is_settled_with_that_power(estimate: float, bias: float) -> None:
    n = images_for_bound(1000, estimate=estimate, deviation=0.01, limit=0.02, bias=bias)
    assert n is not None
    assert n > 1000
    scale = (1000 / n) ** 0.5
    seen = np.random.default_rng(3).normal(estimate, 0.01 * scale, 4000)
    high, low = seen + bias * scale + 1.645 * 0.01 * scale, seen - 1.645 * 0.01 * scale
    settled = np.mean((high <= 0.02) | (low > 0.02))
    # Where the next image would already settle it more surely, it does.
    assert settled == pytest.approx(0.8, abs=0.02) or (n == 1001 and settled > 0.8)
    assert images_for_bound(1000, estimate=0.02, deviation=0.01, limit=0.02) is None
