"""A figure with what is known of its uncertainty: each interval says what it is over, and what it leaves out.

Over **seeds**: the same widths trained again with other seeds, on the same images. Over **images**: other images of the
same kind, the same trained models. Over **widths**: other widths of the family, where the departure from a line is
taken for chance. All are two-sided 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from tinyedge.stats.proportion import mean_interval
from tinyedge.stats.resampling import BOOTSTRAPS, reflected

TAIL = 0.025
"""On each side of an interval."""
BORROWED = "a width with one seed borrows the spread between the seeds of the others (pooled)"
FIXED = "a width whose seeds are too few is held fixed: what another seed of it would do is not in the interval"
_SEED = 20260307
Groups = Sequence[NDArray[np.float64]]
"""A figure's values by width: one array of S values a width."""


@dataclass(frozen=True)
class Interval:
    """Two-sided, 95 %.

    Args:
        low: its lower end.
        high: its upper end.
        over: ``seeds``, ``images`` or ``widths``: what would be drawn again.
        method: how it was had.
        caution: what it leaves out or assumes, in words; ``None`` where there is nothing to say.
    """

    low: float
    high: float
    over: str
    method: str
    caution: str | None = None

    @property
    def sound(self) -> bool:
        """Whether it may be printed as a 95 % interval: not where something that varies is held fixed in it."""
        return self.caution != FIXED

    def holds(self, value: float) -> bool:
        """Whether ``value`` is inside."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Estimate:
    """A figure and its intervals, the one to quote first; none where nothing can be said."""

    value: float
    intervals: tuple[Interval, ...] = ()

    @property
    def best(self) -> Interval | None:
        """The interval to quote: the first sound one."""
        return next((interval for interval in self.intervals if interval.sound), None)

    def over(self, what: str) -> Interval | None:
        """The first interval over ``what``."""
        return next((interval for interval in self.intervals if interval.over == what), None)


def estimate(value: float, *intervals: Interval | None) -> Estimate:
    """A figure with those of the intervals that could be had."""
    return Estimate(float(value), tuple(interval for interval in intervals if interval is not None))


def contrast(weights: NDArray[np.float64], groups: Groups, value: float) -> Interval | None:
    """The interval over seeds of a weighted sum of widths' means, by Student's t.

    Where every width that counts has two seeds or more, each width's own spread is used (Welch); where some have one,
    the spread of the others, pooled, stands for all, with a caution. ``None`` where no width has two.

    Args:
        weights: ``(W,)``.
        groups: W arrays, the values of each width's seeds.
        value: the sum itself.

    Reference: Welch 1947; the degrees of freedom are Satterthwaite's (1946).
    """
    used = [i for i in range(len(groups)) if weights[i] != 0]
    if all(len(groups[i]) > 1 for i in used):
        parts = np.array([weights[i] ** 2 * groups[i].var(ddof=1) / len(groups[i]) for i in used])
        free = np.array([len(groups[i]) - 1 for i in used])
        total = float(parts.sum())
        df = total**2 / float((parts**2 / free).sum()) if total > 0 else float(free.sum())
        return _student(value, total, df, f"Student's t, {df:.1f} degrees of freedom (Welch)")
    variance, df = _pooled(groups)
    if df == 0:
        return None
    total = variance * sum(weights[i] ** 2 / len(groups[i]) for i in used)
    return _student(value, total, df, f"Student's t, {df} degrees of freedom (pooled)", BORROWED)


def resampled_seeds(groups: Groups, *, resamples: int = BOOTSTRAPS) -> NDArray[np.float64]:
    """``(R, W)`` means of each width's seeds drawn with replacement; a width with one seed does not vary.

    The deviations are widened by ``sqrt(S / (S - 1))``: S draws of S seeds vary too little by that factor, a tenth at
    five seeds.

    Reference: Efron 1982 on the factor; Rao and Wu 1988 on the widening.
    """
    rng = np.random.default_rng(_SEED)
    columns = []
    for group in groups:
        s = len(group)
        drawn = group[rng.integers(0, s, size=(resamples, s))].mean(axis=1)
        columns.append(group.mean() + np.sqrt(s / max(s - 1, 1)) * (drawn - group.mean()))
    return np.stack(columns, axis=1)


def seed_bootstrap(draws: NDArray[np.float64], groups: Groups) -> Interval | None:
    """The percentile interval of a figure's draws over seeds; ``None`` where a width has one seed, and does not vary.

    Args:
        draws: ``(R,)`` the figure of each resample.
        groups: what was resampled.
    """
    if min(len(group) for group in groups) < 2:
        return None
    low, high = np.quantile(draws, (TAIL, 1 - TAIL))
    method = f"bootstrap, {len(draws):,} resamples"
    return Interval(float(low), float(high), "seeds", method)


def by_images(value: float, draws: NDArray[np.float64], *, plug_in: bool = False) -> Interval:
    """The interval over images, of ``(R,)`` draws: the basic bootstrap's.

    Args:
        value: the figure.
        draws: the figure on each resample.
        plug_in: of a figure that is larger or smaller the fewer the images are (``draws.PLUG_IN``), and is quoted as it
            is. The basic bootstrap aims at what endless images would show, and misses what as many others would show
            on average; here the draws' deviations from their own mean are set around the value.
    """
    if plug_in:
        low, high = (float(value + end - draws.mean()) for end in np.quantile(draws, (TAIL, 1 - TAIL)))
    else:
        low, high = reflected(value, draws, tail=TAIL)
    around = "centred bootstrap" if plug_in else "bootstrap"
    return Interval(low, high, "images", f"{around} within classes, {len(draws):,} resamples")


def by_seeds(values: NDArray[np.float64]) -> Interval | None:
    """Student's interval of the mean of ``(S,)`` seeds; ``None`` for one."""
    if len(values) < 2:
        return None
    low, high = mean_interval(values, tail=TAIL)
    return Interval(low, high, "seeds", f"Student's t, {len(values)} seeds")


