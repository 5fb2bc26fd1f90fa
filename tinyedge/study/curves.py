"""A metric against the size of the model: a point a width, with its interval, and the trend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tinyedge.metrics.scaling import slope_weights
from tinyedge.study.draws import DRAWN, PLUG_IN, figure_draws
from tinyedge.study.estimate import Estimate, by_images, by_seeds, contrast, estimate
from tinyedge.study.members import Family

CURVES = (
    "accuracy",
    "gini",
    "gini_corrected",
    "bottom5",
    "bottom5_shrunk",
    "ece",
    "ece_debiased",
    "ece_floor",
    "signed_gap",
    "nll",
)
"""Metrics that are followed over the widths."""


@dataclass(frozen=True)
class Point:
    """One width on a curve.

    Args:
        label: its name.
        params: N.
        seeds: that were trained.
        mean: over the seeds; the interval is over seeds, or over images where there is one seed (of the metrics that
            can be drawn again).
        deviation: between seeds; ``None`` for one.
    """

    label: str
    params: int
    seeds: tuple[int, ...]
    mean: Estimate
    deviation: float | None


@dataclass(frozen=True)
class Curve:
    """A metric over a family's widths.

    Args:
        metric: its name in ``tinyedge.metrics.METRICS``.
        points: narrowest first.
        trend: least-squares slope at each tenfold of N; ``None`` for one width.
        steps: ``rises``, ``falls`` at every step between neighbours, or ``turns``; ``None`` for one width.
    """

    metric: str
    points: tuple[Point, ...]
    trend: Estimate | None
    steps: str | None


def curve(family: Family, metric: str) -> Curve:
    """Follow a metric over the widths of a family.

    Raises:
        KeyError: for a metric that the outcomes do not have.
    """
    groups = family.groups(metric)

    def drawn(width: int) -> NDArray[np.float64] | None:
        return _drawn(family, metric, width) if metric in DRAWN and len(groups[width]) < 2 else None

    return curve_of(family, metric, groups, drawn)


def curve_of(
    family: Family,
    metric: str,
    groups: list[NDArray[np.float64]],
    drawn: Callable[[int], NDArray[np.float64] | None],
) -> Curve:
    """A curve of figures that are already there.

    Args:
        family: whose widths they are of.
        metric: what to call them.
        groups: ``(S,)`` values a width.
        drawn: ``(R,)`` draws over images of a width with one seed, by its index; ``None`` where there are none.
    """
    points = []
    for i, (width, values) in enumerate(zip(family.widths, groups, strict=True)):
        images = drawn(i) if len(values) < 2 else None
        mean = float(values.mean())
        interval = by_seeds(values) if images is None else by_images(mean, images, plug_in=metric in PLUG_IN)
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        points.append(Point(width.label, width.params, width.seeds, estimate(mean, interval), deviation))
    return Curve(metric, tuple(points), *_trend(family, groups))


def _trend(family: Family, groups: list[NDArray[np.float64]]) -> tuple[Estimate | None, str | None]:
    means = np.array([values.mean() for values in groups])
    if len(means) < 2:
        return None, None
    weights = slope_weights(family.params)
    value = float(weights @ means)
    rises = {b > a for a, b in pairwise(means)}
    steps = "turns" if len(rises) > 1 else "rises" if rises == {True} else "falls"
    return estimate(value, contrast(weights, groups, value)), steps


def _drawn(family: Family, metric: str, width: int) -> NDArray[np.float64]:
    """Mean over a width's seeds of a metric on each resample of the images."""
    draws = [figure_draws(metric, m.outcome, family.draws) for m in family.widths[width].models]
    return np.asarray(np.mean(draws, axis=0))
