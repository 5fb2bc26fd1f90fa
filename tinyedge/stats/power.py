"""How many images it takes: sample sizes for the decisions that the gates make.

The formulas are the normal approximation ``n = ((z_tail sd_null + z_power sd) / distance)^2``, too small where counts
are: ``images_to_settle`` therefore asks the gate's own interval as well. Where the true figure lies on the limit no
number of images decides, and where it is very near no practical one does: ``None`` then.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import bdtrik, ndtr, ndtri, stdtrit

POWER = 0.8
"""Probability with which the images advised settle the matter, if the truth is what was measured."""

MOST_IMAGES = 10_000_000
"""A larger number is no advice."""


def images_for_drop(
    *, discordance: float, margin: float, drop: float = 0.0, power: float = POWER, tail: float = 0.05
) -> int | None:
    """Images with which a paired test settles on which side of ``margin`` the drop in accuracy is.

    ``(z_tail + z_power)^2 (d - drop^2) / (margin - drop)^2``.

    Args:
        discordance: d, share of images on which exactly one of the two models is right.
        margin: a share, e.g. 0.01 for 1 pp.
        drop: the true drop.
        power: probability of settling it.
        tail: of the one-sided test.

    >>> images_for_drop(discordance=0.03, margin=0.01)
    1855
    """
    deviation = math.sqrt(max(discordance - drop**2, 0.0))
    distance = margin - drop
    if distance == 0:
        return None
    return _rounded(((_z(tail) + _z(1 - power)) * deviation / distance) ** 2)


def images_for_share(*, share: float, limit: float, power: float = POWER, tail: float = 0.05) -> int | None:
    """Images with which a one-sided bound settles on which side of ``limit`` a share is.

    >>> images_for_share(share=0.05, limit=0.10)
    184
    """
    if share == limit:
        return None
    null, true = math.sqrt(limit * (1 - limit)), math.sqrt(share * (1 - share))
    return _rounded(((_z(tail) * null + _z(1 - power) * true) / (limit - share)) ** 2)


def images_to_settle(settles: Callable[[int], bool], *, now: int, formula: int | None) -> int | None:
    """The larger of a formula's answer and the fewest images, more than there are, with which a gate settles it.

    Args:
        settles: whether so many images do, at the measured rates.
        now: images that just did not.
        formula: the normal approximation; ``None`` where it knows of no number.

    >>> images_to_settle(lambda images: images >= 270, now=5, formula=1)
    270
    """
    if formula is None:
        return None
    few, many = now, 2 * now
    while not settles(many):
        few, many = many, 2 * many
        if many > MOST_IMAGES:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if settles(middle) else (middle, many)
    return max(formula, many)


def images_for_bound(
    now: int,
    *,
    estimate: float,
    deviation: float,
    limit: float,
    bias: float = 0.0,
    power: float = POWER,
    tail: float = 0.05,
) -> int | None:
    """Images with which the one-sided bounds of a figure settle it, where deviation and bias shrink with their root.

    For figures of which only a resampling gives the deviation; more than there are, since these did not settle it.

    Args:
        now: images that just did not.
        estimate: the true figure.
        deviation: the standard error that it has with ``now`` images.
        limit: on either side of which it is to be settled.
        bias: by how much the upper bound is higher, with ``now`` images, than chance alone makes it.
        power: probability of settling it.
        tail: of each bound.

    >>> images_for_bound(1000, estimate=0.0, deviation=0.01, limit=0.02)  # (1.645 + 0.842)^2 / 4 = 1.546
    1546
    """
    distance = abs(limit - estimate)
    if distance == 0:
        return None
    spread = (_z(tail) + _z(1 - power)) * deviation + (bias if estimate < limit else 0.0)
    return _rounded(max(now + 1.0, now * (spread / distance) ** 2))


def unlucky_count(share: float, images: int, *, more: bool) -> int:
    """The count that a sample exceeds (``more``) or falls short of (not) with probability at most ``1 - POWER``.

    A gate that settles it at this count settles it with probability ``POWER``.

    Args:
        share: the true one.
        images: in the sample.
        more: whether it is large counts that are unlucky.

    >>> unlucky_count(0.0025, 600, more=True)  # P(at most 2) = 0.81, P(at most 1) = 0.56
    2
    """
    if not more:
        return images - unlucky_count(1 - share, images, more=True)
    if share <= 0 or share >= 1 or images * math.log1p(-share) >= math.log(POWER):
        return images if share >= 1 else 0
    return math.ceil(float(bdtrik(POWER, images, share)) - 1e-9)


def mean_power(images: int, *, mean: float, deviation: float, limit: float, tail: float = 0.05) -> float:
    """Probability that Student's bounds settle whether a mean is within ``-limit..limit``; both have to hold inside.

    Args:
        images: at least 2.
        mean: the true one.
        deviation: standard deviation of one image's value, above 0.
        limit: on either side.
        tail: of each bound.

    >>> round(mean_power(9893, mean=0.0, deviation=0.4, limit=0.01), 3)  # 0.8 on each side
    0.6
    """
    error = deviation / math.sqrt(images)
    bound = float(stdtrit(images - 1, 1 - tail))
    above = float(ndtr((limit - mean) / error - bound))
    below = float(ndtr((limit + mean) / error - bound))
    beyond = float(ndtr((abs(mean) - limit) / error - bound))
    return max(above + below - 1, beyond)


def _z(tail: float) -> float:
    return float(-ndtri(tail))


def _rounded(images: float) -> int | None:
    return max(1, math.ceil(images)) if images <= MOST_IMAGES else None
