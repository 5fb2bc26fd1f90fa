"""How many images it takes: sample sizes for the decisions that the gates make.

All are the normal approximation ``n = ((z_tail sd_null + z_power sd) / distance)^2``. Where the true figure lies on the
limit no number of images decides, and where it is very near no practical one does: ``None`` then.
"""

from __future__ import annotations

import math

from scipy.special import ndtri

MOST_IMAGES = 10_000_000
"""A larger number is no advice."""


def images_for_drop(
    *, discordance: float, margin: float, drop: float = 0.0, power: float = 0.8, tail: float = 0.05
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
    return images_for_mean(deviation=deviation, distance=margin - drop, power=power, tail=tail)


def images_for_share(*, share: float, limit: float, power: float = 0.8, tail: float = 0.05) -> int | None:
    """Images with which a one-sided bound settles on which side of ``limit`` a share is.

    >>> images_for_share(share=0.05, limit=0.10)
    184
    """
    if share == limit:
        return None
    null, true = math.sqrt(limit * (1 - limit)), math.sqrt(share * (1 - share))
    return _rounded(((_z(tail) * null + _z(1 - power) * true) / (limit - share)) ** 2)


def images_for_mean(*, deviation: float, distance: float, power: float = 0.8, tail: float = 0.05) -> int | None:
    """Images with which a one-sided bound settles a mean that is ``distance`` from its limit.

    Args:
        deviation: standard deviation of one image's value.
        distance: of the true mean from the limit, either sign.
        power: probability of settling it.
        tail: of the one-sided test.

    >>> images_for_mean(deviation=0.4, distance=0.01)
    9893
    """
    if distance == 0:
        return None
    return _rounded(((_z(tail) + _z(1 - power)) * deviation / distance) ** 2)


def _z(tail: float) -> float:
    return float(-ndtri(tail))


def _rounded(images: float) -> int | None:
    return max(1, math.ceil(images)) if images <= MOST_IMAGES else None
