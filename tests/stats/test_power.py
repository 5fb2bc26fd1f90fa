from __future__ import annotations

import numpy as np
import pytest

from tinyedge.stats.paired import noninferiority_p
from tinyedge.stats.power import images_for_drop, images_for_mean, images_for_share
from tinyedge.stats.proportion import share_interval


@pytest.mark.parametrize(("d", "images"), [(0.03, 1855), (0.08, 4947), (0.15, 9274), (0.30, 18548)])
def test_images_at_one_point_margin_are_those_measured(d: float, images: int) -> None:
    assert images_for_drop(discordance=d, margin=0.01) == images  # measured for the design


def test_that_many_images_have_that_power() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(4947, [0.04, 0.04, 0.92], size=2000)
    passed = np.mean([noninferiority_p(int(b), int(c), 4947, margin=0.01) < 0.05 for b, c, _ in drawn])
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
    assert images_for_mean(deviation=1.0, distance=0.0) is None
    assert images_for_mean(deviation=0.0, distance=0.1) == 1
