"""Where along the widths a metric is largest or smallest, and how sure that is: the inverted U of the ECE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyedge.metrics.scaling import FEWEST
from tinyedge.models.family import family_module
from tinyedge.stats.resampling import BOOTSTRAPS
from tinyedge.study.draws import DRAWN, figure_draws
from tinyedge.study.estimate import BORROWED, TAIL, Groups
from tinyedge.study.members import Family

SURE = 0.95
"""The share of draws that settles where a peak is."""
_SEED = 20260307


class Shape(StrEnum):
    """What a curve does between the smallest and the largest width."""

    INVERTED_U = "inverted U"
    RISES = "largest at the largest width"
    FALLS = "largest at the smallest width"
    OPEN = "not decided"


@dataclass(frozen=True)
class Extreme:
    """The width at which a metric's mean is largest (or smallest).

    Args:
        label: its name.
        params: N.
        value: the mean there.
        share: of draws of the widths' means, over ``over``, in which it is at this very width.
        shares: the same of each width, in the family's order; empty where nothing could be drawn.
        range: the widths that hold 95 % of the draws between them.
        over: ``seeds`` or ``images``: what was drawn; ``None`` where nothing could be.
        caution: what the draws assume.
    """

    label: str
    params: int
    value: float
    share: float | None
    shares: tuple[float, ...]
    range: tuple[str, str] | None
    over: str | None
    caution: str | None


@dataclass(frozen=True)
class Peak:
    """Whether a metric is an inverted U over the widths.

    Args:
        metric: which.
        largest: where its mean is largest.
        smallest: where its mean is smallest.
        shape: an inverted U only where the peak is at neither end in 95 % of the draws, and the means rise to it and
            fall from it.
        why: the reason in words.
        untrained: widths of the family beyond the largest one, where the peak may be.
        missing: every width of the family that is not there: narrower, between or wider.
    """

    metric: str
    largest: Extreme
    smallest: Extreme
    shape: Shape
    why: str
    untrained: tuple[float, ...]
    missing: tuple[float, ...]


def calibration_peak(family: Family, metric: str = "ece") -> Peak:
    """Where the calibration error peaks.

    Args:
        family: of any number of widths; below three nothing is decided.
        metric: another one that ``tinyedge.study.draws`` can draw.
    """
    images = None
    if metric in DRAWN and len(family.models) == len(family.widths):
        images = np.stack([figure_draws(metric, m.outcome, family.draws) for m in family.models], axis=1)
    groups, widths = family.groups(metric), [w.width for w in family.widths]
    largest, smallest = extremes(family, groups, images)
    missing = tuple(w for w in family_module(family.setting.family).WIDTHS if w not in widths)
    shape, why = _shape(family, [float(values.mean()) for values in groups], largest, missing)
    return Peak(metric, largest, smallest, shape, why, tuple(w for w in missing if w > widths[-1]), missing)


def extremes(family: Family, groups: Groups, images: NDArray[np.float64] | None = None) -> tuple[Extreme, Extreme]:
    """Where a figure's mean is largest, and where it is smallest.

    Args:
        family: whose widths they are.
        groups: ``(S,)`` values a width.
        images: ``(R, W)`` draws over images, for a family with one seed at every width.
    """
    means = np.array([values.mean() for values in groups])
    draws, over, caution = _mean_draws(family, groups, images)

    def extreme(pick: Callable[..., Any]) -> Extreme:
        at = int(pick(means))
        width, labels = family.widths[at], family.width_labels
        if draws is None:
            return Extreme(width.label, width.params, float(means[at]), None, (), None, over, caution)
        places = pick(draws, axis=1)
        shares = np.bincount(places, minlength=len(means)) / len(places)
        low, high = np.quantile(places, (TAIL, 1 - TAIL), method="inverted_cdf")
        return Extreme(
            label=width.label,
            params=width.params,
            value=float(means[at]),
            share=float(shares[at]),
            shares=tuple(shares.tolist()),
            range=(labels[int(low)], labels[int(high)]),
            over=over,
            caution=caution,
        )

    return extreme(np.argmax), extreme(np.argmin)


def _shape(family: Family, means: list[float], peak: Extreme, missing: tuple[float, ...]) -> tuple[Shape, str]:
    labels, widths = family.width_labels, family.widths
    if len(labels) < FEWEST:
        return Shape.OPEN, f"{len(labels)} widths have no middle"
    if not peak.shares or peak.range is None:
        return Shape.OPEN, "one seed a width, and nothing was drawn over images"
    inside = sum(peak.shares[1:-1])
    if peak.shares[-1] >= SURE:
        if any(w > widths[-1].width for w in missing):
            return Shape.OPEN, f"the peak is at {labels[-1]}, the largest width there is: wider ones are not trained"
        return Shape.RISES, f"the peak is at {labels[-1]}, the family's largest"
    if peak.shares[0] >= SURE:
        if any(w < widths[0].width for w in missing):
            return Shape.OPEN, f"the peak is at {labels[0]}, the smallest width there is: narrower ones are not trained"
        return Shape.FALLS, f"the peak is at {labels[0]}, the smallest width"
    if inside >= SURE:
        turns = _turns(means)
        if len(turns) > 1:
            return Shape.OPEN, f"the means turn at {', '.join(labels[i] for i in turns)}: more than one peak"
        where = "trained range" if missing else "family"
        return Shape.INVERTED_U, f"the peak is inside the {where} in at least {SURE:.0%} of the draws"
    return Shape.OPEN, f"the peak is anywhere from {peak.range[0]} to {peak.range[1]}, which includes an end"


def _turns(means: list[float]) -> list[int]:
    """Where a curve goes from rising to falling, or from falling to rising."""
    rises = [b > a for a, b in pairwise(means)]
    return [i + 1 for i, (before, after) in enumerate(pairwise(rises)) if before != after]


def _mean_draws(
    family: Family, groups: Groups, images: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64] | None, str | None, str | None]:
    """``(R, W)`` draws of the widths' means, what they are over, and what they assume."""
    means = np.array([values.mean() for values in groups])
    free = np.array([len(values) - 1 for values in groups])
    if free.sum() == 0:
        if images is None:
            return None, None, None
        return 2 * means - images, "images", "one seed a width: the seeds' part is not known"
    squares = np.array([((values - values.mean()) ** 2).sum() for values in groups])
    single = free == 0
    pooled = squares.sum() / free.sum()
    variances = np.where(single, pooled, squares / np.maximum(free, 1)) / (free + 1)
    rng = np.random.default_rng(_SEED)
    students = rng.standard_t(np.where(single, free.sum(), free), size=(10 * BOOTSTRAPS, len(means)))
    return means + students * np.sqrt(variances), "seeds", BORROWED if single.any() else None
