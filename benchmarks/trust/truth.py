"""Pairs of models whose truth is known: what the trust simulation judges.

A class has a true accuracy, an image of it a probability of its own to be answered rightly. What deployment does is a
drop of each class's accuracy, and a discordance: answers that it flips both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyedge.metrics import Outcome
from tinyedge.metrics.accuracy import bottoms, ginis

CLASSES, IMAGES = 100, 100
LABELS = np.repeat(np.arange(CLASSES), IMAGES)
NAMES = tuple(f"class {i}" for i in range(CLASSES))
DISCORDANCE = (0.03, 0.08)
SPREAD = 4.0
"""Of the images' own probabilities within a class: Beta(a s, (1 - a) s)."""
TIED, SATURATED, FLIPPED = 0.035, 0.003, 0.00003
"""True shares of images, as on the shipped int8 models: of argmax flips, the most that none in 90,000 leaves open."""

Drops = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From class accuracies ``(K,)`` to each class's true drop ``(K,)``."""


@dataclass(frozen=True)
class Scenario:
    """What deployment truly does.

    Args:
        name: in the table.
        drops: by class.
        spread_out: the drop leaves the discordance as it is (fewer images are gained); else it adds to it.
        overconfident: how much too high both models' confidence is where it is 1/2, a share.
    """

    name: str
    drops: Drops
    spread_out: bool = True
    overconfident: float = 0.0


def _uniform(drop: float) -> Drops:
    return lambda accuracy: np.full(len(accuracy), drop)


def _weakest(count: int, drop: float) -> Drops:
    return lambda accuracy: np.where(np.argsort(np.argsort(accuracy)) < count, drop, 0.0)


def _median(drop: float) -> Drops:
    return lambda accuracy: np.where(np.argsort(np.argsort(accuracy)) == len(accuracy) // 2, drop, 0.0)


NO_CHANGE, DROP_1, ONE_15, TEN_10 = "no change", "all classes -1 pp", "one class -15 pp", "ten weakest -10 pp"
SCENARIOS = (
    Scenario(NO_CHANGE, _uniform(0.0)),
    Scenario("all classes -0.5 pp", _uniform(0.005)),
    Scenario(DROP_1, _uniform(0.01)),
    Scenario("all classes -2 pp", _uniform(0.02)),
    Scenario(TEN_10, _weakest(10, 0.10), spread_out=False),
    Scenario("one class -10 pp", _median(0.10), spread_out=False),
    Scenario(ONE_15, _median(0.15), spread_out=False),
    Scenario("no change, 4 pp overconfident", _uniform(0.0), overconfident=0.064),
)


@dataclass(frozen=True)
class Pair:
    """Two models on the same images, and the truth that the gates do not see."""

    reference: Outcome
    deployed: Outcome
    right: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    drop: NDArray[np.float64]
    discordance: float
    gap: float


def draw_pair(rng: np.random.Generator, scenario: Scenario, discordance: float) -> Pair:
    """Two models and their answers.

    An image is answered rightly by the reference with a probability p of its own, by the deployed model with q; both
    state just that as their confidence, the deployed one with rounding noise of mean 0, so that both are calibrated.
    """
    a = np.clip(rng.beta(4, 5, CLASSES), 0.15, 0.95)
    drop = scenario.drops(a)
    mixing = a * (1 - a) * SPREAD / (SPREAD + 1)  # mean of p (1 - p) in the class
    p = rng.beta(a[LABELS] * SPREAD, (1 - a[LABELS]) * SPREAD)
    weight = p * (1 - p) / mixing[LABELS]  # of mean 1 in each class
    if scenario.spread_out:
        mixed = np.full(CLASSES, discordance)
        lost, gained = weight * (discordance + drop[LABELS]) / 2, weight * (discordance - drop[LABELS]) / 2
        extra = np.zeros(CLASSES)
    else:
        # A class can flip no more answers than it has left after its drop.
        mixed, extra = np.minimum(discordance, 2 * (1 - drop / a) * mixing), drop
        gained = weight * mixed[LABELS] / 2
        lost = gained + p * (drop / a)[LABELS]
    q = p - lost + gained
    u = rng.random(len(p))
    before = u < p
    after = (u < p - lost) | ((u >= p) & (u < p + gained))
    noise = 3 * discordance * np.clip(rng.standard_normal(len(p)), -3, 3)
    push = 4 * scenario.overconfident
    stated = q + (noise + push) * q * (1 - q)
    return Pair(
        _outcome(rng, before, p + push * p * (1 - p), quantized=False),
        _outcome(rng, after, stated, quantized=True),
        right=q,
        accuracy=a,
        drop=drop,
        discordance=float((mixed + extra).mean()),
        gap=float(push * mixing.mean()),
    )


def _outcome(
    rng: np.random.Generator, correct: NDArray[np.bool_], confidence: NDArray[np.float64], *, quantized: bool
) -> Outcome:
    n = len(correct)
    wrong = (LABELS + rng.integers(1, CLASSES, n)) % CLASSES
    return Outcome(
        labels=LABELS,
        predicted=np.where(correct, LABELS, wrong),
        confidence=confidence,
        correct=correct,
        tied=rng.random(n) < TIED * quantized,
        saturated=rng.random(n) < SATURATED * quantized,
        label_probability=np.where(correct, confidence, (1 - confidence) / (CLASSES - 1)),
        brier=None,
        quantized=quantized,
        class_names=NAMES,
    )


def truths(pair: Pair) -> dict[str, float]:
    """The true figure of each gate, in its unit; the ECE's and the worst class's are elsewhere."""
    before, after = pair.accuracy[None], (pair.accuracy - pair.drop)[None]
    return {
        "accuracy": 100 * float(pair.drop.mean()),
        "inequality": float((ginis(after) - ginis(before))[0]),
        "bottom5": 100 * float((bottoms(before) - bottoms(after))[0]),
        "churn": 100 * pair.discordance,
        "signed_gap": 100 * pair.gap,
        "gap_change": 0.0,
        "saturation": 100 * SATURATED,
        "ties": 100 * TIED,
        "parity": 100 * FLIPPED,
    }
