"""The error law of a family: alpha, local exponents, whether they fall with scale, whether the last one is nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tinyedge.errors import PredictionsError
from tinyedge.metrics.scaling import (
    FEWEST,
    curvature_weights,
    exponent_weights,
    local_weights,
    power_law,
)
from tinyedge.models.family import family_module
from tinyedge.study.draws import shares
from tinyedge.study.estimate import (
    TAIL,
    Estimate,
    Interval,
    by_images,
    contrast,
    estimate,
    resampled_seeds,
    seed_bootstrap,
)
from tinyedge.study.members import Family, check_same_images

LEVEL = 0.02
"""An exponent below this has levelled off: twice the parameters then take 1.4 % of the errors away, or fewer."""


class Finding(StrEnum):
    """What an interval says of a question."""

    YES = "yes"
    NO = "no"
    OPEN = "not decided"


@dataclass(frozen=True)
class LawPoint:
    """One width of the fit: its mean error rate over ``seeds``, and what the law gives there."""

    label: str
    params: int
    seeds: tuple[int, ...]
    error: float
    fitted: float


@dataclass(frozen=True)
class LocalExponent:
    """The exponent between two neighbouring widths, and their sizes."""

    between: tuple[str, str]
    params: tuple[int, int]
    exponent: Estimate


@dataclass(frozen=True)
class ErrorLaw:
    """``err = scale N^-alpha`` over the widths' mean error rates.

    Args:
        points: the widths.
        alpha: intervals over seeds, images and widths (the regression's own, from the departures from the line).
        scale: the error rate at one parameter.
        r2: of log err.
        r2_seeds: the bootstrap interval of ``r2`` over seeds; ``None`` where a width has one seed.
        local: between neighbours, from the smallest.
        curvature: how much the local exponent changes at each tenfold of N (of a parabola in log N).
        falls: whether the local exponents fall with scale: the interval of ``curvature`` is below 0.
        below: alpha less the last local exponent.
        saturates: whether the family has stopped getting better at its large end: yes where the interval of the last
            local exponent is below ``LEVEL`` and no wider width is untrained, no (so far as it is trained) where the
            interval is above ``LEVEL``.
        untrained: widths of the family beyond the largest of the fit, of which it says nothing.
    """

    points: tuple[LawPoint, ...]
    alpha: Estimate
    scale: float
    r2: float
    r2_seeds: Interval | None
    local: tuple[LocalExponent, ...]
    curvature: Estimate
    falls: Finding
    below: Estimate
    saturates: Finding
    untrained: tuple[float, ...]


def error_law(family: Family) -> ErrorLaw:
    """Fit the law to a family.

    Raises:
        PredictionsError: below three widths, or for a width without errors.
    """
    if len(family.widths) < FEWEST:
        raise PredictionsError(
            "too few widths for a law",
            where=f"{family.setting.family} on {family.setting.target}",
            found=f"{len(family.widths)} ({', '.join(family.width_labels)})",
            expected=f"{FEWEST} or more",
            fix="train more widths: tinyedge sweep --widths",
        )
    params, errors = family.params, mean_errors(family)
    law = power_law(params, errors)
    known = _Uncertainty(family)
    weights = exponent_weights(params)
    local = local_weights(params)
    between = zip(pairwise(family.widths), local, strict=True)
    untrained = tuple(w for w in family_module(family.setting.family).WIDTHS if w > family.widths[-1].width)
    curvature, below = known.of(curvature_weights(params)), known.of(weights - local[-1])
    exponents = tuple(LocalExponent((a.label, b.label), (a.params, b.params), known.of(row)) for (a, b), row in between)
    return ErrorLaw(
        points=tuple(
            LawPoint(w.label, w.params, w.seeds, float(error), law.at(w.params))
            for w, error in zip(family.widths, errors, strict=True)
        ),
        alpha=known.of(weights, _over_widths(law.alpha, law.alpha_error, len(params))),
        scale=law.scale,
        r2=law.r2,
        r2_seeds=known.r2(),
        local=exponents,
        curvature=curvature,
        falls=_below_zero(curvature),
        below=below,
        saturates=_saturates(exponents[-1].exponent, bool(untrained)),
        untrained=untrained,
    )


def law_change(*, reference: Family, deployed: Family) -> Estimate:
    """Alpha of the deployed family less that of the reference, over the models that both have.

    Each model is paired with itself, so that what its seed did to both cancels.

    Raises:
        PredictionsError: as ``error_law``, or where the two are not of the same models.
    """
    check_same_images(reference, deployed)
    if [m.model for m in reference.models] != [m.model for m in deployed.models]:
        raise PredictionsError(
            "the two families are not of the same models",
            found=f"{len(reference.models)} and {len(deployed.models)}",
            expected="the same: tinyedge.study.family.common",
        )
    before, after = error_law(reference), error_law(deployed)
    weights = exponent_weights(reference.params)
    groups = [b - a for a, b in zip(_relative(reference), _relative(deployed), strict=True)]
    value = after.alpha.value - before.alpha.value
    drawn = _log_draws(deployed), _log_draws(reference)
    images = None if drawn[0] is None or drawn[1] is None else by_images(value, (drawn[0] - drawn[1]) @ weights)
    return estimate(value, contrast(weights, groups, value), images)


def mean_errors(family: Family) -> NDArray[np.float64]:
    """``(W,)`` mean over seeds of the share that is wrong."""
    return np.array([width.wrong.mean() for width in family.widths])


class _Uncertainty:
    """What turns weights of the widths' log err into an estimate, its draws made once."""

    def __init__(self, family: Family) -> None:
        self._params, self._logs = family.params, np.log(mean_errors(family))
        self._errors = [width.wrong.mean(axis=1) for width in family.widths]
        self._relative = _relative(family)
        self._images = _log_draws(family)
        self._seeds = _logs(resampled_seeds(self._errors))

    def of(self, weights: NDArray[np.float64], *more: Interval) -> Estimate:
        """The weighted sum of log err."""
        value = float(weights @ self._logs)
        # To first order the log of a mean varies as the mean's relative error does.
        used = [i for i, weight in enumerate(weights) if weight]
        return estimate(
            value,
            contrast(weights, self._relative, value),
            None if self._images is None else by_images(value, self._images @ weights),
            None if self._seeds is None else seed_bootstrap(self._seeds @ weights, [self._errors[i] for i in used]),
            *more,
        )

    def r2(self) -> Interval | None:
        """R2 of each resample of the seeds."""
        if self._seeds is None:
            return None
        x = np.log(self._params)
        found = np.corrcoef(np.vstack([x, self._seeds]))[0, 1:] ** 2
        return seed_bootstrap(found, self._errors)


def _relative(family: Family) -> list[NDArray[np.float64]]:
    """Each model's error rate over its width's mean, ``(S,)`` a width."""
    return [width.wrong.mean(axis=1) / width.wrong.mean() for width in family.widths]


def _log_draws(family: Family) -> NDArray[np.float64] | None:
    """``(R, W)`` log of the widths' mean error rates on resamples of the images."""
    drawn = [shares(family.draws, width.wrong).mean(axis=1) for width in family.widths]
    return _logs(np.stack(drawn, axis=1))


def _logs(errors: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Logarithms; ``None`` where so few images are wrong that a resample has none of them, and so no logarithm."""
    return np.asarray(np.log(errors)) if (errors > 0).all() else None


def _over_widths(value: float, error: float, widths: int) -> Interval:
    half = float(stdtrit(widths - 2, 1 - TAIL)) * error
    method = f"least squares, Student's t, {widths - 2} degrees of freedom"
    return Interval(value - half, value + half, "widths", method, "a bent law's departures from the line are no chance")


def _below_zero(found: Estimate) -> Finding:
    best = found.best
    if best is None or best.holds(0):
        return Finding.OPEN
    return Finding.YES if best.high < 0 else Finding.NO


def _saturates(last: Estimate, untrained: bool) -> Finding:
    """An equivalence test: an interval that merely holds 0 says nothing, least of all a wide one."""
    if last.best is None:
        return Finding.OPEN
    if last.best.low > LEVEL:
        return Finding.NO
    return Finding.YES if last.best.high < LEVEL and not untrained else Finding.OPEN
