"""Two models on the same images: is one less accurate, and by how much at most?

Only the images on which exactly one of the two is right carry information: ``lost`` (the reference right, the deployed
wrong) and ``gained`` (the other way round) of ``total``. Unpaired tests throw the pairing away and need 4 to 10 times
the images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import ndtri

from tinyedge.errors import UsageError


def tango_score(lost: int, gained: int, total: int, drop: float) -> float:
    """Tango's score statistic for "the true drop is ``drop``": standard normal where that is so.

    ``(lost - gained - N drop) / sqrt(N (2 q + drop (1 - drop)))``, q the likelihood's maximum of P(gained) under that
    drop: the positive root of ``2N q^2 + (-lost - gained + (2N - lost + gained) drop) q - gained drop (1 - drop)``.

    Args:
        lost: images that the reference gets right and the deployed model wrong.
        gained: the other way round.
        total: all images.
        drop: accuracy of the reference less that of the deployed model, above -1 and below 1.

    Reference: Tango 1998, Statistics in Medicine 17, 891-908, equations 8 and 9.
    """
    b = -lost - gained + (2 * total - lost + gained) * drop
    c = -gained * drop * (1 - drop)
    q = (math.sqrt(max(b * b - 8 * total * c, 0.0)) - b) / (4 * total)
    variance = total * (2 * q + drop * (1 - drop))
    return (lost - gained - total * drop) / math.sqrt(variance) if variance > 0 else 0.0


def tango_interval(lost: int, gained: int, total: int, *, tail: float = 0.05) -> tuple[float, float]:
    """Score interval of the drop in accuracy, each end missed with probability about ``tail``.

    The upper end at tail 0.05 is the one-sided 95 % bound: at most a margin, the deployed model is not inferior.

    Args:
        lost: images that the reference gets right and the deployed model wrong.
        gained: the other way round.
        total: all images, at least 1.
        tail: on each side.

    >>> [round(bound, 4) for bound in tango_interval(6, 16, 161, tail=0.025)]  # Fagerland et al. 2014, Cavo's data
    [-0.124, -0.0054]

    Raises:
        UsageError: for counts that cannot be.
    """
    _check(lost, gained, total)
    z = float(-ndtri(tail))
    estimate = (lost - gained) / total

    def score(drop: float) -> float:
        return tango_score(lost, gained, total, drop)

    # The statistic falls all the way; at the ends, where it is 0 / 0, an estimate of -1 or 1 is its own bound.
    low = -1.0 if estimate == -1 else _crossing(score, z, -1.0, estimate)
    high = 1.0 if estimate == 1 else _crossing(score, -z, estimate, 1.0)
    return low, high


def _crossing(falling: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a falling function comes down to ``level`` between two arguments, to 1e-15."""
    for _ in range(51):
        middle = (low + high) / 2
        if falling(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _check(lost: int, gained: int, total: int) -> None:
    if lost < 0 or gained < 0 or total < 1 or lost + gained > total:
        raise UsageError(
            "these are not counts of paired outcomes",
            found=f"{lost} lost, {gained} gained, {total} in all",
            expected="none negative, at least 1 in all, lost and gained within it",
        )