def by_seed_pairs(grid: NDArray[np.float64], rows: str, columns: str) -> Interval | None:
    """The interval of the mean of a figure over all pairs of seeds of two widths; pairs that share a seed go together.

    ``(MS_rows + MS_columns - MS_rest) / (A B)`` estimates the mean's variance without bias where the seeds of both are
    drawn: the two-way layout with random effects. A width with one seed is taken to vary as the other's seeds do.

    Args:
        grid: ``(A, B)``, of each seed of one width with each of the other.
        rows: the first width's name.
        columns: the second's.

    Reference: Scheffe 1959, The Analysis of Variance, section 7.4; degrees of freedom after Satterthwaite 1946.
    """
    a, b = grid.shape
    if a * b == 1:
        return None
    mean = float(grid.mean())
    if 1 in (a, b):
        n = a * b
        one, several = (rows, columns) if a == 1 else (columns, rows)
        variance = float(grid.var(ddof=1)) * (1 / n + 1)
        method = f"Student's t, {n} seeds of {several}; the one seed of {one} taken to vary as much as they do"
        return _student(mean, variance, n - 1, method, BORROWED)
    row_means, column_means = grid.mean(axis=1), grid.mean(axis=0)
    ms_rows = b * float(row_means.var(ddof=1))
    ms_columns = a * float(column_means.var(ddof=1))
    rest = grid - row_means[:, None] - column_means[None] + mean
    ms_rest = float((rest**2).sum()) / ((a - 1) * (b - 1))
    variance = max(ms_rows + ms_columns - ms_rest, ms_rows, ms_columns)
    spread = ms_rows**2 / (a - 1) + ms_columns**2 / (b - 1) + ms_rest**2 / ((a - 1) * (b - 1))
    df = variance**2 / spread if spread > 0 else float(a + b - 2)
    return _student(mean, variance / (a * b), df, f"Student's t over {a} and {b} seeds, {df:.1f} degrees of freedom")


def by_jackknife(
    value: float, without: Mapping[str, NDArray[np.float64]], *, fixed: bool = False, borrowed: float | None = None
) -> Interval | None:
    """The interval of a figure of several widths' seeds, from its values with each seed of each width left out.

    Args:
        value: of all seeds.
        without: ``(S,)`` by width, S at least 2.
        fixed: whether there is a width whose seeds are too few to leave one out.
        borrowed: variance that stands for such a width's; it is then not held fixed.

    Reference: Arvesen 1969 on the jackknife of several samples; degrees of freedom after Satterthwaite 1946.
    """
    if not without:
        return None
    free = np.array([len(values) - 1 for values in without.values()])
    variances = np.array([(len(v) - 1) / len(v) * float(((v - v.mean()) ** 2).sum()) for v in without.values()])
    total = float(variances.sum())
    df = total**2 / float((variances**2 / free).sum()) if total > 0 else float(free.sum())
    method = f"jackknife over the seeds of {' and '.join(without)}"
    if borrowed is not None:
        return _student(value, total + borrowed, df, f"{method}; the one other seed taken to vary as they do", BORROWED)
    return _student(value, total, df, method, FIXED if fixed else None)


def _pooled(groups: Groups) -> tuple[float, int]:
    """The variance within widths, and its degrees of freedom."""
    df = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    return (squares / df, df) if df else (0.0, 0)


def _student(value: float, variance: float, df: float, method: str, caution: str | None = None) -> Interval:
    half = float(stdtrit(df, 1 - TAIL)) * float(np.sqrt(variance))
    return Interval(float(value - half), float(value + half), "seeds", method, caution)
