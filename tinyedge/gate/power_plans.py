"""How each gate would decide on figures that are only supposed: what the power table is made of.

A plan asks a gate's own interval at the unlucky fifth of the samples where it has a formula. Where only resampling
gives it, the spread of the figure comes from a small simulation of an unchanged model. Plans of shares are in
``power_shares``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import sqrt
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tinyedge.gate import power_shares
from tinyedge.gate.bottom5 import Bottom5Rule
from tinyedge.gate.inequality import InequalityRule
from tinyedge.gate.power_setup import Plan, Setup
from tinyedge.gate.result import Status, settle
from tinyedge.gate.worst_class import WorstClassRule
from tinyedge.metrics.accuracy import BOTTOM, bottoms, ginis
from tinyedge.metrics.calibration import BINS, folded_size
from tinyedge.stats.classes import chance_of_drop
from tinyedge.stats.paired import tango_interval
from tinyedge.stats.power import POWER, mean_power
from tinyedge.stats.resampling import accuracies

_SAMPLES = 2000
_PAIRS = 400
_IMAGES_A_CLASS = 100
_SEED = 20260307
_IMAGE_SPREAD = 0.5
"""Standard deviation of one image's confidence less correctness: at most a coin's, where confidence is calibrated."""


def _accuracy(setup: Setup, rule: Any) -> Plan:
    return _drop(rule.max_drop_pp, setup.discordance, setup.tail, "Tango's interval")


def _drop(limit: float, discordance: float, tail: float, note: str, title: str | None = None) -> Plan:
    """Tango's interval, where the drop is measured as unluckily as one time in five."""

    def settled(drop_pp: float, images: int, *, unlucky: int) -> Status:
        drop = drop_pp / 100
        d = max(discordance, drop)
        seen = drop + unlucky * _z(1 - POWER) * sqrt(max(d - drop**2, 0.0) / images)
        lost, gained = round(images * max(d + seen, 0) / 2), round(images * max(d - seen, 0) / 2)
        counts = min(lost, images), min(gained, images - min(lost, images))
        return settle(tango_interval(*counts, images, tail=tail), limit / 100)

    return Plan(
        "pp",
        limit,
        100.0,
        0.0,
        lambda drop, n: settled(drop, n, unlucky=1) is Status.PASS,
        lambda drop, n: settled(drop, n, unlucky=-1) is Status.FAIL,
        note,
        title,
    )


def _worst_class(setup: Setup, rule: WorstClassRule) -> Plan:
    """One class drops and the others only differ by chance: its drop has to reach the limit, and max-T's threshold."""

    def chance(drop_pp: float, images: int) -> float:
        n, drop = images // setup.classes, drop_pp / 100
        if n < 1:
            return 0.0
        half = min(setup.discordance, 1 - drop) / 2
        drawn = np.random.default_rng(_SEED).multinomial(n, (half + drop, half, 1 - drop - 2 * half), size=_SAMPLES)
        discordant = np.full(setup.classes, round(2 * half * n), np.int64)
        discordant[0] = min(round((2 * half + drop) * n), n)
        counts = np.full(setup.classes, n, np.int64)
        reach = _threshold(lambda x: chance_of_drop(discordant, counts, x) < rule.p_below)
        needed = max(reach, rule.max_drop_pp / 100)
        return float(((drawn[:, 0] - drawn[:, 1]) / n >= needed - 1e-9).mean())

    return Plan(
        "pp",
        rule.max_drop_pp,
        100.0,
        0.0,
        lambda x, n: n // setup.classes >= rule.min_images_per_class and 1 - chance(x, n) >= POWER,
        lambda x, n: chance(x, n) >= POWER,
        "the drop of one class, the others unchanged; simulated",
    )


def _inequality(setup: Setup, rule: InequalityRule) -> Plan | None:
    """Bounds of the change, whose spread is simulated."""
    if setup.classes < 2:
        return None
    both = _z(setup.tail) + _z(1 - POWER)

    def spread(images: int) -> float:
        return _spread("gini", setup.classes, setup.discordance) * sqrt(setup.classes * _IMAGES_A_CLASS / images)

    def enough(images: int) -> bool:
        return images // setup.classes >= rule.min_images_per_class

    return Plan(
        "score",
        rule.max_gini_rise,
        1.0,
        0.0,
        lambda rise, n: enough(n) and rise + both * spread(n) <= rule.max_gini_rise,
        lambda rise, n: enough(n) and rise - both * spread(n) > rule.max_gini_rise,
        "class accuracies as Beta(4, 5); simulated",
    )


