"""The number of images that an inconclusive gate asks for is enough, also where hardly anything was counted."""

from __future__ import annotations

import numpy as np
import pytest

from tinyedge.gate import accuracy, shares, signed_gap
from tinyedge.stats.paired import tango_interval
from tinyedge.stats.proportion import mean_interval, share_interval


@pytest.mark.parametrize(("limit", "images"), [(0.005, 598), (0.01, 299), (0.1, 29)])
def test_no_image_counted_takes_as_many_as_the_exact_bound_says(limit: float, images: int) -> None:
    # By hand: (1 - limit) ** n <= 0.05. Churn, saturation, ties and parity all ask for this.
    assert shares.images_needed(0, 5, limit=limit, tail=0.05) == images
    assert share_interval(0, images)[1] <= limit < share_interval(0, images - 1)[1]


def test_no_discordant_image_takes_as_many_as_tango_says() -> None:
    assert accuracy.images_needed(0, 0, 5, margin=0.01, tail=0.05) == 268  # z^2 (1 - margin) / margin = 267.8


def test_one_lost_image_takes_more_than_one_image_more() -> None:
    needed = accuracy.images_needed(1, 0, 400, margin=0.01, tail=0.05)
    assert needed is not None
    assert needed >= 470  # where the same share would just do
    assert tango_interval(1, 0, 400)[1] > 0.01


@pytest.mark.parametrize(
    ("lost", "gained", "total"),
    [(1, 0, 400), (1, 1, 300), (2, 0, 400), (0, 1, 100), (3, 1, 400), (8, 1, 300), (20, 20, 500), (230, 120, 10_000)],
)
def test_the_accuracy_gate_is_settled_four_times_in_five(lost: int, gained: int, total: int) -> None:
    needed = accuracy.images_needed(lost, gained, total, margin=0.01, tail=0.05)
    assert needed is not None
    chances = [lost / total, gained / total, 1 - (lost + gained) / total]
    drawn = np.random.default_rng(0).multinomial(needed, chances, size=400)
    found = [tango_interval(int(b), int(c), needed) for b, c, _ in drawn]
    assert np.mean([high <= 0.01 or low > 0.01 for low, high in found]) >= 0.8 - 3 * 0.02 - 0.01


@pytest.mark.parametrize(
    ("count", "total", "limit"),
    [(1, 300, 0.01), (1, 1000, 0.005), (2, 1000, 0.005), (5, 1000, 0.003), (450, 10_000, 0.04), (3, 3, 0.9)],
)
def test_a_share_is_settled_four_times_in_five(count: int, total: int, limit: float) -> None:
    needed = shares.images_needed(count, total, limit=limit, tail=0.05)
    assert needed is not None
    assert needed > total
    drawn = np.random.default_rng(1).binomial(needed, count / total, 1000)
    found = [share_interval(int(x), needed) for x in drawn]
    assert np.mean([high <= limit or low > limit for low, high in found]) >= 0.8 - 3 * 0.0127


@pytest.mark.parametrize("gap", [0.0, 0.01, -0.02, 0.05])
def test_the_confidence_gap_is_settled_four_times_in_five(gap: float) -> None:
    needed = signed_gap.images_needed(100, mean=gap, deviation=0.5, limit=0.03, tail=0.05)
    assert needed is not None
    rng, settled = np.random.default_rng(2), 0
    for _ in range(400):
        low, high = mean_interval(0.5 + gap - (rng.random(needed) < 0.5))
        settled += (low >= -0.03 and high <= 0.03) or low > 0.03 or high < -0.03
    assert settled / 400 == pytest.approx(0.8, abs=3 * 0.02)


def test_two_images_of_nearly_the_same_gap_still_ask_for_more() -> None:
    needed = signed_gap.images_needed(2, mean=0.0, deviation=0.01, limit=0.03, tail=0.05)
    assert needed is not None
    assert 2 < needed < 10


def test_on_the_limit_no_number_helps() -> None:
    assert accuracy.images_needed(5, 1, 400, margin=0.01, tail=0.05) is None
    assert shares.images_needed(5, 100, limit=0.05, tail=0.05) is None
    assert shares.images_needed(0, 100, limit=0.0, tail=0.05) is None
    assert signed_gap.images_needed(100, mean=0.03, deviation=0.5, limit=0.03, tail=0.05) is None