def _bottom5(setup: Setup, rule: Bottom5Rule) -> Plan | None:
    """The drop has to reach the limit, and what swapping the two models shows by chance."""
    if setup.classes <= BOTTOM:
        return None

    def reach(images: int) -> tuple[float, float]:
        spread = _spread("bottom", setup.classes, setup.discordance)
        spread *= 100 * sqrt(setup.classes * _IMAGES_A_CLASS / images)
        return max(rule.max_drop_pp, _z(rule.p_below) * spread), _z(1 - POWER) * spread

    return Plan(
        "pp",
        rule.max_drop_pp,
        100.0,
        0.0,
        lambda x, n: n // setup.classes >= rule.min_images_per_class and x <= reach(n)[0] - reach(n)[1],
        lambda x, n: x >= sum(reach(n)),
        "class accuracies as Beta(4, 5); simulated",
    )


def _mean(limit: float, deviation: float, tail: float, note: str) -> Plan:
    """Student's two bounds; ``deviation`` is that of one image's value."""

    def power(gap_pp: float, images: int) -> float:
        if images < 2:
            return 0.0
        return mean_power(images, mean=gap_pp / 100, deviation=max(deviation, 1e-9), limit=limit / 100, tail=tail)

    return Plan(
        "pp",
        limit,
        100.0,
        0.0,
        lambda x, n: x < limit and power(x, n) >= POWER,
        lambda x, n: x > limit and power(x, n) >= POWER,
        note,
    )


def _ece(setup: Setup, rule: Any) -> Plan:
    """The gate's bounds, for a gap that is the same in every bin and bins that are equally full."""
    both = (_z(setup.tail) + _z(1 - POWER)) * _IMAGE_SPREAD

    def shown(true: float, images: int) -> float:
        """The ECE on a sample, on average: chance adds to it where the true one is small."""
        gap, spread = np.full(BINS, true / BINS), np.full(BINS, _IMAGE_SPREAD / sqrt(BINS * images))
        return folded_size(gap, spread)

    return Plan(
        "pp",
        rule.max_ece_pp,
        100.0,
        0.0,
        lambda x, n: 100 * (shown(x / 100, n) + both / sqrt(n)) <= rule.max_ece_pp,
        lambda x, n: x - 100 * both / sqrt(n) > rule.max_ece_pp,
        "at most: a sharper model takes fewer images",
    )


def _signed_gap(setup: Setup, rule: Any) -> Plan:
    return _mean(rule.max_gap_pp, _IMAGE_SPREAD, setup.tail, "at most: a sharper model takes fewer images")


def _gap_change(setup: Setup, rule: Any) -> Plan:
    return _mean(rule.max_change_pp, sqrt(setup.discordance), setup.tail, "Student's interval")


def _release_drop(setup: Setup, rule: Any) -> Plan:
    flips, drop = (setup.measured.get(f"baseline.{name}") for name in ("negative_flips", "accuracy"))
    note, discordance = "since the last release, where one is given; Tango's interval", setup.discordance
    if flips is not None and drop is not None:
        discordance = (2 * flips - drop) / 100  # lost, and gained: lost less the drop
        note = "since the last release, at the discordance with it; Tango's interval"
    return _drop(rule.max_accuracy_drop_pp, discordance, setup.tail, note, "Drop since release")


PLANS: Mapping[str, Callable[[Setup, Any], Plan | None]] = MappingProxyType(
    {
        "accuracy": _accuracy,
        "worst_class": _worst_class,
        "inequality": _inequality,
        "bottom5": _bottom5,
        "churn": power_shares.churn,
        "signed_gap": _signed_gap,
        "ece": _ece,
        "gap_change": _gap_change,
        "saturation": power_shares.saturation,
        "ties": power_shares.ties,
        "parity": power_shares.parity,
        "floors.accuracy": power_shares.floor,
        "baseline.accuracy": _release_drop,
        "baseline.negative_flips": power_shares.release_flips,
    }
)
"""By result, which begins with its gate: from a setup and the gate's rule to a plan; ``None`` where it cannot apply."""


def _threshold(reached: Callable[[float], bool]) -> float:
    """The smallest share that ``reached`` holds of, to 1e-4."""
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


@lru_cache(maxsize=32)
def _spread(statistic: str, classes: int, discordance: float) -> float:
    """Standard deviation of a figure's change in an unchanged model, at 100 images a class."""
    rng = np.random.default_rng(_SEED)
    right = rng.beta(4, 5, (_PAIRS, classes))
    # No class can have more of its answers flip than it has right, or wrong.
    half = np.minimum(discordance / 2, np.minimum(right, 1 - right))
    cells = rng.multinomial(_IMAGES_A_CLASS, np.stack([right - half, half, half, 1 - right - half], axis=-1))
    before, after = accuracies(np.asarray(cells, np.int64))
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]] = ginis if statistic == "gini" else bottoms
    return float((figure(after) - figure(before)).std())


def _z(tail: float) -> float:
    return float(-ndtri(tail))
